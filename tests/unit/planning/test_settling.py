"""Apply after a run that was killed: what it left is judged and kept, or taken back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from segctl.compiler.build import Desired
from segctl.drift.items import items_of
from segctl.model.errors import ApplyError, JournalError, LockedError, StalePlanError, VerifyError
from segctl.model.site import Device, ZoneBinding
from segctl.planning.apply import Order, apply_device, check_device
from segctl.planning.journal import Journal, journal_of
from segctl.planning.make import plan_device
from segctl.planning.outcome import Outcome, outcome_of
from segctl.transports.target import Target
from support.remembering import Firewall, KilledError, RememberingProvider, declared

if TYPE_CHECKING:
    from pathlib import Path

    from segctl.planning.apply import Judge
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live, Session

OLD, NEW, LATER = ("a", "b"), ("b", "c"), ("b", "d")
DEVICE = Device(
    name="fw1",
    platform="remembering",
    zones=(ZoneBinding(zone="site/z", name="z", interfaces=("eth0",)),),
)
TARGET = Target(name="fw1", host="-", commit_timeout=1)


def plan(wall: Firewall, rules: tuple[str, ...]) -> DevicePlan:
    provider = RememberingProvider(wall)
    with provider.connect(TARGET, read_only=True) as session:
        live = provider.parse(session.read())
    desired = Desired(device=DEVICE, policy=declared(rules))
    return plan_device(desired, live, provider)


def apply(wall: Firewall, made: DevicePlan, order: Order | None = None) -> Outcome:
    provider = RememberingProvider(wall)
    return apply_device(made, provider, TARGET, order=order, progress=lambda _step: None)


def fresh() -> Firewall:
    return Firewall(rules=OLD, boot=OLD, met=[OLD])


def killed(step: int, order: Order | None = None) -> Firewall:
    """Return a firewall on which a run for `NEW` was killed before its n-th step."""
    wall = fresh()
    made = plan(wall, NEW)
    wall.stop = step + 1
    with suppress(KilledError):
        apply(wall, made, order)
    wall.stop = 0
    return wall


class Asked:
    """A judge that counts, and refuses what it is told to."""

    def __init__(self, *refused: tuple[str, ...]) -> None:
        self.refused = refused
        self.seen: list[tuple[str, ...]] = []

    def __call__(self, session: Session, live: Live) -> None:
        del session
        held = tuple(rule.name for rule in live.policy.rules)
        self.seen.append(held)
        if held in self.refused:
            raise VerifyError("fw1", "a probe fails: reverted")


def judged(judge: Judge) -> Order:
    return Order(judge=judge, probes="p1")


def settled(wall: Firewall, rules: tuple[str, ...]) -> bool:
    return wall.rules == wall.boot == rules and wall.before is None and not wall.lock


def converge(wall: Firewall, rules: tuple[str, ...], order: Order | None = None) -> Outcome:
    """Plan and apply as the command does: what is pending is settled first."""
    made = plan(wall, rules)
    if made.state.unconfirmed and made.changes:
        apply(wall, made, Order(settle_only=True))
        made = plan(wall, rules)
    return apply(wall, made, order)


STEPS = ("lock", "push", "confirm", "unlock")


@pytest.mark.parametrize("late", [False, True], ids=["at once", "after the guard"])
@pytest.mark.parametrize("then", [NEW, LATER, OLD], ids=["same", "other", "back"])
@pytest.mark.parametrize("step", range(1, len(STEPS) + 1), ids=STEPS)
def test_killed_before_any_step_one_more_apply_settles(
    step: int, then: tuple[str, ...], *, late: bool
) -> None:
    wall = killed(step)
    if late:
        wall.guard()
    converge(wall, then)
    assert settled(wall, then)
    assert set(wall.met) <= {OLD, NEW, then}
    assert converge(wall, then).status == "unchanged"


def test_the_change_of_a_dead_run_is_confirmed_by_the_apply_that_wants_it() -> None:
    wall = killed(3)
    assert wall.before == OLD
    outcome = converge(wall, NEW)
    assert (outcome.status, outcome.changes) == ("applied", 0)
    assert outcome.message == "confirmed the change of ops1@runner that nobody had confirmed"
    assert wall.met == [OLD, NEW]
    assert settled(wall, NEW)


def test_an_apply_that_wants_something_else_takes_it_back_first() -> None:
    wall = killed(3)
    converge(wall, LATER)
    assert wall.met == [OLD, NEW, OLD, LATER]


def test_what_probes_were_to_judge_is_taken_back_by_an_apply_without_them() -> None:
    asked = Asked()
    wall = killed(3, judged(asked))
    assert asked.seen == [NEW]
    outcome = apply(wall, plan(wall, NEW), Order(settle_only=True))
    assert wall.rules == OLD
    assert outcome.message.startswith("took back the change of ops1@runner")


def test_the_same_probes_judge_it_as_a_fresh_change() -> None:
    wall = killed(3, judged(Asked()))
    asked = Asked()
    apply(wall, plan(wall, NEW), judged(asked))
    assert asked.seen == [NEW]
    assert settled(wall, NEW)


def test_probes_that_fail_then_take_it_back() -> None:
    wall = killed(3, judged(Asked()))
    with pytest.raises(VerifyError, match="a probe fails"):
        apply(wall, plan(wall, NEW), judged(Asked(NEW)))
    assert wall.rules == OLD
    assert wall.before is None
    assert not wall.lock


def test_a_change_confirmed_before_its_probes_is_probed_when_the_rollout_goes_on() -> None:
    wall = killed(4, judged(Asked()))  # confirmed; killed before the state file had it
    asked = Asked()
    order = Order(judge=asked, probes="p1", judge_unchanged=True)
    wall.lock = ""
    assert apply(wall, plan(wall, NEW), order).status == "unchanged"
    assert asked.seen == [NEW]
    with pytest.raises(VerifyError, match="confirmed before it was probed"):
        apply(wall, plan(wall, NEW), Order(judge=Asked(NEW), probes="p1", judge_unchanged=True))


def test_a_dead_lock_goes_also_where_nothing_is_to_be_changed() -> None:
    wall = killed(4)
    assert wall.lock
    made = plan(wall, NEW)
    assert not made.changes
    assert apply(wall, made).status == "unchanged"
    assert not wall.lock


@pytest.mark.parametrize("alive", [True, None])
def test_a_lock_that_may_be_alive_is_left_alone(*, alive: bool | None) -> None:
    wall = killed(3)
    wall.alive = alive
    with pytest.raises(LockedError):
        apply(wall, plan(wall, NEW))
    assert wall.rules == NEW
    assert wall.lock


def test_a_boot_file_that_differs_is_rewritten_where_nothing_else_is_to_be_done() -> None:
    wall = Firewall(rules=OLD, boot=LATER)
    made = plan(wall, OLD)
    assert not made.changes
    assert not made.in_sync
    outcome = apply(wall, made)
    assert (outcome.status, outcome.message) == ("applied", "rewrote /boot")
    assert settled(wall, OLD)


def test_a_change_that_cannot_be_kept_is_taken_back() -> None:
    wall = fresh()
    wall.full_disk = True
    with pytest.raises(ApplyError, match="no space left"):
        converge(wall, NEW)
    assert settled(wall, OLD)


def test_the_basis_is_looked_at_once_more_before_the_change_is_live() -> None:
    wall = fresh()
    made = plan(wall, NEW)
    wall.edited = lambda: wall.hold(LATER)
    with pytest.raises(StalePlanError):
        apply(wall, made)
    assert "push" not in wall.steps


def test_a_plan_is_applied_once_whatever_machine_asks() -> None:
    wall = fresh()
    once = Order(plan_id="p" * 32, once=True)
    made = plan(wall, NEW)
    apply(wall, made, once)
    assert apply(wall, made, once).status == "unchanged"
    converge(wall, OLD)
    with pytest.raises(StalePlanError, match="was applied before"):
        apply(wall, made, once)
    with pytest.raises(StalePlanError, match="was applied before"):
        check_device(made, RememberingProvider(wall), TARGET, order=once, progress=print)
    assert wall.rules == OLD


def test_warnings_of_the_device_are_in_the_outcome() -> None:
    assert converge(fresh(), NEW).warnings == ("a rule shadows another",)


# --- what is told --------------------------------------------------------------------------------


def test_pending_and_not_kept_are_drift_and_a_dead_lock_is_a_note() -> None:
    made = plan(killed(3), NEW)
    pending, lock = made.findings
    assert pending.message == (
        "the device holds a change that nobody has confirmed "
        "(run of ops1@runner, dead, goes back by itself in 18s)"
    )
    assert (lock.severity, lock.kind) == ("note", "lock")
    assert [item.state for item in items_of(made)] == ["pending"]
    made = plan(Firewall(rules=OLD, boot=LATER), OLD)
    assert [item.state for item in items_of(made)] == ["not_kept"]


def test_seconds_that_pass_are_no_other_drift() -> None:
    first, second = killed(3), killed(3)
    assert items_of(plan(first, NEW))[0].fingerprint == items_of(plan(second, NEW))[0].fingerprint


# --- the journal ---------------------------------------------------------------------------------


def journal(folder: Path) -> Journal:
    return Journal(folder=folder, run="r1", plan_id="p1", command="segctl apply")


@pytest.mark.parametrize("step", range(1, len(STEPS) + 1), ids=STEPS)
def test_the_journal_has_a_step_before_it_is_taken(step: int, tmp_path: Path) -> None:
    written = journal(tmp_path)
    killed(step, Order(journal=written))
    lines = written.file.read_text().splitlines()
    expected = ["lock", "push", "confirm"][:step]  # a lock is released without a word
    written_down = [json.loads(line)["step"] for line in lines]
    assert written_down[: len(expected)] == expected
    assert all('"next": "segctl apply"' in line for line in lines)


def test_without_a_journal_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    wall = fresh()
    with pytest.raises(JournalError, match="cannot be written"):
        converge(wall, NEW, Order(journal=journal(tmp_path / "file")))
    assert wall.steps == []


def test_on_a_full_disk_nothing_is_started(tmp_path: Path) -> None:
    written = journal(tmp_path / "run")
    written.folder.mkdir()
    written.file.symlink_to("/dev/full")
    wall = fresh()
    with pytest.raises(JournalError, match="No space left on device"):
        converge(wall, NEW, Order(journal=written))
    assert wall.steps == []


@pytest.mark.parametrize("probe", ["fails", "passes"])
def test_going_back_does_not_wait_for_the_journal(tmp_path: Path, probe: str) -> None:
    """The disk is full once the change is live: it is not confirmed without a word of that."""
    written = journal(tmp_path / "run")
    wall = fresh()

    def fill(_session: Session, _live: Live) -> None:
        written.file.unlink()
        written.file.symlink_to("/dev/full")
        if probe == "fails":
            raise VerifyError("fw1", "a probe fails: reverted")

    with pytest.raises(VerifyError if probe == "fails" else JournalError):
        converge(wall, NEW, Order(journal=written, judge=fill))
    assert settled(wall, OLD)


def test_journals_of_long_ago_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(tmp_path))
    old = journal_of("old")
    old.write("fw1", "push")
    (tmp_path / "mine").mkdir()
    for folder in ("old", "mine"):
        os.utime(tmp_path / folder, (0, 0))
    new = journal_of("new")
    new.write("fw1", "push")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "new"]


def test_the_outcome_of_a_run_that_lost_its_lock_says_so() -> None:
    from segctl.model.errors import LostLockError, UnknownError

    assert outcome_of("fw1", LostLockError("fw1", "gone")).code == "lost_lock"
    unknown = outcome_of("fw1", UnknownError("fw1", "job 7"))
    assert (unknown.status, unknown.code, unknown.message) == ("unknown", "unknown", "job 7")
