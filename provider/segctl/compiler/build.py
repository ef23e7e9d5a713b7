"""Compile zones and conduits into the policy of every firewall on their paths.

Pure: the same site on the same day gives the same policies, in the same order. Nothing here
depends on a platform; a provider fits the result to its platform.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.compiler import findings, islands, naming, rules, unknown
from segctl.compiler.automatic import automatic
from segctl.compiler.containing import containing
from segctl.compiler.objects import Assets, Objects
from segctl.compiler.ownership import Ownership
from segctl.compiler.routing import routes
from segctl.compiler.topology import topology
from segctl.model.errors import InventoryError, Problem
from segctl.model.policy import DeclaredPolicy, DeclaredRule, DefaultRule, FirewallZone, Schedule
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from segctl.compiler.routing import Leg
    from segctl.model.addresses import Interval
    from segctl.model.site import Conduit, Device, Site
    from segctl.model.site import Schedule as DeclaredSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What one firewall should hold.

    ``closing`` denies and logs traffic between all our zones on the device; it goes at the end of
    our block if rules of others follow it. ``receivers`` are the members of a group that a run is
    for.
    """

    device: Device
    policy: DeclaredPolicy
    closing: DeclaredRule | None = None
    bindings: tuple[FirewallZone, ...] = ()
    findings: tuple[Problem, ...] = ()
    receivers: tuple[str, ...] = ()
    #: by group, the addresses that each island has which the firewall prepares
    islands: Mapping[str, tuple[Interval, ...]] = field(
        default_factory=dict[str, "tuple[Interval, ...]"]
    )
    #: of the conduits that cross the firewall, by the names that rules know them by
    tickets: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def hosts(self) -> tuple[str, ...]:
        """The firewalls of the inventory that a run is for."""
        return self.receivers or (self.device.name,)


def compile_site(site: Site, today: date) -> Mapping[str, Desired]:
    """Return the desired policy of every firewall of `site`, by host name, as of `today`.

    Raises:
        InventoryError: a conduit cannot be compiled: it has no path, its ends have no common IP
            version, a zone has no addresses of its own, or a threat profile is missing.
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
    return result, compiler.gaps, tuple(dict.fromkeys(compiler.problems))


def with_closing(desired: Desired) -> DeclaredPolicy:
    """Return the policy with the rule that closes our block."""
    if desired.closing is None:
        return desired.policy
    return desired.policy.replace(rules=(*desired.policy.rules, desired.closing))


class _Compiler:
    """Holds what all firewalls of one run share, and collects the problems."""

    def __init__(self, site: Site, today: date) -> None:
        self.problems: list[Problem] = []
        self._zones = {zone.key: zone for zone in site.zones}
        paths = topology(site.devices)
        self._owned = Ownership(site, paths)
        self._assets = Assets()
        self._routes = routes(site, paths, today)
        self._islands = islands.Islands(site, paths)
        self.gaps = self._routes.gaps

    def device(self, device: Device) -> Desired:
        """Return everything one firewall should hold."""
        legs = self._routes.legs[device.name]
        objects = Objects(self._assets, self._owned, self.problems)
        made = [
            *rules.permitting(device, legs, objects, self.problems),
            *rules.inside_zones(device, self._zones),
        ]
        every, contained = containing(device, made)
        every, cut = self._islands.prepared(device, every, objects, self.problems)
        every = unknown.denied(device, every)
        self.problems += rules.same_names(device, (rule.name for rule in every))
        zones = _zones(device)
        used = {leg.flow.schedule for leg in legs}
        return Desired(
            device=device,
            policy=DeclaredPolicy(
                zones=zones if device.manage_zones else (),
                addresses=objects.addresses(),
                address_groups=(*objects.groups(), *contained, *cut),
                services=objects.services(),
                log_profiles=automatic(device, self._zones, self._every_leg()),
                schedules=tuple(
                    _schedule(item)
                    for item in sorted(device.schedules, key=lambda item: item.name)
                    if item.name in used
                ),
                defaults=_defaults(device),
                rules=every,
            ),
            closing=rules.closing(device),
            bindings=self._bindings(device, zones),
            findings=(
                *findings.expired(self._routes.expired.get(device.name, ())),
                *findings.shared_zones(device, zones, self._zones),
                *findings.unprofiled(device, legs),
            ),
            islands=self._islands.addresses(device, self._owned),
            tickets={
                naming.label(leg.conduit): leg.conduit.ticket for leg in legs if leg.conduit.ticket
            },
        )

    def _every_leg(self) -> Iterator[Leg]:
        for legs in self._routes.legs.values():
            yield from legs

    def _bindings(
        self, device: Device, zones: tuple[FirewallZone, ...]
    ) -> tuple[FirewallZone, ...]:
        """Return the device's zones, with the ids by which those of renamed zones went."""
        former: dict[str, tuple[str, ...]] = {}
        for binding in device.zones:
            zone = self._zones[binding.zone]
            if zone.renamed_from and binding.name == zone.id:
                former[binding.name] = zone.renamed_from
        return tuple(replace(zone, renamed_from=former.get(zone.name, ())) for zone in zones)


def _schedule(schedule: DeclaredSchedule) -> Schedule:
    windows = [("daily", schedule.daily)] if schedule.daily else schedule.weekly
    return Schedule(
        name=naming.schedule_name(schedule.name),
        windows=tuple(sorted((day, tuple(sorted(times))) for day, times in windows)),
    )


def _zones(device: Device) -> tuple[FirewallZone, ...]:
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
