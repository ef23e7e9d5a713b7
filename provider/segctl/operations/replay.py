"""Replay: what would become of traffic that was seen, under the declared policy or a plan."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError, UsageError
from segctl.operations.loading import desired_of, load_inventory, today
from segctl.operations.watching import Seen, calibrated, hear, refuse_nothing, watch_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from segctl.analysis.effective import Reading
    from segctl.compiler.build import Desired
    from segctl.inventory import Loaded
    from segctl.observe.calibrating import Calibration
    from segctl.observe.coverage import Coverage
    from segctl.observe.reading import Reading as Records
    from segctl.observe.replay import Firewall, Miscalibrated, Replay
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.operations.watching import Heard
    from segctl.planning.plan import DevicePlan, Plan
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live, Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Which records are replayed, under what.

    Without a `plan` it is the policy that the inventory declares. `offline` are snapshots of what
    devices hold. `from_devices` asks the devices about their traffic, for a week without `since`,
    `calibrate` what they would do with some of what was seen; both read what devices hold of which
    there is no snapshot. A plan needs one or the other, since it does not hold the rules of others.
    `now` and `since` are seconds since 1970. With `rehearse`, the result has the plan with what was
    found.
    """

    files: tuple[str, ...]
    now: float
    from_devices: bool = False
    calibrate: bool = False
    plan: Path | None = None
    offline: Path | None = None
    since: float | None = None
    timezone: str | None = None
    rehearse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What the records can show, what would become of them, and firewalls that cannot be judged.

    `calibration` is how far devices were asked what they do. `rehearsed` is the plan with its
    rehearsal, where that was asked for.
    """

    coverage: Coverage
    replay: Replay
    refused: Mapping[str, str]
    loaded: Loaded
    calibration: tuple[Calibration, ...] = ()
    rehearsed: Plan | None = None


def replay(common: CommonOptions, options: ReplayOptions, progress: Progress) -> ReplayResult:
    """Judge records of traffic under another policy; writes to no device.

    Raises:
        InventoryError: the inventory cannot be used.
        PlanFormatError: the plan cannot be used.
        SnapshotError: the snapshots cannot be used.
        UsageError: no file is given and no device is asked, a file does not exist, or a plan comes
            without what devices hold.
    """
    from segctl.observe.pairs import members_of
    from segctl.observe.places import Places
    from segctl.observe.reading import ReadOptions, read
    from segctl.observe.replay import replayed
    from segctl.observe.standing import Standings
    from segctl.planning.documents import load_plan
    from segctl.planning.snapshot import load_snapshots

    asking = options.from_devices or options.calibrate
    refuse_nothing(options.files, from_devices=options.from_devices)
    if options.plan is not None and options.offline is None and not asking:
        raise UsageError(
            "a plan does not hold the rules of others: name what the devices hold with --offline "
            "(segctl snapshot takes it), or ask them: --from-devices or --calibrate"
        )
    loaded = load_inventory(common, progress)
    plan = load_plan(options.plan) if options.plan is not None else None
    if options.rehearse and plan is None:
        raise UsageError("-o keeps a rehearsal in a plan: name the plan, without --declared")
    snapshots = load_snapshots(options.offline) if options.offline is not None else {}
    plans = {one.name: one for one in plan.devices} if plan is not None else None
    heard = _heard(common, options, loaded, snapshots, progress) if asking else None
    held = _Held(snapshots=snapshots, documents=heard.documents if heard is not None else {})
    firewalls = [*_firewalls(desired_of(loaded), held, plans)]
    reading = read(
        options.files,
        ReadOptions(
            now=options.now,
            since=options.since,
            timezone=options.timezone,
            digests=options.rehearse,
            members=members_of(loaded.site.devices),
        ),
        told=heard.told if heard is not None else None,
    )
    with closing(reading.groups):
        called = reading.coverage.called([one.device.name for one in firewalls])
        called |= {one.serial: name for name, one in snapshots.items() if one.serial}
        standings = Standings(loaded.site, Places(loaded.site, called), today())
        wrong: tuple[Miscalibrated, ...] = ()
        calibration: tuple[Calibration, ...] = ()
        if asking:
            seen = Seen(groups=reading.groups, standings=standings, called=called)
            wrong, calibration = calibrated(common, loaded, seen, firewalls, progress)
        found = replayed(
            reading.groups, loaded.site, standings, firewalls, called, contradicted=wrong
        )
    refused = {one.device.name: one.why for one in firewalls if one.why}
    return ReplayResult(
        coverage=reading.coverage,
        replay=found,
        refused=refused,
        loaded=loaded,
        calibration=calibration,
        rehearsed=_rehearsed(
            plan, reading, found, refused, now=options.now, inventory=loaded.digest
        )
        if plan is not None and options.rehearse
        else None,
    )


def _heard(
    common: CommonOptions,
    options: ReplayOptions,
    loaded: Loaded,
    snapshots: Mapping[str, Snapshot],
    progress: Progress,
) -> Heard:
    """Ask devices about their traffic, if that is wanted; read those without a snapshot."""
    watch = (
        watch_of(options.now, options.since, each=False, threats=False)
        if options.from_devices
        else None
    )
    holding = [name for name in loaded.hosts if name not in snapshots]
    return hear(common, loaded, watch, progress, holding)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What devices hold: as snapshots say, or as they were read now, each by name."""

    snapshots: Mapping[str, Snapshot]
    documents: Mapping[str, bytes]

    def live(self, item: Desired, speaks: Provider) -> Live | None:
        """Return what a device holds; None where nobody knows.

        Raises:
            SegctlError: it cannot be read.
        """
        from segctl.fleet.snapshots import fitting

        name = item.device.name
        if name in self.snapshots:
            return speaks.parse(fitting(item.device, self.snapshots).document.encode())
        document = self.documents.get(name)
        return None if document is None else speaks.parse(document)


def _rehearsed(
    plan: Plan,
    reading: Records,
    found: Replay,
    refused: Mapping[str, str],
    *,
    now: float,
    inventory: str,
) -> Plan:
    """Return a plan with its rehearsal."""
    from segctl.observe.rehearsed import Occasion, rehearsal
    from segctl.planning.documents import policy_digest
    from segctl.planning.plan import REHEARSED_VERSION

    made = datetime.fromtimestamp(now, UTC).replace(microsecond=0).isoformat()
    occasion = Occasion(policy=policy_digest(plan), inventory=inventory, made=made)
    held = rehearsal(occasion, reading, found, refused)
    return replace(plan, format_version=REHEARSED_VERSION, rehearsal=held)


def _firewalls(
    chosen: Sequence[Desired],
    held: _Held,
    plans: Mapping[str, DevicePlan] | None,
) -> Iterator[Firewall]:
    from segctl.observe.replay import Firewall
    from segctl.providers.base import provider

    for item in chosen:
        speaks = provider(item.device.platform)
        found = Firewall(device=item.device, provider=speaks, whole=plans is not None)
        try:
            live = held.live(item, speaks)
            yield replace(
                found,
                before=_before(speaks, live),
                after=_after(item, speaks, live, plans),
            )
        except SegctlError as error:
            yield replace(found, why=str(error))


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
        raise SnapshotError(
            f"it has no snapshot (segctl snapshot {name} takes one) and was not read"
        )
    plan = plans.get(name)
    if plan is None or not plan.changes:
        return reading(speaks, live)
    check_fresh(plan, live, speaks)
    found = sides(plan.changes, live, speaks)
    return reading(speaks, live) if found is None else found.after
