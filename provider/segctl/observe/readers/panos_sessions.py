"""Several records of one session of PAN-OS, joined: the applications on its way are all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.observe.observation import Observation

#: So many sessions are followed that began and did not end yet.
MOST_OPEN: Final = 100_000
_BEGUN: Final = "start"

Key = tuple[str, str, str]


class Sessions:
    """Sessions that were seen to begin and not yet to end.

    A rule that logs at the start writes a record at the first data and one at each shift of the
    application; the record at the end names the last application only.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        """Follow `most` sessions; of more, the oldest count as they were last seen."""
        self._most, self._peak = most, 0
        self._serials: set[str] = set()
        self._open: dict[Key, Observation] = {}
        self._dropped: list[Observation] = []

    def __bool__(self) -> bool:
        """Whether any session is open."""
        return bool(self._open)

    def joined(self, key: Key, subtype: str, one: Observation) -> Observation | None:
        """Return a session with all its applications once it ended, and None until then."""
        self._serials.add(key[0])
        before = self._open.pop(key, None)
        if before is not None and before.group.flow != one.group.flow:
            self._dropped.append(before)  # the device used the number again
            before = None
        if before is not None:
            names = (*before.group.applications, *one.group.applications)
            group = one.group._replace(applications=tuple(dict.fromkeys(names)))
            one = one._replace(group=group, start=before.start)
        if subtype != _BEGUN:
            return one
        self._open[key] = one
        self._peak = max(self._peak, len(self._open))
        if len(self._open) > self._most:
            return self._open.pop(next(iter(self._open)))
        return self._dropped.pop() if self._dropped else None

    def apart(self, other: Sessions, serials: set[str]) -> bool:
        """Whether no session that is open here goes on in `other`, and there is room for both.

        `serials` are the devices there whose records were not looked up, since none was open.
        """
        if self._dropped and other._peak:
            return False
        mine = {serial for serial, _, _ in self._open}
        room = len(self._open) + other._peak <= self._most
        return room and mine.isdisjoint(other._serials | serials)

    def join(self, other: Sessions) -> None:
        """Follow what is open there."""
        self._open |= other._open
        self._dropped += other._dropped

    def open(self) -> Iterator[Observation]:
        """Yield what did not end, as it was last seen."""
        yield from self._dropped
        yield from self._open.values()
        self._dropped.clear()
        self._open.clear()
