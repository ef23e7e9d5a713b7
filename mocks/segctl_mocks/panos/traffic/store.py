"""What one firewall logged, has open and counted: read from a traffic file, entry by entry.

Only where each entry is and when it was generated is kept in memory: 16 bytes an entry.
"""

from __future__ import annotations

import heapq
import json
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from segctl_mocks.panos.traffic.query import digits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl_mocks.panos.traffic.query import Query

#: Bytes of one line.
_LONGEST = 1 << 20
_KINDS = frozenset(("log", "session", "rule"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a rule counted: hits, the first and the last in seconds since 1970."""

    hits: int
    first: int
    last: int


@dataclass(slots=True)
class _Log:
    """Where the entries of one type are, and when they were generated, in the file's order."""

    places: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("Q"))
    sorted: bool = True

    def add(self, place: int, time: int) -> None:
        self.sorted = self.sorted and (not self.times or self.times[-1] <= time)
        self.places.append(place)
        self.times.append(time)


class Traffic:
    """The traffic of one firewall."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._logs: dict[str, _Log] = {}
        self.sessions: list[Mapping[str, str]] = []
        self.rules: dict[str, Count] = {}
        self.arrived: list[Mapping[str, str]] = []

    def learn(self, value: Mapping[str, str], place: int) -> None:
        """Take note of one line of the file.

        Raises:
            KeyError: the line lacks something.
            ValueError: a number is none.
        """
        kind = value["kind"]
        if kind == "session":
            self.sessions.append(
                {key: one for key, one in value.items() if key not in {"kind", "device"}}
            )
        elif kind == "rule":
            self.rules[value["name"]] = Count(
                hits=int(value["hit-count"]),
                first=int(value["first-hit-timestamp"]),
                last=int(value["last-hit-timestamp"]),
            )
        else:
            log = self._logs.setdefault(value["type"].lower(), _Log())
            log.add(place, digits(value["time_generated"]))

    def own(self) -> Traffic:
        """Return the same traffic for one firewall alone: what arrives there is of no other."""
        found = Traffic(self._path)
        found._logs, found.sessions, found.rules = self._logs, list(self.sessions), self.rules
        return found

    def arrive(self, entry: Mapping[str, str]) -> None:
        """Let an entry be logged now: it is the newest."""
        self.arrived.append(entry)

    def entries(self, kind: str, query: Query, *, newest_first: bool) -> Iterator[dict[str, str]]:
        """Yield the entries of a log that match, in the order in which they were logged or back."""
        late = [
            dict(entry)
            for entry in self.arrived
            if entry.get("type", "").lower() == kind and query.matches(entry)
        ]
        if newest_first:
            yield from reversed(late)
            yield from self._kept(kind, query, newest_first=True)
        else:
            yield from self._kept(kind, query, newest_first=False)
            yield from late

    def _kept(self, kind: str, query: Query, *, newest_first: bool) -> Iterator[dict[str, str]]:
        log = self._logs.get(kind)
        if log is None:
            return
        low = bisect_left(log.times, query.low) if log.sorted else 0
        high = bisect_right(log.times, query.high) if log.sorted else len(log.times)
        places = range(high - 1, low - 1, -1) if newest_first else range(low, high)
        with self._path.open("rb") as file:
            for at in places:
                file.seek(log.places[at])
                entry = cast("dict[str, str]", json.loads(file.readline()))
                if query.matches(entry):
                    yield entry


class Collected(Traffic):
    """The logs of all firewalls of a Panorama, which their collector keeps."""

    def __init__(self, firewalls: Sequence[Traffic]) -> None:
        super().__init__(Path())
        self._firewalls = firewalls

    def entries(self, kind: str, query: Query, *, newest_first: bool) -> Iterator[dict[str, str]]:
        """Yield what matches, whichever firewall sent it, by the time of its reception."""
        streams = [one.entries(kind, query, newest_first=newest_first) for one in self._firewalls]
        return heapq.merge(*streams, key=_received, reverse=newest_first)


def _received(entry: Mapping[str, str]) -> int:
    return digits(entry.get("receive_time", ""))


def load(path: Path) -> Mapping[str, Traffic]:
    """Return the traffic of each firewall of a file, by its name; read once while it is the same.

    Raises:
        ValueError: it is no traffic file; the message names the line.
        OSError: it cannot be read.
    """
    state = path.stat()
    return _load(path.resolve(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _load(path: Path, _changed: int, _size: int) -> Mapping[str, Traffic]:
    found: dict[str, Traffic] = {}
    place = 0
    with path.open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, _LONGEST + 1), b""), start=1):
            try:
                if len(line) > _LONGEST:
                    message = f"longer than {_LONGEST >> 20} MiB"
                    raise ValueError(message)  # noqa: TRY301 - told with its line, as others are
                value = _line(line)
                found.setdefault(value["device"], Traffic(path)).learn(value, place)
            except (KeyError, ValueError) as error:
                message = f"{path.name}, line {number}: not of a traffic file ({error})"
                raise ValueError(message) from error
            place += len(line)
    return found


def _line(line: bytes) -> dict[str, str]:
    value: Any = json.loads(line)
    if not isinstance(value, dict):
        message = "no object"
        raise ValueError(message)  # noqa: TRY004  # of a file, not of an argument
    texts: dict[Any, Any] = dict(cast("Any", value))
    if texts.get("kind") not in _KINDS or not all(isinstance(each, str) for each in texts.values()):
        message = "kind is not log, session or rule, or a value is no text"
        raise ValueError(message)
    return cast("dict[str, str]", texts)
