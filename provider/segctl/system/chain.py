"""A file of entries of which each holds the hash of the one before it, so that edits show.

One JSON object per line: ``seq`` counts from 1, ``prev`` is the hash of the entry before, and
``hash`` is the SHA-256 of the entry without it, in canonical form. Beside the file lies its head,
the number and hash of the last entry: it is written after the entry, and by several runs in any
order, so it may be behind but never ahead. A line that a dying run left incomplete stays, and the
next entry declares it by its hash.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from segctl.model.errors import JournalError
from segctl.system import storage
from segctl.system.handed import LONGEST, read_note
from segctl.system.inert import inert_json
from segctl.system.json_text import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

#: What the first entry follows.
NOTHING: Final = "sha256:" + "0" * 64
#: Keys that the chain gives each entry; `TORN` only where incomplete lines lie before it.
SEQ, PREV, HASH, TORN = "seq", "prev", "hash", "torn"
_HEAD: Final = re.compile(r"([1-9][0-9]{0,14}):(sha256:[0-9a-f]{64})")
_BLOCK: Final = 1 << 16
#: Lines after the last entry; each run that died left one.
_MOST_TORN: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last entry of a chain: its number and its hash, written ``42:sha256:…``."""

    seq: int = 0
    hash: str = NOTHING

    def __str__(self) -> str:
        """Return it as `read_head` reads it."""
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a chain; `line` counts from 1, 0 where no line is meant.

    `kind` is ``edited``, ``removed``, ``reordered``, ``replaced``, ``unreadable`` or
    ``truncated``.
    """

    kind: str
    line: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The entries of a file in their order, what is wrong with them, and what is to be known."""

    entries: tuple[Mapping[str, Any], ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    head: Head = Head()


def read_head(text: str) -> Head | None:
    """Return the head that a text is; None if it is none."""
    match = _HEAD.fullmatch(text.strip())
    return Head(seq=int(match[1]), hash=match[2]) if match else None


# --- reading -------------------------------------------------------------------------------------


def read_chain(lines: Iterable[bytes], kept: Sequence[tuple[str, Head]] = ()) -> Chain:
    """Return what the lines of a file hold, and every fault of the chain.

    Args:
        lines: the file's lines, each with its line end.
        kept: heads that were kept elsewhere, each with what it is called: the chain must have them.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        reader.take(number, line)
    reader.close()
    entries, faults = tuple(reader.entries), list(reader.faults)
    hashes = {int(entry[SEQ]): str(entry[HASH]) for entry in entries}
    for name, head in kept:
        held = hashes.get(head.seq)
        if held is None:
            text = f"entry {head.seq}, which {name} names, is missing"
            faults.append(Fault(kind="truncated", line=0, message=text))
        elif held != head.hash:
            text = f"entry {head.seq} is not the one that {name} names"
            faults.append(Fault(kind="replaced", line=0, message=text))
    head = Head(seq=int(entries[-1][SEQ]), hash=entries[-1][HASH]) if entries else Head()
    return Chain(entries=entries, faults=tuple(faults), notes=tuple(reader.notes), head=head)


class _Reader:
    """Follows a chain line by line."""

    def __init__(self) -> None:
        self.entries: list[Mapping[str, Any]] = []
        self.faults: list[Fault] = []
        self.notes: list[str] = []
        self._last = Head()
        self._odd: list[tuple[int, bytes]] = []

    def take(self, number: int, line: bytes) -> None:
        """Take the next line."""
        entry = _entry(line)
        if entry is None:
            self._odd.append((number, line))
            return
        self._odd_before(entry)
        seq, before = int(entry[SEQ]), self._last
        if hash_of(entry) != entry[HASH]:
            self._fault("edited", number, f"entry {seq} was edited: it does not have its own hash")
        if seq > before.seq + 1:
            last = f" to {seq - 1}" if seq > before.seq + 2 else ""
            self._fault("removed", number, f"before it, entry {before.seq + 1}{last} is missing")
        elif seq <= before.seq:
            self._fault(
                "reordered", number, f"entry {seq} stands after entry {before.seq}, not before it"
            )
        elif entry[PREV] != before.hash:
            self._fault(
                "replaced",
                number,
                f"entry {seq} does not follow from what stands before it: "
                f"{'that was exchanged' if before.seq else 'the beginning was removed'}",
            )
        self.entries.append(entry)
        self._last = Head(seq=seq, hash=str(entry[HASH]))

    def close(self) -> None:
        """Tell what stands at the end: a run that died left it, and the next entry declares it."""
        for number, line in self._odd:
            self.notes.append(
                f"line {number}, at the end, is incomplete ({len(line)} bytes): a run died while "
                "it wrote there; the next entry will say so"
            )

    def _odd_before(self, entry: Mapping[str, Any]) -> None:
        odd, self._odd = self._odd, []
        if not odd:
            return
        if entry.get(TORN) == _sum(b"".join(line for _, line in odd)):
            first = odd[0][0]
            self.notes.append(
                f"line {first} is incomplete: a run died while it wrote there, as entry "
                f"{entry[SEQ]} says"
            )
            return
        for at, line in odd:
            self._unreadable(at, line)

    def _unreadable(self, number: int, line: bytes) -> None:
        self._fault("unreadable", number, f"this is no entry ({len(line)} bytes)")

    def _fault(self, kind: str, line: int, message: str) -> None:
        self.faults.append(Fault(kind=kind, line=line, message=message))


def _entry(line: bytes) -> Mapping[str, Any] | None:
    """Return the entry in a line; None where it is not one.

    An entry is whole with its last brace: a run may have died between that and the line end.
    """
    try:
        found = read_json(line)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    entry = cast("dict[str, Any]", found)
    seq, texts = entry.get(SEQ), (entry.get(PREV), entry.get(HASH))
    counted = isinstance(seq, int) and not isinstance(seq, bool) and seq > 0
    return entry if counted and all(isinstance(text, str) for text in texts) else None


def hash_of(entry: Mapping[str, Any]) -> str:
    """Return ``sha256:…`` of an entry without its hash, in canonical form."""
    bare = {key: value for key, value in entry.items() if key != HASH}
    return _sum(json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode())


def _sum(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


# --- writing -------------------------------------------------------------------------------------


def add(path: Path, entries: Iterable[Mapping[str, Any]]) -> Head:
    """Append entries, all of them in one write, and return the new head.

    Raises:
        JournalError: the chain's end is not what it was, or the file cannot be written.
    """
    given = tuple(entries)
    ended: list[Head] = []

    def more(stream: BinaryIO) -> bytes:
        end = _end(path, stream)
        lines, head = linked(given, end.head, end.torn)
        ended.append(head)
        return (b"\n" if end.open else b"") + b"".join(lines)

    try:
        storage.extend(path, more)
    except OSError as error:
        reason = error.strerror or str(error)
        raise JournalError(f"the journal {path} cannot be written ({reason})") from error
    (head,) = ended
    _keep_head(path, head)
    return head


def linked(
    entries: Iterable[Mapping[str, Any]], head: Head, torn: bytes = b""
) -> tuple[list[bytes], Head]:
    """Return the lines of entries that follow `head`, and the new head. Pure.

    The first of them declares the incomplete lines `torn` that stand before it.
    """
    lines: list[bytes] = []
    for entry in entries:
        made: dict[str, Any] = {**entry, SEQ: head.seq + 1, PREV: head.hash}
        if torn:
            made, torn = {**made, TORN: _sum(torn)}, b""
        made[HASH] = hash_of(made)
        lines.append(inert_json(json.dumps(made, sort_keys=True)).encode() + b"\n")
        head = Head(seq=made[SEQ], hash=made[HASH])
    return lines, head


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """The end of a file: its last entry, what stands after it, and whether that line is open."""

    head: Head
    torn: bytes = b""
    open: bool = False


def _end(path: Path, stream: BinaryIO) -> _End:
    """Return the end of a chain.

    Raises:
        JournalError: the last entry was edited, or entries at the end were removed.
    """
    head, open_, size = Head(), False, 0
    lines: list[bytes] = []
    for number, line in enumerate(_backwards(stream)):
        open_ = open_ or (number == 0 and not line.endswith(b"\n"))
        size += len(line)
        if size > LONGEST or len(lines) >= _MOST_TORN:
            raise _damaged(path, f"there is no entry in its last {size} bytes")
        entry = _entry(line)
        if entry is None:
            lines.append(line)
            continue
        if hash_of(entry) != entry[HASH]:
            raise _damaged(path, f"its last entry, {entry[SEQ]}, was edited")
        head = Head(seq=int(entry[SEQ]), hash=str(entry[HASH]))
        break
    noted = head_of(path)
    if noted is not None and (
        noted.seq > head.seq or (noted.seq == head.seq and noted.hash != head.hash)
    ):
        raise _damaged(path, f"entry {noted.seq}, which {head_file(path).name} names, is missing")
    torn = b"".join(reversed(lines))
    # the line end that closes an open line becomes a part of it
    return _End(head=head, torn=torn + b"\n" if torn and open_ else torn, open=open_)


def _damaged(path: Path, why: str) -> JournalError:
    return JournalError(
        f"the journal {path} is damaged: {why}. Run segctl history verify; then keep it, with "
        f"{head_file(path).name}, in another place as evidence, so that a new one begins"
    )


def _backwards(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, the last one first, each with its line end if it has one.

    A line longer than `LONGEST` comes without its beginning, as the last one that is yielded.
    """
    place = stream.seek(0, 2)
    rest = b""
    while place and len(rest) <= LONGEST:
        step = min(_BLOCK, place)
        place -= step
        stream.seek(place)
        rest = stream.read(step) + rest
        (first, *lines) = _split(rest)
        yield from reversed(lines)
        rest = first
    if rest:
        yield rest


def _split(data: bytes) -> list[bytes]:
    r"""Split at ``\n`` only."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def head_file(path: Path) -> Path:
    """Return the path of the file that has a chain's head."""
    return path.with_name(f"{path.name}.head")


def head_of(path: Path) -> Head | None:
    """Return the head that is noted beside a file; None where there is none.

    Raises:
        JournalError: it cannot be read, or is none.
    """
    file = head_file(path)
    try:
        text = read_note(file).decode("ascii", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{file} cannot be read ({error.strerror})") from error
    head = read_head(text)
    if head is None:
        raise JournalError(f"{file} does not hold the head of a journal: it was edited")
    return head


def _keep_head(path: Path, head: Head) -> None:
    try:
        storage.write(head_file(path), f"{head}\n".encode())
    except OSError as error:
        reason = error.strerror or str(error)
        raise JournalError(f"{head_file(path)} cannot be written ({reason})") from error
