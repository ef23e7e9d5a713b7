"""Zones and assets where nothing is declared: from addresses, zones of devices and who serves whom.

A first draft to edit. Zones are those that firewalls name, and networks of sensors where no
firewall does. Addresses that are not private are in no zone: nobody has said whose they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from segctl.compiler.naming import DEFAULT_SITE
from segctl.model.site import Asset, Device, Site, Zone, ZoneBinding
from segctl.observe.discover.flows import Ends
from segctl.observe.discover.services import access_class
from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.site import Network
    from segctl.observe.grouping import Count, Groups
    from segctl.observe.observation import Group

#: Networks whose addresses are a plant's own.
#: Source: RFC 1918, RFC 4193, RFC 6598.
_PRIVATE: Final = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
_PREFIXES: Final = {4: 24, 6: 64}
#: So many controllers are polled by a host that operates a plant.
_POLLS: Final = 2
#: A network is behind a gateway if less than this share of what it does goes around that.
_OWN: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A site that was made from what was seen; `notes` are by the id of the zone."""

    site: Site
    notes: Mapping[str, tuple[str, ...]]


@dataclass(slots=True, kw_only=True)
class _Host:
    """What was seen of one address: votes for names of zones, what it serves, whom it polls.

    `behind` are the votes of conversations that went through another gateway as well, which names
    no zones: behind it begins another zone than the one that a firewall names.
    """

    votes: Counter[str] = field(default_factory=Counter[str])
    behind: Counter[str] = field(default_factory=Counter[str])
    serves: set[str] = field(default_factory=set[str])
    polls: set[str] = field(default_factory=set[str])
    asked_by: set[str] = field(default_factory=set[str])


def drafted(groups: Groups, firewalls: frozenset[str], names: Mapping[str, str]) -> Draft:
    """Return the zones and assets that answered conversations show.

    Args:
        groups: what was seen.
        firewalls: the witnesses that are PAN-OS firewalls, by serial number.
        names: names of hosts by address.
    """
    hosts, bound = _hosts(groups, firewalls)
    networks = _networks(hosts)
    zones: dict[str, list[str]] = {}
    for address in sorted(hosts, key=_number):
        zones.setdefault(_zone_of(address, hosts[address], networks), []).append(address)
    made = tuple(
        _zone(name, zones.get(name, []), hosts, networks, names)
        for name in sorted({*zones, *networks.values()})
    )
    return Draft(
        site=Site(zones=made, devices=tuple(_devices(bound, {one.id for one in made}))),
        notes={one.id: tuple(_notes(one, bound)) for one in made},
    )


def _hosts(
    groups: Groups, firewalls: frozenset[str]
) -> tuple[dict[str, _Host], dict[str, set[str]]]:
    """Return hosts by address, and the names of zones that each firewall has."""
    by_ends: dict[Ends, list[tuple[Group, Count]]] = {}
    for flow, held in groups.flows():
        ends = Ends(flow.source, flow.inner or flow.destination, flow.protocol, flow.port)
        answered = [item for item in held if _answered(item[0])]
        if answered and all(map(_private, ends[:2])):
            by_ends.setdefault(ends, []).extend(answered)
    hosts: dict[str, _Host] = {}
    bound: dict[str, set[str]] = {}
    translated = {
        (group.outer, ends.destination)
        for ends, held in by_ends.items()
        for group, _ in held
        if group.outer
    }
    mute = _without_zones(by_ends.values())
    for ends, held in by_ends.items():
        if ends[:2] in translated:
            continue
        source = hosts.setdefault(ends.source, _Host())
        destination = hosts.setdefault(ends.destination, _Host())
        _vote(held, source, destination, mute)
        destination.asked_by.add(ends.source)
        for protocol in _industrial(held):
            destination.serves.add(protocol)
            source.polls.add(ends.destination)
        for group, _ in held:
            if group.witness in firewalls:
                bound.setdefault(group.witness, set()).update(
                    {group.from_zone, group.to_zone} - {""}
                )
    return hosts, bound


def _answered(group: Group) -> bool:
    return (
        group.completed == "yes"
        and group.verdict != "deny"
        and group.direction == "known"
        and not group.threat
    )


def _private(address: str) -> bool:
    host = ip_address(address)
    return any(host.version == net.version and host in net for net in _PRIVATE)


def _without_zones(
    conversations: Iterable[Iterable[tuple[Group, Count]]],
) -> frozenset[str]:
    """Return the gateways that let conversations pass and name no zone of any."""
    named: dict[str, bool] = {}
    for held in conversations:
        for group, _ in held:
            if group.verdict == "allow":
                zones = bool(group.from_zone and group.to_zone)
                named[group.witness] = named.get(group.witness, False) or zones
    return frozenset(name for name, zones in named.items() if not zones)


