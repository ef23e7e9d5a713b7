"""A history that stops answering: everything else of a drift check has been done by then."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from cli_support import POLL, Plant, environment
from segctl.drift.history import consult, patience
from segctl.model.errors import HistoryError, UsageError
from segctl.transports.credentials import Secret
from support.metrics import samples
from support.postgresql import cluster, missing
from support.receiver import Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

#: Seconds after which a test is given up; nothing is asserted about how long things take.
LONG = 60.0


@contextmanager
def silent() -> Generator[str]:
    """Serve what accepts connections and never says a word; yield it as a database's URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held: list[socket.socket] = []

        def accept() -> None:
            try:
                while True:
                    held.append(listening.accept()[0])
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"postgresql://ana:geheim@127.0.0.1:{listening.getsockname()[1]}/plant"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            for one in held:
                one.close()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiver() as service:
        monkeypatch.setenv("SEGCTL_WEBHOOK", service.url())
        yield service


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGCTL_HISTORY_TIMEOUT", "4")


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def judged(plant: Plant, room: Receiver, url: str) -> str:
    """Check drift with that history, which does not answer; return what it warns of."""
    plant.by_hand()
    done = plant("drift", "--history", url, "--metrics", "m.prom")
    assert done.code == 2
    assert f"changed: rule {POLL}" in done.out
    metrics = samples((plant.folder / "m.prom").read_text(encoding="utf-8"))
    assert metrics["segctl_in_sync", ("fw1", "plant")] == 0
    (notice,) = room.received
    assert POLL in notice.body.decode()
    assert "segctl: warning: the run is not on record: history " in done.err
    assert "geheim" not in done.err
    return done.err


def test_a_server_that_accepts_and_says_nothing(applied: Plant, room: Receiver) -> None:
    with silent() as url:
        judged(applied, room, url)


def test_a_sqlite_file_that_another_program_keeps_locked(
    applied: Plant, room: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "locked.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in judged(applied, room, f"sqlite:///{file}")


def test_a_postgresql_that_stalls_once_it_is_connected(applied: Plant, room: Receiver) -> None:
    if reason := missing():
        pytest.skip(reason)
    import psycopg

    with cluster() as server:
        url = server.url()
        assert applied("drift", "--history", url).code == 0
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE segctl_devices IN ACCESS EXCLUSIVE MODE")
            assert "silent for 4 s: given up" in judged(applied, room, url)
            done = applied("drift", "history", "--history", url)
            assert (done.code, done.out) == (1, "")
            assert "silent for 4 s: given up" in done.err
            other.rollback()
        assert applied("drift", "--history", url).code == 2
        assert POLL in applied("drift", "history", "--history", url).out


def test_a_run_ends_although_its_history_does_not(applied: Plant) -> None:
    """As a process of its own: what goes on waiting does not keep it from ending."""
    with silent() as url:
        done = applied.process("drift", "--history", url, env=environment())
    assert done.code == 0
    assert "In sync" in done.out or "in sync" in done.out
    assert "warning: the run is not on record" in done.err


def test_output_metrics_and_notices_do_not_wait_for_the_history(
    applied: Plant, room: Receiver
) -> None:
    applied.by_hand()
    with silent() as url:
        words = ("--history", url, "--metrics", "m.prom", "--notify", "on-drift", "--json-lines")
        process = subprocess.Popen(
            applied.command("drift", *words),
            cwd=applied.folder,
            env=environment(SEGCTL_HISTORY_TIMEOUT="600"),
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                lines = (json.loads(line) for line in process.stdout)
                document = next(line for line in lines if "in_sync" in line)
                assert document["in_sync"] is False
                until((applied.folder / "m.prom").exists)
                until(lambda: bool(room.received))
                assert process.poll() is None
            finally:
                process.kill()


def test_the_text_is_out_before_the_history_is_asked(applied: Plant) -> None:
    with silent() as url:
        process = subprocess.Popen(
            applied.command("drift", "--history", url),
            cwd=applied.folder,
            env=environment(SEGCTL_HISTORY_TIMEOUT="600"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline().startswith("fw1")
                assert process.poll() is None
            finally:
                process.kill()


def test_work_that_moves_on_is_not_given_up_until_all_of_it_takes_too_long(
    tmp_path: Path,
) -> None:
    url = Secret(f"sqlite:///{tmp_path / 'h.db'}")
    steps: list[int] = []

    def slow(engine: object) -> str:
        for step in range(4):
            with engine.begin():  # type: ignore[attr-defined] # an engine, to be sure
                steps.append(step)
            time.sleep(0.5)
        return "done"

    assert consult(url, slow, seconds=30.0) == "done"
    assert steps == [0, 1, 2, 3]
    with pytest.raises(HistoryError, match=r"not finished within 0.7 s: given up"):
        consult(url, slow, seconds=30.0, most=0.7)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "601"])
def test_a_patience_that_is_none(
    applied: Plant, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert patience({}) == 30
    assert patience({"SEGCTL_HISTORY_TIMEOUT": "5"}) == 5
    with pytest.raises(UsageError):
        patience({"SEGCTL_HISTORY_TIMEOUT": text})
    monkeypatch.setenv("SEGCTL_HISTORY_TIMEOUT", text)
    with applied.untouched():
        done = applied("drift")
    assert done.code == 1
    assert "SEGCTL_HISTORY_TIMEOUT must be a duration from 1s to 10m" in done.err
