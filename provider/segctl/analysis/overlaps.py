"""Which rules of a chain meet and hold which others, found dimension by dimension.

Each place in a chain is one bit of a whole number. For each value that a dimension has in the
chain there are numbers: the places whose value has something in common with it, those whose value
holds all of it, and those whose value holds its first. What meets in every dimension meets.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from segctl.analysis.boxes import IPV6
from segctl.analysis.coverage import real
from segctl.analysis.space import Box, Names, Space, TooComplexError, common, ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.effective import Match
    from segctl.analysis.space import Numbers

#: Bits that the tables of one dimension of one chain may take: 50 MB.
MAX_BITS = 400_000_000

Spoken: TypeAlias = "tuple[tuple[Names, Numbers], ...]"


class Related(NamedTuple):
    """Places that meet a value, that hold all of it, and that hold the first of it."""

    meeting: int
    holding: int
    first: int


class Part(NamedTuple):
    """A set of packets of one rule, all of the same ends, users and times.

    `values` are the numbers of its values in each dimension, as `Values` has them; those of
    applications and services are of all that is in `spoken`, which is exact unless `joint`.
    """

    rule: int
    allows: bool
    can: bool
    sure: bool
    space: Space
    values: tuple[int, ...]
    spoken: int
    joint: bool


class Values:
    """The values of all dimensions, each with a number, and what sets of applications share."""

    def __init__(self) -> None:
        """Begin without any."""
        self._numbers: tuple[dict[object, int], ...] = tuple({} for _ in range(6))
        self.extents: tuple[list[Numbers | Names], ...] = tuple([] for _ in range(6))
        self._spoken: dict[Spoken, int] = {}
        self._said: list[Spoken] = []
        self._unions: list[tuple[int, int]] = []
        self._meets: dict[tuple[int, int], bool] = {}
        self._holds: dict[tuple[int, int], bool] = {}

    def parts(self, rule: int, match: Match) -> tuple[Part, ...]:
        """Return what a rule can match and surely matches; once where these are the same."""
        if not match.doubtful:
            return self._parts(rule, match, match.can, can=True, sure=True)
        return (
            *self._parts(rule, match, match.can, can=True, sure=False),
            *self._parts(rule, match, match.sure, can=False, sure=True),
        )

    def _parts(
        self, rule: int, match: Match, space: Space, *, can: bool, sure: bool
    ) -> tuple[Part, ...]:
        space = real(space)
        groups = [space] if len(space.boxes) == 1 else _alike(space.boxes)
        return tuple(self._part(rule, match, one, can=can, sure=sure) for one in groups)

    def _part(self, rule: int, match: Match, space: Space, *, can: bool, sure: bool) -> Part:
        first = space.boxes[0]
        joint = len(space.boxes) > 1
        spoken = self._speech(
            tuple((box.application, box.service) for box in space.boxes)
            if joint
            else ((first.application, first.service),)
        )
        application, service = self._unions[spoken]
        values = (
            self._number(0, first.source),
            self._number(1, first.destination),
            service,
            application,
            self._number(4, first.user),
            self._number(5, first.time),
        )
        return Part(rule, match.allows, can, sure, space, values, spoken, joint)

    def _number(self, dimension: int, value: Numbers | Names) -> int:
        known = self._numbers[dimension]
        number = known.get(value)
        if number is None:
            number = known[value] = len(known)
            self.extents[dimension].append(value)
        return number

    def _speech(self, spoken: Spoken) -> int:
        number = self._spoken.get(spoken)
        if number is None:
            number = self._spoken[spoken] = len(self._said)
            self._said.append(spoken)
            names, ports = spoken[0]
            for other, more in spoken[1:]:
                names, ports = names | other, ranges((*ports, *more))
            self._unions.append((self._number(3, names), self._number(2, ports)))
        return number

    def meet(self, left: int, right: int) -> bool:
        """Whether two sets of applications on their ports have any in common."""
        key = (left, right)
        found = self._meets.get(key)
        if found is None:
            found = self._meets[key] = left == right or any(
                names & others and common(ports, more)
                for names, ports in self._said[left]
                for others, more in self._said[right]
            )
        return found

    def hold(self, inner: int, outer: int) -> bool:
        """Whether one set of applications on their ports surely holds all of another."""
        key = (inner, outer)
        found = self._holds.get(key)
        if found is None:
            found = self._holds[key] = inner == outer or self._within(inner, outer)
        return found

    def _within(self, inner: int, outer: int) -> bool:
        try:
            return _space(self._said[inner]).within(_space(self._said[outer]))
        except TooComplexError:
            return False


def _space(spoken: Spoken) -> Space:
    return Space(tuple(Box(application=names, service=ports) for names, ports in spoken))


def _alike(boxes: Iterable[Box]) -> list[Space]:
    found: dict[tuple[object, ...], list[Box]] = defaultdict(list)
    for box in boxes:
        found[box.source, box.destination, box.user, box.time].append(box)
    return [Space(tuple(group)) for group in found.values()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """The parts of one chain in order, and how they relate.

    `related` has the dimensions in which they have more than one value, by number.
    """

    parts: Sequence[Part]
    values: Values
    related: tuple[tuple[int, Mapping[int, Related]], ...]
    joint: int

    def meeting(self, at: int, among: int) -> int:
        """Return which of some places have packets in common with one place."""
        found = among
        values = self.parts[at].values
        for dimension, related in self.related:
            if not found:
                return 0
            found &= related[values[dimension]].meeting
        doubtful = found if self.parts[at].joint else found & self.joint
        for place in places(doubtful):
            if not self.values.meet(self.parts[at].spoken, self.parts[place].spoken):
                found ^= 1 << place
        return found

    def holding(self, at: int, among: int) -> int:
        """Return which of some places hold all packets of one place."""
        found = among
        values = self.parts[at].values
        for dimension, related in self.related:
            if not found:
                return 0
            found &= related[values[dimension]].holding
        doubtful = found if self.parts[at].joint else found & self.joint
        for place in places(doubtful):
            if not self.values.hold(self.parts[at].spoken, self.parts[place].spoken):
                found ^= 1 << place
        return found

    def first(self, at: int) -> int | None:
        """Return which places hold one packet of a place, which is the first in every dimension.

        None where a place is no product, or its first addresses are not of one IP version.
        """
        part = self.parts[at]
        if part.joint:
            return None
        (box,) = part.space.boxes
        if (box.source[0][0] < IPV6) is not (box.destination[0][0] < IPV6):
            return None
        found = (1 << len(self.parts)) - 1
        values = part.values
        for dimension, related in self.related:
            found &= related[values[dimension]].first
        doubtful = found & self.joint
        if doubtful:
            packet = part.space.example()
            for place in places(doubtful):
                if packet not in self.parts[place].space:
                    found ^= 1 << place
        return found


def overlaps(parts: Sequence[Part], values: Values) -> Overlaps:
    """Return how the parts of a chain relate.

    Raises:
        TooComplexError: it would take too much memory.
    """
    everything = (1 << len(parts)) - 1
    related: list[tuple[int, Mapping[int, Related]]] = []
    for dimension, numbers in enumerate(zip(*(part.values for part in parts), strict=True)):
        if len(set(numbers)) <= 1:
            continue
        held: dict[int, int] = defaultdict(int)
        for at, number in enumerate(numbers):
            held[number] |= 1 << at
        extents = {number: values.extents[dimension][number] for number in held}
        _bound(len(held) * 2 * len(parts))
        if isinstance(next(iter(extents.values())), Names):
            found = _of_names(held, cast("Mapping[int, Names]", extents), everything)
        else:
            found = _of_numbers(held, cast("Mapping[int, Numbers]", extents), everything)
        related.append((dimension, found))
    joint = sum(1 << at for at, part in enumerate(parts) if part.joint)
    return Overlaps(parts=parts, values=values, related=tuple(related), joint=joint)


def _bound(bits: int) -> None:
    if bits > MAX_BITS:
        raise TooComplexError("so many different rules meet there that their table is too large")


def _of_numbers(
    held: Mapping[int, int], extents: Mapping[int, Numbers], everything: int
) -> dict[int, Related]:
    """Relate sets of numbers: by segments, between whose borders nothing begins or ends."""
    borders = sorted(
        {
            end
            for numbers in extents.values()
            for first, last in numbers
            for end in (first, last + 1)
        }
    )
    _bound(len(borders) * everything.bit_length())
    index = {border: at for at, border in enumerate(borders)}
    changes = [0] * len(borders)
    for number, numbers in extents.items():
        for first, last in numbers:
            changes[index[first]] ^= held[number]
            changes[index[last + 1]] ^= held[number]
    segments: list[int] = []
    present = 0
    for change in changes:
        present ^= change
        segments.append(present)
    found: dict[int, Related] = {}
    for number, numbers in extents.items():
        meeting, holding = 0, everything
        for first, last in numbers:
            for segment in segments[index[first] : index[last + 1]]:
                meeting |= segment
                holding &= segment
        found[number] = Related(meeting, holding, segments[index[numbers[0][0]]])
    return found


def _of_names(
    held: Mapping[int, int], extents: Mapping[int, Names], everything: int
) -> dict[int, Related]:
    """Relate sets of names, by name; those of all but some names one by one."""
    listed: dict[str, int] = defaultdict(int)
    but = [(names, held[number]) for number, names in extents.items() if names.but]
    for number, names in extents.items():
        if not names.but:
            for name in names.listed:
                listed[name] |= held[number]
    found: dict[int, Related] = {}
    for number, names in extents.items():
        if names.but:
            name = names.example()
            found[number] = Related(
                _any_of(bits for other, bits in held.items() if names & extents[other]),
                _any_of(bits for others, bits in but if others.listed <= names.listed),
                _any_of(bits for other, bits in held.items() if name in extents[other]),
            )
            continue
        meeting, holding, first = 0, everything, everything
        example = names.example()
        for name in names.listed:
            on_it = listed[name] | _any_of(bits for others, bits in but if name in others)
            meeting |= on_it
            holding &= on_it
            if name == example:
                first = on_it
        found[number] = Related(meeting, holding, first)
    return found


def _any_of(sets: Iterable[int]) -> int:
    found = 0
    for bits in sets:
        found |= bits
    return found


def places(bits: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
