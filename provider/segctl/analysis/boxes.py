"""One dimension of packets at a time, and boxes: what one rule of a firewall matches.

A box is a set in each of six dimensions. `segctl.analysis.pieces` cuts boxes from boxes,
`segctl.analysis.space` has the sets that are made of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import is_, itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Whole numbers as the fewest ranges, sorted, both ends included.
Numbers: TypeAlias = tuple[tuple[int, int], ...]

#: Where IPv6 begins on the line of addresses; IPv4 begins at 0.
IPV6 = 1 << 40
#: Every address of both versions.
ALL_ADDRESSES: Numbers = ((0, 2**32 - 1), (IPV6, IPV6 + 2**128 - 1))
ALL_SERVICES: Numbers = ((0, (256 << 16) - 1),)
#: Minutes of a week, from Monday 00:00, in the device's time.
WEEK: Numbers = ((0, 7 * 24 * 60 - 1),)
#: A range that comes after all others.
_BEYOND = (1 << 200, 1 << 200)
_FIRST, _LAST = itemgetter(0), itemgetter(1)


# --- one dimension -------------------------------------------------------------------------------


def ranges(parts: Iterable[tuple[int, int]]) -> Numbers:
    """Return the same numbers as the fewest ranges."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = merged[-1][0], last
        else:
            merged.append((first, last))
    return tuple(merged)


def together(parts: Sequence[Numbers]) -> Numbers:
    """Return all numbers of some sets."""
    return parts[0] if len(parts) == 1 else ranges(span for part in parts for span in part)


def common(left: Numbers, right: Numbers) -> Numbers:
    """Return the numbers that are in both."""
    if left == right:
        return left
    if len(left) == len(right) == 1:
        return _overlap(left, right)
    if len(right) == 1:
        return _clipped(left, *right[0])
    if len(left) == 1:
        return _clipped(right, *left[0])
    return _common(left, right)


def _overlap(left: Numbers, right: Numbers) -> Numbers:
    """Return what two ranges have in common; one that lies within the other as it is."""
    ((low, high),), ((first, last),) = left, right
    if low >= first:
        if high <= last:
            return left
        return ((low, last),) if low <= last else ()
    if last <= high:
        return right
    return ((first, high),) if first <= high else ()


def _clipped(numbers: Numbers, first: int, last: int) -> Numbers:
    """Return the numbers from `first` to `last`."""
    begin = bisect_left(numbers, first, key=_LAST)
    end = bisect_right(numbers, last, begin, key=_FIRST)
    if begin == end:
        return ()
    (low, upper), (lower, high) = numbers[begin], numbers[end - 1]
    if low >= first and high <= last:
        return numbers[begin:end]
    if end - begin == 1:
        return ((max(low, first), min(upper, last)),)
    inner = numbers[begin + 1 : end - 1]
    return ((max(low, first), upper), *inner, (lower, min(high, last)))


def _common(left: Numbers, right: Numbers) -> Numbers:
    found: list[tuple[int, int]] = []
    rest = iter(right)
    low, high = next(rest, _BEYOND)
    for first, last in left:
        while high < first:
            low, high = next(rest, _BEYOND)
        while high <= last:
            found.append((max(low, first), high))
            low, high = next(rest, _BEYOND)
        if low <= last:
            found.append((max(low, first), last))
    return tuple(found)


def among(numbers: Numbers, others: Numbers) -> bool:
    """Whether all of some numbers are among others."""
    if numbers is others or not numbers:
        return True
    if not others or numbers[0][0] < others[0][0] or numbers[-1][1] > others[-1][1]:
        return False
    if len(others) == 1:
        return True
    place = 0
    for first, last in numbers:
        place = bisect_left(others, first, place, key=_LAST)
        low, high = others[place]
        if first < low or last > high:
            return False
    return True


def without(left: Numbers, right: Numbers) -> Numbers:
    """Return the numbers of `left` that are not in `right`."""
    if left == right:
        return ()
    found: list[tuple[int, int]] = []
    j = 0
    for first, last in left:
        begin = first
        while j < len(right) and right[j][1] < begin:
            j += 1
        at = j
        while at < len(right) and right[at][0] <= last:
            if right[at][0] > begin:
                found.append((begin, right[at][0] - 1))
            begin = right[at][1] + 1
            at += 1
        if begin <= last:
            found.append((begin, last))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Names:
    """Applications or users: those listed, or with `but` all except those listed."""

    listed: frozenset[str] = frozenset()
    but: bool = False

    def __bool__(self) -> bool:
        """Whether any name is in it: there is always one more name than can be listed."""
        return self.but or bool(self.listed)

    def __contains__(self, name: str) -> bool:
        """Whether a name is in it."""
        return (name in self.listed) is not self.but

    def __and__(self, other: Names) -> Names:
        """Return the names that are in both."""
        if self is other or (other.but and not other.listed):
            return self
        if not self.but and not other.but:
            return Names(self.listed & other.listed)
        if self.but and other.but:
            return Names(self.listed | other.listed, but=True)
        inside, outside = (other, self) if self.but else (self, other)
        return Names(inside.listed - outside.listed)

    def __or__(self, other: Names) -> Names:
        """Return the names that are in one of them or both."""
        return ~(~self & ~other)

    def __sub__(self, other: Names) -> Names:
        """Return the names of this that are not in the other."""
        return self & ~other

    def __le__(self, other: Names) -> bool:
        """Whether every name of this is in the other."""
        if self.but:
            return other.but and other.listed <= self.listed
        return self.listed.isdisjoint(other.listed) if other.but else self.listed <= other.listed

    def __invert__(self) -> Names:
        """Return all other names."""
        return Names(self.listed, but=not self.but)

    def example(self) -> str:
        """Return the first of its names; of those left when some are listed, what nobody has."""
        if not self.but:
            return min(self.listed)
        name = ""
        while name in self.listed:
            name = f"any other{name}"
        return name


#: Every name, and none.
ALL_NAMES = Names(but=True)
NO_NAMES = Names()


# --- boxes ---------------------------------------------------------------------------------------

Extent: TypeAlias = Numbers | Names


class Box(NamedTuple):
    """Packets with their source in one set, their destination in another, and so on.

    Sources and destinations are on the line that `addresses` makes, services on that of
    `service`, times minutes of a week.
    """

    source: Numbers = ALL_ADDRESSES
    destination: Numbers = ALL_ADDRESSES
    service: Numbers = ALL_SERVICES
    application: Names = ALL_NAMES
    user: Names = ALL_NAMES
    time: Numbers = WEEK


def meet(left: Box, right: Box) -> Box | None:
    """Return the packets that are in both boxes, None where there are none.

    That is `left` itself where all of it is in `right`.
    """
    source = common(left.source, right.source)
    if not source:
        return None
    destination = common(left.destination, right.destination)
    if not destination:
        return None
    service = common(left.service, right.service)
    if not service:
        return None
    application = left.application & right.application
    if not application:
        return None
    user = left.user & right.user
    if not user:
        return None
    time = common(left.time, right.time)
    if not time:
        return None
    found = source, destination, service, application, user, time
    return left if all(map(is_, found, left)) else Box._make(found)
