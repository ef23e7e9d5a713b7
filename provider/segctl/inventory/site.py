"""The segctl variables of all hosts, united into one `Site`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from segctl.inventory.check import Checker, Node, Reference
from segctl.inventory.conduits import ConduitReader
from segctl.inventory.devices import platform_hint, platform_of, read_device
from segctl.inventory.schema import CONDUITS, HOST, SITE_WIDE, ZONES
from segctl.inventory.uniqueness import former_ids, shared_addresses
from segctl.inventory.values import Place
from segctl.inventory.zones import read_zone
from segctl.model.errors import nearest
from segctl.model.site import Conduit, Device, Site, Source, Zone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.inventory.model import Inventory, Layer
    from segctl.inventory.shapes import Table
    from segctl.model.errors import Problem

_SHAPES: Final = {one.name: one.shape for one in HOST.fields}
_DEFAULT_SITE: Final = "site"


@dataclass(slots=True)
class _Firewall:
    """A host that is a firewall, with its segctl variables checked."""

    name: str
    platform: str
    site: str
    nodes: dict[str, Node]
    found: dict[str, object]


@dataclass(slots=True)
class _Declared:
    """All declarations of zones or conduits, by site and id, in the order met."""

    nodes: dict[tuple[str, str], list[Node]] = field(
        default_factory=dict[tuple[str, str], list[Node]]
    )
    seen: set[tuple[str, str, int]] = field(default_factory=set[tuple[str, str, int]])


def build_site(inventory: Inventory) -> tuple[Site, tuple[Problem, ...]]:
    """Return the system the inventory declares, with everything that is wrong with it."""
    builder = _Builder(inventory)
    site = builder.build()
    return site, tuple(dict.fromkeys(builder.checker.problems))


class _Builder:
    """Gathers declarations host by host, then reads zones, firewalls and conduits."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.checker = Checker(inventory.places, inventory.vault)
        self._zones = _Declared()
        self._conduits = _Declared()
        self._firewalls: list[_Firewall] = []
        self._checked: dict[tuple[str, int, Place], object] = {}

    def build(self) -> Site:
        for host, layer in self._inventory.host_layers():
            self._host(host, layer)
        zones = self._read_zones()
        devices = self._read_devices(zones)
        schedules = {
            device.name: frozenset(schedule.name for schedule in device.schedules)
            for device in devices
        }
        reader = ConduitReader(self.checker, zones, schedules)
        conduits = self._read_conduits(reader)
        self.checker.problems += shared_addresses(zones.values())
        self.checker.problems += former_ids(zones.values(), conduits)
        return Site(zones=tuple(zones.values()), conduits=conduits, devices=devices)

    # Gathering

    def _host(self, host: str, layer: Layer) -> None:
        nodes = {
            name: Node(layer.variables[name], place, name) for name, place in layer.origins.items()
        }
        site = _DEFAULT_SITE
        if "segctl_site" in nodes:
            site = cast("str", self._check("segctl_site", nodes["segctl_site"]) or site)
        found: dict[str, object] = {}
        for name, node in nodes.items():
            if name.startswith(ZONES):
                self._gather(self._zones, node, site, SITE_WIDE[ZONES])
            elif name.startswith(CONDUITS):
                self._gather(self._conduits, node, site, SITE_WIDE[CONDUITS])
            else:
                found[name] = self._check(name, node)
        self._firewall(host, site, layer, nodes, found)

    def _gather(self, declared: _Declared, node: Node, site: str, shape: object) -> None:
        mark = (site, node.path, id(node.value))
        if mark in declared.seen:
            return
        declared.seen.add(mark)
        for key, item in self.checker.entries(node, cast("Table", shape)):
            declared.nodes.setdefault((site, key), []).append(item)

    def _check(self, name: str, node: Node) -> object:
        key = (name, id(node.value), node.place)
        if key not in self._checked:
            shape = _SHAPES.get(name)
            if shape is None:
                known = (*_SHAPES, *SITE_WIDE)
                hint = nearest(name, known, f"one of {', '.join(known)}")
                self.checker.report_key(node, f"unknown variable {name}", hint)
                self._checked[key] = None
            else:
                self._checked[key] = self.checker.check(node, shape)
        return self._checked[key]

    def _firewall(
        self, host: str, site: str, layer: Layer, nodes: dict[str, Node], found: dict[str, object]
    ) -> None:
        network_os = layer.variables.get("ansible_network_os")
        zone_map = nodes.get("segctl_zone_map")
        if network_os is None:
            if zone_map is not None:
                self.checker.report_key(
                    zone_map,
                    f"host {host} has zones but no ansible_network_os",
                    "set ansible_network_os, for example paloaltonetworks.panos.panos",
                )
            return
        platform = platform_of(network_os) if isinstance(network_os, str) else None
        if platform is not None:
            self._firewalls.append(_Firewall(host, platform, site, nodes, found))
        elif zone_map is not None:
            self.checker.report_key(
                zone_map,
                f"host {host}: ansible_network_os {network_os!r} has no provider",
                platform_hint(str(network_os)),
            )

    # Reading

    def _read_zones(self) -> dict[str, Zone]:
        zones: dict[str, Zone] = {}
        for (site, zone_id), nodes in self._zones.nodes.items():
            read = (read_zone(self.checker, node, site, zone_id) for node in _distinct(nodes))
            zone = self._united("zone", list(read))
            if isinstance(zone, Zone):
                zones[zone.key] = zone
        return zones

    def _read_conduits(self, reader: ConduitReader) -> tuple[Conduit, ...]:
        conduits: list[Conduit] = []
        for (site, conduit_id), nodes in self._conduits.nodes.items():
            read = [reader.read(node, site, conduit_id) for node in _distinct(nodes)]
            conduit = self._united("conduit", list(read))
            if isinstance(conduit, Conduit):
                conduits.append(conduit)
        return tuple(conduits)

    def _united(self, what: str, read: list[Zone | None] | list[Conduit | None]) -> object:
        """Return the one declaration of a zone or conduit; others must be equal to it."""
        known = [one for one in read if one is not None]
        first = known[0] if known else None
        for other in known[1:]:
            if first is not None and other != first:
                place = _place(other.declared)
                self.checker.report_key(
                    Node(None, place, other.key),
                    f"{what} {other.id} of site {other.site} is declared twice with "
                    f"different content: here and at {first.declared}",
                    "keep one of the two, or give one another id or segctl_site",
                )
        return first

    def _read_devices(self, zones: dict[str, Zone]) -> tuple[Device, ...]:
        reader = ConduitReader(self.checker, zones, {})
        cache: dict[tuple[str, Place], str | None] = {}

        def zone_key(reference: Reference, site: str) -> str | None:
            key = (f"{site}/{reference.text}", reference.node.place)
            if key not in cache:
                cache[key] = reader.zone_key(reference, site)
            return cache[key]

        return tuple(
            read_device(
                self.checker,
                name=firewall.name,
                platform=firewall.platform,
                site=firewall.site,
                nodes=firewall.nodes,
                found=firewall.found,
                zone_key=zone_key,
                declared=_declared(firewall.nodes),
            )
            for firewall in self._firewalls
        )


def _distinct(nodes: list[Node]) -> Iterator[Node]:
    """Yield the nodes whose values are not the same object (an alias, a merge)."""
    seen: set[int] = set()
    for node in nodes:
        if id(node.value) not in seen:
            seen.add(id(node.value))
            yield node


def _declared(nodes: dict[str, Node]) -> Source:
    for name in ("segctl_zone_map", *nodes):
        if name in nodes:
            return nodes[name].source
    return Source()


def _place(source: Source) -> Place:
    return Place(source.file, source.line, source.column)
