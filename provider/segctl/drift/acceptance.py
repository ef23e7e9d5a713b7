"""Which drift a baseline accepts: its entries, and what of a device's drift is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import Problem
from segctl.planning.findings import CANNOT_TELL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from segctl.drift.items import DriftItem

#: Kind of the findings about a baseline.
BASELINE = "baseline"


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
