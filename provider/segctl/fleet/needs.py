"""How firewalls are managed and what they need: each is asked, by its manager where it has one.

The plan of a device group reads nothing of its firewalls, and a wave of a playbook nothing of those
of other waves. Where a plan takes something away, they are asked, so that the guard knows what must
not be cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import segctl
from segctl.fleet.cancel import Brake
from segctl.fleet.connections import sharing
from segctl.fleet.pool import IN_TURN
from segctl.fleet.run import connection_for, run_all
from segctl.fleet.tasks import document_of, may_begin, parse, same_version, steps_of
from segctl.fleet.workers import as_workers
from segctl.model.errors import SegctlError
from segctl.model.site import group_name
from segctl.providers.management import Management

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from segctl.fleet.pool import Compute
    from segctl.fleet.tasks import Link
    from segctl.fleet.workers import Workers
    from segctl.model.site import Device, Site
    from segctl.planning.plan import DevicePlan
    from segctl.providers.base import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Work: read how a firewall is managed."""

    firewall: Device
    connection: Mapping[str, object] = field(repr=False)
    version: str = segctl.__version__

    @property
    def device(self) -> str:
        """The firewall's name."""
        return self.firewall.name


def read_one(item: Reading, link: Link, compute: Compute = IN_TURN) -> Management | None:
    """Return how a firewall is managed and what it needs; None where it does not say.

    One that cannot be asked is no failure of the plan: what is not known is told by the guard.
    """
    try:
        same_version(item.version)
        may_begin(link)
        document = document_of(item.firewall, item.connection, steps_of(item.device, link))
        live: Live = compute(parse, item.firewall.platform, document)
    except SegctlError:
        return None
    else:
        return live.management
    finally:
        link.tell(item.device, "")


def needs_of_managed(
    plans: Iterable[DevicePlan],
    site: Site,
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    brake: Brake | None = None,
) -> dict[str, Management | None]:
    """Return what the firewalls of the planned groups say of themselves, by name.

    Nobody is asked if no plan takes anything away.
    """
    listed = list(plans)
    planned = {plan.name for plan in listed}
    asked = [one for one in site.devices if one.group and group_name(one) in planned]
    if not take_away(listed):
        return {}
    return needs_of(asked, connections, forks=forks, report=report, executor=executor, brake=brake)


def take_away(plans: Iterable[DevicePlan]) -> bool:
    """Whether a plan permits less than is permitted now, or may."""
    return any(plan.meaning and (plan.meaning.less or plan.meaning.unknown) for plan in plans)


def needs_of(
    firewalls: Sequence[Device],
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers | Executor | None = None,
    brake: Brake | None = None,
) -> dict[str, Management | None]:
    """Return what firewalls say of themselves, by name, without those that cannot be asked."""
    if not firewalls:
        return {}
    hosts = [(one.name, one.platform) for one in firewalls]
    with sharing(connections, hosts) as ways, as_workers(executor, forks) as workers:
        items = [
            Reading(firewall=one, connection=connection_for(workers, ways, one.name))
            for one in firewalls
        ]
        results = run_all(read_one, items, workers, brake or Brake(), report)
    return {
        item.device: found
        for item, found in zip(items, results, strict=True)
        if isinstance(found, Management)
    }
