"""The segctl variables of all hosts, united into one `Site`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, cast

from segctl.inventory import pairs
from segctl.inventory.causes import by_cause
from segctl.inventory.check import Checker, Node, Reference
from segctl.inventory.conduits import ConduitReader
from segctl.inventory.containment import check_containment
from segctl.inventory.devices import ZoneKey, platform_hint, platform_of, read_device
from segctl.inventory.managers import SERIAL, check_groups, check_manager, managers
from segctl.inventory.schema import CONDUITS, HOST, SITE_WIDE, ZONES
from segctl.inventory.uniqueness import former_ids, shared_addresses
from segctl.inventory.values import Place
from segctl.inventory.zones import read_zone
from segctl.model.errors import nearest
from segctl.model.site import Conduit, Device, Site, Source, Zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.inventory.model import Inventory, Layer
    from segctl.inventory.shapes import Table
    from segctl.model.errors import Problem

_SHAPES: Final = {one.name: one.shape for one in HOST.fields}
_DEFAULT_SITE: Final = "site"
#: Variables that others depend on: read even where they are misspelt.
_FOLLOWED: Final = frozenset({"segctl_zone_map", ZONES, CONDUITS})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSurvey:
    """What of the system could be understood, and everything that is wrong with it.

    `clear` is the site without the conduits that are wrong or join a zone that is; `unclear` are
    the keys of those, with their places, `doubtful` the sites whose firewalls are not all
    understood, and `devices` the firewalls that are.
    """

    site: Site
    clear: Site
    problems: tuple[Problem, ...]
    unclear: Mapping[str, Source]
    doubtful: frozenset[str]
    devices: frozenset[str]


def survey_site(inventory: Inventory, known: Sequence[Problem] = ()) -> SiteSurvey:
    """Return the system the inventory declares, as far as it can be understood.

    `known` are the problems of reading it; they are among those returned.
    """
    builder = _Builder(inventory)
    site = builder.build()
    checker = builder.checker
    missed = [one for one in checker.undefined if not builder.declares(one.site, one.name)]
    problems = by_cause(
        missed,
        inventory.silent,
        frozenset(zone.site for zone in site.zones),
        tuple(dict.fromkeys((*known, *checker.problems))),
    )
    unclear = builder.unclear(site)
    clear = tuple(builder.understood(one) for one in site.conduits if one.key not in unclear)
    return SiteSurvey(
        site=site,
        clear=replace(site, conduits=clear),
        problems=problems,
        unclear=unclear,
        doubtful=builder.doubtful(),
        devices=frozenset(one.name for one in site.devices) - builder.wrong_hosts,
    )


class _Builder:
    """Gathers declarations host by host, then reads zones, firewalls and conduits."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.checker = Checker(inventory.places, inventory.vault)
        self._zones = _Declared()
        self._conduits = _Declared()
        self._firewalls: list[_Firewall] = []
        self._peers: dict[str, str] = {}
        self._checked: dict[tuple[str, int, Place], object] = {}
        self._wrong: set[object] = set()  # values, zones and conduits with problems of their own
        self._flows: dict[str, frozenset[str]] = {}  # paths of what is wrong below `flows`
        self._sites: dict[str, str] = {}
        self._lost: set[str] = set()  # sites of which a firewall or a zone map is not understood
        self.wrong_hosts: set[str] = set()

    def build(self) -> Site:
        for host, layer in self._inventory.host_layers():
            self._host(host, layer)
        self._apart_from_managers()
        self._pair()
        zones = self._read_zones()
        devices = self._read_devices(zones)
        check_groups(self.checker, devices, {one.name: one.nodes for one in self._firewalls})
        schedules = {
            device.name: frozenset(schedule.name for schedule in device.schedules)
            for device in devices
        }
        reader = ConduitReader(self.checker, zones, schedules)
        conduits = self._read_conduits(reader)
        for one, device in zip(self._firewalls, devices, strict=True):
            self._check_containment(one, device, zones.values(), conduits)
        self.checker.problems += shared_addresses(zones.values())
        self.checker.problems += former_ids(zones.values(), conduits)
        return Site(zones=tuple(zones.values()), conduits=conduits, devices=devices)

    def _check_containment(
        self,
        firewall: _Firewall,
        device: Device,
        zones: Iterable[Zone],
        conduits: Iterable[Conduit],
    ) -> None:
        before = self.checker.noted
        check_containment(
            self.checker,
            firewall.found,
            device,
            zones,
            conduits,
            node=firewall.nodes.get("segctl_containment"),
        )
        if self.checker.noted > before:
            self.wrong_hosts.add(firewall.name)

    # What is understood

    def declares(self, site: str, name: str) -> bool:
        """Whether a zone is declared, if only wrongly."""
        return (site, name) in self._zones.nodes

    def unclear(self, site: Site) -> dict[str, Source]:
        """Return the conduits that are wrong or join a zone that is: their keys and places."""
        wrong = {key for key in self._wrong if isinstance(key, str)}
        read = {one.key: {*one.from_zones, *one.to_zones} for one in site.conduits}
        declared = {
            f"{site}/{name}": nodes[0].source
            for (site, name), nodes in self._conduits.nodes.items()
        }
        return {
            key: place
            for key, place in declared.items()
            if f"conduit {key}" in wrong
            or key not in read
            or any(f"zone {zone}" in wrong for zone in read[key])
        }

    def doubtful(self) -> frozenset[str]:
        """Return the sites whose firewalls and zone maps are not all understood."""
        unread = (one for one in self._inventory.silent if one.names("segctl_zone_map"))
        lost = set(self._lost)
        for one in unread:
            hosts = [one.owner] if one.owner in self._sites else []
            if one.owner in self._inventory.groups:
                hosts = self._inventory.hosts_of(one.owner)
            lost.update(self._sites.get(host, _DEFAULT_SITE) for host in hosts)
            if not hosts:
                lost.update(self._sites.values())
        return frozenset(lost)

    # Gathering

    def _host(self, host: str, layer: Layer) -> None:
        nodes = {
            name: Node(layer.variables[name], place, name) for name, place in layer.origins.items()
        }
        site = _DEFAULT_SITE
        if "segctl_site" in nodes:
            site = cast("str", self._check("segctl_site", nodes["segctl_site"]) or site)
        self._sites[host] = site
        found: dict[str, object] = {}
        for written, node in tuple(nodes.items()):
            name = self._meant(written, node, nodes)
            if name != written:
                nodes[name] = nodes.pop(written)
            if name.startswith(ZONES):
                self._gather(self._zones, node, site, SITE_WIDE[ZONES])
            elif name.startswith(CONDUITS):
                self._gather(self._conduits, node, site, SITE_WIDE[CONDUITS])
            else:
                found[name] = self._check(name, node)
                if (name, id(node.value), node.place) in self._wrong:
                    self.wrong_hosts.add(host)
        self._firewall(host, site, layer, nodes, found)

    def _meant(self, name: str, node: Node, nodes: Mapping[str, Node]) -> str:
        """Return the variable that a name stands for: what is misspelt is read as what is meant.

        Zones that look like the zones of a firewall are such: segctl_zones_map for
        segctl_zone_map.
        """
        meant = name
        if name.startswith(ZONES) and _looks_like_a_map(node.value):
            meant = "segctl_zone_map"
        elif name not in _SHAPES and not name.startswith((ZONES, CONDUITS)):
            close = get_close_matches(name, (*_SHAPES, *SITE_WIDE), n=1, cutoff=0.6)
            meant = close[0] if close and close[0] in _FOLLOWED else name
        if meant == name or meant in nodes:
            return name
        if (name, node.place) not in self._wrong:
            self._wrong.add((name, node.place))
            message = f"unknown variable {name}"
            if name.startswith(ZONES):
                message = f"{name} declares zones, and holds the zones of a firewall"
            self.checker.report_key(node, message, f"did you mean {meant}?")
        return meant

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
            before = self.checker.noted
            shape = _SHAPES.get(name)
            if shape is None:
                known = (*_SHAPES, *SITE_WIDE)
                hint = nearest(name, known, f"one of {', '.join(known)}")
                self.checker.report_key(node, f"unknown variable {name}", hint)
                self._checked[key] = None
            else:
                self._checked[key] = self.checker.check(node, shape)
            if self.checker.noted > before:
                self._wrong.add(key)
        return self._checked[key]

    def _firewall(
        self, host: str, site: str, layer: Layer, nodes: dict[str, Node], found: dict[str, object]
    ) -> None:
        network_os = layer.variables.get("ansible_network_os")
        zone_map = nodes.get("segctl_zone_map")
        if (not isinstance(network_os, str) or not platform_of(network_os)) and zone_map:
            self._lost.add(site)
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

    def _apart_from_managers(self) -> None:
        """Take out the hosts that manage firewalls: they are none themselves."""
        known = dict.fromkeys(self._inventory.hosts, "")
        known |= {one.name: one.platform for one in self._firewalls}
        named = managers(one.nodes for one in self._firewalls)
        for one in self._firewalls:
            before = self.checker.noted
            if one.name not in named:
                check_manager(self.checker, one.name, one.nodes, known)
            elif "segctl_zone_map" in one.nodes:
                self.checker.report_key(
                    one.nodes["segctl_zone_map"],
                    f"host {one.name} is the Panorama of other hosts, and has zones",
                    "zones belong to the firewalls it manages",
                )
            if self.checker.noted > before:
                self.wrong_hosts.add(one.name)
        self._firewalls = [one for one in self._firewalls if one.name not in named]

    def _pair(self) -> None:
        """Find the pairs; a host that is the peer of a firewall is not a firewall of its own."""
        self._peers = pairs.peers(self.checker, self._firewalls, self._inventory.hosts)
        peers = frozenset(self._peers.values())
        self._serials = {
            one.name: str(one.found[SERIAL])
            for one in self._firewalls
            if one.name in peers and SERIAL in one.found
        }
        for one in self._firewalls:
            if pairs.PEER in one.found and one.name not in (*self._peers, *peers):
                self.wrong_hosts.add(one.name)
        self._firewalls = [one for one in self._firewalls if one.name not in peers]

    # Reading

    def _read_zones(self) -> dict[str, Zone]:
        zones: dict[str, Zone] = {}
        for (site, zone_id), nodes in self._zones.nodes.items():
            before = self.checker.noted
            read = (read_zone(self.checker, node, site, zone_id) for node in _distinct(nodes))
            zone = self._united("zone", list(read))
            self._mark(before, f"zone {site}/{zone_id}")
            if isinstance(zone, Zone):
                zones[zone.key] = zone
        return zones

    def _read_conduits(self, reader: ConduitReader) -> tuple[Conduit, ...]:
        conduits: list[Conduit] = []
        for (site, conduit_id), nodes in self._conduits.nodes.items():
            before = (len(self.checker.problems), len(self.checker.undefined))
            read = [reader.read(node, site, conduit_id) for node in _distinct(nodes)]
            conduit = self._united("conduit", list(read))
            flows = self._wrong_flows(nodes, before)
            if flows is None:
                self._wrong.add(f"conduit {site}/{conduit_id}")
            elif isinstance(conduit, Conduit):
                self._flows[conduit.key] = flows
            if isinstance(conduit, Conduit):
                conduits.append(conduit)
        return tuple(conduits)

    def _wrong_flows(self, nodes: Sequence[Node], before: tuple[int, int]) -> frozenset[str] | None:
        """Return the flows that all new problems are about; None where one is about more."""
        if len(self.checker.undefined) > before[1]:
            return None
        heads = tuple(f"{node.path}.flows." for node in nodes)
        found: set[str] = set()
        for problem in self.checker.problems[before[0] :]:
            head = next((one for one in heads if problem.path.startswith(one)), None)
            if head is None:
                return None
            found.add(problem.path.removeprefix(head))
        return frozenset(found)

    def understood(self, conduit: Conduit) -> Conduit:
        """Return a conduit without the flows that are wrong."""
        wrong = self._flows.get(conduit.key, ())
        if not wrong:
            return conduit
        flows = tuple(
            flow
            for flow in conduit.flows
            if not any(
                path == flow.id or path.startswith((f"{flow.id}.", f"{flow.id}[")) for path in wrong
            )
        )
        return replace(conduit, flows=flows)

    def _mark(self, before: int, key: str) -> None:
        if self.checker.noted > before:
            self._wrong.add(key)

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

        return tuple(self._read_device(firewall, zone_key) for firewall in self._firewalls)

    def _read_device(self, firewall: _Firewall, zone_key: ZoneKey) -> Device:
        before = self.checker.noted
        device = read_device(
            self.checker,
            name=firewall.name,
            platform=firewall.platform,
            site=firewall.site,
            nodes=firewall.nodes,
            found=firewall.found,
            zone_key=zone_key,
            ha_peer=self._peers.get(firewall.name, ""),
            peer_serial=self._serials.get(self._peers.get(firewall.name, ""), ""),
            declared=_declared(firewall.nodes),
        )
        if self.checker.noted > before:
            self.wrong_hosts.add(firewall.name)
        node = firewall.nodes.get("segctl_zone_map")
        mapped = node.value if node is not None else None
        zones = len(cast("dict[object, object]", mapped)) if isinstance(mapped, dict) else 0
        if len(device.zones) < zones or (node is not None and not isinstance(mapped, dict)):
            self._lost.add(firewall.site)
        return device


def _looks_like_a_map(value: object) -> bool:
    """Whether all that a variable holds is zones of a firewall: names there, and interfaces."""
    if not isinstance(value, dict):
        return False
    items = cast("dict[object, object]", value).values()
    keys = [set(cast("dict[object, object]", one)) for one in items if isinstance(one, dict)]
    return bool(keys) and all(found and found <= {"zone", "interfaces"} for found in keys)


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
