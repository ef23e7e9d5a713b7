"""What was seen against what is declared, as a document, as lines of text and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.observe.standing import STATUSES
from segctl.observe.times import when_text
from segctl.observe.traffic import LISTED, TOP
from segctl.report.coverage import coverage_json, coverage_text, unheard
from segctl.report.document import Remark, Report, Section
from segctl.report.labels import counted
from segctl.report.lines import Line, plain_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.observe.coverage import Coverage
    from segctl.observe.observation import Flow
    from segctl.observe.standing import Standing
    from segctl.observe.traffic import Row, SeenFlow, Summary, Threat, Volume
    from segctl.report.provenance import Provenance

#: Why the exit status is 1: nothing that was read can be used.
NOTHING = "cannot_tell"
_WORDS = {
    "declared": "declared",
    "unproven": "declared by port, but not all of it is shown",
    "undeclared": "not declared",
    "within_zone": "within a zone",
    "no_zone": "in no zone",
}
_OUTCOMES = {
    "conversation": "conversations",
    "attempt": "attempts that nobody answered",
    "denied": "denied",
}
_LISTS = (
    ("undeclared", "Not declared"),
    ("unproven", "Declared by port, but the records do not show that it is what is declared"),
    ("unknown_applications", "Applications that the firewall does not know"),
    ("unknown_denied", "Applications that the firewall does not know, denied"),
)


def traffic_json(coverage: Coverage, summary: Summary) -> dict[str, Any]:
    """Return the document of what was seen."""
    document: dict[str, Any] = {
        "format_version": "1.2",
        "coverage": coverage_json(coverage),
        "by": summary.by,
        "standing": {name: _volume(summary.standing[name]) for name in STATUSES},
        "outcomes": {name: _volume(one) for name, one in summary.outcomes.items()},
        "rows": [_row(one) for one in summary.rows],
        "top_talkers": [{"name": name} | _volume(one) for name, one in summary.talkers],
        "users": [{"name": name} | _volume(one) for name, one in summary.users],
        "undeclared": _flows(summary.undeclared, summary.undeclared_flows),
        "unproven": _flows(summary.unproven, summary.unproven_flows),
        "unknown_applications": _flows(summary.unknown, summary.unknown_flows),
        "unknown_denied": _flows(summary.unknown_denied, summary.unknown_denied_flows),
        "threats": [_threat(one) for one in summary.threats],
        "open_functions": [
            {"protocol": protocol, "function": name, "flows": flows}
            for protocol, name, flows in summary.open_functions
        ],
    }
    return document | error_of(coverage)


def error_of(coverage: Coverage) -> dict[str, Any]:
    """Return why the exit status is 1, if it is: no record can be used, or a device is silent."""
    if found := unheard(coverage):
        return found
    if coverage.records or any(one.evidence for one in coverage.files):
        return {}
    message = f"no record that can be used in {counted(len(coverage.files), 'file')}"
    return {"error": {"code": NOTHING, "message": message}}


def _volume(one: Volume) -> dict[str, Any]:
    return {
        "sessions": one.sessions,
        "bytes": one.bytes,
        "flows": one.flows,
        "first": when_text(one.first),
        "last": when_text(one.last),
    }


def _row(one: Row) -> dict[str, Any]:
    return {
        "name": one.name,
        **_volume(one.volume),
        "attempts": one.attempts,
        "denied": one.denied,
        "standing": {name: one.statuses.get(name, 0) for name in STATUSES},
    }


def _flows(flows: Sequence[SeenFlow], whole: int) -> dict[str, Any]:
    return {"count": whole, "listed": [_flow(one) for one in flows[:LISTED]]}


def parties_json(flow: Flow, standing: Standing) -> dict[str, Any]:
    """Return who talks to whom, and the conduit that is for it, as part of a document."""
    return {
        "source": flow.source,
        "destination": flow.destination,
        "destination_after_nat": flow.inner,
        "protocol": flow.protocol,
        "port": flow.port,
        "source_zone": standing.source.zone,
        "source_asset": standing.source.asset,
        "destination_zone": standing.destination.zone,
        "destination_asset": standing.destination.asset,
        "conduit": standing.conduit,
        "flow": standing.flow,
    }


def _flow(one: SeenFlow) -> dict[str, Any]:
    return parties_json(one.flow, one.standing) | {
        "why": one.standing.why,
        "applications": list(one.applications),
        "functions": [
            {"protocol": two.protocol, "function": two.name, "class": two.access_class}
            for two in one.functions
        ],
        "users": list(one.users),
        "witnesses": list(one.witnesses),
        **({"denied_by": list(one.denied_by)} if one.denied_by else {}),
        **{name: value for name, value in _volume(one.volume).items() if name != "flows"},
    }


def _threat(one: Threat) -> dict[str, Any]:
    return {
        "source_zone": one.source_zone,
        "destination_zone": one.destination_zone,
        "severity": one.severity,
        "threat": one.threat,
        "records": one.records,
        "sources": one.sources,
        "destinations": one.destinations,
        "example_source": one.example.source,
        "example_destination": one.example.destination,
    }


# --- text ----------------------------------------------------------------------------------------


def traffic_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document of what was seen; what the records can show comes first."""
    yield from coverage_text(document["coverage"])
    if not document["coverage"]["witnesses"]:
        return
    yield Line()
    yield from _standing_text(document)
    yield Line()
    yield Line(text=f"By {document['by']}", style="bold")
    for row in document["rows"][:TOP]:
        yield Line(lead=f"  {row['name']}  ", text=_row_text(row))
    yield from _more(len(document["rows"]) - TOP)
    for name, title in _LISTS:
        yield from _flows_text(title, document[name])
    yield from _threats_text(document["threats"])
    yield from _open_text(document["open_functions"])
    yield from _volumes_text("Top talkers, by bytes", document["top_talkers"])
    yield from _volumes_text("Users, by sessions", document["users"])


