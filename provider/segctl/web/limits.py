"""How much is answered: so many requests in a time, from each peer and in all."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: So many peers are told apart; who has not asked for longest is forgotten.
MOST_PEERS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many at once, and so many a second after that."""

    burst: int
    second: float


class Bucket:
    """Counts what may still be done of a rate."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._left = float(rate.burst)
        self._at = now

    def left(self, now: float) -> float:
        """Return how many may still be done now."""
        gained = max(0.0, now - self._at) * self._rate.second
        self._left, self._at = min(float(self._rate.burst), self._left + gained), now
        return self._left

    def take(self, now: float) -> bool:
        """Take one, if there is one."""
        if self.left(now) < 1:
            return False
        self._left -= 1
        return True


class Limits:
    """A rate for each peer, and one for all of them together."""

    def __init__(self, each: Rate, everyone: Rate, clock: Callable[[], float]) -> None:
        self._each = each
        self._clock = clock
        self._all = Bucket(everyone, clock())
        self._peers: OrderedDict[str, Bucket] = OrderedDict()

    def allow(self, peer: str) -> bool:
        """Count one for a peer; return whether it is within its rate and that of all."""
        now = self._clock()
        return self._bucket(peer, now).take(now) and self._all.take(now)

    def exhausted(self, peer: str) -> bool:
        """Whether nothing is left for a peer; counts nothing."""
        now = self._clock()
        return self._bucket(peer, now).left(now) < 1 or self._all.left(now) < 1

    def _bucket(self, peer: str, now: float) -> Bucket:
        found = self._peers.pop(peer, None) or Bucket(self._each, now)
        self._peers[peer] = found
        if len(self._peers) > MOST_PEERS:
            self._peers.popitem(last=False)
        return found


def peer_of(address: str) -> str:
    """Return who an address stands for: of IPv6 its network, where a peer has as many as it likes.

    >>> peer_of("2001:db8:1:2:3::4")
    '2001:db8:1:2::/64'
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
