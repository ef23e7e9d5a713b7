"""How far the work is: rows, totals, what is slow, how long it will take; how it is drawn."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

import pytest

from segctl.cli import screen
from segctl.cli.arguments import Settings
from segctl.cli.device_progress import DeviceProgress
from segctl.model.durations import format_duration

TellLine: TypeAlias = Callable[[DeviceProgress], None]
tell_line: TellLine = screen._tell_line  # pyright: ignore[reportPrivateUsage] - when is its matter
beating = screen._beating  # pyright: ignore[reportPrivateUsage] - how often is not for users to say


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def board(count: int = 10) -> tuple[DeviceProgress, Clock]:
    clock = Clock()
    return DeviceProgress([f"fw{number}" for number in range(count)], clock=clock), clock


def work(found: DeviceProgress, clock: Clock, device: str, seconds: float) -> None:
    found.told(device, "reading")
    clock.now += seconds
    found.told(device, "")


def test_a_row_is_a_device_at_work_and_the_longest_stands_first() -> None:
    found, clock = board()
    found.told("fw1", "reading")
    clock.now += 2
    found.told("fw2", "reading")
    found.told("fw1", "locking")
    clock.now += 1
    rows = found.rows(20)
    assert [(row.device, row.step, row.seconds) for row in rows] == [
        ("fw1", "locking", 3.0),
        ("fw2", "reading", 1.0),
    ]
    assert [row.device for row in found.rows(1)] == ["fw1"]
    assert str(found.totals()) == "0 of 10 devices, 2 at work, 3s"
    assert found.line() == "0 of 10 devices, 2 at work, 3s; longest: fw1 locking 3s"


def test_firewalls_that_are_asked_beside_the_named_devices_count_too() -> None:
    """A plan of one device group that takes something away asks its firewalls."""
    clock = Clock()
    found = DeviceProgress(["panorama1:OT"], clock=clock)
    work(found, clock, "panorama1:OT", 1)
    work(found, clock, "fw1", 1)
    found.told("fw2", "reading")
    assert str(found.totals()).startswith("2 of 3 devices, 1 at work, 2s")


def test_the_time_left_is_that_of_the_devices_before() -> None:
    found, clock = board()
    work(found, clock, "fw0", 10)
    work(found, clock, "fw1", 10)
    assert found.totals().left is None  # too few to tell
    work(found, clock, "fw2", 10)
    assert found.totals().left == 70
    assert str(found.totals()) == "3 of 10 devices, 30s, about 1m 10s left"
    for number in range(3, 10):
        work(found, clock, f"fw{number}", 1)
    assert (found.totals().done, found.totals().left) == (10, None)


def test_who_takes_much_longer_than_the_others_is_slow() -> None:
    found, clock = board()
    for number in range(3):
        work(found, clock, f"fw{number}", 2)
    found.told("fw8", "committing")
    clock.now += 5
    assert [row.slow for row in found.rows(5)] == [False]
    clock.now += 2
    assert [row.slow for row in found.rows(5)] == [True]


def test_a_device_that_begins_again_is_no_longer_done() -> None:
    found, clock = board()
    work(found, clock, "fw0", 1)
    assert found.totals().done == 1
    found.told("fw0", "reading")
    assert found.totals().done == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.4s"), (59, "59s"), (61, "1m 1s"), (7320, "2h 2m")]
)
def test_times_as_people_say_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_where_no_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = board(2)
    told: list[str] = []
    with beating(found, tell_line, every=0.01):
        found.told("fw1", "reading")
        while not told:
            time.sleep(0.01)
            told += [line for line in capsys.readouterr().err.splitlines() if "fw1" in line]
    assert told[0].startswith("segctl: 0 of 2 devices, 1 at work, ")
    assert told[0].endswith("longest: fw1 reading 0s")


def test_with_verbose_every_step_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress(Settings(verbose=True), ["fw1"]) as report:
        report("fw1", "reading")
        report("fw1", "")
    assert capsys.readouterr() == ("", "fw1: reading\n")


def test_a_thousand_devices_never_take_more_lines_than_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "12")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)
    names = [f"fw{number}" for number in range(1000)]
    with screen.progress(Settings(), names) as report:
        for name in names:
            report(name, "reading \x1b[2J")
    shown = capsys.readouterr().err
    assert "\x1b[2J" not in shown
    frame = shown.rpartition("fw0:")[2]
    assert "and 991 more" in frame
    assert "0 of 1000 devices, 1000 at work" in frame
    assert frame.count("reading") <= 9
