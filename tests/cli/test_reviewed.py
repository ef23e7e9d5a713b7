"""What was reviewed, rolled out in waves: exactly that, on every device, or nothing on it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cli_support import VSYS
from segctl.cli.signatures import key_password
from segctl.model.errors import Problem
from segctl.operations.plan_files import save_plan
from segctl.operations.signatures import signer
from segctl.planning.documents import digest_of, load_plan, plan_json, schema
from support.cells import Cells, statuses, waves
from support.signatures import Keys, ssh_keys

if TYPE_CHECKING:
    from pathlib import Path

    from cli_support import Done

TWO_WAVES = "- {hosts: plant, serial: 2, name: Cells}"


@pytest.fixture
def reviewed(four: Cells) -> Cells:
    """A plan of two waves, saved for review."""
    four.play(TWO_WAVES)
    assert four("plan", "-p", "play.yml", "-o", "plan.json").code == 0
    return four


def apply(plant: Cells, *words: str) -> Done:
    """Roll out what was reviewed."""
    return plant("apply", "-p", "play.yml", "--reviewed", "plan.json", *words)


def rolled(plant: Cells, *words: str, code: int = 0) -> Any:
    done = apply(plant, "--json", *words)
    assert done.code == code, done.err
    jsonschema.validate(done.json, schema("rollout"))
    return done.json


def by_hand(plant: Cells, host: str) -> None:
    """Take a name that our policy needs, so that the device's plan is another one."""
    tag = "<entry name='segctl'><comments>mine</comments></entry>"
    plant.fleet[host].edit("set", f"{VSYS}/tag", tag, commit=True)


def with_reason(plant: Cells, number: int) -> None:
    """Have the inventory say something else of one firewall's rule."""
    plant.edit("hosts.yml", f"to: cell-{number}\n            reason: polling",
               f"to: cell-{number}\n            reason: reading")  # fmt: skip


# --- saving and reporting a playbook's plan ------------------------------------------------------


def test_a_playbooks_plan_is_saved_and_applied_in_waves(four: Cells) -> None:
    four.play(TWO_WAVES)
    with four.untouched():
        done = four("plan", "-p", "play.yml", "-o", "plan.json")
    assert "segctl apply -p play.yml --reviewed plan.json -i " in done.err
    made = load_plan(four.folder / "plan.json")
    assert [one.name for one in made.devices] == ["fw1", "fw2", "fw3", "fw4"]
    document = rolled(four)  # asks nobody: it was reviewed
    assert waves(document) == [("done", ["fw1", "fw2"]), ("done", ["fw3", "fw4"])]
    assert document["reviewed"] == made.plan_id
    assert four.holding == {"fw1", "fw2", "fw3", "fw4"}
    again = rolled(four)
    assert again["summary"]["unchanged"] == 4


def test_the_variables_of_a_play_are_in_its_plan(four: Cells) -> None:
    four.play("- {hosts: plant, vars: {segctl_default_rules: leave}}")
    four("plan", "-o", "plan.json")
    with four.untouched():
        done = rolled(four, code=1)
    assert set(statuses(done).values()) == {"failed"}
    assert four("plan", "-p", "play.yml", "-o", "plan.json").code == 0
    assert rolled(four)["summary"]["applied"] == 4


def test_a_playbooks_plan_is_reported_in_every_form(four: Cells) -> None:
    four.play(TWO_WAVES)
    forms = ("markdown", "sarif", "junit", "gitlab", "html")
    named = [word for form in forms for word in (f"--{form}", f"report.{form}")]
    assert four("plan", "-p", "play.yml", "-o", "plan.json", "--env", "plant-a", *named).code == 0
    found = {form: (four.folder / f"report.{form}").read_text("utf-8") for form in forms}
    assert found["markdown"].startswith("<!-- segctl:plan:plant-a -->\n")
    assert "(4 devices)" in found["markdown"]
    assert "wave 2 of 'Cells'" in unescape(found["html"])
    assert "segctl apply -p play.yml --reviewed plan.json" in found["markdown"]
    counts = json.loads(found["gitlab"])
    assert counts["create"] == load_plan(four.folder / "plan.json").summary["create"] > 0
    suites = ET.fromstring(found["junit"].split("\n", 1)[1]).iter("testsuite")
    assert {"plan.fw1", "plan.fw4"} <= {suite.attrib["name"] for suite in suites}
    assert json.loads(found["sarif"])["version"] == "2.1.0"


