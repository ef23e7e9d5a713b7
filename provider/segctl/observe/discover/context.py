"""What is known of a plant while its flows are judged: of hosts, zones, witnesses, shapes."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from segctl.observe.discover.boundaries import Boundaries
from segctl.observe.discover.flows import Ends, seen
from segctl.observe.discover.pools import Client, pools
from segctl.observe.discover.services import access_class, service_of
from segctl.observe.discover.shapes import moving, scans
from segctl.observe.pairs import members_of
from segctl.observe.places import Places
from segctl.observe.standing import Standings
from segctl.protocols.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from segctl.model.site import Asset, Site, Zone
    from segctl.observe.coverage import Coverage
    from segctl.observe.discover.evidence import Evidence
    from segctl.observe.discover.flows import Part, Seen
    from segctl.observe.discover.pools import Pool
    from segctl.observe.discover.services import Service
    from segctl.observe.discover.shapes import Scan
    from segctl.observe.observation import Group
    from segctl.observe.places import Place

#: Formats whose applications a rule can name.
_NAMING: Final = "PAN-OS"
_MILD: Final = frozenset({"", "informational", "low"})
#: So many ways to speak are remembered with what would permit them.
_REMEMBERED: Final = 100_000
#: The platform that knows ports only.
_PORTS: Final = "nftables"


class Context:
    """Everything by which a part is judged; nothing in it changes while that happens."""

    def __init__(
        self,
        site: Site,
        evidence: Evidence,
        coverage: Coverage,
        today: date,
        *,
        leases: Sequence[tuple[str, str]] = (),
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Put together what was seen, and look for shapes in it.

        Args:
            site: what is declared, or drafted.
            evidence: what was read.
            coverage: what it can show.
            today: the day as of which conduits are in force.
            leases: ranges of leased addresses that a person named, from and to.
            names: names of hosts by address, for those that no zone declares.
        """
        self._names = names or {}
        self._new: dict[tuple[str, str], str] = {}
        self._services: dict[tuple[object, ...], Service | None] = {}
        self.site, self.evidence = site, evidence
        self.places = Places(site)
        self.seen: Seen = seen(evidence, Standings(site, self.places, today))
        self._gone = Standings(_revived(site, today), self.places, today)
        self.boundaries = Boundaries(site, today)
        members = members_of(site.devices)
        self.firewalls = frozenset(
            members.get(one.name, one.name)
            for one in coverage.witnesses
            if any(name.startswith(_NAMING) for name in one.formats)
        )
        self.sampled = frozenset(
            members.get(one.name, one.name) for one in coverage.witnesses if one.sampled
        )
        self.zones: Mapping[str, Zone] = {zone.key: zone for zone in site.zones}
        self._assets = {
            (zone.key, asset.name): asset for zone in site.zones for asset in zone.assets
        }
        self._broadcasts = frozenset(
            str(network.broadcast_address)
            for zone in site.zones
            for network in zone.networks
            if network.version == 4 and network.prefixlen < 31
        ) | {"255.255.255.255"}
        self.answered = frozenset(
            part.ends for part in self.seen.parts if part.nature in {"conversation", "declared"}
        )
        volumes = [(part, part.volume()) for part in self.seen.parts]
        self.scans: Mapping[str, Scan] = scans(volumes)
        self.moving = moving(self.seen.parts)
        self.threats = _threats(self.seen.parts)
        self.threatened = frozenset(
            part.ends for part in self.seen.parts if part.nature == "threat"
        )
        self._controllers = _controllers(site, self.seen.parts)
        self.pools = self._pools(leases)
        self.days = _days(self.seen.parts)
        self._devices: dict[str, set[tuple[str, str]]] = {}
        for device in site.devices:
            for binding in device.zones:
                held = self._devices.setdefault(binding.zone, set())
                held.add((device.platform, device.name))

    def service_of(self, ends: Ends, groups: Sequence[Group], *, by_port: bool) -> Service | None:
        """Return what a flow would have to permit; what is spoken alike is one and the same value.

        Args:
            ends: the flow, of which protocol and port count.
            groups: what was seen of it.
            by_port: whether a firewall on the way knows no applications.
        """
        spoken = frozenset(
            (one.witness in self.firewalls, one.applications, one.functions) for one in groups
        )
        key = (ends.protocol, ends.port, by_port, spoken)
        if key not in self._services:
            if len(self._services) >= _REMEMBERED:
                self._services.clear()
            self._services[key] = service_of(ends, groups, self.firewalls, by_port=by_port)
        return self._services[key]

    def outside(self, address: str) -> bool:
        """Whether an address is in no network that a zone declares, or in one for strangers."""
        place = self.places.of(address)
        if place.several:
            return False
        zone = self.zones.get(place.zone)
        return zone is None or (zone.kind == "external" and not place.asset)

    def is_broadcast(self, address: str) -> bool:
        """Whether an address is that of all hosts of a network."""
        return address in self._broadcasts

    def behind_nat(self, ends: Ends) -> str:
        """Return the address that one of the ends stands for, if it stands for another."""
        client = self.seen.translated_clients.get((ends.source, ends.destination), "")
        return client or self.seen.translated_servers.get(ends.destination, "")

    def absent(self, part: Part) -> str:
        """Return the conduit that is about a part, and was declared to be gone."""
        for group, _ in part.groups:
            standing = self._gone.of(group)
            if standing.status in {"declared", "unproven"} and standing.conduit in self._revived:
                return standing.conduit
        return ""

    @cached_property
    def _revived(self) -> frozenset[str]:
        return frozenset(
            one.key for one in self.site.conduits if one.mode == "absent" or one.expires
        )

    def may_be_a_beacon(self, part: Part) -> bool:
        """Whether a flow leads outwards to a host that nobody declared."""
        source, destination = part.standing.source, part.standing.destination
        if destination.asset or source.zone == destination.zone:
            return False
        outer, inner = self.zones.get(destination.zone), self.zones.get(source.zone)
        if outer is None or inner is None or outer.kind in {"external", "business"}:
            return not _clockwork(part)
        known = outer.level is not None and inner.level is not None
        outwards = not known or (outer.level or 0.0) > (inner.level or 0.0)
        return outwards and not _clockwork(part)

    def by_port(self, part: Part) -> bool:
        """Whether a firewall on the way knows no applications: all of a zone's, or a common one."""
        one = self._devices.get(part.standing.source.zone, set())
        other = self._devices.get(part.standing.destination.zone, set())
        if any(held and all(platform == _PORTS for platform, _ in held) for held in (one, other)):
            return True
        return any(platform == _PORTS for platform, _ in one & other)

    def controller(self, address: str) -> bool:
        """Whether an address serves industrial protocols."""
        return address in self._controllers

    def asset(self, place: Place) -> Asset | None:
        """Return the asset of a place."""
        return self._assets.get((place.zone, place.asset))

    def role(self, place: Place) -> str:
        """Return the role of a place's asset, empty where it has none."""
        asset = self.asset(place)
        return asset.role if asset is not None else ""

    def new_name(self, zone: str, address: str) -> str:
        """Return a name for an asset that no zone declares."""
        known = self._new.get((zone, address))
        if known is None:
            name = self._names.get(address, "")
            if not name or (zone, name) in self._assets:
                name = plain_name(address)
            known = self._new[zone, address] = name
        return known

    def pool_of(self, part: Part) -> Pool | None:
        """Return the range of leases that the client of a part is in."""
        if part.standing.source.asset:
            return None
        zone, address = part.standing.source.zone, part.ends.source
        return next((one for one in self.pools if one.zone == zone and one.holds(address)), None)

    def _pools(self, leases: Sequence[tuple[str, str]]) -> tuple[Pool, ...]:
        served = {part.ends.destination for part in self.seen.parts if part.nature != "attempt"}
        spans: dict[tuple[str, str], tuple[float, float]] = {}
        for part in self.seen.parts:
            place, volume = part.standing.source, part.volume()
            mine = part.nature in {"conversation", "declared"} and place.zone and not place.asset
            if not mine or volume.first is None or volume.last is None:
                continue
            key = (place.zone, part.ends.source)
            first, last = spans.get(key, (volume.first, volume.last))
            spans[key] = (min(first, volume.first), max(last, volume.last))
        given: dict[str, list[tuple[str, str]]] = {}
        for ends in leases:
            given.setdefault(self.places.of(ends[0]).zone, []).append(ends)
        return pools(
            (
                Client(
                    address=address,
                    zone=zone,
                    users=self.seen.users.get(address, frozenset()),
                    first=first,
                    last=last,
                    serves=address in served or self.outside(address),
                )
                for (zone, address), (first, last) in sorted(spans.items())
            ),
            given,
        )


