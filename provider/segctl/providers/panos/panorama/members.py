"""The firewalls of a device group: which inventory host is which, and what each enforces.

Source: an answer of ``show devicegroups`` recorded on 10.0 (a device with its serial, host name,
address, versions, and whether its shared policy is in sync).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.model.errors import ParseError
from segctl.providers.panos.standing import FOLLOWING
from segctl.providers.state import Receiver
from segctl.system.json_text import read_json
from segctl.transports.target import Managed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.providers.panos.elements import Element

_IN_SYNC: Final = "In Sync"
_NEVER: Final = ("", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """A firewall as its Panorama knows it; `part` is a virtual system of one that has several.

    `display` is what people call that system; `version` is the one of Panorama's configuration that
    it was given last.
    """

    serial: str
    part: str = ""
    display: str = ""
    hostname: str = ""
    address: str = ""
    ha: str = ""
    connected: bool = False
    in_sync: bool = False
    last_push: str = ""
    last_time: str = ""
    version: str = ""
    os_version: str = ""
    content_version: str = ""

    @property
    def place(self) -> str:
        """How rules name it: ``SERIAL`` or ``SERIAL/VSYS``."""
        return f"{self.serial}/{self.part}" if self.part else self.serial

    @property
    def follows(self) -> bool:
        """Whether it is the member of a pair that carries no traffic now."""
        return self.ha in FOLLOWING

    @property
    def never(self) -> bool:
        """Whether nothing was pushed to it yet."""
        return self.last_push.lower() in _NEVER


def read(answer: Element, group: str) -> tuple[Firewall, ...]:
    """Return the firewalls of a device group from the answer to ``show devicegroups``."""
    found: list[Firewall] = []
    for entry in answer.iterfind("result/devicegroups/entry"):
        if entry.get("name") != group:
            continue
        for device in entry.iterfind("devices/entry"):
            systems = device.findall("vsys/entry")
            found += [_managed(device, one) for one in systems] or [_managed(device, None)]
    return tuple(found)


def _managed(device: Element, system: Element | None) -> Firewall:
    def text(tag: str) -> str:
        own = None if system is None else system.findtext(tag)
        return (own or device.findtext(tag) or "").strip()

    return Firewall(
        serial=text("serial") or device.get("name", ""),
        part="" if system is None else system.get("name", ""),
        display="" if system is None else (system.findtext("display-name") or "").strip(),
        hostname=text("hostname"),
        address=text("ip-address"),
        ha=(device.findtext("ha/state") or "").strip(),
        connected=text("connected") == "yes",
        in_sync=text("shared-policy-status").lower() == _IN_SYNC.lower(),
        last_push=text("last-commit-all-state-sp"),
        last_time=text("last-commit-all-upd-sp"),
        version=text("shared-policy-version"),
        os_version=text("sw-version"),
        content_version=text("app-version"),
    )


def to_part(members: Sequence[Managed]) -> bytes:
    """Return the firewalls that the inventory has in the group, as a part of a document."""
    rows = [
        {
            "name": one.name,
            "host": one.host,
            "serial": one.serial,
            "part": one.part,
            "asked": one.asked,
            "of": one.of,
        }
        for one in members
    ]
    return json.dumps(rows).encode()


def from_part(part: bytes) -> tuple[Managed, ...]:
    """Return what `to_part` wrote."""
    rows = cast("list[dict[str, Any]]", read_json(part))
    return tuple(Managed(**row) for row in rows)


def matched(
    manager: str, group: str, members: Iterable[Managed], managed: Sequence[Firewall]
) -> dict[str, Firewall]:
    """Return each inventory host with the firewall that it is.

    By its serial number; where none is given, by its address or its host name.

    Raises:
        ParseError: one is not in the group, or more than one could be meant.
    """
    found: dict[str, Firewall] = {}
    for member in members:
        meant = [one for one in managed if _is(member, one)]
        if len(meant) != 1:
            if not managed:
                raise ParseError(
                    manager,
                    f"there is no device group {group}, or it has no firewall: correct "
                    f"segctl_device_group of {member.name}, or add the firewall there",
                )
            held = ", ".join(f"{one.hostname or '?'} ({one.place})" for one in managed)
            what = "is not in" if not meant else "could be more than one firewall of"
            raise ParseError(
                manager,
                f"{member.name} {what} device group {group}, which has {held}: set segctl_serial, "
                "or correct segctl_device_group",
            )
        found[member.name] = meant[0]
    taken: dict[str, str] = {}
    for name, one in found.items():
        if (other := taken.setdefault(one.place, name)) != name:
            raise ParseError(
                manager, f"{other} and {name} are the same firewall, {one.place}: correct one"
            )
    return found


def _is(member: Managed, one: Firewall) -> bool:
    if one.part and member.part and one.part != member.part:
        return False
    if member.serial:
        return member.serial == one.serial
    return one.hostname == member.name or (bool(one.address) and one.address == member.host)


def places(members: Iterable[Managed], found: Mapping[str, Firewall]) -> dict[str, tuple[str, ...]]:
    """Return how the manager names each firewall of the inventory: a pair by both its members."""
    held: dict[str, tuple[str, ...]] = {}
    for member in sorted(members, key=lambda one: bool(one.of)):
        place = found[member.name].place
        held[member.firewall] = (*held.get(member.firewall, ()), place)
    return held


def receivers(members: Iterable[Managed], found: Mapping[str, Firewall]) -> tuple[Receiver, ...]:
    """Return what each firewall enforces of the group's policy."""
    return tuple(
        Receiver(
            name=member.name,
            serial=found[member.name].place,
            enforces=found[member.name].in_sync,
            why="" if found[member.name].in_sync else _why(found[member.name]),
            asked=member.asked,
            of=member.of,
        )
        for member in members
    )


def _why(one: Firewall) -> str:
    if not one.connected:
        return "it is not connected to Panorama"
    if one.never:
        return "nothing was pushed to it yet"
    when = f" of {one.last_time}" if one.last_time else ""
    return f"its shared policy is out of sync; the last push{when}: {one.last_push}"
