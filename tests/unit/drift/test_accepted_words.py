"""What accepted drift is bound to: the facts, however they are worded, and the words of 0.1.

A baseline that segctl 0.1 wrote holds only a fingerprint of words. So the words that it had stay
recognised as they stand here; whoever rewords one gives up those baselines, and no others.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import segctl
from segctl.drift.baseline import baseline_text, read_baseline
from segctl.drift.items import items_of
from segctl.drift.report import DeviceDrift, DriftReport, drift_of
from segctl.model.diff import Change
from segctl.model.errors import Problem
from segctl.model.policy import Rule
from segctl.planning.plan import DevicePlan
from segctl.providers.base import essence
from segctl.providers.nftables import noted

if TYPE_CHECKING:
    from segctl.drift.items import DriftItem

SOURCES = Path(segctl.__file__).parent
NFTABLES = SOURCES / "providers/nftables"
TODAY = date(2026, 11, 22)
WORDS = {
    "foreign.py": (
        "takes connections past ",
        "mark that are segctl's (0x{MASK:08x}): they say which rule has judged it",
        "has rules of iptables that this nft does not show: whether ",
    ),
    "kept.py": (
        "at boot cannot be told: the host ",
        "at boot: no unit that is enabled names it, and ",
    ),
}
EXTRAS = {
    noted.thing("chain", "rule_a", "differs"): "chain rule_a is not as segctl writes it",
    noted.thing("counter", "rule_a", "differs"): "counter rule_a is not as segctl writes it",
    noted.thing("set", "a", "missing"): "set a is missing",
    noted.thing("set", "a", "strange"): "set a is not segctl's",
    noted.line("a_to_b", "lacks", "ip saddr 10.0.0.1"): "a_to_b lacks: ip saddr 10.0.0.1",
    noted.line("a_to_b", "has", "accept # x"): "a_to_b also has: accept # x",
}
RULE = Rule(name="a.r", from_zones=("A",), to_zones=("B",), conduit="a", flow="r")


def plan(*findings: Problem, extras: tuple[str, ...] = ()) -> DevicePlan:
    held = replace(RULE, extras=extras)
    made = Change(op="update", kind="rule", name="a.r", before=held, after=RULE)
    changes = (made,) if extras else ()
    return DevicePlan(name="fw1", platform="nftables", findings=findings, changes=changes)


def items(*findings: Problem, extras: tuple[str, ...] = ()) -> tuple[DriftItem, ...]:
    return items_of(plan(*findings, extras=extras))


def told(finding: Problem) -> DriftItem:
    (item,) = items(finding)
    return item


def in_sync(folder: Path, baseline: str, now: DevicePlan) -> bool:
    path = folder / "accepted.yml"
    path.write_text(baseline, encoding="utf-8")
    found = drift_of([now], read_baseline(path), today=TODAY)
    return found.in_sync


def written(*accepted: DriftItem) -> str:
    """Return the baseline that this version writes."""
    report = DriftReport(devices=(DeviceDrift(name="fw1", items=accepted),))
    return baseline_text(report, "ops", TODAY)


def as_before(*accepted: DriftItem) -> str:
    """Return the baseline that segctl 0.1 wrote: it knew no key."""
    return written(*(replace(item, key="") for item in accepted))


@pytest.mark.parametrize("module", WORDS)
def test_words_that_baselines_of_0_1_hold_stay(module: str) -> None:
    text = (NFTABLES / module).read_text("utf-8")
    for words in WORDS[module]:
        assert words in text


@pytest.mark.parametrize("words", EXTRAS)
def test_notes_that_baselines_of_0_1_hold_stay(words: str) -> None:
    assert words == EXTRAS[words]


HOLE = Problem(
    message="rule 'x' permits any",
    kind="hole",
    subject="x",
    severity="warning",
    about=("x", "applications=any"),
)
MISSING = Problem(message="zone A does not exist", about=("zone is missing", "A"))


@pytest.mark.parametrize("finding", [HOLE, MISSING], ids=["named", "unnamed"])
def test_a_reworded_finding_stays_accepted(tmp_path: Path, finding: Problem) -> None:
    baseline = written(told(finding))
    reworded = replace(finding, message="said in another way")
    assert in_sync(tmp_path, baseline, plan(finding))
    assert in_sync(tmp_path, baseline, plan(reworded))
    assert not in_sync(tmp_path, as_before(told(finding)), plan(reworded))


@pytest.mark.parametrize("finding", [HOLE, MISSING], ids=["named", "unnamed"])
def test_another_finding_in_the_same_words_is_not_accepted(
    tmp_path: Path, finding: Problem
) -> None:
    baseline = written(told(finding))
    assert not in_sync(tmp_path, baseline, plan(replace(finding, about=("y",))))
    assert not in_sync(tmp_path, baseline, plan(replace(finding, kind="unread")))


@pytest.mark.parametrize("finding", [HOLE, MISSING], ids=["named", "unnamed"])
def test_what_0_1_accepted_holds(tmp_path: Path, finding: Problem) -> None:
    # it knew findings without their facts
    baseline = as_before(told(replace(finding, about=())))
    assert "key" not in baseline
    assert in_sync(tmp_path, baseline, plan(finding))


def test_a_finding_without_facts_is_bound_to_its_words(tmp_path: Path) -> None:
    theirs = Problem(message="of a platform of others", kind="unread", subject="x")
    baseline = written(told(theirs))
    assert in_sync(tmp_path, baseline, plan(theirs))
    assert not in_sync(tmp_path, baseline, plan(replace(theirs, message="other")))


def test_reworded_notes_of_a_rule_stay_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def notes() -> tuple[str, ...]:
        chains = [
            noted.thing("chain", "rule_a", "differs"),
            noted.thing("chain", "rule_b", "missing"),
        ]
        return tuple(sorted([*chains, noted.line("a_to_b", "has", "accept")], key=len))

    first = items(extras=notes())
    others = items(extras=(noted.line("a_to_b", "has", "drop"),))
    baseline, former = written(*first), as_before(*first)
    assert in_sync(tmp_path, baseline, plan(extras=notes()))
    assert in_sync(tmp_path, former, plan(extras=notes()))
    assert not in_sync(tmp_path, written(*others), plan(extras=notes()))
    monkeypatch.setitem(noted.STATES, "differs", "was written by somebody else")
    monkeypatch.setitem(noted.LINES, "has", "holds as well")
    assert in_sync(tmp_path, baseline, plan(extras=notes()))
    assert not in_sync(tmp_path, former, plan(extras=notes()))


def test_notes_that_say_different_things_never_share_an_essence() -> None:
    told = [essence("nftables", words) for words in (*EXTRAS, "flowtable ft", "a lacks b")]
    assert len(set(told)) == len(told)
    assert told[-2:] == ["flowtable ft", "a lacks b"]
    # PAN-OS notes XML in a spelling of its own, and a platform that is not here whatever it likes
    for platform in ("panos", "elsewhere"):
        for text in ("tag=x", "option{disable-server-response-inspection=yes}", *EXTRAS):
            assert essence(platform, text) == text


def test_every_finding_that_is_drift_tells_its_facts() -> None:
    """Read in the sources: an error, or a kind that counts as drift, comes with `about`."""
    counting = {"HOLE", "UNREAD", "PENDING", "NOT_KEPT", "NOT_ENFORCED", "DISPLACED", "MASS_DELETE"}
    found = 0
    for path in sorted([*SOURCES.glob("planning/*.py"), *SOURCES.glob("providers/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id != "Problem" or not any(word.arg for word in node.keywords):
                continue
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            error = given.get("severity", "'error'") == "'error'"
            if error or given.get("kind", "") in counting:
                found += 1
                assert "about" in given, f"{path}:{node.lineno}"
    assert found >= 9
