"""A wave that is kept or taken back as a whole: its devices wait for each other before confirming.

Every device that is to be changed is announced before the wave begins. It then either arrives,
holding a change that is not yet kept, or leaves. When all have done one or the other, each that
arrived is judged; when all of these are judged, the wave's verdict is known.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Hold:
    """The meeting point of one wave's devices."""

    def __init__(
        self, devices: Iterable[str], verdict: Callable[[Mapping[str, str]], str]
    ) -> None:
        """Announce the devices.

        Args:
            devices: names of those that are to be changed.
            verdict: given why each that failed did, returns why all go back, or nothing.
        """
        self._changed = threading.Condition()
        self._coming = set(devices)
        self._arrived: set[str] = set()
        self._unjudged: set[str] = set()
        self._failed: dict[str, str] = {}
        self._verdict = verdict
        self._released = False

    def leave(self, device: str, why: str = "") -> None:
        """Say that a device holds no change that waits, and why, where it failed."""
        with self._changed:
            self._coming.discard(device)
            self._unjudged.discard(device)
            if why:
                self._failed[device] = why
            self._changed.notify_all()

    def arrive(self, device: str) -> None:
        """Wait, holding a change, until every other device has arrived or left.

        Raises:
            KeyboardInterrupt: waiting was given up.
        """
        with self._changed:
            self._unjudged.add(device)
            self._coming.discard(device)
            self._changed.notify_all()
            self._wait(lambda: not self._coming)

    def after(self, devices: Iterable[str]) -> None:
        """Wait until these devices have arrived or left.

        Raises:
            KeyboardInterrupt: waiting was given up.
        """
        awaited = set(devices)
        with self._changed:
            self._wait(lambda: not self._coming & awaited)

    def judged(self, device: str, why: str = "") -> str:
        """Say why a device failed its probes, or nothing; return why the wave goes back.

        Waits until all have been judged.

        Raises:
            KeyboardInterrupt: waiting was given up.
        """
        self.leave(device, why)
        with self._changed:
            self._wait(lambda: not self._coming and not self._unjudged)
            return self._verdict(dict(self._failed))

    def release(self) -> None:
        """Give up waiting: every device that holds a change goes back."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def _wait(self, over: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: self._released or over())
        if self._released:
            raise KeyboardInterrupt
