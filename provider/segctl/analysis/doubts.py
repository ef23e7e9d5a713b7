"""Whether two chains of matches end alike where it cannot be told which rule decides.

Each chain leads a packet past the rules that may match it to the first that surely does. Where
both lead past rules that hang on the same, in the same order, they end alike whatever is true.
"""

from __future__ import annotations

from itertools import groupby, product
from typing import TYPE_CHECKING, NamedTuple

from segctl.analysis.boxes import meet
from segctl.analysis.pieces import Overlaps, TooComplexError, partition
from segctl.analysis.space import Space

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from segctl.analysis.boxes import Box
    from segctl.analysis.effective import Chain, Match


#: Of more causes than these it is not worked out which of them lead to which end.
_MAX_CAUSES = 8


class Told(NamedTuple):
    """What a second chain may permit that a first does not, the other way round, and why."""

    wider: Space
    narrower: Space
    why: tuple[str, ...]


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


class Doubts:
    """What two chains do with packets of which it cannot be told which rule decides."""

    def __init__(self, left: Chain, right: Chain, *, alike: bool) -> None:
        self._chains = left, right
        self._alike = alike
        self._layers: tuple[_Layers, ...] = ()
        self._noted: set[tuple[int, int]] = set()

    def told(self, wider: Space, narrower: Space) -> Told:
        """Return which packets the chains may not decide alike, each way, and the reasons.

        Where that takes too many pieces, it is all that was asked about.

        Args:
            wider: what the second may permit and the first may not, each asked by itself.
            narrower: what the first may permit and the second may not.
        """
        unsure = wider | narrower
        if not unsure:
            return Told(wider, narrower, ())
        tail = self._tail()
        ends = [len(chain) - tail for chain in self._chains]
        every = [len(chain) for chain in self._chains]
        self._layers = tuple(_Layers(side, chain) for side, chain in enumerate(self._chains))
        try:
            pieces = tuple(piece for piece, _ in self._unlike(unsure.least().boxes, ends))
            boxes = Space(pieces).least().boxes
            found = [(piece, self._ways(courses)) for piece, courses in self._unlike(boxes, every)]
        except TooComplexError as error:
            reasons = (why for chain in self._chains for one in chain for why in one.why)
            return Told(wider, narrower, tuple(dict.fromkeys((*reasons, f"too complex: {error}"))))
        wider, narrower = (
            Space(tuple(piece for piece, ways in found if ways[way])).least() for way in (0, 1)
        )
        return Told(wider, narrower, self._reasons())

    def _tail(self) -> int:
        """Return how many matches both chains end with, each with the same doubts."""
        left, right = self._chains
        count = 0
        for one, other in zip(left[::-1], right[::-1], strict=False):
            same = (one.allows, one.can, one.sure) == (other.allows, other.can, other.sure)
            if not same or self._cause(0, -1, one) != self._cause(1, -1, other):
                break
            count += 1
        return count

    def _cause(self, side: int, place: int, match: Match) -> Hashable:
        """Return what it hangs on whether a match matches."""
        if not match.doubtful:
            return ()
        return match.basis if self._alike and match.basis else (side, place)

    def _unlike(
        self, boxes: Iterable[Box], ends: Sequence[int]
    ) -> Iterator[tuple[Box, Sequence[_Course]]]:
        """Yield the pieces of boxes that the chains up to some places do not lead to one end."""
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

    def _told_apart(self, course: _Course, side: int) -> tuple[Hashable, ...]:
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
            self._note(courses)
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
        if wider or narrower:
            self._note(courses)
        return wider, narrower

    def _steps(self, course: _Course, side: int) -> dict[Hashable, bool]:
        """Return what it hangs on whether each rule of a course matches, and what that decides."""
        causes: dict[Hashable, bool] = {}
        for place, match in course.maybe:
            causes.setdefault(self._cause(side, place, match), match.allows)
        return causes

    def _note(self, courses: Iterable[_Course]) -> None:
        for side, course in enumerate(courses):
            self._noted.update((side, place) for place, _ in course.maybe)

    def _reasons(self) -> tuple[str, ...]:
        """Return the reasons of what was noted, in the order of the chains."""
        found = (self._chains[side][place].why for side, place in sorted(self._noted))
        return tuple(dict.fromkeys(why for reasons in found for why in reasons))


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
