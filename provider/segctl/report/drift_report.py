"""The report of drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.drift.items import DRIFT_KINDS
from segctl.model.errors import Problem
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
from segctl.report.labels import counted, has_order, platform_title
from segctl.report.plan_report import UNREADABLE, change_counts
from segctl.report.plan_text import DOUBT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DRIFTS = tuple(dict.fromkeys(DRIFT_KINDS.values()))
#: Lists of findings that are drift, and what their items are called.
_TOLD = {
    "holes": "open",
    "unread": "unread",
    "errors": "wrong",
    "pending": "not confirmed",
    "not_kept": "not kept",
}
_NO_RULES: Mapping[str, Sequence[str]] = {}


def drift_report(
    document: Mapping[str, Any],
    *,
    environment: str,
    places: Places | None = None,
    rules: Mapping[str, Sequence[str]] = _NO_RULES,
) -> Report:
    """Return what there is to report of drift.

    Args:
        document: the drift document.
        environment: the name of what was compared.
        places: where devices and conduits are declared.
        rules: the names of the rules that each device should hold; each is a check of its own.
    """
    devices: list[dict[str, Any]] = document["devices"]
    return Report(
        kind="drift",
        environment=environment,
        headline=drift_headline(document),
        blocking=tuple(_blocking(devices)),
        sections=tuple(map(_section, devices)),
        problems=tuple(_problems(devices, places or Places())),
        suites=tuple(_suite(device, rules.get(device["name"], ())) for device in devices),
        counts=change_counts(change for device in devices for _, change in _items(device)),
    )


def drift_headline(document: Mapping[str, Any]) -> str:
    """Return the first line of drift: how many devices are in which state."""
    states = document["summary"]
    return (
        f"Drift: {states['drift']} drifted, {states['in_sync']} in sync, "
        f"{states['error']} could not be checked ({counted(len(document['devices']), 'device')})"
    )


def _items(device: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in _DRIFTS:
        for change in device.get(kind, ()):
            yield kind, change


def _blocking(devices: Sequence[Mapping[str, Any]]) -> Iterator[Remark]:
    for device in devices:
        if device["status"] == "error":
            yield _unread(device)
    for device in devices:
        for key in _TOLD:
            for finding in device.get(key, ()):
                yield remark_of(Problem(**finding), device["name"])


def _unread(device: Mapping[str, Any]) -> Remark:
    error = device["error"]
    return Remark(
        severity="error", subject=device["name"], text=f"{error['code']}: {error['message']}"
    )


def _section(device: Mapping[str, Any]) -> Section:
    if device["status"] == "error":
        return Section(
            name=device["name"], state="could not be checked", remarks=(_unread(device),)
        )
    remarks = [
        remark_of(Problem(**finding)) for finding in device["findings"] if finding["kind"] != DOUBT
    ]
    remarks += [
        Remark(
            severity="note",
            text=f"{item['kind']} {item['name']}: changed by {author_text(item['changed_by'])}",
        )
        for item in device["items"]
        if item["changed_by"] is not None
    ]
    remarks += [
        Remark(severity="note", text=f"accepted: {accepted_text(item)}")
        for item in device["accepted"]
    ]
    repair = [change for _, change in _items(device)]
    return Section(
        name=device["name"],
        state=_state(device),
        good=device["status"] == "in_sync",
        facts=", ".join(filter(None, (platform_title(device["platform"]), device["serial"]))),
        remarks=tuple(remarks),
        lines=tuple(diff_lines(repair, placed=has_order(device["platform"]))),
    )


def _state(device: Mapping[str, Any]) -> str:
    found = [f"{len(device[kind])} {kind}" for kind in _DRIFTS if device[kind]]
    found += [f"{len(device[key])} {word}" for key, word in _TOLD.items() if device[key]]
    return ", ".join(found) or "in sync"


def _problems(devices: Sequence[Mapping[str, Any]], places: Places) -> Iterator[Problem]:
    for device in devices:
        name = device["name"]
        if device["status"] == "error":
            yield places.of(
                Problem(message=f"{name}: {_unread(device).text}", kind=UNREADABLE, subject=name),
                name,
            )
            continue
        for kind, change in _items(device):
            subject = str(change["name"])
            drifted = Problem(
                message=f"{name}: {kind}: {change['kind']} {subject}",
                kind=f"drift-{kind}",
                subject=subject,
                severity="warning",
            )
            yield places.of(drifted, name, change["conduit"])
        for finding in device["findings"]:
            yield places.of(Problem(**finding), name)


def _suite(device: Mapping[str, Any], rules: Sequence[str]) -> Suite:
    if device["status"] == "error":
        return Suite(
            name=device["name"],
            checks=(Check(name="is read", verdict="error", text=_unread(device).text),),
        )
    found = {f"{change['kind']} {change['name']}": kind for kind, change in _items(device)}
    accepted = {f"{item['kind']} {item['name']}" for item in device["accepted"]}
    names = dict.fromkeys([*(f"rule {name}" for name in rules), *found, *accepted])
    checks = [Check(name="is read"), *(_check(name, found, accepted) for name in names)]
    checks += [
        Check(
            name=f"{word}: {finding['subject'] or finding['message']}",
            verdict="failed",
            text=str(Problem(**finding)),
        )
        for key, word in _TOLD.items()
        for finding in device[key]
    ]
    return Suite(name=device["name"], checks=tuple(checks))


def _check(name: str, found: Mapping[str, str], accepted: set[str]) -> Check:
    if name in found:
        return Check(name=name, verdict="failed", text=f"{found[name]} on the device")
    if name in accepted:
        return Check(name=name, verdict="skipped", text="known drift, accepted by the baseline")
    return Check(name=name)
