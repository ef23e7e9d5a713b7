"""Replay: what would become of traffic that was seen, under the declared policy or a plan."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError, UsageError
from segctl.operations.loading import desired_of, load_inventory, today

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from segctl.analysis.effective import Reading
    from segctl.compiler.build import Desired
    from segctl.inventory import Loaded
    from segctl.observe.coverage import Coverage
    from segctl.observe.replay import Firewall, Replay
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.plan import DevicePlan
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live, Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Which records are replayed, under what.

    Without a `plan` it is the policy that the inventory declares. `offline` are snapshots of what
    devices hold; a plan needs them, since it does not hold the rules of others. `now` and `since`
    are seconds since 1970.
    """

    files: tuple[str, ...]
    now: float
    plan: Path | None = None
    offline: Path | None = None
    since: float | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What the records can show, what would become of them, and firewalls that cannot be asked."""

    coverage: Coverage
    replay: Replay
    refused: Mapping[str, str]
    loaded: Loaded


def replay(common: CommonOptions, options: ReplayOptions, progress: Progress) -> ReplayResult:
    """Judge records of traffic under another policy; asks no device.

    Raises:
        InventoryError: the inventory cannot be used.
        PlanFormatError: the plan cannot be used.
        SnapshotError: the snapshots cannot be used.
        UsageError: no file is given, one does not exist, or a plan comes without snapshots.
    """
    from segctl.observe.pairs import members_of
    from segctl.observe.places import Places
    from segctl.observe.reading import ReadOptions, read
    from segctl.observe.replay import replayed
    from segctl.observe.standing import Standings
    from segctl.planning.documents import load_plan
    from segctl.planning.snapshot import load_snapshots

    if not options.files:
        raise UsageError("name files or folders with records of traffic; - is standard input")
    if options.plan is not None and options.offline is None:
        raise UsageError(
            "a plan does not hold the rules of others: name what the devices hold with --offline "
            "(segctl snapshot takes it)"
        )
    loaded = load_inventory(common, progress)
    plan = load_plan(options.plan) if options.plan is not None else None
    snapshots = load_snapshots(options.offline) if options.offline is not None else {}
    plans = {one.name: one for one in plan.devices} if plan is not None else None
    firewalls = [*_firewalls(desired_of(loaded), snapshots, plans)]
    reading = read(
        options.files,
        ReadOptions(
            now=options.now,
            since=options.since,
            timezone=options.timezone,
            members=members_of(loaded.site.devices),
        ),
    )
    with closing(reading.groups):
        called = reading.coverage.called([one.device.name for one in firewalls])
        called |= {one.serial: name for name, one in snapshots.items() if one.serial}
        standings = Standings(loaded.site, Places(loaded.site, called), today())
        found = replayed(reading.groups, loaded.site, standings, firewalls, called)
    return ReplayResult(
        coverage=reading.coverage,
        replay=found,
        refused={one.device.name: one.why for one in firewalls if one.why},
        loaded=loaded,
    )


def _firewalls(
    chosen: Sequence[Desired],
    snapshots: Mapping[str, Snapshot],
    plans: Mapping[str, DevicePlan] | None,
) -> Iterator[Firewall]:
    from segctl.observe.replay import Firewall
    from segctl.providers.base import provider

    for item in chosen:
        speaks = provider(item.device.platform)
        found = Firewall(device=item.device, provider=speaks, whole=plans is not None)
        try:
            live = _live(item, speaks, snapshots) if item.device.name in snapshots else None
            yield replace(
                found,
                before=_before(speaks, live),
                after=_after(item, speaks, live, plans),
            )
        except SegctlError as error:
            yield replace(found, why=str(error))


def _live(item: Desired, speaks: Provider, snapshots: Mapping[str, Snapshot]) -> Live:
    from segctl.fleet.snapshots import fitting

    return speaks.parse(fitting(item.device, snapshots).document.encode())


def _before(speaks: Provider, live: Live | None) -> Reading | None:
    from segctl.providers.base import reading

    return None if live is None else reading(speaks, live)


def _after(
    item: Desired, speaks: Provider, live: Live | None, plans: Mapping[str, DevicePlan] | None
) -> Reading:
    """Return what a firewall would enforce.

    Raises:
        SegctlError: it cannot be told; the message says why.
    """
    from segctl.fleet.legs import declared_of
    from segctl.model.errors import PlanError, SnapshotError
    from segctl.planning.freshness import check_fresh
    from segctl.planning.sides import sides
    from segctl.providers.base import reading

    if plans is None:
        return declared_of(item, live)
    name = item.device.name
    if item.device.group:
        raise PlanError("it is planned as part of a device group, which cannot be replayed")
    if live is None:
        raise SnapshotError(f"it has no snapshot: segctl snapshot {name} takes one")
    plan = plans.get(name)
    if plan is None or not plan.changes:
        return reading(speaks, live)
    check_fresh(plan, live, speaks)
    found = sides(plan.changes, live, speaks)
    return reading(speaks, live) if found is None else found.after