def test_a_playbook_that_is_wrong_is_reported(four: Cells) -> None:
    four.play("- {hosts: plant, serail: 1}")
    done = four("plan", "-p", "play.yml", "--markdown", "plan.md")
    assert done.code == 1
    assert "serail" in (four.folder / "plan.md").read_text("utf-8")


def test_a_device_that_does_not_answer_leaves_no_plan(four: Cells) -> None:
    four.play(TWO_WAVES)
    four.fleet["fw3"].stop()
    done = four("plan", "-p", "play.yml", "-o", "plan.json", "--markdown", "plan.md")
    assert (done.code, "plan.json was not written" in done.err) == (1, True)
    assert not (four.folder / "plan.json").exists()
    assert "unreachable" in (four.folder / "plan.md").read_text("utf-8")


def test_what_is_no_single_plan_is_not_saved(four: Cells) -> None:
    four.play("""\
        - {hosts: fw1, tags: first}
        - {hosts: plant, vars: {segctl_default_rules: leave}}
        """)
    done = four("plan", "-p", "play.yml", "-o", "plan.json")
    assert (done.code, "two plays plan fw1 differently" in done.err) == (1, True)
    assert four("plan", "-p", "play.yml", "-o", "plan.json", "-t", "first").code == 0
    four.play("- {hosts: plant, tasks: [segctl_drift: {}]}")
    done = four("plan", "-p", "play.yml", "-o", "other.json")
    assert (done.code, "the playbook applies nothing" in done.err) == (1, True)
    assert not (four.folder / "other.json").exists()


# --- what was not reviewed -----------------------------------------------------------------------


def test_what_differs_is_refused_before_the_first_wave(reviewed: Cells) -> None:
    by_hand(reviewed, "fw4")
    with reviewed.untouched():
        done = apply(reviewed)
        assert done.code == 1
        assert "fw4  reviewed, no longer planned: create tag segctl" in done.out
        assert "fw4 would be changed otherwise than reviewed" in done.out
        document = rolled(reviewed, code=1)
    assert document["error"]["code"] == "not_reviewed"
    assert statuses(document) == {
        "fw1": "not_begun", "fw2": "not_begun", "fw3": "not_begun", "fw4": "failed",
    }  # fmt: skip
    told = document["plays"][0]["waves"][1]["devices"][1]
    assert told["code"] == "not_reviewed"
    assert {one["device"] for one in told["differences"]} == {"fw4"}
    assert not reviewed.states


def test_a_merge_after_the_review_is_refused(reviewed: Cells) -> None:
    with_reason(reviewed, 3)
    with reviewed.untouched():
        assert statuses(rolled(reviewed, code=1))["fw3"] == "failed"


@pytest.mark.parametrize("strategy", ["linear", "free"])
@pytest.mark.parametrize("on_failure", ["stop", "revert"])
def test_what_changes_meanwhile_fails_its_wave(
    reviewed: Cells, strategy: str, on_failure: str
) -> None:
    reviewed.play(
        f"- {{hosts: plant, serial: [1, 3], soak: 3, strategy: {strategy}, "
        f"on_failure: {on_failure}}}"
    )

    def soaking() -> None:
        while "fw1" not in reviewed.holding or reviewed.locks:
            time.sleep(0.02)
        by_hand(reviewed, "fw3")

    with ThreadPoolExecutor(1) as somebody:
        changed = somebody.submit(soaking)
        document = rolled(reviewed, code=1)
        changed.result()
    found = statuses(document)
    assert found["fw1"] == "applied"
    assert found["fw3"] == "failed"
    assert reviewed.locks == 0
    if strategy == "linear":  # known before anything of the wave was begun
        assert (found["fw2"], found["fw4"]) == ("not_begun", "not_begun")
    if strategy == "linear" or on_failure == "revert":
        assert reviewed.holding == {"fw1"}
    assert "fw3" not in reviewed.holding
    assert document["error"]["code"] == "wave_failed"
    assert "its plan is not the reviewed one" in document["error"]["message"]


