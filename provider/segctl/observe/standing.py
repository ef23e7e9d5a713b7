"""Whether what was seen is declared: by which conduit and flow, or why not.

What cannot be told is never taken for declared: where a flow declares functions, users or times
that a record does not show, it is *unproven*.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal

from segctl.model.errors import UnsupportedError
from segctl.protocols.catalogue import catalogue
from segctl.protocols.uses import default_ports, layer4_ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from segctl.model.site import Conduit, Endpoint, Flow, PortRange, Site
    from segctl.observe.observation import Group
    from segctl.observe.places import Place, Places

#: In the order of a report: what is declared, what may be, what is not, and what no conduit is
#: about.
Status = Literal["declared", "unproven", "undeclared", "within_zone", "no_zone"]
STATUSES: Final[tuple[Status, ...]] = (
    "declared",
    "unproven",
    "undeclared",
    "within_zone",
    "no_zone",
)
_BY_RANK: Final[tuple[Status, ...]] = ("undeclared", "unproven", "declared")
_ICMP: Final = frozenset({"icmp", "ipv6-icmp"})
#: So many groups that stand alike are remembered.
_REMEMBERED: Final = 300_000
#: Classes that come with every other.
_WITH_ALL: Final = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a group stands to the inventory; `conduit` is a key, `flow` an id in it."""

    status: Status
    source: Place
    destination: Place
    conduit: str = ""
    flow: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """How well a flow fits: 2 it is proven, 1 it may be, 0 it is not, with the reason."""

    rank: int
    why: str = ""


class Standings:
    """Compares groups with the conduits of a site as of a day."""

    def __init__(self, site: Site, places: Places, today: date) -> None:
        """Take the conduits that are neither absent nor expired."""
        self._places = places
        self._intrazone = {zone.key: zone.intrazone for zone in site.zones}
        self._conduits: dict[tuple[str, str], list[Conduit]] = {}
        for conduit in site.conduits:
            if conduit.mode == "absent" or conduit.expired(today):
                continue
            for pair in _pairs(conduit):
                self._conduits.setdefault(pair, []).append(conduit)
        self._by_address = frozenset(
            pair for pair, conduits in self._conduits.items() if any(map(_names_networks, conduits))
        )
        self._known: dict[tuple[object, ...], Standing] = {}

    def of(self, group: Group) -> Standing:
        """Return how a group stands; what is alike but for addresses is compared once."""
        flow = group.flow
        inner = flow.inner or flow.destination
        source = self._places.of(flow.source, group.witness, group.from_zone)
        destination = self._places.of(inner, group.witness, group.to_zone)
        if not source.zone or not destination.zone:
            return _homeless(source, destination)
        alike: tuple[object, ...] = (
            *(source.zone, source.asset, destination.zone, destination.asset),
            *(flow.protocol, flow.port, group.applications, group.functions, group.user),
            group.direction,
        )
        pair = (source.zone, destination.zone)
        if pair in self._by_address or pair[::-1] in self._by_address:
            alike = (*alike, flow.source, inner)
        found = self._known.get(alike)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[alike] = self._compared(group, source, destination)
        return found

    def _compared(self, group: Group, source: Place, destination: Place) -> Standing:
        match, conduit, declared = self._best(group, source, destination)
        if match.rank == 0 and group.direction == "inferred":
            back = self._best(group, destination, source, turned=True)
            if back[0].rank:
                conduit, declared = back[1:]
                match = Match(1, "which side began is a guess")
        inside = source.zone == destination.zone
        if match.rank < 2 and inside and self._intrazone[source.zone] == "allow":
            return Standing(status="within_zone", source=source, destination=destination)
        status: Status = _BY_RANK[match.rank]
        return Standing(
            status=status,
            source=source,
            destination=destination,
            conduit=conduit,
            flow=declared,
            why=match.why or ("" if match.rank else "no conduit is about it"),
        )

    def _best(
        self, group: Group, source: Place, destination: Place, *, turned: bool = False
    ) -> tuple[Match, str, str]:
        best = Match(0), "", ""
        ends = (group.flow.source, group.flow.inner or group.flow.destination)
        ends = (ends[1], ends[0]) if turned else ends
        for conduit in self._conduits.get((source.zone, destination.zone), ()):
            for flow in conduit.flows:
                if not _at(flow.sources, source, ends[0]):
                    continue
                if not _at(flow.destinations, destination, ends[1]):
                    continue
                match = _matched(flow, group)
                if match.rank > best[0].rank or (match.why and not best[0].why):
                    best = match, conduit.key, flow.id
        if not best[0].rank:
            return best[0], "", ""
        return best


