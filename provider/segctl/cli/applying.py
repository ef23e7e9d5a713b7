"""A plan applied to its devices: checked on all of them, carried out, and told."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.cli.exits import ERROR, OK
from segctl.cli.interrupts import braked
from segctl.cli.plan import mark_used
from segctl.cli.screen import print_json, print_lines, progress, tell
from segctl.cli.signatures import refuse_unsigned
from segctl.cli.steps import working
from segctl.model.errors import StalePlanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from segctl.cli.arguments import Settings
    from segctl.fleet import Brake, Workers
    from segctl.inventory import Loaded
    from segctl.planning.apply import Order, Outcome
    from segctl.planning.journal import Journal
    from segctl.planning.plan import DevicePlan, Plan

#: Statuses of devices that did not go well.
FAILED = ("failed", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What of a plan is done only where the user says that it is meant."""

    purge: bool
    mass_delete: bool

    def barred(self, made: Plan) -> tuple[str, ...]:
        """Return the devices to which the plan may not be applied."""
        return tuple(
            device.name
            for device in made.devices
            if device.barring(allow_mass_delete=self.mass_delete)
        )


def settle(
    settings: Settings, loaded: Loaded, made: Plan, pending: Sequence[DevicePlan]
) -> dict[str, Outcome]:
    """Keep what dead runs left on devices if it is as declared, else take it back."""
    from segctl.fleet import Brake, apply_plans
    from segctl.planning.apply import Order

    names = [one.name for one in pending]
    brake = Brake()
    with (
        working(settings, len(names)) as executor,
        braked(brake.press),
        progress(settings, names) as report,
    ):
        outcomes = apply_plans(
            pending,
            loaded.connections,
            forks=settings.forks,
            order=Order(settle_only=True, journal=_journal(settings, made)),
            brake=brake,
            report=report,
            executor=executor,
        )
    return {one.device: one for one in outcomes}


def _journal(settings: Settings, made: Plan, file: Path | None = None) -> Journal:
    """Return the journal of this run, with the command that finishes what it begins."""
    from segctl.planning.journal import journal_of

    words = ["segctl", *settings.again(), "apply", *([str(file)] if file else [])]
    return journal_of(made.plan_id, plan_id=made.plan_id, command=shlex.join(words))


def _refused(
    settings: Settings,
    loaded: Loaded,
    made: Plan,
    *,
    order: Order,
    executor: Workers,
    brake: Brake,
) -> tuple[Outcome, ...]:
    """Return why a saved plan is not begun on any device, if it is stale for one of them.

    A device that cannot be read is no reason to stop the others.
    """
    from segctl.fleet import check_plans
    from segctl.planning.apply import Outcome

    names = [one.name for one in made.devices if one.changes]
    with progress(settings, names) as report:
        found = check_plans(
            made.devices,
            loaded.connections,
            forks=settings.forks,
            order=order,
            brake=brake,
            report=report,
            executor=executor,
        )
    stale = {one.device: one.message for one in found if one.code == StalePlanError.code}
    if not stale:
        return ()
    beside = f"not begun: the plan is stale for {', '.join(sorted(stale))}"
    return tuple(
        Outcome(
            device=one.name,
            status="failed",
            code=StalePlanError.code if one.name in stale else "not_begun",
            message=stale.get(one.name, beside),
        )
        for one in made.devices
    )


def apply_plan(
    settings: Settings,
    loaded: Loaded,
    made: Plan,
    allowed: Allowed,
    *,
    file: Path | None = None,
    settled: Mapping[str, Outcome] | None = None,
) -> int:
    """Apply a plan; `file` is where it was read from, and is not applied a second time."""
    from segctl.fleet import Brake, apply_plans
    from segctl.planning.apply import Order

    names = [device.name for device in made.devices]
    outside = sorted(set(names) - set(loaded.hosts))
    if outside:
        raise UsageError(
            f"the plan is for {', '.join(outside)} too, which the inventory or -l leaves out: "
            "a plan is applied whole, nothing was changed; make another with -l"
        )
    refuse_unsigned(loaded.connections, names, file, made)
    order = Order(
        allow_purge=allowed.purge,
        allow_mass_delete=allowed.mass_delete,
        plan_id=made.plan_id,
        once=file is not None,
        journal=_journal(settings, made, file),
    )
    brake = Brake()
    with working(settings, len(names)) as executor, braked(brake.press):
        if file is not None and made.changes:
            refused = _refused(settings, loaded, made, order=order, executor=executor, brake=brake)
            if refused:
                return report_outcomes(settings, made, refused)
        with progress(settings, names) as report:
            outcomes = apply_plans(
                made.devices,
                loaded.connections,
                forks=settings.forks,
                order=order,
                brake=brake,
                report=report,
                executor=executor,
            )
    outcomes = tuple(_with_settled(one, (settled or {}).get(one.device)) for one in outcomes)
    if file is not None and not any(one.status in FAILED for one in outcomes):
        mark_used(file, made)
    return report_outcomes(settings, made, outcomes, order.journal)


def _with_settled(outcome: Outcome, before: Outcome | None) -> Outcome:
    """Return an outcome that also says what was settled first."""
    if before is None or not before.message:
        return outcome
    status = "applied" if outcome.status == "unchanged" else outcome.status
    message = "; ".join(filter(None, (before.message, outcome.message)))
    return replace(outcome, status=status, message=message)


def report_outcomes(
    settings: Settings,
    made: Plan,
    outcomes: Sequence[Outcome],
    journal: Journal | None = None,
) -> int:
    """Print what became of the devices, and return the exit status."""
    from segctl.report import outcomes_json, outcomes_text

    failed = any(outcome.status in FAILED for outcome in outcomes)
    written = str(journal.file) if journal is not None and journal.file.exists() else ""
    if settings.json:
        print_json(outcomes_json(outcomes, made.plan_id, written), lines=settings.json_lines)
    else:
        print_lines(outcomes_text(outcomes))
        if failed and written:
            tell(f"What was done to which device last: {written}")
    return ERROR if failed else OK
