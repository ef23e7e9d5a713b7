"""The address and service objects that the rules of one firewall refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.compiler.former import (
    former_asset_names,
    former_network_names,
    former_zone_labels,
)
from segctl.compiler.ownership import asset_intervals
from segctl.compiler.problems import problem
from segctl.model.addresses import Interval, interval_text, meeting, network_interval, subtract
from segctl.model.policy import Address, AddressGroup, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.compiler.ownership import Ownership
    from segctl.model.errors import Problem
    from segctl.model.site import Asset, Endpoint, PortRange, Zone


class Assets:
    """The assets of zones by name, sorted once for all firewalls of a site."""

    def __init__(self) -> None:
        self._held: dict[str, Mapping[str, Asset]] = {}

    def of(self, zone: Zone) -> Mapping[str, Asset]:
        """Return the assets of a zone by name; if a name occurs twice, the first counts."""
        if zone.key not in self._held:
            self._held[zone.key] = {asset.name: asset for asset in reversed(zone.assets)}
        return self._held[zone.key]


class Objects:
    """Collects the objects that the rules of one firewall use."""

    def __init__(self, assets: Assets, owned: Ownership, problems: list[Problem]) -> None:
        self._assets = assets
        self._owned = owned
        self._problems = problems
        self._addresses: dict[str, tuple[Interval, str]] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._former: dict[str, tuple[str, ...]] = {}  # names of objects
        self._services: dict[str, PortRange] = {}
        self._versions: dict[str, frozenset[int]] = {}  # of groups

    def zone(self, zone: Zone) -> str:
        """Return the group that stands for the whole zone; empty when it owns no address."""
        name = naming.zone_label(zone)
        if name not in self._groups:
            members = self._zone_members(zone)
            if not members:
                return ""
            self._groups[name] = tuple(sorted(set(members)))
            self._former[name] = former_zone_labels(zone)
        return name

    def _zone_members(self, zone: Zone) -> list[str]:
        parts = self._owned.networks(zone)
        rest = subtract(asset_intervals(zone), parts)
        assets = [
            asset
            for asset in zone.assets
            if any(meeting(network_interval(address), rest) for address in asset.addresses)
        ]
        return [self._network(zone, part) for part in parts] + [
            name for asset in assets for name in self._asset(zone, asset)
        ]

    def endpoint(self, zone: Zone, endpoint: Endpoint) -> Iterable[str]:
        """Return the objects for one asset or one network of `zone`."""
        if endpoint.network is not None:
            wanted = network_interval(endpoint.network)
            foreign = subtract([wanted], self._owned.of(zone))
            return [self._network(zone, part) for part in subtract([wanted], foreign)]
        return self._asset(zone, self._assets.of(zone)[endpoint.asset])

    def _asset(self, zone: Zone, asset: Asset) -> list[str]:
        names: list[str] = []
        for address in asset.addresses:
            several = len(asset.addresses) > 1
            text = interval_text(network_interval(address)) if several else ""
            name = naming.asset_object(naming.zone_label(zone), asset.name, text)
            self._former[name] = former_asset_names(zone, asset, text)
            self._keep(name, network_interval(address), asset.role, zone)
            names.append(name)
        return names

    def _network(self, zone: Zone, part: Interval) -> str:
        name = naming.network_object(naming.zone_label(zone), interval_text(part))
        self._former[name] = former_network_names(zone, interval_text(part))
        self._keep(name, part, "", zone)
        return name

    def _keep(self, name: str, part: Interval, role: str, zone: Zone) -> None:
        if self._addresses.setdefault(name, (part, role)) != (part, role):
            self._problems.append(
                problem(
                    zone.declared,
                    f"two address objects would have the name {name!r}",
                    "their ids, joined by dots, are the same: rename a zone or an asset",
                )
            )

    def service(self, port: PortRange) -> str:
        """Return the service object for a port range."""
        name = naming.service_name(*str(port).split("/"))
        self._services[name] = port
        return name

    def versions(self, names: Iterable[str]) -> frozenset[int]:
        """Return the IP versions of the addresses in the named objects."""
        return frozenset[int]().union(*map(self._versions_of, names))

    def _versions_of(self, name: str) -> frozenset[int]:
        members = self._groups.get(name)
        if members is None:
            return frozenset((self._addresses[name][0][0],))
        if name not in self._versions:
            self._versions[name] = frozenset(self._addresses[one][0][0] for one in members)
        return self._versions[name]

    def addresses(self) -> tuple[Address, ...]:
        """Return the address objects, by name."""
        return tuple(
            Address(
                name=name,
                value=interval_text(part),
                type="range" if "-" in interval_text(part) else "network",
                description=role,
                renamed_from=self._former.get(name, ()),
            )
            for name, (part, role) in sorted(self._addresses.items())
        )

    def groups(self) -> tuple[AddressGroup, ...]:
        """Return the address groups, by name."""
        return tuple(
            AddressGroup(name=name, members=members, renamed_from=self._former.get(name, ()))
            for name, members in sorted(self._groups.items())
        )

    def services(self) -> tuple[Service, ...]:
        """Return the service objects, by name."""
        return tuple(
            Service(
                name=name,
                protocol=port.protocol,
                ports=str(port).partition("/")[2] or "0",
            )
            for name, port in sorted(self._services.items())
        )
