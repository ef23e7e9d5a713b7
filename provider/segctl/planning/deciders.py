"""Which rules of a chain decide about packets: those they are the first for, and those they may be.

A chain is what `Reading.between` gives for a pair of zones, the default rule last.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.analysis.space import NOTHING, REAL, Space, TooComplexError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.effective import Match

#: Of sets of more boxes than these nobody asks whether they are all that no rule matches.
_MANY = 500


class Rest:
    """The packets that no rule of a chain can match, but the default rule."""

    def __init__(self, chain: Sequence[Match]) -> None:
        self._chain = chain
        self._space: Space | None = None

    def equals(self, space: Space) -> bool:
        """Whether a set of packets is all of them; no where that takes too many pieces."""
        if len(space.boxes) > _MANY:
            return False
        try:
            if self._space is None:
                rules = (one for one in self._chain[:-1] if one.basis[:1] != ("anything",))
                self._space = REAL - Space(tuple(box for one in rules for box in one.can.boxes))
            return space.within(self._space) and self._space.within(space)
        except TooComplexError:
            return False


def shares(space: Space, chain: Sequence[Match]) -> Iterator[tuple[Match, Space]]:
    """Yield the rules that permit packets, each with those it is the first for.

    Args:
        space: packets that are surely permitted.
        chain: by these rules.
    """
    left = space
    for match in chain:
        if match.allows and (share := match.sure & left):
            yield match, share
            left = left - match.sure
        if not left:
            return
    for match, share in deciders(left, chain, allows=True):
        yield match, share
        left = left - share


def deciders(
    space: Space, chain: Iterable[Match], *, allows: bool
) -> Iterator[tuple[Match, Space]]:
    """Yield the rules that may permit packets, or deny them, each with what may reach it."""
    left = space
    for match in chain:
        if not left:
            return
        if match.allows is allows and (share := match.can & left):
            yield match, share
        left = left - match.sure


def perhaps(space: Space, chain: Iterable[Match]) -> Iterator[tuple[str, Space]]:
    """Yield packets by the first rule that may permit them; the rest by none."""
    left = space
    for match in chain:
        if match.allows and (share := match.can & left):
            yield match.rule, share
            left = left - match.can
    yield "", left


def match_of(name: str, chain: Iterable[Match]) -> Match | None:
    """Return what a rule matches in a chain, None where it is not in it."""
    return next((match for match in chain if match.rule == name), None)


def matched(was: Match | None, will: Match | None) -> Space:
    """Return the packets that a rule can match before or after."""
    return (was.can if was else NOTHING) | (will.can if will else NOTHING)


def in_question(was: Match | None, will: Match | None) -> Space:
    """Return the packets of which a rule may say another thing after than before."""
    if was is None or will is None or was.allows is not will.allows:
        return matched(was, will)
    if (was.can, was.sure, was.why) == (will.can, will.sure, will.why):
        return NOTHING
    return (was.can - will.sure) | (will.can - was.sure)


def confined(chain: Iterable[Match], region: Space) -> tuple[Match, ...]:
    """Return a chain as packets of a region meet it."""
    parts = (replace(match, can=match.can & region, sure=match.sure & region) for match in chain)
    return tuple(match for match in parts if match.can)
