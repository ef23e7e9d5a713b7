"""What people and machines are told: plans, drift and outcomes as text and as JSON values."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from segctl.errors import UnsupportedError
from segctl.plan import OPS, DevicePlan
from segctl.providers.base import provider
from segctl.rollout import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.apply import Outcome
    from segctl.errors import Problem
    from segctl.plan import Plan

_SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "move": (">", "cyan"),
    "rename": ("=", "cyan"),
    "delete": ("-", "red"),
}
_VERBS = {
    "create": "to create",
    "update": "to change",
    "move": "to move",
    "rename": "to rename",
    "delete": "to delete",
}
_LABELS = {
    "from_zones": "from",
    "to_zones": "to",
    "log_setting": "log forwarding",
    "profile_group": "threat profile",
}
#: Findings that say how sure the catalogue is; `segctl validate` prints them, once.
DOUBT = "doubt"


# --- plans ---------------------------------------------------------------------------------------


def plan_text(
    plan: Plan, failures: Sequence[Failure] = (), *, diff: bool = False
) -> Iterator[Text]:
    """Yield a plan's lines: per device its findings, then its changes by conduit."""
    for device in plan.devices:
        yield from device_text(device, diff=diff)
        yield Text()
    for failure in failures:
        yield _failed(failure)
        yield Text()
    yield summary_text(plan, failures)


def summary_text(plan: Plan, failures: Sequence[Failure] = ()) -> Text:
    """Return the last line of a plan."""
    devices = _count(len(plan.devices) + len(failures), "device")
    failed = f"; {len(failures)} could not be read" if failures else ""
    if not plan.changes:
        return Text(f"No changes. {devices}{failed}.", style="bold")
    return Text(f"Plan: {_totals(plan.summary)} on {devices}{failed}.", style="bold")


def _totals(summary: Mapping[str, int]) -> str:
    return ", ".join(f"{summary[op]} {_VERBS[op]}" for op in OPS if summary[op]) or "no changes"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def device_text(device: DevicePlan, *, diff: bool = False) -> Iterator[Text]:
    """Yield one device's part of a plan."""
    yield _device_head(device)
    for finding in device.findings:
        if finding.kind != DOUBT:
            yield _finding(finding)
    if not device.changes:
        yield Text("  in sync", style="green")
        return
    for conduit, changes in _by_conduit(device.changes).items():
        yield Text(
            f"  conduit {conduit}" if conduit else "  zones, objects and defaults", style="bold"
        )
        for change in changes:
            yield from _change(change)
    if device.purge:
        yield Text(
            f"  deletes {device.purge} rules of others (segctl_unmanaged: purge)", style="red"
        )
    if diff:
        yield Text("  script", style="bold")
        for line in device.script.splitlines():
            yield Text(f"    {line}", style="dim")


def _device_head(device: DevicePlan) -> Text:
    facts = [f"{_title(device.platform)} {device.os_version}".strip()]
    facts += [f"content {device.content_version}"] if device.content_version else []
    facts += [f"serial {device.serial}"] if device.serial else []
    facts += [device.scope] if device.scope else []
    facts += [_count(device.rule_count, "rule")]
    return Text.assemble((device.name, "bold"), f"  ({', '.join(facts)})")


def _title(platform: str) -> str:
    """Return what people call a platform; a saved plan may name one that is not installed."""
    try:
        return provider(platform).capabilities.title or platform
    except UnsupportedError:
        return platform


def _finding(finding: Problem) -> Text:
    style = "bold red" if finding.severity == "error" else "yellow"
    where = f"{finding.where}: " if finding.where else ""
    hint = f" — {finding.hint}" if finding.hint else ""
    return Text(f"  ! {finding.severity}: {where}{finding.message}{hint}", style=style)


def _failed(failure: Failure) -> Text:
    return Text.assemble(
        (failure.device, "bold"), (f"\n  ! {failure.code}: {failure.message}", "bold red")
    )


