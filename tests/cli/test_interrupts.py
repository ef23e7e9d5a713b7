"""Ctrl-C and a pipeline's cancel, sent to a real process at every stage of an apply."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import Plant, environment
from support.panos import RULES, other_rule

if TYPE_CHECKING:
    from collections.abc import Generator

#: A job takes this long, so that there is something to interrupt.
JOB = 1.0


def pace(plant: Plant, seconds: float) -> None:
    for mock in plant.fleet.mocks.values():
        mock.device.settings = replace(mock.device.settings, job_seconds=seconds)


@pytest.fixture
def slow(plant: Plant) -> Plant:
    """A plant whose first firewall somebody changed by hand, and whose jobs take their time."""
    assert plant("apply", "--auto-approve", "-l", "fw1").code == 0
    plant.by_hand()
    pace(plant, JOB)
    return plant


class Running:
    """A command in a process of its own, and what it has said on standard error."""

    def __init__(self, plant: Plant, process: subprocess.Popen[str]) -> None:
        self.plant = plant
        self.process = process
        self.said = ""

    def until(self, text: str) -> None:
        assert self.process.stderr is not None
        while text not in self.said:
            line = self.process.stderr.readline()
            assert line, f"ended without {text!r}: {self.said}"
            self.said += line

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, within: float) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=within)
        self.said += err
        for text in (out, self.said):
            assert "Traceback" not in text
            self.plant.assert_no_secret(text)
        return self.process.returncode, out, self.said


@contextmanager
def running(plant: Plant, *words: str) -> Generator[Running]:
    process = subprocess.Popen(
        plant.command("-l", "fw1", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=plant.folder,
        env=environment(),
    )
    try:
        yield Running(plant, process)
    finally:
        process.kill()
        process.communicate()


def repaired(plant: Plant) -> None:
    """No lock is left, and the next run converges."""
    assert plant.locks == 0
    pace(plant, 0.0)
    assert plant("apply", "--auto-approve", "-l", "fw1").code == 0
    assert plant("drift", "-l", "fw1").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_reading_it_ends_at_once(slow: Plant, number: int) -> None:
    slow.fleet["fw1"].fail("hang", seconds=90, type="config")
    with slow.untouched(), running(slow, "plan", "-v", "--json") as command:
        command.until("fw1: reading")
        time.sleep(0.3)
        command.send(number)
        code, out, err = command.end(within=60)
    assert code == 1
    assert json.loads(out)["error"] == {
        "code": "interrupted",
        "message": "interrupted: nothing was changed",
    }
    assert "segctl: interrupted: nothing was changed" in err


STAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "reading": ("fw1: reading", {"contains": "system"}),
    "writing": ("fw1: writing", {"writes_only": True, "type": "config"}),
    "validating": ("fw1: validation", {}),
    "committing": ("fw1: commit ", {}),
}


@pytest.mark.parametrize(
    ("stage", "number"),
    [*((stage, signal.SIGINT) for stage in STAGES), ("committing", signal.SIGTERM)],
)
def test_an_apply_goes_back_and_a_rerun_converges(slow: Plant, stage: str, number: int) -> None:
    sign, pause = STAGES[stage]
    assert slow("plan", "-l", "fw1", "-o", "plan.json").code == 0
    if pause:
        slow.fleet["fw1"].fail("hang", seconds=1.5, **pause)
    with slow.unchanged(), running(slow, "apply", "plan.json", "-v", "--json") as command:
        command.until(sign)
        command.send(number)
        code, out, err = command.end(within=60)
        assert code == 1
        (outcome,) = json.loads(out)["outcomes"]
        assert (outcome["status"], outcome["code"]) == ("failed", "interrupted")
        assert "holds what it held before" in outcome["message"]
        assert "interrupted: taking changes back" in err
    repaired(slow)


def test_the_second_ctrl_c_leaves_at_once_and_says_so(slow: Plant) -> None:
    slow.fleet["fw1"].fail("commit_stuck", skip=1)
    with running(slow, "apply", "--auto-approve", "-v", "--json") as command:
        command.until("fw1: commit ")
        command.send(signal.SIGINT)
        command.until("again to leave without waiting")
        time.sleep(0.2)
        command.send(signal.SIGINT)
        code, out, _ = command.end(within=60)
    assert code == 1
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "run segctl plan to see what they hold" in json.loads(out)["error"]["message"]


def test_no_further_device_is_begun(plant: Plant) -> None:
    pace(plant, JOB)
    words = ("-l", "all", "-f", "1", "apply", "-v", "--auto-approve", "--json")
    with plant.unchanged(), running(plant, *words) as command:
        command.until("fw1: validation")
        command.send(signal.SIGINT)
        code, out, _ = command.end(within=60)
    assert code == 1
    codes = [outcome["code"] for outcome in json.loads(out)["outcomes"]]
    assert codes == ["interrupted", "interrupted"]
    assert plant.fleet["fw2"].writes == 0


BUSY = """\
import signal, threading
from segctl.cli import _stop
from segctl.cli.interrupts import until_stopped

