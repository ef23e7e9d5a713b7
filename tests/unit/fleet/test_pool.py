"""Executors of this machine: results, limits, errors, and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest

from segctl.fleet.cancel import Brake
from segctl.fleet.failures import DefectError
from segctl.fleet.pool import InTurn, Processes, Threads, each
from segctl.model.errors import AuthError, LostWorkerError


@pytest.mark.parametrize("forks", [1, 3, 50])
def test_threads_give_every_result_to_its_future(forks: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.01 if number == 0 else 0)
        return 2 * number

    threads = Threads(forks)
    futures = [threads.submit(work, number) for number in range(9)]
    assert [future.result() for future in futures] == [2 * number for number in range(9)]
    assert threads.submit(work, 21).result() == 42


def test_no_more_than_so_many_threads_run_at_a_time() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    threads = Threads(3)
    for future in [threads.submit(work) for _ in range(8)]:
        future.result()
    assert most == 3


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3)])
def test_an_error_stays_with_its_future(error: BaseException) -> None:
    def work() -> None:
        raise error

    threads = Threads(1)
    first = threads.submit(work)
    assert first.exception() is error
    assert threads.submit(int, "7").result() == 7


def test_what_was_called_off_is_not_run() -> None:
    go, ran = threading.Event(), list[str]()
    threads = Threads(1)
    first = threads.submit(go.wait)
    second = threads.submit(ran.append, "second")
    assert second.cancel()
    go.set()
    assert first.result()
    assert threads.submit(len, ran).result() == 0


def test_in_turn_one_computes_at_a_time() -> None:
    turn, lock, running, most = InTurn(), threading.Lock(), 0, 0

    def compute() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    threads = Threads(4)
    for future in [threads.submit(turn, compute) for _ in range(4)]:
        future.result()
    assert most == 1


def refuse(device: str) -> None:
    raise AuthError(device, "no")


def die_once(marker: str) -> int:
    """Die where the marker is not there yet."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_compute_and_survive_the_death_of_one(tmp_path: Path) -> None:
    processes = Processes(1)
    try:
        other = processes(os.getpid)
        assert other != os.getpid()
        with pytest.raises(AuthError, match="fw1: no"):
            processes(refuse, "fw1")
        with pytest.raises(DefectError, match=r"ZeroDivisionError: .* at "):
            processes(divmod, 1, 0)
        assert processes(die_once, str(tmp_path / "once")) not in (other, os.getpid(), 0)
        with pytest.raises(LostWorkerError, match="died twice"):
            processes(die)
        assert processes(int, "7") == 7
    finally:
        processes.close()


PARENT = """
    import os, signal, time
    from segctl.fleet.pool import Processes
    if __name__ == "__main__":
        print(Processes(1)(os.getpid), flush=True)
        time.sleep(60)
"""


def test_no_process_outlives_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(dedent(PARENT), encoding="utf-8")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, signal.SIGINT)  # Ctrl-C goes to the whole group: it is the parent's
        assert alive(child)
        parent.kill()
    until = time.monotonic() + 30
    while alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(child)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def test_a_signal_given_to_a_worker_is_heeded_while_it_works() -> None:
    """The system may give a process's signal to any thread; handlers run in the main thread."""
    brake = Brake()
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: brake.press())
    try:

        def work(_item: int) -> bool:
            signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
            until = time.monotonic() + 60
            while not brake.pressed and time.monotonic() < until:
                time.sleep(0.01)
            return brake.pressed

        assert each(work, [1], 1, brake) == [True]
    finally:
        signal.signal(signal.SIGUSR1, before)
