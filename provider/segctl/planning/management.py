"""The ways by which a device is managed: from segctl to it, and from it to what it needs. Pure.

A way is the connection from segctl to a device, or what a device asks of others: names, the time,
updates, its Panorama, its log servers, its peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from segctl.model.addresses import interval, merge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.addresses import Interval
    from segctl.planning.plan import DevicePlan
    from segctl.providers.management import Management

#: What segctl itself needs of a device, in names of ways.
OWN: Final = "management"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How segctl reaches a device: what it connects to, and from where, as far as is known.

    A `mock` is on the machine that runs segctl: no firewall lies between the two.
    """

    host: str
    service: str
    sources: tuple[str, ...] = ()
    mock: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Packets that must go on to pass: from `sources` to `destinations`, by any of `services`.

    Empty ends are unknown. `zone` is that of the interface of the device's own by which they come
    or go, if its own policy judges them; `incoming` says that they come.
    """

    device: str
    need: str
    sources: tuple[Interval, ...]
    destinations: tuple[Interval, ...]
    services: tuple[str, ...]
    zone: str = ""
    incoming: bool = True

    @property
    def name(self) -> str:
        """What it is called where it may be cut: ``fw1:ntp``."""
        return f"{self.device}:{self.need}"

    @property
    def known(self) -> bool:
        """Whether both ends are known."""
        return bool(self.sources and self.destinations)


# --- which ways there are ------------------------------------------------------------------------


def ways_of(
    device: str, connection: Connection | None, management: Management | None
) -> Iterator[Way]:
    """Yield the ways by which a device is managed and what it needs.

    Args:
        device: its name.
        connection: how segctl reaches it, None where it does not.
        management: what the device says, None where it was not read or does not say.
    """
    if connection is not None:
        yield from _own_ways(device, connection, management)
    for need in management.needs if management else ():
        hosts = tuple(one for host in need.hosts for one in literal(host))
        if hosts and all(map(loops, hosts)):
            continue
        yield Way(
            device=device,
            need=need.name,
            sources=literal(need.source),
            destinations=hosts,
            services=need.services,
            zone=need.zone,
            incoming=False,
        )


def _own_ways(device: str, connection: Connection, management: Management | None) -> Iterator[Way]:
    """Yield the ways by which segctl reaches a device.

    It is one of the device's own addresses; where segctl connects to another (a name, a tunnel, a
    translated address), it may be any by which the device is managed.
    """
    sources = merge(one for text in connection.sources for one in literal(text))
    named = literal(connection.host)
    tunnel = not named or all(map(loops, named))
    planes = [one for one in management.planes if one.manages] if management else []
    own = [one for one in planes if not all(map(loops, literal(one.address)))]
    if tunnel and not own and (planes or connection.mock):
        return  # it is reached from this machine alone: a mock, or a device that says so
    exact = [one for one in own if one.address == connection.host]
    ends = [(literal(plane.address), plane.zone) for plane in exact or (own if tunnel else ())]
    if not ends:
        ends = [(() if tunnel else named, "")]
    for destinations, zone in ends:
        yield Way(
            device=device,
            need=OWN,
            sources=sources,
            destinations=destinations,
            services=(connection.service,) if connection.service else (),
            zone=zone,
        )


def literal(text: str) -> tuple[Interval, ...]:
    """Return the addresses that a text is, none where it is a name."""
    try:
        return (interval(text),)
    except ValueError:
        return ()


def loops(part: Interval) -> bool:
    """Whether it is the address of a machine for itself, which no firewall ever sees."""
    version, first, _ = part
    loop = ip_address("::1" if version == 6 else "127.0.0.0")
    return first == int(loop) if version == 6 else first >> 24 == int(loop) >> 24


def names_of(
    plans: Iterable[DevicePlan],
    connections: Mapping[str, Connection],
    beside: Mapping[str, Management | None] = MappingProxyType({}),
) -> frozenset[str]:
    """Return the names of all ways, such as ``fw1:management`` and ``fw1:ntp``.

    `beside` is what devices without a plan of their own say of themselves, by name.
    """
    read = {**beside, **{plan.name: plan.management for plan in plans}}
    every = {*read, *connections}
    return frozenset(
        way.name for name in every for way in ways_of(name, connections.get(name), read.get(name))
    )
