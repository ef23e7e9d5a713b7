"""The ``check`` probes: what the policy that a device holds does with a flow, its names resolved.

A zone stands for all of its addresses: one of each set that no rule tells apart is asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

from segctl.errors import Problem
from segctl.inventory.convert import nearest
from segctl.policy import (
    ANY,
    Packet,
    decider,
    merge,
    network_interval,
    resolver,
)
from segctl.protocols import catalogue, default_ports, panos_applications
from segctl.topology import topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segctl.intent import Device, Host, Site, Zone
    from segctl.playbook import Check
    from segctl.policy import Decision, Interval, Policy, Rule
    from segctl.topology import Hop


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a flow: a zone, and which of its addresses."""

    zone: str
    addresses: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A check with its names resolved, and the firewalls that can answer it."""

    check: Check
    source: End
    destination: End
    hops: tuple[Hop, ...] = ()

    @property
    def devices(self) -> frozenset[str]:
        """The firewalls that can answer."""
        return frozenset(hop.device for hop in self.hops)


def questions(
    checks: Iterable[Check], site: Site, sites: Iterable[str]
) -> tuple[tuple[Question, ...], tuple[Problem, ...]]:
    """Resolve checks against a site, and say which cannot be.

    `sites` are those whose zones a bare name means.
    """
    found: list[Question] = []
    problems: list[Problem] = []
    near = frozenset(sites)
    for check in checks:
        try:
            found.append(_question(check, site, near))
        except LookupError as error:
            message, hint = error.args
            problems.append(
                Problem(
                    message=f"{check}: {message}",
                    hint=hint,
                    file=check.declared.file,
                    line=check.declared.line,
                    column=check.declared.column,
                )
            )
    return tuple(found), tuple(problems)


def _question(check: Check, site: Site, near: frozenset[str]) -> Question:
    source, destination = _end(check.source, site, near), _end(check.destination, site, near)
    if not {part[0] for part in source.addresses} & {part[0] for part in destination.addresses}:
        raise LookupError("its ends have no IP version in common", "name addresses of one version")
    hops = _hops(site.devices, source.zone, destination.zone)
    if not hops:
        gap = topology(site.devices).gap(source.zone, destination.zone)
        raise LookupError("no firewall stands between its ends", gap)
    return Question(check=check, source=source, destination=destination, hops=hops)


def _hops(devices: Sequence[Device], source: str, destination: str) -> tuple[Hop, ...]:
    from segctl.topology import Hop

    if source != destination:
        return topology(devices).hops(source, destination)
    return tuple(
        Hop(device=device.name, enter=source, leave=source)
        for device in devices
        if any(binding.zone == source for binding in device.zones)
    )


# --- names ---------------------------------------------------------------------------------------


def _end(word: str, site: Site, near: frozenset[str]) -> End:
    try:
        return _at(ip_address(word), site)
    except ValueError:
        pass
    named = list(_named(word, site))
    close = [(zone, end) for zone, end in named if zone.site in near] or named
    if not close:
        known = {name for zone in site.zones for name in (zone.id, *(a.name for a in zone.assets))}
        raise LookupError(f"{word!r} is no zone, asset or address", nearest(word, known))
    if len(close) > 1:
        listed = ", ".join(sorted({zone.key for zone, _ in close}))
        raise LookupError(f"{word!r} may be in {listed}", "write zone/asset or site/zone")
    return close[0][1]


def _named(word: str, site: Site) -> Iterator[tuple[Zone, End]]:
    first, _, last = word.rpartition("/")
    for zone in site.zones:
        if word in (zone.id, zone.key):
            yield zone, End(zone=zone.key, addresses=_all_of(zone))
        for asset in zone.assets:
            if asset.name == last and first in ("", zone.id, zone.key):
                parts = merge(network_interval(one) for one in asset.addresses)
                yield zone, End(zone=zone.key, addresses=parts)


def _at(host: Host, site: Site) -> End:
    """Return the zone that an address is in: where an asset has it, or the smallest network."""
    part = (host.version, int(host), int(host))
    best: tuple[int, str] | None = None
    for zone in site.zones:
        owned = [address for asset in zone.assets for address in asset.addresses]
        for number, networks in ((1, owned), (0, zone.networks)):
            for network in networks:
                if network.version == host.version and host in network:
                    rank = (number * 1000 + network.prefixlen, zone.key)
                    best = max(best or rank, rank)
    if best is None:
        raise LookupError(f"{host} is in no zone", "add it to a zone of the inventory")
    return End(zone=best[1], addresses=(part,))


def _all_of(zone: Zone) -> tuple[Interval, ...]:
    owned = (address for asset in zone.assets for address in asset.addresses)
    return merge(network_interval(one) for one in (*zone.networks, *owned))


# --- answers -------------------------------------------------------------------------------------


def wrong(question: Question, device: Device, policy: Policy, *, applications: bool) -> str:
    """Say what a device's policy does otherwise than the check expects; nothing if it fits.

    Args:
        question: one that the device can answer.
        device: with the names of its zones.
        policy: everything it enforces.
        applications: whether its rules name the vendor's applications.
    """
    names = {binding.zone: binding.name for binding in device.zones}
    check = question.check
    for hop in question.hops:
        if hop.device != device.name:
            continue
        zones = names[hop.enter], names[hop.leave]
        rules = tuple(rule for rule in policy.rules if _between(rule, *zones))
        spoken = _spoken(check, policy, rules, applications=applications)
        ports = _asked_ports(check, policy, rules)
        decide = decider(policy)
        for source, destination in _pairs(question, policy, rules):
            answers = [
                _answer(decide, _packets(check, zones, (source, destination), one, ports))
                for one in spoken
            ]
            if text := _unfit(check, answers):
                return text
    return ""


def _answer(
    decide: Callable[[Packet], Decision], packets: Iterable[Packet]
) -> tuple[Packet, Decision]:
    """Return how an application passes, on whichever of its ports; else how it does not."""
    answers = [(packet, decide(packet)) for packet in packets]
    return next((pair for pair in answers if pair[1].action == "allow"), answers[0])


def _unfit(check: Check, answers: Sequence[tuple[Packet, Decision]]) -> str:
    allowed = [pair for pair in answers if pair[1].action == "allow"]
    denied = [pair for pair in answers if pair[1].action != "allow"]
    if not check.allow and allowed:
        return _told(*allowed[0], "is allowed")
    if check.allow and denied and (check.application or not allowed):
        return _told(*denied[0], "is denied")
    return ""


def _told(packet: Packet, decision: Decision, verb: str) -> str:
    spoken = f" {packet.application}" if packet.application else ""
    return f"{packet.source} → {packet.destination}{spoken} {verb} by {decision.rule}"


def _between(rule: Rule, source: str, destination: str) -> bool:
    return (ANY in rule.from_zones or source in rule.from_zones) and (
        ANY in rule.to_zones or destination in rule.to_zones
    )


def _spoken(
    check: Check, policy: Policy, rules: Iterable[Rule], *, applications: bool
) -> tuple[str, ...]:
    """Return the applications to ask about: the one named, or each that a rule knows."""
    if check.application:
        protocol, _, word = check.application.partition(".")
        if applications and word and protocol in catalogue():
            return _functions(protocol, word, allow=check.allow)
        return (check.application,)
    groups = {group.name: group.members for group in policy.application_groups}
    named = {one for rule in rules for one in rule.applications if one != ANY}
    return ("", *sorted({member for one in named for member in groups.get(one, (one,))}))


def _functions(protocol: str, word: str, *, allow: bool) -> tuple[str, ...]:
    """Return the vendor's applications of an access class.

    All that a use of it needs must pass to be allowed; none of its own may, to be denied.
    """
    entry = catalogue().get(protocol)
    if allow:
        return tuple(sorted(panos_applications(entry, (word,)).names))
    own = {one.name for one in entry.usable if one.access_class == word and not one.base}
    return tuple(sorted(own or panos_applications(entry, (word,)).names))


def _asked_ports(check: Check, policy: Policy, rules: Iterable[Rule]) -> tuple[int, ...]:
    """Return the port asked about, or one of each range that a rule names."""
    if check.port:
        return (check.port,)
    named = {name for rule in rules for name in rule.services}
    parts = [
        part.partition("-")[0]
        for service in policy.services
        if service.name in named and service.protocol == check.protocol
        for part in service.ports.split(",")
    ]
    return (0, *sorted({int(part) for part in parts}))


def _packets(
    check: Check,
    zones: tuple[str, str],
    ends: tuple[Host, Host],
    application: str,
    ports: Iterable[int],
) -> Iterator[Packet]:
    for port in ports:
        yield Packet(
            from_zone=zones[0],
            to_zone=zones[1],
            source=ends[0],
            destination=ends[1],
            protocol=check.protocol,
            port=port,
            application=application,
            user=check.user,
            default_port=_own_port(application, check),
        )


def _own_port(application: str, check: Check) -> bool:
    """Whether the port is one of the application's own, as far as the catalogue knows."""
    ports = default_ports(application) if application else ()
    return (
        not check.port
        or not ports
        or any(
            port.protocol == check.protocol and port.first <= check.port <= port.last
            for port in ports
        )
    )


def _pairs(
    question: Question, policy: Policy, rules: Sequence[Rule]
) -> Iterator[tuple[Host, Host]]:
    resolve = resolver(policy)
    sources = _told_apart(question.source, (resolve(rule.sources) for rule in rules))
    destinations = _told_apart(question.destination, (resolve(rule.destinations) for rule in rules))
    for source in sources:
        for destination in destinations:
            if source.version == destination.version:
                yield source, destination


def _told_apart(end: End, parts: Iterable[Sequence[Interval]]) -> list[Host]:
    """Return one address of each set that no rule tells apart."""
    borders = {
        (version, number)
        for listed in parts
        for version, first, last in listed
        for number in (first, last + 1)
    }
    return [
        IPv4Address(number) if version == 4 else IPv6Address(number)
        for version, first, last in end.addresses
        for number in sorted(
            {first} | {at for kind, at in borders if kind == version and first < at <= last}
        )
    ]
