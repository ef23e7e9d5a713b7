"""What devices answer to checks, as a document and as lines of text."""

from __future__ import annotations

from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any

from segctl.fleet import Failure
from segctl.model.errors import problem_json
from segctl.report.labels import counted
from segctl.report.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.analysis.answer import Answer, Example
    from segctl.analysis.query import Question
    from segctl.fleet.queries import Answered, Checked

#: Why a check that is answered otherwise than expected makes the exit status 1.
FAILED = "check_failed"
#: Why one makes it 1 of which nobody can tell whether it is.
UNKNOWN = "cannot_tell"
#: The example that shows an expectation to be wrong.
_REFUTES = {"allow": "denied", "deny": "allowed"}
_STATES = ("as_expected", "answered", "otherwise", "cannot_tell", "error")


def check_json(
    questions: Sequence[Question],
    results: Mapping[str, Checked | Failure],
    *,
    expecting: bool,
    declared: bool,
) -> dict[str, Any]:
    """Return the document of answers.

    Args:
        questions: what was asked.
        results: answers by device, in the order of those of the questions that it can answer.
        expecting: whether the answers are held against what the checks expect.
        declared: whether they are of the inventory rather than of devices.
    """
    answers = {
        name: repeat(found) if isinstance(found, Failure) else iter(found.answers)
        for name, found in results.items()
    }
    checks: list[dict[str, Any]] = []
    for question in questions:
        given = {name: next(own) for name, own in answers.items() if name in question.devices}
        checks.append(_check_json(question, given, expecting=expecting))
    states = Counter(check["status"] for check in checks)
    document: dict[str, Any] = {
        "format_version": "1.0",
        "declared": declared,
        "checks": checks,
        "devices": [_device_json(name, found) for name, found in results.items()],
        "summary": {state: states[state] for state in _STATES},
    }
    return document | _error(document)


