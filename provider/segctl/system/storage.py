"""The only way segctl writes files, and reads those that nobody else may exchange.

A file is written beside its place under a random name that nobody else can have created, private
from its first byte, and renamed into place when it is complete. `segctl.system.places` resolves the
place.

A refused place is an `UnsafePlaceError`, which is an `OSError` like any other failure to write: its
``strerror`` says why, and what to do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.system.handed import read_bytes
from segctl.system.places import Folder, Place, entry, reach, unsafe, user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import IO, BinaryIO

#: For the owner only: files with content from a device, a secret, or details of the network.
PRIVATE = 0o600
#: Seconds that `extend` waits for others, and between looks whether they are done.
PATIENCE = 30.0
_PAUSE = 0.02
_SHARED_BITS = stat.S_IRWXG | stat.S_IRWXO
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def check(path: Path, *, alone: bool = False) -> Path:
    """Return a path with its links resolved if `write` would put a file there.

    With `alone`, nobody else may be able to put files beside it either.

    Raises:
        UnsafePlaceError: it would not.
        OSError: the folder does not exist.
    """
    with reach(path) as place:
        place.check(alone=alone)
        return path if place.special else place.path


def program(path: Path) -> Path:
    """Return a program's path with its links resolved if only root and this user can exchange it.

    The system opens a program by its path, after this look; so nothing on the way may belong to
    others either. Root also runs the programs of others, in their folders.

    Raises:
        UnsafePlaceError: others could decide what is run.
        OSError: the folder does not exist.
    """
    with reach(path) as place:
        place.check_fixed()
        return place.path


def read(path: Path, guard: Callable[[os.stat_result], None] = lambda _status: None) -> bytes:
    """Return what a file holds that nobody else can exchange, before it is read or meanwhile.

    Args:
        path: the file.
        guard: given the status of the open file, raises what refuses it.

    Raises:
        UnsafePlaceError: others could decide what is read.
        OSError: it cannot be read, or is too large.
    """
    with reach(path) as place:
        place.check()
        way = os.open if place.special else place.open

        def opener(name: str, flags: int) -> int:
            descriptor = way(name, flags)
            try:
                guard(os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

        return read_bytes(path, opener)


def write(path: Path, data: bytes, *, mode: int = PRIVATE, durable: bool = True) -> None:
    """Put a file in its place in one step; if that fails, the previous file stays.

    Args:
        path: the file; a pipe or a terminal gets the bytes as they are.
        data: the content.
        mode: the file's mode, whatever the previous file had.
        durable: return only when the data is on disk.

    Raises:
        UnsafePlaceError: others could decide where it goes.
        OSError: it cannot be written.
    """
    with reach(path) as place:
        place.check()
        if place.special:
            _pour(place, data)
        else:
            _replace(place, data, mode, durable=durable)


def create(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Write a new file; missing folders are created.

    Raises:
        FileExistsError: something is already there.
        UnsafePlaceError: others could decide where it goes.
        OSError: it cannot be written.
    """
    with reach(path, make=True) as place:
        place.check()
        descriptor = os.open(place.name, _NEW, PRIVATE, dir_fd=place.folder.descriptor)
        _fill(place.folder, place.name, descriptor, data, mode, durable=True)
        _sync(place.folder)


