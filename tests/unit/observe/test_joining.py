"""One flow of several witnesses: who shows less is spoken for, and never by itself."""

from __future__ import annotations

import pytest

from segctl.observe.grouping import Count
from segctl.observe.joining import Told, joined
from segctl.observe.observation import Flow, Group

FLOW = Flow("10.0.0.1", "10.0.0.2", "", "tcp", 502)


def told(witness: str, sessions: int, *, settled: bool, alone: bool = False) -> Told[str]:
    group = Group(flow=FLOW, witness=witness, applications=("x",) if settled else ())
    count = Count(records=sessions, sessions=sessions)
    return Told(group=group, count=count, said="", settled=settled, alone=alone)


FULL, LESS = told("fw", 100, settled=True), told("flows", 100, settled=False)


def test_who_shows_less_saw_the_same_sessions() -> None:
    assert joined([LESS, FULL]) == ((FULL,), (LESS,), 0)


def test_sessions_beyond_those_that_are_told_are_counted() -> None:
    more = told("flows", 120, settled=False)
    assert joined([FULL, more]) == ((FULL,), (more,), 20)


@pytest.mark.parametrize(
    "left",
    [
        told("flows", 201, settled=False),
        told("fw", 3, settled=False),
        told("flows", 3, settled=False, alone=True),
    ],
    ids=["too many", "of the same witness", "of a rule without a verdict"],
)
def test_what_nobody_speaks_for_is_left(left: Told[str]) -> None:
    assert joined([FULL, left]) == ((FULL, left), (), 0)


def test_nobody_speaks_for_a_flow_that_nobody_tells() -> None:
    other = told("zeek", 100, settled=False)
    assert joined([LESS, other]) == ((LESS, other), (), 0)


def test_sessions_that_a_witness_tells_itself_are_not_those_of_others() -> None:
    # the sensor tells 90 of 100 sessions; the firewall tells all of them
    sensor, midway = told("zeek", 90, settled=True), told("zeek", 10, settled=False)
    assert joined([FULL, sensor, midway]) == ((FULL, sensor), (midway,), 0)
    assert joined([sensor, midway]) == ((sensor, midway), (), 0)
