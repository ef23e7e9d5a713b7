"""What of a device has drifted: items with a state and a fingerprint, and who accepts them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from segctl.model.errors import Problem
from segctl.planning.findings import HOLE, NOT_KEPT, PENDING
from segctl.providers.state import UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from segctl.planning.plan import DevicePlan

#: What a change that would repair it calls the drift it repairs.
DRIFT_KINDS = {
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
#: Findings that are drift: what kind of item they are about, and whether their words change by
#: themselves, as seconds do.
_TELLING = {
    HOLE: ("rule", False),
    UNREAD: ("table", False),
    PENDING: ("change", True),
    NOT_KEPT: ("boot", False),
}
#: Kind of the findings about a baseline.
BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftItem:
    """One rule or object that is not as declared, whatever the number of its differences.

    With `finding` it is what that says: a hole, a change nobody has confirmed, an error.
    """

    kind: str
    name: str
    states: tuple[str, ...]
    fingerprint: str
    #: what it may be called on the device, the declared name first
    names: tuple[str, ...]
    conduit: str = ""
    changes: tuple[Mapping[str, Any], ...] = ()
    finding: Problem | None = None

    @property
    def state(self) -> str:
        """The gravest of its states."""
        return self.states[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One entry of a baseline: known drift, who answers for it, and until when."""

    device: str
    kind: str
    name: str
    owner: str
    expires: date
    reason: str = ""
    fingerprint: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def covers(self, item: DriftItem) -> bool:
        """Whether it is about this item, expired or not."""
        return (self.kind, self.name) == (item.kind, item.name)

    def accepts(self, item: DriftItem, today: date) -> bool:
        """Whether it covers the item as it is today."""
        same = not self.fingerprint or self.fingerprint == item.fingerprint
        return self.covers(item) and same and self.expires >= today


def items_of(plan: DevicePlan) -> tuple[DriftItem, ...]:
    """Return what has drifted on a device: one item a rule or object, in the plan's order."""
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for change in plan.changes:
        grouped.setdefault((str(change["kind"]), str(change["name"])), []).append(change)
    changed = [_item(kind, name, changes) for (kind, name), changes in grouped.items()]
    told = [(_state_of(finding), finding) for finding in plan.findings]
    return (*changed, *(_told(state, finding) for state, finding in told if state))


def _item(kind: str, name: str, changes: Sequence[Mapping[str, Any]]) -> DriftItem:
    states = {DRIFT_KINDS[change["op"]] for change in changes}
    names = [name, *(str(change["before"].get("name", "")) for change in changes)]
    return DriftItem(
        kind=kind,
        name=name,
        states=tuple(state for state in STATES if state in states),
        fingerprint=fingerprint(changes),
        names=tuple(dict.fromkeys(filter(None, names))),
        conduit=str(changes[0]["conduit"]),
        changes=tuple(changes),
    )


def _state_of(finding: Problem) -> str:
    """Return what a finding makes of a device that holds what is declared; empty for nothing."""
    if finding.kind in _TELLING:
        return finding.kind
    return ERROR if finding.severity == "error" else ""


def _told(state: str, finding: Problem) -> DriftItem:
    kind, changing = _TELLING.get(state, ("device", False))
    name = finding.subject or finding.message
    return DriftItem(
        kind=kind,
        name=name,
        states=(state,),
        fingerprint=fingerprint(name if changing else finding.message),
        names=(name,),
        finding=finding,
    )


def fingerprint(difference: object) -> str:
    """Return the same text for the same difference, another for any other."""
    text = json.dumps(difference, sort_keys=True, ensure_ascii=False, default=_plain)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A device's drift, apart from what somebody accepts; `findings` say what of that is wrong."""

    counted: tuple[DriftItem, ...] = ()
    accepted: tuple[tuple[DriftItem, Accepted], ...] = ()
    findings: tuple[Problem, ...] = field(default=())


def judge(
    device: str, items: Iterable[DriftItem], baseline: Iterable[Accepted], today: date
) -> Judged:
    """Tell the drift that counts from what is accepted."""
    entries = [entry for entry in baseline if entry.device == device]
    counted: list[DriftItem] = []
    accepted: list[tuple[DriftItem, Accepted]] = []
    findings: list[Problem] = []
    met: set[Accepted] = set()
    for item in items:
        about = [entry for entry in entries if entry.covers(item)]
        met.update(about)
        by = next((entry for entry in about if entry.accepts(item, today)), None)
        if by is not None:
            accepted.append((item, by))
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
