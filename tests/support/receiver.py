"""A service that is told something: a real HTTP server that keeps what it was sent."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from segctl_mocks.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path


_TAKEN: tuple[int, Mapping[str, str]] = (200, {})


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Receiver:
    """The server: answers what it is set to, in order, then 200."""

    port: int = 0
    scheme: str = "http"
    received: list[Received] = field(default_factory=list[Received])
    answers: list[tuple[int, Mapping[str, str]]] = field(
        default_factory=list[tuple[int, "Mapping[str, str]"]]
    )

    def url(self, path: str = "/") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


@contextmanager
def receiver(ca_file: Path | None = None) -> Generator[Receiver]:
    """Serve on loopback; over TLS where a CA file is to be written."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(size)
            state.received.append(Received(self.command, self.path, dict(self.headers), body))
            code, headers = state.answers.pop(0) if state.answers else _TAKEN
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:  # the base class looks it up by this name
            self._take()

        def do_PUT(self) -> None:  # the base class looks it up by this name
            self._take()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Write no log."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Stay silent: clients that do not trust it go away."""

    with Server(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        if ca_file is not None:
            authority = Authority.create()
            authority.write(ca_file)
            context = authority.issue(["localhost"]).context()
            server.socket = context.wrap_socket(server.socket, server_side=True)
            state.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