def _error(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the exit status is 1, if it is: first that something could not be told."""
    rows = [row for check in document["checks"] for row in check["devices"]]
    failed = next((row["error"] for row in rows if "error" in row), None)
    if failed is not None:
        return {"error": failed}
    otherwise, unknown = (document["summary"][state] for state in ("otherwise", UNKNOWN))
    if otherwise:
        message = f"{counted(otherwise, 'check')} answered otherwise than expected"
        return {"error": {"code": FAILED, "message": message}}
    if unknown:
        message = f"of {counted(unknown, 'check')} it cannot be told what the firewalls permit"
        return {"error": {"code": UNKNOWN, "message": message}}
    return {}


def _device_json(name: str, found: Checked | Failure) -> dict[str, Any]:
    if isinstance(found, Failure):
        return {"name": name, "findings": [], "error": _failure_json(found)}
    return {"name": name, "findings": [problem_json(one) for one in found.findings]}


def _check_json(
    question: Question, given: Mapping[str, Answered | Failure], *, expecting: bool
) -> dict[str, Any]:
    check = question.check
    rows = [_row(name, found, question) for name, found in given.items()]
    expected = ("allow" if check.allow else "deny") if expecting else None
    answers = {row["answer"] for row in rows}
    if "error" in answers:
        status = "error"
    elif expected is None:
        status = UNKNOWN if UNKNOWN in answers else "answered"
    elif answers == {expected}:
        status = "as_expected"
    else:
        refuted = any(row[_REFUTES[expected]] for row in rows)
        status = "otherwise" if refuted else UNKNOWN
    return {
        "status": status,
        "file": check.declared.file,
        "line": check.declared.line,
        "from": check.source,
        "to": check.destination,
        "from_zone": question.source.zone,
        "to_zone": question.destination.zone,
        "protocol": check.protocol,
        "port": check.port or None,
        "application": check.application,
        "user": check.user,
        "expect": expected,
        "devices": rows,
        "not_asked": sorted(question.devices - given.keys()),
    }


def _row(name: str, found: Answered | Failure, question: Question) -> dict[str, Any]:
    if isinstance(found, Failure):
        return {"name": name, "answer": "error", "error": _failure_json(found)}
    users = [{"user": user} | _answer(one, question) for user, one in found.users.items()]
    return {"name": name} | _answer(found.answer, question) | {"users": users}


def _answer(answer: Answer, question: Question) -> dict[str, Any]:
    return {
        "answer": answer.verdict.replace(" ", "_"),
        "allowed": _example(answer.allowed, question),
        "denied": _example(answer.denied, question),
        "cannot_tell": _example(answer.unknown, question),
        "why": list(answer.why),
    }


def _example(example: Example | None, question: Question) -> dict[str, Any] | None:
    if example is None:
        return None
    return {
        "source": str(example.source),
        "destination": str(example.destination),
        "protocol": question.check.protocol,
        "port": example.port or None,
        "application": example.application,
        "rule": example.rule,
    }


def _failure_json(failure: Failure) -> dict[str, str]:
    return {"code": failure.code, "message": failure.message}


# --- text ----------------------------------------------------------------------------------------

_WORDS = {
    "allow": "allowed",
    "deny": "denied",
    "partly": "partly allowed",
    UNKNOWN: "cannot tell",
    "error": "not answered",
}
_TOTALS = {
    "as_expected": "as expected",
    "answered": "answered",
    "otherwise": "otherwise than expected",
    UNKNOWN: "cannot tell",
    "error": "not answered",
}


#: How an example's kind is written, where not as it is called.
_SAID = {UNKNOWN: "unknown"}


def check_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a document of answers."""
    for device in document["devices"]:
        for finding in device["findings"]:
            hint = f" — {finding['hint']}" if finding["hint"] else ""
            text = f"{device['name']}: {finding['message']}{hint}"
            yield Line(lead=f"! {finding['severity']}: ", text=text, style="yellow")
    for check in document["checks"]:
        yield from _check_text(check)
        yield Line()
    totals = document["summary"]
    parts = [f"{totals[state]} {word}" for state, word in _TOTALS.items() if totals[state]]
    of = "as declared, no device was asked" if document["declared"] else ""
    yield Line(text=", ".join(parts) + (f" ({of})" if of else ""), style="bold")


def _check_text(check: Mapping[str, Any]) -> Iterator[Line]:
    what = check["protocol"] + (f"/{check['port']}" if check["port"] else "")
    what += f" {check['application']}" if check["application"] else ""
    what += f" by {check['user']}" if check["user"] else ""
    where = f"{check['file']}:{check['line']}: " if check["file"] else ""
    zones = f"  ({check['from_zone']} → {check['to_zone']})"
    lead = f"{where}{check['from']} → {check['to']} {what}"
    yield Line(lead=lead, text=zones, lead_style="bold")
    for row in check["devices"]:
        yield from _row_text(row, check["expect"])
    if check["not_asked"]:
        names = ", ".join(check["not_asked"])
        yield Line(lead="  not asked: ", text=f"{names} (left out by -l)", style="yellow")


def _row_text(row: Mapping[str, Any], expected: str | None) -> Iterator[Line]:
    if row["answer"] == "error":
        error = row["error"]
        text = f"! {error['code']}: {error['message']}"
        yield Line(lead=f"  {row['name']}  ", text=text, style="bold red")
        return
    fits = expected in {None, row["answer"]}
    text = _WORDS[row["answer"]]
    if expected is not None:
        text += ", as expected" if fits else f", expected {_WORDS[expected]}"
    style = "" if expected is None else "green" if fits else "bold red"
    yield Line(lead=f"  {row['name']}  ", text=text, style=style)
    yield from _examples(row)
    for one in row["users"]:
        text = f"{one['user']}: {_WORDS[one['answer']]}"
        yield Line(lead="    for user ", text=text, style="yellow")
        yield from _examples(one, indent=6)


def _examples(row: Mapping[str, Any], indent: int = 4) -> Iterator[Line]:
    for kind in ("allowed", "denied", UNKNOWN):
        if (one := row[kind]) is not None:
            port = f"/{one['port']}" if one["port"] else ""
            spoken = f" {one['application']}" if one["application"] else ""
            text = f"{one['source']} → {one['destination']} {one['protocol']}{port}{spoken}"
            by = f"by {one['rule']}" if kind != UNKNOWN else f"perhaps by {one['rule']}"
            lead = f"{' ' * indent}{_SAID.get(kind, kind):<9}"
            yield Line(lead=lead, text=f"{text} {by}", style="dim")
    for why in row["why"]:
        yield Line(lead=f"{' ' * indent}{'because':<9}", text=why, style="yellow")
