"""What is proposed as conduits, host by host, role by role or zone by zone, with its evidence.

A rule never permits two hosts what only others of them did: hosts are together in one where every
one of its sources was seen with every one of its destinations. Roles and whole zones permit more,
which is counted; where a rule of theirs would permit what is not proposed, its hosts stay apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from segctl.model.site import Endpoint
from segctl.observe.discover.flows import volume_of
from segctl.observe.discover.judge import sum_of
from segctl.observe.discover.services import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.site import Network
    from segctl.observe.discover.context import Context
    from segctl.observe.discover.flows import Volume
    from segctl.observe.discover.judge import Judged
    from segctl.observe.discover.services import Service
    from segctl.observe.places import Place

Grade = Literal["host", "role", "zone"]
GRADES: Final[tuple[Grade, ...]] = ("host", "role", "zone")
#: What a wider rule may permit although it is not proposed: it is no traffic, or no more of it.
_HARMLESS: Final = frozenset({"within_zone", "no_answer", "noise", "inferred", "declared"})


class End(NamedTuple):
    """One side of a rule: a zone (key), and which of its endpoints; none are all of the zone."""

    zone: str
    endpoints: tuple[Endpoint, ...]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What one client needs of one server; `items` are the parts of flows that show it."""

    source: End
    destination: End
    service: Service
    expires: bool
    items: tuple[Judged, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One flow of a conduit. `kept` says that it is narrower than its grade, and why."""

    sources: tuple[End, ...]
    destinations: tuple[End, ...]
    service: Service
    expires: bool
    items: tuple[Judged, ...]
    kept: str = ""

    @property
    def zones(self) -> tuple[str, str]:
        """The zones (keys) that it joins."""
        return self.sources[0].zone, self.destinations[0].zone

    def evidence(self) -> Volume:
        """Return what all of it adds up to."""
        whole = sum_of(one.evidence for one in self.items)
        whole.days = volume_of(item for one in self.items for item in one.part.groups).days
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Permits:
    """How much rules of one grade permit: pairs of address and address, times services."""

    grade: Grade
    rules: int
    conduits: int
    permitted: int
    seen: int

    @property
    def times(self) -> float:
        """How many times as much as was seen."""
        return self.permitted / self.seen if self.seen else 1.0


def pairs_of(judged: Iterable[Judged], context: Context) -> tuple[Pair, ...]:
    """Return who needs what of whom; what several parts of flows show of one pair is together."""
    held: dict[tuple[End, End, str, int], list[Judged]] = {}
    for one in judged:
        if one.outcome == "proposed" and one.service is not None:
            ends = one.part.ends
            source = _source(one, context)
            destination = _host(one.part.standing.destination, ends.destination, context)
            key = (source, destination, ends.protocol, ends.port)
            held.setdefault(key, []).append(one)
    found: list[Pair] = []
    order = sorted(held, key=lambda key: (_end_order(key[0]), _end_order(key[1]), key[2:]))
    for key in order:
        source, destination, items = key[0], key[1], held[key]
        service = merged(one.service for one in items if one.service is not None)
        passage = context.boundaries.of(source.zone, destination.zone, service)
        if passage.refused:  # each by itself may pass: then they stay by themselves
            found += [_pair(source, destination, one) for one in items]
            continue
        found.append(
            Pair(
                source=source,
                destination=destination,
                service=service,
                expires=passage.expires,
                items=tuple(items),
            )
        )
    return tuple(found)


def _pair(source: End, destination: End, one: Judged) -> Pair:
    if one.service is None:
        raise ValueError("what is proposed has a service")
    return Pair(
        source=source,
        destination=destination,
        service=one.service,
        expires=one.passage.expires,
        items=(one,),
    )


def _source(one: Judged, context: Context) -> End:
    place, ends = one.part.standing.source, one.part.ends
    if one.pool is None:
        return _host(place, ends.source, context)
    endpoints = tuple(Endpoint(zone=place.zone, network=net) for net in one.pool.networks)
    return End(place.zone, endpoints, f"leases {one.pool.first} to {one.pool.last}")


def _host(place: Place, address: str, context: Context) -> End:
    name = place.asset or context.new_name(place.zone, address)
    return End(place.zone, (Endpoint(zone=place.zone, asset=name),), name)


def rules_of(
    pairs: Sequence[Pair], grade: Grade, judged: Iterable[Judged], context: Context
) -> tuple[Rule, ...]:
    """Return the rules of a grade."""
    if grade == "host":
        return tuple(_joined(pairs))
    refused = _by_service(judged)
    found: list[Rule] = []
    by_item = {id(item): one for one in pairs for item in one.items}
    for rule in _joined([_widened(one, grade, context) for one in pairs]):
        against = _against(rule, refused, context)
        if against is None:
            found.append(rule)
            continue
        narrow = {id(by_item[id(item)]): by_item[id(item)] for item in rule.items}
        ends = against.part.ends
        said = f"a {grade} would also permit {ends.source} to {ends.destination}, not proposed"
        found += [replace(one, kept=said) for one in _joined(narrow.values())]
    return tuple(sorted(found, key=_order))


#: What is not proposed, by what it is about, and then by the address of the server.
_Refused = dict["_Service", dict[str, "list[Judged]"]]


def _by_service(judged: Iterable[Judged]) -> _Refused:
    """Return what a wider rule must not permit."""
    held: _Refused = {}
    for one in judged:
        if one.outcome in {"ask", "seen"} and one.reason not in _HARMLESS:
            ends, standing = one.part.ends, one.part.standing
            zones = (standing.source.zone, standing.destination.zone)
            servers = held.setdefault(_Service(*zones, ends.protocol, ends.port), {})
            servers.setdefault(ends.destination, []).append(one)
    return held


def _against(rule: Rule, refused: _Refused, context: Context) -> Judged | None:
    """Return something that is not proposed and that a rule would permit."""
    services = {_Service(*rule.zones, *item.part.ends[2:]) for item in rule.items}
    sources, destinations = _Reach.of(rule.sources), _Reach.of(rule.destinations)
    for service in sorted(services):
        for server, held in refused.get(service, {}).items():
            if not destinations.holds(server, held[0].part.standing.destination, context):
                continue
            for one in held:
                if sources.holds(one.part.ends.source, one.part.standing.source, context):
                    return one
    return None


def _joined(pairs: Iterable[Pair]) -> Iterator[Rule]:
    """Yield rules of which every source was seen with every destination."""
    by_service: dict[tuple[str, str, object, bool], list[Pair]] = {}
    for one in pairs:
        service = one.service
        named = (service.label, service.protocols, service.applications, service.ports)
        key = (one.source.zone, one.destination.zone, named, one.expires)
        by_service.setdefault(key, []).append(one)
    found: list[Rule] = []
    for held in by_service.values():
        by_server: dict[End, list[Pair]] = {}
        for one in held:
            by_server.setdefault(one.destination, []).append(one)
        together: dict[tuple[End, ...], list[End]] = {}
        for destination, mine in by_server.items():
            clients = tuple(sorted({one.source for one in mine}, key=_end_order))
            together.setdefault(clients, []).append(destination)
        for alike, servers in together.items():
            mine = [one for server in servers for one in by_server[server]]
            found.append(
                Rule(
                    sources=alike,
                    destinations=tuple(sorted(servers, key=_end_order)),
                    service=merged(one.service for one in mine),
                    expires=mine[0].expires,
                    items=tuple(item for one in mine for item in one.items),
                )
            )
    yield from sorted(found, key=_order)


def _order(rule: Rule) -> tuple[object, ...]:
    return (
        rule.zones,
        rule.service.label,
        rule.expires,
        [_end_order(one) for one in rule.sources],
        [_end_order(one) for one in rule.destinations],
        [(use.protocol, use.classes) for use in rule.service.protocols],
        rule.service.applications,
        [str(one) for one in rule.service.ports],
    )


def _end_order(end: End) -> tuple[str, str]:
    return end.zone, end.label


def _widened(pair: Pair, grade: Grade, context: Context) -> Pair:
    return replace(
        pair,
        source=_wide(pair.source, grade, context),
        destination=_wide(pair.destination, grade, context),
    )


def _wide(end: End, grade: Grade, context: Context) -> End:
    """Return all of a zone, or all assets of it that have the role of this one."""
    if grade == "zone":
        return End(end.zone, (), "the whole zone")
    zone = context.zones[end.zone]
    names = {one.asset for one in end.endpoints if one.asset}
    role = next((one.role.strip().casefold() for one in zone.assets if one.name in names), "")
    if not role:
        return end
    alike = (one.name for one in zone.assets if one.role.strip().casefold() == role)
    endpoints = tuple(Endpoint(zone=end.zone, asset=name) for name in sorted(alike))
    return End(end.zone, endpoints, role)


class _Service(NamedTuple):
    """What a flow is about: two zones (keys), a protocol, a port."""

    source: str
    destination: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """What one side of a rule reaches: everything of its zone, or assets and networks."""

    everything: bool
    assets: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, ends: Sequence[End]) -> _Reach:
        """Return what some ends reach."""
        endpoints = [one for end in ends for one in end.endpoints]
        return cls(
            everything=any(not end.endpoints for end in ends),
            assets=frozenset(one.asset for one in endpoints if one.asset),
            networks=tuple(one.network for one in endpoints if one.network is not None),
        )

    def holds(self, address: str, place: Place, context: Context) -> bool:
        """Whether an address is reached."""
        if self.everything:
            return True
        if (place.asset or context.new_name(place.zone, address)) in self.assets:
            return True
        host = ip_address(address) if self.networks else None
        return host is not None and any(
            host.version == one.version and host in one for one in self.networks
        )


def permits_of(grade: Grade, rules: Sequence[Rule], conduits: int, context: Context) -> Permits:
    """Return how much rules permit, against what was seen."""
    seen = {
        (item.part.ends.source, item.part.ends.destination, one)
        for rule in rules
        for item in rule.items
        for one in _elements(rule.service, item)
    }
    permitted = sum(
        _addresses(rule.sources, rule, context)
        * _addresses(rule.destinations, rule, context)
        * max(1, len(_offered(rule.service)))
        for rule in rules
    )
    return Permits(
        grade=grade, rules=len(rules), conduits=conduits, permitted=permitted, seen=len(seen)
    )


def _offered(service: Service) -> tuple[str, ...]:
    """Return what a service permits, one by one: classes, applications, else its ports."""
    classes = [f"{use.protocol}.{word}" for use in service.protocols for word in use.classes]
    named = (*classes, *service.applications)
    return named or tuple(map(str, service.ports))


def _elements(service: Service, item: Judged) -> tuple[str, ...]:
    """Return what of a service a part of a flow used."""
    return _offered(item.service) if item.service is not None else _offered(service)


def _addresses(ends: Iterable[End], rule: Rule, context: Context) -> int:
    """Return how many addresses ends stand for, of the versions that were seen."""
    versions = {ip_address(item.part.ends.source).version for item in rule.items}
    whole = 0
    for end in ends:
        zone = context.zones.get(end.zone)
        if not end.endpoints:
            nets = zone.networks if zone is not None else ()
            whole += sum(net.num_addresses for net in nets if net.version in versions)
            continue
        assets = {one.name: one for one in zone.assets} if zone is not None else {}
        for one in end.endpoints:
            asset = assets.get(one.asset)
            nets = asset.addresses if asset is not None else ()
            nets = (one.network,) if one.network is not None else nets
            whole += sum(net.num_addresses for net in nets if net.version in versions) or 1
    return max(1, whole)


def new_assets(rules: Iterable[Rule], context: Context) -> Mapping[str, Mapping[str, str]]:
    """Return the assets that rules need and no zone declares: addresses by name, by zone (key)."""
    found: dict[str, dict[str, str]] = {}
    for rule in rules:
        for item in rule.items:
            ends, standing = item.part.ends, item.part.standing
            sides = [(standing.destination, ends.destination)]
            sides += [(standing.source, ends.source)] if item.pool is None else []
            for place, address in sides:
                if not place.asset:
                    name = context.new_name(place.zone, address)
                    found.setdefault(place.zone, {})[name] = address
    return {zone: dict(sorted(held.items())) for zone, held in sorted(found.items())}
