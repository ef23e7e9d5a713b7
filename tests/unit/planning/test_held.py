"""What the inventory does not speak of stays as the device has it, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.policy import Address, AddressGroup, ApplicationGroup, Policy, Rule
from segctl.model.scope import Scope
from segctl.planning.held import as_held
from segctl.providers.base import Identity, Live

if TYPE_CHECKING:
    from collections.abc import Sequence

IDENTITY = Identity(serial="1", os_version="1", content_version="", scope=Scope())
FORMER = "segctl-bacnet-ip-write-8308b7b0"
PRESENT = "segctl-bacnet-ip-12345678"
MEMBERS = ("bacnet-base", "bacnet-read")


def live(policy: Policy, order: Sequence[str] | None = None) -> Live:
    names = [rule.name for rule in policy.rules] if order is None else order
    return Live(identity=IDENTITY, policy=policy, others=Policy(), order=tuple(names))


def rule(name: str, **values: object) -> Rule:
    wide = Rule(name=name, conduit="c", flow="f", from_zones=("A",), to_zones=("B",))
    return replace(wide, **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - any field of a rule


def grouped(
    name: str, members: tuple[str, ...] = MEMBERS, rules: tuple[str, ...] = ("r",)
) -> Policy:
    group = ApplicationGroup(name=name, members=members)
    named = tuple(rule(one, applications=(name,)) for one in rules)
    return Policy(application_groups=(group,), rules=named)


# --- groups --------------------------------------------------------------------------------------


def test_a_former_group_of_the_same_members_keeps_its_name() -> None:
    held = grouped(FORMER)
    assert as_held(grouped(PRESENT), live(held), ordered=True) == held


@pytest.mark.parametrize(
    "held",
    [
        grouped(FORMER, (*MEMBERS, "bacnet-write")),
        grouped("segctl-by-hand"),
        grouped("segctl-bacnet-ip-writ3-8308b7b0xx"),
        grouped(FORMER, rules=("another",)),
        grouped(FORMER).replace(application_groups=()),
    ],
    ids=["other members", "not one of ours", "another length", "another rule", "not ours"],
)
def test_any_other_group_does_not(held: Policy) -> None:
    wanted = grouped(PRESENT)
    assert as_held(wanted, live(held), ordered=True) == wanted


def test_two_former_groups_of_the_same_members_both_stay() -> None:
    other = "segctl-bacnet-ip-read--9c7d5f8c"
    held = Policy(
        application_groups=(
            ApplicationGroup(name=other, members=MEMBERS),
            ApplicationGroup(name=FORMER, members=MEMBERS),
        ),
        rules=(rule("r", applications=(FORMER,)), rule("s", applications=(other,))),
    )
    wanted = grouped(PRESENT, rules=("r", "s"))
    assert as_held(wanted, live(held), ordered=True) == held


def test_a_new_rule_names_the_present_group_beside_it() -> None:
    found = as_held(grouped(PRESENT, rules=("r", "new")), live(grouped(FORMER)), ordered=True)
    assert [one.applications for one in found.rules] == [(FORMER,), (PRESENT,)]
    assert [group.name for group in found[ApplicationGroup]] == sorted((PRESENT, FORMER))


def sets(name: str) -> Policy:
    """A rule of a platform that writes addresses out."""
    group = AddressGroup(name=name, members=("10.0.0.1", "10.0.0.2"))
    return Policy(address_groups=(group,), rules=(rule("r", sources=(name,)),))


def test_a_group_with_addresses_written_out_keeps_its_name() -> None:
    assert as_held(sets("c.net.10.0.0.1/c.net.10.0.0.2"), live(sets("c.a/c.b")), ordered=False) == (
        sets("c.a/c.b")
    )


def test_a_group_of_address_objects_does_not() -> None:
    address = Address(name="x", value="10.0.0.1")
    wanted = sets("new").replace(addresses=(address,))
    assert as_held(wanted, live(sets("old").replace(addresses=(address,))), ordered=True) == wanted


# --- order ---------------------------------------------------------------------------------------

A, B, C = (
    rule("a", from_zones=("A",), sources=("10.1.0.0/24",)),
    rule("b", from_zones=("B",), sources=("10.2.0.0/24",)),
    rule("c", from_zones=("C",), flow="g", sources=("10.3.0.0/24",)),
)


def order_of(wanted: Sequence[Rule], held: Sequence[str], *, ordered: bool = True) -> list[str]:
    policy = Policy(rules=tuple(wanted))
    found = as_held(policy, live(policy, held), ordered=ordered)
    assert sorted(one.name for one in found.rules) == sorted(one.name for one in wanted)
    return [one.name for one in found.rules]


@given(st.permutations(["a", "b", "c"]))
def test_rules_that_no_packet_meets_both_of_stand_as_they_stood(held: list[str]) -> None:
    assert order_of((A, B, C), held) == held


def test_rules_of_one_flow_stand_as_they_stood() -> None:
    wide = rule("a"), rule("b")
    assert order_of(wide, ["b", "a"]) == ["b", "a"]


@pytest.mark.parametrize(
    "other",
    [
        rule("b", flow="g"),
        rule("b", log=False),
        rule("b", action="deny"),
        rule("b", profile_group="strict"),
        rule("b", sources=("10.1.0.0/16",), flow="g"),
        rule("b", sources=("elsewhere.example",), flow="g"),
    ],
    ids=["another flow", "not logged", "denies", "inspected", "overlaps", "cannot tell"],
)
def test_rules_that_may_meet_the_same_packet_are_put_in_order(other: Rule) -> None:
    mine = rule("a", sources=("10.1.0.0/24",)) if other.sources != ("any",) else rule("a")
    assert order_of((mine, other), ["b", "a"]) == ["a", "b"]


def test_conduits_are_put_in_order() -> None:
    assert order_of((A, replace(B, conduit="d")), ["b", "a"]) == ["a", "b"]


def test_a_new_rule_stands_where_it_belongs() -> None:
    assert order_of((A, B, C), ["b", "a"]) == ["b", "a", "c"]


def test_order_that_the_platform_does_not_have_is_left() -> None:
    assert order_of((A, B), ["b", "a"], ordered=False) == ["a", "b"]
