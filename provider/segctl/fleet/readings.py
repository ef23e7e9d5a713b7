"""Read many devices once, so that several operations can judge what each held at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from segctl.fleet.cancel import Brake
from segctl.fleet.connections import receiving, sharing
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.tasks import digest_of_read, document_of, may_begin, same_version, steps_of
from segctl.fleet.workers import Workers, as_workers
from segctl.model.errors import UnsupportedError
from segctl.planning.snapshot import snapshot_of
from segctl.providers.base import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.compiler.build import Desired
    from segctl.fleet.listing import Listed
    from segctl.fleet.queries import Checked
    from segctl.fleet.tasks import Link
    from segctl.model.site import Device

    AnswerT = TypeVar("AnswerT", Listed, Checked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a device answered at a moment; `digest` is of its answer, `document` what is kept of it.

    What is kept has no secrets where its platform can mask them and that was asked for.
    """

    device: str
    taken: datetime
    document: bytes = field(repr=False)
    digest: str = ""


#: What each device held, or why it could not be read.
Readings: TypeAlias = "Mapping[str, Reading | Failure]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """Work: read a device; with `masked`, keep nothing secret, with `must` nothing else at all."""

    device: Device
    connection: Mapping[str, object] = field(repr=False)
    masked: bool
    must: bool
    version: str


def read_devices(
    desired: Sequence[Desired],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    masked: bool = False,
    brake: Brake | None = None,
) -> dict[str, Reading | Failure]:
    """Read every device once, write to none, and return what it held or a failure, by its name.

    Args:
        desired: the devices, and of device groups who receives them.
        connections: connection variables by device.
        forks: how many devices at a time, unless `executor` decides that.
        report: called with every step of every device, and an empty step when it is done.
        executor: where they are read; what is read elsewhere travels without secrets only.
        masked: whether secrets are left out of what is kept, where the platform can do that.
        brake: once pressed, every session ends at its next step.
    """
    import segctl

    hosts = [(item.device.name, item.device.platform) for item in desired]
    with sharing(connections, hosts) as ways, as_workers(executor, forks) as workers:
        items = [
            _Reading(
                device=item.device,
                connection=receiving(
                    connection_for(workers, ways, item.device.name), item.receivers
                ),
                masked=masked or workers.remote,
                must=workers.remote,
                version=segctl.__version__,
            )
            for item in desired
        ]
        results = run_all(_read_one, items, workers, brake or Brake(), report)
    return {
        item.device.name: failure_of(item.device.name, result)
        if isinstance(result, BaseException)
        else result
        for item, result in zip(items, results, strict=True)
    }


def _read_one(item: _Reading, link: Link, compute: Compute = IN_TURN) -> Reading | Failure:
    device = item.device
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(device.name, link)
        document = document_of(device, item.connection, told)
        taken = datetime.now(UTC)
        digest = digest_of_read(provider(device.platform), document)
        if item.masked:
            told("leaving out secrets")
            scope = str(device.scope)
            document = compute(_kept, device.name, scope, device.platform, document, item.must)
        return Reading(device=device.name, taken=taken, document=document, digest=digest)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


def _kept(name: str, scope: str, platform: str, document: bytes, must: bool) -> bytes:  # noqa: FBT001 - travels by position
    """Return what is kept of a document: without secrets, and `must` says that it has to be."""
    try:
        return snapshot_of(name, scope, document, provider(platform)).document.encode()
    except UnsupportedError:
        if must:
            raise
        return document


def as_read(
    results: Iterable[AnswerT | Failure], readings: Readings | None
) -> tuple[AnswerT | Failure, ...]:
    """Return answers with the digest of what their device answered, not of what was kept of it."""
    found: list[AnswerT | Failure] = []
    for one in results:
        reading = (readings or {}).get(one.device)
        if isinstance(one, Failure) or not isinstance(reading, Reading):
            found.append(one)
        else:
            found.append(replace(one, digest=reading.digest))
    return tuple(found)
