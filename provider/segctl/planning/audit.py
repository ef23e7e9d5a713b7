"""The audit journal: what each run applied to which device, from what, and what became of it.

A run is recorded before it changes anything, with each device that it is about to change; each
device is recorded again when it is done. So a run that was killed leaves devices without an end.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

import segctl
from segctl.model.errors import JournalError
from segctl.system import chain
from segctl.system.chain import Head
from segctl.system.folders import state_folder
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.planning.outcome import Outcome
    from segctl.planning.plan import DevicePlan, Intent

#: The variable with the path of the journal, and the file's name in the state folder.
PLACE: Final = "SEGCTL_JOURNAL"
FILE: Final = "journal.jsonl"
#: Bytes that are left in a device's record of a change beside what finds its run again.
NOTE_MOST: Final = 352
#: Bytes of an audit comment.
COMMENT_MOST: Final = 256
_TEXT_MOST: Final = 500
_SHORT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who applies what: the account that runs segctl, for whom, and the inventory's commit.

    `head` is that of the audit journal once the run is recorded there, so that devices keep it.
    """

    by: str
    author: str = ""
    git_commit: str = ""
    dirty: bool = False
    head: Head | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """What a device is told of it, shortest form first to go."""
        commit = self.git_commit[:_SHORT] or "none"
        found = [f"commit {commit}{' (edited)' if self.dirty else ''}", f"by {self.by}"]
        if self.author:
            found.append(f"for {self.author}")
        if self.head is not None:
            found.append(f"journal {self.head.seq}:{self.head.hash.removeprefix('sha256:')[:16]}")
        return tuple(found)


def tickets_of(plan: DevicePlan) -> tuple[str, ...]:
    """Return the tickets of the conduits whose rules a plan changes, each once, sorted."""
    changed = {change.conduit for change in plan.changes}
    return tuple(sorted({text for conduit, text in plan.tickets.items() if conduit in changed}))


def note_of(plans: Sequence[DevicePlan], origin: Origin | None) -> str:
    """Return what the description of a device's commit says besides plan and run.

    The plans are those of the hosts that are the device. It has no secret and at most `NOTE_MOST`
    bytes: where tickets do not fit, their number stands.
    """
    if origin is None:
        return ""
    tickets = sorted({ticket for plan in plans for ticket in tickets_of(plan)})
    return _bounded(", ".join(origin.words), tickets, NOTE_MOST)


def comments_of(plan: DevicePlan, plan_id: str, origin: Origin | None) -> dict[str, str]:
    """Return the audit comment of each rule that a plan creates, changes or renames, by its name.

    None where the inventory does not ask for them.
    """
    if origin is None or not plan.audit_comments:
        return {}
    found: dict[str, str] = {}
    for change in plan.changes:
        if change.kind == "rule" and change.op in {"create", "update", "rename"}:
            ticket = plan.tickets.get(change.conduit, "")
            words = ", ".join((f"segctl plan {plan_id or '-'}", *origin.words))
            found[change.name] = _bounded(words, (ticket,) if ticket else (), COMMENT_MOST)
    return found


def _bounded(words: str, tickets: Sequence[str], most: int) -> str:
    """Return words and as many whole tickets as fit, printable, in at most `most` bytes."""
    named = [printable(ticket) for ticket in tickets]
    for kept in range(len(named), -1, -1):
        left = len(named) - kept
        more = f"{' and ' if kept else ''}{left} more" if left and kept else f"{left} of them"
        listed = " ".join(named[:kept]) + (more if left else "")
        text = printable(words) + (f", tickets {listed}" if named else "")
        if len(text.encode()) <= most:
            return text
    return printable(words).encode()[:most].decode(errors="ignore")


# --- recording -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where one run records what it does; several threads may.

    `problems` says what could not be recorded once devices had been begun, and `heads` has the
    journal's head after each entry of this run.
    """

    path: Path
    run: str
    plan_id: str
    origin: Origin
    problems: list[str] = field(default_factory=list[str])
    heads: list[Head] = field(default_factory=list[Head])
    begun: set[str] = field(default_factory=set[str])
    lock: Lock = field(default_factory=Lock, repr=False)

    def open(self, kind: str, intent: Intent, *, playbook: str = "") -> Head:
        """Record that a run begins, ``apply``, ``settle`` or ``playbook``; return the new head.

        Raises:
            JournalError: it cannot be recorded; the run must not begin.
        """
        return self._add(
            {
                "event": "run",
                "kind": kind,
                "plan_id": self.plan_id,
                "playbook": playbook,
                "by": self.origin.by,
                "author": self.origin.author,
                "git_commit": self.origin.git_commit,
                "dirty": self.origin.dirty,
                "intent": intent.digest,
                "segctl_version": segctl.__version__,
            }
        )

    def began(self, plans: Iterable[DevicePlan]) -> None:
        """Record the devices that are about to be changed.

        Raises:
            JournalError: they cannot be recorded; they must not be changed.
        """
        chosen = [plan for plan in plans if plan.changes or plan.state.unsettled]
        if chosen:
            self._add(*map(_began, chosen))
            self.begun.update(plan.name for plan in chosen)

    def ended(self, outcome: Outcome) -> None:
        """Record what became of a device; where that fails, `problems` says so.

        A device that had nothing to do was not begun, and is not recorded.
        """
        if outcome.device not in self.begun:
            return
        try:
            self._add(_ended(outcome))
        except JournalError as error:
            self.problems.append(
                f"{outcome.device}: {outcome.status}, which is not in the audit journal: {error}"
            )

    @property
    def head(self) -> str:
        """The journal's head after the last entry of this run, empty without one."""
        return str(self.heads[-1]) if self.heads else ""

    def _add(self, *entries: Mapping[str, Any]) -> Head:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        made = [{**entry, "run": self.run, "time": now} for entry in entries]
        with self.lock:
            head = chain.add(self.path, made)
            self.heads.append(head)
        return head