def _names_networks(conduit: Conduit) -> bool:
    return any(
        end.network is not None
        for flow in conduit.flows
        for end in (*flow.sources, *flow.destinations)
    )


def _pairs(conduit: Conduit) -> Iterator[tuple[str, str]]:
    for source in conduit.from_zones:
        for destination in conduit.to_zones:
            yield source, destination


def _homeless(source: Place, destination: Place) -> Standing:
    several = source.several or destination.several
    why = "an address is in several zones" if several else "an address is in no zone"
    return Standing(status="no_zone", source=source, destination=destination, why=why)


def _at(ends: Iterable[Endpoint], place: Place, address: str) -> bool:
    """Whether an address is one of the ends; no ends mean all of the zone."""
    ends = tuple(ends)
    if not ends:
        return True
    host = ip_address(address)
    return any(
        (one.zone == place.zone)
        and (
            (bool(one.asset) and one.asset == place.asset)
            or (
                (one.network is not None and one.network.version == host.version)
                and host in one.network
            )
            or (not one.asset and one.network is None)
        )
        for one in ends
    )


def _matched(flow: Flow, group: Group) -> Match:
    """Return how well a declared flow fits what was seen."""
    match = service_match(flow, group)
    if not match.rank:
        return match
    if flow.users and group.user not in flow.users:
        if group.user:
            return Match(0, "the user is not one of those declared")
        match = Match(1, "the record names no user")
    if flow.schedule:
        return Match(1, "the flow is declared for some times only")
    return match


def service_match(flow: Flow, group: Group) -> Match:
    """Return how well what a flow permits fits, whoever its ends are."""
    if not flow.protocols and not flow.applications:
        return Match(2 if on_services(flow.services, group) else 0)
    found = [use_match(flow, use.protocol, use.classes, group) for use in flow.protocols]
    found += [_application(flow, name, group) for name in flow.applications]
    proven = [one for one in found if one.rank]
    if proven:
        return max(proven, key=lambda one: one.rank)
    return next((one for one in found if one.why), Match(0))


def on_services(services: Iterable[PortRange], group: Group) -> bool:
    """Whether a group is on one of some services."""
    protocol, port = group.flow.protocol, group.flow.port
    return any(
        protocol in _ICMP
        if one.protocol == "icmp"
        else one.protocol == protocol and one.first <= port <= one.last
        for one in services
    )


def use_match(flow: Flow, protocol: str, classes: tuple[str, ...], group: Group) -> Match:
    """Return how well the use of a protocol fits: port, then what is known of functions."""
    known = catalogue()
    if protocol not in known or not _port_fits(flow, protocol, group):
        return Match(0)
    allowed = {*classes, _WITH_ALL}
    seen = {one.access_class for one in group.functions if one.protocol == protocol}
    strange = {one.protocol for one in group.functions} - {protocol}
    for name in group.applications:
        owner = known.protocol_of(name)
        application = known.application(name)
        if owner is not None and owner.id == protocol and application is not None:
            seen.add(application.access_class)
        elif owner is not None or application is not None:
            strange.add(name)
    if strange and not seen:
        return Match(0, f"it is {', '.join(sorted(strange))}, not {protocol}")
    beyond = sorted(seen - allowed - {""})
    if beyond:
        return Match(0, f"{protocol}: {', '.join(beyond)} is not declared")
    if not seen or "" in seen:
        return Match(1, f"{protocol}: the record does not show every function")
    if seen <= {_WITH_ALL} and set(classes) != {_WITH_ALL}:
        return Match(1, f"{protocol}: the record shows no function")
    return Match(2)


def _port_fits(flow: Flow, protocol: str, group: Group) -> bool:
    if flow.services:
        return on_services(flow.services, group)
    try:
        return on_services(layer4_ports(catalogue().protocols[protocol]), group)
    except UnsupportedError:
        return bool(catalogue().protocols[protocol].dynamic)


def _application(flow: Flow, name: str, group: Group) -> Match:
    ports = flow.services or default_ports(name)
    if ports and not on_services(ports, group):
        return Match(0)
    if not group.applications:
        return Match(1, "the record names no application") if ports else Match(0)
    return Match(2 if name in group.applications else 0)
