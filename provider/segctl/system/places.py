"""Resolves a file's place so that no other user of this machine can influence it.

The path is walked folder by folder, each held open, so that nothing on it can be exchanged
meanwhile: a link is followed only if root or this user made it, and an entry of a folder that
others can write to must belong to root or to this user. Files are not put into such a folder
unless it is sticky.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_PRIVATE_FOLDER = 0o700
_ROOT = 0
_MOST_LINKS = 40
#: A folder is only passed through, which does not need the right to list it.
_WALK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafePlaceError(PermissionError):
    """Another user of this machine could decide where a file goes, or what it contains."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is held open; `others` says who else can write to it, if anybody can.

    `owner` is a user id. `exchanged` says who can put another folder in its place, if anybody can:
    who holds it open does not notice, but who opens it again by its path does not find it.
    """

    descriptor: int
    path: str
    owner: int
    sticky: bool
    others: str
    exchanged: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file goes, and what is there now; or `stream`, an open descriptor."""

    folder: Folder
    name: str
    found: os.stat_result | None
    stream: int | None = None

    @property
    def path(self) -> Path:
        """The path with all links resolved."""
        return Path(self.folder.path, self.name)

    @property
    def special(self) -> bool:
        """Whether it is written to like a pipe or a terminal."""
        mode = self.found.st_mode if self.found else 0
        return self.stream is not None or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)

    def open(self, _name: str, flags: int) -> int:
        """Open the file in the folder that is held open, as the `opener` of Python's `open`."""
        return os.open(self.name, flags | os.O_NOFOLLOW, dir_fd=self.folder.descriptor)

    def check(self, *, alone: bool = False) -> None:
        """Refuse an unsafe place; with `alone`, also if others can put files beside this one.

        Nor can others then exchange the folder before somebody opens it by its path.

        Raises:
            UnsafePlaceError: others can write to the folder, or the file belongs to another user.
            OSError: something other than a file is there.
        """
        if self.stream is not None:
            return
        folder = self.folder
        if folder.others and (alone or not folder.sticky):
            raise unsafe(
                f"{folder.others} can write to {folder.path}, and so decide what is read from or "
                f"written to a file there: chmod go-w {folder.path}, or use a folder of your own "
                "(mkdir -m 700 FOLDER)"
            )
        if folder.exchanged and alone:
            raise unsafe(
                f"{folder.exchanged}, and so exchange the way to {folder.path} at any time: use a "
                "folder of your own (mkdir -m 700 FOLDER) in one of your own"
            )
        if self.found is None:
            return
        mode = self.found.st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if not (stat.S_ISREG(mode) or self.special):
            raise unsafe("it is neither a file nor a pipe: name a file")
        foreign = self.found.st_uid != os.geteuid()
        if foreign and (folder.others or (self.special and self.found.st_uid != _ROOT)):
            raise unsafe(
                f"it already exists and belongs to {user_name(self.found.st_uid)}: remove it, or "
                "use a folder of your own (mkdir -m 700 FOLDER)"
            )

    def check_fixed(self) -> None:
        """Refuse what others can exchange after this look, before somebody opens it by its path.

        Raises:
            UnsafePlaceError: they can.
            OSError: something other than a file is there.
        """
        self.check()
        folder = self.folder
        owners = {folder.owner, self.found.st_uid if self.found else folder.owner}
        strangers = owners - {_ROOT, os.geteuid()} if os.geteuid() != _ROOT else set[int]()
        if strangers or folder.exchanged:
            reason = folder.exchanged or f"{user_name(min(strangers))} can exchange it"
            raise unsafe(
                f"{reason}, also between the look and the use: use a folder of your own "
                "(mkdir -m 700 FOLDER) in one of your own"
            )


def unsafe(reason: str) -> UnsafePlaceError:
    """Return the error for a place that is refused for this reason."""
    return UnsafePlaceError(errno.EPERM, reason)


@contextmanager
def reach(path: Path, *, make: bool = False) -> Generator[Place]:
    """Walk to a file's folder and hold it open; with `make`, missing folders are created.

    Errors name the path that was given.
    """
    try:
        with ExitStack() as held:
            yield _Walk(held, make=make).to(path)
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


