"""A question that is asked of many devices: over the wire, or of what is kept or declared of them.

What a device answers is worked out from its document; a device that cannot answer is a value among
the results.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import segctl
from segctl.fleet.cancel import Brake
from segctl.fleet.connections import sharing, unverified
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.snapshots import fitting
from segctl.fleet.tasks import document_in, document_of, may_begin, same_version, steps_of
from segctl.fleet.workers import Workers, as_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.fleet.readings import Reading, Readings
    from segctl.fleet.tasks import Link
    from segctl.model.errors import Problem
    from segctl.model.site import Device
    from segctl.planning.snapshot import Snapshot

Found = TypeVar("Found")


class Doubted(Protocol):
    """An answer with what else there is to know of its device."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def device(self) -> str:
        """The device's name."""
        ...

    @property
    def findings(self) -> tuple[Problem, ...]:
        """What else there is to know."""
        ...


DoubtedT = TypeVar("DoubtedT", bound=Doubted)


class Further(Protocol[Found]):
    """Asks a device more, in a session of its own."""

    def __call__(
        self, found: Found, connection: Mapping[str, object], told: Callable[[str], None]
    ) -> Found:
        """Return an answer with what the device adds; `told` is called with each step."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry(Generic[Found]):
    """What is asked of one device.

    `answer` makes an answer of the document that was read. It is pure and may run in another
    process: a function of a module, or a `partial` of one. `doing` is what the step is called.
    """

    device: Device
    answer: Callable[[bytes], Found]
    doing: str = "answering"
    further: Further[Found] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work(Generic[Found]):
    """Read a device, and answer from what it holds."""

    inquiry: Inquiry[Found]
    connection: Mapping[str, object] = field(repr=False)
    held: Reading | Failure | None = None
    version: str = segctl.__version__


def inquire(
    inquiries: Iterable[Inquiry[Found]],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    readings: Readings | None = None,
) -> tuple[Found | Failure, ...]:
    """Read every device, write to none, and return an answer or a failure for each, in order.

    With `readings`, what was read of the devices before, none is read.
    """
    asked = list(inquiries)
    hosts = [(one.device.name, one.device.platform) for one in asked]
    with sharing(connections, hosts) as ways, as_workers(executor, forks) as workers:
        items = [
            _Work(
                inquiry=one,
                connection=connection_for(workers, ways, one.device.name),
                held=None if readings is None else readings[one.device.name],
            )
            for one in asked
        ]
        results: Sequence[Found | Failure | BaseException]
        results = run_all(_inquire_one, items, workers, Brake(), report)
    return tuple(
        failure_of(item.inquiry.device.name, result)
        if isinstance(result, BaseException)
        else result
        for item, result in zip(items, results, strict=True)
    )


def warned(
    results: Iterable[DoubtedT | Failure], connections: Mapping[str, Mapping[str, object]]
) -> tuple[DoubtedT | Failure, ...]:
    """Return answers with a finding more where nobody knows which device it was that answered."""
    return tuple(
        one
        if isinstance(one, Failure)
        else replace(one, findings=(*unverified(one.device, connections), *one.findings))
        for one in results
    )


def _inquire_one(item: _Work[Found], link: Link, compute: Compute = IN_TURN) -> Found | Failure:
    """Return the answer of one device, or why it has none."""
    asked = item.inquiry
    device = asked.device
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(device.name, link)
        held = item.held
        document = document_in(held) if held else document_of(device, item.connection, told)
        told(asked.doing)
        found = compute(asked.answer, document)
        return asked.further(found, item.connection, told) if asked.further else found
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


def of_snapshot(inquiry: Inquiry[Found], snapshots: Mapping[str, Snapshot]) -> Found | Failure:
    """Return the answer of a device by what its snapshot says that it held, or why it has none."""
    device = inquiry.device
    return attempt(
        device.name, lambda: inquiry.answer(fitting(device, snapshots).document.encode())
    )


def attempt(device: str, answer: Callable[[], Found]) -> Found | Failure:
    """Return an answer about a device that is not read, or why there is none."""
    try:
        return answer()
    except Exception as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device, error)
