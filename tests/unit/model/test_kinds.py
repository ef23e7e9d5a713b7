"""A kind of item is one row of `KINDS`; policies, comparison and snapshots follow from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from segctl.model import items
from segctl.model.diff import diff
from segctl.model.items import KINDS, Address, DeclaredRule, Item, Kind, Rule
from segctl.model.policy import DeclaredPolicy, Policy
from segctl.model.scope import DEFAULT_SCOPE
from segctl.model.site import Position, ProtocolUse
from segctl.providers import parsed
from segctl.providers.base import Identity, Live

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicGroup(Item):
    """A group that no platform of segctl has."""

    kind_name: ClassVar[str] = "dynamic-group"
    match: str
    seen: int = 0


RULE = Rule(name="r", from_zones=("A",), to_zones=("B",), sources=("g",))
GROUP = DynamicGroup(name="g", match="'quarantine'")
ADDRESS = Address(name="a", value="10.0.0.1")


@pytest.fixture(autouse=True)
def _one_row_more(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Kind(item=DynamicGroup, plural="dynamic_groups", uncompared=frozenset({"seen"}))
    after_addresses = [kind.item for kind in KINDS].index(Address) + 1
    monkeypatch.setattr(items, "KINDS", (*KINDS[:after_addresses], row, *KINDS[after_addresses:]))


def steps(desired: Policy, live: Policy) -> Sequence[str]:
    order = [rule.name for rule in live.rules]
    found = diff(desired, live, order=order, position=Position())
    return [f"{change.op} {change.kind} {change.name}" for change in found]


def test_a_new_kind_is_created_after_what_it_may_need_and_before_rules() -> None:
    policy = Policy(rules=(RULE,), dynamic_groups=(GROUP,), addresses=(ADDRESS,))
    assert policy[DynamicGroup] == (GROUP,)
    assert steps(policy, Policy()) == [
        "create address a",
        "create dynamic-group g",
        "create rule r",
    ]
    assert steps(Policy(), policy) == [
        "delete rule r",
        "delete dynamic-group g",
        "delete address a",
    ]


def test_a_new_kind_is_updated() -> None:
    held = Policy(dynamic_groups=(GROUP,))
    wanted = held.replace(dynamic_groups=[replace(GROUP, match="'isolated'")])
    (change,) = diff(wanted, held, order=(), position=Position())
    assert (change.op, change.kind, change.fields) == ("update", "dynamic-group", ("match",))
    assert wanted.digest != held.digest
    assert Policy(dynamic_groups=(replace(GROUP, seen=7),)).digest == held.digest


def test_a_new_kind_comes_back_from_a_snapshot() -> None:
    policy = Policy(dynamic_groups=(GROUP,), rules=(RULE,))
    identity = Identity(serial="1", os_version="1", content_version="", scope=DEFAULT_SCOPE)
    live = Live(identity=identity, policy=policy, others=policy, order=("r",))
    assert parsed.load(parsed.dump(live), Live) == live


def test_policies_beside_each_other_hold_both() -> None:
    first, second = Policy(dynamic_groups=(GROUP,)), Policy.of([ADDRESS, RULE])
    assert first.beside(second) == Policy.of([RULE, GROUP, ADDRESS])


def test_an_item_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="Address among the DynamicGroup items of a Policy"):
        Policy(dynamic_groups=(ADDRESS,))
    with pytest.raises(TypeError, match="Policy has no dynamic_grups"):
        Policy(dynamic_grups=(GROUP,))
    with pytest.raises(TypeError, match="Rule among the DeclaredRule items of a DeclaredPolicy"):
        DeclaredPolicy(rules=(RULE,))


def test_without_its_row_there_is_no_such_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "KINDS", KINDS)
    with pytest.raises(TypeError, match="a policy cannot hold DynamicGroup"):
        Policy.of([GROUP])
    with pytest.raises(KeyError):
        Policy()[DynamicGroup]
    with pytest.raises(KeyError):
        DeclaredPolicy()[Rule]


# --- declared and fitted -------------------------------------------------------------------------

DECLARED = DeclaredRule(name="r", from_zones=("A",), to_zones=("B",), sources=("g",))
USE = ProtocolUse(protocol="modbus", classes=("read",))


def test_a_fitted_rule_says_what_is_given_and_keeps_the_rest() -> None:
    assert DECLARED.fitted() == RULE
    assert DECLARED.fitted(name="n", tags=("t",)) == replace(RULE, name="n", tags=("t",))
    asked = replace(DECLARED, protocols=(USE,), applications=())
    assert asked.fitted(applications=("modbus-read",)).applications == ("modbus-read",)


def test_no_rule_is_fitted_whose_protocols_nobody_has_said() -> None:
    with pytest.raises(TypeError, match="rule r: no applications are given for its protocols"):
        replace(DECLARED, protocols=(USE,), applications=()).fitted()


def test_only_fitted_policies_are_compared() -> None:
    declared = DeclaredPolicy(rules=(DECLARED,))
    with pytest.raises(AttributeError):  # where the type checker did not forbid it: the ignore says
        diff(declared, Policy(), order=(), position=Position())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - it does


def test_a_platform_written_before_goes_on_working() -> None:
    """It made fitted rules of declared ones with `replace`, and read objects by attribute."""
    declared = DeclaredPolicy(addresses=(ADDRESS,), rules=(DECLARED,))
    with pytest.warns(DeprecationWarning, match=r"policy\.addresses is now policy\[Address\]"):
        held = declared.addresses  # type: ignore[attr-defined] # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue, reportUnknownMemberType] - the former way
    assert held == (ADDRESS,)
    with pytest.warns(DeprecationWarning, match="holds Rule, not DeclaredRule"):
        fitted = Policy(rules=[replace(rule, name="n") for rule in declared.rules])
    assert fitted.rules == (replace(RULE, name="n"),)
    again = replace(fitted, rules=(RULE,))  # type: ignore[call-arg] # pyright: ignore[reportCallIssue] - as above
    assert again == Policy(rules=(RULE,))
    with pytest.raises(TypeError, match="no applications are given"):
        Policy(rules=[replace(DECLARED, protocols=(USE,))])


def test_a_snapshot_of_the_version_before_is_read() -> None:
    identity = Identity(serial="1", os_version="1", content_version="", scope=DEFAULT_SCOPE)
    live = Live(identity=identity, policy=Policy(rules=(RULE,)), others=Policy(), order=("r",))
    document = parsed.dump(live)
    before = document.replace(b'"sources":', b'"enforce_functions":true,"sources":')
    assert before != document
    assert parsed.load(before, Live) == live


#: Digests as the version before made them, where rules still had a field for protocols.
@pytest.mark.parametrize(
    ("policy", "digest"),
    [
        (Policy(), "e57383855565ba684f37b37d72183b82789705f380c0e7f42ac2cc58f831ba73"),
        (
            Policy(rules=(RULE,), addresses=(ADDRESS,)),
            "19a79a75ae1125bf3698741ce01c18cf605756980be7e80286fdfd1768f363ba",
        ),
    ],
)
def test_digests_are_those_of_the_version_before(
    policy: Policy, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "KINDS", KINDS)
    assert policy.digest == f"sha256:{digest}"
