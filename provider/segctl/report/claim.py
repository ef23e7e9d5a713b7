"""Whether a claim about policies holds, as a document and as lines of text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from segctl.fleet import Failure
from segctl.report.labels import counted
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.analysis.verbs import Relation
    from segctl.fleet.legs import Leg
    from segctl.fleet.relations import Claim, Related

_WORDS = {"yes": "holds", "no": "does not hold", "cannot_tell": "cannot tell whether it holds"}


def claim_json(
    claim: Claim,
    devices: Mapping[str, Related | Failure],
    legs: Mapping[str, Sequence[Leg]],
) -> dict[str, Any]:
    """Return the document of a claim: where it does not hold, or nobody can tell."""
    found: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    for name, one in devices.items():
        if isinstance(one, Failure):
            told.append({"name": name, "error": _failure(one)})
            continue
        told.append({"name": name})
        found += [
            _row(name, leg, relation) for leg, relation in zip(legs[name], one.legs, strict=True)
        ]
    states = Counter(row["holds"] for row in found)
    failed = [one["error"] for one in told if "error" in one]
    holds = "no" if states["no"] else "cannot_tell" if states["cannot_tell"] or failed else "yes"
    document: dict[str, Any] = {
        "format_version": "1.0",
        "claim": str(claim),
        "left": claim.left,
        "verb": claim.verb,
        "right": claim.right,
        "holds": holds,
        "asked": len(found),
        "exceptions": [row for row in found if row["holds"] != "yes"],
        "devices": told,
    }
    if holds == "no":
        message = f"{claim}: does not hold at {counted(states['no'], 'place')}"
        document["error"] = {"code": "check_failed", "message": message}
    elif failed:
        document["error"] = failed[0]
    elif holds == "cannot_tell":
        message = f"{claim}: cannot be told at {counted(states['cannot_tell'], 'place')}"
        document["error"] = {"code": "cannot_tell", "message": message}
    return document


def _row(device: str, leg: Leg, relation: Relation | Failure) -> dict[str, Any]:
    place = {"firewall": device, "from_zone": leg.hop.enter, "to_zone": leg.hop.leave}
    if isinstance(relation, Failure):
        why = [relation.message]
        return place | {"holds": "cannot_tell", "example": None, "rules": ["", ""], "why": why}
    return place | {
        "holds": relation.holds,
        "example": None if relation.example is None else str(relation.example),
        "rules": list(relation.rules),
        "why": list(relation.why),
    }


def _failure(failure: Failure) -> dict[str, str]:
    return {"code": failure.code, "message": failure.message}


def claim_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a claim."""
    for row in document["exceptions"]:
        lead = f"{row['firewall']}  {row['from_zone']} → {row['to_zone']}  "
        style = "bold red" if row["holds"] == "no" else "yellow"
        yield Line(lead=lead, text=_WORDS[row["holds"]], style=style)
        if row["example"]:
            yield Line(lead="  example  ", text=row["example"])
        for side, rule in zip((document["left"], document["right"]), row["rules"], strict=True):
            if rule and side:
                yield Line(lead=f"    {side}: ", text=f"decided by {rule}", style="dim")
        for why in row["why"]:
            yield Line(lead="  because  ", text=why, style="yellow")
    for device in document["devices"]:
        if "error" in device:
            text = f"! {device['error']['code']}: {device['error']['message']}"
            yield Line(lead=f"{device['name']}  ", text=text, style="bold red")
    text = f"{document['claim']}: {_WORDS[document['holds']]}"
    yield Line(text=f"{text} ({counted(document['asked'], 'place')} asked)", style="bold")