def _standing_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield how much of the conversations is declared: in sessions, bytes and distinct flows."""
    yield Line(text="Seen against declared", style="bold")
    whole = document["outcomes"]["conversation"]
    for name, words in _WORDS.items():
        part = document["standing"][name]
        if part["flows"]:
            shares = ", ".join(
                f"{_share(part[unit], whole[unit])} of {unit}"
                for unit in ("sessions", "bytes", "flows")
            )
            yield Line(lead=f"  {words}: ", text=f"{_sum(part)} ({shares})")
    for name, words in _OUTCOMES.items():
        part = document["outcomes"][name]
        if part["flows"] or name == "conversation":
            yield Line(lead=f"  {words}: ", text=_sum(part), style="dim")


def _sum(part: Mapping[str, Any]) -> str:
    return (
        f"{counted(part['sessions'], 'session')}, {part['bytes']:,} bytes, "
        f"{counted(part['flows'], 'flow')}"
    )


def _share(part: int, whole: int) -> str:
    """Return a share; only all is 100 %, only nothing 0 %."""
    if not whole or part in {0, whole}:
        return "100 %" if part else "0 %"
    return f"{min(99.9, max(0.1, 100 * part / whole)):.1f} %"


def _row_text(row: Mapping[str, Any]) -> str:
    parts = [_sum(row)]
    standing = ", ".join(
        f"{number} {_WORDS[name]}" for name, number in row["standing"].items() if number
    )
    parts += [standing] if standing else []
    parts += [f"{counted(row['attempts'], 'attempt')} unanswered"] if row["attempts"] else []
    parts += [f"{row['denied']} denied"] if row["denied"] else []
    return "; ".join(parts)


def _more(number: int) -> Iterator[Line]:
    if number > 0:
        yield Line(lead="  ", text=f"{number} more: --json has all", style="dim")


def _flows_text(title: str, flows: Mapping[str, Any]) -> Iterator[Line]:
    if not flows["count"]:
        return
    yield Line()
    yield Line(text=f"{title} ({counted(flows['count'], 'flow')})", style="bold")
    for one in flows["listed"][:TOP]:
        yield Line(lead="  ", text=_flow_text(one))
    yield from _more(flows["count"] - TOP)


def _flow_text(one: Mapping[str, Any]) -> str:
    ends = [_end(one, "source"), _end(one, "destination")]
    service = f"{one['protocol']}/{one['port']}" if one["port"] else one["protocol"]
    said = [f"{ends[0]} → {ends[1]} {service}"]
    said += [" ".join(one["applications"])] if one["applications"] else []
    if one["functions"]:
        said.append(", ".join(sorted({_function(two) for two in one["functions"]})))
    said += [f"by {', '.join(one['users'])}"] if one["users"] else []
    said += [f"denied by {', '.join(one['denied_by'])}"] if "denied_by" in one else []
    said.append(counted(one["sessions"], "session"))
    said += [f"last {one['last']}"] if one["last"] else []
    named = f"{one['conduit']}.{one['flow']}: " if one["conduit"] else ""
    said += [f"{named}{one['why']}"] if one["why"] else []
    return "; ".join(said)


def _end(one: Mapping[str, Any], side: str) -> str:
    inner = one["destination_after_nat"] if side == "destination" else ""
    address = f"{one[side]} (NAT: {inner})" if inner else one[side]
    place = one[f"{side}_asset"] or one[f"{side}_zone"]
    return f"{address} [{place}]" if place else address


def _function(one: Mapping[str, Any]) -> str:
    return one["class"] or f"{one['function']} (open)"


def _threats_text(threats: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if not threats:
        return
    yield Line()
    yield Line(text="Threats by zone", style="bold")
    for one in threats[:TOP]:
        lead = f"  {one['source_zone']} → {one['destination_zone']}  "
        text = (
            f"{one['severity'] or 'no severity'}: {one['threat']}: "
            f"{counted(one['records'], 'record')}, {counted(one['sources'], 'source')}, "
            f"{counted(one['destinations'], 'destination')}, such as "
            f"{one['example_source']} → {one['example_destination']}"
        )
        yield Line(lead=lead, text=text)
    yield from _more(len(threats) - TOP)


def _open_text(functions: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if not functions:
        return
    yield Line()
    yield Line(text="Functions that the catalogue has no class for: open", style="bold")
    for one in functions[:TOP]:
        text = f"{one['function']}, in {counted(one['flows'], 'flow')}"
        yield Line(lead=f"  {one['protocol']}: ", text=text)
    yield from _more(len(functions) - TOP)


def _volumes_text(title: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if not rows:
        return
    yield Line()
    yield Line(text=title, style="bold")
    for one in rows[:TOP]:
        yield Line(lead=f"  {one['name']}  ", text=_sum(one))


# --- page ----------------------------------------------------------------------------------------


def traffic_report(
    document: Mapping[str, Any], *, environment: str, provenance: Provenance | None = None
) -> Report:
    """Return what there is to report of traffic; what the records can show comes first."""
    return Report(
        kind="traffic",
        environment=environment,
        headline=_headline(document),
        remarks=coverage_remarks(document["coverage"]),
        sections=(*map(_row_section, document["rows"]), *_list_sections(document)),
        provenance=provenance,
    )


def coverage_remarks(coverage: Mapping[str, Any]) -> tuple[Remark, ...]:
    """Return what the records can show, as remarks."""
    return tuple(remarks_of(line for line in coverage_text(coverage) if line.lead))


def remarks_of(lines: Iterable[Line]) -> Iterator[Remark]:
    """Yield lines of text as remarks; what is yellow or red warns."""
    for line in lines:
        warns = "yellow" in line.style or "red" in line.style
        yield Remark(severity="warning" if warns else "note", text=_plain(line))


def _headline(document: Mapping[str, Any]) -> str:
    if "error" in document:  # what there is follows
        return f"Traffic: {document['error']['message']}"
    whole = document["outcomes"]["conversation"]["sessions"]
    share = _share(document["standing"]["declared"]["sessions"], whole)
    return f"Traffic: {share} of {counted(whole, 'session')} declared"


def _plain(line: Line) -> str:
    return "".join(plain_lines([line], 1 << 20)).strip(" !")


def _row_section(row: Mapping[str, Any]) -> Section:
    standing = row["standing"]
    bad = [name for name in ("undeclared", "no_zone", "unproven") if standing[name]]
    state = _WORDS[bad[0]] if bad else "declared" if row["flows"] else "no conversation"
    return Section(name=row["name"], state=state, good=not bad, facts=_row_text(row))


def _list_sections(document: Mapping[str, Any]) -> Iterator[Section]:
    for name, title in _LISTS:
        flows = document[name]
        if flows["count"]:
            lines = tuple(_flow_text(one) for one in flows["listed"])
            state = counted(flows["count"], "flow")
            yield Section(name=title, state=state, lines=lines)
    if document["threats"]:
        lines = tuple(_plain(line) for line in _threats_text(document["threats"]) if line.lead)
        yield Section(name="Threats by zone", state=f"{len(lines)} kinds", lines=lines)
