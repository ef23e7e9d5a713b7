"""How far the work on many devices is: what each does, since when, what is slow, how long it takes.

Values and text; `segctl.cli.screen` draws them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.model.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: A device is slow when it takes this many times what the others took on average.
_SLOW = 3.0
#: Devices that must be done before their average says something.
_ENOUGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A device at work: its step, and the seconds since it began."""

    device: str
    step: str
    seconds: float
    slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All devices together; `left` is how many seconds are left, as far as can be told."""

    done: int
    total: int
    running: int
    seconds: float
    left: float | None = None

    def __str__(self) -> str:
        """``12 of 1000 devices, 10 at work, 1m 20s, about 9m left``."""
        text = f"{self.done} of {self.total} device{'' if self.total == 1 else 's'}"
        if self.running:
            text += f", {self.running} at work"
        text += f", {format_duration(round(self.seconds))}"
        return text + (
            f", about {format_duration(round(self.left))} left" if self.left is not None else ""
        )


@dataclass(slots=True)
class DeviceProgress:
    """Takes the reports of many threads; a device whose step is empty is done for now.

    Devices that are asked beside those that were named, such as the firewalls of a device group,
    count from when they begin.
    """

    devices: Sequence[str]
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _began: float = 0.0
    _running: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    _took: dict[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = self.clock()

    def told(self, device: str, step: str) -> float:
        """Take a report; return the seconds since the device began."""
        now = self.clock()
        with self._lock:
            _, since = self._running.get(device, ("", now))
            if step:
                self._running[device] = (step, since)
                self._took.pop(device, None)
            else:
                self._running.pop(device, None)
                self._took[device] = now - since
            return now - since

    def totals(self) -> Totals:
        """Return all devices together."""
        with self._lock:
            done, running = len(self._took), len(self._running)
            total = len({*self.devices, *self._took, *self._running})
        seconds = self.clock() - self._began
        left = None
        if done >= min(_ENOUGH, total) and done < total:
            left = seconds / done * (total - done)
        return Totals(done=done, total=total, running=running, seconds=seconds, left=left)

    def rows(self, room: int) -> list[Row]:
        """Return the devices at work that there is room for, those that began first at the top."""
        now = self.clock()
        with self._lock:
            took = list(self._took.values())
            running = list(self._running.items())
        usual = sum(took) / len(took) if len(took) >= _ENOUGH else None
        rows = [
            Row(
                device=device,
                step=step,
                seconds=now - since,
                slow=usual is not None and now - since > max(1.0, _SLOW * usual),
            )
            for device, (step, since) in running
        ]
        return sorted(rows, key=lambda row: -row.seconds)[: max(0, room)]

    def line(self) -> str:
        """Return how it stands in one line, with what takes longest."""
        slowest = self.rows(1)
        if not slowest:
            return str(self.totals())
        row = slowest[0]
        since = format_duration(round(row.seconds))
        return f"{self.totals()}; longest: {row.device} {row.step} {since}"
