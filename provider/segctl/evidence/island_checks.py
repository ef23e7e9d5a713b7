"""The check of island mode: whether a zone can be cut from what is above it, as firewalls stand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from segctl.compiler.islands import island_of
from segctl.compiler.topology import topology
from segctl.evidence.scene import Seen, listed
from segctl.model.filled import Filled
from segctl.planning.containing import no_longer_passing, prepared, still_passing, unprepared
from segctl.planning.islands import cut_of, declares, firewalls_of
from segctl.providers.base import provider

if TYPE_CHECKING:
    from segctl.compiler.islands import Island
    from segctl.evidence.scene import Scene
    from segctl.model.site import Device
    from segctl.planning.containing import Cut
    from segctl.providers.base import Live

_EXPECTED: Final = "islands that have the zone, prepared on every firewall around them, and proven"


def island(scene: Scene) -> Seen:
    """Islands with the zone are prepared, and would let nothing pass but what goes on.

    That is proven for each firewall around them as it stands, for the addresses that would be
    registered, also where the firewall does not have the zone.
    """
    found = _islands(scene)
    if not found:
        text = "no island is declared that has the zone in it"
        return Seen(verdict="unknown", observed=text, expected=_EXPECTED)
    read = {one.device.name: one for one in scene.every}
    unread: list[str] = []
    for one in found:
        around, _ = firewalls_of(scene.site, one, scene.today)
        for device in around:
            witness = read.get(device.name)
            if not declares(device, one):
                return _bad(f"island {one.name} is not declared on {device.name}")
            if witness is None or witness.live is None:
                unread.append(device.name)
            elif wrong := _wrong(witness.live, device, cut_of(scene.site, one)):
                return _bad(f"island {one.name} on {device.name}: {wrong}")
    if unread:
        text = f"firewalls around it were not read: {listed(unread)}"
        return Seen(verdict="unknown", observed=text, expected=_EXPECTED)
    text = f"{listed(one.name for one in found)}: prepared, and nothing would pass but what goes on"
    return Seen(verdict="ok", observed=text, expected=_EXPECTED)


def _bad(text: str) -> Seen:
    return Seen(verdict="bad", observed=text, expected=_EXPECTED)


def _wrong(live: Live, device: Device, cut: Cut) -> str:
    """Return what a firewall lacks for an island, or would let pass, or would cut that goes on."""
    managed = bool(device.group)
    missing = unprepared(prepared(live, managed=managed), cut.group, cut.against)
    if missing:
        return missing[0]
    would = replace(live, contained={cut.group: Filled(what="an island", addresses=cut.texts)})
    speaks = provider(device.platform)
    wrong = (
        *still_passing(would, speaks, cut, managed=managed),
        *no_longer_passing(would, speaks, cut, managed=managed),
    )
    return wrong[0] if wrong else ""


def _islands(scene: Scene) -> list[Island]:
    """Return the islands that any firewall declares and that have the zone in them."""
    site = scene.site
    graph = topology(site.devices)
    keys = {
        key: None
        for device in site.devices
        if device.containment is not None
        for key in device.containment.islands
    }
    every = (island_of(site, key, graph) for key in keys)
    return [one for one in every if any(zone.key == scene.zone.key for zone in one.inside)]
