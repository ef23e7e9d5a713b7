"""Plan: what would change on the selected devices, read from them or from their snapshots."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError, nearest
from segctl.operations.loading import intent, load_inventory, units_of, watched
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from segctl.fleet import Failure
    from segctl.fleet.readings import Readings
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.plan import Allowance, DevicePlan, Plan
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.management import Management


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How a plan is made.

    With `offline`, a snapshot or a folder of them, no device is read. The plan may be applied for
    `valid_for` hours. `disruptions` are ways of managing devices that may be cut.
    """

    offline: Path | None = None
    valid_for: float = 24.0
    disruptions: tuple[Allowance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """A plan, the devices that have none, and the inventory it was made from."""

    plan: Plan
    failures: tuple[Failure, ...]
    loaded: Loaded

    @property
    def applyable(self) -> bool:
        """Whether every device could be planned, and no error forbids applying it."""
        return not self.failures and self.plan.applyable

    @property
    def differs(self) -> bool:
        """Whether a device holds something else than the inventory says, or not for good."""
        return bool(self.plan.changes) or not all(one.state.lasts for one in self.plan.devices)


def plan(common: CommonOptions, options: PlanOptions, progress: Progress) -> PlanResult:
    """Read the selected devices and plan them; never writes to a device.

    Raises:
        InventoryError: the inventory cannot be used.
        SnapshotError: the snapshots cannot be used.
        UsageError: no firewall is selected.
    """
    offline = snapshots(options.offline)
    loaded = load_inventory(common, progress)
    return plan_loaded(
        common,
        loaded,
        options.valid_for,
        progress,
        offline=offline,
        disruptions=options.disruptions,
    )


def plan_loaded(
    common: CommonOptions,
    loaded: Loaded,
    valid_for: float,
    progress: Progress,
    *,
    offline: Mapping[str, Snapshot] | None = None,
    disruptions: Sequence[Allowance] = (),
) -> PlanResult:
    """Plan the devices of an inventory that has been read; the plan is good for `valid_for` hours.

    Raises:
        UsageError: no firewall is selected, or there is no such way that may be cut.
    """
    from segctl.planning.make import make_plan

    plans, failures = plan_devices(common, loaded, progress, offline, disruptions=disruptions)
    made = make_plan(plans, intent(common, loaded, offline), valid_for=timedelta(hours=valid_for))
    return PlanResult(plan=made, failures=tuple(failures), loaded=loaded)


def plan_devices(
    common: CommonOptions,
    loaded: Loaded,
    progress: Progress,
    offline: Mapping[str, Snapshot] | None = None,
    *,
    drift: bool = False,
    disruptions: Sequence[Allowance] = (),
    readings: Readings | None = None,
) -> tuple[list[DevicePlan], list[Failure]]:
    """Read every selected device; return the plans, and the devices that have none.

    With `offline` no device is read: its snapshot is. With `drift` the plans are only to say what
    differs, and nothing but an unread device has none. `readings` are what was read of the devices
    before.

    Raises:
        UsageError: no firewall is selected.
    """
    from segctl import fleet
    from segctl.planning.plan import DevicePlan

    chosen = watched(loaded) if drift else units_of(loaded)
    names = [item.device.name for item in chosen]
    if offline is not None:
        from segctl.fleet.snapshots import plan_offline

        with progress.devices(names) as report:
            made = plan_offline(chosen, offline, report, drift=drift)
        return _parted(made if drift else _guarded(common, loaded, made, disruptions))
    with at_work(common, names, progress) as (executor, report):
        results = fleet.plan_devices(
            chosen,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
            cache=common.cache,
            drift=drift,
            readings=readings,
        )
        if drift:
            return _parted(results)
        beside = fleet.needs_of_managed(
            [one for one in results if isinstance(one, DevicePlan)],
            loaded.site,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
        )
    return _parted(_guarded(common, loaded, results, disruptions, beside))


def _guarded(
    common: CommonOptions,
    loaded: Loaded,
    results: Sequence[DevicePlan | Failure],
    disruptions: Sequence[Allowance],
    beside: Mapping[str, Management | None] = MappingProxyType({}),
) -> Sequence[DevicePlan | Failure]:
    """Return plans with findings about the ways of managing devices that they would cut.

    Raises:
        UsageError: there is no such way as one that may be cut.
    """
    from segctl.fleet.failures import Failure
    from segctl.fleet.ways import guarded, reached_by
    from segctl.planning.management import names_of

    remote = "://" in common.executor
    if disruptions:
        plans = [one for one in results if not isinstance(one, Failure)]
        reached = reached_by(loaded.site.devices, loaded.connections, remote=remote)
        known = names_of(plans, reached, beside)
        for one in disruptions:
            if one.flow not in known:
                hint = nearest(one.flow, known, f"there are {', '.join(sorted(known))}")
                raise UsageError(f"--allow-disruption {one.flow}: there is no such flow: {hint}")
    return guarded(
        results, loaded.site, loaded.connections, disruptions, remote=remote, beside=beside
    )


def _parted(
    results: Iterable[DevicePlan | Failure],
) -> tuple[list[DevicePlan], list[Failure]]:
    from segctl.planning.plan import DevicePlan

    listed = list(results)
    plans = [item for item in listed if isinstance(item, DevicePlan)]
    return plans, [item for item in listed if not isinstance(item, DevicePlan)]


def snapshots(path: Path | None) -> dict[str, Snapshot] | None:
    """Return the snapshots of a file or folder by device, if it is given.

    Raises:
        SnapshotError: they cannot be used.
    """
    if path is None:
        return None
    from segctl.planning.snapshot import load_snapshots

    return load_snapshots(path)
