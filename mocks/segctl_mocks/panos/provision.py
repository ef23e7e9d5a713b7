"""What administrators prepare on a firewall before anyone writes rules: zones, profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl_mocks.panos.device import PanosDevice

_DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
_ADMIN = "setup"
_UNITS = ("loopback", "tunnel", "vlan")


def provision(  # what may be prepared
    device: PanosDevice,
    *,
    vsys: str = "vsys1",
    zones: Mapping[str, Sequence[str]] | None = None,
    profile_groups: Iterable[str] = (),
    log_forwarding: Iterable[str] = (),
    schedules: Iterable[str] = (),
) -> None:
    """Make these objects part of the configuration the device boots with."""
    place = f"{_DEVICE}/vsys/entry[@name={vsys!r}]"
    for zone, interfaces in (zones or {}).items():
        for interface in interfaces:
            _interface(device, place, interface)
        ports = _members(interfaces)
        _set(
            device,
            f"{place}/zone",
            f"<entry name={quoteattr(zone)}><network><layer3>{ports}</layer3></network></entry>",
        )
    for name in profile_groups:
        group = (
            f"<entry name={quoteattr(name)}><virus><member>default</member></virus>"
            "<spyware><member>strict</member></spyware>"
            "<vulnerability><member>strict</member></vulnerability></entry>"
        )
        _set(device, f"{place}/profile-group", group)
    for name in log_forwarding:
        profile = (
            f'<entry name={quoteattr(name)}><match-list><entry name="traffic">'
            "<log-type>traffic</log-type><filter>All Logs</filter>"
            "<send-to-panorama>no</send-to-panorama></entry></match-list></entry>"
        )
        _set(device, "/config/shared/log-settings/profiles", profile)
    for name in schedules:
        schedule = (
            f"<entry name={quoteattr(name)}><schedule-type><recurring><daily>"
            "<member>06:00-18:00</member></daily></recurring></schedule-type></entry>"
        )
        _set(device, f"{place}/schedule", schedule)
    device.start_over()


def _set(device: PanosDevice, xpath: str, element: str) -> None:
    device.configurator.change("set", {"xpath": xpath, "element": element}, _ADMIN)


def _members(names: Iterable[str]) -> str:
    return "".join(f"<member>{escape(name)}</member>" for name in names)


def _interface(device: PanosDevice, place: str, name: str) -> None:
    parent = name.partition(".")[0]
    root = f"{_DEVICE}/network/interface"
    if parent in _UNITS:
        if name != parent:
            _set(device, f"{root}/{parent}/units", f"<entry name={quoteattr(name)}/>")
    else:
        kind = "aggregate-ethernet" if parent.startswith("ae") else "ethernet"
        unit = "" if name == parent else f"<units><entry name={quoteattr(name)}/></units>"
        element = f"<entry name={quoteattr(parent)}><layer3>{unit}</layer3></entry>"
        _set(device, f"{root}/{kind}", element)
    _set(device, f"{place}/import/network/interface", _members([name]))
