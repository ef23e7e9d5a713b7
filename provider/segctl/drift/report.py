"""Drift by device: items with their states, and who accepts them."""

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
from segctl.planning.findings import (
    BLOCKED,
    CANNOT_TELL,
    DISPLACED,
    ERROR,
    HOLE,
    NOT_ENFORCED,
    NOT_KEPT,
    PENDING,
)
from segctl.planning.plan import DevicePlan
from segctl.providers.base import without_wording
from segctl.providers.state import UNREAD, UNREAD_KINDS, DeviceState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.diff import Change, Op
    from segctl.planning.plan import Told, Unmanaged
    from segctl.providers.base import Author

#: The status of a device.
Status: TypeAlias = Literal["in_sync", "drift", "error"]
#: The state of an item, by the operation that would repair it.
DRIFT_KINDS: Final[Mapping[Op, str]] = {
    "create": "missing",
    "update": "changed",
    "rename": "changed",
    "move": "moved",
    "delete": "unexpected",
}
#: Every state of an item, the most serious first.
STATES = (
    HOLE,
    UNREAD,
    ERROR,
    PENDING,
    NOT_KEPT,
    NOT_ENFORCED,
    "unexpected",
    "missing",
    "changed",
    BLOCKED,
    CANNOT_TELL,
    "moved",
)
#: The state of a rule in another place than declared.
MOVED = "moved"
#: Kind of the item that tells of a rule of others between our block and its place; the rule, named
#: alike, may be an item too.
BLOCK = "block"
#: States that a finding can tell, where a change does not.
TOLD = (HOLE, UNREAD, ERROR, PENDING, NOT_KEPT, NOT_ENFORCED, BLOCKED, CANNOT_TELL, MOVED)
#: Findings that are drift: what kind of item they are about, and whether their words change by
#: themselves, as seconds do.
_TELLING = {
    HOLE: ("rule", False),
    UNREAD: ("table", False),
    PENDING: ("change", True),
    NOT_KEPT: ("boot", False),
    NOT_ENFORCED: ("firewall", False),
    DISPLACED: (BLOCK, False),
}
#: What could not be read, as the first of a finding's facts; anything else is a table.
_UNREAD_KINDS = {(kind,) for kind in UNREAD_KINDS}
#: Kind of the findings about a baseline.
BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftItem:
    """One rule or object that is not as declared, however many differences it has.

    With `finding`, the item stands for that: a hole, an unconfirmed change, an error. `told` is
    what the device enforces otherwise than declared because of it. `fingerprint` is of the words
    it is told in, `key` of the facts behind them.
    """

    kind: str
    name: str
    states: tuple[str, ...]
    fingerprint: str
    #: its possible names on the device, the declared name first
    names: tuple[str, ...]
    conduit: str = ""
    changes: tuple[Change, ...] = ()
    finding: Problem | None = None
    key: str = ""
    told: tuple[Told, ...] = ()
    #: who changed it last, if the device says so
    changed_by: Author | None = None

    @property
    def state(self) -> str:
        """The first of its states: how it differs, or what it does, the most serious first."""
        return self.states[0]

    @property
    def gravest(self) -> str:
        """The most serious of its states."""
        return min(self.states, key=STATES.index)

    @property
    def example(self) -> str:
        """A packet with its zones that passes or is denied otherwise than declared, if any is."""
        return next((one.example for one in self.told if one.example), "")

    def findings(self, state: str) -> tuple[Problem, ...]:
        """Return the findings that tell one of its states."""
        told = tuple(one.finding for one in self.told if one.state == state)
        return told or ((self.finding,) if self.finding and self.state == state else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One entry of a baseline: known drift, its owner, and when its acceptance expires.

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
        """Whether the entry is about this item, expired or not."""
        same = bool(self.key) and self.key == item.key  # a name may be a message, reworded since
        return same or (self.kind, self.name) == (item.kind, item.name)

    def accepts(self, item: DriftItem, today: date) -> bool:
        """Whether the entry accepts the item as it is today.

        What cannot be told is accepted only as it is: the entry needs its key or fingerprint.
        """
        if self.key:
            same = self.key == item.key
        else:
            bound = item.state == CANNOT_TELL
            same = self.fingerprint == item.fingerprint or not (self.fingerprint or bound)
        return self.covers(item) and same and self.expires >= today


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedItem:
    """Drift that a baseline accepts, with its entry."""

    item: DriftItem
    by: Accepted


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
    told: dict[tuple[str, str], list[Told]] = {}
    for one in plan.enforced:
        told.setdefault((one.kind, one.name), []).append(one)
    changed = [
        _item(
            kind,
            name,
            changes,
            [told.pop((kind, one), []) for one in _names(name, changes)],
            plan.platform,
        )
        for (kind, name), changes in grouped.items()
    ]
    elsewhere = {one.finding for one in plan.enforced}
    states = [
        (_state_of(finding), finding) for finding in plan.findings if finding not in elsewhere
    ]
    return (
        *changed,
        *(_told_item(kind, name, found) for (kind, name), found in told.items()),
        *(_finding_item(state, finding) for state, finding in states if state),
    )


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


def _names(name: str, changes: Iterable[Change]) -> tuple[str, ...]:
    """Return the names that an item may have on the device, the declared one first."""
    before = (change.before.name for change in changes if change.before is not None)
    return tuple(dict.fromkeys(filter(None, (name, *before))))


def _item(
    kind: str,
    name: str,
    changes: Sequence[Change],
    by_name: Iterable[Sequence[Told]],
    platform: str,
) -> DriftItem:
    told = [one for each in by_name for one in each]
    states = {DRIFT_KINDS[change.op] for change in changes}
    does = {one.state for one in told}
    return DriftItem(
        kind=kind,
        name=name,
        states=(
            *(state for state in STATES if state in states),
            *(state for state in STATES if state in does),
        ),
        fingerprint=fingerprint(list(map(change_json, changes))),
        key=fingerprint([change_json(_bare(change, platform)) for change in changes]),
        names=_names(name, changes),
        conduit=changes[0].conduit,
        changes=tuple(changes),
        finding=next((one.finding for one in told if one.state == HOLE), None),
        told=tuple(told),
    )


def _told_item(kind: str, name: str, told: Sequence[Told]) -> DriftItem:
    """Return the item of a rule or object that only does what it should not.

    What made a rule of ours do so, which is as declared, is somewhere else: nobody is asked who
    changed that rule.
    """
    found = sorted(told, key=lambda one: STATES.index(one.state))
    first = found[0]
    unknown = first.state == CANNOT_TELL
    return DriftItem(
        kind=kind,
        name=name,
        states=tuple(dict.fromkeys(one.state for one in found)),
        fingerprint=first.content if unknown else fingerprint(first.finding.message),
        key=fingerprint([first.state, first.content]),
        names=() if first.own else (name,),
        finding=first.finding,
        told=tuple(found),
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


def _finding_item(state: str, finding: Problem) -> DriftItem:
    kind, changing = _TELLING.get(finding.kind, ("device", False))
    if finding.kind == UNREAD and finding.about[:1] in _UNREAD_KINDS:
        kind = finding.about[0]
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
    """Return a digest that identifies a difference."""
    text = json.dumps(difference, sort_keys=True, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A device's drift, split by what a baseline accepts; `findings` are about the baseline."""

    counted: tuple[DriftItem, ...] = ()
    accepted: tuple[AcceptedItem, ...] = ()
    findings: tuple[Problem, ...] = ()


def judge(
    device: str, items: Iterable[DriftItem], baseline: Iterable[Accepted], today: date
) -> Judged:
    """Separate the drift that counts from what is accepted."""
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
        findings += [_no_longer(entry, item, today) for entry in about]
    findings += [_unmet(entry) for entry in entries if entry not in met]
    return Judged(counted=tuple(counted), accepted=tuple(accepted), findings=tuple(findings))


def _no_longer(entry: Accepted, item: DriftItem, today: date) -> Problem:
    if entry.expires >= today and item.state == CANNOT_TELL and not entry.fingerprint:
        message = f"{entry.kind} {entry.name}: {entry.owner} accepted it without its fingerprint"
        hint = (
            "what cannot be told is accepted only as it is now: write fingerprint: "
            f"{item.fingerprint}"
        )
    elif entry.expires < today:
        message = f"{entry.kind} {entry.name}: {entry.owner} accepted it until {entry.expires}"
        hint = "repair it, or have its owner accept it again"
    else:
        message = f"{entry.kind} {entry.name}: differs from what {entry.owner} accepted"
        hint = "repair it, or have its owner review it and accept it as it is now"
    return _finding(entry, message, hint, "warning")


def _unmet(entry: Accepted) -> Problem:
    message = f"{entry.kind} {entry.name}: accepted by {entry.owner}, but it has not drifted"
    return _finding(entry, message, "remove the entry from the baseline", "note")


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
