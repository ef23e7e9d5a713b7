"""What is permitted between zones: as documents, tables and CSV."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

from segctl.analysis.by_rule import STATES
from segctl.analysis.extents import (
    address_list,
    address_text,
    joined,
    names_text,
    service_list,
    time_list,
)
from segctl.analysis.series import gets_through
from segctl.analysis.space import ALL_ADDRESSES, common
from segctl.fleet import Failure
from segctl.model.errors import problem_json
from segctl.providers.containing import CONTAINED
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.present import outlook_json, outlook_lines
from segctl.system.inert import csv_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.by_rule import Row
    from segctl.analysis.present import Outlook
    from segctl.analysis.space import Box, Names, Numbers
    from segctl.compiler.topology import Hop
    from segctl.fleet.listing import Listed
    from segctl.fleet.permits import IslandNow, Permits, QueryResult

#: Why the exit status is 1 where it cannot be told what is permitted.
UNKNOWN = "cannot_tell"
#: What each state is called.
WORDS = {
    "permitted": "permitted",
    "only_declared": "only declared",
    "only_live": "only live",
    "cannot_tell": "cannot tell",
}
_MARKS = {"permitted": "=", "only_declared": "-", "only_live": "+", "cannot_tell": "?"}
#: The columns of CSV, in their order.
COLUMNS = (
    "from_zone",
    "to_zone",
    "state",
    "source",
    "destination",
    "application",
    "ports",
    "users",
    "times",
    "rule",
    "firewall",
    "end_to_end",
    "why",
    "present",
)
#: So many zones are drawn as a grid.
_MOST_ZONES = 40


def query_json(result: QueryResult, source: str, destination: str) -> dict[str, Any]:
    """Return the document of what is permitted between two ends."""
    (found,) = result.found
    document: dict[str, Any] = {
        "format_version": "1.0",
        "side": result.side,
        "offline": result.offline,
        "from": source,
        "to": destination,
        **pair_json(found),
        "ways": [
            {"state": _way_state(way), "steps": [pair_json(step) for step in way]}
            for way in result.ways
        ],
        "devices": _devices_json(result.devices),
    }
    return document | _error([document], document)


def matrix_json(result: QueryResult) -> dict[str, Any]:
    """Return the document of what is permitted between all zones."""
    cells = [pair_json(found) | _cut(found, result.islands) for found in result.found]
    document: dict[str, Any] = {
        "format_version": "1.1",
        "side": result.side,
        "offline": result.offline,
        "islands": [_island_json(one) for one in result.islands],
        "zones": sorted({cell[end] for cell in cells for end in ("from_zone", "to_zone")}),
        "cells": cells,
        "summary": {state: sum(state in cell["states"] for cell in cells) for state in STATES},
        "devices": _devices_json(result.devices),
    }
    return document | _error(cells, document)


def _island_json(one: IslandNow) -> dict[str, Any]:
    """Return an island: what it is cut from, which firewalls hold it, and which do not."""
    return {
        "name": one.name,
        "said": next(iter(one.said.values())),
        "zones": list(one.inside),
        "cut_from": list(one.above),
        "firewalls": list(one.said),
        "lacking": [{"firewall": name, "why": why} for name, why in one.lacking.items()],
    }


def _cut(found: Permits, islands: Iterable[IslandNow]) -> dict[str, Any]:
    """Return the islands that cut two zones from each other, with the end that is of each."""
    source, destination = found.pair.source.zone, found.pair.destination.zone
    cut: list[dict[str, Any]] = []
    for one in islands:
        for end, own, other in (("from", source, destination), ("to", destination, source)):
            if own in one.inside and other in one.above:
                cut.append({"end": end, **_island_json(one)})
    return {"islands": cut}


def _devices_json(devices: Mapping[str, Listed | Failure]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, one in devices.items():
        if isinstance(one, Failure):
            found.append({"name": name, "digest": "", "findings": [], "error": _failure(one)})
        else:
            findings = [problem_json(each) for each in one.findings]
            found.append({"name": name, "digest": one.digest, "findings": findings})
    return found


def _error(cells: Sequence[Mapping[str, Any]], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the exit status is 1, if it is."""
    failed = [one["error"] for one in document["devices"] if "error" in one]
    failed += [one for cell in cells for one in cell["errors"]]
    if failed:
        return {"error": {name: failed[0][name] for name in ("code", "message")}}
    unknown = sum(UNKNOWN in cell["states"] for cell in cells)
    if unknown:
        message = f"of {counted(unknown, 'pair')} of zones it cannot be told what is permitted"
        return {"error": {"code": UNKNOWN, "message": message}}
    return {}


