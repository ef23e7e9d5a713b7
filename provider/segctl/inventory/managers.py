"""Firewalls behind a manager: who manages which, and whether what they declare agrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segctl.inventory.check import typed
from segctl.model.errors import nearest
from segctl.model.site import group_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.inventory.check import Checker, Node
    from segctl.model.site import Device

PANORAMA: Final = "segctl_panorama"
GROUP: Final = "segctl_device_group"
RULEBASE: Final = "segctl_rulebase"
SERIAL: Final = "segctl_serial"
_ZONES: Final = "segctl_manage_zones"

#: What all firewalls of a device group have in common there, with the variable that says it.
_COMMON: Final[Mapping[str, str]] = {
    "group": RULEBASE,
    "position": "segctl_position",
    "unmanaged": "segctl_unmanaged",
    "default_rules": "segctl_default_rules",
    "unknown_applications": "segctl_unknown_applications",
    "schedules": "segctl_schedules",
    "containment": "segctl_containment",
}


def managers(hosts: Iterable[Mapping[str, Node]]) -> frozenset[str]:
    """Return the hosts that others name as their Panorama."""
    named = (nodes[PANORAMA].value for nodes in hosts if PANORAMA in nodes)
    return frozenset(name for name in named if isinstance(name, str))


def check_manager(
    checker: Checker, host: str, nodes: Mapping[str, Node], known: Mapping[str, str]
) -> None:
    """Report what is wrong with how one firewall names its Panorama.

    `known` has the platform of every host, empty where it has none that segctl knows.
    """
    at = nodes.get(PANORAMA)
    if at is None:
        for name in (GROUP, RULEBASE):
            if name in nodes:
                checker.report_key(
                    nodes[name],
                    f"{name} of host {host} needs {PANORAMA}",
                    f"name the inventory host that is its Panorama in {PANORAMA}",
                )
        return
    if GROUP not in nodes:
        checker.report_key(
            at, f"{PANORAMA} of host {host} needs {GROUP}", "name its device group there"
        )
    if _ZONES in nodes and typed(str(nodes[_ZONES].value)) is True:
        checker.report(
            nodes[_ZONES],
            f"{_ZONES} of host {host} cannot be true: its zones come from templates of Panorama, "
            "which segctl reads and does not write",
            f"drop {_ZONES}, and add what is missing to a template of its stack",
        )
    manager = at.value
    if not isinstance(manager, str):
        return  # the shape says so
    if manager not in known:
        hint = nearest(manager, tuple(known), "add it as a host with its own connection variables")
        checker.report(
            at, f"{PANORAMA} names {manager}, which is not a host of the inventory", hint
        )
    elif manager == host:
        checker.report(at, f"host {host} cannot be its own Panorama")
    elif known[manager] != "panos":
        checker.report(
            at,
            f"{PANORAMA} names {manager}, whose ansible_network_os is not PAN-OS",
            "set ansible_network_os of the Panorama to paloaltonetworks.panos.panos",
        )


def check_groups(
    checker: Checker, devices: Sequence[Device], nodes: Mapping[str, Mapping[str, Node]]
) -> None:
    """Report firewalls of one device group that differ in what only the whole group can have."""
    first: dict[str, Device] = {}
    serials: dict[tuple[str, str], str] = {}
    for device in devices:
        if device.serial:
            other = serials.setdefault((device.serial, str(device.scope)), device.name)
            if other != device.name and SERIAL in nodes[device.name]:
                checker.report(
                    nodes[device.name][SERIAL],
                    f"{SERIAL} {device.serial} is the one of host {other}, too",
                    "two hosts cannot be one firewall, but for two virtual systems (segctl_vsys)",
                )
        if not device.group:
            continue
        one = first.setdefault(group_name(device), device)
        for name, variable in _COMMON.items():
            if getattr(one, name) != getattr(device, name):
                at = nodes[device.name].get(variable) or nodes[device.name][PANORAMA]
                checker.report_key(
                    at,
                    f"{variable} of host {device.name} differs from that of {one.name}, and both "
                    f"are in device group {device.group.name}",
                    "declare it once, for the group of hosts",
                )
