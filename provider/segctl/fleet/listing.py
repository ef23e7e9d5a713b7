"""List what many devices permit between zones: as they hold it, as it is declared, or both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from segctl.compiler import naming
from segctl.fleet.inquiries import Inquiry, attempt, inquire, of_snapshot, warned
from segctl.fleet.legs import declared_of, list_legs
from segctl.fleet.onward import leading_on
from segctl.fleet.queries import doubts_about, refuse_errors
from segctl.fleet.readings import as_read
from segctl.fleet.tasks import digest_of_read
from segctl.providers.base import provider, reading
from segctl.providers.containing import CONTAINED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.by_rule import Row
    from segctl.compiler.build import Desired
    from segctl.fleet.failures import Failure
    from segctl.fleet.legs import Leg
    from segctl.fleet.readings import Readings
    from segctl.fleet.workers import Workers
    from segctl.model.errors import Problem
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live

#: Whose rules are listed: the inventory's, the devices', or both side by side.
Side: TypeAlias = Literal["declared", "live", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """An island that a device prepares and holds, by its name; `said` until when, by whom and why.

    Without `known`, whether it holds it cannot be told, and `said` is why.
    """

    name: str
    said: str
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What one device permits on each of its legs, in their order, and findings about it.

    What it permits is what it does while nobody is cut off; `islands` are those that are, `cut`
    says of them, and of who is contained, until when.
    `digest` is of what was read of it, empty where nothing was.
    """

    device: str
    legs: tuple[tuple[Row, ...] | Failure, ...]
    findings: tuple[Problem, ...] = ()
    digest: str = ""
    islands: tuple[Isolation, ...] = ()
    cut: tuple[Problem, ...] = ()


def list_devices(
    work: Sequence[tuple[Desired, tuple[Leg, ...]]],
    side: Side,
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    readings: Readings | None = None,
) -> tuple[Listed | Failure, ...]:
    """Read every device, write to none, and return what it permits or a failure, in order.

    With `readings`, what was read of the devices before, none is read.
    """
    found = inquire(
        (_inquiry(item, legs, side) for item, legs in work),
        connections,
        forks=forks,
        report=report,
        executor=executor,
        readings=readings,
    )
    return as_read(warned(found, connections), readings)


def _inquiry(desired: Desired, legs: Sequence[Leg], side: Side) -> Inquiry[Listed]:
    return Inquiry(device=desired.device, answer=partial(list_document, desired, legs, side))


def list_snapshot(
    desired: Desired, legs: Sequence[Leg], snapshots: Mapping[str, Snapshot], side: Side
) -> Listed | Failure:
    """Return what a device permitted when its snapshot was taken."""
    return of_snapshot(_inquiry(desired, legs, side), snapshots)


def list_declared(desired: Desired, legs: Sequence[Leg]) -> Listed | Failure:
    """Return what the policy permits that the inventory declares for a device."""
    return attempt(desired.device.name, partial(_of_declared, desired, legs))


def _of_declared(desired: Desired, legs: Sequence[Leg]) -> Listed:
    held = declared_of(desired, None)
    return Listed(device=desired.device.name, legs=list_legs(desired, legs, (held,)))


def list_document(desired: Desired, legs: Sequence[Leg], side: Side, document: bytes) -> Listed:
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
    held = reading(speaks, live, translated=True, gated=True)
    sides = (declared_of(desired, live), held) if side == "both" else (held,)
    return Listed(
        device=desired.device.name,
        legs=list_legs(desired, legs, sides, leading=leading_on(live)),
        findings=tuple(one for one in doubts if one.severity != "note"),
        digest=digest_of_read(speaks, document),
        islands=tuple(_islands(live)),
        cut=tuple(one for one in doubts if one.severity == "note" and one.kind == CONTAINED),
    )


def _islands(live: Live) -> Iterator[Isolation]:
    """Yield what is an island on a device, or may be."""
    said = {one.subject: one.message for one in live.findings if one.kind == CONTAINED}
    for group, held in live.contained.items():
        name = naming.island_label(group)
        if name and held.unread:
            yield Isolation(name=name, said=held.unread, known=False)
        elif name and held.addresses:
            yield Isolation(name=name, said=said.get(name, f"{name} is an island"))
