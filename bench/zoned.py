"""Policies shaped like plants: rules of few hosts each, over many pairs of zones."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from segctl.model.policy import Address, AddressGroup, Policy, Rule, Service

if TYPE_CHECKING:
    from collections.abc import Sequence

#: TCP ports that rules permit.
PORTS = (22, 80, 102, 443, 502, 1433, 2404, 3389, 4840, 44818)
#: Of so many hosts of a zone rules speak, where nothing else is asked for.
_HOSTS = 200


def zone(number: int) -> str:
    """Return the name of a zone."""
    return f"zone-{number:03}"


def network(number: int) -> str:
    """Return the network of a zone, of 1,024 addresses."""
    return f"10.{number >> 6}.{(number & 63) * 4}.0/22"


def _host(number: int, place: int) -> str:
    return f"10.{number >> 6}.{(number & 63) * 4 + place // 250}.{place % 250 + 1}"


def policy(rules: int, pairs: int, *, busiest: int = 0, hosts: int = _HOSTS) -> Policy:
    """Return a policy of `rules` rules over `pairs` pairs of zones, one of 20 denies.

    Of the rules `busiest` are between the first two zones, the others where chance puts them.
    """
    pick = random.Random(rules)
    zones = 2
    while zones * (zones - 1) < pairs:
        zones += 1
    every = [(one, other) for one in range(zones) for other in range(zones) if one != other]
    every = [every[0], *pick.sample(every[1:], pairs - 1)]
    where = [every[0]] * busiest + pick.choices(every, k=rules - busiest)
    pick.shuffle(where)
    return Policy(
        addresses=tuple(
            Address(name=_host_name(number, place), value=_host(number, place))
            for number in range(zones)
            for place in range(hosts)
        )
        + tuple(Address(name=f"net-{number:03}", value=network(number)) for number in range(zones)),
        address_groups=tuple(
            AddressGroup(
                name=f"group-{number:03}",
                members=tuple(_host_name(number, place) for place in range(0, 32, 2)),
            )
            for number in range(zones)
        ),
        services=tuple(
            Service(name=f"tcp-{port}", protocol="tcp", ports=str(port)) for port in PORTS
        ),
        rules=tuple(_rule(at, ends, hosts, pick) for at, ends in enumerate(where)),
    )


def _host_name(number: int, place: int) -> str:
    return f"host-{number:03}-{place:04}"


def _rule(at: int, ends: tuple[int, int], hosts: int, pick: random.Random) -> Rule:
    services = pick.sample(PORTS, pick.choice((1, 1, 2)))
    return Rule(
        name=f"rule-{at:05}",
        from_zones=(zone(ends[0]),),
        to_zones=(zone(ends[1]),),
        sources=_end(ends[0], hosts, pick),
        destinations=_end(ends[1], hosts, pick),
        services=tuple(f"tcp-{port}" for port in services),
        action="deny" if pick.random() < 0.05 else "allow",
    )


def _end(number: int, hosts: int, pick: random.Random) -> tuple[str, ...]:
    """Return a whole zone, a group of it, or up to three hosts."""
    kind = pick.random()
    if kind < 0.05:
        return (f"net-{number:03}",)
    if kind < 0.15:
        return (f"group-{number:03}",)
    places: Sequence[int] = pick.sample(range(hosts), pick.choice((1, 1, 1, 2, 3)))
    return tuple(_host_name(number, place) for place in places)
