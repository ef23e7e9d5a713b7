"""Drift as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.compiler.naming import below
from segctl.drift.items import BLOCK, DRIFT_KINDS, MOVED
from segctl.drift.report import Unchecked
from segctl.planning.findings import BLOCKED, CANNOT_TELL, HOLE
from segctl.providers.state import UNREAD
from segctl.report.changes import held_lines, row
from segctl.report.labels import fields_of, gist_of, name_before, place_of
from segctl.report.lines import Line
from segctl.report.plan_text import DOUBT, only_limits
from segctl.report.provenance import provenance_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.drift.acceptance import AcceptedItem
    from segctl.drift.report import DeviceDrift, DriftReport, Status
    from segctl.model.diff import Change
    from segctl.providers.logs import Author
    from segctl.report.provenance import Provenance

_STATES: dict[Status, tuple[str, str]] = {
    "in_sync": ("in sync", "green"),
    "drift": ("drift", "yellow"),
    "error": ("could not be checked", "red"),
}
#: What a finding that counts as drift is called; any other by its severity.
_WORDS = {HOLE: "open", UNREAD: "unread", BLOCKED: "blocked", CANNOT_TELL: "cannot tell"}


def drift_text(report: DriftReport, provenance: Provenance | None = None) -> Iterator[Line]:
    """Yield the lines of a drift report, those that say what it is evidence of before the last."""
    for device in report.devices:
        state, style = _STATES[device.status]
        answered = "" if isinstance(device, Unchecked) else device.answered
        text = f"{state} (read from {answered})" if answered else state
        yield Line(lead=f"{device.name}  ", text=text, lead_style="bold", style=style)
        if isinstance(device, Unchecked):
            yield Line(lead=f"  ! {device.code}: ", text=device.message, style="bold red")
        else:
            yield from _device(device)
    yield Line()
    if provenance is not None:
        yield from provenance_text(provenance)
    counts = report.counts
    text = f"{counts.in_sync} in sync, {counts.drift} drifted, {counts.error} could not be checked"
    yield Line(text=text, style="bold")


def _device(device: DeviceDrift) -> Iterator[Line]:
    authors = {(item.kind, item.name): item.changed_by for item in device.items}
    told = {state: device.told(state) for state in _WORDS}
    for finding in device.findings:
        if finding.kind == DOUBT or only_limits(finding):
            continue
        word = next((_WORDS[state] for state in told if finding in told[state]), finding.severity)
        hint = f" — {finding.hint}" if finding.hint else ""
        style = "bold red" if finding in told[HOLE] else "yellow"
        yield Line(lead=f"  ! {word}: ", text=f"{finding.message}{hint}", style=style)
        if finding in told[HOLE]:
            yield from _by(authors.pop(("rule", finding.subject), None))
        elif finding in device.told(MOVED):
            yield from _by(authors.get((BLOCK, finding.subject)))
    for kind in dict.fromkeys(DRIFT_KINDS.values()):
        for change in device.changes(kind):
            yield from _change(kind, change)
            yield from _by(authors.pop((change.kind, change.name), None))
    for known in device.accepted:
        yield Line(lead="  accepted: ", text=accepted_text(known), style="dim")
    if device.unmanaged:
        names = [rule.name for rule in device.unmanaged]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        yield Line(lead="  rules of others: ", text=f"{', '.join(names[:10])}{more}", style="dim")


def _by(author: Author | None) -> Iterator[Line]:
    """Yield who changed an item last, where the device tells."""
    if author is not None:
        yield row("changed by", author_text(author), "yellow")


def accepted_text(known: AcceptedItem) -> str:
    """Write an accepted item: what, who answers for it, until when."""
    item, by = known.item, known.by
    because = f": {by.reason}" if by.reason else ""
    until = by.expires.isoformat()
    return f"{item.state} {item.kind} {item.name}, by {by.owner} until {until}{because}"


def author_text(author: Author) -> str:
    """Write who made a change, when by the device's clock, and how."""
    own = " (segctl's own account)" if author.own else ""
    place = f"from {author.host}" if author.host else ""
    how = ", ".join(filter(None, (author.command, author.client, place)))
    return f"{author.admin}{own} at {author.time}" + (f" ({how})" if how else "")


def _change(kind: str, change: Change) -> Iterator[Line]:
    told = not change.conduit or below(change.name, change.conduit) != change.name
    where = "" if told else f" (conduit {change.conduit})"
    yield Line(lead=f"  {kind}: ", text=f"{change.kind} {change.name}{where}", style="yellow")
    if change.op == "rename":
        yield row("name", f"on the device: {name_before(change)}", "yellow")
    elif change.op == "move":
        yield row("place", f"belongs {place_of(change)}", "yellow")
    elif change.op == "delete" and change.kind == "rule":
        yield row("", gist_of(change.before))
    elif change.op == "update":
        for field, before, after in fields_of(change):
            yield from held_lines(field, before, after)
