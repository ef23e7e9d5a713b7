"""Sets of pairs of addresses, as stripes: for each range of sources, the destinations.

Where only the ends of packets matter, this takes a sweep over the sources instead of boxes that
are cut from boxes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from segctl.analysis.space import Box, common, ranges, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from segctl.analysis.space import Numbers, Space


class Stripe(NamedTuple):
    """The sources from `first` to `last`, each with all of some destinations."""

    first: int
    last: int
    destinations: Numbers

    @property
    def box(self) -> Box:
        """All packets between these ends."""
        return Box(source=((self.first, self.last),), destination=self.destinations)


#: Stripes that have no source in common, sorted.
Pairs: TypeAlias = tuple[Stripe, ...]


def pairs_of(parts: Iterable[Space]) -> Pairs:
    """Return the pairs of addresses of packets, whatever else they are."""
    begins: dict[int, list[Numbers]] = {}
    ends: dict[int, list[Numbers]] = {}
    for part in parts:
        for source, destinations in {(box.source, box.destination) for box in part.boxes}:
            for first, last in source:
                begins.setdefault(first, []).append(destinations)
                ends.setdefault(last + 1, []).append(destinations)
    found: list[Stripe] = []
    active: dict[Numbers, int] = {}
    borders = sorted({*begins, *ends})
    for at, following in pairwise(borders):
        for one in ends.get(at, ()):
            active[one] -= 1
            if not active[one]:
                del active[one]
        for one in begins.get(at, ()):
            active[one] = active.get(one, 0) + 1
        if active:
            _append(found, Stripe(at, following - 1, _all(active)))
    return tuple(found)


def _all(sets: Iterable[Numbers]) -> Numbers:
    first, *others = sets
    return ranges(span for one in (first, *others) for span in one) if others else first


def _append(found: list[Stripe], stripe: Stripe) -> None:
    before = found[-1] if found else None
    if before and before.last + 1 == stripe.first and before.destinations == stripe.destinations:
        found[-1] = Stripe(before.first, stripe.last, stripe.destinations)
    else:
        found.append(stripe)


def union(left: Pairs, right: Pairs) -> Pairs:
    """Return the pairs that are in one of them or both."""
    return _combined(left, right, lambda one, other: ranges((*one, *other)))


def difference(left: Pairs, right: Pairs) -> Pairs:
    """Return the pairs of `left` that are not in `right`."""
    return _combined(left, right, without)


def intersection(left: Pairs, right: Pairs) -> Pairs:
    """Return the pairs that are in both."""
    return _combined(left, right, common)


def _combined(left: Pairs, right: Pairs, operation: Callable[[Numbers, Numbers], Numbers]) -> Pairs:
    borders = sorted({border for one in (*left, *right) for border in (one.first, one.last + 1)})
    found: list[Stripe] = []
    i = j = 0
    for at, following in pairwise(borders):
        while i < len(left) and left[i].last < at:
            i += 1
        while j < len(right) and right[j].last < at:
            j += 1
        mine = left[i].destinations if i < len(left) and left[i].first <= at else ()
        other = right[j].destinations if j < len(right) and right[j].first <= at else ()
        if destinations := operation(mine, other):
            _append(found, Stripe(at, following - 1, destinations))
    return tuple(found)
