"""Hold two policies of each device against each other: declared, live, of a snapshot, planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from segctl.analysis.verbs import relation
from segctl.fleet.failures import Failure, failure_of
from segctl.fleet.inquiries import Inquiry, attempt, inquire
from segctl.fleet.legs import declared_of
from segctl.fleet.queries import doubts_about, refuse_errors
from segctl.fleet.snapshots import fitting
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
    from segctl.fleet.workers import Workers
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
    return inquire(
        (
            Inquiry(
                device=item.device,
                answer=partial(related, item, legs, claim, kept=_document(item, snapshots)),
            )
            for item, legs in work
        ),
        connections,
        forks=forks,
        report=report,
        executor=executor,
    )


def _document(item: Desired, snapshots: Mapping[str, Snapshot]) -> bytes:
    kept = snapshots.get(item.device.name)
    return b"" if kept is None else fitting(item.device, snapshots).document.encode()


def relate_offline(
    desired: Desired, legs: Sequence[Leg], claim: Claim, snapshots: Mapping[str, Snapshot]
) -> Related | Failure:
    """Return whether a claim holds that is about no device."""
    return attempt(desired.device.name, partial(_offline, desired, legs, claim, snapshots))


def _offline(
    desired: Desired, legs: Sequence[Leg], claim: Claim, snapshots: Mapping[str, Snapshot]
) -> Related:
    kept = b""
    if claim.of - {"declared"}:
        kept = fitting(desired.device, snapshots).document.encode()
    return related(desired, legs, claim, b"", kept)


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
            held[name] = reading(speaks, found, gated=True)
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
    held = reading(speaks, live, gated=True)
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
