"""What the audit journal holds, for people and machines: applies, a device's timeline, faults."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.model.durations import format_duration
from segctl.report.changes import row
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.system.inert import csv_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from segctl.fleet import Failure
    from segctl.planning.audit import Applied
    from segctl.providers.logs import Logged
    from segctl.system.chain import Chain

#: So much of a digest is shown to people.
_DIGEST: Final = len("sha256:") + 12
_STYLES: Final = {
    "applied": "green",
    "failed": "bold red",
    "unknown": "bold red",
    "unrecorded": "bold yellow",
}
_WORDS: Final = {
    "unrecorded": "no end on record: the run was killed, is at work, or could not write",
    "unknown": "not known",
}
#: What became of a firewall of a device group, where nothing is wrong.
_MEMBERS: Final = {"applied": "pushed", "unchanged": "had it already"}
#: Columns of the CSV form, by the names of fields of the document.
COLUMNS: Final = (
    "source",
    "time",
    "ended",
    "device",
    "outcome",
    "code",
    "message",
    "plan_id",
    "run",
    "kind",
    "by",
    "author",
    "git_commit",
    "dirty",
    "tickets",
    "conduits",
    "allowed",
    "changes",
    "audit_comments",
    "members",
    "before",
    "after",
    "desired",
    "serial",
    "seq",
    "admin",
    "command",
    "where",
    "client",
    "host",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A line of a device's own log in the timeline, its time by our clock.

    `of` is the run that the journal has for it. `foreign` says that it is not of a run on record:
    of another administrator, or of our account when no run of this journal was at work.
    """

    time: str
    line: Logged
    of: str = ""
    foreign: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """What was applied, from the journal in `path`, and the faults of its chain.

    `moments` are lines of the device's own log, newest last; `failure` says why there are none.
    `log_of` is the manager whose log that is, where the device is behind one. `drift_seconds` is
    how far the clock of the log is ahead of ours. `complete` says whether it was read back to its
    beginning, or to `since`.
    """

    path: Path
    chain: Chain
    rows: tuple[Applied, ...] = ()
    moments: tuple[Moment, ...] = ()
    failure: Failure | None = None
    log_of: str = ""
    drift_seconds: int = 0
    complete: bool = True
    asked: bool = False

    @property
    def well(self) -> bool:
        """Whether the chain is whole, and all that was asked for could be told."""
        return not self.chain.faults and self.failure is None


# --- documents -----------------------------------------------------------------------------------


def history_json(found: Applies) -> dict[str, Any]:
    """Return the document of what was applied."""
    document = _head_json(found) | {"applies": [_applied_json(one) for one in found.rows]}
    if found.asked:
        document["device_log"] = {
            "lines": [_moment_json(one) for one in found.moments],
            "manager": found.log_of,
            "clock_ahead_seconds": found.drift_seconds,
            "complete": found.complete,
            "failure": asdict(found.failure) if found.failure else None,
        }
    return document | _error_json(found)


def verify_json(found: Applies) -> dict[str, Any]:
    """Return the document of a check of the journal."""
    return _head_json(found) | _error_json(found)


def _head_json(found: Applies) -> dict[str, Any]:
    chain = found.chain
    return {
        "format_version": "1.0",
        "file": str(found.path),
        "entries": len(chain.entries),
        "head": str(chain.head) if chain.entries else "",
        "verified": not chain.faults,
        "faults": [asdict(fault) for fault in chain.faults],
        "notes": list(chain.notes),
    }


def _error_json(found: Applies) -> dict[str, Any]:
    if found.chain.faults:
        return {"error": {"code": "journal_broken", "message": broken(found)}}
    if found.failure:
        code, message = found.failure.code, f"{found.failure.device}: {found.failure.message}"
        return {"error": {"code": code, "message": message}}
    return {}


def broken(found: Applies) -> str:
    """Return why the journal cannot be trusted, its first fault."""
    faults = found.chain.faults
    first = faults[0]
    where = f":{first.line}" if first.line else ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"the journal is not what was written: {found.path}{where}: {first.message}{more}"


def _applied_json(one: Applied) -> dict[str, Any]:
    lists = ("conduits", "tickets", "firewalls", "notes", "allowed", "members")
    return asdict(one) | {name: list(getattr(one, name)) for name in lists}


def _moment_json(one: Moment) -> dict[str, Any]:
    line = asdict(one.line)
    device_time = line.pop("time")
    return line | {
        "time": one.time,
        "device_time": device_time,
        "run": one.of,
        "foreign": one.foreign,
    }


def history_csv(document: Mapping[str, Any]) -> str:
    """Return the applies, and lines of the device's own log, as CSV in the order of time."""
    rows = [{"source": "segctl", **one} for one in document["applies"]]
    log = document.get("device_log", {"lines": []})
    rows += [{"source": "device", **one} for one in log["lines"]]
    rows.sort(key=lambda one: str(one["time"]))
    return "\n".join([csv_line(COLUMNS), *(csv_line(map(_cell, _values(one))) for one in rows)])


def _values(one: Mapping[str, Any]) -> Iterator[object]:
    return (one.get(name, "") for name in COLUMNS)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(_word, cast("list[object]", value)))
    return str(value)


