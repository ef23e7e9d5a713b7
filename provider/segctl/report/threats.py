"""What was attacked and what nobody recognises, as a document, as lines of text and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from segctl.observe.threats import NAMED
from segctl.observe.times import when_text
from segctl.observe.traffic import NO_ZONE, TOP
from segctl.report.coverage import coverage_json, coverage_text
from segctl.report.document import Report, Section
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.traffic import coverage_remarks, error_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.observe.coverage import Coverage
    from segctl.observe.threats import Party, Threat, Threats, Unknown, Way
    from segctl.planning.containments import Standing
    from segctl.report.provenance import Provenance

#: What to do about a kind of threat, or of what is not recognised.
_ADVICE: Final = {
    "blocked": "nothing passed; a source that goes on can be contained",
    "mild": "look at it: records of this severity are made of harmless traffic, too",
    "profile": "the conduit's threat profile lets it pass: set threat_prevention: strict, and look "
    "at who speaks",
    "contain": "look at who speaks, now; contain it if nobody can explain it",
    "application": "the conduit declares the port: have an application defined on the firewall, so "
    "that the rule can name it",
    "catalogue": "no conduit declares it; the port is known: if it is wanted, declare the protocol",
    "undeclared": "no conduit declares it: find out who needs it, or contain who speaks",
    "denied": "nothing more passed: if it is wanted, declare it; contain a source that goes on",
}


#: What it means that records show none: their witnesses may not look for any.
_NO_THREAT: Final = "no record of any; logs of traffic alone hold none, give those of threats too"
_NO_UNKNOWN: Final = "no record of any; witnesses that name no application cannot tell"


def threats_json(
    coverage: Coverage, found: Threats, contained: Sequence[Standing]
) -> dict[str, Any]:
    """Return the document of what was attacked, what is not recognised, and who is contained."""
    document: dict[str, Any] = {
        "format_version": "1.1",
        "coverage": coverage_json(coverage),
        "threats": [_threat(one) for one in found.threats],
        "unknown_applications": [_unknown(one) for one in found.unknown],
        "unknown_denied": [
            _unknown(one) | {"denied_by": sorted(one.rules)} for one in found.denied
        ],
        "contained": [
            {
                "name": one.name,
                "addresses": list(one.addresses),
                "firewalls": list(one.devices),
                "until": one.until.isoformat(timespec="seconds"),
                "by": one.by,
                "reason": one.reason,
            }
            for one in contained
        ],
        "summary": {
            "blocked": sum(one.blocked for one in found.threats),
            "passed": sum(one.passed for one in found.threats),
            "watched": sum(one.watched for one in found.threats),
            "to_look_at": sum(one.advice in {"contain", "profile"} for one in found.threats),
            "unknown_sessions": sum(one.volume.sessions for one in found.unknown),
            "unknown_denied": sum(one.volume.sessions for one in found.denied),
        },
    }
    return document | error_of(coverage)


def _threat(one: Threat) -> dict[str, Any]:
    return {
        **_way(one.way),
        "threat": one.name,
        "severity": one.severity,
        "blocked": one.blocked,
        "passed": one.passed,
        "watched": one.watched,
        **_ends(one.sources, one.destinations),
        "first": when_text(one.first),
        "last": when_text(one.last),
        "advice": one.advice,
        "what_to_do": _ADVICE[one.advice],
    }


def _unknown(one: Unknown) -> dict[str, Any]:
    return {
        **_way(one.way),
        "application": one.application,
        "protocol": one.protocol,
        "port": one.port,
        "known_on_port": list(one.protocols),
        "sessions": one.volume.sessions,
        "bytes": one.volume.bytes,
        "flows": one.volume.flows,
        **_ends(one.sources, one.destinations),
        "first": when_text(one.volume.first),
        "last": when_text(one.volume.last),
        "advice": one.advice,
        "what_to_do": _ADVICE[one.advice],
    }


def _way(way: Way) -> dict[str, str]:
    return {
        "source_zone": way.source_zone or NO_ZONE,
        "destination_zone": way.destination_zone or NO_ZONE,
        "conduit": way.conduit,
    }


def _ends(sources: Iterable[Party], destinations: Iterable[Party]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for side, parties in (("source", sorted(sources)), ("destination", sorted(destinations))):
        named = [{"address": one.address, "asset": one.asset} for one in parties[:NAMED]]
        found |= {f"{side}s": named, f"{side}_count": len(parties)}
    return found


# --- text ----------------------------------------------------------------------------------------


def threats_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document; what the records can show comes first."""
    yield from coverage_text(document["coverage"])
    yield Line()
    if document["coverage"]["witnesses"]:
        for title, name, none in (
            ("Threats", "threats", _NO_THREAT),
            ("Not recognised", "unknown_applications", _NO_UNKNOWN),
        ):
            held = document[name]
            yield Line(text=title if held else f"{title}: {none}", style="bold")
            for one in held[:TOP]:
                yield from _row(one)
            if len(held) > TOP:
                yield Line(lead="  ", text=f"{len(held) - TOP} more: --json has all", style="dim")
            yield Line()
        if denied := document["unknown_denied"]:
            yield Line(text="Not recognised, and denied", style="bold")
            for one in denied[:TOP]:
                yield from _row(one)
            if len(denied) > TOP:
                yield Line(lead="  ", text=f"{len(denied) - TOP} more: --json has all", style="dim")
            yield Line()
    if document["contained"]:
        yield Line(text="Contained, by the journal", style="bold")
        for one in document["contained"]:
            yield Line(lead=f"  {one['name']}  ", text=_contained_text(one))
        yield Line()
    yield Line(text=_headline(document))


