"""Where two chains may end differently, against a packet led through both; what that costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from segctl.analysis.doubts import Doubts
from segctl.analysis.effective import Chain, Match
from segctl.analysis.pieces import partition
from segctl.analysis.space import EVERYTHING, NOTHING, Box, Names, Point, Space

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

#: A world in which every packet can be tried.
LINE = range(4)
WORDS = ("a", "b", "other")
EVERY = [
    Point(one, other, port, word) for one, other, port, word in product(LINE, LINE, LINE, WORDS)
]
WORLD = Space((Box(((0, 3),), ((0, 3),), ((0, 3),), Names(frozenset(WORDS))),))
LAST = Match(rule="last", allows=False, can=EVERYTHING, sure=EVERYTHING)

spans = st.sampled_from([((0, 1),), ((1, 2),), ((0, 3),), ((2, 2),), ((0, 0), (3, 3))])
names = st.sampled_from(
    [Names(but=True), Names(frozenset({"a"})), Names(frozenset({"b"}), but=True)]
)
boxes = st.tuples(spans, spans, spans, names).map(lambda found: Box(*found))
spaces = st.lists(boxes, min_size=1, max_size=2).map(lambda found: Space(tuple(found)))


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """A rule that is sure, or that hangs on one of few things."""
    sure = draw(spaces)
    if draw(st.booleans()):
        return Match(rule="r", allows=draw(st.booleans()), can=sure, sure=sure)
    cause = draw(st.sampled_from(["list", "region", ""]))
    more = draw(spaces)
    return Match(
        rule="r",
        allows=draw(st.booleans()),
        can=sure | more,
        sure=draw(st.sampled_from([sure, NOTHING])),
        why=(cause,),
        basis=(cause,) if cause else (),
    )


chains = st.lists(matches(), max_size=4).map(lambda found: Chain((*found, LAST)))


def way(
    chain: Sequence[Match], side: int, point: Point
) -> tuple[dict[Hashable, bool], bool | None]:
    """Return on what it hangs which rule decides about a packet, and what does in the end."""
    causes: dict[Hashable, bool] = {}
    end: bool | None = None
    for place, match in enumerate(chain):
        if point in match.sure:
            end = match.allows
            break
        if point in match.can:
            causes.setdefault(match.basis or (side, place), match.allows)
    return causes, end


def outcomes(chains: tuple[Chain, Chain], point: Point) -> set[tuple[bool | None, bool | None]]:
    """Return how both may end, whatever of what nobody can tell is true."""
    steps = [way(chain, side, point) for side, chain in enumerate(chains)]
    causes = [*{**steps[0][0], **steps[1][0]}]
    found: set[tuple[bool | None, bool | None]] = set()
    for holding in product((False, True), repeat=len(causes)):
        true = {cause for cause, holds in zip(causes, holding, strict=True) if holds}
        first, second = (
            next((allows for cause, allows in taken.items() if cause in true), end)
            for taken, end in steps
        )
        found.add((first, second))
    return found


@settings(max_examples=60)
@example(Chain((LAST,)), Chain((replace(LAST, allows=True),)))
@given(chains, chains)
def test_what_may_end_differently_is_what_a_packet_finds(left: Chain, right: Chain) -> None:
    told = Doubts(left, right, alike=True).told(WORLD, WORLD)
    for point in EVERY:
        ends = outcomes((left, right), point)
        wider = any(after is True and before is not True for before, after in ends)
        narrower = any(before is True and after is not True for before, after in ends)
        assert (point in told.wider) is wider, point
        assert (point in told.narrower) is narrower, point


# --- what it costs -------------------------------------------------------------------------------


def held_to_default_ports(count: int) -> Space:
    """Return many applications, each on ranges of ports that overlap those of most others."""
    return Space(
        tuple(
            Box(
                service=((number, number + count), (4 * count + number, 5 * count)),
                application=Names(frozenset({f"app-{number}"})),
            )
            for number in range(count)
        )
    )


def doubtful(count: int, rules: int) -> Chain:
    """Return rules for any application on its default ports, each with a list of its own."""
    many = held_to_default_ports(count)
    return Chain(
        (
            *(
                Match(
                    rule=f"r{number}",
                    allows=bool(number % 2),
                    can=many,
                    sure=NOTHING,
                    why=(f"list {number}",),
                    basis=(f"list {number}",),
                )
                for number in range(rules)
            ),
            LAST,
        )
    )


def pieces(count: int) -> int:
    """Return into how many pieces everything falls by such rules."""
    layers = [box for _ in range(4) for box in held_to_default_ports(count).boxes]
    return sum(1 for _ in partition(Box(), layers))


def test_applications_on_their_own_ports_fall_into_no_more_pieces_than_there_are() -> None:
    assert pieces(40) <= 3 * 40
    assert pieces(160) <= 3 * 160


def test_what_is_told_of_such_rules_is_as_many_boxes_as_there_are_applications() -> None:
    for count in (20, 80):
        chain = doubtful(count, 6)
        told = Doubts(chain, Chain((LAST,)), alike=True).told(EVERYTHING, EVERYTHING)
        found = told.wider | told.narrower
        assert len(found.least().boxes) <= count
        assert not found - chain[0].can
        assert not chain[0].can - found
        assert told.why == tuple(f"list {number}" for number in range(6))
