"""What policy tests found, as a part of the document of checks and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.analysis.space import REAL, host_of, service_text
from segctl.fleet import Failure
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.query import pair_json, row_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.analysis.space import Space
    from segctl.fleet.permits import Permits, PolicyResult

_WORDS = {
    "as_expected": "holds",
    "otherwise": "does not hold",
    "cannot_tell": "cannot tell whether it holds",
    "error": "not answered",
}


def policy_json(result: PolicyResult) -> dict[str, Any]:
    """Return what a policy test found: the pairs of zones between which more passes."""
    test = result.test
    pairs = [_pair(found) for found in result.found]
    broken = [pair for pair in pairs if pair["answer"] != "as_expected"]
    answers = {pair["answer"] for pair in pairs}
    order = ("error", "otherwise", "cannot_tell")
    return {
        "status": next((one for one in order if one in answers), "as_expected"),
        "file": test.declared.file,
        "line": test.declared.line,
        "name": test.name,
        "from": str(test.source),
        "to": str(test.destination),
        "permits": list(test.permits),
        "of": list(test.of),
        "tested": len(pairs),
        "pairs": broken,
    }


def _pair(found: Permits) -> dict[str, Any]:
    document = pair_json(found)
    sure, can = found.passes.sure & REAL, found.passes.can & REAL
    if any(isinstance(rows, Failure) for rows in found.legs.values()):
        answer = "error"
    elif sure:
        answer = "otherwise"
    else:
        answer = "cannot_tell" if can else "as_expected"
    rows = [row for row in document["rows"] if row["end_to_end"] != "no"]
    return {
        "answer": answer,
        "from_zone": document["from_zone"],
        "to_zone": document["to_zone"],
        "example": _example(sure or can) if rows else None,
        "rows": rows,
        "errors": document["errors"],
        "not_asked": document["not_asked"],
    }


def _example(space: Space) -> dict[str, Any] | None:
    if not space:
        return None
    point = space.example()
    return {
        "source": str(host_of(point.source)),
        "destination": str(host_of(point.destination)),
        "service": service_text(point.service),
        "application": point.application,
        "user": point.user,
    }


def policy_text(policy: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of one policy test."""
    where = f"{policy['file']}:{policy['line']}: " if policy["file"] else ""
    said = policy["name"] or f"{policy['from']} → {policy['to']}"
    what = f" of {', '.join(policy['of'])}" if policy["of"] else ""
    permits = ", ".join(policy["permits"]) or "nothing"
    lead = f"{where}{said}"
    yield Line(lead=lead, text=f"  (permits{what}: {permits})", lead_style="bold")
    good = policy["status"] == "as_expected"
    text = f"{_WORDS[policy['status']]}, {counted(policy['tested'], 'pair')} of zones"
    yield Line(lead="  ", text=text, style="green" if good else "bold red")
    for pair in policy["pairs"]:
        yield Line(lead="  ", text=f"{pair['from_zone']} → {pair['to_zone']}", style="bold")
        if (one := pair["example"]) is not None:
            lead = "  example        " if pair["answer"] == "otherwise" else "  perhaps        "
            spoken = f" {one['application']}" if one["application"] else ""
            by = f" by {one['user']}" if one["user"] else ""
            shown = f"{one['source']} → {one['destination']} {one['service']}{spoken}{by}"
            yield Line(lead=lead, text=shown)
        for row in pair["rows"]:
            yield from row_text(row)
        for error in pair["errors"]:
            text = f"{error['firewall']}: ! {error['code']}: {error['message']}"
            yield Line(lead="  ", text=text, style="bold red")
        if pair["not_asked"]:
            text = f"{', '.join(pair['not_asked'])} (left out by -l)"
            yield Line(lead="  not asked: ", text=text, style="yellow")
