"""What has drifted, device by device: items with their states, and who accepts them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from segctl.model.diff import longest_increasing
from segctl.model.errors import Problem
from segctl.planning.documents import change_json
from segctl.planning.findings import DISPLACED, HOLE, NOT_KEPT, PENDING
from segctl.planning.plan import DevicePlan
from segctl.providers.base import without_wording
from segctl.providers.state import UNREAD, DeviceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.diff import Change, Op
    from segctl.planning.plan import Unmanaged
    from segctl.providers.base import Author

#: What a device is found to be.
Status: TypeAlias = Literal["in_sync", "drift", "error"]
#: What a change that would repair it calls the drift it repairs.
DRIFT_KINDS: Final[Mapping[Op, str]] = {
    "create": "missing",
    "update": "changed",
    "rename": "changed",
    "move": "moved",
    "delete": "unexpected",
}
#: Something is wrong with the device, or could not be told.
ERROR = "error"
#: Every state an item can be in, the gravest first.
STATES = (HOLE, UNREAD, ERROR, PENDING, NOT_KEPT, "unexpected", "missing", "changed", "moved")
#: The state of a rule in another place than declared.
MOVED = "moved"
#: Kind of the item that tells of a rule of others between our block and its place; the rule, named
#: alike, may be an item too.
BLOCK = "block"
#: States that a finding can tell, where a change does not.
TOLD = (HOLE, UNREAD, ERROR, PENDING, NOT_KEPT, MOVED)
#: Findings that are drift: what kind of item they are about, and whether their words change by
#: themselves, as seconds do.
_TELLING = {
    HOLE: ("rule", False),
    UNREAD: ("table", False),
    PENDING: ("change", True),
    NOT_KEPT: ("boot", False),
    DISPLACED: (BLOCK, False),
}
#: Kind of the findings about a baseline.
BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftItem:
    """One rule or object that is not as declared, whatever the number of its differences.

    With `finding` it is what that says: a hole, a change nobody has confirmed, an error.
    `fingerprint` is of the words it is told in, `key` of the facts behind them.
    """

    kind: str
    name: str
    states: tuple[str, ...]
    fingerprint: str
    #: what it may be called on the device, the declared name first
    names: tuple[str, ...]
    conduit: str = ""
    changes: tuple[Change, ...] = ()
    finding: Problem | None = None
    key: str = ""
    #: who changed it last, where the device tells
    changed_by: Author | None = None

    @property
    def state(self) -> str:
        """The gravest of its states."""
        return self.states[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One entry of a baseline: known drift, who answers for it, and until when.

    `key` binds it to the facts, and counts alone where there is one. Entries of segctl 0.1 have a
    `fingerprint` only, of the words of then.
    """

    device: str
    kind: str
    name: str
    owner: str
    expires: date
    reason: str = ""
    fingerprint: str = ""
    key: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def covers(self, item: DriftItem) -> bool:
        """Whether it is about this item, expired or not."""
        same = bool(self.key) and self.key == item.key  # a name may be a message, reworded since
        return same or (self.kind, self.name) == (item.kind, item.name)

    def accepts(self, item: DriftItem, today: date) -> bool:
        """Whether it covers the item as it is today."""
        if self.key:
            same = self.key == item.key
        else:
            same = not self.fingerprint or self.fingerprint == item.fingerprint
        return self.covers(item) and same and self.expires >= today


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedItem:
    """Drift that a baseline accepts, with its entry."""

    item: DriftItem
    by: Accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDrift:
    """What of one device has drifted: `items` count, `accepted` ones do not.

    `findings` are all that were made, those among them that an item tells.
    """

    name: str
    platform: str = ""
    serial: str = ""
    items: tuple[DriftItem, ...] = ()
    accepted: tuple[AcceptedItem, ...] = ()
    findings: tuple[Problem, ...] = ()
    unmanaged: tuple[Unmanaged, ...] = ()
    state: DeviceState = field(default_factory=DeviceState)

    @property
    def status(self) -> Status:
        """Whether anything counts."""
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
        """Return the findings that tell items of one of the states of `TOLD`."""
        return tuple(
            item.finding for item in self.items if item.finding is not None and item.state == state
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """A device that could not be read: the code of the error, and what it says."""

    name: str
    code: str
    message: str

    @property
    def status(self) -> Status:
        """What such a device is counted as."""
        return "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many devices are in which state."""

    in_sync: int = 0
    drift: int = 0
    error: int = 0

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return self.in_sync + self.drift + self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What a run found of every device it was to check."""

    devices: tuple[DeviceDrift | Unchecked, ...]

    @property
    def counts(self) -> Counts:
        """How many devices are in which state."""
        states = Counter(device.status for device in self.devices)
        return Counts(in_sync=states["in_sync"], drift=states["drift"], error=states["error"])

    @property
    def in_sync(self) -> bool:
        """Whether every device could be read, and nothing that counts has drifted."""
        return all(device.status == "in_sync" for device in self.devices)

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
    """Why a device could not be read, whoever says so."""

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
        """What it says."""
        ...


#: Which account changed what, by device, kind and name.
Authors: TypeAlias = "Mapping[tuple[str, str, str], Author]"


def drift_of(
    plans: Iterable[DevicePlan | Failed],
    baseline: Sequence[Accepted] = (),
    *,
    today: date = date.max,
    authors: Authors | None = None,
    notes: Iterable[tuple[str, Problem]] = (),
) -> DriftReport:
    """Return what has drifted: per device what is missing, changed, moved, unexpected, open.

    Args:
        plans: a plan for every device that could be read, a failure for the others.
        baseline: known drift that does not count until its day.
        today: that day is measured by; without it every entry has expired.
        authors: who changed what, where devices tell.
        notes: further findings, with the device each is about.
    """
    told = list(notes)
    return DriftReport(
        devices=tuple(
            _device(
                plan,
                judge(plan.name, _by(authors or {}, plan), baseline, today),
                [note for device, note in told if device == plan.name],
            )
            if isinstance(plan, DevicePlan)
            else Unchecked(name=plan.device, code=plan.code, message=plan.message)
            for plan in plans
        )
    )


def _by(authors: Authors, plan: DevicePlan) -> Iterator[DriftItem]:
    """Yield a device's items with who changed them."""
    for item in items_of(plan):
        author = authors.get((plan.name, item.kind, item.name))
        yield replace(item, changed_by=author) if author else item


def _device(plan: DevicePlan, judged: Judged, notes: Sequence[Problem]) -> DeviceDrift:
    return DeviceDrift(
        name=plan.name,
        platform=plan.platform,
        serial=plan.serial,
        items=judged.counted,
        accepted=judged.accepted,
        findings=(*plan.findings, *judged.findings, *notes),
        unmanaged=plan.unmanaged,
        state=plan.state,
    )


def items_of(plan: DevicePlan) -> tuple[DriftItem, ...]:
    """Return what has drifted on a device: one item a rule or object, in the plan's order.

    Where rules of others stand between our block and its place, that is one item. Of our rules
    only those count as moved that would have to move within the block.
    """
    grouped: dict[tuple[str, str], list[Change]] = {}
    carried = _carried(plan)
    for change in plan.changes:
        if change.op == "move" and change.name in carried:
            continue
        grouped.setdefault((change.kind, change.name), []).append(change)
    changed = [
        _item(kind, name, changes, plan.platform) for (kind, name), changes in grouped.items()
    ]
    told = [(_state_of(finding), finding) for finding in plan.findings]
    return (*changed, *(_told(state, finding) for state, finding in told if state))


def _carried(plan: DevicePlan) -> set[str]:
    """Return the rules that move with our block and keep their places within it."""
    if plan.basis is None or not any(finding.kind == DISPLACED for finding in plan.findings):
        return set()
    called = {
        change.before.name: change.name
        for change in plan.changes
        if change.op == "rename" and change.before is not None
    }
    place = {called.get(name, name): index for index, name in enumerate(plan.basis.order)}
    moves = [change.name for change in plan.changes if change.op == "move" and change.name in place]
    return {moves[index] for index in longest_increasing([place[name] for name in moves])}


def _item(kind: str, name: str, changes: Sequence[Change], platform: str) -> DriftItem:
    states = {DRIFT_KINDS[change.op] for change in changes}
    names = [name, *(change.before.name for change in changes if change.before is not None)]
    return DriftItem(
        kind=kind,
        name=name,
        states=tuple(state for state in STATES if state in states),
        fingerprint=fingerprint(list(map(change_json, changes))),
        key=fingerprint([change_json(_bare(change, platform)) for change in changes]),
        names=tuple(dict.fromkeys(filter(None, names))),
        conduit=changes[0].conduit,
        changes=tuple(changes),
    )


def _bare(change: Change, platform: str) -> Change:
    """Return a change without the wording of what the provider noted beside its items."""
    before = change.before and without_wording(platform, change.before)
    after = change.after and without_wording(platform, change.after)
    return replace(change, before=before, after=after)


def _state_of(finding: Problem) -> str:
    """Return what a finding makes of a device that holds what is declared; empty for nothing."""
    if finding.kind == DISPLACED:
        return MOVED
    if finding.kind in _TELLING:
        return finding.kind
    return ERROR if finding.severity == "error" else ""


def _told(state: str, finding: Problem) -> DriftItem:
    kind, changing = _TELLING.get(finding.kind, ("device", False))
    name = finding.subject or finding.message
    return DriftItem(
        kind=kind,
        name=name,
        states=(state,),
        fingerprint=fingerprint(name if changing else finding.message),
        key=fingerprint(
            [finding.kind, *(finding.about or (name if changing else finding.message,))]
        ),
        names=(name,),
        finding=finding,
    )


def fingerprint(difference: object) -> str:
    """Return the same text for the same difference, another for any other."""
    text = json.dumps(difference, sort_keys=True, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A device's drift, apart from what somebody accepts; `findings` say what of that is wrong."""

    counted: tuple[DriftItem, ...] = ()
    accepted: tuple[AcceptedItem, ...] = ()
    findings: tuple[Problem, ...] = ()


def judge(
    device: str, items: Iterable[DriftItem], baseline: Iterable[Accepted], today: date
) -> Judged:
    """Tell the drift that counts from what is accepted."""
    entries = [entry for entry in baseline if entry.device == device]
    counted: list[DriftItem] = []
    accepted: list[AcceptedItem] = []
    findings: list[Problem] = []
    met: set[Accepted] = set()
    for item in items:
        about = [entry for entry in entries if entry.covers(item)]
        met.update(about)
        by = next((entry for entry in about if entry.accepts(item, today)), None)
        if by is not None:
            accepted.append(AcceptedItem(item=item, by=by))
            continue
        counted.append(item)
        findings += [_no_longer(entry, today) for entry in about]
    findings += [_unmet(entry) for entry in entries if entry not in met]
    return Judged(counted=tuple(counted), accepted=tuple(accepted), findings=tuple(findings))


def _no_longer(entry: Accepted, today: date) -> Problem:
    if entry.expires < today:
        message = f"{entry.kind} {entry.name}: {entry.owner} accepted it until {entry.expires}"
        hint = "repair it, or have its owner accept it anew"
    else:
        message = f"{entry.kind} {entry.name}: differs from what {entry.owner} accepted"
        hint = "repair it, or have its owner look at it and accept it as it is now"
    return _finding(entry, message, hint, "warning")


def _unmet(entry: Accepted) -> Problem:
    message = f"{entry.kind} {entry.name}: accepted by {entry.owner}, but it has not drifted"
    return _finding(entry, message, "take the entry out of the baseline", "note")


def _finding(entry: Accepted, message: str, hint: str, severity: str) -> Problem:
    return Problem(
        message=message,
        hint=hint,
        severity=severity,
        kind=BASELINE,
        subject=entry.name,
        file=entry.file,
        line=entry.line,
        column=entry.column,
    )