def test_what_is_tolerated_goes_on_with_the_others(reviewed: Cells) -> None:
    reviewed.play("- {hosts: plant, serial: [1, 3], soak: 3, on_failure: continue}")

    def soaking() -> None:
        while "fw1" not in reviewed.holding or reviewed.locks:
            time.sleep(0.02)
        by_hand(reviewed, "fw3")

    with ThreadPoolExecutor(1) as somebody:
        changed = somebody.submit(soaking)
        done = apply(reviewed)
        changed.result()
    assert done.code == 1
    assert "fw3  reviewed, no longer planned: create tag segctl" in done.out
    assert reviewed.holding == {"fw1", "fw2", "fw4"}


def test_a_device_that_does_not_answer_is_left_to_its_wave(reviewed: Cells) -> None:
    reviewed.fleet["fw3"].stop()
    found = statuses(rolled(reviewed, code=1))
    assert (found["fw1"], found["fw3"]) == ("applied", "failed")


def test_a_device_that_nobody_reviewed_is_refused_if_it_would_be_changed(four: Cells) -> None:
    four.play(TWO_WAVES)
    assert four("plan", "-p", "play.yml", "-l", "!fw4", "-o", "plan.json").code == 0
    with four.untouched():
        done = apply(four)
    assert (done.code, "fw4  not reviewed: the device is not in the" in done.out) == (1, True)
    assert four("apply", "-l", "fw4", "--auto-approve").code == 0
    assert statuses(rolled(four))["fw4"] == "unchanged"


def test_what_was_reviewed_is_applied_whole(reviewed: Cells) -> None:
    with reviewed.untouched():
        done = apply(reviewed, "-l", "fw1,fw2")
    assert done.code == 1
    assert "plan.json changes fw3, fw4 too" in done.err
    assert reviewed("apply", "-l", "fw3,fw4", "--auto-approve").code == 0
    reviewed("plan", "-p", "play.yml", "-o", "plan.json")  # in it they are in sync
    assert apply(reviewed, "-l", "fw1,fw2").code == 0


def test_another_device_at_the_same_place_is_refused(reviewed: Cells) -> None:
    file = reviewed.folder / "plan.json"
    made = load_plan(file)
    other = replace(made.devices[1], serial="007")
    save_plan(replace(made, devices=(made.devices[0], other, *made.devices[2:])), file, None)
    with reviewed.untouched():
        done = apply(reviewed)
    assert (done.code, "fw2  differs: the serial number was 007" in done.out) == (1, True)


def test_a_plan_that_errors_forbid_to_apply_is_refused(reviewed: Cells) -> None:
    file = reviewed.folder / "plan.json"
    made = load_plan(file)
    barred = replace(made.devices[3], findings=(Problem(message="a cut", severity="error"),))
    save_plan(replace(made, devices=(*made.devices[:3], barred)), file, None)
    with reviewed.untouched():
        done = apply(reviewed)
    assert (done.code, "the errors of fw4 forbid it" in done.err) == (1, True)


def test_check_tells_whether_it_would_be_refused(reviewed: Cells) -> None:
    with reviewed.untouched():
        assert apply(reviewed, "--check").code == 0
    by_hand(reviewed, "fw2")
    with reviewed.untouched():
        done = apply(reviewed, "--check")
        assert done.code == 1
        assert "Wave 1: fw1, fw2" in done.out
        assert "fw2 would be changed otherwise than reviewed" in done.out
        assert rolled(reviewed, "--check", code=1)["error"]["code"] == "not_reviewed"


def test_a_reviewed_plan_goes_with_a_playbook(reviewed: Cells) -> None:
    with reviewed.untouched():
        done = reviewed("apply", "--reviewed", "plan.json", "--auto-approve")
        assert (done.code, "need a playbook" in done.err) == (1, True)
        done = reviewed("apply", "--on-interrupt", "revert", "--auto-approve")
        assert (done.code, "need a playbook" in done.err) == (1, True)
        (reviewed.folder / "plan.json").write_text("{}", encoding="utf-8")
        assert rolled_error(apply(reviewed, "--json")) == "plan_format"


def rolled_error(done: Done) -> str:
    return str(done.json["error"]["code"])


# --- going on ------------------------------------------------------------------------------------


