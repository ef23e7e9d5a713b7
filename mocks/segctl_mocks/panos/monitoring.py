"""What monitoring clients ask: pairs, counts of sessions, Panorama, predefined content, backups."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from segctl_mocks.panos import ha, xpath
from segctl_mocks.panos.answers import Answer, ApiError, result
from segctl_mocks.panos.references import DEVICE
from segctl_mocks.panos.tree import serialize, text_of

if TYPE_CHECKING:
    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.ha import Room
    from segctl_mocks.panos.showings import Call
    from segctl_mocks.panos.tree import Element

_BINARY = "application/octet-stream"


def meter(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Show how many sessions each virtual system has; no maximum is set (shape not recorded)."""
    container = device.running.at((*DEVICE, ("vsys", "")))
    names = [] if container is None else list(device.running.entries(container))
    rows = "".join(
        f"<entry><vsys>{escape(name)}</vsys><maximum>0</maximum>"
        f"<current>{sum(one.get('vsys') == name for one in device.sessions)}</current>"
        "<throttled>0</throttled></entry>"
        for name in names
    )
    return result(rows)


def panorama_status(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Show the Panorama servers of the firewall, its own or those of a template."""
    return result(device.pushed.status(device.running))


def predefined(device: PanosDevice, node: Element, _call: Call) -> Answer:
    """Show a part of the predefined content, by an xpath below or at ``/predefined``."""
    place = text_of(node.find("xpath"))
    if not place:
        raise ApiError("17", " show -> predefined -> xpath  is missing")
    place = "/predefined/" + place.strip("/").removeprefix("config/").removeprefix("predefined/")
    path = f"/config{place}".removesuffix("/predefined")
    nodes = xpath.select(device.predefined, path)
    if not nodes:
        raise ApiError("", "No such node")
    return result(b"".join(serialize(found) for found in nodes))


def device_state(device: PanosDevice) -> Answer:
    """Export what a device needs to be built again: its configuration, as a compressed archive.

    A real archive also holds what a Panorama pushed, certificates and the like.
    """
    files = {"running-config.xml": device.running.to_bytes()}
    if device.pushed:
        files["panorama_config_no_transform.xml"] = device.pushed.documents
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    name = f"device_state_cfg_{device.settings.hostname}.tgz"
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Answer(packed.getvalue(), content_type=_BINARY, headers=headers)


# -- the pair ------------------------------------------------------------------------------------


def ha_state(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Return the firewall's standing in its pair."""
    if device.room is not None:
        return result(device.room.state(device))
    return result(ha.lone_state(device))


def sync(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Send the running configuration to the peer."""
    line = _room(device).request_sync(device)
    return Answer(f'<response status="success"><msg><line>{line}</line></msg></response>'.encode())


def suspend(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Take the firewall out of service."""
    _room(device).suspend(device)
    return result("Successfully changed HA state to suspended")


def functional(device: PanosDevice, _node: Element, _call: Call) -> Answer:
    """Bring it back."""
    _room(device).make_functional(device)
    return result("Successfully changed HA state to functional")


def _room(device: PanosDevice) -> Room:
    if device.room is None:
        raise ApiError("", "HA is not enabled")
    return device.room
