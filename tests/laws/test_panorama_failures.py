"""What fails between the commit of a device group and its last firewall, and what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.errors import (
    ApplyError,
    DeviceError,
    ForeignChangesError,
    LockedError,
    LostLockError,
    UnknownError,
    UnsupportedError,
    VerifyError,
)
from segctl.planning.apply import Order, apply_device
from segctl.testing import apply, plan, reach
from segctl_mocks.panos.locks import Lock
from support.panorama_bench import GROUPS, RULES, SERIALS, GroupBench, plant_of
from support.panos import other_rule
from support.plants import flow
from support.runs import look, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segctl.planning.outcome import Outcome
    from segctl.planning.plan import DevicePlan
    from support.panorama_bench import GroupHarness

WEB = flow("web", ports=(443,))
SSH = flow("ssh", ports=(22,))
OLD, NEW = plant_of(WEB), plant_of(WEB, SSH)
PUSH, CHECK = "</merge-with-candidate-cfg><description>", "<validate-only"


@pytest.fixture
def bench(panorama: GroupHarness) -> Iterator[GroupBench]:
    """A group that holds the old policy, and so do its firewalls."""
    with panorama.workbench() as made:
        reach(panorama, made, OLD)
        yield made


def tried(
    panorama: GroupHarness,
    bench: GroupBench,
    made: DevicePlan | None = None,
    progress: Callable[[str], None] = silent,
    **values: Any,
) -> Outcome:
    """Apply the new policy."""
    order = Order(allow_mass_delete=True, plan_id="tried", **values)
    found = made or plan(panorama, bench, NEW)
    return apply_device(found, panorama.provider, bench.target, order=order, progress=progress)


def acting(step: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return what acts once, when a run says that it begins a step."""
    seen: list[str] = []

    def progress(text: str) -> None:
        if text.startswith(step) and not seen:
            seen.append(text)
            act()

    return progress


def of_members(outcome: Outcome) -> dict[str, str]:
    return {one.device: one.status for one in outcome.members}


def whole(panorama: GroupHarness, bench: GroupBench) -> None:
    """Require that one more apply leaves all in sync, and nothing of a run."""
    bench.mend()
    outcome = tried(panorama, bench)
    assert outcome.status in ("applied", "unchanged"), outcome
    for name in SERIALS:
        assert "c1.ssh" in bench.pushed(name)
        assert bench.pushed(name) == bench.due(name)
    assert bench.locks == 0
    assert not look(panorama, bench).state.unsettled


# --- pushes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["push_pending", "push_timeout", "push_fails"])
def test_one_firewall_of_a_push(
    kind: str, panorama: GroupHarness, bench: GroupBench, *, applied: bool
) -> None:
    """A job that is over while one is pending, was not told in time, or has refused.

    What the firewall enforces in the end counts, whatever became of its result.
    """
    bench.patience = 3
    bench.mock.fail(kind, serial=SERIALS["fw2"], applied=applied, contains=PUSH)
    outcome = tried(panorama, bench)
    assert bench.holds("c1.ssh")["fw1"]
    found = of_members(outcome)
    assert found["fw1"] == "applied"
    if kind == "push_fails":
        assert not bench.holds("c1.ssh")["fw2"]
        assert (outcome.status, found["fw2"]) == ("failed", "failed")
        assert "client device phase 1 failure" in outcome.message
    else:
        assert bench.holds("c1.ssh")["fw2"] is applied
        told = "failed" if kind == "push_timeout" else "unknown"
        assert found["fw2"] == ("applied" if applied else told), outcome
        assert outcome.status == ("applied" if applied else told)
    if outcome.status != "applied":
        assert "pushed to fw1; fw2 does not enforce it" in outcome.message
    assert bench.locks == 0
    whole(panorama, bench)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["push_lost", "push_stuck"])
def test_a_push_whose_job_is_not_seen_to_end_is_unknown_and_read_later(
    kind: str, panorama: GroupHarness, bench: GroupBench, *, applied: bool
) -> None:
    bench.patience = 2
    bench.mock.fail(kind, applied=applied, contains=PUSH)
    outcome = tried(panorama, bench)
    for name in SERIALS:
        assert bench.holds("c1.ssh")[name] in (applied, kind == "push_stuck" and applied)
        status = of_members(outcome)[name]
        assert status in ("unknown", "unchanged", "applied", "failed"), outcome
        if not bench.holds("c1.ssh")[name]:
            assert status == "unknown"
    assert bench.locks == 0
    bench.mock.restart()  # a job that never ends would keep every later one waiting
    whole(panorama, bench)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_at", "truncate"])
