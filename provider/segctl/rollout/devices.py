"""Many devices at once: plans read and changes applied over a pool of threads.

A device that fails is a value among the results, never the end of the others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.apply import Outcome, apply_device
from segctl.plan import DevicePlan, plan_device
from segctl.providers.base import provider
from segctl.rollout.brake import Brake
from segctl.rollout.connections import target, unverified
from segctl.rollout.pool import each
from segctl.rollout.results import Failure, failed, failure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.compile import Desired


def plan_devices(
    desired: Sequence[Desired],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    brake: Brake | None = None,
) -> tuple[DevicePlan | Failure, ...]:
    """Read every device, write to none, and return a plan or a failure for each, in order.

    `report` is told every step of every device, and an empty one when the device is done.
    """
    stop = brake or Brake()

    def one(item: Desired) -> DevicePlan:
        device = item.device
        told = stop.watch(lambda step: report(device.name, step))
        try:
            speaks = provider(device.platform)
            where = target(device.name, connections.get(device.name, {}), device.vsys)
            with speaks.connect(where, read_only=True, progress=told) as session:
                live = speaks.parse(session.read())
            told("comparing")
            made = plan_device(item, live, speaks)
        finally:
            report(device.name, "")
        return replace(made, findings=(*unverified(device.name, connections), *made.findings))

    return tuple(
        result if isinstance(result, DevicePlan) else failure_of(item.device.name, result)
        for item, result in zip(desired, each(one, desired, forks, stop), strict=True)
    )


def apply_plans(
    plans: Sequence[DevicePlan],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    allow_purge: bool,
    brake: Brake,
    report: Callable[[str, str], None],
    revert_in: float | None = None,
) -> tuple[Outcome, ...]:
    """Apply the plans, each device on its own, and return what became of each, in order.

    Once `brake` is eased no further device is begun; pressed, those that run go back, too.
    `report` is told every step of every device, and an empty one when the device is done.
    """

    def one(plan: DevicePlan) -> Outcome:
        def told(step: str) -> None:
            report(plan.name, step)

        try:
            return apply_device(
                plan,
                provider(plan.platform),
                target(plan.name, connections.get(plan.name, {}), plan.scope),
                allow_purge=allow_purge,
                progress=brake.watch(told),
                revert_in=revert_in,
            )
        finally:
            told("")

    results = each(one, plans, forks, brake)
    return tuple(
        result if isinstance(result, Outcome) else failed(plan.name, result)
        for plan, result in zip(plans, results, strict=True)
    )
