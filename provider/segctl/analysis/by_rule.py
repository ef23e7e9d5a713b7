"""What a chain of rules permits, as rows: the packets that each rule decides about.

Rows have no packet in common, and together they are all that can pass. What cannot be told is in
rows of its own, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from segctl.analysis.effective import Chain, Reach
from segctl.analysis.space import ALL_ADDRESSES, REAL, Space, common

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.effective import Match
    from segctl.analysis.present import Outlook
    from segctl.analysis.space import Box, Numbers

#: Of one policy, the first and the last. Of two: in both, in one only, or not to be told.
State = Literal["permitted", "only_declared", "only_live", "cannot_tell"]
STATES: tuple[State, ...] = ("permitted", "only_declared", "only_live", "cannot_tell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Packets that one rule permits, or may permit for the reasons in `why`.

    `present` is what becomes of each of its boxes by what objects hold now, if that is a reason.
    """

    rule: str
    state: State
    space: Space
    why: tuple[str, ...] = ()
    present: tuple[Outlook | None, ...] = ()


def rows(chain: Sequence[Match], region: Space) -> tuple[Row, ...]:
    """Return what a chain permits of `region`, by the rule that decides.

    A packet that several rules permit is in the row of the first.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    chain = Chain.of(chain)
    walked = list(_walked(chain, region))
    permits = Reach((at, match.sure) for at, match in enumerate(chain) if match.allows)
    found: list[Row] = []
    passing: list[Space] = []
    for at, match, _, sure in walked:
        fresh = permits.before(at, sure)
        passing.append(fresh)
        found += _row(Row(rule=match.rule, state="permitted", space=fresh))
    surely = Reach((0, space) for space in passing)
    perhaps = Heap()
    for at, match, reached, _ in walked:
        rest = perhaps.outside(surely.before(1, reached))
        perhaps.add(rest)
        why = _reasons(rest, chain[:at], match)
        found += _row(Row(rule=match.rule, state="cannot_tell", space=rest, why=why))
    return tuple(found)


def compared(declared: Sequence[Row], live: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows of two policies as one list, each with the state it has in both.

    What both permit is named by the rule that permits it live.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    ours, theirs = Heap(declared), Heap(live)
    sure = Heap(row for row in declared if row.state == "permitted")
    doubted = [row for row in declared if row.state == "cannot_tell"]
    found: list[Row] = []
    for row in live:
        if row.state == "cannot_tell":
            found.append(row)
            continue
        found += _row(Row(rule=row.rule, state="permitted", space=sure.inside(row.space)))
        found += _row(Row(rule=row.rule, state="only_live", space=ours.outside(row.space)))
        for other in doubted:
            both = row.space & other.space
            found += _row(Row(rule=row.rule, state="cannot_tell", space=both, why=other.why))
    for row in declared:
        state: State = "only_declared" if row.state == "permitted" else "cannot_tell"
        rest = theirs.outside(row.space)
        found += _row(Row(rule=row.rule, state=state, space=rest, why=row.why))
    return tuple(found)


def space_of(found: Iterable[Row]) -> Space:
    """Return the packets of rows."""
    return Space(tuple(box for row in found for box in row.space.boxes))


def _row(row: Row) -> Iterator[Row]:
    """Yield a row in as few boxes as people read, if there is any real packet in it."""
    real = tuple(box for box in row.space.boxes if Space((box,)) & REAL)
    if real:
        told = tuple(map(_of_versions, Space(real).least().boxes))
        yield Row(rule=row.rule, state=row.state, space=Space(told), why=row.why)


def _of_versions(box: Box) -> Box:
    """Return a box without the addresses of a version of IP that its other end does not have."""
    ends: list[Numbers] = []
    for own, other in ((box.source, box.destination), (box.destination, box.source)):
        both = [one for one in ALL_ADDRESSES if common(other, (one,))]
        ends.append(own if own == ALL_ADDRESSES else common(own, tuple(both)))
    return box._replace(source=ends[0], destination=ends[1])


def _walked(chain: Chain, region: Space) -> Iterator[tuple[int, Match, Space, Space]]:
    """Yield each match that permits: its place, what can reach it and what surely passes."""
    for at in chain.reach.matches(region):
        match = chain[at]
        if not match.allows:
            continue
        reached = chain.stops.before(at, match.can & region)
        if reached:
            yield at, match, reached, chain.hinders.before(at, match.sure & region)


def _reasons(space: Space, before: Sequence[Match], match: Match) -> tuple[str, ...]:
    """Return why it cannot be told whether packets pass by a match."""
    if not space:
        return ()
    found = [
        reason
        for other in before
        if not other.allows and other.why and other.can & space
        for reason in other.why
    ]
    return tuple(dict.fromkeys((*found, *match.why)))


class Heap:
    """Boxes that have no packet in common, to be compared with others without a look at each."""

    def __init__(self, held: Iterable[Row] = ()) -> None:
        """Take the packets of rows."""
        self._boxes: list[Box] = []
        self._hulls: list[tuple[int, int, int, int, int, int]] = []
        for row in held:
            self.add(row.space)

    def add(self, space: Space) -> None:
        """Take packets that are not in it yet."""
        self._boxes += space.boxes
        self._hulls += map(_hull, space.boxes)

    def outside(self, space: Space) -> Space:
        """Return the packets of `space` that are not in it."""
        return space - self._near(space) if space else space

    def inside(self, space: Space) -> Space:
        """Return the packets of `space` that are in it."""
        return space & self._near(space) if space else space

    def _near(self, space: Space) -> Space:
        hulls = [_hull(box) for box in space.boxes]
        low_source = min(hull[0] for hull in hulls)
        high_source = max(hull[1] for hull in hulls)
        low_destination = min(hull[2] for hull in hulls)
        high_destination = max(hull[3] for hull in hulls)
        low_service = min(hull[4] for hull in hulls)
        high_service = max(hull[5] for hull in hulls)
        return Space(
            tuple(
                box
                for box, hull in zip(self._boxes, self._hulls, strict=True)
                if hull[2] <= high_destination
                and hull[3] >= low_destination
                and hull[0] <= high_source
                and hull[1] >= low_source
                and hull[4] <= high_service
                and hull[5] >= low_service
            )
        )


def _hull(box: Box) -> tuple[int, int, int, int, int, int]:
    """Return the ends of a box in its dimensions of numbers."""
    return (*_ends(box.source), *_ends(box.destination), *_ends(box.service))


def _ends(numbers: Numbers) -> tuple[int, int]:
    return numbers[0][0], numbers[-1][1]
