"""Requests to a PAN-OS management interface: verified TLS, bounded in time and size.

Every byte segctl exchanges with a firewall passes `Wire.request`; a read-only wire refuses there
whatever could change the device.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import re
import socket
import ssl
import time
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast
from urllib.parse import quote_plus, unquote_to_bytes

from lxml import etree

from segctl.model.errors import (
    ApplyError,
    AuthError,
    BusyError,
    ConnectError,
    DeviceError,
    ParseError,
)
from segctl.providers.panos import said
from segctl.providers.panos.budget import refuse_swarm
from segctl.providers.panos.small import refuse_dtd
from segctl.transports.transcript import Transcript, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed import WriteableBuffer

    from segctl.transports.target import Target

#: The vendor's limit for one request is 5 MB (PAN-OS and Panorama API Usage Guide 9.1).
MAX_REQUEST = 4_500_000
#: Largest answer to anything but a configuration: jobs, locks, pending changes.
MAX_SMALL = 16 * 2**20
_MAX_KEY = 1 << 16
_HEAD = 1 << 12
_CHUNK = 1 << 18
#: What a management service answers while it restarts or has too much to do.
_PASSING = frozenset({429, 502, 503, 504})
_TOO_MANY = 429
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_REFUSED_KEY = re.compile(
    rb"""\s*<response\s[^>]*code\s*=\s*["'](?:22|403)["']|.{0,200}>\s*Invalid credentials\.\s*<""",
    re.DOTALL,
)
_UNAUTHORIZED = re.compile(rb"""\s*<response\s[^>]*status\s*=\s*["']unauth["']""")
_READ_ACTIONS = frozenset({"get", "show", "complete"})
_READ_COMMANDS = re.compile(r"\s*<(show|check|test)>")


def is_write(params: Mapping[str, str]) -> bool:
    """Whether a request could change the device; what is not known to be harmless could."""
    kind = params.get("type")
    if kind in ("keygen", "version"):
        return False
    if kind == "config":
        return params.get("action") not in _READ_ACTIONS
    if kind == "log":
        return params.get("action", "get") != "get"  # a query has no action
    if kind == "op":
        return not _READ_COMMANDS.match(params.get("cmd", ""))
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A device's answer, whole."""

    status: int
    reason: str
    content_type: str
    body: bytes
    retry_after: str = ""


class KeyRefusedError(AuthError):
    """The device does not take the key (any more); it did nothing."""


class _PassingError(ConnectError):
    """A request that can be repeated failed in a way that passes; `pause` seconds from now."""

    def __init__(self, device: str, message: str, pause: float = _PAUSE) -> None:
        super().__init__(device, message)
        self.pause = pause


def _without(key: str, answer: Answer) -> Answer:
    """Return an answer in which the API key of the request does not stand: errors quote answers."""
    if not key or key.encode() not in answer.body:
        return answer
    return replace(answer, body=answer.body.replace(key.encode(), b"***"))


