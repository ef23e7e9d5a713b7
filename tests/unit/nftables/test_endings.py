"""A session with a host that stops answering, at each of its commands, and with others' runs."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import (
    ApplyError,
    ConnectError,
    LockedError,
    LostLockError,
    SegctlError,
    UnknownError,
)
from segctl.model.site import Flow
from segctl.planning.apply import apply_device
from segctl.planning.make import plan_device
from segctl.providers.nftables import pushing
from segctl.providers.nftables.session import NftSession
from segctl.providers.state import Run, Settling
from segctl.transports import ssh_exec as ssh
from segctl_mocks.linux.mock import LinuxMock
from support.nft import PROVIDER, desired, tcp
from support.nft_harness import INTERFACES, mend, mock_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.providers.base import Live

OLD = Flow(id="f1", services=(tcp(22),))
NEW = Flow(id="f2", services=(tcp(443),))
#: Commands of a change: read, lock, read, look and push, read, log in, confirm, unlock.
COMMANDS = 9


@pytest.fixture
def gateway() -> Iterator[LinuxMock]:
    """A host that holds a policy, kept."""
    with LinuxMock("fw", interfaces=INTERFACES) as mock:
        change(mock, OLD)
        yield mock


@pytest.fixture
def impatient(gateway: LinuxMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a second where minutes are due, once the host holds its policy."""
    assert gateway.requests
    monkeypatch.setattr(ssh, "_GRACE", 0.1)
    monkeypatch.setattr(pushing, "_MARGIN", 1.0)


def opened(mock: LinuxMock, timeout: float = 60) -> NftSession:
    return NftSession(
        replace(mock_target(mock), timeout=timeout, commit_timeout=timeout),
        read_only=False,
        progress=lambda _: None,
    )


def live(session: NftSession) -> Live:
    return PROVIDER.parse(session.read())


def change(
    mock: LinuxMock, *flows: Flow, timeout: float = 60, plan: str = "p1", revert_in: float = 60
) -> None:
    """Apply, as it is done."""
    with closing(opened(mock, timeout)) as session:
        assert isinstance(session, Settling)
        session.begin(Run(plan_id=plan, lease=60))
        live(session)
        with session.lock():
            script = plan_device(desired(*flows), live(session), PROVIDER).script
            session.push(script, revert_in=revert_in)
            try:
                live(session)
                session.confirm()
            except BaseException:
                session.revert()
                raise


def settled(mock: LinuxMock) -> Live:
    """Take back what is left, once whoever held the lock is gone; return what the host holds."""
    with closing(opened(mock)) as session:
        live(session)
        with session.lock():
            for found in live(session).state.unconfirmed:
                session.adopt(found)
                session.revert()
        return live(session)


def flows_of(found: Live) -> set[str]:
    return {rule.flow for rule in found.policy.rules}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        *(("hang", number) for number in range(COMMANDS)),
        *(("drop_before", number) for number in range(0, COMMANDS, 2)),
        *(("drop_after", number) for number in range(1, COMMANDS, 2)),
    ],
)
def test_a_host_that_stops_answering(gateway: LinuxMock, kind: str, number: int) -> None:
    gateway.fail(kind, skip=number, times=1000, seconds=20)
    failed: SegctlError | None = None
    try:
        change(gateway, OLD, NEW, timeout=1, plan="p2", revert_in=2)
    except SegctlError as error:
        failed = error
    mend(gateway)
    found = settled(gateway)
    assert found.state.kept == "same"
    assert not found.state.unconfirmed
    assert not found.state.locks
    if failed is None:
        assert flows_of(found) == {"f1", "f2"}, "it was said to be kept"
        return
    assert "could not go back" not in str(failed) or "goes back by itself" in str(failed)
    assert isinstance(failed, ConnectError | UnknownError | ApplyError | LostLockError)
    assert flows_of(found) in ({"f1"}, {"f1", "f2"})
    assert ("p2" in found.state.applied) is (flows_of(found) == {"f1", "f2"})


@pytest.mark.parametrize("number", range(COMMANDS))
def test_one_lost_answer_is_resolved_by_looking(gateway: LinuxMock, number: int) -> None:
    gateway.fail("drop_after", skip=number)
    failed = ""
    try:
        change(gateway, OLD, NEW, plan="p2")
    except SegctlError as error:
        failed = str(error)
    mend(gateway)
    found = settled(gateway)
    assert not found.state.unconfirmed
    assert not found.state.locks
    assert found.state.kept == "same"
    assert "could not go back" not in failed
    assert flows_of(found) == ({"f1"} if failed else {"f1", "f2"})
    assert ("p2" in found.state.applied) is not bool(failed)


#: The commands that lock and that confirm.
@pytest.mark.parametrize("step", ["nft -f -", "'confirm'"])
def test_what_was_done_is_not_reported_as_failed(gateway: LinuxMock, step: str) -> None:
    gateway.fail("drop_after", contains=step)
    change(gateway, OLD, NEW, plan="p2")
    found = settled(gateway)
    assert flows_of(found) == {"f1", "f2"}
    assert found.state.applied[0] == "p2"


def test_a_push_whose_answer_was_lost_is_taken_back(gateway: LinuxMock) -> None:
    gateway.fail("drop_after", contains="'go'")
    with pytest.raises(ConnectError, match="the host holds what it held"):
        change(gateway, OLD, NEW)
    assert flows_of(settled(gateway)) == {"f1"}


