"""Drift: how devices differ from the inventory, who did it, and what of it is accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.files import save
from segctl.operations.loading import load_inventory, today, unit_names, units_of, watched
from segctl.operations.plan import plan_devices, snapshots
from segctl.operations.workers import at_work
from segctl.system.handed import read_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from segctl.drift.acceptance import Accepted
    from segctl.drift.report import DriftReport
    from segctl.fleet import Brake, Failure
    from segctl.fleet.readings import Readings
    from segctl.inventory import Loaded
    from segctl.model.errors import Problem
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.plan import DevicePlan
    from segctl.providers.logs import Author
    from segctl.report.drawing.stamp import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """What is compared: devices or, with `offline`, their snapshots; `baseline` is known drift.

    `drawings` are files of ``segctl graph`` that are held against the inventory and the devices.
    `readings` are what was read of the devices before; once `brake` is pressed, no more is asked of
    them.
    """

    baseline: Path | None = None
    offline: Path | None = None
    drawings: tuple[Path, ...] = ()
    readings: Readings | None = None
    brake: Brake | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """What has drifted.

    `failures` are the devices that could not be compared; `started` is when the comparison began.
    `drawings` says of each stored drawing what has changed since it was made.
    """

    report: DriftReport
    failures: tuple[Failure, ...]
    loaded: Loaded
    started: datetime
    drawings: Mapping[Path, Standing] = field(default_factory=dict["Path", "Standing"])

    @property
    def in_sync(self) -> bool:
        """Whether every device was compared, and holds what the inventory says."""
        return not self.failures and self.report.in_sync

    @property
    def told(self) -> bool:
        """Whether of every device it could be told what it enforces."""
        return not self.failures and not self.report.untold

    @property
    def rules(self) -> dict[str, list[str]]:
        """The names of the rules that each device should hold."""
        return {
            item.device.name: [rule.name for rule in item.policy.rules]
            for item in units_of(self.loaded)
        }


def drift(common: CommonOptions, options: DriftOptions, progress: Progress) -> DriftResult:
    """Compare the devices with the inventory; never writes to a device and never locks one.

    Raises:
        InventoryError: the inventory cannot be used.
        FileError: the baseline cannot be used.
        SnapshotError: the snapshots cannot be used.
        UsageError: no firewall is selected.
    """
    started = datetime.now(UTC)
    loaded = load_inventory(common, progress)
    return drift_in(common, loaded, options, progress, started=started)


def drift_in(
    common: CommonOptions,
    loaded: Loaded,
    options: DriftOptions,
    progress: Progress,
    *,
    started: datetime,
) -> DriftResult:
    """Compare the devices with an inventory that has been read.

    Raises:
        FileError: the baseline cannot be used.
        SnapshotError: the snapshots cannot be used.
        UsageError: no firewall is selected.
    """
    from segctl.drift.baseline import read_baseline
    from segctl.drift.report import drift_of

    accepted = read_baseline(options.baseline) if options.baseline else ()
    made = {path: _made_from(path) for path in options.drawings}
    _mention_strangers(accepted, loaded, progress)
    plans, failures = plan_devices(
        common,
        loaded,
        progress,
        snapshots(options.offline),
        drift=True,
        readings=options.readings,
    )
    asked = plans if options.offline is None else []
    authors, notes = _authors(common, loaded, asked, progress, options.brake)
    by_name = {item.name: item for item in plans} | {item.device: item for item in failures}
    ordered = [by_name[name] for name in _names(loaded) if name in by_name]
    report = drift_of(ordered, accepted, today=today(), authors=authors, notes=notes)
    drawings = _standings(made, loaded.digest, plans, kept=options.offline is not None)
    for path, found in drawings.items():
        _tell(path, found, progress)
    return DriftResult(
        report=report,
        failures=tuple(failures),
        loaded=loaded,
        started=started,
        drawings=drawings,
    )


def _standings(
    made: Mapping[Path, Mapping[str, str]],
    inventory: str,
    plans: Sequence[DevicePlan],
    *,
    kept: bool,
) -> dict[Path, Standing]:
    """Return what has changed since each drawing was made."""
    from segctl.report.drawing.stamp import standing

    read = {plan.name: plan.read for plan in plans}
    return {path: standing(stamp, inventory, read, snapshots=kept) for path, stamp in made.items()}


def _tell(path: Path, found: Standing, progress: Progress) -> None:
    again = "draw it again with segctl graph"
    if found.inventory:
        progress.warn(f"{path} was drawn from another inventory: {again}")
    if found.changed:
        names = ", ".join(found.changed)
        progress.warn(f"{path} was drawn before something changed on {names}: {again} --live")
    if found.untold:
        names = ", ".join(found.untold)
        progress.note(f"{path}: cannot tell whether it still shows what {names} enforces")


def _made_from(path: Path) -> Mapping[str, str]:
    """Return what a drawing was made from.

    Raises:
        UsageError: it cannot be read, or is not a drawing of segctl.
    """
    from segctl.report.drawing.stamp import INVENTORY, stamp_of

    try:
        made = stamp_of(read_bytes(path).decode())
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"--drawing {path}: {why}") from error
    if INVENTORY not in made:
        raise UsageError(f"--drawing {path}: it does not say what it was drawn from")
    return made


def _names(loaded: Loaded) -> list[str]:
    return [one.device.name for one in watched(loaded)]


def _mention_strangers(accepted: Sequence[Accepted], loaded: Loaded, progress: Progress) -> None:
    """Say which entries of the baseline are about no firewall of the inventory."""
    known = {device.name for device in loaded.site.devices} | set(unit_names(loaded))
    for entry in accepted:
        if entry.device not in known:
            where = f"{entry.file}:{entry.line}:{entry.column}"
            progress.note(f"{where}: the inventory has no firewall {entry.device}")


def _authors(
    common: CommonOptions,
    loaded: Loaded,
    plans: list[DevicePlan],
    progress: Progress,
    brake: Brake | None,
) -> tuple[dict[tuple[str, str, str], Author], list[tuple[str, Problem]]]:
    from segctl.drift.items import items_of
    from segctl.fleet import ask_authors
    from segctl.inventory.loading import VIA

    # Panorama does not pass on what is asked of a firewall's log
    plans = [one for one in plans if VIA not in loaded.connections.get(one.name, {})]
    names = [plan.name for plan in plans if items_of(plan)]
    with at_work(common, names, progress) as (executor, report):
        return ask_authors(
            plans,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
            brake=brake,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The new baseline file that accepts what has drifted, who answers for it, and its last day."""

    file: Path
    owner: str
    expires: date

    @classmethod
    def of(cls, file: Path | None, owner: str, expires: str) -> Acceptance | None:
        """Return what is accepted, if anything is; `expires` is a day such as 2027-01-31.

        Raises:
            UsageError: owner or day are missing, or the day is over.
        """
        if file is None:
            if owner or expires:
                raise UsageError("--owner and --expires go with --write-baseline")
            return None
        if not owner or not expires:
            raise UsageError(
                "--write-baseline needs --owner and --expires: who answers, until when"
            )
        try:
            day = date.fromisoformat(expires)
        except ValueError:
            raise UsageError(f"--expires must be a date like 2027-01-31, not {expires!r}") from None
        if day < today():
            raise UsageError(f"--expires {expires} lies in the past")
        return cls(file=file, owner=owner, expires=day)


def accept(result: DriftResult, acceptance: Acceptance) -> None:
    """Write a baseline that accepts exactly what has drifted.

    Raises:
        PlanError: it cannot be written.
    """
    from segctl.drift.baseline import baseline_text

    text = baseline_text(result.report, acceptance.owner, acceptance.expires)
    save(acceptance.file, text)
