"""Whether two chains of matches end alike where it cannot be told which rule decides.

Each chain leads a packet past the rules that may match it to the first that surely does. Where
both lead past rules that hang on the same, in the same order, they end alike whatever is true.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, groupby, product
from typing import TYPE_CHECKING, NamedTuple, cast

from segctl.analysis.boxes import Names, meet
from segctl.analysis.pieces import Overlaps, TooComplexError, partition
from segctl.analysis.space import Space

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from segctl.analysis.boxes import Box
    from segctl.analysis.effective import Chain, Match


#: Of more causes than these it is not worked out which of them lead to which end.
_MAX_CAUSES = 8


class _Layer(NamedTuple):
    """A box of a match: all it can match, or what it surely does."""

    side: int
    place: int
    surely: bool
    box: Box


class _Course(NamedTuple):
    """The rules that may match a packet, in order, and what the first that surely does decides.

    No such rule is None: the packet comes to what both chains end with.
    """

    maybe: tuple[tuple[int, Match], ...]
    end: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Packets of which two chains say the same but for who is in some groups of users.

    `outside` is what the two chains decide where their user is in none of the groups, `inside`
    where it is in any of them; true permits. `ways` says whether the second may permit what the
    first does not, and the other way round.
    """

    box: Box
    groups: frozenset[str]
    outside: tuple[bool, bool]
    inside: tuple[bool, bool]
    ways: tuple[bool, bool]

    @property
    def members(self) -> Box:
        """The same packets of those users that the groups name."""
        return self.box._replace(user=Names(self.groups))


class Told(NamedTuple):
    """What a second chain may permit that a first does not, the other way round, and why.

    `memberships` are a part of it; `others` is the rest, each way, with its own reasons.
    """

    wider: Space = Space()
    narrower: Space = Space()
    why: tuple[str, ...] = ()
    memberships: tuple[Membership, ...] = ()
    others: tuple[Space, Space] = (Space(), Space())
    others_why: tuple[str, ...] = ()


#: With more groups of users than these it is not told who is in which.
_MAX_GROUPS = 4


