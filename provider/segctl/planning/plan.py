"""What a run would change on every device, as values; `documents` says how a file holds them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, get_args

import segctl
from segctl.model.diff import Op
from segctl.model.site import Position
from segctl.planning import findings
from segctl.planning.losses import MASS_DELETE
from segctl.providers.state import UNREAD, DeviceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.model.diff import Change
    from segctl.model.errors import Problem

FORMAT_VERSION: Final = "1.0"
OPS: Final[tuple[Op, ...]] = get_args(Op)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmanaged:
    """A rule of others: what it does, and whether it stands `above` our block."""

    name: str
    action: str
    above: bool
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What of a live device a plan rests on, part by part.

    `managed` has a digest of every item of ours by kind and name, `references` of the objects of
    others that our rules name, `above` and `anchors` of others' rules by name. `followed` says
    whether rules of others stand below our block, `deleted` of each object that is to be deleted
    whether others use it. `content_version` is empty where no rule names applications.
    """

    serial: str = ""
    os_version: str = ""
    content_version: str = ""
    managed: Mapping[str, str] = field(default_factory=dict[str, str])
    order: tuple[str, ...] = ()
    anchors: Mapping[str, str] = field(default_factory=dict[str, str])
    above: Mapping[str, str] = field(default_factory=dict[str, str])
    above_order: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    followed: bool = False
    references: Mapping[str, str] = field(default_factory=dict[str, str])
    deleted: Mapping[str, bool] = field(default_factory=dict[str, bool])


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Which inventory a plan is made from: its commit, whether that has edits, and its digest.

    `snapshots` says of a plan made offline when the snapshot of each device was taken.
    """

    git_commit: str = ""
    dirty: bool = False
    digest: str = ""
    snapshots: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """Everything apply needs for one device, and everything a reader wants to know of it.

    `covers` names the zones and default rules segctl answers for on this device; `basis` is what
    of the live device the plan rests on (None: it changes nothing), and `fingerprint` its digest.
    """

    name: str
    platform: str
    serial: str = ""
    os_version: str = ""
    content_version: str = ""
    scope: str = ""
    fingerprint: str = ""
    desired: str = ""
    rule_count: int = 0
    changes: tuple[Change, ...] = ()
    script: str = ""
    unmanaged: tuple[Unmanaged, ...] = ()
    findings: tuple[Problem, ...] = ()
    position: Position = field(default_factory=Position)
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    basis: Basis | None = None
    purge: int = 0
    state: DeviceState = field(default_factory=DeviceState)

    @property
    def applyable(self) -> bool:
        """Whether no finding forbids applying it."""
        return not self.barring()

    def barring(self, *, allow_mass_delete: bool = False) -> tuple[Problem, ...]:
        """Return the findings that forbid applying it, but for what is allowed."""
        return tuple(
            finding
            for finding in self.findings
            if finding.severity == "error"
            and not (allow_mass_delete and finding.kind == MASS_DELETE)
        )

    @property
    def summary(self) -> dict[Op, int]:
        """How many changes of each op."""
        counts = Counter(change.op for change in self.changes)
        return {op: counts[op] for op in OPS}

    @property
    def holes(self) -> tuple[Problem, ...]:
        """Findings that say the device permits what no conduit declares."""
        return tuple(finding for finding in self.findings if finding.kind == findings.HOLE)

    @property
    def in_sync(self) -> bool:
        """Whether the device holds what it should, will go on to, and all of it could be told."""
        kinds = {finding.kind for finding in self.findings}
        doubts = {findings.HOLE, UNREAD, findings.NOT_KEPT, findings.PENDING}
        return not self.changes and self.applyable and not kinds & doubts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan for all devices of a run."""

    plan_id: str
    created: str
    expires: str
    intent: Intent
    devices: tuple[DevicePlan, ...]
    segctl_version: str = segctl.__version__
    format_version: str = FORMAT_VERSION

    @property
    def applyable(self) -> bool:
        """Whether no device's findings forbid applying it."""
        return all(device.applyable for device in self.devices)

    @property
    def summary(self) -> dict[Op, int]:
        """How many changes of each op, over all devices."""
        return {op: sum(device.summary[op] for device in self.devices) for op in OPS}

    @property
    def changes(self) -> int:
        """How many changes over all devices."""
        return sum(len(device.changes) for device in self.devices)
