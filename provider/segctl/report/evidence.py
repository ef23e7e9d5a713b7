"""Evidence as a document, as a table for auditors and as lines of text."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from segctl.evidence.assess import STATES
from segctl.evidence.requirements import FOUNDATIONS
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.provenance import provenance_json
from segctl.system.inert import csv_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from segctl.drift.history import Entry
    from segctl.evidence.assess import Finding
    from segctl.evidence.requirements import Requirement
    from segctl.evidence.scene import Witness
    from segctl.model.site import Conduit, Flow, Site, Zone
    from segctl.planning.audit import Applied
    from segctl.report.provenance import Provenance

#: What stands in every form of it, so that nobody takes it for more than it is.
DISCLAIMER: Final = (
    "This is what firewalls and the inventory show. It is no statement of compliance or "
    "certification: what stays open is named beside each requirement, and levels are to be "
    "compared with the standard."
)
COLUMNS: Final = (
    "site",
    "zone",
    "fr",
    "item",
    "sl",
    "sl_t",
    "result",
    "device",
    "serial",
    "check",
    "observed",
    "expected",
    "collected",
    "evidence_sha256",
    "gap",
    "compensation",
    "owner",
    "expires",
)
PERMISSIONS: Final = (
    "from_zones",
    "to_zones",
    "conduit",
    "flow",
    "sources",
    "destinations",
    "protocols",
    "services",
    "applications",
    "users",
    "schedule",
    "essential",
    "reason",
    "owner",
    "ticket",
    "review_by",
    "expires",
    "mode",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Everything that a document of evidence is made of.

    `files` is where what was kept of each device lies in the folder. Of `applies` and `history`
    None says that they were not asked for or could not be read; `notes` say why.
    """

    site: Site
    zones: Sequence[Zone]
    requirements: Sequence[Requirement]
    witnesses: Sequence[Witness]
    findings: Sequence[Finding]
    provenance: Provenance
    today: date
    since: str = ""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    applies: Sequence[Applied] | None = None
    history: Sequence[Entry] | None = None
    journal: str = ""
    notes: Sequence[str] = ()


def evidence_json(made: Collected) -> dict[str, Any]:
    """Return the document of evidence."""
    totals = Counter(one.state for one in made.findings)
    document: dict[str, Any] = {
        "format_version": "1.0",
        "disclaimer": DISCLAIMER,
        "standard": "IEC 62443-3-3:2013 with COR1:2014",
        "provenance": provenance_json(made.provenance),
        "since": made.since,
        "devices": [_device(made, one) for one in made.witnesses],
        "zones": [_zone(made, zone) for zone in made.zones],
        "conduits": [_conduit(made, one) for one in made.site.conduits],
        "not_shown": [
            {"id": one.id, "title": one.title, "gap": one.gap}
            for one in made.requirements
            if one.firewall == "none"
        ],
        "drift_history": None if made.history is None else [_entry(one) for one in made.history],
        "applies": None if made.applies is None else [_applied(one) for one in made.applies],
        "journal": made.journal,
        "notes": list(made.notes),
        "summary": {state: totals[state] for state in STATES},
    }
    failed = [one for one in made.witnesses if one.live is None]
    if failed:
        names = ", ".join(one.device.name for one in failed)
        message = f"not read: {names}: {failed[0].failed}"
        document["error"] = {"code": "not_read", "message": message}
    return document


def _device(made: Collected, one: Witness) -> dict[str, Any]:
    name = one.device.name
    identity = None if one.live is None else one.live.identity
    held = None if one.live is None else one.live.settings
    return {
        "name": name,
        "platform": one.device.platform,
        "source": one.source,
        "serial": identity.serial if identity else "",
        "model": identity.model if identity else "",
        "os_version": identity.os_version if identity else "",
        "content_version": identity.content_version if identity else "",
        "scope": str(identity.scope) if identity else "",
        "taken": one.taken,
        "raw_sha256": one.raw,
        "requests": [{"request": text, "sha256": digest} for text, digest in one.requests.items()],
        "kept": made.files.get(name, ""),
        "kept_sha256": made.digests.get(name, ""),
        "failed": one.failed,
        "findings": list(one.findings),
        "proof": None
        if one.proof is None
        else {
            "status": one.proof.verdict,
            "pairs": one.proof.pairs,
            "examples": len(one.proof.examples) + one.proof.more,
        },
        "unproved": one.unproved,
        "drifted": None if one.drifted is None else list(one.drifted),
        "profile_groups": []
        if held is None
        else [
            {
                "name": group,
                "profiles": [{"kind": kind} | asdict(does) for kind, does in kinds.items()],
            }
            for group, kinds in held.groups.items()
        ],
    }


