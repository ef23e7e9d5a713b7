"""What a proof found, as a document and as lines of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segctl.analysis.space import host_of, service_text
from segctl.analysis.symbols import on_default_ports
from segctl.fleet import Failure
from segctl.model.errors import problem_json
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.present import outlook_json, outlook_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.alike import Likeness
    from segctl.analysis.crossings import Path
    from segctl.analysis.path_proofs import PathProof
    from segctl.analysis.proof import Counterexample, Proof
    from segctl.analysis.space import Point
    from segctl.fleet.proofs import DeviceProof

#: Why the exit status is 1: a firewall does not permit what is declared, or permits more.
NOT_PROVED = "not_proved"
#: Why it is 1 where nobody can tell.
UNKNOWN = "cannot_tell"
_STATES = ("proved", NOT_PROVED, UNKNOWN, "error")
#: The examples of a document by what they show.
_KINDS = {"permitted": "permitted", "denied": "denied", "unknown": UNKNOWN}


def prove_json(
    devices: Mapping[str, DeviceProof | Failure],
    paths: Sequence[PathProof],
    likeness: Likeness | None,
    *,
    left_out: Sequence[Path] = (),
    source: str,
) -> dict[str, Any]:
    """Return the document of proofs.

    Args:
        devices: what was found by firewall.
        paths: what was found on each path through several of them.
        likeness: what was found of two that were compared with each other.
        left_out: the paths through firewalls that were not asked about.
        source: ``declared``, ``device`` or ``snapshot``: what was held against the conduits.
    """
    rows = [_device_json(name, found) for name, found in devices.items()]
    ways = [_path_json(one) for one in paths]
    same = None if likeness is None else _likeness_json(likeness)
    states = Counter(row["status"] for row in (*rows, *ways, *([same] if same else [])))
    document: dict[str, Any] = {
        "format_version": "1.1",
        "source": source,
        "devices": rows,
        "paths": ways,
        "left_out": [_left_out(one) for one in left_out],
        "same": same,
        "summary": {state: states[state] for state in _STATES},
    }
    return document | _error(document)


def _error(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the exit status is 1, if it is: first that a firewall could not be read."""
    failed = next((row["error"] for row in document["devices"] if "error" in row), None)
    if failed is not None:
        return {"error": failed}
    rows = [*document["devices"], *document["paths"]]
    rows += [document["same"]] if document["same"] else []
    for state, says in (
        (NOT_PROVED, "do not permit exactly what is declared"),
        (UNKNOWN, "cannot be told"),
    ):
        names = [_named(row) for row in rows if row["status"] == state]
        if names:
            more = len(names) - 5
            listed = f"{', '.join(names[:5])}{f' and {more} more' * (more > 0)}"
            return {"error": {"code": state, "message": f"not proved: {listed}: {says}"}}
    return {}


def _named(row: Mapping[str, Any]) -> str:
    if "name" in row:
        return str(row["name"])
    if "firewalls" in row:
        return f"{row['from']} → {row['to']} through {', '.join(row['firewalls'])}"
    return f"{row['left']} and {row['right']}"


def _device_json(name: str, found: DeviceProof | Failure) -> dict[str, Any]:
    if isinstance(found, Failure):
        return {
            "name": name,
            "status": "error",
            "error": {"code": found.code, "message": found.message},
        }
    proof: Proof = found.proof
    return {
        "name": name,
        "status": proof.verdict,
        "pairs": proof.pairs,
        "examples": [_example(one) for one in proof.examples],
        "more": proof.more,
        "widened": [asdict(one) for one in proof.widenings],
        "device_asked": found.asked,
        "findings": [problem_json(one) for one in found.findings],
    }


def _path_json(found: PathProof) -> dict[str, Any]:
    return {
        "from": found.source,
        "to": found.destination,
        "firewalls": list(found.firewalls),
        "status": found.verdict,
        "examples": [{"firewall": name} | _example(one) for name, one in found.examples],
    }


def _left_out(path: Path) -> dict[str, Any]:
    return {
        "from": path[0].enter,
        "to": path[-1].leave,
        "firewalls": [one.device for one in path],
    }


def _likeness_json(found: Likeness) -> dict[str, Any]:
    return {
        "left": found.left,
        "right": found.right,
        "status": found.verdict,
        "pairs": found.pairs,
        "examples": [{"firewall": name} | _example(one) for name, one in found.examples],
        "widened": [{"firewall": name} | _example(one) for name, one in found.widened],
    }


def _example(one: Counterexample) -> dict[str, Any]:
    return {
        "kind": _KINDS[one.direction],
        "from_zone": one.enter,
        "to_zone": one.leave,
        "packet": None if one.packet is None else _packet(one.packet),
        "rule": one.rule,
        "conduit": one.conduit,
        "flow": one.flow,
        "why": list(one.why),
        "disagreement": one.disagreement,
        "present": outlook_json(one.present),
    }


def _packet(point: Point) -> dict[str, Any]:
    on_own = on_default_ports(((point.service, point.service),))
    return {
        "source": str(host_of(point.source)),
        "destination": str(host_of(point.destination)),
        "service": "its default ports" if on_own else service_text(point.service),
        "application": point.application,
        "user": point.user,
        "time": point.when,
    }


# --- text ----------------------------------------------------------------------------------------

