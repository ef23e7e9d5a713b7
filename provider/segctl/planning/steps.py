"""The steps of a run on one device: told to whoever watches, and written to the journal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.model.errors import SegctlError
from segctl.model.warned import Warned

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.planning.journal import Journal
    from segctl.planning.outcome import Outcome


class Steps:
    """Reports progress; a step may raise to stop the work, but not while the device reverts."""

    def __init__(
        self, progress: Callable[[str], None], device: str, journal: Journal | None
    ) -> None:
        self._progress = progress
        self._device = device
        self._journal = journal
        self._back = False
        self._warned: list[str] = []

    def __call__(self, step: str) -> None:
        """Tell a step; a warning is kept for the outcome.

        Raises:
            KeyboardInterrupt: the work must stop, and the device does not revert.
        """
        if isinstance(step, Warned):
            self._warned.append(str(step))
        try:
            self._progress(str(step))
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

    def warning(self, outcome: Outcome) -> Outcome:
        """Return the outcome of the run with its warnings."""
        if not self._warned:
            return outcome
        return replace(outcome, warnings=(*outcome.warnings, *self._warned))

    def warn(self) -> None:
        """Tell the warnings of a run that has failed: it has no outcome that could."""
        for text in self._warned:
            with suppress(KeyboardInterrupt):
                self._progress(Warned(text))

    def go_back(self) -> None:
        """Begin to revert: from now on nothing stops the work."""
        self._back = True
        self.next("revert")
