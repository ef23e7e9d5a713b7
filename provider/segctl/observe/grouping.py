"""Observations that are alike, counted as they come, in bounded memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from segctl.observe.observation import Flow, Function, Group
from segctl.system.json_text import read_listing
from segctl.system.storage import scratch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.observe.observation import Observation

#: So many groups are kept in memory; beyond, they are put on disk and merged at the end.
MOST_GROUPS: Final = 300_000
_PARTS: Final = 64
_DAY: Final = 86400
#: Days further apart than this are not of one plant: bits beyond would be memory for nothing.
_MOST_DAYS: Final = 20_000


@dataclass(slots=True)
class Count:
    """What a group adds up to.

    `first` and `last` are seconds since 1970. `days` has a bit for each day on which something was
    seen, from `day` on, which counts from 1970.
    """

    records: int = 0
    sessions: int = 0
    bytes: int = 0
    first: float | None = None
    last: float | None = None
    day: int = 0
    days: int = 0

    def seen(self, day: int, days: int = 1) -> None:
        """Take down the days, as bits, from a day on; the latest ones where they lie far apart."""
        if not self.days:
            self.day, self.days = day, days
            return
        apart = day - self.day
        if apart >= 0 and apart + days.bit_length() <= _MOST_DAYS:
            self.days |= days << apart
            return
        last = max(self.day + self.days.bit_length(), day + days.bit_length())
        first = max(min(self.day, day), last - _MOST_DAYS)
        held = _from(self.day, self.days, first) | _from(day, days, first)
        unused = (held & -held).bit_length() - 1
        self.day, self.days = first + unused, held >> unused

    def merge(self, other: Count) -> None:
        """Add what another count of the same group holds."""
        self.records += other.records
        self.sessions += other.sessions
        self.bytes += other.bytes
        if other.days:
            self.seen(other.day, other.days)
        if other.first is not None and (self.first is None or other.first < self.first):
            self.first = other.first
        if other.last is not None and (self.last is None or other.last > self.last):
            self.last = other.last


def _from(day: int, days: int, first: int) -> int:
    """Return days as bits from the `first` one on; those before it are lost."""
    return days << (day - first) if day >= first else days >> (first - day)


class Groups:
    """Counts by group: as many as fit in memory, and the others on disk.

    On disk, groups of one flow are in the same part, so that all that was seen of a flow is
    together again when parts are read one by one.
    """

    def __init__(self, most: int = MOST_GROUPS) -> None:
        """Keep `most` groups in memory."""
        self._most = most
        self._counts: dict[Group, Count] = {}
        self._parts: list[IO[str]] = []

    def __getstate__(self) -> tuple[Any, ...]:
        """Return what is pickled, where all is in memory: columns take a third of the time."""
        if self._parts:
            raise ValueError("groups on disk do not travel")
        kinds = dict.fromkeys(group[1:] for group in self._counts)
        places = {kind: place for place, kind in enumerate(kinds)}
        counts = self._counts.values()
        return (
            self._most,
            tuple(kinds),
            [places[group[1:]] for group in self._counts],
            columns(group.flow for group in self._counts),
            [[getattr(count, name) for count in counts] for name in Count.__slots__],
        )

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take in what was pickled."""
        self._most, kinds, places, flows, counts = state
        self._parts = []
        groups = (
            Group(flow, *kinds[place]) for place, flow in zip(places, rows(flows), strict=True)
        )
        self._counts = dict(zip(groups, map(Count, *counts), strict=True))

    @property
    def spilled(self) -> bool:
        """Whether there were more groups than are kept in memory."""
        return bool(self._parts)

    def add(self, one: Observation) -> None:
        """Count an observation."""
        group, start, end, _port, sessions, size = one
        count = self._counts.get(group)
        if count is None:
            if len(self._counts) >= self._most:
                self._spill()
            count = self._counts[group] = Count()
        count.records += 1
        count.sessions += sessions
        count.bytes += size
        if start is not None and (count.first is None or start < count.first):
            count.first = start
        if end is not None:
            if count.last is None or end > count.last:
                count.last = end
            if (day := int(end) // _DAY) != count.day or not count.days:
                count.seen(day)

    def fresh(self) -> Groups:
        """Return an empty one that counts in the same way."""
        return Groups(self._most)

    def absorb(self, other: Groups) -> None:
        """Add what another one counted, which has to have all of it in memory."""
        mine = self._counts
        for group, count in other._counts.items():
            known = mine.get(group)
            if known is not None:
                known.merge(count)
                continue
            if len(mine) >= self._most:
                self._spill()
            mine[group] = count

    def flows(self) -> Iterator[tuple[Flow, list[tuple[Group, Count]]]]:
        """Yield each flow with its groups; the order of flows means nothing."""
        if not self._parts:
            yield from _by_flow(self._counts.items())
            return
        self._spill()
        for part in self._parts:
            merged: dict[Group, Count] = {}
            part.seek(0)
            for line in part:
                group, count = _read(read_listing(line))
                known = merged.setdefault(group, Count())
                known.merge(count)
            yield from _by_flow(merged.items())

    def close(self) -> None:
        """Give back what is held, in memory and on disk: nothing can be asked any more."""
        self._counts.clear()
        for part in self._parts:
            part.close()

    def _spill(self) -> None:
        if not self._parts:
            self._parts = [scratch() for _ in range(_PARTS)]
        for group, count in self._counts.items():
            part = self._parts[hash(group.flow) % _PARTS]
            part.write(json.dumps([group, _written(count)]) + "\n")
        self._counts.clear()


def columns(flows: Iterable[Flow]) -> list[tuple[Any, ...]]:
    """Return flows by field."""
    return [*zip(*flows, strict=True)] or [() for _ in Flow._fields]


def rows(fields: Iterable[Iterable[Any]]) -> Iterator[Flow]:
    """Yield the flows that `columns` took apart."""
    return map(Flow, *fields)


def _written(count: Count) -> list[Any]:
    days = f"{count.days:x}"  # a number of any length is text in JSON
    return [
        *(count.records, count.sessions, count.bytes, count.first, count.last, count.day),
        days,
    ]


def _read(row: Any) -> tuple[Group, Count]:
    (flow, *rest), (records, sessions, size, first, last, day, days) = row
    group = Group(Flow(*flow), *rest)
    group = group._replace(
        applications=tuple(group.applications),
        functions=tuple(Function(*one) for one in group.functions),
    )
    return group, Count(records, sessions, size, first, last, day, int(days, 16))


def _by_flow(
    items: Iterable[tuple[Group, Count]],
) -> Iterator[tuple[Flow, list[tuple[Group, Count]]]]:
    flows: dict[Flow, list[tuple[Group, Count]]] = {}
    for group, count in items:
        flows.setdefault(group.flow, []).append((group, count))
    yield from flows.items()
