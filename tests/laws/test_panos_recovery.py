"""Every edge of the way from a refused or lost request on a firewall back to a known state."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from segctl.model.errors import (
    ApplyError,
    AuthError,
    BusyError,
    ConnectError,
    DeviceError,
    LockedError,
    UnknownError,
)
from segctl.planning.apply import apply_device
from segctl.providers.panos import answers, jobs
from segctl.providers.panos.session import PanosSession
from segctl.providers.state import Run
from segctl.testing import apply, plan, reach
from segctl_mocks.panos.jobs import Outcome
from support.plants import flow, plant
from support.runs import look, settled, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from segctl.planning.plan import DevicePlan
    from support.panos import PanosBench, PanosHarness

WEB = flow("web", ports=(443,))
LOCKS = ("commit-lock><add", "config-lock><add")
WRITES = ("multi-config", "<validate>", "<commit>")


@pytest.fixture
def bench(panos: PanosHarness) -> Iterator[PanosBench]:
    with panos.workbench() as made:
        yield made


@contextmanager
def pushed(
    panos: PanosHarness, bench: PanosBench, made: DevicePlan, **values: Any
) -> Generator[PanosSession]:
    """Hold a change open: pushed, and neither confirmed nor taken back."""
    target = replace(bench.target, **values)
    with panos.provider.connect(target, read_only=False, progress=silent) as session:
        assert isinstance(session, PanosSession)
        session.begin(Run(plan_id="first"))
        session.read()
        with session.lock():
            session.read()
            session.push(made.script)
            yield session


def apply_in(
    panos: PanosHarness,
    bench: PanosBench,
    made: DevicePlan,
    seconds: float,
    progress: Callable[[str], None] = silent,
) -> None:
    """Apply with little patience for jobs."""
    target = replace(bench.target, commit_timeout=seconds)
    apply_device(made, panos.provider, target, progress=progress)


def clean(bench: PanosBench) -> bool:
    return bench.locks == 0 and not bench.mock.device.journal.changes


# --- jobs of others ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Downld", "Content", "WildFire", "Exec"])
def test_a_job_of_others_is_not_waited_for(
    kind: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.mock.start_job(kind, 0, stuck=True)
    bench.mock.fail("commit_invalid")
    with pytest.raises(ApplyError, match="commit job 4 failed, nothing changed"):
        apply_in(panos, bench, made, 5)
    assert bench.printed() == before
    assert clean(bench)
    apply_in(panos, bench, made, 5)
    assert b"c1.web" in bench.mock.running()


def test_commits_of_others_are_waited_for_and_no_longer_than_said(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    with pushed(panos, bench, made, commit_timeout=0.4) as session:
        bench.mock.start_job("Commit", 0, stuck=True)
        with pytest.raises(UnknownError, match="of others are queued") as told:
            session.revert()
    assert "(segctl_commit_timeout)" in told.value.message
    assert "segctl-before.xml" in told.value.message
    assert "commit lock for shared and config lock for vsys1 stay" in told.value.message
    assert bench.locks == 2
    bench.mock.device.jobs.jobs[-1].outcome = Outcome(ok=True, details=())
    (change,) = settled(panos, bench, "revert").state.unconfirmed
    assert change.plan_id == "first"
    assert b"c1.web" not in bench.mock.running()
    assert clean(bench)


def test_a_commit_of_others_that_ends_is_waited_for(panos: PanosHarness, bench: PanosBench) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    with pushed(panos, bench, made) as session:
        bench.mock.start_job("Commit", 0.5)
        session.revert()
    assert bench.printed() == before
    assert clean(bench)


# --- refused for now -----------------------------------------------------------------------------

PASSING = {
    "Another commit/validate is in progress. Please try again later": "validation is running",
    "A commit is in progress. Please try again later.": "another commit is running",
    "You cannot commit while an install is in progress. Please try again later.": "installation",
    "Local commit jobs are queued. Revert operation is not allowed.": "of others are queued",
    "The result of this commit would be the same as the previous commit queued/processed. "
    "No edits will be committed": "the same commit is already queued",
    "Commit job was not queued since auto-commit not yet finished successfully. Please use "
    '"commit force" to schedule commit job': "auto-commit after boot",
}


@pytest.mark.parametrize("where", WRITES)
@pytest.mark.parametrize("sentence", PASSING)
def test_what_is_refused_for_now_is_tried_again(
    sentence: str, where: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("error", code="", message=sentence, contains=where, times=2)
    apply_in(panos, bench, made, 30)
    assert not bench.mock.device.faults.waiting
    assert b"c1.web" in bench.mock.running()
    assert clean(bench)


@pytest.mark.parametrize("where", [*WRITES, "<revert>"])
@pytest.mark.parametrize("sentence", PASSING)
def test_what_is_refused_for_too_long_is_busy(
    sentence: str, where: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    if where == "<revert>":
        bench.mock.fail("commit_invalid")
    bench.mock.fail("error", code="", message=sentence, contains=where, times=10_000)
    with pytest.raises(DeviceError, match=PASSING[sentence]) as told:
        apply_in(panos, bench, made, 0.3)
    assert "force" not in told.value.message
    assert "did not end within 0.3s (segctl_commit_timeout)" in told.value.message
    assert bench.printed() == before
    if where == "<revert>":
        assert told.value.message.startswith("commit job 3 failed, nothing changed")
        assert bench.locks == 2
    else:
        assert isinstance(told.value, BusyError)
        assert told.value.code == "busy"
        assert clean(bench)


def test_an_auto_commit_after_boot_is_waited_for(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.auto_commit(0.5)
    apply_in(panos, bench, made, 30)
    assert b"c1.web" in bench.mock.running()
    bench.mock.auto_commit(600)
    with pytest.raises(BusyError, match="auto-commit after boot is still running"):
        apply_in(panos, bench, plan(panos, bench, plant()), 0.3)
    assert clean(bench)


# --- what a refusal means ------------------------------------------------------------------------

LOCKED = [
    ("14", "Other administrators are holding device wide commit locks."),
    ("14", "Other administrators are holding commit locks."),
    ("", "Configuration is locked by jane"),
    ("", "Config for scope shared is currently locked by jane"),
    ("", "Commit lock is already held by jane"),
]
NOT_LOCKED = [
    ("12", "profile group 'block-all' is invalid"),
    ("12", "c1.web -> source 'locked-down' is not a valid reference"),
    ("12", "Configuration is locked by jane -> source is invalid"),
    ("", "Other administrators are holding device wide commit locks.' is not a valid reference"),
    ("14", "Operation not possible"),
    ("10", "block cannot be deleted because of references from:"),
    ("12", "A commit is in progress. -> source is invalid, see Commit jobs are queued"),
]


@pytest.mark.parametrize("where", ["multi-config", "<commit>", "<validate>"])
@pytest.mark.parametrize(("code", "sentence"), [*LOCKED, *NOT_LOCKED])
def test_locked_is_what_the_device_says_in_a_whole_sentence(
    code: str, sentence: str, where: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.mock.fail("error", code=code, message=sentence, contains=where)
    with pytest.raises(DeviceError) as told:
        apply_in(panos, bench, made, 5)
    locked = (code, sentence) in LOCKED
    assert type(told.value) is (LockedError if locked else ApplyError)
    assert sentence in told.value.message
    assert bench.printed() == before
    assert clean(bench)


def test_a_job_that_fails_over_an_object_called_after_a_lock_is_not_locked(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("commit_invalid", lines=("profile group 'block-all' is invalid",))
    with pytest.raises(ApplyError, match="'block-all' is invalid"):
        apply(panos, bench, made)


def test_the_advice_to_force_a_commit_is_never_passed_on() -> None:
    told = answers.told(_response('x is invalid. Please use "commit force"; y'))
    assert told == "x is invalid.; y"
    error = answers.refusal("fw1", _response('x is invalid. Please use "commit force" to do it'))
    assert error.message == "x is invalid."


def _response(line: str) -> Any:
    root = etree.Element("response", status="error")
    etree.SubElement(etree.SubElement(root, "msg"), "line").text = line
    return root


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [*LOCKS, "<save>", *WRITES, "<remove>", "show><jobs", "<revert>"])
def test_a_revoked_key_is_renewed_with_the_password(
    where: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    before = sum(request.type == "keygen" for request in bench.mock.requests)
    if where == "<revert>":
        with pushed(panos, bench, made) as session:
            bench.mock.fail("key_invalid", contains=where)
            session.revert()
    else:
        bench.mock.fail("key_invalid", contains=where)
        apply(panos, bench, made)
    assert not bench.mock.device.faults.waiting
    assert sum(request.type == "keygen" for request in bench.mock.requests) == before + 2
    assert clean(bench)


def test_a_key_that_stays_refused_is_told(panos: PanosHarness, bench: PanosBench) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("key_invalid", contains="<save>", times=2)
    before = bench.printed()
    with pytest.raises(AuthError, match="refuses the account 'admin'"):
        apply(panos, bench, made)
    assert bench.printed() == before
    assert clean(bench)


def test_a_role_that_may_not_commit_is_told(panos: PanosHarness, bench: PanosBench) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.mock.fail("unauthorized", contains="<commit>")
    with pytest.raises(AuthError, match="admin role"):
        apply(panos, bench, made)
    assert bench.printed() == before
    assert clean(bench)


# --- a commit whose answer was lost --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_after", "drop_at", "truncate"])
def test_a_lost_answer_to_a_commit_is_found_by_its_job(
    kind: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.start_job("Commit", 0.0, admin="admin")
    bench.mock.fail(kind, contains="<commit>")
    apply(panos, bench, made)
    commits = [request for request in bench.mock.requests if request.type == "commit"]
    assert len(commits) == 1
    assert b"c1.web" in bench.mock.running()
    assert clean(bench)


@pytest.mark.parametrize("code", [502, 503])
def test_a_commit_that_never_arrived_is_not_tried_again(
    code: int, panos: PanosHarness, bench: PanosBench
) -> None:
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.mock.fail("status", code=code, contains="<commit>")
    with pytest.raises(ConnectError, match=f"HTTP {code}"):
        apply(panos, bench, made)
    commits = [request for request in bench.mock.requests if request.type == "commit"]
    assert len(commits) == 1
    assert bench.printed() == before
    assert clean(bench)


@pytest.mark.parametrize("went", ["through", "nowhere"])
def test_a_device_that_restarts_during_the_commit_is_read_back(
    went: str, panos: PanosHarness, bench: PanosBench
) -> None:
    """Its jobs are counted anew: the number of ours may be another one's now."""
    made, before = plan(panos, bench, plant(WEB)), bench.printed()
    bench.mock.device.settings = replace(bench.mock.device.settings, job_seconds=0.3)
    restarted: list[str] = []

    def restart(step: str) -> None:
        if step.startswith("commit ") and not restarted:
            restarted.append(step)
            device = bench.mock.device
            while went == "through" and device.jobs.active:
                bench.mock.running()
            bench.mock.restart()
            for _ in range(3):
                bench.mock.start_job("AutoCom", 0.0, admin="")

    if went == "through":
        apply_in(panos, bench, made, 30, restart)
        assert b"c1.web" in bench.mock.running()
    else:
        with pytest.raises(ApplyError, match="commit job 3 is gone"):
            apply_in(panos, bench, made, 30, restart)
        assert bench.printed() == before
    assert restarted
    assert clean(bench)


