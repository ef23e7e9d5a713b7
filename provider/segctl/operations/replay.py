"""Replay: what would become of traffic that was seen, under the declared policy or a plan."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError, UsageError
from segctl.model.scope import LATE_GROUP
from segctl.model.site import group_name
from segctl.operations.loading import desired_of, load_inventory, today
from segctl.operations.records import read_records
from segctl.operations.watching import Seen, calibrated, hear, refuse_nothing, watch_of
from segctl.operations.workers import at_work
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from segctl.analysis.effective import Reading
    from segctl.compiler.build import Desired
    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl.observe.calibrating import Calibration
    from segctl.observe.coverage import Coverage
    from segctl.observe.reading import Reading as Records
    from segctl.observe.replay import Firewall, Miscalibrated, Replay
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.operations.watching import Heard
    from segctl.planning.plan import DevicePlan, Plan
    from segctl.planning.sides import Sides
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live, Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Which records are replayed, under what.

    Without a `plan` it is the policy that the inventory declares. `offline` are snapshots of what
    devices hold. `from_devices` asks the devices about their traffic, for a week without `since`,
    `calibrate` what they would do with some of what was seen; both read what devices hold of which
    there is no snapshot. A plan needs one or the other, since it does not hold the rules of others.
    With an `island` it is what would be enforced while that is one: of firewalls that are read or
    have a snapshot what they hold, of others what is declared. `now` and `since` are seconds since
    1970. With `rehearse`, the result has the plan with what was found.
    """

    files: tuple[str, ...]
    now: float
    from_devices: bool = False
    calibrate: bool = False
    plan: Path | None = None
    island: str = ""
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


