"""Statements about sets of zones in a file of checks: they hold, do not, or cannot be told."""

from __future__ import annotations

import html
import json
from textwrap import dedent
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml

from cli_support import POLL, RULES, Plant
from support.cells import cells

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CONDUITS = """\
    - policy:
        name: nothing but conduits reaches a controller
        from: any
        to: {kind: control}
        permits: conduits
    """
WRITES = "- policy: {from: supervisory, to: {level: 1}, of: [write, program], permits: []}\n"


@pytest.fixture
def gateways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Plant]:
    """A cell behind a firewall and one behind a Linux gateway."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    with cells(tmp_path, capsys, "fw1", "gw2") as plant:
        yield plant


def asked(plant: Plant, text: str, *words: str, code: int = 0) -> Any:
    (plant.folder / "checks.yml").write_text(dedent(text), encoding="utf-8")
    with plant.untouched():
        done = plant("check", "checks.yml", *words, "--json")
    assert done.code == code, (done.err, done.out[-3000:])
    if "checks" in done.json:
        jsonschema.validate(done.json, plant("schema", "check").json)
    jsonschema.validate(yaml.safe_load(dedent(text)), plant("schema", "checks").json)
    return done.json


def add_rule(plant: Plant, host: str = "fw1", **lists: str) -> None:
    said = {"from": "SUPV", "to": "CTRL", "source": "any", "destination": "any"}
    said |= {"application": "any", "service": "any"} | lists
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in said.items())
    fleet = plant.fleet[host]
    fleet.edit("set", RULES, f"<entry name='theirs'>{text}<action>allow</action></entry>")
    fleet.edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)


def test_nothing_but_conduits(applied: Plant) -> None:
    document = asked(applied, CONDUITS)
    (policy,) = document["policies"]
    assert (policy["status"], policy["tested"], policy["pairs"]) == ("as_expected", 2, [])
    assert document["summary"]["as_expected"] == 1
    assert applied("check", "checks.yml").code == 0
    add_rule(applied, destination="10.20.1.12", service="service-https")
    document = asked(applied, CONDUITS, code=1)
    assert document["error"]["code"] == "check_failed"
    (policy,) = document["policies"]
    assert (policy["file"], policy["line"], policy["status"]) == ("checks.yml", 1, "otherwise")
    (pair,) = policy["pairs"]
    assert (pair["from_zone"], pair["to_zone"]) == ("plant/supervisory", "plant/control")
    assert (pair["example"]["destination"], pair["example"]["service"]) == ("10.20.1.12", "tcp/443")
    assert {row["rule"] for row in pair["rows"]} == {"theirs"}
    out = applied("check", "checks.yml").out
    assert "checks.yml:1: nothing but conduits reaches a controller  (permits: conduits)\n" in out
    assert "  does not hold, 2 pairs of zones\n" in out
    assert out.endswith("1 otherwise than expected\n")


def test_a_pull_request_needs_no_device(plant: Plant) -> None:
    assert asked(plant, CONDUITS + WRITES, "--declared")["summary"]["as_expected"] == 2
    assert not any(mock.requests for mock in plant.fleet.mocks.values())
    plant.edit(
        "group_vars/plant.yml", "protocols: {modbus: [read]}", "protocols: {modbus: [write]}"
    )
    document = asked(plant, CONDUITS + WRITES, "--declared", code=1)
    assert [one["status"] for one in document["policies"]] == ["as_expected", "otherwise"]
    example = document["policies"][1]["pairs"][0]["example"]
    assert example["application"].startswith("modbus-")
    assert not any(mock.requests for mock in plant.fleet.mocks.values())


def test_a_conduit_is_one_between_these_zones(plant: Plant) -> None:
    """A conduit from elsewhere with addresses of this zone permits something here, too."""
    text = "- policy: {from: dmz, to: supervisory, permits: conduits}\n"
    assert asked(plant, text, "--declared")["summary"]["as_expected"] == 1
    default = "segctl_default_rules: leave\n"
    path = plant.folder / "host_vars/fw2.yml"
    path.write_text(path.read_text("utf-8") + default, encoding="utf-8")
    plant.fleet["fw2"].edit(
        "set",
        RULES.replace(
            "security/rules", "default-security-rules/rules/entry[@name='interzone-default']"
        ),
        "<action>allow</action>",
        commit=True,
    )
    assert plant("apply", "--auto-approve").code == 0
    (policy,) = asked(plant, text, code=1)["policies"]
    assert policy["pairs"][0]["rows"][0]["rule"] == "interzone-default"


def test_uses_that_are_permitted_by_name(applied: Plant) -> None:
    base = "- policy: {from: any, to: control, permits: %s}\n"
    assert asked(applied, base % "modbus.read")["summary"]["as_expected"] == 1
    assert asked(applied, base % "[modbus]")["summary"]["as_expected"] == 1
    assert asked(applied, base % "[dnp3]", code=1)["summary"]["otherwise"] == 1
    assert asked(applied, base % "[]", code=1)["summary"]["otherwise"] == 1


def test_nobody_but_some_may(applied: Plant) -> None:
    text = "- policy: {from: {except: supervisory}, to: {kind: [control]}, permits: []}\n"
    assert asked(applied, text)["summary"]["as_expected"] == 1
    add_rule(applied, "fw2", **{"from": "DMZ", "to": "SUPV"})
    add_rule(applied, "fw1")  # from any address behind the supervisory zone
    (policy,) = asked(applied, text, code=1)["policies"]
    assert [pair["from_zone"] for pair in policy["pairs"]] == ["plant/dmz"]
    # what only one of two firewalls in series permits does not get through
    applied.fleet["fw2"].edit("delete", f"{RULES}/entry[@name='theirs']", commit=True)
    assert asked(applied, text)["summary"]["as_expected"] == 1


def test_what_cannot_be_told_is_not_said_to_hold(applied: Plant) -> None:
    add_rule(applied, source="CN")
    document = asked(applied, CONDUITS, code=1)
    assert document["error"]["code"] == "cannot_tell"
    (policy,) = document["policies"]
    assert policy["status"] == "cannot_tell"
    assert any("CN is known" in why for row in policy["pairs"][0]["rows"] for why in row["why"])
    assert "cannot tell whether it holds" in applied("check", "checks.yml").out


def test_a_user_group_of_a_conduit_is_the_conduit(applied: Plant) -> None:
    applied.edit(
        "group_vars/plant.yml",
        "protocols: {modbus: [read]}",
        "protocols: {modbus: [read]}\n        users: [plant\\operators]",
    )
    assert applied("apply", "--auto-approve").code == 0
    assert asked(applied, CONDUITS)["summary"]["as_expected"] == 1
    none = "- policy: {from: supervisory, to: control, permits: []}\n"
    assert asked(applied, none, code=1)["summary"]["otherwise"] == 1


def test_a_rule_of_ours_that_was_changed_is_no_conduit_any_more(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "edit",
        f"{RULES}/entry[@name='{POLL}']/source",
        "<source><member>any</member></source>",
        commit=True,
    )
    (policy,) = asked(applied, CONDUITS, code=1)["policies"]
    assert (policy["status"], policy["pairs"][0]["rows"][0]["rule"]) == ("otherwise", POLL)


def test_checks_and_statements_share_one_reading(applied: Plant) -> None:
    check = "- check: {from: scada1, to: plc1, application: modbus.read}\n"
    counts: list[int] = []
    for text in (check, check * 5 + dedent(CONDUITS) + WRITES * 5):
        before = applied.fleet["fw1"].requests
        assert asked(applied, text)["summary"]["otherwise"] == 0
        counts.append(_number(applied.fleet["fw1"].requests) - _number(before))
    assert counts[0] == counts[1]


def _number(requests: Any) -> int:
    return requests if isinstance(requests, int) else len(requests)


def test_both_platforms_hold_to_the_same_statements(gateways: Plant) -> None:
    text = (
        "- policy: {from: any, to: [cell-1, cell-2], permits: conduits}\n"
        "- policy: {from: supervisory, to: cell-2, permits: modbus.read}\n"
        "- policy: {from: any, to: any, of: write, permits: []}\n"
    )
    assert asked(gateways, text, "--declared")["summary"]["as_expected"] == 3
    assert gateways("apply", "--auto-approve").code == 0
    assert asked(gateways, text)["summary"]["as_expected"] == 3
    gateways.edit(
        "hosts.yml",
        "destination: plc2, protocols: {modbus: read}",
        "destination: plc2, protocols: {modbus: [read, write]}",
    )
    document = asked(gateways, text, "--declared", code=1)
    assert [one["status"] for one in document["policies"]] == ["as_expected", *["otherwise"] * 2]


def test_a_device_that_does_not_answer(applied: Plant) -> None:
    applied.fleet["fw1"].stop()
    document = asked(applied, CONDUITS, code=1)
    assert document["error"]["code"] == "unreachable"
    assert document["policies"][0]["status"] == "error"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{from: any, to: {kind: safety}, permits: []}",
            "the inventory has no zones of kind safety (kinds of the inventory: control, dmz, ",
        ),
        (
            "{from: any, to: controll, permits: []}",
            "is not a zone, asset or address (did you mean control?)",
        ),
        ("{from: any, to: control, permits: [modbus.reed]}", "modbus has no access class 'reed'"),
        (
            "{from: any, to: control, permits: [modbsu.read]}",
            "'modbsu' is not a protocol (did you mean modbus?)",
        ),
        ("{from: any, to: control, permits: [read]}", "'read' is an access class of no protocol"),
        ("{from: any, to: control}", "1:3: [0].policy: permits is missing"),
        ("{from: any, to: {kinds: control}, permits: []}", "unknown key"),
        ("{from: any, to: {kind: controls}, permits: []}", "controls"),
        ("{from: control, to: control, permits: []}", "no firewall stands between its ends"),
    ],
)
def test_what_says_nothing_is_refused_with_its_line(plant: Plant, text: str, message: str) -> None:
    (plant.folder / "checks.yml").write_text(f"- policy: {text}\n", encoding="utf-8")
    done = plant("check", "checks.yml", "--declared", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "checks"
    assert message in done.json["error"]["message"]
    assert "checks.yml:1:" in done.json["error"]["message"]


def test_a_limit_leaves_out_pairs_of_others(applied: Plant) -> None:
    text = "- policy: {from: any, to: any, permits: conduits}\n"
    assert asked(applied, text)["policies"][0]["tested"] == 6
    document = asked(applied, text, "-l", "fw2")
    assert document["policies"][0]["tested"] == 4  # those between supervisory and control are not
    # what fw2 permits may pass fw1, which was not asked
    add_rule(applied, "fw2", **{"from": "SUPV", "to": "DMZ"})
    (policy,) = asked(applied, text, "-l", "fw2", code=1)["policies"]
    states = {(one["from_zone"], one["answer"]): one["not_asked"] for one in policy["pairs"]}
    assert states == {
        ("plant/supervisory", "otherwise"): [],
        ("plant/control", "cannot_tell"): ["fw1"],
    }
    lone = "- policy: {from: supervisory, to: control, permits: []}\n"
    error = asked(applied, lone, "-l", "fw2", code=1)["error"]
    assert "include fw1 in -l" in error["message"]


# --- reports -------------------------------------------------------------------------------------

MIXED = dedent(CONDUITS) + (
    "- check: {from: scada1, to: plc1, application: modbus.read}\n"
    "- check: {from: scada1, to: plc1, application: modbus.write}\n"
)


def test_an_acceptance_protocol(applied: Plant) -> None:
    add_rule(applied, source="CN", destination="10.20.1.12")
    forms = ("junit", "markdown", "html", "sarif", "gitlab")
    words = [word for form in forms for word in (f"--{form}", f"{form}.out")]
    document = asked(applied, MIXED, *words, "--env", "site-a", code=1)
    texts = {form: (applied.folder / f"{form}.out").read_text("utf-8") for form in forms}
    digest = document["devices"][0]["digest"]
    assert document["provenance"]["devices"] == ["fw1", "fw2"]
    for form in ("markdown", "html"):
        page = html.unescape(texts[form])
        assert digest in page
        assert "cannot tell" in page
        assert "nothing but conduits reaches a controller" in page
        assert POLL in page
        assert document["provenance"]["date"][:10] in page
    assert "Acceptance protocol" in texts["html"]
    top = ET.fromstring(texts["junit"])
    cases = {case.get("name"): [child.tag for child in case] for case in top.iter("testcase")}
    assert len(cases) == 3
    statuses = [one["status"] for one in (*document["checks"], *document["policies"])]
    wanted = {"as_expected": ["system-out"], "otherwise": ["failure"], "cannot_tell": ["error"]}
    assert list(cases.values()) == [wanted[status] for status in statuses]
    results = json.loads(texts["sarif"])["runs"][0]["results"]
    assert {one["ruleId"] for one in results} <= {"check_failed", "cannot_tell"}
    lines = {one["locations"][0]["physicalLocation"]["region"]["startLine"] for one in results}
    assert lines
    assert len(json.loads(texts["gitlab"])) == len(results)


def test_a_report_is_written_when_nothing_could_be_asked(plant: Plant) -> None:
    (plant.folder / "checks.yml").write_text("- check: {from: nobody, to: plc1}\n", "utf-8")
    assert plant("check", "checks.yml", "--junit", "report.xml").code == 1
    assert "is not a zone, asset or address" in (plant.folder / "report.xml").read_text("utf-8")
