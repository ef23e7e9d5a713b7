"""Which firewalls a packet crosses on its way from one zone to another, one path at a time.

Written apart from `segctl.compiler`, which makes rules of such paths: a proof that walked the same
code would repeat its faults.
"""

from __future__ import annotations

from collections import deque
from itertools import islice, product
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from segctl.analysis.space import TooComplexError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.site import Device

#: So many paths between two zones are followed.
MAX_PATHS = 64


class Crossing(NamedTuple):
    """A firewall with the zones (keys) on its two sides."""

    device: str
    enter: str
    leave: str


#: The firewalls in series, in the order in which a packet meets them.
Path: TypeAlias = tuple[Crossing, ...]


class Crossings:
    """The zones and firewalls of a site, and the shortest ways between zones."""

    def __init__(self, devices: Iterable[Device]) -> None:
        """Take down which firewall is attached to which zones."""
        self._zones: dict[str, tuple[str, ...]] = {}
        self._devices: dict[str, list[str]] = {}
        for device in devices:
            self._zones[device.name] = tuple(sorted({one.zone for one in device.zones}))
        for name, zones in self._zones.items():
            for zone in zones:
                self._devices.setdefault(zone, []).append(name)
        self._known: dict[tuple[str, str], Mapping[str, int]] = {}
        self._crossed: dict[tuple[str, str, tuple[str, ...]], frozenset[Crossing]] = {}

    def joined(self, zone: str) -> frozenset[str]:
        """Return the zones that firewalls join with one, itself among them."""
        return frozenset(self._distances(zone, ""))

    def paths(self, source: str, destination: str, via: tuple[str, ...] = ()) -> tuple[Path, ...]:
        """Return every way from one zone to another; none where there is no way.

        With `via`, only those firewalls count, in their order.

        Raises:
            TooComplexError: there are more than `MAX_PATHS`.
        """
        ways = self._through(source, destination, via) if via else self._all(source, destination)
        found = tuple(dict.fromkeys(islice(ways, MAX_PATHS + 1)))
        if len(found) > MAX_PATHS:
            message = f"more than {MAX_PATHS} ways lead from {source} to {destination}"
            raise TooComplexError(message)
        return found

    def crossed(
        self, source: str, destination: str, via: tuple[str, ...] = ()
    ) -> frozenset[Crossing]:
        """Return the firewalls on any way, each with the zones on its sides."""
        key = source, destination, via
        if key not in self._crossed:
            self._crossed[key] = self._find_crossed(*key)
        return self._crossed[key]

    def _find_crossed(
        self, source: str, destination: str, via: tuple[str, ...]
    ) -> frozenset[Crossing]:
        if via:
            return frozenset(one for name in via for one in self._beside(name, source, destination))
        found: set[Crossing] = set()
        seen: set[str] = set()
        waiting = [source] if source != destination else []
        while waiting:
            zone = waiting.pop()
            for one in self._onward(zone, destination):
                found.add(one)
                if one.leave not in seen:
                    seen.add(one.leave)
                    waiting.append(one.leave)
        return frozenset(found)

    def _all(self, zone: str, destination: str) -> Iterator[Path]:
        for one in self._onward(zone, destination):
            if one.leave == destination:
                yield (one,)
            else:
                yield from ((one, *rest) for rest in self._all(one.leave, destination))

    def _through(self, source: str, destination: str, via: tuple[str, ...]) -> Iterator[Path]:
        sides = [sorted(self._beside(name, source, destination)) for name in via]
        return product(*sides)

    def _onward(self, zone: str, destination: str) -> Iterator[Crossing]:
        """Yield the firewalls through which a packet comes one step nearer."""
        away = self._distances(destination, "")
        left = away.get(zone)
        if left is None:
            return
        for device in self._devices.get(zone, ()):
            for other in self._zones[device]:
                if away.get(other) == left - 1:
                    yield Crossing(device, zone, other)

    def _beside(self, device: str, source: str, destination: str) -> frozenset[Crossing]:
        """Return the nearest ways through a firewall that a conduit names."""
        near, far = self._distances(source, device), self._distances(destination, device)
        zones = self._zones.get(device, ())
        ways = [
            (near[a] + far[b], Crossing(device, a, b))
            for a in zones
            for b in zones
            if a != b and a in near and b in far
        ]
        least = min((length for length, _ in ways), default=0)
        return frozenset(one for length, one in ways if length == least)

    def _distances(self, start: str, without: str) -> Mapping[str, int]:
        """Return how many firewalls lie between a zone and others, one firewall apart."""
        known = self._known.get((start, without))
        if known is not None:
            return known
        found = {start: 0}
        waiting = deque([start])
        crossed = {without}
        while waiting:
            zone = waiting.popleft()
            for device in self._devices.get(zone, ()):
                if device in crossed:
                    continue
                crossed.add(device)
                for other in self._zones[device]:
                    if other not in found:
                        found[other] = found[zone] + 1
                        waiting.append(other)
        self._known[start, without] = found
        return found
