"""Drift as a document and as lines of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segctl.report.changes import held_lines, row
from segctl.report.lines import Line
from segctl.report.plans import DOUBT
from segctl.report.words import gist_of, place_of
from segctl.rollout import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.plan import DevicePlan


#: What a change that would repair it calls the drift it repairs.
DRIFT_KINDS = {
    "create": "missing",
    "update": "changed",
    "rename": "changed",
    "move": "moved",
    "delete": "unexpected",
}


def drift_json(
    plans: Iterable[DevicePlan | Failure], accepted: Iterable[tuple[str, str, str]] = ()
) -> dict[str, Any]:
    """Return the drift document: per device what is missing, changed, moved, unexpected, open.

    Args:
        plans: a plan for every device that could be read, a failure for the others.
        accepted: (device, kind, name) of known drift that does not count.
    """
    known = set(accepted)
    devices = [
        _failure_json(item) if isinstance(item, Failure) else _drift_device(item, known)
        for item in plans
    ]
    states = Counter(device["status"] for device in devices)
    document: dict[str, Any] = {
        "format_version": "1.0",
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


def _drift_device(plan: DevicePlan, known: set[tuple[str, str, str]]) -> dict[str, Any]:
    lists: dict[str, list[Any]] = {kind: [] for kind in dict.fromkeys(DRIFT_KINDS.values())}
    taken: list[dict[str, str]] = []
    for change in plan.changes:
        key = (plan.name, str(change["kind"]), str(change["name"]))
        if key in known:
            taken.append({"kind": key[1], "name": key[2]})
        else:
            lists[DRIFT_KINDS[change["op"]]].append(change)
    holes = [finding for finding in plan.holes if (plan.name, "rule", finding.subject) not in known]
    taken += [
        {"kind": "rule", "name": finding.subject} for finding in plan.holes if finding not in holes
    ]
    drifted = any(lists.values()) or bool(holes)
    return {
        "name": plan.name,
        "status": "drift" if drifted else "in_sync",
        "platform": plan.platform,
        "serial": plan.serial,
        **lists,
        "unmanaged": list(plan.unmanaged),
        "holes": [asdict(finding) for finding in holes],
        "accepted": taken,
        "findings": [asdict(finding) for finding in plan.findings],
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
        for finding in device["findings"]:
            if finding["kind"] == DOUBT:
                continue
            hole = finding in device["holes"]
            word = "open" if hole else finding["severity"]
            hint = f" — {finding['hint']}" if finding["hint"] else ""
            yield Line(
                lead=f"  ! {word}: ",
                text=f"{finding['message']}{hint}",
                style="bold red" if hole else "yellow",
            )
        for kind in dict.fromkeys(DRIFT_KINDS.values()):
            for change in device[kind]:
                yield from _drift_item(kind, change)
        for item in device["accepted"]:
            text = f"{item['kind']} {item['name']}"
            yield Line(lead="  accepted: ", text=text, style="dim")
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
