"""Evidence: what firewalls show of the requirements of IEC 62443-3-3, in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from segctl.model.errors import HistoryError, JournalError, UsageError
from segctl.operations import evidence_folder as folder
from segctl.operations.loading import load_inventory, provenance, today
from segctl.operations.workers import at_work
from segctl.system.folders import file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from segctl.drift.history import Entry
    from segctl.evidence.decisions import Decision
    from segctl.evidence.requirements import Requirement
    from segctl.evidence.scene import Witness
    from segctl.fleet.proofs import Asked
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.audit import Applied
    from segctl.planning.snapshot import Snapshot
    from segctl.report.evidence import Collected
    from segctl.signing import Signature

_LEFT_OUT: Final = "left out by -l"
Direction: TypeAlias = Literal["worse", "changed", "better"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOptions:
    """What evidence is taken of, and in which forms it is written.

    `requirements` are words such as ``5.2``; none: all. `offline` are snapshots to read instead of
    devices. `decisions` is a file with what people decided. `since` is the beginning of the period
    of which drift and changes are told; `history` the address of the database of drift.
    """

    out: Path
    requirements: tuple[str, ...] = ()
    offline: Path | None = None
    decisions: Path | None = None
    since: datetime | None = None
    history: str | None = None
    html: bool = False
    oscal: bool = False
    csv: bool = False
    signing: Callable[[bytes, str], Signature] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceResult:
    """The document, and the files that were written, the list of their digests last."""

    document: Mapping[str, Any]
    files: tuple[Path, ...]


def evidence(common: CommonOptions, options: EvidenceOptions, progress: Progress) -> EvidenceResult:
    """Take evidence and write it to a new folder; never writes to a device.

    Raises:
        InventoryError: the inventory or the file of decisions cannot be used.
        SnapshotError: the snapshots cannot be used.
        EvidenceError: the folder cannot be written.
        UsageError: no firewall or requirement is selected, or the folder is not new.
    """
    from segctl.evidence.decisions import read_decisions
    from segctl.evidence.requirements import chosen
    from segctl.operations.plan import snapshots
    from segctl.report.evidence import evidence_json

    wanted = chosen(options.requirements)
    folder.refuse_used(options.out)
    taken = snapshots(options.offline)
    loaded = load_inventory(common, progress)
    decisions: tuple[Decision, ...] = ()
    if options.decisions is not None:
        zones = [zone.key for zone in loaded.site.zones]
        decisions = read_decisions(options.decisions, zones)
    witnesses = _witnesses(common, loaded, progress, taken)
    collected = _collected(
        common, options, loaded, wanted=wanted, witnesses=witnesses, decisions=decisions
    )
    kept = {
        f"devices/{file_name(one.device.name, '.snapshot.json')}": one.kept
        for one in witnesses
        if one.kept
    }
    document = evidence_json(_with_files(collected, kept))
    files = folder.write(options.out, kept | _forms(options, document), options.signing)
    return EvidenceResult(document=document, files=files)


def _forms(options: EvidenceOptions, document: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that are made of a document, by name."""
    from segctl.report.evidence import evidence_csv, permissions_csv
    from segctl.report.evidence_html import evidence_html, specification_html
    from segctl.report.oscal import oscal_json
    from segctl.system.inert import json_text

    found = {folder.DOCUMENT: json_text(document) + "\n"}
    if options.html:
        found["evidence.html"] = evidence_html(document)
        found["zones-and-conduits.html"] = specification_html(document)
    if options.csv:
        found["evidence.csv"] = evidence_csv(document)
        found["permissions.csv"] = permissions_csv(document)
    if options.oscal:
        found["assessment-results.json"] = json_text(oscal_json(document)) + "\n"
    return found


def _with_files(collected: Collected, kept: Mapping[str, str]) -> Collected:
    names = {one.device.name: one for one in collected.witnesses}
    files = {name: f"devices/{file_name(name, '.snapshot.json')}" for name in names}
    return replace(
        collected,
        files={name: path for name, path in files.items() if path in kept},
        digests={name: folder.digest(kept[path]) for name, path in files.items() if path in kept},
    )


# --- what is read --------------------------------------------------------------------------------


def _witnesses(
    common: CommonOptions,
    loaded: Loaded,
    progress: Progress,
    taken: Mapping[str, Snapshot] | None,
) -> list[Witness]:
    """Return what every firewall of the site shows; of one that is left out, that it was not."""
    from segctl.evidence.scene import Witness
    from segctl.fleet.evidence import witnesses_of_devices, witnesses_of_snapshots

    asked = _asked(loaded)
    if taken is not None:
        found = witnesses_of_snapshots(asked, taken)
    else:
        with at_work(common, [one.name for one in asked], progress) as (executor, report):
            found = witnesses_of_devices(
                asked, loaded.connections, forks=common.forks, report=report, executor=executor
            )
    by_name = {one.device.name: one for one in found}
    return [
        by_name.get(device.name, Witness(device=device, failed=_LEFT_OUT))
        for device in loaded.site.devices
    ]


