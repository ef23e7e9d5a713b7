"""Requests to the XML API of a PAN-OS management interface.

Every byte segctl exchanges with a firewall passes through `Wire.request`; there, a read-only wire
refuses anything that could change the device.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING
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
from segctl.transports.https import Answer, Form, HttpsLine, PassingError, pause
from segctl.transports.transcript import Transcript, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segctl.transports.target import Target

#: The vendor's limit for one request is 5 MB (PAN-OS and Panorama API Usage Guide 9.1).
MAX_REQUEST = 4_500_000
#: Largest answer to anything but a configuration: jobs, locks, pending changes.
MAX_SMALL = 16 * 2**20
_MAX_KEY = 1 << 16
_HEAD = 1 << 12
#: HTTP statuses of a management service that is restarting or overloaded.
_PASSING = frozenset({429, 502, 503, 504})
_TOO_MANY = 429
_REFUSED_KEY = re.compile(
    rb"""\s*<response\s[^>]*code\s*=\s*["'](?:22|403)["']|.{0,200}>\s*Invalid credentials\.\s*<""",
    re.DOTALL,
)
_UNAUTHORIZED = re.compile(rb"""\s*<response\s[^>]*status\s*=\s*["']unauth["']""")
#: Commands that show a whole configuration.
_WHOLE = re.compile("<saved>|<pushed-")
_READ_ACTIONS = frozenset({"get", "show", "complete"})
_LOG_ACTIONS = frozenset({"get", "finish"})
_READ_COMMANDS = re.compile(
    r"\s*<(show|check|test)>"
    # a list that the device fetches: shown, not refreshed
    r"|<request><system><external-list><show><type><(?P<kind>(?:predefined-)?ip)><name>[^<>]*</name>"
    r"<anchor>[0-9]+</anchor><num-records>[0-9]+</num-records></(?P=kind)></type></show>"
    r"</external-list></system></request>\Z"
)

#: The command that ends one session: by both addresses, the protocol and both ports.
_ENDS_ONE = re.compile(
    r"<clear><session><all><filter><source>[0-9a-f.:]+</source>"
    r"<destination>[0-9a-f.:]+</destination><protocol>[0-9]+</protocol>"
    r"<source-port>[0-9]+</source-port><destination-port>[0-9]+</destination-port>"
    r"</filter></all></session></clear>"
)

#: What admin roles call the right to a type of request: the vendor's help on admin role profiles.
_RIGHTS = {
    "config": "Configuration",
    "op": "Operational Requests",
    "commit": "Commit",
    "log": "Log",
    "report": "Report",
    "user-id": "User-ID Agent",
}


def is_write(params: Mapping[str, str]) -> bool:
    """Whether a request could change the device; anything not known to be harmless could."""
    kind = params.get("type")
    if kind in ("keygen", "version"):
        return False
    if kind == "config":
        return params.get("action") not in _READ_ACTIONS
    if kind == "log":  # a query has no action; `finish` removes the job of one
        return params.get("action", "get") not in _LOG_ACTIONS
    if kind == "report":  # made for this answer, and kept nowhere
        if "action" in params:
            return params["action"] != "get"
        return params.get("reporttype") != "dynamic"
    if kind == "op":
        return not _READ_COMMANDS.match(params.get("cmd", ""))
    return True


def only_contains(params: Mapping[str, str]) -> bool:
    """Whether a request to a managed firewall registers addresses there, or ends one session."""
    kind, command = params.get("type"), params.get("cmd", "")
    contains = kind == "user-id" or (kind == "op" and _ENDS_ONE.fullmatch(command) is not None)
    return contains and bool(params.get("target"))


class KeyRefusedError(AuthError):
    """The device does not accept the key (any more); it did nothing."""


def _without(key: str, answer: Answer) -> Answer:
    """Return an answer without the API key of the request, since errors quote answers."""
    if not key or key.encode() not in answer.body:
        return answer
    return replace(answer, body=answer.body.replace(key.encode(), b"***"))


def xml(target: Target, body: bytes) -> etree._Element:  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
    """Parse an answer that is not a configuration.

    Raises:
        ParseError: it is not complete XML, or too large a tree.
    """
    refuse_swarm(target.name, body)
    try:
        return etree.fromstring(body, etree.XMLParser(resolve_entities=False))
    except etree.XMLSyntaxError as error:
        raise ParseError(target.name, f"its answer is not complete XML: {error}") from error


def _silent(_step: str) -> None:
    return


