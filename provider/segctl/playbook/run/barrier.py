"""A barrier: the devices of a wave wait for each other, and all confirm or all revert.

The devices are named before the wave starts. Each device either arrives with an unconfirmed change
or leaves. Once every device has arrived or left, those that arrived are judged. Once all of them
have been judged, the verdict on the wave is known.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    State = Literal["coming", "waiting", "judged", "gone"]


class Barrier:
    """Where the devices of one wave wait for each other."""

    def __init__(self, devices: Iterable[str], verdict: Callable[[Mapping[str, str]], str]) -> None:
        """Set the devices of the wave.

        Args:
            devices: names of all the devices.
            verdict: takes the reason of each failure by device; returns why the wave must be
                reverted, or an empty string.
        """
        self._changed = threading.Condition()
        self._states: dict[str, State] = dict.fromkeys(devices, "coming")
        self._failed: dict[str, str] = {}
        self._verdict = verdict
        self._released = False

    def leave(self, device: str, why: str = "") -> None:
        """Leave without an unconfirmed change; `why` is the reason if the device failed."""
        self._become(device, "gone", why)

    def arrive(self, *devices: str) -> None:
        """Wait with an unconfirmed change until every other device has arrived or left.

        Hosts that are one device arrive together.

        Raises:
            KeyboardInterrupt: the barrier was released.
        """
        for device in devices:
            self._become(device, "waiting")
        self._wait(lambda: not self._any(self._states, "coming"))

    def judged(self, reasons: Mapping[str, str]) -> str:
        """Record why devices failed their probes, if they did, and wait for all the others.

        Returns the reason why the wave must be reverted, or an empty string.

        Raises:
            KeyboardInterrupt: the barrier was released.
        """
        for device, why in reasons.items():
            self._become(device, "judged", why)
        self._wait(lambda: not self._any(self._states, "coming", "waiting"))
        return self.verdict()

    def past(self, devices: Iterable[str], *states: State) -> None:
        """Wait until none of the devices is in any of the states.

        Raises:
            KeyboardInterrupt: the barrier was released.
        """
        awaited = tuple(devices)
        self._wait(lambda: not self._any(awaited, *states))

    def verdict(self) -> str:
        """Return why the wave must be reverted, as far as is known; empty if nothing says so."""
        with self._changed:
            return self._verdict(dict(self._failed))

    def release(self) -> None:
        """Stop waiting: every device with an unconfirmed change reverts it."""
        with self._changed:
            self._released = True
            self._changed.notify_all()

    def _become(self, device: str, state: State, why: str = "") -> None:
        with self._changed:
            self._states[device] = state
            if why:
                self._failed.setdefault(device, why)
            self._changed.notify_all()

    def _any(self, devices: Iterable[str], *states: State) -> bool:
        return any(self._states.get(device) in states for device in devices)

    def _wait(self, over: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._released or over())
            if self._released:
                raise KeyboardInterrupt
