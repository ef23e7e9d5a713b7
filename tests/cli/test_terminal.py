"""A person at a terminal: colours, width, progress, the prompt and what answers it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cli_support import Plant, environment
from segctl.system.inert import yaml_text
from support.hostile import MARKS, steering

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

ESCAPE = "\x1b["
PROGRAM = (sys.executable, "-m", "segctl.cli")


class Terminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, plant: Plant, process: subprocess.Popen[bytes], master: int) -> None:
        self.plant = plant
        self.process = process
        self.master = master
        self.shown = ""

    def until(self, text: str) -> str:
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline
            assert self._more(), f"ended without {text!r}:\n{self.shown}"
        return self.shown

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> tuple[int, str]:
        while self._more():
            pass
        return self._ended()

    def stop(self, ask: Callable[[], object]) -> tuple[int, str]:
        """Ask until it ends: a signal just before Python reads waits for the end of the read.

        Not in a hurry: what has said all that it has to say ends by a signal that comes then.
        """
        ask()
        while True:
            if not select.select([self.master], [], [], 5.0)[0]:
                ask()
            elif not self._more():
                return self._ended()

    def _ended(self) -> tuple[int, str]:
        code = self.process.wait(timeout=30)
        assert "Traceback" not in self.shown
        self.plant.assert_no_secret(self.shown)
        return code, self.shown.replace("\r\n", "\n")

    def _more(self) -> bool:
        try:
            found = os.read(self.master, 65536)
        except OSError:  # what a pty says when its last user is gone
            return False
        self.shown += found.decode("utf-8", "replace")
        return bool(found)


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the suite may run under nohup


@contextmanager
def terminal(
    plant: Plant,
    *words: str,
    columns: int = 80,
    values: Mapping[str, str] | None = None,
    where: Sequence[str] | None = None,
) -> Generator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        plant.command(*words) if where is None else [*PROGRAM, *where, *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=plant.folder,
        env=environment(**({"TERM": "xterm-256color"} | dict(values or {}))),
        start_new_session=True,
        preexec_fn=_own_terminal,  # noqa: PLW1509 - Ctrl-C needs it
    )
    os.close(slave)
    try:
        yield Terminal(plant, process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_plan_has_colours_progress_and_fits_80_columns(plant: Plant) -> None:
    with terminal(plant, "plan") as shell:
        code, shown = shell.end()
    assert code == 0
    assert ESCAPE in shown
    assert "of 2 devices" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "+ rule plant.polling.modbus" in plain
    report = plain[plain.index("fw1  (PAN-OS") :].split("\n")
    assert [line for line in report if len(line) > 80] == []
    assert any(line.startswith(" " * 21 + "modbus-read") for line in report)


@pytest.mark.parametrize("values", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_escape_codes_where_they_are_not_wanted(plant: Plant, values: dict[str, str]) -> None:
    with terminal(plant, "plan", values=values) as shell:
        code, shown = shell.end()
    assert code == 0
    assert "\x1b" not in shown
    assert "+ rule plant.polling.modbus" in shown


def test_no_escape_codes_in_a_file(plant: Plant) -> None:
    done = plant.process("plan", env=environment(TERM="xterm-256color"))
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert not done.err


def test_yes_applies(plant: Plant) -> None:
    with terminal(plant, "apply") as shell:
        shown = shell.until("accepted")
        assert "on 2 devices." in shown
        shell.type("yes\n")
        code, shown = shell.end()
    assert code == 0
    assert shown.count("read back, as planned") == 2
    assert plant("drift").code == 0


@pytest.mark.parametrize("answer", ["no\n", "\n", "y\n", "YES\n", "\x04"])
def test_anything_else_does_not(plant: Plant, answer: str) -> None:
    with plant.untouched(), terminal(plant, "apply") as shell:
        shell.until("accepted")
        shell.type(answer)
        code, shown = shell.end()
    assert code == 1
    assert "Not applied: nothing was changed." in shown


def test_ctrl_c_at_the_prompt_changes_nothing(plant: Plant) -> None:
    with plant.untouched(), terminal(plant, "apply") as shell:
        shell.until("accepted")
        code, shown = shell.stop(lambda: shell.type("\x03"))
    assert code == 1
    assert "nothing was changed" in shown


def test_a_terminal_that_is_closed_changes_nothing(plant: Plant) -> None:
    with plant.untouched(), terminal(plant, "apply") as shell:
        shell.until("accepted")
        code, shown = shell.stop(lambda: shell.process.send_signal(signal.SIGHUP))
    assert code == 1
    assert "nothing was changed" in shown


def test_a_terminal_that_is_closed_and_a_shell_that_says_so_too_end_it_once(plant: Plant) -> None:
    """Both tell the same process, one right after the other."""

    def hang_up() -> None:
        for _ in range(20):
            shell.process.send_signal(signal.SIGHUP)

    with plant.untouched(), terminal(plant, "apply") as shell:
        shell.until("accepted")
        code, shown = shell.stop(hang_up)
    assert code == 1
    assert "nothing was changed" in shown


def test_nothing_is_asked_where_nothing_changes(applied: Plant) -> None:
    with terminal(applied, "apply") as shell:
        code, shown = shell.end()
    assert code == 0
    assert "accepted" not in shown


def test_an_error_is_wrapped_at_words(plant: Plant) -> None:
    with terminal(plant, "apply", "--json") as shell:
        code, shown = shell.end()
    assert code == 1
    error = shown[shown.index("segctl: ") :]
    assert all(len(line) <= 80 for line in error.split("\n"))


def test_what_a_device_says_does_not_steer_the_terminal(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "edit",
        "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
        "/rulebase/security/rules/entry[@name='plant.polling.modbus']/description",
        "<description>[segctl conduit=plant.polling flow=modbus] \x9b31m\u202e</description>",
        commit=True,
    )
    done = applied("plan")
    assert "\x9b" not in done.out
    assert "\u202e" not in done.out
    assert "\\x9b31m\\u202e" in done.out


def test_the_display_of_a_run_is_steered_by_no_name(plant: Plant) -> None:
    """A host whose name holds every mark, at an address where nobody ever answers."""
    marks = "".join(one for one in MARKS if one > "\x9f" and not "\u2028" <= one <= "\u2029")
    marks = "".join(one for one in marks if not "\ud800" <= one < "\ue000")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (plant.folder / "silent.yml").write_text(
            f"""\
            all:
              hosts:
                {yaml_text(f"odd{marks}")}:
                  ansible_network_os: panos
                  ansible_host: 127.0.0.1
                  ansible_port: {silent.getsockname()[1]}
                  ansible_user: u
                  ansible_password: p
                  segctl_timeout: 3
                  segctl_site: plant
                  segctl_zones: {{control: {{networks: [10.20.1.0/24]}}}}
                  segctl_zone_map: {{control: {{zone: C}}}}
            """,
            encoding="utf-8",
        )
        alone = replace(plant, fleet=replace(plant.fleet, everything={}))
        words = ("plan", "-i", "silent.yml")
        with terminal(alone, *words, columns=400, where=()) as shell:
            shell.until(r"odd\xa0")
            _, shown = shell.end()
    assert "\x1b[?25l" in shown  # drawn on a terminal
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")
    assert r"\u202e" in drawn
    assert not steering(drawn)
