"""What administrators prepare on a firewall before anyone writes rules: zones, profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    for xpath, element in places(
        f"{_DEVICE}/vsys/entry[@name={vsys!r}]",
        zones=zones,
        profile_groups=profile_groups,
        log_forwarding=log_forwarding,
        schedules=schedules,
    ):
        device.configurator.change("set", {"xpath": xpath, "element": element}, _ADMIN)
    device.start_over()


def places(  # what may be prepared
    scope: str,
    *,
    device: str = _DEVICE,
    zones: Mapping[str, Sequence[str]] | None = None,
    profile_groups: Iterable[str] = (),
    log_forwarding: Iterable[str] = (),
    schedules: Iterable[str] = (),
) -> Iterator[tuple[str, str]]:
    """Yield what to set for such objects, as pairs of an xpath and an element.

    `scope` is the xpath of the virtual system (or device group) they are in, `device` that of the
    device whose ports the zones have.
    """
    for zone, interfaces in (zones or {}).items():
        for interface in interfaces:
            yield from _interface(device, scope, interface)
        ports = _members(interfaces)
        network = f"<network><layer3>{ports}</layer3></network>"
        yield f"{scope}/zone", f"<entry name={quoteattr(zone)}>{network}</entry>"
    for name in profile_groups:
        group = (
            f"<entry name={quoteattr(name)}><virus><member>default</member></virus>"
            "<spyware><member>strict</member></spyware>"
            "<vulnerability><member>strict</member></vulnerability></entry>"
        )
        yield f"{scope}/profile-group", group
    for name in log_forwarding:
        profile = (
            f'<entry name={quoteattr(name)}><match-list><entry name="traffic">'
            "<log-type>traffic</log-type><filter>All Logs</filter>"
            "<send-to-panorama>no</send-to-panorama></entry></match-list></entry>"
        )
        yield "/config/shared/log-settings/profiles", profile
    for name in schedules:
        schedule = (
            f"<entry name={quoteattr(name)}><schedule-type><recurring><daily>"
            "<member>06:00-18:00</member></daily></recurring></schedule-type></entry>"
        )
        yield f"{scope}/schedule", schedule


def _members(names: Iterable[str]) -> str:
    return "".join(f"<member>{escape(name)}</member>" for name in names)


def _interface(device: str, scope: str, name: str) -> Iterator[tuple[str, str]]:
    parent = name.partition(".")[0]
    root = f"{device}/network/interface"
    if parent in _UNITS:
        if name != parent:
            yield f"{root}/{parent}/units", f"<entry name={quoteattr(name)}/>"
    else:
        kind = "aggregate-ethernet" if parent.startswith("ae") else "ethernet"
        unit = "" if name == parent else f"<units><entry name={quoteattr(name)}/></units>"
        element = f"<entry name={quoteattr(parent)}><layer3>{unit}</layer3></entry>"
        yield f"{root}/{kind}", element
    yield f"{scope}/import/network/interface", _members([name])
