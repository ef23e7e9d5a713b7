"""Laws 9 and 10: what is the same makes no plan."""

from __future__ import annotations

import tempfile
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, cast

from hypothesis import strategies as st

from segctl.compiler import naming
from segctl.importing import import_device, write_files
from segctl.inventory import load
from segctl.model.site import Device, Flow, Site
from segctl.planning.make import plan_device
from segctl.testing.strategies import TODAY, compiled, sites
from segctl.testing.trying import draw_desired, plan, reach, read, require, trial

if TYPE_CHECKING:
    from hypothesis.strategies import DataObject

    from segctl.testing.harness import ProviderHarness

_INSIDE: tuple[Literal["allow", "deny"], ...] = ("allow", "deny")


def imports_to_nothing(harness: ProviderHarness) -> None:
    """Law 9: a device's import, written to files and read again, plans nothing.

    Of an island a device may tell too little. Then the import says so, and a plan takes it away.
    """

    def law(data: DataObject) -> None:
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, draw_desired(data, harness))
            live = read(harness, bench)
        name, platform = harness.device.name, harness.provider.name
        imported = import_device(
            live,
            harness.provider,
            Device(name=name, platform=platform, scope=harness.device.scope),
            site="",
            connection={"ansible_host": "192.0.2.1", "ansible_network_os": platform},
            today=TODAY,
        )
        with tempfile.TemporaryDirectory() as folder:
            write_files(Path(folder), imported.files)
            site = load([Path(folder)], today=TODAY).site
        made = plan_device(compiled(site, site.devices[0]), live, harness.provider)
        left = {one.subject for one in imported.warnings if "not given back" in one.message}
        if left:
            gone = {one.name for one in made.changes if one.kind == "rule"}
            require({one.op for one in made.changes} == {"delete"}, made.changes, left)
            require("" not in set(map(_island, gone)), gone)
            require(set(map(_island, gone)) == set(map(_island, left)), gone, left)
        else:
            require(made.changes == (), made.changes, imported.files)
        require(imported.changes == len(made.changes), imported.warnings)

    trial(law)


def _island(rule: str) -> str:
    """Return the group of the island that a rule cuts off, nothing of another rule."""
    group, _ = naming.denied_group(rule) or ("", "")
    return group if naming.island_label(group) else ""


def order_means_nothing(harness: ProviderHarness) -> None:
    """Law 10: the inventory in another order, where that means nothing, plans nothing."""

    def law(data: DataObject) -> None:
        platform = harness.provider.capabilities
        site = _widened(data, data.draw(sites(harness.device, platform), "inventory"))
        with harness.workbench() as bench:
            bench.bystand(data)
            reach(harness, bench, compiled(site, site.devices[0]))
            other = shuffled(site, Random(data.draw(st.integers(0, 2**16), "order")))  # noqa: S311 - an order is no secret
            made = plan(harness, bench, compiled(other, other.devices[0]))
        require(made.changes == (), made.changes, other)

    trial(law)


def _widened(data: DataObject, site: Site) -> Site:
    """Return a site in which conduits join several zones, and zones deny traffic inside."""
    if len(site.zones) < 3:
        return site
    conduits = tuple(
        replace(conduit, from_zones=(*conduit.from_zones, *rest), flows=tuple(map(_open, flows)))
        if data.draw(st.booleans(), "several zones")
        else conduit
        for conduit in site.conduits
        for flows in [conduit.flows]
        for rest in [
            [
                zone.key
                for zone in site.zones
                if zone.key not in (*conduit.from_zones, *conduit.to_zones)
            ]
        ]
    )
    inside: Literal["allow", "deny"] = data.draw(st.sampled_from(_INSIDE), "inside zones")
    zones = tuple(replace(zone, intrazone=inside) for zone in site.zones)
    return replace(site, zones=zones, conduits=conduits)


def _open(flow: Flow) -> Flow:
    """Return a flow from and to whole zones."""
    return replace(flow, sources=(), destinations=())


def shuffled(site: Site, pick: Random) -> Site:
    """Return an inventory with every list in it in another order.

    No list of an inventory means something by its order.
    """
    return cast("Site", _turned(site, pick))


def _turned(value: Any, pick: Random) -> Any:
    if isinstance(value, tuple):
        items = [_row(item, pick) for item in cast("tuple[object, ...]", value)]
        pick.shuffle(items)
        return tuple(items)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    held = {field.name: getattr(value, field.name) for field in fields(value)}
    return replace(
        value,
        **{
            name: _turned(found, pick)
            for name, found in held.items()
            if isinstance(found, tuple) or is_dataclass(found)
        },
    )


def _row(item: Any, pick: Random) -> Any:
    """Return an item of a list; a tuple is a row, a key and what it has."""
    if not isinstance(item, tuple):
        return _turned(item, pick)
    key, *rest = cast("tuple[object, ...]", item)
    return (key, *(_turned(part, pick) for part in rest))
