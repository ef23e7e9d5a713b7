"""What lint found, as a document, as lines of text, and as a report with its places."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from segctl.analysis.space import host_of, service_text
from segctl.fleet import Failure
from segctl.model.errors import Problem, problem_json
from segctl.report.document import Check, Report, Suite, remark_of
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.plan_report import UNREADABLE
from segctl.report.present import MAY_CHANGE, held_json, held_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.finding import Doubt, Finding, Lint, Now
    from segctl.analysis.space import Point
    from segctl.fleet.lint import Linted
    from segctl.report.document import Places
    from segctl.report.provenance import Provenance

#: Why findings make the exit status 1, and why it is 1 where not everything could be looked at.
FOUND, UNKNOWN = "lint_found", "cannot_tell"
_STYLES = {"error": "bold red", "warning": "yellow", "note": "dim"}
_TITLES = {
    "shadowed": "shadowed",
    "redundant": "redundant",
    "generalised": "generalises",
    "correlated": "correlated",
    "never_matches": "never matches",
    "application_port": "application and port",
    "permits_everything": "permits everything",
    "unused_object": "unused",
    "indirect_reach": "indirect",
}
_MAY = {
    "unknown_words": "words that only the device understands",
    "too_complex": "too complex",
    "shadowed": "may be without effect",
}


def lint_json(
    results: Mapping[str, Linted | Failure], between: Iterable[Finding], *, source: str
) -> dict[str, Any]:
    """Return the document of what was found.

    Args:
        results: by device, what was found or why nothing was.
        between: what was found between zones, by way of several firewalls.
        source: what was linted: ``live``, ``snapshot`` or ``declared``.
    """
    devices = [_device(name, found) for name, found in results.items()]
    reached = [_finding(one) for one in between]
    rows = [row for device in devices for row in device["findings"]] + reached
    severities = Counter(row["severity"] for row in rows)
    doubts = Counter(doubt["kind"] for device in devices for doubt in device["cannot_tell"])
    document: dict[str, Any] = {
        "format_version": "1.1",
        "source": source,
        "devices": devices,
        "between_zones": reached,
        "summary": {
            "error": severities["error"],
            "warning": severities["warning"],
            "note": severities["note"],
            "cannot_tell": doubts.total(),
            "too_complex": doubts["too_complex"],
            "by_kind": dict(sorted(Counter(row["kind"] for row in rows).items())),
        },
    }
    return document | _error(document)


def _error(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return why the exit status is 1, if it is."""
    failed = next((one["error"] for one in document["devices"] if "error" in one), None)
    if failed is not None:
        return {"error": failed}
    summary = document["summary"]
    worth = summary["error"] + summary["warning"]
    if worth:
        return {"error": {"code": FOUND, "message": f"lint found {counted(worth, 'thing')}"}}
    if summary["too_complex"]:
        message = f"{counted(summary['too_complex'], 'part')} too complex to lint"
        return {"error": {"code": UNKNOWN, "message": message}}
    return {}


def _device(name: str, found: Linted | Failure) -> dict[str, Any]:
    empty: dict[str, Any] = {"findings": [], "cannot_tell": [], "device_findings": []}
    if isinstance(found, Failure):
        error = {"code": found.code, "message": found.message}
        return {"name": name, "rules": 0, "chains": 0} | empty | {"error": error}
    said = [problem_json(one) for one in found.findings]
    return {"name": name} | policy_json(found.lint) | {"device_findings": said}


def policy_json(found: Lint) -> dict[str, Any]:
    """Return what was found in one policy, as part of a document."""
    return {
        "rules": found.rules,
        "chains": found.chains,
        "findings": [_finding(one) for one in found.findings],
        "cannot_tell": [_doubt(one) for one in found.doubts],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "severity": one.severity,
        "subject": one.subject,
        "message": one.message,
        "others": list(one.others),
        "from_zone": one.zones[0],
        "to_zone": one.zones[1],
        "example": None if one.example is None else _example(one.example),
        "conduit": one.conduit,
        "flow": one.flow,
    }


