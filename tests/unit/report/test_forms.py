"""Reports for pipelines: their forms are valid, of bounded size, and say nothing but the truth."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic_sarif import model

from segctl.analysis.rows import Row
from segctl.drift.acceptance import Accepted
from segctl.drift.report import drift_of
from segctl.fleet import Failure
from segctl.model.errors import InventoryError, Problem, UsageError
from segctl.model.site import Source
from segctl.planning.make import make_plan
from segctl.planning.meaning import Meaning
from segctl.planning.plan import DevicePlan, Plan
from segctl.report import (
    BUDGET,
    Places,
    Report,
    drift_report,
    environment_name,
    gitlab,
    junit,
    markdown,
    marker,
    plan_report,
    printable,
    refusal_report,
    sarif,
    validation_report,
    webpage,
)
from segctl.report.escape import clipped, html_text, markdown_text
from segctl.report.rules import RULES
from support import changes
from support.hostile import INTENT, names, plans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.model.diff import Change

ROOT = Path("/repo")
PLACES = Places(
    anywhere="/repo/inventory",
    devices={"fw1": Source(file="/repo/inventory/hosts.yml", line=4, column=7)},
    conduits={"polling": Source(file="/repo/inventory/conduits.yml", line=2, column=3)},
)
#: All that a report's Markdown may become: tag by tag, with the attributes it may have.
TAGS = {
    **dict.fromkeys(
        ("h3", "h4", "p", "strong", "ul", "li", "code", "pre", "details", "summary"), ()
    ),
    **dict.fromkeys(("table", "thead", "tbody", "tr", "th", "td", "hr"), ()),
    "code": ("class",),
}
quick = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


class Page(HTMLParser):
    """The elements, comments and texts of a page; texts in code apart from others."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.prose: list[str] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self._inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if not {"code", "pre", "style"} & set(self._inside):
            self.prose.append(data)

    @property
    def text(self) -> str:
        assert not self._inside
        return squeezed("".join(self.words))


def squeezed(text: str) -> str:
    return " ".join(text.replace("\u200b", "").split())


def rendered(text: str) -> Page:
    """Read Markdown as a forge does: GitHub's tables and strikethrough, HTML let through."""
    return Page(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text))


def change(
    op: str,
    kind: str = "rule",
    name: str = "polling.modbus",
    conduit: str = "polling",
    **sides: Any,
) -> Change:
    return changes.change(op, kind, name, conduit=conduit, **sides)


RULE = {
    "action": "allow",
    "from_zones": ["SUPV"],
    "to_zones": ["CTRL"],
    "sources": ["scada1"],
    "destinations": ["plc1"],
    "applications": ["modbus"],
    "services": ["any"],
    "log": True,
}


def row(rule: str, *, source: str = "10.20.2.5", but: str = "") -> Row:
    return Row(
        from_zones=("SUPV",),
        to_zones=("CTRL",),
        source=(source,),
        applications=("modbus",),
        services=("tcp/502",),
        negated=(but,) if but else (),
        rule=rule,
        conduit="polling",
    )


def planned(*made: Change, **values: Any) -> Plan:
    device = DevicePlan(name="fw1", platform="panos", os_version="11", changes=made, **values)
    return make_plan([device], INTENT)


def report(plan: Plan, failed: Sequence[Failure] = ()) -> Report:
    return plan_report(plan, failed, environment="plant-a", places=PLACES)


# --- Markdown ------------------------------------------------------------------------------------


