"""Evidence as assessment results of OSCAL 1.2, the same for the same evidence.

Sources: NIST's schema of OSCAL 1.2.1 (assessment-results; `status.state` knows only ``satisfied``
and ``not-satisfied``; tokens have no blanks; empty arrays are invalid; times need an offset), and
what compliance-trestle 5.2 accepts.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from segctl.evidence.requirements import requirements
from segctl.report.evidence import WORDS
from segctl.system.inert import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OSCAL_VERSION: Final = "1.2.1"
_NS: Final = "urn:segctl:evidence"
_SPACE: Final = uuid5(NAMESPACE_URL, _NS)
#: States that OSCAL does not know become risks, with these statuses.
_RISKS: Final = {"compensated": "deviation-approved", "excepted": "deviation-approved"}
#: Results that need not be met.
_LEFT_OUT: Final = "not_applicable"


def oscal_json(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return assessment results made of a document of evidence."""
    tokens = {one.id: one.token for one in requirements()}
    made = document["provenance"]
    digest = hashlib.sha256(json_text(document).encode()).hexdigest()
    catalogue = _uuid("catalogue", made["segctl_version"])
    return {
        "assessment-results": {
            "uuid": _uuid("document", digest),
            "metadata": {
                "title": "What firewalls show of IEC 62443-3-3",
                "last-modified": made["date"],
                "version": digest[:12],
                "oscal-version": OSCAL_VERSION,
                "remarks": document["disclaimer"],
            },
            "import-ap": {"href": f"#{catalogue}"},
            "results": [_result(document, tokens)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": catalogue,
                        "title": "The checks of segctl",
                        "description": "What is judged, in segctl's own words: docs/evidence.md "
                        f"of segctl {made['segctl_version']}",
                    }
                ]
            },
        }
    }


def _result(document: Mapping[str, Any], tokens: Mapping[str, str]) -> dict[str, Any]:
    devices = {one["name"]: one for one in document["devices"]}
    judged = [
        (zone["zone"], one)
        for zone in document["zones"]
        for one in zone["findings"]
        if one["state"] != _LEFT_OUT
    ]
    controls = dict.fromkeys(tokens[one["sr"]] for _, one in judged)
    observations = [
        row for zone, one in judged for row in _observations(zone, one, devices, document)
    ]
    risks = [_risk(zone, one, tokens) for zone, one in judged if one["state"] in _RISKS]
    taken = sorted(one["taken"] for one in devices.values() if one["taken"])
    result: dict[str, Any] = {
        "uuid": _uuid("result", document["provenance"]["digest"], *taken),
        "title": "Zones of the inventory as their firewalls show them",
        "description": document["disclaimer"],
        "start": taken[0] if taken else document["provenance"]["date"],
        "end": document["provenance"]["date"],
        "reviewed-controls": {"control-selections": [_selection(list(controls))]},
        "observations": observations,
        "risks": risks,
        "findings": [_finding(zone, one, tokens) for zone, one in judged],
    }
    return {key: value for key, value in result.items() if value != []}


def _selection(controls: list[str]) -> dict[str, Any]:
    if not controls:
        return {"description": "no requirement applies"}
    return {"include-controls": [{"control-id": one} for one in controls]}


def _observations(
    zone: str,
    one: Mapping[str, Any],
    devices: Mapping[str, Mapping[str, Any]],
    document: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    for seen in one["observations"]:
        device = devices[seen["device"]]
        facts = {
            "device": seen["device"],
            "zone": zone,
            "serial": device["serial"],
            "version": device["os_version"],
            "source": device["source"],
            "raw-sha256": device["raw_sha256"],
            "kept-sha256": device["kept_sha256"],
        }
        row: dict[str, Any] = {
            "uuid": _observation(zone, one["sr"], seen["device"]),
            "title": _line(f"{one['sr']} in {zone} at {seen['device']}"),
            "description": _line(seen["observed"] or "nothing"),
            "methods": ["EXAMINE"],
            "collected": device["taken"] or document["provenance"]["date"],
            "props": _props(facts),
        }
        if device["kept"]:
            text = "What was kept of the device's answers, without secrets"
            row["relevant-evidence"] = [{"href": device["kept"], "description": text}]
        yield row


def _finding(zone: str, one: Mapping[str, Any], tokens: Mapping[str, str]) -> dict[str, Any]:
    state = one["state"]
    status: dict[str, Any] = {"state": "satisfied" if state == "satisfied" else "not-satisfied"}
    if state != "satisfied":
        status["reason"] = "fail" if state == "not_satisfied" else "other"
        status["remarks"] = _line(f"{WORDS[state]}: {one['why']}")
    gap = f" What stays open: {one['gap']}." if one["gap"] else ""
    row: dict[str, Any] = {
        "uuid": _uuid("finding", zone, one["sr"]),
        "title": _line(f"{one['sr']} {one['title']}, in {zone}"),
        "description": _line(f"{WORDS[state]}: {one['why']}.{gap}"),
        "props": _props({"zone": zone, "state": state.replace("_", "-")}),
        "target": {"type": "objective-id", "target-id": tokens[one["sr"]], "status": status},
    }
    related = [
        {"observation-uuid": _observation(zone, one["sr"], seen["device"])}
        for seen in one["observations"]
    ]
    if related:
        row["related-observations"] = related
    if state in _RISKS:
        row["related-risks"] = [{"risk-uuid": _uuid("risk", zone, one["sr"])}]
    return row


def _risk(zone: str, one: Mapping[str, Any], tokens: Mapping[str, str]) -> dict[str, Any]:
    decided = one["decision"]
    text = _line(f"{WORDS[one['state']]}: {decided['reason']} ({decided['owner']})")
    return {
        "uuid": _uuid("risk", zone, one["sr"]),
        "title": _line(f"{one['sr']} in {zone}: {WORDS[one['state']]}"),
        "description": text,
        "statement": _line(one["why"]),
        "props": _props({"control": tokens[one["sr"]], "zone": zone}),
        "status": _RISKS[one["state"]],
        "mitigating-factors": [{"uuid": _uuid("factor", zone, one["sr"]), "description": text}],
        "deadline": f"{decided['expires']}T23:59:59+00:00",
    }


def _props(facts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "ns": _NS, "value": _line(text)} for name, text in facts.items() if text]


def _line(text: str) -> str:
    """Return a text on one line without blanks at its ends, as OSCAL wants it."""
    return printable(text).strip() or "-"


def _observation(zone: str, requirement: str, device: str) -> str:
    return _uuid("observation", zone, requirement, device)


def _uuid(*words: str) -> str:
    """Return the same identifier for the same words."""
    return str(uuid5(_SPACE, "\x1f".join(words)))
