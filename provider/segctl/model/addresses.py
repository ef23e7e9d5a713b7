"""Sets of addresses as intervals of integers: merge, subtract, format."""

from __future__ import annotations

import re
from bisect import bisect_left
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.model.site import Network


Interval = tuple[int, int, int]  # IP version, first and last address as integers


#: Free bits of a wildcard mask, but for those at its end, above which they are not listed.
_MAX_WILD_BITS = 12
EVERYTHING: tuple[Interval, ...] = ((4, 0, 2**32 - 1), (6, 0, 2**128 - 1))


def interval(value: str) -> Interval:
    """Return the addresses of ``10.0.0.1``, ``10.0.0.0/8`` or ``10.0.0.1-10.0.0.9``.

    Raises:
        ValueError: `value` is none of these.
    """
    if "-" in value:
        first, last = (ip_address(part.strip()) for part in value.split("-", 1))
        if first.version != last.version or int(first) > int(last):
            message = f"{value!r} is not a valid address range: write FIRST-LAST"
            raise ValueError(message)
        return first.version, int(first), int(last)
    if "/" not in value and "%" not in value:  # much faster than a network
        address = ip_address(value)
        return address.version, int(address), int(address)
    network = ip_network(value, strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def wildcard(value: str) -> tuple[int, int]:
    """Return the address and the free bits of ``10.0.0.1/0.0.2.255``.

    Raises:
        ValueError: `value` is not such a text.
    """
    address, _, mask = value.partition("/")
    free = int(IPv4Address(mask))
    return int(IPv4Address(address)) & ~free, free


def wildcard_intervals(base: int, free: int) -> tuple[Interval, ...] | None:
    """Return the addresses that are `base` but for their `free` bits; None if they are too many."""
    low = (~free & free + 1).bit_length() - 1  # so many bits at the end are free
    bits = [bit for bit in range(low, 32) if free >> bit & 1]
    if len(bits) > _MAX_WILD_BITS:
        return None
    starts = [base]
    for bit in bits:
        starts += [start | 1 << bit for start in starts]
    return tuple((4, start, start + (1 << low) - 1) for start in starts)


def network_interval(network: Network) -> Interval:
    """Return the addresses of `network`."""
    return network.version, int(network.network_address), int(network.broadcast_address)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the same addresses as the fewest intervals, sorted."""
    result: list[Interval] = []
    for version, first, last in sorted(intervals):
        if result and result[-1][0] == version and first <= result[-1][2] + 1:
            result[-1] = (version, result[-1][1], max(result[-1][2], last))
        else:
            result.append((version, first, last))
    return tuple(result)


def subtract(intervals: Iterable[Interval], remove: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the addresses of `intervals` that are not in `remove`, as the fewest intervals."""
    gone = merge(remove)
    result: list[Interval] = []
    at = 0
    for version, first, last in merge(intervals):
        while at < len(gone) and gone[at][:2] < (version, first):
            at += 1
        # the preceding interval may overlap this one, and so may the last one examined
        at = max(0, at - 1)
        begin = first
        while at < len(gone) and gone[at][:2] <= (version, last):
            other, lowest, highest = gone[at]
            if other == version and highest >= begin:
                if lowest > begin:
                    result.append((version, begin, lowest - 1))
                begin = highest + 1
            at += 1
        if begin <= last:
            result.append((version, begin, last))
    return tuple(result)


def meeting(part: Interval, merged: Sequence[Interval]) -> Sequence[Interval]:
    """Return those of `merged` that have addresses in common with `part`.

    Args:
        part: an interval.
        merged: intervals as `merge` returns them: sorted and disjoint.
    """
    version, first, last = part
    begin = bisect_left(merged, (version, first))
    end = bisect_left(merged, (version, last + 1), begin)
    if begin and merged[begin - 1][0] == version and merged[begin - 1][2] >= first:
        begin -= 1
    return merged[begin:end]


def covers(outer: Iterable[Interval], inner: Iterable[Interval]) -> bool:
    """Whether every address of `inner` is in `outer`."""
    return not subtract(inner, merge(outer))


def networks_of(parts: Iterable[Interval]) -> Iterator[Interval]:
    """Yield addresses as networks, which every device takes; a range may not be one."""
    for version, first, last in parts:
        kind = IPv6Address if version == 6 else IPv4Address
        for network in summarize_address_range(kind(first), kind(last)):
            yield network_interval(network)


def interval_text(part: Interval) -> str:
    """Write an interval as a host or a network if it is one, else as a range."""
    version, first, last = part
    make = IPv4Address if version == 4 else IPv6Address
    if first == last:
        return str(make(first))
    size = last - first + 1
    if size & (size - 1) == 0 and first % size == 0:
        prefix = (32 if version == 4 else 128) - size.bit_length() + 1
        return f"{make(first)}/{prefix}"
    return f"{make(first)}-{make(last)}"


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"


#: The form of most addresses, which has only one spelling.
_CANONICAL_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/(?:[12]?[0-9]|3[01]))?")


def canonical_address(value: str) -> str:
    """Return the canonical spelling of an address, network or range; other text is unchanged.

    A network with host bits set is also unchanged: that is a finding, not a spelling.
    """
    if _CANONICAL_IPV4.fullmatch(value):
        return value
    try:
        if "-" in value or "/" not in value:
            return interval_text(interval(value)) if "-" not in value else _range_text(value)
        network = ip_network(value, strict=False)
        if str(network.network_address) != str(ip_address(value.split("/", maxsplit=1)[0])):
            return value
        return interval_text(network_interval(network))
    except ValueError:
        return value


def _range_text(value: str) -> str:
    first, last = (ip_address(part.strip()) for part in value.split("-", 1))
    return f"{first}-{last}"
