"""Which zone owns an address where zones overlap.

Pure. No search goes through all zones: what a network contains, and what contains it, is looked up
in sorted intervals.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from segctl.model.addresses import Interval, meeting, merge, network_interval, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from segctl.compiler.topology import Topology
    from segctl.model.site import Site, Zone


class Ownership:
    """Which addresses each zone owns where zones overlap.

    An address belongs to the zone that lists it as an asset, or else to the zone with the longest
    matching network. If two zones have the same network, neither owns the addresses that no asset
    lists. Zones can overlap within a site, and with zones that firewalls connect them to.
    """

    def __init__(self, site: Site, graph: Topology) -> None:
        self._component = _components(site, graph)
        self._listed: dict[tuple[str, str], Listed] = {}
        for zone in site.zones:
            parts = [*map(network_interval, zone.networks), *asset_intervals(zone)]
            for group in self._groups(zone):
                self._listed.setdefault(group, Listed()).add(zone.key, parts)
        self._known: dict[str, tuple[Interval, ...]] = {}
        self._own: dict[str, tuple[Interval, ...]] = {}

    def _groups(self, zone: Zone) -> tuple[tuple[str, str], ...]:
        """Return the site and, if the zone is attached, the group of connected zones."""
        joined = self._component.get(zone.key)
        site = ("site", zone.site)
        return (site,) if joined is None else (site, ("joined", joined))

    def of(self, zone: Zone) -> tuple[Interval, ...]:
        """Return all addresses that `zone` owns."""
        if zone.key not in self._own:
            self._own[zone.key] = merge([*self.networks(zone), *asset_intervals(zone)])
        return self._own[zone.key]

    def networks(self, zone: Zone) -> tuple[Interval, ...]:
        """Return the parts of its networks that `zone` owns, one or more per network."""
        if zone.key not in self._known:
            self._known[zone.key] = self._compute(zone)
        return self._known[zone.key]

    def _compute(self, zone: Zone) -> tuple[Interval, ...]:
        networks = [network_interval(network) for network in zone.networks]
        foreign = merge(
            part
            for group in self._groups(zone)
            for network in networks
            for part in self._listed[group].inside(network, zone.key)
        )
        parts = (
            part for network in networks for part in subtract([network], meeting(network, foreign))
        )
        return tuple(dict.fromkeys(parts))


class Listed:
    """The networks and addresses that zones list, for look-up by interval.

    Each is a network in CIDR notation, so two of them are either nested or disjoint.
    """

    def __init__(self) -> None:
        self._zones: dict[Interval, set[str]] = {}
        self._sizes: dict[int, set[int]] = {}
        self._parts: list[tuple[int, int, int, str]] = []
        self._next: list[int] = []

    def add(self, zone: str, parts: Iterable[Interval]) -> None:
        """Add the networks and addresses that a zone lists."""
        for part in parts:
            self._zones.setdefault(part, set()).add(zone)
            self._sizes.setdefault(part[0], set()).add(part[2] - part[1])
        self._parts = []

    def inside(self, network: Interval, but: str) -> Iterator[Interval]:
        """Yield the largest parts of zones other than `but` that lie in `network`.

        Parts inside a yielded part are left out.
        """
        if not self._parts:
            self._sort()
        version, first, last = network
        at = bisect_left(self._parts, (version, first, -last))
        while at < len(self._parts) and self._parts[at][:2] <= (version, last):
            _, begin, negated, zone = self._parts[at]
            if zone == but:
                at = self._next[at]
                continue
            yield version, begin, -negated
            at = bisect_left(self._parts, (version, 1 - negated), at + 1)

    def _sort(self) -> None:
        self._parts = sorted(
            (version, first, -last, zone)
            for (version, first, last), zones in self._zones.items()
            for zone in zones
        )
        self._next = [len(self._parts)] * len(self._parts)  # the next part of another zone
        for at in range(len(self._parts) - 2, -1, -1):
            same = self._parts[at][3] == self._parts[at + 1][3]
            self._next[at] = self._next[at + 1] if same else at + 1

    def holding(self, part: Interval) -> Iterator[AbstractSet[str]]:
        """Yield the zones of each listed network that contains all of `part`, also a network."""
        version, first, last = part
        for size in self._sizes.get(version, ()):
            if size >= last - first:
                begin = first & ~size  # a network of 2^n addresses has a size of n ones here
                zones = self._zones.get((version, begin, begin + size))
                if zones:
                    yield zones


def asset_intervals(zone: Zone) -> list[Interval]:
    """Return the addresses of a zone's assets."""
    return [network_interval(address) for asset in zone.assets for address in asset.addresses]


def _components(site: Site, graph: Topology) -> Mapping[str, str]:
    result: dict[str, str] = {}
    for zone in site.zones:
        if zone.key not in result and zone.key in graph.devices_of:
            for other in graph.distances(zone.key):
                result[other] = zone.key
    return result
