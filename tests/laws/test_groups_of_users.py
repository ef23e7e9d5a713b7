"""A difference told by the names of groups, against everybody who may be in them."""

from __future__ import annotations

from itertools import chain, combinations
from typing import TYPE_CHECKING

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from segctl.analysis.compare import compare
from segctl.analysis.effective import Reading
from segctl.model.policy import ANY, Policy, Rule
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.analysis.space import Names, Space

PLAIN = Plain(ports={}, services={})
GROUPS = ("g", "h", "i")
#: Everybody: in some of the groups, or a packet of nobody known.
EVERYBODY: tuple[frozenset[str] | None, ...] = (
    None,
    *map(
        frozenset[str],
        chain.from_iterable(combinations(GROUPS, number) for number in range(len(GROUPS) + 1)),
    ),
)
rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.just(("it",)),
    to_zones=st.just(("ot",)),
    users=st.sampled_from([*((one,) for one in GROUPS), ("g", "h"), (ANY,), ("known-user",)])
    | st.sampled_from([("unknown",), ("unknown", "g")]),
    action=st.sampled_from(["allow", "allow", "deny"]),
)
policies = st.lists(rules, max_size=4)


def for_whom(rule: Rule, user: frozenset[str] | None) -> bool:
    """Whether a rule is for somebody, by the groups they are in; None is nobody known."""
    if ANY in rule.users:
        return True
    if user is None:
        return "unknown" in rule.users
    return "known-user" in rule.users or not user.isdisjoint(rule.users)


def permitted(held: Sequence[Rule], user: frozenset[str] | None) -> bool:
    return next((rule.action == "allow" for rule in held if for_whom(rule, user)), False)


def by_groups(names: Names, user: frozenset[str] | None) -> bool:
    """Whether somebody is among names that stand for the members of groups."""
    listed = "" in names.listed if user is None else not user.isdisjoint(names.listed)
    return listed is not names.but


def by_name(names: Names, user: frozenset[str] | None) -> bool:
    """Whether somebody is among names that stand for themselves: nobody has a group's name."""
    return (("" if user is None else "somebody") in names.listed) is not names.but


def users_of(space: Space) -> Iterator[Names]:
    return (box.user for box in space.boxes)


@settings(deadline=None)
@given(policies, policies)
@example([], [Rule(name="r", from_zones=("it",), to_zones=("ot",), users=("g",))])
def test_what_is_told_by_groups_is_so_whoever_is_in_them(
    before: list[Rule], after: list[Rule]
) -> None:
    left, right = (
        Reading(policy=Policy(rules=tuple(held)), platform=PLAIN) for held in (before, after)
    )
    exact = next(compare(left, right, [("it", "ot")]), None)
    found = exact.by_groups() if exact else None
    for user in EVERYBODY:
        was, will = permitted(before, user), permitted(after, user)
        if found is None:
            assert was is will
            continue
        if any(by_name(names, user) for names in users_of(found.unknown)):
            event("cannot be told")
            continue
        assert any(by_groups(names, user) for names in users_of(found.more)) is (will and not was)
        assert any(by_groups(names, user) for names in users_of(found.less)) is (was and not will)
        event("told")


@settings(deadline=None)
@given(policies, policies)
def test_nothing_that_may_widen_is_lost(before: list[Rule], after: list[Rule]) -> None:
    """Where anybody may be newly permitted, there is a row for it: no widening goes unseen."""
    left, right = (
        Reading(policy=Policy(rules=tuple(held)), platform=PLAIN) for held in (before, after)
    )
    exact = next(compare(left, right, [("it", "ot")]), None)
    found = exact.by_groups() if exact else None
    if any(permitted(after, user) and not permitted(before, user) for user in EVERYBODY):
        assert found is not None
        assert found.more or found.unknown
