"""Runs against a mock firewall that are killed, and what the next one does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError
from segctl.planning.apply import Order, apply_device
from segctl.providers.panos.session import PanosSession
from segctl.providers.panos.wire import Wire
from segctl.providers.state import Run

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.planning.apply import Judge
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live, Session
    from support.panos import PanosBench, PanosHarness

KILLED = 9
#: What a run says before each step; it is killed there.
STEPS = ("locking", "reading again", "writing", "validating", "committing", "commit ", "judging")
#: At these traffic meets what the run pushed, or soon will.
COMMITTED = ("commit ", "judging")


def silent(_step: str) -> None:
    return


def killed(
    panos: PanosHarness, bench: PanosBench, made: DevicePlan, step: str, run: Run | None = None
) -> None:
    """Let a run of another process begin to apply a plan, and kill it at a step."""
    child = os.fork()
    if child == 0:
        try:
            _run(panos, bench, made, _dying(step), run or Run(plan_id=made.name))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED, f"it ended before {step!r}"


def _dying(step: str) -> Callable[[str], None]:
    seen: list[str] = []

    def progress(text: str) -> None:
        seen.append(text)
        reads = sum(each.startswith("reading") for each in seen)
        text = "reading again" if reads == 2 and text.startswith("reading") else text
        if text.startswith(step):
            os._exit(KILLED)

    return progress


def _run(
    panos: PanosHarness,
    bench: PanosBench,
    made: DevicePlan,
    progress: Callable[[str], None],
    run: Run,
) -> None:
    with panos.provider.connect(bench.target, read_only=False, progress=progress) as session:
        assert isinstance(session, PanosSession)
        session.begin(run)
        session.read()
        with session.lock():
            session.read()
            session.push(made.script)
            progress("judging")
            session.confirm()


def look(panos: PanosHarness, bench: PanosBench) -> Live:
    """Read a device as `plan` does."""
    with panos.provider.connect(bench.target, read_only=True, progress=silent) as session:
        return panos.provider.parse(session.read())


def settled(panos: PanosHarness, bench: PanosBench, how: str) -> Live:
    """Settle what a dead run left, and return what was read under the lock before that."""
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        session.begin(Run(plan_id="next"))
        with session.lock():
            live = panos.provider.parse(session.read())
            for change in live.state.unconfirmed:
                session.adopt(change)
                getattr(session, how)()
    return live


def in_a_child(act: Callable[[], None]) -> int:
    """Run something in a process of its own; return how it ended."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except SegctlError:
            os._exit(2)
        except BaseException:  # noqa: BLE001 - nothing of the child may run on
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_at(
    panos: PanosHarness,
    bench: PanosBench,
    made: DevicePlan,
    number: int,
    *,
    judge: Judge | None = None,
) -> bool:
    """Apply in a process that dies before its n-th request; return whether it got that far.

    With `judge`, requests are counted from when it is called.
    """
    began = judge is None

    def judging(session: Session, live: Live) -> None:
        nonlocal began
        began = True
        assert judge is not None
        judge(session, live)

    def act() -> None:
        asked, request = 0, Wire.request

        def counting(self: Wire, *words: object, **values: object) -> object:
            nonlocal asked
            asked += began
            if asked > number:
                os._exit(KILLED)
            return request(self, *words, **values)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - passed on

        Wire.request = counting  # type: ignore[method-assign,assignment] # pyright: ignore[reportAttributeAccessIssue] - of this child alone
        order = Order(allow_mass_delete=True, plan_id="killed", judge=judge and judging)
        apply_device(made, panos.provider, bench.target, order=order, progress=silent)

    code = in_a_child(act)
    assert code in ((0, KILLED) if judge is None else (2, KILLED)), code
    return code == KILLED
