"""The guard against a lock-out, against `decide` packet by packet."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from laws.test_meaning import APPLICATIONS, FIREWALL, PORTS, ZONES, drawn_packet, plans
from segctl.analysis.decide import decide
from segctl.model.scope import Scope
from segctl.model.site import Device, Site, Zone, ZoneBinding
from segctl.planning.lockout import guard
from segctl.planning.management import Connection
from segctl.planning.meaning import meaning
from segctl.planning.outlook import outlook
from segctl.planning.plan import Allowance, DevicePlan
from segctl.planning.sides import sides

if TYPE_CHECKING:
    from segctl.analysis.decide import Packet
    from segctl.model.diff import Change
    from segctl.model.policy import Policy
    from segctl.providers.base import Live

WAY = "managed:management"


def site_of(packet: Packet) -> Site:
    """A firewall between three zones; the ends of a packet are in two of them."""
    ends = {packet.from_zone: packet.source, packet.to_zone: packet.destination}
    zones = tuple(
        Zone(site="s", id=zone, networks=(ip_network(ends[zone]),) if zone in ends else ())
        for zone in ZONES
    )
    bindings = tuple(ZoneBinding(zone=f"s/{zone}", name=zone) for zone in ZONES)
    managed = ZoneBinding(zone=f"s/{packet.to_zone}", name="inside")
    return Site(
        zones=zones,
        devices=(
            Device(name="fw", platform="panos", zones=bindings),
            Device(name="managed", platform="panos", zones=(managed,)),
        ),
    )


@settings(deadline=None, max_examples=150)
@given(plans(), st.data())
def test_a_way_is_cut_if_and_only_if_a_decision_about_it_says_so(
    plan: tuple[tuple[Change, ...], Live], data: st.DataObject
) -> None:
    changes, live = plan
    before, after = live.effective(), outlook(live.effective(), changes)
    meant, _ = meaning(changes, sides(changes, live, FIREWALL))
    made = DevicePlan(name="fw", platform="panos", changes=changes, meaning=meant)
    for _ in range(10):
        packet = drawn_packet(data)
        if packet.from_zone == packet.to_zone or packet.source == packet.destination:
            continue
        connection = Connection(
            host=str(packet.destination),
            service=f"{packet.protocol}/{packet.port}",
            sources=(str(packet.source),),
        )
        allowed = (Allowance(flow=WAY, by="ana", reason="test"),)
        (found,) = guard([made], site_of(packet), {"managed": connection}, allowed)
        told = [one for one in found.findings if one.subject == WAY]
        closed = any(_closed(before, after, packet, name) for name in (*APPLICATIONS, "other"))
        assert [one.severity for one in told] == (["error"] if closed else [])
        assert bool(found.allowed) is closed
        assert found.applyable
        if closed:
            event("a way that is cut")
            (bare,) = guard([made], site_of(packet), {"managed": connection})
            assert not bare.applyable


def _closed(before: Policy, after: Policy, packet: Packet, application: str) -> bool:
    usual = (packet.protocol, packet.port) == ("tcp", PORTS.get(application))
    one = replace(packet, application=application, default_port=usual)
    was, will = decide(before, one), decide(after, one)
    return (was.action, will.action) == ("allow", "deny")


@settings(deadline=None, max_examples=50)
@given(plans(), st.data())
def test_a_device_group_is_guarded_as_its_firewalls_are(
    plan: tuple[tuple[Change, ...], Live], data: st.DataObject
) -> None:
    """A row counts on the firewalls that it names, on all if it names none."""
    changes, live = plan
    meant, _ = meaning(changes, sides(changes, live, FIREWALL))
    alone = DevicePlan(name="fw", platform="panos", changes=changes, meaning=meant)
    group = Scope.of("device-group:G")
    for _ in range(5):
        packet = drawn_packet(data)
        if packet.from_zone == packet.to_zone or packet.source == packet.destination:
            continue
        site = site_of(packet)
        fw, managed = site.devices
        one = replace(fw, manager="pano", group=group)
        grouped = replace(
            site, devices=(one, Device(name="gw", platform="panos", group=group, manager="pano"))
        )
        grouped = replace(grouped, devices=(*grouped.devices, managed))
        way = Connection(
            host=str(packet.destination),
            service=f"{packet.protocol}/{packet.port}",
            sources=(str(packet.source),),
        )
        (expected,) = guard([alone], site, {"managed": way})
        for firewalls, counts in (((), True), (("fw",), True), (("gw",), False)):
            less = tuple(replace(row, firewalls=firewalls) for row in meant.less)
            unknown = tuple(replace(row, firewalls=firewalls) for row in meant.unknown)
            made = replace(alone, name="pano:G", meaning=replace(meant, less=less, unknown=unknown))
            (found,) = guard([made], grouped, {"managed": way})
            told = [(one.subject, one.severity) for one in found.findings if one.subject == WAY]
            assert told == [
                (one.subject, one.severity)
                for one in expected.findings
                if one.subject == WAY and counts
            ]


@settings(deadline=None, max_examples=50)
@given(plans(), st.data())
def test_an_end_that_is_not_known_is_told_and_never_passed_over(
    plan: tuple[tuple[Change, ...], Live], data: st.DataObject
) -> None:
    """Whatever is cut for a way whose ends are known is at least told where they are not."""
    changes, live = plan
    meant, _ = meaning(changes, sides(changes, live, FIREWALL))
    made = DevicePlan(name="fw", platform="panos", changes=changes, meaning=meant)
    for _ in range(8):
        packet = drawn_packet(data)
        if packet.from_zone == packet.to_zone or packet.source == packet.destination:
            continue
        known = Connection(
            host=str(packet.destination),
            service=f"{packet.protocol}/{packet.port}",
            sources=(str(packet.source),),
        )
        (sure,) = guard([made], site_of(packet), {"managed": known})
        if not any(one.subject == WAY for one in sure.findings):
            continue
        event("a way that is cut")
        for less in (
            replace(known, sources=()),
            replace(known, host="managed.example"),
            replace(known, host="127.0.0.1", sources=()),
            replace(known, sources=("192.0.2.1",)),
            replace(known, service=""),
        ):
            (found,) = guard([made], site_of(packet), {"managed": less})
            assert any(one.subject == WAY for one in found.findings)
