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
from urllib.parse import quote_plus

from lxml import etree

from segctl.errors import ApplyError, AuthError, ConnectError, DeviceError, ParseError
from segctl.providers.panos.parse import refuse_dtd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed import WriteableBuffer

    from segctl.providers.base import Target

#: The vendor's limit for one request is 5 MB (PAN-OS and Panorama API Usage Guide 9.1).
MAX_REQUEST = 4_500_000
_CHUNK = 1 << 18
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


def _without(key: str, answer: Answer) -> Answer:
    """Return an answer in which the API key of the request does not stand: errors quote answers."""
    if not key or key.encode() not in answer.body:
        return answer
    return replace(answer, body=answer.body.replace(key.encode(), b"***"))


def xml(target: Target, body: bytes) -> etree._Element:  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
    """Read an answer.

    Raises:
        ParseError: it is not complete XML.
    """
    try:
        return etree.fromstring(body, etree.XMLParser(resolve_entities=False, huge_tree=True))
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


class Wire:
    """One device's HTTPS connection; kept open for reads, new for every write."""

    def __init__(self, target: Target, *, read_only: bool) -> None:
        self.target = target
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

    def request(self, params: Mapping[str, str], *, timeout: float | None = None) -> Answer:
        """Send one API request and return the answer.

        Args:
            params: the form's fields, the key among them.
            timeout: seconds for the whole exchange; default the target's own.

        Raises:
            ApplyError: a write on a read-only session; nothing was sent.
            AuthError: the device refuses the key or the role.
            ConnectError: no connection, no answer in time, or an identity that does not verify.
            ParseError: the answer is not XML, or larger than allowed.
        """
        write = is_write(params)
        if write:
            self.refuse_write()
            self.close()
        body = "&".join(f"{key}={quote_plus(value)}" for key, value in params.items()).encode()
        seconds = timeout or self.target.timeout
        answer = self._exchange(body, seconds, fresh=self._kept is None, keep=not write)
        if write:
            self.close()
        answer = _without(params.get("key", ""), answer)
        self._check(answer)
        return answer

    def _exchange(self, body: bytes, timeout: float, *, fresh: bool, keep: bool) -> Answer:
        deadline = time.monotonic() + timeout
        try:
            return self._send(body, deadline, keep=keep)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if fresh:
                raise self._lost("closed the connection without an answer") from None
        except BaseException:
            self.close()
            raise
        # the kept connection had been closed
        return self._exchange(body, timeout, fresh=True, keep=keep)

    def _send(self, body: bytes, deadline: float, *, keep: bool) -> Answer:
        try:
            connection = self._kept or self._connect(deadline)
            self._kept = connection
            if connection.sock is not None:
                connection.sock.settimeout(max(0.1, deadline - time.monotonic()))
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Connection": "keep-alive" if keep else "close",
            }
            connection.request("POST", "/api/", body=body, headers=headers)
            connection.response_class = cast(
                "type[http.client.HTTPResponse]", partial(_Response, deadline=deadline)
            )
            response = connection.getresponse()
            with response:
                content = self._read(response)
        except TimeoutError as error:
            raise self._lost(
                f"no answer within {self.target.timeout:g} s (segctl_timeout)"
            ) from error
        except http.client.IncompleteRead as error:
            raise self._lost("the answer ended early") from error
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

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        limit = self.target.max_answer
        if response.length is not None and response.length > limit:
            raise self._too_large(limit)
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise self._too_large(limit)
            chunks.append(chunk)
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        response.close()  # it is whole: the connection may carry another request
        return b"".join(chunks)

    def _too_large(self, limit: int) -> DeviceError:
        return ParseError(
            self.target.name,
            f"its answer is larger than {limit / 2**20:g} MiB (segctl_max_answer_mb): not read",
        )

    def _lost(self, message: str) -> ConnectError:
        return ConnectError(self.target.name, message)

    def _check(self, answer: Answer) -> None:
        name = self.target.name
        if answer.status == 403:
            raise AuthError(
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
