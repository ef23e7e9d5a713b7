"""Where the work on devices runs: threads, threads with processes that parse, or Dask."""

from __future__ import annotations

import ipaddress
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from segctl.fleet.pool import IN_TURN, Compute, Processes, Threads
from segctl.fleet.tasks import Link, Silent
from segctl.model.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from segctl.fleet.cancel import Brake

#: From this many devices on, processes parse.
MANY = 16
#: The kinds of executors, as a user names them.
KINDS = "threads, processes, dask://HOST:PORT or tls://HOST:PORT"
_SCHEMES = {"dask": "tcp", "tcp": "tcp", "tls": "tls"}


class Line(Protocol):
    """The caller's end of one run's link."""

    @property
    def link(self) -> Link:
        """The workers' end."""
        ...

    def look(self) -> str:
        """Pass a cancellation on; return why waiting is pointless, or an empty string."""
        ...


@dataclass(frozen=True, slots=True)
class _Local:
    """Both ends of a link within a process."""

    brake: Brake
    report: Callable[[str, str], None]

    @property
    def link(self) -> Link:
        return self

    def look(self) -> str:
        return ""

    def tell(self, device: str, step: str) -> None:
        self.report(device, step)

    def pressed(self) -> bool:
        return self.brake.pressed

    def eased(self) -> bool:
        return self.brake.eased

    def begin(self, device: str) -> bool:
        del device
        return True


@dataclass(frozen=True, slots=True)
class _Mute:
    """The caller's end without a link."""

    link: Silent = field(default_factory=Silent)

    def look(self) -> str:
        return ""


class Lines(Protocol):
    """Opens the links of an executor that can carry them."""

    def line(
        self, brake: Brake, report: Callable[[str, str], None]
    ) -> AbstractContextManager[Line]:
        """Open the link of one run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """An executor and its properties.

    Work for a `remote` executor is pickled, carries no secret, and computes where it runs.
    Otherwise sessions are in this process, and `compute` runs their pure part. `at_once` is on how
    many processors something can be computed at a time, as far as is known.
    """

    executor: Executor
    remote: bool = False
    compute: Compute = IN_TURN
    lines: Lines | None = None
    at_once: int = 1

    @contextmanager
    def line(self, brake: Brake, report: Callable[[str, str], None]) -> Generator[Line]:
        """Open the link of one run."""
        if self.lines is not None:
            with self.lines.line(brake, report) as found:
                yield found
        else:
            yield _Mute() if self.remote else _Local(brake, report)


@contextmanager
def as_workers(executor: Workers | Executor | None, forks: int) -> Generator[Workers]:
    """Return the workers of an executor, or threads of this process if there is none."""
    if isinstance(executor, Workers):
        yield executor
    elif executor is None:
        yield Workers(executor=Threads(forks))
    else:
        yield Workers(executor=executor, remote=not isinstance(executor, ThreadPoolExecutor))


@contextmanager
def workers(kind: str, *, devices: int, forks: int) -> Generator[Workers]:
    """Open the workers of a kind; without a kind, those that suit the number of devices.

    Raises:
        ExecutorError: the kind does not exist, or the scheduler does not answer.
    """
    check_kind(kind)
    scheme, _, address = kind.partition("://")
    if address:
        from segctl.fleet.dask import dask_workers

        with dask_workers(f"{_SCHEMES[scheme]}://{address}") as found:
            yield found
        return
    cores = len(os.sched_getaffinity(0))
    if kind == "threads" or (not kind and (devices < MANY or cores < 2)):
        yield Workers(executor=Threads(forks))
        return
    most = max(1, min(cores, devices))
    processes = Processes(most)
    try:
        yield Workers(executor=Threads(forks), compute=processes, at_once=most)
    finally:
        processes.close()


def exposed(kind: str) -> str:
    """Return a warning if the connection to the workers is not encrypted, or an empty string."""
    scheme, _, address = kind.partition("://")
    host = address.rpartition(":")[0].strip("[]")
    if _SCHEMES.get(scheme) != "tcp" or host == "localhost" or _is_loopback(host):
        return ""
    return (
        f"the connection to the Dask scheduler {host} is NOT encrypted: whoever can intercept it "
        "can run code on workers that log in to firewalls; use tls://HOST:PORT (docs/fleets.md)"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_kind(kind: str) -> None:
    """Refuse an unknown kind of workers.

    Raises:
        ExecutorError: the kind is unknown; the message lists those that exist.
    """
    scheme, mark, address = kind.partition("://")
    host, _, port = address.rpartition(":")
    if mark and scheme in _SCHEMES and host and port.isdecimal() and int(port) < 1 << 16:
        return
    if mark or kind not in ("", "threads", "processes"):
        raise ExecutorError(f"unknown executor {kind!r}: use {KINDS}")
