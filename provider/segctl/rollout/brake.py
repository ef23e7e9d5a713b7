"""Ctrl-C for workers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Brake:
    """Ctrl-C for workers: once pressed, every device stops at its next step and goes back."""

    def __init__(self) -> None:
        self._pressed = threading.Event()

    def press(self) -> None:
        """Ask all workers to stop; asking again changes nothing."""
        self._pressed.set()

    @property
    def pressed(self) -> bool:
        """Whether it was asked."""
        return self._pressed.is_set()

    def watch(self, report: Callable[[str], None]) -> Callable[[str], None]:
        """Return `report` made to raise KeyboardInterrupt at the first step after the press.

        It raises once: the steps of going back are not to be interrupted by the same press.
        """
        raised = False

        def step(text: str) -> None:
            nonlocal raised
            if self._pressed.is_set() and not raised:
                raised = True
                raise KeyboardInterrupt
            report(text)

        return step
