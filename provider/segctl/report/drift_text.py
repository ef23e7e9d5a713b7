"""Drift as a document and as lines of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

from segctl.drift.items import DRIFT_KINDS, ERROR, items_of, judge
from segctl.fleet import Failure
from segctl.planning.findings import HOLE, NOT_KEPT, PENDING
from segctl.providers.state import UNREAD
from segctl.report.changes import held_lines, row
from segctl.report.labels import gist_of, place_of
from segctl.report.lines import Line
from segctl.report.plan_text import DOUBT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.drift.items import Accepted, DriftItem, Judged
    from segctl.model.errors import Problem
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Author


#: States of items that a finding says.
_TOLD = (HOLE, UNREAD, ERROR, PENDING, NOT_KEPT)
#: Which account changed what, by device, kind and name.
Authors: TypeAlias = "Mapping[tuple[str, str, str], Author]"


def drift_json(
    plans: Iterable[DevicePlan | Failure],
    baseline: Sequence[Accepted] = (),
    *,
    today: date = date.max,
    authors: Authors | None = None,
    notes: Iterable[tuple[str, Problem]] = (),
) -> dict[str, Any]:
    """Return the drift document: per device what is missing, changed, moved, unexpected, open.

    Args:
        plans: a plan for every device that could be read, a failure for the others.
        baseline: known drift that does not count until its day.
        today: that day is measured by; without it every entry has expired.
        authors: who changed what, where devices tell.
        notes: further findings, with the device each is about.
    """
    told = list(notes)
    devices = [
        _failure_json(item)
        if isinstance(item, Failure)
        else _drift_device(
            item,
            judge(item.name, items_of(item), baseline, today),
            authors or {},
            [note for device, note in told if device == item.name],
        )
        for item in plans
    ]
    states = Counter(device["status"] for device in devices)
    document: dict[str, Any] = {
        "format_version": "1.2",
        "in_sync": states["in_sync"] == len(devices),
        "devices": devices,
        "summary": {state: states[state] for state in ("in_sync", "drift", "error")},
    }
    failed = next((device for device in devices if device["status"] == "error"), None)
    return document | ({"error": failed["error"]} if failed else {})


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {
        "name": failure.device,
        "status": "error",
        "error": {"code": failure.code, "message": failure.message},
    }


def _drift_device(
    plan: DevicePlan, judged: Judged, authors: Authors, notes: Sequence[Problem]
) -> dict[str, Any]:
    lists: dict[str, list[Any]] = {kind: [] for kind in dict.fromkeys(DRIFT_KINDS.values())}
    for item in judged.counted:
        for change in item.changes:
            lists[DRIFT_KINDS[change["op"]]].append(change)
    told = {state: [asdict(f) for f in _findings(judged, state)] for state in _TOLD}
    findings = (*plan.findings, *judged.findings, *notes)
    return {
        "name": plan.name,
        "status": "drift" if judged.counted else "in_sync",
        "platform": plan.platform,
        "serial": plan.serial,
        **lists,
        "unmanaged": list(plan.unmanaged),
        "holes": told[HOLE],
        "unread": told[UNREAD],
        "errors": told[ERROR],
        "pending": told[PENDING],
        "not_kept": told[NOT_KEPT],
        "state": plan.state.as_json(),
        "items": [_item_json(plan.name, item, authors) for item in judged.counted],
        "accepted": [
            _item_json(plan.name, item, authors)
            | {"owner": by.owner, "expires": by.expires.isoformat(), "reason": by.reason}
            for item, by in judged.accepted
        ],
        "findings": [asdict(finding) for finding in findings],
    }


def _findings(judged: Judged, state: str) -> Iterator[Problem]:
    for item in judged.counted:
        if item.finding is not None and item.state == state:
            yield item.finding


def _item_json(device: str, item: DriftItem, authors: Authors) -> dict[str, Any]:
    by = authors.get((device, item.kind, item.name))
    return {
        "kind": item.kind,
        "name": item.name,
        "state": item.state,
        "conduit": item.conduit,
        "fingerprint": item.fingerprint,
        "changed_by": None if by is None else asdict(by),
    }


def drift_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a drift document."""
    for device in document["devices"]:
        state, style = _STATES[device["status"]]
        yield Line(lead=f"{device['name']}  ", text=state, lead_style="bold", style=style)
        if device["status"] == "error":
            error = device["error"]
            yield Line(lead=f"  ! {error['code']}: ", text=error["message"], style="bold red")
            continue
        authors = {(item["kind"], item["name"]): item["changed_by"] for item in device["items"]}
        for finding in device["findings"]:
            if finding["kind"] == DOUBT:
                continue
            hole = finding in device["holes"]
            word = "open" if hole else "unread" if finding in device["unread"] else ""
            hint = f" — {finding['hint']}" if finding["hint"] else ""
            yield Line(
                lead=f"  ! {word or finding['severity']}: ",
                text=f"{finding['message']}{hint}",
                style="bold red" if hole else "yellow",
            )
            if hole:
                yield from _by(authors.get(("rule", finding["subject"])))
        for kind in dict.fromkeys(DRIFT_KINDS.values()):
            for change in device[kind]:
                yield from _drift_item(kind, change)
                yield from _by(authors.pop((change["kind"], change["name"]), None))
        for item in device["accepted"]:
            yield Line(lead="  accepted: ", text=accepted_text(item), style="dim")
        if device["unmanaged"]:
            names = [item["name"] for item in device["unmanaged"]]
            more = f" and {len(names) - 10} more" if len(names) > 10 else ""
            yield Line(
                lead="  rules of others: ", text=f"{', '.join(names[:10])}{more}", style="dim"
            )
    yield Line()
    totals = document["summary"]
    text = (
        f"{totals['in_sync']} in sync, {totals['drift']} drifted, "
        f"{totals['error']} could not be checked"
    )
    yield Line(text=text, style="bold")


