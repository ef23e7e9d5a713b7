"""What all mocks have in common that listen on a port of this machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Loopback(ABC):
    """A mock on a loopback port; use it as a context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._any_port = False

    def start(self) -> Self:
        """Listen and serve."""
        try:
            self._port = self._listen(self._port)
        except OSError:
            if not self._any_port:
                raise
            self._port = self._listen(0)
        return self

    @abstractmethod
    def _listen(self, port: int) -> int:
        """Serve on a port, 0 for any that is free; return which one it is.

        Raises:
            OSError: the port is taken.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop serving; keep the state if there is a folder for it."""

    def prefer_port(self, port: int) -> None:
        """Listen on this port if it is free, else on any."""
        self._port = port
        self._any_port = True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The address it listens on."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port
