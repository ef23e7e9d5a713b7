"""The owner of a segctl lock on a device, and whether that run can still be alive.

A host name and a process id do not identify a run: containers share both, and process ids are
reused. Linux gives the boot id, a process's PID namespace, and its start time (proc(5):
``/proc/sys/kernel/random/boot_id``, ``/proc/PID/ns/pid``, field 22 of ``/proc/PID/stat``). Within
one boot and one namespace they prove whether a run is alive; elsewhere only the lease in the lock
does.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

#: Default lease of a lock, in seconds.
LEASE = 3600
_WORD = "segctl"
_PROC = Path("/proc")
_RUN = re.compile(r"[^0-9A-Za-z.@_-]")
#: Tokens of the locks that runs in this process hold now.
_HELD: set[str] = set()
os.register_at_fork(after_in_child=_HELD.clear)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOwner:
    """One run that took a lock.

    `run` names the user and host, such as ``ops1@runner``; `began` is in seconds since the epoch
    and `lease` in seconds from then; `token` is eight hexadecimal digits, unique to the lock.
    `boot`, `namespace` and `started` are empty if the run's system does not provide them.
    """

    run: str
    process: int
    began: int
    token: str
    lease: int = LEASE
    boot: str = ""
    namespace: str = ""
    started: str = ""

    def __str__(self) -> str:
        """Return it as one line for a lock's comment, at most 120 characters."""
        words = (self.run, self.process, self.began, self.token, self.lease)
        more = (self.boot or "-", self.namespace or "-", self.started or "-")
        return " ".join(str(word) for word in (_WORD, *words, *more))


def read_owner(comment: str) -> LockOwner | None:
    """Return the owner a lock's comment names; None if segctl did not write it."""
    words = comment.split()
    if len(words) not in (5, 9) or words[0] != _WORD or not all(map(_number, words[2:4])):
        return None
    run, process, began, token = words[1], int(words[2]), int(words[3]), words[4]
    if len(words) == 5:  # the form from before locks had leases
        return LockOwner(run=run, process=process, began=began, token=token)
    if not _number(words[5]):
        return None
    boot, namespace, started = ("" if word == "-" else word for word in words[6:])
    return LockOwner(
        run=run,
        process=process,
        began=began,
        token=token,
        lease=int(words[5]),
        boot=boot,
        namespace=namespace,
        started=started,
    )


def token_of(comment: str) -> str:
    """Return the token in a lock's comment; empty if segctl did not write it."""
    owner = read_owner(comment)
    return owner.token if owner else ""


def new_owner(lease: float = LEASE) -> LockOwner:
    """Return this run as the owner of a new lock, alive until `release` or the process ends."""
    owner = LockOwner(
        run=this_run(),
        process=os.getpid(),
        began=int(time.time()),
        token=uuid4().hex[:8],
        lease=max(1, round(lease)),
        boot=_boot(),
        namespace=_namespace(),
        started=_started(os.getpid()) or "",
    )
    _HELD.add(owner.token)
    return owner


def release(owner: LockOwner) -> None:
    """Record that this process no longer holds the lock."""
    _HELD.discard(owner.token)


@cache
def this_run() -> str:
    """Return the user and host of this run, such as ``ops1@runner``, in at most 40 characters."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container whose user has no name
        user = str(os.getuid())
    return _RUN.sub("-", f"{user[:16]}@{socket.gethostname()[:23]}")


def is_alive(owner: LockOwner, *, age: float | None = None) -> bool | None:
    """Return whether the run is alive; None if unknown and its lease has not expired.

    Args:
        owner: who took the lock.
        age: seconds since the lock was taken, by the clock of its device; if unknown, the clocks
            of both runs are assumed to agree.
    """
    if owner.token in _HELD:
        return True
    here = (_boot(), _namespace())
    if all(here) and (owner.boot, owner.namespace) == here:
        same_process = _same_process(owner)
        if same_process is not None:
            return same_process
    return False if remaining(owner, age=age) <= 0 else None


def remaining(owner: LockOwner, *, age: float | None = None) -> float:
    """Return the seconds left of the lease; negative once it has expired."""
    return owner.lease - (time.time() - owner.began if age is None else age)


def _same_process(owner: LockOwner) -> bool | None:
    """Return whether the process that took the lock exists in the namespace this process sees."""
    if owner.process == os.getpid():
        return False  # its token is not held
    started = _started(owner.process)
    if started is not None and (not started or owner.started):
        return started == owner.started and bool(started)
    try:
        os.kill(owner.process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return None  # another user's process, whose start time is not visible
    return None


def _number(word: str) -> bool:
    return word.isascii() and word.isdigit()


@cache
def _boot() -> str:
    try:
        text = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
    return text.replace("-", "").strip()[:16]


def _namespace() -> str:
    """Return the PID namespace; empty if /proc shows another namespace's processes, or none."""
    try:
        if (_PROC / "self").readlink().name != str(os.getpid()):
            return ""
        return str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _started(process: int) -> str | None:
    """Return when a process was started, in ticks since boot; None if unknown.

    Empty for a process that has ended but was not yet reaped by its parent (state Z).
    """
    try:
        text = (_PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the process name before it may hold anything
    if len(fields) < 20:
        return None
    return "" if fields[0] in ("Z", "X") else fields[19]