def plain_name(address: str) -> str:
    """Return a name for a host of which nothing but the address is known."""
    return f"host-{address.replace('.', '-').replace(':', '-').strip('-')}"


def _revived(site: Site, today: date) -> Site:
    """Return a site in which the conduits that are gone are in force."""
    return replace(
        site,
        conduits=tuple(
            replace(one, mode="monitor", expires=None)
            for one in site.conduits
            if one.mode == "absent" or one.expired(today)
        ),
    )


def _threats(parts: Iterable[Part]) -> Mapping[frozenset[str], str]:
    """Return what threat records say of pairs of hosts, mild ones left out."""
    found: dict[frozenset[str], set[str]] = {}
    for part in parts:
        for group, _ in part.groups:
            if group.threat and group.severity.lower() not in _MILD:
                pair = frozenset((part.ends.source, part.ends.destination))
                found.setdefault(pair, set()).add(group.threat)
    return {pair: ", ".join(sorted(names)) for pair, names in found.items()}


def _controllers(site: Site, parts: Iterable[Part]) -> frozenset[str]:
    """Return the addresses that serve industrial protocols, as declared or as seen."""
    known = catalogue()
    industrial = {one.id for one in known.protocols.values() if set(one.classes) > {"session"}}
    industrial -= {"smb", "snmp", "ftp-tftp", "vnc", "mqtt", "coap", "opc-hda", "opc-ae"}
    found: set[str] = set()
    assets = {(zone.key, one.name): one for zone in site.zones for one in zone.assets}
    for conduit in site.conduits:
        for flow in conduit.flows:
            if industrial & {use.protocol for use in flow.protocols}:
                held = [assets.get((end.zone, end.asset)) for end in flow.destinations]
                found |= {
                    str(address.network_address)
                    for one in held
                    if one is not None
                    for address in one.addresses
                }
    for part in parts:
        for group, _ in part.groups:
            if any(one.protocol in industrial and access_class(one) for one in group.functions):
                found.add(part.ends.destination)
    return frozenset(found)


def _days(parts: Iterable[Part]) -> int:
    """Return on how many days anything was seen."""
    bits = 0
    for part in parts:
        for _, count in part.groups:
            if 0 <= count.day < 200_000:
                bits |= count.days << count.day
    return bits.bit_count()


def _clockwork(part: Part) -> bool:
    """Whether a flow is of those that are regular by their nature: clocks, names, logs."""
    names = {name for group, _ in part.groups for name in group.applications}
    return part.ends.port in {53, 123, 161, 162, 514} or any(
        name.startswith(("ntp", "dns", "snmp", "syslog", "ptp")) for name in names
    )
