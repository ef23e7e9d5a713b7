from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.compiler.build import compile_site, with_closing
from segctl.model import items
from segctl.model.errors import InventoryError
from segctl.model.policy import (
    DeclaredPolicy,
    DeclaredRule,
    DefaultRule,
    Service,
    resolver,
)
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    ProtocolUse,
    Schedule,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.testing import shuffled

TODAY = date(2026, 1, 1)
TCP_443 = PortRange(protocol="tcp", first=443, last=443)


def zone(name: str, *networks: str, **values: Any) -> Zone:
    made = Zone(site="site", id=name, networks=tuple(ip_network(net) for net in networks))
    return replace(made, **values)


def asset(name: str, *addresses: str) -> Asset:
    return Asset(name=name, addresses=tuple(ip_network(address) for address in addresses))


def firewall(name: str, *zones: str, **values: Any) -> Device:
    bindings = tuple(ZoneBinding(zone=f"site/{one}", name=one.upper()) for one in zones)
    return replace(Device(name=name, platform="panos", zones=bindings), **values)


def conduit(*flows: Flow, **values: Any) -> Conduit:
    made = Conduit(
        site="site",
        id="c",
        from_zones=("site/a",),
        to_zones=("site/b",),
        reason="polling",
        owner="automation",
        flows=flows or (Flow(id="f", services=(TCP_443,)),),
    )
    return replace(made, **values)


A, B = zone("a", "10.1.0.0/24"), zone("b", "10.2.0.0/24")
FW = firewall("fw", "a", "b")


def compiled(
    *conduits: Conduit, zones: tuple[Zone, ...] = (A, B), devices: tuple[Device, ...] = (FW,)
) -> DeclaredPolicy:
    site = Site(zones=zones, conduits=conduits, devices=devices)
    return compile_site(site, TODAY)[devices[0].name].policy


def only(policy: DeclaredPolicy) -> DeclaredRule:
    (rule,) = policy.rules
    return rule


def spans(policy: DeclaredPolicy, names: tuple[str, ...]) -> set[str]:
    return {f"{v}:{first:x}-{last:x}" for v, first, last in resolver(policy)(names)}


def span(*networks: str) -> set[str]:
    nets = [ip_network(network) for network in networks]
    return {
        f"{net.version}:{int(net.network_address):x}-{int(net.broadcast_address):x}" for net in nets
    }


def test_a_flow_becomes_one_rule_of_one_zone_pair() -> None:
    policy = compiled(conduit(ticket="CHG-1"))
    rule = only(policy)
    assert (rule.name, rule.from_zones, rule.to_zones) == ("c.f", ("A",), ("B",))
    assert (rule.conduit, rule.flow, rule.action, rule.log) == ("c", "f", "allow", True)
    assert rule.description == "polling; owner automation; ticket CHG-1"
    assert spans(policy, rule.sources) == span("10.1.0.0/24")
    assert spans(policy, rule.destinations) == span("10.2.0.0/24")


def test_services_applications_and_protocols() -> None:
    plain = only(compiled(conduit(Flow(id="f", services=(TCP_443,)))))
    assert (plain.applications, plain.services) == (("any",), ("segctl-tcp-443",))
    named = only(compiled(conduit(Flow(id="f", applications=("ssl", "ssh", "ssl")))))
    assert (named.applications, named.services) == (("ssh", "ssl"), ("application-default",))
    both = only(compiled(conduit(Flow(id="f", applications=("ssl",), services=(TCP_443,)))))
    assert (both.applications, both.services) == (("ssl",), ("segctl-tcp-443",))
    use = ProtocolUse(protocol="modbus", classes=("read",))
    industrial = only(compiled(conduit(Flow(id="f", protocols=(use,)))))
    assert (industrial.protocols, industrial.applications) == ((use,), ())
    assert industrial.services == ("application-default",)


