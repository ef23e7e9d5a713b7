"""What a firewall declares of containment: who may be contained, who never, and what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from segctl.compiler.naming import label, labelled
from segctl.model.errors import nearest
from segctl.model.site import Containment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.inventory.check import Checker, Node, Reference
    from segctl.inventory.devices import ZoneKey
    from segctl.model.site import Conduit, Device, Zone

VARIABLE: Final = "segctl_containment"


def read_containment(
    found: Mapping[str, object], site: str, zone_key: ZoneKey
) -> Containment | None:
    """Return what a checked ``segctl_containment`` declares, None where it is not declared.

    Args:
        found: the checked segctl variables of a firewall.
        site: its site.
        zone_key: looks up zones, and reports those that are not there.
    """
    if VARIABLE not in found:
        return None
    fields = cast("dict[str, object]", found[VARIABLE] or {})
    zones = (zone_key(one, site) for one in _references(fields, "zones"))
    survives: tuple[str, ...] | None = None
    if "survive" in fields:
        survives = tuple(_flow_label(one.text, site) for one in _references(fields, "survive"))
    plain = Containment()
    longest = cast("int | None", fields.get("longest")) or plain.longest
    islands = cast("dict[str, object]", fields.get("islands") or {})
    cut = (zone_key(one, site) for one in _references(islands, "zones"))
    return Containment(
        zones=tuple(zone for zone in zones if zone is not None),
        never=tuple(one.text for one in _references(fields, "never")),
        survives=survives,
        longest=longest,
        log_forwarding=str(fields.get("log_forwarding") or ""),
        islands=(
            *(zone for zone in cut if zone is not None),
            *(one.text for one in _references(islands, "sites")),
        ),
        island_longest=cast("int | None", islands.get("longest")) or longest,
        on=cast("tuple[str, ...]", fields.get("on") or ()),
        act=cast("tuple[str, ...]", fields.get("act") or ()),
        at_once=cast("int | None", fields.get("at_once")) or plain.at_once,
    )


def _references(fields: Mapping[str, object], name: str) -> tuple[Reference, ...]:
    return cast("tuple[Reference, ...]", fields.get(name) or ())


def _flow_label(text: str, site: str) -> str:
    """Return ``conduit/flow`` or ``site/conduit/flow`` with the conduit's label on devices."""
    path, _, flow = text.rpartition("/")
    where, _, conduit = path.rpartition("/")
    return f"{labelled(where or site, conduit)}/{flow}"


def check_containment(
    checker: Checker,
    found: Mapping[str, object],
    device: Device,
    zones: Iterable[Zone],
    conduits: Iterable[Conduit],
    *,
    node: Node | None = None,
) -> None:
    """Report assets, flows and sites that are not there, and signs that could not be acted upon.

    Args:
        checker: keeps the problems.
        found: the checked segctl variables of the firewall.
        device: the firewall, as it was read.
        zones: all zones.
        conduits: all conduits.
        node: where it is declared.
    """
    if device.containment is None:
        return
    fields = cast("dict[str, object]", found[VARIABLE] or {})
    zones = tuple(zones)
    sites = {zone.site for zone in zones}
    for one in _references(cast("dict[str, object]", fields.get("islands") or {}), "sites"):
        if one.text not in sites:
            hint = nearest(one.text, sites, "name a segctl_site")
            checker.report(one.node, f"site {one.text!r} is not defined", hint)
    if node is not None:
        _check_signs(checker, node, device.containment)
    assets = {asset.name for zone in zones for asset in zone.assets}
    for one in _references(fields, "never"):
        if one.text not in assets:
            hint = nearest(one.text, assets, "name an asset of segctl_zones")
            checker.report(one.node, f"asset {one.text!r} is not defined", hint)
    flows = {f"{label(conduit)}/{flow.id}" for conduit in conduits for flow in conduit.flows}
    listed = zip(_references(fields, "survive"), device.containment.survives or (), strict=False)
    for one, name in listed:
        if name not in flows:
            hint = nearest(name, flows, "write conduit/flow")
            checker.report(one.node, f"flow {one.text!r} is not defined", hint)


def _check_signs(checker: Checker, node: Node, declared: Containment) -> None:
    """Report what would contain by itself wherever, or never."""
    if declared.on and not declared.zones:
        checker.report_key(
            node,
            "on needs zones",
            "name the zones whose assets may be contained by themselves: zones: [supervisory]",
        )
    if idle := [kind for kind in declared.act if kind not in declared.on]:
        checker.report_key(node, f"act names {', '.join(idle)}, which on does not", "add it to on")
