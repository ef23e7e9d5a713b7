"""Which rules and conduits are used, as a document and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segctl.fleet import Failure
from segctl.model.durations import format_duration
from segctl.model.errors import problem_json
from segctl.observe.usage import by_conduit, totals
from segctl.report.coverage import coverage_json, coverage_text
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.narrow import narrow_text
from segctl.report.traffic import error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from segctl.fleet.usage import Used
    from segctl.observe.coverage import Coverage
    from segctl.observe.usage import ConduitUsage, RuleUsage

#: How a class of usage is said.
WORDS: Final = {
    "used": "used",
    "long_session": "only by a long session",
    "not_counted": "not counted",
    "too_young": "too young",
    "only_attacks": "only by attacks",
    "shadowed": "shadowed",
    "unused": "unused",
}
_STYLES: Final = {
    "unused": "yellow",
    "only_attacks": "bold red",
    "shadowed": "yellow",
    "not_counted": "dim",
}


def usage_json(
    results: Mapping[str, Used | Failure],
    window: timedelta,
    unasked: Callable[[str], Sequence[str]],
    coverage: Coverage | None = None,
    narrow: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of what devices count, and of what records say of it.

    Args:
        results: by device.
        window: how far back a use counts.
        unasked: returns the devices that may have rules of a conduit and told nothing.
        coverage: what records can show, where there are any.
        narrow: the document of a proposal, where one was asked for.
    """
    rules = [rule for one in results.values() if not isinstance(one, Failure) for rule in one.rules]
    failed = next((one for one in results.values() if isinstance(one, Failure)), None)
    document: dict[str, Any] = {
        "format_version": "1.1",
        "window_seconds": round(window.total_seconds()),
        "conduits": [_conduit(one) for one in by_conduit(rules, unasked)],
        "devices": [_device(name, one) for name, one in results.items()],
        "summary": totals(rules),
    }
    if coverage is not None:
        document |= {"coverage": coverage_json(coverage)} | error_of(coverage)
    if narrow is not None:
        document["narrow"] = narrow
    if failed is not None:
        document["error"] = {"code": failed.code, "message": failed.message}
    return document


def _conduit(one: ConduitUsage) -> dict[str, Any]:
    return {
        "conduit": one.conduit,
        "usage": one.used,
        "last_hit": _when(one.last),
        "rules": [{"device": rule.device, "rule": rule.rule} for rule in one.rules],
        "not_asked": list(one.unasked),
    }


def _device(name: str, found: Used | Failure) -> dict[str, Any]:
    empty: dict[str, Any] = {"name": name, "asked_at": None, "members": [], "rules": []}
    if isinstance(found, Failure):
        error = {"code": found.code, "message": found.message}
        return empty | {"findings": [], "error": error}
    return {
        "name": name,
        "asked_at": _when(found.asked_at),
        "members": list(found.members),
        "rules": [_rule(one) for one in found.rules],
        "findings": [problem_json(one) for one in found.findings],
    }


def _rule(one: RuleUsage) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "conduit": one.conduit,
        "flow": one.flow,
        "essential": one.essential,
        "usage": one.used,
        "why": one.why,
        "count": one.count,
        "last_hit": _when(one.last),
        "open_sessions": one.sessions,
    }


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")


# --- text ----------------------------------------------------------------------------------------


def usage_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document: conduits first, then rules of others, then a proposal."""
    if "coverage" in document:
        yield from coverage_text(document["coverage"])
        yield Line()
    rules = {
        (device["name"], rule["rule"]): rule
        for device in document["devices"]
        for rule in device["rules"]
    }
    for conduit in document["conduits"]:
        nobody = ", ".join(conduit["not_asked"])
        word = WORDS[conduit["usage"]] + (f" (nothing is known of {nobody})" if nobody else "")
        style = _STYLES.get(conduit["usage"], "")
        yield Line(lead=f"{conduit['conduit']}  ", text=word, lead_style="bold", style=style)
        for place in conduit["rules"]:
            yield _row(place["device"], rules[place["device"], place["rule"]])
    others = [(place, rule) for (place, _), rule in rules.items() if not rule["conduit"]]
    if others:
        yield Line()
        yield Line(lead="rules of others", lead_style="bold")
        yield from (_row(place, rule) for place, rule in others)
    yield Line()
    for device in document["devices"]:
        if "error" in device:
            error = device["error"]
            text = f"! {error['code']}: {error['message']}"
            yield Line(lead=f"{device['name']}  ", text=text, style="bold red")
        for problem in device["findings"]:
            lead = f"{device['name']}  ! {problem['severity']}: "
            yield Line(lead=lead, text=problem["message"], style="yellow")
    found = document["summary"]
    parts = [f"{number} {WORDS[name]}" for name, number in found.items() if number]
    said = f": {', '.join(parts)}" if parts else ""
    within = format_duration(document["window_seconds"])
    yield Line(text=f"{counted(sum(found.values()), 'rule')} in {within}{said}", style="bold")
    if "narrow" in document:
        yield Line()
        yield from narrow_text(document["narrow"])


def _row(device: str, rule: Mapping[str, Any]) -> Line:
    """Write one rule: where, which, how often, when last, and why that is said of it."""
    count = "" if rule["count"] is None else f", {counted(rule['count'], 'session')}"
    last = f", last {rule['last_hit'][:10]}" if rule["last_hit"] else ""
    why = f" ({rule['why']})" if rule["why"] else ""
    text = f"{WORDS[rule['usage']]}{count}{last}{why}"
    return Line(
        lead=f"  {device} {rule['rule']}  ", text=text, style=_STYLES.get(rule["usage"], "")
    )
