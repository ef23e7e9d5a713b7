"""Make one device match the plans of several hosts of the inventory that are parts of it.

As `apply` does for one host, but with one connection, one lock and one commit for all of them. A
host whose plan is refused or stale is left out. What is pushed is kept for all hosts or for none.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from segctl.model.errors import DeviceError, LostLockError, SegctlError, UnknownError, VerifyError
from segctl.planning.apply import (
    Work,
    blaming_locks,
    check_held,
    naming_locks,
    refuse,
    revert,
    run_of,
    stays,
    whose,
)
from segctl.planning.audit import note_of
from segctl.planning.freshness import is_as_desired
from segctl.planning.outcome import Outcome, Status
from segctl.planning.steps import Steps
from segctl.providers.state import Settling

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from segctl.planning.apply import Order
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Joining, Joint, Live, Provider, Session
    from segctl.transports.target import Target

#: Judges the hosts that are one device, by name; returns why it does not accept the change of some.
JudgeAll: TypeAlias = "Callable[[Mapping[str, tuple[Session, Live]]], Mapping[str, DeviceError]]"
#: What became of applying one of several plans: an outcome, or the error it ended with.
Ended: TypeAlias = "Outcome | BaseException"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One host of several that are one device, and how its plan is applied.

    The `judge` of its order is not called: the device is judged as a whole.
    """

    plan: DevicePlan
    target: Target
    order: Order
    progress: Callable[[str], None]

    @property
    def name(self) -> str:
        """The host's name."""
        return self.plan.name


def apply_together(
    parts: Sequence[Part],
    provider: Provider,
    joining: Joining,
    *,
    judge: JudgeAll | None = None,
    ended: Callable[[str, Ended], None] = lambda _name, _ended: None,
) -> tuple[Ended, ...]:
    """Apply the plans of hosts that are one device: all of them in one commit, or none.

    A host whose plan is refused, stale or done already is left out, and the others go on.

    Args:
        parts: the hosts, with what to change on each.
        provider: the provider of their platform, which parses.
        joining: the same, as what opens the connection that they share.
        judge: judges all of them before the change is confirmed.
        ended: called with each host as soon as nothing more is done about it.

    Returns:
        What became of each, in order; errors as `apply_device` raises them.
    """
    results: dict[str, Ended] = {}

    def end(name: str, found: Ended) -> None:
        results[name] = found
        ended(name, found)

    left: list[Part] = []
    for part in parts:
        found = _not_begun(part)
        if found is None:
            left.append(part)
        else:
            end(part.name, found)
    steps = {part.name: Steps(part.progress, part.name, part.order.journal) for part in left}
    try:
        if left:
            targets = [part.target for part in left]
            with joining.connect_together(targets, read_only=False, progress=steps) as joint:
                works = _works(left, joint, provider, steps)
                lease = max(part.order.lease(part.target) for part in left)
                _Together(joint=joint, works=works, lease=lease, end=end, judge=judge).apply()
                for part, session in zip(left, joint.sessions, strict=True):
                    results[part.name] = _with_locks(results[part.name], session)
    except BaseException as error:  # noqa: BLE001 - it is the result of every host that is left
        for part in left:
            if part.name not in results:
                end(part.name, _about(part.name, error))
    return tuple(_with_warnings(results[part.name], steps.get(part.name)) for part in parts)


def _works(
    parts: Sequence[Part], joint: Joint, provider: Provider, steps: Mapping[str, Steps]
) -> list[Work]:
    return [
        Work(
            plan=part.plan,
            provider=provider,
            session=session,
            order=replace(part.order, judge=None),
            steps=steps[part.name],
        )
        for part, session in zip(parts, joint.sessions, strict=True)
    ]


def _not_begun(part: Part) -> Ended | None:
    """Return what becomes of a plan that is not even begun, or None."""
    plan, order = part.plan, part.order
    if not plan.changes and not plan.state.unsettled and not order.judge_unchanged:
        return Outcome(device=plan.name, status="unchanged")
    try:
        refuse(plan, order)
    except SegctlError as error:
        return error
    return None


