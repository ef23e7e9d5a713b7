"""The end of a wave: its devices wait with unconfirmed changes until all have been probed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from math import ceil
from threading import Lock
from typing import TYPE_CHECKING

from segctl.analysis.query import wrong
from segctl.fleet.connections import receiving, target
from segctl.fleet.failures import internal
from segctl.fleet.pool import IN_TURN
from segctl.fleet.tasks import Applying, Elsewhere, join_hosts
from segctl.model.errors import DeviceError, SegctlError, UnsupportedError, VerifyError
from segctl.model.scope import Scope
from segctl.planning.apply import REVERT_IN, apply_device
from segctl.planning.outcome import Outcome
from segctl.playbook import Ask, Reach
from segctl.playbook.run.probes import reach, tries
from segctl.providers.base import Showing, application_names, provider, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from threading import Semaphore

    from segctl.fleet.pool import Compute
    from segctl.model.site import Device
    from segctl.planning.apply import Judge, Order
    from segctl.planning.plan import DevicePlan
    from segctl.planning.together import Ended, JudgeAll
    from segctl.playbook.run.barrier import Barrier
    from segctl.playbook.run.context import Run
    from segctl.playbook.run.prepare import Prepared
    from segctl.providers.base import Live, Session

#: Seconds allowed for a push to a device with a timed revert while others of its wave wait.
_PUSH = 10.0


class WaveFailedError(DeviceError):
    """The device is reverted because its wave failed."""

    code = "wave_failed"


@dataclass(slots=True, kw_only=True)
class Verification:
    """Applies the plans of a wave whose devices wait at a barrier until all have been judged.

    Each device has its own thread, of which at most `slots` work at a time; a device that waits
    gives up its slot. Devices with a timed revert are changed last and confirmed first.
    """

    prepared: Prepared
    run: Run
    report: Callable[[str, str], None]
    barrier: Barrier
    slots: Semaphore
    devices: Mapping[str, Device]
    lock: Lock = field(default_factory=Lock)
    reached: str | None = None

    def apply(self, plan: DevicePlan, order: Order) -> Outcome:
        """Apply one device's plan, and confirm it once the wave has been judged."""
        speaks = provider(plan.platform)
        timed = speaks.capabilities.timed_revert
        why = ""
        try:
            if timed:
                self.barrier.past(self._timed(timed=False), "coming")
            with self.slots:
                self._refuse_late()
                return apply_device(
                    plan,
                    Elsewhere(speaks, self._compute),
                    target(
                        plan.name,
                        receiving(self.prepared.connections.get(plan.name, {}), plan.receivers),
                        Scope.of(plan.scope),
                    ),
                    order=replace(
                        order,
                        revert_in=self._guard(),
                        judge=self._judge(plan, timed=timed),
                        probes=self.prepared.play.probes,
                    ),
                    progress=self.run.brake.watch(lambda step: self.report(plan.name, step)),
                )
        except SegctlError as error:
            why = str(error).removeprefix(f"{plan.name}: ")
            raise
        except KeyboardInterrupt:
            raise  # a device that was not started, or was stopped by hand, has not failed
        except BaseException as error:
            why = internal(error)
            raise
        finally:
            self.barrier.leave(plan.name, why)
            self.report(plan.name, "")

    def apply_together(self, plans: Sequence[DevicePlan], orders: Sequence[Order]) -> list[Ended]:
        """Apply the plans of hosts that are one device, and confirm them once they are judged."""
        names = [plan.name for plan in plans]
        items = [
            Applying(
                plan=plan,
                connection=self.prepared.connections.get(plan.name, {}),
                order=replace(order, probes=self.prepared.play.probes),
            )
            for plan, order in zip(plans, orders, strict=True)
        ]
        why = ""
        try:
            with self.slots:
                self._refuse_late()
                return list(
                    join_hosts(
                        items,
                        lambda name: self.run.brake.watch(lambda step: self.report(name, step)),
                        self._compute,
                        judge=self._judge_all(plans, timed=False),
                        ended=lambda name, found: self.barrier.leave(name, _failure(name, found)),
                    )
                )
        except SegctlError as error:
            why = str(error)
            raise
        finally:
            for name in names:
                self.barrier.leave(name, why)
                self.report(name, "")

    @property
    def _compute(self) -> Compute:
        return self.run.executor.compute if self.run.executor else IN_TURN

    def _refuse_late(self) -> None:
        if self.run.brake.eased:
            raise KeyboardInterrupt

    def _guard(self) -> float:
        """Return the seconds after which a device with a timed revert reverts unconfirmed."""
        play = self.prepared.play
        if play.revert_in:
            return float(play.revert_in)
        rounds = ceil(len(self.devices) / self.run.forks)
        return REVERT_IN + play.verify_seconds + _PUSH * rounds

    def _timed(self, *, timed: bool) -> list[str]:
        """Return the devices with a timed revert, or those without."""
        return [
            name
            for name, device in self.devices.items()
            if provider(device.platform).capabilities.timed_revert is timed
        ]

    def _judge(self, plan: DevicePlan, *, timed: bool) -> Judge:
        judge_all = self._judge_all([plan], timed=timed)

        def judge(session: Session, live: Live) -> None:
            for error in judge_all({plan.name: (session, live)}).values():
                raise error

        return judge

    def _judge_all(self, plans: Sequence[DevicePlan], *, timed: bool) -> JudgeAll:
        """Return what judges the hosts of one device, once all others of the wave are there."""
        by_name = {plan.name: plan for plan in plans}

        def judge(held: Mapping[str, tuple[Session, Live]]) -> Mapping[str, DeviceError]:
            self._waiting(held, lambda: self.barrier.arrive(*held))
            bad = {
                name: self._wrong(by_name[name], session, live)
                for name, (session, live) in held.items()
            }
            reasons = _all_of(bad)
            verdict = self._waiting(held, lambda: self.barrier.judged(reasons))
            if not verdict and not timed and not any(bad.values()):
                others = self._timed(timed=True)
                self._waiting(
                    held, lambda: self.barrier.past(others, "coming", "waiting", "judged")
                )
                verdict = self.barrier.verdict()
            refused = {name: why for name, why in bad.items() if why or verdict}
            return {name: _refusal(name, why, verdict) for name, why in refused.items()}

        return judge

    def _waiting(self, names: Iterable[str], wait: Callable[[], str | None]) -> str:
        """Wait for other devices, and give up the slot meanwhile."""
        for name in names:
            self.report(name, "waiting for the wave")
        self.slots.release()
        try:
            return wait() or ""
        finally:
            self.slots.acquire()

    def _wrong(self, plan: DevicePlan, session: Session, live: Live) -> str:
        """Return which probe failed, and why; empty if all passed."""
        if not self.prepared.play.verify:
            return ""
        self.report(plan.name, "verifying")
        return self._reach() or self._check(plan, live) or self._ask(plan, session)

    def _stopped(self) -> bool:
        return self.run.brake.pressed

    def _reach(self) -> str:
        """Run the probes that are run once per wave."""
        with self.lock:
            if self.reached is None:
                probes = (one for one in self.prepared.play.verify if isinstance(one, Reach))
                found = (reach(one, stopped=self._stopped) for one in probes)
                self.reached = next((text for text in found if text), "")
            return self.reached

    def _check(self, plan: DevicePlan, live: Live) -> str:
        device = self.devices[plan.name]
        speaks = provider(plan.platform)
        held, words = reading(speaks, live), application_names(speaks)
        for question in self.prepared.questions:
            if text := wrong(question, device, held, applications=words):
                return f"{question.check}: {text}"
        return ""

    def _ask(self, plan: DevicePlan, session: Session) -> str:
        for probe in self.prepared.play.verify:
            if not isinstance(probe, Ask) or probe.platform not in ("", plan.platform):
                continue
            if not isinstance(session, Showing):
                raise UnsupportedError(
                    f"{plan.name}: {plan.platform} does not support command probes"
                )

            def attempt(probe: Ask = probe, shown: Showing = session) -> str:
                return _unexpected(probe, shown.show(probe.command))

            if text := tries(attempt, probe.retries, stopped=self._stopped):
                return f"{probe}: {text}"
        return ""


def _failure(name: str, found: Ended) -> str:
    """Return why a host failed; one that was not started, or was stopped by hand, has not."""
    if isinstance(found, Outcome | KeyboardInterrupt):
        return ""
    if isinstance(found, SegctlError):
        return str(found).removeprefix(f"{name}: ")
    return internal(found)


def _all_of(bad: Mapping[str, str]) -> Mapping[str, str]:
    """Return why each host of one device goes back: all of them do where one failed its probes."""
    first = next((name for name, why in bad.items() if why), "")
    with_it = f"goes back with {first}, which is on the same device" if first else ""
    return {name: why or with_it for name, why in bad.items()}


def _refusal(name: str, why: str, verdict: str) -> DeviceError:
    if why:
        return VerifyError(name, f"{why}: reverted")
    return WaveFailedError(name, f"taken back because the wave failed: {verdict}")


def _unexpected(probe: Ask, answer: str) -> str:
    wanted = probe.expect
    if wanted.startswith("~"):
        found = re.search(wanted[1:], answer, re.MULTILINE) is not None
    else:
        found = wanted in answer
    return "" if found else f"its answer does not contain {wanted!r}"
