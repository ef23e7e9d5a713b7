"""A rule is called used by nothing but attacks only where records of all its use show it."""

from __future__ import annotations

from typing import Any

import pytest

from segctl.observe.attacks import only_attacked, with_attacks
from segctl.observe.completeness import Completeness, Window
from segctl.observe.coverage import Coverage, FileCoverage, WitnessCoverage
from segctl.observe.grouping import Groups
from segctl.observe.observation import Flow, Group, Observation
from segctl.observe.usage import RuleUsage

DAY = 86400.0
FLOW = Flow("192.0.2.9", "10.1.0.5", "", "tcp", 80)
USED = RuleUsage(device="fw", rule="web", conduit="c", flow="f", used="used", why="", count=2)


def session(**said: Any) -> Observation:
    group: dict[str, Any] = {
        "flow": FLOW,
        "witness": "0123",
        "rule": "web",
        "verdict": "allow",
        **said,
    }
    return Observation(Group(**group), DAY, DAY, 0, 1, 10)


def threat(**said: Any) -> Observation:
    return session(**{"threat": "made-up", "severity": "high", **said})._replace(sessions=0)


def classed(*observations: Observation, witness: dict[str, Any] | None = None, **usage: Any) -> str:
    groups = Groups()
    for one in observations:
        groups.add(one)
    heard: dict[str, Any] = {
        "name": "0123",
        "formats": (),
        "records": 1,
        "first": 0.0,
        "last": 90 * DAY,
    }
    coverage = Coverage(
        files=(FileCoverage(name="fw.log"),),
        witnesses=(WitnessCoverage(**{**heard, **(witness or {})}),),
        timezone="UTC",
    )
    called = {"0123": "fw"}
    whole = Completeness(coverage, Window(first=0.0, last=90 * DAY), called)
    rule = RuleUsage(
        **{name: usage.get(name, getattr(USED, name)) for name in RuleUsage.__dataclass_fields__}
    )
    (found,) = with_attacks([rule], only_attacked(groups, called), whole)
    return found.used


def test_every_session_with_a_threat_record_is_an_attack() -> None:
    assert classed(session(), session(), threat(), threat()) == "only_attacks"


@pytest.mark.parametrize(
    "records",
    [
        [session(), session(), threat()],
        [session(), threat(severity="informational")],
        [session(), threat(), session(flow=FLOW._replace(source="10.2.0.5"))],
        [session(), threat(flow=FLOW._replace(port=81))],
        [session(), threat(witness="other")],
        [threat()],
    ],
)
def test_one_session_without_is_a_use(records: list[Observation]) -> None:
    assert classed(*records) == "used"


@pytest.mark.parametrize(
    ("witness", "usage"),
    [
        ({"first": 2 * DAY}, {}),
        ({"limited": True}, {}),
        ({}, {"essential": True}),
        ({}, {"sessions": 1}),
        ({}, {"device": "fw2"}),
    ],
)
def test_where_a_use_may_be_missing_it_stays_used(
    witness: dict[str, Any], usage: dict[str, Any]
) -> None:
    assert classed(session(), threat(), witness=witness, **usage) == "used"


def test_what_is_not_counted_stays_so() -> None:
    assert classed(session(), threat(), used="not_counted") == "not_counted"
