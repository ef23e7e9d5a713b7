"""What is kept of records that something may be proposed from: groups, and when sessions began."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from segctl.observe.grouping import Groups, columns, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.observe.observation import Flow, Observation

#: So many moments are kept, 8 bytes each; beyond, nothing is told by regularity.
MOST_TIMES: Final = 6_000_000


class Window(NamedTuple):
    """A time that does not count, from and to, in seconds since 1970."""

    first: float
    last: float


class Evidence(Groups):
    """Groups of what counts, those within windows that do not, and the moments of sessions.

    `times` are the beginnings of sessions that were not denied, by witness and flow, in no order.
    `untimed` says that there were too many, so that `times` is empty. `united` are the windows.
    """

    def __init__(self, windows: Iterable[Window] = (), most_times: int = MOST_TIMES) -> None:
        """Set aside what begins within one of `windows`."""
        super().__init__()
        self.excluded = Groups()
        self.united = _united(windows)
        self.times: dict[str, dict[Flow, array[float]]] = {}
        self.untimed = False
        self._left, self._most_times = most_times, most_times
        self._firsts = [one.first for one in self.united]

    def add(self, one: Observation) -> None:
        """Count an observation."""
        group, start, end, _port, sessions, _size = one
        when = end if start is None else start
        if when is not None and self.united and self._within(when):
            self.excluded.add(one)
            return
        super().add(one)
        if when is None or not sessions or group.verdict == "deny" or self.untimed:
            return
        seen = self.times.get(group.witness)
        if seen is None:
            seen = self.times[group.witness] = {}
        times = seen.get(group.flow)
        if times is None:
            times = seen[group.flow] = array("d")
        times.append(when)
        self._left -= 1
        if self._left < 0:
            self._forget_times()

    def __getstate__(self) -> tuple[Any, ...]:
        """Return what is pickled, where all is in memory."""
        times = {
            witness: (
                columns(flows),
                [len(one) for one in flows.values()],
                array("d", chain.from_iterable(flows.values())),
            )
            for witness, flows in self.times.items()
        }
        own = (self.excluded, self.united, self.untimed, self._left, self._most_times)
        return super().__getstate__(), own, times

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take in what was pickled."""
        counted, own, times = state
        super().__setstate__(counted)
        self.excluded, self.united, self.untimed, self._left, self._most_times = own
        self._firsts = [one.first for one in self.united]
        self.times = {
            witness: dict(zip(rows(flows), _parted(numbers, whole), strict=True))
            for witness, (flows, numbers, whole) in times.items()
        }

    @property
    def spilled(self) -> bool:
        """Whether there were more groups than are kept in memory."""
        return super().spilled or self.excluded.spilled

    def fresh(self) -> Evidence:
        """Return an empty one that counts in the same way."""
        return Evidence(self.united, self._most_times)

    def absorb(self, other: Groups) -> None:
        """Add what another one counted, which has to have all of it in memory."""
        super().absorb(other)
        if not isinstance(other, Evidence):
            return
        self.excluded.absorb(other.excluded)
        if other.untimed:
            self._forget_times()
        for witness, flows in other.times.items():
            if self.untimed:
                return
            mine = self.times.setdefault(witness, {})
            for flow, times in flows.items():
                known = mine.setdefault(flow, times)
                if known is not times:
                    known.extend(times)
                self._left -= len(times)
            if self._left < 0:
                self._forget_times()

    def _forget_times(self) -> None:
        self.untimed = True
        self.times.clear()

    def close(self) -> None:
        """Give back what is held."""
        super().close()
        self.times.clear()
        self.excluded.close()

    def _within(self, when: float) -> bool:
        place = bisect_right(self._firsts, when) - 1
        return place >= 0 and when < self.united[place].last


def _parted(numbers: Iterable[int], whole: array[float]) -> Iterator[array[float]]:
    """Yield so many moments of all for each flow."""
    first = 0
    for number in numbers:
        yield whole[first : first + number]
        first += number


def _united(windows: Iterable[Window]) -> list[Window]:
    """Return windows in order, those that overlap as one."""
    found: list[Window] = []
    for one in sorted(windows):
        if found and one.first <= found[-1].last:
            found[-1] = Window(found[-1].first, max(found[-1].last, one.last))
        else:
            found.append(one)
    return found
