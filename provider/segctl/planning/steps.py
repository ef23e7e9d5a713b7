"""The steps of a run on one device: told to whoever watches, and written to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.planning.journal import Journal


class Steps:
    """Reports progress; a step may raise to stop the work, but not while the device reverts."""

    def __init__(
        self, progress: Callable[[str], None], device: str, journal: Journal | None
    ) -> None:
        self._progress = progress
        self._device = device
        self._journal = journal
        self._back = False

    def __call__(self, step: str) -> None:
        """Tell a step.

        Raises:
            KeyboardInterrupt: the work must stop, and the device does not revert.
        """
        try:
            self._progress(step)
        except KeyboardInterrupt:
            if not self._back:
                raise

    def next(self, step: str, detail: str = "") -> None:
        """Write the next change to the journal; if that fails, the change is not made.

        A revert never depends on the journal.
        """
        if self._journal is None:
            return
        try:
            self._journal.write(self._device, step, detail)
        except SegctlError as error:
            if not self._back:
                raise
            self(str(error))

    def go_back(self) -> None:
        """Begin to revert: from now on nothing stops the work."""
        self._back = True
        self.next("revert")
