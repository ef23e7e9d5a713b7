"""Boxes cut from boxes. What it costs grows with the boxes that overlap, not with all there are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar, cast

from segctl.analysis.boxes import Box, Names, common, meet, ranges, without
from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.boxes import Extent, Numbers

_T = TypeVar("_T")
#: Every packet.
_WHOLE = Box()
#: So many boxes more than it was asked about an answer may take before nobody reads it.
MAX_PIECES = 20_000
#: So often one box may be compared with another while one question is answered.
_MAX_LOOKS = 2_000_000
#: Up to so many boxes are cut away one after the other; more in one sweep.
_FEW = 4
#: Dimensions of more different extents than these are told apart by how these overlap.
_VARIED = 16
#: Into so many parts `Overlaps` divides a dimension; so many services it looks at each.
_PARTS = 256


class TooComplexError(SegctlError):
    """A question falls into more pieces than it may."""

    code = "too_complex"


def bound(pieces: int) -> None:
    """Let a question not fall into more than `MAX_PIECES` pieces.

    Raises:
        TooComplexError: it does.
    """
    if pieces > MAX_PIECES:
        message = f"the question falls into more than {MAX_PIECES} pieces"
        raise TooComplexError(message)


# --- which boxes overlap -------------------------------------------------------------------------


class Overlaps:
    """Which of many boxes may overlap one, told by all but their users and times.

    Of sources and destinations it knows where they begin and end; services and applications are
    looked at each, where there are few of them. Of many services it knows where they begin and
    end, of many applications their names. Sets of boxes are the bits of a number.
    """

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._all = (1 << len(boxes)) - 1
        lines = [[box.source for box in boxes], [box.destination for box in boxes]]
        self._services = _alike([box.service for box in boxes])
        self._applications = _alike([box.application for box in boxes])
        many = len(self._applications) > _PARTS
        self._by_name = _ByName([box.application for box in boxes]) if many else None
        if len(self._services) > _PARTS:
            lines.append([box.service for box in boxes])
        self._begins = [_Sorted([numbers[0][0] for numbers in line]) for line in lines]
        self._ends = [_Sorted([numbers[-1][1] for numbers in line]) for line in lines]

    def mask(self, box: Box) -> int:
        """Return the boxes that may overlap `box`, as bits; all that do are among them."""
        found = self._all
        line = (box.source, box.destination, box.service)
        for begins, ends, extent in zip(self._begins, self._ends, line, strict=False):
            found &= begins.up_to(extent[-1][1]) & ~ends.below(extent[0][0])
            if not found:
                return 0
        # each box is in one of the masks, so that their sum is all of them
        if len(self._services) <= _PARTS:
            service = box.service
            found &= sum(mask for held, mask in self._services.items() if common(held, service))
        named = box.application
        if self._by_name is not None:
            found &= self._by_name.mask(named, self._all)
        else:
            found &= sum(mask for held, mask in self._applications.items() if held & named)
        return found

    def of(self, box: Box) -> list[int]:
        """Return the places of the boxes that may overlap `box`, in their order."""
        return list(bits(self.mask(box)))


def _alike(extents: Sequence[_T]) -> dict[_T, int]:
    """Return each extent once, with the places it has as bits."""
    places: dict[_T, list[int]] = {}
    for at, extent in enumerate(extents):
        places.setdefault(extent, []).append(at)
    return {
        extent: sum(1 << at for at in held) if len(places) <= _PARTS else 0
        for extent, held in places.items()
    }


def bits(mask: int) -> Iterator[int]:
    """Yield the places of the bits that are set, from the lowest."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class _ByName:
    """The places of sets of names by each name that is listed in them."""

    def __init__(self, extents: Iterable[Names]) -> None:
        alike: dict[Names, list[int]] = {}
        for at, extent in enumerate(extents):
            alike.setdefault(extent, []).append(at)
        self._with: dict[str, list[list[int]]] = {}
        self._but = 0
        for extent, places in alike.items():
            if extent.but:
                self._but |= sum(1 << at for at in places)
            else:
                for name in extent.listed:
                    self._with.setdefault(name, []).append(places)

    def mask(self, named: Names, every: int) -> int:
        """Return at least those sets that have names in common with `named`, as bits."""
        if named.but:
            return every
        lists = (places for name in named.listed for places in self._with.get(name, ()))
        found = {id(places): places for places in lists}
        return self._but | sum(1 << at for places in found.values() for at in places)