def test_a_plan_in_a_pull_request_reads_like_this() -> None:
    hole = Problem(message="rule 'any' permits all", kind="hole", subject="any", severity="warning")
    plan = planned(
        change("create", after=RULE, anchor={"where": "top", "rule": ""}),
        change(
            "update",
            name="polling.old",
            before=RULE,
            after=RULE | {"sources": ["scada2"]},
        ),
        change("move", name="polling.moved", before=RULE, after=RULE),
        change("create", "address", "plc1", conduit="", after={"value": "10.20.1.11"}),
        findings=(hole,),
        meaning=Meaning(
            more=(row("polling.modbus"), row("polling.old", source="10.0.0.0/8", but="source")),
            less=(row("polling.old"),),
            unknown=(replace(row("polling.old"), why=("www is a name",), may=("widen",)),),
            marks=("widens", "both", "neither", "neither"),
        ),
    )
    failed = [Failure(device="fw2", code="unreachable", message="no answer")]
    state = "2 to create, 1 to change, 1 to move (PAN-OS 11, 0 rules)"
    name, expires = plan.plan_id, plan.expires
    end = "destination any; user any; application modbus; service tcp/502"
    flow = f"SUPV → CTRL; source 10.20.2.5; {end}"
    assert (
        markdown(report(plan, failed))
        == f"""\
<!-- segctl:plan:plant-a -->
### segctl plan · plant-a

**Plan: 2 to add, 1 to change, 0 to destroy, 1 to move (1 of 2 devices); 1 could not be planned**

#### Blocking

- **error** <code>fw2</code>: unreachable: no answer

#### Newly permitted

- <code>fw1</code>: polling.modbus: {flow}
- <code>fw1</code>: polling.old: SUPV → CTRL; source everything but 10.0.0.0/8; {end}

#### No longer permitted

- <code>fw1</code>: polling.old: {flow}

#### Cannot tell whether it stays permitted or denied

- <code>fw1</code>: polling.old: {flow} — may be newly permitted — www is a name

<details><summary><code>fw1</code> — {state}</summary>

- rule &#39;any&#39; permits all

```diff
@@ conduit polling @@
+ rule polling.modbus  (widens)
+   allow        SUPV → CTRL
+   source       scada1
+   destination  plc1
+   user         any
+   application  modbus
+   service      any
+   place to the top
! rule polling.old  (widens and narrows)
-   source  scada1
+   source  scada2
! rule polling.moved moves to the top  (neither widens nor narrows)
@@ zones, objects and default rules @@
+ address plc1  10.20.1.11
```

</details>

<details><summary><code>fw2</code> — could not be planned</summary>

- **error** <code>fw2</code>: unreachable: no answer

</details>

---

plan <code>{name}</code> · commit <code>0123456789ab</code> · expires <code>{expires}</code>
"""
    )


def test_the_footer_says_how_to_apply_what_can_be_applied() -> None:
    assert "apply <code>segctl apply plan.json</code>" in markdown(report(planned(change("move"))))
    error = Problem(message="no", severity="error")
    barred = markdown(report(planned(change("move"), findings=(error,))))
    assert "- **error** <code>fw1</code>: no" in barred
    assert "segctl apply" not in barred
    assert "segctl apply" not in markdown(report(planned()))


def test_a_rename_counts_where_there_is_one() -> None:
    plan = planned(change("rename", before={"name": "polling.old"}), change("move"))
    text = markdown(report(plan))
    assert "1 to move, 1 to rename (1 device)" in text
    assert "! rule polling.old → polling.modbus" in text
    assert "to rename" not in markdown(report(planned(change("move"))))


@quick
@given(plans())
def test_nothing_of_a_device_becomes_markdown(made: tuple[Plan, list[Failure]]) -> None:
    plan, failed = made
    text = markdown(report(plan, failed))
    assert text.splitlines()[0] == marker("plan", "plant-a")
    assert not any(line.startswith("/") for line in text.splitlines())
    page = rendered(text)
    assert page.comments == [" segctl:plan:plant-a "]
    for tag, attributes in page.tags:
        assert set(attributes) <= set(TAGS[tag])
    prose = "".join(page.prose)
    assert not re.search(r"[@#]\w|://\w|www\.\w", prose)
    assert page.text.isprintable()
    for device in plan.devices:
        assert squeezed(printable(device.name)) in page.text
        for one in device.changes:
            assert squeezed(printable(one.name)) in page.text
    for failure in failed:
        assert squeezed(printable(failure.message)) in page.text


@quick
@given(names)
def test_a_text_shows_as_it_is(name: str) -> None:
    for line in (
        f"- x {markdown_text(name)} x",
        f"| {markdown_text(name)} |\n|---|",
        f"**x {markdown_text(name)} x**",
    ):
        page = rendered(line)
        assert squeezed(printable(name)) in page.text
        assert {tag for tag, _ in page.tags} <= {
            "ul",
            "li",
            "table",
            "thead",
            "tr",
            "th",
            "p",
            "strong",
        }
    assert Page(f"<p>{html_text(name)}</p>").text == squeezed(printable(name))


