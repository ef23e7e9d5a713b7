"""List what many devices permit between zones: as they hold it, as it is declared, or both."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import segctl
from segctl.fleet.cancel import Brake
from segctl.fleet.connections import unverified
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.legs import declared_of, list_legs
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.queries import doubts_about, refuse_errors
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.snapshots import fitting
from segctl.fleet.tasks import document_of, may_begin, same_version, steps_of
from segctl.fleet.workers import Workers, as_workers
from segctl.model.errors import Problem, SegctlError
from segctl.providers.base import provider, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.by_rule import Row
    from segctl.compiler.build import Desired
    from segctl.fleet.legs import Leg
    from segctl.fleet.tasks import Link
    from segctl.planning.snapshot import Snapshot

#: Whose rules are listed: the inventory's, the devices', or both side by side.
Side: TypeAlias = Literal["declared", "live", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What one device permits on each of its legs, in their order, and findings about it.

    `digest` is the SHA-256 of what was read of it, empty where nothing was.
    """

    device: str
    legs: tuple[tuple[Row, ...] | Failure, ...]
    findings: tuple[Problem, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Work: read a device and list what it permits."""

    desired: Desired
    legs: tuple[Leg, ...]
    side: Side
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__


def list_devices(
    work: Sequence[tuple[Desired, tuple[Leg, ...]]],
    side: Side,
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Listed | Failure, ...]:
    """Read every device, write to none, and return what it permits or a failure, in order."""
    with as_workers(executor, forks) as workers:
        given = [
            Listing(
                desired=item,
                legs=legs,
                side=side,
                connection=connection_for(workers, connections, item.device.name),
            )
            for item, legs in work
        ]
        results = run_all(_list_one, given, workers, Brake(), report)
    return tuple(
        _warned(result, connections)
        if isinstance(result, Listed | Failure)
        else failure_of(item.desired.device.name, result)
        for item, result in zip(given, results, strict=True)
    )


def _warned(
    result: Listed | Failure, connections: Mapping[str, Mapping[str, object]]
) -> Listed | Failure:
    if isinstance(result, Failure):
        return result
    return Listed(
        device=result.device,
        legs=result.legs,
        findings=(*unverified(result.device, connections), *result.findings),
        digest=result.digest,
    )


def _list_one(item: Listing, link: Link, compute: Compute = IN_TURN) -> Listed | Failure:
    device = item.desired.device
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(device.name, link)
        document = document_of(device, item.connection, told)
        told("answering")
        return compute(list_document, item.desired, item.legs, document, item.side)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


def list_snapshot(
    desired: Desired, legs: Sequence[Leg], snapshots: Mapping[str, Snapshot], side: Side
) -> Listed | Failure:
    """Return what a device permitted when its snapshot was taken."""
    try:
        kept = fitting(desired.device, snapshots)
        return list_document(desired, legs, kept.document.encode(), side)
    except SegctlError as error:
        return failure_of(desired.device.name, error)


def list_declared(desired: Desired, legs: Sequence[Leg]) -> Listed | Failure:
    """Return what the policy permits that the inventory declares for a device."""
    try:
        held = declared_of(desired, None)
    except SegctlError as error:
        return failure_of(desired.device.name, error)
    return Listed(device=desired.device.name, legs=list_legs(desired, legs, (held,)))


def list_document(desired: Desired, legs: Sequence[Leg], document: bytes, side: Side) -> Listed:
    """Return what a device permits according to its document; pure.

    Raises:
        ParseError: the document cannot be parsed.
        InventoryError: our zones do not match the device's, so that its rules are about others.
        UnsupportedError: what is declared cannot be expressed on its platform.
    """
    speaks = provider(desired.device.platform)
    live = speaks.parse(document)
    zones = {zone for leg in legs for zone in (leg.hop.enter, leg.hop.leave)}
    doubts = doubts_about(desired, zones, live)
    refuse_errors(doubts)
    held = reading(speaks, live)
    sides = (declared_of(desired, live), held) if side == "both" else (held,)
    return Listed(
        device=desired.device.name,
        legs=list_legs(desired, legs, sides),
        findings=tuple(one for one in doubts if one.severity != "note"),
        digest=f"sha256:{hashlib.sha256(document).hexdigest()}",
    )
