"""Make a device what its plan says, or leave it as it was; the only module that changes a device.

read → as desired? done │ as planned? lock → read again → push → read → as desired? confirm : revert

Who applies may judge the device as well before the change is confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from segctl.errors import ApplyError, PlanError, SegctlError, VerifyError
from segctl.plan import check_fresh, is_as_desired, managed

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.plan import DevicePlan
    from segctl.providers.base import Live, Provider, Session, Target

#: Seconds after which a device with a timed revert goes back unless it was confirmed.
REVERT_IN = 60.0

Status = Literal["applied", "unchanged", "failed"]


#: Looks at a device that holds a change which is not yet kept.
Judge: TypeAlias = "Callable[[Session, Live], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one device."""

    device: str
    status: Status
    code: str = ""
    message: str = ""
    changes: int = 0


def apply_device(
    plan: DevicePlan,
    provider: Provider,
    target: Target,
    *,
    allow_purge: bool = False,
    allow_mass_delete: bool = False,
    progress: Callable[[str], None],
    revert_in: float | None = None,
    judge: Judge | None = None,
) -> Outcome:
    """Apply one device's plan.

    Args:
        plan: what to do, and the basis on which it was decided.
        provider: the platform's.
        target: the device.
        allow_purge: whether rules of others may be deleted as the plan says.
        allow_mass_delete: whether most of our own rules may be deleted as the plan says.
        progress: told each step.
        revert_in: seconds instead of `REVERT_IN`, where the platform has a timed revert.
        judge: looks at the device after it was read back, before the change is kept; what it
            raises takes the change back.

    Raises:
        StalePlanError: the device moved since the plan was made.
        PlanError: findings forbid applying it, or a purge was not allowed.
        DeviceError: the device cannot be reached, is locked, or refused; it holds what it held.
        VerifyError: the device held something else after the commit, and was reverted.
    """
    if not plan.changes:
        return Outcome(device=plan.name, status="unchanged")
    if barring := plan.barring(allow_mass_delete=allow_mass_delete):
        raise PlanError(f"{plan.name}: not applied: {'; '.join(map(str, barring))}")
    if plan.purge and not allow_purge:
        raise PlanError(
            f"{plan.name}: the plan deletes {plan.purge} rules of others "
            "(segctl_unmanaged: purge): give --allow-purge if that is meant"
        )
    steps = _Steps(progress)
    with provider.connect(target, read_only=False, progress=steps) as session:
        live = provider.parse(session.read())
        if is_as_desired(plan, live):
            return Outcome(device=plan.name, status="unchanged")
        check_fresh(plan, live)
        with session.lock():
            live = provider.parse(session.read())
            check_fresh(plan, live)
            timed = provider.capabilities.timed_revert
            session.push(plan.script, revert_in=(revert_in or REVERT_IN) if timed else None)
            try:
                _keep(plan, provider, session, live, judge)
            except BaseException:  # an interrupt included
                steps.go_back()
                session.revert()
                raise
    return Outcome(device=plan.name, status="applied", changes=len(plan.changes))


class _Steps:
    """Progress that may raise to stop the work, but not once the device goes back."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._back = False

    def __call__(self, step: str) -> None:
        try:
            self._progress(step)
        except KeyboardInterrupt:
            if not self._back:
                raise

    def go_back(self) -> None:
        """From now on nothing stops it."""
        self._back = True


def _keep(
    plan: DevicePlan, provider: Provider, session: Session, before: Live, judge: Judge | None
) -> None:
    """Read back, and confirm what is as desired."""
    after = provider.parse(session.read())
    _check_held(plan, before, after)
    if judge is not None:
        judge(session, after)
    session.confirm()


def _check_held(plan: DevicePlan, before: Live, after: Live) -> None:
    wrong = _difference(plan, before, after)
    if wrong:
        raise VerifyError(plan.name, f"after the commit {wrong}: reverted")


def _difference(plan: DevicePlan, before: Live, after: Live) -> str:
    if not plan.purge and before.other_rules != after.other_rules:
        names = sorted(
            name
            for name in {*before.other_rules, *after.other_rules}
            if before.other_rules.get(name) != after.other_rules.get(name)
        )
        return f"rules of others are not what they were ({', '.join(names[:8])})"
    if is_as_desired(plan, after):
        return ""
    held = managed(after, plan.covers)
    if held.digest != plan.desired:
        return "the device does not hold the planned policy"
    return "our rules do not stand where they belong"


def outcome_of(name: str, error: BaseException) -> Outcome:
    """Return the outcome for a device whose apply raised."""
    code = error.code if isinstance(error, SegctlError) else "interrupted"
    message = str(error) or "the device holds what it held before"
    if isinstance(error, ApplyError | VerifyError):
        message = error.message
    return Outcome(device=name, status="failed", code=code, message=message)
