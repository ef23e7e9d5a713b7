"""Evidence for people: one page of what zones show, and one of zones and conduits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.report.escape import html_text
from segctl.report.evidence import WORDS
from segctl.report.html import framed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_GOOD: Final = frozenset({"satisfied", "not_applicable"})


def evidence_html(document: Mapping[str, Any]) -> str:
    """Return the page of evidence."""
    totals = document["summary"]
    parts = [f"{totals[state]} {word}" for state, word in WORDS.items() if totals[state]]
    title = "segctl · Evidence · IEC 62443-3-3"
    return (
        "\n".join(framed(title, ", ".join(parts), evidence_body(document), _facts(document))) + "\n"
    )


def specification_html(document: Mapping[str, Any]) -> str:
    """Return the page of zones and conduits: that part of a requirements specification."""
    title = "segctl · Zones and conduits · IEC 62443-3-2, ZCR 6"
    zones, conduits = len(document["zones"]), len(document["conduits"])
    headline = f"{zones} zones, {conduits} conduits"
    return "\n".join(framed(title, headline, _specification(document), _facts(document))) + "\n"


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    made = document["provenance"]
    edits = " with uncommitted edits" if made["dirty"] else ""
    return [
        ("date", made["date"]),
        ("segctl", made["segctl_version"]),
        ("inventory", ", ".join(made["inventory"])),
        ("commit", f"{made['git_commit'] or 'none'}{edits}"),
        ("inventory digest", made["digest"]),
        ("journal", document["journal"] or "none"),
    ]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"<table><thead><tr>{''.join(f'<th>{one}</th>' for one in heads)}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</tbody></table>"


def _text(value: object) -> str:
    if isinstance(value, list):
        return html_text(", ".join(map(str, cast("list[object]", value))))
    return html_text("" if value is None else str(value))


def _state(state: str) -> str:
    return f'<span class="{"good" if state in _GOOD else "bad"}">{WORDS[state]}</span>'


# --- evidence ------------------------------------------------------------------------------------


def evidence_body(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what zones show, as lines of HTML."""
    yield f"<p>{html_text(document['disclaimer'])}</p>"
    if document["notes"] or "error" in document:
        said = [
            *document["notes"],
            *([document["error"]["message"]] if "error" in document else []),
        ]
        yield "<h2>To know before reading on</h2>\n<ul>"
        yield from (f'<li class="warning">{html_text(one)}</li>' for one in said)
        yield "</ul>"
    yield "<h2>Zones</h2>"
    yield from _table(("Zone", "SL-T", *WORDS.values()), map(_sums, document["zones"]))
    for zone in document["zones"]:
        yield f"<details open><summary><b>{_text(zone['zone'])}</b></summary><div>"
        heads = ("Requirement", "SL", "State", "Why", "What stays open")
        yield from _table(heads, map(_row, zone["findings"]))
        yield "</div></details>"
    yield "<h2>Firewalls</h2>"
    columns = ("Firewall", "Serial", "Version", "Content", "Read", "Compared", "SHA-256", "Kept in")
    yield from _table(columns, map(_device, document["devices"]))
    yield from _groups(document)
    yield from _conduits_due(document)
    yield from _past(document)
    yield "<h2>What firewalls cannot show</h2>"
    rows = ((_text(f"{o['id']} {o['title']}"), _text(o["gap"])) for o in document["not_shown"])
    yield from _table(("Requirement", "Why"), rows)


def _sums(zone: Mapping[str, Any]) -> list[str]:
    totals = Counter(one["state"] for one in zone["findings"])
    levels = zone["sl_t"]
    vector = "none declared" if levels is None else " ".join(map(str, levels.values()))
    return [_text(zone["zone"]), vector, *(str(totals[state]) for state in WORDS)]


def _row(one: Mapping[str, Any]) -> list[str]:
    disputed = f" (level disputed: {one['disputed']})" if one["disputed"] else ""
    return [
        _text(f"{one['sr']} {one['title']}"),
        _text(f"{one['sl']}{disputed}"),
        _state(one["state"]),
        _text(one["why"]),
        _text(one["gap"]),
    ]


