"""What became of the devices, as lines of text and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segctl.model.errors import JournalError
from segctl.report.labels import counted, share
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.planning.audit import Record
    from segctl.planning.outcome import Outcome


def outcomes_text(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield a line a device: what became of it; with failures, what to do next."""
    for outcome in outcomes:
        if outcome.status in ("failed", "unknown"):
            text, style = f"{outcome.code}: {outcome.message}", "bold red"
        else:
            text, style = done_text(outcome.status, outcome.changes, outcome.message)
        yield Line(lead=f"{outcome.device}  ", text=text, lead_style="bold", style=style)
        yield from map(_member, outcome.members)
        for warning in outcome.warnings:
            yield Line(lead="  ! the device warns: ", text=warning, style="yellow")
        for note in outcome.notes:
            yield Line(lead="  ! ", text=note, style="yellow")
    failed = [one.device for one in outcomes if one.status in ("failed", "unknown")]
    if failed:
        yield Line()
        yield Line(
            text=f"{share(len(failed), len(outcomes), 'device')} failed: {', '.join(failed)}.",
            style="bold",
        )


def _member(outcome: Outcome) -> Line:
    """Return the line of a firewall to which a manager pushed the change."""
    text, style = {
        "applied": ("pushed, in sync", "green"),
        "unchanged": ("in sync", ""),
        "failed": (f"not enforced: {outcome.message}", "red"),
        "unknown": (f"unknown: {outcome.message}", "red"),
    }[outcome.status]
    return Line(lead=f"  {outcome.device}  ", text=text, style=style)


def done_text(status: str, changes: int, message: str) -> tuple[str, str]:
    """Say what was done on a device that went well, and in which style."""
    if status != "applied":
        return "nothing to do: it holds what was planned", ""
    done = f"applied {counted(changes, 'change')}, read back, as planned" if changes else ""
    return "; ".join(filter(None, (message, done))), "green"


def outcomes_json(
    outcomes: Iterable[Outcome], plan_id: str, journal: str = "", audit: Record | None = None
) -> dict[str, Any]:
    """Return the document of an apply."""
    listed = [asdict(outcome) for outcome in outcomes]
    for one in listed:
        if not one["members"]:
            del one["members"]
        for member in (one, *one.get("members", ())):
            if not member["of"]:
                del member["of"]
        for member in one.get("members", ()):
            del member["members"]
    states = Counter(outcome["status"] for outcome in listed)
    document: dict[str, Any] = {
        "format_version": "1.1",
        "plan_id": plan_id,
        "outcomes": listed,
        "summary": {state: states[state] for state in ("applied", "unchanged", "failed")},
    }
    if states["unknown"]:
        document["summary"]["unknown"] = states["unknown"]
    if journal:
        document["journal"] = journal
    document |= audit_json(audit)
    failed = next((one for one in listed if one["status"] in ("failed", "unknown")), None)
    if failed:
        document["error"] = {"code": failed["code"], "message": failed["message"]}
    elif audit is not None and audit.problems:
        document["error"] = {"code": JournalError.code, "message": audit.problems[0]}
    return document


def audit_json(audit: Record | None) -> dict[str, Any]:
    """Return where a run is on record; empty where nothing had to be."""
    if audit is None:
        return {}
    found = {"file": str(audit.path), "run": audit.run, "head": audit.head}
    return {"audit": {**found, "problems": list(audit.problems)}}


def audit_text(audit: Record | None) -> str:
    """Return where a run is on record, and its head, to be kept elsewhere; empty for nowhere."""
    if audit is None:
        return ""
    return f"On record in {audit.path}, whose head is {audit.head}"
