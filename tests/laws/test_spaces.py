"""The laws of sets of packets, also where they are of so many boxes that these are looked up."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.boxes import among
from segctl.analysis.pieces import Overlaps, partition, removed
from segctl.analysis.space import (
    Box,
    Names,
    Outside,
    Point,
    Space,
    common,
    meet,
    ranges,
    together,
    without,
)

if TYPE_CHECKING:
    from segctl.analysis.space import Numbers

#: A world in which every packet can be tried: the borders of all intervals, and both their sides.
LINE = range(6)
WORDS = ("", "a", "other")
EVERY = [
    Point(source, destination, port, application)
    for source, destination, port, application in product(LINE, LINE, range(3), WORDS)
]

numbers = st.lists(st.tuples(st.sampled_from(LINE), st.sampled_from(LINE)), min_size=1, max_size=2)
extents = numbers.map(lambda found: ranges((min(pair), max(pair)) for pair in found))
ports = st.sampled_from([((0, 0),), ((1, 1),), ((0, 2),), ((0, 0), (2, 2))])
names = st.sampled_from(
    [
        Names(but=True),
        Names(frozenset({"a"})),
        Names(frozenset({"a"}), but=True),
        Names(frozenset({"", "a"})),
    ]
)


def _box(source: Numbers, destination: Numbers, port: Numbers, application: Names) -> Box:
    return Box(source, destination, port, application)


boxes = st.builds(_box, extents, extents, ports, names)
few = st.lists(boxes, max_size=5).map(lambda found: Space(tuple(found)))
many = st.lists(boxes, min_size=18, max_size=30).map(lambda found: Space(tuple(found)))
spaces = st.one_of(few, many)


def members(of: Space) -> set[Point]:
    """Return the packets of the world that are in a set, by trying each."""
    return {point for point in EVERY if any(_holds(box, point) for box in of.boxes)}


def _holds(box: Box, point: Point) -> bool:
    places = zip(point[:3], box[:3], strict=True)
    inside = all(any(first <= at <= last for first, last in extent) for at, extent in places)
    return inside and (point.application in box.application.listed) is not box.application.but


@settings(max_examples=15)
@given(spaces, st.lists(spaces, max_size=4))
def test_what_is_outside_of_a_set_is_the_difference(one: Space, others: list[Space]) -> None:
    outside = Outside(one)
    for other in others:
        assert members(outside.of(other)) == members(other) - members(one)


@settings(max_examples=15)
@given(spaces, spaces, spaces)
def test_sets_obey_the_laws_of_sets(one: Space, two: Space, three: Space) -> None:
    a, b, c = members(one), members(two), members(three)
    assert members(one | two) == a | b
    assert members(one & two) == a & b
    assert members(one - two) == a - b
    assert members(one - (two | three)) == a - b - c
    assert members((one | two) & three) == (a | b) & c
    assert not (one & two) - one
    assert not one & (two - one)
    assert one.within(one | two)
    assert one.within(two) is not bool(one - two)
    assert bool(one & two) is any(meet(x, y) for x in one.boxes for y in two.boxes)


@settings(max_examples=15)
@given(spaces)
def test_fewer_boxes_are_the_same_set(one: Space) -> None:
    fewer = one.least()
    assert members(fewer) == members(one)
    assert not fewer - one
    assert not one - fewer
    assert len(fewer.boxes) <= len(one.boxes)
    if one:
        assert one.example() in one
        assert one.example() == fewer.example()


@settings(max_examples=15)
@given(boxes, st.lists(boxes, max_size=14))
def test_pieces_are_told_apart_by_the_boxes_that_hold_them(box: Box, others: list[Box]) -> None:
    pieces = list(partition(box, others))
    seen: list[Point] = []
    for piece, held in pieces:
        inside = members(Space((piece,)))
        for at, other in enumerate(others):
            there = members(Space((other,)))
            assert inside <= there if at in held else not inside & there
        seen += inside
    assert len(seen) == len(set(seen))
    assert set(seen) == members(Space((box,)))
    alone = members(Space(tuple(piece for piece, held in pieces if not held)))
    left = removed(box, others)
    assert members(Space(tuple(left))) == alone
    assert sum(len(members(Space((piece,)))) for piece in left) == len(alone)


@settings(max_examples=15)
@given(boxes, st.lists(boxes, max_size=300))
def test_no_box_that_overlaps_is_overlooked(box: Box, others: list[Box]) -> None:
    found = Overlaps(others).of(box)
    assert found == sorted(set(found))
    assert {at for at, other in enumerate(others) if meet(box, other)} <= set(found)


@settings(max_examples=10)
@given(st.data())
def test_of_many_boxes_only_those_near_are_looked_at(data: st.DataObject) -> None:
    """A thousand hosts are in parts of an order, each with a service of its own."""
    count = data.draw(st.integers(300, 1000))
    others = [Box(((n, n),), ((n * 2, n * 2 + 1),), ((n, n),)) for n in range(count)]
    at = data.draw(st.integers(0, count - 1))
    found = Overlaps(others).of(others[at])
    assert at in found
    assert len(found) <= 12


@settings(max_examples=20)
@given(st.data())
def test_of_many_applications_those_with_a_name_in_common_are_looked_at(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(300, 500))
    all_but = data.draw(st.frozensets(st.integers(0, count - 1), max_size=3))
    named = [
        Names(frozenset({f"a{n}", f"a{n * 7 % count}"}), but=n in all_but) for n in range(count)
    ]
    asked = Names(
        data.draw(st.frozensets(st.integers(0, count + 1).map("a{}".format), min_size=1)),
        but=data.draw(st.booleans()),
    )
    found = Overlaps([Box(application=one) for one in named]).of(Box(application=asked))
    near = {at for at, one in enumerate(named) if one & asked}
    assert near <= {*found}
    if not asked.but:
        assert {*found} == near | all_but


@given(extents, extents)
def test_numbers_are_common_left_over_and_among_others_as_each_number_says(
    left: Numbers, right: Numbers
) -> None:
    one, other = ({at for at in LINE if _among(at, numbers)} for numbers in (left, right))
    for found, expected in (
        (common(left, right), one & other),
        (without(left, right), one - other),
        (together([left, right]), one | other),
    ):
        assert {at for at in LINE if _among(at, found)} == expected
        assert found == ranges(found)
    assert among(left, right) is (one <= other)


def _among(at: int, numbers: Numbers) -> bool:
    return any(first <= at <= last for first, last in numbers)
