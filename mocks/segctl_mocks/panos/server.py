"""HTTPS around a device: sockets, forms, keep-alive, and lines that break."""

from __future__ import annotations

import base64
import binascii
import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from segctl_mocks.panos.answers import Answer, login_page, web_error

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

API_PATHS = frozenset({"/api", "/api/"})
_HANDSHAKE_SECONDS = 20
_HEADERS = {
    "ETag": '"1-2-3"',
    "Pragma": "no-cache",
    "Cache-Control": "no-store, no-cache, must-revalidate, post-check=0, pre-check=0",
    "Expires": "Thu, 19 Nov 1981 08:52:00 GMT",
    "X-FRAME-OPTIONS": "SAMEORIGIN",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One request as it came in."""

    params: Mapping[str, str]
    size: int
    basic: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send, and after how many bytes of it the line breaks (never: None)."""

    answer: Answer
    break_at: int | None = None


class Acceptor:
    """One thread that accepts the connections of many servers; it ends with the last of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[HttpsServer, None] = {}
        self._selector: selectors.BaseSelector | None = None
        self._waker: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def add(self, server: HttpsServer) -> None:
        """Accept for a server, too."""
        with self._lock:
            self._servers[server] = None
            if self._selector is None:
                self._selector = selectors.DefaultSelector()
                sleeper, self._waker = socket.socketpair()
                self._selector.register(sleeper, selectors.EVENT_READ)
                self._thread = threading.Thread(
                    target=self._serve, args=(self._selector, sleeper), daemon=True
                )
                self._thread.start()
            self._selector.register(server, selectors.EVENT_READ, server)

    def remove(self, server: HttpsServer) -> None:
        """Accept no more for a server."""
        with self._lock:
            if self._servers.pop(server, self) is self or self._selector is None:
                return
            self._selector.unregister(server)
            if self._servers or self._waker is None or self._thread is None:
                return
            self._waker.close()
            self._thread.join(timeout=5)
            self._selector = self._waker = self._thread = None

    @staticmethod
    def _serve(selector: selectors.BaseSelector, sleeper: socket.socket) -> None:
        with selector, sleeper:
            while True:
                for key, _ in selector.select():
                    if key.data is None:  # the other end was closed
                        return
                    key.data.accept()


class HttpsServer(ThreadingHTTPServer):
    """Serves one device on a loopback port."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        respond: Callable[[Form], Reply],
        max_request: int,
        acceptor: Acceptor | None = None,
    ) -> None:
        self.respond = respond
        self.max_request = max_request
        self.context = context
        #: how many connections were accepted
        self.accepted = 0
        self._acceptor = acceptor or Acceptor()
        super().__init__(("127.0.0.1", port), _Handler)
        self.socket.setblocking(False)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; its handshake is left to its own thread."""
        connection, address = super().get_request()
        self.accepted += 1
        connection.settimeout(_HANDSHAKE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wrapped = self.context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients that go away are part of the tests."""

    def accept(self) -> None:
        """Take a connection that waits; a thread of its own serves it."""
        try:
            request, address = self.get_request()
        except OSError:  # gone again, or the server is
            return
        self.process_request(request, address)

    def start(self) -> None:
        """Serve."""
        self._acceptor.add(self)

    def stop(self) -> None:
        """Stop serving and close the port."""
        self._acceptor.remove(self)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpsServer  # pyright: ignore[reportIncompatibleVariableOverride] - as socketserver means it
    connection: ssl.SSLSocket

    def setup(self) -> None:
        self.request.do_handshake()
        self.request.settimeout(None)
        super().setup()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Write no log."""

    def version_string(self) -> str:
        return ""

    def do_GET(self) -> None:  # the base class looks it up by this name
        self._serve(b"")

    def do_POST(self) -> None:  # the base class looks it up by this name
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isdigit() else 0
        if size > self.server.max_request:
            remaining = size
            while remaining > 0 and (part := self.rfile.read(min(remaining, 1 << 16))):
                remaining -= len(part)
            self._send(Reply(web_error(413, "Request Entity Too Large")))
            return
        self._serve(self.rfile.read(size))

    def _serve(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        params = dict(parse_qsl(query, keep_blank_values=True))
        kind = self.headers.get_content_type()
        if path not in API_PATHS:
            self._send(Reply(login_page()))
            return
        if body and kind == "multipart/form-data":
            params |= _multipart(self.headers.get("Content-Type", ""), body)
        elif body and kind == "application/x-www-form-urlencoded":
            text = body.decode("utf-8", "replace")
            params |= dict(parse_qsl(text, keep_blank_values=True))
        elif body:
            self._send(Reply(login_page()))
            return
        header_key = self.headers.get("X-PAN-KEY")
        if header_key:
            params["key"] = header_key
        self._send(self.server.respond(Form(params, len(body) or len(query), self._basic())))

    def _basic(self) -> str:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return ""
        try:
            return base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def _send(self, reply: Reply) -> None:
        answer = reply.answer
        if reply.break_at is not None and reply.break_at <= 0:
            self._break()
            return
        keep = "keep-alive" in self.headers.get("Connection", "").lower()
        self.close_connection = not keep or reply.break_at is not None
        self.send_response(answer.status, answer.reason or None)
        self.send_header("Content-Type", answer.content_type)
        if isinstance(answer.body, bytes):
            self.send_header("Content-Length", str(len(answer.body)))
        else:
            self.close_connection = True
        for name, value in (_HEADERS | dict(answer.headers)).items():
            self.send_header(name, value)
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        with contextlib.suppress(OSError):
            self._write(answer, reply.break_at)

    def _write(self, answer: Answer, break_at: int | None) -> None:
        self._headers_buffer: list[bytes]
        self._headers_buffer.append(b"\r\n")
        head = b"".join(self._headers_buffer)
        self._headers_buffer = []
        if break_at is not None:
            self.wfile.write(head + answer.content()[:break_at])
            self._break()
        elif isinstance(answer.body, bytes):
            small = len(answer.body) < 1 << 16
            self.wfile.write(head + answer.body if small else head)
            if not small:
                self.wfile.write(memoryview(answer.body))
        else:
            self.wfile.write(head)
            for part in answer.body:
                self.wfile.write(part)

    def _break(self) -> None:
        """Close the connection hard, without TLS goodbye."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _multipart(content_type: str, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    params: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            params[name] = payload.decode("utf-8", "replace")
            if part.get_filename():
                params["file-name"] = str(part.get_filename())
    return params
