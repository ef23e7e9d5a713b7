"""Pairs of firewalls in records: both members are one witness, and a session counts once."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from segctl.model.site import Device
    from segctl.observe.coverage import Witnesses
    from segctl.observe.observation import Observation

#: So many sessions of pairs are remembered, of which the other member may tell as well.
MOST_SESSIONS: Final = 1_000_000


def members_of(devices: Iterable[Device]) -> Mapping[str, str]:
    """Return the firewall that each member of a pair is, by the member's names."""
    return MappingProxyType(
        {
            name: device.name
            for device in devices
            if device.ha_peer
            for name in (device.name, device.serial, device.ha_peer, device.peer_serial)
            if name
        }
    )


class Pairs:
    """Takes what both members of a pair saw for what one firewall saw.

    Each member logs the sessions that it passed, so that theirs add up. A session that is handed
    over is told by both; it has the same ends, ports and beginning.
    """

    def __init__(self, members: Mapping[str, str], witnesses: Witnesses) -> None:
        """Take the firewall of each member by its name, and those who count what they tell."""
        self._members = members
        self._witnesses = witnesses
        self._told: dict[int, str] = {}

    def taking(self, add: Callable[[Observation], None]) -> Callable[[Observation], None]:
        """Return what counts an observation of a member as one of its firewall."""
        if not self._members:
            return add

        def take(one: Observation) -> None:
            member = one.group.witness
            firewall = self._members.get(member)
            if firewall is None:
                add(one)
            elif self._handed_over(one, firewall, member):
                self._witnesses[member].duplicates += 1
            else:
                add(one._replace(group=one.group._replace(witness=firewall)))

        return take

    def _handed_over(self, one: Observation, firewall: str, member: str) -> bool:
        """Whether the other member told of a session already; remembers who did."""
        if one.start is None or not one.source_port or not one.sessions:
            return False
        second, told = int(one.start), self._told
        ends = (firewall, one.group.flow, one.source_port)
        for near in (second, second - 1, second + 1):
            if told.get(hash((ends, near)), member) != member:
                return True
        if len(told) >= MOST_SESSIONS:
            del told[next(iter(told))]
        told[hash((ends, second))] = member
        return False