def _device(one: Mapping[str, Any]) -> list[str]:
    proof = one["proof"]
    compared = one["failed"] or one["unproved"] or (proof["status"] if proof else "")
    source = f"{one['taken']} ({one['source']})" if one["taken"] else one["source"]
    return [
        _text(one["name"]),
        _text(one["serial"]),
        _text(f"{one['platform']} {one['os_version']}"),
        _text(one["content_version"]),
        _text(source),
        _text(compared.replace("_", " ")),
        f"<code>{_text(one['raw_sha256'] or one['kept_sha256'])}</code>",
        _text(one["kept"]),
    ]


def _groups(document: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        (
            _text(device["name"]),
            _text(group["name"]),
            _text(
                [f"{o['kind']}: {o['profile']} {o['effect']} {o['why']}" for o in group["profiles"]]
                or "empty: it protects from nothing"
            ),
        )
        for device in document["devices"]
        for group in device["profile_groups"]
    ]
    if rows:
        yield "<h2>Groups of threat profiles, and what they do</h2>"
        yield from _table(("Firewall", "Group", "Profiles"), rows)


def _conduits_due(document: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [_text(one[key]) for key in ("conduit", "standing", "review_by", "expires", "owner")]
        for one in document["conduits"]
        if one["standing"] != "current"
    ]
    if rows:
        yield "<h2>Conduits that are expired, overdue for review, or without a day</h2>"
        yield from _table(("Conduit", "Standing", "Review by", "Expires", "Owner"), rows)


def _past(document: Mapping[str, Any]) -> Iterator[str]:
    since = f" since {document['since']}" if document["since"] else ""
    for key, title, columns in (
        ("applies", "Who changed what", ("time", "device", "outcome", "author", "by", "plan_id")),
        ("drift_history", "Drift", ("device", "kind", "name", "state", "first_seen", "resolved")),
    ):
        yield f"<h2>{title}{html_text(since)}</h2>"
        rows = document[key]
        if rows is None:
            yield "<p>Not known: see the notes above.</p>"
        elif not rows:
            yield "<p>Nothing is on record.</p>"
        else:
            heads = [one.replace("_", " ") for one in columns]
            yield from _table(heads, ([_text(row[one]) for one in columns] for row in rows))


# --- zones and conduits --------------------------------------------------------------------------


def _specification(document: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "<p>The zone and conduit characteristics of a cybersecurity requirements specification, as "
        "the inventory declares them. What an inventory does not hold (physical boundaries and "
        "access points, the threat environment, tolerable risk, assumptions) is to be added by the "
        "asset owner.</p>"
    )
    for zone in document["zones"]:
        yield f"<h2>Zone {_text(zone['zone'])}</h2>"
        levels: dict[str, int] = zone["sl_t"] or {}
        joined = [
            one["conduit"]
            for one in document["conduits"]
            if zone["zone"] in (*one["from"], *one["to"])
        ]
        yield from _table(
            ("Characteristic", "Value"),
            (
                ("Name", _text(zone["name"] or zone["zone"])),
                ("Kind", _text(zone["kind"] or "not declared")),
                ("Safety", "yes" if zone["kind"] == "safety" else "not declared as safety"),
                ("Level", _text(zone["level"])),
                ("Logical boundary", _text(zone["networks"] or "not declared")),
                ("Logical access points", _text(zone["firewalls"] or "no firewall")),
                ("Physical boundary and access points", "to be added by the asset owner"),
                ("SL-T", _text([f"{k.upper()} {v}" for k, v in levels.items()] or "not declared")),
                ("Conduits", _text(joined or "none")),
            ),
        )
        rows = [
            [_text(one[key]) for key in ("name", "role", "addresses")] for one in zone["assets"]
        ]
        if rows:
            yield from _table(("Asset", "Role", "Addresses"), rows)
        else:
            yield "<p>No asset is declared.</p>"
    yield "<h2>Conduits</h2>"
    for one in document["conduits"]:
        yield f"<h2>{_text(one['conduit'])}: {_text(one['from'])} → {_text(one['to'])}</h2>"
        facts = ("reason", "owner", "ticket", "mode", "threat_prevention", "review_by", "expires")
        shown = ((name.replace("_", " ").capitalize(), _text(one[name])) for name in facts)
        yield from _table(("Characteristic", "Value"), shown)
        columns = (
            "flow",
            "sources",
            "destinations",
            "protocols",
            "services",
            "applications",
            "users",
        )
        heads = [*(name.capitalize() for name in columns), "Essential"]
        yield from _table(
            heads,
            (
                [*(_text(flow[name]) for name in columns), "yes" if flow["essential"] else "no"]
                for flow in one["flows"]
            ),
        )