@settings(quick, max_examples=5)
@given(
    st.sampled_from(["x", "`", "<", "&", "|", "@", "\x00", "é", "𐌀"]),
    st.sampled_from([1, 90, 1_500]),
    st.sampled_from([(1, 1), (1, 300), (30, 8), (700, 1)]),
)
def test_no_plan_is_too_long_for_a_comment(mark: str, length: int, size: tuple[int, int]) -> None:
    many, per = size
    name = mark * length
    device = DevicePlan(
        name=name,
        platform="panos",
        changes=(change("create", name=name, conduit=name, after=RULE),) * per,
        findings=(Problem(message=name, severity="error"),) * min(per, 40),
    )
    plan = make_plan([device] * many, INTENT)
    failed = [Failure(device=name, code="auth", message=name)] * min(many, 100)
    text = markdown(report(plan, failed))
    assert len(text) <= BUDGET
    assert text.startswith(f"{marker('plan', 'plant-a')}\n### ")
    assert f"**Plan: {many * per} to add" in text
    assert {tag for tag, _ in rendered(text).tags} <= set(TAGS)


def test_a_plan_that_is_too_long_keeps_what_matters() -> None:
    devices = [
        DevicePlan(
            name=f"fw{number}",
            platform="panos",
            changes=(change("create", after=RULE),) * 20,
            findings=(Problem(message=f"blocked {number}", severity="error"),)
            if number < 3
            else (),
        )
        for number in range(400)
    ]
    text = markdown(report(make_plan(devices, INTENT)))
    assert len(text) <= BUDGET
    assert "**Plan: 8000 to add" in text
    assert all(f"<code>fw{number}</code>: blocked {number}" in text for number in range(3))
    assert text.index("blocked 2") < text.index("more findings") < text.index("| device |")
    assert "| <code>fw0</code> | 20 to create |" in text
    assert "This report is too long for a comment. Read the plan file of this run" in text
    assert "plan <code>" in text
    assert "<details>" not in text


def test_what_is_cut_is_cut_in_the_middle() -> None:
    assert clipped("abc", 3) == "abc"
    cut = clipped("a" * 50 + "b" * 50, 20)
    assert len(cut) <= 20
    assert (cut[0], cut[-1]) == ("a", "b")


# --- HTML ----------------------------------------------------------------------------------------


@quick
@given(plans())
def test_a_page_loads_nothing_and_runs_nothing(made: tuple[Plan, list[Failure]]) -> None:
    plan, failed = made
    text = webpage(report(plan, failed))
    page = Page(text)
    allowed = {"id", "class", "href", "lang", "charset", "name", "content", "http-equiv", "open"}
    for tag, attributes in page.tags:
        assert tag not in {"script", "img", "link", "iframe", "object", "form", "base"}
        assert set(attributes) <= allowed
        assert re.fullmatch(r"#d[0-9]+", attributes.get("href") or "#d1")
        assert (attributes.get("class") or "").isascii()
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    shown = page.text
    for device in plan.devices:
        assert squeezed(printable(device.name)) in shown
        for finding in device.findings:
            assert squeezed(printable(finding.message)) in shown


# --- SARIF, GitLab, JUnit ------------------------------------------------------------------------


def found(made: Report) -> list[dict[str, Any]]:
    """The results of a report, after SARIF's own schema has taken it."""
    document = sarif(made, ROOT)
    model.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(document)
    run = document["runs"][0]
    ids = [one["id"] for one in run["tool"]["driver"]["rules"]]
    assert len(set(ids)) == len(ids)
    assert all(one["help"]["text"] for one in run["tool"]["driver"]["rules"])
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
    listed: list[dict[str, Any]] = run["results"]
    return listed


def at(result: dict[str, Any]) -> tuple[str, int]:
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
    return place["artifactLocation"]["uri"], place["region"]["startLine"]


