"""Send one HTTP request to a service: verified TLS, limited time, with retries.

A proxy from the environment is used if `segctl.system.proxies` allows it.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
import time
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from segctl.model.durations import format_duration
from segctl.model.errors import DeliveryError
from segctl.system.proxies import proxies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from typing import IO

    from segctl.transports.credentials import Secret

#: Seconds for one attempt; pauses between attempts.
TIMEOUT = 10.0
PAUSES = (1.0, 4.0)
#: A host's name, or an IPv4 address.
_NAME = re.compile(r"(?!-)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?")
#: HTTP statuses after which another attempt may succeed.
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


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
) -> None:
    """Send one request; after a temporary failure, retry after each of `pauses`.

    Args:
        url: the address; a user and password in it go into a header.
        body: the body of the request.
        method: the HTTP method.
        headers: further headers.
        private: refuse plain HTTP to other machines, because the address is a secret.
        pauses: seconds between attempts.

    Raises:
        DeliveryError: the request was not accepted; the message shows only the address's host.
    """
    parts = _split(url)
    headers = {**_authorization(parts), **headers}
    if (private or "Authorization" in headers) and parts.scheme != "https" and not _here(parts):
        raise DeliveryError(f"{name_of(url)}: a secret is never sent over plain HTTP: use https")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
    request = Request(bare, data=body, headers=headers, method=method)  # noqa: S310 - _split checks
    port = parts.port or (443 if parts.scheme == "https" else 80)
    opener = build_opener(
        _NoRedirect,
        ProxyHandler(proxies(parts.hostname or "", port, os.environ)),
        HTTPSHandler(context=ssl.create_default_context()),
    )
    problem = ""
    for pause in (*pauses, None):
        try:
            with opener.open(request, timeout=TIMEOUT):
                return
        except HTTPError as error:
            error.close()
            problem = f"answers HTTP {error.code}"
            if error.code not in _PASSING:
                break
        except URLError as error:
            problem = _reason(error.reason)
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                break
        except (OSError, HTTPException, ValueError) as error:
            problem = _reason(error)
        if pause is not None:
            time.sleep(pause)
    raise DeliveryError(f"{name_of(url)}: {problem}") from None


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
