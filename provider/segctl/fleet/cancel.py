"""Ctrl-C for workers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def braked(pressed: Callable[[], bool], report: Callable[[str], None]) -> Callable[[str], None]:
    """Return `report` made to raise KeyboardInterrupt at the first step after the press.

    It raises once: the steps of going back are not to be interrupted by the same press.
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
    """Ctrl-C for workers: once pressed, every device stops at its next step and goes back.

    Eased, it lets those that run finish, and no further device is begun.
    """

    def __init__(self) -> None:
        self._pressed = threading.Event()
        self._eased = threading.Event()

    def ease(self) -> None:
        """Ask that nothing more is begun."""
        self._eased.set()

    @property
    def eased(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._eased.is_set()

    def rest(self, seconds: float) -> bool:
        """Wait, but not after it was eased; say whether all of the time has passed.

        Looks again and again: a signal handler that eases while its own thread waits for an
        event could meet that event's lock held.
        """
        end = time.monotonic() + seconds
        while not self.eased and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
        return not self.eased

    def press(self) -> None:
        """Ask all workers to stop; asking again changes nothing."""
        self._pressed.set()
        self._eased.set()

    @property
    def pressed(self) -> bool:
        """Whether it was asked."""
        return self._pressed.is_set()

    def watch(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """Return `report` made to raise KeyboardInterrupt once, at the first step after."""
        return braked(self._pressed.is_set, report)
