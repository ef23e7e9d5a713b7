"""Files cut into pieces that others can read, and whether they see the same file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Final

from segctl.observe.readers import reader_of
from segctl.observe.sources import MAX_LINE, SourceError, Text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl.observe.sources import Source

#: A plain file is cut into pieces of about this size where each of its lines is read by itself.
PIECE: Final = 64 << 20
#: So much of both ends of a piece shows whether it is the same one.
_ENDS: Final = 1 << 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file or a part of one: the size of the file, and a mark of the ends of the piece.

    `format` is that of the file, empty where it is read as a whole: then it says so itself.
    """

    source: Source
    size: int
    mark: str
    format: str = ""


class UnseenError(Exception):
    """A piece is not there, or is not the same; the message says which."""


def cut(source: Source, size: int = PIECE) -> tuple[Piece, ...]:
    """Return the pieces of a file; none where only this process can read it, or nobody can."""
    if source.path is None:
        return ()
    source = replace(source, path=source.path.absolute())  # others work in other folders
    try:
        with closing(Text(source)) as text:
            if text.once:
                return ()
            reader = reader_of(text.head)
            whole = text.packed or reader is None or not reader.apart
        with _of(source).open("rb") as file:
            parts = [source] if whole else [*_parts(source, file, size)]
            length = file.seek(0, 2)
            return tuple(
                Piece(
                    source=part,
                    size=length,
                    mark=_mark(file, part, length),
                    format=reader.name if reader is not None and len(parts) > 1 else "",
                )
                for part in parts
            )
    except (OSError, SourceError):
        return ()  # whoever reads it says why


def _parts(source: Source, file: IO[bytes], size: int) -> Iterator[Source]:
    """Yield parts of about so many bytes, each of whole lines; the last one has all the rest."""
    length, first = file.seek(0, 2), 0
    while length - first > size:
        file.seek(first + size)
        line = file.readline(MAX_LINE + 1)
        last = file.tell()
        if not line.endswith(b"\n") or last >= length:
            break
        yield replace(source, first=first, last=last)
        first = last
    yield replace(source, first=first)


def _of(source: Source) -> Path:
    if source.path is None:
        raise ValueError("only files are cut into pieces")
    return source.path


def _mark(file: IO[bytes], part: Source, length: int) -> str:
    last = length if part.last is None else part.last
    found = blake2b(digest_size=16)
    for place in (part.first, max(part.first, last - _ENDS)):
        file.seek(place)
        found.update(file.read(min(_ENDS, last - place)))
    return found.hexdigest()


def refuse_unseen(piece: Piece) -> None:
    """Refuse a piece that this machine does not have, or has otherwise.

    Raises:
        UnseenError: the file is not there, cannot be read, or is another one.
    """
    try:
        with _of(piece.source).open("rb") as file:
            length = file.seek(0, 2)
            same = length == piece.size and _mark(file, piece.source, length) == piece.mark
    except OSError as error:
        raise UnseenError(f"it cannot be opened: {error.strerror}") from error
    if not same:
        raise UnseenError("it is another file, or has changed")
