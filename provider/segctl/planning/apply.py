"""Make a device match its plan, or leave it as it was; only this module changes devices.

read → as desired? done │ as planned? lock → read again → settle → push → read → as desired?
confirm : revert

*Settle* means: a change that a dead run left unconfirmed is judged like a new one, and then kept or
taken back, before anything is compared. The caller may also judge the device before a change is
confirmed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from segctl.model.errors import (
    DeviceError,
    JournalError,
    PlanError,
    SegctlError,
    StalePlanError,
    UnsettledError,
    VerifyError,
    WideningError,
)
from segctl.planning.audit import comments_of, note_of
from segctl.planning.by_firewall import meaning_by_firewall
from segctl.planning.freshness import check_fresh, is_as_desired, managed
from segctl.planning.meaning import refuse_widening
from segctl.planning.outcome import Outcome, Status, with_members
from segctl.planning.sides import sides
from segctl.planning.steps import Steps
from segctl.providers.state import Commenting, Delivering, Run, Settling, Unlocking

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.planning.audit import Origin
    from segctl.planning.journal import Journal
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live, Provider, Session
    from segctl.providers.state import Unconfirmed
    from segctl.transports.target import Target

#: Seconds after which a device with a timed revert reverts unless the change is confirmed.
REVERT_IN = 60.0

#: Judges a device that holds an unconfirmed change.
Judge: TypeAlias = "Callable[[Session, Live], None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How one device's plan is to be applied.

    Deleting others' rules needs `allow_purge`; deleting most of ours needs `allow_mass_delete`.
    `revert_in` replaces `REVERT_IN`, in seconds, on platforms with a timed revert. `judge` is
    called after the device was read back and before the change is confirmed; if it raises, the
    change is taken back. `probes` is a digest of what it probes. With `judge_unchanged` it is also
    called for a device that already is as desired. With `settle_only` nothing is pushed. With
    `once`, a plan that the device remembers as applied is refused. With `no_widening`, a plan is
    refused that permits what the device does not permit now, and so is one that may. `origin` says
    who applies what, for the device's own records.
    """

    allow_purge: bool = False
    allow_mass_delete: bool = False
    no_widening: bool = False
    revert_in: float | None = None
    judge: Judge | None = None
    probes: str = ""
    judge_unchanged: bool = False
    settle_only: bool = False
    plan_id: str = ""
    once: bool = False
    journal: Journal | None = None
    origin: Origin | None = None

    def lease(self, target: Target) -> float:
        """Return the longest time, in seconds, for which the run holds the device."""
        return (self.revert_in or REVERT_IN) + 3 * target.commit_timeout


def apply_device(
    plan: DevicePlan,
    provider: Provider,
    target: Target,
    *,
    order: Order | None = None,
    progress: Callable[[str], None],
) -> Outcome:
    """Apply one device's plan.

    Args:
        plan: what to change, and the basis of that decision.
        provider: the provider of the platform.
        target: where the device is, and who logs in.
        order: how the plan is applied.
        progress: called with each step.

    Raises:
        StalePlanError: the device moved since the plan was made, or the plan was applied before.
        PlanError: findings forbid applying the plan, or a purge was not allowed.
        WideningError: it permits more than the device permits now, and that is refused.
        DeviceError: the device cannot be reached, is locked, or refused; it is unchanged.
        VerifyError: the device did not match the plan after the commit, and was reverted.
        UnknownError: segctl cannot tell whether the change is live.
        JournalError: the journal cannot be written; nothing further is changed.
    """
    how = order or Order()
    if not plan.changes and not plan.state.unsettled and not how.judge_unchanged:
        return Outcome(device=plan.name, status="unchanged")
    refuse(plan, how)
    steps = Steps(progress, plan.name, how.journal)
    try:
        return steps.warning(_applied(plan, provider, target, how, steps))
    except BaseException:
        steps.warn()
        raise


