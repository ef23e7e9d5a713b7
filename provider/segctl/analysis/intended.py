"""What the conduits of a site permit through each firewall, straight from the inventory.

A second way to what `segctl.compiler` and a platform's `fit` make rules of; it shares no code with
them, so that a fault of theirs shows as a difference.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from segctl.analysis.crossings import Crossings
from segctl.analysis.space import (
    ALL_NAMES,
    WEEK,
    Names,
    addresses,
    common,
    ranges,
    service,
    together,
    without,
)
from segctl.model.addresses import network_interval
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date

    from segctl.analysis.crossings import Path
    from segctl.analysis.space import Numbers
    from segctl.model.site import (
        Conduit,
        Device,
        Endpoint,
        Flow,
        Network,
        ProtocolUse,
        Schedule,
        Site,
        Zone,
    )

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one flow needs of one firewall, from one zone (key) to another, in no platform's words.

    `source` and `destination` are the zones of the conduit, `enter` and `leave` those beside the
    firewall. Without `services` applications are held to their own ports. `time` is None where the
    inventory does not say when the schedule applies.
    """

    conduit: str
    flow: str
    source: str
    destination: str
    enter: str
    leave: str
    sources: Numbers
    destinations: Numbers
    services: Numbers = ()
    protocols: tuple[ProtocolUse, ...] = ()
    applications: tuple[str, ...] = ()
    users: Names = ALL_NAMES
    schedule: str = ""
    time: Numbers | None = WEEK
    enforced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What the conduits from one zone (key) to another permit, and the firewalls on every path."""

    source: str
    destination: str
    sources: Numbers
    destinations: Numbers
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What conduits permit through one firewall.

    `free` are the firewall's zones inside which everything may pass, by their names there.
    """

    needs: tuple[Need, ...]
    free: frozenset[str]


class Intent:
    """What a site declares as of a day, followed through its firewalls."""

    def __init__(self, site: Site, today: date) -> None:
        """Take a site down; conduits that are absent or have expired permit nothing."""
        self._crossings = Crossings(site.devices)
        self._zones = {zone.key: zone for zone in site.zones}
        self._devices = {device.name: device for device in site.devices}
        self._owned = _Owned(site, self._crossings)
        self._side: Callable[[tuple[Endpoint, ...], str], Numbers | None] = cache(self._find_side)
        self._assets: Callable[[str], Mapping[str, Numbers]] = cache(self._find_assets)
        self._conduits = [
            one
            for one in site.conduits
            if one.mode != "absent" and (one.expires is None or one.expires >= today)
        ]

    @uncollected()
    def wanted(self) -> Mapping[str, Wanted]:
        """Return what every firewall is to permit, by its name."""
        needs: dict[str, list[Need]] = {name: [] for name in self._devices}
        for conduit in self._conduits:
            for source, destination in _pairs(conduit):
                for crossing in sorted(self._crossings.crossed(source, destination, conduit.via)):
                    device = self._devices[crossing.device]
                    needs[device.name] += self._needs(
                        conduit, source, destination, (crossing.enter, crossing.leave), device
                    )
        return {
            name: Wanted(needs=tuple(needs[name]), free=self._free(device))
            for name, device in self._devices.items()
        }

    def series(self) -> Iterator[Series]:
        """Yield the zones whose conduits cross several firewalls, one after the other.

        Raises:
            TooComplexError: there are too many ways between two zones.
        """
        pairs: dict[tuple[str, str], dict[Path, None]] = {}
        for conduit in self._conduits:
            for source, destination in _pairs(conduit):
                for path in self._crossings.paths(source, destination, conduit.via):
                    if len(path) > 1:
                        pairs.setdefault((source, destination), {})[path] = None
        for (source, destination), paths in sorted(pairs.items()):
            yield Series(
                source=source,
                destination=destination,
                sources=self._owned.of(self._zones[source]),
                destinations=self._owned.of(self._zones[destination]),
                paths=tuple(paths),
            )

    def _free(self, device: Device) -> frozenset[str]:
        denied = {one.name for one in device.zones if self._zones[one.zone].intrazone == "deny"}
        return frozenset(one.name for one in device.zones) - denied

    def _needs(
        self,
        conduit: Conduit,
        source: str,
        destination: str,
        sides: tuple[str, str],
        device: Device,
    ) -> Iterator[Need]:
        for flow in conduit.flows:
            sources = self._side(flow.sources, source)
            destinations = self._side(flow.destinations, destination)
            if sources is None or destinations is None:
                continue
            yield Need(
                conduit=conduit.key,
                flow=flow.id,
                source=source,
                destination=destination,
                enter=sides[0],
                leave=sides[1],
                sources=sources,
                destinations=destinations,
                services=_services(flow),
                protocols=flow.protocols,
                applications=flow.applications,
                users=Names(frozenset(flow.users)) if flow.users else ALL_NAMES,
                schedule=flow.schedule,
                time=_time(flow.schedule, device.schedules),
                enforced=flow.functions == "enforced",
            )

    def _find_side(self, endpoints: tuple[Endpoint, ...], key: str) -> Numbers | None:
        """Return the addresses that a flow means in a zone, None where it means none there."""
        owned = self._owned.of(self._zones[key])
        if not endpoints:
            return owned
        found: list[tuple[int, int]] = []
        here = [one for one in endpoints if one.zone == key]
        for one in here:
            if one.network is not None:
                found += common(_numbers([one.network]), owned)
            else:
                found += self._assets(key)[one.asset]
        return ranges(found) if here else None

    def _find_assets(self, key: str) -> Mapping[str, Numbers]:
        """Return the addresses of the assets of a zone, by their names."""
        return {asset.name: _numbers(asset.addresses) for asset in self._zones[key].assets}


