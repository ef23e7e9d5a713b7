"""Answers that several sessions of one command have in common, each asked for once."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True, eq=False)
class _Slot:
    lock: Lock = field(default_factory=Lock)
    body: bytes | None = None


class Answers:
    """What one manager has answered during one command; safe for threads.

    It is empty again in another process: what is sent to workers there shares nothing.
    """

    __slots__ = ("_lock", "_slots")

    def __init__(self) -> None:
        self._lock = Lock()
        self._slots: dict[str, _Slot] = {}

    def __reduce__(self) -> tuple[type[Answers], tuple[()]]:
        return Answers, ()

    def of(self, key: str, ask: Callable[[], bytes]) -> bytes:
        """Return the answer to a request, asked for if nobody has; others wait meanwhile.

        If asking raises, the next one asks itself.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
        with slot.lock:
            if slot.body is None:
                slot.body = ask()
            return slot.body

    def forget(self, key: str) -> None:
        """Forget an answer."""
        with self._lock:
            self._slots.pop(key, None)
