"""segctl under a task that is stopped: told once, and waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from ansible_collections.segctl.segctl.plugins.plugin_utils.command import Given, opened
from cli_support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Writes down each signal, and takes its time to go back.
SEGCTL = """\
    import pathlib, signal, sys, time
    told = pathlib.Path(sys.argv[1])
    def heed(number, _frame):
        with told.open("a") as file:
            print(signal.Signals(number).name, file=file)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heed)
    told.touch()
    end = time.monotonic() + 30
    while not told.read_text() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(1)
    print("went back", file=told.open("a"))
    """
#: A task of Ansible's before 2.19: in the terminal's process group, and timed by an alarm.
TASK = """\
    import os, signal, sys
    from ansible_collections.segctl.segctl.plugins.plugin_utils.command import _run
    def alarm(_number, _frame):
        raise TimeoutError
    signal.signal(signal.SIGALRM, alarm)
    _run([sys.executable, *sys.argv[1:]], os.environ, [])
    """


@pytest.mark.parametrize(
    ("send", "number", "heard"),
    [(os.killpg, signal.SIGINT, "SIGINT"), (os.kill, signal.SIGALRM, "SIGTERM")],
    ids=["ctrl-c", "timeout"],
)
def test_segctl_is_told_once_and_waited_for(
    tmp_path: Path, send: Callable[[int, int], None], number: int, heard: str
) -> None:
    told = tmp_path / "told"
    for name, text in {"segctl.py": SEGCTL, "task.py": TASK}.items():
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "task.py", "segctl.py", str(told)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "playbooks")},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not told.exists():
        assert process.poll() is None
        time.sleep(0.01)
    send(process.pid, number)
    assert process.wait(timeout=60) != 0
    assert told.read_text("utf-8").split("\n") == [heard, "went back", ""]


NAME = "SEGCTL_ALLOW_EXECUTABLE_INVENTORY"


@pytest.mark.parametrize(("said", "told"), [({}, "1"), ({NAME: "0"}, "0")])
def test_sources_that_ansible_has_run_are_run_again(
    tmp_path: Path, said: dict[str, str], told: str
) -> None:
    """Unless the user has said no: then segctl refuses them."""
    program = tmp_path / "segctl"
    program.write_text(f'#!/bin/sh\nprintf \'{{"allowed": "%s"}}\' "${NAME}"\n', encoding="utf-8")
    program.chmod(0o755)
    given = Given(
        executable=str(program),
        host="fw1",
        sources=[],
        variables={},
        vault_passwords=[],
        environment=said,
    )
    with opened(given, str(tmp_path)) as segctl:
        assert segctl("plan").document == {"allowed": told}
