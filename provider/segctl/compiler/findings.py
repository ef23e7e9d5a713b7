"""Warnings about one firewall: the site compiles, but its owner should look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler.naming import label, zone_label
from segctl.compiler.problems import warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.compiler.routing import Leg
    from segctl.model.errors import Problem
    from segctl.model.policy import FirewallZone
    from segctl.model.site import Conduit, Device, Zone, ZoneBinding


def expired(conduits: Iterable[Conduit]) -> Iterator[Problem]:
    """Warn about expired conduits: their rules are removed."""
    for conduit in conduits:
        yield warning(
            conduit.declared,
            f"conduit {label(conduit)} expired on {conduit.expires}: "
            "its rules are no longer part of the policy",
            "extend `expires` with a new ticket, or delete the conduit",
            f"segctl_conduits.{conduit.id}",
        )


def shared_zones(
    device: Device, held: Iterable[FirewallZone], zones: Mapping[str, Zone]
) -> Iterator[Problem]:
    """Warn about zones that the firewall cannot tell apart.

    `held` are the firewall's own zones; `zones` are the site's, by key.
    """
    bound: dict[str, list[ZoneBinding]] = {}
    for binding in device.zones:
        bound.setdefault(binding.name, []).append(binding)
    for zone in held:
        ours = [zones[b.zone] for b in bound[zone.name] if b.interfaces or not zone.interfaces]
        if len(ours) > 1 and not any(one.intrazone == "deny" for one in ours):
            yield warning(
                device.declared,
                f"zones {', '.join(zone_label(one) for one in ours)} share one zone, "
                f"{zone.name}, on this firewall: it permits everything between them",
                "give each its own zone on the device, or set intrazone: deny on one of them",
            )


def unprofiled(device: Device, legs: Iterable[Leg]) -> Iterator[Problem]:
    """Warn about monitored conduits that raise no alerts."""
    if "alert" in dict(device.threat_profiles):
        return
    monitored = {leg.conduit.key: leg.conduit for leg in legs}
    for conduit in monitored.values():
        if conduit.mode == "monitor":
            yield warning(
                conduit.declared,
                f"conduit {label(conduit)} is monitored, but without a threat profile here",
                "map alert to a profile group in segctl_threat_profiles",
            )