_WORDS = {
    "proved": "proved",
    NOT_PROVED: "not proved",
    UNKNOWN: "not proved: cannot tell",
    "error": "not compared",
}
_STYLES = {"proved": "green", NOT_PROVED: "bold red", UNKNOWN: "yellow", "error": "bold red"}
_TOLD = {
    "permitted": "permitted but not declared",
    "denied": "declared but not permitted",
    UNKNOWN: "cannot tell",
}


def prove_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document of proofs."""
    for row in document["devices"]:
        yield from _device_text(row)
        yield Line()
    for row in document["paths"]:
        lead = f"{row['from']} → {row['to']} through {', '.join(row['firewalls'])}  "
        yield from _headed(lead, row)
        yield from _examples(row)
    for row in document["left_out"]:
        text = f"{row['from']} → {row['to']} through {', '.join(row['firewalls'])}"
        yield Line(lead="not followed: ", text=f"{text} (left out by -l)", style="yellow")
    if document["paths"] or document["left_out"]:
        yield Line()
    if (same := document["same"]) is not None:
        yield from _same_text(same)
        yield Line()
    totals = document["summary"]
    parts = [f"{totals[state]} {word}" for state, word in _WORDS.items() if totals[state]]
    of = " (as declared, no device was asked)" if document["source"] == "declared" else ""
    yield Line(text=", ".join(parts) + of, style="bold")


def _headed(lead: str, row: Mapping[str, Any], more: str = "") -> Iterator[Line]:
    status = row["status"]
    yield Line(lead=lead, text=_WORDS[status] + more, lead_style="bold", style=_STYLES[status])


def _device_text(row: Mapping[str, Any]) -> Iterator[Line]:
    if "error" in row:
        error = row["error"]
        yield Line(
            lead=f"{row['name']}  ", text=f"! {error['code']}: {error['message']}", style="bold red"
        )
        return
    yield from _headed(f"{row['name']}  ", row, f"  ({counted(row['pairs'], 'pair')} of zones)")
    for finding in row["findings"]:
        hint = f" — {finding['hint']}" if finding["hint"] else ""
        text = f"{finding['message']}{hint}"
        yield Line(lead=f"  ! {finding['severity']}: ", text=text, style="yellow")
    yield from _examples(row)
    if row["more"]:
        yield Line(text=f"  and {row['more']} more")
    if (asked := row["device_asked"]) is not None:
        yield Line(lead="  device asked: ", text=asked, style="dim")
    flows: dict[str, list[str]] = {}
    for one in row["widened"]:
        flows.setdefault(one["text"], []).append(f"{one['conduit']} {one['flow']}")
    for text, names in flows.items():
        yield Line(lead="  not told apart: ", text=f"{text} ({', '.join(names)})", style="dim")


def _examples(row: Mapping[str, Any]) -> Iterator[Line]:
    for one in row["examples"]:
        yield from _example_text(one)


def _example_text(one: Mapping[str, Any]) -> Iterator[Line]:
    style = "yellow" if one["kind"] == UNKNOWN else "bold red"
    at = f"{one['firewall']}: " if one.get("firewall") else ""
    zones = f" ({one['from_zone']} → {one['to_zone']})" if one["from_zone"] else ""
    packet = f": {_packet_text(one['packet'])}" if one["packet"] else ""
    yield Line(lead=f"  {at}{_TOLD[one['kind']]}{zones}", text=packet, style=style)
    for lead, text in _about(one):
        yield Line(lead=f"    {lead:<9}", text=text, style="dim")
    if (now := one["present"]) is not None:
        yield from outlook_lines(now, " " * 13)
    if one["disagreement"]:
        text = f"{one['disagreement']}: a defect in segctl, please report it"
        yield Line(lead="    ! ", text=text, style="bold red")


def _about(one: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if one["rule"]:
        perhaps = "perhaps " if one["kind"] == UNKNOWN else ""
        yield "rule", f"{perhaps}{one['rule']}"
    if one["conduit"]:
        yield "conduit", f"{one['conduit']} {one['flow']}".strip()
    for why in one["why"]:
        yield "because", why


def _packet_text(packet: Mapping[str, Any]) -> str:
    said = [f"{packet['source']} → {packet['destination']} {packet['service']}"]
    said += [packet["application"]] if packet["application"] else []
    said += [f"by {packet['user']}"] if packet["user"] else []
    said += [f"at {packet['time']}"] if packet["time"] else []
    return " ".join(said)


def _same_text(same: Mapping[str, Any]) -> Iterator[Line]:
    pairs = f"  ({counted(same['pairs'], 'pair')} of zones)"
    words = {"proved": "permit the same", NOT_PROVED: "do not permit the same"}
    text = words.get(same["status"], "cannot tell whether they permit the same")
    yield Line(
        lead=f"{same['left']} and {same['right']}  ",
        text=text + pairs,
        lead_style="bold",
        style=_STYLES[same["status"]],
    )
    for one in same["examples"]:
        yield from _example_text(one)
    for one in same["widened"]:
        packet = _packet_text(one["packet"])
        zones = f"{one['from_zone']} → {one['to_zone']}"
        text = f"of a flow that both pass, {one['firewall']} also passes {packet} ({zones})"
        yield Line(lead="  not expressed alike: ", text=text, style="dim")
