"""Records: what a witness writes down of a session at a moment, and the files they go to."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass
from functools import lru_cache
from time import gmtime, strftime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from segctl_mocks.traffic.sessions import Session
    from segctl_mocks.traffic.sights import Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing that a witness writes down, in its place of the witness's own numbering.

    `moment` is which: begin, shift-1 …, threat, end. `flow` numbers the witness's sessions.
    `ahead` is how many seconds its clock is ahead.
    """

    time: float
    number: int
    flow: int
    moment: str
    session: Session
    sight: Sight
    ahead: float


class Form(Protocol):
    """One form of one witness; it writes files below the witness's folder."""

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down, without numbers: begin, shift, threat, end."""
        ...

    def lines(self, record: Record) -> Iterable[tuple[str, str]]:
        """Yield the name of a file and a line for it, with its end."""
        ...

    def frame(self, name: str) -> tuple[str, str, str]:
        """Return what a file begins with, what stands between two records, what it ends with."""
        ...

    def closing(self, still_open: Sequence[Record]) -> Iterator[tuple[str, str]]:
        """Yield what it writes at the very end, of sessions that go on."""
        ...


class Plain:
    """A form of lines that stand alone, and that says nothing of what goes on."""

    def frame(self, name: str) -> tuple[str, str, str]:
        """Return that nothing stands around the lines."""
        del name
        return "", "", ""

    def closing(self, still_open: Sequence[Record]) -> Iterator[tuple[str, str]]:
        """Yield nothing."""
        del still_open
        yield from ()


@lru_cache(maxsize=4096)
def local(seconds: int, form: str) -> str:
    """Write a time that is already in local seconds."""
    return strftime(form, gmtime(seconds))


class Files:
    """Files of one folder, open while they are written, compressed where that is wanted."""

    def __init__(self, folder: Path, *, compress: bool) -> None:
        self._folder = folder
        self._compress = compress
        self._open: dict[str, tuple[IO[bytes], Sequence[IO[bytes]], tuple[str, str, str]]] = {}
        self.lines: dict[str, int] = {}

    def write(self, name: str, text: str, frame: tuple[str, str, str]) -> None:
        """Add a record to a file, which is made with its beginning when it is new."""
        if name not in self._open:
            self._open[name] = self._new(name, frame)
        elif frame[1]:
            text = frame[1] + text
        self._open[name][0].write(text.encode())
        self.lines[name] = self.lines.get(name, 0) + 1

    def _new(
        self, name: str, frame: tuple[str, str, str]
    ) -> tuple[IO[bytes], Sequence[IO[bytes]], tuple[str, str, str]]:
        compress = self._compress and not name.endswith((".jsonl", ".xml"))
        path = self._folder / (f"{name}.gz" if compress else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = path.open("xb")  # never over a file, and through no link
        stream: IO[bytes] = raw
        if compress:
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6)
            stream = io.BufferedWriter(packed, 1 << 16)
        stream.write(frame[0].encode())
        return stream, (raw,), frame

    def close(self) -> None:
        """End every file."""
        for stream, below, frame in self._open.values():
            stream.write(frame[2].encode())
            stream.close()
            for each in below:
                each.close()
        self._open.clear()
