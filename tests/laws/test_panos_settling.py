"""What a killed run leaves on a firewall, whose lock it is, and how the next run settles it."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ApplyError, LockedError, LostLockError, UnknownError
from segctl.model.policy import Tag
from segctl.planning.apply import Order, apply_device
from segctl.providers.panos import record
from segctl.providers.panos.record import MAX_PLANS, Record
from segctl.providers.panos.session import PanosSession
from segctl.providers.state import Run, Settling, Unconfirmed
from segctl.testing import apply, plan, reach
from segctl.transports import lock_owner
from segctl.transports.lock_owner import new_owner
from segctl_mocks.panos.jobs import stamp
from segctl_mocks.panos.locks import Lock
from support.panos import ANCHOR, RULES, VSYS, PanosBench, other_rule
from support.plants import flow, plant
from support.runs import COMMITTED, STEPS, killed, look, settled, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.planning.plan import DevicePlan
    from support.panos import PanosHarness

WEB = flow("web", ports=(443,))
POLL = flow("poll", uses=(("modbus", ("read",)),))
RELEASED = [(), ("commit",), ("commit", "config")]


@pytest.fixture
def bench(panos: PanosHarness) -> Iterator[PanosBench]:
    with panos.workbench() as made:
        yield made


def locks_go(bench: PanosBench, *kinds: str) -> None:
    """Let the device release these locks at a commit."""
    bench.mock.device.settings = replace(
        bench.mock.device.settings, locks_gone_at_commit=frozenset(kinds)
    )


def slow(bench: PanosBench, step: str) -> None:
    """Let jobs take long enough for one to be seen running, where that matters."""
    if step == "commit ":
        bench.mock.device.settings = replace(bench.mock.device.settings, job_seconds=0.3)


# --- what a killed run leaves --------------------------------------------------------------------


@pytest.mark.parametrize("released", RELEASED)
@pytest.mark.parametrize(
    ("step", "at_once"), [*((step, True) for step in STEPS), ("commit ", False)]
)
def test_a_killed_run_is_settled_by_the_next(
    step: str,
    released: tuple[str, ...],
    panos: PanosHarness,
    bench: PanosBench,
    *,
    at_once: bool,
) -> None:
    locks_go(bench, *released)
    slow(bench, step)
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    killed(panos, bench, made, step, Run(plan_id="first", probes="p1"))
    gone = step == "commit " and at_once is False and released == ("commit", "config")
    while not at_once and bench.mock.device.jobs.active:
        bench.mock.running()
        time.sleep(0.05)
    live = settled(panos, bench, "revert")
    if step in COMMITTED and not gone:
        (open_change,) = live.state.unconfirmed
        assert (open_change.plan_id, open_change.probes) == ("first", "p1")
        assert open_change.run == lock_owner.this_run()
        assert open_change.alive is False
    else:
        assert live.state.unconfirmed == ()
    if gone:  # the only moment of which no lock tells: see docs/panos.md
        assert b"c1.web" in bench.mock.running()
    else:
        assert bench.printed() == before
    assert not bench.mock.device.journal.changes
    assert bench.locks == 0
    reach(panos, bench, plant(WEB))


@pytest.mark.parametrize("released", RELEASED)
def test_a_change_of_a_dead_run_is_confirmed_by_releasing_its_lock(
    released: tuple[str, ...], panos: PanosHarness, bench: PanosBench
) -> None:
    locks_go(bench, *released)
    made = plan(panos, bench, plant(WEB))
    killed(panos, bench, made, "judging", Run(plan_id="first"))
    seen = look(panos, bench).state
    assert [(change.plan_id, change.alive) for change in seen.unconfirmed] == [("first", False)]
    assert seen.applied == ()
    assert seen.unsettled
    assert [lock.dead for lock in seen.locks] == [True, True]
    settled(panos, bench, "confirm")
    after = look(panos, bench).state
    assert not after.unsettled
    assert after.applied == ("first",)
    assert bench.locks == 0
    assert b"c1.web" in bench.mock.running()
    assert not plan(panos, bench, plant(WEB)).changes


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate"])
@pytest.mark.parametrize("step", ["<remove>", "commit-lock><add"])
def test_a_lost_answer_while_it_is_confirmed_is_resolved_by_looking(
    step: str, kind: str, panos: PanosHarness, bench: PanosBench
) -> None:
    killed(panos, bench, plan(panos, bench, plant(WEB)), "judging", Run(plan_id="first"))
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, Settling)
        session.begin(Run(plan_id="next"))
        with session.lock():
            (change,) = panos.provider.parse(session.read()).state.unconfirmed
            session.adopt(change)
            bench.mock.fail(kind, contains=step)
            session.confirm()
    assert not bench.mock.device.faults.waiting
    assert look(panos, bench).state.applied == ("first",)
    assert bench.locks == 0
    assert b"c1.web" in bench.mock.running()


def test_a_run_killed_while_it_settles_leaves_it_to_the_next(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    killed(panos, bench, made, "judging", Run(plan_id="first"))
    for _ in range(2):
        killed(panos, bench, made, "reading again", Run(plan_id="second"))
        (change,) = look(panos, bench).state.unconfirmed
        assert (change.plan_id, change.alive) == ("first", False)
    settled(panos, bench, "revert")
    assert bench.printed() == before
    assert bench.locks == 0


def test_nothing_is_pushed_over_an_open_change(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    killed(panos, bench, made, "judging")
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        session.read()
        with session.lock(), pytest.raises(ApplyError, match="must be confirmed"):
            session.push(made.script)
        assert isinstance(session, Settling)
    (change,) = look(panos, bench).state.unconfirmed
    assert change.alive is False


def test_what_others_committed_since_stays(panos: PanosHarness, bench: PanosBench) -> None:
    early = '<entry name="o-early"><ip-netmask>10.9.9.8</ip-netmask></entry>'
    for place in ("/config/shared", VSYS):
        bench.mock.edit("set", f"{place}/address", early, commit=True)
    reach(panos, bench, plant(POLL))
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    killed(panos, bench, made, "judging")
    entry = '<entry name="o-late"><ip-netmask>10.9.9.9</ip-netmask></entry>'
    held, bench.mock.device.locks.held = bench.mock.device.locks.held, []
    bench.mock.edit("set", "/config/shared/address", entry, commit=True)
    bench.mock.edit("set", f"{VSYS}/address", entry.replace("late", "here"), commit=True)
    bench.mock.device.locks.held = held
    settled(panos, bench, "revert")
    for name in (b"o-late", b"o-here"):
        assert name in bench.mock.running()
    bench.mock.edit("delete", "/config/shared/address/entry[@name='o-late']", commit=True)
    bench.mock.edit("delete", f"{VSYS}/address/entry[@name='o-here']", commit=True)
    assert bench.printed() == before


def test_a_killed_purge_and_a_killed_retirement_are_taken_back(
    panos: PanosHarness, bench: PanosBench
) -> None:
    """Without a rule there is no tag of ours, and the jobs tell what the record cannot."""
    reach(panos, bench, plant(WEB, POLL))
    before = bench.printed()
    for wanted in (plant(unmanaged="purge"), plant()):
        made = plan(panos, bench, wanted)
        assert any(change.kind == "tag" for change in made.changes)
        killed(panos, bench, made, "judging")
        assert b"c1.web" not in bench.mock.running()
        assert settled(panos, bench, "revert").state.unconfirmed
        assert bench.printed() == before
        assert bench.locks == 0


def test_a_renamed_rule_gets_its_name_back(panos: PanosHarness, bench: PanosBench) -> None:
    reach(panos, bench, plant(WEB, POLL))
    bench.mock.edit("rename", f"{RULES}/entry[@name='c1.web']", newname="by-hand", commit=True)
    made, before = plan(panos, bench, plant(WEB, POLL)), bench.mock.running()
    assert any(change.op == "rename" for change in made.changes)
    killed(panos, bench, made, "judging")
    settled(panos, bench, "revert")
    assert re.findall(rb'uuid="[^"]*"', bench.mock.running()) == re.findall(
        rb'uuid="[^"]*"', before
    )
    assert b"by-hand" in bench.mock.running()


@pytest.mark.parametrize("saved", ["other", "none", "no XML"])
def test_a_saved_file_of_another_push_takes_nothing_back(
    saved: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    killed(panos, bench, made, "judging", Run(plan_id="first"))
    kept = bench.mock.device.saved
    match saved:
        case "other":
            kept["segctl-before.xml"] = bench.mock.running()
        case "none":
            kept.clear()
        case _:
            bench.mock.fail("body", contains="<saved>", body=b"<response status='success'>")
    running = bench.mock.running()
    with pytest.raises(UnknownError, match="is not the configuration from before") as told:
        settled(panos, bench, "revert")
    assert "load config version" in told.value.message
    assert "request commit-lock remove admin admin" in told.value.message
    assert bench.mock.running() == running
    (change,) = look(panos, bench).state.unconfirmed
    assert change.plan_id == "first"
    settled(panos, bench, "confirm")
    assert look(panos, bench).state.applied == ("first",)


def test_a_change_that_is_not_there_is_not_adopted(panos: PanosHarness, bench: PanosBench) -> None:
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        with pytest.raises(LockedError):
            session.adopt(Unconfirmed(push="0a1b2c3d"))
        with session.lock():
            with pytest.raises(ApplyError, match="no longer exists"):
                session.adopt(Unconfirmed(push="0a1b2c3d"))
            with pytest.raises(ApplyError, match="no longer exists"):
                session.adopt(Unconfirmed(push=""))


# --- the record ----------------------------------------------------------------------------------


def test_plans_are_remembered_on_the_device(panos: PanosHarness, bench: PanosBench) -> None:
    for number in range(3):
        wanted = plant(WEB if number % 2 else POLL)
        made = plan(panos, bench, wanted)
        assert made.changes
        _applied(panos, bench, made, f"{number:032x}")
        assert not plan(panos, bench, wanted).changes
    state = look(panos, bench).state
    ids = [f"{number:032x}" for number in reversed(range(3))]
    assert list(state.applied) == ids
    assert (state.unconfirmed, state.locks, state.kept) == ((), (), "same")
    assert f"plan {ids[0]} " in bench.mock.device.versions[-1].description


def _applied(panos: PanosHarness, bench: PanosBench, made: DevicePlan, plan_id: str) -> None:
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        session.begin(Run(plan_id=plan_id))
        with session.lock():
            session.read()
            session.push(made.script)
            session.confirm()
            assert bench.locks == 0


def test_the_record_is_no_policy_and_a_device_without_one_is_as_desired(
    panos: PanosHarness, bench: PanosBench
) -> None:
    reach(panos, bench, plant(WEB))
    (tag,) = look(panos, bench).policy[Tag]
    assert tag.comments == "Managed by segctl: changes made by hand are drift"
    comment = f"{VSYS}/tag/entry[@name='segctl']/comments"
    bench.mock.edit("edit", comment, f"<comments>{tag.comments}</comments>", commit=True)
    assert not plan(panos, bench, plant(WEB)).changes
    bench.mock.edit("edit", comment, "<comments>by hand</comments>", commit=True)
    assert [change.kind for change in plan(panos, bench, plant(WEB)).changes] == ["tag"]
    reach(panos, bench, plant(WEB))
    assert not plan(panos, bench, plant(WEB)).changes


def test_a_revert_takes_the_record_back(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    _applied(panos, bench, made, "first")
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        session.begin(Run(plan_id="second"))
        with session.lock():
            session.read()
            session.push(plan(panos, bench, plant(WEB, POLL)).script)
            assert look(panos, bench).state.applied == ("first",)
            session.revert()
    assert look(panos, bench).state.applied == ("first",)


@pytest.mark.parametrize("held", ["", "12:007000000001", "12:0070/vsys1,0071;9:0072", "x"])
@pytest.mark.parametrize("comment", ["", "Managed by segctl", "mine [run=x] "])
def test_a_record_is_read_as_it_was_written(comment: str, held: str) -> None:
    made = Record(
        token="0a1b2c3d",
        by="ops1@runner",
        before="0123456789abcdef",
        probes="sha256:" + "0" * 64,
        plans=tuple(f"{number:032x}" for number in range(40)),
        held=held,
    )
    text = record.written(comment, made)
    assert len(text) <= 1023
    assert record.read(text) == (comment, replace(made, plans=made.plans[:MAX_PLANS]))
    for length in (700, 900, 1023):
        long = record.written("x" * length, made)
        assert len(long) <= 1023
        found = record.read(long)[1]
        assert found is not None
        assert found.plans == made.plans[: len(found.plans)]
    assert record.read(comment) == (comment, None)
    hostile = record.written(comment, replace(made, by="a b]", plans=("x,y]", "z")))
    found = record.read(hostile)[1]
    assert found is not None
    assert (found.by, found.plans) == ("a-b-", ("x-y-", "z"))


# --- whose lock it is ----------------------------------------------------------------------------


def hold(bench: PanosBench, comment: str, *, ago: float = 0.0, admin: str = "admin") -> None:
    device = bench.mock.device
    created = stamp(device.clock() - ago)
    device.locks.held = [
        Lock("commit", "shared", admin, created, comment),
        Lock("config", "vsys1", admin, created, comment),
    ]


def elsewhere(**values: object) -> str:
    """Return the lock's comment of a run in a container with our name, and process id 1."""
    owner = new_owner()
    lock_owner.release(owner)
    return str(replace(owner, process=1, namespace="4026539999", **values))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - any field of an owner


