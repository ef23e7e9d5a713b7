"""ansible-playbook on mock firewalls: every answer of segctl is a result of Ansible's."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from cli_support import PASSWORD, POLL, ROOT
from segctl.inventory.vault import encrypt
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from support.playbooks import Playbooks

PLAY = """\
- name: Roll out
  hosts: all
  gather_facts: false
  tasks:
    - name: Apply
      segctl.segctl.segctl_apply:
"""


def test_the_shipped_playbook_checks_applies_and_has_nothing_to_do(playbooks: Playbooks) -> None:
    shipped = str(ROOT / "playbooks" / "rollout.yml")
    with playbooks.plant.untouched():
        checked = playbooks(shipped, "--check", "--diff")
    assert checked.code == 0
    assert {one["status"] for one in checked.results} == {"planned"}
    assert all(one["changed"] for one in checked.results)
    assert "--- before: fw1 (live)\n+++ after: fw1 (desired)\n" in checked.out
    assert f"+rule {POLL}:\n" in checked.out

    made = playbooks(shipped)
    assert made.code == 0
    assert {one["status"] for one in made.results} == {"applied"}
    for host in ("fw1", "fw2"):
        assert made.of(host)["changes"] == checked.of(host)["changes"]
        assert "diff" not in made.of(host)
    assert playbooks.plant("drift").code == 0

    with playbooks.plant.untouched():
        again = playbooks(shipped, "--diff")
    assert [(one["status"], one["changed"]) for one in again.results] == [("unchanged", False)] * 2

    playbooks.plant.by_hand()
    repaired = playbooks(shipped, "--diff", "--limit", "fw1")
    diff = repaired.of("fw1")["diff"]
    assert diff["before"] == f"rule {POLL}:\n  applications:\n  - any\n"
    assert diff["after"].startswith(f"rule {POLL}:\n  applications:\n  - modbus-")
    assert playbooks.plant("drift").code == 0


def test_a_wave_that_fails_ends_the_rollout(playbooks: Playbooks) -> None:
    playbooks.write(
        "play.yml",
        PLAY.replace("gather", "serial: [1, '100%']\n  max_fail_percentage: 0\n  gather", 1),
    )
    playbooks.plant.fleet["fw1"].fail("commit_invalid", lines=["rule is not valid"])
    with playbooks.plant.unchanged():
        done = playbooks("play.yml")
    assert done.code != 0
    (only,) = done.results
    assert only["state"] == "failed"
    assert only["host"] == "fw1"
    assert only["status"] == "failed"
    assert only["error"]["code"] == "apply_failed"
    assert "rule is not valid" in only["msg"]


def test_a_device_that_does_not_answer_is_unreachable(playbooks: Playbooks) -> None:
    playbooks.write("play.yml", PLAY)
    playbooks.plant.fleet["fw1"].fail("drop_before", times=1000)
    done = playbooks("play.yml")
    assert done.of("fw1")["state"] == "unreachable"
    assert done.of("fw1")["error"]["code"] == "unreachable"
    assert done.of("fw2")["status"] == "applied"
    assert "unreachable=1" in done.out


def test_drift_and_plan_only_look(playbooks: Playbooks) -> None:
    playbooks.plant("apply", "--auto-approve")
    playbooks.plant.by_hand()
    playbooks.write(
        "play.yml",
        dedent("""\
        - name: Look
          hosts: fw1
          gather_facts: false
          tasks:
            - name: Plan
              segctl.segctl.segctl_plan:
            - name: Drift
              segctl.segctl.segctl_drift:
            - name: Accepted
              segctl.segctl.segctl_drift:
                baseline: accepted.yml
                fail_on_drift: true
            - name: Strict
              segctl.segctl.segctl_drift:
                fail_on_drift: true
        """),
    )
    playbooks.write(
        "accepted.yml",
        f"- {{device: fw1, kind: rule, name: {POLL}, owner: me, expires: 2999-01-01, reason: x}}\n",
    )
    with playbooks.plant.untouched():
        done = playbooks("play.yml")
    assert done.code != 0
    planned, drifted, accepted, strict = done.results
    assert planned["changed"]
    assert planned["summary"]["update"] == 1
    assert not drifted["changed"]
    assert not drifted["in_sync"]
    assert [one["name"] for one in drifted["drift"]["changed"]] == [POLL]
    assert accepted["in_sync"]
    assert strict["state"] == "failed"
    assert strict["error"]["code"] == "drift"
    assert f"changed rule {POLL}" in strict["msg"]


def test_segctl_gets_what_ansible_has_and_shows_no_secret(playbooks: Playbooks) -> None:
    """Two vaults, extra variables, a template, hosts that are none of segctl's."""
    plant = playbooks.plant
    plant.edit("hosts.yml", f"ansible_password: {PASSWORD}", "ansible_ssh_port: 22")
    sealed = encrypt(PASSWORD, Secret("first"), "one").replace("\n", "\n  ")
    plant.edit("host_vars/fw1.yml", "seg", f"ansible_password: !vault |\n  {sealed}\nseg")
    plant.edit("host_vars/fw2.yml", "seg", "ansible_password: \"{{ lookup('env', 'FW2') }}\"\nseg")
    playbooks.write("extra.yml", encrypt("segctl_timeout: 7\n", Secret("second"), "two"))
    overlay = (plant.folder / "mocks.yml").read_text().replace(f"ansible_password: {PASSWORD}", "")
    playbooks.write("mocks.yml", overlay)
    playbooks.write("one", "first\n")
    playbooks.write("two", "second\n")
    playbooks.write("more.yml", "all: {hosts: {jump: {}}}\n")
    recorder = plant.folder / "recorder"
    playbooks.write(
        "recorder",
        dedent(f"""\
        #!{sys.executable}
        import json, os, sys
        read = {{word: open(word.lstrip("@")).read() for word in sys.argv if "/dev/fd/" in word}}
        line = json.dumps({{"argv": sys.argv, "read": read}})
        with open("record", "a") as file:
            file.write(line + "\\n")
        os.execv(sys.executable, [sys.executable, "-m", "segctl.cli", *sys.argv[1:]])
        """),
    )
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    playbooks.write(
        "play.yml",
        PLAY.replace("apply:", "apply:\n        executable: ./recorder").replace(
            "gather", "vars:\n    segctl_commit_timeout: 77\n  gather", 1
        ),
    )
    vault = ["--vault-id", "two@two", "--vault-id", "one@one", "-i", "more.yml"]
    done = playbooks("play.yml", *vault, "-e", "@extra.yml", "--check", FW2=PASSWORD)
    assert done.code == 0, done.out
    assert done.of("jump")["state"] == "skipped"
    assert "ansible_network_os" in done.of("jump")["skipped_reason"]
    assert done.of("fw1")["status"] == done.of("fw2")["status"] == "planned"

    record = (plant.folder / "record").read_text()
    plant.assert_no_secret(record)
    for line in map(json.loads, record.splitlines()):
        assert not {"first", "second"} & set(line["argv"])
        extra, *passwords = line["read"].values()
        assert json.loads(extra) == {"segctl_timeout": 7, "segctl_commit_timeout": 77}
        assert sorted(passwords) == ["first", "second"]