def _vote(
    held: Iterable[tuple[Group, Count]], source: _Host, destination: _Host, mute: frozenset[str]
) -> None:
    """Count the zones in which firewalls say that the ends are.

    Of firewalls in a row, each says of what lies behind the other that it is in the zone between
    them: that is no zone of either end.
    """
    held = list(held)
    through = any(group.witness in mute for group, _ in held)
    items = [item for item in held if item[0].from_zone and item[0].to_zone]
    entered = {group.from_zone for group, _ in items}
    left = {group.to_zone for group, _ in items}
    between = entered & left if len({group.witness for group, _ in items}) > 1 else set[str]()
    for group, count in items:
        for host, name in ((source, group.from_zone), (destination, group.to_zone)):
            if name not in between:
                (host.behind if through else host.votes)[name] += count.sessions or 1


def _industrial(held: Iterable[tuple[Group, Count]]) -> Iterator[str]:
    known = catalogue()
    for group, _ in held:
        for one in group.functions:
            if access_class(one):
                yield one.protocol
        for name in group.applications:
            owner = known.protocol_of(name)
            application = known.application(name)
            if (
                owner is not None
                and application is not None
                and application.access_class
                in {
                    "read",
                    "write",
                    "control",
                }
            ):
                yield owner.id


def _number(address: str) -> tuple[int, int]:
    host = ip_address(address)
    return host.version, int(host)


def _network(address: str) -> Network:
    host = ip_address(address)
    return ip_network(f"{address}/{_PREFIXES[host.version]}", strict=False)


def _networks(hosts: Mapping[str, _Host]) -> dict[Network, str]:
    """Return each network with the zone of most of what was seen there.

    What nearly always went through a gateway that names no zones is behind it: in a zone of its
    own, which is not guessed.
    """
    votes: dict[Network, Counter[str]] = {}
    behind: Counter[Network] = Counter()
    for address, host in hosts.items():
        votes.setdefault(_network(address), Counter()).update(host.votes)
        behind[_network(address)] += host.behind.total()
    found: dict[Network, str] = {}
    for network in sorted(votes, key=lambda one: (one.version, int(one.network_address))):
        held = votes[network]
        if held.total() < _OWN * behind[network]:
            held = Counter[str]()  # it lies behind a gateway that names no zones
        most = max(sorted(held), key=lambda name: held[name]) if held else ""
        found[network] = _id(most or f"net-{network.network_address}")
    return found


def _zone_of(address: str, host: _Host, networks: Mapping[Network, str]) -> str:
    if host.votes and host.votes.total() >= _OWN * host.behind.total():
        return _id(max(sorted(host.votes), key=lambda name: host.votes[name]))
    return networks[_network(address)]


def _id(name: str) -> str:
    """Return a name of a device's zone as an id."""
    word = "".join(one if one.isascii() and one.isalnum() else "-" for one in name.lower())
    return word.strip("-")[:40].strip("-") or "zone"


def _zone(
    name: str,
    addresses: list[str],
    hosts: Mapping[str, _Host],
    networks: Mapping[Network, str],
    names: Mapping[str, str],
) -> Zone:
    assets: list[Asset] = []
    used: set[str] = set()
    for address in addresses:
        host = hosts[address]
        role = _role(host)
        if not role and networks[_network(address)] == name:
            continue
        wanted = names.get(address, "")
        plain = "host-" + "".join(one if one.isalnum() else "-" for one in address).strip("-")
        called = wanted if wanted and wanted not in used else plain
        used.add(called)
        assets.append(Asset(name=called, addresses=(ip_network(address),), role=role))
    return Zone(
        site=DEFAULT_SITE,
        id=name,
        networks=tuple(net for net, zone in networks.items() if zone == name),
        assets=tuple(assets),
    )


def _role(host: _Host) -> str:
    """Return what a host seems to be, by who serves which protocol and who polls."""
    if host.serves:
        return f"controller ({', '.join(sorted(host.serves))})"
    if len(host.polls) >= _POLLS:
        return "polls controllers"
    return "server" if host.asked_by else ""


def _devices(bound: Mapping[str, set[str]], zones: set[str]) -> Iterator[Device]:
    for serial, names in sorted(bound.items()):
        yield Device(
            name=f"fw-{_id(serial)}",
            platform="panos",
            serial=serial,
            zones=tuple(
                ZoneBinding(zone=f"{DEFAULT_SITE}/{_id(name)}", name=name)
                for name in sorted(names)
                if _id(name) in zones
            ),
        )


def _notes(zone: Zone, bound: Mapping[str, set[str]]) -> Iterator[str]:
    named = sorted(
        f"{name} on {serial}"
        for serial, names in bound.items()
        for name in names
        if _id(name) == zone.id
    )
    if named:
        yield f"as firewalls name it: {', '.join(named)}"
    else:
        yield (
            "no firewall names it: a network that sensors saw, or one behind a gateway whose "
            "records name no zones. Whether it is one of the zones beside it is for you to say"
        )
