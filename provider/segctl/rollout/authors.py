"""Who changed what has drifted, asked of the devices whose platform can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.drift import items_of
from segctl.errors import Problem
from segctl.providers.base import Author, Witness, provider
from segctl.rollout.brake import Brake
from segctl.rollout.connections import target
from segctl.rollout.pool import each
from segctl.rollout.results import failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.drift import DriftItem
    from segctl.plan import DevicePlan

#: Kind of the finding that a device did not tell.
CHANGED_BY = "changed_by"


def ask_authors(
    plans: Sequence[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
) -> tuple[dict[tuple[str, str, str], Author], list[tuple[str, Problem]]]:
    """Return who changed each drifted item, by device, kind and name; and who did not tell why.

    Only devices with drift are asked. That one does not answer is a note, never a failure.
    """
    drifted = [(plan, items) for plan in plans if (items := items_of(plan))]
    brake = Brake()

    def one(asked: tuple[DevicePlan, Sequence[DriftItem]]) -> Sequence[Author | None]:
        plan, items = asked
        told = brake.watch(lambda step: report(plan.name, step))
        try:
            where = target(plan.name, connections.get(plan.name, {}), plan.scope)
            speaks = provider(plan.platform)
            if not speaks.capabilities.tells_authors:
                return [None] * len(items)
            told("asking who changed it")
            with speaks.connect(where, read_only=True, progress=told) as session:
                if not isinstance(session, Witness):
                    return [None] * len(items)
                return session.changed_by([(item.kind, item.names) for item in items])
        finally:
            report(plan.name, "")

    authors: dict[tuple[str, str, str], Author] = {}
    notes: list[tuple[str, Problem]] = []
    for (plan, items), result in zip(drifted, each(one, drifted, forks, brake), strict=True):
        if isinstance(result, BaseException):
            notes.append((plan.name, _note(plan.name, result)))
            continue
        for item, author in zip(items, result, strict=True):
            if author is not None:
                authors[plan.name, item.kind, item.name] = author
    return authors, notes


def _note(device: str, error: BaseException) -> Problem:
    why = failure_of(device, error).message
    return Problem(message=f"cannot tell who changed it: {why}", severity="note", kind=CHANGED_BY)
