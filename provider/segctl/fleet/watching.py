"""What many devices tell of the traffic they saw, and what they hold, asked in one session each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import segctl
from segctl.fleet.cancel import Brake
from segctl.fleet.connections import target
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.tasks import may_begin, same_version, steps_of
from segctl.fleet.workers import Workers, as_workers
from segctl.model.errors import UnsupportedError
from segctl.providers.base import Deciding, provider
from segctl.providers.watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.decide import Packet
    from segctl.fleet.tasks import Link
    from segctl.model.site import Device
    from segctl.providers.base import Session
    from segctl.providers.watching import Answer, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """What one device told: answers about traffic, and what it holds, empty where not asked."""

    device: str
    answers: tuple[Answer, ...] = ()
    document: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Work: ask a device about its traffic (nothing without `watch`), and with `hold` read it."""

    device: Device
    watch: Watch | None
    hold: bool
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Packets that one device is asked about: which of its rules decides."""

    device: Device
    packets: tuple[Packet, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The rules that a device names, one for each packet: empty where it names none.

    `why` says why it was not asked, or not about all of them: then `rules` is shorter.
    """

    device: str
    rules: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deciding:
    """Work: ask a device about packets."""

    asked: Questions
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__


def hear_devices(
    devices: Sequence[Device],
    connections: Mapping[str, Mapping[str, object]],
    watch: Watch | None,
    *,
    holding: Sequence[str],
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Witnessed | Failure, ...]:
    """Ask every device, write to none, and return what it told or a failure for each, in order.

    Args:
        devices: the devices.
        connections: connection variables by device.
        watch: what they are asked about traffic; None asks nothing.
        holding: the names of those that are read as well.
        forks: how many devices at a time, unless `executor` decides that.
        report: called with every step of every device, and an empty step when it is done.
        executor: where the work is done.
    """
    with as_workers(executor, forks) as workers:
        items = [
            Hearing(
                device=device,
                watch=watch,
                hold=device.name in holding,
                connection=connection_for(workers, connections, device.name),
            )
            for device in devices
        ]
        results = run_all(_hear, items, workers, Brake(), report)
    return tuple(
        result if isinstance(result, Witnessed | Failure) else failure_of(item.device.name, result)
        for item, result in zip(items, results, strict=True)
    )


def _hear(item: Hearing, link: Link, compute: Compute = IN_TURN) -> Witnessed | Failure:
    """Return what one device told, or why it told nothing."""
    del compute  # nothing is computed: records are judged where they are put together
    device = item.device
    try:
        with _opened(item, device, link) as session:
            document = session.read() if item.hold else b""
            answers: Sequence[Answer] = ()
            if item.watch is not None:
                answers = _watching(session, device).seen(item.watch)
        return Witnessed(device=device.name, answers=tuple(answers), document=document)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


@contextmanager
def _opened(item: Hearing | _Deciding, device: Device, link: Link) -> Generator[Session]:
    """Open a session that cannot write."""
    same_version(item.version)
    may_begin(link)
    told = steps_of(device.name, link)
    told("connecting")
    where = target(device.name, item.connection, device.scope)
    with provider(device.platform).connect(where, read_only=True, progress=told) as session:
        yield session


def _watching(session: Session, device: Device) -> Watching:
    """Return a session that tells of traffic.

    Raises:
        UnsupportedError: the platform does not.
    """
    if isinstance(session, Watching):
        return session
    message = f"{_title(device)} tells nothing of its traffic"
    raise UnsupportedError(message)


def _title(device: Device) -> str:
    return provider(device.platform).capabilities.title or device.platform


def ask_decisions(
    asked: Sequence[Questions],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Decided, ...]:
    """Ask devices which of their rules decides about packets; one that fails says why."""
    with as_workers(executor, forks) as workers:
        items = [
            _Deciding(asked=one, connection=connection_for(workers, connections, one.device.name))
            for one in asked
        ]
        results = run_all(_decide, items, workers, Brake(), report)
    return tuple(
        Decided(
            device=item.asked.device.name,
            why=failure_of(item.asked.device.name, result).message,
        )
        if isinstance(result, BaseException)
        else result
        for item, result in zip(items, results, strict=True)
    )


def _decide(item: _Deciding, link: Link, compute: Compute = IN_TURN) -> Decided:
    """Return what one device says, one packet after the other."""
    del compute
    device = item.asked.device
    rules: list[str] = []
    try:
        with _opened(item, device, link) as session:
            if not isinstance(session, Deciding):
                return Decided(device=device.name, why=f"{_title(device)} has no question for it")
            rules.extend(session.decided_by(packet) for packet in item.asked.packets)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        why = failure_of(device.name, error).message
        return Decided(device=device.name, rules=tuple(rules), why=why)
    finally:
        link.tell(device.name, "")
    return Decided(device=device.name, rules=tuple(rules))
