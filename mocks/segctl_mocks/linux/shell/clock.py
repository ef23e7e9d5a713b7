"""Time that may run faster than ours."""

from __future__ import annotations

import threading
import time


class Clock:
    """A clock with a scale: at 10 a second lasts a tenth of one."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self._skipped = 0.0
        self._start = time.time()
        self._origin = time.monotonic()
        self._changed = threading.Condition()

    def now(self) -> float:
        """Return the time, in seconds since 1970."""
        passed = (time.monotonic() - self._origin) * self.scale
        return self._start + passed + self._skipped

    def advance(self, seconds: float) -> None:
        """Let time jump; whoever sleeps until before then wakes."""
        with self._changed:
            self._skipped += seconds
            self._changed.notify_all()

    def sleep(self, seconds: float, stop: threading.Event) -> bool:
        """Sleep; return False if ``stop`` was set before the end."""
        until = self.now() + seconds
        with self._changed:
            while not stop.is_set():
                left = until - self.now()
                if left <= 0:
                    return True
                self._changed.wait(min(left / self.scale, 0.2))
        return False

    def wake(self) -> None:
        """Let sleepers look at their events."""
        with self._changed:
            self._changed.notify_all()
