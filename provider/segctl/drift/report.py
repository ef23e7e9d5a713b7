"""Drift by device: what counts, what is accepted, and which devices could not be read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from segctl.drift.acceptance import judge
from segctl.drift.items import DRIFT_KINDS, items_of
from segctl.planning.findings import CANNOT_TELL
from segctl.planning.plan import DevicePlan
from segctl.providers.state import DeviceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.drift.acceptance import Accepted, AcceptedItem, Judged
    from segctl.drift.items import DriftItem
    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.planning.plan import Unmanaged
    from segctl.providers.logs import Author

#: The status of a device.
Status: TypeAlias = Literal["in_sync", "drift", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDrift:
    """The drift of one device: `items` count, `accepted` ones do not.

    Of a pair, `answered` is the host that was read, and `serials` are the numbers of those
    that answered.
    `findings` are all findings, including those that items stand for.
    """

    name: str
    platform: str = ""
    serial: str = ""
    answered: str = ""
    serials: tuple[str, ...] = ()
    items: tuple[DriftItem, ...] = ()
    accepted: tuple[AcceptedItem, ...] = ()
    findings: tuple[Problem, ...] = ()
    unmanaged: tuple[Unmanaged, ...] = ()
    state: DeviceState = field(default_factory=DeviceState)

    @property
    def status(self) -> Status:
        """``drift`` if any item counts, else ``in_sync``."""
        return "drift" if self.items else "in_sync"

    def changes(self, kind: str) -> tuple[Change, ...]:
        """Return the changes that would repair one of `DRIFT_KINDS`."""
        return tuple(
            change
            for item in self.items
            for change in item.changes
            if DRIFT_KINDS[change.op] == kind
        )

    def told(self, state: str) -> tuple[Problem, ...]:
        """Return the findings behind the items in one of the states of `TOLD`."""
        return tuple(finding for item in self.items for finding in item.findings(state))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A device that could not be read: the code of the error and its message."""

    name: str
    code: str
    message: str

    @property
    def status(self) -> Status:
        """How such a device is counted."""
        return "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of devices by status."""

    in_sync: int = 0
    drift: int = 0
    error: int = 0

    @property
    def devices(self) -> int:
        """The number of devices."""
        return self.in_sync + self.drift + self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What a run found on every device that it checked."""

    devices: tuple[DeviceDrift | Unchecked, ...]

    @property
    def counts(self) -> Counts:
        """The number of devices by status."""
        states = Counter(device.status for device in self.devices)
        return Counts(in_sync=states["in_sync"], drift=states["drift"], error=states["error"])

    @property
    def in_sync(self) -> bool:
        """Whether every device could be read and no drift counts."""
        return all(device.status == "in_sync" for device in self.devices)

    @property
    def untold(self) -> tuple[tuple[DeviceDrift, DriftItem], ...]:
        """What counts only because it cannot be told, with its device."""
        return tuple(
            (device, item)
            for device in self.checked
            for item in device.items
            if item.state == CANNOT_TELL
        )

    @property
    def checked(self) -> tuple[DeviceDrift, ...]:
        """The devices that could be read."""
        return tuple(device for device in self.devices if isinstance(device, DeviceDrift))

    @property
    def unchecked(self) -> tuple[Unchecked, ...]:
        """The devices that could not be read."""
        return tuple(device for device in self.devices if isinstance(device, Unchecked))


# --- from plans to drift -------------------------------------------------------------------------


class Failed(Protocol):
    """Why a device could not be read."""

    @property
    def device(self) -> str:
        """The device's name."""
        ...

    @property
    def code(self) -> str:
        """The code of the error."""
        ...

    @property
    def message(self) -> str:
        """The message of the error."""
        ...


#: Who changed each item, by device, kind and name.
Authors: TypeAlias = "Mapping[tuple[str, str, str], Author]"


def drift_of(
    plans: Iterable[DevicePlan | Failed],
    baseline: Sequence[Accepted] = (),
    *,
    today: date = date.max,
    authors: Authors | None = None,
    notes: Iterable[tuple[str, Problem]] = (),
) -> DriftReport:
    """Return the drift of each device: what is missing, changed, moved, unexpected or open.

    Args:
        plans: a plan for every device that could be read, a failure for the others.
        baseline: known drift, which does not count until it expires.
        today: the date to compare expiry dates with; without it every entry has expired.
        authors: who changed what, if devices say so.
        notes: further findings, each with its device.
    """
    all_notes = list(notes)
    return DriftReport(
        devices=tuple(
            _device(
                plan,
                judge(plan.name, _by(authors or {}, plan), baseline, today),
                [note for device, note in all_notes if device == plan.name],
            )
            if isinstance(plan, DevicePlan)
            else Unchecked(name=plan.device, code=plan.code, message=plan.message)
            for plan in plans
        )
    )


def _by(authors: Authors, plan: DevicePlan) -> Iterator[DriftItem]:
    """Yield a device's items with the accounts that changed them."""
    for item in items_of(plan):
        author = authors.get((plan.name, item.kind, item.name))
        yield replace(item, changed_by=author) if author else item


def _device(plan: DevicePlan, judged: Judged, notes: Sequence[Problem]) -> DeviceDrift:
    return DeviceDrift(
        name=plan.name,
        platform=plan.platform,
        serial=plan.serial,
        answered=plan.answered,
        serials=plan.serials,
        items=judged.counted,
        accepted=judged.accepted,
        findings=(*plan.findings, *judged.findings, *notes),
        unmanaged=plan.unmanaged,
        state=plan.state,
    )
