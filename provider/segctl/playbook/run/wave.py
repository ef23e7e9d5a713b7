"""One wave: plan its devices afresh, change them, probe them, and keep or revert the changes."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING, TypeAlias

from segctl.drift.acceptance import judge
from segctl.drift.baseline import read_baseline
from segctl.drift.items import items_of
from segctl.fleet.cancel import Brake
from segctl.fleet.failures import failed
from segctl.fleet.hosts import by_device
from segctl.fleet.pool import each
from segctl.fleet.run import apply_plans, plan_devices
from segctl.fleet.ways import guarded
from segctl.model.errors import JournalError
from segctl.planning.outcome import Outcome
from segctl.planning.plan import DevicePlan
from segctl.planning.review import changed_otherwise
from segctl.playbook import exceeds
from segctl.playbook.run.barrier import Barrier
from segctl.playbook.run.beside import needed_beside
from segctl.playbook.run.combined import refused
from segctl.playbook.run.results import BAD, DeviceResult
from segctl.playbook.run.verify import Verification

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from segctl.compiler.build import Desired
    from segctl.fleet.failures import Failure
    from segctl.planning.apply import Order
    from segctl.playbook import Play, Task
    from segctl.playbook.run.context import Run
    from segctl.playbook.run.prepare import Prepared
    from segctl.playbook.run.results import Status


Report: TypeAlias = "Callable[[str, str], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """How a task handles its devices: all of a wave together, or one on its own.

    A device on its own uses the `report` of its wave; the devices of the wave wait for each other
    at the barriers in `barriers` and share `slots`.
    """

    forks: int
    slots: Semaphore
    report: Report | None = None
    barriers: Mapping[Task, Barrier] = field(default_factory=dict["Task", "Barrier"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave while it runs; `results` holds the result of each device."""

    prepared: Prepared
    run: Run
    devices: tuple[Desired, ...]
    results: dict[str, DeviceResult] = field(default_factory=dict[str, DeviceResult])
    begun: set[str] = field(default_factory=set[str])

    @property
    def play(self) -> Play:
        """The play that the wave belongs to."""
        return self.prepared.play

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its devices."""
        return tuple(one.device.name for one in self.devices)

    @property
    def together(self) -> bool:
        """Whether its devices wait for each other before they confirm a change."""
        return bool(self.play.verify) or self.play.on_failure == "revert"

    @property
    def over(self) -> bool:
        """Whether to start nothing more: too many devices failed, or somebody pressed Ctrl-C."""
        bad = sum(one.status in BAD for one in self.results.values())
        return exceeds(bad, len(self.devices), self.play.tolerated) or self.run.brake.eased

    def go(self) -> None:
        """Run all tasks on all devices."""
        done = self._together() if self.play.strategy == "linear" else self._each_by_itself()
        for name in self.names:
            found = self.results.get(name)
            if name not in done and (
                found is None or found.status in ("planned", "in_sync", "drifted")
            ):
                self.results[name] = DeviceResult(device=name, status="not_begun")

    def _together(self) -> frozenset[str]:
        """Run each task on all devices before the next; return the devices that completed all."""
        lane = _Lane(forks=self.run.forks, slots=Semaphore(self.run.forks))
        for task in self.prepared.tasks:
            if self.over:
                return frozenset()
            if not self._task(task, self._alive(self.devices), lane):
                return frozenset()
        return frozenset(self.names)

    def _each_by_itself(self) -> frozenset[str]:
        """Run the tasks on each device independently; return the devices that completed all."""
        barriers = {
            task: self._barrier(self.names)
            for task in self.prepared.tasks
            if task.action == "apply" and self.together
        }
        done: set[str] = set()
        with self.run.screen.devices(self.names) as report:
            lane = _Lane(forks=1, slots=Semaphore(self.run.forks), report=report, barriers=barriers)

            def one(names: Sequence[str]) -> None:
                if self._alone([named[name] for name in names], lane):
                    done.update(names)

            named = {one.device.name: one for one in self.devices}
            platforms = [(name, one.device.platform) for name, one in named.items()]
            devices = by_device(platforms, self.prepared.connections)
            forks = len(devices) if barriers else self.run.forks
            ended = each(one, devices, forks, Brake())
        for names, result in zip(devices, ended, strict=True):
            if isinstance(result, BaseException):
                for name in names:
                    self._note(failed(name, result))
        return frozenset(done)

    def _alone(self, hosts: Sequence[Desired], lane: _Lane) -> bool:
        """Run all tasks on one device, which may be several hosts."""
        try:
            return all(
                not self.over and self._task(task, self._alive(hosts), lane)
                for task in self.prepared.tasks
            )
        finally:
            for name in [host.device.name for host in hosts]:
                bad = self.results.get(name)
                for barrier in lane.barriers.values():
                    barrier.leave(name, bad.message if bad and bad.status in BAD else "")
                if lane.report is not None:
                    lane.report(name, "")

    def _alive(self, devices: Iterable[Desired]) -> tuple[Desired, ...]:
        done = self.results
        return tuple(one for one in devices if (r := done.get(one.device.name)) is None or r.well)

    @contextmanager
    def _reporting(self, lane: _Lane, names: Sequence[str]) -> Generator[Report]:
        """Show what devices do, and remember which were started."""
        with ExitStack() as stack:
            shown = lane.report or stack.enter_context(self.run.screen.devices(names))

            def told(device: str, step: str) -> None:
                if step:
                    self.begun.add(device)
                if step or lane.report is None:
                    shown(device, step)

            yield told

    # --- tasks -------------------------------------------------------------------------------

    def _task(self, task: Task, devices: Sequence[Desired], lane: _Lane) -> bool:
        """Run one task; return whether it ran, even if devices failed."""
        plans = self._plans(devices, lane, drift=task.action == "drift")
        if task.action == "plan":
            for plan in plans:
                self._set(plan, "planned" if plan.changes or plan.state.unsettled else "in_sync")
        elif task.action == "drift":
            self._drift(plans, task)
        else:
            plans = self._settled(plans, devices, lane)
            plans = [plan for plan in plans if self._reviewed(plan)]
            if self.over:
                return False
            self._apply([plan for plan in plans if self._agreed(plan)], task, lane)
        return not self.run.brake.eased or task.action == "apply"

    def _plans(
        self, devices: Sequence[Desired], lane: _Lane, *, drift: bool = False
    ) -> list[DevicePlan]:
        names = [one.device.name for one in devices]
        with ExitStack() as stack:
            if lane.report is not None:
                stack.enter_context(lane.slots)
            report = stack.enter_context(self._reporting(lane, names))
            made = plan_devices(
                devices,
                self.prepared.connections,
                forks=lane.forks,
                report=report,
                brake=self.run.brake,
                executor=None if lane.report else self.run.executor,
                cache=self.run.cache,
                drift=drift,
            )
            if not drift:
                made = self._guarded(made, lane, report)
        for item in made:
            if not isinstance(item, DevicePlan):
                self._note(
                    Outcome(
                        device=item.device, status="failed", code=item.code, message=item.message
                    )
                )
        return [item for item in made if isinstance(item, DevicePlan)]

    def _guarded(
        self, made: Sequence[DevicePlan | Failure], lane: _Lane, report: Report
    ) -> tuple[DevicePlan | Failure, ...]:
        """Return plans with findings about the ways of managing devices that they would cut."""
        executor, prepared = self.run.executor, self.prepared
        return guarded(
            made,
            prepared.site,
            prepared.connections,
            self.run.allowances,
            remote=executor is not None and executor.remote,
            beside=needed_beside(
                [one for one in made if isinstance(one, DevicePlan)],
                prepared,
                self.run,
                forks=lane.forks,
                report=report,
                executor=None if lane.report else executor,
            ),
        )

    def _set(self, plan: DevicePlan, status: Status, code: str = "", message: str = "") -> None:
        earlier = self.results.get(plan.name)
        if earlier is not None and status in ("planned", "in_sync", "drifted") and earlier.well:
            return  # the result of an earlier apply says more
        self.results[plan.name] = DeviceResult(
            device=plan.name,
            status=status,
            code=code,
            message=message,
            changes=len(plan.changes),
            plan=plan if status == "planned" else None,
        )

    def _note(self, outcome: Outcome) -> None:
        """Record the outcome of a device."""
        status: Status = outcome.status
        message = outcome.message
        if outcome.code == "wave_failed":
            status = "reverted"
        elif outcome.code == "interrupted":
            status = "reverted" if outcome.device in self.begun else "not_begun"
            message = message if outcome.device in self.begun else ""
        earlier = self.results.get(outcome.device)
        if status == "unchanged" and earlier is not None and earlier.status == "applied":
            return
        self.results[outcome.device] = DeviceResult(
            device=outcome.device,
            status=status,
            code=outcome.code,
            message=message,
            changes=outcome.changes,
            warnings=outcome.warnings,
            members=tuple(
                DeviceResult(
                    device=one.device,
                    status=one.status,
                    code=one.code,
                    message=one.message,
                    of=one.of,
                )
                for one in outcome.members
            ),
            notes=outcome.notes,
        )

    def _drift(self, plans: Iterable[DevicePlan], task: Task) -> None:
        today = self.run.today().astimezone().date()
        accepted = read_baseline(Path(task.baseline)) if task.baseline else ()
        for plan in plans:
            counted = judge(plan.name, items_of(plan), accepted, today).counted
            drifted = sorted(f"{item.kind} {item.name}" for item in counted)
            if drifted:
                more = f" and {len(drifted) - 5} more" if len(drifted) > 5 else ""
                message = f"differs from the inventory: {', '.join(drifted[:5])}{more}"
                self._set(plan, "failed" if task.fail_on_drift else "drifted", "drift", message)
            else:
                self._set(plan, "in_sync")

    def _reviewed(self, plan: DevicePlan) -> bool:
        """Return whether a device's changes are the reviewed ones; record it as failed if not."""
        if self.run.reviewed is None:
            return True
        found = changed_otherwise(self.run.reviewed, plan)
        if found:
            self.results[plan.name] = refused(plan.name, found)
        return not found

    def _agreed(self, plan: DevicePlan) -> bool:
        """Return whether a device's plan was approved; record it as stale if not."""
        approved = self.run.approved
        key = (self.prepared.number, plan.name)
        if approved is None or not plan.changes or approved.get(key) == agreed_on(plan):
            return True
        message = "its plan is not the one that was approved: nothing was changed on it"
        self._set(plan, "failed", "stale", message)
        return False

    # --- applying ----------------------------------------------------------------------------

    def _apply(self, plans: Sequence[DevicePlan], task: Task, lane: _Lane) -> None:
        order = self.run.order(
            allow_purge=task.allow_purge, allow_mass_delete=task.allow_mass_delete
        )
        names = [plan.name for plan in plans]
        self.begun.difference_update(names)
        if not self._recorded(plans):
            return
        with self._reporting(lane, names) as report:
            if self.together:
                barrier = lane.barriers.get(task) or self._barrier(names)
                outcomes = self._apply_together(plans, barrier, lane, report, order)
            else:
                outcomes = apply_plans(
                    plans,
                    self.prepared.connections,
                    forks=lane.forks,
                    order=replace(order, revert_in=self.play.revert_in),
                    brake=self.run.brake,
                    report=report,
                    executor=None if lane.report else self.run.executor,
                    ended=self.run.ended,
                )
        for outcome in outcomes:
            self._note(outcome)

    def _recorded(self, plans: Sequence[DevicePlan]) -> bool:
        """Return whether the audit journal knows what is about to be changed; nothing is if not."""
        try:
            self.run.began(plans)
        except JournalError as error:
            for plan in plans:
                self._set(plan, "failed", error.code, f"nothing was changed on it: {error}")
            return False
        return True

    def _settled(
        self, plans: Sequence[DevicePlan], devices: Sequence[Desired], lane: _Lane
    ) -> list[DevicePlan]:
        """Settle what dead runs left on the devices, then plan them again; return the plans."""
        pending = [
            plan
            for device in self._by_device(plans)
            if any(one.changes for one in device)
            for plan in device
            if plan.state.unconfirmed
        ]
        if not pending:
            return list(plans)
        names = [plan.name for plan in pending]
        if not self._recorded(pending):
            return [plan for plan in plans if plan.name not in names]
        with self._reporting(lane, names) as report:
            outcomes = apply_plans(
                pending,
                self.prepared.connections,
                forks=lane.forks,
                order=replace(self.run.order(), settle_only=True),
                brake=self.run.brake,
                report=report,
                ended=self.run.ended,
            )
        failures = [one for one in outcomes if one.status in BAD]
        for outcome in failures:
            self._note(outcome)
        left = set(names) - {one.device for one in failures}
        again = self._plans([one for one in devices if one.device.name in left], lane)
        return [plan for plan in plans if plan.name not in names] + again

    def _barrier(self, names: Sequence[str]) -> Barrier:
        def verdict(reasons: Mapping[str, str]) -> str:
            listed = dict(self._failures()) | dict(reasons)
            if self.play.on_failure != "revert":
                return ""
            if not exceeds(len(listed), len(self.names), self.play.tolerated):
                return ""
            return "; ".join(f"{name}: {why}" for name, why in sorted(listed.items())[:3])

        barrier = Barrier(names, verdict)
        self.run.barriers.append(barrier)
        return barrier

    def _failures(self) -> Iterator[tuple[str, str]]:
        for name, one in list(self.results.items()):
            if one.status in BAD:
                yield name, one.message

    def _apply_together(
        self,
        plans: Sequence[DevicePlan],
        barrier: Barrier,
        lane: _Lane,
        report: Report,
        order: Order,
    ) -> tuple[Outcome, ...]:
        verification = Verification(
            prepared=self.prepared,
            run=self.run,
            devices={one.device.name: one.device for one in self.devices},
            report=report,
            barrier=barrier,
            slots=lane.slots,
        )

        unjudged = self.run.begun.get(self.prepared.number, frozenset())

        def how(plan: DevicePlan) -> Order:
            again = bool({plan.name, *plan.receivers} & unjudged)
            return replace(order, judge_unchanged=again)

        def one(device: Sequence[DevicePlan]) -> tuple[Outcome, ...]:
            orders = [how(plan) for plan in device]
            found = _ended(verification, device, orders)
            for outcome in found:
                self.run.ended(outcome)
            return found

        devices = self._by_device(plans)
        # one thread per device, without exception: those that wait must hear from every other
        results = each(one, devices, len(devices), Brake())
        return tuple(
            outcome
            for device, result in zip(devices, results, strict=True)
            for outcome in _of_each(device, result)
        )

    def _by_device(self, plans: Sequence[DevicePlan]) -> list[tuple[DevicePlan, ...]]:
        named = {plan.name: plan for plan in plans}
        groups = by_device(
            [(plan.name, plan.platform) for plan in plans], self.prepared.connections
        )
        return [tuple(named[name] for name in names) for names in groups]


def _ended(
    verification: Verification, device: Sequence[DevicePlan], orders: Sequence[Order]
) -> tuple[Outcome, ...]:
    """Return what becomes of the hosts that are one device."""
    try:
        if len(device) == 1:
            return (verification.apply(device[0], orders[0]),)
        found = verification.apply_together(device, orders)
    except BaseException as error:  # noqa: BLE001 - it is the result of each of them
        return _of_each(device, error)
    return tuple(
        one if isinstance(one, Outcome) else failed(plan.name, one)
        for plan, one in zip(device, found, strict=True)
    )


def _of_each(
    device: Sequence[DevicePlan], result: tuple[Outcome, ...] | BaseException
) -> tuple[Outcome, ...]:
    if isinstance(result, BaseException):
        return tuple(failed(plan.name, result) for plan in device)
    return result


def agreed_on(plan: DevicePlan) -> str:
    """Return the part of a plan that a person approves: what is sent, and the resulting policy."""
    return f"{plan.desired} {plan.purge} {plan.script}"
