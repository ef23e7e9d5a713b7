"""The transcript of a device's sessions: what segctl requested and how it went.

Nothing of a command, a payload or an answer is copied into it. A line consists of words from
segctl's source, of numbers, and of the device's name in the inventory: it names the request, the
size of both sides, how long it took, how it ended, and how often certain words chosen by segctl
occur in it. A transcript can therefore be handed on, whatever the device answered.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.model.errors import ConnectError
from segctl.model.warned import Warned
from segctl.system import storage
from segctl.system.folders import file_name
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString, TypeAlias

    from segctl.transports.target import Target

    #: What is counted: the word shown, and the text searched for.
    Words: TypeAlias = Mapping[LiteralString, LiteralString]


class Transcript:
    """One device's file in the folder ``segctl_transcript``; does nothing if none is set."""

    def __init__(self, target: Target, progress: Callable[[str], None]) -> None:
        """Open it.

        Raises:
            ConnectError: the file cannot be written; nothing has been sent.
        """
        self._target = target
        self._progress = progress
        folder = target.transcript
        self._path = None if folder is None else folder / file_name(target.name, ".txt")
        self._told = False
        if self._path is None:
            return
        try:  # a line, since a full disk still takes an empty file
            storage.append(self._path, self._lines("session: opened"), durable=False)
        except OSError as error:
            raise ConnectError(
                target.name,
                f"the transcript {self._path} (segctl_transcript) cannot be written: "
                f"{error.strerror}; nothing was sent",
            ) from error

    def __bool__(self) -> bool:
        """Whether a transcript is kept."""
        return self._path is not None

    def add(self, asked: str, seconds: float | None, ended: str, *counts: str) -> None:
        """Add one exchange.

        Args:
            asked: the request; like `ended`, only in words from segctl's source.
            seconds: how long it took; None if it is part of the exchange before.
            ended: how it ended.
            counts: from `counted`; empty ones are left out.
        """
        if self._path is None:
            return
        took = "" if seconds is None else f", {seconds:.3f} s"
        self._continue(f"{asked}: {ended}{took}", *filter(None, counts))

    def go_on(self, progress: Callable[[str], None]) -> Transcript:
        """Return it for another login of the same session, which does not fail for its sake."""
        self._progress = progress
        self._continue("session: opened")
        return self

    def _continue(self, first: str, *more: str) -> None:
        """Write what is not worth stopping an operation on the device; warn once of a failure."""
        if self._path is None:
            return
        try:
            storage.append(self._path, self._lines(first, *more), durable=False)
        except OSError as error:
            if not self._told:
                self._told = True
                self._progress(
                    Warned(
                        f"the transcript {self._path} (segctl_transcript) is incomplete: it "
                        f"could not be continued: {error.strerror}"
                    )
                )

    def _lines(self, first: str, *more: str) -> bytes:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        return (
            "\n  ".join((f"{time} {printable(self._target.name)} {first}", *more)).encode() + b"\n"
        )


def counted(title: LiteralString, said: str | bytes, words: Words) -> str:
    """Return how often each of `words` occurs in the text; empty if none does."""
    text = said if isinstance(said, bytes) else said.encode(errors="replace")
    counts = [(shown, text.count(word.encode())) for shown, word in words.items()]
    told = ", ".join(f"{shown} {number}" for shown, number in counts if number)
    return f"{title}: {told}" if told else ""
