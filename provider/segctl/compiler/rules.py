"""The rules of one firewall: one for each flow that crosses it, and the rules that deny."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.compiler import naming
from segctl.compiler.former import former_intrazone_rules
from segctl.compiler.problems import problem
from segctl.model.policy import ANY, APPLICATION_DEFAULT, DeclaredRule
from segctl.model.site import ACCESS_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.compiler.objects import Objects
    from segctl.compiler.routing import Leg
    from segctl.model.errors import Problem
    from segctl.model.site import (
        Conduit,
        Device,
        Endpoint,
        Flow,
        ProtocolUse,
        Zone,
        ZoneBinding,
    )


def permitting(
    device: Device, legs: Iterable[Leg], objects: Objects, problems: list[Problem]
) -> Iterator[DeclaredRule]:
    """Yield the rule of each leg, in order; `objects` collects the objects that the rules name.

    If no rule can be made from a leg, a problem is added to `problems` instead.
    """
    maker = _Maker(device, objects, problems)
    for leg in legs:
        rule = maker.rule(leg)
        if rule is not None:
            yield rule


class _Maker:
    """Makes the rules of one firewall from its legs."""

    def __init__(self, device: Device, objects: Objects, problems: list[Problem]) -> None:
        self._device = device
        self._bindings: Mapping[str, ZoneBinding] = {
            binding.zone: binding for binding in device.zones
        }
        self._schedules = {schedule.name for schedule in device.schedules}
        self._objects = objects
        self._problems = problems

    def rule(self, leg: Leg) -> DeclaredRule | None:
        """Return the rule of one leg; if its ends lack addresses, report that and return None."""
        conduit, flow = leg.conduit, leg.flow
        sources = self._members(leg, leg.source, leg.sources)
        destinations = self._members(leg, leg.destination, leg.destinations)
        if sources is None or destinations is None:
            return None
        if not self._objects.versions(sources) & self._objects.versions(destinations):
            self._problems.append(
                problem(
                    flow.declared,
                    f"flow {flow.id} of conduit {conduit.key}: its sources and destinations have "
                    "no IP version in common",
                    "add an address of the same version on both sides, or split the flow",
                    path=f"segctl_conduits.{conduit.id}.flows.{flow.id}",
                )
            )
            return None
        return DeclaredRule(
            name=leg.name,
            conduit=naming.label(conduit),
            flow=flow.id,
            from_zones=(self._bindings[leg.hop.enter].name,),
            to_zones=(self._bindings[leg.hop.leave].name,),
            sources=sources,
            destinations=destinations,
            users=tuple(sorted(set(flow.users))) or (ANY,),
            protocols=_uses(flow),
            applications=tuple(sorted(set(flow.applications)))
            or (() if flow.protocols else (ANY,)),
            services=self._services(flow),
            action="allow",
            profile_group=self._profile(conduit),
            profile_asked=conduit.threat_prevention not in (None, "none"),
            log=flow.log or conduit.mode == "monitor",
            log_setting=self._device.log_forwarding,
            schedule=self._schedule(flow.schedule),
            description=_description(conduit),
            essential=flow.essential,
            enforce_functions=flow.functions == "enforced",
            renamed_from=leg.former,
        )

    def _members(
        self, leg: Leg, zone: Zone, endpoints: Sequence[Endpoint]
    ) -> tuple[str, ...] | None:
        names: tuple[str, ...]
        if not endpoints:
            name = self._objects.zone(zone)
            names = (name,) if name else ()
        else:
            names = tuple(
                name for endpoint in endpoints for name in self._objects.endpoint(zone, endpoint)
            )
        if names:
            return tuple(sorted(set(names)))
        self._problems.append(
            problem(
                zone.declared,
                f"zone {zone.key} owns no address that could go into a rule of conduit "
                f"{leg.conduit.key}",
                "another zone has the same network: list this zone's assets with their addresses",
                path=f"segctl_zones.{zone.id}",
            )
        )
        return None

    def _services(self, flow: Flow) -> tuple[str, ...]:
        if flow.services:
            return tuple(sorted({self._objects.service(port) for port in flow.services}))
        return (APPLICATION_DEFAULT,)

    def _schedule(self, name: str) -> str:
        return naming.schedule_name(name) if name in self._schedules else name

    def _profile(self, conduit: Conduit) -> str:
        profiles = dict(self._device.threat_profiles)
        wanted = "alert" if conduit.mode == "monitor" else conduit.threat_prevention
        if wanted is None:
            wanted = "strict" if "strict" in profiles else "alert"
            return profiles.get(wanted, "")
        if wanted == "none":
            return ""
        if wanted not in profiles and conduit.threat_prevention is not None:
            host = self._device.name
            self._problems.append(
                problem(
                    conduit.declared,
                    f"conduit {conduit.key} asks for threat prevention {wanted!r}, "
                    f"but {host} does not map that to a profile group",
                    f"add {wanted!r} to segctl_threat_profiles of {host}",
                    path=f"segctl_conduits.{conduit.id}.threat_prevention",
                )
            )
        return profiles.get(wanted, "")


def _description(conduit: Conduit) -> str:
    return str(
        naming.Description(
            reason=conduit.reason,
            owner=conduit.owner,
            ticket=conduit.ticket,
            expires=conduit.expires,
            monitor=conduit.mode == "monitor",
        )
    )


def _uses(flow: Flow) -> tuple[ProtocolUse, ...]:
    """Return what a flow uses of protocols, in an order that is not the inventory's."""

    def place(word: str) -> tuple[int, str]:
        return ACCESS_CLASSES.index(word) if word in ACCESS_CLASSES else len(ACCESS_CLASSES), word

    uses = (
        replace(use, classes=tuple(sorted(set(use.classes), key=place))) for use in flow.protocols
    )
    return tuple(sorted(set(uses), key=lambda use: (use.protocol, use.classes)))


def inside_zones(device: Device, zones: Mapping[str, Zone]) -> Iterator[DeclaredRule]:
    """Yield a rule for each zone of the firewall that denies traffic inside itself."""
    for binding in sorted(device.zones, key=lambda binding: binding.zone):
        zone = zones[binding.zone]
        if zone.intrazone == "deny":
            yield DeclaredRule(
                name=naming.intrazone_rule(naming.zone_label(zone)),
                from_zones=(binding.name,),
                to_zones=(binding.name,),
                type="intrazone",
                action="deny",
                log_setting=device.log_forwarding,
                description=naming.intrazone_description(naming.zone_label(zone)),
                renamed_from=former_intrazone_rules(zone),
            )


def closing(device: Device) -> DeclaredRule | None:
    """Return the rule that denies all other traffic between the firewall's zones; None if none."""
    names = tuple(sorted({binding.name for binding in device.zones}))
    if not names:
        return None
    return DeclaredRule(
        name=naming.CLOSING_RULE,
        from_zones=names,
        to_zones=names,
        type="interzone",
        action="deny",
        log_setting=device.log_forwarding,
        description=naming.CLOSING_DESCRIPTION,
    )


def same_names(device: Device, names: Iterable[str]) -> Iterator[Problem]:
    """Yield a problem for each name that two rules of the firewall would share."""
    for name in sorted(name for name, count in Counter(names).items() if count > 1):
        yield problem(
            device.declared,
            f"two rules on {device.name} would have the name {name!r}",
            "their ids, joined by dots, are the same: rename a conduit, flow or zone",
        )