def test_a_push_that_comes_late_changes_nothing(gateway: LinuxMock) -> None:
    """Its answer is lost before the host has begun with it; the run goes back, and away."""
    before = gateway.config()
    gateway.fail("hang", contains="'go'", seconds=3)
    with closing(opened(gateway, timeout=1)) as session:
        live(session)
        with session.lock():
            script = plan_device(desired(OLD, NEW), live(session), PROVIDER).script
            with pytest.raises(ConnectError, match="the host holds what it held"):
                session.push(script)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        assert gateway.config() == before
        time.sleep(0.2)


def test_nothing_is_pushed_over_a_push_that_waits(gateway: LinuxMock) -> None:
    gateway.load('add set inet segctl push { type mark; }\n'
                 'add element inet segctl push { 7 comment "by hand" }\n')  # fmt: skip
    with pytest.raises(ApplyError, match="an unconfirmed push"):
        change(gateway, OLD, NEW)
    with closing(opened(gateway)) as session:
        (found,) = live(session).state.unconfirmed
        assert found.push == "0x00000007"
        assert found.goes_back_in is None
        with session.lock():
            session.adopt(found)
            message = r"delete element inet segctl push \{ 0x00000007 \}"
            with pytest.raises(ApplyError, match=message):
                session.revert()


def test_a_check_before_it_goes_live_stops_a_push(gateway: LinuxMock) -> None:
    def check() -> None:
        raise LockedError("fw", "not now")

    before = gateway.config()
    with closing(opened(gateway)) as session:
        live(session)
        with session.lock():
            script = plan_device(desired(OLD, NEW), live(session), PROVIDER).script
            session.before_live(check)
            with pytest.raises(LockedError, match="not now"):
                session.push(script, revert_in=60)
    assert gateway.config() == before


@pytest.mark.parametrize("what", ["push", "confirm", "keep", "adopt"])
def test_nothing_is_done_without_the_lock(gateway: LinuxMock, what: str) -> None:
    with closing(opened(gateway)) as session:
        script = plan_device(desired(OLD, NEW), live(session), PROVIDER).script
        from segctl.providers.state import Unconfirmed

        works: dict[str, Callable[[], object]] = {
            "push": lambda: session.push(script),
            "keep": session.keep,
            "adopt": lambda: session.adopt(Unconfirmed(push="0x00000007")),
        }
        before = gateway.config()
        if what in works:
            with pytest.raises(LockedError, match="has not locked it"):
                works[what]()
        else:
            session.confirm()
        assert gateway.config() == before


def test_a_lock_without_anybody_is_named_with_its_remedy(gateway: LinuxMock) -> None:
    for text in (
        "add set inet segctl lock { type mark; }\n",
        'add element inet segctl lock { 5 comment "mine, hands off" }\n',
    ):
        gateway.load(text)
        with pytest.raises(LockedError, match="nft delete set inet segctl lock"):
            change(gateway, OLD, NEW)
    with closing(opened(gateway)) as session:
        (lock,) = live(session).state.locks
    assert not lock.ours
    assert lock.owner == "mine, hands off"


def test_a_run_that_a_record_cannot_name_is_refused(gateway: LinuxMock) -> None:
    with closing(opened(gateway)) as session:
        for run in (Run(plan_id="a" * 33), Run(probes="a b"), Run(plan_id='x"; flush')):
            with pytest.raises(ValueError, match="not a word of at most"):
                session.begin(run)


def test_a_lock_that_could_not_be_released_is_named_with_what_removes_it(
    gateway: LinuxMock,
) -> None:
    with closing(opened(gateway)) as session:
        made = plan_device(desired(OLD, NEW), live(session), PROVIDER)
    gateway.fail("refuse", contains="delete set inet segctl lock", times=1000, message="Busy")
    target = replace(mock_target(gateway), timeout=4)
    outcome = apply_device(made, PROVIDER, target, progress=lambda _: None)
    assert outcome.status == "applied"
    (warning,) = outcome.warnings
    assert "could not release its lock: Error: Busy" in warning
    assert "`nft delete set inet segctl lock`" in warning
    mend(gateway)
    assert not settled(gateway).state.locks


def test_ctrl_c_at_any_step_goes_back(gateway: LinuxMock) -> None:
    """It comes at the first step, then at the second, and so on, until there is no such step."""
    with closing(opened(gateway)) as session:
        before = live(session)
        made = plan_device(desired(OLD, NEW), before, PROVIDER)
    stopped: list[str] = []
    steps: list[str] = []

    def at(step: str) -> None:
        steps.append(step)
        if len(steps) == len(stopped) + 1:
            stopped.append(step)
            raise KeyboardInterrupt

    while True:
        steps.clear()
        try:
            outcome = apply_device(made, PROVIDER, mock_target(gateway), progress=at)
        except KeyboardInterrupt:
            with closing(opened(gateway)) as session:
                found = live(session)
            assert found.policy == before.policy, stopped
            assert not found.state.locks, stopped
            assert not found.state.unconfirmed, stopped
            assert found.state.kept == "same", stopped
        else:
            break
    assert outcome.status == "applied"
    assert len(stopped) > 3
    assert flows_of(settled(gateway)) == {"f1", "f2"}


def test_a_table_that_is_asleep_is_not_woken_by_a_lock(gateway: LinuxMock) -> None:
    """What is refused after it is locked has changed nothing."""
    assert gateway.edit("nft -f -", "add table inet segctl { flags dormant; }\n").status == 0
    with closing(opened(gateway)) as session:
        session.read()
        with session.lock():
            assert "lock" in gateway.edit("nft list table inet segctl").out
    assert "flags dormant" in gateway.edit("nft list table inet segctl").out
