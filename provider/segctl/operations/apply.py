"""Apply: a saved plan verbatim, or what is planned now and approved by the caller."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from segctl.model.errors import StalePlanError, UnsettledError, UsageError, WideningError
from segctl.operations.audit import record_of
from segctl.operations.loading import load_inventory, refuse_writable, unit_names
from segctl.operations.plan import plan_loaded
from segctl.operations.plan_files import mark_used, read_plan, refuse_unrehearsed, refuse_used
from segctl.operations.signatures import refuse_unsigned
from segctl.operations.workers import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from segctl.fleet import Brake, Failure, Workers
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.apply import Order
    from segctl.planning.audit import Record
    from segctl.planning.journal import Journal
    from segctl.planning.outcome import Outcome
    from segctl.planning.plan import Allowance, DevicePlan, Plan
    from segctl.planning.rehearsal import Requirement

#: Statuses of devices that did not go well.
FAILED = ("failed", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What of a plan is done only where the user says that it is meant.

    With `no_widening` nothing is done that permits, or may permit, what was not permitted. Ways of
    managing devices that are `disruptions` may be cut, where the plan is made now. With
    `rehearsal`, only a plan is applied whose rehearsal shows what that asks.
    """

    purge: bool = False
    mass_delete: bool = False
    no_widening: bool = False
    disruptions: tuple[Allowance, ...] = ()
    rehearsal: Requirement | None = None

    def words(self) -> list[str]:
        """Return the options of a command line that say the same, with one reason for all ways."""
        given = (
            ("--allow-purge", self.purge),
            ("--allow-mass-delete", self.mass_delete),
            ("--no-widening", self.no_widening),
            ("--require-replay", self.rehearsal is not None),
        )
        words = [option for option, meant in given if meant]
        for one in self.disruptions:
            words += ["--allow-disruption", one.flow]
        if self.disruptions and self.disruptions[0].reason:
            words += ["--reason", self.disruptions[0].reason]
        return words

    def refuse_unrehearsed(self, made: Plan | None) -> None:
        """Refuse a plan that was not rehearsed as is asked; None is one that is made only now.

        Raises:
            NotRehearsedError: it was not, or nothing could be told.
            DropsTrafficError: it would drop what must go on.
        """
        if self.rehearsal is not None:
            refuse_unrehearsed(made, self.rehearsal)

    def barred(self, made: Plan) -> tuple[str, ...]:
        """Return the devices to which the plan may not be applied."""
        return tuple(
            device.name
            for device in made.devices
            if device.barring(allow_mass_delete=self.mass_delete)
        )

    def widening(self, made: Plan) -> tuple[str, ...]:
        """Return why the plan is refused that widens what some devices permit."""
        from segctl.planning.meaning import widening

        return tuple(
            text
            for device in made.devices
            if self.no_widening and device.changes
            if (text := widening(device.name, device.meaning))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlanOptions:
    """How a saved plan is applied; with `verify`, only if one of these keys signed it."""

    file: Path
    verify: Path | None = None
    allowed: Allowed = Allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """How devices are planned and changed at once.

    `approve` is given the plan and says whether it is applied. `approve_settling` is given the
    devices on which an earlier run died, and says whether what it left there may be kept or
    taken back first.
    """

    approve: Callable[[Plan], bool]
    approve_settling: Callable[[Sequence[DevicePlan]], bool]
    allowed: Allowed = Allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyResult:
    """What became of a plan.

    `ended`: the devices are as `outcomes` says. `refused`: nothing was applied, because of
    `failures`, because the plan's errors forbid it on the devices `barred`, or because it would
    permit more, as `widening` says. `not_approved`: nothing was applied, because the caller did
    not agree. `journal` is the file that says what was
    done to which device last, if there is one. `audit` is where the run is on record.
    """

    status: Literal["ended", "refused", "not_approved"]
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    failures: tuple[Failure, ...] = ()
    barred: tuple[str, ...] = ()
    widening: tuple[str, ...] = ()
    journal: Path | None = None
    audit: Record | None = None

    @property
    def well(self) -> bool:
        """Whether every device is as planned, and that is on record."""
        recorded = self.audit is None or not self.audit.problems
        done = not any(one.status in FAILED for one in self.outcomes)
        return self.status == "ended" and done and recorded


def apply_saved(
    common: CommonOptions, options: SavedPlanOptions, progress: Progress
) -> ApplyResult:
    """Apply a saved plan exactly as it is; it is not applied a second time.

    Raises:
        SignatureError: it is not signed as `verify` or a device asks.
        PlanFormatError: it is no plan, was edited, or has another version.
        StalePlanError: it has expired.
        PlanError: it was applied already.
        NotRehearsedError: it was not rehearsed as is asked, or nothing could be told.
        DropsTrafficError: its rehearsal shows that it drops what must go on.
        InventoryError: the inventory cannot be used, or every user of this machine can change it.
        UsageError: it is for devices that the inventory or the limit leaves out.
    """
    made = read_plan(options.file, options.verify)
    refuse_used(options.file, made)
    options.allowed.refuse_unrehearsed(made)
    loaded = load_inventory(common, progress)
    refuse_writable(loaded)
    if widening := options.allowed.widening(made):
        return ApplyResult(status="refused", plan=made, widening=widening)
    return _applied(common, loaded, made, options.allowed, progress, file=options.file)


def apply(common: CommonOptions, options: ApplyOptions, progress: Progress) -> ApplyResult:
    """Plan, ask and apply; what dead runs left is settled before anything is planned against it.

    Raises:
        InventoryError: the inventory cannot be used, or every user of this machine can change it.
        SignatureError: a device takes signed plans only.
        NotRehearsedError: it was to be rehearsed.
        UsageError: no firewall is selected.
    """
    from segctl.fleet import Brake

    options.allowed.refuse_unrehearsed(None)
    loaded = load_inventory(common, progress)
    refuse_writable(loaded)
    refuse_unsigned(loaded.connections, loaded.hosts)
    disruptions = options.allowed.disruptions
    planned = plan_loaded(common, loaded, 24.0, progress, disruptions=disruptions)
    settled: dict[str, Outcome] = {}
    audit: Record | None = None
    pending = [device for device in planned.plan.devices if device.state.unconfirmed]
    if pending and not planned.failures:
        if not options.approve_settling(pending):
            return ApplyResult(status="not_approved", plan=planned.plan)
        audit = record_of("settle", planned.plan.plan_id, planned.plan.intent)
        brake = Brake()
        with (
            opened(common, len(pending), progress) as executor,
            common.interrupts(brake.press),
        ):
            settled = _settled(
                common,
                loaded,
                planned.plan,
                pending,
                progress,
                allowed=options.allowed,
                audit=audit,
                executor=executor,
                brake=brake,
            )
        ends = tuple(settled.values())
        if audit.problems or any(outcome.status in FAILED for outcome in ends):
            return ApplyResult(status="ended", plan=planned.plan, outcomes=ends, audit=audit)
        planned = plan_loaded(common, loaded, 24.0, progress, disruptions=disruptions)
    made = planned.plan
    barred = options.allowed.barred(made)
    widening = options.allowed.widening(made)
    if planned.failures or barred or widening:
        return ApplyResult(
            status="refused",
            plan=made,
            failures=planned.failures,
            barred=barred,
            widening=widening,
            audit=audit,
        )
    if not options.approve(made):
        return ApplyResult(status="not_approved", plan=made, audit=audit)
    return _applied(common, loaded, made, options.allowed, progress, settled=settled)


def has_work(made: Plan) -> bool:
    """Whether applying a plan would do anything to a device."""
    return bool(made.changes) or any(device.state.unsettled for device in made.devices)


def _settled(
    common: CommonOptions,
    loaded: Loaded,
    made: Plan,
    pending: Sequence[DevicePlan],
    progress: Progress,
    *,
    allowed: Allowed,
    audit: Record,
    executor: Workers,
    brake: Brake,
) -> dict[str, Outcome]:
    """Keep what dead runs left on devices if it is as declared, else take it back."""
    from segctl.fleet import apply_plans
    from segctl.planning.apply import Order

    audit.began(pending)
    with progress.devices([device.name for device in pending]) as report:
        outcomes = apply_plans(
            pending,
            loaded.connections,
            forks=common.forks,
            order=Order(
                settle_only=True,
                no_widening=allowed.no_widening,
                journal=_journal(common, made, allowed),
                origin=audit.origin,
            ),
            brake=brake,
            report=report,
            executor=executor,
            ended=audit.ended,
        )
    return {outcome.device: outcome for outcome in outcomes}


def _journal(
    common: CommonOptions, made: Plan, allowed: Allowed, file: Path | None = None
) -> Journal:
    """Return the journal of this run, with the command that finishes what it begins."""
    from segctl.planning.journal import journal_of

    words = ["segctl", *common.words(), "apply", *([str(file)] if file else []), *allowed.words()]
    return journal_of(made.plan_id, plan_id=made.plan_id, command=shlex.join(words))


def _checked(
    common: CommonOptions,
    loaded: Loaded,
    made: Plan,
    progress: Progress,
    *,
    order: Order,
    executor: Workers,
    brake: Brake,
) -> tuple[Failure, ...]:
    """Read every device that a saved plan would change, and return those it does not fit."""
    from segctl.fleet import check_plans

    with progress.devices([device.name for device in made.devices if device.changes]) as report:
        return check_plans(
            made.devices,
            loaded.connections,
            forks=common.forks,
            order=order,
            brake=brake,
            report=report,
            executor=executor,
        )


def _stale(
    common: CommonOptions,
    loaded: Loaded,
    made: Plan,
    progress: Progress,
    *,
    checked: Sequence[Failure],
    executor: Workers,
    brake: Brake,
) -> tuple[Outcome, ...]:
    """Return why a saved plan is not begun on any device, if it is stale for one of them.

    A device that cannot be read is no reason to stop the others.
    """
    from segctl.planning.outcome import Outcome

    refused = (StalePlanError.code, WideningError.code)
    stale = {one.device: one for one in checked if one.code in refused}
    stale = stale or _cutting(common, loaded, made, progress, executor=executor, brake=brake)
    if not stale:
        return ()
    what = "is stale" if any(one.code == refused[0] for one in stale.values()) else "widens"
    beside = f"not begun: the plan {what} for {', '.join(sorted(stale))}"
    return tuple(
        Outcome(
            device=device.name,
            status="failed",
            code=stale[device.name].code if device.name in stale else "not_begun",
            message=stale[device.name].message if device.name in stale else beside,
        )
        for device in made.devices
    )


def _to_settle(made: Plan, checked: Sequence[Failure]) -> list[DevicePlan]:
    """Return the devices to be settled first, so that no other is changed before they fit.

    The only device of a plan is settled when it is changed.
    """
    names = {one.device for one in checked if one.code == UnsettledError.code}
    return [one for one in made.devices if one.name in names] if len(made.devices) > 1 else []


def _cutting(
    common: CommonOptions,
    loaded: Loaded,
    made: Plan,
    progress: Progress,
    *,
    executor: Workers,
    brake: Brake,
) -> dict[str, Failure]:
    """Return the devices whose saved plans would cut a way of managing, and did not before.

    Since a plan was made, the address of a device, what it needs, the machine that runs segctl or
    the inventory may have changed. What can only not be told is a warning, as in a plan.
    """
    from segctl.fleet import Failure
    from segctl.fleet.ways import cut_since

    with progress.devices([device.name for device in made.devices]) as report:
        found = cut_since(
            made.devices,
            loaded.site,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
            brake=brake,
        )
    failures: dict[str, Failure] = {}
    for name, problems in found.items():
        cut = [one.message for one in problems if one.severity == "error"]
        for one in problems:
            if one.severity != "error":
                progress.warn(f"{name}: {one.message}")
        if cut:
            message = f"{'; '.join(cut)}: that is new since the plan was made, plan again"
            code = StalePlanError.code
            failures[name] = Failure(device=name, code=code, message=message)
    return failures


def _applied(
    common: CommonOptions,
    loaded: Loaded,
    made: Plan,
    allowed: Allowed,
    progress: Progress,
    *,
    file: Path | None = None,
    settled: Mapping[str, Outcome] | None = None,
) -> ApplyResult:
    """Apply a plan; `file` is where it was read from, and is not applied a second time."""
    from segctl.fleet import Brake, apply_plans
    from segctl.planning.apply import Order

    names = [device.name for device in made.devices]
    outside = sorted(
        set(names) - set(unit_names(loaded))
        | {name for one in made.devices for name in one.receivers} - set(loaded.hosts)
    )
    if outside:
        raise UsageError(
            f"the plan is for {', '.join(outside)} too, which the inventory or -l leaves out: "
            "a plan is applied whole, nothing was changed; make another with -l"
        )
    signed_for = [*names, *(name for one in made.devices for name in one.receivers)]
    refuse_unsigned(loaded.connections, signed_for, file, made)
    journal = _journal(common, made, allowed, file)
    order = Order(
        allow_purge=allowed.purge,
        allow_mass_delete=allowed.mass_delete,
        no_widening=allowed.no_widening,
        plan_id=made.plan_id,
        once=file is not None,
        journal=journal,
    )
    brake = Brake()
    audit: Record | None = None
    with opened(common, len(names), progress) as executor, common.interrupts(brake.press):
        if file is not None and made.changes:
            check = partial(
                _checked,
                common,
                loaded,
                made,
                progress,
                order=order,
                executor=executor,
                brake=brake,
            )
            checked = check()
            pending = _to_settle(made, checked)
            if pending:  # what they are compared with is known only then
                audit = record_of("settle", made.plan_id, made.intent)
                settled = _settled(
                    common,
                    loaded,
                    made,
                    pending,
                    progress,
                    allowed=allowed,
                    audit=audit,
                    executor=executor,
                    brake=brake,
                )
                ends = tuple(settled.values())
                if audit.problems or any(outcome.status in FAILED for outcome in ends):
                    return ApplyResult(status="ended", plan=made, outcomes=ends, audit=audit)
                checked = check()
            stale = _stale(
                common, loaded, made, progress, checked=checked, executor=executor, brake=brake
            )
            if stale:
                return ApplyResult(status="ended", plan=made, outcomes=stale)
        if has_work(made):
            audit = record_of("apply", made.plan_id, made.intent)
            audit.began(made.devices)
            order = replace(order, origin=audit.origin)
        with progress.devices(names) as report:
            outcomes = apply_plans(
                made.devices,
                loaded.connections,
                forks=common.forks,
                order=order,
                brake=brake,
                report=report,
                executor=executor,
                ended=audit.ended if audit is not None else _nowhere,
            )
    outcomes = tuple(_with_settled(one, (settled or {}).get(one.device)) for one in outcomes)
    if file is not None and not any(one.status in FAILED for one in outcomes):
        mark_used(file, made, progress)
    written = journal.file if journal.file.exists() else None
    return ApplyResult(status="ended", plan=made, outcomes=outcomes, journal=written, audit=audit)


def _nowhere(_outcome: Outcome) -> None:
    """Record nothing: no device had anything to do."""


def _with_settled(outcome: Outcome, before: Outcome | None) -> Outcome:
    """Return an outcome that also says what was settled first."""
    if before is None or not before.message:
        return outcome
    status = "applied" if outcome.status == "unchanged" else outcome.status
    message = "; ".join(filter(None, (before.message, outcome.message)))
    return replace(outcome, status=status, message=message)
