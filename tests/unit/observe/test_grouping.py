"""Counting: the same in any order and form, within memory, duplicates and gaps found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.observe.coverage import SHORTEST_GAP, WitnessTally
from segctl.observe.duplicates import Named, Seen
from segctl.observe.grouping import Count, Groups
from segctl.observe.observation import Flow, Function, Group, Observation
from segctl.observe.readers.panos_sessions import Sessions
from segctl.observe.times import STEP

if TYPE_CHECKING:
    from random import Random

hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
words = st.sampled_from(["", "a", "b"])
times = st.none() | st.integers(0, 40 * 86400).map(float)
functions = st.sampled_from([(), (Function("modbus", "READ_COILS", "read"),)])


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    flow = Flow(draw(hosts), draw(hosts), "", "tcp", draw(st.sampled_from([22, 502])))
    group = Group(
        flow=flow,
        witness=draw(words),
        applications=tuple(draw(st.lists(words, max_size=2))),
        functions=draw(functions),
        rule=draw(words),
    )
    when = draw(times)
    return Observation(group, when, when, 0, draw(st.integers(0, 3)), draw(st.integers(0, 9)))


def counted(found: list[Observation], most: int = 1000) -> dict[Group, Count]:
    held = Groups(most)
    for one in found:
        held.add(one)
    counts = {
        group: count for flow, inner in held.flows() for group, count in inner if group.flow == flow
    }
    assert held.spilled is (len(counts) > most)
    held.close()
    return counts


@settings(deadline=None)
@given(st.lists(observations()), st.randoms())
def test_the_order_of_records_means_nothing(found: list[Observation], random: Random) -> None:
    mixed = found.copy()
    random.shuffle(mixed)
    assert counted(found) == counted(mixed)


@settings(deadline=None)
@given(st.lists(observations(), min_size=1), st.integers(1, 5))
def test_what_is_kept_on_disk_is_the_same(found: list[Observation], most: int) -> None:
    assert counted(found, most) == counted(found)


@settings(deadline=None)
@given(st.lists(observations(), max_size=30), st.integers(1, 5))
def test_all_that_was_seen_of_a_flow_comes_together(found: list[Observation], most: int) -> None:
    held = Groups(most)
    for one in found:
        held.add(one)
    flows = [flow for flow, _ in held.flows()]
    assert len(flows) == len(set(flows))
    assert set(flows) == {one.group.flow for one in found}
    held.close()


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=20))
def test_days_are_told_apart(days: list[int]) -> None:
    count = Count()
    for day in days:
        count.seen(day)
    assert count.days.bit_count() == len(set(days))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2000))))
def test_a_number_comes_again_when_it_was_there(found: list[tuple[str, int]]) -> None:
    seen = Seen()
    assert [seen.again(*one) for one in found] == [
        one in found[:at] for at, one in enumerate(found)
    ]
    assert not seen.forgot


def test_what_is_too_much_to_remember_is_told() -> None:
    seen, named = Seen(most=2), Named(most=2)
    for number in range(5):
        seen.again("a", number << 8)
        named.again(number)
    assert seen.forgot
    assert named.forgot


def test_numbers_without_gaps_take_little_memory() -> None:
    seen = Seen(most=100)
    for number in range(100 << 8):
        assert not seen.again("a", number)
    assert not seen.forgot


@settings(deadline=None)
@given(st.lists(st.integers(0, 100)))
def test_gaps_are_where_nothing_was_heard(steps: list[int]) -> None:
    tally = WitnessTally(name="w")
    for step in steps:
        tally.heard(float(step * STEP))
    found = tally.result()
    for first, last in found.gaps:
        assert last - first >= SHORTEST_GAP
        assert not [step for step in steps if first <= step * STEP < last]
    silent = sum(
        (b - a - 1) * STEP
        for a, b in zip(sorted({*steps}), sorted({*steps})[1:], strict=False)
        if (b - a - 1) * STEP >= SHORTEST_GAP
    )
    assert found.gap_seconds == silent


def test_sessions_that_are_too_many_to_follow_are_counted() -> None:
    sessions = Sessions(most=2)
    flow = Flow("10.0.0.1", "10.0.0.2", "", "tcp", 502)
    one = Observation(Group(flow=flow), 0.0, 0.0, 1, 1, 1)
    told = [sessions.joined(("s", "v", str(number)), "start", one) for number in range(5)]
    assert [found is None for found in told] == [True, True, False, False, False]
    assert len(list(sessions.open())) == 2


def test_a_number_that_is_used_again_is_another_session() -> None:
    sessions = Sessions()
    flow = Flow("10.0.0.1", "10.0.0.2", "", "tcp", 502)
    first = Observation(Group(flow=flow, applications=("a",)), 0.0, 0.0, 1, 1, 1)
    other = first._replace(group=first.group._replace(flow=flow._replace(port=22)))
    assert sessions.joined(("s", "v", "1"), "start", first) is None
    assert sessions.joined(("s", "v", "1"), "end", other) == other
    assert list(sessions.open()) == [first]
