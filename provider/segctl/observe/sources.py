"""Files of records, opened: folders walked, compression undone, lines of bounded length."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import sys
import zlib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STDIN: Final = "-"
_BLOCK: Final = 1 << 20
#: What is left of a block is copied after each of the streams in it, of which it may have many.
_XZ_BLOCK: Final = 1 << 13
#: Longer lines are no records: the longest real ones are threat logs with HTTP headers.
MAX_LINE: Final = 1 << 20
#: Text that expands by more than this is a decompression bomb: logs shrink to a tenth or
#: twentieth, hardly ever to a hundredth. Judged from `_LEAST` bytes on.
MAX_RATIO: Final = 400
_LEAST: Final = 32 << 20
_NO_LINE: Final = f"a line has more than {MAX_LINE:,} bytes: not text records"
#: A file of xz may ask for gigabytes; the strongest setting of xz needs 65 MB.
XZ_MEMORY: int = 128 << 20
#: So much of a file shows what it is.
HEAD: Final = 1 << 16
#: Of what is given, not found by walking: who names a file means it.
_MAGIC: Final = (
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
)
_OTHER_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"\xd4\xc3\xb2\xa1", "a capture of packets: give it to Zeek or Suricata first"),
    (b"\xa1\xb2\xc3\xd4", "a capture of packets: give it to Zeek or Suricata first"),
    (b"\x4d\x3c\xb2\xa1", "a capture of packets: give it to Zeek or Suricata first"),
    (b"\x0a\x0d\x0d\x0a", "a capture of packets: give it to Zeek or Suricata first"),
    (b"\x0c\xa5", "a binary file of nfdump: write it as CSV or JSON first (nfdump -o csv)"),
)


class SourceError(Exception):
    """A file cannot be read, or not any further; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that is given or found in a folder; `path` is None for standard input.

    `data` is what a device told instead. A part of a plain file has the places of its first byte
    and of the one after its last, None for the end of the file.
    """

    name: str
    path: Path | None
    data: bytes | None = None
    first: int = 0
    last: int | None = None

    @property
    def part(self) -> bool:
        """Whether it is a part of a file."""
        return self.first > 0 or self.last is not None


def found(names: Sequence[str]) -> Iterator[Source]:
    """Yield the files that are named, and all in folders that are, in the order of their names.

    Links within folders are not followed; what is neither a file nor a folder is left out there. A
    folder that cannot be listed is yielded as a file that cannot be opened.

    Raises:
        UsageError: something named does not exist.
    """
    for name in names:
        path = Path(name)
        if name == STDIN:
            yield Source(name="standard input", path=None)
            continue
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise UsageError(f"{name}: there is no such file or folder") from None
        except (OSError, ValueError) as error:
            raise UsageError(f"{name}: it cannot be looked at: {error}") from None
        if S_ISDIR(mode):
            yield from (Source(name=str(one), path=one) for one in _walked(path))
        else:
            yield Source(name=name, path=path)


def _walked(folder: Path) -> Iterator[Path]:
    failed: list[OSError] = []
    for top, folders, files in os.walk(folder, onerror=failed.append):
        folders.sort()
        for name in sorted(files):
            path = Path(top, name)
            if not name.startswith(".") and _may_be_file(path):
                yield path
    yield from (Path(str(error.filename)) for error in failed)


def _may_be_file(path: Path) -> bool:
    """Whether a path in a folder is a file, or cannot be looked at: opening it says why."""
    try:
        return S_ISREG(path.lstat().st_mode)
    except OSError:
        return True


def digest_of(source: Source) -> str:
    """Return the SHA-256 of a whole file; nothing where it cannot be read any more."""
    try:
        with _opened(source) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type] # it is read by readinto, which IO has not
    except (OSError, SourceError):
        return ""


class Text:
    """The text of one source: its head, and its lines.

    `lines` may be read once; `once` says that nothing of it can be read again, as of a pipe. `cut`
    says why the text ends before its end, if it does, `problem` why it is not read any further: it
    is a decompression bomb, or a line has no end. What was read until then stays usable. `packed`
    says that it was compressed.
    """

    def __init__(self, source: Source, *, digest: bool = False) -> None:
        """Open a source; with `digest`, work out the digest of its bytes while they are read.

        Raises:
            SourceError: it cannot be opened, or is of a kind that holds no lines.
        """
        self.cut = self.problem = ""
        file = _opened(source)
        self.once = not file.seekable()
        size = None if source.last is None else source.last - source.first
        self._raw = _Counted(file, digest=digest, size=size)
        self._drained = source.path is not None
        self._begins = source.first == 0
        self._file: _Readable
        if source.part:
            self._file, self.packed = io.BufferedReader(self._raw, 1 << 16), False
            self._head = self._block(HEAD)
            self._made = len(self._head)
            return
        self._file, self.packed = _unpacked(self._raw)
        self._head = self._block(HEAD)
        kind = next((why for magic, why in _OTHER_MAGIC if self._head.startswith(magic)), "")
        if self._head[257:262] == b"ustar":
            kind = "a tar archive: unpack it first"
        if any(self._head.startswith(magic) for magic, _ in _MAGIC):
            kind = "compressed twice: unpack it first"
        if kind:
            self.close()
            raise SourceError(f"it is {kind}")
        self._made = len(self._head)

    @property
    def head(self) -> str:
        """The beginning of the text, at most 64 KiB."""
        return self._head.decode("utf-8-sig", "backslashreplace")

    def close(self) -> None:
        """Close the source."""
        self._raw.close()

    def digest(self) -> str:
        """Return the SHA-256 of a whole file, or of what was read of standard input."""
        while self._drained and self._raw.read(_BLOCK):
            pass
        return self._raw.hash.hexdigest()

    def lines(self) -> Iterator[str]:
        """Yield every line without its end; bytes that are not UTF-8 are shown as escapes."""
        rest = b""
        for block in self._blocks():
            whole, end, tail = block.rpartition(b"\n")
            if not end:
                rest += block
                if len(rest) > MAX_LINE:
                    self.problem = _NO_LINE
                    return
                continue
            if len(rest) + block.find(b"\n") > MAX_LINE:
                self.problem = _NO_LINE
                return
            text = (rest + whole).decode("utf-8", "backslashreplace")
            yield from text.replace("\r", "").split("\n")
            rest = tail
        if rest:
            yield rest.decode("utf-8", "backslashreplace").rstrip("\r")

    def blocks(self) -> Iterator[bytes]:
        """Yield the whole text in blocks, for readers that need no lines."""
        yield from self._blocks()

    def _blocks(self) -> Iterator[bytes]:
        block = self._head.removeprefix(b"\xef\xbb\xbf") if self._begins else self._head
        while block:
            yield block
            block = self._block(_BLOCK)
            self._made += len(block)
            if self.packed and self._made > max(_LEAST, MAX_RATIO * self._raw.taken):
                self.problem = (
                    f"it expands to more than {MAX_RATIO} times its size, as a decompression bomb "
                    "does; unpack it yourself if you trust it"
                )
                return

    def _block(self, size: int) -> bytes:
        """Return the next bytes; where the archive is cut off, what there is of them."""
        if self.cut:
            return b""
        parts = io.BytesIO()
        try:
            while parts.tell() < size:
                part = self._file.read(min(size - parts.tell(), 1 << 16))
                if not part:
                    break
                parts.write(part)
        except EOFError:
            self.cut = "the compressed file is cut off"
        except (OSError, zlib.error, lzma.LZMAError, ValueError) as error:
            self.cut = f"it cannot be read to its end: {error}"
        return parts.getvalue()


class _Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""
        ...


class _Counted(io.RawIOBase):
    """A file that counts how many bytes were taken from it, and may hash them."""

    def __init__(self, file: IO[bytes], *, digest: bool, size: int | None = None) -> None:
        super().__init__()
        self._file = file
        self._size = sys.maxsize if size is None else size
        self._digest = digest
        self.hash = hashlib.sha256()
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._size - self.taken))
        buffer[: len(data)] = data
        self.taken += len(data)
        if self._digest:
            self.hash.update(data)
        return len(data)

    def close(self) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()
        super().close()


def _opened(source: Source) -> IO[bytes]:
    if source.data is not None:
        return io.BytesIO(source.data)
    if source.path is None:
        return sys.stdin.buffer
    try:
        file = source.path.open("rb")
        if source.first:
            file.seek(source.first)
        if source.first:
            file.seek(source.first)
    except OSError as error:
        raise SourceError(f"it cannot be opened: {error.strerror}") from error
    return file


def _unpacked(raw: _Counted) -> tuple[_Readable, bool]:
    """Return the plain content of a file, and whether it is compressed."""
    buffered = io.BufferedReader(raw, 1 << 16)
    try:
        start = buffered.peek(8)
    except OSError as error:
        raise SourceError(f"it cannot be read: {error.strerror}") from error
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), "")
    match kind:
        case "gz":
            return gzip.GzipFile(fileobj=buffered), True
        case "bz2":
            return bz2.BZ2File(buffered), True
        case "xz":
            return _Xz(buffered), True
        case "zst":
            return _Zstandard(buffered), True
        case _:
            return buffered, False


class _Xz:
    """The content of an xz file, of one stream or several, in bounded memory."""

    def __init__(self, raw: _Readable) -> None:
        self._raw = raw
        self._decoder = _xz_decoder()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            EOFError: the file is cut off.
            lzma.LZMAError: it is damaged, or wants more memory than it gets.
        """
        while True:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data or self._raw.read(_XZ_BLOCK)
                while data and not (data := data.lstrip(b"\0")):
                    data = self._raw.read(_XZ_BLOCK)  # the padding goes on
                if not data:
                    return b""
                self._decoder = _xz_decoder()
            elif self._decoder.needs_input:
                data = self._raw.read(_XZ_BLOCK)
                if not data:
                    raise EOFError
            found = self._decoder.decompress(data, size)
            if found:
                return found


def _xz_decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


class _Zstandard:
    """The content of a file that zstd has compressed, whose library's error is one of its own."""

    def __init__(self, raw: _Readable) -> None:
        """Begin to read.

        Raises:
            SourceError: no library that reads it is installed.
        """
        self._library = _zstd_library()
        self._file: _Readable = self._library.ZstdFile(raw)

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end.

        Raises:
            EOFError: the file is cut off.
            ValueError: it is damaged, or wants more memory than it gets, which is 128 MB.
        """
        try:
            return self._file.read(size)
        except self._library.ZstdError as error:
            raise ValueError(str(error)) from None


def _zstd_library() -> Any:
    """Return the library that Python has from 3.14 on, or the same one for those before."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise SourceError(
        "it is compressed with zstd, which needs Python 3.14 or segctl[zstd]: install that, or "
        "unpack it first (zstd -d)"
    )
