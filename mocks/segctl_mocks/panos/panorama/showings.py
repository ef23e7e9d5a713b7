"""Commands that only a Panorama is asked: about its groups, templates and firewalls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from segctl_mocks.panos import reports
from segctl_mocks.panos.answers import Answer, ApiError, message_result, result
from segctl_mocks.panos.panorama import devices, groups, hits, templates
from segctl_mocks.panos.tree import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl_mocks.panos.appliance import Device
    from segctl_mocks.panos.panorama.device import PanoramaDevice
    from segctl_mocks.panos.showings import Call, Report
    from segctl_mocks.panos.tree import Element


def _of_panorama(report: Callable[[PanoramaDevice, Element, Call], Answer]) -> Report:
    """Let a report of a Panorama stand in the table of a device: that is where Panoramas look."""

    def of_device(device: Device, node: Element, call: Call) -> Answer:
        return report(cast("PanoramaDevice", device), node, call)

    return of_device


def _system_info(panorama: PanoramaDevice, _node: Element, _call: Call) -> Answer:
    """Answer what a recorded Panorama of 10.0.9 has of fields that matter to clients."""
    settings, now = panorama.settings, panorama.clock()
    values = {
        **reports.identity(settings, now, now - panorama.booted),
        "family": "pc",
        "model": settings.model,
        "serial": settings.serial,
        "vm-mode": "KVM",
        "cloud-mode": "non-cloud",
        "sw-version": settings.sw_version,
        "app-version": settings.content_version,
        "av-version": "0",
        "threat-version": settings.content_version,
        "wildfire-version": "0",
        "logdb-version": "11.1.2",
        "platform-family": "pc",
        "system-mode": "panorama",
        "operational-mode": "normal",
        "num-cpus": "8",
        "ram-in-gb": "32",
        "licensed-device-capacity": "1000",
        "device-certificate-status": "None",
    }
    return result(f"<system>{reports.elements(values)}</system>")


def _hierarchy(panorama: PanoramaDevice, _node: Element, _call: Call) -> Answer:
    return result(groups.hierarchy(panorama.candidate))


def _move(panorama: PanoramaDevice, node: Element, call: Call) -> Answer:
    entry = node.find("entry")
    if entry is None:
        raise ApiError("17", " request -> move-dg is missing 'entry'", cdata=True)
    above = text_of(entry.find("new-parent-dg"))
    return panorama.move_group(entry.get("name") or "", above, call.request.user)


def _all_devices(panorama: PanoramaDevice, _node: Element, _call: Call) -> Answer:
    return result(devices.all_of_them(panorama, connected=False))


def _connected_devices(panorama: PanoramaDevice, _node: Element, _call: Call) -> Answer:
    return result(devices.all_of_them(panorama, connected=True))


def _groups(panorama: PanoramaDevice, node: Element, _call: Call) -> Answer:
    return result(devices.of_groups(panorama, text_of(node.find("name"))))


def _templates(panorama: PanoramaDevice, node: Element, _call: Call) -> Answer:
    return result(devices.of_templates(panorama, templates.TEMPLATE, text_of(node.find("name"))))


def _stacks(panorama: PanoramaDevice, node: Element, _call: Call) -> Answer:
    return result(devices.of_templates(panorama, templates.STACK, text_of(node.find("name"))))


def _hit_count(panorama: PanoramaDevice, node: Element, _call: Call) -> Answer:
    return result(hits.hit_count(panorama, node))


def _clear_hits(panorama: PanoramaDevice, _node: Element, _call: Call) -> Answer:
    for firewall in panorama.firewalls.values():
        with firewall.device.lock:
            firewall.device.clear_hits()
    return message_result("Succeeded to reset rule hit count for specified rules")


def _ha_state(_panorama: PanoramaDevice, _node: Element, _call: Call) -> Answer:
    return result("<enabled>no</enabled>")


COMMANDS: Mapping[tuple[str, ...], Report] = {
    ("show", "system", "info"): _of_panorama(_system_info),
    ("show", "dg-hierarchy"): _of_panorama(_hierarchy),
    ("show", "devices", "all"): _of_panorama(_all_devices),
    ("show", "devices", "connected"): _of_panorama(_connected_devices),
    ("show", "devicegroups"): _of_panorama(_groups),
    ("show", "templates"): _of_panorama(_templates),
    ("show", "template-stack"): _of_panorama(_stacks),
    ("show", "rule-hit-count"): _of_panorama(_hit_count),
    ("clear", "rule-hit-count"): _of_panorama(_clear_hits),
    ("show", "high-availability", "state"): _of_panorama(_ha_state),
    ("request", "move-dg"): _of_panorama(_move),
}
