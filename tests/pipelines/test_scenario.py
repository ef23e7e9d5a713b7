"""The shipped pipelines, run: branch, change, comment, merge, apply, drift, issue.

A real repository with a hook, real gh, curl and jq, a forge and firewalls on real sockets.
"""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pytest

from cli_support import POLL
from segctl.cli import run

if TYPE_CHECKING:
    from support.pipeline import Pipeline

PLAN, REVIEW = "<!-- segctl:plan:plant -->", "<!-- segctl:review:plant -->"
APPLY = "<!-- segctl:apply:plant -->"


def holds(pipeline: Pipeline, text: str) -> bool:
    return text.encode() in pipeline.plant.fleet["fw1"].running()


def test_from_a_branch_to_the_firewalls(pipeline: Pipeline) -> None:
    forge = pipeline.forge
    for number in range(3):  # what others said before, over more than a page
        forge.comment(1, f"{PLAN} said by somebody {number}", author=99)
    pipeline.commit("feature", "[plc1, plc2]", "[plc1]")
    with pipeline.plant.untouched():
        ran = pipeline.plan("feature")
    assert ran.ok, ran.log
    (comment,) = [one for one in forge.bodies(PLAN) if one.author != 99]
    assert "to change" in comment.body
    assert "plc2" in comment.body
    (kept,) = ran.artifacts.values()
    assert list(kept.rglob("plan.json"))
    assert list(kept.rglob("plan.html"))

    pipeline.commit("feature", "SCADA polls the controllers", "SCADA polls one controller")
    with pipeline.plant.untouched():
        assert pipeline.plan("feature").ok
    assert len([one for one in forge.bodies(PLAN) if one.author != 99]) == 1
    assert comment.edits == 1
    assert "SCADA polls one controller" in comment.body
    assert all("said by somebody" in one.body for one in forge.bodies(PLAN) if one.author == 99)

    commit = pipeline.merge("feature")
    assert not holds(pipeline, "SCADA polls one controller")
    ran = pipeline.apply(commit)
    assert ran.ok, ran.log
    assert holds(pipeline, "SCADA polls one controller")
    (told,) = forge.bodies(APPLY)
    assert "    fw1  applied" in told.body
    if pipeline.kind == "github":
        assert {one["commit_sha"] != "" for one in forge.findings} == {True}
        assert len(forge.findings) == 4

    ran = pipeline.drift()
    assert ran.ok, ran.log
    assert not forge.issues


def test_drift_keeps_one_issue(pipeline: Pipeline) -> None:
    forge = pipeline.forge
    pipeline.plant.by_hand()
    for edits in range(2):
        ran = pipeline.drift()
        assert ran.ok, ran.log
        (issue,) = forge.issues.values()
        assert (issue.open, issue.edits, issue.labels) == (True, edits, ["segctl-drift"])
        assert issue.body.startswith("<!-- segctl:drift:plant -->")
        assert POLL in issue.body
    assert run(["apply", "--auto-approve"]) == 0  # as its owner repairs it
    assert pipeline.drift().ok
    (issue,) = forge.issues.values()
    assert not issue.open
    assert "0 drifted" in issue.body


def test_a_firewall_that_does_not_answer_keeps_the_issue_open_and_fails(
    pipeline: Pipeline,
) -> None:
    pipeline.plant.fleet["fw2"].stop()
    assert not pipeline.drift().ok
    (issue,) = pipeline.forge.issues.values()
    assert "1 could not be checked" in issue.body
    assert issue.open


def test_what_differs_from_the_reviewed_plan_is_not_applied(pipeline: Pipeline) -> None:
    pipeline.commit("feature", "[plc1, plc2]", "[plc1]")
    assert pipeline.plan("feature").ok
    pipeline.plant.by_hand()  # after the review, somebody opened the rule that the plan is about
    commit = pipeline.merge("feature")
    with pipeline.plant.untouched():
        ran = pipeline.apply(commit)
    assert not ran.ok
    (told,) = pipeline.forge.bodies(REVIEW)
    assert "The plan is not the reviewed one" in told.body
    assert "# not reviewed" in told.body
    assert not pipeline.forge.bodies(APPLY)