class Doubts:
    """What two chains do with packets of which it cannot be told which rule decides."""

    def __init__(self, left: Chain, right: Chain, *, alike: bool) -> None:
        self._chains = left, right
        self._alike = alike
        self._layers: tuple[_Layers, ...] = ()
        self._causes: list[Hashable] = []
        self._of_matches: tuple[list[int], ...] = ()

    def told(self, wider: Space, narrower: Space) -> Told:
        """Return which packets the chains may not decide alike, each way, and the reasons.

        Where that takes too many pieces, it is all that was asked about.

        Args:
            wider: what the second may permit and the first may not, each asked by itself.
            narrower: what the first may permit and the second may not.
        """
        unsure = wider | narrower
        if not unsure:
            return Told(wider, narrower)
        self._number_causes()
        tail = self._tail()
        ends = [len(chain) - tail for chain in self._chains]
        every = [len(chain) for chain in self._chains]
        self._layers = tuple(_Layers(side, chain) for side, chain in enumerate(self._chains))
        try:
            pieces = tuple(piece for piece, _ in self._unlike(unsure.least().boxes, ends))
            return self._told(self._unlike(Space(pieces).least().boxes, every))
        except TooComplexError as error:
            reasons = (why for chain in self._chains for one in chain for why in one.why)
            why = tuple(dict.fromkeys((*reasons, f"too complex: {error}")))
            return Told(wider, narrower, why, others=(wider, narrower), others_why=why)

    def _told(self, pieces: Iterable[tuple[Box, Sequence[_Course]]]) -> Told:
        memberships: list[Membership] = []
        every: tuple[list[Box], list[Box]] = [], []
        others: tuple[list[Box], list[Box]] = [], []
        noted, others_noted = set[tuple[int, int]](), set[tuple[int, int]]()
        for piece, courses in pieces:
            ways = self._ways(courses)
            if not any(ways):
                continue
            places = _places(courses)
            noted |= places
            found = self._membership(piece, courses, ways)
            if found is not None:
                memberships.append(found)
            else:
                others_noted |= places
            for to in (every, *(() if found is not None else (others,))):
                for boxes, may in zip(to, ways, strict=True):
                    if may:
                        boxes.append(piece)
        wider, narrower = (Space(tuple(boxes)).least() for boxes in every)
        return Told(
            wider,
            narrower,
            self._reasons(noted),
            tuple(memberships),
            (Space(tuple(others[0])), Space(tuple(others[1]))),
            self._reasons(others_noted),
        )

    def _membership(
        self, piece: Box, courses: Sequence[_Course], ways: tuple[bool, bool]
    ) -> Membership | None:
        """Return a piece as one that only the members of groups of users make a doubt about.

        None where there are other doubts, or it matters who is in one group and not in another.
        """
        causes = {
            self._of_matches[side][place]
            for side, course in enumerate(courses)
            for place, _ in course.maybe
        }
        left, right = courses[0].end, courses[1].end
        groups = [_groups(self._causes[cause]) for cause in causes]
        if None in groups or len(causes) > _MAX_GROUPS or left is None or right is None:
            return None
        inside = {
            (self._end(courses[0], 0, left, held), self._end(courses[1], 1, right, held))
            for number in range(1, len(causes) + 1)
            for held in combinations(causes, number)
        }
        if len(inside) != 1:
            return None
        named = frozenset[str]().union(*(group for group in groups if group))
        return Membership(
            box=piece, groups=named, outside=(left, right), inside=inside.pop(), ways=ways
        )

    def _end(self, course: _Course, side: int, end: bool, held: Sequence[int]) -> bool:  # noqa: FBT001 - of the course
        """Return what a course comes to where some causes hold and no others do."""
        numbers = self._of_matches[side]
        steps = (match.allows for place, match in course.maybe if numbers[place] in held)
        return next(steps, end)

    def _tail(self) -> int:
        """Return how many matches both chains end with, each with the same doubts."""
        left, right = self._chains
        numbers = (each[::-1] for each in self._of_matches)
        count = 0
        for one, other, *causes in zip(left[::-1], right[::-1], *numbers, strict=False):
            same = (one.allows, one.can, one.sure) == (other.allows, other.can, other.sure)
            if not same or causes[0] != causes[1]:
                break
            count += 1
        return count

    def _number_causes(self) -> None:
        """Give each cause a number: some are large, and they are compared for every piece."""
        known: dict[Hashable, int] = {}
        self._of_matches = tuple(
            [
                known.setdefault(self._cause(side, place, match), len(known))
                for place, match in enumerate(chain)
            ]
            for side, chain in enumerate(self._chains)
        )
        self._causes = list(known)

    def _cause(self, side: int, place: int, match: Match) -> Hashable:
        """Return what it hangs on whether a match matches."""
        if not match.doubtful:
            return ()
        return match.basis if self._alike and match.basis else (side, place)

    def _unlike(
        self, boxes: Iterable[Box], ends: Sequence[int]
    ) -> Iterator[tuple[Box, Sequence[_Course]]]:
        """Yield the pieces of boxes that the chains up to some places do not lead to one end.

        Each has the course that each chain leads it.
        """
        for box in boxes:
            layers = [
                layer
                for side, end in zip(self._layers, ends, strict=True)
                for layer in side.meeting(box, end)
            ]
            for piece, held in partition(box, [layer.box for layer in layers]):
                within = [layers[at] for at in held]
                courses = [self._course(side, within) for side in (0, 1)]
                if self._told_apart(courses[0], 0) != self._told_apart(courses[1], 1):
                    yield piece, courses

    def _course(self, side: int, within: Iterable[_Layer]) -> _Course:
        surely = {layer.place: layer.surely for layer in within if layer.side == side}
        maybe: list[tuple[int, Match]] = []
        for place in sorted(surely):
            match = self._chains[side][place]
            if surely[place]:
                return _Course(tuple(maybe), match.allows)
            maybe.append((place, match))
        return _Course(tuple(maybe), None)

    def _told_apart(self, course: _Course, side: int) -> tuple[object, ...]:
        """Return what two courses have in common that end alike whatever is true."""
        steps = list(self._steps(course, side).items())
        while steps and steps[-1][1] is course.end:
            steps.pop()
        runs = groupby(steps, key=lambda step: step[1])
        return (*((allows, frozenset(one for one, _ in run)) for allows, run in runs), course.end)

    def _ways(self, courses: Sequence[_Course]) -> tuple[bool, bool]:
        """Return whether the second may permit what the first does not, and the other way round.

        Every cause is taken to hold or not whatever others do: then nothing that may be is missed.
        """
        steps = [self._steps(course, side) for side, course in enumerate(courses)]
        causes = [*{**steps[0], **steps[1]}]
        if len(causes) > _MAX_CAUSES:
            return True, True
        wider = narrower = False
        for holding in product((False, True), repeat=len(causes)):
            true = {cause for cause, holds in zip(causes, holding, strict=True) if holds}
            before, after = (
                next((allows for cause, allows in taken.items() if cause in true), course.end)
                for taken, course in zip(steps, courses, strict=True)
            )
            wider = wider or (after is True and before is not True)
            narrower = narrower or (before is True and after is not True)
        return wider, narrower

    def _steps(self, course: _Course, side: int) -> dict[int, bool]:
        """Return what it hangs on whether each rule of a course matches, and what that decides."""
        numbers = self._of_matches[side]
        causes: dict[int, bool] = {}
        for place, match in course.maybe:
            causes.setdefault(numbers[place], match.allows)
        return causes

    def _reasons(self, places: Iterable[tuple[int, int]]) -> tuple[str, ...]:
        """Return the reasons of matches in doubt, in the order of the chains."""
        found = (self._chains[side][place].why for side, place in sorted(places))
        return tuple(dict.fromkeys(why for reasons in found for why in reasons))


def _places(courses: Iterable[_Course]) -> set[tuple[int, int]]:
    return {(side, place) for side, course in enumerate(courses) for place, _ in course.maybe}


def _groups(cause: Hashable) -> frozenset[str] | None:
    """Return the groups of users that a doubt is about, None where it is about more."""
    steps = cast("tuple[tuple[str, frozenset[str]], ...]", cause)
    if len(steps) == 1 and steps[0][0] == "user":
        return steps[0][1] - {"known-user", "unknown"}
    return None


class _Layers:
    """The boxes of a chain: of each match what it can match, then what it surely does."""

    def __init__(self, side: int, chain: Chain) -> None:
        self._layers = [
            _Layer(side, place, surely, box)
            for place, match in enumerate(chain)
            for surely, space in ((False, match.can), (True, match.sure))
            if surely or match.doubtful
            for box in space.boxes
        ]
        self._overlaps = Overlaps([layer.box for layer in self._layers])

    def meeting(self, box: Box, end: int) -> Iterator[_Layer]:
        """Yield what overlaps a box, before a place and up to the first that surely has all."""
        for at in self._overlaps.of(box):
            layer = self._layers[at]
            if layer.place >= end:
                return
            inside = meet(box, layer.box)
            if inside is None:
                continue
            yield layer
            if layer.surely and inside == box:
                return