def xml(target: Target, body: bytes) -> etree._Element:  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
    """Read an answer that is no configuration.

    Raises:
        ParseError: it is not complete XML, or too large a tree.
    """
    refuse_swarm(target.name, body)
    try:
        return etree.fromstring(body, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise ParseError(target.name, f"its answer is not complete XML: {error}") from error


def context(target: Target) -> ssl.SSLContext:
    """Return the TLS settings for a device: the system's store, or the inventory's CA file.

    With ``segctl_tls_fingerprint`` the certificate is compared instead, before anything is sent.

    Raises:
        ConnectError: the CA file cannot be read.
    """
    file = target.ca_file
    verify = target.tls_verify and not target.tls_fingerprint
    try:
        return _context(str(file or ""), file.stat().st_mtime_ns if file else 0, verify=verify)
    except (OSError, ssl.SSLError) as error:
        raise ConnectError(target.name, f"cannot use segctl_ca_file {file}: {error}") from error


@lru_cache
def _context(ca_file: str, _changed: int, *, verify: bool) -> ssl.SSLContext:
    """Make it once for all devices of a CA: reading certificates takes a millisecond or more."""
    made = ssl.create_default_context(cafile=ca_file or None)
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE  # the pinned fingerprint is checked instead, see _connect
    return made


class _Bounded(io.RawIOBase):
    """Reads a socket until a deadline: its own timeout begins anew with every byte."""

    def __init__(self, inner: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._inner = inner
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        """Say so."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        """Read what is there, in the time that is left."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._inner.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that has to be there by a deadline, its head included."""

    def __init__(self, sock: socket.socket, *, deadline: float, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, deadline))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A request as it is sent, and the bounds of its answer."""

    body: bytes
    timeout: float
    limit: int
    keep: bool
    asked: str
    key: str = ""


def _pause(retry_after: str) -> float:
    """Return for how many seconds to wait; a date instead of seconds is not worth to be read."""
    asked = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else _PAUSE
    return min(asked, _LONGEST_PAUSE)


def _silent(_step: str) -> None:
    return


class Wire:
    """One device's HTTPS connection; kept open for reads, new for every write."""

    def __init__(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _silent
    ) -> None:
        self.target = target
        self._transcript = Transcript(target, progress)
        self.read_only = read_only
        self._context = context(target)
        self._kept: http.client.HTTPSConnection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def refuse_write(self) -> None:
        """Raise ApplyError on a read-only wire."""
        if self.read_only:
            raise ApplyError(self.target.name, "this session is read-only: nothing was sent")

    def request(
        self, params: Mapping[str, str], *, timeout: float | None = None, limit: int | None = None
    ) -> Answer:
        """Send one API request and return the answer.

        A read that is answered by a service which restarts, or by nothing, is repeated once.
        A write is sent once and never again.

        Args:
            params: the form's fields, the key among them.
            timeout: seconds for the whole exchange; default the target's own.
            limit: bytes of a configuration; default the target's own.

        Raises:
            ApplyError: a write on a read-only session; nothing was sent.
            AuthError: the device refuses the key or the role.
            BusyError: it has too much to do; nothing was done.
            ConnectError: no connection, no answer in time, or an identity that does not verify.
            ParseError: the answer is not XML, or larger than allowed.
        """
        write = is_write(params)
        if write:
            self.refuse_write()
            self.close()
        form = _Form(
            body="&".join(f"{key}={quote_plus(value)}" for key, value in params.items()).encode(),
            timeout=timeout or self.target.timeout,
            limit=self._limit(params, limit),
            keep=not write,
            asked=said.request(params),
            key=params.get("key", ""),
        )
        try:
            return self._checked(form, write=write)
        except _PassingError as error:
            if write:
                raise
            time.sleep(error.pause)
        return self._checked(form, write=write)

    def _limit(self, params: Mapping[str, str], limit: int | None) -> int:
        most = self.target.max_answer if limit is None else limit
        if params.get("type") == "keygen":
            return min(most, _MAX_KEY)
        read = params.get("type") == "config" and params.get("action") in _READ_ACTIONS
        whole = read or "<saved>" in params.get("cmd", "")
        return most if whole else min(most, MAX_SMALL)

    def _checked(self, form: _Form, *, write: bool) -> Answer:
        answer = self._recorded(form)
        if write:
            self.close()
        answer = _without(form.key, answer)
        self._check(answer, write=write)
        return answer

    def _recorded(self, form: _Form) -> Answer:
        began = time.monotonic()
        sent = f"sent {len(form.body)} bytes, " if form.key else ""  # else it holds the password
        try:
            answer = self._exchange(form, fresh=self._kept is None)
        except DeviceError as error:
            took = time.monotonic() - began
            self._transcript.add(form.asked, took, f"{sent}failed ({error.code})")
            raise
        if self._transcript:
            self._transcript.add(
                form.asked,
                time.monotonic() - began,
                sent + said.answer(answer.status, answer.body),
                counted("sent", unquote_to_bytes(form.body.replace(b"+", b" ")), said.WORDS),
                counted("answer", answer.body, said.WORDS),
            )
        return answer

    def _exchange(self, form: _Form, *, fresh: bool) -> Answer:
        deadline = time.monotonic() + form.timeout
        try:
            return self._send(form, deadline)
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            self.close()
            if fresh:
                message = "closed the connection without an answer"
                raise _PassingError(self.target.name, message) from error
        except BaseException:
            self.close()
            raise
        # the kept connection had been closed
        return self._exchange(form, fresh=True)

    def _send(self, form: _Form, deadline: float) -> Answer:
        try:
            connection = self._kept or self._connect(deadline)
            self._kept = connection
            if connection.sock is not None:
                connection.sock.settimeout(max(0.1, deadline - time.monotonic()))
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Connection": "keep-alive" if form.keep else "close",
            }
            connection.request("POST", "/api/", body=form.body, headers=headers)
            connection.response_class = cast(
                "type[http.client.HTTPResponse]", partial(_Response, deadline=deadline)
            )
            response = connection.getresponse()
            with response:
                content = self._read(response, form.limit)
        except TimeoutError as error:
            raise self._lost(f"no answer within {form.timeout:g} s (segctl_timeout)") from error
        except http.client.IncompleteRead as error:
            raise _PassingError(self.target.name, "the answer ended early") from error
        except ssl.SSLEOFError as error:
            raise ConnectionResetError from error
        except ssl.SSLError as error:
            raise self._lost(f"TLS: {error}") from error
        except ConnectionError:
            raise
        except OSError as error:
            raise self._lost(str(error)) from error
        except http.client.HTTPException as error:
            raise self._lost(f"not an HTTP answer: {error!r}") from error
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
            raise self._lost(f"{target.host} breaks off while connecting: {error}") from error
        except socket.gaierror as error:
            raise self._lost(f"the name {target.host} does not resolve") from error
        if target.tls_fingerprint:
            self._check_fingerprint(connection)
        return connection

    def _check_fingerprint(self, connection: http.client.HTTPSConnection) -> None:
        sock = connection.sock
        found = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        digest = hashlib.sha256(found or b"").hexdigest()
        wanted = re.sub(r"[^0-9a-f]", "", self.target.tls_fingerprint.lower().split("sha256")[-1])
        if digest != wanted:
            connection.close()
            raise self._lost(
                f"its certificate is not the pinned one (it has SHA-256 {digest}); nothing was sent"
            )

    def _read(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        if response.length is not None and response.length > limit:
            raise self._too_large()
        whole = io.BytesIO()  # chunks of a byte each would take forty bytes in a list
        while chunk := response.read1(_CHUNK):
            if whole.tell() + len(chunk) > limit:
                raise self._too_large()
            whole.write(chunk)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # it is whole: the connection may carry another request
        return whole.getvalue()

    def _too_large(self) -> DeviceError:
        most = self.target.max_answer
        return ParseError(
            self.target.name,
            f"its answer is larger than {most / 2**20:g} MiB (segctl_max_answer_mb): not read",
        )

    def _lost(self, message: str) -> ConnectError:
        return ConnectError(self.target.name, message)

    def _check(self, answer: Answer, *, write: bool) -> None:
        name = self.target.name
        if answer.status == _TOO_MANY and write:
            raise BusyError(name, "is busy: it takes no more requests for now (HTTP 429)")
        if answer.status in _PASSING:
            raise _PassingError(
                name,
                f"answers HTTP {answer.status}: its management service is not up",
                _pause(answer.retry_after),
            )
        if answer.status == 403 or _REFUSED_KEY.match(answer.body[:_HEAD]):
            raise KeyRefusedError(
                name,
                f"refuses the account {self.target.user!r} ({answer.reason}): "
                "check user, password and the admin role's XML API rights",
            )
        if answer.status >= 500:
            raise self._lost(f"answers HTTP {answer.status}: its management service is not up")
        if _UNAUTHORIZED.match(answer.body):
            raise AuthError(
                name,
                f"does not let {self.target.user!r} do this: give its admin role XML API rights "
                "for configuration and operational requests, and for commit to apply",
            )
        if "xml" not in answer.content_type:
            raise ParseError(
                name,
                f"answers {answer.content_type or 'no content type'} instead of XML: "
                "is this a firewall's management address?",
            )
        refuse_dtd(name, answer.body)
