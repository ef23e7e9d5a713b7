"""pan-os-python's own way through a device: create, read back, apply a change, delete, clean up.

One flow an object class, on one device that is as new: ports, zones and tags are made first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from panos import device, network, objects, policies
from panos.firewall import Firewall

from segctl_mocks import PanosMock

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = [f"ethernet1/{number}" for number in range(1, 9)]
ANY = {"source": ["any"], "destination": ["any"]}
WAY = {"fromzone": ["inside"], "tozone": ["outside"]}
ZONES = {"source_zones": ["inside"], "destination_zones": ["outside"]}
TIMES = {"ipv4_mss_adjust": 50, "ipv6_mss_adjust": 70, "adjust_tcp_mss": True, "mtu": 900}
DAY = {"type": "recurring", "recurrence": "daily", "daily_time": ["08:00-17:00"]}

#: Where the first argument is not a name.
FIRST = {network.Arp: "ip", network.IPv6Address: "address"}

#: Class, arguments, what is changed afterwards.
Flow = tuple[Any, dict[str, Any], dict[str, Any]]

ON_DEVICE: tuple[Flow, ...] = (
    (
        objects.AddressObject,
        {"value": "10.0.0.1"},
        {"type": "ip-range", "value": "10.1.1.1-10.1.1.9"},
    ),
    (objects.AddressObject, {"value": "a.example", "type": "fqdn"}, {"value": "b.example"}),
    (objects.AddressObject, {"value": "10.0.0.0/0.0.255.0", "type": "ip-wildcard"}, {}),
    (objects.AddressObject, {"value": "2001:db8::/32"}, {"description": "v6"}),
    (objects.AddressGroup, {"static_value": ["host1"]}, {"static_value": ["host2", "host1"]}),
    (objects.AddressGroup, {"dynamic_value": "'ot' or 'it'", "tag": "ot"}, {"tag": "it"}),
    (objects.Tag, {"color": "color1", "comments": "one"}, {"color": "color5"}),
    (
        objects.ServiceObject,
        {"protocol": "tcp", "source_port": "1025-65535", "destination_port": "80,443,8080"},
        {"protocol": "udp", "source_port": "12345"},
    ),
    (objects.ServiceGroup, {"value": ["service-http"], "tag": "ot"}, {"value": ["service-https"]}),
    (objects.ApplicationGroup, {"value": ["modbus-base", "ssl"]}, {"value": ["web-browsing"]}),
    (
        objects.ApplicationFilter,
        {"category": ["business-systems"], "subcategory": ["ics-protocols"]},
        {"technology": ["client-server"]},
    ),
    (objects.SecurityProfileGroup, {"virus": "default"}, {"vulnerability": "strict"}),
    (objects.CustomUrlCategory, {"url_value": ["example/"], "type": "URL List"}, {}),
    (objects.LogForwardingProfile, {"description": "x"}, {"description": "y"}),
    (objects.Edl, {"edl_type": "ip", "source": "http://lists.example/a", "repeat": "hourly"}, {}),
    (objects.ScheduleObject, DAY, {"daily_time": ["09:00-10:00", "12:00-13:00"]}),
    (network.Zone, {"mode": "layer3"}, {"mode": "layer2"}),
    (
        network.Zone,
        {"mode": "layer3", "interface": PORTS[1], "include_acl": "10.1.0.0/24"},
        {"interface": PORTS[2], "include_acl": ["10.1.0.0/24", "10.2.0.0/24"]},
    ),
    (network.ManagementProfile, {"ping": True}, {"ssh": True, "permitted_ip": ["10.0.0.0/8"]}),
    (network.VirtualRouter, {"interface": PORTS[1]}, {"ad_static": 11}),
    (network.Vlan, {"interface": PORTS[3]}, {"interface": PORTS[4]}),
    (
        network.VirtualWire,
        {"tag": 5, "interface1": PORTS[5], "interface2": PORTS[6], "multicast": True},
        {"interface1": PORTS[6], "interface2": PORTS[7], "pass_through": True},
    ),
    (network.IkeCryptoProfile, {"dh_group": ["group14"], "encryption": ["aes-256-cbc"]}, {}),
    (device.Administrator, {"superuser": True}, {}),
    (device.SyslogServerProfile, {}, {}),
)

INTERFACES: tuple[Flow, ...] = (
    (
        network.EthernetInterface,
        {"name": "ethernet1/21", "mode": "layer3", "ip": "10.9.0.1/24", "comment": "c", **TIMES},
        {"mtu": 700, "management_profile": "ping"},
    ),
    (
        network.EthernetInterface,
        {"name": "ethernet1/22", "mode": "layer3", "enable_dhcp": True},
        {"create_dhcp_default_route": True, "dhcp_default_route_metric": 50},
    ),
    (network.EthernetInterface, {"name": "ethernet1/23", "mode": "layer2"}, {"comment": "two"}),
    (network.AggregateInterface, {"name": "ae1", "mode": "layer3"}, {"comment": "both"}),
    (network.VlanInterface, {"name": "vlan.77", "ip": "10.8.0.1/24", **TIMES}, {"comment": "v"}),
    (network.LoopbackInterface, {"name": "loopback.7", "ip": "10.7.0.1"}, {"ip": "10.7.0.2"}),
    (network.TunnelInterface, {"name": "tunnel.7", "ip": "10.6.0.1/24"}, {"comment": "t"}),
)

ON_PORT: tuple[Flow, ...] = (
    (
        network.Layer3Subinterface,
        {"name": f"{PORTS[0]}.100", "tag": 100, "ip": "10.5.0.1/24"},
        {"comment": "u", "ip": "10.5.0.2/24"},
    ),
    (
        network.Arp,
        {"ip": "10.4.0.9", "hw_address": "00:30:48:52:ab:cd"},
        {"hw_address": "00:30:48:52:12:9a"},
    ),
    (
        network.IPv6Address,
        {"address": "2001:db8::9", "enable_on_interface": False, "prefix": True},
        {"enable_on_interface": True, "prefix": False, "anycast": True},
    ),
)

RULES: tuple[Flow, ...] = (
    (
        policies.SecurityRule,
        {
            **WAY,
            "source": ["host1"],
            "application": ["modbus-base"],
            "action": "allow",
            "log_end": True,
        },
        {"action": "deny", "tag": ["ot"], "schedule": "shift"},
    ),
    (
        policies.SecurityRule,
        {**WAY, "source": ["host1"], "negate_source": True, "action": "drop", "disabled": True},
        {"disabled": False, "icmp_unreachable": True},
    ),
    (
        policies.NatRule,
        {
            **WAY,
            **ANY,
            "source_translation_type": "dynamic-ip-and-port",
            "source_translation_address_type": "translated-address",
            "source_translation_translated_addresses": ["10.9.9.9"],
        },
        {"description": "hide"},
    ),
    (
        policies.NatRule,
        {
            **WAY,
            "source": ["host1"],
            "source_translation_type": "static-ip",
            "source_translation_static_translated_address": "10.9.9.8",
            "source_translation_static_bi_directional": True,
        },
        {},
    ),
    (
        policies.NatRule,
        {**WAY, "service": "service-http", "destination_translated_address": "10.1.1.1"},
        {"destination_translated_port": 8080},
    ),
    (
        policies.PolicyBasedForwarding,
        {"from_type": "zone", "from_value": ["inside"], "action": "no-pbf"},
        {"description": "straight"},
    ),
    (policies.DecryptionRule, {**ZONES, "action": "no-decrypt"}, {"description": "d"}),
    (policies.AuthenticationRule, ZONES, {"description": "a"}),
    (
        policies.ApplicationOverride,
        {**WAY, **ANY, "protocol": "tcp", "port": "502", "application": "modbus-base"},
        {"port": "503"},
    ),
)


@pytest.fixture(scope="module")
def firewall() -> Iterator[Any]:
    with PanosMock(users={"admin": "pw"}, job_seconds=0.0) as served:
        firewall: Any = Firewall(served.host, "admin", "pw", port=served.port)
        firewall.refresh_system_info()
        modes = ["layer3"] * 3 + ["layer2"] * 2 + ["virtual-wire"] * 3
        ports = [network.EthernetInterface(*both) for both in zip(PORTS, modes, strict=True)]
        for each in (
            ports[0],
            objects.AddressObject("host1", "10.4.0.1"),
            objects.Tag("ot"),
            network.Zone("inside", mode="layer3"),
            objects.ScheduleObject("shift", **DAY),
            network.ManagementProfile("ping", ping=True),
        ):
            firewall.add(each)
        for more in (*ports[1:], objects.AddressObject("host2", "10.4.0.2"), objects.Tag("it")):
            firewall.add(more)
        firewall.add(network.Zone("outside", mode="layer3"))
        for first in firewall.children[:6]:
            first.create_similar()
        yield firewall


def go(parent: Any, flow: Flow) -> None:
    """Take one object the whole way; what is read must be what was written."""
    cls, given, changes = flow
    thing = parent.add(cls(**{FIRST.get(cls, "name"): "new"} | given))
    thing.create()
    assert same(every(cls, parent)[thing.uid], thing)
    for name, value in changes.items():
        setattr(thing, name, value)
    thing.apply()
    assert same(every(cls, parent)[thing.uid], thing)
    thing.refresh()
    thing.delete()
    assert thing.uid not in every(cls, parent)


def every(cls: Any, parent: Any) -> dict[str, Any]:
    return {each.uid: each for each in cls.refreshall(parent, add=False)}


def same(one: Any, other: Any) -> bool:
    """Compare two objects; the uuid of a rule is the device's."""
    if hasattr(one, "uuid"):
        one.uuid = other.uuid = None
    return bool(one.equal(other, compare_children=False))


def test_objects_of_the_device(firewall: Any) -> None:
    for flow in (*ON_DEVICE, *INTERFACES):
        go(firewall, flow)


def test_what_hangs_on_a_port(firewall: Any) -> None:
    port = firewall.find(PORTS[0], network.EthernetInterface)
    for flow in ON_PORT:
        go(port, flow)


def test_rules_of_every_rulebase(firewall: Any) -> None:
    rulebase = firewall.add(policies.Rulebase())
    for flow in RULES:
        go(rulebase, flow)


def test_a_route(firewall: Any) -> None:
    router = firewall.add(network.VirtualRouter("routes", PORTS[0]))
    router.create()
    given = {"destination": "10.99.0.0/24", "nexthop": "10.4.0.254", "metric": 10}
    go(router, (network.StaticRoute, given, {"metric": 20}))
    router.delete()


def test_all_of_it_commits(firewall: Any) -> None:
    answer = firewall.commit(sync=True, exception=True)
    assert answer["success"]
    assert not firewall.pending_changes()
