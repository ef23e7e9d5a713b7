"""A wave that is kept or taken back as a whole: its devices wait for each other before confirming.

Every device of the wave is announced before it begins. Each either arrives, holding a change that
is not yet kept, or leaves. When all have done one or the other, each that arrived is judged; when
all of these are judged, the wave's verdict is known.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    State = Literal["coming", "holding", "judged", "gone"]


class Hold:
    """The meeting point of one wave's devices."""

    def __init__(self, devices: Iterable[str], verdict: Callable[[Mapping[str, str]], str]) -> None:
        """Announce the devices.

        Args:
            devices: their names.
            verdict: given why each that failed did, returns why all go back, or nothing.
        """
        self._changed = threading.Condition()
        self._states: dict[str, State] = dict.fromkeys(devices, "coming")
        self._failed: dict[str, str] = {}
        self._verdict = verdict
        self._released = False

    def leave(self, device: str, why: str = "") -> None:
        """Say that a device holds no change that could be taken back; and why, where it failed."""
        self._become(device, "gone", why)

    def arrive(self, device: str) -> None:
        """Wait, holding a change, until every other device has arrived or left.

        Raises:
            KeyboardInterrupt: waiting was given up.
        """
        self._become(device, "holding")
        self._wait(lambda: not self._any(self._states, "coming"))

    def judged(self, device: str, why: str = "") -> str:
        """Say why a device failed its probes, or nothing; return why the wave goes back.

        Waits until all have been judged.

        Raises:
            KeyboardInterrupt: waiting was given up.
        """
        self._become(device, "judged", why)
        self._wait(lambda: not self._any(self._states, "coming", "holding"))
        return self.verdict()

    def past(self, devices: Iterable[str], *states: State) -> None:
        """Wait until none of these devices is in one of the states.

        Raises:
            KeyboardInterrupt: waiting was given up.
        """
        awaited = tuple(devices)
        self._wait(lambda: not self._any(awaited, *states))

    def verdict(self) -> str:
        """Return why the wave goes back, or nothing, as far as is known."""
        with self._changed:
            return self._verdict(dict(self._failed))

    def release(self) -> None:
        """Give up waiting: every device that holds a change goes back."""
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