_STATES = {
    "in_sync": ("in sync", "green"),
    "drift": ("drift", "yellow"),
    "error": ("could not be checked", "red"),
}


def _by(author: Mapping[str, Any] | None) -> Iterator[Line]:
    """Yield who changed an item last, where the device tells."""
    if author is not None:
        yield row("changed by", author_text(author), "yellow")


def accepted_text(item: Mapping[str, Any]) -> str:
    """Write an accepted item: what, who answers for it, until when."""
    because = f": {item['reason']}" if item["reason"] else ""
    what = f"{item['state']} {item['kind']} {item['name']}"
    return f"{what}, by {item['owner']} until {item['expires']}{because}"


def author_text(author: Mapping[str, Any]) -> str:
    """Write who made a change, when by the device's clock, and how."""
    own = " (segctl's own account)" if author["own"] else ""
    how = ", ".join(
        text
        for text in (
            author["command"],
            author["client"],
            f"from {author['host']}" if author["host"] else "",
        )
        if text
    )
    return f"{author['admin']}{own} at {author['time']}" + (f" ({how})" if how else "")


def _drift_item(kind: str, change: Mapping[str, Any]) -> Iterator[Line]:
    told = not change["conduit"] or str(change["name"]).startswith(change["conduit"])
    where = "" if told else f" (conduit {change['conduit']})"
    text = f"{change['kind']} {change['name']}{where}"
    yield Line(lead=f"  {kind}: ", text=text, style="yellow")
    if change["op"] == "rename":
        yield row("name", f"on the device: {change['before'].get('name')}", "yellow")
    elif change["op"] == "move":
        yield row("place", f"belongs {place_of(change)}", "yellow")
    elif change["op"] == "delete" and change["kind"] == "rule":
        yield row("", gist_of("rule", change["before"]))
    elif change["op"] == "update":
        for field in change["fields"]:
            yield from held_lines(field, change["before"].get(field), change["after"].get(field))