def _began(plan: DevicePlan) -> dict[str, Any]:
    return {
        "event": "begin",
        "device": plan.name,
        "platform": plan.platform,
        "scope": plan.scope,
        "serial": plan.serial,
        "before": plan.held,
        "desired": plan.desired,
        "changes": {op: count for op, count in plan.summary.items() if count},
        "conduits": sorted({one.conduit for one in plan.changes} - {""}),
        "tickets": list(tickets_of(plan)),
        "allowed": [one.as_json() for one in plan.allowed],
        "firewalls": list(plan.receivers),
    }


def _ended(outcome: Outcome) -> dict[str, Any]:
    return {
        "event": "end",
        "device": outcome.device,
        "outcome": outcome.status,
        "code": outcome.code,
        "message": printable(outcome.message)[:_TEXT_MOST],
        "before": outcome.before,
        "after": outcome.after,
        "changes": outcome.changes,
        "audit_comments": outcome.audit_comments,
        "notes": [printable(note)[:_TEXT_MOST] for note in outcome.notes],
        "members": [
            {
                "device": one.device,
                "outcome": one.status,
                "code": one.code,
                "message": printable(one.message)[:_TEXT_MOST],
            }
            for one in outcome.members
        ],
    }


def journal_file() -> Path:
    """Return the path of the audit journal: ``SEGCTL_JOURNAL``, or a file in the state folder."""
    named = os.environ.get(PLACE, "")
    return Path(named).expanduser() if named else state_folder() / FILE


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One device of one run, from its beginning to its end.

    `outcome` is that of the device, or ``unrecorded`` where there is no end: the run was killed,
    or is at work, or could not write. `before` and `after` are digests of what segctl manages on
    the device, as far as they were read; `ended` is empty without an end. Of a device group,
    `firewalls` are those that the run was about, and `members` says what became of each of them and
    of its peer.
    """

    time: str
    run: str
    device: str
    kind: str = ""
    ended: str = ""
    outcome: str = "unrecorded"
    code: str = ""
    message: str = ""
    plan_id: str = ""
    playbook: str = ""
    platform: str = ""
    scope: str = ""
    serial: str = ""
    by: str = ""
    author: str = ""
    git_commit: str = ""
    dirty: bool = False
    before: str = ""
    after: str = ""
    desired: str = ""
    changes: int = 0
    conduits: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()
    allowed: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    audit_comments: int = 0
    firewalls: tuple[str, ...] = ()
    members: tuple[Mapping[str, Any], ...] = ()
    seq: int = 0


def applied(entries: Iterable[Mapping[str, Any]]) -> tuple[Applied, ...]:
    """Return what was applied, in the order in which it began; unknown entries are passed over."""
    runs: dict[str, Mapping[str, Any]] = {}
    found: list[dict[str, Any]] = []
    open_: dict[tuple[str, str], dict[str, Any]] = {}
    for entry in entries:
        run, device = _text(entry, "run"), _text(entry, "device")
        event = entry.get("event")
        if event == "run":
            runs[run] = entry
        elif event == "begin":
            open_[run, device] = _row(entry, runs.get(run, {}))
            found.append(open_[run, device])
        elif event == "end":
            row = open_.pop((run, device), None)
            if row is None:  # of a device that had nothing to do, so that it was not begun
                row = _row(entry, runs.get(run, {}))
                found.append(row)
            _end(row, entry)
    return tuple(Applied(**row) for row in found)


def _row(entry: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    texts = ("kind", "plan_id", "playbook", "by", "author", "git_commit")
    own = ("time", "run", "device", "platform", "scope", "serial", "before", "desired")
    listed = ("conduits", "tickets", "firewalls")
    changes: object = entry.get("changes")
    counts = cast("dict[str, object]", changes) if isinstance(changes, dict) else {}
    return {
        **{name: _text(run, name) for name in texts},
        **{name: _text(entry, name) for name in own},
        **{name: _texts(entry, name) for name in listed},
        "allowed": _mappings(entry, "allowed"),
        "dirty": run.get("dirty") is True,
        "changes": sum(_number(counts, op) for op in counts),
        "seq": entry.get(chain.SEQ, 0),
    }


def _end(row: dict[str, Any], entry: Mapping[str, Any]) -> None:
    row |= {name: _text(entry, name) for name in ("outcome", "code", "message", "after")}
    row["ended"] = _text(entry, "time")
    row["before"] = _text(entry, "before") or row["before"]
    row["changes"] = _number(entry, "changes")
    row["notes"] = _texts(entry, "notes")
    row["members"] = _mappings(entry, "members")
    row["audit_comments"] = _number(entry, "audit_comments")


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name, "")
    return value if isinstance(value, str) else ""


def _number(entry: Mapping[str, Any], name: str) -> int:
    value = entry.get(name)
    return value if type(value) is int else 0


def _texts(entry: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(one for one in _list(entry, name) if isinstance(one, str))


def _mappings(entry: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    """Return the mappings in a list, of which every value is a text."""
    found = (cast("dict[str, object]", one) for one in _list(entry, name) if isinstance(one, dict))
    return tuple(one for one in found if all(isinstance(value, str) for value in one.values()))


def _list(entry: Mapping[str, Any], name: str) -> list[object]:
    value: object = entry.get(name)
    return cast("list[object]", value) if isinstance(value, list) else []
