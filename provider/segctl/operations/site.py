"""Site: the plant on one page, as declared, with `live` as firewalls enforce it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.operations.graph import chosen_site
from segctl.operations.loading import desired_of, load_inventory, provenance, today, watched
from segctl.operations.workers import at_work
from segctl.report.drawing.stamp import INVENTORY, read_facts
from segctl.report.plant_page import Plant, parts_of, plant_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from segctl.compiler.build import Desired
    from segctl.drift.report import DriftReport
    from segctl.fleet import Brake, Failure
    from segctl.fleet.readings import Reading, Readings
    from segctl.inventory import Loaded
    from segctl.model.site import Site
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.report import Report
    from segctl.report.drawing import Layout
    from segctl.report.provenance import Provenance
    from segctl.report.register import Register


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """What the page shows besides what is declared.

    `site` shows one site. With `live` firewalls are asked, with `offline` snapshots are read.
    `plan` is a saved plan, `checks` a file of checks, `evidence` a folder of evidence; `history`
    is the database of what has drifted, `baseline` drift that is accepted.
    """

    site: str = ""
    live: bool = False
    offline: Path | None = None
    plan: Path | None = None
    checks: Path | None = None
    evidence: Path | None = None
    history: str | None = None
    baseline: Path | None = None

    @property
    def asks(self) -> bool:
        """Whether it is compared with what firewalls hold."""
        return self.live or self.offline is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteResult:
    """A page with the titles of its parts, and the devices that gave no answer with the reasons."""

    text: str
    parts: tuple[str, ...]
    layout: Layout
    failed: Mapping[str, str]
    provenance: Provenance


def site(common: CommonOptions, options: SiteOptions, progress: Progress) -> SiteResult:
    """Show the plant on one page; never writes to a device, and reads each of them once.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: there is nothing to show.
        PlanFormatError: the plan cannot be read.
        ChecksError: the file of checks cannot be used.
        EvidenceError: the evidence is not as it was written.
        HistoryError: the history cannot be read.
    """
    loaded = load_inventory(common, progress)
    readings = readings_of(common, loaded, progress) if options.live else None
    shown = shown_of(common, loaded, options, progress, readings)
    parts = parts_of(shown.plant)
    return SiteResult(
        text=plant_page(shown.plant, parts),
        parts=tuple(part.title for part in parts),
        layout=shown.plant.layout,
        failed=shown.failed,
        provenance=shown.plant.provenance,
    )


def refuse_broken(common: CommonOptions, loaded: Loaded, options: SiteOptions) -> None:
    """Refuse what could never be shown of an inventory; asks no device.

    Raises:
        UsageError: there is no such site, or a check asks what no firewall can answer.
        ChecksError: the file of checks cannot be used.
        FileError: the baseline cannot be used.
        HistoryError: the history is not there.
    """
    from segctl.drift.baseline import read_baseline
    from segctl.drift.history import locate, must_exist
    from segctl.operations.check import CheckOptions, check_of
    from segctl.operations.progress import Messages

    chosen_site(loaded.site, options.site)
    if options.baseline is not None:
        read_baseline(options.baseline)
    if options.history is not None:
        must_exist(locate(options.history))
    if options.checks is not None:
        check_of(common, loaded, CheckOptions(file=options.checks, declared=True), Messages())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page shows, the devices that gave no answer with the reasons, and what has drifted."""

    plant: Plant
    failed: Mapping[str, str]
    drift: DriftReport | None = None


def readings_of(
    common: CommonOptions,
    loaded: Loaded,
    progress: Progress,
    *,
    masked: bool = False,
    brake: Brake | None = None,
) -> dict[str, Reading | Failure]:
    """Read every firewall that the limit selects once; with `masked`, keep no secrets.

    Once `brake` is pressed, every session ends at its next step.

    Raises:
        UsageError: the limit selects no firewall.
    """
    from segctl.fleet.readings import read_devices

    chosen = watched(loaded)
    names = [item.device.name for item in chosen]
    with at_work(common, names, progress) as (executor, report):
        return read_devices(
            chosen,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
            masked=masked,
            brake=brake,
        )


def shown_of(
    common: CommonOptions,
    loaded: Loaded,
    options: SiteOptions,
    progress: Progress,
    readings: Readings | None,
    *,
    brake: Brake | None = None,
) -> Shown:
    """Return what the page of a plant shows, of an inventory and firewalls that have been read.

    Raises:
        UsageError: there is nothing to show.
        PlanFormatError: the plan cannot be read.
        ChecksError: the file of checks cannot be used.
        EvidenceError: the evidence is not as it was written.
        HistoryError: the history cannot be read.
    """
    from segctl.operations.query import QueryOptions, matrix_of
    from segctl.report.drawing import overlaid, picture_of, place, table_of
    from segctl.report.query import matrix_json

    shown = chosen_site(loaded.site, options.site)
    side = QueryOptions(
        side="both" if options.asks else "declared", offline=options.offline, readings=readings
    )
    document = matrix_json(matrix_of(common, loaded, side, progress))
    digests = {one["name"]: one["digest"] for one in document["devices"] if one["digest"]}
    failed = {one["name"]: one["error"]["message"] for one in document["devices"] if "error" in one}
    kept = options.offline is not None
    facts = ((INVENTORY, loaded.digest), *read_facts(digests.items(), snapshots=kept))
    picture = picture_of(shown, today())
    if options.asks:
        picture = overlaid(picture, _among(document["cells"], shown), failed)
    picture = replace(picture, facts=facts)
    asked = _Asked(common, loaded, options, progress, readings, brake)
    reports, unanswered, drifted = _reports(asked)
    evidence = provenance(common, loaded, digests if options.asks else ())
    plant = Plant(
        title=picture.title,
        layout=place(picture),
        table=table_of(
            shown, today(), {**document, "cells": _among(document["cells"], shown)}, facts
        ),
        registers=_registers(shown, desired_of(loaded)),
        labels=_labels(shown),
        provenance=evidence,
        reports=reports,
        past=_past(common, options, progress) if options.history is not None else None,
        evidence=_evidence(options.evidence) if options.evidence is not None else None,
        digests=tuple(digests.items()) if options.asks else (),
    )
    return Shown(plant=plant, failed=unanswered | failed, drift=drifted)


