"""Take snapshots of many devices at once, and plan from snapshots without any device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.fleet.cancel import Brake
from segctl.fleet.connections import sharing
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.tasks import document_of, judge, judge_drift, steps_of
from segctl.fleet.workers import Workers, as_workers
from segctl.model.errors import Problem, SnapshotError
from segctl.planning.snapshot import Snapshot, snapshot_of
from segctl.providers.base import provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.compiler.build import Desired
    from segctl.fleet.tasks import Link
    from segctl.model.site import Device
    from segctl.planning.plan import DevicePlan

#: Kind of the finding that a plan was made without its device.
OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Work: read a device and take a snapshot."""

    device: Device
    connection: Mapping[str, object] = field(repr=False)


def take_snapshots(
    devices: Sequence[Device],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Snapshot | Failure, ...]:
    """Read every device, write to none, and return a snapshot or a failure for each, in order."""
    hosts = [(device.name, device.platform) for device in devices]
    with sharing(connections, hosts) as ways, as_workers(executor, forks) as workers:
        items = [
            Taking(
                device=device,
                connection=connection_for(workers, ways, device.name),
            )
            for device in devices
        ]
        results = run_all(_take, items, workers, Brake(), report)
    return tuple(
        result if isinstance(result, Snapshot | Failure) else failure_of(item.device.name, result)
        for item, result in zip(items, results, strict=True)
    )


def _take(item: Taking, link: Link, compute: Compute = IN_TURN) -> Snapshot | Failure:
    device = item.device
    told = steps_of(device.name, link)
    try:
        document = document_of(device, item.connection, told)
        told("taking a snapshot")
        return compute(_kept, device.name, str(device.scope), device.platform, document)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


def _kept(name: str, scope: str, platform: str, document: bytes) -> Snapshot:
    return snapshot_of(name, scope, document, provider(platform))


def plan_offline(
    desired: Sequence[Desired],
    snapshots: Mapping[str, Snapshot],
    report: Callable[[str, str], None],
    *,
    drift: bool = False,
) -> tuple[DevicePlan | Failure, ...]:
    """Return a plan or a failure for each device, from its snapshot.

    With `drift`, the plans are only to say what differs.
    """
    judging = judge_drift if drift else judge
    return tuple(_offline(item, snapshots, report, judging) for item in desired)


def _offline(
    item: Desired,
    snapshots: Mapping[str, Snapshot],
    report: Callable[[str, str], None],
    judging: Callable[[Desired, bytes], DevicePlan],
) -> DevicePlan | Failure:
    name = item.device.name
    report(name, "comparing")
    try:
        snapshot = fitting(item.device, snapshots)
        made = judging(item, snapshot.document.encode())
    except Exception as error:  # noqa: BLE001 - it is this device's result
        return failure_of(name, error)
    finally:
        report(name, "")
    note = Problem(
        message=f"planned from a snapshot of {snapshot.taken}, not from the device: apply "
        "refuses the plan if the device has changed since",
        severity="note",
        kind=OFFLINE,
    )
    return replace(made, findings=(note, *made.findings))


def fitting(device: Device, snapshots: Mapping[str, Snapshot]) -> Snapshot:
    """Return a device's snapshot, if it fits the device in the inventory."""
    found = snapshots.get(device.name)
    if found is None and device.members:
        raise SnapshotError("device groups have no snapshots: plan it without --offline")
    if found is None:
        raise SnapshotError(f"it has no snapshot: segctl snapshot {device.name} takes one")
    if (found.platform, found.scope) != (device.platform, str(device.scope)):
        raise SnapshotError(
            f"its snapshot is of {found.platform} {found.scope}, but the inventory says "
            f"{device.platform} {device.scope}"
        )
    return found
