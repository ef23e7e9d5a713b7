"""Files that somebody hands over, read within a bound."""

from __future__ import annotations

import errno
import os
import stat
from os import fstat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

#: Bytes of a file; inventories have the same bound.
MOST: Final = 256 << 20
#: Bytes of one line of a file that is read line by line.
LONGEST: Final = 16 << 20
#: Bytes of a note: a file of one line that segctl keeps beside another one.
NOTE: Final = 4 << 10


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file, each with its end.

    Raises:
        OSError: it cannot be read, or has a line of more than `LONGEST` bytes.
    """
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise OSError(errno.EFBIG, f"a line is longer than {LONGEST >> 20} MiB")
        yield line


def read_bytes(path: Path, opener: Callable[[str, int], int] | None = None) -> bytes:
    """Return what a file holds.

    Args:
        path: the file.
        opener: opens it, as that of Python's `open`.

    Raises:
        OSError: it cannot be read, or has more than `MOST` bytes, if it ends at all.
    """
    with open(path, "rb", opener=opener) as file:
        known = fstat(file.fileno()).st_size  # a device or a pipe has none
        data = file.read(MOST + 1) if known <= MOST else b""
    if max(known, len(data)) > MOST:
        raise OSError(errno.EFBIG, f"is larger than {MOST >> 20} MiB", str(path))
    return data


def read_note(path: Path) -> bytes:
    """Return what a small file holds that lies beside another one.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more than `NOTE` bytes.
    """
    with open(path, "rb", opener=_no_waiting) as file:
        if not stat.S_ISREG(fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        data = file.read(NOTE + 1)
    if len(data) > NOTE:
        raise OSError(errno.EFBIG, f"is larger than {NOTE >> 10} KiB", str(path))
    return data


def _no_waiting(name: str, flags: int) -> int:
    """Open without waiting for somebody to write into a pipe."""
    return os.open(name, flags | os.O_NONBLOCK)
