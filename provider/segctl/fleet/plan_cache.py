"""A cache of plans on disk, so that device documents seen before are not parsed again.

An entry depends only on its key: the document, the desired policy, and the code that compares them.
If anything is wrong with an entry, its file or the folder, the document is parsed. Entries are
JSON, in a folder and in files that only their owner can write.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from segctl.model.errors import UnsupportedError
from segctl.planning.documents import device_json, device_of
from segctl.providers.base import Steady, announced
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _typeshed import DataclassInstance

    from segctl.compiler.build import Desired
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Provider

FORMAT = "segctl-plans-1"
MAX_ENTRY = 8 * 2**20
MAX_TOTAL = 512 * 2**20
MAX_AGE = 30 * 86400.0
#: A file modified less than this many seconds ago may change without a change of its times.
_FRESH = 10.0
#: Threads that all begin at once would hash the code once each.
_HASHING = threading.Lock()
_HEAD = 64  # of an entry's file: the SHA-256 of the rest and its key


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a plan depends on.

    `exact` keys cover the whole document. Others leave out what changes by itself (clocks,
    counters), and are used only for plans without changes.
    """

    text: str
    exact: bool


def key_of(
    desired: Desired, document: bytes, provider: Provider, purpose: str = "plan"
) -> Key | None:
    """Return the key of a plan for a purpose; None if it is unknown what the plan depends on."""
    with _HASHING:
        code = _code(desired.device.platform)
    exact = not isinstance(provider, Steady)
    steady = provider.steady(document) if isinstance(provider, Steady) else document
    try:
        wanted = json.dumps(desired, default=_plain, separators=(",", ":"))
    except (TypeError, ValueError):
        return None
    parts = (
        FORMAT,
        purpose,
        code,
        hashlib.sha256(wanted.encode()).hexdigest(),
        hashlib.sha256(steady).hexdigest(),
    )
    text = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Key(text=text, exact=exact) if code else None


def _plain(value: object) -> object:
    """Return a value as JSON types, with the name of its type."""
    kind = type(value)
    if is_dataclass(kind):
        return _taken_apart(kind)(value)
    if isinstance(value, (set, frozenset)):
        return [kind.__qualname__, *sorted(map(repr, cast("set[object]", value)))]
    if kind.__module__ not in ("ipaddress", "datetime", "pathlib"):
        raise TypeError(kind.__qualname__)
    return [kind.__qualname__, str(value)]


@cache
def _taken_apart(kind: type[DataclassInstance]) -> Callable[[object], tuple[object, ...]]:
    """Return a function that makes a tuple of a dataclass's name and all its fields."""
    get = attrgetter(*(one.name for one in fields(kind)), "__class__.__qualname__")
    return lambda value: tuple(get(value))


