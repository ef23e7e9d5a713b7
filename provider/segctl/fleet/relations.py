"""Hold two policies of each device against each other: declared, live, of a snapshot, planned."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import segctl
from segctl.analysis.verbs import relation
from segctl.fleet.cancel import Brake
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.legs import declared_of
from segctl.fleet.pool import IN_TURN, Compute
from segctl.fleet.queries import doubts_about, refuse_errors
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.snapshots import fitting
from segctl.fleet.tasks import document_of, may_begin, same_version, steps_of
from segctl.fleet.workers import Workers, as_workers
from segctl.model.diff import renamed
from segctl.model.errors import PlanError, SegctlError
from segctl.planning.make import plan_device
from segctl.planning.outlook import outlook
from segctl.providers.base import provider, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.analysis.effective import Reading
    from segctl.analysis.verbs import Relation, Verb
    from segctl.compiler.build import Desired
    from segctl.fleet.legs import Leg
    from segctl.fleet.tasks import Link
    from segctl.planning.snapshot import Snapshot
    from segctl.providers.base import Live

#: The inventory, a device, its snapshot, and what a device would enforce after the plan.
Policies: TypeAlias = Literal["declared", "live", "snapshot", "plan"]
POLICIES: tuple[Policies, ...] = get_args(Policies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That a verb holds between two policies, or of one alone."""

    left: Policies
    verb: Verb
    right: Policies | None = None

    def __str__(self) -> str:
        """``live implies declared``."""
        return " ".join(filter(None, (self.left, self.verb, self.right)))

    @property
    def of(self) -> frozenset[str]:
        """The policies that it is about."""
        return frozenset(filter(None, (self.left, self.right)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Whether a claim holds on each leg of one device, in their order."""

    device: str
    legs: tuple[Relation | Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relating:
    """Work: read a device, and hold its policies against each other."""

    desired: Desired
    legs: tuple[Leg, ...]
    claim: Claim
    kept: bytes
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__


def relate_devices(
    work: Sequence[tuple[Desired, tuple[Leg, ...]]],
    claim: Claim,
    snapshots: Mapping[str, Snapshot],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
) -> tuple[Related | Failure, ...]:
    """Read every device, write to none, and return whether a claim holds on each, in order."""
    with as_workers(executor, forks) as workers:
        given = [
            Relating(
                desired=item,
                legs=legs,
                claim=claim,
                kept=_document(item, snapshots),
                connection=connection_for(workers, connections, item.device.name),
            )
            for item, legs in work
        ]
        results = run_all(_relate_one, given, workers, Brake(), report)
    return tuple(
        result
        if isinstance(result, Related | Failure)
        else failure_of(item.desired.device.name, result)
        for item, result in zip(given, results, strict=True)
    )


def _document(item: Desired, snapshots: Mapping[str, Snapshot]) -> bytes:
    kept = snapshots.get(item.device.name)
    return b"" if kept is None else fitting(item.device, snapshots).document.encode()


def _relate_one(item: Relating, link: Link, compute: Compute = IN_TURN) -> Related | Failure:
    device = item.desired.device
    try:
        same_version(item.version)
        may_begin(link)
        told = steps_of(device.name, link)
        document = document_of(device, item.connection, told)
        told("answering")
        return compute(related, item.desired, item.legs, item.claim, document, item.kept)
    except BaseException as error:  # noqa: BLE001 - it is this device's result
        return failure_of(device.name, error)
    finally:
        link.tell(device.name, "")


def relate_offline(
    desired: Desired, legs: Sequence[Leg], claim: Claim, snapshots: Mapping[str, Snapshot]
) -> Related | Failure:
    """Return whether a claim holds that is about no device."""
    try:
        kept = b""
        if claim.of - {"declared"}:
            kept = fitting(desired.device, snapshots).document.encode()
        return related(desired, legs, claim, b"", kept)
    except SegctlError as error:
        return failure_of(desired.device.name, error)


def related(
    desired: Desired, legs: Sequence[Leg], claim: Claim, document: bytes, kept: bytes
) -> Related:
    """Return whether a claim holds on each leg of a device; pure.

    Args:
        desired: what the inventory declares for it.
        legs: where it is asked.
        claim: what is claimed.
        document: what was read of it, if it was.
        kept: its snapshot, if there is one. Without a document, a plan is made from it.

    Raises:
        InventoryError: our zones do not match the device's.
        ParseError: a document cannot be parsed.
        PlanError: there is no plan that could be applied.
        UnsupportedError: what is declared cannot be expressed on its platform.
    """
    live, snapshot = _parsed(desired, legs, document), _parsed(desired, legs, kept)
    base = live or snapshot
    speaks = provider(desired.device.platform)
    held: dict[str, Reading] = {}
    for name in claim.of:
        if name == "declared":
            held[name] = declared_of(desired, base)
        elif name == "plan" and base is not None:
            held[name] = _planned(desired, base)
        else:
            found = snapshot if name == "snapshot" else live
            if found is None:
                message = f"{desired.device.name} has no {name}"
                raise PlanError(message)
            held[name] = reading(speaks, found)
    return Related(
        device=desired.device.name, legs=tuple(_leg(desired, leg, claim, held) for leg in legs)
    )


def _parsed(desired: Desired, legs: Sequence[Leg], document: bytes) -> Live | None:
    if not document:
        return None
    live = provider(desired.device.platform).parse(document)
    zones = {zone for leg in legs for zone in (leg.hop.enter, leg.hop.leave)}
    refuse_errors(doubts_about(desired, zones, live))
    return live


def _planned(desired: Desired, live: Live) -> Reading:
    """Return what a device would enforce after a plan that is made now."""
    speaks = provider(desired.device.platform)
    made = plan_device(desired, live, speaks)
    if barring := made.barring(allow_mass_delete=True):
        raise PlanError(barring[0].message)
    held = reading(speaks, live)
    return replace(held, policy=outlook(renamed(held.policy, made.changes), made.changes))


def _leg(
    desired: Desired, leg: Leg, claim: Claim, held: Mapping[str, Reading]
) -> Relation | Failure:
    names = {binding.zone: binding.name for binding in desired.device.zones}
    enter, leave = names[leg.hop.enter], names[leg.hop.leave]
    right = None if claim.right is None else held[claim.right].between(enter, leave)
    try:
        return relation(claim.verb, held[claim.left].between(enter, leave), right, leg.region)
    except SegctlError as error:
        return failure_of(desired.device.name, error)
