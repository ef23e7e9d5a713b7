"""What several sessions of one command have in common: answers asked for once, and connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from segctl.transports.lines import Lines, SharedLine

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from segctl.transports.target import Target


@dataclass(slots=True, eq=False)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    body: bytes | None = None


class Answers:
    """What one device has answered during one command, and the connections to it; thread-safe.

    `most` connections to a device are open at a time; with none, each session has one of its own.
    It is empty again in another process: what is sent to workers there shares nothing.
    """

    __slots__ = ("_lines", "_lock", "_most", "_slots")

    def __init__(self, most: int = 0) -> None:
        self._lock = Lock()
        self._slots: dict[Hashable, _Slot] = {}
        self._most = most
        self._lines: dict[Hashable, Lines] = {}

    def __reduce__(self) -> tuple[type[Answers], tuple[()]]:
        return Answers, ()

    def of(self, key: Hashable, ask: Callable[[], bytes]) -> bytes:
        """Return the answer to a request, asked for if nobody has; others wait meanwhile.

        If asking raises, the next one asks itself.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
        with slot.lock:
            if slot.body is None:
                slot.body = ask()
            return slot.body

    def forget(self, key: Hashable) -> None:
        """Forget an answer."""
        with self._lock:
            self._slots.pop(key, None)

    def line(self, target: Target) -> SharedLine | None:
        """Return the shared connections to a device that is verified like this; None without any.

        A device at another address (the other member of a pair), or one that is to be recognised
        otherwise, has connections of its own.
        """
        if not self._most:
            return None
        way = target.host, target.port, target.ca_file, target.tls_fingerprint, target.tls_verify
        with self._lock:
            lines = self._lines.setdefault(way, Lines(self._most))
        return SharedLine(lines, target)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            lines = list(self._lines.values())
        for one in lines:
            one.close()