def pair_json(found: Permits) -> dict[str, Any]:
    """Return what is permitted between two ends."""
    pair = found.pair
    rows: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for hop, listed in found.legs.items():
        if isinstance(listed, Failure):
            errors.append(_failure(listed) | {"firewall": hop.device})
            continue
        for row in listed:
            told = row.present or repeat(None)
            boxes = zip(row.space.boxes, told, strict=False)
            rows += [_row_json(row, box, now, hop, found) for box, now in boxes]
    states = {
        UNKNOWN if row["end_to_end"] == UNKNOWN else row["state"]
        for row in rows
        if row["end_to_end"] != "no"
    }
    if errors or pair.missing:
        states.add(UNKNOWN)
    return {
        "from_zone": pair.source.zone,
        "to_zone": pair.destination.zone,
        "states": [state for state in STATES if state in states],
        "rows": rows,
        "errors": errors,
        "not_asked": list(pair.missing),
    }


def _row_json(row: Row, box: Box, now: Outlook | None, hop: Hop, found: Permits) -> dict[str, Any]:
    (region,) = found.pair.region.boxes
    source, destination = _ends(box, region)
    return {
        "state": row.state,
        "source": address_list(source, region.source),
        "destination": address_list(destination, region.destination),
        "source_text": address_text(source, region.source),
        "destination_text": address_text(destination, region.destination),
        "applications": _names_json(box.application),
        "application_text": names_text(box.application, "not identified"),
        "services": service_list(box.service),
        "users": _names_json(box.user),
        "user_text": names_text(box.user, "unknown"),
        "times": time_list(box.time),
        "rule": row.rule,
        "firewall": hop.device,
        "enter": hop.enter,
        "leave": hop.leave,
        "end_to_end": _end_to_end(row, box, hop, found),
        "why": list(row.why),
        "present": outlook_json(now),
    }


def _ends(box: Box, region: Box) -> tuple[Numbers, Numbers]:
    """Return the ends of a row; one that is all there is of the other one's IP version is any."""
    versions = tuple(one for one in ALL_ADDRESSES if common(box.source, (one,)))
    ends = (box.source, region.source), (box.destination, region.destination)
    whole = [own == common(side, versions) for own, side in ends]
    if all(whole):
        return box.source, box.destination
    source, destination = (
        side if every else own for every, (own, side) in zip(whole, ends, strict=True)
    )
    return source, destination


def _names_json(names: Names) -> dict[str, Any]:
    return {"all_but": names.but, "names": sorted(names.listed)}


def _end_to_end(row: Row, box: Box, hop: Hop, found: Permits) -> str:
    """Return whether such packets get through all firewalls."""
    passes = found.passes
    if row.state == "only_declared" and found.declared is not None:
        passes = found.declared
    return gets_through(box, passes, found.platforms[hop.device])


def _failure(failure: Failure) -> dict[str, str]:
    return {"code": failure.code, "message": failure.message}


def _way_state(way: Iterable[Permits]) -> str:
    sure = all(step.passes.sure for step in way)
    return "permitted" if sure else UNKNOWN


# --- tables --------------------------------------------------------------------------------------


