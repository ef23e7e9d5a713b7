"""What is proposed, asked about and only listed, as a document and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segctl.observe.discover.judge import OUTCOMES
from segctl.observe.discover.listing import listing, why
from segctl.observe.times import when_text
from segctl.report.coverage import coverage_json, coverage_text
from segctl.report.document import Remark, Report, Section
from segctl.report.labels import counted
from segctl.report.lines import Line, diff_lines
from segctl.report.traffic import coverage_remarks, error_of, remarks_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.observe.coverage import Coverage
    from segctl.observe.discover.conduits import Proposed
    from segctl.observe.discover.flows import Volume
    from segctl.observe.discover.judge import Judged
    from segctl.observe.discover.propose import Permits, Rule
    from segctl.observe.discover.result import Discovered
    from segctl.report.provenance import Provenance

_WORDS: Final = {
    "declared": "declared",
    "proposed": "proposed",
    "ask": "asked about",
    "seen": "seen, not proposed",
}
#: So many flows are listed of each of two lists; of all there are sums and a line for each client.
LISTED: Final = 20_000
#: So many lines of a list are shown; the document has all.
_SHOWN: Final = 40
#: So many in a report.
_REPORTED: Final = 200


def discover_json(
    coverage: Coverage,
    found: Discovered,
    *,
    files: Mapping[str, str],
    diff: str,
    written: Sequence[str],
) -> dict[str, Any]:
    """Return the document of a discovery.

    `asked` and `seen` hold flows with their reasons, the first `LISTED` of each; `summary` is of
    all of them.
    """
    document: dict[str, Any] = {
        "format_version": "1.1",
        "coverage": coverage_json(coverage),
        "drafted": found.draft is not None,
        "grade": found.grade,
        "grades": [_permits(one) for one in found.permits],
        "totals": {
            name: {
                "record_groups": found.totals[name].groups,
                "flows": found.totals[name].flows,
                "sessions": found.totals[name].sessions,
            }
            for name in OUTCOMES
        },
        "proposed": [_conduit(one) for one in found.proposals],
        "new_assets": [
            {"zone": zone, "asset": name, "address": address}
            for zone, held in found.assets.items()
            for name, address in held.items()
        ],
        "leases": [
            {"zone": one.zone, "first": one.first, "last": one.last, "why": one.why}
            for one in found.pools
        ],
        **_lists(found.judged),
        "summary": {
            name: [
                {"reason": one.reason, "source": one.source, "flows": one.flows, "text": one.text}
                for one in listing(found.judged, name)
            ]
            for name in ("ask", "seen")
        },
        "files": dict(sorted(files.items())),
        "diff": diff,
        "written": list(written),
    }
    return document | error_of(coverage)


def _lists(judged: Sequence[Judged]) -> dict[str, Any]:
    """Return the flows that are asked about and only seen, and how many more there are of each."""
    found: dict[str, Any] = {}
    for name, outcome in (("asked", "ask"), ("seen", "seen")):
        held = [one for one in judged if one.outcome == outcome]
        found[name] = [_listed(one) for one in held[:LISTED]]
        found[f"{name}_left_out"] = max(0, len(held) - LISTED)
    return found


def _permits(one: Permits) -> dict[str, Any]:
    return {
        "grade": one.grade,
        "rules": one.rules,
        "conduits": one.conduits,
        "permitted": one.permitted,
        "seen": one.seen,
        "times": round(one.times, 2),
    }


def _conduit(one: Proposed) -> dict[str, Any]:
    conduit = one.conduit
    return {
        "conduit": conduit.key,
        "from": list(conduit.from_zones),
        "to": list(conduit.to_zones),
        "mode": conduit.mode,
        "review_by": conduit.review_by.isoformat() if conduit.review_by else None,
        "expires": conduit.expires.isoformat() if conduit.expires else None,
        "notes": list(one.notes),
        "flows": [
            _rule(flow.id, rule) for flow, rule in zip(conduit.flows, one.rules, strict=True)
        ],
    }


def _rule(name: str, rule: Rule) -> dict[str, Any]:
    service = rule.service
    return {
        "flow": name,
        "sources": [end.label for end in rule.sources],
        "destinations": [end.label for end in rule.destinations],
        "protocols": {use.protocol: list(use.classes) for use in service.protocols},
        "applications": list(service.applications),
        "services": [str(one) for one in service.ports],
        "open": list(service.opens),
        "narrower_than_grade": rule.kept,
        **_volume(rule.evidence()),
        "witnesses": sorted({name for one in rule.items for name in one.part.witnesses}),
        "pairs": [_listed(one) for one in rule.items],
    }


def _volume(one: Volume) -> dict[str, Any]:
    return {
        "sessions": one.sessions,
        "bytes": one.bytes,
        "first": when_text(one.first),
        "last": when_text(one.last),
        "days": one.days,
    }


def _listed(one: Judged) -> dict[str, Any]:
    """Return a part of a flow; sessions are those that speak for it, else all."""
    part, ends = one.part, one.part.ends
    return {
        "source": ends.source,
        "destination": ends.destination,
        "protocol": ends.protocol,
        "port": ends.port,
        "source_zone": part.standing.source.zone,
        "source_asset": part.standing.source.asset,
        "destination_zone": part.standing.destination.zone,
        "destination_asset": part.standing.destination.asset,
        "applications": sorted({name for group, _ in part.groups for name in group.applications}),
        "reason": one.reason,
        "why": why(one),
        "about": one.about,
        "users": list(part.users),
        "witnesses": list(part.witnesses),
        **_volume(one.evidence),
    }


# --- text ----------------------------------------------------------------------------------------


def discover_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what a person reads: what records can show, the diff, the lists, the grades."""
    yield from coverage_text(document["coverage"])
    if "error" in document:
        yield Line()
        yield Line(text=document["error"]["message"], style="bold red")
        return
    yield Line()
    yield from _diff_text(document)
    yield from _list_text(document, "ask", "Asked: seen, and not enough to propose it")
    yield from _list_text(document, "seen", "Seen, not proposed")
    yield Line()
    yield from _grades_text(document)
    yield Line()
    yield from _totals_text(document)


