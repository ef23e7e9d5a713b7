"""What is answered, to whom: the page, how firewalls stand now, questions; nothing is changed."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from segctl.fleet.failures import internal
from segctl.fleet.pool import Threads
from segctl.model.errors import SegctlError, UsageError
from segctl.operations.live import Asked, answer, answer_json
from segctl.report.plant_page.live import (
    answer_lines,
    answer_page,
    policy_of,
    told_lines,
    told_page,
)
from segctl.report.plant_page.now import now_json, now_lines
from segctl.system.inert import json_text, printable
from segctl.web.limits import Limits, Rate, peer_of
from segctl.web.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from tornado.iostream import IOStream

    from segctl.operations.live import Seen
    from segctl.web.listening import Listening
    from segctl.web.refresh import Refresh

#: Requests: who types asks three times a second.
EACH: Final = Rate(burst=60, second=20)
EVERYONE: Final = Rate(burst=400, second=200)
#: Wrong passwords.
WRONG_EACH: Final = Rate(burst=5, second=0.1)
WRONG_EVERYONE: Final = Rate(burst=50, second=1)
#: Seconds until it is said that a password is wrong, however soon that is known.
SLOW: Final = 1.0
#: Questions, and passwords, that wait to be judged; more are sent away.
MOST_WAITING: Final = 8
#: Seconds that a question may take.
THINKING: Final = 20.0
#: Characters of what is asked, of one field.
MOST_ASKED: Final = 200
_PIECE: Final = 64 << 10
_NOTHING: Final = "default-src 'none'"
_WHY: Final[Mapping[int, str]] = {
    400: "The request cannot be understood.",
    401: "Say who you are.",
    403: "This request is not let in.",
    404: "There is nothing here.",
    405: "Nothing can be changed here: only GET and HEAD are answered.",
    421: "This is not the name of this server: see --name.",
    429: "Too many requests: wait a little.",
    500: "This went wrong: see the log.",
    503: "Not now: try again soon.",
}


class Site:
    """What all handlers share: what is seen, who is let in, how much, and where that is logged."""

    def __init__(self, listening: Listening, refresh: Refresh, log: Callable[[str], None]) -> None:
        self.listening = listening
        self.refresh = refresh
        self.log = log
        self.hosts = listening.hosts
        self.passwords = Passwords(listening.passwords) if listening.passwords else None
        self.rate = Limits(EACH, EVERYONE, time.monotonic)
        self.wrong = Limits(WRONG_EACH, WRONG_EVERYONE, time.monotonic)
        self._under_way: set[RequestHandler] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.renew: Callable[[IOStream], None] = lambda _stream: None
        self._threads = {name: Threads(1) for name in ("questions", "passwords")}
        self._waiting = dict.fromkeys(self._threads, 0)

    async def run(self, kind: str, work: Callable[[], Any], *, seconds: float = THINKING) -> Any:
        """Run what computes in a thread; what waits is bounded.

        Raises:
            HTTPError: too much waits, or it took too long.
        """
        if self._waiting[kind] >= MOST_WAITING:
            raise HTTPError(503)
        loop = asyncio.get_running_loop()
        self._waiting[kind] += 1
        future = loop.run_in_executor(self._threads[kind], work)
        future.add_done_callback(lambda _done: self._less(kind))
        try:
            return await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError:
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise HTTPError(503, reason="too long") from None

    def begin(self, handler: RequestHandler) -> None:
        """Count a request that is under way."""
        self._under_way.add(handler)
        self._idle.clear()

    def end(self, handler: RequestHandler) -> None:
        """Count it no more."""
        self._under_way.discard(handler)
        if not self._under_way:
            self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is under way."""
        await self._idle.wait()

    def _less(self, kind: str) -> None:
        self._waiting[kind] -= 1


def application(site: Site) -> Application:
    """Return what answers requests."""
    routes: list[Any] = [
        (r"/", _Page),
        (r"/now", _Now),
        (r"/status\.json", _Status),
        (r"/(answer|answer\.json|ask)", _Ask),
        (r"/healthz", _Health),
        (r".*", _Missing),
    ]
    return Application(
        [(path, handler, {"site": site}) for path, handler in routes],
        log_function=_logged,
        compress_response=False,
    )


def _logged(handler: RequestHandler) -> None:
    """Write a line about a request; names and paths in it are inert."""
    if not isinstance(handler, _Handler):
        return
    request = handler.request
    took = round(1000 * request.request_time())
    line = printable(f"{request.method} {request.uri}")[:400]
    user = printable(handler.user)[:60] or "-"
    handler.site.log(
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {handler.peer} {user} "
        f'"{line}" {handler.get_status()} {took}ms'
    )