def _applied(
    plan: DevicePlan, provider: Provider, target: Target, how: Order, steps: Steps
) -> Outcome:
    with provider.connect(target, read_only=False, progress=steps) as session:
        work = Work(plan=plan, provider=provider, session=session, order=how, steps=steps)
        live = work.read()
        if not live.state.unsettled:
            if is_as_desired(plan, live):
                return work.unchanged(live)
            work.check_fresh(live)
        if isinstance(session, Settling):
            session.begin(run_of(plan, how, how.lease(target), note_of([plan], how.origin)))
        steps.next("lock")
        try:
            with session.lock():
                outcome = work.under_lock()
        except SegctlError as error:
            told = blaming_locks(error, session)
            if told is error:
                raise
            raise told from error
        return naming_locks(outcome, session)


def naming_locks(outcome: Outcome, session: Session) -> Outcome:
    """Return an outcome that also warns of the locks that the run could not release."""
    left = _unreleased(session)
    return replace(outcome, warnings=(*outcome.warnings, left)) if left else outcome


def blaming_locks(error: SegctlError, session: Session) -> SegctlError:
    """Return an error that also names the locks that the run could not release."""
    left = _unreleased(session)
    if not left:
        return error
    if isinstance(error, DeviceError) and left not in error.message:
        return type(error)(error.device, f"{error.message}. {left}")
    if isinstance(error, PlanError | JournalError):
        return type(error)(f"{error}. {left}")
    return error


def _unreleased(session: Session) -> str:
    return session.unreleased if isinstance(session, Unlocking) else ""


def run_of(plan: DevicePlan, order: Order, lease: float, note: str) -> Run:
    """Return what the run says of itself on the device; `lease` is in seconds."""
    return Run(
        plan_id=order.plan_id,
        probes=order.probes,
        lease=lease,
        note=note,
        comments=comments_of(plan, order.plan_id, order.origin),
    )


def check_device(
    plan: DevicePlan,
    provider: Provider,
    target: Target,
    *,
    order: Order,
    progress: Callable[[str], None],
) -> None:
    """Check that a plan could be applied to a device now; never writes to it.

    Raises:
        UnsettledError: a change of a dead run must be settled before the plan can be compared.
        StalePlanError: the device moved since the plan was made, or the plan was applied before.
        WideningError: it permits more than the device permits now, and that is refused.
        DeviceError: the device cannot be read.
    """
    with provider.connect(target, read_only=True, progress=progress) as session:
        live = provider.parse(session.read())
        if live.state.unconfirmed:
            held = ", ".join(map(whose, live.state.unconfirmed))
            raise UnsettledError(plan.name, f"holds {held}: it must be settled first")
        if not is_as_desired(plan, live):
            _refuse_used(plan, live, order)
            check_fresh(plan, live, provider)
            _refuse_widening(plan, live, provider, order)


def _refuse_used(plan: DevicePlan, live: Live, order: Order) -> None:
    used = order.plan_id
    if order.once and used in live.state.applied:
        raise StalePlanError(
            f"{plan.name}: this plan ({used[:12]}) was applied before, and the device has changed "
            "since: run segctl plan again"
        )


def refuse(plan: DevicePlan, order: Order) -> None:
    """Refuse a plan that may not be applied, whatever the device holds.

    Raises:
        PlanError: findings forbid it, or a purge was not allowed.
        WideningError: it permits more than the device permitted, and that is refused.
    """
    if order.settle_only or not plan.changes:
        return
    if barring := plan.barring(allow_mass_delete=order.allow_mass_delete):
        raise PlanError(f"{plan.name}: not applied: {'; '.join(map(str, barring))}")
    if plan.purge and not order.allow_purge:
        raise PlanError(
            f"{plan.name}: the plan deletes {plan.purge} rules of others "
            "(segctl_unmanaged: purge): use --allow-purge if that is intended"
        )
    if order.no_widening:
        refuse_widening(plan.name, plan.meaning)


