"""What was read of a device group, as the text of inventory files: pure, and in one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.importing.contained import containment_text
from segctl.importing.files import (
    conduits_text,
    default_text,
    forwarding_text,
    head,
    joined,
    position_text,
    profiles_text,
    reached,
    schedules_text,
    unknown_text,
    zone_map,
    zones_text,
)
from segctl.importing.words import group_name
from segctl.importing.yaml import entry, mapping, scalar
from segctl.model.site import group_name as group_called

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.model.site import Device, Site

#: What a firewall has of its own, by whatever way it is reached.
_OWN = ("ansible_host", "ansible_network_os")


def group_files(
    *,
    site: Site,
    firewalls: Sequence[Device],
    connections: Mapping[str, Mapping[str, object]],
    zone_notes: Mapping[str, tuple[str, ...]],
    conduit_notes: Mapping[str, tuple[str, ...]],
    left: Iterable[str],
    site_id: str,
) -> dict[str, str]:
    """Return the files of the inventory of a device group by path below its folder."""
    first = firewalls[0]
    name = group_called(first)
    group = _group(site_id, firewalls)
    own = {f"host_vars/{one.name}.yml": _host_vars(one, site_id) for one in firewalls}
    own |= {
        f"host_vars/{one.ha_peer}.yml": [
            f"# The peer of {one.name}.",
            entry(0, "segctl_serial", one.peer_serial),
        ]
        for one in firewalls
        if one.ha_peer and one.peer_serial
    }
    return joined(
        {
            "hosts.yml": _hosts(firewalls, group, connections),
            **own,
            f"group_vars/{group}/panorama.yml": _common(first, site_id),
            f"group_vars/{group}/zones.yml": zones_text(site, name, zone_notes, site_id),
            f"group_vars/{group}/conduits.yml": conduits_text(site, name, conduit_notes, left),
        }
    )


def _group(site: str, firewalls: Sequence[Device]) -> str:
    """Return a name for the group of these hosts which none of them has."""
    hosts = {firewalls[0].manager, *_names(firewalls)}
    taken = next((host for host in hosts if group_name(site, host) != group_name(site, "")), "")
    return group_name(site, taken)


def _hosts(
    firewalls: Sequence[Device], group: str, connections: Mapping[str, Mapping[str, object]]
) -> list[str]:
    first = firewalls[0]
    lines = [
        *head(group_called(first)),
        "all:",
        "  hosts:",
        *mapping(4, first.manager, reached(6, connections.get(first.manager, {}))),
        "  children:",
        f"    {scalar(group)}:",
        "      hosts:",
    ]
    for host in _names(firewalls):
        held = connections.get(host, {})
        own = {name: held[name] for name in _OWN if name in held}
        lines += mapping(8, host, reached(10, own))
    return lines


def _names(firewalls: Iterable[Device]) -> list[str]:
    """Return the hosts that the firewalls are: a pair is two."""
    return [name for one in firewalls for name in (one.name, one.ha_peer) if name]


def _host_vars(device: Device, site: str) -> list[str]:
    return [
        *zone_map(device, site),
        "",
        *([entry(0, "segctl_ha_peer", device.ha_peer)] if device.ha_peer else []),
        *([entry(0, "segctl_serial", device.serial)] if device.serial else []),
        *([entry(0, "segctl_vsys", device.scope.name)] if device.scope else []),
        *profiles_text(device),
    ]


def _common(device: Device, site: str) -> list[str]:
    """Return what only the whole device group can have."""
    return [
        "# The device group, and what all its firewalls have in common.",
        entry(0, "segctl_panorama", device.manager),
        entry(0, "segctl_device_group", device.group.name),
        *(
            [entry(0, "segctl_rulebase", "post")]
            if device.group.kind == "device-group-post"
            else []
        ),
        "",
        *position_text(device.position),
        *forwarding_text(device),
        *default_text(device),
        *unknown_text(device),
        *schedules_text(device),
        *containment_text(device, site),
    ]
