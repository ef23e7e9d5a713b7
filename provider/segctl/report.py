"""What people and machines are told: plans, drift and outcomes as lines of text and as JSON."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
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
#: What a rule's fields are called, in the order they are shown.
_LABELS = {
    "from_zones": "from zone",
    "to_zones": "to zone",
    "sources": "source",
    "destinations": "destination",
    "users": "user",
    "applications": "application",
    "services": "service",
    "profile_group": "profile",
    "log_setting": "log to",
    "schedule": "schedule",
    "description": "reason",
}
#: Findings that say how sure the catalogue is; `segctl validate` prints them, once.
DOUBT = "doubt"
#: Our mark at the beginning of a description.
_MARK = re.compile(r"^\[segctl\b([^\]]*)\]\s*")
_ESSENTIAL = re.compile(r" essential(=|$)")
_LABEL_WIDTH = max(map(len, _LABELS.values())) + 2


# --- lines ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a report; where it is too long, `text` goes on right of where it began."""

    lead: str = ""
    text: str = ""
    style: str = ""
    lead_style: str = ""


def laid_out(lines: Iterable[Line], width: int) -> Iterator[Text]:
    """Yield the lines wrapped to `width` columns, with nothing in them that steers a terminal."""
    for line in lines:
        lead, text = printable(line.lead), printable(line.text)
        room = max(24, width - len(lead))
        parts = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(parts or [""]):
            head = " " * len(lead) if number else lead
            shown = Text.assemble((head, line.lead_style or line.style), (part, line.style))
            shown.rstrip()
            yield shown


def printable(text: str) -> str:
    """Escape what could steer a terminal; names and texts of devices are not ours."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


# --- plans ---------------------------------------------------------------------------------------


def plan_text(
    plan: Plan, failures: Sequence[Failure] = (), *, diff: bool = False, brief: bool = False
) -> Iterator[Line]:
    """Yield a plan's lines: per device its findings, then its changes by conduit.

    Args:
        plan: the plan.
        failures: devices that could not be planned.
        diff: also the script that apply will send.
        brief: one line a rule, objects counted.
    """
    for device in plan.devices:
        yield from device_text(device, diff=diff, brief=brief)
        yield Line()
    for failure in failures:
        yield Line(text=failure.device, style="bold")
        yield Line(lead=f"  ! {failure.code}: ", text=failure.message, style="bold red")
        yield Line()
    yield from summary_text(plan, failures)


def summary_text(plan: Plan, failures: Sequence[Failure] = ()) -> Iterator[Line]:
    """Yield the last lines of a plan."""
    devices = _count(len(plan.devices) + len(failures), "device")
    failed = f"; {len(failures)} could not be planned" if failures else ""
    text = f"Plan: {_totals(plan.summary)} on {devices}{failed}."
    if not plan.devices:
        text = f"No plan: {devices} could not be planned."
    elif not plan.changes:
        text = f"No changes. {devices}{failed}."
    yield Line(text=text, style="bold")
    barred = [device.name for device in plan.devices if not device.applyable]
    if barred:
        yield Line(
            text=f"It cannot be applied before the errors of {', '.join(barred)} are resolved.",
            style="bold red",
        )


def _totals(summary: Mapping[str, int]) -> str:
    return ", ".join(f"{summary[op]} {_VERBS[op]}" for op in OPS if summary[op]) or "no changes"


def _count(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {word}{'es' if word.endswith('s') else 's'}"


def device_text(device: DevicePlan, *, diff: bool = False, brief: bool = False) -> Iterator[Line]:
    """Yield one device's part of a plan."""
    yield _device_head(device)
    for finding in device.findings:
        if finding.kind != DOUBT:
            yield _finding(finding)
    if not device.changes:
        yield Line(text="  in sync", style="green")
        return
    if device.purge:
        yield Line(
            lead="  ! ",
            text=f"deletes {_count(device.purge, 'rule')} of others (segctl_unmanaged: purge)",
            style="bold red",
        )
    if brief:
        yield from _brief(device.changes)
    else:
        yield from _changes(device.changes, placed=_ordered(device.platform))
    if diff:
        yield Line(text="  script", style="bold")
        for line in device.script.splitlines():
            yield Line(lead="    " + line, style="dim")


