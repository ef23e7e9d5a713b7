"""Zones that lead on to another virtual system of the same device, which judges as well.

Where such a zone lies between two firewalls of the inventory, the second one is asked. Where it is
an end of what is asked about, nobody is: then it is not known whether packets pass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.analysis.space import ALL_ADDRESSES, ALL_SERVICES
from segctl.model.gate import Gate, GateRule
from segctl.providers.state import EXTERNAL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from segctl.analysis.effective import Reading
    from segctl.compiler.topology import Hop
    from segctl.model.site import Device
    from segctl.providers.base import Live

_ANYTHING = GateRule(
    action="drop",
    certain=False,
    enters=(),
    leaves=(),
    sources=ALL_ADDRESSES,
    destinations=ALL_ADDRESSES,
    services=ALL_SERVICES,
)


def leading_on(live: Live) -> dict[str, str]:
    """Return the virtual systems to which zones of a device lead, by the device's own names."""
    return {one.about[0]: one.about[1] for one in live.findings if one.kind == EXTERNAL}


def zone_names(device: Device) -> dict[str, str]:
    """Return what a device calls the zones that it is attached to, by their keys."""
    return {binding.zone: binding.name for binding in device.zones}


def beyond(system: str, zone: str) -> str:
    """Say who judges beyond a zone (its name on the device), and is not asked."""
    return f"virtual system {system} judges what passes zone {zone}, too, and is not asked"


def judged_onward(
    held: Reading,
    device: Device,
    hops: Iterable[Hop],
    ends: Collection[str],
    leading: Mapping[str, str],
) -> Reading:
    """Return what a device enforces, with who else judges and is not asked.

    Args:
        held: what it enforces.
        device: with the names of its zones.
        hops: the ways through it.
        ends: the zones (keys) between which packets go.
        leading: where zones lead to, as `leading_on` says.
    """
    names = zone_names(device)
    met = {zone for hop in hops for zone in (hop.enter, hop.leave)} & {*ends}
    gates = tuple(
        Gate(
            name=f"virtual system {leading[names[zone]]}",
            why=f"it judges what passes zone {names[zone]}, too, and is not asked on this way",
            rules=(_ANYTHING,),
        )
        for zone in sorted(met)
        if names[zone] in leading
    )
    if not gates:
        return held
    return replace(held, beyond=replace(held.beyond, gates=(*held.beyond.gates, *gates)))
