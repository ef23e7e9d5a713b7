"""A high-availability pair is one firewall: read where it enforces, changed so that it lasts."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from segctl.model.errors import (
    AuthError,
    ConnectError,
    ForeignChangesError,
    HaStateError,
    LockedError,
    SegctlError,
    StalePlanError,
    UnknownError,
    VerifyError,
)
from segctl.planning.apply import Order, apply_device
from segctl.planning.freshness import managed
from segctl.planning.plan import Basis
from segctl.planning.review import of_device
from segctl.providers.logs import Witness
from segctl.providers.state import NOT_KEPT, Run
from segctl.testing import LAWS, apply, plan, reach
from segctl.testing.trying import draw_desired, trial
from segctl_mocks import PanosPair
from segctl_mocks.panos.ha import ACTIVE_ACTIVE
from support.panos import RULES, other_rule
from support.panos_pair import PairBench, PairHarness, harness
from support.plants import flow, plant
from support.runs import COMMITTED, STEPS, killed, look, settled, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DataObject

    from segctl.planning.outcome import Outcome
    from segctl.planning.plan import DevicePlan
    from segctl_mocks import Authority, ServerCertificate

WEB = flow("web", ports=(443,))
POLL = flow("poll", uses=(("modbus", ("read",)),))


@pytest.fixture
def panos(panos_certificate: tuple[Authority, ServerCertificate]) -> Iterator[PairHarness]:
    authority, shown = panos_certificate
    with PanosPair.of_two(job_seconds=0.0, authority=authority, certificate=shown) as pair:
        yield harness(pair)


@pytest.fixture
def bench(panos: PairHarness) -> Iterator[PairBench]:
    with panos.workbench() as made:
        yield made


def tried(
    panos: PairHarness,
    bench: PairBench,
    made: DevicePlan,
    progress: Callable[[str], None] = silent,
) -> Outcome:
    order = Order(allow_mass_delete=True, plan_id="tried")
    return apply_device(made, panos.provider, bench.target, order=order, progress=progress)


def acting(step: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return what acts once, when a run says that it begins a step."""
    seen: list[str] = []

    def progress(text: str) -> None:
        if text.startswith(step) and not seen:
            seen.append(text)
            act()

    return progress


# --- the laws -------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["converges", "reverts", "old_or_new", "leaves_others"])
def test_law(law: str, panos: PairHarness) -> None:
    LAWS[law](panos)


def test_a_failover_at_any_request_leaves_old_or_new_on_both(panos: PairHarness) -> None:
    def law(data: DataObject) -> None:
        with panos.workbench() as bench:
            bench.bystand(data)
            reach(panos, bench, draw_desired(data, panos, "desired before"))
            wanted = draw_desired(data, panos)
            made = plan(panos, bench, wanted)
            assume(made.changes)
            old = _digest(panos, bench, made)
            bench.pair.fail_over_after(data.draw(st.integers(0, 120), "requests"))
            failed = False
            try:
                apply(panos, bench, made)
            except SegctlError:
                failed = True
            bench.pair.room.requests_left = None
            bench.mock = bench.pair.active
            assert bench.pair.synchronized
            assert _digest(panos, bench, made) == (old if failed else made.desired)
            assert bench.locks == 0
            reach(panos, bench, wanted)
            assert _digest(panos, bench, made) == made.desired
            assert bench.pair.synchronized
            assert bench.locks == 0

    trial(law)


def _digest(panos: PairHarness, bench: PairBench, made: DevicePlan) -> str:
    live = panos.provider.parse(bench.met()[-1])
    return managed(live, made.covers).digest


# --- who is read, and what is said of it ----------------------------------------------------------


