"""What would become of traffic that was seen, as a document and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.observe.replay import FATES
from segctl.report.coverage import coverage_json, coverage_text, when_text
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.traffic import parties_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.coverage import Coverage
    from segctl.observe.replay import Miscalibrated, Replay, Replayed

#: Why the exit status is 1 where nothing can be told.
NOTHING = "cannot_tell"
#: So many flows of each fate are shown in text; a document has more.
_SHOWN = 20
_WORDS = {
    "newly_dropped": ("newly dropped", "bold red"),
    "newly_allowed": ("newly allowed", "bold yellow"),
    "cannot_tell": ("cannot tell", "yellow"),
    "still_allowed": ("still allowed", "green"),
    "still_dropped": ("still dropped", "dim"),
}
_LISTED = ("newly_dropped", "newly_allowed", "cannot_tell")


def replay_json(
    coverage: Coverage, replay: Replay, refused: Mapping[str, str], *, under: str
) -> dict[str, Any]:
    """Return the document of a replay.

    Args:
        coverage: what the records can show.
        replay: what would become of them.
        refused: why firewalls cannot be asked, by name.
        under: under what they were replayed: ``declared`` or ``plan``.
    """
    document: dict[str, Any] = {
        "format_version": "1.0",
        "coverage": coverage_json(coverage),
        "under": under,
        "fates": {fate: _fate(replay, fate) for fate in FATES},
        "miscalibrated": [_miscalibrated(one) for one in replay.miscalibrated],
        "not_asked": [{"device": name, "why": why} for name, why in sorted(refused.items())],
        "without_firewall": replay.without_firewall,
        "attempts": replay.attempts,
        "shown_less": replay.shown_less,
        "beyond_translation": replay.beyond,
    }
    told = sum(replay.volumes[fate].flows for fate in FATES if fate != "cannot_tell")
    if not told:
        message = f"nothing can be told of {counted(coverage.records, 'record')}"
        document["error"] = {"code": NOTHING, "message": message}
    return document


def differs(document: Mapping[str, Any]) -> bool:
    """Whether anything changes for the traffic that was seen."""
    fates = document["fates"]
    return bool(fates["newly_dropped"]["flows"] or fates["newly_allowed"]["flows"])


def _fate(replay: Replay, fate: Any) -> dict[str, Any]:
    volume = replay.volumes[fate]
    return {
        "flows": volume.flows,
        "sessions": volume.sessions,
        "bytes": volume.bytes,
        "essential": replay.essential[fate],
        "listed": [_flow(one) for one in replay.flows[fate]],
    }


def _flow(one: Replayed) -> dict[str, Any]:
    return parties_json(one.flow, one.standing) | {
        "essential": one.essential,
        "why": one.why,
        "applications": list(one.applications),
        "users": list(one.users),
        "witnesses": list(one.witnesses),
        "steps": [
            {"device": step.device, "ruling": step.ruling, "rule": step.rule} for step in one.steps
        ],
        "sessions": one.volume.sessions,
        "bytes": one.volume.bytes,
        "first": when_text(one.volume.first),
        "last": when_text(one.volume.last),
    }


def _miscalibrated(one: Miscalibrated) -> dict[str, Any]:
    return {
        "device": one.device,
        "rule": one.rule,
        "logged": one.logged,
        "model": one.model,
        "example": f"{one.example.source} → {one.example.destination} "
        f"{one.example.protocol}/{one.example.port}",
    }


def replay_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a replay; what the records can show comes first."""
    yield from coverage_text(document["coverage"])
    yield Line()
    under = "what the plan makes" if document["under"] == "plan" else "what is declared"
    yield Line(text=f"Under {under}", style="bold")
    for fate, (words, style) in _WORDS.items():
        one = document["fates"][fate]
        if one["flows"] or fate in _LISTED:
            yield Line(lead=f"  {words}: ", text=_sum(one), lead_style=style)
    yield from _doubts(document)
    for fate in _LISTED:
        yield from _listed(fate, document["fates"][fate])


def _sum(one: Mapping[str, Any]) -> str:
    essential = f", {one['essential']} of them essential" if one["essential"] else ""
    return f"{counted(one['flows'], 'flow')}, {counted(one['sessions'], 'session')}{essential}"


def _doubts(document: Mapping[str, Any]) -> Iterator[Line]:
    for one in document["not_asked"]:
        text = f"{one['device']} is not judged: {one['why']}"
        yield Line(lead="  ! ", text=text, style="yellow")
    for one in document["miscalibrated"]:
        text = (
            f"no verdict for rule {one['rule']} of {one['device']}: it was logged as "
            f"{one['logged']}, and our model of it says {one['model']}: {one['example']}"
        )
        yield Line(lead="  ! ", text=text, style="yellow")
    if document["without_firewall"]:
        number = counted(document["without_firewall"], "group")
        text = f"{number} of traffic that no firewall of the inventory is in the way of"
        yield Line(lead="  ", text=text, style="dim")
    if document["attempts"]:
        number = counted(document["attempts"], "group")
        text = f"{number} of attempts that only sensors saw: what became of them is not known"
        yield Line(lead="  ", text=text, style="dim")
    if document["shown_less"]:
        number = counted(document["shown_less"], "session")
        text = f"{number} more of flows above, seen only by who shows less of them"
        yield Line(lead="  ", text=text, style="dim")
    if document["beyond_translation"]:
        number = counted(document["beyond_translation"], "group")
        text = f"{number} of the same conversations, seen beyond a translation of addresses"
        yield Line(lead="  ", text=text, style="dim")


def _listed(fate: str, one: Mapping[str, Any]) -> Iterator[Line]:
    if not one["flows"]:
        return
    words, style = _WORDS[fate]
    yield Line()
    yield Line(text=words, style=style)
    for flow in one["listed"][:_SHOWN]:
        lead = "  essential  " if flow["essential"] else "  "
        yield Line(lead=lead, text=_flow_text(flow), lead_style="bold red")
    if one["flows"] > _SHOWN:
        text = f"{one['flows'] - _SHOWN} more: --json has {len(one['listed']):,} of them"
        yield Line(lead="  ", text=text, style="dim")


def _flow_text(flow: Mapping[str, Any]) -> str:
    service = f"{flow['protocol']}/{flow['port']}" if flow["port"] else flow["protocol"]
    ends = [
        f"{flow[side]} [{place}]" if place else flow[side]
        for side in ("source", "destination")
        for place in [flow[f"{side}_asset"] or flow[f"{side}_zone"]]
    ]
    said = [f"{ends[0]} → {ends[1]} {service}"]
    said += [" ".join(flow["applications"])] if flow["applications"] else []
    said += [f"by {', '.join(flow['users'])}"] if flow["users"] else []
    said += [f"{flow['conduit']}.{flow['flow']}"] if flow["conduit"] else []
    said += [counted(flow["sessions"], "session")]
    said += [f"last {flow['last']}"] if flow["last"] else []
    said += [
        f"{step['device']}: {step['ruling']} by {step['rule']}"
        for step in flow["steps"]
        if step["rule"] and step["ruling"] != "unknown"
    ]
    said += [flow["why"]] if flow["why"] else []
    return "; ".join(said)