def append(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Append to a private file; it and its folders are created if missing.

    Raises:
        UnsafePlaceError: others could decide where it goes, or another user owns it.
        OSError: it cannot be written.
    """
    with reach(path, make=True) as place:
        place.check()
        if place.special:
            _pour(place, data)
            return
        descriptor = _open_own(place, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(descriptor, "ab", buffering=0) as stream:
            _write_all(stream.fileno(), data)
            if durable:
                os.fsync(descriptor)
        if durable and place.found is None:
            _sync(place.folder)


def extend(path: Path, more: Callable[[BinaryIO], bytes], *, patience: float = PATIENCE) -> None:
    """Append to a private file what depends on its content, while no other run may append.

    A write that fails, for want of space for example, leaves the file as it was.

    Args:
        path: the file; it and its folders are created if missing.
        more: given the file to read, returns what is appended; if it raises, nothing is.
        patience: how long to wait, in seconds, for others who append.

    Raises:
        UnsafePlaceError: others could decide where it goes, or another user owns it.
        TimeoutError: another run kept the file for that long.
        OSError: it cannot be written.
    """
    deadline = time.monotonic() + patience
    with reach(path, make=True) as place:
        place.check()
        descriptor = _held_alone(place, deadline)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            data = more(stream)
            size = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        _sync(place.folder)


def _held_alone(place: Place, deadline: float) -> int:
    """Open this user's own file to append, and lock it; whoever holds the lock is waited for.

    A file that was moved away meanwhile is not the one in its place: the new one is opened.
    """
    while True:
        descriptor = _open_own(place, os.O_RDWR | os.O_APPEND)
        try:
            _lock(descriptor, deadline)
            now, held = entry(place.folder, place.name), os.fstat(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if now is not None and (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    while not _locked(descriptor):
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another run is writing to it")
        time.sleep(_PAUSE)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def prepare(path: Path, beside: tuple[str, ...]) -> Path:
    """Create a private file for a library that opens it by path; return the path without links.

    Args:
        path: the file; missing folders are created.
        beside: suffixes the library adds to the name for files of its own.

    Raises:
        UnsafePlaceError: others can write to its folder, or another user owns one of the files.
        OSError: it cannot be created.
    """
    with reach(path, make=True) as place:
        place.check(alone=True)
        folder = place.folder
        with suppress(FileExistsError):
            os.close(os.open(place.name, _NEW, PRIVATE, dir_fd=folder.descriptor))
        # not opened: closing it would release the locks that a library in this process holds on it
        for name in (place.name, *(f"{place.name}{suffix}" for suffix in beside)):
            existing = entry(folder, name)
            if existing is None:
                continue
            # root reads a service's database, in the service's own folder
            owners = {folder.owner, os.geteuid()} if os.geteuid() == 0 else {os.geteuid()}
            _check_own(Place(folder, name, existing), existing, owners)
            if existing.st_mode & _SHARED_BITS:
                os.chmod(name, PRIVATE, dir_fd=folder.descriptor)
        return place.path


def make_folder(path: Path) -> None:
    """Create a private folder, and those above it, if missing.

    Raises:
        UnsafePlaceError: others could decide where it goes.
        OSError: it cannot be created.
    """
    with reach(path / ".segctl", make=True):
        pass


def remove(path: Path) -> None:
    """Remove a file, or a link in its place; it may already be gone.

    Raises:
        UnsafePlaceError: others could decide what is removed.
        OSError: it cannot be removed.
    """
    with reach(path.parent / ".segctl") as place, suppress(FileNotFoundError):
        folder, found = place.folder, entry(place.folder, path.name)
        Place(folder, path.name, None).check()
        if folder.others and found is not None and found.st_uid != os.geteuid():
            raise unsafe(f"it belongs to {user_name(found.st_uid)}")
        os.unlink(path.name, dir_fd=folder.descriptor)


@contextmanager
def temporary_folder(prefix: str) -> Generator[Path]:
    """Yield a private folder for files that libraries write; it is removed afterwards.

    Raises:
        UnsafePlaceError: others could put another in its place, because of where ``TMPDIR`` is.
        OSError: there is no place for it.
    """
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        check(Path(folder, "file"), alone=True)
        yield Path(folder)


def scratch() -> IO[str]:
    """Return a nameless private file for text that outgrows memory; it vanishes when closed."""
    return tempfile.TemporaryFile("w+", encoding="utf-8", prefix="segctl-")


def _replace(place: Place, data: bytes, mode: int, *, durable: bool) -> None:
    folder = place.folder
    scratch = f".segctl-{secrets.token_hex(16)}"
    descriptor = os.open(scratch, _NEW, PRIVATE, dir_fd=folder.descriptor)

    def into_place() -> None:
        os.rename(scratch, place.name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)

    _fill(folder, scratch, descriptor, data, mode, durable=durable, then=into_place)
    if durable:
        _sync(folder)


def _fill(
    folder: Folder,
    name: str,
    descriptor: int,
    data: bytes,
    mode: int,
    *,
    durable: bool,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Fill a new file; it is removed if that or a later step fails."""
    try:
        try:
            _write_all(descriptor, data)
            os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        then()
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder.descriptor)
        raise


def _open_own(place: Place, flags: int) -> int:
    """Open this user's own file and make it private; a missing file is created.

    Raises:
        UnsafePlaceError: another user owns it, it is a link, or has another hard link elsewhere.
    """
    folder, name = place.folder, place.name
    safe = flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(name, safe | os.O_CREAT | os.O_EXCL, PRIVATE, dir_fd=folder.descriptor)
    except FileExistsError:
        descriptor = os.open(name, safe, dir_fd=folder.descriptor)
    try:
        status = os.fstat(descriptor)
        _check_own(place, status, {os.geteuid()})
        if status.st_mode & _SHARED_BITS:
            os.fchmod(descriptor, PRIVATE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_own(place: Place, found: os.stat_result, owners: set[int]) -> None:
    user = user_name(os.geteuid())
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in owners:
        raise unsafe(
            f"{place.path} does not belong to user {user}: remove it, name another file, or run "
            "segctl as its owner"
        )
    if found.st_nlink != 1:
        raise unsafe(f"{place.path} has another name elsewhere (a hard link): remove it")


def _pour(place: Place, data: bytes) -> None:
    """Write to a pipe, a terminal or an open descriptor."""
    if place.stream is not None:
        descriptor = os.dup(place.stream)
    else:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(place.name, flags, dir_fd=place.folder.descriptor)
    try:
        status = os.fstat(descriptor)
        before = place.found
        if before is not None and (status.st_dev, status.st_ino) != (before.st_dev, before.st_ino):
            raise unsafe("it was replaced while it was being opened")
        _write_all(descriptor, data)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(folder: Folder) -> None:
    """Flush a folder's new entry to disk, if the folder can be opened for that."""
    with suppress(OSError):
        descriptor = os.open(".", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder.descriptor)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
