"""What the owner of a site should look at on one firewall, though all of it can be compiled."""

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
    """Warn of conduits whose time has passed: their rules go."""
    for conduit in conduits:
        yield warning(
            conduit.declared,
            f"conduit {label(conduit)} expired on {conduit.expires}: "
            "its rules are not part of the policy any more",
            "extend `expires` with a new ticket, or delete the conduit",
            f"segctl_conduits.{conduit.id}",
        )


def shared_zones(
    device: Device, held: Iterable[FirewallZone], zones: Mapping[str, Zone]
) -> Iterator[Problem]:
    """Warn where the firewall cannot tell two zones apart.

    `held` are the firewall's own zones, `zones` the site's by key.
    """
    bound: dict[str, list[ZoneBinding]] = {}
    for binding in device.zones:
        bound.setdefault(binding.name, []).append(binding)
    for zone in held:
        ours = [zones[b.zone] for b in bound[zone.name] if b.interfaces or not zone.interfaces]
        if len(ours) > 1 and not any(one.intrazone == "deny" for one in ours):
            yield warning(
                device.declared,
                f"zones {', '.join(zone_label(one) for one in ours)} are one zone, "
                f"{zone.name}, on this firewall: it passes everything between them",
                "give them zones of their own on the device, or one of them intrazone: deny",
            )


def unprofiled(device: Device, legs: Iterable[Leg]) -> Iterator[Problem]:
    """Warn where a monitored conduit passes without anybody being alerted."""
    if "alert" in dict(device.threat_profiles):
        return
    monitored = {leg.conduit.key: leg.conduit for leg in legs}
    for conduit in monitored.values():
        if conduit.mode == "monitor":
            yield warning(
                conduit.declared,
                f"conduit {label(conduit)} is monitored without a threat profile here",
                "map alert to a profile group in segctl_threat_profiles",
            )