class _Sorted:
    """Numbers in parts of their order, with those of all parts before, as bits of their places."""

    def __init__(self, values: Sequence[int]) -> None:
        order = sorted(range(len(values)), key=values.__getitem__)
        self._step = max(1, len(order) // _PARTS)
        self._last: list[int] = []
        self._before = [0]
        mask = 0
        for begin in range(0, len(order), self._step):
            part = order[begin : begin + self._step]
            for place in part:
                mask |= 1 << place
            self._last.append(values[part[-1]])
            self._before.append(mask)

    def up_to(self, value: int) -> int:
        """Return at least those that are `value` or less."""
        at = bisect_right(self._last, value) + (self._step > 1)
        return self._before[min(at, len(self._last))]

    def below(self, value: int) -> int:
        """Return none but those that are less than `value`."""
        return self._before[bisect_left(self._last, value)]


# --- pieces --------------------------------------------------------------------------------------


def removed(box: Box, aways: Iterable[Box]) -> list[Box]:
    """Return `box` without some boxes, as boxes that have nothing in common.

    Raises:
        TooComplexError: it falls into too many pieces.
    """
    meeting: list[Box] = []
    for away in aways:
        inside = meet(box, away)
        if inside is None:
            continue
        if inside == box:
            return []
        meeting.append(away)
    if len(meeting) > _FEW:
        return _Sweep(meeting).outside(box)
    pieces = [box]
    for away in meeting:
        pieces = [piece for one in pieces for piece in _cut(one, away)]
    return pieces


def partition(box: Box, others: Sequence[Box]) -> Iterator[tuple[Box, tuple[int, ...]]]:
    """Yield `box` in pieces, each with the places of the boxes that hold it.

    No other box has anything in common with the piece.

    Raises:
        TooComplexError: it falls into too many pieces.
    """
    return _Sweep(others).pieces(box, 0, tuple(range(len(others))))


class _Sweep:
    """Many boxes that cut one, dimension after dimension, that which divides them least first."""

    def __init__(self, others: Sequence[Box]) -> None:
        self._others = others
        self._looks = 0
        self._found = 0
        self._order = _order(others)

    def outside(self, box: Box) -> list[Box]:
        """Return the pieces of `box` that no other box holds."""
        covers = [self._covers_from(one, box) for one in self._others]
        return list(self._outside(box, 0, range(len(covers)), covers))

    def _covers_from(self, one: Box, box: Box) -> int:
        """Return from which step on `one` covers `box` in every dimension."""
        step = len(self._order)
        while step:
            dimension = self._order[step - 1]
            if _left_of(box[dimension], one[dimension]):
                break
            step -= 1
        return step

    def _outside(
        self, box: Box, step: int, holding: Sequence[int], covers: Sequence[int]
    ) -> Iterator[Box]:
        if not holding:
            self._count()
            yield box
            return
        for piece, left in self._parts(box, step, holding):
            if not any(covers[one] <= step + 1 for one in left):
                yield from self._outside(piece, step + 1, left, covers)

    def pieces(
        self, box: Box, step: int, holding: tuple[int, ...]
    ) -> Iterator[tuple[Box, tuple[int, ...]]]:
        """Yield the pieces of `box`, each with the boxes that hold it."""
        if not holding or step == len(self._order):
            self._count()
            yield box, holding
            return
        for piece, left in self._parts(box, step, holding):
            yield from self.pieces(piece, step + 1, tuple(sorted(left)))

    def _count(self) -> None:
        self._found += 1
        bound(self._found - len(self._others))

    def _parts(
        self, box: Box, step: int, holding: Sequence[int]
    ) -> Iterator[tuple[Box, list[int]]]:
        """Divide a box along one dimension by what holds each part."""
        self._looks += len(holding)
        if self._looks > _MAX_LOOKS:
            message = f"the question takes more than {_MAX_LOOKS} comparisons"
            raise TooComplexError(message)
        dimension = self._order[step]
        alike: dict[int, list[int]] = {}
        for one in holding:
            alike.setdefault(id(self._others[one][dimension]), []).append(one)
        groups = list(alike.values())
        extents = [self._others[group[0]][dimension] for group in groups]
        for extent, mask in _divided(box[dimension], extents):
            piece = Box._make((*box[:dimension], extent, *box[dimension + 1 :]))
            yield piece, [one for at in bits(mask) for one in groups[at]]


def _order(others: Sequence[Box]) -> list[int]:
    """Return the dimensions, that with the fewest different extents first.

    An extent counts once for each part into which the others divide it: names that each are in one
    extent only come before ranges that overlap.
    """
    dimensions = range(len(Box._fields))
    extents = [{id(one[at]): one[at] for one in others} for at in dimensions]
    counts = [len(found) for found in extents]
    varied = [at for at in dimensions if counts[at] > _VARIED]
    if len(varied) > 1:
        for at in varied:
            different = list(dict.fromkeys(extents[at].values()))
            counts[at] = sum(mask.bit_count() for _, mask in _divided(_WHOLE[at], different))
    return sorted(dimensions, key=counts.__getitem__)


def _divided(extent: Extent, others: Sequence[Extent]) -> Iterable[tuple[Extent, int]]:
    """Divide an extent by which of others hold each part; these are bits of a number."""
    if isinstance(extent, Names):
        return _divided_names(extent, cast("Sequence[Names]", others))
    return _divided_numbers(extent, cast("Sequence[Numbers]", others))


def _divided_numbers(extent: Numbers, others: Sequence[Numbers]) -> Iterable[tuple[Numbers, int]]:
    if len(others) == 1:
        shared, rest = common(extent, others[0]), without(extent, others[0])
        return [(part, mask) for part, mask in ((rest, 0), (shared, 1)) if part]
    turns: dict[int, int] = {}
    for at, numbers in enumerate((*others, extent)):
        for first, last in numbers:
            turns[first] = turns.get(first, 0) ^ 1 << at
            turns[last + 1] = turns.get(last + 1, 0) ^ 1 << at
    here = 1 << len(others)
    parts: dict[int, list[tuple[int, int]]] = {}
    mask = 0
    for begin, following in pairwise(sorted(turns)):
        mask ^= turns[begin]
        if mask & here:
            parts.setdefault(mask ^ here, []).append((begin, following - 1))
    return [(ranges(spans), mask) for mask, spans in parts.items()]


def _divided_names(extent: Names, others: Sequence[Names]) -> Iterable[tuple[Names, int]]:
    listed = {name for one in (*others, extent) for name in one.listed}
    rest = sum(1 << at for at, one in enumerate(others) if one.but)
    masks = dict.fromkeys(listed, rest)
    for at, one in enumerate(others):
        for name in one.listed:
            masks[name] ^= 1 << at
    parts: dict[int, set[str]] = {}
    for name, mask in masks.items():
        if name in extent:
            parts.setdefault(mask, set()).add(name)
    if not extent.but:
        return [(Names(frozenset(names)), mask) for mask, names in parts.items()]
    alike = parts.pop(rest, set[str]())
    return [
        (Names(frozenset(listed - alike), but=True), rest),
        *((Names(frozenset(names)), mask) for mask, names in parts.items()),
    ]


def _left_of(left: Extent, right: Extent) -> Extent:
    if isinstance(left, Names):
        return left - cast("Names", right)
    return without(left, cast("Numbers", right))


def _cut(box: Box, away: Box) -> Iterator[Box]:
    """Yield `box` without `away` as boxes that have nothing in common."""
    inside = meet(box, away)
    if inside is None:
        yield box
        return
    left: list[Extent] = [*box]
    shares: list[Extent] = [*inside]
    for dimension, shared in enumerate(shares):
        rest = _left_of(left[dimension], shared)
        if rest:
            pieces = [*left]
            pieces[dimension] = rest
            yield Box._make(pieces)
        left[dimension] = shared