def test_what_nobody_reviewed_is_not_applied(pipeline: Pipeline) -> None:
    commit = pipeline.commit("main", "[plc1, plc2]", "[plc1]")
    with pipeline.plant.untouched():
        ran = pipeline.apply(commit)
    assert not ran.ok
    assert "reviewed" in ran.log


def test_a_plan_that_failed_says_so_and_is_never_applied(pipeline: Pipeline) -> None:
    pipeline.commit("feature", "modbus: [read]", "modbus: [reed]")
    with pipeline.plant.untouched():
        assert not pipeline.plan("feature").ok
        (comment,) = pipeline.forge.bodies(PLAN)
        assert "No plan: 1 problem in the inventory" in comment.body
        assert not pipeline.apply(pipeline.merge("feature")).ok


@pytest.mark.parametrize("merged_results", [False, True])
def test_only_a_plan_of_the_last_commit_counts(pipeline: Pipeline, *, merged_results: bool) -> None:
    """An earlier commit's plan was reviewed, too, but it is not what is merged."""
    pipeline.merged_results = merged_results
    pipeline.commit("feature", "[plc1, plc2]", "[plc1]")
    assert pipeline.plan("feature").ok
    pipeline.commit("feature", "[plc1]", "[plc2]")
    pipeline.commit("feature", "[plc2]", "[plc1]")  # it plans what the first one did
    commit = pipeline.merge("feature")
    with pipeline.plant.untouched():
        ran = pipeline.apply(commit)
    assert not ran.ok
    assert "reviewed plan" in ran.log
    assert pipeline.plan("feature").ok
    ran = pipeline.apply(commit)
    assert ran.ok, ran.log
    assert pipeline.forge.bodies(APPLY)


@pytest.mark.parametrize("pipeline", ["github"], indirect=True)
def test_a_fork_never_reaches_the_runner(pipeline: Pipeline) -> None:
    names = {"github.event.pull_request.head.repo.full_name": "somebody/firewalls"}
    ran = pipeline.github("plan", "0" * 40, {**names, "github.event.pull_request.number": "1"})
    assert ran.log == "skipped"


# --- in waves ------------------------------------------------------------------------------------

WAVES = "---\n- name: Plant\n  hosts: plant\n  serial: 1\n"


@pytest.fixture
def waves(pipeline: Pipeline) -> Pipeline:
    """A pipeline with a playbook, and a pull request that changes both firewalls."""
    pipeline.playbook = "playbooks/rollout.yml"
    folder = pipeline.clone / "playbooks"
    folder.mkdir()
    (folder / "rollout.yml").write_text(WAVES, encoding="utf-8")
    assert run(["fmt", str(folder)]) == 0
    pipeline.git("add", "--all")
    pipeline.git("commit", "--quiet", "--message", "Waves")
    pipeline.push("main")
    pipeline.commit("feature", "[plc1, plc2]", "[plc1]")
    pipeline.commit("feature", "Copy of the historian", "Copy of its data")
    with pipeline.plant.untouched():
        ran = pipeline.plan("feature")
    assert ran.ok, ran.log
    return pipeline


def test_a_playbook_applies_in_waves_what_was_reviewed(waves: Pipeline) -> None:
    (comment,) = waves.forge.bodies(PLAN)
    assert "wave 2 of 'Plant'" in unescape(comment.body)
    fw2 = waves.plant.fleet["fw2"]
    fw2.fail("commit_invalid", lines=["no"], skip=0)
    commit = waves.merge("feature")
    assert not waves.apply(commit).ok
    (told,) = waves.forge.bodies(APPLY)
    assert "    Stopped: wave 2 of play 'Plant' failed" in told.body
    ran = waves.apply(commit)  # started again from the forge
    assert ran.ok, ran.log
    told = waves.forge.bodies(APPLY)[-1]
    assert "    fw1  unchanged" in told.body
    assert "    fw2  applied" in told.body
    assert b"Copy of its data" in fw2.running()
    assert waves.drift().ok


def test_in_waves_too_what_differs_is_not_applied(waves: Pipeline) -> None:
    waves.plant.by_hand()
    commit = waves.merge("feature")
    with waves.plant.untouched():
        ran = waves.apply(commit)
    assert not ran.ok
    (told,) = waves.forge.bodies(APPLY)
    assert "    fw1  not reviewed: " in told.body
    assert "    Stopped: fw1 would be changed otherwise than reviewed" in told.body
