"""The report of a plan."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from segctl.model.errors import Problem
from segctl.model.policy import Rule
from segctl.planning.findings import HOLE
from segctl.planning.plan import OPS
from segctl.providers.state import UNREAD
from segctl.report.differences import diff_lines
from segctl.report.document import (
    Check,
    Places,
    Remark,
    Report,
    Section,
    Suite,
    remark_of,
)
from segctl.report.labels import counted, share, totals
from segctl.report.meaning_text import LESS, MORE, UNKNOWN, marks_of, sentences
from segctl.report.plan_text import DOUBT, allowance_text, device_facts, shared_findings
from segctl.report.rehearsal import rehearsal_remarks, rehearsal_sections

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from segctl.fleet import Failure
    from segctl.model.diff import Change, Op
    from segctl.planning.plan import DevicePlan, Plan
    from segctl.report.drawing import Layout

#: What a device that could not be read or planned is called in findings.
UNREADABLE = "unreadable"


def plan_report(
    plan: Plan,
    failures: Sequence[Failure] = (),
    *,
    environment: str,
    places: Places | None = None,
    apply: str = "segctl apply plan.json",
    waves: Mapping[str, str] | None = None,
    drawing: Layout | None = None,
) -> Report:
    """Return what there is to report of a plan.

    Args:
        plan: the plan.
        failures: devices that could not be planned.
        environment: the name of what the plan is for.
        places: where devices are declared; a saved plan does not know.
        apply: the command that applies it.
        waves: when the turn of each device comes, where a playbook says it.
        drawing: what the plan touches; a saved plan does not know the zones.
    """
    shared = shared_findings(plan.devices)
    return Report(
        kind="plan",
        environment=environment,
        headline=_headline(plan, failures),
        blocking=(*_blocking(plan, failures), *rehearsal_remarks(plan.rehearsal)),
        remarks=tuple(remark_of(finding, ", ".join(names)) for finding, names in shared.items()),
        opened=_flows(MORE, plan),
        closed=_flows(LESS, plan),
        unclear=_flows(UNKNOWN, plan, severity="warning"),
        sections=(
            *rehearsal_sections(plan.rehearsal),
            *(
                _section(device, (waves or {}).get(device.name, ""), shared)
                for device in plan.devices
            ),
            *map(failed_section, failures),
        ),
        footer=tuple(_footer(plan, failures, apply)),
        problems=tuple(_problems(plan, failures, places or Places())),
        suites=(*map(_suite, plan.devices), *map(failed_suite, failures)),
        counts=plan.summary,
        drawing=drawing,
    )


def _flows(title: str, plan: Plan, severity: str = "note") -> tuple[Remark, ...]:
    return tuple(
        Remark(severity=severity, subject=name, text=text)
        for name, text in sentences(title, plan.devices)
    )


def plan_headline(summary: Mapping[Op, int], changed: int, devices: int) -> str:
    """Return the first line of a plan: how much of what, and how many of the devices it changes."""
    text = (
        f"Plan: {summary['create']} to add, {summary['update']} to change, "
        f"{summary['delete']} to destroy, {summary['move']} to move"
    )
    renamed = f", {summary['rename']} to rename" if summary["rename"] else ""
    part = changed or devices
    return f"{text}{renamed} ({share(part, devices, 'device')})"


def _headline(plan: Plan, failures: Sequence[Failure]) -> str:
    failed = f"; {len(failures)} could not be planned" if failures else ""
    changed = sum(bool(device.changes) for device in plan.devices)
    return plan_headline(plan.summary, changed, len(plan.devices) + len(failures)) + failed


def _blocking(plan: Plan, failures: Iterable[Failure]) -> Iterator[Remark]:
    for failure in failures:
        yield failed_remark(failure)
    for device in plan.devices:
        for finding in device.findings:
            if finding.severity == "error":
                yield remark_of(finding, device.name)
        for one in device.allowed:
            yield Remark(severity="warning", subject=device.name, text=allowance_text(one))
        if device.purge:
            yield Remark(
                severity="error",
                subject=device.name,
                text=f"deletes {counted(device.purge, 'rule')} of others (segctl_unmanaged: "
                "purge): apply refuses without --allow-purge",
            )


def failed_remark(failure: Failure) -> Remark:
    """Return why a device could not be planned."""
    text = f"{failure.code}: {failure.message}"
    return Remark(severity="error", subject=failure.device, text=text)


def failed_section(failure: Failure) -> Section:
    """Return the section of a device that could not be planned."""
    return Section(
        name=failure.device, state="could not be planned", remarks=(failed_remark(failure),)
    )


def failed_suite(failure: Failure) -> Suite:
    """Return the checks of a device that could not be planned."""
    text = f"{failure.code}: {failure.message}"
    return Suite(name=failure.device, checks=(Check(name="is read", verdict="error", text=text),))


def failed_problem(failure: Failure, places: Places) -> Problem:
    """Return a device that could not be planned as a finding."""
    problem = Problem(
        message=f"{failure.device}: {failure.code}: {failure.message}",
        kind=UNREADABLE,
        subject=failure.device,
    )
    return places.of(problem, failure.device)


def _section(device: DevicePlan, wave: str, told: Container[Problem]) -> Section:
    return Section(
        name=device.name,
        state=_state(device),
        good=device.in_sync,
        facts=", ".join(filter(None, (wave, device_facts(device)))),
        remarks=tuple(
            remark_of(finding)
            for finding in device.findings
            if finding.kind != DOUBT and finding not in told
        ),
        lines=tuple(diff_lines(device.changes, device.platform, marks_of(device))),
    )


def _footer(plan: Plan, failures: Sequence[Failure], apply: str) -> Iterator[tuple[str, str]]:
    yield "plan", plan.plan_id
    if commit := plan.intent.git_commit:
        dirty = " with uncommitted edits" if plan.intent.dirty else ""
        yield "commit", f"{commit[:12]}{dirty}"
    yield "expires", plan.expires
    if plan.changes and plan.applyable and not failures:
        yield "apply", apply


def _problems(plan: Plan, failures: Iterable[Failure], places: Places) -> Iterator[Problem]:
    for failure in failures:
        yield failed_problem(failure, places)
    yield from device_problems(plan.devices, places)


def device_problems(devices: Iterable[DevicePlan], places: Places) -> Iterator[Problem]:
    """Yield the findings of devices, each with a place and the name of its device.

    What is found about a rule that changes is at the line of its conduit.
    """
    for device in devices:
        conduits = {
            change.name: change.after.conduit
            for change in device.changes
            if isinstance(change.after, Rule)
        }
        for finding in device.findings:
            yield places.of(finding, device.name, conduits.get(finding.subject, ""))


def _suite(device: DevicePlan) -> Suite:
    barred = [str(finding) for finding in device.findings if finding.severity == "error"]
    open_ = [str(finding) for finding in device.findings if finding.kind in (HOLE, UNREAD)]
    return Suite(
        name=device.name,
        checks=(
            Check(name="is read"),
            _holds("nothing forbids applying", barred),
            _holds("others permit nothing that no conduit declares", open_),
        ),
    )


def _holds(name: str, against: Sequence[str]) -> Check:
    if not against:
        return Check(name=name)
    return Check(name=name, verdict="failed", text="\n".join(against))


def _state(device: DevicePlan) -> str:
    if device.changes:
        return totals(device.summary)
    return "in sync" if device.in_sync else "nothing to change, not in sync"


def change_counts(changes: Iterable[Change]) -> dict[Op, int]:
    """Return how many changes there are of each op, with none as 0."""
    found = Counter(change.op for change in changes)
    return {op: found[op] for op in OPS}
