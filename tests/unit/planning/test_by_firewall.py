"""What a plan of a device group means on each of its firewalls: a rule counts where it is held."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from segctl.model.diff import diff
from segctl.model.policy import Address, AddressGroup, DefaultRule, Policy, Rule
from segctl.model.scope import Scope
from segctl.model.site import Position
from segctl.planning.by_firewall import (
    alike,
    gets_any,
    lint_by_firewall,
    meaning_by_firewall,
    with_group,
)
from segctl.planning.documents import device_json, device_of
from segctl.planning.enforced import enforced
from segctl.planning.plan import DevicePlan
from segctl.planning.sides import sides
from segctl.providers.base import Identity, Live
from segctl.providers.panos.panorama import PanoramaProvider
from segctl.providers.pushed import Pushed
from segctl.report.meaning_text import row_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.planning.meaning import Meaning

MEMBERS = {"fw1": ("007",), "fw2": ("008",), "fw3": ("009",)}
_LISTS = ("sources", "destinations", "services", "applications")


def rule(name: str, *, on: Sequence[str] = (), action: Any = "allow", **values: Any) -> Rule:
    """Return a rule between two zones, on some firewalls."""
    lists: dict[str, Any] = dict.fromkeys(_LISTS, ("any",))
    lists |= {"from_zones": ("a",), "to_zones": ("b",)}
    return Rule(name=name, action=action, targets=tuple(on), **(lists | values))


def live(*rules: Rule, others: Sequence[Rule] = ()) -> Live:
    """Return a group that holds rules of ours, and above them those of others."""
    return Live(
        identity=Identity(
            serial="1", os_version="11.1.6", content_version="1", scope=Scope.of("device-group:OT")
        ),
        policy=Policy(rules=rules),
        others=Policy(rules=tuple(others)),
        order=tuple(one.name for one in (*others, *rules)),
        members=MEMBERS,
        other_rules={one.name: "x" for one in others},
    )


def meant(before: Live, *after: Rule) -> Meaning:
    """Return what it means to go from what a group holds to these rules."""
    wanted = Policy(rules=after)
    changes = diff(
        wanted, before.policy, order=before.order, position=Position(where="last"), ordered=True
    )
    around = sides(changes, before, PanoramaProvider())
    found, _ = meaning_by_firewall(changes, around, before.members)
    return found


def on(found: Meaning) -> list[tuple[str, ...]]:
    return [row.firewalls for row in found.more]


def test_firewalls_that_get_the_same_are_one_case() -> None:
    assert alike(MEMBERS, [rule("x")]) == ((),)
    found = alike(MEMBERS, [rule("x"), rule("y", on=["fw1"]), rule("z", on=["fw2", "fw3"])])
    assert sorted(found) == [("fw1",), ("fw2", "fw3")]
    assert ("strange",) in alike(MEMBERS, [rule("y", on=["strange"])])


def test_a_rule_permits_where_it_is_held() -> None:
    assert on(meant(live(), rule("x", on=["fw2"]))) == [("fw2",)]
    assert on(meant(live(), rule("x"))) == [()]
    every = rule("x", on=["fw1"]), rule("y", on=["fw2", "fw3"])
    assert sorted(on(meant(live(), *every))) == [("fw1",), ("fw2", "fw3")]


def test_rows_that_are_the_same_on_all_firewalls_name_none() -> None:
    found = meant(live(rule("deny", on=["fw1"], action="deny", from_zones=("z",))), rule("x"))
    assert on(found) == [()]


def test_a_rule_of_another_firewall_hides_nothing() -> None:
    """What fw2 denies says nothing of fw1, and what fw2 permits does not either."""
    deny = rule("top", on=["fw2"], action="deny")
    assert on(meant(live(others=[deny]), rule("x"))) == [("fw1", "fw3")]
    permit = rule("top", on=["fw2"])
    assert on(meant(live(others=[permit]), rule("x"))) == [("fw1", "fw3")]


def test_a_rule_that_another_firewall_gets_too_widens() -> None:
    found = meant(live(rule("x", on=["fw1"])), rule("x", on=["fw1", "fw2"]))
    assert on(found) == [("fw2",)]
    assert found.marks == ("widens",)
    assert found.may_widen


def test_a_rule_that_goes_from_one_firewall_to_another_widens_and_narrows() -> None:
    found = meant(live(rule("x", on=["fw1"])), rule("x", on=["fw2"]))
    assert (on(found), [row.firewalls for row in found.less]) == ([("fw2",)], [("fw1",)])
    assert found.marks == ("both",)


def test_a_rule_for_all_that_becomes_one_for_some_narrows() -> None:
    found = meant(live(rule("x")), rule("x", on=["fw1"]))
    assert [row.firewalls for row in found.less] == [("fw2", "fw3")]
    assert found.marks == ("narrows",)
    assert not found.may_widen


def test_the_order_of_rules_of_different_firewalls_means_nothing() -> None:
    before = live(rule("x", on=["fw1"]), rule("y", on=["fw2"], action="deny"))
    found = meant(before, rule("y", on=["fw2"], action="deny"), rule("x", on=["fw1"]))
    assert not found.more
    assert not found.less
    assert found.marks == ("neither",)


def test_a_row_says_its_firewalls() -> None:
    (row,) = meant(live(), rule("x", on=["fw1", "fw3"])).more
    assert "; on fw1, fw3" in row_text(row, "panorama")
    (row,) = meant(live(), rule("x")).more
    assert "; on " not in row_text(row, "panorama")


def test_a_rule_of_others_opens_where_no_denying_rule_of_theirs_is() -> None:
    """Taken as one chain, what fw2 denies would hide what fw1 permits."""
    deny, permit = rule("deny", on=["fw2"], action="deny"), rule("permit")
    found = enforced(Policy(), live(others=[deny, permit]), PanoramaProvider(), ["a", "b"])
    assert [(one.name, one.state) for one in found] == [("permit", "hole")]


def test_lint_takes_no_rule_of_one_firewall_for_one_of_another() -> None:
    """A rule is covered only where it is covered on every firewall that holds it."""

    def linted(*rules: Rule) -> list[str]:
        found = live()
        wanted = Policy(rules=rules)
        changes = diff(wanted, found.policy, order=(), position=Position(), ordered=True)
        around = sides(changes, found, PanoramaProvider())
        told = lint_by_firewall(around, found, PanoramaProvider(), ())
        return [one.subject for one in told if one.kind != "permits_everything"]

    first = rule("x", on=["fw1"], conduit="c1")
    assert linted(first, rule("y", on=["fw2"], conduit="c2")) == []
    assert linted(first, rule("y", on=["fw1", "fw2"], conduit="c2")) == []
    assert linted(first, rule("y", on=["fw1"], conduit="c2")) != []


@pytest.mark.parametrize("who", [(), ("fw1",)])
def test_a_row_of_a_saved_plan_keeps_its_firewalls(who: tuple[str, ...]) -> None:
    from segctl.planning.plan import DevicePlan

    (row,) = meant(live(), rule("x", on=["fw1"])).more
    made = DevicePlan(
        name="p:OT",
        platform="panorama",
        serial="1",
        os_version="11.1",
        content_version="1",
        scope="device-group:OT",
        fingerprint="sha256:0",
        desired="sha256:1",
        rule_count=0,
        changes=(),
        script="",
        meaning=replace(meant(live()), more=(replace(row, firewalls=who),)),
    )
    document = device_json(made)
    assert ("firewalls" in document["meaning"]["newly_permitted"][0]) is bool(who)
    back = device_of(document)
    assert back.meaning is not None
    assert back.meaning.more[0].firewalls == who


# --- a firewall that gets all of its group -------------------------------------------------------


def own(*items: Any, order: Sequence[str] = (), pushed: Pushed | None = None) -> Live:
    """Return what a firewall holds: nothing of ours but these default rules and objects."""
    ours = Policy.of(one for one in items if isinstance(one, DefaultRule))
    others = Policy.of(one for one in items if not isinstance(one, DefaultRule))
    return replace(
        live(), policy=ours, others=others, order=tuple(order), pushed=pushed or Pushed()
    )


def given(firewall: Live, group: Live, *, late: bool = False, name: str = "fw1") -> Policy:
    return with_group(firewall, name, group, group.effective(), late=late)


def names(policy: Policy) -> list[str]:
    return [one.name for one in policy.rules]


@pytest.mark.parametrize(
    ("late", "order"),
    [
        (False, ["shared", "ours", "its own", "after"]),
        (True, ["shared", "its own", "ours", "after"]),
    ],
)
def test_its_own_rules_stand_between_those_of_its_group(*, late: bool, order: list[str]) -> None:
    around = Pushed(before=(rule("shared"),), after=(rule("after"), rule("not here", on=["fw2"])))
    group = replace(live(rule("ours"), rule("of another", on=["fw2"])), pushed=around)
    stale = Pushed(before=(rule("Panorama pre-rule gone"),))
    firewall = own(rule("its own"), order=("its own",), pushed=stale)
    assert names(given(firewall, group, late=late)) == order


def test_what_it_overrides_itself_stays_and_what_it_inherits_does_not() -> None:
    inside: Literal["intrazone-default"] = "intrazone-default"
    between: Literal["interzone-default"] = "interzone-default"
    group = live()
    group = replace(
        group, policy=Policy(defaults=(DefaultRule(name=between, action="deny", log=True),))
    )
    firewall = own(DefaultRule(name=inside, action="deny", log=True))
    firewall = replace(
        firewall, others=Policy(defaults=(DefaultRule(name=between, action="allow", log=True),))
    )
    held = {one.name: one.action for one in given(firewall, group)[DefaultRule]}
    assert held == {inside: "deny", between: "deny"}
    firewall = own(DefaultRule(name=between, action="allow", log=True))
    held = {one.name: one.action for one in given(firewall, group)[DefaultRule]}
    assert held == {between: "allow"}


def test_objects_of_the_group_count_before_what_was_pushed_of_them() -> None:
    group = replace(live(), others=Policy.of([AddressGroup(name="x", members=("y",))]))
    firewall = own(Address(name="x", value="10.0.0.1"), Address(name="z", value="10.0.0.3"))
    found = given(firewall, group)
    assert [one.name for one in found[Address]] == ["z"]
    assert [one.name for one in found[AddressGroup]] == ["x"]


def test_where_what_was_pushed_is_not_known_it_stays_unknown() -> None:
    doubtful = own(pushed=Pushed(unread=("refused",)))
    (first, second) = given(doubtful, live(rule("ours"))).rules
    assert first.extras == ("refused",)
    assert second.name == "ours"


def test_a_plan_changes_what_a_firewall_gets_by_its_rules_and_by_objects_that_are_there() -> None:
    def plan(*changes: Any) -> DevicePlan:
        return DevicePlan(name="panorama1:OT", platform="panorama", changes=changes)

    before = live(rule("x", on=["fw1"]))
    wanted = Policy(
        rules=(rule("y", on=["fw2"]),), addresses=(Address(name="a", value="10.0.0.1"),)
    )
    changes = diff(
        wanted, before.policy, order=before.order, position=Position(where="last"), ordered=True
    )
    assert {name: gets_any(name, plan(*changes)) for name in MEMBERS} == {
        "fw1": True,
        "fw2": True,
        "fw3": False,
    }
    other = Policy(addresses=(Address(name="a", value="10.0.0.2"),))
    changes = diff(
        other, Policy(addresses=wanted[Address]), order=(), position=Position(), ordered=True
    )
    assert all(gets_any(name, plan(*changes)) for name in MEMBERS)
    closed = Policy(defaults=(DefaultRule(name="interzone-default", action="deny", log=True),))
    changes = diff(closed, Policy(), order=(), position=Position(), ordered=True)
    assert [one.op for one in changes] == ["create"]
    assert all(gets_any(name, plan(*changes)) for name in MEMBERS)