def test_resuming_is_bound_to_the_same_plan(reviewed: Cells) -> None:
    reviewed.fleet["fw3"].fail("commit_invalid", lines=["no"], skip=0)
    done = rolled(reviewed, code=1)
    (state,) = reviewed.states
    assert f"--resume {state.name} --reviewed plan.json" in done["resume"]
    resume = ("apply", "-p", "play.yml", "--resume", state.name)
    assert reviewed("plan", "-p", "play.yml", "-o", "other.json").code == 0
    with reviewed.untouched():
        other = reviewed(*resume, "--reviewed", "other.json")
        assert (other.code, "was begun with the reviewed plan" in other.err) == (1, True)
        without = reviewed(*resume, "--auto-approve")
        assert (without.code, "--reviewed is not given" in without.err) == (1, True)
    by_hand(reviewed, "fw1")  # done before: it is not looked at again
    words = done["resume"].split()
    again = reviewed(*words[1 + len(reviewed.where) :], "--json")
    assert again.code == 0, again.err
    assert statuses(again.json)["fw1"] == "done_before"
    assert not reviewed.states


def test_what_was_begun_unreviewed_is_not_resumed_as_reviewed(reviewed: Cells) -> None:
    reviewed.fleet["fw3"].fail("commit_invalid", lines=["no"], skip=0)
    reviewed.apply(code=1)
    (state,) = reviewed.states
    done = apply(reviewed, "--resume", state.name)
    assert (done.code, "was begun with no reviewed plan" in done.err) == (1, True)
    assert sorted(statuses(rolled(reviewed)).values()) == ["applied"] + ["unchanged"] * 3


# --- signatures ----------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    (tmp_path / "keys").mkdir()
    return ssh_keys(tmp_path / "keys")


def test_the_reviewed_plan_is_the_one_that_is_signed(
    reviewed: Cells, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reviewed.untouched():
        done = apply(reviewed, "--verify", str(keys.trusted))
        assert (done.code, "is not signed" in done.err) == (1, True)
    reviewed("plan", "-p", "play.yml", "-o", "plan.json", "--sign", str(keys.secret))
    monkeypatch.setenv("SEGCTL_VERIFY", str(keys.trusted))
    with reviewed.untouched():
        done = reviewed("apply", "-p", "play.yml", "--auto-approve")
        assert (done.code, "apply -p PLAYBOOK --reviewed FILE" in done.err) == (1, True)
    assert apply(reviewed).code == 0
    assert len(reviewed.holding) == 4


def test_a_host_that_asks_for_signatures_is_rolled_out_with_one(
    reviewed: Cells, keys: Keys
) -> None:
    line = "        segctl_site: plant\n"
    reviewed.edit("hosts.yml", line, f"{line}        segctl_verify_keys: {keys.trusted}\n")
    with reviewed.untouched():
        done = apply(reviewed)
        assert (done.code, "is not signed" in done.err) == (1, True)
        done = reviewed("apply", "-p", "play.yml", "--auto-approve")
        assert (done.code, "takes signed plans only" in done.err) == (1, True)
    reviewed("plan", "-p", "play.yml", "-o", "plan.json", "--sign", str(keys.secret))
    assert apply(reviewed).code == 0


def test_a_signed_plan_that_has_expired_is_not_begun_but_gone_on_with(
    reviewed: Cells, keys: Keys
) -> None:
    reviewed("plan", "-p", "play.yml", "-o", "plan.json", "--sign", str(keys.secret))
    verify = ("--verify", str(keys.trusted))
    reviewed.fleet["fw3"].fail("commit_invalid", lines=["no"], skip=0)
    rolled(reviewed, *verify, code=1)
    (state,) = reviewed.states
    file = reviewed.folder / "plan.json"
    old = replace(load_plan(file), expires="2020-01-01T00:00:00+00:00")
    bound = {"reviewed": [old.plan_id, digest_of(plan_json(old))]}
    state.write_text(json.dumps(json.loads(state.read_text("utf-8")) | bound), "utf-8")
    save_plan(old, file, signer(keys.secret, file, key_password))
    with reviewed.untouched():
        assert rolled_error(apply(reviewed, "--json", *verify)) == "stale"
    assert rolled(reviewed, *verify, "--resume", state.name)["status"] == "done"


def test_without_a_signature_it_does_not_matter_how_old_the_plan_is(reviewed: Cells) -> None:
    file = reviewed.folder / "plan.json"
    save_plan(replace(load_plan(file), expires="2020-01-01T00:00:00+00:00"), file, None)
    assert rolled(reviewed)["summary"]["applied"] == 4
