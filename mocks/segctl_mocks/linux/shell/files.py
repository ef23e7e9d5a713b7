"""A small file system in memory, with owners enough to refuse what a user may not do."""

from __future__ import annotations

import fnmatch
import posixpath
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LAYOUT = """
    / /bin /dev /etc /home /proc /root /run /sbin /tmp /usr /usr/bin /usr/sbin /var /var/lib
    /var/tmp
"""
_SHARED = "/tmp /var/tmp /dev/null /dev/shm"  # noqa: S108  # of the mock, in memory
_FOLDERS = frozenset(_LAYOUT.split())
_OPEN = tuple(_SHARED.split())


@dataclass(slots=True)
class Files:
    """Folders and files by absolute path; every change counts."""

    data: dict[str, bytes] = field(default_factory=dict[str, bytes])
    folders: set[str] = field(default_factory=lambda: {*_FOLDERS})
    lock: threading.RLock = field(default_factory=threading.RLock)
    changes: int = 0
    #: files that the kernel writes anew at each look
    kernel: dict[str, Callable[[], bytes]] = field(default_factory=dict[str, "Callable[[], bytes]"])

    def resolve(self, path: str, cwd: str) -> str:
        """Return a path as absolute and plain."""
        return posixpath.normpath(posixpath.join(cwd, path)).replace("//", "/")

    def check(self, path: str, home: str, *, root: bool) -> None:
        """Refuse a change by a user who may not make it."""
        mine = path == home or path.startswith((f"{home}/", *(f"{each}/" for each in _OPEN)))
        if not root and not mine and path not in _OPEN:
            raise PermissionError(13, "Permission denied", path)

    def is_folder(self, path: str) -> bool:
        """Say whether there is a folder of this path."""
        return path in self.folders

    def exists(self, path: str) -> bool:
        """Say whether there is anything of this path."""
        return path in self.folders or path in self.data or path in ("/dev/null", *self.kernel)

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        with self.lock:
            if path == "/dev/null":
                return b""
            if path in self.kernel:
                return self.kernel[path]()
            if path in self.folders:
                raise IsADirectoryError(21, "Is a directory", path)
            if path not in self.data:
                raise FileNotFoundError(2, "No such file or directory", path)
            return self.data[path]

    def write(self, path: str, content: bytes, *, append: bool = False) -> None:
        """Write a file whose folder exists."""
        with self.lock:
            if path == "/dev/null":
                return
            if path in self.folders:
                raise IsADirectoryError(21, "Is a directory", path)
            if posixpath.dirname(path) not in self.folders:
                raise FileNotFoundError(2, "No such file or directory", path)
            self.data[path] = (self.data.get(path, b"") if append else b"") + content
            self.changes += 1

    def make_folder(self, path: str, *, parents: bool = False) -> None:
        """Make a folder; only ``parents`` takes one that is there."""
        with self.lock:
            if path in self.folders or path in self.data:
                if parents and path in self.folders:
                    return
                raise FileExistsError(17, "File exists", path)
            above = posixpath.dirname(path)
            if above not in self.folders:
                if not parents:
                    raise FileNotFoundError(2, "No such file or directory", path)
                self.make_folder(above, parents=True)
            self.folders.add(path)
            self.changes += 1

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        with self.lock:
            if path not in self.folders:
                raise FileNotFoundError(2, "No such file or directory", path)
            if any(posixpath.dirname(each) == path for each in (*self.data, *self.folders - {"/"})):
                raise OSError(39, "Directory not empty", path)
            self.folders.remove(path)
            self.changes += 1

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, or a folder with all it holds."""
        with self.lock:
            if path in self.data:
                del self.data[path]
            elif path in self.folders and recursive:
                self.folders = {
                    each
                    for each in self.folders
                    if each != path and not each.startswith(f"{path}/")
                }
                self.data = {
                    each: content
                    for each, content in self.data.items()
                    if not each.startswith(f"{path}/")
                }
            elif path in self.folders:
                raise IsADirectoryError(21, "Is a directory", path)
            else:
                raise FileNotFoundError(2, "No such file or directory", path)
            self.changes += 1

    def move(self, source: str, target: str) -> None:
        """Rename a file, atomically."""
        with self.lock:
            if target in self.folders:
                target = posixpath.join(target, posixpath.basename(source))
            if source in self.folders:
                self._move_folder(source, target)
                return
            content = self.read(source)
            self.write(target, content)
            if source != target:
                del self.data[source]

    def _move_folder(self, source: str, target: str) -> None:
        def renamed(path: str) -> str:
            inside = path == source or path.startswith(f"{source}/")
            return target + path[len(source) :] if inside else path

        self.folders = {renamed(each) for each in self.folders}
        self.data = {renamed(each): content for each, content in self.data.items()}
        self.changes += 1

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted."""
        with self.lock:
            found = {*self.data, *self.folders}
            inside = [each for each in found if each != "/" and posixpath.dirname(each) == path]
            return sorted(posixpath.basename(each) for each in inside)

    def glob(self, pattern: str, cwd: str) -> list[str]:
        """Return the paths a pattern matches, in the spelling of the pattern."""
        absolute = pattern.startswith("/")
        parts = [part for part in pattern.split("/") if part]
        found = ["/" if absolute else ""]
        for part in parts:
            following: list[str] = []
            for base in found:
                folder = self.resolve(base or ".", cwd)
                for name in self.names(folder):
                    hidden = name.startswith(".") and not part.startswith(".")
                    if not hidden and fnmatch.fnmatchcase(name, part):
                        following.append(posixpath.join(base, name))
            found = following
        return sorted(found)
