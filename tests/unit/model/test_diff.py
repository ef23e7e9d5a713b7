from __future__ import annotations

from dataclasses import replace

import pytest

from segctl.model.diff import diff, in_place
from segctl.model.policy import Address, AddressGroup, Policy, Rule
from segctl.model.site import Position

LAST = Position()


def rule(name: str, flow: str = "", **values: tuple[str, ...]) -> Rule:
    made = Rule(name=name, from_zones=("A",), to_zones=("B",), conduit="c1", flow=flow or name)
    return replace(made, **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - lists of a rule


def steps(desired: Policy, live: Policy, order: str, position: Position = LAST) -> list[str]:
    found = diff(desired, live, order=order.split(), position=position)
    return [
        f"{change.op} {change.kind} {change.name} {change.anchor or ''}".strip() for change in found
    ]


def test_nothing_to_do() -> None:
    policy = Policy(rules=(rule("a"), rule("b")), addresses=(Address(name="x", value="10.0.0.1"),))
    assert steps(policy, policy, "o a b") == []


def test_objects_come_before_and_go_after() -> None:
    old = Policy(
        addresses=(Address(name="x", value="10.0.0.1"),),
        address_groups=(AddressGroup(name="g", members=("x",)),),
        rules=(rule("a", sources=("g",)),),
    )
    new = Policy(
        addresses=(Address(name="y", value="10.0.0.2"),),
        address_groups=(AddressGroup(name="h", members=("y",)),),
        rules=(rule("a", sources=("h",)),),
    )
    assert steps(new, old, "a") == [
        "create address y",
        "create address-group h",
        "update rule a",
        "delete address-group g",
        "delete address x",
    ]


def test_a_rename_keeps_the_rule() -> None:
    old = Policy(rules=(rule("old", flow="f"),))
    new = Policy(rules=(rule("new", flow="f", sources=("x",)),))
    found = diff(new, old, order=["old"], position=LAST)
    assert [(change.op, change.name) for change in found] == [("rename", "new"), ("update", "new")]
    assert found[1].fields == ("sources",)


def test_two_candidates_for_a_rename_are_no_rename() -> None:
    old = Policy(rules=(rule("p", flow="f"), rule("q", flow="f")))
    new = Policy(rules=(rule("new", flow="f"),))
    assert steps(new, old, "p q") == ["delete rule p", "delete rule q", "create rule new top"]


def test_only_what_stands_wrong_moves() -> None:
    wanted = Policy(rules=tuple(rule(name) for name in "abcd"))
    held = Policy(rules=tuple(rule(name) for name in "bcda"))
    assert steps(wanted, held, "o b c d a") == ["move rule a after o"]


def test_a_block_moves_whole_to_its_place() -> None:
    policy = Policy(rules=(rule("a"), rule("b")))
    after = Position(where="after", rule="o")
    assert steps(policy, policy, "a b o p", after) == [
        "move rule a after o",
        "move rule b after a",
    ]
    assert not in_place(["a", "b", "o", "p"], {"a", "b"}, after)
    assert in_place(["o", "a", "b", "p"], {"a", "b"}, after)


def test_a_position_that_is_gone() -> None:
    policy = Policy(rules=(rule("a"),))
    with pytest.raises(LookupError):
        steps(policy, Policy(), "o", Position(where="before", rule="x"))
    assert not in_place(["o", "a"], {"a"}, Position(where="before", rule="x"))