def _zone(made: Collected, zone: Zone) -> dict[str, Any]:
    level = zone.security_level
    near = [one.device.name for one in made.witnesses if zone.key in one.names]
    return {
        "zone": zone.key,
        "name": zone.name,
        "kind": zone.kind,
        "level": zone.level,
        "sl_t": None if level is None else {name: getattr(level, name) for name in FOUNDATIONS},
        "networks": list(map(str, zone.networks)),
        "assets": [
            {"name": one.name, "role": one.role, "addresses": list(map(str, one.addresses))}
            for one in zone.assets
        ],
        "firewalls": near,
        "findings": [_finding(one) for one in made.findings if one.zone == zone.key],
    }


def _finding(one: Finding) -> dict[str, Any]:
    asked = one.requirement
    decided = one.decision
    return {
        "sr": asked.id,
        "title": asked.title,
        "fr": asked.level,
        "sl": asked.sl,
        "sl_t": one.asked,
        "firewall": asked.firewall,
        "check": asked.check,
        "state": one.state,
        "why": one.why,
        "gap": asked.gap,
        "disputed": asked.disputed,
        "observations": [asdict(seen) for seen in one.observations],
        "decision": None
        if decided is None
        else {
            "reason": decided.reason,
            "owner": decided.owner,
            "expires": decided.expires.isoformat(),
        },
    }


def _conduit(made: Collected, one: Conduit) -> dict[str, Any]:
    return {
        "conduit": one.key,
        "from": list(one.from_zones),
        "to": list(one.to_zones),
        "reason": one.reason,
        "owner": one.owner,
        "ticket": one.ticket,
        "mode": one.mode,
        "threat_prevention": one.threat_prevention,
        "review_by": one.review_by.isoformat() if one.review_by else None,
        "expires": one.expires.isoformat() if one.expires else None,
        "standing": standing(one, made.today),
        "flows": [_flow(flow) for flow in one.flows],
        "exceptions": [
            {
                "rule": exception.rule,
                "reason": exception.reason,
                "owner": exception.owner,
                "expires": exception.expires.isoformat(),
            }
            for exception in one.exceptions
        ],
    }


def standing(conduit: Conduit, today: date) -> str:
    """Return ``expired``, ``overdue`` for review, ``undated`` or ``current``."""
    if conduit.expired(today):
        return "expired"
    if conduit.review_by is not None and conduit.review_by < today:
        return "overdue"
    return "undated" if conduit.review_by is None and conduit.expires is None else "current"


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "flow": flow.id,
        "sources": [one.asset or str(one.network or one.zone) for one in flow.sources],
        "destinations": [one.asset or str(one.network or one.zone) for one in flow.destinations],
        "protocols": [f"{one.protocol}: {', '.join(one.classes)}" for one in flow.protocols],
        "services": list(map(str, flow.services)),
        "applications": list(flow.applications),
        "users": list(flow.users),
        "schedule": flow.schedule,
        "essential": flow.essential,
    }


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "device": one.device,
        "kind": one.kind,
        "name": one.name,
        "state": one.state,
        "first_seen": one.first_seen.isoformat(),
        "last_seen": one.last_seen.isoformat(),
        "resolved": one.resolved.isoformat() if one.resolved else None,
        "changed_by": one.changed_by,
    }


def _applied(one: Applied) -> dict[str, Any]:
    return {
        "time": one.time,
        "device": one.device,
        "outcome": one.outcome,
        "by": one.by,
        "author": one.author,
        "plan_id": one.plan_id,
        "git_commit": one.git_commit,
        "changes": one.changes,
        "conduits": list(one.conduits),
        "tickets": list(one.tickets),
    }