def _refuse_widening(plan: DevicePlan, live: Live, provider: Provider, order: Order) -> None:
    """Refuse what permits more than the device permits now, whatever the plan was made against."""
    if order.no_widening and not order.settle_only:
        around = sides(plan.changes, live, provider)
        found, _ = meaning_by_firewall(plan.changes, around, live.members)
        refuse_widening(plan.name, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Applies the plan of one device while its session is open."""

    plan: DevicePlan
    provider: Provider
    session: Session
    order: Order
    steps: Steps
    said: list[str] = field(default_factory=list[str])
    moved: list[str] = field(default_factory=list[str])
    digests: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        """The host's name."""
        return self.plan.name

    def read(self) -> Live:
        """Read the device, and say if another member of a pair was read than before."""
        live = self.provider.parse(self.session.read())
        self.digests.append(managed(live, self.plan.covers).digest)
        if notice := failed_over(self.plan, live):
            self.moved.append(notice)
            self.steps(notice)
        return live

    def unchanged(self, live: Live) -> Outcome:
        """Return the outcome for a device that is as desired already, after judging it if asked."""
        if self.order.judge_unchanged:
            self._judge_kept(live)
        return self.outcome("unchanged")

    def _judge_kept(self, live: Live) -> None:
        """Judge a device that holds nothing this run could take back.

        Raises:
            VerifyError: a probe failed.
        """
        if self.order.judge is None:
            return
        try:
            self.order.judge(self.session, live)
        except VerifyError as error:
            raise stays(error) from error

    def check_fresh(self, live: Live) -> None:
        """Refuse a plan that no longer fits the device.

        Raises:
            StalePlanError: the device moved, or the plan was applied before.
            WideningError: it permits more than the device permits now, and that is refused.
        """
        if self.order.settle_only:
            return
        _refuse_used(self.plan, live, self.order)
        check_fresh(self.plan, live, self.provider)
        _refuse_widening(self.plan, live, self.provider, self.order)

    def under_lock(self) -> Outcome:
        """Settle what dead runs left, then change the device."""
        live = self._settle(self.read())
        if is_as_desired(self.plan, live):
            behind = live.state.behind and not self.order.settle_only
            if behind and isinstance(self.session, Delivering):
                return self._deliver(self.session, live)
            if live.state.kept in ("differs", "missing") and isinstance(self.session, Settling):
                self.steps.next("keep", live.state.kept_where)
                self.session.keep()
                self.said.append(f"rewrote {live.state.kept_where or 'what a reboot loads'}")
            return self.outcome("applied") if self.said else self.unchanged(live)
        self.check_fresh(live)
        if self.order.settle_only:
            return self.outcome("applied" if self.said else "unchanged")
        after = self._push(live)
        return self._told(self.outcome("applied", len(self.plan.changes)), after)

    def _deliver(self, session: Delivering, before: Live) -> Outcome:
        """Push what a group holds to the firewalls that do not enforce it, and judge that."""
        names = [one.name for one in before.state.behind]
        self.steps.next("deliver", ", ".join(names))
        session.deliver()
        after = self.read()
        self._judge_kept(after)
        behind = {one.name for one in after.state.behind}
        if done := [name for name in names if name not in behind]:
            self.said.append(f"pushed to {', '.join(done)}")
        return self._told(self.outcome("applied"), after)

    def _told(self, outcome: Outcome, after: Live) -> Outcome:
        """Return the outcome with that of each firewall of a group."""
        if not isinstance(self.session, Delivering):
            return outcome
        return with_members(outcome, after.state.members, self.session.deliveries)

    def outcome(self, status: Status, changes: int = 0) -> Outcome:
        """Return the outcome, with what was settled and the device's warnings."""
        session = self.session
        warned = session.warnings if isinstance(session, Settling) else ()
        commenting = session if isinstance(session, Commenting) else None
        return Outcome(
            device=self.plan.name,
            status=status,
            message="; ".join(self.said),
            changes=changes,
            warnings=tuple(dict.fromkeys((*self.moved, *warned))),
            before=self.digests[0],
            after=self.digests[-1],
            notes=tuple(commenting.uncommented) if commenting else (),
            audit_comments=commenting.commented if commenting else 0,
        )

    def _settle(self, live: Live) -> Live:
        """Keep or take back what dead runs left; holding the lock proves that they are dead."""
        for change in live.state.unconfirmed:
            if not isinstance(self.session, Settling):
                break
            self.adopt(self.session, change)
            if self.would_keep(live, change):
                self.steps.next("confirm", change.push)
                self._keep(live)
                self.said.append(f"confirmed {whose(change)}")
            else:
                self.take_back(change)
                self.session.revert()
            live = self.read()
        return live

    def adopt(self, session: Settling, change: Unconfirmed) -> None:
        """Take over the change of a dead run.

        Raises:
            WideningError: nobody may permit more, and it cannot be told what it permits.
        """
        if self.order.no_widening:
            raise WideningError(
                f"{self.plan.name}: not applied (--no-widening): the device holds a change "
                "that nobody has confirmed, and it cannot be told what that permits: settle "
                "it first, by segctl apply without --no-widening"
            )
        session.adopt(change)

    def would_keep(self, live: Live, change: Unconfirmed) -> bool:
        """Whether a dead run's change is what is desired, and judged by the same probes."""
        return is_as_desired(self.plan, live) and change.probes == self.order.probes

    def take_back(self, change: Unconfirmed) -> None:
        """Say that a dead run's change is taken back now."""
        self.steps(f"taking back {whose(change)}")
        self.steps.next("take back", change.push)
        self.said.append(f"took back {whose(change)}")

    def _push(self, before: Live) -> Live:
        timed = self.provider.capabilities.timed_revert
        if isinstance(self.session, Settling):
            self.session.before_live(lambda: self.check_fresh(self.read()))
        self.steps.next("push", f"{len(self.plan.changes)} changes")
        self.session.push(
            self.plan.script,
            revert_in=(self.order.revert_in or REVERT_IN) if timed else None,
        )
        try:
            after = self.read()
            check_held(self.plan, before, after, "after the commit")
        except BaseException as error:  # an interrupt included
            self._go_back(error)
            raise
        self._keep(after)
        return after

    def _keep(self, live: Live) -> None:
        """Judge what the device holds, and confirm it or take it back."""
        try:
            if self.order.judge is not None:
                self.order.judge(self.session, live)
                check_held(self.plan, live, self.read(), "after it was probed")
            self.steps.next("confirm")
            self.session.confirm()
        except BaseException as error:  # an interrupt included
            self._go_back(error)
            raise

    def _go_back(self, why: BaseException) -> None:
        self.steps.go_back()
        revert(self.session, why)


def revert(session: Session, why: BaseException) -> None:
    """Take a change back; if that fails, the error tells the first cause, too.

    Raises:
        DeviceError: as `Session.revert`.
    """
    try:
        session.revert()
    except DeviceError as error:
        said = why.message if isinstance(why, DeviceError) else str(why)
        said = said.removesuffix(": reverted")
        if not isinstance(why, SegctlError) or error.message.startswith(said):
            raise
        raise type(error)(error.device, f"{said}. {error.message}") from why


def whose(change: Unconfirmed) -> str:
    """Return in words whose change it is."""
    return f"the change of {change.run or 'a run'} that nobody had confirmed"


def stays(error: DeviceError) -> VerifyError:
    """Return the error of a device whose change failed its probes after it was confirmed."""
    return VerifyError(
        error.device,
        f"{error.message.removesuffix(': reverted')}: the change was confirmed before "
        "it was probed, so it stays: run segctl plan to see what the device holds",
    )


def failed_over(plan: DevicePlan, live: Live) -> str:
    """Return that another member of a pair was read than when the plan was made; else nothing."""
    now = live.identity.answered
    if not plan.answered or not now or now == plan.answered:
        return ""
    return f"{now} is active now; when the plan was made, {plan.answered} was"


def check_held(plan: DevicePlan, before: Live, after: Live, when: str) -> None:
    """Refuse a device that does not hold what was planned, or whose other rules changed.

    Raises:
        VerifyError: that is so.
    """
    wrong = _difference(plan, before, after)
    if wrong:
        raise VerifyError(plan.name, f"{when} {wrong}: reverted")


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