def _among(cells: Sequence[Mapping[str, Any]], shown: Site) -> list[Mapping[str, Any]]:
    """Return the cells between zones that are shown."""
    zones = {zone.key for zone in shown.zones}
    return [one for one in cells if {one["from_zone"], one["to_zone"]} <= zones]


def _registers(shown: Site, desired: Sequence[Desired]) -> tuple[Register, ...]:
    from segctl.report.register import KINDS, register_of

    names = {device.name for device in shown.devices}
    held = {one.device.name: one for one in desired if one.device.name in names}
    return tuple(register_of(shown, held, kind) for kind in KINDS)


def _labels(shown: Site) -> dict[str, str]:
    from segctl.compiler.naming import label

    return {label(conduit): conduit.key for conduit in shown.conduits}


# --- what was found out --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """What reports are made from."""

    common: CommonOptions
    loaded: Loaded
    options: SiteOptions
    progress: Progress
    readings: Readings | None
    brake: Brake | None


def _reports(asked: _Asked) -> tuple[dict[str, Report], dict[str, str], DriftReport | None]:
    """Return reports by their titles, the devices that did not answer for them, and the drift."""
    options = asked.options
    found, failed, drifted = {"Findings": _findings(asked.common)}, dict[str, str](), None
    if options.plan is not None:
        found["Plan"] = _plan(options.plan)
    if options.asks:
        found["Drift"], drifted = _drift(asked, failed)
    if options.checks is not None:
        found["Checks"] = _checks(asked, options.checks, failed)
    return found, failed, drifted


def _findings(common: CommonOptions) -> Report:
    from segctl.operations.validate import validate
    from segctl.report import DEFAULT_ENVIRONMENT, Places, validation_report

    result = validate(common)
    return validation_report(
        result.warnings,
        result.refusals,
        result.counts,
        environment=DEFAULT_ENVIRONMENT,
        places=Places(),
    )


def _plan(file: Path) -> Report:
    from segctl.operations.plan_files import show
    from segctl.report import DEFAULT_ENVIRONMENT, plan_report

    return plan_report(show(file).plan, environment=DEFAULT_ENVIRONMENT)


def _drift(asked: _Asked, failed: dict[str, str]) -> tuple[Report, DriftReport]:
    from segctl.operations.drift import DriftOptions, drift_in
    from segctl.report import DEFAULT_ENVIRONMENT, drift_report

    wanted = DriftOptions(
        baseline=asked.options.baseline,
        offline=asked.options.offline,
        readings=asked.readings,
        brake=asked.brake,
    )
    now = datetime.now(UTC)
    result = drift_in(asked.common, asked.loaded, wanted, asked.progress, started=now)
    failed |= {one.device: one.message for one in result.failures}
    return drift_report(result.report, environment=DEFAULT_ENVIRONMENT), result.report


def _checks(asked: _Asked, file: Path, failed: dict[str, str]) -> Report:
    from segctl.fleet import Failure
    from segctl.operations.check import CheckOptions, check_of
    from segctl.report import DEFAULT_ENVIRONMENT, check_json, check_report

    options = asked.options
    declared = not options.asks
    wanted = CheckOptions(
        file=file, declared=declared, offline=options.offline, readings=asked.readings
    )
    result = check_of(asked.common, asked.loaded, wanted, asked.progress)
    silent = ((name, one) for name, one in result.answers.items() if isinstance(one, Failure))
    failed |= {name: one.message for name, one in silent}
    document = check_json(
        result.questions,
        result.answers,
        verdicts=result.verdicts,
        expecting=True,
        declared=declared,
        offline=options.offline is not None,
        policies=result.policies,
    )
    return check_report(document, environment=DEFAULT_ENVIRONMENT)


def _past(common: CommonOptions, options: SiteOptions, progress: Progress) -> list[list[str]]:
    """Return what has drifted, the newest first; makes no database where there is none.

    Raises:
        HistoryError: there is none, or it cannot be read.
    """
    from segctl.operations.history import HistoryOptions, history

    wanted = HistoryOptions(url=options.history, resolved=True)
    found = sorted(history(wanted, common, progress), key=lambda one: one.first_seen, reverse=True)
    return [
        [
            one.device,
            one.state,
            one.kind,
            one.name,
            f"{one.first_seen:%Y-%m-%d %H:%M %Z}",
            f"{one.resolved:%Y-%m-%d %H:%M %Z}" if one.resolved else "open",
            one.changed_by,
            f"{one.owner} until {one.expires}" if one.owner else "",
        ]
        for one in found
    ]


def _evidence(folder: Path) -> list[str]:
    from segctl.operations.evidence_folder import checked
    from segctl.report.evidence_html import evidence_body

    return [*evidence_body(checked(folder))]
