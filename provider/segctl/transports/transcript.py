"""The transcript of a device's sessions: what segctl asked for and how it went, for finding faults.

Nothing of a command, a payload or an answer is copied into it. A line is made of words that stand
in segctl's source, of numbers, and of the device's name in the inventory: it says which request
it was, how large both sides were, how long it took, how it ended, and how often words of segctl's
own choice stand in what was said. Whatever a device answers can therefore be handed on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import ConnectError
from segctl.system import storage
from segctl.system.folders import file_name
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString, TypeAlias

    from segctl.transports.target import Target

    #: What is counted in what was said: the word shown, and the text looked for.
    Words: TypeAlias = Mapping[LiteralString, LiteralString]


class Transcript:
    """The file of one device in the folder ``segctl_transcript``; nothing where none is set."""

    def __init__(self, target: Target, progress: Callable[[str], None]) -> None:
        """Open it.

        Raises:
            ConnectError: the file cannot be written; nothing was sent yet.
        """
        self._target = target
        self._progress = progress
        folder = target.transcript
        self._path = None if folder is None else folder / file_name(target.name, ".txt")
        if self._path is None:
            return
        try:
            storage.append(self._path, b"", durable=False)
        except OSError as error:
            raise ConnectError(
                target.name,
                f"the transcript {self._path} (segctl_transcript) cannot be written: "
                f"{error.strerror}; nothing was sent",
            ) from error

    def __bool__(self) -> bool:
        """Whether one is kept."""
        return self._path is not None

    def add(self, asked: str, seconds: float | None, ended: str, *counts: str) -> None:
        """Add one exchange.

        Args:
            asked: which request it was; like `ended` in words of segctl's own.
            seconds: how long it took; None where it is part of what was told before.
            ended: how it ended.
            counts: of `counted`; empty ones are left out.
        """
        if self._path is None:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        name = printable(self._target.name)
        took = "" if seconds is None else f", {seconds:.3f} s"
        lines = [f"{time} {name} {asked}: {ended}{took}", *filter(None, counts)]
        try:
            storage.append(self._path, ("\n  ".join(lines) + "\n").encode(), durable=False)
        except OSError as error:  # what was begun on the device is not left for that
            self._progress(f"the transcript was not continued: {error.strerror}")


def counted(title: LiteralString, said: str | bytes, words: Words) -> str:
    """Return how often each of `words` stands in what was said; empty where none does."""
    text = said if isinstance(said, bytes) else said.encode(errors="replace")
    found = [(shown, text.count(word.encode())) for shown, word in words.items()]
    told = ", ".join(f"{shown} {number}" for shown, number in found if number)
    return f"{title}: {told}" if told else ""
