"""Ctrl-C in a rollout: once ends what runs and stops, twice takes it back; both can be resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import PASSWORD, Plant, environment
from support.cells import serve_cells, write_cells

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FLEET = ("fw1", "fw2", "fw3")
#: A job takes longer than any test: it ends when it is let go.
FOR_EVER = 3600.0
#: What is told of extra variables: the user gives them again.
SPARED = " -e '…'"


@pytest.fixture
def plant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Generator[Plant]:
    write_cells(tmp_path, FLEET)
    with serve_cells(tmp_path, FLEET) as fleet:
        for mock in fleet.mocks.values():
            mock.device.settings = replace(mock.device.settings, job_seconds=FOR_EVER)
        yield Plant(tmp_path, fleet, capsys)


def let_go(plant: Plant) -> None:
    """End the jobs that run, and those to come."""
    for mock in plant.fleet.mocks.values():
        mock.device.settings = replace(mock.device.settings, job_seconds=0.0)
        for job in mock.device.jobs.jobs:
            job.ends_at = job.starts_at


class Rollout:
    """A rollout in a process of its own, followed by its events."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[Any] = []

    def until(self, **facts: object) -> None:
        assert self.process.stdout is not None
        while True:
            line = self.process.stdout.readline()
            assert line, f"ended without {facts}"
            self.events.append(json.loads(line))
            if facts.items() <= self.events[-1].items():
                return

    def interrupt(self, said: str, number: int = signal.SIGINT) -> None:
        self.process.send_signal(number)
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            if said in line:
                return
        raise AssertionError(said)

    def end(self, plant: Plant | None = None) -> Any:
        """Let the jobs of `plant` go until it ends."""
        while plant is not None and self.process.poll() is None:
            let_go(plant)
            time.sleep(0.05)
        out, err = self.process.communicate(timeout=60)
        assert "Traceback" not in err
        assert PASSWORD not in out + err
        assert self.process.returncode == 1
        return json.loads(out.splitlines()[-1])


@contextmanager
def rollout(plant: Plant, text: str, *words: str) -> Generator[Rollout]:
    (plant.folder / "play.yml").write_text(text, encoding="utf-8")
    command = plant.command("apply", "-p", "play.yml", "--auto-approve", "--json-lines", *words)
    command += ["-e", "{segctl_commit_timeout: 3000}"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=plant.folder,
        env=environment(),
    )
    try:
        yield Rollout(process)
    finally:
        process.kill()
        process.communicate()


def statuses(document: Any) -> dict[str, str]:
    return {
        one["device"]: one["status"]
        for play in document["plays"]
        for wave in play["waves"]
        for one in wave["devices"]
    }


def resumed(plant: Plant, document: Any) -> dict[str, str]:
    """What the command it tells makes of it; no lock is left."""
    assert plant.locks == 0
    assert SPARED in document["resume"]  # it may have been a secret
    words = document["resume"].replace(SPARED, "").split()
    done = plant.process(*words[1 + len(plant.where) :], "--json")
    assert done.code == 0, done.err
    return statuses(done.json)


FINISHING = "running devices finish and no more begin"


@pytest.mark.parametrize("more", ["", ", verify: [{check: {from: scada1, to: plc1, port: 502}}]"])
def test_once_finishes_what_runs_and_begins_nothing_more(plant: Plant, more: str) -> None:
    # one at a time: the first runs, the second waits for its turn in the same wave
    with rollout(plant, f"- {{hosts: plant, serial: 2{more}}}", "-f", "1") as command:
        command.until(event="step", device="fw1", step="validation 0 %")
        command.interrupt(FINISHING)
        document = command.end(plant)
    assert document["error"]["code"] == "interrupted"
    assert statuses(document) == {"fw1": "applied", "fw2": "not_begun", "fw3": "not_begun"}
    assert resumed(plant, document) == {"fw1": "done_before", "fw2": "applied", "fw3": "applied"}


@pytest.mark.parametrize("words", ["", ", on_failure: revert"])
def test_twice_takes_back_what_runs(plant: Plant, words: str) -> None:
    with (
        plant.unchanged(),
        rollout(plant, f"- {{hosts: plant, serial: 2{words}}}") as command,
    ):
        command.until(event="step", device="fw1", step="validation 0 %")
        command.interrupt(FINISHING)
        command.interrupt("taking changes back; press Ctrl-C again")
        document = command.end(plant)
    assert statuses(document) == {"fw1": "reverted", "fw2": "reverted", "fw3": "not_begun"}
    found = resumed(plant, document)
    assert set(found.values()) == {"applied"}


@pytest.mark.parametrize("words", ["", ", on_failure: revert"])
def test_where_it_is_asked_for_once_takes_back_what_runs(plant: Plant, words: str) -> None:
    text = f"- {{hosts: plant, serial: 2{words}}}"
    with plant.unchanged(), rollout(plant, text, "--on-interrupt", "revert") as command:
        command.until(event="step", device="fw1", step="validation 0 %")
        command.interrupt("taking changes back; press Ctrl-C again", signal.SIGTERM)
        document = command.end(plant)
    assert statuses(document) == {"fw1": "reverted", "fw2": "reverted", "fw3": "not_begun"}
    assert "--on-interrupt revert" in document["resume"]
    assert set(resumed(plant, document).values()) == {"applied"}


def test_twice_takes_back_devices_that_wait_for_the_wave(plant: Plant) -> None:
    probe = "{tcp: '127.0.0.1:1', timeout: 1, retries: 600}"
    text = f"- {{hosts: plant, serial: 2, on_failure: revert, verify: [{probe}]}}"
    let_go(plant)
    with plant.unchanged(), rollout(plant, text) as command:
        command.until(event="step", step="verifying")
        command.interrupt(FINISHING)
        command.interrupt("taking changes back; press Ctrl-C again")
        document = command.end()
    assert statuses(document) == {"fw1": "reverted", "fw2": "reverted", "fw3": "not_begun"}
    assert plant.locks == 0


def test_once_ends_the_soak_time(plant: Plant) -> None:
    let_go(plant)
    with rollout(plant, "- {hosts: plant, serial: 1, soak: 2h}") as command:
        command.until(event="soak")
        command.interrupt(FINISHING)
        document = command.end()
    assert statuses(document) == {"fw1": "applied", "fw2": "not_begun", "fw3": "not_begun"}
    assert "soaking" in document["error"]["message"]
    # the two hours are not over for the one that resumes
    words = document["resume"].replace(SPARED, "").split()[1 + len(plant.where) :]
    command_line = plant.command(*words, "--json-lines")
    process = subprocess.Popen(
        command_line, stdout=subprocess.PIPE, text=True, cwd=plant.folder, env=environment()
    )
    try:
        assert process.stdout is not None
        event = json.loads(process.stdout.readline())
        assert event["event"] == "soak"
        assert event["seconds"] > 7000
    finally:
        process.kill()
        process.communicate()
