"""Whether two chains of matches end alike where it cannot be told which rule decides.

Each chain leads a packet past the rules that may match it to the first that surely does. Where
both lead past rules that hang on the same, in the same order, they end alike whatever is true.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from segctl.analysis.boxes import meet
from segctl.analysis.pieces import TooComplexError, partition
from segctl.analysis.space import Space

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from segctl.analysis.boxes import Box
    from segctl.analysis.effective import Chain, Match


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
        self._reasons: dict[str, None] = {}

    def told(self, unsure: Space) -> tuple[Space, tuple[str, ...]]:
        """Return what of some packets the chains may not decide alike, and the reasons.

        Where that takes too many pieces, it is all of them.
        """
        if not unsure:
            return unsure, ()
        tail = self._tail()
        ends = [len(chain) - tail for chain in self._chains]
        every = [len(chain) for chain in self._chains]
        try:
            boxes = self._unlike(unsure.least().boxes, ends)
            found = Space(tuple(self._unlike(boxes, every, note=True)))
        except TooComplexError as error:
            reasons = (why for chain in self._chains for one in chain for why in one.why)
            return unsure, tuple(dict.fromkeys((*reasons, f"too complex: {error}")))
        return found.least(), tuple(self._reasons)

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
        self, boxes: Iterable[Box], ends: Sequence[int], *, note: bool = False
    ) -> Iterator[Box]:
        """Yield the pieces of boxes that the chains up to some places do not lead to one end."""
        for box in boxes:
            layers = [
                layer
                for side, chain in enumerate(self._chains)
                for layer in _layers(side, chain, box, ends[side])
            ]
            for piece, held in partition(box, [layer.box for layer in layers]):
                within = [layers[at] for at in held]
                courses = [self._course(side, within) for side in (0, 1)]
                if self._told_apart(courses[0], 0) != self._told_apart(courses[1], 1):
                    if note:
                        self._note(courses)
                    yield piece

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
        causes: dict[Hashable, bool] = {}
        for place, match in course.maybe:
            causes.setdefault(self._cause(side, place, match), match.allows)
        steps = list(causes.items())
        while steps and steps[-1][1] is course.end:
            steps.pop()
        runs = groupby(steps, key=lambda step: step[1])
        return (*((allows, frozenset(one for one, _ in run)) for allows, run in runs), course.end)

    def _note(self, courses: Iterable[_Course]) -> None:
        for course in courses:
            for _, match in course.maybe:
                self._reasons |= dict.fromkeys(match.why)


def _layers(side: int, chain: Chain, box: Box, end: int) -> Iterator[_Layer]:
    """Yield the boxes of matches that overlap one, up to the first that has all of it."""
    for place in chain.reach.matches(Space((box,))):
        if place >= end:
            return
        match = chain[place]
        for surely, space in ((False, match.can), (True, match.sure)):
            if surely or match.doubtful:
                for each in space.boxes:
                    inside = meet(box, each)
                    if inside is None:
                        continue
                    yield _Layer(side, place, surely, each)
                    if surely and inside == box:
                        return