def test_what_cannot_be_done_fails_with_what_to_do(playbooks: Playbooks) -> None:
    playbooks.write(
        "play.yml",
        dedent("""\
        - name: A host that no inventory has
          hosts: fw1
          gather_facts: false
          vars: {segctl_timeout: soon}
          tasks:
            - ansible.builtin.add_host: {name: fw9, ansible_network_os: panos}
            - segctl.segctl.segctl_apply: {purge: true}
              ignore_errors: true
            - segctl.segctl.segctl_apply: {executable: ./nothing}
              ignore_errors: true
            - segctl.segctl.segctl_apply:
              ignore_errors: true
        """)
        + PLAY.replace("all", "fw9"),
    )
    done = playbooks("play.yml")
    _, argument, executable, inventory, made_up = done.results
    assert "Unsupported parameters" in argument["msg"]
    assert "allow_purge" in argument["msg"]
    assert executable["error"]["code"] == "segctl"
    assert "./nothing" in executable["msg"]
    assert inventory["error"]["code"] == "inventory"
    assert "--extra-vars:1:20: segctl_timeout: 'soon' is not a duration" in inventory["msg"]
    assert made_up["state"] == "failed"
    assert "add_host" in made_up["msg"]


#: Read by segctl and by ansible-playbook alike.
WAVES = """\
- name: In waves
  hosts: all
  gather_facts: false
  serial: 1
  vars:
    segctl_window: {from: "%s", to: "%s", timezone: UTC}
    segctl_soak: 2s
    segctl_verify:
      - check: {from: scada1, to: plc1, port: 502, expect: %s}
    segctl_revert_in: 120
    segctl_on_failure: revert
  tasks:
    - name: Apply
      segctl.segctl.segctl_apply:
"""


