"""Forms sent over HTTPS: verified certificates, bounded in time and size, no proxy, no redirect.

The platform decides what is sent, what an answer means, and what may be sent again.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import re
import socket
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, cast

from segctl.model.durations import format_duration
from segctl.model.errors import ConnectError, DeviceError, ParseError
from segctl.system.certificates import authorities, verifying

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from segctl.transports.target import Target

_CHUNK: Final = 1 << 18
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A device's complete answer."""

    status: int
    reason: str
    content_type: str
    body: bytes
    retry_after: str = ""


class PassingError(ConnectError):
    """An exchange failed temporarily; a read can be sent again after `pause` seconds."""

    def __init__(self, device: str, message: str, pause: float = _PAUSE) -> None:
        super().__init__(device, message)
        self.pause = pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A request, and the bounds of its answer.

    `timeout` is for the whole exchange, in seconds; `limit` is in bytes. Without `keep`, the form
    has its own connection.
    """

    path: str
    body: bytes
    timeout: float
    limit: int
    keep: bool


def pause(retry_after: str) -> float:
    """Return how many seconds to wait; a date instead of seconds is ignored."""
    asked = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else _PAUSE
    return min(asked, _LONGEST_PAUSE)


def context(target: Target) -> ssl.SSLContext:
    """Return the TLS settings for a device: the system's CA store, or the inventory's CA file.

    With ``segctl_tls_fingerprint``, the certificate's digest is compared instead, before anything
    is sent.

    Raises:
        ConnectError: the CA file cannot be used, or others could decide what is in it.
    """
    file = target.ca_file
    verify = target.tls_verify and not target.tls_fingerprint
    try:
        return _context(authorities(file) if file else "", verify=verify)
    except OSError as error:  # SSLError is one
        raise ConnectError(target.name, f"cannot use segctl_ca_file {file}: {error}") from error


@lru_cache(maxsize=32)
def _context(cadata: str, *, verify: bool) -> ssl.SSLContext:
    """Build one context for all devices of a CA: reading certificates takes milliseconds."""
    made = verifying(cadata)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE  # the pinned fingerprint is checked instead, see _connect
    return made


class _Bounded(io.RawIOBase):
    """Reads a socket until a deadline; the socket's own timeout restarts with every byte."""

    def __init__(self, inner: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._inner = inner
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Read what is available within the time left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        """Release the socket."""
        self._inner.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that must be complete by a deadline, including its headers."""

    def __init__(self, sock: socket.socket, *, deadline: float, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, deadline))


class HttpsLine:
    """The connection to one device; kept open as long as its forms ask for it."""

    def __init__(self, target: Target) -> None:
        """Prepare; nothing is sent yet.

        Raises:
            ConnectError: the CA file cannot be read.
        """
        self.target = target
        self._context = context(target)
        self._kept: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def post(self, form: Form) -> Answer:
        """Send a form and return the answer, whatever its status.

        A form is sent again only if the kept connection had been closed meanwhile; a form without
        `keep` is sent once.

        Raises:
            ConnectError: no connection, no answer in time, or an identity that does not verify.
            PassingError: the connection was closed before the answer was complete.
            ParseError: the answer is larger than allowed.
        """
        if form.keep:
            return self._exchange(form, fresh=self._kept is None)
        self.close()
        try:
            return self._exchange(form, fresh=True)
        finally:
            self.close()

    def _exchange(self, form: Form, *, fresh: bool) -> Answer:
        deadline = time.monotonic() + form.timeout
        try:
            return self._send(form, deadline)
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            self.close()
            if fresh:
                message = "closed the connection without an answer"
                raise PassingError(self.target.name, message) from error
        except BaseException:
            self.close()
            raise
        # the kept connection had been closed
        return self._exchange(form, fresh=True)

    def _send(self, form: Form, deadline: float) -> Answer:
        try:
            connection = self._kept or self._connect(deadline)
            self._kept = connection
            if connection.sock is not None:
                connection.sock.settimeout(max(0.1, deadline - time.monotonic()))
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Connection": "keep-alive" if form.keep else "close",
            }
            connection.request("POST", form.path, body=form.body, headers=headers)
            connection.response_class = cast(
                "type[http.client.HTTPResponse]", partial(_Response, deadline=deadline)
            )
            response = connection.getresponse()
            with response:
                content = self._read(response, form.limit)
        except TimeoutError as error:
            raise self._lost(
                f"no answer within {format_duration(form.timeout)} (segctl_timeout)"
            ) from error
        except http.client.IncompleteRead as error:
            raise PassingError(self.target.name, "the answer ended early") from error
        except ssl.SSLEOFError as error:
            raise ConnectionResetError from error
        except ssl.SSLError as error:
            raise self._lost(f"TLS: {error}") from error
        except ConnectionError:
            raise
        except OSError as error:
            raise self._lost(str(error)) from error
        except http.client.HTTPException as error:
            raise self._lost(f"its answer is not HTTP: {error!r}") from error
        if response.will_close:
            self.close()
        return Answer(
            status=response.status,
            reason=response.reason,
            content_type=response.headers.get("Content-Type", ""),
            body=content,
            retry_after=response.headers.get("Retry-After", ""),
        )

    def _connect(self, deadline: float) -> http.client.HTTPSConnection:
        target = self.target
        connection = http.client.HTTPSConnection(
            target.host,
            target.port or 443,
            timeout=max(0.1, deadline - time.monotonic()),
            context=self._context,
        )
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise self._lost(
                f"its certificate does not verify: {error.verify_message}; nothing was sent. "
                "Put its CA into segctl_ca_file, or its SHA-256 into segctl_tls_fingerprint"
            ) from error
        except ssl.SSLError as error:
            if error.reason != "WRONG_VERSION_NUMBER":
                raise
            raise self._lost(
                f"{target.host}:{target.port or 443} does not speak TLS: check ansible_port; "
                "nothing was sent"
            ) from error
        except ConnectionRefusedError as error:
            raise self._lost(f"{target.host}:{target.port or 443} refuses connections") from error
        except ConnectionError as error:
            raise self._lost(
                f"{target.host} closed the connection during the handshake: {error}"
            ) from error
        except socket.gaierror as error:
            raise self._lost(f"the name {target.host} does not resolve") from error
        if target.tls_fingerprint:
            self._check_fingerprint(connection)
        return connection

    def _check_fingerprint(self, connection: http.client.HTTPSConnection) -> None:
        sock = connection.sock
        certificate = (
            sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        )
        digest = hashlib.sha256(certificate or b"").hexdigest()
        wanted = re.sub(r"[^0-9a-f]", "", self.target.tls_fingerprint.lower().split("sha256")[-1])
        if digest != wanted:
            connection.close()
            raise self._lost(
                f"its certificate is not the pinned one (its SHA-256 is {digest}); nothing was sent"
            )

    def _read(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        if response.length is not None and response.length > limit:
            raise self._too_large()
        whole = io.BytesIO()  # one-byte chunks would take forty bytes each in a list
        while chunk := response.read1(_CHUNK):
            if whole.tell() + len(chunk) > limit:
                raise self._too_large()
            whole.write(chunk)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # the answer is complete: the connection may carry another request
        return whole.getvalue()

    def _too_large(self) -> DeviceError:
        most = self.target.max_answer
        return ParseError(
            self.target.name,
            f"its answer is larger than {most / 2**20:g} MiB (segctl_max_answer_mb), so it was "
            "not read",
        )

    def _lost(self, message: str) -> ConnectError:
        return ConnectError(self.target.name, message)
