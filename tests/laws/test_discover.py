"""Laws of discover: nothing disappears, order means nothing, nothing declared is touched."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from segctl.importing.proposed import Noted, proposed_text
from segctl.observe.discover.evidence import Evidence, Window
from segctl.observe.discover.listing import listing
from segctl.observe.discover.propose import GRADES
from segctl.observe.discover.result import Asked, discovered
from segctl.observe.observation import Flow, Function, Group, Observation
from segctl.report.discover import discover_json
from support.plant_traffic import (
    DAY,
    FIREWALL,
    HOUR,
    PROGRAM,
    READ,
    SAMPLER,
    SENSOR,
    SITE,
    START,
    TODAY,
    WRITE,
    coverage,
)

if TYPE_CHECKING:
    import random

    from segctl.observe.discover.propose import Grade
    from segctl.observe.discover.result import Discovered

addresses = st.sampled_from(
    [
        *("10.1.0.1", "10.1.0.2", "10.1.0.9", "10.2.0.1", "10.2.0.2", "10.2.0.20", "10.2.0.77"),
        *("10.9.0.1", "10.35.0.20", "10.35.0.30", "10.40.8.21", "10.40.9.1", "10.40.9.2"),
        *("203.0.113.9", "10.1.0.255", "224.0.0.1", "fd00::1"),
    ]
)
flows = st.builds(
    Flow,
    source=addresses,
    destination=addresses,
    inner=st.sampled_from(["", "", "", "10.35.0.30"]),
    protocol=st.sampled_from(["tcp", "tcp", "udp", "icmp", "gre"]),
    port=st.sampled_from([0, 53, 102, 443, 445, 502, 514, 3389, 50_001]),
)
groups = st.builds(
    Group,
    flow=flows,
    outer=st.sampled_from(["", "", "10.35.0.2"]),
    witness=st.sampled_from([FIREWALL, SENSOR, SAMPLER]),
    applications=st.sampled_from(
        [(), ("modbus-read-coils",), ("ssl",), ("unknown-tcp",), ("ms-rdp",), ("syslog",)]
    ),
    functions=st.sampled_from(
        [(), (READ,), (READ, WRITE), (PROGRAM,), (Function("modbus", "unknown-100", ""),)]
    ),
    user=st.sampled_from(["", "", "plant\\ana", "plant\\ben"]),
    verdict=st.sampled_from(["allow", "deny", "unknown"]),
    completed=st.sampled_from(["yes", "yes", "no", "unknown"]),
    direction=st.sampled_from(["known", "known", "inferred"]),
    threat=st.sampled_from(["", "", "", "", "Something(1)"]),
    severity=st.sampled_from(["", "high"]),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    """Return records of a few kinds, each kind on some days, some often a day."""
    seen: list[Observation] = []
    for group in draw(st.lists(groups, max_size=8)):
        for day in draw(st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True)):
            for number in range(draw(st.integers(1, 4))):
                when = START + day * DAY + (8 + number) * HOUR
                seen.append(Observation(group, when, when + 9, 1, 1, 1000))
    return seen


WINDOW = Window(START + DAY, START + 2 * DAY)


def looked(seen: list[Observation], grade: Grade) -> tuple[Discovered, int, int]:
    """Return what is discovered, with the number of groups and of records that there were."""
    with closing(Evidence([WINDOW])) as evidence:
        for one in seen:
            evidence.add(one)
        held = [  # before it is closed, which it is once all is judged
            count
            for kept in (evidence, evidence.excluded)
            for _, pairs in kept.flows()
            for _, count in pairs
        ]
        number, records = len(held), sum(count.records for count in held)
        asked = Asked(grade=grade, today=TODAY, names={})
        return discovered(SITE, evidence, coverage(), asked), number, records


def written(result: Discovered) -> str:
    """Return all that a person gets to read."""
    text = proposed_text(
        "segctl_conduits_discovered",
        [
            Noted(conduit=one.conduit, notes=one.notes, flow_notes=one.flow_notes)
            for one in result.proposals
        ],
        asked=[one.text for one in listing(result.judged, "ask")],
        seen=[one.text for one in listing(result.judged, "seen")],
    )
    return text + repr(discover_json(coverage(), result, files={}, diff="", written=[]))


@given(histories(), st.sampled_from(GRADES), st.randoms(use_true_random=False))
def test_order_means_nothing(seen: list[Observation], grade: Grade, chance: random.Random) -> None:
    shuffled = seen[:]
    chance.shuffle(shuffled)
    assert written(looked(seen, grade)[0]) == written(looked(shuffled, grade)[0])


@given(histories(), st.sampled_from(GRADES))
def test_nothing_disappears(seen: list[Observation], grade: Grade) -> None:
    result, number, records = looked(seen, grade)
    assert records == len(seen)
    assert sum(one.groups for one in result.totals.values()) == number
    parts = [group for one in result.judged for group, _ in one.part.groups]
    assert len(parts) == number
    everywhere = {one.group.flow for one in seen}
    assert {group.flow for group in parts} == everywhere
    proposed = {id(one) for one in result.judged if one.outcome == "proposed"}
    behind = {id(item) for one in result.proposals for rule in one.rules for item in rule.items}
    assert proposed == behind
    listed = sum(one.flows for name in ("ask", "seen") for one in listing(result.judged, name))
    assert listed == sum(1 for one in result.judged if one.outcome in {"ask", "seen"})


@given(histories(), st.sampled_from(GRADES))
def test_only_answered_conversations_whose_beginning_was_seen_are_proposed(
    seen: list[Observation], grade: Grade
) -> None:
    for one in looked(seen, grade)[0].judged:
        if one.outcome == "proposed":
            assert any(
                group.direction == "known"
                and group.completed == "yes"
                and group.verdict != "deny"
                and not group.threat
                for group, _ in one.part.groups
            )
            assert PROGRAM not in {two for group, _ in one.part.groups for two in group.functions}


@given(histories(), st.sampled_from(GRADES))
def test_no_declared_conduit_is_touched(seen: list[Observation], grade: Grade) -> None:
    declared = {one.key for one in SITE.conduits}
    proposals = looked(seen, grade)[0].proposals
    assert not declared & {one.conduit.key for one in proposals}
    assert all(one.conduit.mode == "monitor" and not one.conduit.owner for one in proposals)
