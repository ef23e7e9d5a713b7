"""The zones of an import: what the rules of others name is added, never at the cost of ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.compiler.ownership import Listed
from segctl.importing.networks import cover, inside
from segctl.importing.words import make_id
from segctl.importing.zones import is_host, parts_of
from segctl.model.addresses import network_interval
from segctl.model.site import Asset, Endpoint, Zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.importing.managed import Managed
    from segctl.model.addresses import Interval
    from segctl.model.site import Network


@dataclass(slots=True)
class _Growing:
    """A zone that takes up addresses; `ours` are zones whose objects carry our mark."""

    zone: Zone
    ours: bool = False
    hosts: dict[Interval, str] = field(default_factory=dict["Interval", str])
    networks: dict[Interval, Network] = field(default_factory=dict["Interval", "Network"])
    added: list[Asset] = field(default_factory=list[Asset])

    def finished(self) -> Zone:
        """Return the zone; where it has networks, they hold its assets."""
        assets = sorted((*self.zone.assets, *self.added), key=lambda asset: asset.name)
        zone = replace(self.zone, assets=tuple(assets))
        if self.ours or not self.networks:
            return zone
        return replace(zone, networks=_outermost({**dict.fromkeys(self.hosts), **self.networks}))


def _outermost(parts: Iterable[Interval]) -> tuple[Network, ...]:
    """Return the networks among `parts` that lie in no other."""
    kept: list[Interval] = []
    for part in sorted(parts, key=lambda part: (part[0], part[1], -part[2])):
        if not kept or not inside(part, kept[-1]):
            kept.append(part)
    return tuple(map(cover, kept))


class Places:
    """The zones, growing by what the rules of others name, never at the cost of ours."""

    def __init__(self, managed: Managed) -> None:
        self.site = managed.site
        self._attached = managed.attached
        bound = {zone_id for zone_id, _ in managed.attached}
        self.zones = {
            zone.id: _grown(zone, ours=bool(parts_of(zone)) or zone.id not in bound)
            for zone in managed.zones
        }
        self._direct: dict[str, str] = {}
        for zone_id, name in managed.attached:
            self._direct.setdefault(name, zone_id)
        self._beside: dict[str, str] = {}
        self._behind: dict[tuple[str, str], str] = {}
        self._networks, self._parts = Listed(), Listed()
        for zone_id, one in self.zones.items():
            if one.ours:
                self._networks.add(zone_id, map(network_interval, one.zone.networks))
                self._parts.add(zone_id, parts_of(one.zone))
        every = [asset for zone in managed.zones for asset in zone.assets]
        self._names = {asset.name for asset in every}
        self._called = {
            network_interval(asset.addresses[0]): asset.name
            for asset in every
            if len(asset.addresses) == 1
        }

    def direct(self, name: str) -> str:
        """Return our zone for a zone of the device, made when there is none."""
        if name not in self._direct:
            zone_id = make_id(name, self.zones, lower=True)
            self.zones[zone_id] = _Growing(Zone(site=self.site, id=zone_id))
            self._direct[name] = zone_id
        return self._direct[name]

    def put(self, name: str, part: Interval, called: str) -> Endpoint | None:
        """Return the endpoint for an address that rules name in a zone of the device.

        None when it lies in the networks of another zone of ours: it would be taken from it.
        """
        zone_id = self.direct(name)
        place = self.zones[zone_id]
        holders = list(self._networks.holding(part))
        if place.ours:
            if part in place.hosts:
                return self._add(zone_id, part, called)
            if any(zone_id in zones for zones in holders) and not self._met(part, zone_id):
                return self._add(zone_id, part, called)
            zone_id = self._next_to(name, zone_id)
        return None if holders else self._add(zone_id, part, called)

    def _met(self, part: Interval, zone_id: str) -> bool:
        """Whether another zone of ours than this one has addresses of `part`."""
        around = self._parts.holding(part)
        return any(zones != {zone_id} for zones in around) or any(
            True for _ in self._parts.inside(part, zone_id)
        )

    def _next_to(self, name: str, zone_id: str) -> str:
        """Return the zone beside one of ours that takes up what ours does not have."""
        if name not in self._beside:
            other = make_id(f"{zone_id}-others", self.zones)
            self.zones[other] = _Growing(Zone(site=self.site, id=other))
            self._beside[name] = other
            self._behind[zone_id, name] = other
        return self._beside[name]

    def _add(self, zone_id: str, part: Interval, called: str) -> Endpoint:
        place = self.zones[zone_id]
        if not is_host(part):
            place.networks.setdefault(part, cover(part))
            return Endpoint(zone=f"{self.site}/{zone_id}", network=cover(part))
        if part not in place.hosts:
            name = self._name(called, part)
            place.hosts[part] = name
            place.added.append(Asset(name=name, addresses=(cover(part),)))
        return Endpoint(zone=f"{self.site}/{zone_id}", asset=place.hosts[part])

    def _name(self, called: str, part: Interval) -> str:
        """Return one name for one address, whichever zones it is in."""
        if part not in self._called:
            self._called[part] = make_id(called, self._names)
            self._names.add(self._called[part])
        return self._called[part]

    def attached(self) -> Iterator[tuple[str, str]]:
        """Yield the device's zone of every zone, those beside ours after them."""
        for zone_id, name in self._attached:
            yield zone_id, name
            if other := self._behind.get((zone_id, name)):
                yield other, name

    def finished(self) -> tuple[Zone, ...]:
        """Return the zones, by id."""
        return tuple(self.zones[zone_id].finished() for zone_id in sorted(self.zones))


def _grown(zone: Zone, *, ours: bool) -> _Growing:
    return _Growing(
        zone=zone,
        ours=ours,
        hosts={
            network_interval(asset.addresses[0]): asset.name
            for asset in zone.assets
            if len(asset.addresses) == 1
        },
        networks={network_interval(network): network for network in zone.networks},
    )
