"""From zones and conduits to the policy of every firewall on the path.

Pure: the same site on the same day gives the same policies, in the same order.
Nothing here knows a platform; a provider fits the result to its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.compiler.former import (
    former_asset_names,
    former_rule_names,
    former_zone_labels,
    in_site,
    rule_name,
)
from segctl.compiler.ownership import Ownership, asset_intervals
from segctl.compiler.topology import Hop, Topology, topology
from segctl.model.addresses import Interval, interval_text, meeting, network_interval, subtract
from segctl.model.errors import InventoryError, Problem
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    DefaultRule,
    FirewallZone,
    Policy,
    Rule,
    Schedule,
    Service,
)
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.model.site import (
        Asset,
        Conduit,
        Device,
        Endpoint,
        Flow,
        PortRange,
        Site,
        Source,
        Zone,
        ZoneBinding,
    )
    from segctl.model.site import Schedule as DeclaredSchedule

CLOSING_RULE = "segctl.deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What one firewall should hold.

    ``closing`` denies and logs between all our zones on the device; it belongs at the end of our
    block wherever rules of others follow it.
    """

    device: Device
    policy: Policy
    closing: Rule | None = None
    bindings: tuple[FirewallZone, ...] = ()
    findings: tuple[Problem, ...] = ()


def compile_site(site: Site, today: date) -> Mapping[str, Desired]:
    """Return the desired policy of every firewall of `site`, by host name, as of `today`.

    Raises:
        InventoryError: a conduit cannot be compiled: no path, no common IP version, a zone whose
            addresses cannot be told from another's, or a missing threat profile.
    """
    result, gaps, problems = compile_known(site, today)
    if gaps or problems:
        raise InventoryError((*(gap for _, gap in gaps), *problems))
    return result


