"""How segctl reaches the devices of an inventory, and plans that are guarded against a lock-out."""

from __future__ import annotations

import os
from ipaddress import ip_network
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from segctl.fleet.failures import Failure
from segctl.fleet.needs import needs_of, take_away
from segctl.inventory.mocked import MARK
from segctl.model.errors import UnsupportedError, UsageError
from segctl.model.site import group_name
from segctl.planning.lockout import guard, since
from segctl.planning.management import Connection
from segctl.providers.base import provider
from segctl.transports.source import source_towards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from segctl.fleet.cancel import Brake
    from segctl.fleet.workers import Workers
    from segctl.model.errors import Problem
    from segctl.model.site import Device, Site
    from segctl.planning.plan import Allowance, DevicePlan
    from segctl.providers.management import Management

#: The variable with the addresses from which devices see segctl come, where they are translated.
SOURCE: Final = "SEGCTL_SOURCE"
#: Other names of this machine for itself.
_TUNNELS: Final = ("::1", "localhost")


def guarded(
    results: Sequence[DevicePlan | Failure],
    site: Site,
    connections: Mapping[str, Mapping[str, object]],
    allowed: Iterable[Allowance] = (),
    *,
    remote: bool = False,
    beside: Mapping[str, Management | None] = MappingProxyType({}),
) -> tuple[DevicePlan | Failure, ...]:
    """Return plans with findings about the ways by which devices are managed that they would cut.

    Args:
        results: of one run.
        site: the whole inventory.
        connections: connection variables by device.
        allowed: ways that may be cut.
        remote: whether the devices are reached from other machines than this one.
        beside: what devices of no result said of themselves before, by name.

    Raises:
        UsageError: ``SEGCTL_SOURCE`` does not hold addresses.
    """
    plans = [one for one in results if not isinstance(one, Failure)]
    reached = reached_by(site.devices, connections, remote=remote)
    made = iter(guard(plans, site, reached, tuple(allowed), beside))
    return tuple(one if isinstance(one, Failure) else next(made) for one in results)


def cut_since(
    plans: Sequence[DevicePlan],
    site: Site,
    connections: Mapping[str, Mapping[str, object]],
    *,
    forks: int,
    report: Callable[[str, str], None],
    executor: Workers,
    brake: Brake,
) -> dict[str, tuple[Problem, ...]]:
    """Return the ways that saved plans would cut, or may, and did not when they were made.

    Where a plan takes something away, all its devices and the firewalls of its groups are asked how
    they are managed and what they need now; the others are read as they were planned.

    Raises:
        UsageError: ``SEGCTL_SOURCE`` does not hold addresses.
    """
    changing = [plan for plan in plans if plan.changes]
    if not take_away(changing):
        return {}
    named = {plan.name for plan in plans}
    asked = [
        one for one in site.devices if one.name in named or (one.group and group_name(one) in named)
    ]
    now = needs_of(asked, connections, forks=forks, report=report, executor=executor, brake=brake)
    told = {plan.name: plan.management for plan in plans} | now
    reached = reached_by(site.devices, connections, remote=executor.remote)
    return since(changing, site, reached, told)


def reached_by(
    devices: Iterable[Device],
    connections: Mapping[str, Mapping[str, object]],
    *,
    remote: bool = False,
) -> dict[str, Connection]:
    """Return how segctl reaches each device.

    Raises:
        UsageError: ``SEGCTL_SOURCE`` does not hold addresses.
    """
    given = _given()
    found: dict[str, Connection] = {}
    for device in devices:
        held = connections.get(device.name, {})
        named = held.get("ansible_host")
        host = named if isinstance(named, str) and named else device.name
        own = "" if given or remote else source_towards(host)
        # a tunnel has a port of its own
        port = None if host.startswith("127.") or host in _TUNNELS else held.get("ansible_port")
        found[device.name] = Connection(
            host=host,
            service=_service(device.platform, port),
            sources=given or ((own,) if own else ()),
            mock=held.get(MARK) is True,
        )
    return found


def _given() -> tuple[str, ...]:
    words = tuple(os.environ.get(SOURCE, "").split())
    for word in words:
        try:
            ip_network(word)
        except ValueError as error:
            raise UsageError(
                f"{SOURCE} holds the addresses or networks from which devices see segctl come, "
                f"not {word!r}: {error}"
            ) from error
    return words


def _service(platform: str, port: object) -> str:
    try:
        usual = provider(platform).capabilities.port
    except UnsupportedError:
        usual = 0
    number = int(port) if isinstance(port, int | str) and str(port).isdecimal() else usual
    return f"tcp/{number}" if number else ""