def _with_locks(found: Ended, session: Session) -> Ended:
    """Return what became of a host, with the locks that the run could not release."""
    if isinstance(found, Outcome):
        return naming_locks(found, session)
    return blaming_locks(found, session) if isinstance(found, SegctlError) else found


def _with_warnings(found: Ended, steps: Steps | None) -> Ended:
    """Return what became of a host; its steps warn of the rest."""
    if steps is None:
        return found
    if isinstance(found, Outcome):
        return steps.warning(found)
    steps.warn()
    return found


def _about(name: str, error: BaseException) -> BaseException:
    """Return the error of a device as that of one of its hosts."""
    return type(error)(name, error.message) if isinstance(error, DeviceError) else error


@dataclass(slots=True, kw_only=True)
class _Together:
    """Applies the plans of hosts that are one device; `works` are those that have not ended.

    `failed` says why the device was not accepted, by host, and `blamed` whose an error is.
    """

    joint: Joint
    works: list[Work]
    lease: float
    end: Callable[[str, Ended], None]
    judge: JudgeAll | None
    failed: Mapping[str, DeviceError] = field(default_factory=dict[str, "DeviceError"])
    blamed: str = ""

    def apply(self) -> None:
        """Apply the plans; every host ends, whatever happens."""
        try:
            self._apply()
        except BaseException as error:  # noqa: BLE001 - it is the result of every host that is left
            for work in list(self.works):
                self._end(work, self._told(work.name, error))

    def _apply(self) -> None:
        lives = self._each(self._before_lock)
        if not self.works:
            return
        if not any(live.state.unsettled or self._open(name, live) for name, live in lives.items()):
            self._judge((), lives)
            return
        self.joint.narrow([work.session for work in self.works])
        note = note_of([work.plan for work in self.works], self.works[0].order.origin)
        for work in self.works:
            if isinstance(work.session, Settling):
                work.session.begin(run_of(work.plan, work.order, self.lease, note))
            work.steps.next("lock")
        with self.works[0].session.lock():
            self._under_lock()

    def _end(self, work: Work, found: Ended) -> None:
        self.works.remove(work)
        self.end(work.name, found)

    def _each(self, act: Callable[[Work], Live | Outcome]) -> dict[str, Live]:
        """Do something for every host; return what those hold that have not ended with it."""
        lives: dict[str, Live] = {}
        for work in list(self.works):
            try:
                found = act(work)
            except SegctlError as error:
                self._end(work, error)
                continue
            if isinstance(found, Outcome):
                self._end(work, found)
            else:
                lives[work.name] = found
        return lives

    def _open(self, name: str, live: Live) -> bool:
        """Whether a host has something to change."""
        work = next(one for one in self.works if one.name == name)
        return not is_as_desired(work.plan, live)

    @staticmethod
    def _before_lock(work: Work) -> Live | Outcome:
        live = work.read()
        if live.state.unsettled:
            return live
        if not is_as_desired(work.plan, live):
            work.check_fresh(live)
            return live
        return live if work.order.judge_unchanged else work.outcome("unchanged")

    def _under_lock(self) -> None:
        found = self._settle(self._each(Work.read))
        lives = self._each(lambda work: _after_settling(work, found[work.name]))
        changing = [work for work in self.works if self._open(work.name, lives[work.name])]
        after = self._push(changing, lives) if changing else {}
        self._judge(changing, lives | after)

    def _settle(self, lives: dict[str, Live]) -> dict[str, Live]:
        """Keep or take back what a dead run left, as a whole."""
        left = [
            (work, work.session, lives[work.name], change)
            for work in self.works
            for change in lives[work.name].state.unconfirmed
            if isinstance(work.session, Settling)
        ]
        if not left:
            return lives
        for work, session, _, change in left:
            with self._blaming(work):
                work.adopt(session, change)
        works = [work for work, *_ in left]
        # what is judged goes on to wait for others, so nothing else may be left to do
        alone = self.judge is None or len(works) == len(self.works)
        if alone and all(work.would_keep(live, change) for work, _, live, change in left):
            for work, _, _, change in left:
                work.steps.next("confirm", change.push)
            self._accept(works, lives)
            for work, _, _, change in left:
                work.said.append(f"confirmed {whose(change)}")
        else:
            for work, _, _, change in left:
                work.take_back(change)
            works[0].session.revert()
        return self._each(Work.read)

    def _push(self, changing: Sequence[Work], lives: Mapping[str, Live]) -> dict[str, Live]:
        """Make the changes live in one commit; return what the hosts hold then."""

        def still_fresh() -> None:
            for work in changing:
                with self._blaming(work):
                    work.check_fresh(work.read())

        first = changing[0].session
        if isinstance(first, Settling):
            first.before_live(still_fresh)
        for work in changing:
            work.steps.next("push", f"{len(work.plan.changes)} changes")
        self.joint.push([(work.session, work.plan.script) for work in changing])
        after: dict[str, Live] = {}
        try:
            for work in changing:
                with self._blaming(work):
                    name = work.name
                    after[name] = work.read()
                    check_held(work.plan, lives[name], after[name], "after the commit")
        except BaseException as error:  # an interrupt included
            self._go_back(error)
            raise
        return after

    def _judge(self, changing: Sequence[Work], lives: Mapping[str, Live]) -> None:
        """Accept what was changed, judge what is as desired already, and end all hosts."""
        kept = [work for work in self.works if work not in changing]
        self._accept(changing, lives)
        for work in list(self.works):
            error = self.failed.get(work.name)
            if work in kept and error is not None:
                self._end(work, stays(error) if isinstance(error, VerifyError) else error)
            elif work in kept:
                self._end(work, work.outcome("applied" if work.said else "unchanged"))
            else:
                self._end(work, work.outcome("applied", len(work.plan.changes)))

    def _accept(self, changing: Sequence[Work], lives: Mapping[str, Live]) -> None:
        """Judge all hosts, and confirm those that change, or take the change of all back."""
        try:
            if self.judge is not None and self.works:
                held = {work.name: (work.session, lives[work.name]) for work in self.works}
                self.failed = self.judge(held)
            for work in changing:
                self._refuse_failed(work)
            if changing:
                self._confirm(changing, lives)
        except BaseException as error:  # an interrupt included
            if changing:
                self._go_back(error)
            raise

    def _confirm(self, changing: Sequence[Work], lives: Mapping[str, Live]) -> None:
        for work in changing if self.judge is not None else ():
            with self._blaming(work):
                check_held(work.plan, lives[work.name], work.read(), "after it was probed")
        for work in changing:
            work.steps.next("confirm")
        changing[0].session.confirm()

    def _refuse_failed(self, work: Work) -> None:
        if error := self.failed.get(work.name):
            self.blamed = work.name
            raise error

    def _go_back(self, why: BaseException) -> None:
        for work in self.works:
            work.steps.go_back()
        revert(self.works[0].session, why)

    @contextmanager
    def _blaming(self, work: Work) -> Generator[None]:
        try:
            yield
        except SegctlError:
            self.blamed = work.name
            raise

    def _told(self, name: str, error: BaseException) -> BaseException:
        """Return why a host was not changed, where an error has ended the change of all."""
        if isinstance(error, UnknownError | LostLockError) or not self.blamed:
            return _about(name, error)
        if own := self.failed.get(name):
            return own
        if name == self.blamed or not isinstance(error, SegctlError):
            return error
        why = error.message if isinstance(error, DeviceError) else str(error)
        return VerifyError(
            name,
            f"nothing of its change is kept: {self.blamed}, which is on the same device, failed "
            f"({why.removesuffix(': reverted')}), and both are changed in one commit",
        )


def _after_settling(work: Work, live: Live) -> Live | Outcome:
    """Return what a host holds if there is more to do about it, or its outcome."""
    settled: Status = "applied" if work.said else "unchanged"
    if is_as_desired(work.plan, live):
        judged = work.order.judge_unchanged and not work.said
        return live if judged else work.outcome(settled)
    work.check_fresh(live)
    return work.outcome(settled) if work.order.settle_only else live
