"""Who is contained on the firewalls of a device group: each is asked, by way of its manager.

The plan of a device group reads nothing of its firewalls, and who is contained is only there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import segctl
from segctl.fleet.connections import target
from segctl.fleet.pool import IN_TURN
from segctl.fleet.tasks import may_begin, same_version, steps_of
from segctl.model.errors import DeviceError, Problem, SegctlError
from segctl.model.filled import Filled
from segctl.model.policy import AddressGroup, Policy
from segctl.planning.losses import let_go
from segctl.providers.base import provider
from segctl.providers.containing import CONTAINED, Containing, Held, contained_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.compiler.build import Desired
    from segctl.fleet.pool import Compute
    from segctl.fleet.tasks import Link
    from segctl.model.site import Device
    from segctl.planning.plan import DevicePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """Work: read who is in groups that a plan prepares, or takes away, on one firewall."""

    firewall: Device
    groups: tuple[str, ...]
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__

    @property
    def device(self) -> str:
        """The firewall's name."""
        return self.firewall.name

    def unread(self, why: str) -> tuple[CutOff, ...]:
        """Return why nobody knows who is in the groups."""
        return tuple(CutOff(firewall=self.device, group=group, unread=why) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """Who is in a group on one firewall, or one of a pair; `unread` says why nobody knows."""

    firewall: str
    group: str
    members: tuple[Held, ...] = ()
    unread: str = ""


def look_one(item: Looking, link: Link, compute: Compute = IN_TURN) -> tuple[CutOff, ...]:
    """Return who is in the groups; one that cannot be asked is no failure of the plan."""
    del compute  # the answers are short
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(item.device, link)
        return tuple(_cut_off(item, told))
    except SegctlError as error:
        return item.unread(error.message if isinstance(error, DeviceError) else str(error))
    finally:
        link.tell(item.device, "")


def _cut_off(item: Looking, told: Callable[[str], None]) -> Iterator[CutOff]:
    device = item.firewall
    where = target(device.name, item.connection, device.scope)
    with provider(device.platform).connect(where, read_only=True, progress=told) as session:
        told("reading who is contained")
        for group in item.groups:
            for cell in session.cells(group) if isinstance(session, Containing) else ():
                try:
                    held = tuple(cell.held())
                except DeviceError as error:
                    yield CutOff(firewall=cell.name, group=group, unread=error.message)
                else:
                    yield CutOff(firewall=cell.name, group=group, members=held)


def groups_of(desired: Desired, plan: DevicePlan) -> tuple[str, ...]:
    """Return the groups that are filled while somebody is cut off: prepared now, or until now."""
    items = (*desired.policy[AddressGroup], *(change.before for change in plan.changes))
    return tuple(
        sorted({one.name for one in items if isinstance(one, AddressGroup) and one.contained})
    )


def with_cut_off(plan: DevicePlan, found: Iterable[CutOff], prepared: Iterable[str]) -> DevicePlan:
    """Return a plan with who is cut off on its firewalls, until when, by whom and why. Pure.

    That is no drift. Where a group is not `prepared` any more, a warning names whom it lets go.
    """
    listed = list(found)
    gone = {
        group: Filled(what="", addresses=tuple(sorted(addresses)))
        for group in dict.fromkeys(one.group for one in listed)
        if group not in set(prepared)
        and (addresses := {each.address for one in listed for each in _inside(one, group)})
    }
    more = (*_notes(listed), *let_go(gone, Policy()))
    return replace(plan, findings=(*plan.findings, *more))


def _inside(one: CutOff, group: str) -> Sequence[Held]:
    return one.members if one.group == group else ()


def _notes(listed: Sequence[CutOff]) -> Iterator[Problem]:
    every = {one.firewall for one in listed}
    told: dict[Problem, list[str]] = {}
    for one in listed:
        inside = [held for held in one.members if held.enforced]
        for note in contained_notes(one.group, inside):
            told.setdefault(note, []).append(one.firewall)
        for held in one.members:
            if not held.enforced:
                told.setdefault(_outside(held, one.group), []).append(one.firewall)
        if one.unread:
            told.setdefault(_unknown(one), []).append(one.firewall)
    for note, names in told.items():
        where = "" if set(names) == every else f", on {', '.join(dict.fromkeys(names))}"
        yield replace(note, message=f"{note.message}{where}")


def _outside(held: Held, group: str) -> Problem:
    return Problem(
        message=f"{held.address} is registered {held.words}, and is not in the group {group}",
        hint="segctl contain status says more",
        severity="warning",
        kind=CONTAINED,
        subject=held.address,
    )


def _unknown(one: CutOff) -> Problem:
    return Problem(
        message=f"who is in {one.group} is not known: {one.unread}",
        severity="warning",
        kind=CONTAINED,
        about=(CONTAINED, one.unread),
    )
