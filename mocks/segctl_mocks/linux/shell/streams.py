"""Where programs read from and write to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Source(Protocol):
    """Something to read to its end."""

    def read(self) -> bytes:
        """Return all that is left; wait for the end."""
        ...

    def line(self) -> bytes:
        """Return the next line, empty at the end."""
        ...


class Sink(Protocol):
    """Something to write to."""

    def write(self, data: bytes) -> None:
        """Write."""
        ...


class Text:
    """A source that is there from the beginning."""

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def read(self) -> bytes:
        """Return all that is left."""
        data, self._data = self._data, b""
        return data

    def line(self) -> bytes:
        """Return the next line."""
        end = self._data.find(b"\n") + 1 or len(self._data)
        found, self._data = self._data[:end], self._data[end:]
        return found


class Pipe:
    """A source that another thread feeds."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._closed = False
        self._changed = threading.Condition()
        self._came = 0

    def feed(self, data: bytes) -> None:
        """Give it more to read."""
        with self._changed:
            self._data += data
            self._came += len(data)
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, size: int) -> None:
        """Wait until so many bytes have come, or the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._came >= size)

    def read(self) -> bytes:
        """Return all that is left; wait for the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed)
            data = bytes(self._data)
            self._data.clear()
            return data

    def line(self) -> bytes:
        """Return the next line; wait for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or b"\n" in self._data)
            end = self._data.find(b"\n") + 1 or len(self._data)
            found = bytes(self._data[:end])
            del self._data[:end]
            return found


class Buffer:
    """A sink that keeps what is written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data


class Nowhere:
    """A sink that forgets."""

    def write(self, data: bytes) -> None:
        """Forget it."""


class Calls:
    """A sink that hands everything to a function."""

    def __init__(self, function: Callable[[bytes], None]) -> None:
        self._function = function

    def write(self, data: bytes) -> None:
        """Hand it on."""
        self._function(data)
