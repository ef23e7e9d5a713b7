"""Addresses that are leased: one host has many of them, and one of them is many hosts'."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.model.site import Host, Network

#: Addresses further apart than this are not of one range of leases.
_NEAR: Final = 32
#: So many addresses that are never seen together are a range, where no record names users.
_LEAST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pool:
    """A range of leases within one zone, from its first address to its last."""

    zone: str
    first: str
    last: str
    why: str = ""

    def holds(self, address: str) -> bool:
        """Whether an address is in the range."""
        one, first, last = ip_address(address), ip_address(self.first), ip_address(self.last)
        return one.version == first.version and int(first) <= int(one) <= int(last)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The range as networks, and nothing beyond it."""
        first, last = ip_address(self.first), ip_address(self.last)
        if isinstance(first, IPv4Address) and isinstance(last, IPv4Address):
            return tuple(summarize_address_range(first, last))
        if isinstance(first, IPv6Address) and isinstance(last, IPv6Address):
            return tuple(summarize_address_range(first, last))
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An address that no asset has and that begins: its zone, its users, when it was seen."""

    address: str
    zone: str
    users: frozenset[str]
    first: float
    last: float
    serves: bool = False


def pools(
    clients: Iterable[Client], given: Mapping[str, Iterable[tuple[str, str]]]
) -> tuple[Pool, ...]:
    """Return the ranges of leases: those that are given, and those that users show.

    Args:
        clients: addresses that may be leased.
        given: ranges that a person named, by zone, each from and to.
    """
    found = [
        Pool(zone=zone, first=first, last=last, why="given")
        for zone, ranges in sorted(given.items())
        for first, last in ranges
    ]
    by_zone: dict[str, list[Client]] = {}
    for one in clients:
        if not one.serves and not any(pool.holds(one.address) for pool in found):
            by_zone.setdefault(one.zone, []).append(one)
    for zone, held in sorted(by_zone.items()):
        found += _of_users(zone, held) or _of_turns(zone, held)
    return tuple(found)


def _of_users(zone: str, clients: list[Client]) -> list[Pool]:
    """Return the ranges of addresses whose users move from one to another.

    Addresses among them that come and go belong to them, whoever used them; beyond the first and
    the last only those as near as these are to each other.
    """
    addresses: dict[str, set[str]] = {}
    for one in clients:
        for user in one.users:
            addresses.setdefault(user, set()).add(one.address)
    moved = {one.address for one in clients if len(one.users) > 1}
    moved.update(one for held in addresses.values() if len(held) > 1 for one in held)
    why = "users move from one address to another"
    brief = _brief(clients)
    return [
        Pool(zone=zone, first=str(run[0]), last=str(run[-1]), why=why)
        for whole in _runs(moved | brief, _NEAR)
        if len(run := _trimmed(whole, moved)) > 1
    ]


def _trimmed(run: list[Host], moved: set[str]) -> list[Host]:
    """Return a run without what only lies near it; empty if nobody moved within it."""
    sure = [number for number, one in enumerate(run) if str(one) in moved]
    if len(sure) < 2:
        return []
    gaps = [int(after) - int(one) for one, after in pairwise(run[number] for number in sure)]
    first, last = sure[0], sure[-1]
    while first and int(run[first]) - int(run[first - 1]) <= max(gaps):
        first -= 1
    while last + 1 < len(run) and int(run[last + 1]) - int(run[last]) <= max(gaps):
        last += 1
    return run[first : last + 1]


def _of_turns(zone: str, clients: list[Client]) -> list[Pool]:
    """Return the ranges of addresses that come and go by turns, as leases do."""
    why = "addresses come and go by turns"
    return [
        Pool(zone=zone, first=str(run[0]), last=str(run[-1]), why=why)
        for run in _runs(_brief(clients), _NEAR)
        if len(run) >= _LEAST
    ]


def _brief(clients: list[Client]) -> set[str]:
    """Return the addresses that are seen for less than half of the time."""
    span = max(one.last for one in clients) - min(one.first for one in clients)
    return {one.address for one in clients if one.last - one.first < span / 2}


def _runs(addresses: Iterable[str], apart: int) -> list[list[Host]]:
    """Return addresses in order, in runs whose neighbours are at most so far apart."""
    runs: list[list[Host]] = []
    ordered = sorted(map(ip_address, addresses), key=lambda one: (one.version, int(one)))
    for one in ordered:
        before = runs[-1][-1] if runs else None
        near = (
            before is not None and before.version == one.version and int(one) - int(before) <= apart
        )
        if near:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs
