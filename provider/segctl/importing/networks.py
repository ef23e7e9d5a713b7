"""From the pieces of networks that a firewall holds back to networks in CIDR notation.

Where zones overlap, a zone's objects hold only what is its own: a network less the parts of other
zones. Going back, a piece that is no network stands in the smallest one that holds it, and what
that has too much (a gap) must belong to some other zone.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv6Address,
    ip_network,
    summarize_address_range,
)
from typing import TYPE_CHECKING

from segctl.model.addresses import meeting, network_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.addresses import Interval
    from segctl.model.site import Network


def cover(part: Interval) -> Network:
    """Return the smallest network that holds all of `part`."""
    version, first, last = part
    bits = 32 if version == 4 else 128
    size = (first ^ last).bit_length()
    start = first >> size << size
    address = IPv4Address(start) if version == 4 else IPv6Address(start)
    return ip_network(f"{address}/{bits - size}")


def is_network(part: Interval) -> bool:
    """Whether `part` is exactly one network."""
    return network_interval(cover(part)) == part


def inside(inner: Interval, outer: Interval) -> bool:
    """Whether all of `inner` is in `outer`."""
    return inner[0] == outer[0] and outer[1] <= inner[1] and inner[2] <= outer[2]


def networks_of(parts: Iterable[Interval]) -> tuple[Network, ...]:
    """Return networks whose owned pieces `parts` can be: the parts, and covers of ranges.

    A part in the cover of a range is a piece of that network, unless it lies in another part.
    """
    held = list(dict.fromkeys(parts))
    covers = {network_interval(cover(part)) for part in held if not is_network(part)}
    largest = sorted(covers - _in_others(covers))
    inner = _in_others(held)
    whole = {
        part
        for part in held
        if is_network(part)
        and (part in inner or not any(inside(part, one) for one in meeting(part, largest)))
    }
    return tuple(cover(part) for part in sorted(whole.union(largest)))


def _in_others(parts: Iterable[Interval]) -> set[Interval]:
    """Return those of `parts` that lie in another one."""
    found: set[Interval] = set()
    reach = (0, 0)  # IP version and the last address of all that begin before
    for part in sorted(set(parts), key=lambda part: (part[0], part[1], -part[2])):
        version, _, last = part
        if (version, last) <= reach:
            found.add(part)
        reach = max(reach, (version, last))
    return found


def as_networks(part: Interval) -> tuple[Network, ...]:
    """Return an interval as the fewest networks."""
    version, first, last = part
    if version == 4:
        return tuple(summarize_address_range(IPv4Address(first), IPv4Address(last)))
    return tuple(summarize_address_range(IPv6Address(first), IPv6Address(last)))
