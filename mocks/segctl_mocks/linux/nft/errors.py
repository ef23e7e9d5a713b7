"""Errors of nft with the place they point at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

NO_FILE = "No such file or directory"
EXISTS = "File exists"
BUSY = "Device or resource busy"
INVALID = "Invalid argument"
UNSUPPORTED = "Operation not supported"
TOO_MANY_LINKS = "Too many links"
TOO_LARGE = "Numerical result out of range"
SET_FULL = "Too many open files in system"


class Span(NamedTuple):
    """Where in the input: a line and its first and last column, from one."""

    line: int
    first: int
    last: int

    def to(self, other: Span) -> Span:
        """Return the span from here to the end of another; the first line only."""
        return Span(self.line, self.first, other.last if other.line == self.line else self.last)


NOWHERE = Span(0, 0, 0)


class NftError(Exception):
    """What nft itself refuses before it asks the kernel."""

    def __init__(self, message: str, span: Span = NOWHERE, other: Span | None = None) -> None:
        super().__init__(message, span, other)
        self.message = message
        self.span = span
        self.other = other


class KernelError(NftError):
    """What the kernel refuses; nft goes on to the next command before it reports."""

    def __init__(self, message: str, span: Span = NOWHERE) -> None:
        super().__init__(f"Could not process rule: {message}", span)


@dataclass(frozen=True, slots=True)
class Source:
    """The text an error is shown in; without a name it came from the command line."""

    name: str
    text: str

    def show(self, error: NftError) -> str:
        """Return the error as nft prints it."""
        span = error.span
        if span.line == 0:
            if isinstance(error, KernelError):  # of what nft adds to what was written
                return f"internal:0:0-0: Error: {error.message}\n\n"
            where = f"{self.name}: " if self.name else ""
            return f"{where}Error: {error.message}\n"
        lines = self.text.split("\n")
        line = lines[span.line - 1] if span.line <= len(lines) else ""
        marks = ["\t" if sign == "\t" else " " for sign in line[: span.last]]
        marks += [" "] * (span.last - len(marks))
        if error.other is not None and error.other.line == span.line:
            marks += [" "] * (error.other.last - len(marks))
            for column in range(error.other.first - 1, error.other.last):
                marks[column] = "~"
        for column in range(max(span.first, 1) - 1, span.last):
            marks[column] = "^"
        where = f"{self.name}:{span.line}:{span.first}-{span.last}: " if self.name else ""
        return f"{where}Error: {error.message}\n{line}\n{''.join(marks).rstrip(' ')}\n"
