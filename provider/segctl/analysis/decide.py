"""What a policy does with one packet: first match, then the default rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    ECHOES,
    ApplicationGroup,
    DefaultRule,
    Service,
    resolver,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.policy import Action, Policy, Rule
    from segctl.model.site import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a session, as a firewall sees it once it knows the application.

    ``default_port`` says whether `port` is one of the application's own default ports. For ICMP the
    port is the type; ``icmp`` is that of IPv4, ``icmpv6`` that of IPv6.
    """

    from_zone: str
    to_zone: str
    source: Host
    destination: Host
    protocol: str = "tcp"
    port: int = 0
    application: str = ""
    user: str = ""
    default_port: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy does with a packet, and which rule decides."""

    action: Action
    rule: str
    log: bool = False
    profile_group: str = ""


def decide(policy: Policy, packet: Packet) -> Decision:
    """Return what `policy` does with `packet`: first match, then the default rules.

    A schedule counts as active: the answer is what the policy permits at its widest.
    """
    return decider(policy)(packet)


def decider(policy: Policy) -> Callable[[Packet], Decision]:
    """Return `decide` for one policy, with its names resolved once."""
    networks = resolver(policy)
    ports = {service.name: tuple(_ports(service)) for service in policy[Service]}
    groups = {group.name: frozenset(group.members) for group in policy[ApplicationGroup]}
    defaults: dict[str, DefaultRule] = {rule.name: rule for rule in policy[DefaultRule]}

    def matches(rule: Rule, packet: Packet) -> bool:
        return (
            not rule.disabled
            and _zones_match(rule, packet)
            and _holds(networks(rule.sources), packet.source) is not rule.negate_source
            and _holds(networks(rule.destinations), packet.destination)
            is not rule.negate_destination
            and _user_matches(rule.users, packet.user)
            and _application_matches(rule.applications, packet.application, groups)
            and _service_matches(rule.services, packet, ports)
        )

    def answer(packet: Packet) -> Decision:
        for rule in policy.rules:
            if matches(rule, packet):
                return Decision(
                    action="allow" if rule.action == "allow" else "deny",
                    rule=rule.name,
                    log=rule.log,
                    profile_group=rule.profile_group,
                )
        inside = packet.from_zone == packet.to_zone
        name = "intrazone-default" if inside else "interzone-default"
        default = defaults.get(name)
        if default is None:
            return Decision(action="allow" if inside else "deny", rule=name)
        return Decision(
            action="allow" if default.action == "allow" else "deny", rule=name, log=default.log
        )

    return answer


def _zones_match(rule: Rule, packet: Packet) -> bool:
    inside = packet.from_zone == packet.to_zone
    if (rule.type == "intrazone" and not inside) or (rule.type == "interzone" and inside):
        return False
    return (ANY in rule.from_zones or packet.from_zone in rule.from_zones) and (
        ANY in rule.to_zones or packet.to_zone in rule.to_zones
    )


def _user_matches(names: tuple[str, ...], user: str) -> bool:
    if ANY in names or user in names:
        return True
    return "known-user" in names if user else "unknown" in names


def _application_matches(
    names: tuple[str, ...], application: str, groups: Mapping[str, frozenset[str]]
) -> bool:
    return (
        ANY in names
        or application in names
        or any(application in groups.get(name, ()) for name in names)
    )


def _service_matches(
    names: tuple[str, ...], packet: Packet, ports: Mapping[str, Sequence[tuple[str, int, int]]]
) -> bool:
    versions = {"icmp": 4, "icmpv6": 6}
    if versions.get(packet.protocol, packet.source.version) != packet.source.version:
        return ANY in names
    return any(
        name == ANY
        or (name == APPLICATION_DEFAULT and packet.default_port)
        or any(
            protocol == packet.protocol and first <= packet.port <= last
            for protocol, first, last in ports.get(name, ())
        )
        for name in names
    )


def _ports(service: Service) -> Iterator[tuple[str, int, int]]:
    """Yield a service's ports, of ICMP its types; those that are not understood match nothing."""
    if (service.protocol, service.ports) == ECHOES:
        yield from (("icmp", 8, 8), ("icmpv6", 128, 128))
        return
    parts = [part.partition("-") for part in service.ports.split(",")]
    try:
        ranges = [(int(first), int(last or first)) for first, _, last in parts]
    except ValueError:
        return
    yield from ((service.protocol, first, last) for first, last in ranges)


def _holds(intervals: tuple[Interval, ...], host: Host) -> bool:
    number = int(host)
    return any(v == host.version and a <= number <= b for v, a, b in intervals)