def test_port_ranges() -> None:
    ports = PortRange(protocol="udp", first=1000, last=1010)
    (service,) = compiled(conduit(Flow(id="f", services=(ports,))))[Service]
    assert (service.name, service.protocol, service.ports) == (
        "segctl-udp-1000-1010",
        "udp",
        "1000-1010",
    )


def test_two_ip_versions_share_a_rule() -> None:
    zones = (zone("a", "10.1.0.0/24", "fd00:1::/64"), zone("b", "10.2.0.0/24", "fd00:2::/64"))
    policy = compiled(conduit(), zones=zones)
    assert spans(policy, only(policy).sources) == span("10.1.0.0/24", "fd00:1::/64")


def test_no_version_in_common_is_an_error() -> None:
    with pytest.raises(InventoryError, match="no IP version in common"):
        compiled(conduit(), zones=(zone("a", "10.1.0.0/24"), zone("b", "fd00:2::/64")))


def test_a_dual_homed_asset_has_all_its_addresses() -> None:
    homed = zone("a", "10.1.0.0/24", assets=(asset("hmi", "10.1.0.5/32", "10.1.0.77/32"),))
    flow = Flow(id="f", sources=(Endpoint(zone="site/a", asset="hmi"),), services=(TCP_443,))
    policy = compiled(conduit(flow), zones=(homed, B))
    assert spans(policy, only(policy).sources) == span("10.1.0.5/32", "10.1.0.77/32")
    assert only(policy).sources == ("a.hmi.10.1.0.5", "a.hmi.10.1.0.77")


def test_a_network_of_a_zone() -> None:
    part = Endpoint(zone="site/b", network=ip_network("10.2.0.128/25"))
    flow = Flow(id="f", destinations=(part,), services=(TCP_443,))
    policy = compiled(conduit(flow))
    assert spans(policy, only(policy).destinations) == span("10.2.0.128/25")


def test_a_nested_network_belongs_to_the_inner_zone() -> None:
    zones = (zone("a", "10.1.0.0/24"), zone("b", "10.1.0.64/26"))
    policy = compiled(conduit(), zones=zones)
    rule = only(policy)
    assert spans(policy, rule.sources) == {
        "4:a010000-a01003f",
        "4:a010080-a0100ff",
    }
    assert spans(policy, rule.destinations) == span("10.1.0.64/26")


def test_zones_that_share_a_subnet_are_their_assets() -> None:
    zones = (
        zone("a", "10.1.0.0/24", assets=(asset("plc", "10.1.0.5/32"),)),
        zone("b", "10.1.0.0/24", assets=(asset("hmi", "10.1.0.6/32"),)),
    )
    policy = compiled(conduit(), zones=zones)
    assert spans(policy, only(policy).sources) == span("10.1.0.5/32")
    assert spans(policy, only(policy).destinations) == span("10.1.0.6/32")


def test_a_zone_that_owns_nothing_is_an_error() -> None:
    with pytest.raises(InventoryError, match="owns no address"):
        compiled(conduit(), zones=(zone("a", "10.1.0.0/24"), zone("b", "10.1.0.0/24")))


def test_no_path_names_the_gap() -> None:
    with pytest.raises(InventoryError, match="no firewall is attached to zone site/b"):
        compiled(conduit(), devices=(firewall("fw", "a"),))


def test_via_that_stands_elsewhere() -> None:
    with pytest.raises(InventoryError, match="via names other"):
        compiled(
            conduit(via=("other",)),
            zones=(A, B, zone("x")),
            devices=(FW, firewall("other", "x")),
        )


def test_firewalls_in_a_row_get_the_rule_with_their_own_zones() -> None:
    devices = (firewall("edge", "a", "t"), firewall("plant", "t", "b"), firewall("far", "x"))
    site = Site(zones=(A, B, zone("t"), zone("x")), conduits=(conduit(),), devices=devices)
    found = compile_site(site, TODAY)
    edge, inner = only(found["edge"].policy), only(found["plant"].policy)
    assert (edge.from_zones, edge.to_zones) == (("A",), ("T",))
    assert (inner.from_zones, inner.to_zones) == (("T",), ("B",))
    assert spans(found["edge"].policy, edge.destinations) == span("10.2.0.0/24")
    assert found["far"].policy.rules == ()


