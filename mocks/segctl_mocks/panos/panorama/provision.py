"""What administrators prepare on a Panorama: groups with firewalls, templates with their zones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.panorama import groups
from segctl_mocks.panos.provision import places, provision
from segctl_mocks.panos.pushed import server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.panos.mock import PanosMock
    from segctl_mocks.panos.panorama.mock import PanoramaMock
    from segctl_mocks.spec import HostSpec

_DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
_ADMIN = "setup"
_LONGEST = 31


@dataclass(frozen=True, slots=True)
class Managed:
    """A firewall of a fleet and what its host prepares."""

    mock: PanosMock
    spec: HostSpec


def prepare(mock: PanosMock, spec: HostSpec) -> None:
    """Make the zones, profiles and schedules of a host part of its firewall."""
    provision(
        mock.device,
        vsys=spec.vsys,
        zones=spec.zones,
        profile_groups=spec.profile_groups,
        log_forwarding=spec.log_forwarding,
        schedules=spec.schedules,
    )
    mock.save()


def establish(mock: PanoramaMock, managed: Sequence[Managed], *, own: bool) -> None:
    """Let a Panorama manage firewalls, and bring them in sync.

    With a configuration of its `own` it must have their groups, with profiles and schedules, and
    only zones are prepared, on the firewalls themselves; else each gets its zones from a template
    and a stack of its name, and profiles and schedules are in its group.

    Raises:
        ValueError: its configuration lacks a group.
    """
    for each in managed:
        _name_manager(each.mock)
        if own:
            if each.spec.device_group not in groups.names(mock.device.candidate):
                message = f"{mock.name}: its configuration has no group {each.spec.device_group}"
                raise ValueError(message)
            _take_over(mock, each)
            bare = replace(each.spec, profile_groups=(), log_forwarding=(), schedules=())
            prepare(each.mock, bare)
            each.mock.device.learn(mock.device.running)
        else:
            _place(mock, each)
            _describe(mock, each)
    mock.device.start_over()
    mock.push_all(_ADMIN)
    mock.save()


def _name_manager(firewall: PanosMock) -> None:
    """Let a firewall name its Panorama in its settings, by which it connects to it."""
    system = f"{_DEVICE}/deviceconfig/system"
    named = server(firewall.settings.release)
    firewall.edit("set", system, named, admin=_ADMIN, commit=True)


def _set(mock: PanoramaMock, xpath: str, element: str) -> None:
    mock.edit("set", xpath, element, admin=_ADMIN)


def _group(name: str) -> str:
    return f"{_DEVICE}/device-group/entry[@name={quoteattr(name)}]"


def _take_over(mock: PanoramaMock, each: Managed) -> None:
    """Put a firewall into its group; it leaves the group that its configuration has it in."""
    serial = each.spec.serial
    for member in list(groups.members(mock.device.candidate)):
        if member.serial == serial and member.group != each.spec.device_group:
            xpath = f"{_group(member.group)}/devices/entry[@name={quoteattr(serial)}]"
            mock.edit("delete", xpath, admin=_ADMIN)
    _join(mock, each)


def _join(mock: PanoramaMock, each: Managed) -> None:
    system = f"<vsys><entry name={quoteattr(each.spec.vsys)}/></vsys>"
    inner = system if each.mock.settings.multi_vsys else ""
    member = f"<entry name={quoteattr(each.spec.serial)}>{inner}</entry>"
    _set(mock, f"{_group(each.spec.device_group)}/devices", member)


def _place(mock: PanoramaMock, each: Managed) -> None:
    _join(mock, each)
    spec, group = each.spec, _group(each.spec.device_group)
    for place, element in places(
        group,
        profile_groups=spec.profile_groups,
        log_forwarding=spec.log_forwarding,
        schedules=spec.schedules,
    ):
        _set(mock, place, element)


def _describe(mock: PanoramaMock, each: Managed) -> None:
    """Describe the ports and zones of a firewall in a template of its name."""
    name, spec = each.mock.name[:_LONGEST], each.spec
    template = f"{_DEVICE}/template/entry[@name={quoteattr(name)}]"
    _set(mock, template, f"<settings><default-vsys>{escape(spec.vsys)}</default-vsys></settings>")
    device = f"{template}/config/devices/entry[@name='localhost.localdomain']"
    system = f"{device}/vsys/entry[@name={quoteattr(spec.vsys)}]"
    for place, element in places(system, device=device, zones=spec.zones):
        _set(mock, place, element)
    stack = f"{_DEVICE}/template-stack/entry[@name={quoteattr(f'{name}-stack'[-_LONGEST:])}]"
    member = f"<templates><member>{escape(name)}</member></templates>"
    devices = f"<devices><entry name={quoteattr(spec.serial)}/></devices>"
    _set(mock, stack, member + devices)
