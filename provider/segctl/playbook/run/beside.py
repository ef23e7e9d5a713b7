"""What the guard of a wave has to know of the firewalls that the wave does not plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.fleet.needs import needs_of, needs_of_managed, take_away

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.fleet.workers import Workers
    from segctl.planning.plan import DevicePlan
    from segctl.playbook.run.context import Run
    from segctl.playbook.run.prepare import Prepared
    from segctl.providers.management import Management


def needed_beside(
    plans: Sequence[DevicePlan],
    prepared: Prepared,
    run: Run,
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | None,
) -> Mapping[str, Management | None]:
    """Return what firewalls without a plan of their own say of themselves, by name.

    Nobody is asked if no plan takes anything away. Else the firewalls of the planned groups are
    asked anew, and once in a run those of the play's other waves, as far as nobody has asked them:
    a plan of all of them at once would know all that.
    """
    managed = needs_of_managed(
        plans,
        prepared.site,
        prepared.connections,
        forks=forks,
        report=report,
        executor=executor,
        brake=run.brake,
    )
    if not take_away(plans):
        return run.seen
    with run.asking:  # devices that go on by themselves ask the others once, not each of them
        told = {*run.seen, *managed, *(plan.name for plan in plans)}
        names = {name for wave in prepared.waves for one in wave for name in one.hosts}
        others = [one for one in prepared.site.devices if one.name in names - told]
        found = needs_of(
            others,
            prepared.connections,
            forks=forks,
            report=report,
            executor=executor,
            brake=run.brake,
        )
        run.seen.update({one.name: found.get(one.name) for one in others})
        return {**run.seen, **managed}
