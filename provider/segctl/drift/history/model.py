"""What a run saw, and what the history holds, as values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.drift.report import Unchecked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from segctl.drift.items import DriftItem
    from segctl.drift.report import DeviceDrift, DriftReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One drifted item as a run saw it."""

    kind: str
    name: str
    state: str
    fingerprint: str
    conduit: str = ""
    changed_by: str = ""
    changed_at: str = ""
    #: who accepts it, and until when
    owner: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One device as a run saw it; for a device that could not be read, only the error.

    `pair` holds the serial numbers of those members of a pair that answered.
    """

    environment: str
    device: str
    status: str
    platform: str = ""
    serial: str = ""
    pair: tuple[str, ...] = ()
    error: str = ""
    items: tuple[Seen, ...] = ()

    def replaces(self, serial: str) -> bool:
        """Whether it is another device than the one of this serial number.

        Either member of a pair is the same; while only one answers, nothing is known of the other.
        """
        if not serial or self.status == "error" or len(self.pair) == 1:
            return False
        return serial not in (self.serial, *self.pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of ``segctl drift``."""

    started: datetime
    finished: datetime
    runner: str
    commit: str
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What recording a run changed in the history: (device, kind, name) of items."""

    new: tuple[tuple[str, str, str], ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()
    resolved: tuple[tuple[str, str, str], ...] = ()
    #: devices for which a later run is on record already
    outdated: tuple[str, ...] = ()
    #: devices that answered with another serial number than before
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One drifted item as the history has it; `resolved` is None while it is open."""

    environment: str
    device: str
    kind: str
    name: str
    state: str
    fingerprint: str
    conduit: str
    first_seen: datetime
    last_seen: datetime
    resolved: datetime | None
    changed_by: str
    changed_at: str
    owner: str
    expires: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are asked for; `devices` are all that may be shown, None means any."""

    environment: str = ""
    device: str = ""
    devices: tuple[str, ...] | None = None
    since: datetime | None = None
    resolved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of an environment: its open items, and the devices that could not be read."""

    items: tuple[Entry, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A digest of the state; accepted items do not count."""
        lines = sorted(
            f"{item.environment}\0{item.device}\0{item.kind}\0{item.name}\0"
            f"{item.state}\0{item.fingerprint}"
            for item in self.items
            if not item.owner
        )
        text = "\n".join([*lines, "", *sorted(self.failed)])
        return hashlib.sha256(text.encode()).hexdigest()


#: The digest when nothing is wrong anywhere.
CALM = Standing().digest


def run_of(
    report: DriftReport,
    environments: Mapping[str, str],
    *,
    started: datetime,
    finished: datetime,
    runner: str,
    commit: str = "",
) -> Run:
    """Return the record of a run from its drift report.

    Args:
        report: what the run found.
        environments: the environment of each device, by name.
        started: when the first device was read.
        finished: when the last device was read.
        runner: the machine that ran it.
        commit: the commit of the inventory.
    """
    return Run(
        started=started,
        finished=finished,
        runner=runner,
        commit=commit,
        observations=tuple(
            _observation(device, environments.get(device.name, "")) for device in report.devices
        ),
    )


def _observation(device: DeviceDrift | Unchecked, environment: str) -> Observation:
    if isinstance(device, Unchecked):
        return Observation(
            environment=environment, device=device.name, status=device.status, error=device.code
        )
    return Observation(
        environment=environment,
        device=device.name,
        status=device.status,
        platform=device.platform,
        serial=device.serial,
        pair=device.serials,
        items=tuple(_distinct(device)),
    )


def _distinct(device: DeviceDrift) -> Iterable[Seen]:
    """Yield one item per kind and name: the first, if a rule has drifted in two ways."""
    found: dict[tuple[str, str], Seen] = {}
    for item in device.items:
        found.setdefault((item.kind, item.name), _seen(item))
    for known in device.accepted:
        accepted = replace(
            _seen(known.item), owner=known.by.owner, expires=known.by.expires.isoformat()
        )
        found.setdefault((accepted.kind, accepted.name), accepted)
    return found.values()


def _seen(item: DriftItem) -> Seen:
    by = item.changed_by
    return Seen(
        kind=item.kind,
        name=item.name,
        state=item.state,
        fingerprint=item.fingerprint,
        conduit=item.conduit,
        changed_by=by.admin if by else "",
        changed_at=by.time if by else "",
    )
