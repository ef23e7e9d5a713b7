"""What devices answer to checks, as a document and as lines of text."""

from __future__ import annotations

from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any

from segctl.analysis.answer import Answer
from segctl.analysis.extents import joined, names_text, service_list, time_list
from segctl.fleet import Failure
from segctl.model.errors import problem_json
from segctl.model.icmp import TYPES
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.policies import policy_json, policy_text
from segctl.report.present import MAY_CHANGE, held_json, held_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.analysis.answer import Example
    from segctl.analysis.present import Present
    from segctl.analysis.query import Question
    from segctl.analysis.verdict import Open, Verdict
    from segctl.fleet.permits import PolicyResult
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
    verdicts: Sequence[Verdict | None],
    expecting: bool,
    declared: bool,
    offline: bool = False,
    policies: Sequence[PolicyResult] = (),
) -> dict[str, Any]:
    """Return the document of answers.

    Args:
        questions: what was asked.
        results: answers by device, in the order of those of the questions that it can answer.
        verdicts: what becomes of each flow end to end, None where that cannot be told.
        expecting: whether the answers are held against what the checks expect.
        declared: whether they are of the inventory rather than of devices.
        offline: whether they are of snapshots.
        policies: what policy tests found.
    """
    answers = {
        name: repeat(found) if isinstance(found, Failure) else iter(found.answers)
        for name, found in results.items()
    }
    checks: list[dict[str, Any]] = []
    for question, verdict in zip(questions, verdicts, strict=True):
        given = {name: next(own) for name, own in answers.items() if name in question.devices}
        checks.append(_check_json(question, given, verdict, expecting=expecting))
    tests = [policy_json(one) for one in policies]
    states = Counter(one["status"] for one in (*checks, *tests))
    document: dict[str, Any] = {
        "format_version": "1.0",
        "declared": declared,
        "offline": offline,
        "checks": checks,
        "policies": tests,
        "devices": [_device_json(name, found) for name, found in results.items()],
        "summary": {state: states[state] for state in _STATES},
    }
    return document | _error(document)


def _error(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the exit status is 1, if it is: first that something could not be told."""
    rows = [row for check in document["checks"] for row in check["devices"]]
    failed = [row["error"] for row in rows if "error" in row]
    pairs = [pair for policy in document["policies"] for pair in policy["pairs"]]
    failed += [error for pair in pairs for error in pair["errors"]]
    if failed:
        return {"error": {name: failed[0][name] for name in ("code", "message")}}
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
        return {"name": name, "digest": "", "findings": [], "error": _failure_json(found)}
    findings = [problem_json(one) for one in found.findings]
    pair = {"answered": found.answered} if found.answered else {}
    return {"name": name, **pair, "digest": found.digest, "findings": findings}


def _check_json(
    question: Question,
    given: Mapping[str, Answered | Failure],
    verdict: Verdict | None,
    *,
    expecting: bool,
) -> dict[str, Any]:
    check = question.check
    rows = [_row(name, found) for name, found in given.items()]
    expected = ("allow" if check.allow else "deny") if expecting else None
    whole = _end_to_end(verdict, rows)
    left_out = question.devices - given.keys()
    sure = not expecting and left_out  # each firewall answers for itself where -l leaves some out
    answers = {row["answer"] for row in (rows if sure else (*rows, whole))}
    if "error" in answers:
        status = "error"
    elif expected is None:
        status = UNKNOWN if UNKNOWN in answers else "answered"
    elif answers == {expected}:
        status = "as_expected"
    else:
        refuted = any(row[_REFUTES[expected]] for row in (*rows, whole))
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
        "icmp_type": check.icmp_type,
        "application": check.application,
        "user": check.user,
        "expect": expected,
        "devices": rows,
        "end_to_end": whole,
        "not_asked": sorted(left_out),
    }


def _end_to_end(verdict: Verdict | None, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what becomes of the flow on its whole way, and on what that depends."""
    if verdict is None:
        unknown = Answer(why=("the paths fall into too many pieces",))
        return _answer(unknown) | {"answer": UNKNOWN, "depends_on": [], "present": None}
    users = sorted({one["user"] for row in rows for one in row.get("users", ())})
    depends = [{"field": one.field, "allowed": _allowed(one)} for one in verdict.open]
    if users:
        depends.append({"field": "user", "allowed": users})
    now = None if verdict.present is None else _answer(verdict.present)
    return _answer(verdict.answer) | {"depends_on": depends, "present": now}


def _allowed(one: Open) -> list[str]:
    if one.field == "time":
        return time_list(one.numbers)
    if one.names is None:
        return service_list(one.numbers)
    if one.names.but:
        return [names_text(one.names, "not identified")]
    return [name or "not identified" for name in sorted(one.names.listed)]


def _row(name: str, found: Answered | Failure) -> dict[str, Any]:
    if isinstance(found, Failure):
        return {"name": name, "answer": "error", "error": _failure_json(found)}
    users = [{"user": user} | _answer(one) for user, one in found.users.items()]
    notes = [note for one in found.passages.values() for note in one.notes]
    return (
        {"name": name}
        | _answer(found.answer)
        | {"users": users, "notes": list(dict.fromkeys(notes))}
        | {"present": _present(found.present)}
    )


def _present(present: Present | None) -> dict[str, Any] | None:
    """Return what becomes of a flow by what objects hold now, None where it depends on none."""
    if present is None:
        return None
    answer = present.answer or Answer(why=tuple(f"{one.name}: not read" for one in present.objects))
    found = _answer(answer)
    if present.answer is None:
        found["answer"] = UNKNOWN
    return found | {"objects": [held_json(one) for one in present.objects]}


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "answer": answer.verdict.replace(" ", "_"),
        "allowed": _example(answer.allowed),
        "denied": _example(answer.denied),
        "cannot_tell": _example(answer.unknown),
        "why": list(answer.why),
    }