def test_the_same_playbook_rolls_out_in_waves(playbooks: Playbooks) -> None:
    playbooks.write("play.yml", WAVES % ("00:00", "24:00", "allow"))
    done = playbooks("play.yml")
    assert [(one["host"], one["status"]) for one in done.results] == [
        ("fw1", "applied"),
        ("fw2", "applied"),
    ]
    first, second = (one["ansible_facts"]["segctl"]["changed_at"] for one in done.results)
    assert second - first >= 2
    assert "fw2: earlier waves soak for" in done.out
    with playbooks.plant.untouched():
        rolled = playbooks.plant("apply", "-p", "play.yml", "--auto-approve", "--json")
    assert rolled.code == 0
    assert rolled.json["summary"]["unchanged"] == 2


def test_a_closed_window_and_a_failing_probe_change_nothing(playbooks: Playbooks) -> None:
    now = datetime.now(UTC)
    later = [(now + timedelta(hours=hours)).strftime("%H:%M") for hours in (2, 4)]
    closed = (WAVES % (*later, "allow")).replace("all", "fw1", 1)
    ignored = closed + "      ignore_errors: true\n"
    playbooks.write("play.yml", ignored + WAVES % ("00:00", "24:00", "deny"))
    with playbooks.plant.unchanged():
        done = playbooks("play.yml")
    window, probe = done.results
    assert window["state"] == "failed"
    assert window["error"]["code"] == "window_closed"
    assert window["status"] == "not_begun"
    assert probe["state"] == "failed"
    assert probe["status"] in {"failed", "reverted"}
    assert probe["error"]["code"] == "verify_failed"
    assert "check scada1 → plc1" in probe["msg"]


@pytest.mark.parametrize("words", ["", "  vars: {segctl_on_failure: revert}\n"])
def test_ctrl_c_takes_back_what_was_begun(playbooks: Playbooks, words: str) -> None:
    playbooks.write("play.yml", PLAY.replace("  tasks:", f"{words}  tasks:", 1))
    mock = playbooks.plant.fleet["fw1"]
    mock.device.settings = replace(mock.device.settings, job_seconds=0.5)
    with playbooks.plant.unchanged():
        process = subprocess.Popen(
            playbooks.command("play.yml", "--limit", "fw1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=playbooks.plant.folder,
            env=playbooks.environment(),
            start_new_session=True,
        )
        while not playbooks.plant.locks:
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        while playbooks.plant.locks:  # segctl outlives ansible-playbook until it has gone back
            time.sleep(0.01)
    assert process.returncode != 0


def test_most_rules_are_deleted_only_where_the_task_allows_it(playbooks: Playbooks) -> None:
    plant = playbooks.plant
    more = "".join(
        f"      more{port}: {{source: [scada1], destination: [plc1], services: [tcp/{port}]}}\n"
        for port in range(2001, 2008)
    )
    plant.edit("group_vars/plant.yml", "      modbus:\n", f"{more}      modbus:\n")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", "reason: SCADA", "mode: absent\n    reason: SCADA")
    playbooks.write("play.yml", PLAY)
    with plant.untouched():
        refused = playbooks("play.yml", "--limit", "fw1").of("fw1")
    assert refused["error"]["code"] == "plan"
    assert "--allow-mass-delete" in refused["msg"]
    playbooks.write("play.yml", PLAY.rstrip("\n") + "\n        allow_mass_delete: true\n")
    with plant.untouched():
        checked = playbooks("play.yml", "--limit", "fw1", "--check").of("fw1")
    assert checked["status"] == "planned"
    assert playbooks("play.yml", "--limit", "fw1").of("fw1")["status"] == "applied"
    assert plant("plan", "--detailed-exitcode").code == 0