def test_a_finding_stands_where_it_was_declared() -> None:
    placed = Problem(
        message="skips", file="/repo/inventory/a b.yml", line=9, column=2, kind="skips-dmz",
        severity="warning", hint="do not",
    )  # fmt: skip
    bare = Problem(message="open", kind="hole", severity="warning", subject="r")
    other = Problem(message="zone missing", severity="error")
    results = found(report(planned(findings=(placed, bare, other))))
    assert [(one["ruleId"], one["level"], at(one)) for one in results] == [
        ("skips-dmz", "warning", ("inventory/a%20b.yml", 9)),
        ("hole", "warning", ("inventory/hosts.yml", 4)),
        ("inventory", "error", ("inventory/hosts.yml", 4)),
    ]
    assert results[0]["message"]["text"] == "skips (do not)"


def test_a_message_in_sarif_has_no_link_that_a_device_made() -> None:
    theirs = Problem(
        message="rule 'a [ok](https://evil.example) [b[c](1) \\[d\\](2)' is open", kind="hole"
    )
    (result,) = found(report(planned(findings=(theirs,))))
    assert not re.search(r"\]\(", result["message"]["text"])
    assert "[ok] (https://evil.example)" in result["message"]["text"]


def test_a_device_that_cannot_be_read_is_a_finding_somewhere() -> None:
    results = found(report(planned(), [Failure(device="fw9", code="auth", message="refused")]))
    assert [(one["ruleId"], one["level"], at(one)) for one in results] == [
        ("unreadable", "error", ("inventory", 1))
    ]


def test_a_finding_is_known_again_when_its_line_moves() -> None:
    def prints(line: int, message: str) -> str:
        problem = Problem(message=message, file="/repo/a.yml", line=line, severity="warning")
        result = found(report(planned(findings=(problem,))))[0]
        return str(result["partialFingerprints"]["segctl/v1"])

    assert prints(3, "x") == prints(30, "x")
    assert prints(3, "x") != prints(3, "y")


def test_files_elsewhere_keep_their_whole_path() -> None:
    problem = Problem(message="m", file="/etc/site.yml", line=2)
    place = found(report(planned(findings=(problem,))))[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "file:///etc/site.yml"}


def test_drift_stands_at_its_conduit() -> None:
    drift = drift_of(planned(change("delete", before=RULE)).devices)
    results = found(drift_report(drift, environment="e", places=PLACES))
    assert [(one["ruleId"], at(one)) for one in results] == [
        ("drift-unexpected", ("inventory/conduits.yml", 2))
    ]


@quick
@given(plans())
def test_every_machine_readable_form_is_well_formed(made: tuple[Plan, list[Failure]]) -> None:
    plan, failed = made
    for one in (
        report(plan, failed),
        drift_report(drift_of([*plan.devices, *failed]), environment="e", places=PLACES),
    ):
        assert all(result["locations"] for result in found(one))
        top = ET.fromstring(junit(one).split("\n", 1)[1])
        for suite in top.iter("testsuite"):
            cases = list(suite.iter("testcase"))
            assert int(suite.attrib["tests"]) == len(cases)
            for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                assert int(suite.attrib[kind]) == len(list(suite.iter(tag)))
        assert int(top.attrib["tests"]) == len(list(top.iter("testcase")))


def test_the_widget_counts_moves_and_renames_as_updates() -> None:
    made = [change(op) for op in ("create", "update", "move", "rename", "delete")]
    assert gitlab(report(planned(*made)), ROOT) == {"create": 1, "update": 3, "delete": 1}
    drift = drift_of(planned(*made).devices)
    assert gitlab(drift_report(drift, environment="e"), ROOT) == {
        "create": 1,
        "update": 3,
        "delete": 1,
    }


def test_code_quality_of_an_inventory() -> None:
    warning = Problem(
        message="no ticket", file="/repo/inventory/c.yml", line=5, severity="warning",
        kind="no-ticket",
    )  # fmt: skip
    made = validation_report([warning], {}, {"zones": 1}, environment="e", places=PLACES)
    quality = gitlab(made, ROOT)
    assert isinstance(quality, list)
    assert quality[0]["severity"] == "minor"
    assert quality[0]["check_name"] == "no-ticket"
    assert quality[0]["location"] == {"path": "inventory/c.yml", "lines": {"begin": 5}}


def cases(made: Report) -> dict[tuple[str, str], str]:
    top = ET.fromstring(junit(made).split("\n", 1)[1])
    return {
        (case.attrib["classname"], case.attrib["name"]): next(
            (child.tag for child in case), "passed"
        )
        for case in top.iter("testcase")
    }


