"""Two memories of records: nothing is joined that would have been read otherwise."""

from __future__ import annotations

from segctl.observe.coverage import MOST_OTHERS, FileTally, Witnesses
from segctl.observe.duplicates import Named, Seen
from segctl.observe.observation import Flow, Function, Group, Observation
from segctl.observe.readers.conversations import Conversations
from segctl.observe.readers.panos_sessions import Sessions

FLOW = Flow("10.1.0.1", "10.2.0.1", "", "tcp", 502)
READ = Function("modbus", "READ_COILS", "read")


def numbered(*numbers: int, most: int = 2) -> Seen:
    seen = Seen(most)
    for number in numbers:
        seen.again("fw", number)
    return seen


def named(*names: str, most: int = 2) -> Named:
    held = Named(most)
    for name in names:
        held.again(name)
    return held


def talking(*keys: str, most: int = 2) -> Conversations:
    held = Conversations(most, alone=True)
    for key in keys:
        held.add(key, FLOW, "zeek", 1024, 0.0, READ)
    return held


def begun(*keys: str, most: int = 2) -> Sessions:
    held = Sessions(most)
    for key in keys:
        one = Observation(Group(FLOW), 0.0, 1.0, 1024, 1, 0)
        held.joined((key, "vsys1", "1"), "start", one)
    return held


def heard(*names: str, most: int = 2) -> Witnesses:
    held = Witnesses(most)
    for name in names:
        held[name].records += 1
    return held


def test_what_was_seen_before_is_not_apart() -> None:
    assert numbered(1).apart(numbered(2))
    assert not numbered(1).apart(numbered(2, 1))
    assert named("a").apart(named("b"))
    assert not named("a").apart(named("a"))


def test_what_has_no_room_is_not_apart() -> None:
    """Beyond its bound a memory forgets, and that depends on the order of all records."""
    assert numbered(0).apart(numbered(256))
    assert not numbered(0, 256).apart(numbered(512))
    assert named("a", "b").apart(named())
    assert not named("a", "b").apart(named("c"))
    assert talking("a").apart(talking("b"))
    assert not talking("a", "b").apart(talking("c"))
    assert begun("a").apart(begun("b"), set())
    assert not begun("a", "b").apart(begun("c"), set())
    assert heard("a", "b").apart(heard("b"))
    assert not heard("a", "b").apart(heard("c"))


def test_what_forgot_is_not_apart() -> None:
    assert not numbered(most=9).apart(numbered(0, 256, 512))
    assert not named(most=9).apart(named("a", "b", "c"))
    assert not talking().apart(talking("a", "b", "c"))
    assert not begun().apart(begun("a", "b", "c"), set())


def test_what_goes_on_is_not_apart() -> None:
    asked = Conversations(9, alone=True)
    assert asked.take("a", FLOW.source) == ()
    assert not talking("a").apart(asked)
    assert talking("b").apart(asked)
    assert not begun("a", most=9).apart(begun("a"), set())
    assert not begun("a", most=9).apart(begun(), {"a"})


def test_joined_is_as_if_remembered_at_once() -> None:
    seen = numbered(1, most=9)
    seen.join(numbered(2, 300))
    assert [seen.again("fw", one) for one in (1, 2, 3, 300)] == [True, True, False, True]
    talks = talking("a")
    talks.join(talking("b"))
    assert [talks.take(key, FLOW.source) for key in "abc"] == [(READ,), (READ,), ()]
    sessions = begun("a")
    sessions.join(begun("b"))
    assert len([*sessions.open()]) == 2


def test_lines_of_a_part_are_counted_from_the_beginning_of_the_file() -> None:
    whole, part, more = FileTally(name="x"), FileTally(name="x"), FileTally(name="x")
    part.refuse("why", 2, "first")
    part.lines = 5
    more.refuse("why", 1, "second")
    more.refuse("other", 3, "third")
    more.lines = 4
    whole.join(part)
    whole.join(more)
    said = {(one.why, one.count, one.line, one.example) for one in whole.result().refusals}
    assert said == {("why", 2, 2, "first"), ("other", 1, 8, "third")}
    assert whole.result().lines == 9


def test_types_of_records_stay_bounded_when_joined() -> None:
    whole, part = FileTally(name="x"), FileTally(name="x")
    for number in range(MOST_OTHERS):
        whole.other(f"a{number}")
        part.other(f"b{number}")
    whole.join(part)
    others = dict(whole.result().others)
    assert len(others) == MOST_OTHERS + 1
    assert others["of further types"] == MOST_OTHERS
