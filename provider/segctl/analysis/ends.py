"""The ends of a question: names of zones and assets, addresses, and the firewalls between them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from segctl.analysis.space import ALL_ADDRESSES, addresses, ranges, without
from segctl.compiler.topology import Hop, topology
from segctl.model.addresses import merge, network_interval
from segctl.model.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.space import Numbers
    from segctl.compiler.topology import Topology
    from segctl.model.addresses import Interval
    from segctl.model.site import Device, Host, Site, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a flow: a zone and some of its addresses; `whole` where all of it is meant."""

    zone: str
    addresses: tuple[Interval, ...]
    whole: bool = False


def hops_between(
    devices: Sequence[Device], source: str, destination: str, paths: Topology | None = None
) -> tuple[Hop, ...]:
    """Return the firewalls between two zones, or those that a zone is attached to.

    `paths` is the topology of the devices, where it is at hand.
    """
    if source != destination:
        return (paths or topology(devices)).hops(source, destination)
    return tuple(
        Hop(device=device.name, enter=source, leave=source)
        for device in devices
        if any(binding.zone == source for binding in device.zones)
    )


def sites_of(devices: Iterable[Device]) -> frozenset[str]:
    """Return the sites whose zones the firewalls are attached to."""
    return frozenset(binding.zone.partition("/")[0] for one in devices for binding in one.zones)


def end_of(word: str, site: Site, near: frozenset[str]) -> End:
    """Return the end that a word names.

    Args:
        word: a zone, an asset (``zone/asset`` where a name is not enough) or an address.
        site: where it is looked up.
        near: the sites that a name without one refers to first.

    Raises:
        LookupError: nothing has this name, or several have; with the message and a hint.
    """
    try:
        return _at(ip_address(word), site)
    except ValueError:
        pass
    named = list(_named(word, site))
    close = [(zone, end) for zone, end in named if zone.site in near] or named
    if not close:
        known = {name for zone in site.zones for name in (zone.id, *(a.name for a in zone.assets))}
        raise LookupError(f"{word!r} is not a zone, asset or address", nearest(word, known))
    if len(close) > 1:
        listed = ", ".join(sorted({zone.key for zone, _ in close}))
        hint = "write zone/asset or site/zone"
        raise LookupError(f"{word!r} is ambiguous, it may be in {listed}", hint)
    return close[0][1]


def _named(word: str, site: Site) -> Iterator[tuple[Zone, End]]:
    first, _, last = word.rpartition("/")
    for zone in site.zones:
        if word in (zone.id, zone.key):
            yield zone, End(zone=zone.key, addresses=_all_of(zone), whole=True)
        for asset in zone.assets:
            if asset.name == last and first in ("", zone.id, zone.key):
                parts = merge(network_interval(one) for one in asset.addresses)
                yield zone, End(zone=zone.key, addresses=parts)


def _at(host: Host, site: Site) -> End:
    """Return the zone of an address: the zone of its asset, else that of the smallest network."""
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


class Extents:
    """Which addresses may be those of each zone.

    Whoever is attached to a network can take an address that the inventory does not know. So the
    addresses of a zone are those it declares and all that no zone declares.
    """

    def __init__(self, site: Site) -> None:
        self._own = {zone.key: addresses(_all_of(zone)) for zone in site.zones}
        declared = ranges(part for own in self._own.values() for part in own)
        self._undeclared = without(ALL_ADDRESSES, declared)

    def of(self, end: End) -> Numbers:
        """Return the addresses of an end."""
        return self.of_zone(end.zone) if end.whole else addresses(end.addresses)

    def of_zone(self, zone: str) -> Numbers:
        """Return the addresses of a zone."""
        return ranges((*self._own[zone], *self._undeclared))