def test_a_lock_of_another_container_is_left_until_its_lease_runs_out(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    comment = elsewhere(began=0)  # by its own clock it began in 1970: the device's clock counts
    hold(bench, comment, ago=1000)
    state = look(panos, bench).state
    assert [(lock.ours, lock.alive) for lock in state.locks] == [(True, None), (True, None)]
    assert all(2500 < (lock.lease_left or 0) <= 2600 for lock in state.locks)
    assert not state.unsettled
    with pytest.raises(LockedError, match=r"its lease runs out in 4[1-4]m") as told:
        apply(panos, bench, made)
    assert "request commit-lock remove admin admin" in told.value.message
    assert bench.locks == 2
    hold(bench, comment, ago=3700)
    assert [lock.dead for lock in look(panos, bench).state.locks] == [True, True]
    apply(panos, bench, made)
    assert bench.locks == 0


@pytest.mark.parametrize("field", ["token", "namespace", "boot"])
def test_a_lock_is_never_taken_from_a_run_that_lives(
    field: str, panos: PanosHarness, bench: PanosBench
) -> None:
    """A run in this process, or one whose death cannot be proved from here."""
    owner = new_owner()
    if field == "namespace":
        lock_owner.release(owner)
        owner = replace(owner, namespace="1")
    if field == "boot":
        lock_owner.release(owner)
        owner = replace(owner, boot="ffff")
    hold(bench, str(owner))
    with pytest.raises(LockedError, match="another segctl run"):
        apply(panos, bench, plan(panos, bench, plant(WEB)))
    assert bench.locks == 2
    lock_owner.release(owner)


def test_a_used_again_process_id_does_not_make_a_lock_eternal(
    panos: PanosHarness, bench: PanosBench
) -> None:
    owner = new_owner()
    lock_owner.release(owner)
    hold(bench, str(replace(owner, process=os.getppid(), started="1")))
    assert [lock.dead for lock in look(panos, bench).state.locks] == [True, True]
    apply(panos, bench, plan(panos, bench, plant(WEB)))
    assert bench.locks == 0


def test_a_lock_that_our_account_took_by_hand_is_left(
    panos: PanosHarness, bench: PanosBench
) -> None:
    hold(bench, "")
    with pytest.raises(LockedError, match="somebody holds it with this account"):
        apply(panos, bench, plan(panos, bench, plant(WEB)))
    assert bench.locks == 2


def test_a_dead_run_on_another_virtual_system_is_not_ours_to_settle(
    panos: PanosHarness, bench: PanosBench
) -> None:
    owner = new_owner()
    lock_owner.release(owner)
    hold(bench, str(owner))
    first, second = bench.mock.device.locks.held
    bench.mock.device.locks.held = [first, replace(second, scope="vsys2")]
    with pytest.raises(LockedError, match=r"`segctl apply` for the firewall of vsys2 first"):
        apply(panos, bench, plan(panos, bench, plant(WEB)))
    assert bench.locks == 2


def test_a_lock_of_somebody_else_is_seen_and_never_ours(
    panos: PanosHarness, bench: PanosBench
) -> None:
    owner = new_owner()
    lock_owner.release(owner)
    hold(bench, str(owner), admin="jane")
    state = look(panos, bench).state
    assert [(lock.owner, lock.ours, lock.alive) for lock in state.locks] == [
        ("jane", False, None),
        ("jane", False, None),
    ]
    with pytest.raises(LockedError, match="held by jane"):
        apply(panos, bench, plan(panos, bench, plant(WEB)))


def test_a_run_at_work_is_seen(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        session.begin(Run(plan_id="first", lease=600))
        session.read()
        with session.lock():
            state = look(panos, bench).state
            assert [(lock.kind, lock.scope, lock.alive) for lock in state.locks] == [
                ("commit", "shared", True),
                ("config", "vsys1", True),
            ]
            assert all(0 < (lock.lease_left or 0) <= 600 for lock in state.locks)
            assert state.unconfirmed == ()
            session.read()
            session.push(made.script)
            (change,) = look(panos, bench).state.unconfirmed
            assert (change.plan_id, change.alive) == ("first", True)
            session.confirm()
            assert not look(panos, bench).state.unsettled


# --- a run that lost its lock --------------------------------------------------------------------

THIEF = "segctl ops@elsewhere 7 1700000000 ffffffff 3600 eeee 1 1"


@pytest.mark.parametrize("released", RELEASED)
@pytest.mark.parametrize("how", ["taken", "gone"])
@pytest.mark.parametrize("when", ["writing", "committing", "commit ", "judging"])
def test_a_run_without_its_lock_changes_nothing_more(
    when: str, how: str, released: tuple[str, ...], panos: PanosHarness, bench: PanosBench
) -> None:
    """The lock is gone, or another run of the same account has it."""
    locks_go(bench, *released)
    slow(bench, when)
    made = plan(panos, bench, plant(WEB))
    before = bench.printed()
    told: list[str] = []

    def steal(step: str) -> None:
        if step.startswith(when) and not told:
            told.append(step)
            hold(bench, THIEF)
            if how == "gone":
                bench.mock.device.locks.held.clear()

    def judge(_session: object, _live: object) -> None:
        steal("judging")

    order = Order(judge=judge)
    if when == "commit " and (how == "gone" or released):
        with suppress(LostLockError):  # a commit of this account may release them, and then
            apply_device(
                made, panos.provider, bench.target, progress=steal, order=Order(judge=judge)
            )
            assert how == "gone" or released == ("commit", "config")  # they are taken again
        return
    with pytest.raises(LostLockError, match="neither continues nor goes back") as lost:
        apply_device(made, panos.provider, bench.target, progress=steal, order=order)
    assert lost.value.code == "lost_lock"
    committed = when in COMMITTED
    assert (b"c1.web" in bench.mock.running()) == committed
    if not committed:
        assert bench.printed() == before
    comments = [lock.comment for lock in bench.mock.device.locks.held]
    assert comments == ([] if how == "gone" else [THIEF, THIEF])


def test_a_lock_that_goes_at_the_commit_and_is_taken_by_another_administrator_is_lost(
    panos: PanosHarness, bench: PanosBench
) -> None:
    locks_go(bench, "commit", "config")
    slow(bench, "commit ")
    made = plan(panos, bench, plant(WEB))
    taken: list[str] = []

    def steal(step: str) -> None:
        if step.startswith("commit ") and not taken:
            taken.append(step)
            hold(bench, "mine now", admin="jane")

    with pytest.raises(LostLockError, match="jane"):
        apply_device(made, panos.provider, bench.target, progress=steal)
    assert [lock.admin for lock in bench.mock.device.locks.held] == ["jane", "jane"]
    assert b"c1.web" in bench.mock.running()


def test_a_confirmed_change_is_not_taken_back_by_a_run_that_dies_then(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    with panos.provider.connect(bench.target, read_only=False, progress=silent) as session:
        session.read()
        with session.lock():
            session.read()
            session.push(made.script)
            session.confirm()
            assert bench.locks == 0
            session.revert()
    assert b"c1.web" in bench.mock.running()
    bench.mock.edit("set", RULES, other_rule("o-later"), commit=True)
    assert ANCHOR.encode() in bench.mock.running()