def test_a_line_that_stays_away_leaves_the_locks_and_says_what_may_be_live(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("drop_after", contains="<commit>")
    bench.mock.fail("drop_before", times=10_000, contains="<jobs><all>")
    with pytest.raises(UnknownError, match="closed the connection") as told:
        apply_in(panos, bench, made, 0.3)
    assert "request config-lock remove" in told.value.message
    assert "segctl plan" in told.value.message
    assert bench.locks == 1  # the commit released the other
    bench.mend()
    (change,) = settled(panos, bench, "confirm").state.unconfirmed
    assert change.alive is False
    assert b"c1.web" in bench.mock.running()
    assert clean(bench)


def test_the_first_cause_is_told_and_why_the_way_back_failed(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("commit_invalid", lines=("vsys1 -> something is wrong",))
    bench.mock.fail("error", code="", message="Failed to revert", contains="<revert>", times=99)
    with pytest.raises(UnknownError) as told:
        apply(panos, bench, made)
    message = told.value.message
    assert message.index("something is wrong") < message.index("could not go back")
    assert "commit job 3 failed" in message
    assert "Failed to revert" in message
    assert isinstance(told.value.__cause__, ApplyError)


def test_locks_that_could_not_be_released_are_named_with_what_removes_them(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail("commit_invalid", lines=("vsys1 -> something is wrong",))
    bench.mock.fail("error", code="", message="Not now", contains="-lock><remove", times=99)
    with pytest.raises(ApplyError) as told:
        apply(panos, bench, made)
    message = told.value.message
    assert message.index("something is wrong") < message.index("could not release its locks")
    assert "Not now" in message
    assert "The commit lock for shared and config lock for vsys1 stay" in message
    assert "`request config-lock remove`" in message
    assert bench.locks == 2
    bench.mend()
    reach(panos, bench, plant(WEB))
    assert clean(bench)


# --- lost answers to locks and confirmations -----------------------------------------------------


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_at", "truncate", "html"])
@pytest.mark.parametrize("skip", [0, 1])
def test_a_lost_answer_to_a_confirmation_is_resolved_by_looking(
    skip: int, kind: str, panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    bench.mock.fail(kind, contains="<remove>", skip=skip)
    apply(panos, bench, made)
    assert not bench.mock.device.faults.waiting
    assert b"c1.web" in bench.mock.running()
    assert clean(bench)


def test_a_confirmation_that_cannot_be_seen_is_unknown_and_settled_later(
    panos: PanosHarness, bench: PanosBench
) -> None:
    made = plan(panos, bench, plant(WEB))
    with pushed(panos, bench, made) as session:
        bench.mock.fail("drop_before", contains="<remove>", times=10_000)
        with pytest.raises(UnknownError, match="holds the new policy, but it is unknown whether"):
            session.confirm()
        session.revert()  # as apply does: it must not take back what may be confirmed
    assert b"c1.web" in bench.mock.running()
    bench.mend()
    assert settled(panos, bench, "confirm").state.unconfirmed
    assert look(panos, bench).state.applied == ("first",)


# --- warnings ------------------------------------------------------------------------------------


def test_warnings_of_the_device_are_kept(panos: PanosHarness, bench: PanosBench) -> None:
    lines = ("Rule 'a' shadows rule 'b'", "(Module: device)")
    bench.mock.fail("validate_warns", lines=("vsys1 (vsys1)", *lines))
    bench.mock.fail("commit_warns", lines=lines)
    with pushed(panos, bench, plan(panos, bench, plant(WEB))) as session:
        assert list(session.warnings) == ["vsys1 (vsys1)", *lines]
        session.confirm()


# --- descriptions of commits ---------------------------------------------------------------------


def test_a_commit_is_read_as_it_was_described() -> None:
    full = jobs.Commit(doing="apply", token="0a1b2c3d", plan="p1", before="0123456789abcdef")
    bare = jobs.Commit(doing="revert", token="0a1b2c3d")
    for one in (full, bare):
        assert jobs.read_commit(str(one)) == one
    assert jobs.read_commit("segctl apply by hand run 0a1b2c3d") is None


def test_what_others_do_meanwhile_stays(panos: PanosHarness, bench: PanosBench) -> None:
    """A rule that another administrator has pending elsewhere survives every refusal above."""
    bench.mock.edit("set", "/config/shared/tag", "<entry name='o-pending'/>")
    bench.mock.fail("error", code="", message="A commit is in progress. x", contains="<commit>")
    reach(panos, bench, plant(WEB))
    assert b"o-pending" in bench.mock.config()
