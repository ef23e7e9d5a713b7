"""Connections over HTTPS that several sessions of one command share, a few for each device."""

from __future__ import annotations

from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from segctl.transports.https import HttpsLine

if TYPE_CHECKING:
    from segctl.transports.https import Answer, Form
    from segctl.transports.target import Target


class Lines:
    """At most so many connections to one device at a time; safe for threads.

    Each is kept open for the next form, whichever session sends it, until all are closed.
    """

    __slots__ = ("_closed", "_free", "_idle", "_lock")

    def __init__(self, most: int) -> None:
        self._free = BoundedSemaphore(most)
        self._lock = Lock()
        self._idle: list[HttpsLine] = []
        self._closed = False

    def post(self, target: Target, form: Form) -> Answer:
        """Send a form as soon as a connection is free; errors name the host of `target`.

        Raises:
            DeviceError: as `HttpsLine.post`.
        """
        with self._free:
            with self._lock:
                line = self._idle.pop() if self._idle else None
            if line is None:
                line = HttpsLine(target)
            line.target = target
            try:
                return line.post(form)
            finally:
                with self._lock:
                    if self._closed:
                        line.close()
                    else:
                        self._idle.append(line)

    def close(self) -> None:
        """Close the connections; one that is in use is closed after its form."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()


class SharedLine:
    """The connections to one device, as one of several sessions uses them."""

    __slots__ = ("_lines", "_target")

    def __init__(self, lines: Lines, target: Target) -> None:
        self._lines = lines
        self._target = target

    def post(self, form: Form) -> Answer:
        """Send a form and return the answer; see `HttpsLine.post`."""
        return self._lines.post(self._target, form)

    def close(self) -> None:
        """Leave the connections to the other sessions; who shares them closes them."""