def _diff_text(document: Mapping[str, Any]) -> Iterator[Line]:
    if not document["diff"]:
        yield Line(text="Nothing to propose: no change of the inventory", style="bold")
        return
    words = "A first draft of an inventory" if document["drafted"] else "Proposed"
    yield Line(text=f"{words}, as a change of the inventory", style="bold")
    yield from diff_lines(document["diff"])


def _list_text(document: Mapping[str, Any], name: str, title: str) -> Iterator[Line]:
    held = document["summary"][name]
    if not held:
        return
    yield Line()
    yield Line(text=f"{title} ({counted(sum(one['flows'] for one in held), 'flow')})", style="bold")
    for one in held[:_SHOWN]:
        yield Line(lead="  ", text=one["text"])
    if len(held) > _SHOWN:
        yield Line(lead="  ", text=f"and {len(held) - _SHOWN} more: --json has all", style="dim")


def _grades_text(document: Mapping[str, Any]) -> Iterator[Line]:
    yield Line(text="What each grade would permit, against what was seen", style="bold")
    for one in document["grades"]:
        chosen = "  (this proposal)" if one["grade"] == document["grade"] else ""
        text = (
            f"{counted(one['rules'], 'rule')} in {counted(one['conduits'], 'conduit')}: "
            f"{_big(one['permitted'])} pairs permitted, {_big(one['seen'])} seen: "
            f"{_big(one['times'])} times as much{chosen}"
        )
        yield Line(lead=f"  {one['grade']:<5} ", text=text)


def _big(number: float) -> str:
    return f"{number:,}" if number < 1e15 else f"{number:.1e}"


def _totals_text(document: Mapping[str, Any]) -> Iterator[Line]:
    totals = document["totals"]
    said = ", ".join(
        f"{_WORDS[name]}: {counted(totals[name]['flows'], 'flow')}, "
        f"{counted(totals[name]['sessions'], 'session')}"
        for name in OUTCOMES
    )
    yield Line(text="All that was seen", style="bold")
    yield Line(lead="  ", text=said)
    if document["written"]:
        where = ", ".join(document["written"])
        yield Line(lead="  ", text=f"written: {where}")
    elif document["files"]:
        yield Line(lead="  ", text="nothing is written: -o DIR writes the files", style="dim")


# --- report --------------------------------------------------------------------------------------


def discover_report(
    document: Mapping[str, Any], *, environment: str, provenance: Provenance | None = None
) -> Report:
    """Return what there is to report of a discovery; what the records can show comes first."""
    sections = [
        Section(
            name="Proposed",
            state=f"{counted(len(document['proposed']), 'conduit')}, "
            f"{counted(document['totals']['proposed']['flows'], 'flow')}",
            good=True,
            lines=tuple(document["diff"].splitlines()),
        )
    ]
    for name, title in (("ask", "Asked about"), ("seen", "Seen, not proposed")):
        held = document["summary"][name]
        if held:
            state = counted(sum(one["flows"] for one in held), "flow")
            lines = tuple(one["text"] for one in held[:_REPORTED])
            left = len(held) - _REPORTED
            more = (Remark(severity="note", text=f"{left} more: --json has all"),)
            sections.append(
                Section(name=title, state=state, lines=lines, remarks=more if left > 0 else ())
            )
    return Report(
        kind="discover",
        environment=environment,
        headline=_headline(document),
        remarks=(
            *coverage_remarks(document["coverage"]),
            *(() if "error" in document else remarks_of(_grades_text(document))),
        ),
        sections=() if "error" in document else tuple(sections),
        provenance=provenance,
    )


def _headline(document: Mapping[str, Any]) -> str:
    if "error" in document:
        return f"Discover: {document['error']['message']}"
    totals = document["totals"]
    said = ", ".join(f"{_WORDS[name]} {totals[name]['flows']:,}" for name in OUTCOMES)
    return f"Discover: flows by what becomes of them: {said}"
