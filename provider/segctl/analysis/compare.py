"""What one policy permits that another does not, zone by zone.

Each counts as a whole: every rule in its order, the defaults last. What may make a difference,
because it depends on something that only a device knows, is told apart from what does. Where both
meet the same doubt and it leads both to the same end, nothing differs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from segctl.analysis.doubts import Doubts, Told
from segctl.analysis.effective import Chain, Permitted, permitted
from segctl.analysis.pieces import TooComplexError
from segctl.analysis.space import NOTHING, REAL, Space
from segctl.analysis.unchanged import Unchanged
from segctl.model.diff import longest_increasing
from segctl.model.policy import ANY, FirewallZone

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from segctl.analysis.boxes import Box
    from segctl.analysis.doubts import Membership
    from segctl.analysis.effective import Match, Reading

#: Stands for every zone that no policy of a comparison names.
OTHER_ZONE = "any other zone"
#: Of more boxes than these that changed, all packets are asked about instead.
_MANY = 64
NO_DOUBTS = Told()
#: An answer of which it may be that nobody can give it.
Holds: TypeAlias = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changes from one policy to another between two zones.

    `more` is surely permitted by the second only, `less` by the first only. Of `wider` it cannot
    be told whether the second only permits it, of `narrower` whether the first only does, for the
    reasons in `why`; `unknown` is both together, and `doubts` has it piece by piece.
    """

    enter: str
    leave: str
    more: Space = NOTHING
    less: Space = NOTHING
    wider: Space = NOTHING
    narrower: Space = NOTHING
    why: tuple[str, ...] = ()
    doubts: Told = NO_DOUBTS

    @cached_property
    def unknown(self) -> Space:
        """Of what it cannot be told whether anything changes."""
        if self.wider is self.narrower or not (self.wider and self.narrower):
            return self.wider or self.narrower
        return (self.wider | (self.narrower - self.wider)).least()

    def __bool__(self) -> bool:
        """Whether anything changes, or may change."""
        return bool(self.more or self.less or self.wider or self.narrower)

    def by_groups(self) -> Difference:
        """Return the same where the name of a group of users stands for its members.

        Who is in a group only the device knows. That a new rule permits those who are in it is
        certain all the same: they are newly permitted, and all others are not. Packets stay
        unknown where it matters who is in one group and not in another.

        Raises:
            TooComplexError: the answer falls into too many pieces.
        """
        more: list[Box] = []
        less: list[Box] = []
        wider, narrower = (list(space.boxes) for space in self.doubts.others)
        why = dict.fromkeys(self.doubts.others_why)
        for one in self.doubts.memberships:
            if not self._tells(one):
                wider += [one.box] if one.ways[0] else []
                narrower += [one.box] if one.ways[1] else []
                why |= dict.fromkeys(self.why)
            elif one.outside[0] is not one.outside[1]:
                (more if one.outside == (False, True) else less).append(one.box)
        return replace(
            self,
            more=self.more | Space(tuple(more)),
            less=self.less | Space(tuple(less)),
            wider=Space(tuple(wider)).least(),
            narrower=Space(tuple(narrower)).least(),
            why=tuple(why),
        )

    def _tells(self, one: Membership) -> bool:
        """Whether rows that name users say all of it: those in the groups, or all but those."""
        sides = {(False, True): self.more, (True, False): self.less}
        if one.inside in sides and not Space((one.members,)).within(sides[one.inside]):
            return False
        return one.outside not in sides or (one.box.user.but and one.groups <= one.box.user.listed)


def zones(*readings: Reading) -> tuple[str, ...]:
    """Return the zones that policies hold or name in rules, sorted, with one for all others."""
    named: set[str] = set()
    for reading in readings:
        for rule in reading.policy.rules:
            named.update(rule.from_zones, rule.to_zones)
    held = {zone.name for reading in readings for zone in reading.policy[FirewallZone]}
    return (*sorted((named | held) - {ANY}), OTHER_ZONE)


def compare(
    left: Reading,
    right: Reading,
    pairs: Iterable[tuple[str, str]] | None = None,
    *,
    alike: bool = True,
) -> Iterator[Difference]:
    """Yield what changes from `left` to `right`, for pairs of zones, all of them by default.

    A difference that falls into too many pieces is `unknown` as a whole, with that reason.

    Args:
        left: the policy before.
        right: the policy after.
        pairs: the zones that packets enter from, and leave to.
        alike: whether a word that only a device knows stands for the same on both sides, as it
            does where both are policies of one device.
    """
    unchanged = Unchanged(left, right) if alike else None
    if pairs is None:
        named = zones(left, right)
        every = ((enter, leave) for enter in named for leave in named)
        pairs = unchanged.pairs(named) if unchanged else every
    elif unchanged:
        pairs = (pair for pair in pairs if not unchanged.between(*pair))
    known: dict[tuple[int, int], Difference] = {}
    for enter, leave in pairs:
        before, after = left.between(enter, leave), right.between(enter, leave)
        found = known.get((id(before), id(after)))
        if found is None:
            found = between(enter, leave, before, after, alike=alike)
            known[id(before), id(after)] = found
        if found:
            yield replace(found, enter=enter, leave=leave)