def test_the_active_member_is_read_wherever_it_is(panos: PairHarness, bench: PairBench) -> None:
    reach(panos, bench, plant(WEB))
    assert bench.holds(b"c1.web") == (True, True)
    before = look(panos, bench).identity
    assert (before.answered, before.serial) == ("fw1", "007000001222")
    bench.failover()
    after = look(panos, bench)
    assert (after.identity.answered, after.identity.serial) == ("fw1-b", "007000001333")
    assert after.identity.serials == before.serials == ("007000001222", "007000001333")
    assert after.findings == ()
    assert not plan(panos, bench, plant(WEB)).changes


def test_a_plan_outlives_a_failover_and_the_failover_is_said(
    panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    assert (made.answered, made.serials) == ("fw1", ("007000001222", "007000001333"))
    bench.failover()
    outcome = apply(panos, bench, made)
    assert outcome.status == "applied"
    assert "fw1-b is active now; when the plan was made, fw1 was" in outcome.warnings
    assert bench.holds(b"c1.web") == (True, True)
    assert bench.locks == 0


def test_a_reviewed_plan_is_the_same_after_a_failover_and_not_in_another_pair(
    panos: PairHarness, bench: PairBench
) -> None:
    reviewed = plan(panos, bench, plant(WEB))
    bench.failover()
    after = plan(panos, bench, plant(WEB))
    assert after.serial != reviewed.serial
    assert list(of_device(reviewed, after)) == []
    other = replace(after, serials=("007000001333", "009999999999"))
    (difference,) = of_device(reviewed, other)
    assert difference.what.endswith("is now 007000001333 and 009999999999")
    assert list(of_device(reviewed, replace(after, serials=(), serial="1")))


def test_another_device_in_the_pair_makes_a_plan_stale(
    panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    device = bench.pair.second.device
    device.settings = replace(device.settings, serial="009999999999")
    with pytest.raises(StalePlanError, match="007000001333 and is now 007000001222 and 0099999"):
        apply(panos, bench, made)
    assert bench.writes == 0
    lone = replace(made, basis=replace(made.basis or Basis(), serials=()))
    with pytest.raises(StalePlanError):
        apply(panos, bench, replace(lone, fingerprint="sha256:x"))


def test_a_document_stays_the_same_while_nobody_changes_anything(
    panos: PairHarness, bench: PairBench
) -> None:
    with panos.provider.connect(bench.target, read_only=True) as session:
        assert session.read() == session.read()
    assert bench.writes == 0


def test_who_changed_something_is_told_by_the_log_of_either(
    panos: PairHarness, bench: PairBench
) -> None:
    reach(panos, bench, plant(WEB))
    leaf = f"{RULES}/entry[@name='c1.web']/action"
    bench.mock.edit("edit", leaf, "<action>deny</action>", admin="carol", commit=True)
    bench.failover()
    with panos.provider.connect(bench.target, read_only=True) as session:
        session.read()
        assert isinstance(session, Witness)
        (author,) = session.changed_by([("rule", ("c1.web",))])
    assert author is not None
    assert author.admin == "carol"


# --- what a change needs --------------------------------------------------------------------------

BROKEN: dict[str, Callable[[PairBench], None]] = {
    "does not synchronize its configuration": lambda bench: bench.pair.turn_sync(on=False),
    "`not synchronized`": lambda bench: bench.pair.part(),
    "stands alone: it says that its peer is suspended": lambda bench: bench.pair.suspend(
        bench.pair.second
    ),
    "fw1-b is down": lambda bench: bench.pair.power_off(bench.pair.second),
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_pair_whose_peer_would_not_follow_is_read_and_not_changed(
    why: str, panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    BROKEN[why](bench)
    before, writes = bench.mock.running(), bench.writes
    with pytest.raises(HaStateError) as refused:
        apply(panos, bench, made)
    assert why in refused.value.message
    assert "nothing is changed: " in refused.value.message
    assert bench.mock.running() == before
    assert bench.writes == writes
    assert bench.locks == 0
    again = plan(panos, bench, plant(WEB))
    (finding, *_) = [one for one in again.findings if why in one.message]
    assert finding.severity == "warning"
    alike = bench.pair.second.running() and bench.pair.synchronized
    kept = any(one.kind == NOT_KEPT for one in again.findings)
    assert kept is not alike


def test_a_peer_that_only_segctl_cannot_reach_is_named(
    panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.pair.second.stop()
    with pytest.raises(HaStateError) as refused:
        apply(panos, bench, made)
    assert refused.value.message.startswith("fw1-b does not answer segctl (127.0.0.1:")
    assert "stands alone" not in refused.value.message
    assert bench.writes == 0
    again = plan(panos, bench, plant(WEB))
    assert again.serials == ("007000001222",)
    assert not any(one.kind == NOT_KEPT for one in again.findings)
    bench.pair.second.start()
    with pytest.raises(StalePlanError, match="the pair was 007000001222 and is now"):
        apply(panos, bench, again)


def test_two_that_both_lead_are_not_even_read(panos: PairHarness, bench: PairBench) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.pair.cut()
    for act in (lambda: plan(panos, bench, plant(WEB)), lambda: apply(panos, bench, made)):
        with pytest.raises(HaStateError, match="both members say that they lead"):
            act()
    assert bench.writes == 0


def test_a_dead_member_is_replaced_by_its_peer_for_reading_only(
    panos: PairHarness, bench: PairBench
) -> None:
    reach(panos, bench, plant(WEB))
    made = plan(panos, bench, plant(WEB, POLL))
    bench.pair.power_off(bench.pair.first)
    live = look(panos, bench)
    assert (live.identity.answered, live.identity.serials) == ("fw1-b", ("007000001333",))
    with pytest.raises(HaStateError, match="fw1 is down: it does not answer segctl"):
        apply(panos, bench, made)
    bench.pair.power_off(bench.pair.second)
    with pytest.raises(ConnectError, match="no member of the pair gives an answer"):
        look(panos, bench)


@pytest.mark.parametrize("which", [0, 1])
def test_a_wrong_key_is_never_a_dead_device(
    which: int, panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    mock = bench.pair.mocks[which]
    mock.device.users["admin"] = "another"
    mock.revoke_keys()
    for act in (lambda: look(panos, bench), lambda: apply(panos, bench, made)):
        with pytest.raises(AuthError) as refused:
            act()
        assert refused.value.device == mock.name
    assert bench.writes == 0


def test_two_that_are_not_each_others_peer_are_refused(
    panos: PairHarness, bench: PairBench
) -> None:
    device = bench.pair.second.device
    device.settings = replace(device.settings, ip_address="192.0.2.99")
    bench.pair.second.device.room = None
    with pytest.raises(HaStateError, match="high availability is off on fw1-b"):
        look(panos, bench)


def test_what_is_uncommitted_on_the_peer_is_not_overwritten(
    panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.pair.second.edit("set", RULES, other_rule("o-late"))
    with pytest.raises(ForeignChangesError, match="other has uncommitted changes on fw1-b"):
        apply(panos, bench, made)
    assert b"o-late" in bench.pair.second.config()
    assert bench.locks == 0


def test_a_lock_on_the_peer_is_respected(panos: PairHarness, bench: PairBench) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.pair.second.hold_lock("config", "operator")
    with pytest.raises(LockedError, match="fw1-b: config lock for shared: held by operator"):
        apply(panos, bench, made)
    assert bench.locks == 1
    (lock,) = look(panos, bench).state.locks
    assert (lock.owner, lock.scope) == ("operator", "shared on fw1-b")


# --- whether the peer followed --------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["sync_never", "sync_fails"])
def test_a_peer_that_does_not_follow_is_a_failure_and_the_change_is_taken_back(
    fault: str, panos: PairHarness, bench: PairBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.patience = 0.5
    bench.mock.fail(fault, contains="commit")
    with pytest.raises(VerifyError, match=r"fw1-b did not follow fw1 within .*not synchronized"):
        apply(panos, bench, made)
    assert bench.printed() == before
    assert bench.locks == 0
    bench.patience = 60
    reach(panos, bench, plant(WEB))


def test_a_slow_peer_is_waited_for(panos: PairHarness, bench: PairBench) -> None:
    bench.pair.room.sync_seconds = 1.0
    said: list[str] = []
    outcome = tried(panos, bench, plan(panos, bench, plant(WEB)), said.append)
    assert outcome.status == "applied"
    assert bench.holds(b"c1.web") == (True, True)
    assert any("waiting for fw1-b to follow" in text for text in said)


def test_a_peer_that_may_still_take_the_change_is_not_called_old(
    panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.patience = 0.5
    bench.mock.fail("sync_stuck", contains="commit")
    with pytest.raises(UnknownError, match="in progress"):
        apply(panos, bench, made)
    assert bench.locks == 2


# --- a failover at any moment ---------------------------------------------------------------------

MOMENTS = ("reading", "locking", "writing", "validating", "committing", "commit ", "waiting")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_failover_during_an_apply_leaves_old_or_new_on_both(
    moment: str, panos: PairHarness, bench: PairBench
) -> None:
    reach(panos, bench, plant(POLL))
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.pair.room.sync_seconds = 0.3 if moment == "waiting" else 0.0
    try:
        outcome = tried(panos, bench, made, acting(moment, bench.failover))
    except SegctlError:
        new = False
    else:
        new = outcome.status == "applied"
    assert bench.pair.synchronized
    assert bench.holds(b"c1.web") == (new, new)
    assert bench.holds(b"c1.poll") == (not new, not new)
    if not new:
        bench.mock = bench.pair.first
        assert bench.printed() == before
    assert bench.locks == 0
    bench.mock = bench.pair.active
    reach(panos, bench, plant(WEB))
    assert bench.holds(b"c1.web") == (True, True)


def test_a_failover_before_the_confirmation_takes_the_change_back_on_the_new_active(
    panos: PairHarness, bench: PairBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    order = Order(judge=lambda _session, _live: bench.failover())
    with pytest.raises(HaStateError, match="failed over during the change: fw1-b leads now"):
        apply_device(made, panos.provider, bench.target, order=order, progress=silent)
    bench.mock = bench.pair.first
    assert bench.printed() == before
    assert bench.locks == 0
    assert bench.pair.second.device.versions[-1].admin == "admin"


def test_a_failover_that_takes_a_moment_is_waited_for(panos: PairHarness, bench: PairBench) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    first, second = bench.pair.room.members
    taking = threading.Timer(0.5, second.enter, ["active"])

    def fail() -> None:
        first.enter("suspended")
        taking.start()

    order = Order(judge=lambda _session, _live: fail())
    with pytest.raises(HaStateError, match=r"no member is active \(fw1 is suspended, fw1-b is pas"):
        apply_device(made, panos.provider, bench.target, order=order, progress=silent)
    taking.join()
    bench.pair.make_functional(bench.pair.first)
    bench.mock = bench.pair.first
    assert bench.printed() == before
    assert bench.locks == 0


def test_a_pair_that_fails_over_twice_is_followed_back(
    panos: PairHarness, bench: PairBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    order = Order(judge=lambda _session, _live: bench.failover())
    again = acting("fw1-b leads now", bench.failover)
    with pytest.raises(HaStateError, match="failed over during the change"):
        apply_device(made, panos.provider, bench.target, order=order, progress=again)
    assert bench.pair.active is bench.pair.first
    bench.mock = bench.pair.first
    assert bench.printed() == before
    assert bench.locks == 0


@pytest.mark.parametrize("failover", [False, True])
@pytest.mark.parametrize("step", [*STEPS, "waiting"])
def test_a_killed_run_is_settled_by_the_next_also_after_a_failover(
    step: str, panos: PairHarness, bench: PairBench, *, failover: bool
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    device = bench.pair.first.device
    device.settings = replace(device.settings, job_seconds=0.3 if step == "commit " else 0.0)
    bench.pair.room.sync_seconds = 0.3 if step == "waiting" else 0.0
    killed(panos, bench, made, step, Run(plan_id="first", probes="p1"))
    if failover:
        bench.failover()
    live = settled(panos, bench, "revert")
    if step in (*COMMITTED, "waiting"):
        (change,) = live.state.unconfirmed
        assert (change.plan_id, change.alive) == ("first", False)
    else:
        assert live.state.unconfirmed == ()
    bench.mock = bench.pair.first
    assert bench.printed() == before
    assert bench.locks == 0
    assert not any(mock.device.journal.changes for mock in bench.pair.mocks)
    bench.mock = bench.pair.active
    reach(panos, bench, plant(WEB))
    assert bench.holds(b"c1.web") == (True, True)


def test_a_change_of_a_dead_run_is_confirmed_after_a_failover(
    panos: PairHarness, bench: PairBench
) -> None:
    killed(panos, bench, plan(panos, bench, plant(WEB)), "judging", Run(plan_id="first"))
    bench.failover()
    seen = look(panos, bench).state
    assert [change.plan_id for change in seen.unconfirmed] == ["first"]
    assert {lock.scope for lock in seen.locks} == {"shared on fw1", "vsys1 on fw1"}
    settled(panos, bench, "confirm")
    assert not look(panos, bench).state.unsettled
    assert bench.locks == 0
    assert bench.holds(b"c1.web") == (True, True)


def test_a_retired_policy_of_a_dead_run_comes_back_after_a_failover(
    panos: PairHarness, bench: PairBench
) -> None:
    """Without a rule there is no tag of ours: the jobs of the former active member tell."""
    reach(panos, bench, plant(WEB))
    before = bench.printed()
    killed(panos, bench, plan(panos, bench, plant()), "judging", Run(plan_id="first"))
    assert bench.holds(b"c1.web") == (False, False)
    bench.failover()
    assert settled(panos, bench, "revert").state.unconfirmed
    bench.mock = bench.pair.first
    assert bench.printed() == before
    assert bench.locks == 0


@pytest.mark.parametrize("moment", ["writing", "committing", "judging"])
def test_a_member_that_dies_during_an_apply_leaves_old_or_new(
    moment: str, panos: PairHarness, bench: PairBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.patience = 1
    first = bench.pair.first

    def die() -> None:
        bench.pair.power_off(first)

    order = Order(judge=lambda _session, _live: die() if moment == "judging" else None)
    with pytest.raises(SegctlError) as told:
        apply_device(
            made,
            panos.provider,
            bench.target,
            order=order,
            progress=acting(moment, die) if moment != "judging" else silent,
        )
    assert b"c1.web" not in bench.pair.second.running(), told.value
    bench.pair.power_on(first)
    bench.mock, bench.patience = bench.pair.active, 60
    if not bench.pair.synchronized:  # as the refusal says
        bench.pair.room.request_sync(bench.mock.device)
    reach(panos, bench, plant(WEB))
    assert bench.holds(b"c1.web") == (True, True)
    assert bench.locks == 0


# --- both members active --------------------------------------------------------------------------


def test_an_active_active_pair_is_changed_at_its_primary(
    panos_certificate: tuple[Authority, ServerCertificate],
) -> None:
    authority, shown = panos_certificate
    with PanosPair.of_two(
        mode=ACTIVE_ACTIVE, job_seconds=0.0, authority=authority, certificate=shown
    ) as pair:
        panos = harness(pair)
        with panos.workbench() as bench:
            reach(panos, bench, plant(WEB))
            assert bench.holds(b"c1.web") == (True, True)
            assert not any(request.is_write for request in pair.second.requests)
            made = plan(panos, bench, plant(WEB, POLL))
            bench.failover()
            apply(panos, bench, made)
            assert bench.holds(b"c1.poll") == (True, True)
            pair.turn_sync(on=False)
            with pytest.raises(HaStateError, match="does not synchronize"):
                reach(panos, bench, plant(WEB))