def _example(example: Example | None) -> dict[str, Any] | None:
    if example is None:
        return None
    return {
        "source": str(example.source),
        "destination": str(example.destination),
        "protocol": example.protocol,
        "port": example.port if example.port or example.protocol in TYPES else None,
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
        if "answered" in device:
            yield Line(
                lead=f"{device['name']}: ", text=f"{device['answered']} answers", style="dim"
            )
        for finding in device["findings"]:
            hint = f" — {finding['hint']}" if finding["hint"] else ""
            text = f"{device['name']}: {finding['message']}{hint}"
            yield Line(lead=f"! {finding['severity']}: ", text=text, style="yellow")
    for check in document["checks"]:
        yield from check_text_of(check)
        yield Line()
    for policy in document["policies"]:
        yield from policy_text(policy)
        yield Line()
    yield Line(text=total_text(document), style="bold")


def total_text(document: Mapping[str, Any]) -> str:
    """Say how many questions were answered how, and by what."""
    totals = document["summary"]
    parts = [f"{totals[state]} {word}" for state, word in _TOTALS.items() if totals[state]]
    of = "as declared, no device was asked" if document["declared"] else ""
    of = "from snapshots" if document["offline"] else of
    return ", ".join(parts) + (f" ({of})" if of else "")


def check_text_of(check: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of one question and its answers."""
    narrowed = check["port"] or check["icmp_type"]
    what = check["protocol"] + (f"/{narrowed}" if narrowed else "")
    what += f" {check['application']}" if check["application"] else ""
    what += f" by {check['user']}" if check["user"] else ""
    where = f"{check['file']}:{check['line']}: " if check["file"] else ""
    zones = f"  ({check['from_zone']} → {check['to_zone']})"
    lead = f"{where}{check['from']} → {check['to']} {what}"
    yield Line(lead=lead, text=zones, lead_style="bold")
    for row in check["devices"]:
        yield from _row_text(row, check["expect"])
    yield from _whole_text(check)
    if check["not_asked"]:
        names = ", ".join(check["not_asked"])
        yield Line(lead="  not asked: ", text=f"{names} (left out by -l)", style="yellow")


_FIELDS = {
    "port": "on port",
    "icmp": "of type",
    "application": "as",
    "time": "at",
    "user": "for user",
}


def _whole_text(check: Mapping[str, Any]) -> Iterator[Line]:
    """Yield what becomes of the flow on its way, where that says more than the firewalls do."""
    whole, rows = check["end_to_end"], check["devices"]
    if len(rows) + len(check["not_asked"]) > 1:
        text = _WORDS[whole["answer"]]
        yield Line(lead="  end to end  ", text=text, style="bold")
        if whole["answer"] not in {row["answer"] for row in rows}:
            yield from _examples(whole)
        if (now := whole["present"]) is not None and now["answer"] != UNKNOWN:
            text = f"{_WORDS[now['answer']]} {MAY_CHANGE}"
            yield Line(lead="    now      ", text=text, style="yellow")
    for one in whole["depends_on"]:
        # the port follows from the application, and users are listed with each firewall
        if one["field"] != "user" and not (one["field"] == "port" and check["application"]):
            field = (
                "icmp" if check["protocol"] in TYPES and one["field"] == "port" else one["field"]
            )
            text = f"{_FIELDS[field]} {joined(one['allowed'])}"
            yield Line(lead="    only      ", text=text, style="yellow")


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
    yield from _now(row["present"])
    for note in row["notes"]:
        yield Line(lead="    but      ", text=note, style="yellow")
    for one in row["users"]:
        text = f"{one['user']}: {_WORDS[one['answer']]}"
        yield Line(lead="    for user ", text=text, style="yellow")
        yield from _examples(one, indent=6)


def _now(present: Mapping[str, Any] | None) -> Iterator[Line]:
    """Yield what becomes of a flow by what objects hold now, and these."""
    if present is None:
        return
    if present["answer"] != UNKNOWN:
        text = f"{_WORDS[present['answer']]} {MAY_CHANGE}"
        yield Line(lead="    now      ", text=text, style="yellow")
        shown = {kind: present[kind] for kind in ("allowed", "denied", UNKNOWN)}
        yield from _examples({**shown, "why": ()}, indent=6)
    yield from held_lines(present["objects"], "    holds    ")


def _examples(row: Mapping[str, Any], indent: int = 4) -> Iterator[Line]:
    for kind in ("allowed", "denied", UNKNOWN):
        if (one := row[kind]) is not None:
            port = "" if one["port"] is None else f"/{one['port']}"
            spoken = f" {one['application']}" if one["application"] else ""
            text = f"{one['source']} → {one['destination']} {one['protocol']}{port}{spoken}"
            by = f"by {one['rule']}" if one["rule"] else ""
            by = f"perhaps {by}" if by and kind == UNKNOWN else by
            lead = f"{' ' * indent}{_SAID.get(kind, kind):<9}"
            yield Line(lead=lead, text=f"{text} {by}", style="dim")
    for why in row["why"]:
        yield Line(lead=f"{' ' * indent}{'because':<9}", text=why, style="yellow")
