"""Plans as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.planning.findings import PENDING
from segctl.report.changes import brief_lines, change_lines, finding_line
from segctl.report.labels import counted, platform_title, share, totals
from segctl.report.lines import Line
from segctl.report.meaning_text import marks_of, meaning_lines
from segctl.report.rehearsal import rehearsal_text
from segctl.report.script_text import script_lines

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from segctl.fleet import Failure
    from segctl.model.errors import Problem
    from segctl.planning.plan import Allowance, DevicePlan, Plan

#: Findings that say how sure the catalogue is; `segctl validate` prints them, once.
DOUBT = "doubt"


def plan_text(
    plan: Plan, failures: Sequence[Failure] = (), *, diff: bool = False, brief: bool = False
) -> Iterator[Line]:
    """Yield a plan's lines: per device its findings, then its changes by conduit.

    Args:
        plan: the plan.
        failures: devices that could not be planned.
        diff: also the script that apply will send.
        brief: rules by their names, objects counted.
    """
    shared = shared_findings(plan.devices)
    long = False
    for index, device in enumerate(plan.devices):
        before, long = long, bool(device.changes) and not brief
        if index and (before or long):
            yield Line()
        yield from device_text(device, diff=diff, brief=brief, told=shared)
    if plan.devices:
        yield Line()
    for finding, names in shared.items():
        yield finding_line(finding, names)
    if shared:
        yield Line()
    for failure in failures:
        yield Line(text=failure.device, style="bold")
        yield Line(lead=f"  ! {failure.code}: ", text=failure.message, style="bold red")
        yield Line()
    yield from summary_text(plan, failures)
    if plan.rehearsal is not None:
        yield from rehearsal_text(plan.rehearsal)


def summary_text(plan: Plan, failures: Sequence[Failure] = ()) -> Iterator[Line]:
    """Yield the last lines of a plan."""
    whole = len(plan.devices) + len(failures)
    devices = counted(whole, "device")
    changed = share(sum(bool(device.changes) for device in plan.devices), whole, "device")
    failed = f"; {len(failures)} could not be planned" if failures else ""
    text = f"Plan: {totals(plan.summary)} on {changed}{failed}."
    if not plan.devices:
        text = f"No plan: {devices} could not be planned."
    elif not plan.changes:
        text = f"No changes. {devices}{failed}."
    yield Line(text=text, style="bold")
    barred = [device.name for device in plan.devices if not device.applyable]
    if barred:
        yield Line(
            text=f"It cannot be applied before the errors of {', '.join(barred)} are resolved.",
            style="bold red",
        )


def shared_findings(devices: Iterable[DevicePlan]) -> dict[Problem, list[str]]:
    """Return the findings that several devices have alike, with the names of these devices.

    An error is told with its device, wherever else it is found.
    """
    found: dict[Problem, list[str]] = {}
    for device in devices:
        for finding in dict.fromkeys(device.findings):
            if finding.kind != DOUBT and finding.severity != "error":
                found.setdefault(finding, []).append(device.name)
    return {finding: names for finding, names in found.items() if len(names) > 1}


def device_text(
    device: DevicePlan,
    *,
    diff: bool = False,
    brief: bool = False,
    told: Container[Problem] = (),
) -> Iterator[Line]:
    """Yield one device's part of a plan, without the findings that are `told` for several."""
    yield _device_head(device, "" if device.changes or not device.in_sync else "in sync")
    settled = device.in_sync and not device.changes
    for finding in device.findings:
        if finding.kind != DOUBT and finding not in told and not (settled and only_limits(finding)):
            yield finding_line(finding)
    for one in device.allowed:
        yield Line(lead="  ! allowed: ", text=allowance_text(one), style="yellow")
    if not device.changes:
        if not device.in_sync:
            yield _unchanged(device)
        return
    if device.purge:
        yield Line(
            lead="  ! ",
            text=f"deletes {counted(device.purge, 'rule')} of others (segctl_unmanaged: purge)",
            style="bold red",
        )
    if brief:
        yield from brief_lines(device.changes)
    else:
        yield from change_lines(device.changes, device.platform, marks_of(device))
    yield from meaning_lines(device, brief=brief)
    if diff:
        yield Line(text="  script", style="bold")
        for line in script_lines(device.script):
            yield Line(lead="    " + line, style="dim")


def only_limits(finding: Problem) -> bool:
    """Whether a finding says only how far a platform goes, as every plan that used it has said."""
    return finding.kind == "functions" and finding.severity == "note"


def allowance_text(one: Allowance) -> str:
    """Say which disruption a plan was allowed, by whom, and why."""
    return f"{one.flow} may be cut, says {one.by}: {one.reason}"


def pending_text(devices: Iterable[DevicePlan]) -> Iterator[Line]:
    """Yield what nobody has confirmed on devices."""
    for device in devices:
        yield _device_head(device)
        yield from (finding_line(one) for one in device.findings if one.kind == PENDING)


def _unchanged(device: DevicePlan) -> Line:
    if device.state.unsettled:
        text = "  nothing to change; segctl apply settles what is said above"
        return Line(text=text, style="yellow")
    return Line(text="  nothing to change, but not in sync: see the errors above", style="red")


def _device_head(device: DevicePlan, state: str = "") -> Line:
    text = f"{state}  ({device_facts(device)})" if state else f"({device_facts(device)})"
    style = "green" if state else ""
    return Line(lead=f"{device.name}  ", text=text, lead_style="bold", style=style)


def device_facts(device: DevicePlan) -> str:
    """Say what a device is: platform, versions, serial, scope, number of rules."""
    facts = [f"{platform_title(device.platform)} {device.os_version}".strip()]
    facts += [f"content {device.content_version}"] if device.content_version else []
    facts += [f"serial {device.serial}"] if device.serial else []
    facts += [f"{device.answered} of the pair"] if device.answered else []
    facts += [device.scope] if device.scope else []
    facts += [counted(device.rule_count, "rule")]
    return ", ".join(facts)