def work():
    while True:
        sum(range(100))

signal.signal(signal.SIGTERM, _stop)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
with until_stopped():
    print("serving", flush=True)
"""


def test_a_cancel_right_before_the_wait_is_heeded() -> None:
    """Busy threads stretch the moment between the last look at signals and the wait."""
    for _ in range(20):
        with subprocess.Popen(
            [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True, env=environment()
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "serving\n"
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) == 0
            finally:
                process.kill()


def test_ctrl_c_while_the_process_ends_is_no_traceback() -> None:
    ending = "lambda: (print('ending', flush=True), time.sleep(60))"
    program = (
        "import atexit, time; from segctl.cli import main; "
        f"atexit.register({ending}); main(['--version'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - it may be ignored here
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "ending\n":
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert err == ""


def test_of_two_runs_at_once_one_is_locked_out(plant: Plant) -> None:
    pace(plant, JOB)
    with running(plant, "apply", "--auto-approve", "-v", "--json") as first:
        first.until("fw1: commit ")
        first.send(signal.SIGSTOP)  # it lives, and takes as long as the other needs
        second = plant("apply", "--auto-approve", "-l", "fw1", "--json")
        first.send(signal.SIGCONT)
        assert second.code == 1
        (outcome,) = second.json["outcomes"]
        assert (outcome["status"], outcome["code"]) == ("failed", "locked")
        code, out, _ = first.end(within=60)
    assert code == 0
    assert [one["status"] for one in json.loads(out)["outcomes"]] == ["applied"]
    repaired(plant)


def kill_after_its_commit(plant: Plant) -> None:
    """Kill a run on the first firewall when its change is live and nobody has judged it."""
    pace(plant, JOB)
    with running(plant, "apply", "--auto-approve", "-v") as command:
        command.until("fw1: commit ")
        command.said = ""
        command.until("fw1: reading")
        command.send(signal.SIGKILL)
        command.process.wait(timeout=60)
    pace(plant, 0.0)


def test_nothing_is_begun_before_a_killed_run_is_settled_and_all_devices_fit(plant: Plant) -> None:
    """A saved plan of two firewalls; what one of them holds is known only once it is settled."""
    assert plant("plan", "-o", "plan.json").code == 0
    plant.fleet["fw1"].edit("set", RULES, other_rule("theirs"), commit=True)
    plant.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [read, write]")
    kill_after_its_commit(plant)
    assert plant.locks == 2
    done = plant("apply", "plan.json", "--json")
    assert done.code == 1
    found = {one["device"]: one for one in done.json["outcomes"]}
    assert {name: one["code"] for name, one in found.items()} == {
        "fw1": "stale",
        "fw2": "not_begun",
    }
    assert "theirs" in found["fw1"]["message"]
    assert plant.fleet["fw2"].writes == 0
    assert plant.locks == 0
    assert b'name="polling.modbus"' not in plant.fleet["fw1"].running()
    assert plant("apply", "--auto-approve").code == 0


def test_a_killed_run_is_settled_before_a_saved_plan_of_several_devices(plant: Plant) -> None:
    assert plant("plan", "-o", "plan.json").code == 0
    kill_after_its_commit(plant)
    done = plant("apply", "plan.json", "--json")
    assert done.code == 0, done
    found = {one["device"]: one for one in done.json["outcomes"]}
    assert "confirmed the change of" in found["fw1"]["message"]
    assert found["fw2"]["status"] == "applied"
    assert plant.locks == 0
    assert plant("drift").code == 0
