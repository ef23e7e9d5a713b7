"""Cancellation: Ctrl-C for workers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def braked(pressed: Callable[[], bool], report: Callable[[str], None]) -> Callable[[str], None]:
    """Wrap `report` so that the first step after the press raises KeyboardInterrupt.

    It raises once: the same press must not interrupt the steps of the revert.
    """
    raised = False

    def step(text: str) -> None:
        nonlocal raised
        if not raised and pressed():
            raised = True
            raise KeyboardInterrupt
        report(text)

    return step


class Brake:
    """Cancels the work on devices: once pressed, every device stops at its next step and reverts.

    If only eased, running devices finish, and no further device is started.
    """

    def __init__(self) -> None:
        self._pressed = threading.Event()
        self._eased = threading.Event()

    def ease(self) -> None:
        """Ask workers to start nothing more."""
        self._eased.set()

    @property
    def eased(self) -> bool:
        """Whether workers must start nothing more."""
        return self._eased.is_set()

    def rest(self, seconds: float) -> bool:
        """Wait until the time has passed or somebody eases; return whether the time has passed.

        It polls, because a signal handler that eases while its own thread waits for an event could
        find that event's lock taken.
        """
        end = time.monotonic() + seconds
        while not self.eased and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        return not self.eased

    def press(self) -> None:
        """Ask all workers to stop; further calls change nothing."""
        self._pressed.set()
        self._eased.set()

    @property
    def pressed(self) -> bool:
        """Whether workers were asked to stop."""
        return self._pressed.is_set()

    def watch(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """Wrap `report` so that the first step after the press raises KeyboardInterrupt, once."""
        return braked(self._pressed.is_set, report)