def _device_head(device: DevicePlan) -> Line:
    facts = [f"{_title(device.platform)} {device.os_version}".strip()]
    facts += [f"content {device.content_version}"] if device.content_version else []
    facts += [f"serial {device.serial}"] if device.serial else []
    facts += [device.scope] if device.scope else []
    facts += [_count(device.rule_count, "rule")]
    return Line(lead=f"{device.name}  ", text=f"({', '.join(facts)})", lead_style="bold")


def _title(platform: str) -> str:
    """Return what people call a platform; a saved plan may name one that is not installed."""
    try:
        return provider(platform).capabilities.title or platform
    except UnsupportedError:
        return platform


def _ordered(platform: str) -> bool:
    """Whether rules of a platform have places, so that a new one's is worth a line."""
    try:
        return provider(platform).capabilities.ordered
    except UnsupportedError:
        return True


def _finding(finding: Problem) -> Line:
    style = "bold red" if finding.severity == "error" else "yellow"
    where = f"{finding.where}: " if finding.where else ""
    hint = f" — {finding.hint}" if finding.hint else ""
    return Line(
        lead=f"  ! {finding.severity}: ", text=f"{where}{finding.message}{hint}", style=style
    )


def _changes(changes: Iterable[Mapping[str, Any]], *, placed: bool) -> Iterator[Line]:
    for conduit, group in _by_conduit(changes).items():
        title = f"  conduit {conduit}" if conduit else "  zones, objects and default rules"
        yield Line(lead=title, style="bold")
        objects = [change for change in group if change["kind"] != "rule"]
        kinds = max((len(change["kind"]) for change in objects), default=0)
        names = min(max((len(change["name"]) for change in objects), default=0), 44)
        for change in group:
            if change["kind"] == "rule":
                yield from _rule(change, placed=placed)
            else:
                yield from _object(change, kinds, names)


