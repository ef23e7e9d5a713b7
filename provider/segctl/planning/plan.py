"""Plans as values: what a run would change on every device; `documents` stores them in files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, get_args

import segctl
from segctl.model.diff import Op
from segctl.model.site import Position
from segctl.planning import findings
from segctl.planning.losses import MANAGEMENT, MASS_DELETE
from segctl.providers.state import UNREAD, DeviceState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.planning.meaning import Meaning
    from segctl.planning.rehearsal import Rehearsal
    from segctl.providers.management import Management

FORMAT_VERSION: Final = "1.0"
#: Of a plan with a rehearsal, which the others do not have.
REHEARSED_VERSION: Final = "1.1"
OPS: Final[tuple[Op, ...]] = get_args(Op)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmanaged:
    """An unmanaged rule: what it does, and whether it stands `above` our block."""

    name: str
    action: str
    above: bool
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something that a device enforces otherwise than declared, or that keeps it from being judged.

    `kind` and `name` are those of the rule or object, `example` is a packet that shows it.
    `content` is a digest of what the rule holds now, which an acceptance of it is bound to; `own`
    says that the rule is ours.
    """

    kind: str
    name: str
    state: str
    finding: Problem
    example: str = ""
    content: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A disruption that a plan was allowed when it was made: of which flow, by whom, and why."""

    flow: str
    by: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, str]:
        """Return it as documents hold it."""
        return {"flow": self.flow, "by": self.by, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """The state of a live device on which a plan is based, part by part.

    `managed` has a digest of each of our items by kind and name; `references` of each object of
    others that our rules name; `above` and `anchors` of others' rules by name. `followed` says
    whether rules of others stand below our block. `deleted` says of each object to be deleted
    whether others use it. `content_version` is empty if no rule names applications. Of a pair,
    `serials` are the numbers of both, and `serial` is the first of them.

    `pushed` and `pushed_order` are of the rules that a management station put before all others,
    `pushed_unread` says why they are not known; `named` has a digest of everything of others that
    is called by a name that our rules, or rules above them between our zones, use. A plan of an
    older release has none of these four.
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
    serials: tuple[str, ...] = ()
    pushed: Mapping[str, str] | None = None
    pushed_order: tuple[str, ...] | None = None
    pushed_unread: tuple[str, ...] | None = None
    named: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The inventory that a plan was made from: its commit, whether it was edited, its digest.

    For a plan made offline, `snapshots` holds the time of each device's snapshot.
    """

    git_commit: str = ""
    dirty: bool = False
    digest: str = ""
    snapshots: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """Everything apply needs for one device, and everything a reader wants to know about it.

    `covers` names the zones and default rules that segctl manages on this device. `basis` is the
    state of the live device that the plan is based on (None: nothing changes), and `fingerprint`
    its digest. `meaning` says what is permitted after it and was not, and the other way round; a
    plan of an older release has none. `enforced` is what the device does otherwise than declared,
    where that was asked, and `read` a digest of all that was read to tell it. Of a pair, `answered`
    is the host that was read, and `serials` are the numbers of those that answered. `held` is a
    digest of what segctl manages on it now, as `desired` is of what it should be; `tickets` are
    those of conduits, by the names of these. With `audit_comments` each rule that is created or
    changed gets one. `allowed` are disruptions that are meant, and `management` is how the device
    is managed and what it needs, None where it does not say.
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
    enforced: tuple[Told, ...] = ()
    state: DeviceState = field(default_factory=DeviceState)
    meaning: Meaning | None = None
    answered: str = ""
    serials: tuple[str, ...] = ()
    held: str = ""
    tickets: Mapping[str, str] = field(default_factory=dict[str, str])
    audit_comments: bool = False
    allowed: tuple[Allowance, ...] = ()
    management: Management | None = None
    read: str = ""

    @property
    def receivers(self) -> tuple[str, ...]:
        """The firewalls that get the policy of a group when it is applied."""
        return tuple(dict.fromkeys(one.firewall for one in self.state.members if one.asked))

    @property
    def applyable(self) -> bool:
        """Whether no finding forbids applying it."""
        return not self.barring()

    def barring(self, *, allow_mass_delete: bool = False) -> tuple[Problem, ...]:
        """Return the findings that forbid applying it, except those that are allowed."""
        meant = {one.flow for one in self.allowed}
        return tuple(
            finding
            for finding in self.findings
            if finding.severity == "error"
            and not (allow_mass_delete and finding.kind == MASS_DELETE)
            and not (finding.kind == MANAGEMENT and finding.subject in meant)
        )

    @property
    def summary(self) -> dict[Op, int]:
        """The number of changes by operation."""
        counts = Counter(change.op for change in self.changes)
        return {op: counts[op] for op in OPS}

    @property
    def holes(self) -> tuple[Problem, ...]:
        """The findings about traffic that the device permits and no conduit declares."""
        return tuple(finding for finding in self.findings if finding.kind == findings.HOLE)

    @property
    def in_sync(self) -> bool:
        """Whether the device is as desired and will stay so, and all of it could be judged."""
        kinds = {finding.kind for finding in self.findings}
        doubts = {
            findings.HOLE,
            findings.BLOCKED,
            findings.CANNOT_TELL,
            UNREAD,
            findings.NOT_KEPT,
            findings.NOT_ENFORCED,
            findings.PENDING,
        }
        return not self.changes and self.applyable and not kinds & doubts


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan for all devices of a run; `rehearsal` is what it does to traffic that was seen."""

    plan_id: str
    created: str
    expires: str
    intent: Intent
    devices: tuple[DevicePlan, ...]
    segctl_version: str = segctl.__version__
    format_version: str = FORMAT_VERSION
    rehearsal: Rehearsal | None = None

    @property
    def applyable(self) -> bool:
        """Whether no device's findings forbid applying it."""
        return all(device.applyable for device in self.devices)

    @property
    def summary(self) -> dict[Op, int]:
        """The number of changes by operation, over all devices."""
        return {op: sum(device.summary[op] for device in self.devices) for op in OPS}

    @property
    def changes(self) -> int:
        """The number of changes over all devices."""
        return sum(len(device.changes) for device in self.devices)
