"""Law 8 in small: every arrangement of a few rules, against brute force."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from segctl.model.diff import Anchor, in_place, longest_increasing, placements
from segctl.model.site import Position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

POSITIONS = (
    Position(where="first"),
    Position(where="last"),
    Position(where="before", rule="x"),
    Position(where="after", rule="x"),
)


def moved(order: Sequence[str], wanted: Sequence[str], placed: Mapping[str, Anchor]) -> list[str]:
    """Carry the anchors out as a firewall does: what is new comes at the end first."""
    now = [*order, *(name for name in wanted if name not in order)]
    for name in wanted:
        anchor = placed.get(name)
        if anchor is None:
            continue
        now.remove(name)
        at = 0 if anchor.where == "top" else now.index(anchor.rule) + 1
        now.insert(at, name)
    return now


def fewest(order: Sequence[str], wanted: Sequence[str], goal: Sequence[str]) -> int:
    """Return how few of our rules must move, trying every choice of those that stay."""
    ours = [name for name in order if name in wanted]
    for size in range(len(ours), -1, -1):
        for stay in combinations(ours, size):
            still = [name for name in order if name not in ours or name in stay]
            if still == [name for name in goal if name in still]:
                return len(ours) - size
    raise AssertionError


def goal_of(others: Sequence[str], wanted: Sequence[str], position: Position) -> list[str]:
    at = {"first": 0, "last": len(others)}.get(position.where)
    if at is None:
        at = others.index(position.rule) + (position.where == "after")
    return [*others[:at], *wanted, *others[at:]]


def test_every_arrangement_of_three_rules_among_two_of_others() -> None:
    wanted = ("a", "b", "c")
    for order in permutations((*wanted, "x", "y")):
        others = [name for name in order if name not in wanted]
        for position in POSITIONS:
            placed = placements(order, wanted, held={"a", "b", "c"}, position=position)
            goal = goal_of(others, wanted, position)
            assert moved(order, wanted, placed) == goal
            assert len(placed) == fewest(order, wanted, goal), (order, position)
            assert in_place(goal, set(wanted), position)


@given(
    st.permutations("abcdefxyz"),
    st.lists(st.sampled_from("abcdefnm"), unique=True),
    st.sampled_from(POSITIONS),
)
def test_new_and_removed_rules_come_to_stand_where_they_belong(
    order: list[str], wanted: list[str], position: Position
) -> None:
    held = {name for name in order if name in "abcdef"}
    kept = [name for name in order if name not in held or name in wanted]
    placed = placements(kept, wanted, held=held & set(wanted), position=position)
    others = [name for name in kept if name not in wanted]
    goal = goal_of(others, wanted, position)
    assert moved(kept, wanted, placed) == goal
    common = [name for name in wanted if name in kept]
    assert sum(name in placed for name in common) == fewest(
        kept, common, [name for name in goal if name in kept]
    )


@given(st.lists(st.integers(0, 20), max_size=9))
def test_the_longest_increasing_subsequence(values: list[int]) -> None:
    found = longest_increasing(values)
    assert found == sorted(found)
    chosen = [values[index] for index in found]
    assert all(one < two for one, two in pairwise(chosen))
    best = max(
        size
        for size in range(len(values) + 1)
        for picked in combinations(values, size)
        if all(one < two for one, two in pairwise(picked))
    )
    assert len(found) == best
