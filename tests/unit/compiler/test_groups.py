"""The policy of a device group: each firewall gets its own rules, in its own order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler.build import Desired, compile_site
from segctl.compiler.groups import gathered, in_all_orders, united
from segctl.model.errors import InventoryError
from segctl.model.policy import Address, DeclaredPolicy, DeclaredRule
from segctl.model.scope import Scope
from segctl.model.site import Asset, Conduit, Device, Flow, PortRange, Site, Zone, ZoneBinding

TODAY = date(2026, 11, 1)
OT = Scope(kind="device-group", name="OT")


def zone(name: str, network: str) -> Zone:
    net = ip_network(network)
    first = ip_network(f"{next(net.hosts())}/32")
    return Zone(
        site="s", id=name, networks=(net,), assets=(Asset(name=f"a-{name}", addresses=(first,)),)
    )


def device(name: str, *zones: str, group: Scope = OT, **more: object) -> Device:
    bindings = tuple(ZoneBinding(zone=f"s/{one}", name=one.upper()) for one in zones)
    made = Device(name=name, platform="panos", zones=bindings, manager="panorama1", group=group)
    return replace(made, **more)  # type: ignore[arg-type] # fields by name


def conduit(name: str, start: str, end: str, port: int = 502) -> Conduit:
    services = (PortRange(protocol="tcp", first=port, last=port),)
    return Conduit(
        site="s",
        id=name,
        from_zones=(f"s/{start}",),
        to_zones=(f"s/{end}",),
        reason="r",
        owner="o",
        flows=(Flow(id="f", services=services),),
    )


def compiled(*devices: Device) -> dict[str, Desired]:
    site = Site(
        zones=(zone("a", "10.0.1.0/24"), zone("b", "10.0.2.0/24"), zone("c", "10.0.3.0/24")),
        conduits=(conduit("ab", "a", "b"), conduit("bc", "b", "c")),
        devices=devices,
    )
    return dict(compile_site(site, TODAY))


def chain_of(group: Desired, firewall: str) -> list[DeclaredRule]:
    return [
        replace(rule, targets=(), name="", renamed_from=())
        for rule in group.policy.rules
        if not rule.targets or firewall in rule.targets
    ]


def own_chain(desired: Desired) -> list[DeclaredRule]:
    closing = [] if desired.closing is None else [desired.closing]
    chain = [*desired.policy.rules, *closing]
    return [replace(rule, name="", renamed_from=()) for rule in chain]


def test_firewalls_of_one_group_are_planned_as_one() -> None:
    found = compiled(device("fw1", "a", "b"), device("fw2", "b", "c"))
    (group,) = gathered(found, ["fw2"])
    assert group.device.name == "panorama1:OT"
    assert group.device.platform == "panorama"
    assert group.device.scope == OT
    assert [one.name for one in group.device.members] == ["fw1", "fw2"]
    assert group.receivers == ("fw2",)
    for name, own in found.items():
        assert chain_of(group, name) == own_chain(own)
    targets = {rule.name: rule.targets for rule in group.policy.rules}
    assert set(targets.values()) == {("fw1",), ("fw2",)}
    assert len(targets) == len(group.policy.rules)


def test_rules_that_all_firewalls_need_bear_no_targets() -> None:
    found = compiled(device("fw1", "a", "b", "c"), device("fw2", "a", "b", "c"))
    (group,) = gathered(found, ["fw1", "fw2"])
    assert {rule.targets for rule in group.policy.rules} == {()}
    assert group.receivers == ("fw1", "fw2")


def test_a_firewall_that_enforces_nothing_yet_closes_nothing() -> None:
    """Its own rules are still what permits traffic: closing would cut it."""
    others = (device("fw2", "a", "b"), device("fw3", "b", "c"))
    closed: dict[str, list[str]] = {}
    for manner in ("leave", "manage"):
        found = compiled(device("fw1", "a", "c", default_rules=manner), *others)
        bare = {**found, "fw1": replace(found["fw1"], policy=DeclaredPolicy())}
        closed[manner] = [rule.action for rule in united([bare["fw1"]]).policy.rules]
    assert closed == {"leave": [], "manage": ["deny"]}
    permitting = compiled(device("fw1", "a", "b", "c", default_rules="leave"))
    assert united([permitting["fw1"]]).policy.rules[-1].action == "deny"


def test_firewalls_without_a_manager_stay_by_themselves() -> None:
    found = compiled(device("fw1", "a", "b", group=Scope(), manager=""), device("fw2", "b", "c"))
    assert [one.device.name for one in gathered(found, ["fw1", "fw2"])] == ["fw1", "panorama1:OT"]


def test_rules_of_one_name_that_differ_have_names_of_their_own() -> None:
    other = Device(
        name="fw2",
        platform="panos",
        zones=(ZoneBinding(zone="s/a", name="OTHER"), ZoneBinding(zone="s/b", name="B")),
        manager="panorama1",
        group=OT,
    )
    found = compiled(device("fw1", "a", "b", "c"), other)
    group = united(list(found.values()))
    names = [rule.name for rule in group.policy.rules]
    assert len(set(names)) == len(names)
    for name, own in found.items():
        assert chain_of(group, name) == own_chain(own)


def test_objects_that_contradict_each_other_are_refused() -> None:
    def desired(name: str, value: str) -> Desired:
        address = Address(name="plc", value=value)
        return Desired(device=device(name, "a"), policy=DeclaredPolicy(addresses=(address,)))

    with pytest.raises(InventoryError) as caught:
        united([desired("fw1", "10.0.0.1"), desired("fw2", "10.0.0.2")])
    assert "address plc of host fw2 is not that of fw1" in str(caught.value)


def test_orders_that_contradict_each_other_are_refused() -> None:
    def rule(name: str) -> DeclaredRule:
        return DeclaredRule(name=name, from_zones=("A",), to_zones=("B",))

    def desired(name: str, *rules: str) -> Desired:
        policy = DeclaredPolicy(rules=tuple(map(rule, rules)))
        return Desired(device=device(name, "a"), policy=policy)

    with pytest.raises(InventoryError, match="in different orders"):
        united([desired("fw1", "x", "y"), desired("fw2", "y", "x")])


@given(st.lists(st.permutations(range(8)), max_size=1), st.data())
def test_every_chain_keeps_its_order(whole: list[list[int]], data: st.DataObject) -> None:
    chains = [
        [item for item in whole[0] if data.draw(st.booleans())] if whole else [] for _ in range(4)
    ]
    order, rest = in_all_orders(chains)
    assert not rest
    assert len(order) == len(set(order))
    for chain in chains:
        assert [item for item in order if item in chain] == chain


@pytest.mark.parametrize("asking", ["one", "two"])
def test_a_group_gets_audit_comments_where_any_firewall_asks(asking: str) -> None:
    made = [device(name, *"abc", audit_comments=name == asking) for name in ("one", "two")]
    assert united(compiled(*made).values()).device.audit_comments
    none = [device(name, *"abc") for name in ("one", "two")]
    assert not united(compiled(*none).values()).device.audit_comments
