"""``segctl history``: what was applied, by whom and from what, and whether the record is whole."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, Plant, environment
from segctl.planning.documents import schema
from segctl.system import chain
from segctl.transports.lock_owner import this_run
from support.panorama import GROUP, SERIALS
from support.systems import two_systems

if TYPE_CHECKING:
    from pathlib import Path

    from support.cells import Cells
    from support.panorama import Plant as Behind

TLS = "plant.replication.tls"
ASKED = "segctl_audit_comments: true\nsegctl_zone_map:"
TICKET = "    owner: automation\n"


@pytest.fixture
def journal(state_home: Path) -> Path:
    return state_home / "segctl" / "journal.jsonl"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CI system says for whom we run."""
    for name in ("SEGCTL_AUTHOR", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)


def history(plant: Plant, *words: str, code: int = 0) -> dict[str, Any]:
    done = plant("history", "--json", *words)
    assert done.code == code, done.err
    jsonschema.validate(done.json, plant("schema", "journal").json)
    document: dict[str, Any] = done.json
    return document


def git(plant: Plant, *words: str) -> str:
    who = ["-c", "user.name=ana", "-c", "user.email=ana@plant.example"]
    done = subprocess.run(
        ["git", *who, *words], cwd=plant.folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def committed(plant: Plant) -> str:
    git(plant, "init", "-q")
    git(plant, "add", "hosts.yml", "group_vars", "host_vars")
    git(plant, "commit", "-qm", "plant")
    (plant.folder / ".gitignore").write_text("*\n", encoding="utf-8")
    return git(plant, "rev-parse", "HEAD")


def test_nothing_is_on_record_before_the_first_apply(plant: Plant) -> None:
    assert "Nothing on record." in plant("history").out
    done = plant("history", "verify")
    assert done.code == 1
    assert "there is no journal at" in done.err


def test_an_apply_is_on_record_with_all_that_an_auditor_asks(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.edit("group_vars/plant.yml", TICKET, f"{TICKET}    ticket: CHG-1234\n")
    commit = committed(plant)
    monkeypatch.setenv("SEGCTL_AUTHOR", "ana")
    done = plant("apply", "--auto-approve", "--json")
    assert done.code == 0
    jsonschema.validate(done.json, plant("schema", "apply").json)
    document = history(plant)
    one, two = document["applies"]
    assert (one["device"], two["device"]) == ("fw1", "fw2")
    assert (one["outcome"], one["kind"]) == ("applied", "apply")
    assert one["by"] == this_run()
    assert (one["author"], one["git_commit"]) == ("ana", commit)
    assert (one["tickets"], two["tickets"]) == (["CHG-1234"], [])
    assert one["plan_id"] == done.json["plan_id"]
    assert one["time"] < one["ended"]
    (outcome, _) = done.json["outcomes"]
    assert (one["before"], one["after"]) == (outcome["before"], outcome["after"])
    assert one["before"] != one["after"] == one["desired"]
    assert document["head"] == done.json["audit"]["head"]
    assert document["verified"] is True
    # the firewall itself says the same, and that the journal had this run
    (said,) = (text for text in descriptions(plant) if text)
    assert f"plan {one['plan_id']} " in said
    assert said.endswith(
        f"; commit {commit[:12]}, by {this_run()}, for ana, journal 1:{hash_at(document, 1)}, "
        "tickets CHG-1234"
    )
    assert len(said) <= 512


def descriptions(plant: Plant, host: str = "fw1") -> list[str]:
    return [job.description for job in plant.fleet[host].device.jobs.jobs]


def hash_at(document: dict[str, Any], seq: int) -> str:
    with open(document["file"], encoding="ascii") as stream:  # noqa: PTH123 - a path in JSON
        line = json.loads(stream.read().splitlines()[seq - 1])
    return str(line["hash"]).removeprefix("sha256:")[:16]


def test_text_and_csv_say_the_same(applied: Plant) -> None:
    document = history(applied)
    text = applied("history").out
    for one in document["applies"]:
        head = rf"^{one['time'][:10]} {one['time'][11:19]}Z  {one['device']}  applied "
        assert re.search(head, text, re.MULTILINE)
        assert one["plan_id"][:12] in text
        assert one["after"][:19] in text
    assert text.endswith(f"head {document['head']}\n")
    rows = list(csv.DictReader(io.StringIO(applied("history", "--csv").out)))
    assert [(row["source"], row["device"], row["outcome"]) for row in rows] == [
        ("segctl", "fw1", "applied"),
        ("segctl", "fw2", "applied"),
    ]
    assert [row["after"] for row in rows] == [one["after"] for one in document["applies"]]


def test_only_what_is_asked_for_is_shown(applied: Plant) -> None:
    assert [one["device"] for one in history(applied, "-l", "fw2")["applies"]] == ["fw2"]
    assert history(applied, "--since", "2999-01-01")["applies"] == []


def test_a_plan_with_nothing_to_do_is_not_on_record(applied: Plant, journal: Path) -> None:
    before = journal.read_bytes()
    assert applied("apply", "--auto-approve").code == 0
    assert journal.read_bytes() == before


def test_a_failed_apply_is_on_record_as_failed(plant: Plant) -> None:
    plant.fleet["fw1"].fail("commit_invalid")
    assert plant("apply", "--auto-approve").code == 1
    one, two = history(plant)["applies"]
    assert (one["device"], one["outcome"], one["code"], one["after"]) == (
        "fw1",
        "failed",
        "apply_failed",
        "",
    )
    assert one["before"]
    assert one["message"]
    assert two["outcome"] == "applied"


def test_a_saved_plan_and_a_playbook_are_on_record(plant: Plant) -> None:
    assert plant("plan", "-o", "plan.json", "-l", "fw1").code == 0
    assert plant("apply", "plan.json").code == 0
    play = "- hosts: all\n  serial: 1\n  tasks:\n    - segctl_apply: {}\n"
    (plant.folder / "site.yml").write_text(play, encoding="utf-8")
    done = plant("apply", "-p", "site.yml", "--auto-approve", "--json")
    assert done.code == 0
    jsonschema.validate(done.json, plant("schema", "rollout").json)
    one, two = history(plant)["applies"]
    assert (one["device"], one["kind"]) == ("fw1", "apply")
    assert (two["device"], two["kind"], two["playbook"]) == ("fw2", "playbook", "site.yml")
    assert done.json["audit"]["head"] == history(plant)["head"]


def test_the_head_after_an_apply_is_what_verify_expects(applied: Plant) -> None:
    applied.by_hand()
    done = applied("apply", "--auto-approve")
    head = re.search(r"^On record in .*, whose head is (\S+)$", done.err, re.MULTILINE)
    assert head is not None
    assert applied("history", "verify", "--expect", head[1]).code == 0
    applied.by_hand()
    assert applied("apply", "--auto-approve").code == 0
    assert applied("history", "verify", "--expect", head[1]).code == 0


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("edit", "entry 2 was edited"),
        ("remove", "entry 2 is missing"),
        ("swap", "missing"),
        ("cut", "which journal.jsonl.head names, is missing"),
        ("cut with head", "which --expect 5 names, is missing"),
    ],
)
def test_verify_finds_what_was_done_to_the_journal(
    applied: Plant, journal: Path, how: str, told: str
) -> None:
    document = history(applied)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5  # the run, two beginnings, two ends
    if how == "edit":
        lines[1] = lines[1].replace(b'"fw1"', b'"fw9"')
    elif how == "remove":
        del lines[1]
    elif how == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines = lines[:3]
    journal.write_bytes(b"".join(lines))
    if how == "cut with head":
        last = json.loads(lines[-1])
        chain.head_file(journal).write_text(f"{last['seq']}:{last['hash']}\n", encoding="ascii")
        assert applied("history", "verify").code == 0  # nobody could tell
    done = applied("history", "verify", "--expect", document["head"])
    assert done.code == 1
    assert told in done.out
    assert "the journal is not what was written" in done.err
    found = applied("history", "verify", "--expect", document["head"], "--json")
    jsonschema.validate(found.json, applied("schema", "journal").json)
    assert found.json["error"]["code"] == "journal_broken"
    assert found.json["verified"] is False
    if how != "cut with head":
        assert history(applied, code=1)["error"]["code"] == "journal_broken"


