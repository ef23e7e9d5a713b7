"""Small policies whose borders lie beside each other, and every packet on both sides of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from segctl.analysis.compare import Difference, compare
from segctl.analysis.decide import Packet
from segctl.analysis.effective import Reading
from segctl.analysis.space import Point, addresses, host_of, service
from segctl.model.addresses import interval
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    Policy,
    Rule,
    Service,
)
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.site import Host

PORTS = {"modbus-base": 502, "modbus-read": 502, "ssh": 22, "web": 80}
APPLICATIONS = tuple(PORTS)
VALUES = ("10.0.0.0/30", "10.0.0.4", "10.0.0.3-10.0.0.5", "10.0.0.0-10.0.0.1", "fd00::/126")
PLAIN = Plain(ports=PORTS, services={"service-http": 80})

#: Objects by the names that rules use.
OBJECTS = Policy(
    addresses=tuple(
        Address(name=f"a{n}", value=value, type="range" if "-" in value else "network")
        for n, value in enumerate(VALUES)
    ),
    address_groups=(
        AddressGroup(name="g", members=("a0", "a4")),
        AddressGroup(name="gg", members=("g", "a2")),
    ),
    services=(
        Service(name="mb", protocol="tcp", ports="502"),
        Service(name="low", protocol="tcp", ports="22,79-81"),
        Service(name="u", protocol="udp", ports="502"),
        Service(name="service-http", protocol="tcp", ports="80"),
        Service(name="echo", protocol="icmp", ports="0"),
        Service(name="lost", protocol="icmp", ports="3,11"),
    ),
    application_groups=(ApplicationGroup(name="apps", members=("ssh", "modbus-read")),),
)

sides = st.sampled_from([(ANY,), ("a0",), ("a1", "a2"), ("gg",), ("10.0.0.5",), ("a4",)])
services = st.sampled_from(
    [(ANY,), ("mb",), ("low", "u"), ("echo",), ("lost", "mb"), (APPLICATION_DEFAULT,)]
)
applications = st.sampled_from([(ANY,), ("modbus-read",), ("apps",), ("web", "modbus-base")])


def _fit(rule: Rule) -> Rule:
    """Leave out what no device takes."""
    if rule.applications == (ANY,) and rule.services == (APPLICATION_DEFAULT,):
        rule = replace(rule, services=(ANY,))
    return replace(rule, negate_source=rule.negate_source and rule.sources != (ANY,))


rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.sampled_from([("it",), (ANY,), ("it", "ot")]),
    to_zones=st.sampled_from([("ot",), (ANY,)]),
    sources=sides,
    destinations=sides,
    applications=applications,
    services=services,
    action=st.sampled_from(["allow", "allow", "deny"]),
    disabled=st.booleans(),
    negate_source=st.booleans(),
    type=st.sampled_from(["universal", "intrazone", "interzone"]),
).map(_fit)


def named(found: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return rules with names of their own."""
    return tuple(replace(rule, name=f"r{n}") for n, rule in enumerate(found))


chains = st.lists(rules, max_size=4).map(named)


@st.composite
def edited(draw: st.DrawFn) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """Draw rules, and the same after some edits: removed, added, moved, changed."""
    before = list(draw(st.lists(rules, max_size=5)))
    after = list(before)
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from(["add", "remove", "move", "change"]))
        at = draw(st.integers(0, len(after)))
        if kind == "add":
            after.insert(at, draw(rules))
        elif at < len(after):
            rule = after.pop(at)
            if kind == "move":
                after.insert(draw(st.integers(0, len(after))), rule)
            elif kind == "change":
                after.insert(at, replace(rule, destinations=draw(sides)))
    return named(before), tuple(replace(rule, name=f"s{n}") for n, rule in enumerate(after))


def difference(
    left: Policy, right: Policy, platform: Plain = PLAIN, *, alike: bool = True
) -> Difference:
    """Return what changes from one policy to another between ``it`` and ``ot``."""
    before, after = (Reading(policy=policy, platform=platform) for policy in (left, right))
    found = compare(before, after, [("it", "ot")], alike=alike)
    return next(found, Difference(enter="it", leave="ot"))


#: Both sides of every border.
HOSTS = [f"10.0.0.{n}" for n in range(7)] + ["fd00::", "fd00::3", "fd00::4"]
SERVICES = [
    *(("tcp", n) for n in (21, 22, 23, 79, 80, 81, 82, 501, 502, 503)),
    *(("udp", 502), ("icmp", 3), ("icmp", 8), ("icmp", 9), ("icmpv6", 128)),
]


def host(text: str) -> Host:
    """Return the address that a text is."""
    return host_of(addresses([interval(text)])[0][0])


#: Source and destination of packets, both of one IP version.
ENDS = [one for one in product(HOSTS, HOSTS) if (":" in one[0]) is (":" in one[1])]


def _packets() -> tuple[Packet, ...]:
    return tuple(
        Packet(
            from_zone="it",
            to_zone="ot",
            source=host(source),
            destination=host(destination),
            protocol=protocol,
            port=port,
            application=application,
            default_port=protocol == "tcp" and port == PORTS[application],
        )
        for (source, destination), (protocol, port), application in product(
            ENDS, SERVICES, APPLICATIONS
        )
    )


#: Every packet there is, as far as the rules here tell packets apart.
PACKETS = _packets()


def point(packet: Packet) -> Point:
    """Return a packet on the lines that boxes are made of."""
    return Point(
        addresses([interval(str(packet.source))])[0][0],
        addresses([interval(str(packet.destination))])[0][0],
        service(packet.protocol, packet.port, packet.port)[0][0],
        packet.application,
        packet.user,
    )


POINTS = {packet: point(packet) for packet in PACKETS}
