"""The report of drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.drift.items import DRIFT_KINDS, MOVED
from segctl.drift.report import Unchecked
from segctl.model.errors import Problem
from segctl.planning.findings import (
    BLOCKED,
    CANNOT_TELL,
    ERROR,
    HOLE,
    NOT_ENFORCED,
    NOT_KEPT,
    PENDING,
)
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
from segctl.report.drift_text import accepted_text, author_text
from segctl.report.labels import counted, platform_title
from segctl.report.plan_report import UNREADABLE, change_counts
from segctl.report.plan_text import DOUBT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.drift.items import DriftItem
    from segctl.drift.report import DeviceDrift, DriftReport
    from segctl.model.diff import Change
    from segctl.report.provenance import Provenance

_DRIFTS = tuple(dict.fromkeys(DRIFT_KINDS.values()))
#: States that a finding tells, and what their items are called.
_TOLD = {
    HOLE: "open",
    UNREAD: "unread",
    ERROR: "wrong",
    PENDING: "not confirmed",
    NOT_KEPT: "not kept",
    NOT_ENFORCED: "not enforced",
    BLOCKED: "blocked",
    CANNOT_TELL: "cannot tell",
    MOVED: "moved",
}
_NO_RULES: Mapping[str, Sequence[str]] = {}


def drift_report(
    drift: DriftReport,
    *,
    environment: str,
    places: Places | None = None,
    rules: Mapping[str, Sequence[str]] = _NO_RULES,
    provenance: Provenance | None = None,
) -> Report:
    """Return what there is to report of drift.

    Args:
        drift: what the run found.
        environment: the name of what was compared.
        places: where devices and conduits are declared.
        rules: the names of the rules that each device should hold; each is a check of its own.
        provenance: what the report is evidence of.
    """
    return Report(
        kind="drift",
        environment=environment,
        headline=drift_headline(drift),
        blocking=tuple(_blocking(drift)),
        sections=tuple(map(_section, drift.devices)),
        problems=tuple(_problems(drift.devices, places or Places())),
        suites=tuple(_suite(device, rules.get(device.name, ())) for device in drift.devices),
        counts=change_counts(change for device in drift.checked for _, change in _changes(device)),
        provenance=provenance,
    )


def drift_headline(drift: DriftReport) -> str:
    """Return the first line of drift: how many devices are in which state."""
    counts = drift.counts
    return (
        f"Drift: {counts.drift} drifted, {counts.in_sync} in sync, "
        f"{counts.error} could not be checked ({counted(counts.devices, 'device')})"
    )


def _changes(device: DeviceDrift) -> Iterator[tuple[str, Change]]:
    for kind in _DRIFTS:
        for change in device.changes(kind):
            yield kind, change


def _blocking(drift: DriftReport) -> Iterator[Remark]:
    yield from map(_unchecked, drift.unchecked)
    for device in drift.checked:
        for state in _TOLD:
            for finding in device.told(state):
                yield remark_of(finding, device.name)


def _unchecked(device: Unchecked) -> Remark:
    return Remark(severity="error", subject=device.name, text=f"{device.code}: {device.message}")


def _section(device: DeviceDrift | Unchecked) -> Section:
    if isinstance(device, Unchecked):
        return Section(
            name=device.name, state="could not be checked", remarks=(_unchecked(device),)
        )
    remarks = [remark_of(finding) for finding in device.findings if finding.kind != DOUBT]
    remarks += [
        Remark(
            severity="note",
            text=f"{item.kind} {item.name}: changed by {author_text(item.changed_by)}",
        )
        for item in device.items
        if item.changed_by is not None
    ]
    remarks += [
        Remark(severity="note", text=f"accepted: {accepted_text(known)}")
        for known in device.accepted
    ]
    repair = [change for _, change in _changes(device)]
    return Section(
        name=device.name,
        state=_state(device),
        good=device.status == "in_sync",
        facts=drift_facts(device),
        remarks=tuple(remarks),
        lines=tuple(diff_lines(repair, device.platform)),
    )


def drift_facts(device: DeviceDrift) -> str:
    """Say what a device is: platform, serial number, and which member of a pair was read."""
    member = f"{device.answered} of the pair" if device.answered else ""
    return ", ".join(filter(None, (platform_title(device.platform), device.serial, member)))


def _state(device: DeviceDrift) -> str:
    counts = {kind: len(device.changes(kind)) for kind in _DRIFTS}
    for state, word in _TOLD.items():
        counts[word] = counts.get(word, 0) + len(device.told(state))
    return ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "in sync"


def _problems(devices: Sequence[DeviceDrift | Unchecked], places: Places) -> Iterator[Problem]:
    for device in devices:
        name = device.name
        if isinstance(device, Unchecked):
            message = f"{name}: {_unchecked(device).text}"
            yield places.of(Problem(message=message, kind=UNREADABLE, subject=name), name)
            continue
        for kind, change in _changes(device):
            drifted = Problem(
                message=f"{name}: {kind}: {change.kind} {change.name}",
                kind=f"drift-{kind}",
                subject=change.name,
                severity="warning",
            )
            yield places.of(drifted, name, change.conduit)
        for finding in device.findings:
            yield places.of(finding, name)


def _suite(device: DeviceDrift | Unchecked, rules: Sequence[str]) -> Suite:
    if isinstance(device, Unchecked):
        return Suite(
            name=device.name,
            checks=(Check(name="is read", verdict="error", text=_unchecked(device).text),),
        )
    drifted = {f"{change.kind} {change.name}": kind for kind, change in _changes(device)}
    does = {f"{item.kind} {item.name}": _does(item) for item in device.items if item.changes}
    accepted = [f"{known.item.kind} {known.item.name}" for known in device.accepted]
    names = dict.fromkeys([*(f"rule {name}" for name in rules), *drifted, *accepted])
    checks = [Check(name="is read"), *(_check(name, drifted, accepted, does) for name in names)]
    checks += [
        Check(
            name=f"{word}: {finding.subject or finding.message}",
            verdict="failed",
            text=str(finding),
        )
        for state, word in _TOLD.items()
        for item in device.items
        if not item.changes
        for finding in item.findings(state)
    ]
    return Suite(name=device.name, checks=tuple(checks))


def _does(item: DriftItem) -> str:
    """Return what a changed item does otherwise than declared, for the end of a line."""
    return "".join(f"; {_TOLD[one.state]}: {one.finding}" for one in item.told)


def _check(
    name: str, drifted: Mapping[str, str], accepted: Sequence[str], does: Mapping[str, str]
) -> Check:
    if name in drifted:
        text = f"{drifted[name]} on the device{does.get(name, '')}"
        return Check(name=name, verdict="failed", text=text)
    if name in accepted:
        return Check(name=name, verdict="skipped", text="known drift, accepted by the baseline")
    return Check(name=name)
