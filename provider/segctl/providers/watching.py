"""What devices themselves tell of the traffic they saw, as they say it, with what was left out."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from segctl.providers.counting import Hits

#: A way of asking a device about traffic.
Way = Literal[
    "traffic log",
    "threat log",
    "traffic report",
    "session table",
    "connections",
    "kernel log",
    "rule counters",
]
#: Text is packed so that it can travel; the fastest level is a tenth of the size already.
_LEVEL: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What devices are asked: since when, and whether sums are enough.

    `each` asks for records one by one, with the time of each; otherwise a device that can add them
    up does so. `threats` asks for records of threats too.
    """

    since: datetime
    each: bool = True
    threats: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one firewall, which may be a member of a pair, told in one way.

    `first` and `last` are the window that the answer covers, in seconds since 1970 by our clock; it
    is shorter than what was asked where `cut` says why. `unread` says why nothing, or nothing more,
    could be read. `left_out` counts entries that were not of what was asked, by reason.

    `text` is packed with gzip: for PAN-OS lines of JSON, an entry each with the names of the XML
    API; for the others what the host printed. `offset` is how far the device's clock shows another
    time than UTC, `ahead` by how much it is wrong, both in seconds. `hits` are packets that rules
    counted: they say nothing about addresses, nor since when.
    """

    member: str
    way: Way
    serial: str = ""
    first: float = 0.0
    last: float = 0.0
    requests: int = 0
    records: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    cut: str = ""
    unread: str = ""
    offset: float = 0.0
    ahead: float = 0.0
    text: bytes = b""
    hits: tuple[Hits, ...] = ()


def packed(lines: Iterable[str]) -> bytes:
    """Return lines as the text of an answer; texts put one after the other are one text."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), _LEVEL, mtime=0)


@runtime_checkable
class Watching(Protocol):
    """An additional capability of sessions whose device tells of the traffic that it saw."""

    def seen(self, watch: Watch) -> Sequence[Answer]:
        """Return what each firewall of the device tells, in bounded time and memory; read-only.

        What a firewall does not tell is `Answer.unread`.

        Raises:
            DeviceError: nobody answers.
        """
        ...