def _brief(changes: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    counts: Counter[tuple[str, str]] = Counter()
    for change in changes:
        if change["kind"] != "rule":
            counts[change["op"], change["kind"]] += 1
            continue
        yield _rule_head(change, "  ", f"  {_gist('rule', change['after'] or change['before'])}")
    for op in OPS:
        found = [_count(number, kind) for (one, kind), number in counts.items() if one == op]
        if found:
            sign, style = _SIGNS[op]
            yield Line(lead=f"  {sign} ", text=", ".join(found), style=style)


def _by_conduit(
    changes: Iterable[Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for change in changes:
        grouped.setdefault(str(change["conduit"]), []).append(change)
    return dict(sorted(grouped.items(), key=lambda item: (not item[0], item[0])))


def _rule(change: Mapping[str, Any], *, placed: bool) -> Iterator[Line]:
    yield _rule_head(change, "    ")
    if change["op"] == "create":
        yield from _rule_fields(change["after"])
        if placed:
            yield _row("place", _place(change))
    elif change["op"] == "move":
        yield _row("place", f"moves {_place(change)}", "cyan")
    elif change["op"] == "delete":
        yield _row("", _gist("rule", change["before"]))
    elif change["op"] == "update":
        for field in change["fields"]:
            yield from _field(field, change["before"].get(field), change["after"].get(field))


def _rule_head(change: Mapping[str, Any], indent: str, note: str = "") -> Line:
    sign, style = _SIGNS[change["op"]]
    if change["op"] == "rename":
        note = f"  (is called {change['before'].get('name')} now)"
    name = f"rule {change['name']}"
    return Line(lead=f"{indent}{sign} ", text=f"{name}{note}", style=style)


def _object(change: Mapping[str, Any], kinds: int, names: int) -> Iterator[Line]:
    sign, style = _SIGNS[change["op"]]
    text = f"    {sign} {change['kind']:<{kinds}}  {change['name']:<{names}}"
    if change["op"] == "update":
        yield Line(lead=text.rstrip(), style=style)
        for field in change["fields"]:
            yield from _field(field, change["before"].get(field), change["after"].get(field))
        return
    gist = _gist(change["kind"], change["after"] or change["before"])
    yield Line(lead=f"{text}  ", text=gist, style=style)


def _place(change: Mapping[str, Any]) -> str:
    anchor = change["anchor"] or {"where": "top", "rule": ""}
    return "to the top" if anchor["where"] == "top" else f"{anchor['where']} {anchor['rule']}"


def _gist(kind: str, values: Mapping[str, Any]) -> str:
    if kind == "rule":
        return (
            f"{values.get('action', '')} {', '.join(values.get('from_zones', []))} → "
            f"{', '.join(values.get('to_zones', []))}"
        )
    if kind == "service":
        return f"{values.get('protocol')}/{values.get('ports')}"
    if kind == "default-rule":
        return f"{values.get('action')}, {'logged' if values.get('log') else 'not logged'}"
    if kind == "tag":
        return str(values.get("comments", ""))
    if kind == "schedule":
        return _windows(values["windows"])
    listed = values.get("members") or values.get("interfaces")
    return ", ".join(listed) if listed else str(values.get("value", ""))


_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _windows(windows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Write a schedule's windows, days in the order of the week, those alike together."""
    days = {day: ", ".join(times) for day, times in windows}
    alike: dict[str, list[str]] = {}
    for day in sorted(days, key=lambda day: _DAYS.index(day) if day in _DAYS else -1):
        alike.setdefault(days[day], []).append(day)
    return "; ".join(f"{', '.join(names)} {times}" for times, names in alike.items())


def _rule_fields(values: Mapping[str, Any]) -> Iterator[Line]:
    yield _row(str(values.get("action", "")), _gist("rule", values).split(" ", 1)[1])
    for field in ("sources", "destinations", "users", "applications", "services"):
        value = values.get(field)
        if value and value != ["any"]:
            negated = "not " if values.get(f"negate_{field.removesuffix('s')}") else ""
            yield _row(_LABELS[field], f"{negated}{', '.join(value)}")
    words = {"profile_group": "threat profile", "log_setting": "log to", "schedule": "schedule"}
    profiled = [f"{word} {values[field]}" for field, word in words.items() if values.get(field)]
    profiled += [] if values.get("log", True) else ["not logged"]
    profiled += ["disabled"] if values.get("disabled") else []
    if profiled:
        yield _row("with", ", ".join(profiled))
    if values.get("description"):
        yield _row("reason", _value("description", values["description"]))


def _row(label: str, text: str, style: str = "dim") -> Line:
    return Line(lead=f"        {label:<{_LABEL_WIDTH}}", text=text, style=style)


def _value(field: str, value: Any) -> str:
    """Write one value of a field."""
    if value is None or (not value and isinstance(value, str | list)):
        return "nothing"
    if field == "windows":
        return _windows(value)
    if (items := _listed(value)) is not None:
        return ", ".join(map(str, items))
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    mark = _MARK.match(text) if field == "description" else None
    if mark is None:
        return text
    kept = " (essential: no change may cut it)" if _ESSENTIAL.search(mark[1]) else ""
    return f"{text[mark.end() :]}{kept}"


def _field(name: str, before: Any, after: Any) -> Iterator[Line]:
    """Yield old and new value of one field; of long lists only what goes and what comes."""
    label = _label(name)
    long = len(_listed(before) or ()) + len(_listed(after) or ()) > 4
    gone, come = _list_changes(name, before, after) if long else ([], [])
    if gone or come:
        if gone:
            yield _row(label, f"- {', '.join(gone)}", "red")
        if come:
            yield _row("" if gone else label, f"+ {', '.join(come)}", "green")
        return
    was, will = _values(name, before, after)
    yield _row(label, f"{was} → {will}", "yellow")


def _held(name: str, before: Any, after: Any) -> Iterator[Line]:
    """Yield what of one field the device holds, and what the inventory says."""
    label = _label(name)
    gone, come = _list_changes(name, before, after)
    if gone:
        yield _row(label, f"only on the device: {', '.join(gone)}", "red")
    if come:
        yield _row("" if gone else label, f"only in the inventory: {', '.join(come)}", "green")
    if gone or come:
        return
    was, will = _values(name, before, after)
    yield _row(label, f"on the device: {was}", "red")
    yield _row("", f"in the inventory: {will}", "green")


def _values(name: str, before: Any, after: Any) -> tuple[str, str]:
    """Write both values of a field, so that a reader sees how they differ."""
    if isinstance(before, bool) or isinstance(after, bool):
        return _value(name, bool(before)), _value(name, bool(after))
    was, will = _value(name, before), _value(name, after)
    # alike where they differ in what a reader is spared otherwise, such as our mark
    return (was, will) if was != will else (str(before), str(after))


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))


def _list_changes(name: str, before: Any, after: Any) -> tuple[list[str], list[str]]:
    """Return what left a list and what joined it; nothing where it is not about a plain list."""
    old, new = _listed(before), _listed(after)
    if name == "windows" or old is None or new is None:
        return [], []
    return list_changes(old, new)


def _listed(value: Any) -> list[Any] | None:
    """Return a list as it stands in JSON; None where it is something else."""
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    listed: list[Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON
    return listed


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
        for kind in dict.fromkeys(_KINDS.values()):
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
        yield _row("name", f"on the device: {change['before'].get('name')}", "yellow")
    elif change["op"] == "move":
        yield _row("place", f"belongs {_place(change)}", "yellow")
    elif change["op"] == "delete" and change["kind"] == "rule":
        yield _row("", _gist("rule", change["before"]))
    elif change["op"] == "update":
        for field in change["fields"]:
            yield from _held(field, change["before"].get(field), change["after"].get(field))


# --- validation ----------------------------------------------------------------------------------


def validation_text(
    warnings: Iterable[Problem],
    refused: Iterable[Exception],
    counts: Mapping[str, int],
    *,
    notes: bool = False,
) -> Iterator[Line]:
    """Yield what `segctl validate` found: errors first, then warnings; notes only when asked."""
    hidden = 0
    for refusal in refused:
        yield Line(lead="error: ", text=str(refusal), style="bold red")
    ranks = list(_SEVERITIES)
    for problem in sorted(warnings, key=lambda each: ranks.index(each.severity)):
        style = _SEVERITIES[problem.severity]
        if problem.severity == "note" and not notes:
            hidden += 1
            continue
        yield Line(lead=f"{problem.severity}: ", text=str(problem), lead_style=style)
    if hidden:
        text = f"{_count(hidden, 'note')} on how protocols are recognised: -v shows them"
        yield Line(text=text, style="dim")
    text = ", ".join(f"{number} {word}" for word, number in counts.items())
    yield Line(text=text, style="bold")


_SEVERITIES = {"error": "bold red", "warning": "yellow", "note": "dim"}


# --- outcomes ------------------------------------------------------------------------------------


def outcomes_text(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield a line a device: what became of it; with failures, what to do next."""
    for outcome in outcomes:
        if outcome.status == "failed":
            text, style = f"{outcome.code}: {outcome.message}", "bold red"
        elif outcome.status == "applied":
            text = f"applied {_count(outcome.changes, 'change')}, read back, as planned"
            style = "green"
        else:
            text, style = "nothing to do: it holds what was planned", ""
        yield Line(lead=f"{outcome.device}  ", text=text, lead_style="bold", style=style)
    failed = [outcome.device for outcome in outcomes if outcome.status == "failed"]
    if failed:
        yield Line()
        yield Line(
            text=f"{len(failed)} of {_count(len(outcomes), 'device')} failed: {', '.join(failed)}.",
            style="bold",
        )


def outcomes_json(outcomes: Iterable[Outcome], plan_id: str) -> dict[str, Any]:
    """Return the document of an apply."""
    listed = [asdict(outcome) for outcome in outcomes]
    states = Counter(outcome["status"] for outcome in listed)
    document: dict[str, Any] = {
        "format_version": "1.0",
        "plan_id": plan_id,
        "outcomes": listed,
        "summary": {state: states[state] for state in ("applied", "unchanged", "failed")},
    }
    failed = next((outcome for outcome in listed if outcome["status"] == "failed"), None)
    if failed:
        document["error"] = {"code": failed["code"], "message": failed["message"]}
    return document


def problems_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return problems as JSON values."""
    return [asdict(problem) for problem in problems]
