"""The server: sockets, how many connections and for how long, and its end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import stat
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket

from segctl.model.errors import UsageError
from segctl.system import storage
from segctl.system.inert import printable
from segctl.web.handlers import Site, application
from segctl.web.limits import peer_of
from segctl.web.listening import account_of, connected_as, tls_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tornado.http1connection import HTTP1ServerConnection
    from tornado.iostream import IOStream

    from segctl.web.listening import Listening
    from segctl.web.refresh import Refresh

#: Open connections in all, and of one peer.
MOST_CONNECTIONS: Final = 128
MOST_OF_PEER: Final = 24
#: Bytes of a request before its body, which it must not have.
MOST_HEADER: Final = 16 << 10
#: Seconds until a request must have come, or the next one on a connection that is kept.
PATIENCE: Final = 15.0
#: Seconds that an answer may take, however slowly it is taken.
LONGEST: Final = 90.0
#: Seconds that answers under way get when it ends.
GRACE: Final = 5.0


class Bounded(HTTPServer):
    """A server with bounds: it closes connections that are too many, too slow or of a stranger."""

    def bound(self, log: Callable[[str], None], only: int | None, most: int) -> None:
        """Say where is logged, which account alone may connect, if only one may, and how often."""
        self._log = log
        self._most = most
        self._only = only
        self._of: dict[IOStream, str] = {}
        self._counts: Counter[str] = Counter()
        self._ends: dict[IOStream, asyncio.TimerHandle] = {}

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a connection, or close it."""
        peer = peer_of(str(address[0])) if self._only is None and address else "proxy"
        found = stream.socket
        if found is None:
            return
        if self._only is not None and connected_as(found) not in {self._only, 0}:
            self._log("segctl: refused a connection of another account than the proxy's")
            stream.close()
            return
        if len(self._of) >= MOST_CONNECTIONS or self._counts[peer] >= self._most:
            stream.close()
            return
        self._of[stream] = peer
        self._counts[peer] += 1
        self.renew(stream)
        super().handle_stream(stream, address)  # pyright: ignore[reportUnknownMemberType] - tornado's hint has a bare tuple

    def renew(self, stream: IOStream) -> None:
        """Give a connection its time from now on."""
        if (before := self._ends.pop(stream, None)) is not None:
            before.cancel()
        if stream in self._of:
            self._ends[stream] = asyncio.get_running_loop().call_later(LONGEST, stream.close)

    def on_close(self, server_conn: object) -> None:
        """Forget a connection that has ended."""
        super().on_close(server_conn)
        conn: HTTP1ServerConnection = server_conn  # type: ignore[assignment] # tornado says object
        stream = conn.stream
        if (handle := self._ends.pop(stream, None)) is not None:
            handle.cancel()
        if (peer := self._of.pop(stream, None)) is not None:
            self._counts[peer] -= 1
            if not self._counts[peer]:
                del self._counts[peer]


class Server:
    """Answers in a thread of its own, until it is stopped.

    Raises:
        UsageError: it cannot listen there, or what it needs cannot be used.
    """

    def __init__(self, listening: Listening, refresh: Refresh, log: Callable[[str], None]) -> None:
        listening.check()
        self._listening = listening
        self._log = log
        self._site = Site(listening, refresh, log)
        self._tls = tls_of(listening)
        self._only = account_of(listening.proxy_user) if listening.path else None
        self._sockets = _bound(listening)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="server")

    @property
    def url(self) -> str:
        """Where it is reached."""
        if self._listening.path:
            return self._listening.address
        host, port = self._sockets[0].getsockname()[:2]
        name = self._listening.names[0] if self._listening.names else host
        shown = f"[{name}]" if ":" in name else name
        return f"{'https' if self._tls else 'http'}://{shown}:{port}/"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Take no more requests, and end when those under way are answered."""
        self._stopped.set()
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._stopping.set)

    def join(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with _relayed(self._log):
            asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = Bounded(
            application(self._site),
            ssl_options=self._tls,
            max_header_size=MOST_HEADER,
            max_body_size=1,
            max_buffer_size=4 * MOST_HEADER,
            chunk_size=MOST_HEADER,
            idle_connection_timeout=PATIENCE,
            body_timeout=PATIENCE,
        )
        most = MOST_CONNECTIONS if self._listening.user_header else MOST_OF_PEER
        server.bound(self._log, self._only, most)
        self._site.renew = server.renew
        server.add_sockets(self._sockets)
        if self._stopped.is_set():
            self._stopping.set()
        await self._stopping.wait()
        server.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._site.idle(), GRACE)
        with suppress(TimeoutError):
            await asyncio.wait_for(server.close_all_connections(), 1)
        if self._listening.path:
            with suppress(OSError):
                storage.remove(Path(self._listening.path))


def _bound(listening: Listening) -> list[socket.socket]:
    """Return the sockets on which it listens.

    Raises:
        UsageError: it cannot listen there.
    """
    try:
        if listening.path:
            return [_local_socket(Path(listening.path))]
        host, port = listening.place
        return bind_sockets(port, host, backlog=64)
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        raise UsageError(f"--listen {listening.address}: {why}") from error


def _local_socket(path: Path) -> socket.socket:
    """Return a socket of this machine; the kernel says who connects, so that all may try.

    What a server left that was killed is replaced, what one still answers at is not.

    Raises:
        UnsafePlaceError: others could put another in its place.
        OSError: it cannot be made.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(0, "something else is there")
        storage.check(path.parent / ".segctl", alone=True)
        if _answers(path):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        storage.remove(path)
    storage.check(path, alone=True)
    return bind_unix_socket(os.fspath(path), mode=0o666)


def _answers(path: Path) -> bool:
    """Whether somebody listens at a socket; it counts as such where that cannot be told."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(1)
        try:
            line.connect(os.fspath(path))
        except OSError as error:
            return error.errno != errno.ECONNREFUSED
    return True


class _Relay(logging.Handler):
    """Passes on what libraries log, inert and on one line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = log

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a message without its traceback, which may hold what somebody sent."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        text = printable(record.getMessage().split("\n", 1)[0])[:300]
        self._tell(f"segctl: server: {text}{f' ({kind})' if kind else ''}")


class _relayed:  # noqa: N801 - used as a statement
    """Stands around the server: what its library logs goes where everything goes."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._handler = _Relay(log)
        self._loggers = [logging.getLogger(name) for name in ("tornado", "asyncio")]

    def __enter__(self) -> None:
        for logger in self._loggers:
            logger.addHandler(self._handler)
            logger.propagate = False

    def __exit__(self, *_error: object) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._handler)
            logger.propagate = True