# --- tables --------------------------------------------------------------------------------------


def evidence_csv(document: Mapping[str, Any]) -> str:
    """Return a row for each observation; no cell is a formula to who opens it."""
    lines = [csv_line(COLUMNS)]
    devices = {one["name"]: one for one in document["devices"]}
    for zone in document["zones"]:
        site, _, name = zone["zone"].partition("/")
        for one in zone["findings"]:
            decided = one["decision"] or {"reason": "", "owner": "", "expires": ""}
            for seen in one["observations"] or [{"device": "", "observed": one["why"]}]:
                device = devices.get(seen["device"], {})
                cells = [
                    site,
                    name,
                    one["fr"].upper(),
                    one["sr"],
                    str(one["sl"]),
                    "" if one["sl_t"] is None else str(one["sl_t"]),
                    one["state"],
                    seen["device"],
                    device.get("serial", ""),
                    one["check"],
                    seen["observed"],
                    seen.get("expected", ""),
                    device.get("taken", ""),
                    device.get("raw_sha256", "") or device.get("kept_sha256", ""),
                    one["gap"],
                    decided["reason"],
                    decided["owner"],
                    decided["expires"],
                ]
                lines.append(csv_line(cells))
    return "\n".join(lines) + "\n"


def permissions_csv(document: Mapping[str, Any]) -> str:
    """Return every inbound and outbound permission with its reason, as NERC CIP-005 R1.3 asks."""
    lines = [csv_line(PERMISSIONS)]
    for one in document["conduits"]:
        if one["mode"] == "absent" or one["standing"] == "expired":
            continue
        for flow in one["flows"]:
            cells = [
                ", ".join(one["from"]),
                ", ".join(one["to"]),
                one["conduit"],
                flow["flow"],
                ", ".join(flow["sources"]) or "all of the zones",
                ", ".join(flow["destinations"]) or "all of the zones",
                "; ".join(flow["protocols"]),
                ", ".join(flow["services"]),
                ", ".join(flow["applications"]),
                ", ".join(flow["users"]),
                flow["schedule"],
                "yes" if flow["essential"] else "no",
                one["reason"],
                one["owner"],
                one["ticket"],
                one["review_by"] or "",
                one["expires"] or "",
                one["mode"],
            ]
            lines.append(csv_line(cells))
    return "\n".join(lines) + "\n"


# --- text ----------------------------------------------------------------------------------------

WORDS: Final[Mapping[str, str]] = {
    "satisfied": "satisfied",
    "not_satisfied": "not satisfied",
    "not_evidenced": "not evidenced",
    "compensated": "compensated",
    "excepted": "excepted",
    "not_applicable": "not applicable",
}
_STYLES: Final = {"satisfied": "green", "not_satisfied": "bold red", "not_evidenced": "yellow"}


def evidence_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document of evidence: what is wrong in full, the rest in sums."""
    for zone in document["zones"]:
        totals = Counter(one["state"] for one in zone["findings"])
        parts = [f"{totals[state]} {word}" for state, word in WORDS.items() if totals[state]]
        yield Line(lead=f"{zone['zone']}  ", text=", ".join(parts), lead_style="bold")
        for one in zone["findings"]:
            if one["state"] == "not_satisfied":
                lead = f"  {one['sr']} {one['title']}: "
                yield Line(lead=lead, text=one["why"], style="bold red")
    yield Line()
    for device in document["devices"]:
        if device["failed"]:
            text = f"not read: {device['failed']}"
            yield Line(lead=f"{device['name']}  ", text=text, style="bold red")
    for note in document["notes"]:
        yield Line(lead="note: ", text=note, style="yellow")
    totals_of = document["summary"]
    parts = [f"{totals_of[state]} {word}" for state, word in WORDS.items() if totals_of[state]]
    zones = counted(len(document["zones"]), "zone")
    yield Line(text=f"{zones}: {', '.join(parts)}", style="bold")
    yield Line(text=document["disclaimer"], style="dim")