def _example(point: Point) -> dict[str, Any]:
    return {
        "source": str(host_of(point.source)),
        "destination": str(host_of(point.destination)),
        "service": service_text(point.service),
        "application": point.application,
        "user": point.user,
        "time": point.when,
    }


def _doubt(one: Doubt) -> dict[str, Any]:
    now = None if one.present is None else _now(one.present)
    return {"kind": one.kind, "subject": one.subject, "why": list(one.why), "present": now}


def _now(present: Now) -> dict[str, Any]:
    """Return what is so by what objects hold now; no findings are known where they are null."""
    rows = present.findings
    findings = None if rows is None else [_finding(one) for one in rows]
    return {"findings": findings, "objects": [held_json(one) for one in present.objects]}


# --- text ----------------------------------------------------------------------------------------


def lint_text(document: Mapping[str, Any], *, notes: bool) -> Iterator[Line]:
    """Yield the lines of a document of what was found; notes and doubts in full only if asked."""
    for device in document["devices"]:
        if "error" in device:
            error = device["error"]
            text = f"! {error['code']}: {error['message']}"
            yield Line(lead=f"{device['name']}  ", text=text, style="bold red")
            continue
        looked = f"{counted(device['rules'], 'rule')}, {counted(device['chains'], 'chain')}"
        yield Line(lead=device["name"], text=f"  ({looked} between zones)", lead_style="bold")
        for problem in device["device_findings"]:
            lead = f"  ! {problem['severity']}: "
            yield Line(lead=lead, text=problem["message"], style="yellow")
        yield from policy_text(device, notes=notes)
        yield Line()
    if document["between_zones"]:
        yield Line(lead="between zones", lead_style="bold")
        yield from _rows(document["between_zones"], notes=notes)
        yield Line()
    summary = document["summary"]
    parts = [counted(summary[severity], severity) for severity in ("error", "warning", "note")]
    said = ", ".join(parts) + f", {summary['cannot_tell']} cannot tell"
    of = {"declared": " (as declared)", "snapshot": " (from a snapshot)"}
    yield Line(text=said + of.get(document["source"], ""), style="bold")


def policy_text(policy: Mapping[str, Any], *, notes: bool) -> Iterator[Line]:
    """Yield the lines of one policy of a document; notes and doubts in full only if asked."""
    yield from _rows(policy["findings"], notes=notes)
    yield from _doubts(policy["cannot_tell"], notes=notes)


def imported_text(policy: Mapping[str, Any], *, notes: bool) -> Iterator[Line]:
    """Yield what is wrong with the policy of a device that was imported, if anything is."""
    lines = [*policy_text(policy, notes=notes)]
    if lines:
        yield Line(text="its rules, linted (nothing of it changes what was written):", style="bold")
        yield from lines


def _rows(rows: Sequence[Mapping[str, Any]], *, notes: bool) -> Iterator[Line]:
    hidden = 0
    for row in rows:
        if row["severity"] == "note" and not notes:
            hidden += 1
            continue
        lead = f"  {row['severity']}: "
        title = f"{_TITLES[row['kind']]}: "
        title = "" if row["message"].startswith(title[:-2]) else title
        text = f"{row['subject']}: {title}{row['message']}"
        yield Line(lead=lead, text=text, lead_style=_STYLES[row["severity"]])
        if row["example"] is not None:
            text = _example_text(row)
            yield Line(lead="    example  ", text=text, style="dim")
    if hidden:
        yield Line(lead="  ", text=f"{counted(hidden, 'note')}: -v shows them", style="dim")


def _example_text(row: Mapping[str, Any]) -> str:
    one = row["example"]
    said = [f"{one['source']} → {one['destination']} {one['service']}"]
    said += [one["application"]] if one["application"] else []
    said += [f"by {one['user']}"] if one["user"] else []
    said += [f"at {one['time']}"] if one["time"] else []
    zones = [row["from_zone"] or "any zone", row["to_zone"] or "any zone"]
    return f"{' '.join(said)}  ({' → '.join(zones)})"