def _word(one: object) -> str:
    if not isinstance(one, dict):
        return str(one)
    told = cast("dict[str, Any]", one)
    return _allowed(told) if "flow" in told else f"{told.get('device')}: {_became(told)}"


def _allowed(one: Mapping[str, Any]) -> str:
    return f"{one.get('flow', '')} by {one.get('by', '')}: {one.get('reason', '')}"


# --- text ----------------------------------------------------------------------------------------


def history_text(found: Applies) -> Iterator[Line]:
    """Yield what was applied, the oldest first, with the device's own log in its place."""
    events = [(one.time[:19], tuple(_applied_lines(one))) for one in found.rows]
    events += [(one.time[:19], (_moment_line(one),)) for one in found.moments]
    if not events:
        yield Line(text="Nothing on record.")
    for _, lines in sorted(events, key=lambda event: event[0]):
        yield from lines
    yield Line()
    yield from _log_end(found)
    yield from faults_text(found)


def _applied_lines(one: Applied) -> Iterator[Line]:
    what = _WORDS.get(one.outcome, one.outcome)
    if one.outcome == "applied" and one.changes:
        what = f"applied {counted(one.changes, 'change')}"
    yield Line(
        lead=f"{_second(one.time)}  {one.device}  ",
        text=f"{what}: {one.code}" if one.code else what,
        lead_style="bold",
        style=_STYLES.get(one.outcome, ""),
    )
    if one.message:
        yield row("says", one.message)
    plan = f"{one.plan_id[:12]} ({one.kind}{f' {one.playbook}' if one.playbook else ''})"
    yield row("plan", plan)
    author = f" for {one.author}" if one.author else ""
    yield row("by", f"{one.by}{author}")
    edits = " with uncommitted edits" if one.dirty else ""
    yield row("commit", f"{one.git_commit[:12]}{edits}" if one.git_commit else "none")
    if one.tickets:
        yield row("tickets", ", ".join(one.tickets))
    before, after = one.before[:_DIGEST] or "not read", one.after[:_DIGEST] or "not read"
    yield row("digests", f"{before} to {after}" if before != after else f"{before}, as before")
    for each in one.allowed:
        yield row("allowed", _allowed(each))
    for each in one.members:
        yield row("firewall", f"{each.get('device', '')}: {_became(each)}")
    if one.firewalls and not one.members:
        yield row("firewalls", ", ".join(one.firewalls))
    for note in one.notes:
        yield row("note", note)


def _became(member: Mapping[str, Any]) -> str:
    """Return what became of a firewall of a device group."""
    code, why = member.get("code"), member.get("message")
    words = code or _MEMBERS.get(str(member.get("outcome", "")), str(member.get("outcome", "")))
    return f"{words}: {why}" if why else str(words)


def _moment_line(one: Moment) -> Line:
    line = one.line
    whose = "segctl" if one.of else "others" if not line.own else "our account, no run on record"
    result = f" {line.result}" if line.result not in {"Succeeded", ""} else ""
    text = f"{line.admin} {line.command}{result}{f': {line.where}' if line.where else ''}"
    style = "" if one.of else "yellow"
    return Line(lead=f"{_second(one.time)}  [{whose}]  ", text=text, style=style)


def _log_end(found: Applies) -> Iterator[Line]:
    if not found.asked:
        return
    if found.failure:
        text = f"{_log(found)} is not shown: {found.failure.message}"
        yield Line(lead=f"{found.failure.device}  ", text=text, style="bold red")
        return
    if found.drift_seconds:
        ahead = "ahead" if found.drift_seconds > 0 else "behind"
        by = format_duration(abs(found.drift_seconds))
        whose = f"The clock of {found.log_of}" if found.log_of else "The device's clock"
        yield Line(text=f"{whose} is {by} {ahead}; its lines are shown by ours.")
    if not found.complete:
        yield Line(text="Its log goes back further than was read.", style="yellow")
    strange = sum(one.foreign for one in found.moments)
    total = counted(len(found.moments), "line")
    yield Line(text=f"{total} of {_log(found)}, {strange} not by a run on record here.")
    if found.log_of:
        text = f"{found.log_of} does not pass on the firewalls' own logs: they are not read."
        yield Line(text=text)


def _log(found: Applies) -> str:
    return f"the log of {found.log_of}" if found.log_of else "the device's own log"


def faults_text(found: Applies) -> Iterator[Line]:
    """Yield whether the chain is whole, its faults, and its head."""
    chain = found.chain
    for note in chain.notes:
        yield Line(lead="note: ", text=note, style="yellow")
    for fault in chain.faults:
        where = f"line {fault.line}: " if fault.line else ""
        yield Line(lead=f"{fault.kind}: ", text=f"{where}{fault.message}", style="bold red")
    if chain.faults:
        text = f"{counted(len(chain.faults), 'fault')}: {found.path} is not what was written"
        yield Line(text=text, style="bold red")
    elif chain.entries:
        count = len(chain.entries)
        entries = "1 entry" if count == 1 else f"{count} entries"
        yield Line(text=f"{entries} in {found.path}, each follows from the one before")
        yield Line(lead="head ", text=str(chain.head), lead_style="bold")


def _second(time: str) -> str:
    return time[:19].replace("T", " ") + "Z"