class _Walk:
    """A walk through folders, each opened in the one before it and none through a link."""

    def __init__(self, held: ExitStack, *, make: bool) -> None:
        self._held = held
        self._make = make
        root = self._keep(os.open("/", _WALK), "/")
        self._trail = [root]

    def to(self, path: Path) -> Place:
        """Return the place at the end of a path."""
        if "\0" in str(path):
            raise OSError(errno.EINVAL, "the name contains a NUL character")
        rest = [*reversed(_parts(str(Path.cwd() / path)))]
        links = 0
        while rest:
            name, folder = rest.pop(), self._trail[-1]
            if name == "..":
                self._trail = self._trail[:-1] or self._trail
                continue
            if folder.path == f"/proc/{os.getpid()}/fd" and name.isdecimal():
                return Place(folder, name, None, stream=int(name))
            existing = entry(folder, name)
            if existing is not None and stat.S_ISLNK(existing.st_mode):
                links += 1
                rest += self._followed(folder, name, existing, links)
            elif rest:
                self._enter(folder, name, existing)
            else:
                return Place(folder, name, existing)
        raise IsADirectoryError(errno.EISDIR, "it is a folder")

    def _followed(self, folder: Folder, name: str, found: os.stat_result, links: int) -> list[str]:
        """Return where a link leads, last part first."""
        link = Path(folder.path, name)
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, f"too many links, such as {link}")
        if found.st_uid not in {_ROOT, os.geteuid()}:
            raise unsafe(
                f"{link} is a link that {user_name(found.st_uid)} made, so it is not followed: "
                "name the place itself"
            )
        if folder.others and not folder.sticky:
            raise unsafe(
                f"{link} is a link in a folder that {folder.others} can write to, so it is not "
                f"followed: name the place itself, or chmod go-w {folder.path}"
            )
        if folder.owner not in {_ROOT, os.geteuid()}:
            raise unsafe(
                f"{link} is a link in a folder of {user_name(folder.owner)}, who can exchange it, "
                "so it is not followed: name the place itself"
            )
        target = os.readlink(name, dir_fd=folder.descriptor)
        if target.startswith("/"):
            self._trail = self._trail[:1]
        return [*reversed(_parts(target))]

    def _enter(self, folder: Folder, name: str, found: os.stat_result | None) -> None:
        path = str(Path(folder.path, name))
        if found is None and self._make:
            Place(folder, name, None).check()
            with suppress(FileExistsError):
                os.mkdir(name, _PRIVATE_FOLDER, dir_fd=folder.descriptor)
        elif found is None:
            raise FileNotFoundError(errno.ENOENT, f"there is no folder {path}")
        entered = self._keep(
            os.open(name, _WALK, dir_fd=folder.descriptor), path, folder.exchanged or _loose(folder)
        )
        if folder.others and entered.owner not in {_ROOT, os.geteuid()}:
            raise unsafe(
                f"{path} belongs to {user_name(entered.owner)} and is in a folder that "
                f"{folder.others} can write to: use a folder of your own (mkdir -m 700 FOLDER)"
            )
        self._trail.append(entered)

    def _keep(self, descriptor: int, path: str, exchanged: str = "") -> Folder:
        self._held.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        sticky = bool(status.st_mode & stat.S_ISVTX)
        others = _others(status, descriptor)
        return Folder(descriptor, path, status.st_uid, sticky, others, exchanged)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def entry(folder: Folder, name: str) -> os.stat_result | None:
    """Return a folder's entry of this name, without following a link; None if there is none."""
    try:
        return os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return None


# --- who else can write --------------------------------------------------------------------------


def _loose(folder: Folder) -> str:
    """Return who else can exchange the folders in this one, if anybody can.

    Root works in the folders of services and of whoever started its container.
    """
    if folder.others and not folder.sticky:
        return f"{folder.others} can write to {folder.path}"
    if folder.owner not in {_ROOT, os.geteuid()} and os.geteuid() != _ROOT:
        return f"{user_name(folder.owner)} can write to {folder.path}"
    return ""


def _others(found: os.stat_result, descriptor: int) -> str:
    """Return who besides root, the owner and this user can write to a folder, if anybody can."""
    if found.st_mode & stat.S_IWOTH:
        return "every user of this machine"
    if not found.st_mode & stat.S_IWGRP:
        return ""
    if _has_acl(descriptor):
        return "whoever its access list (getfacl) names"
    return _shared_group(found.st_gid, os.geteuid())


def _has_acl(descriptor: int) -> bool:
    """Return whether the group bits stand for an access list (Linux)."""
    if not hasattr(os, "getxattr"):
        return False
    with suppress(OSError):  # there is none, or the file system has none
        return bool(os.getxattr(f"/proc/self/fd/{descriptor}", "system.posix_acl_access"))
    return False


@cache
def _shared_group(gid: int, uid: int) -> str:
    """Return a text for a group if somebody besides root and user `uid` is or may be in it.

    A group without a name is the user's own if both have the same number, as in containers. So is
    a group without other members, unless it is the user's primary group under another name:
    members of a directory service's primary groups cannot be listed.
    """
    try:
        account = pwd.getpwuid(uid)
        name, first = account.pw_name, account.pw_gid
    except KeyError:
        name, first = "", -1
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return "" if gid == uid else f"group {gid}"
    ours = {"root", name}
    members = {*group.gr_mem} | {one.pw_name for one in pwd.getpwall() if one.pw_gid == gid}
    common = gid == first and group.gr_name != name and gid != _ROOT
    return f"group {group.gr_name}" if members - ours or common else ""


def user_name(uid: int) -> str:
    """Return a user's name, or the number."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