def csv_text(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return rows of pairs of zones as CSV; no cell is a formula to who opens it."""
    lines = [csv_line(COLUMNS)]
    for pair in cells:
        lines += [csv_line(_csv_row(pair, row)) for row in (*pair["rows"], *_unanswered(pair))]
    return "\n".join(lines)


def _unanswered(pair: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a row for each firewall that gave no answer."""
    for error in pair["errors"]:
        yield {"state": UNKNOWN, "firewall": error["firewall"], "why": [error["message"]]}
    for name in pair["not_asked"]:
        yield {"state": UNKNOWN, "firewall": name, "why": ["left out by -l"]}


def _csv_row(pair: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    return [
        pair["from_zone"],
        pair["to_zone"],
        row["state"],
        row.get("source_text", ""),
        row.get("destination_text", ""),
        row.get("application_text", ""),
        ", ".join(row.get("services", ())),
        row.get("user_text", ""),
        ", ".join(row.get("times", ())),
        row.get("rule", ""),
        row["firewall"],
        row.get("end_to_end", ""),
        "; ".join(row["why"]),
        row["present"]["outcome"] if row.get("present") else "",
    ]


def cut_off(document: Mapping[str, Any]) -> bool:
    """Whether somebody is contained, or an island, on a firewall that was asked."""
    kinds = {one["kind"] for device in document["devices"] for one in device["findings"]}
    return CONTAINED in kinds


def query_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document of what is permitted between two ends."""
    yield from _findings(document)
    if cut_off(document):
        text = "What follows is what firewalls permit while nobody is cut off."
        yield Line(text=text, style="dim")
        yield Line()
    yield from _pair_text(document, f"{document['from']} → {document['to']}")
    for way in document["ways"]:
        zones = [way["steps"][0]["from_zone"], *(step["to_zone"] for step in way["steps"])]
        yield Line()
        yield Line(text=f"by way of {' → '.join(zones)}: {WORDS[way['state']]}", style="bold")
        for step in way["steps"]:
            yield from _pair_text(step, f"{step['from_zone']} → {step['to_zone']}")
    yield Line()
    text = counted(len(document["rows"]), "row")
    if document["ways"]:
        text += f", {counted(len(document['ways']), 'way')} through other zones"
    yield Line(text=_total(document, text), style="bold")


def island_text(one: Mapping[str, Any]) -> str:
    """Return what is an island until when, from what it is cut, and where that lacks."""
    zones = ", ".join(one["cut_from"]) or "zones that the inventory does not say"
    text = f"{one['said']}; cut from {zones} on {', '.join(one['firewalls'])}"
    if one["lacking"]:
        lacking = "; ".join(f"{each['firewall']}: {each['why']}" for each in one["lacking"])
        text += f"; not everywhere: {lacking}"
    return text


def matrix_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document of what is permitted between all zones."""
    yield from _findings(document)
    for one in document["islands"]:
        yield Line(lead="! ", text=island_text(one), style="bold yellow")
    if document["islands"]:
        text = "What follows is what firewalls permit while nothing is an island."
        yield Line(text=text, style="dim")
        yield Line()
    if len(document["zones"]) <= _MOST_ZONES:
        yield from _grid(document)
    untold: dict[tuple[str, ...], list[str]] = {}
    for pair in document["cells"]:
        title = f"{pair['from_zone']} → {pair['to_zone']}"
        if not pair["rows"] and (reasons := _reasons(pair)):
            untold.setdefault(reasons, []).append(title)
        elif pair["states"] or pair["rows"]:
            yield from _pair_text(pair, title)
            yield Line()
    yield from _untold(untold)
    summary = document["summary"]
    said = [f"{summary[state]} {word}" for state, word in WORDS.items() if summary[state]]
    text = f"{counted(len(document['cells']), 'pair')} of zones: {', '.join(said) or 'nothing'}"
    yield Line(text=_total(document, text), style="bold")


def _untold(pairs: Mapping[tuple[str, ...], Sequence[str]]) -> Iterator[Line]:
    """Yield each reason why nothing can be told, once, with the pairs of zones that it is for."""
    for reasons, titles in pairs.items():
        for reason in reasons:
            yield Line(lead="  cannot tell    ", text=reason, style="bold red")
        yield Line(lead="    between      ", text=", ".join(titles))
        yield Line()


def _total(document: Mapping[str, Any], text: str) -> str:
    if document["side"] == "declared":
        return f"{text} (as declared, no device was asked)"
    return f"{text} (from snapshots)" if document["offline"] else text


def _findings(document: Mapping[str, Any]) -> Iterator[Line]:
    for device in document["devices"]:
        for finding in device["findings"]:
            hint = f" — {finding['hint']}" if finding["hint"] else ""
            text = f"{device['name']}: {finding['message']}{hint}"
            yield Line(lead=f"! {finding['severity']}: ", text=text, style="yellow")


def _grid(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the zones against each other: a number for each, and marks where they meet."""
    zones: list[str] = document["zones"]
    number = {zone: at for at, zone in enumerate(zones, 1)}
    marks = {
        (pair["from_zone"], pair["to_zone"]): "".join(_MARKS[state] for state in pair["states"])
        + "i" * bool(pair["islands"])
        for pair in document["cells"]
    }
    wide = max(len(zone) for zone in zones) + 4 if zones else 0
    width = max(5, *(len(mark) + 1 for mark in marks.values())) if marks else 5
    head = "".join(f"{at:>{width}}" for at in number.values())
    yield Line(lead="from \\ to".ljust(wide) + head)
    for zone, at in number.items():
        cells = "".join(f"{marks.get((zone, other), '') or '·':>{width}}" for other in zones)
        yield Line(lead=f"{at:>2} {zone}".ljust(wide) + cells)
    said = ", ".join(f"{mark} {WORDS[state]}" for state, mark in _MARKS.items())
    cut = ", i cut off as an island, but for flows that go on" if document["islands"] else ""
    yield Line(text=f"{said}, · nothing{cut}", style="dim")
    yield Line()


def _pair_text(pair: Mapping[str, Any], title: str) -> Iterator[Line]:
    zones = f"{pair['from_zone']} → {pair['to_zone']}"
    yield Line(lead=title, text="" if title == zones else f"  ({zones})", lead_style="bold")
    for row in pair["rows"]:
        yield from row_text(row)
    for reason in _reasons(pair):
        yield Line(lead="  cannot tell    ", text=reason, style="bold red")
    if not pair["rows"] and not pair["errors"] and not pair["not_asked"]:
        yield Line(text="  nothing is permitted", style="dim")


def _reasons(pair: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why firewalls gave no answer about a pair."""
    return tuple(f"{row['firewall']}: {'; '.join(row['why'])}" for row in _unanswered(pair))


_STYLES = {"permitted": "", "only_declared": "yellow", "only_live": "bold red"}
_THROUGH = {
    "no": "another firewall blocks it",
    "partly": "another firewall blocks some of it",
    "cannot_tell": "whether it passes the other firewalls cannot be told",
}


def row_text(row: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a row."""
    what = f"{_shortened(row['application_text'])} on {joined(row['services'])}"
    said = [f"{row['source_text']} → {row['destination_text']}", what]
    if row["user_text"] != "any":
        said.append(f"user {_shortened(row['user_text'])}")
    if row["times"]:
        said.append(joined(row["times"]))
    style = _STYLES.get(row["state"], "yellow")
    perhaps = "perhaps " if row["state"] == UNKNOWN else ""
    by = f"{perhaps}by {row['rule']} on {row['firewall']}"
    yield Line(lead=f"  {WORDS[row['state']]:<15}", text=f"{'  '.join(said)}  {by}", style=style)
    for why in row["why"]:
        yield Line(lead=" " * 17, text=f"because {why}", style="yellow")
    if (now := row["present"]) is not None:
        yield from outlook_lines(now, " " * 17)
    if row["state"] != UNKNOWN and (text := _THROUGH.get(row["end_to_end"])):
        yield Line(lead=" " * 17, text=text, style="dim")


def _shortened(text: str) -> str:
    return joined(text.split(", "))
