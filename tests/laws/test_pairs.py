"""Sets of pairs of addresses, against pairs that are tried one by one."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.pairs import Pairs, difference, intersection, pairs_of, union
from segctl.analysis.space import Box, Space, ranges

SMALL = range(5)

numbers = st.lists(
    st.tuples(st.sampled_from(SMALL), st.sampled_from(SMALL)).map(
        lambda pair: (min(pair), max(pair))
    ),
    min_size=1,
    max_size=3,
).map(ranges)
spaces = st.lists(st.builds(Box, source=numbers, destination=numbers), max_size=5).map(
    lambda found: Space(tuple(found))
)


def tried(of: Space) -> set[tuple[int, int]]:
    return {
        (source, destination)
        for source, destination in product(SMALL, SMALL)
        for box in of.boxes
        if any(first <= source <= last for first, last in box.source)
        if any(first <= destination <= last for first, last in box.destination)
    }


def members(of: Pairs) -> set[tuple[int, int]]:
    return {
        (source, destination)
        for stripe in of
        for source in range(stripe.first, stripe.last + 1)
        for first, last in stripe.destinations
        for destination in range(first, last + 1)
    }


@settings(deadline=None)
@given(spaces, spaces)
def test_pairs_are_those_of_the_packets(left: Space, right: Space) -> None:
    a, b = pairs_of([left]), pairs_of([right])
    assert members(a) == tried(left)
    assert members(pairs_of([left, right])) == tried(left) | tried(right)
    assert members(union(a, b)) == tried(left) | tried(right)
    assert members(difference(a, b)) == tried(left) - tried(right)
    assert members(intersection(a, b)) == tried(left) & tried(right)


@settings(deadline=None)
@given(spaces, spaces)
def test_stripes_are_sorted_and_as_few_as_can_be(left: Space, right: Space) -> None:
    for of in (pairs_of([left]), difference(pairs_of([left]), pairs_of([right]))):
        for before, after in pairwise(of):
            assert before.last < after.first
            assert before.last + 1 < after.first or before.destinations != after.destinations