def _by_conduit(
    changes: Iterable[Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for change in changes:
        grouped.setdefault(str(change["conduit"]), []).append(change)
    return dict(sorted(grouped.items(), key=lambda item: (not item[0], item[0])))


def _change(change: Mapping[str, Any]) -> Iterator[Text]:
    sign, style = _SIGNS[change["op"]]
    what = f"    {sign} {change['kind']} {change['name']}"
    after, before = change["after"], change["before"]
    if change["op"] == "rename":
        what += f"  (was {before.get('name')})"
    elif change["op"] == "move":
        what += f"  moves {_anchor(change)}"
    elif change["op"] == "create":
        what += f"  {_gist(change['kind'], after)}"
        what += f"  ({_anchor(change)})" if change["anchor"] else ""
    elif change["op"] == "delete":
        what += f"  {_gist(change['kind'], before)}"
    yield Text(what, style=style)
    if change["op"] == "create" and change["kind"] == "rule":
        yield from _rule_fields(after)
    elif change["op"] == "update":
        for field in change["fields"]:
            yield from _field(field, before.get(field), after.get(field))


def _anchor(change: Mapping[str, Any]) -> str:
    anchor = change["anchor"]
    where = {"top": "to the top"}.get(anchor["where"], anchor["where"])
    return f"{where} {anchor['rule']}".strip()


def _gist(kind: str, values: Mapping[str, Any]) -> str:
    if kind == "rule":
        return (
            f"{values.get('action', '')} {', '.join(values.get('from_zones', []))} → "
            f"{', '.join(values.get('to_zones', []))}"
        )
    if kind == "service":
        return f"{values.get('protocol')}/{values.get('ports')}"
    if kind == "default-rule":
        return f"{values.get('action')}, {'log' if values.get('log') else 'no log'}"
    listed = values.get("members") or values.get("interfaces")
    if kind == "tag":
        return str(values.get("comments", ""))
    if kind == "schedule":
        return "; ".join(f"{day} {', '.join(windows)}" for day, windows in values["windows"])
    return ", ".join(listed) if listed else str(values.get("value", ""))


def _rule_fields(values: Mapping[str, Any]) -> Iterator[Text]:
    shown = (
        "sources",
        "destinations",
        "users",
        "applications",
        "services",
        "profile_group",
        "log_setting",
        "schedule",
        "description",
    )
    for field in shown:
        value = values.get(field)
        if value and value != ["any"]:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType] - JSON
            yield Text(f"        {_LABELS.get(field, field)}: {text}", style="dim")


def _field(name: str, before: Any, after: Any) -> Iterator[Text]:
    """Yield old and new value of one field; of lists only what comes and goes."""
    label = f"        {_LABELS.get(name, name)}:"
    if isinstance(before or [], list) and isinstance(after or [], list):
        gone, come = list_changes(before or [], after or [])
        if gone:
            yield Text(f"{label} - {', '.join(gone)}", style="red")
        if come:
            yield Text(f"{label} + {', '.join(come)}", style="green")
        return
    yield Text(f"{label} {_value(before)} → {_value(after)}", style="yellow")


def list_changes(before: Sequence[Any], after: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Return what left a list and what joined it."""
    from deepdiff import DeepDiff

    found = DeepDiff(before, after, ignore_order=True, view="tree")
    gone = [str(item.t1) for item in _items(found, "removed")]
    come = [str(item.t2) for item in _items(found, "added")]
    return sorted(gone), sorted(come)


def _items(found: Mapping[str, Any], what: str) -> Iterator[Any]:
    yield from found.get(f"iterable_item_{what}", ())
    yield from found.get("values_changed", ())


def _value(value: Any) -> str:
    return "nothing" if value in (None, "", []) else str(value)


# --- drift ---------------------------------------------------------------------------------------

#: What a change that would repair it calls the drift it repairs.
_KINDS = {
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
    return {
        "format_version": "1.0",
        "in_sync": states["in_sync"] == len(devices),
        "devices": devices,
        "summary": {state: states[state] for state in ("in_sync", "drift", "error")},
    }


def _failure_json(failure: Failure) -> dict[str, Any]:
    return {
        "name": failure.device,
        "status": "error",
        "error": {"code": failure.code, "message": failure.message},
    }


def _drift_device(plan: DevicePlan, known: set[tuple[str, str, str]]) -> dict[str, Any]:
    lists: dict[str, list[Any]] = {kind: [] for kind in dict.fromkeys(_KINDS.values())}
    taken: list[dict[str, str]] = []
    for change in plan.changes:
        key = (plan.name, str(change["kind"]), str(change["name"]))
        if key in known:
            taken.append({"kind": key[1], "name": key[2]})
        else:
            lists[_KINDS[change["op"]]].append(change)
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


def drift_text(document: Mapping[str, Any]) -> Iterator[Text]:
    """Yield the lines of a drift document."""
    for device in document["devices"]:
        yield Text.assemble((device["name"], "bold"), f"  {_STATES[device['status']]}")
        if device["status"] == "error":
            error = device["error"]
            yield Text(f"  ! {error['code']}: {error['message']}", style="bold red")
            continue
        for finding in device["findings"]:
            if finding["kind"] == DOUBT:
                continue
            hole = finding in device["holes"]
            word = "open" if hole else finding["severity"]
            text = f"  ! {word}: {finding['message']} — {finding['hint']}"
            yield Text(text.removesuffix(" — "), style="bold red" if hole else "yellow")
        for kind in dict.fromkeys(_KINDS.values()):
            for change in device[kind]:
                yield from _drift_item(kind, change)
        for item in device["accepted"]:
            yield Text(f"    accepted: {item['kind']} {item['name']}", style="dim")
        if device["unmanaged"]:
            names = [item["name"] for item in device["unmanaged"]]
            more = " …" if len(names) > 10 else ""
            yield Text(f"    rules of others: {', '.join(names[:10])}{more}", style="dim")
    yield Text()
    totals = document["summary"]
    yield Text(
        f"{totals['in_sync']} in sync, {totals['drift']} drifted, "
        f"{totals['error']} could not be checked",
        style="bold",
    )


_STATES = {"in_sync": "in sync", "drift": "drift", "error": "could not be checked"}


def _drift_item(kind: str, change: Mapping[str, Any]) -> Iterator[Text]:
    where = f" (conduit {change['conduit']})" if change["conduit"] else ""
    yield Text(f"    {kind}: {change['kind']} {change['name']}{where}", style="yellow")
    if change["op"] == "rename":
        yield Text(f"        is called {change['before'].get('name')}", style="yellow")
    elif change["op"] == "move":
        yield Text(f"        belongs {_anchor(change)}", style="yellow")
    elif change["op"] == "update":
        for field in change["fields"]:
            # what stands on the device now, then what it should be
            yield from _field(field, change["before"].get(field), change["after"].get(field))


# --- outcomes ------------------------------------------------------------------------------------


def outcomes_text(outcomes: Iterable[Outcome]) -> Iterator[Text]:
    """Yield a line a device: what became of it."""
    for outcome in outcomes:
        if outcome.status == "failed":
            yield Text.assemble(
                (outcome.device, "bold"), (f"  {outcome.code}: {outcome.message}", "bold red")
            )
        elif outcome.status == "applied":
            text = f"  applied {_count(outcome.changes, 'change')}, read back, as planned"
            yield Text.assemble((outcome.device, "bold"), (text, "green"))
        else:
            yield Text.assemble((outcome.device, "bold"), "  nothing to do")


def outcomes_json(outcomes: Iterable[Outcome], plan_id: str) -> dict[str, Any]:
    """Return the document of an apply."""
    listed = [asdict(outcome) for outcome in outcomes]
    states = Counter(outcome["status"] for outcome in listed)
    return {
        "format_version": "1.0",
        "plan_id": plan_id,
        "outcomes": listed,
        "summary": {state: states[state] for state in ("applied", "unchanged", "failed")},
    }


def problems_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return problems as JSON values."""
    return [asdict(problem) for problem in problems]
