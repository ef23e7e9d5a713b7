"""Which firewalls stand between two zones, and with which zone on each side.

Zones and firewalls form a bipartite graph; the firewalls that enforce a conduit are those on any
shortest path between its zones.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.site import Device


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Hop:
    """A firewall on a path, with the zones (keys) through which traffic enters and leaves it."""

    device: str
    enter: str
    leave: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The bipartite graph: zones by firewall and firewalls by zone.

    Most zones are leaves, attached to one firewall, so no shortest path leads through them.
    `transit` holds, by firewall, the zones that are also attached to other firewalls.
    """

    zones_of: Mapping[str, tuple[str, ...]]
    devices_of: Mapping[str, tuple[str, ...]]
    transit: Mapping[str, tuple[str, ...]] = field(repr=False)

    def distances(self, start: str) -> Mapping[str, int]:
        """Return how many firewalls lie between `start` and every zone it can reach."""
        found = {start: 0}
        queue = deque([start])
        crossed: set[str] = set()
        while queue:
            zone = queue.popleft()
            for device in self.devices_of.get(zone, ()):
                if device in crossed:
                    continue
                crossed.add(device)
                for other in self.zones_of[device]:
                    if other not in found:
                        found[other] = found[zone] + 1
                        queue.append(other)
        return found

    def hops(self, source: str, destination: str) -> tuple[Hop, ...]:
        """Return every firewall on every shortest path; empty if there is no path."""
        near = _Search(self, source, (source, destination))
        far = _Search(self, destination, (source, destination))
        if source == destination:
            return ()
        while not (meeting := near.last & far.last):
            if not near.last or not far.last:
                return ()
            min(near, far, key=_Search.cost).step()
        found = {
            *(Hop(device=device, enter=a, leave=b) for device, a, b in near.back_from(meeting)),
            *(Hop(device=device, enter=b, leave=a) for device, a, b in far.back_from(meeting)),
        }
        return tuple(sorted(found))

    def hops_via(self, source: str, destination: str, device: str) -> tuple[Hop, ...]:
        """Return how traffic crosses `device` if `via` names it: the nearest zone on each side."""
        near = self._beside(source, device)
        far = self._beside(destination, device)
        pairs = [(near[a] + far[b], a, b) for a in near for b in far if a != b]
        best = min((cost for cost, _, _ in pairs), default=0)
        return tuple(
            sorted(Hop(device=device, enter=a, leave=b) for cost, a, b in pairs if cost == best)
        )

    def _beside(self, start: str, device: str) -> Mapping[str, int]:
        """Return the distances from `start` to the nearest zones of `device`, on paths around it.

        Returns at least two if they exist: a way in and another way out never need more.
        """
        zones = self.zones_of.get(device, ())
        wanted = {*self.transit.get(device, ()), *((start,) if start in zones else ())}
        search = _Search(self, start, (start,), without=device)
        found: dict[str, int] = {}
        while search.last and wanted:
            found |= dict.fromkeys(search.last & wanted, search.depth)
            if len(found) > 1 or len(found) == len(wanted):
                break
            search.step()
        return found

    def gap(self, source: str, destination: str) -> str:
        """Return what is missing between two zones that have no path."""
        for zone in (source, destination):
            if not self.devices_of.get(zone):
                return f"no firewall is attached to zone {zone}"
        reach = sorted(self.distances(source))
        return f"the firewalls connect {source} only to {', '.join(reach)}"


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
        transit={
            name: tuple(zone for zone in zones if len(devices_of[zone]) > 1)
            for name, zones in zones_of.items()
        },
    )


class _Search:
    """A breadth-first search from one zone, a level at a time, through zones of transit.

    `last` holds the zones of the deepest level; `ends` are zones to visit even if they are leaves.
    """

    def __init__(
        self, graph: Topology, start: str, ends: tuple[str, ...], *, without: str = ""
    ) -> None:
        self._graph = graph
        self._leaves: dict[str, list[str]] = {}
        for zone in dict.fromkeys(ends):
            devices = graph.devices_of.get(zone, ())
            if len(devices) == 1:
                self._leaves.setdefault(devices[0], []).append(zone)
        self.last: frozenset[str] = frozenset((start,))
        self.depth = 0
        self._reached = {start}
        self._entered: dict[str, list[str]] = {without: []}  # firewalls: from which zones
        self._left: dict[str, list[str]] = {}  # zones: through which firewalls

    def cost(self) -> int:
        """Return how many firewalls the next step would look at."""
        return sum(len(self._graph.devices_of.get(zone, ())) for zone in self.last)

    def step(self) -> None:
        """Go one level deeper; `last` is empty when everything has been reached."""
        entered: dict[str, list[str]] = {}
        for zone in self.last:
            for device in self._graph.devices_of.get(zone, ()):
                if device not in self._entered:
                    entered.setdefault(device, []).append(zone)
        left: dict[str, list[str]] = {}
        for device in entered:
            for zone in (*self._graph.transit[device], *self._leaves.get(device, ())):
                if zone not in self._reached:
                    left.setdefault(zone, []).append(device)
        self._entered |= entered
        self._left |= left
        self._reached.update(left)
        self.last = frozenset(left)
        self.depth += 1

    def back_from(self, zones: Iterable[str]) -> Iterator[tuple[str, str, str]]:
        """Yield firewall, nearer zone and farther zone of every crossing on the way to `zones`."""
        waiting = list(zones)
        seen = set(waiting)
        while waiting:
            farther = waiting.pop()
            for device in self._left.get(farther, ()):
                for nearer in self._entered[device]:
                    yield device, nearer, farther
                    if nearer not in seen:
                        seen.add(nearer)
                        waiting.append(nearer)


def topology(devices: Iterable[Device]) -> Topology:
    """Build the graph from the firewalls of a site."""
    return make_topology(
        (device.name, (binding.zone for binding in device.zones)) for device in devices
    )