@pytest.mark.parametrize("where", [PUSH, CHECK])
def test_a_lost_answer_to_a_push_is_found_out(
    where: str, kind: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.mock.fail(kind, contains=where)
    outcome = tried(panorama, bench)
    for name in SERIALS:
        held = bench.holds("c1.ssh")[name]
        status = of_members(outcome)[name]
        if not held:
            assert status in ("failed", "unknown")
    whole(panorama, bench)


def test_a_firewall_that_refuses_at_its_check_gets_nothing_and_the_other_everything(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    old = bench.pushed("fw2")
    lines = (" c1.ssh -> application 'new-app' is not a valid reference", "Commit failed")
    bench.mock.fail("push_fails", serial=SERIALS["fw2"], contains=CHECK, lines=lines)
    outcome = tried(panorama, bench)
    assert of_members(outcome) == {"fw1": "applied", "fw2": "failed"}
    assert "'new-app' is not a valid reference" in outcome.message
    assert bench.pushed("fw2") == old
    assert outcome.code == "not_enforced"
    whole(panorama, bench)


def test_all_firewalls_refuse(panorama: GroupHarness, bench: GroupBench) -> None:
    old = {name: bench.pushed(name) for name in SERIALS}
    bench.mock.fail("push_fails", contains=CHECK, times=2)
    outcome = tried(panorama, bench)
    assert outcome.status == "failed"
    assert "committed, pushed to no firewall" in outcome.message
    assert {name: bench.pushed(name) for name in SERIALS} == old
    whole(panorama, bench)


def test_a_firewall_that_goes_away_between_its_check_and_the_push(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    outcome = tried(
        panorama,
        bench,
        progress=acting("push:", lambda: bench.panorama.disconnect(SERIALS["fw2"])),
    )
    assert of_members(outcome) == {"fw1": "applied", "fw2": "failed"}
    assert "not connected" in outcome.message
    bench.panorama.reconnect(SERIALS["fw2"])
    whole(panorama, bench)


@pytest.mark.parametrize("kind", ["config", "commit"])
def test_a_firewall_that_somebody_has_locked(
    kind: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    firewall = bench.firewalls["fw2"]
    firewall.hold_lock(kind)
    outcome = tried(panorama, bench)
    assert of_members(outcome) == {"fw1": "applied", "fw2": "failed"}
    assert "lock" in outcome.message
    firewall.release_lock(kind)
    whole(panorama, bench)


@pytest.mark.parametrize("step", ["committing", "commit ", "validation on", "push:"])
def test_a_panorama_that_restarts_in_the_middle(
    step: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    """It forgets its jobs and counts them anew; what is running is read."""
    old = {name: bench.pushed(name) for name in SERIALS}
    bench.mock.device.settings = replace(bench.mock.device.settings, job_seconds=0.3)

    def restart() -> None:
        bench.mock.restart()
        for _ in range(3):
            bench.mock.start_job("AutoCom", 0.0, admin="")

    try:
        tried(panorama, bench, progress=acting(step, restart))
    except DeviceError:
        assert b"c1.ssh" not in bench.mock.running()
    for name in SERIALS:
        assert bench.pushed(name) in (old[name], bench.due(name))
    whole(panorama, bench)


# --- commits -------------------------------------------------------------------------------------


def test_a_commit_that_says_ok_and_leaves_the_candidate_is_taken_back(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.disturb_others()
    before = bench.printed()
    bench.mock.fail("commit_leaves")
    with pytest.raises(ApplyError, match="still has a change of this account"):
        tried(panorama, bench)
    assert bench.printed() == before
    assert not [one for one in bench.mock.device.journal.changes if one.admin == "segctl"]
    assert b"o-pending" in bench.mock.config()
    whole(panorama, bench)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_at"])
def test_the_lost_answer_to_the_commit_that_takes_back_is_not_taken_from_a_push(
    kind: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    """The job of the push before it has the same run in its description, and succeeded."""
    before = bench.printed()

    def refuse(*_words: object) -> None:
        bench.mock.fail(kind, contains="segctl revert", type="commit")
        raise VerifyError("fw1", "a probe failed")

    with pytest.raises(VerifyError):
        tried(panorama, bench, judge=refuse)
    assert bench.printed() == before
    assert bench.locks == 0


# --- going back ----------------------------------------------------------------------------------


def refuse(*_words: object) -> None:
    """Judge that the change is not good."""
    raise VerifyError("fw1", "a probe failed")


def test_a_probe_that_fails_takes_it_back_from_every_firewall_that_had_it(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.disturb_others()
    before = bench.printed()
    with pytest.raises(VerifyError):
        tried(panorama, bench, judge=refuse)
    assert bench.printed() == before
    assert b"o-pending" in bench.mock.config()
    assert bench.locks == 0


def test_what_is_taken_back_goes_to_no_firewall_that_was_left_out(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    """The second firewall waits for a change; a later one that fails must not bring it there."""
    bench.asked = ("fw1",)
    tried(panorama, bench)
    waiting = bench.pushed("fw2")
    assert "c1.ssh" not in waiting
    third = plan(panorama, bench, plant_of(WEB, SSH, flow("dns", ports=(53,))))
    with pytest.raises(VerifyError):
        tried(panorama, bench, third, judge=refuse)
    assert "c1.ssh" in bench.pushed("fw1")
    assert "c1.dns" not in bench.pushed("fw1")
    assert bench.pushed("fw2") == waiting


def test_a_revert_that_cannot_be_pushed_is_not_enforced_and_the_next_run_does_it(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    before = bench.pushed("fw2")

    def judge(*words: object) -> None:
        bench.panorama.disconnect(SERIALS["fw2"])
        refuse(*words)

    with pytest.raises(UnknownError) as told:
        tried(panorama, bench, judge=judge)
    assert told.value.message == (
        "a probe failed. the change was taken back, but that could not be pushed, and firewalls "
        "may still enforce the change (fw2: it is not connected to Panorama): run segctl apply to "
        "push to them"
    )
    assert bench.locks == 0
    assert b"c1.ssh" not in bench.mock.running()
    assert "c1.ssh" in bench.pushed("fw2")
    bench.panorama.reconnect(SERIALS["fw2"])
    behind = look(panorama, bench).state.behind
    assert [one.name for one in behind] == ["fw2"]
    reach(panorama, bench, OLD)
    assert bench.pushed("fw2") == before


# --- others --------------------------------------------------------------------------------------

MOMENTS = (
    "reading",
    "locking",
    "writing",
    "validating",
    "committing",
    "commit ",
    "validation on",
    "push:",
)


@pytest.mark.parametrize("moment", MOMENTS)
def test_changes_that_others_begin_at_any_moment_stay_theirs(
    moment: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    """In shared and in another group; those in the group are refused by our lock."""
    refused: list[bool] = []

    def others() -> None:
        bench.disturb_others()
        done = bench.try_edit("set", f"{RULES}/entry[@name='o-anchor']", "<log-end>no</log-end>")
        refused.append(not done)
        if done:
            bench.mock.device.committer.revert(["other"])
            bench.mock.edit("set", "/config/shared/tag", "<entry name='o-pending'/>")

    if moment == "commit ":
        bench.mock.device.settings = replace(bench.mock.device.settings, job_seconds=0.3)
    tried(panorama, bench, progress=acting(moment, others))
    assert refused in ([True], [False])
    assert refused == [moment not in ("reading", "locking")] or moment == "locking"
    for text in (b"o-pending", b"o-group"):
        assert text in bench.mock.config()
        assert text not in bench.mock.running()
    assert all("o-pending" not in bench.pushed(name) for name in SERIALS)
    whole(panorama, bench)


def test_what_others_committed_and_did_not_push_is_not_pushed(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    theirs = other_rule("o-later", action="allow")
    bench.mock.edit("set", RULES, theirs, admin="other", commit=True)
    outcome = tried(panorama, bench)
    for name in SERIALS:
        assert "c1.ssh" in bench.pushed(name)
        assert "o-later" not in bench.pushed(name)
    assert "o-later" in str(bench.mock.running())
    assert outcome.members


@pytest.mark.parametrize("where", ["OT", "shared"])
@pytest.mark.parametrize("kind", ["config", "commit"])
def test_locks_of_others_on_the_group_or_on_everything_are_told(
    kind: str, where: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    made, before = plan(panorama, bench, NEW), bench.printed()
    of = "vsys" if where == "shared" else "device-group"
    held = Lock(kind, where, "other", bench.mock.device.now(), of=of)
    bench.mock.device.locks.take(held)
    with pytest.raises(LockedError, match=f"{kind} lock for {where}: held by other"):
        tried(panorama, bench, made)
    assert bench.printed() == before


@pytest.mark.parametrize("kind", ["config", "commit"])
def test_locks_of_others_on_another_group_are_left_alone(
    kind: str, panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.mock.edit("set", GROUPS, "<entry name='IT'/>", admin="admin", commit=True)
    held = Lock(kind, "IT", "other", bench.mock.device.now(), of="device-group")
    bench.mock.device.locks.take(held)
    assert tried(panorama, bench).status == "applied"
    assert bench.mock.device.locks.held == [held]


def test_a_run_that_lost_its_lock_changes_nothing(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    before = bench.printed()

    def steal() -> None:
        bench.mock.device.locks.held.clear()

    with pytest.raises(LostLockError):
        tried(panorama, bench, progress=acting("validating", steal))
    assert bench.printed() == before


def test_pending_changes_of_others_in_the_group_are_refused(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    made, before = plan(panorama, bench, NEW), bench.printed()
    bench.mock.edit("set", RULES, other_rule("o-new"), admin="other")
    with pytest.raises(ForeignChangesError, match="other has uncommitted changes in"):
        tried(panorama, bench, made)
    assert bench.printed() == before
    assert b"o-new" in bench.mock.config()


def test_pushing_again_changes_nothing(panorama: GroupHarness, bench: GroupBench) -> None:
    tried(panorama, bench)
    writes = bench.mock.writes
    assert apply(panorama, bench, plan(panorama, bench, NEW)).status == "unchanged"
    assert bench.mock.writes == writes


# --- content -------------------------------------------------------------------------------------


def test_a_firewall_whose_content_lacks_an_application_is_named_before_anything_is_written(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.firewalls["fw2"].update_content("8700-8000", removed=("modbus-read-coils", "web-crawler"))
    used = flow("poll", applications=("modbus-read-coils",))
    writes = bench.mock.writes
    with pytest.raises(UnsupportedError) as told:
        plan(panorama, bench, plant_of(WEB, used))
    text = str(told.value)
    assert "fw2: version 11.1" in text
    assert "content 8700-8000 has no application modbus-read-coils" in text
    assert "content 8799-8509) has" in text
    assert bench.mock.writes == writes
    bench.firewalls["fw2"].update_content("8701-8000")
    assert plan(panorama, bench, NEW).changes, "what it has not is needed by nobody"


def test_applications_of_a_rule_for_another_firewall_need_not_be_there(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    """The rule from zone ctrl is for the first firewall alone."""
    bench.firewalls["fw2"].update_content("8700-8000", removed=("ssl",))
    only = plant_of(flow("tls", applications=("ssl",)), only="c2")
    assert plan(panorama, bench, only).changes
    with pytest.raises(UnsupportedError, match=r"fw2: .* has no application ssl"):
        plan(panorama, bench, plant_of(flow("tls", applications=("ssl",)), only="c1"))


def test_the_content_of_a_firewall_that_is_away_is_not_asked_for(
    panorama: GroupHarness, bench: GroupBench
) -> None:
    bench.firewalls["fw2"].update_content("8700-8000", removed=("ssl",))
    bench.panorama.disconnect(SERIALS["fw2"])
    made = plan(panorama, bench, plant_of(flow("tls", applications=("ssl",))))
    assert of_members(tried(panorama, bench, made)) == {"fw1": "applied", "fw2": "failed"}
    assert "ssl" not in bench.pushed("fw2")
    bench.panorama.reconnect(SERIALS["fw2"])
    with pytest.raises(UnsupportedError, match=r"fw2: .* has no application ssl"):
        plan(panorama, bench, plant_of(flow("tls", applications=("ssl",))))