def test_several_zones_make_a_rule_each() -> None:
    third = zone("d", "10.3.0.0/24")
    policy = compiled(
        conduit(to_zones=("site/b", "site/d")),
        zones=(A, B, third),
        devices=(firewall("fw", "a", "b", "d"),),
    )
    assert [(rule.name, rule.to_zones) for rule in policy.rules] == [
        ("c.f.a-b", ("B",)),
        ("c.f.a-d", ("D",)),
    ]


def test_an_expired_conduit_is_gone_and_reported() -> None:
    last_day = conduit(expires=TODAY)
    assert only(compiled(last_day)).name == "c.f"
    site = Site(zones=(A, B), conduits=(conduit(expires=date(2025, 12, 31)),), devices=(FW,))
    found = compile_site(site, TODAY)["fw"]
    assert found.policy.rules == ()
    (finding,) = found.findings
    assert "expired on 2025-12-31" in finding.message


def test_modes() -> None:
    assert compiled(conduit(mode="absent")).rules == ()
    quiet = Flow(id="f", services=(TCP_443,), log=False)
    watched = replace(FW, threat_profiles=(("alert", "ot-alert"), ("strict", "ot-strict")))
    rule = only(compiled(conduit(quiet, mode="monitor"), devices=(watched,)))
    assert (rule.action, rule.log, rule.profile_group) == ("allow", True, "ot-alert")
    assert rule.description.endswith("; monitor")
    assert not only(compiled(conduit(quiet))).log


def test_threat_prevention() -> None:
    both = replace(FW, threat_profiles=(("alert", "ot-alert"), ("strict", "ot-strict")))
    assert only(compiled(conduit(), devices=(both,))).profile_group == "ot-strict"
    alert, none = conduit(threat_prevention="alert"), conduit(threat_prevention="none")
    assert only(compiled(alert, devices=(both,))).profile_group == "ot-alert"
    assert not only(compiled(none, devices=(both,))).profile_group
    with pytest.raises(InventoryError, match="'strict', but fw does not map that"):
        compiled(conduit(threat_prevention="strict"))


def test_a_zone_that_denies_traffic_inside_itself() -> None:
    policy = compiled(zones=(replace(A, intrazone="deny"), B))
    rule = only(policy)
    assert (rule.type, rule.action, rule.from_zones, rule.to_zones) == (
        "intrazone",
        "deny",
        ("A",),
        ("A",),
    )


def test_users_and_schedules() -> None:
    flow = Flow(id="f", services=(TCP_443,), users=("plant\\b", "plant\\a"), schedule="workdays")
    device = replace(FW, schedules=(Schedule(name="workdays", daily=("06:00-18:00",)),))
    policy = compiled(conduit(flow), devices=(device,))
    assert only(policy).users == ("plant\\a", "plant\\b")
    assert only(policy).schedule == "segctl-workdays"
    assert policy[items.Schedule][0].windows == (("daily", ("06:00-18:00",)),)
    foreign = compiled(conduit(flow))
    assert (only(foreign).schedule, foreign[items.Schedule]) == ("workdays", ())


def test_between_zones_the_default_is_to_deny_and_log() -> None:
    (default,) = compiled()[DefaultRule]
    assert (default.name, default.action, default.log) == ("interzone-default", "deny", True)
    site = Site(zones=(A, B), devices=(FW,))
    desired = compile_site(site, TODAY)["fw"]
    closing = with_closing(desired).rules[-1]
    assert (closing.action, closing.type, closing.from_zones) == ("deny", "interzone", ("A", "B"))
    bare = compile_site(Site(devices=(Device(name="x", platform="panos"),)), TODAY)["x"]
    assert (with_closing(bare), bare.policy) == (DeclaredPolicy(), DeclaredPolicy())


