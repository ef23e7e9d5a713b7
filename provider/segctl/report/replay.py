"""What would become of traffic that was seen, as a document and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.observe.replay import FATES
from segctl.observe.times import when_text
from segctl.report.coverage import coverage_json, coverage_text, unheard
from segctl.report.document import Remark, Report, Section
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.rehearsal import FATE_WORDS
from segctl.report.traffic import coverage_remarks, parties_json, remarks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.observe.calibrating import Calibration
    from segctl.observe.coverage import Coverage
    from segctl.observe.replay import Miscalibrated, Replay, Replayed
    from segctl.report.provenance import Provenance

#: Why the exit status is 1 where nothing can be told.
NOTHING = "cannot_tell"
#: So many flows of each fate are shown in text; a document has more.
_SHOWN = 20
#: So many in a report.
_REPORTED = 200
#: Under what it is replayed: what would be enforced, and in a few words.
_UNDER = {
    "plan": ("what the plan makes", "the plan"),
    "declared": ("what is declared", "what is declared"),
    "island": ("what holds while it is an island", "the island"),
}
_STILL = ("still_allowed", "still_dropped")
_LISTED = ("newly_dropped", "newly_allowed", "cannot_tell")


def replay_json(
    coverage: Coverage,
    replay: Replay,
    refused: Mapping[str, str],
    *,
    under: str,
    calibration: Iterable[Calibration] = (),
) -> dict[str, Any]:
    """Return the document of a replay.

    Args:
        coverage: what the records can show.
        replay: what would become of them.
        refused: why firewalls cannot be asked, by name.
        under: under what they were replayed: ``declared``, ``plan`` or ``island``.
        calibration: how far devices were asked what they do.
    """
    document: dict[str, Any] = {
        "format_version": "1.1",
        "coverage": coverage_json(coverage),
        "under": under,
        "fates": {fate: _fate(replay, fate) for fate in FATES},
        "miscalibrated": [_miscalibrated(one) for one in replay.miscalibrated],
        "calibration": [_calibration(one) for one in calibration],
        "not_asked": [{"device": name, "why": why} for name, why in sorted(refused.items())],
        "without_firewall": replay.without_firewall,
        "attempts": replay.attempts,
        "shown_less": replay.shown_less,
        "beyond_translation": replay.beyond,
    }
    document |= unheard(coverage)
    told = sum(replay.volumes[fate].flows for fate in FATES if fate != "cannot_tell")
    if not told and "error" not in document:
        message = f"nothing can be told of {counted(coverage.records, 'record')}"
        document["error"] = {"code": NOTHING, "message": message}
    return document


def _calibration(one: Calibration) -> dict[str, Any]:
    return {
        "device": one.device,
        "rules": one.rules,
        "asked": one.asked,
        "contradicted": one.contradicted,
        "why": one.why,
    }


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
        "by": one.by,
        "example": f"{one.example.source} → {one.example.destination} "
        f"{one.example.protocol}/{one.example.port}",
    }


def replay_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a replay; what the records can show comes first."""
    yield from coverage_text(document["coverage"])
    yield Line()
    under = _UNDER[document["under"]][0]
    yield Line(text=f"Under {under}", style="bold")
    for fate, (words, style) in FATE_WORDS.items():
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
        said = "it was logged as" if one["by"] == "log" else "the device itself says"
        text = (
            f"no verdict for rule {one['rule']} of {one['device']}: {said} "
            f"{one['logged']}, and our model of it says {one['model']}: {one['example']}"
        )
        yield Line(lead="  ! ", text=text, style="yellow")
    for one in document["calibration"]:
        text = f"{one['device']} was asked about {one['asked']} of {counted(one['rules'], 'rule')}"
        said = f"{text}: {one['why']}" if one["why"] else text
        yield Line(lead="  ! " if one["why"] else "  ", text=said, style="dim")
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
    words, style = FATE_WORDS[fate]
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


# --- report --------------------------------------------------------------------------------------


def replay_report(
    document: Mapping[str, Any], *, environment: str, provenance: Provenance | None = None
) -> Report:
    """Return what there is to report of a replay; what the records can show comes first."""
    fates = document["fates"]
    dropped = [one for one in fates["newly_dropped"]["listed"] if one["essential"]]
    blocking = [
        Remark(severity="error", text=f"essential traffic would be dropped: {_flow_text(one)}")
        for one in dropped[:_SHOWN]
    ]
    return Report(
        kind="replay",
        environment=environment,
        headline=_headline(document),
        blocking=tuple(blocking),
        remarks=(*coverage_remarks(document["coverage"]), *remarks_of(_doubts(document))),
        sections=tuple(
            Section(
                name=words,
                state=_sum(fates[fate]),
                good=fate in _STILL,
                lines=tuple(map(_flow_text, fates[fate]["listed"][:_REPORTED]))
                if fate in _LISTED
                else (),
                remarks=tuple(_unlisted(fate, fates[fate])),
            )
            for fate, (words, _) in FATE_WORDS.items()
        ),
        provenance=provenance,
    )


def _headline(document: Mapping[str, Any]) -> str:
    if "error" in document:
        return f"Replay: {document['error']['message']}"
    under = _UNDER[document["under"]][1]
    if not differs(document):
        return f"Replay: nothing changes under {under} for the traffic that was seen"
    said = ", ".join(
        f"{FATE_WORDS[fate][0]}: {_sum(document['fates'][fate])}"
        for fate in ("newly_dropped", "newly_allowed")
        if document["fates"][fate]["flows"]
    )
    return f"Replay: under {under}, {said}"


def _unlisted(fate: str, one: Mapping[str, Any]) -> Iterator[Remark]:
    left = one["flows"] - _REPORTED
    if fate in _LISTED and left > 0:
        yield Remark(severity="note", text=f"{left:,} more flows: --json has up to 1,000")
