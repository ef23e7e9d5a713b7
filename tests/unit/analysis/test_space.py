"""The algebra of sets of packets, against packets that are tried one by one."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis import pieces, space
from segctl.analysis.space import (
    EVERYTHING,
    NOTHING,
    REAL,
    Box,
    Names,
    Point,
    Space,
    TooComplexError,
    common,
    ranges,
    service,
    services_text,
    without,
)

if TYPE_CHECKING:
    from segctl.analysis.space import Numbers

#: A small world, in which every packet can be tried.
SMALL = range(4)
WORDS = ("", "a", "other")

numbers = st.lists(
    st.tuples(st.sampled_from(SMALL), st.sampled_from(SMALL)).map(
        lambda pair: (min(pair), max(pair))
    ),
    min_size=1,
    max_size=3,
).map(ranges)
names = st.builds(Names, st.frozensets(st.sampled_from(WORDS[:2]), max_size=2), st.booleans())
boxes = st.builds(
    Box, numbers, numbers, numbers, names.filter(bool), names.filter(bool), st.just(((0, 0),))
)
spaces = st.lists(boxes, max_size=4).map(lambda found: Space(tuple(found)))


def members(of: Space) -> set[Point]:
    """Return the packets of the small world that are in a set, by trying each."""
    every = product(SMALL, SMALL, SMALL, WORDS, WORDS)
    return {
        point
        for s, d, port, application, user in every
        if _in(of, point := Point(s, d, port, application, user))
    }


def _in(of: Space, point: Point) -> bool:
    return any(
        all(
            any(first <= value <= last for first, last in extent)
            for value, extent in zip(point[:3], box[:3], strict=True)
        )
        and all(
            (value in extent.listed) is not extent.but
            for value, extent in zip(point[3:5], box[3:5], strict=True)
        )
        and any(first <= point.time <= last for first, last in box.time)
        for box in of.boxes
    )


@settings(deadline=None)
@given(spaces, spaces)
def test_the_algebra_is_that_of_sets(left: Space, right: Space) -> None:
    a, b = members(left), members(right)
    assert members(left | right) == a | b
    assert members(left & right) == a & b
    assert members(left - right) == a - b
    assert members(left.least()) == a
    assert len(left.least().boxes) <= len(left.boxes)


@settings(deadline=None)
@given(spaces, spaces)
def test_a_set_is_within_another_when_nothing_of_it_is_outside(left: Space, right: Space) -> None:
    inside = left.within(right)
    assert inside is not bool(left - right)
    if inside:
        assert members(left) <= members(right)


@settings(deadline=None)
@given(spaces)
def test_the_smallest_packet_is_in_the_set(of: Space) -> None:
    if of:
        assert of.example() in of
        assert all(of.example()[:3] <= point[:3] for point in members(of))
    else:
        with pytest.raises(ValueError, match="empty"):
            of.example()


@settings(deadline=None)
@given(spaces)
def test_what_is_left_has_nothing_in_common_with_what_was_taken(of: Space) -> None:
    for box in of.boxes:
        left = of - Space((box,))
        assert not left & Space((box,))
        assert not left - of


@settings(deadline=None)
@given(numbers, numbers)
def test_numbers_are_kept_as_the_fewest_ranges(left: Numbers, right: Numbers) -> None:
    both, rest = common(left, right), without(left, right)
    assert set(_each(both)) == set(_each(left)) & set(_each(right))
    assert set(_each(rest)) == set(_each(left)) - set(_each(right))
    assert both == ranges(both)
    assert rest == ranges(rest)


def _each(of: Numbers) -> list[int]:
    return [value for first, last in of for value in range(first, last + 1)]


def test_everything_without_everything_is_nothing() -> None:
    assert not EVERYTHING - EVERYTHING
    assert (EVERYTHING - NOTHING).within(EVERYTHING)
    assert not EVERYTHING.within(REAL)  # a packet has one IP version
    assert REAL.example() == Point(0, 0, 0)


def test_addresses_and_ports_come_back_as_they_went() -> None:
    parts = ((4, 10, 20), (6, 0, 2**128 - 1))
    assert space.intervals(space.addresses(parts)) == parts
    assert space.service_text(service("tcp", 502)[0][0]) == "tcp/502"
    assert services_text(ranges((*service("tcp", 80, 81), *service("udp")))) == "tcp/80-81, udp"
    assert services_text(space.ALL_SERVICES) == "any"
    assert services_text(service(89)) == "protocol 89"
    point = Point(167837706, 167903242, service("tcp", 502)[0][0], "modbus-base", "jane")
    assert str(point) == "10.1.0.10 → 10.2.0.10 tcp/502 modbus-base user jane"


def test_an_example_is_of_one_ip_version_where_there_is_such() -> None:
    v4, v6 = space.ALL_ADDRESSES
    mixed = Space((Box(source=(v4, v6), destination=(v6,)),))
    point = mixed.example()
    assert space.host_of(point.source).version == space.host_of(point.destination).version == 6


def test_a_question_that_is_too_complex_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MAX_PIECES", 50)
    holes = Space(
        tuple(
            Box(source=((n * 10, n * 10),), destination=((n * 7, n * 7 + 1),)) for n in range(100)
        )
    )
    with pytest.raises(TooComplexError, match="more than 50 pieces"):
        assert EVERYTHING - holes
