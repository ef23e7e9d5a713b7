"""Whether two chains of matches end alike where it cannot be told which rule decides.

Each chain leads a packet past the rules that may match it to the first that surely does. Where
both lead past rules that hang on the same, in the same order, they end alike whatever is true.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from segctl.analysis.boxes import meet
from segctl.analysis.pieces import Overlaps, TooComplexError, partition
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
        self._layers: tuple[_Layers, ...] = ()
        self._noted: set[tuple[int, int]] = set()

    def told(self, unsure: Space) -> tuple[Space, tuple[str, ...]]:
        """Return what of some packets the chains may not decide alike, and the reasons.

        Where that takes too many pieces, it is all of them.
        """
        if not unsure:
            return unsure, ()
        tail = self._tail()
        ends = [len(chain) - tail for chain in self._chains]
        every = [len(chain) for chain in self._chains]
        self._layers = tuple(_Layers(side, chain) for side, chain in enumerate(self._chains))
        try:
            heads = Space(tuple(self._unlike(unsure.least().boxes, ends)))
            found = Space(tuple(self._unlike(heads.least().boxes, every, note=True)))
        except TooComplexError as error:
            reasons = (why for chain in self._chains for one in chain for why in one.why)
            return unsure, tuple(dict.fromkeys((*reasons, f"too complex: {error}")))
        return found.least(), self._reasons()

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
                for side, end in zip(self._layers, ends, strict=True)
                for layer in side.meeting(box, end)
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
