"""Conduits that are due for review, and a decision about one, as a document and as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segctl.compiler.naming import label
from segctl.report.labels import counted
from segctl.report.lines import Line, diff_lines
from segctl.report.usage import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from segctl.inventory.due import Due
    from segctl.model.site import Conduit

_WHAT: Final = {
    "review_by": "to be reviewed by {day}",
    "expires": "expires on {day}",
    "exception": "its exception from {rule} is accepted until {day}",
}


def reviews_json(
    found: Sequence[Due],
    undated: Sequence[Conduit],
    *,
    today: date,
    until: date,
    usage: Mapping[str, Any] | None = None,
    unasked: Callable[[str], Sequence[str]] = lambda _conduit: (),
) -> dict[str, Any]:
    """Return the document of what is due.

    Args:
        found: the conduits that are.
        undated: those that have no day.
        today: the day as of which something is overdue.
        until: the day by which something is due.
        usage: the document of what devices count, where they were asked.
        unasked: returns the devices that may have rules of a conduit and told nothing.
    """
    counts = None if usage is None else {one["conduit"]: one for one in usage["conduits"]}
    document: dict[str, Any] = {
        "format_version": "1.0",
        "today": today.isoformat(),
        "until": until.isoformat(),
        "conduits": [
            _due(one, today) | {"usage": _usage(label(one.conduit), counts, unasked)}
            for one in found
        ],
        "undated": [one.key for one in undated],
        "summary": {
            "due": sum(bool(one.deadlines) for one in found),
            "overdue": sum(bool(one.deadlines) and one.overdue(today) for one in found),
            "undated": len(undated),
        },
    }
    if usage is not None and "error" in usage:
        document["error"] = usage["error"]
    return document


def _usage(
    name: str,
    counts: Mapping[str, Mapping[str, Any]] | None,
    unasked: Callable[[str], Sequence[str]],
) -> dict[str, Any] | None:
    """Return what devices count of a conduit; where none of them has a rule of it, nobody knows."""
    if counts is None:
        return None
    told = counts.get(name)
    if told is None:
        return {"usage": "not_counted", "last_hit": None, "not_asked": [*unasked(name)]}
    return {key: told[key] for key in ("usage", "last_hit", "not_asked")}


def _due(one: Due, today: date) -> dict[str, Any]:
    conduit = one.conduit
    last = conduit.reviewed
    return {
        "conduit": conduit.key,
        "owner": conduit.owner,
        "reason": conduit.reason,
        "ticket": conduit.ticket,
        "mode": conduit.mode,
        "essential": any(flow.essential for flow in conduit.flows),
        "declared": str(conduit.declared),
        "overdue": bool(one.deadlines) and one.overdue(today),
        "deadlines": [
            {"what": each.what, "rule": each.rule, "day": each.day.isoformat()}
            for each in one.deadlines
        ],
        "reviewed": last
        and {
            "date": last.day.isoformat(),
            "by": last.by,
            "decision": last.decision,
            "reason": last.reason,
        },
    }


def decision_json(files: Mapping[str, str], diff: str, written: Sequence[Path]) -> dict[str, Any]:
    """Return the document of a decision, as a change of the inventory."""
    return {
        "files": dict(sorted(files.items())),
        "diff": diff,
        "written": [str(path) for path in written],
    }


# --- text ----------------------------------------------------------------------------------------


def reviews_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document: what is due, then a decision."""
    for one in document["conduits"]:
        yield from _due_text(one)
        yield Line()
    if document["undated"]:
        text = ", ".join(document["undated"])
        yield Line(lead="neither review_by nor expires: ", text=text, style="yellow")
        yield Line()
    if "decision" in document:
        yield from _decision_text(document["decision"])
        return
    summary = document["summary"]
    yield Line(
        text=f"{counted(summary['due'], 'conduit')} due by {document['until']}, "
        f"{summary['overdue']} overdue"
    )


def _due_text(one: Mapping[str, Any]) -> Iterator[Line]:
    deadlines = [
        _WHAT[each["what"]].format(day=each["day"], rule=each["rule"]) for each in one["deadlines"]
    ]
    style = "bold red" if one["overdue"] else "yellow" if deadlines else ""
    said = "; ".join(deadlines) or "nothing is due"
    if one["overdue"]:
        said = f"overdue: {said}"
    yield Line(lead=f"{one['conduit']}  ", text=said, lead_style="bold", style=style)
    ticket = f" ({one['ticket']})" if one["ticket"] else ""
    yield Line(lead="  owner     ", text=one["owner"], lead_style="dim")
    yield Line(lead="  reason    ", text=f"{one['reason']}{ticket}", lead_style="dim")
    if one["essential"]:
        yield Line(lead="  essential ", text="the process needs it", lead_style="dim")
    if (last := one["reviewed"]) is not None:
        text = f"{last['decision']}, on {last['date']} by {last['by']}: {last['reason']}"
        yield Line(lead="  reviewed  ", text=text, lead_style="dim")
    if (usage := one["usage"]) is not None:
        hit = f", last {usage['last_hit'][:10]}" if usage["last_hit"] else ""
        away = ", ".join(usage["not_asked"])
        nobody = f" (nothing is known of {away})" if away else ""
        text = f"{WORDS[usage['usage']]}{hit}{nobody}"
        yield Line(lead="  usage     ", text=text, lead_style="dim")
    yield Line(lead="  declared  ", text=one["declared"], lead_style="dim")


def _decision_text(decision: Mapping[str, Any]) -> Iterator[Line]:
    yield Line(text="The decision, as a change of the inventory", style="bold")
    yield from diff_lines(decision["diff"])
    if decision["written"]:
        yield Line(lead="  ", text=f"written: {', '.join(decision['written'])}")
    else:
        yield Line(lead="  ", text="nothing is written: -o DIR writes the file", style="dim")
