"""What one policy permits that another does not, zone by zone.

Both are asked whole: every rule in its order, the defaults last. What depends on something that
only a device knows, and may make a difference, is told apart from what does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.analysis.effective import permitted
from segctl.analysis.space import NOTHING, REAL, Space
from segctl.model.policy import ANY, FirewallZone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.effective import Match, Reading

#: Stands for every zone that no policy of a comparison names.
OTHER_ZONE = "any other zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changes from one policy to another between two zones.

    `more` is surely permitted by the second only, `less` by the first only; of `unknown` it cannot
    be told whether anything changes, for the reasons in `why`.
    """

    enter: str
    leave: str
    more: Space = NOTHING
    less: Space = NOTHING
    unknown: Space = NOTHING
    why: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changes, or may change."""
        return bool(self.more or self.less or self.unknown)


def zones(*readings: Reading) -> tuple[str, ...]:
    """Return the zones that policies hold or name in rules, sorted, with one for all others."""
    named = {
        name
        for reading in readings
        for rule in reading.policy.rules
        for name in (*rule.from_zones, *rule.to_zones)
    }
    held = {zone.name for reading in readings for zone in reading.policy[FirewallZone]}
    return (*sorted((named | held) - {ANY}), OTHER_ZONE)


def compare(
    left: Reading, right: Reading, pairs: Iterable[tuple[str, str]] | None = None
) -> Iterator[Difference]:
    """Yield what changes from `left` to `right`, for pairs of zones, all of them by default.

    Raises:
        TooComplexError: an answer falls into too many pieces.
    """
    if pairs is None:
        named = zones(left, right)
        pairs = ((enter, leave) for enter in named for leave in named)
    for enter, leave in pairs:
        found = between(enter, leave, left.between(enter, leave), right.between(enter, leave))
        if found:
            yield found


def between(enter: str, leave: str, left: Sequence[Match], right: Sequence[Match]) -> Difference:
    """Return what changes from one chain of matches to another.

    A rule that both begin with decides alike in both, whatever its words stand for; so does one
    that both end with, for packets that reach it in both.
    """
    head = _alike(left, right)
    common, left, right = left[:head], left[head:], right[head:]
    if not left and not right:
        return Difference(enter=enter, leave=leave)
    tail = _alike(left[::-1], right[::-1])
    asked = Space(
        tuple(
            box
            for chain in (left, right)
            for match in chain[: len(chain) - tail]
            for box in match.can.boxes
        )
    )
    asked = asked & REAL
    for match in common:
        asked = asked - match.sure
    before, after = permitted(left, asked), permitted(right, asked)
    more, less = after.sure - before.can, before.sure - after.can
    unknown = Space(
        (*(after.can - before.sure - more).boxes, *(before.can - after.sure - less).boxes)
    )
    why = (*before.why, *after.why) if unknown else ()
    return Difference(
        enter=enter,
        leave=leave,
        more=more,
        less=less,
        unknown=unknown,
        why=tuple(dict.fromkeys(why)),
    )


def _alike(left: Sequence[Match], right: Sequence[Match]) -> int:
    """Return how many matches two chains begin with in common, apart from their names."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if (one.allows, one.can, one.sure, one.why) != (
            other.allows,
            other.can,
            other.sure,
            other.why,
        ):
            break
        count += 1
    return count