class _Handler(RequestHandler):
    """Lets in who may look, within bounds, and answers with headers that keep a browser strict."""

    SUPPORTED_METHODS = ("GET", "HEAD")
    #: Whether anybody is answered.
    open: ClassVar[bool] = False

    def initialize(self, site: Site) -> None:
        """Take what all handlers share."""
        self.site = site
        self.user = ""
        address = str(self.request.remote_ip)
        self.peer = "proxy" if site.listening.path else peer_of(address)

    def set_default_headers(self) -> None:
        """Let a browser load nothing, keep nothing, tell nobody, and show it in no frame."""
        self._policy(_NOTHING)
        for name, value in (
            ("Server", "segctl"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.set_header(name, value)

    def _policy(self, policy: str) -> None:
        self.set_header("Content-Security-Policy", f"{policy}; frame-ancestors 'none'")

    def compute_etag(self) -> str | None:
        """Nothing is kept, so nothing is compared."""
        return None

    async def prepare(self) -> None:
        """Let a request in, or send it away."""
        site = self.site
        site.begin(self)
        site.renew(self.request.connection.stream)  # type: ignore[union-attr] # HTTP/1
        if not site.rate.allow(self._counted()):
            raise HTTPError(429)
        if not self.open:
            self._check_host()
            self.user = await self._who()

    def _counted(self) -> str:
        """Return whose request this counts as: behind a proxy, that of who asks there."""
        if header := self.site.listening.user_header:
            return f"user {self.request.headers.get(header, '')[:100]}"
        return self.peer

    def _check_host(self) -> None:
        """Refuse what is for another name: a page elsewhere may have given us that name.

        Raises:
            HTTPError: it is.
        """
        if self.request.host_name.lower().strip("[]").rstrip(".") not in self.site.hosts:
            raise HTTPError(421)
        headers = self.request.headers
        sent_from = headers.get("Sec-Fetch-Site", "none")
        if sent_from not in {"none", "same-origin"} and (
            headers.get("Sec-Fetch-Mode") != "navigate"
            or headers.get("Sec-Fetch-Dest", "document") != "document"
        ):
            raise HTTPError(403)

    async def _who(self) -> str:
        """Return who asks.

        Raises:
            HTTPError: nobody says so, or what is said is wrong.
        """
        site = self.site
        if header := site.listening.user_header:
            named = self.request.headers.get_list(header)
            if len(named) != 1 or not named[0].strip():
                raise HTTPError(403)
            return named[0].strip()
        if site.passwords is None:
            return ""
        if told := site.passwords.refreshed():
            site.log(f"segctl: {told}")
        user, password = self._given()
        if site.passwords.remembered(user, password):
            return user
        if site.wrong.exhausted(self.peer):
            raise HTTPError(429)
        begun, right = time.monotonic(), site.passwords.right
        if await site.run("passwords", lambda: right(user, password)):
            return user
        site.wrong.allow(self.peer)
        await asyncio.sleep(max(0.0, SLOW - (time.monotonic() - begun)))
        raise HTTPError(401)

    def _given(self) -> tuple[str, str]:
        """Return the user and the password that were sent.

        Raises:
            HTTPError: none were.
        """
        kind, _, code = self.request.headers.get("Authorization", "").partition(" ")
        try:
            user, colon, password = b64decode(code, validate=True).decode().partition(":")
        except ValueError:
            raise HTTPError(401) from None
        if kind.lower() != "basic" or not colon or not user:
            raise HTTPError(401)
        return user, password

    def seen(self) -> Seen:
        """Return what was seen last.

        Raises:
            HTTPError: nothing was, yet.
        """
        if self.site.refresh.seen is None:
            raise HTTPError(503)
        return self.site.refresh.seen

    async def head(self, *path: str) -> None:
        """Answer as GET, without what it says."""
        await self.get(*path)

    async def get(self, *_path: str) -> None:
        """Answer.

        Raises:
            HTTPError: there is nothing here.
        """
        raise HTTPError(404)

    def on_finish(self) -> None:
        """Count no more."""
        self.site.end(self)

    def on_connection_close(self) -> None:
        """Count no more."""
        self.site.end(self)

    def html(self, text: str) -> None:
        """Answer with a page or a part of one."""
        self.sent("text/html; charset=utf-8", text)

    def json(self, document: Mapping[str, Any]) -> None:
        """Answer with a document."""
        self.sent("application/json", json_text(document) + "\n")

    def sent(self, kind: str, text: str) -> None:
        """Answer with a text of some kind."""
        self.set_header("Content-Type", kind)
        self.finish(text)  # pyright: ignore[reportUnknownMemberType] - tornado's hint has a bare dict

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log what is a defect, in one line; what was refused is in its own line already."""
        del typ, tb
        if value is not None and not isinstance(value, HTTPError):
            self.site.log(f"segctl: {internal(value)}")

    def write_error(self, status_code: int, **_more: Any) -> None:
        """Say why there is no answer, in the form that was asked for."""
        if status_code == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="segctl", charset="UTF-8"')
        if status_code == 405:
            self.set_header("Allow", "GET, HEAD")
        if status_code in {429, 503}:
            self.set_header("Retry-After", "5")
        if status_code in {405, 421, 429}:
            self.set_header("Connection", "close")
        self.told(_WHY.get(status_code, _WHY[400]), status_code)

    def told(self, text: str, status: int) -> None:
        """Answer with a sentence, in the form that was asked for."""
        self.set_status(status)
        path = self.request.path
        if path.endswith(".json"):
            code = "usage" if status < 500 else "cannot_tell"
            self.json({"format_version": "1.0", "error": {"code": code, "message": text}})
        elif path in {"/answer", "/now"}:
            self.html("\n".join(told_lines(text)))
        else:
            page = told_page(f"{status}", text)
            self._policy(policy_of(page))
            self.html(page)


class _Missing(_Handler):
    """Nothing is here."""


class _Health(_Handler):
    """Whether it goes on, with no word about the plant."""

    open = True

    async def get(self, *_path: str) -> None:
        """Answer."""
        alive = self.site.refresh.alive
        self.set_status(200 if alive else 503)
        self.sent("text/plain; charset=utf-8", "ok\n" if alive else "stopped\n")


class _Page(_Handler):
    """The page of the plant."""

    async def get(self, *_path: str) -> None:
        """Answer in pieces: a slow reader keeps one of them in memory, not a page."""
        refresh = self.site.refresh
        if (seen := refresh.seen) is None:
            text = "The firewalls are being read for the first time: load this page again soon."
            self.set_header("Retry-After", "5")
            self.told(f"Nothing was read: {refresh.trouble}" if refresh.trouble else text, 503)
            return
        page, now = seen.page, "\n".join(now_lines(seen.now, datetime.now(UTC))).encode()
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self._policy(page.policy)
        self.set_header("Content-Length", str(len(page.before) + len(now) + len(page.after)))
        with suppress(StreamClosedError):  # who loads the page again does not wait for the rest
            if self.request.method != "HEAD":
                for part in (page.before, now, page.after):
                    for at in range(0, len(part), _PIECE):
                        self.write(part[at : at + _PIECE])  # pyright: ignore[reportUnknownMemberType] - tornado's hint has a bare dict
                        await self.flush()
            await self.finish()  # pyright: ignore[reportUnknownMemberType] - tornado's hint has a bare dict


class _Now(_Handler):
    """How firewalls stand now, as a part of the page."""

    async def get(self, *_path: str) -> None:
        """Answer."""
        seen = self.seen()
        self.set_header("Segctl-Look", str(seen.number))
        self.html("\n".join(now_lines(seen.now, datetime.now(UTC))))


class _Status(_Handler):
    """How firewalls stand now, and what changed, as a document."""

    async def get(self, *_path: str) -> None:
        """Answer."""
        seen = self.seen()
        self.json(now_json(seen.now, seen.turns, datetime.now(UTC)))


class _Ask(_Handler):
    """What may pass between two ends, and by which rule: a part of the page, a page, a document."""

    async def get(self, *path: str) -> None:
        """Answer from what was seen last."""
        seen, given = self.seen(), self._fields()
        form = path[0]
        asked = Asked(
            source=given["from"],
            destination=given["to"],
            **{name: given[name] for name in ("application", "protocol", "port", "user")},
        )
        if not asked.source or not asked.destination:
            self._said(form, seen, given, "Give both ends: where traffic begins and ends.", 400)
            return
        common = self.site.refresh.common
        try:
            found = await self.site.run("questions", lambda: answer(common, seen, asked))
        except UsageError as error:
            self._said(form, seen, given, str(error), 400)
            return
        except SegctlError as error:
            self._said(form, seen, given, f"cannot tell: {error}", 503)
            return
        except HTTPError:
            self._said(form, seen, given, "cannot tell in time: ask again, or for less", 503)
            return
        document = answer_json(seen, asked, found, datetime.now(UTC))
        if form == "answer.json":
            self.json(document)
        elif form == "answer":
            self.html("\n".join(answer_lines(document)))
        else:
            self._page(seen, given, tuple(answer_lines(document)))

    def _fields(self) -> dict[str, str]:
        """Return what was asked, by the names of fields.

        Raises:
            HTTPError: it is something else, twice, or too long.
        """
        names: tuple[str, ...] = ("from", "to", "application", "protocol", "port", "user")
        sent = self.request.query_arguments
        if not set(sent) <= set(names):
            raise HTTPError(400)
        found: dict[str, str] = {name: "" for name in names}  # noqa: C420 - it is of any text
        for name, values in sent.items():
            try:
                (text,) = (value.decode() for value in values)
            except ValueError:
                raise HTTPError(400) from None
            if len(text) > MOST_ASKED:
                raise HTTPError(400)
            found[name] = text.strip()
        return found

    def _said(
        self, form: str, seen: Seen, given: Mapping[str, str], text: str, status: int
    ) -> None:
        if form == "answer" and status < 500:
            self.html("\n".join(told_lines(text)))  # who types has not yet typed it all
        elif form == "ask":
            self.set_status(status)
            self._page(seen, given, told_lines(text))
        else:
            self.told(text, status)

    def _page(self, seen: Seen, given: Mapping[str, str], lines: tuple[str, ...]) -> None:
        page = answer_page(seen.page.ends, given, lines)
        self._policy(policy_of(page))
        self.html(page)