def _asked(loaded: Loaded) -> list[Asked]:
    from segctl.analysis.intended import Intent
    from segctl.fleet.proofs import Asked
    from segctl.operations.loading import desired_of

    wanted = Intent(loaded.site, today()).wanted()
    return [Asked(desired=one, wanted=wanted[one.device.name]) for one in desired_of(loaded)]


def _collected(
    common: CommonOptions,
    options: EvidenceOptions,
    loaded: Loaded,
    *,
    wanted: Sequence[Requirement],
    witnesses: Sequence[Witness],
    decisions: Sequence[Decision],
) -> Collected:
    from segctl.evidence.assess import assess
    from segctl.report.evidence import Collected

    read = [one.device.name for one in witnesses if one.live is not None]
    notes: list[str] = []
    if options.offline is not None:
        notes.append("taken from snapshots, not from devices: see when each was taken")
    over = [one for one in decisions if one.expires < today()]
    notes += [
        f"the decision about {one.requirement} in {one.zone} ended on {one.expires.isoformat()}"
        for one in over
    ]
    applies, journal = _applies(options, notes)
    zones = loaded.site.zones
    return Collected(
        site=loaded.site,
        zones=zones,
        requirements=wanted,
        witnesses=witnesses,
        findings=assess(
            loaded.site, wanted, witnesses, decisions=decisions, today=today(), zones=zones
        ),
        provenance=provenance(common, loaded, read),
        today=today(),
        since=options.since.isoformat() if options.since else "",
        applies=applies,
        history=_history(options, loaded, notes),
        journal=journal,
        notes=notes,
    )


def _applies(options: EvidenceOptions, notes: list[str]) -> tuple[tuple[Applied, ...] | None, str]:
    """Return what was applied in the period, and the head of the journal that says so."""
    from segctl.operations.audit import HistoryOptions, applies

    try:
        found = applies(HistoryOptions(since=options.since))
    except JournalError as error:
        notes.append(f"who changed what is not known: {error}")
        return None, ""
    if found.chain.faults:
        notes.append("the journal of applies was changed: see segctl history verify")
        return None, ""
    if not found.chain.entries:
        notes.append("this machine has no journal of applies: nothing was applied from here")
        return None, ""
    return found.rows, str(found.chain.head)


def _history(
    options: EvidenceOptions, loaded: Loaded, notes: list[str]
) -> tuple[Entry, ...] | None:
    """Return what drifted in the period, as the history has it."""
    from segctl.operations.history import HistoryOptions, history

    names = {device.name for device in loaded.site.devices}
    try:
        found = history(HistoryOptions(url=options.history, since=options.since, resolved=True))
    except (HistoryError, UsageError) as error:
        notes.append(f"the history of drift is not known: {error}")
        return None
    return tuple(one for one in found if one.device in names)


# --- what is on record ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A requirement in a zone of which two folders say otherwise."""

    zone: str
    requirement: str
    title: str
    before: str
    after: str
    why: str

    @property
    def direction(self) -> Direction:
        """Whether more is shown than before, less, or something else."""
        before, after = _RANK[self.before], _RANK[self.after]
        if before == after:
            return "changed"
        return "better" if after > before else "worse"


#: States from the worst to the best; what is not there any more, or was not, shows nothing.
_RANK: Final = {
    "not_satisfied": 0,
    "not_evidenced": 1,
    "absent": 1,
    "excepted": 2,
    "compensated": 3,
    "not_applicable": 4,
    "satisfied": 4,
}
_ORDER: Final = ("worse", "changed", "better")


def compare(old: Path, new: Path) -> tuple[Change, ...]:
    """Return what two folders of evidence say otherwise, the worse first.

    Raises:
        EvidenceError: one of them cannot be read, or its files were changed.
    """
    before, after = (_states(folder.checked(one)) for one in (old, new))
    absent = {"state": "absent", "why": "not there", "title": ""}
    changes = [
        Change(
            zone=zone,
            requirement=requirement,
            title=str(now["title"] or was["title"]),
            before=str(was["state"]),
            after=str(now["state"]),
            why=str(now["why"]),
        )
        for zone, requirement in dict.fromkeys((*before, *after))
        for was in (before.get((zone, requirement), absent),)
        for now in (after.get((zone, requirement), absent),)
        if was["state"] != now["state"]
    ]
    return tuple(sorted(changes, key=lambda one: _ORDER.index(one.direction)))


def _states(document: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {
        (zone["zone"], one["sr"]): one for zone in document["zones"] for one in zone["findings"]
    }
