"""Which firewalls stand between two zones, and with which zone on each side.

Zones and firewalls form a bipartite graph; the firewalls that enforce a conduit are those on any
shortest path between its zones.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.intent import Device


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Hop:
    """A firewall on a path, with the zones (keys) through which traffic enters and leaves it."""

    device: str
    enter: str
    leave: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The bipartite graph: zones by firewall and firewalls by zone."""

    zones_of: Mapping[str, tuple[str, ...]]
    devices_of: Mapping[str, tuple[str, ...]]

    def distances(self, start: str) -> Mapping[str, int]:
        """Return how many firewalls lie between `start` and every zone it can reach."""
        found = {start: 0}
        queue = deque([start])
        while queue:
            zone = queue.popleft()
            for device in self.devices_of.get(zone, ()):
                for other in self.zones_of[device]:
                    if other not in found:
                        found[other] = found[zone] + 1
                        queue.append(other)
        return found

    def hops(self, source: str, destination: str) -> tuple[Hop, ...]:
        """Return every firewall on every shortest path, empty when there is no path."""
        near = self.distances(source)
        far = self.distances(destination)
        if destination not in near:
            return ()
        length = near[destination]
        return tuple(
            Hop(device=device, enter=enter, leave=leave)
            for device, zones in sorted(self.zones_of.items())
            for enter in zones
            for leave in zones
            if enter != leave
            and enter in near
            and leave in far
            and near[enter] + 1 + far[leave] == length
        )

    def hops_via(self, source: str, destination: str, device: str) -> tuple[Hop, ...]:
        """Return how traffic crosses `device` when it is made to: nearest zone on each side."""
        near = self.without(device).distances(source)
        far = self.without(device).distances(destination)
        zones = self.zones_of.get(device, ())
        enters = [zone for zone in zones if zone in near]
        leaves = [zone for zone in zones if zone in far]
        pairs = [(near[a] + far[b], a, b) for a in enters for b in leaves if a != b]
        best = min((cost for cost, _, _ in pairs), default=0)
        return tuple(Hop(device=device, enter=a, leave=b) for cost, a, b in pairs if cost == best)

    def without(self, device: str) -> Topology:
        """Return the graph with one firewall taken out."""
        return make_topology(
            (name, zones) for name, zones in self.zones_of.items() if name != device
        )

    def gap(self, source: str, destination: str) -> str:
        """Say what is missing between two zones that no path joins."""
        for zone in (source, destination):
            if not self.devices_of.get(zone):
                return f"no firewall is attached to zone {zone}"
        reach = sorted(self.distances(source))
        return f"from {source} the firewalls reach only {', '.join(reach)}"


def make_topology(attached: Iterable[tuple[str, Iterable[str]]]) -> Topology:
    """Build the graph from pairs of firewall name and zone keys."""
    zones_of = {name: tuple(dict.fromkeys(zones)) for name, zones in attached}
    devices_of: dict[str, list[str]] = {}
    for name, zones in zones_of.items():
        for zone in zones:
            devices_of.setdefault(zone, []).append(name)
    return Topology(
        zones_of=zones_of,
        devices_of={zone: tuple(sorted(names)) for zone, names in devices_of.items()},
    )


def topology(devices: Iterable[Device]) -> Topology:
    """Build the graph from the firewalls of a site."""
    return make_topology(
        (device.name, (binding.zone for binding in device.zones)) for device in devices
    )
