"""How wide output is: folded for a terminal, whole lines elsewhere; and where errors go."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cli_support import environment

if TYPE_CHECKING:
    from cli_support import Plant

SEGCTL = (sys.executable, "-m", "segctl.cli")


def lines_of(*words: str, **values: str) -> list[str]:
    done = subprocess.run(
        [*SEGCTL, *words],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env=environment(**values),
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("words", [("protocols",), ("protocols", "modbus")])
def test_protocols_are_readable_in_80_columns(words: tuple[str, ...]) -> None:
    lines = lines_of(*words, COLUMNS="80")
    assert max(map(len, lines[: -3 if "modbus" in words else None])) <= 80
    # no cell is squeezed into a column of a few letters
    longest = [line.strip() for line in lines if line.startswith(" ")]
    assert sum(len(line) < 8 for line in longest) < len(longest) / 20


def test_a_narrow_table_is_one_record_a_row() -> None:
    lines = lines_of("protocols", COLUMNS="80")
    at = lines.index("modbus")
    assert lines[at + 1].split() == ["protocol", "Modbus/TCP"] or "Modbus" in lines[at + 1]
    assert lines[at + 2].split()[0] == "ports"


def test_a_pipe_gets_one_line_a_row() -> None:
    lines = lines_of("protocols")
    listed = json.loads("\n".join(lines_of("protocols", "--json")))["protocols"]
    assert lines[0].split() == ["id", "protocol", "ports", "classes", "applications", "confidence"]
    assert [line.split()[0] for line in lines[1:]] == [one["id"] for one in listed]
    assert max(map(len, lines)) > 100


def test_a_report_in_a_pipe_is_not_folded(applied: Plant) -> None:
    applied.by_hand()
    folded = _drift(applied, COLUMNS="40")
    whole = _drift(applied)
    assert len(whole.splitlines()) < len(folded.splitlines())
    assert _undated(whole) == _undated(folded)


def _undated(text: str) -> str:
    """Return the words of a report without the second at which it was made."""
    return re.sub(r"\d{4}-\d\d-\d\dT\S+", "date", " ".join(text.split()))


def _drift(plant: Plant, **values: str) -> str:
    done = subprocess.run(
        [*SEGCTL, *plant.where, "drift", "--no-history"],
        capture_output=True,
        text=True,
        check=False,
        cwd=plant.folder,
        env=environment(**values),
    )
    assert done.returncode == 2, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("plan", "--json"),
        ("apply", "--auto-approve"),
        ("drift",),
        ("drift", "--json"),
        ("check", "--from", "scada1", "--to", "plc1", "--port", "502"),
    ],
)
def test_what_fails_on_a_device_is_told_on_standard_error_too(
    plant: Plant, words: tuple[str, ...]
) -> None:
    plant.fleet["fw1"].stop()
    done = plant(*words)
    assert done.code == 1
    assert "segctl: fw1: " in done.err
    assert "fw1" in done.out


def test_where_both_end_in_one_file_it_is_told_once(plant: Plant) -> None:
    plant.fleet["fw1"].stop()
    done = subprocess.run(
        [*SEGCTL, *plant.where, "plan"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=plant.folder,
        env={**environment(), "HOME": os.environ.get("HOME", "/")},
    )
    assert done.returncode == 1
    assert "segctl: fw1: " not in done.stdout
    assert "fw1" in done.stdout