GONE = Accepted(device="fw1", kind="rule", name="gone", owner="ops", expires=date(2030, 1, 1))


def test_every_rule_of_a_device_is_a_check_of_drift() -> None:
    hole = Problem(message="open", kind="hole", subject="theirs", severity="warning")
    plans = planned(change("create"), change("delete", name="gone"), findings=(hole,)).devices
    drift = drift_of(
        [*plans, Failure(device="fw2", code="auth", message="no")], [GONE], today=date(2029, 1, 1)
    )
    rules = {"fw1": ["polling.modbus", "polling.kept"]}
    assert cases(drift_report(drift, environment="e", rules=rules)) == {
        ("drift.fw1", "is read"): "passed",
        ("drift.fw1", "rule polling.modbus"): "failure",
        ("drift.fw1", "rule polling.kept"): "passed",
        ("drift.fw1", "rule gone"): "skipped",
        ("drift.fw1", "open: theirs"): "failure",
        ("drift.fw2", "is read"): "error",
    }


def test_what_forbids_a_plan_fails_its_check() -> None:
    error = Problem(message="zone missing", severity="error")
    made = report(planned(findings=(error,)), [Failure(device="fw2", code="auth", message="no")])
    assert cases(made) == {
        ("plan.fw1", "is read"): "passed",
        ("plan.fw1", "nothing forbids applying"): "failure",
        ("plan.fw1", "others permit nothing that no conduit declares"): "passed",
        ("plan.fw2", "is read"): "error",
    }


# --- validation and refusals ---------------------------------------------------------------------


def test_a_validation_names_firewalls_and_conduits() -> None:
    warning = Problem(
        message="m", file="/repo/inventory/conduits.yml", line=2, severity="warning",
        subject="site/polling.modbus",
    )  # fmt: skip
    refusal = Problem(message="fw1: no users", kind="unsupported", subject="fw1")
    made = validation_report(
        [warning], {"fw1": (refusal,)}, {"zones": 2},
        environment="e", places=PLACES,
    )  # fmt: skip
    assert cases(made) == {
        ("validate.inventory", "is read"): "passed",
        ("validate.firewalls", "fw1"): "failure",
        ("validate.conduits", "polling"): "system-out",
    }
    text = markdown(made)
    assert "**Validation: 1 error, 1 finding (2 zones)**" in text
    assert text.index("fw1: no users") < text.index("#### Findings")
    assert [at(one) for one in found(made)] == [
        ("inventory/hosts.yml", 4),
        ("inventory/conduits.yml", 2),
    ]


def test_an_inventory_that_cannot_be_read_is_reported_as_well() -> None:
    problems = (
        Problem(
            message="unknown key", file="/repo/inventory/a.yml", line=3, column=1, hint="drop it"
        ),
        Problem(message="no such host", file="--limit"),
    )
    made = refusal_report("plan", InventoryError(problems), environment="e", places=PLACES)
    text = markdown(made)
    assert text.startswith(marker("plan", "e"))
    assert "**No plan: 2 problems in the inventory**" in text
    assert "unknown key — drop it" in text
    assert [at(one) for one in found(made)] == [("inventory/a.yml", 3), ("inventory", 1)]
    assert cases(made) == {("plan.inventory", "is read"): "failure"}


def test_every_word_that_findings_have_is_explained() -> None:
    words: set[str] = set()
    for path in (Path(__file__).parents[3] / "provider" / "segctl").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for call in re.findall(r"Problem\((.*?)\n\s*\)", text, re.DOTALL):
            words |= set(re.findall(r'kind="([a-z-]+)"', call))
        words |= set(re.findall(r'_finding\(\s*"([a-z-]+)"', text))
    assert len(words) > 10
    assert words <= set(RULES)


@pytest.mark.parametrize("name", ["a--b", "-a", "a b", "a>b", "", "x" * 65, "a\nb", "ä"])
def test_an_environment_that_cannot_stand_in_a_marker_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--env"):
        environment_name(name)


def test_an_environment_is_a_plain_word() -> None:
    assert environment_name("plant-a.prod_2") == "plant-a.prod_2"