@uncollected()
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
    from segctl.observe.reading import ReadOptions
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
    if plans is not None:
        held = _with_groups(common, loaded, held, plans, progress, asking=asking)
    if options.island:
        firewalls = [*_as_island(loaded, options.island, held)]
    else:
        firewalls = [*_firewalls(desired_of(loaded), held, plans)]
    reading = read_records(
        common,
        options.files,
        ReadOptions(
            now=options.now,
            since=options.since,
            timezone=options.timezone,
            digests=options.rehearse,
            members=members_of(loaded.site.devices),
        ),
        progress,
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
            plan, reading, found, refused, held.groups, now=options.now, inventory=loaded.digest
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
    """What devices hold: as snapshots say, or as they were read now, each by name.

    `groups` are the device groups of a plan by name, `unread` says why one could not be read.
    """

    snapshots: Mapping[str, Snapshot]
    documents: Mapping[str, bytes]
    groups: Mapping[str, Device] = field(default_factory=dict[str, "Device"])
    unread: Mapping[str, str] = field(default_factory=dict[str, str])

    def live(self, device: Device, speaks: Provider) -> Live | None:
        """Return what a device holds; None where nobody knows.

        Raises:
            SegctlError: it cannot be read.
        """
        from segctl.fleet.snapshots import fitting

        if device.name in self.snapshots:
            return speaks.parse(fitting(device, self.snapshots).document.encode())
        document = self.documents.get(device.name)
        return None if document is None else speaks.parse(document)


def _with_groups(
    common: CommonOptions,
    loaded: Loaded,
    held: _Held,
    plans: Mapping[str, DevicePlan],
    progress: Progress,
    *,
    asking: bool,
) -> _Held:
    """Return what is held with the device groups of a plan, read where devices are asked."""
    from segctl.compiler.groups import whole_group
    from segctl.fleet.snapshots import take_snapshots
    from segctl.planning.snapshot import Snapshot

    managed = [one for one in loaded.site.devices if one.manager and group_name(one) in plans]
    groups = {group_name(one): whole_group(loaded.site.devices, one) for one in managed}
    missing = [one for one in groups.values() if asking and one.name not in held.snapshots]
    if not missing:
        return replace(held, groups=groups)
    with at_work(common, [one.name for one in missing], progress) as (executor, report):
        taken = take_snapshots(
            missing, loaded.connections, forks=common.forks, report=report, executor=executor
        )
    return replace(
        held,
        snapshots={
            **held.snapshots,
            **{one.name: one for one in taken if isinstance(one, Snapshot)},
        },
        groups=groups,
        unread={one.device: one.message for one in taken if not isinstance(one, Snapshot)},
    )


def _rehearsed(
    plan: Plan,
    reading: Records,
    found: Replay,
    refused: Mapping[str, str],
    groups: Mapping[str, Device],
    *,
    now: float,
    inventory: str,
) -> Plan:
    """Return a plan with its rehearsal.

    A device group is judged as far as each firewall is of which the plan changes the policy.
    """
    from segctl.observe.rehearsed import Occasion, rehearsal
    from segctl.planning.by_firewall import gets_any
    from segctl.planning.documents import policy_digest
    from segctl.planning.plan import REHEARSED_VERSION

    made = datetime.fromtimestamp(now, UTC).replace(microsecond=0).isoformat()
    occasion = Occasion(policy=policy_digest(plan), inventory=inventory, made=made)
    held = rehearsal(occasion, reading, found, refused)
    judged, unknown = {**held.judged}, {**held.not_judged}
    for one in plan.devices:
        if one.name in groups:
            names = [each.name for each in groups[one.name].members if gets_any(each.name, one)]
            judged[one.name] = min((held.judged.get(name, 0) for name in names), default=0)
            none = [name for name in names if not held.judged.get(name)]
            whys = [f"{name}: {held.not_judged.get(name, 'no record of it')}" for name in none]
            unknown |= {one.name: "; ".join(whys)} if whys else {}
    held = replace(held, judged=judged, not_judged=unknown)
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
            live = held.live(item.device, speaks)
            yield replace(
                found,
                before=_before(speaks, live),
                after=_after(item, speaks, live, plans, held),
            )
        except SegctlError as error:
            yield replace(found, why=str(error))


def _as_island(loaded: Loaded, name: str, held: _Held) -> Iterator[Firewall]:
    """Yield every firewall as it would be while a zone or a site is an island.

    Raises:
        ContainmentError: no island of this name is declared.
    """
    from segctl.fleet.legs import declared_of
    from segctl.model.filled import Filled
    from segctl.observe.replay import Firewall
    from segctl.operations.island import declared_island
    from segctl.planning.containing import prepared, unprepared
    from segctl.planning.islands import cut_of, firewalls_of
    from segctl.providers.base import provider

    island = declared_island(loaded, name)
    around = {one.name for one in firewalls_of(loaded.site, island, today())[0]}
    cut = cut_of(loaded.site, island)
    filled = Filled(what="an island", addresses=cut.texts)
    for item in desired_of(loaded):
        speaks = provider(item.device.platform)
        found = Firewall(device=item.device, provider=speaks)
        try:
            live = held.live(item.device, speaks)
            before = _before(speaks, live)
            if item.device.name not in around:
                yield replace(found, before=before, after=before or declared_of(item, live))
                continue
            if live is not None:
                own = prepared(live, managed=bool(item.device.group))
                if missing := unprepared(own, cut.group, cut.against):
                    raise _unprepared(missing)
            would = before or declared_of(item, live)
            beyond = replace(would.beyond, contained={island.group: filled})
            after = replace(would, beyond=beyond)
            yield replace(found, before=before, after=after, whole=live is not None)
        except SegctlError as error:
            yield replace(found, why=str(error))


def _unprepared(missing: Sequence[str]) -> SegctlError:
    from segctl.model.errors import ContainmentError

    return ContainmentError(f"the island is not prepared: {'; '.join(missing)}: run segctl apply")


def _before(speaks: Provider, live: Live | None) -> Reading | None:
    from segctl.providers.base import reading

    return None if live is None else reading(speaks, live)


def _after(
    item: Desired,
    speaks: Provider,
    live: Live | None,
    plans: Mapping[str, DevicePlan] | None,
    held: _Held,
) -> Reading:
    """Return what a firewall would enforce.

    Raises:
        SegctlError: it cannot be told; the message says why.
    """
    from segctl.fleet.legs import declared_of
    from segctl.providers.base import reading

    if plans is None:
        return declared_of(item, live)
    device = item.device
    if live is None:
        raise _unknown("it", device.name)
    if device.manager:
        group = held.groups.get(group_name(device))
        return reading(speaks, live) if group is None else _pushed(device, live, group, plans, held)
    plan = plans.get(device.name)
    found = None if plan is None else _sides(plan, live, speaks)
    return reading(speaks, live) if found is None else found.after


def _pushed(
    device: Device, live: Live, group: Device, plans: Mapping[str, DevicePlan], held: _Held
) -> Reading:
    """Return what a firewall would enforce that got all its group would hold.

    Raises:
        SegctlError: it cannot be told; the message says why.
    """
    from segctl.model.errors import SnapshotError
    from segctl.planning.by_firewall import with_group
    from segctl.providers.base import provider, reading

    speaks = provider(group.platform)
    if group.name in held.unread:
        raise SnapshotError(f"its device group could not be read: {held.unread[group.name]}")
    there = held.live(group, speaks)
    if there is None:
        raise _unknown(f"its device group {group.name}", device.name)
    found = _sides(plans[group.name], there, speaks)
    policy = there.effective() if found is None else found.after.policy
    late = group.scope.kind == LATE_GROUP
    own = reading(provider(device.platform), live)
    return replace(own, policy=with_group(live, device.name, there, policy, late=late))


def _sides(plan: DevicePlan, live: Live, speaks: Provider) -> Sides | None:
    """Return both sides of a plan; None where it changes nothing.

    Raises:
        StalePlanError: it was made for another state of the device.
    """
    from segctl.planning.freshness import check_fresh
    from segctl.planning.sides import sides

    if not plan.changes:
        return None
    check_fresh(plan, live, speaks)
    return sides(plan.changes, live, speaks)


def _unknown(what: str, name: str) -> SegctlError:
    from segctl.model.errors import SnapshotError

    return SnapshotError(
        f"{what} has no snapshot (segctl snapshot {name} takes one) and was not read"
    )
