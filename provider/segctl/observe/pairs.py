"""Pairs of firewalls in records: both members are one witness, and a session counts once."""

from __future__ import annotations

from array import array
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from segctl.observe.duplicates import marked

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

    def __init__(
        self, members: Mapping[str, str], witnesses: Witnesses, *, alone: bool = False
    ) -> None:
        """Take the firewall of each member by its name, and those who count what they tell.

        `alone`, remember in which order members told of sessions, to be joined.
        """
        self._members = dict(members)
        self._witnesses = witnesses
        self._told: dict[int, str] = {}
        self._tellers: dict[str, set[str]] = {}
        self._order: list[str] = []
        self._marks = array("q")
        self._alone = alone

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
        ends = marked((firewall, *one.group.flow, one.source_port))
        for near in (second, second - 1, second + 1):
            if told.get(hash((ends, near)), member) != member:
                return True
        mark = hash((ends, second))  # of numbers: the same in every process
        self._tellers.setdefault(firewall, set()).add(member)
        self._tell(mark, member)
        if self._alone:
            self._order.append(member)
            self._marks.append(mark)
        return False

    def _tell(self, mark: int, member: str) -> None:
        if len(self._told) >= MOST_SESSIONS:
            del self._told[next(iter(self._told))]
        self._told[mark] = member

    def apart(self, other: Pairs) -> bool:
        """Whether no session of `other` can have been told of here by the other member."""
        for firewall, tellers in other._tellers.items():
            mine = self._tellers.get(firewall, set())
            if len(mine | tellers) > 1 and (
                mine or len(self._told) + len(other._order) > MOST_SESSIONS
            ):
                return False
        return True

    def join(self, other: Pairs) -> None:
        """Remember what was told there, in the same order."""
        for mark, member in zip(other._marks, other._order, strict=True):
            self._tell(mark, member)
        for firewall, tellers in other._tellers.items():
            self._tellers.setdefault(firewall, set()).update(tellers)
