"""Which applications an application filter takes in, as the device judges a flow by one.

Sources: the vendor's administrator guide and the fields of ``panos_application_filter`` of the
vendor's Ansible collection (a filter's fields), the vendor's ``ApplicationObject`` in pan-os-python
(those of an application); a partner's page on filters (within a column any value will do, and all
columns count).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.panos.pushed import object_of
from segctl_mocks.panos.tree import text_of
from segctl_mocks.panos.validate import members

if TYPE_CHECKING:
    from segctl_mocks.panos.device import PanosDevice
    from segctl_mocks.panos.tree import Element

_COLUMNS = ("category", "subcategory", "technology", "risk")
_FLAGS = {
    "evasive": "evasive-behavior",
    "excessive-bandwidth-use": "consume-big-bandwidth",
    "used-by-malware": "used-by-malware",
    "transfers-files": "able-to-transfer-file",
    "has-known-vulnerabilities": "has-known-vulnerability",
    "tunnels-other-apps": "tunnel-other-application",
    "prone-to-misuse": "prone-to-misuse",
    "pervasive": "pervasive-use",
}


def takes_in(device: PanosDevice, name: str, application: str, vsys: str) -> bool:
    """Whether a filter of this name takes an application in."""
    found = object_of(device.running, device.pushed, vsys, "application-filter", name)
    entry = _application(device, application, vsys)
    if found is None or entry is None or application in members(found, "exclude"):
        return False
    for column in _COLUMNS:
        wanted = members(found, column)
        if wanted and text_of(entry.find(column)) not in wanted:
            return False
    asked = [meant for flag, meant in _FLAGS.items() if text_of(found.find(flag)) == "yes"]
    return not asked or any(text_of(entry.find(meant)) == "yes" for meant in asked)


def _application(device: PanosDevice, name: str, vsys: str) -> Element | None:
    own = object_of(device.running, device.pushed, vsys, "application", name)
    if own is not None:
        return own
    return device.predefined.at((("predefined", ""), ("application", ""), ("entry", name)))
