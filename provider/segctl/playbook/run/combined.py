"""A playbook as one plan: everything its waves change, compared with what was reviewed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.fleet.failures import Failure
from segctl.model.errors import PlanError
from segctl.planning.review import changed_otherwise, of_device
from segctl.playbook.run.results import DeviceResult, RolloutResult, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.planning.plan import DevicePlan, Plan
    from segctl.planning.review import Difference
    from segctl.playbook.run.prepare import Prepared
    from segctl.playbook.run.results import PlayResult, WaveResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """What the plays that apply would change: one plan per device.

    `failures` are the devices that could not be planned. `waves` says in which waves each device
    is changed.
    """

    plans: tuple[DevicePlan, ...]
    failures: tuple[Failure, ...] = ()
    waves: Mapping[str, str] = field(default_factory=dict[str, str])


def whole(plays: Sequence[Prepared], seen: RolloutResult) -> Combined:
    """Return what a playbook would change, combined from its waves.

    Raises:
        PlanError: no play applies anything, or two plays plan a device differently.
    """
    plans: dict[str, DevicePlan] = {}
    failures: dict[str, Failure] = {}
    waves: dict[str, list[str]] = {}
    for play, wave, one in _applied(plays, seen):
        waves.setdefault(one.device, []).append(f"wave {wave.number} of {play.name!r}")
        if one.plan is None:
            failures[one.device] = Failure(device=one.device, code=one.code, message=one.message)
            continue
        before = plans.setdefault(one.device, one.plan)
        if found := tuple(of_device(before, one.plan)):
            raise PlanError(
                f"two plays plan {one.device} differently ({found[0].what}): a saved plan or "
                "report holds one plan per device; choose a play with --tags"
            )
        plans[one.device] = _for_both(before, one.plan)
    if not waves:
        raise PlanError("the playbook applies nothing, so there is no plan to save")
    return Combined(
        plans=tuple(plan for name, plan in plans.items() if name not in failures),
        failures=tuple(failures.values()),
        waves={name: ", ".join(found) for name, found in waves.items()},
    )


def _for_both(before: DevicePlan, plan: DevicePlan) -> DevicePlan:
    """Return the plan of a group for the firewalls of both waves."""
    asked = {*before.receivers, *plan.receivers}
    members = tuple(
        replace(one, asked=one.firewall in asked) if one.asked != (one.firewall in asked) else one
        for one in before.state.members
    )
    return replace(before, state=replace(before.state, members=members)) if asked else before


def _applied(
    plays: Sequence[Prepared], seen: RolloutResult
) -> Iterator[tuple[PlayResult, WaveResult, DeviceResult]]:
    for prepared, play in zip(plays, seen.plays, strict=True):
        for wave in play.waves if prepared.applies else ():
            for one in wave.devices:
                yield play, wave, one


def left_out(plays: Sequence[Prepared], reviewed: Plan) -> tuple[str, ...]:
    """Return the devices that the reviewed plan changes but no play applies to."""
    reached = {
        name
        for play in plays
        if play.applies
        for wave in play.waves
        for one in wave
        for name in (one.device.name, *one.hosts)
    }
    return tuple(
        name
        for one in reviewed.devices
        if one.changes
        for name in (one.name, *one.receivers)
        if name not in reached
    )


def not_reviewed(
    plays: Sequence[Prepared],
    seen: RolloutResult,
    reviewed: Plan,
    done: Mapping[int, frozenset[str]],
) -> RolloutResult | None:
    """Return a refused rollout if the change to any device differs from the reviewed one.

    `done` are the devices that an earlier run completed, by play. A device that cannot be planned
    now is planned again in its wave, and fails there if it still cannot be.
    """
    differing: dict[str, tuple[Difference, ...]] = {}
    for play, _, one in _applied(plays, seen):
        before = done.get(play.number, frozenset())
        if one.plan is not None and one.device not in before:
            found = changed_otherwise(reviewed, one.plan)
            differing |= {one.device: found} if found else {}
    if not differing:
        return None

    def not_begun(play: PlayResult, one: DeviceResult) -> DeviceResult:
        if one.device in done.get(play.number, frozenset()):
            return DeviceResult(device=one.device, status="done_before")
        if found := differing.get(one.device):
            return refused(one.device, found)
        return DeviceResult(device=one.device, status="not_begun")

    stopped = tuple(
        replace(
            play,
            waves=tuple(
                replace(
                    wave,
                    status="not_begun",
                    devices=tuple(not_begun(play, one) for one in wave.devices),
                )
                for wave in play.waves
            ),
        )
        for play in seen.plays
    )
    names = list(differing)
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    message = (
        f"{', '.join(names[:12])}{more} would be changed otherwise than reviewed: "
        "no device was changed; have a new plan reviewed"
    )
    return RolloutResult(plays=stopped, stop=Stop(code="not_reviewed", message=message))


def refused(device: str, found: Sequence[Difference]) -> DeviceResult:
    """Return the result for a device whose plan is not the reviewed one."""
    count = f"{len(found)} difference{'' if len(found) == 1 else 's'}"
    return DeviceResult(
        device=device,
        status="failed",
        code="not_reviewed",
        message=f"its plan is not the reviewed one ({count}): nothing was changed on it",
        differences=tuple(found),
    )
