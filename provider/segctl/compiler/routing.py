"""Which firewalls enforce each flow: conduits follow the paths between their zones.

The part of a flow that crosses a firewall is a leg; a firewall's rules are made from its legs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.compiler.former import former_rule_names
from segctl.compiler.problems import problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.compiler.topology import Hop, Topology
    from segctl.model.errors import Problem
    from segctl.model.site import Conduit, Endpoint, Flow, Site, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One flow of one conduit from one zone to another, at one firewall.

    `sources` and `destinations` are the flow's endpoints in these zones; without any, if the flow
    names none, it means the whole zone. `former` are names that its rule may have had.
    """

    conduit: Conduit
    flow: Flow
    source: Zone
    sources: tuple[Endpoint, ...]
    destination: Zone
    destinations: tuple[Endpoint, ...]
    hop: Hop
    name: str
    former: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """A flow with its endpoints by zone; None means whole zones."""

    flow: Flow
    sources: Mapping[str, tuple[Endpoint, ...]] | None
    destinations: Mapping[str, tuple[Endpoint, ...]] | None

    @classmethod
    def of(cls, flow: Flow) -> _Ends:
        """Return a flow with its endpoints sorted by zone."""
        return cls(
            flow=flow, sources=_by_zone(flow.sources), destinations=_by_zone(flow.destinations)
        )

    def in_source(self, zone: Zone) -> tuple[Endpoint, ...] | None:
        """Return the sources in a zone: () means the whole zone, None that there are none."""
        return () if self.sources is None else self.sources.get(zone.key)

    def in_destination(self, zone: Zone) -> tuple[Endpoint, ...] | None:
        """Return the destinations in a zone: () means the whole zone, None that there are none."""
        return () if self.destinations is None else self.destinations.get(zone.key)


def _by_zone(endpoints: Iterable[Endpoint]) -> Mapping[str, tuple[Endpoint, ...]] | None:
    found: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        found.setdefault(endpoint.zone, []).append(endpoint)
    return {zone: tuple(ends) for zone, ends in found.items()} or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The legs that every firewall enforces, by host name, in the order of conduits and flows.

    `expired` are the conduits that it would enforce if their time had not passed. `gaps` are the
    conduits without a path, each with its problem.
    """

    legs: Mapping[str, Sequence[Leg]]
    expired: Mapping[str, Sequence[Conduit]]
    gaps: tuple[tuple[Conduit, Problem], ...]


def routes(site: Site, topology: Topology, today: date) -> Routes:
    """Return the legs of all conduits of `site`, and those without a path."""
    router = _Router(site, topology)
    legs: dict[str, list[Leg]] = {device.name: [] for device in site.devices}
    expired: dict[str, list[Conduit]] = {}
    for conduit in sorted(site.conduits, key=lambda conduit: conduit.key):
        if conduit.mode == "absent":
            continue
        found = router.legs(conduit)
        if conduit.expired(today):
            for device in dict.fromkeys(leg.hop.device for leg in found):
                expired.setdefault(device, []).append(conduit)
            continue
        for leg in found:
            legs[leg.hop.device].append(leg)
    return Routes(legs=legs, expired=expired, gaps=tuple(dict.fromkeys(router.gaps)))


class _Router:
    """Follows conduits through the topology; looks up each pair of zones once."""

    def __init__(self, site: Site, topology: Topology) -> None:
        self._zones = {zone.key: zone for zone in site.zones}
        self._topology = topology
        self.gaps: list[tuple[Conduit, Problem]] = []
        self._hops: dict[tuple[str, str, tuple[str, ...]], tuple[Hop, ...]] = {}

    def legs(self, conduit: Conduit) -> list[Leg]:
        """Return the legs of one conduit, in the order of its pairs of zones and its flows."""
        flows = [_Ends.of(flow) for flow in sorted(conduit.flows, key=lambda flow: flow.id)]
        pairs = list(product(sorted(conduit.from_zones), sorted(conduit.to_zones)))
        return [
            leg
            for a, b in pairs
            for leg in self._between(
                conduit, flows, self._zones[a], self._zones[b], many=len(pairs) > 1
            )
        ]

    def _between(
        self,
        conduit: Conduit,
        flows: Sequence[_Ends],
        source: Zone,
        destination: Zone,
        *,
        many: bool,
    ) -> Iterator[Leg]:
        touching = [
            (ends.flow, sources, destinations)
            for ends in flows
            if (sources := ends.in_source(source)) is not None
            and (destinations := ends.in_destination(destination)) is not None
        ]
        if not touching:
            return
        hops = self._path(conduit, source, destination)
        crossings = [hop.device for hop in hops]
        for flow, sources, destinations in touching:
            for hop in hops:
                crosses = crossings.count(hop.device) > 1
                crossing = (self._zones[hop.enter], self._zones[hop.leave]) if crosses else None
                pair = (source, destination) if many else None
                name = naming.RuleName(
                    conduit=naming.label(conduit),
                    flow=flow.id,
                    zones=_ids(pair),
                    crossing=_ids(crossing),
                )
                yield Leg(
                    conduit=conduit,
                    flow=flow,
                    source=source,
                    sources=sources,
                    destination=destination,
                    destinations=destinations,
                    hop=hop,
                    name=str(name),
                    former=former_rule_names(conduit, flow, pair, crossing),
                )

    def _path(self, conduit: Conduit, source: Zone, destination: Zone) -> tuple[Hop, ...]:
        """Return the firewalls that enforce `conduit` between two zones; report it if none do."""
        key = (source.key, destination.key, conduit.via)
        if key not in self._hops:
            self._hops[key] = self._find_hops(*key)
        found = self._hops[key]
        missing = [name for name in conduit.via if name not in {hop.device for hop in found}]
        if not found or missing:
            why = (
                f"via names {missing[0]}, which does not stand between them"
                if missing
                else self._topology.gap(source.key, destination.key)
            )
            gap = problem(
                conduit.declared,
                f"conduit {conduit.key}: no path from zone {source.key} to {destination.key}",
                f"{why}; add a zone to segctl_zone_map of a firewall between them",
                path=f"segctl_conduits.{conduit.id}",
            )
            self.gaps.append((conduit, gap))
        return found

    def _find_hops(self, source: str, destination: str, via: tuple[str, ...]) -> tuple[Hop, ...]:
        if not via:
            return self._topology.hops(source, destination)
        return tuple(
            hop for name in via for hop in self._topology.hops_via(source, destination, name)
        )


def _ids(zones: tuple[Zone, Zone] | None) -> tuple[str, str] | None:
    return (zones[0].id, zones[1].id) if zones else None