def _pairs(conduit: Conduit) -> Iterator[tuple[str, str]]:
    for source in sorted(conduit.from_zones):
        for destination in sorted(conduit.to_zones):
            yield source, destination


def _numbers(networks: Iterable[Network]) -> Numbers:
    return addresses(map(network_interval, networks))


def _services(flow: Flow) -> Numbers:
    """Return the ports a flow names; ``icmp`` is an echo request, type 8 or, of IPv6, 128."""
    return together(
        [
            part
            for one in flow.services
            for part in (
                (service("icmp", 8, 8), service("icmpv6", 128, 128))
                if one.protocol == "icmp"
                else (service(one.protocol, one.first, one.last),)
            )
        ]
    )


# --- when ----------------------------------------------------------------------------------------


def _time(name: str, schedules: Iterable[Schedule]) -> Numbers | None:
    """Return the minutes of a week in which a schedule applies, None where it is not declared."""
    if not name:
        return WEEK
    declared = next((one for one in schedules if one.name == name), None)
    if declared is None:
        return None
    daily = [(day, hours) for day in range(7) for hours in declared.daily]
    weekly = [(_DAYS.index(day), hours) for day, listed in declared.weekly for hours in listed]
    return ranges(part for day, hours in daily or weekly for part in _minutes(day, hours))


def _minutes(day: int, hours: str) -> Iterator[tuple[int, int]]:
    """Yield the minutes of ``22:00-06:00`` that begin on a day, ends included."""
    first, last = (
        min(int(hour) * 60 + int(minute), _DAY - 1)
        for hour, _, minute in (word.partition(":") for word in hours.split("-"))
    )
    start = day * _DAY
    if first <= last:
        yield start + first, start + last
    else:
        following = (day + 1) % 7 * _DAY
        yield start + first, start + _DAY - 1
        yield following, following + last


# --- where ---------------------------------------------------------------------------------------


class _Owned:
    """Which addresses are a zone's own where zones overlap.

    An address is of the zone that lists it as an asset, else of the zone with the longest network
    that holds it; of two zones with the same network it is of neither. Zones of one site overlap,
    and zones that firewalls join.
    """

    def __init__(self, site: Site, crossings: Crossings) -> None:
        self._groups: dict[str, list[tuple[int, int, str]]] = {}
        self._of: dict[str, tuple[str, ...]] = {}
        leaders: dict[str, str] = {}
        for zone in site.zones:
            if zone.key not in leaders:
                leaders |= dict.fromkeys(crossings.joined(zone.key), zone.key)
            groups = (f"site {zone.site}", f"joined {leaders[zone.key]}")
            self._of[zone.key] = groups
            listed = [*zone.networks, *(one for asset in zone.assets for one in asset.addresses)]
            for network in listed:
                ((first, last),) = _numbers([network])
                for group in groups:
                    self._groups.setdefault(group, []).append((first, last, zone.key))
        for parts in self._groups.values():
            parts.sort()
        self._known: dict[str, Numbers] = {}

    def of(self, zone: Zone) -> Numbers:
        """Return the addresses that are a zone's own."""
        known = self._known.get(zone.key)
        if known is None:
            known = self._known[zone.key] = self._find(zone)
        return known

    def _find(self, zone: Zone) -> Numbers:
        own = [*_numbers(one for asset in zone.assets for one in asset.addresses)]
        for network in zone.networks:
            whole = _numbers([network])
            own += without(whole, ranges(self._others_in(zone, *whole[0])))
        return ranges(own)

    def _others_in(self, zone: Zone, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Yield what other zones list that lies in a network."""
        for group in self._of[zone.key]:
            parts = self._groups[group]
            for at in range(bisect_left(parts, (first,)), len(parts)):
                begin, end, key = parts[at]
                if begin > last:
                    break
                if key != zone.key and end <= last:
                    yield begin, end