def test_the_order_of_the_inventory_does_not_matter() -> None:
    flows = tuple(Flow(id=name, services=(TCP_443,)) for name in ("z", "y", "x"))
    one, two = conduit(*flows), conduit(*flows, id="b")
    turned = (replace(two, flows=flows[::-1]), one)
    first, second = compiled(one, two), compiled(*turned, zones=(B, A))
    assert first == second


@given(st.integers(0, 2**32))
def test_no_list_of_the_inventory_means_something_by_its_order(seed: int) -> None:
    everything = site_of_lists()
    wanted = compile_site(everything, TODAY)
    other = compile_site(shuffled(everything, Random(seed)), TODAY)
    assert {name: one.policy for name, one in other.items()} == {
        name: one.policy for name, one in wanted.items()
    }


def site_of_lists() -> Site:
    """Two firewalls in a row and beside each other, with several of everything."""
    zones = tuple(
        zone(
            name,
            f"10.{number}.0.0/24",
            f"10.{number}.1.0/24",
            f"fd00:{number}::/64",
            intrazone="deny",
            assets=(
                asset("one", f"10.{number}.0.1", f"10.{number}.0.2", f"fd00:{number}::1"),
                asset("two", f"10.{number}.0.3"),
            ),
        )
        for number, name in enumerate("abcd", 1)
    )
    uses = (
        ProtocolUse(protocol="modbus", classes=("write", "read")),
        ProtocolUse(protocol="bacnet-ip", classes=("read", "write", "control")),
    )
    flows = (
        Flow(id="f", protocols=uses, users=("y", "x"), schedule="s"),
        Flow(id="g", services=(TCP_443, PortRange(protocol="udp", first=1, last=9))),
        Flow(
            id="h",
            applications=("ssl", "ping"),
            sources=(
                Endpoint(zone="site/a", asset="two"),
                Endpoint(zone="site/a", asset="one"),
                Endpoint(zone="site/b", network=ip_network("10.2.1.0/25")),
            ),
        ),
    )
    conduits = (
        conduit(*flows, from_zones=("site/b", "site/a"), to_zones=("site/d", "site/c")),
        conduit(*flows[:2], id="to-a", from_zones=("site/d",), to_zones=("site/a", "site/c")),
    )
    schedule = Schedule(
        name="s", weekly=(("tuesday", ("13:00-14:00", "07:00-08:00")), ("monday", ("07:00-08:00",)))
    )
    devices = (
        firewall(
            "fw1", "b", "a", "c", schedules=(schedule, Schedule(name="t", daily=("1:00-2:00",)))
        ),
        firewall("fw2", "d", "c", schedules=(schedule,)),
        firewall("fw3", "c", "d"),
    )
    return Site(zones=zones, conduits=conduits, devices=devices)


def test_ids_that_come_out_the_same_are_an_error() -> None:
    one = conduit(Flow(id="f.g", services=(TCP_443,)))
    two = conduit(Flow(id="g", services=(TCP_443,)), id="c.f")
    with pytest.raises(InventoryError, match=r"two rules on fw would have the name 'c\.f\.g'"):
        compiled(one, two)


def test_zones_of_two_sites_are_two_zones() -> None:
    north, south = replace(A, site="north"), replace(B, site="south", id="a")
    device = Device(
        name="fw",
        platform="panos",
        zones=(
            ZoneBinding(zone="north/a", name="N"),
            ZoneBinding(zone="south/a", name="S"),
        ),
    )
    link = conduit(site="north", from_zones=("north/a",), to_zones=("south/a",))
    policy = compiled(link, zones=(north, south), devices=(device,))
    rule = only(policy)
    assert (rule.name, rule.sources, rule.destinations) == ("north.c.f", ("north.a",), ("south.a",))