def between(
    enter: str, leave: str, left: Sequence[Match], right: Sequence[Match], *, alike: bool = True
) -> Difference:
    """Return what changes from one chain of matches to another."""
    changed = Space(tuple(box for one in _changed(left, right, alike) for box in one.can.boxes))
    if not changed:
        return Difference(enter=enter, leave=leave)
    asked = changed.least() & REAL if len(changed.boxes) <= _MANY else REAL
    before, after = Chain.of(left), Chain.of(right)
    try:
        more, less, wider, narrower = _bounds(before, after, asked)
        told = Doubts(before, after, alike=alike).told(wider, narrower)
    except TooComplexError as error:
        more = less = NOTHING
        why = (f"too complex: {error}",)
        told = Told(asked, asked, why, others=(asked, asked), others_why=why)
    return Difference(
        enter=enter,
        leave=leave,
        more=more,
        less=less,
        wider=told.wider,
        narrower=told.narrower,
        why=told.why,
        doubts=told,
    )


def _bounds(left: Chain, right: Chain, asked: Space) -> tuple[Space, Space, Space, Space]:
    """Return what is surely more, what is surely less, what may be more, and what may be less."""
    before, after = _fewer(permitted(left, asked)), _fewer(permitted(right, asked))
    more, less = after.sure - before.can, before.sure - after.can
    if not any(match.doubtful for match in (*left, *right)):
        return more, less, NOTHING, NOTHING
    return more, less, (after.can - before.sure) - more, (before.can - after.sure) - less


def _fewer(found: Permitted) -> Permitted:
    """Return the same in fewer boxes where there are many: what they cost grows faster."""
    if len(found.can.boxes) <= _MANY:
        return found
    can = found.can.least()
    sure = can if found.sure == found.can else found.sure.least()
    return Permitted(can=can, sure=sure, why=found.why)


def _changed(left: Sequence[Match], right: Sequence[Match], alike: bool) -> Iterator[Match]:  # noqa: FBT001 - of `compare`
    """Yield the matches of two chains but those that both have in the same order.

    A packet that none of these can match is decided alike by both.
    """
    head = _common(left, right, alike)
    left, right = left[head:], right[head:]
    tail = _common(left[::-1], right[::-1], alike)
    left, right = left[: len(left) - tail], right[: len(right) - tail]
    known: dict[Hashable, int] = {}
    before, after = (
        [known.setdefault(_key(one, alike), len(known)) for one in side] for side in (left, right)
    )
    once = {key for key, count in Counter(before).items() if count == 1}
    once &= {key for key, count in Counter(after).items() if count == 1}
    places = {key: at for at, key in enumerate(after) if key in once}
    shared = [key for key in before if key in once]
    kept = {shared[at] for at in longest_increasing([places[key] for key in shared])}
    for side, keys in ((left, before), (right, after)):
        yield from (match for match, key in zip(side, keys, strict=True) if key not in kept)


def _common(left: Sequence[Match], right: Sequence[Match], alike: bool) -> int:  # noqa: FBT001 - of `compare`
    """Return how many matches two chains begin with in common, apart from their names."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one is not other and _key(one, alike) != _key(other, alike):
            break
        count += 1
    return count


def _key(match: Match, alike: bool) -> Hashable:  # noqa: FBT001 - of `compare`
    """Return what two matches have in common where they match the same packets."""
    if not match.doubtful:
        return match.allows, match.can
    if not alike or not match.basis:
        return object()
    return match.allows, match.can, match.sure, match.basis


def equivalent(
    left: Reading, right: Reading, pairs: Iterable[tuple[str, str]] | None = None
) -> Holds:
    """Return whether two policies permit the same."""
    found = list(compare(left, right, pairs))
    if any(one.more or one.less for one in found):
        return "no"
    return "cannot tell" if found else "yes"


def implies(left: Reading, right: Reading, pairs: Iterable[tuple[str, str]] | None = None) -> Holds:
    """Return whether all that `left` permits is permitted by `right`."""
    found = list(compare(left, right, pairs))
    if any(one.less for one in found):
        return "no"
    return "cannot tell" if any(one.narrower for one in found) else "yes"


def disjoint(left: Reading, right: Reading, pairs: Iterable[tuple[str, str]]) -> Holds:
    """Return whether nothing is permitted by both of two policies between pairs of zones."""
    answer: Holds = "yes"
    for enter, leave in pairs:
        try:
            one, other = (permitted(side.between(enter, leave)) for side in (left, right))
            if one.sure & other.sure:
                return "no"
            if one.can & other.can:
                answer = "cannot tell"
        except TooComplexError:
            answer = "cannot tell"
    return answer
