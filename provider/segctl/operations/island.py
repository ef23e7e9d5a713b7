"""Island: cut a zone or a site from what is above it, at every firewall between, for a time.

It is done as an asset is contained: addresses are put into a group that a plan has prepared, and
sessions end. Only the group and whom it is cut off from differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.compiler.islands import Island, island_of
from segctl.compiler.topology import topology
from segctl.model.durations import format_duration
from segctl.model.errors import ContainmentError, UsageError, nearest
from segctl.operations.contain import (
    ContainOptions,
    Preview,
    flows_of,
    looked,
    note_of,
    refuse_cut,
)
from segctl.operations.loading import load_inventory, today
from segctl.planning.containing import Order
from segctl.planning.islands import cut_of, declares, firewalls_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress

_DECLARE: Final = (
    "declare it in segctl_containment.islands and run segctl apply, before the next incident"
)


def declared_island(loaded: Loaded, name: str) -> Island:
    """Return the island of this name that the inventory declares for any firewall.

    Raises:
        ContainmentError: none has this name, or several have.
    """
    site = loaded.site
    graph = topology(site.devices)
    keys = {
        key: None
        for device in site.devices
        if device.containment is not None
        for key in device.containment.islands
    }
    islands = [island_of(site, key, graph) for key in keys]
    found = [one for one in islands if name in (one.key, one.name, one.key.rpartition("/")[2])]
    if len(found) > 1:
        listed = ", ".join(sorted(one.key for one in found))
        raise ContainmentError(f"{name!r} is ambiguous, it may be {listed}: write one of them")
    if found:
        return found[0]
    known = {one.id for one in site.zones} | {one.key for one in site.zones}
    if name in known | {one.site for one in site.zones}:
        raise ContainmentError(f"{name} is not prepared as an island anywhere: {_DECLARE}")
    hint = nearest(name, known, "name a zone or a site")
    raise ContainmentError(f"{name!r} is not a zone or a site: {hint}")


def order_of(loaded: Loaded, island: Island, options: ContainOptions) -> Order:
    """Return what is to be registered, and from whom it is cut off."""
    cut = cut_of(loaded.site, island)
    return Order(
        parts=cut.parts,
        against=cut.against,
        group=cut.group,
        note=note_of(options),
        seconds=options.seconds,
        persistent=options.persistent,
    )


def preview(common: CommonOptions, options: ContainOptions, progress: Progress) -> Preview:
    """Return what making an island would cut; reads firewalls, changes nothing.

    Raises:
        ContainmentError: it is refused, and why.
        InventoryError: the inventory cannot be used.
    """
    if not options.reason.strip():
        raise UsageError("say why with --reason: it is on record, and plans show it")
    loaded = load_inventory(common, progress)
    island = declared_island(loaded, options.name)
    devices, legs = firewalls_of(loaded.site, island, today())
    if not devices:
        raise ContainmentError(
            f"no firewall of the inventory stands between {island.name} and what is above it"
        )
    undeclared = f"the island is not prepared there: {_DECLARE}"
    asked = [(one, "" if declares(one, island) else undeclared) for one in devices]
    _refuse_too_long(island, devices, options)
    flows = tuple(flows_of((one, leg) for one in devices for leg in legs.get(one.name, ())))
    if not options.cut_essential:
        refuse_cut(flows)
    order = order_of(loaded, island, options)
    looks = looked(common, loaded, order, asked, progress)
    if all(look.gap for look in looks):
        gaps = "; ".join(f"{look.device.name}: {look.gap}" for look in looks)
        raise ContainmentError(f"no firewall can make {island.name} an island: {gaps}")
    return Preview(
        loaded=loaded,
        options=options,
        zone=island.key,
        order=order,
        flows=flows,
        looks=looks,
        above=tuple(zone.key for zone in island.above),
    )


def _refuse_too_long(island: Island, devices: Iterable[Device], options: ContainOptions) -> None:
    declared = [one.containment for one in devices if one.containment and declares(one, island)]
    if not declared:
        names = ", ".join(device.name for device in devices)
        raise ContainmentError(f"island {island.name} is not prepared on {names}: {_DECLARE}")
    longest = min(one.island_longest for one in declared)
    if not 0 < options.seconds <= longest:
        raise ContainmentError(
            f"{format_duration(options.seconds)} is longer than the inventory allows: "
            f"at most {format_duration(longest)} (segctl_containment.islands.longest)"
        )
