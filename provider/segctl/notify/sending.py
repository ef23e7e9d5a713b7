"""Send one HTTP request to a service: verified TLS, limited time, with retries.

A proxy from the environment is used if `segctl.system.proxies` allows it.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
import threading
import time
from contextlib import suppress
from http.client import HTTPException
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from segctl.model.durations import format_duration
from segctl.model.errors import DeliveryError
from segctl.system.certificates import verifying
from segctl.system.proxies import proxies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from typing import IO

    from segctl.transports.credentials import Secret

#: Seconds for one step of an attempt, such as a read; for all of it; pauses between attempts.
TIMEOUT = 10.0
MOST = 60.0
PAUSES = (1.0, 4.0)
#: A host's name, or an IPv4 address.
_NAME = re.compile(r"(?!-)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?")
#: HTTP statuses after which another attempt may succeed.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class _EndlessError(Exception):
    """An attempt goes on and on."""


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: a secret address is for one service only."""

    def redirect_request(  # noqa: PLR0917 - the signature is urllib's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Treat the redirect as an error."""
        del req, fp, code, msg, headers, newurl


def send(
    url: Secret,
    body: bytes,
    *,
    method: str = "POST",
    headers: Mapping[str, str],
    private: bool = True,
    pauses: tuple[float, ...] = PAUSES,
    most: float = MOST,
) -> None:
    """Send one request; after a temporary failure, retry after each of `pauses`.

    Args:
        url: the address; a user and password in it go into a header.
        body: the body of the request.
        method: the HTTP method.
        headers: further headers.
        private: refuse plain HTTP to other machines, because the address is a secret.
        pauses: seconds between attempts.
        most: seconds after which an attempt is abandoned, even if it makes slow progress.

    Raises:
        DeliveryError: the request was not accepted; the message shows only the address's host.
    """
    parts = _split(url)
    try:
        trusted = verifying()
    except OSError as error:
        raise DeliveryError(f"{name_of(url)}: cannot use the store of CAs: {error}") from error
    headers = {**_authorization(parts), **headers}
    if (private or "Authorization" in headers) and parts.scheme != "https" and not _here(parts):
        raise DeliveryError(f"{name_of(url)}: a secret is never sent over plain HTTP: use https")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    request = Request(bare, data=body, headers=headers, method=method)  # noqa: S310 - _split checks
    port = parts.port or (443 if parts.scheme == "https" else 80)
    opener = build_opener(
        _NoRedirect,
        ProxyHandler(proxies(parts.hostname or "", port, os.environ)),
        HTTPSHandler(context=trusted),
    )
    problem = ""
    for pause in (*pauses, None):
        problem, passing = _tried(opener, request, most)
        if not problem:
            return
        if not passing or pause is None:
            break
        time.sleep(pause)
    raise DeliveryError(f"{name_of(url)}: {problem}")


def _tried(opener: OpenerDirector, request: Request, most: float) -> tuple[str, bool]:
    """Send a request; return what went wrong, if anything, and whether it may be passing."""
    try:
        _attempt(opener, request, most)
    except _EndlessError:
        return f"not finished within {format_duration(most)}", False
    except HTTPError as error:
        error.close()
        return f"answers HTTP {error.code}", error.code in _PASSING
    except URLError as error:
        return _reason(error.reason), not isinstance(error.reason, ssl.SSLCertVerificationError)
    except (OSError, HTTPException, ValueError) as error:
        return _reason(error), True
    return "", False


def _attempt(opener: OpenerDirector, request: Request, most: float) -> None:
    """Send a request in a thread of its own: an answer that drips meets no timeout of a socket.

    Raises:
        _EndlessError: it is not over in time.
        OSError: as `OpenerDirector.open`.
    """
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            with opener.open(request, timeout=TIMEOUT):
                pass
        except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
            ended.put(error)
        else:
            ended.put(None)

    threading.Thread(target=run, name="sending", daemon=True).start()
    try:
        error = ended.get(timeout=most)
    except Empty:
        raise _EndlessError from None
    if error is not None:
        raise error


def name_of(url: Secret) -> str:
    """Return the part of an address that is safe to print: its host, if it is certain to be that.

    With an ``@`` in the rest, what stands before it may be a part of a password with a slash in it.
    """
    with suppress(DeliveryError):
        parts = _split(url)
        rest = f"{parts.path}{parts.query}{parts.fragment}"
        host, _, _ = (parts.hostname or "").partition("%")  # without the zone of an IPv6 address
        return host if host and "@" not in rest else "the address"
    return "the address"


def _reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer within {format_duration(TIMEOUT)}"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__


def _split(url: Secret) -> SplitResult:
    text = url.reveal().strip()
    with suppress(ValueError):
        parts = urlsplit(text)  # leaves out some of what is not printable
        _ = parts.port  # raises where it is no number
        whole = not any(one.isspace() or ord(one) < 0x20 for one in text)
        if whole and parts.scheme in {"http", "https"} and _is_host(parts):
            return parts
    raise DeliveryError("the address is not an http or https URL")


def _is_host(parts: SplitResult) -> bool:
    """Whether a host is a name or an address: what is neither may hold a part of a secret."""
    host = parts.hostname or ""
    if "[" not in parts.netloc.rpartition("@")[2]:
        return _NAME.fullmatch(host) is not None
    with suppress(ValueError):
        return bool(ipaddress.IPv6Address(host))
    return False


def _authorization(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    return basic(unquote(parts.username), unquote(parts.password or ""))


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header of HTTP basic authentication."""
    word = base64.b64encode(f"{user}:{password}".encode(errors="surrogateescape")).decode()
    return {"Authorization": f"Basic {word}"}


def _here(parts: SplitResult) -> bool:
    """Whether an address is this machine's own."""
    host = parts.hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
