"""Which numbered records were seen before, in little memory."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

_SHIFT: Final = 8
_BITS: Final = tuple(1 << number for number in range(1 << _SHIFT))
_MASK: Final = (1 << _SHIFT) - 1
#: So many runs of 256 numbers are remembered: 90 MB, and 256 million records without gaps.
MOST_RUNS: Final = 500_000


class Seen:
    """The numbers that each witness gave to its records so far.

    Devices number records one by one, so that a run of 256 numbers is one entry. When there are
    too many runs, the older half is forgotten, and `forgot` says so.
    """

    def __init__(self, most: int = MOST_RUNS) -> None:
        """Remember `most` runs."""
        self._most = most
        self._runs: dict[tuple[str, int], int] = {}
        self.forgot = False

    def again(self, witness: str, number: int) -> bool:
        """Whether a number comes again; remembers it."""
        key = (witness, number >> _SHIFT)
        bit = _BITS[number & _MASK]
        run = self._runs.get(key, 0)
        if run & bit:
            return True
        if not run and len(self._runs) >= self._most:
            self._forget()
        self._runs[key] = run | bit
        return False

    def apart(self, other: Seen) -> bool:
        """Whether none of the numbers in `other` were seen here, and there is room for them."""
        mine = self._runs
        if any(mine.get(key, 0) & run for key, run in other._runs.items()):
            return False
        new = sum(key not in mine for key in other._runs)
        return not other.forgot and len(mine) + new <= self._most

    def join(self, other: Seen) -> None:
        """Remember what was seen there."""
        mine = self._runs
        for key, run in other._runs.items():
            mine[key] = mine.get(key, 0) | run

    def _forget(self) -> None:
        self.forgot = True
        for key in list(self._runs)[: len(self._runs) // 2 + 1]:
            del self._runs[key]


#: So many names are remembered: 150 MB.
MOST_NAMES: Final = 2_000_000


class Named:
    """The names that witnesses gave to their records so far, as 64 bits each."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        """Remember `most` names."""
        self._most = most
        self._hashes: set[int] = set()
        self.forgot = False

    def again(self, name: object) -> bool:
        """Whether a name comes again; remembers it."""
        mark = marked(name)
        if mark in self._hashes:
            return True
        if len(self._hashes) >= self._most:
            self._hashes.clear()
            self.forgot = True
        self._hashes.add(mark)
        return False

    def apart(self, other: Named) -> bool:
        """Whether none of the names in `other` were seen here, and there is room for them."""
        room = len(self._hashes) + len(other._hashes) <= self._most
        return room and not other.forgot and self._hashes.isdisjoint(other._hashes)

    def join(self, other: Named) -> None:
        """Remember what was seen there."""
        self._hashes |= other._hashes


def marked(name: object) -> int:
    """Return 64 bits for a name, the same in every process."""
    return int.from_bytes(blake2b(repr(name).encode(), digest_size=8).digest())