def _doubts(doubts: Sequence[Mapping[str, Any]], *, notes: bool) -> Iterator[Line]:
    by_kind = Counter(doubt["kind"] for doubt in doubts)
    for doubt in doubts:
        if notes or doubt["kind"] == "too_complex":
            text = f"{doubt['subject']}: {_MAY[doubt['kind']]}: {'; '.join(doubt['why'])}"
            yield Line(lead="  cannot tell: ", text=text, lead_style="yellow")
            if (now := doubt["present"]) is not None:
                yield from _now_text(now)
    hidden = sum(number for kind, number in by_kind.items() if kind != "too_complex")
    if hidden and not notes:
        text = f"of {counted(hidden, 'rule')} not everything can be told: -v shows why"
        yield Line(lead="  ", text=text, style="yellow")


def _now_text(now: Mapping[str, Any]) -> Iterator[Line]:
    for row in now["findings"] or ():
        text = f"{_TITLES[row['kind']]}: {row['message']}, {MAY_CHANGE}"
        yield Line(lead="    ", text=text, style="yellow")
    if now["findings"] == []:
        yield Line(lead="    ", text=f"nothing of the kind {MAY_CHANGE}", style="dim")
    yield from held_lines(now["objects"], "    ", asked=False)


# --- report --------------------------------------------------------------------------------------


def lint_report(
    results: Mapping[str, Linted | Failure],
    between: Iterable[Finding],
    *,
    environment: str,
    places: Places,
    provenance: Provenance | None = None,
) -> Report:
    """Return what there is to report of lint: a rule of ours at its conduit's place."""
    problems: list[Problem] = []
    suites: list[Suite] = []
    for name, found in results.items():
        own = [*_problems(name, found)]
        problems += [places.of(problem, name, conduit) for problem, conduit in own]
        suites.append(Suite(name=name, checks=(_check(name, found, [one for one, _ in own]),)))
    problems += [places.of(_problem(one)) for one in between]
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = sum(problem.severity == "warning" for problem in problems)
    return Report(
        kind="lint",
        environment=environment,
        headline=f"Lint: {counted(errors, 'error')}, {counted(warnings, 'warning')}, "
        f"{counted(len(problems) - errors - warnings, 'note')}",
        blocking=tuple(remark_of(one) for one in problems if one.severity == "error"),
        remarks=tuple(remark_of(one) for one in problems if one.severity == "warning"),
        problems=tuple(problems),
        suites=tuple(suites),
        provenance=provenance,
    )


def _problems(name: str, found: Linted | Failure) -> Iterator[tuple[Problem, str]]:
    """Yield problems of a device, each with the conduit of the rule it is about."""
    if isinstance(found, Failure):
        yield Problem(message=found.message, kind=UNREADABLE, subject=name), ""
        return
    for problem in found.findings:
        yield problem, ""
    for one in found.lint.findings:
        yield _problem(one), one.conduit
    for doubt in found.lint.doubts:
        message = f"{doubt.subject}: {_MAY[doubt.kind]}: {'; '.join(doubt.why)}"
        severity = "warning" if doubt.kind == "too_complex" else "note"
        kind = "lint_cannot_tell"
        yield Problem(message=message, kind=kind, subject=doubt.subject, severity=severity), ""


def _problem(one: Finding) -> Problem:
    example = "" if one.example is None else f"for example {one.example}"
    return Problem(
        message=f"{one.subject}: {one.message}",
        hint=example,
        kind=one.kind,
        subject=one.subject,
        severity=one.severity,
    )


def _check(name: str, found: Linted | Failure, own: Sequence[Problem]) -> Check:
    text = "\n".join(str(one) for one in own if one.severity != "note")
    if isinstance(found, Failure):
        return Check(name=name, verdict="error", text=text)
    bad = any(one.severity != "note" for one in own)
    return Check(name=name, verdict="failed" if bad else "passed", text=text)
