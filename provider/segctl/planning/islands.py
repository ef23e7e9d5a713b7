"""Islands on firewalls: what is cut from what, and which firewalls stand between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler.ownership import Ownership
from segctl.compiler.routing import routes
from segctl.compiler.topology import topology
from segctl.model.addresses import merge, networks_of
from segctl.planning.containing import Cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from segctl.compiler.islands import Island
    from segctl.compiler.routing import Leg
    from segctl.model.site import Device, Site


def cut_of(site: Site, island: Island) -> Cut:
    """Return the addresses of an island, each a network, and those above: what the zones own."""
    owned = Ownership(site, topology(site.devices))
    return Cut(
        parts=tuple(networks_of(merge(part for one in island.inside for part in owned.of(one)))),
        against=merge(part for one in island.above for part in owned.of(one)),
        group=island.group,
    )


def declares(device: Device, island: Island) -> bool:
    """Whether a firewall is to be prepared for an island."""
    return device.containment is not None and island.key in device.containment.islands


def firewalls_of(
    site: Site, island: Island, today: date
) -> tuple[tuple[Device, ...], Mapping[str, Sequence[Leg]]]:
    """Return the firewalls around an island, and the flows to and from above that cross each.

    They are those that join a zone of it to one that is not of it, and those that its conduits to
    and from above cross.

    Raises:
        ContainmentError: there are none.
    """
    inside = {zone.key for zone in island.inside}
    above = {zone.key for zone in island.above}
    legs = {
        name: [
            leg
            for leg in crossing
            if (leg.source.key in inside and leg.destination.key in above)
            or (leg.source.key in above and leg.destination.key in inside)
        ]
        for name, crossing in routes(site, topology(site.devices), today).legs.items()
    }
    found: list[Device] = []
    for device in site.devices:
        zones = {binding.zone for binding in device.zones}
        if legs.get(device.name) or (zones & inside and zones - inside):
            found.append(device)
    return tuple(found), legs