class Wire:
    """A device's HTTPS connection; kept open for reads, new for every write.

    Sessions of one command that only read share connections where their target says so.
    """

    def __init__(
        self, target: Target, *, read_only: bool, progress: Callable[[str], None] = _silent
    ) -> None:
        self.target = target
        self._transcript = Transcript(target, progress)
        self.read_only = read_only
        #: which changes may pass; every one, unless a session sets it
        self.allows: Callable[[Mapping[str, str]], bool] = lambda _params: True
        shared = target.common.line(target) if read_only and target.common else None
        self._line = shared or HttpsLine(target)

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def refuse_write(self) -> None:
        """Raise ApplyError on a read-only wire."""
        if self.read_only:
            raise ApplyError(self.target.name, "this session is read-only: nothing was sent")

    def request(
        self, params: Mapping[str, str], *, timeout: float | None = None, limit: int | None = None
    ) -> Answer:
        """Send one API request and return the answer.

        A read is repeated once if the service is restarting or does not answer. A write is sent
        only once.

        Args:
            params: the form's fields, the key among them.
            timeout: seconds for the whole exchange; default the target's own.
            limit: most bytes of a configuration; default the target's own.

        Raises:
            ApplyError: a write on a read-only session, or one that it does not allow; nothing
                was sent.
            AuthError: the device refuses the key or the role.
            BusyError: the device is overloaded; nothing was done.
            ConnectError: no connection, no answer in time, or an identity that does not verify.
            ParseError: the answer is not XML, or larger than allowed.
        """
        write = is_write(params)
        if write:
            self.refuse_write()
            if not self.allows(params):
                raise ApplyError(self.target.name, "this session changes no configuration")
        form = Form(
            path="/api/",
            body="&".join(f"{key}={quote_plus(value)}" for key, value in params.items()).encode(),
            timeout=timeout or self.target.timeout,
            limit=self._limit(params, limit),
            keep=not write,
        )
        try:
            return self._checked(form, params)
        except PassingError as error:
            if write:
                raise
            time.sleep(error.pause)
        return self._checked(form, params)

    def _limit(self, params: Mapping[str, str], limit: int | None) -> int:
        most = self.target.max_answer if limit is None else limit
        if params.get("type") == "keygen":
            return min(most, _MAX_KEY)
        read = params.get("type") == "config" and params.get("action") in _READ_ACTIONS
        whole = read or _WHOLE.search(params.get("cmd", "")) is not None
        return most if whole else min(most, MAX_SMALL)

    def _checked(self, form: Form, params: Mapping[str, str]) -> Answer:
        key = params.get("key", "")
        answer = _without(key, self._recorded(form, said.request(params), key))
        self._check(answer, params.get("type", ""), write=not form.keep)
        return answer

    def _recorded(self, form: Form, asked: str, key: str) -> Answer:
        began = time.monotonic()
        sent = f"sent {len(form.body)} bytes, " if key else ""  # otherwise it contains the password
        try:
            answer = self._line.post(form)
        except DeviceError as error:
            took = time.monotonic() - began
            self._transcript.add(asked, took, f"{sent}failed ({error.code})")
            raise
        if self._transcript:
            self._transcript.add(
                asked,
                time.monotonic() - began,
                sent + said.answer(answer.status, answer.body),
                counted("sent", unquote_to_bytes(form.body.replace(b"+", b" ")), said.WORDS),
                counted("answer", answer.body, said.WORDS),
            )
        return answer

    def _check(self, answer: Answer, kind: str, *, write: bool) -> None:
        name = self.target.name
        if answer.status == _TOO_MANY and write:
            raise BusyError(name, "is busy: it accepts no more requests for now (HTTP 429)")
        if answer.status in _PASSING:
            raise PassingError(
                name,
                f"answers HTTP {answer.status}: its management service is not up",
                pause(answer.retry_after),
            )
        if answer.status == 403 or _REFUSED_KEY.match(answer.body[:_HEAD]):
            raise KeyRefusedError(
                name,
                f"refuses the account {self.target.user!r} ({answer.reason}): "
                "check user, password and the admin role's XML API rights",
            )
        if answer.status >= 500:
            raise ConnectError(
                name, f"answers HTTP {answer.status}: its management service is not up"
            )
        if _UNAUTHORIZED.match(answer.body):
            also = ", also for changes" if write and kind in ("config", "op") else ""
            raise AuthError(
                name,
                f"does not let {self.target.user!r} do this: give its admin role the XML API right "
                f"{_RIGHTS.get(kind, kind)!r}{also}",
            )
        if "xml" not in answer.content_type:
            raise ParseError(
                name,
                f"answers {answer.content_type or 'no content type'} instead of XML: "
                "is this a firewall's management address?",
            )
        refuse_dtd(name, answer.body)
