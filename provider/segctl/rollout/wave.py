"""One wave: its devices are planned afresh, changed, judged by the probes, kept or taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING

from segctl.apply import Outcome
from segctl.baseline import read_baseline
from segctl.drift import items_of, judge
from segctl.plan import DevicePlan
from segctl.playbook import exceeds
from segctl.rollout.brake import Brake
from segctl.rollout.devices import apply_plans, plan_devices
from segctl.rollout.hold import Hold
from segctl.rollout.judging import Judging
from segctl.rollout.outcomes import DeviceResult
from segctl.rollout.pool import each
from segctl.rollout.results import failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.compile import Desired
    from segctl.playbook import Play, Task
    from segctl.rollout.outcomes import Status
    from segctl.rollout.prepare import Prepared
    from segctl.rollout.running import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave while it runs."""

    prepared: Prepared
    run: Run
    names: tuple[str, ...]
    report: Callable[[str, str], None]
    results: dict[str, DeviceResult] = field(default_factory=dict[str, DeviceResult])
    begun: set[str] = field(default_factory=set[str])

    @property
    def play(self) -> Play:
        """The play it is of."""
        return self.prepared.play

    @property
    def held(self) -> bool:
        """Whether its devices wait for each other before a change is kept."""
        return bool(self.play.verify) or self.play.on_failure == "revert"

    def go(self, devices: Sequence[Desired]) -> None:
        """Do all tasks on all devices; what becomes of each is in `results`."""
        if self.play.strategy == "linear" or len(devices) == 1:
            for task in self.prepared.tasks:
                if self.failed:
                    break
                self._task(task, self._alive(devices), self.run.forks, {})
        else:
            self._each_by_itself(devices)
        for name in self.names:
            if self.failed and name not in self.results:
                self.results[name] = DeviceResult(device=name, status="not_begun")

    def _each_by_itself(self, devices: Sequence[Desired]) -> None:
        meetings = {
            task: self._meeting(self.names)
            for task in self.prepared.tasks
            if task.action == "apply" and self.held
        }
        slots = Semaphore(self.run.forks)

        def one(device: Desired) -> None:
            name = device.device.name
            try:
                for task in self.prepared.tasks:
                    if alive := self._alive([device]):
                        self._task(task, alive, 1, meetings, slots)
            finally:
                bad = self.results.get(name)
                for meeting in meetings.values():
                    meeting.leave(name, bad.message if bad and not bad.well else "")

        forks = len(devices) if meetings else self.run.forks
        for device, ended in zip(devices, each(one, devices, forks, Brake()), strict=True):
            if isinstance(ended, BaseException):
                self._note(failed(device.device.name, ended))

    @property
    def failed(self) -> bool:
        """Whether so many devices have failed that the wave has."""
        bad = sum(one.status == "failed" for one in self.results.values())
        return exceeds(bad, len(self.names), self.play.tolerated) or self.run.brake.eased

    def _alive(self, devices: Iterable[Desired]) -> tuple[Desired, ...]:
        done = self.results
        return tuple(one for one in devices if (r := done.get(one.device.name)) is None or r.well)

    def _told(self, device: str, step: str) -> None:
        if step:
            self.begun.add(device)
        self.report(device, step)

    # --- tasks -------------------------------------------------------------------------------

    def _task(
        self,
        task: Task,
        devices: Sequence[Desired],
        forks: int,
        meetings: Mapping[Task, Hold],
        slots: Semaphore | None = None,
    ) -> None:
        plans = self._plans(devices, forks)
        if task.action == "plan":
            for plan in plans:
                self._set(plan, "planned" if plan.changes else "in_sync")
        elif task.action == "drift":
            self._drift(plans, task)
        elif not self.failed:
            agreed = [plan for plan in plans if self._agreed(plan)]
            self._apply(agreed, task, forks, meetings.get(task), slots)

    def _plans(self, devices: Sequence[Desired], forks: int) -> list[DevicePlan]:
        plans: list[DevicePlan] = []
        made = plan_devices(
            devices,
            self.prepared.connections,
            forks=forks,
            report=self._told,
            brake=self.run.brake,
        )
        for item in made:
            if isinstance(item, DevicePlan):
                plans.append(item)
            else:
                self._note(
                    Outcome(
                        device=item.device, status="failed", code=item.code, message=item.message
                    )
                )
        return plans

    def _set(self, plan: DevicePlan, status: Status, code: str = "", message: str = "") -> None:
        earlier = self.results.get(plan.name)
        if earlier is not None and status in ("planned", "in_sync") and earlier.well:
            return  # an apply before says more
        self.results[plan.name] = DeviceResult(
            device=plan.name,
            status=status,
            code=code,
            message=message,
            changes=len(plan.changes),
            plan=plan if status == "planned" else None,
        )

    def _note(self, outcome: Outcome) -> None:
        """Take over what became of a device."""
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
                self._set(plan, "failed", "drift", message)
            else:
                self._set(plan, "in_sync")

    def _agreed(self, plan: DevicePlan) -> bool:
        """Note a device whose plan is not the one that a person said yes to."""
        approved = self.run.approved
        key = (self.prepared.number, plan.name)
        if approved is None or not plan.changes or approved.get(key) == agreed_on(plan):
            return True
        message = "its plan is not the one that was approved: nothing was changed on it"
        self._set(plan, "failed", "stale", message)
        return False

    # --- applying ----------------------------------------------------------------------------

    def _apply(
        self,
        plans: Sequence[DevicePlan],
        task: Task,
        forks: int,
        meeting: Hold | None,
        slots: Semaphore | None,
    ) -> None:
        outcomes: Iterable[Outcome]
        purge = self.run.allow_purge or task.allow_purge
        self.begun.difference_update(plan.name for plan in plans)
        if not self.held:
            outcomes = apply_plans(
                plans,
                self.prepared.connections,
                forks=forks,
                allow_purge=purge,
                brake=self.run.brake,
                report=self._told,
                revert_in=self.play.revert_in,
            )
        else:
            hold = meeting or self._meeting([plan.name for plan in plans])
            outcomes = self._apply_held(plans, hold, slots or Semaphore(forks), purge=purge)
        for outcome in outcomes:
            self._note(outcome)

    def _meeting(self, names: Sequence[str]) -> Hold:
        def verdict(reasons: Mapping[str, str]) -> str:
            listed = dict(self._failures()) | dict(reasons)
            if self.play.on_failure != "revert":
                return ""
            if not exceeds(len(listed), len(self.names), self.play.tolerated):
                return ""
            return "; ".join(f"{name}: {why}" for name, why in sorted(listed.items())[:3])

        hold = Hold(names, verdict)
        self.run.holds.append(hold)
        return hold

    def _failures(self) -> Iterator[tuple[str, str]]:
        for name, one in list(self.results.items()):
            if one.status == "failed":
                yield name, one.message

    def _apply_held(
        self, plans: Sequence[DevicePlan], hold: Hold, slots: Semaphore, *, purge: bool
    ) -> Iterator[Outcome]:
        judging = Judging(
            prepared=self.prepared,
            run=self.run,
            report=self._told,
            hold=hold,
            slots=slots,
            plans=tuple(plans),
        )

        def one(plan: DevicePlan) -> Outcome:
            return judging.apply(plan, purge=purge)

        ended = each(one, plans, len(plans), Brake())
        for plan, result in zip(plans, ended, strict=True):
            yield result if isinstance(result, Outcome) else failed(plan.name, result)


def agreed_on(plan: DevicePlan) -> str:
    """Return what of a plan a person agrees to: what is sent and what comes of it."""
    return f"{plan.desired} {plan.purge} {plan.script}"