def test_a_torn_line_is_told_and_the_next_apply_goes_on(applied: Plant, journal: Path) -> None:
    with journal.open("ab") as stream:
        stream.write(b'{"event": "end", "devi')
    done = applied("history", "verify")
    assert done.code == 0
    assert "is incomplete (22 bytes): a run died while it wrote there" in done.out
    applied.by_hand()
    assert applied("apply", "--auto-approve").code == 0
    done = applied("history", "verify")
    assert done.code == 0
    assert "line 6 is incomplete: a run died while it wrote there, as entry 6 says" in done.out


def test_apply_begins_nothing_that_it_cannot_record(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = plant.folder / "journal"
    place.mkdir()
    monkeypatch.setenv("SEGCTL_JOURNAL", str(place))
    with plant.untouched():
        done = plant("apply", "--auto-approve")
        assert done.code == 1
        assert "nothing was applied, because it could not be recorded" in done.err
        done = plant("apply", "--auto-approve", "--json")
        assert done.json["error"]["code"] == "journal"
        play = "- hosts: all\n  tasks:\n    - segctl_apply: {}\n"
        (plant.folder / "site.yml").write_text(play, encoding="utf-8")
        done = plant("apply", "-p", "site.yml", "--auto-approve")
        assert done.code == 1
        assert "nothing was applied, because it could not be recorded" in done.err


def test_apply_begins_nothing_where_the_journal_was_cut(applied: Plant, journal: Path) -> None:
    applied.by_hand()
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    with applied.untouched():
        done = applied("apply", "--auto-approve")
    assert done.code == 1
    assert "is damaged: entry 5, which journal.jsonl.head names, is missing" in done.err
    assert "segctl history verify" in done.err


def test_what_is_done_and_cannot_be_recorded_is_said_loudly(plant: Plant, journal: Path) -> None:
    """The disk fills up while the firewalls commit: they stay changed, and that is said."""

    def clock() -> float:
        if journal.is_file() and b'"begin"' in journal.read_bytes():
            journal.rename(journal.with_name("gone"))
            journal.mkdir()
        return time.time()

    plant.fleet["fw1"].device.clock = clock
    done = plant("apply", "--auto-approve", "-l", "fw1")
    assert done.code == 1
    assert "NOT RECORDED: fw1: applied, which is not in the audit journal" in done.err
    assert plant("drift", "-l", "fw1").code == 0


def test_a_wave_that_cannot_be_recorded_is_not_begun(plant: Plant, journal: Path) -> None:
    """The disk fills up between two waves."""

    def clock() -> float:
        if journal.is_file() and b'"end"' in journal.read_bytes():
            journal.rename(journal.with_name("gone"))
            journal.mkdir()
        return time.time()

    plant.fleet["fw2"].device.clock = clock
    play = "- hosts: all\n  serial: 1\n  tasks:\n    - segctl_apply: {}\n"
    (plant.folder / "site.yml").write_text(play, encoding="utf-8")
    writes = plant.fleet["fw2"].writes
    done = plant("apply", "-p", "site.yml", "--auto-approve", "--json")
    assert done.code == 1
    one, two = (wave["devices"][0] for wave in done.json["plays"][0]["waves"])
    assert (one["status"], two["status"], two["code"]) == ("applied", "failed", "journal")
    assert two["message"].startswith("nothing was changed on it: the journal")
    assert plant.fleet["fw2"].writes == writes


def test_a_killed_run_leaves_a_device_without_an_end(plant: Plant, journal: Path) -> None:
    plant.fleet["fw1"].fail("hang", type="commit", seconds=60)
    run = subprocess.Popen(
        plant.command("apply", "--auto-approve", "-l", "fw1"),
        cwd=plant.folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not journal.exists() or b'"begin"' not in journal.read_bytes():
        assert time.monotonic() < deadline
        assert run.poll() is None
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    (one,) = history(plant)["applies"]
    assert (one["device"], one["outcome"], one["ended"]) == ("fw1", "unrecorded", "")
    assert "no end on record" in plant("history").out


def test_a_firewalls_own_log_stands_in_the_same_timeline(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "edit", f"{RULES}/entry[@name='{POLL}']/action", "<action>deny</action>", commit=True
    )
    document = history(applied, "fw1")
    (one,) = document["applies"]
    lines = document["device_log"]["lines"]
    ours = [line for line in lines if line["run"] == one["run"]]
    theirs = [line for line in lines if line["admin"] == "other"]
    assert ours
    assert {line["admin"] for line in ours} == {"plant-automation"}
    assert any(line["command"].startswith("commit") for line in ours)
    (edit,) = (line for line in theirs if line["command"] == "edit")
    assert edit["foreign"] is True
    assert POLL in edit["where"]
    assert document["device_log"]["complete"] is True
    text = applied("history", "fw1").out
    assert re.search(rf"^.*Z  \[others\]  other edit: .*{POLL}", text, re.MULTILINE)
    assert text.index("applied ") < text.index("other edit")
    rows = list(csv.DictReader(io.StringIO(applied("history", "fw1", "--csv").out)))
    assert {row["source"] for row in rows} == {"segctl", "device"}


def test_our_account_without_a_run_on_record_stands_out(applied: Plant, journal: Path) -> None:
    """Somebody used the account, or another machine applied: its journal has that."""
    journal.rename(journal.with_name("elsewhere"))
    chain.head_file(journal).unlink()
    document = history(applied, "fw1")
    assert document["applies"] == []
    lines = document["device_log"]["lines"]
    assert {line["foreign"] for line in lines if line["admin"] == "plant-automation"} == {True}
    assert "[our account, no run on record]" in applied("history", "fw1").out


def test_a_clock_that_is_wrong_does_not_part_the_timelines(applied: Plant) -> None:
    applied.fleet["fw1"].device.clock = lambda: time.time() + 5 * 3600
    applied.by_hand()
    found = history(applied, "fw1")["device_log"]
    assert 4 * 3600 < found["clock_ahead_seconds"] < 6 * 3600
    assert re.search(r"The device's clock is (4|5) ?h.* ahead", applied("history", "fw1").out)


def test_a_firewall_that_does_not_answer_is_told(applied: Plant) -> None:
    applied.fleet["fw1"].stop()
    document = history(applied, "fw1", code=1)
    assert document["error"]["code"] == "unreachable"
    assert [one["device"] for one in document["applies"]] == ["fw1"]
    done = applied("history", "fw2")
    assert done.code == 0


def test_words_that_do_not_fit_are_refused(plant: Plant) -> None:
    for words, told in (
        (["fw9"], "there is no firewall fw9: did you mean fw"),
        (["verify", "--expect", "x"], "--expect must be a head as segctl apply prints it"),
        (["--expect", "x"], "--expect belongs to segctl history verify"),
        (["verify", "--csv"], "verify checks the whole journal"),
        (["--csv", "--json"], "exclude each other"),
    ):
        done = plant("history", *words)
        assert done.code == 1
        assert told in (done.json["error"]["message"] if "--json" in words else done.err)


# --- behind a Panorama, and several hosts of one device -------------------------------------------


def test_applies_of_a_device_group_are_on_record_for_each_of_its_firewalls(behind: Behind) -> None:
    behind("apply", "--auto-approve", "-l", "fw1")
    behind.mocks.panorama.disconnect(SERIALS["fw2"])
    behind("apply", "--auto-approve", code=1)
    first, second = behind.json("history")["applies"]
    assert (first["device"], first["firewalls"]) == ("panorama1:OT", ["fw1"])
    assert [(one["device"], one["outcome"]) for one in first["members"]] == [("fw1", "applied")]
    found = {one["device"]: (one["outcome"], one["code"]) for one in second["members"]}
    assert found == {"fw1": ("unchanged", ""), "fw2": ("failed", "not_enforced")}
    for words, runs in (
        (("-l", "fw1"), [first["run"], second["run"]]),
        (("-l", "fw2"), [second["run"]]),
        (("panorama1:OT",), [first["run"], second["run"]]),
    ):
        document = behind.json("history", *words)
        jsonschema.validate(document, schema("journal"))
        assert [one["run"] for one in document["applies"]] == runs
    text = behind("history", "-l", "fw2")
    assert "fw1: had it already" in text
    assert "fw2: not_enforced: it is not connected to Panorama" in text
    assert "fw2: not_enforced: it is not" in behind("history", "--csv", "-l", "fw2")


def test_the_log_of_a_managed_firewall_is_its_panoramas_whatever_it_is_itself(
    behind: Behind,
) -> None:
    """Also where it is away, or has another clock; what was done to other groups is told apart."""
    behind("apply", "--auto-approve", "-l", "fw1")
    behind.mocks.panorama.disconnect(SERIALS["fw2"])
    behind.mocks.firewalls["fw1"].device.clock = lambda: time.time() + 5 * 3600
    behind.mocks.panorama.edit(
        "set", f"{GROUP}/address", '<entry name="hand"><fqdn>a.b</fqdn></entry>', admin="other"
    )
    for host, count in (("fw1", 1), ("fw2", 0)):
        document = behind.json("history", host)
        jsonschema.validate(document, schema("journal"))
        assert len(document["applies"]) == count
        log = document["device_log"]
        assert log["manager"] == "panorama1"
        assert abs(log["clock_ahead_seconds"]) < 60
        ours = [line for line in log["lines"] if line["own"]]
        assert {line["foreign"] for line in ours} == {False}, "a run on record made them"
        assert any(line["command"].startswith("commit-all") for line in ours)
        (hand,) = (line for line in log["lines"] if line["admin"] == "other")
        assert hand["foreign"] is True
    text = behind("history", "fw1")
    assert " lines of the log of panorama1, " in text
    assert "panorama1 does not pass on the firewalls' own logs" in text
    assert "did you mean panorama1:OT" in behind.run("history", "panorama1").stderr


def test_what_a_run_did_for_another_host_of_the_device_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with two_systems(tmp_path, capsys) as plant:
        assert plant("apply", "--auto-approve", "-l", "fw2").code == 0
        document = plant("history", "fw1", "--json").json
        assert document["applies"] == []
        ours = [line for line in document["device_log"]["lines"] if line["own"]]
        assert ours
        assert not any(line["foreign"] for line in ours)


# --- audit comments ------------------------------------------------------------------------------


def comments(plant: Plant, host: str = "fw1") -> dict[str, str]:
    return plant.fleet[host].device.comments


def test_rules_get_audit_comments_where_the_inventory_asks(plant: Plant) -> None:
    plant.edit("group_vars/plant.yml", TICKET, f"{TICKET}    ticket: CHG-1234\n")
    plant.edit("host_vars/fw1.yml", "segctl_zone_map:", ASKED)
    done = plant("apply", "--auto-approve", "--json")
    assert done.code == 0
    place = f"{RULES}/entry[@name='{POLL}']"
    assert set(comments(plant)) == {place}
    text = comments(plant)[place]
    assert text.startswith(f"segctl plan {done.json['plan_id']}, commit ")
    assert text.endswith("tickets CHG-1234")
    assert len(text) <= 256
    assert comments(plant, "fw2") == {}
    counted = {one["device"]: one["audit_comments"] for one in done.json["outcomes"]}
    assert counted == {"fw1": 1, "fw2": 0}
    assert plant("apply", "--auto-approve").code == 0
    assert comments(plant)[place] == text  # a rule that did not change keeps what it has


def test_a_refused_comment_is_said_and_the_policy_is_live_all_the_same(plant: Plant) -> None:
    plant.edit("host_vars/fw1.yml", "segctl_zone_map:", ASKED)
    plant.fleet["fw1"].fail(
        "error", contains="audit-comment", code="13", message="audit comments are off"
    )
    done = plant("apply", "--auto-approve", "-l", "fw1")
    assert done.code == 0
    assert f"no audit comment on rule {POLL}: the device refuses it" in done.out
    (one,) = history(plant)["applies"]
    assert (one["outcome"], one["audit_comments"]) == ("applied", 0)
    assert "no audit comment" in one["notes"][0]
    assert plant("drift", "-l", "fw1").code == 0


def test_a_platform_without_audit_comments_says_so(mixed: Cells) -> None:
    done = mixed("plan", "--json", "-e", '{"segctl_audit_comments": true}')
    said = {
        device["name"]: [one for one in device["findings"] if "audit comments" in one["message"]]
        for device in done.json["devices"]
    }
    assert {name: [one["severity"] for one in found] for name, found in said.items()} == {
        "fw1": [],
        "fw2": [],
        "gw3": ["note"],
        "gw4": ["note"],
    }
    assert [device.get("audit_comments", False) for device in done.json["devices"]] == [
        True,
        True,
        False,
        False,
    ]


def test_no_secret_is_on_record(applied: Plant, journal: Path) -> None:
    applied.assert_no_secret(journal.read_text(encoding="ascii"))
    for text in descriptions(applied):
        applied.assert_no_secret(text)