def _row(one: Mapping[str, Any]) -> Iterator[Line]:
    urgent = one["advice"] in {"contain", "profile"}
    conduit = f" ({one['conduit']})" if one["conduit"] else ""
    lead = f"  {one['source_zone']} → {one['destination_zone']}{conduit}  "
    yield Line(lead=lead, text=_what(one), style="bold red" if urgent else "")
    yield Line(lead="    ", text=_who(one))
    yield Line(lead="    ", text=one["what_to_do"], style="yellow" if urgent else "dim")


def _what(one: Mapping[str, Any]) -> str:
    if "threat" in one:
        told = (("passed", "passed"), ("watched", "seen by a witness that only watches"))
        parts = [f"{one[name]} {words}" for name, words in told if one[name]]
        parts += [f"{one['blocked']} blocked"] if one["blocked"] else []
        return f"{one['severity'] or 'no severity'}: {one['threat']}: {', '.join(parts)}"
    port = f"{one['protocol']}/{one['port']}" if one["port"] else one["protocol"]
    known = f" (the port of {', '.join(one['known_on_port'])})" if one["known_on_port"] else ""
    volume = f"{counted(one['sessions'], 'session')}, {one['bytes']} bytes"
    denied = f", denied by {', '.join(one['denied_by']) or 'no rule'}" if "denied_by" in one else ""
    return f"{one['application']} on {port}{known}{denied}: {volume}"


def _who(one: Mapping[str, Any]) -> str:
    when = f"; first {one['first']}, last {one['last']}" if one["last"] else ""
    return f"{_named(one, 'source')} → {_named(one, 'destination')}{when}"


def _named(one: Mapping[str, Any], side: str) -> str:
    shown = [
        f"{each['address']} [{each['asset']}]" if each["asset"] else each["address"]
        for each in one[f"{side}s"][:3]
    ]
    left = one[f"{side}_count"] - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def _contained_text(one: Mapping[str, Any]) -> str:
    where = ", ".join(one["firewalls"])
    return f"until {one['until']} on {where}, by {one['by']}: {one['reason']}"


def _headline(document: Mapping[str, Any]) -> str:
    if "error" in document:
        return f"Threats: {document['error']['message']}"
    summary = document["summary"]
    return (
        f"Threat records: {summary['passed']} passed, {summary['watched']} only watched, "
        f"{summary['blocked']} blocked; {counted(summary['to_look_at'], 'kind')} to look at; "
        f"{counted(summary['unknown_sessions'], 'session')} not recognised"
        + (f", {summary['unknown_denied']} denied" if summary["unknown_denied"] else "")
    )


# --- page ----------------------------------------------------------------------------------------


def threats_report(
    document: Mapping[str, Any], *, environment: str, provenance: Provenance | None = None
) -> Report:
    """Return what there is to report; what the records can show comes first."""
    return Report(
        kind="threats",
        environment=environment,
        headline=_headline(document),
        remarks=coverage_remarks(document["coverage"]),
        sections=(*_sections(document),),
        provenance=provenance,
    )


def _sections(document: Mapping[str, Any]) -> Iterator[Section]:
    strange = (*document["unknown_applications"], *document["unknown_denied"])
    for one in (*document["threats"], *strange):
        conduit = f" ({one['conduit']})" if one["conduit"] else ""
        yield Section(
            name=f"{one['source_zone']} → {one['destination_zone']}{conduit}",
            state=_what(one),
            good=one["advice"] in {"blocked", "mild", "application", "denied"},
            facts=one["what_to_do"],
            lines=(_who(one),),
        )
    for one in document["contained"]:
        yield Section(name=one["name"], state="contained", good=True, facts=_contained_text(one))