@cache
def _code(platform_name: str) -> str:
    """Return a digest that identifies segctl's and the provider's code; '' if there are no files.

    It covers the path, size and times of each file, because reading them all would take longer
    than planning a small device. Only files that were modified a moment ago are read: they could
    change again before the clock's next tick.
    """
    try:
        found = announced(platform_name)
    except UnsupportedError:
        return ""
    digest = hashlib.sha256(f"{platform.python_version()} {found.value}".encode())
    for package in sorted({"segctl", found.module.partition(".")[0]}):
        spec = find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec else []
        if spec is not None and not places and spec.has_location and spec.origin:
            places = [spec.origin]
        files = {file: found for place in places for file, found in _files(place)}
        if not files:
            return ""
        for file in sorted(files):
            status = files[file]
            stamp = (status.st_dev, status.st_ino, status.st_size)
            times = (status.st_mtime_ns, status.st_ctime_ns)
            digest.update(f"{file} {stamp} {times}\n".encode())
            if time.time() - status.st_ctime < _FRESH:
                digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def _files(place: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files at or below a path, without compiled code."""
    if not os.path.isdir(place):  # noqa: PTH112 - paths are text, for speed
        yield place, os.stat(place)  # noqa: PTH116 - paths are text, for speed
        return
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = f"{folder}/{name}"
            with suppress(FileNotFoundError):  # a broken link is not code
                yield path, os.stat(path)  # noqa: PTH116 - as above


class PlanCache:
    """Plans by key, in one folder; without a folder the cache is empty."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._written = False

    @classmethod
    def of_user(cls, environment: Mapping[str, str] | None = None) -> PlanCache:
        """Return the cache in ``$XDG_CACHE_HOME/segctl``, or an empty one if that is unsafe."""
        env = os.environ if environment is None else environment
        named = env.get("XDG_CACHE_HOME", "")
        home = env.get("HOME", "")
        base = Path(named) if Path(named).is_absolute() else Path(home) / ".cache"
        if not base.is_absolute():
            return cls(None)
        folder = base / "segctl"
        with suppress(OSError):
            storage.make_folder(folder)
        return cls(folder if _own(folder) else None)

    def get(self, key: Key) -> DevicePlan | None:
        """Return the plan of a key, if the cache has it, undamaged and written by us."""
        if self._folder is None:
            return None
        path = self._path(self._folder, key)
        try:
            content = _read(path)
            if content is None or content[:_HEAD] != _seal(key, content[_HEAD:]):
                return None
            found = _back(content[_HEAD:])
            if found is not None:
                os.utime(path)
        except OSError:
            return None
        return found

    def put(self, key: Key, plan: DevicePlan) -> None:
        """Store a plan, if it depends only on its key and reads back unchanged."""
        if self._folder is None or (plan.changes and not key.exact):
            return
        document = device_json(plan) | {
            "about": [list(one.about) for one in plan.findings],
            "about_enforced": [list(one.finding.about) for one in plan.enforced],
        }
        body = json.dumps(document, separators=(",", ":")).encode()
        if len(body) > MAX_ENTRY or _back(body) != plan:
            return
        with suppress(OSError):
            path = self._path(self._folder, key)
            storage.write(path, _seal(key, body) + body, durable=False)
            self._written = True

    def tidy(self) -> None:
        """After writing: delete entries not used for a month, and those above the size limit."""
        if self._folder is None or not self._written:
            return
        self._written = False
        with suppress(OSError):
            total = 0
            for moment, size, path in sorted(_entries(self._folder), reverse=True):
                total += size
                if total > MAX_TOTAL or time.time() - moment > MAX_AGE:
                    storage.remove(path)

    @staticmethod
    def _path(folder: Path, key: Key) -> Path:
        return folder / f"{key.text}.plan"


def _back(body: bytes) -> DevicePlan | None:
    """Return the plan of an entry; None if this version did not write it."""
    try:
        document: dict[str, Any] = json.loads(body)
        facts, enforced = document.pop("about"), document.pop("about_enforced")
        plan = device_of(document)
        told = zip(plan.findings, facts, strict=True)
        does = zip(plan.enforced, enforced, strict=True)
        return replace(
            plan,
            findings=tuple(replace(one, about=tuple(of)) for one, of in told),
            enforced=tuple(
                replace(one, finding=replace(one.finding, about=tuple(of))) for one, of in does
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _seal(key: Key, body: bytes) -> bytes:
    """Return the digest that proves an entry undamaged and stored under its own key."""
    return hashlib.sha256(key.text.encode() + body).hexdigest().encode()


def _own(path: Path) -> bool:
    """Whether a path is a folder that we own and nobody else can write to."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not _open_to_all(found)


def _open_to_all(found: os.stat_result) -> bool:
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _read(path: Path) -> bytes | None:
    """Return the bytes of a regular file that only we can write, else None."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or _open_to_all(found):
            return None
        return stream.read(_HEAD + MAX_ENTRY)


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for entry in os.scandir(folder):
        if entry.name.endswith(".plan") or entry.name.startswith("."):
            found = entry.stat(follow_symlinks=False)
            yield found.st_mtime, found.st_size, Path(entry.path)