def compile_known(
    site: Site, today: date
) -> tuple[Mapping[str, Desired], tuple[tuple[Conduit, Problem], ...], tuple[Problem, ...]]:
    """Return what of `site` compiles, by host name, and what does not.

    The conduits without a path come first, each with its problem, then all other problems.
    """
    with uncollected():
        compiler = _Compiler(site, today)
        result = {device.name: compiler.device(device) for device in site.devices}
    return result, tuple(dict.fromkeys(compiler.gaps)), tuple(dict.fromkeys(compiler.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    """One flow of one conduit from one zone to another, at one firewall.

    `sources` and `destinations` are the flow's endpoints in these zones; without any, if the flow
    names none, it means the whole zone.
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
    """A flow with its endpoints by zone, None where it means whole zones."""

    flow: Flow
    sources: Mapping[str, tuple[Endpoint, ...]] | None
    destinations: Mapping[str, tuple[Endpoint, ...]] | None

    @classmethod
    def of(cls, flow: Flow) -> _Ends:
        """Return a flow with its endpoints told apart."""
        return cls(
            flow=flow, sources=_by_zone(flow.sources), destinations=_by_zone(flow.destinations)
        )

    def in_source(self, zone: Zone) -> tuple[Endpoint, ...] | None:
        """Return the sources in a zone, () for the whole of it, None where there are none."""
        return () if self.sources is None else self.sources.get(zone.key)

    def in_destination(self, zone: Zone) -> tuple[Endpoint, ...] | None:
        """Return the destinations in a zone, () for the whole of it, None where there are none."""
        return () if self.destinations is None else self.destinations.get(zone.key)


def _by_zone(endpoints: Iterable[Endpoint]) -> Mapping[str, tuple[Endpoint, ...]] | None:
    found: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        found.setdefault(endpoint.zone, []).append(endpoint)
    return {zone: tuple(ends) for zone, ends in found.items()} or None


class _Compiler:
    """Holds the lookups of one run; every method but `problems` is a function of the site."""

    def __init__(self, site: Site, today: date) -> None:
        self.site = site
        self.today = today
        self.zones = {zone.key: zone for zone in site.zones}
        self.topology: Topology = topology(site.devices)
        self.problems: list[Problem] = []
        self.gaps: list[tuple[Conduit, Problem]] = []
        self.owned = Ownership(site, self.topology)
        self.legs: dict[str, list[_Leg]] = {device.name: [] for device in site.devices}
        self.expired: dict[str, list[Conduit]] = {}
        self._hops: dict[tuple[str, str, tuple[str, ...]], tuple[Hop, ...]] = {}
        self._assets: dict[str, dict[str, Asset]] = {}
        for conduit in sorted(site.conduits, key=lambda conduit: conduit.key):
            self._route(conduit)

    # --- routing -----------------------------------------------------------------------------

    def _route(self, conduit: Conduit) -> None:
        if conduit.mode == "absent":
            return
        flows = [_Ends.of(flow) for flow in sorted(conduit.flows, key=lambda flow: flow.id)]
        pairs = [(a, b) for a in conduit.from_zones for b in conduit.to_zones]
        legs = [
            leg
            for a, b in pairs
            for leg in self._legs(conduit, flows, self.zones[a], self.zones[b], many=len(pairs) > 1)
        ]
        if conduit.expired(self.today):
            for device in dict.fromkeys(leg.hop.device for leg in legs):
                self.expired.setdefault(device, []).append(conduit)
            return
        for leg in legs:
            self.legs[leg.hop.device].append(leg)

    def _legs(
        self,
        conduit: Conduit,
        flows: Sequence[_Ends],
        source: Zone,
        destination: Zone,
        *,
        many: bool,
    ) -> Iterator[_Leg]:
        touching = [
            (ends.flow, sources, destinations)
            for ends in flows
            if (sources := ends.in_source(source)) is not None
            and (destinations := ends.in_destination(destination)) is not None
        ]
        if not touching:
            return
        hops = self.hops(conduit, source, destination)
        crossings = [hop.device for hop in hops]
        for flow, sources, destinations in touching:
            for hop in hops:
                pair = (source, destination) if many else ()
                crosses = crossings.count(hop.device) > 1
                crossing = (self.zones[hop.enter], self.zones[hop.leave]) if crosses else ()
                yield _Leg(
                    conduit=conduit,
                    flow=flow,
                    source=source,
                    sources=sources,
                    destination=destination,
                    destinations=destinations,
                    hop=hop,
                    name=rule_name(label(conduit), flow.id, _ids(pair), _ids(crossing)),
                    former=former_rule_names(conduit, flow, pair, crossing),
                )

    def hops(self, conduit: Conduit, source: Zone, destination: Zone) -> tuple[Hop, ...]:
        """Return the firewalls that enforce `conduit` between two zones; none is a problem."""
        key = (source.key, destination.key, conduit.via)
        if key not in self._hops:
            self._hops[key] = self._find_hops(*key)
        found = self._hops[key]
        missing = [name for name in conduit.via if name not in {hop.device for hop in found}]
        if not found or missing:
            why = (
                f"via names {missing[0]}, which does not stand between them"
                if missing
                else self.topology.gap(source.key, destination.key)
            )
            gap = _problem(
                conduit.declared,
                f"conduit {conduit.key}: no path from zone {source.key} to {destination.key}",
                f"{why}; add a zone to segctl_zone_map of a firewall between them",
                f"segctl_conduits.{conduit.id}",
            )
            self.gaps.append((conduit, gap))
        return found

    def _find_hops(self, source: str, destination: str, via: tuple[str, ...]) -> tuple[Hop, ...]:
        if not via:
            return self.topology.hops(source, destination)
        return tuple(
            hop for name in via for hop in self.topology.hops_via(source, destination, name)
        )

    def assets(self, zone: Zone) -> Mapping[str, Asset]:
        """Return the assets of a zone by name."""
        if zone.key not in self._assets:
            self._assets[zone.key] = {asset.name: asset for asset in reversed(zone.assets)}
        return self._assets[zone.key]

    def problem(self, where: Source, message: str, hint: str, path: str = "") -> None:
        """Note something that keeps the site from being compiled."""
        self.problems.append(_problem(where, message, hint, path))

    # --- one firewall ------------------------------------------------------------------------

    def device(self, device: Device) -> Desired:
        """Return everything one firewall should hold."""
        bindings = {binding.zone: binding for binding in device.zones}
        legs = self.legs[device.name]
        objects = _Objects(self)
        rules = [
            rule for leg in legs if (rule := self._rule(device, bindings, leg, objects)) is not None
        ]
        rules += self._intrazone(device)
        self._refuse_twice(device, [rule.name for rule in rules])
        schedules = {leg.flow.schedule for leg in legs} & {s.name for s in device.schedules}
        return Desired(
            device=device,
            policy=Policy(
                zones=_device_zones(device) if device.manage_zones else (),
                addresses=objects.addresses(),
                address_groups=objects.groups(),
                services=objects.services(),
                schedules=tuple(
                    _schedule(item) for item in device.schedules if item.name in schedules
                ),
                defaults=_defaults(device),
                rules=tuple(rules),
            ),
            closing=_closing(device),
            bindings=self._bindings(device),
            findings=(*self._expired(device), *self._shared(device), *self._unprofiled(device)),
        )

    def _bindings(self, device: Device) -> tuple[FirewallZone, ...]:
        """Return the device's zones, with the ids by which those of renamed zones went."""
        former: dict[str, tuple[str, ...]] = {}
        for binding in device.zones:
            zone = self.zones[binding.zone]
            if zone.renamed_from and binding.name == zone.id:
                former[binding.name] = zone.renamed_from
        return tuple(
            replace(zone, renamed_from=former.get(zone.name, ())) for zone in _device_zones(device)
        )

    def _refuse_twice(self, device: Device, names: list[str]) -> None:
        for name in sorted(name for name, count in Counter(names).items() if count > 1):
            self.problem(
                device.declared,
                f"two rules on {device.name} would be called {name!r}",
                "ids joined by dots come out the same: rename a conduit, flow or zone",
            )

    def _expired(self, device: Device) -> Iterator[Problem]:
        for conduit in self.expired.get(device.name, ()):
            yield _warning(
                f"conduit {label(conduit)} expired on {conduit.expires}: "
                "its rules are not part of the policy any more",
                "extend `expires` with a new ticket, or delete the conduit",
                conduit.declared,
                f"segctl_conduits.{conduit.id}",
            )

    def _shared(self, device: Device) -> Iterator[Problem]:
        """Warn where the firewall cannot tell two zones apart."""
        bound: dict[str, list[ZoneBinding]] = {}
        for binding in device.zones:
            bound.setdefault(binding.name, []).append(binding)
        for zone in _device_zones(device):
            ours = [
                self.zones[b.zone] for b in bound[zone.name] if b.interfaces or not zone.interfaces
            ]
            if len(ours) > 1 and not any(one.intrazone == "deny" for one in ours):
                yield _warning(
                    f"zones {', '.join(zone_label(one) for one in ours)} are one zone, "
                    f"{zone.name}, on this firewall: it passes everything between them",
                    "give them zones of their own on the device, or one of them intrazone: deny",
                    device.declared,
                )

    def _unprofiled(self, device: Device) -> Iterator[Problem]:
        """Warn where a monitored conduit passes without anybody being alerted."""
        if "alert" in dict(device.threat_profiles):
            return
        monitored = {leg.conduit.key: leg.conduit for leg in self.legs[device.name]}
        for conduit in monitored.values():
            if conduit.mode == "monitor":
                yield _warning(
                    f"conduit {label(conduit)} is monitored without a threat profile here",
                    "map alert to a profile group in segctl_threat_profiles",
                    conduit.declared,
                )

    def _rule(
        self,
        device: Device,
        bindings: Mapping[str, ZoneBinding],
        leg: _Leg,
        objects: _Objects,
    ) -> Rule | None:
        conduit, flow = leg.conduit, leg.flow
        sources = self._members(leg, leg.source, leg.sources, objects)
        destinations = self._members(leg, leg.destination, leg.destinations, objects)
        if sources is None or destinations is None:
            return None
        if not objects.versions(sources) & objects.versions(destinations):
            self.problem(
                flow.declared,
                f"flow {flow.id} of conduit {conduit.key}: its sources and destinations have no "
                "IP version in common",
                "add an address of the same version on both sides, or split the flow",
                path=f"segctl_conduits.{conduit.id}.flows.{flow.id}",
            )
            return None
        return Rule(
            name=leg.name,
            conduit=label(conduit),
            flow=flow.id,
            from_zones=(bindings[leg.hop.enter].name,),
            to_zones=(bindings[leg.hop.leave].name,),
            sources=sources,
            destinations=destinations,
            users=tuple(sorted(set(flow.users))) or (ANY,),
            protocols=flow.protocols,
            applications=tuple(sorted(set(flow.applications)))
            or (() if flow.protocols else (ANY,)),
            services=_service_names(flow, objects),
            action="allow",
            profile_group=self._profile(device, conduit),
            profile_asked=conduit.threat_prevention not in (None, "none"),
            log=flow.log or conduit.mode == "monitor",
            log_setting=device.log_forwarding,
            schedule=_schedule_name(device, flow.schedule),
            description=_description(conduit),
            essential=flow.essential,
            enforce_functions=flow.functions == "enforced",
            renamed_from=leg.former,
        )

    def _members(
        self, leg: _Leg, zone: Zone, endpoints: Sequence[Endpoint], objects: _Objects
    ) -> tuple[str, ...] | None:
        names: tuple[str, ...]
        if not endpoints:
            name = objects.zone(zone)
            names = (name,) if name else ()
        else:
            names = tuple(
                name for endpoint in endpoints for name in objects.endpoint(zone, endpoint)
            )
        if names:
            return tuple(sorted(set(names)))
        self.problem(
            zone.declared,
            f"zone {zone.key} has no address of its own to write into a rule of conduit "
            f"{leg.conduit.key}",
            "another zone has the same network: list this zone's assets with their addresses",
            path=f"segctl_zones.{zone.id}",
        )
        return None

    def _profile(self, device: Device, conduit: Conduit) -> str:
        profiles = dict(device.threat_profiles)
        wanted = "alert" if conduit.mode == "monitor" else conduit.threat_prevention
        if wanted is None:
            wanted = "strict" if "strict" in profiles else "alert"
            return profiles.get(wanted, "")
        if wanted == "none":
            return ""
        if wanted not in profiles and conduit.threat_prevention is not None:
            self.problem(
                conduit.declared,
                f"conduit {conduit.key} asks for threat prevention {wanted!r}, "
                f"which {device.name} does not map to a profile group",
                f"add {wanted!r} to segctl_threat_profiles of {device.name}",
                path=f"segctl_conduits.{conduit.id}.threat_prevention",
            )
        return profiles.get(wanted, "")

    def _intrazone(self, device: Device) -> Iterator[Rule]:
        for binding in device.zones:
            zone = self.zones[binding.zone]
            if zone.intrazone == "deny":
                yield Rule(
                    name=f"segctl.intrazone-deny.{zone_label(zone)}",
                    from_zones=(binding.name,),
                    to_zones=(binding.name,),
                    type="intrazone",
                    action="deny",
                    log_setting=device.log_forwarding,
                    description=f"zone {zone_label(zone)} denies traffic inside itself",
                    renamed_from=tuple(
                        f"segctl.intrazone-deny.{former}" for former in former_zone_labels(zone)
                    ),
                )


def _problem(where: Source, message: str, hint: str, path: str) -> Problem:
    return Problem(
        message=message,
        hint=hint,
        path=path,
        file=where.file,
        line=where.line,
        column=where.column,
    )


def _warning(message: str, hint: str, where: Source, path: str = "") -> Problem:
    return Problem(
        message=message,
        hint=hint,
        path=path,
        file=where.file,
        line=where.line,
        column=where.column,
        severity="warning",
    )


def label(conduit: Conduit) -> str:
    """Return the conduit's id, with its site unless that is the default one."""
    return in_site(conduit.site, conduit.id)


def zone_label(zone: Zone) -> str:
    """Return the zone's id, with its site unless that is the default one."""
    return in_site(zone.site, zone.id)


def _ids(zones: Iterable[Zone]) -> tuple[str, ...]:
    return tuple(zone.id for zone in zones)


def _description(conduit: Conduit) -> str:
    parts = [conduit.reason, f"owner {conduit.owner}"]
    parts += [f"ticket {conduit.ticket}"] if conduit.ticket else []
    parts += [f"expires {conduit.expires}"] if conduit.expires else []
    parts += ["monitor"] if conduit.mode == "monitor" else []
    return "; ".join(parts)


def _service_names(flow: Flow, objects: _Objects) -> tuple[str, ...]:
    if flow.services:
        return tuple(sorted({objects.service(port) for port in flow.services}))
    return (APPLICATION_DEFAULT,)


def _schedule_name(device: Device, name: str) -> str:
    own = {schedule.name for schedule in device.schedules}
    return f"segctl-{name}" if name in own else name


def _schedule(schedule: DeclaredSchedule) -> Schedule:
    windows = [("daily", schedule.daily)] if schedule.daily else list(schedule.weekly)
    return Schedule(name=f"segctl-{schedule.name}", windows=tuple(sorted(windows)))


def _device_zones(device: Device) -> tuple[FirewallZone, ...]:
    interfaces: dict[str, set[str]] = {}
    for binding in device.zones:
        interfaces.setdefault(binding.name, set()).update(binding.interfaces)
    return tuple(
        FirewallZone(name=name, interfaces=tuple(sorted(names)))
        for name, names in sorted(interfaces.items())
    )


def _defaults(device: Device) -> tuple[DefaultRule, ...]:
    if not device.zones or device.default_rules == "leave":
        return ()
    return (
        DefaultRule(
            name="interzone-default", action="deny", log=True, log_setting=device.log_forwarding
        ),
    )


def _closing(device: Device) -> Rule | None:
    names = tuple(sorted({binding.name for binding in device.zones}))
    if not names:
        return None
    return Rule(
        name=CLOSING_RULE,
        from_zones=names,
        to_zones=names,
        type="interzone",
        action="deny",
        log_setting=device.log_forwarding,
        description="nothing else passes between these zones",
    )


# --- addresses -----------------------------------------------------------------------------------


class _Objects:
    """Collects the objects that the rules of one firewall use."""

    def __init__(self, compiler: _Compiler) -> None:
        self._compiler = compiler
        self._owned = compiler.owned
        self._addresses: dict[str, tuple[Interval, str]] = {}
        self._groups: dict[str, tuple[str, ...]] = {}
        self._former: dict[str, tuple[str, ...]] = {}  # names of objects
        self._services: dict[str, PortRange] = {}
        self._versions: dict[str, frozenset[int]] = {}  # of groups

    def zone(self, zone: Zone) -> str:
        """Return the group that stands for the whole zone; empty when it owns no address."""
        name = zone_label(zone)
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
        return self._asset(zone, self._compiler.assets(zone)[endpoint.asset])

    def _asset(self, zone: Zone, asset: Asset) -> list[str]:
        names: list[str] = []
        for address in asset.addresses:
            text = interval_text(network_interval(address))
            end = f".{spell(text)}" if len(asset.addresses) > 1 else ""
            name = f"{zone_label(zone)}.{asset.name}{end}"
            self._former[name] = former_asset_names(zone, asset, end)
            self._keep(name, network_interval(address), asset.role, zone)
            names.append(name)
        return names

    def _network(self, zone: Zone, part: Interval) -> str:
        end = f".net.{spell(interval_text(part))}"
        name = f"{zone_label(zone)}{end}"
        self._former[name] = tuple(f"{former}{end}" for former in former_zone_labels(zone))
        self._keep(name, part, "", zone)
        return name

    def _keep(self, name: str, part: Interval, role: str, zone: Zone) -> None:
        if self._addresses.setdefault(name, (part, role)) != (part, role):
            self._compiler.problem(
                zone.declared,
                f"two address objects would be called {name!r}",
                "ids joined by dots come out the same: rename a zone or an asset",
            )

    def service(self, port: PortRange) -> str:
        """Return the service object for a port range."""
        name = f"segctl-{str(port).replace('/', '-')}"
        self._services[name] = port
        return name

    def versions(self, names: Iterable[str]) -> frozenset[int]:
        """Return the IP versions that the named objects have addresses of."""
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


def spell(address: str) -> str:
    """Write an address with characters that names may have."""
    return address.replace("/", "-").replace(":", "_")


def with_closing(desired: Desired) -> Policy:
    """Return the policy with the rule that closes our block."""
    if desired.closing is None:
        return desired.policy
    return replace(desired.policy, rules=(*desired.policy.rules, desired.closing))
