"""How an operation tells its caller what happens while it runs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from segctl.model.warned import Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """Who is told how an operation goes. Its methods may be called from several threads."""

    def devices(self, names: Sequence[str]) -> AbstractContextManager[Callable[[str, str], None]]:
        """Stand around work on devices.

        What is yielded takes a device's name and the step it is at; an empty step says that the
        device is done, and a `Warned` one is a warning.
        """
        ...

    def tell(self, event: str, **facts: object) -> None:
        """Tell that a play, a wave or a soak time begins or ends."""
        ...

    def note(self, message: str) -> None:
        """Tell what the caller should know of the operation."""
        ...

    def warn(self, message: str) -> None:
        """Tell what may be wrong although nothing stops because of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Keeps notes and warnings for the caller, and shows nothing."""

    notes: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])

    @contextmanager
    def devices(self, names: Sequence[str]) -> Generator[Callable[[str, str], None]]:
        """Keep the warnings among the steps of the devices."""
        del names

        def told(device: str, step: str) -> None:
            if isinstance(step, Warned):
                self.warn(f"{device}: {step}")

        yield told

    def tell(self, event: str, **facts: object) -> None:
        """Show nothing of the event."""

    def note(self, message: str) -> None:
        """Keep a note."""
        self.notes.append(message)

    def warn(self, message: str) -> None:
        """Keep a warning."""
        self.warnings.append(message)
