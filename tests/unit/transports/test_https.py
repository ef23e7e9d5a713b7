"""Forms over HTTPS: what a platform can rely on, whatever answers. Identity: `panos/test_wire`."""

from __future__ import annotations

import hashlib
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import ConnectError, ParseError
from segctl.transports.answers import Answers
from segctl.transports.https import Form, HttpsLine, PassingError, pause
from segctl.transports.target import Target
from segctl_mocks import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from segctl.transports.lines import SharedLine


class Served(ThreadingHTTPServer):
    """A server that notes from which port each form came."""

    daemon_threads = True
    answer: Callable[[Handler], None]
    seen: list[tuple[str, int]]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served  # pyright: ignore[reportIncompatibleVariableOverride] - it is one

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.client_address[1]))
        self.server.answer(self)

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.client_address[1]))
        self.say(200)

    def say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing is printed."""


@contextmanager
def serving(
    answer: Callable[[Handler], None], folder: Path
) -> Generator[tuple[HttpsLine, list[tuple[str, int]]]]:
    authority = Authority.create()
    certificate = authority.issue(["localhost"])
    server = Served(("127.0.0.1", 0), Handler)
    server.answer, server.seen = answer, []
    server.socket = certificate.context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    line = HttpsLine(
        Target(
            name="fw1",
            host="127.0.0.1",
            port=server.server_address[1],
            ca_file=authority.write(folder / "ca.pem"),
        )
    )
    try:
        yield line, server.seen
    finally:
        line.close()
        server.shutdown()
        thread.join()
        server.server_close()


def form(*, keep: bool = True, limit: int = 1000) -> Form:
    return Form(path="/x", body=b"a=b", timeout=20, limit=limit, keep=keep)


def test_a_kept_line_carries_the_next_form_and_others_have_their_own(tmp_path: Path) -> None:
    with serving(lambda handler: handler.say(200, b"ok"), tmp_path) as (line, seen):
        for keep in (True, True, False, False, True):
            assert line.post(form(keep=keep)).body == b"ok"
        first, second, third, fourth, fifth = (port for _, port in seen)
        assert first == second
        assert len({second, third, fourth, fifth}) == 4


def sent(line: SharedLine | None) -> bytes:
    """Send a form on shared lines; return the answer's body."""
    assert line is not None
    return line.post(form()).body


def test_sessions_share_so_many_lines_and_no_more(tmp_path: Path) -> None:
    at_once, most, changing = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def answer(handler: Handler) -> None:
        nonlocal at_once, most
        with changing:
            at_once += 1
            most = max(most, at_once)
        both.wait(10)  # the first two are there together, and so on
        with changing:
            at_once -= 1
        handler.say(200, b"ok")

    with serving(answer, tmp_path) as (line, seen):
        shared = Answers(most=2)
        sessions = [shared.line(replace(line.target, name=f"host{n}")) for n in range(6)]
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(sent, sessions))
        assert found == [b"ok"] * 6
        assert most == 2
        assert len({port for _, port in seen}) == 2
        for one in sessions:
            assert one is not None
            one.close()  # that of a session leaves the lines to the others
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(sent, sessions[:2])) == [b"ok"] * 2
        assert len({port for _, port in seen}) == 2
        shared.close()


def test_an_error_on_a_shared_line_names_the_host_that_met_it_and_breaks_no_other(
    tmp_path: Path,
) -> None:
    answers = [200, 0, 200]

    def answer(handler: Handler) -> None:
        if answers.pop(0):
            handler.say(200, b"ok")
        else:
            handler.say(200, b"x" * 1001)

    with serving(answer, tmp_path) as (line, seen):
        shared = Answers(most=1)
        first = shared.line(replace(line.target, name="host1"))
        second = shared.line(replace(line.target, name="host2"))
        assert first is not None
        assert second is not None
        assert first.post(form()).body == b"ok"
        with pytest.raises(ParseError, match="host2") as error:
            second.post(form())
        assert error.value.device == "host2"
        assert first.post(form()).body == b"ok"
        assert len(seen) == 3
        shared.close()


def test_a_line_is_shared_only_by_those_that_recognise_the_device_alike(tmp_path: Path) -> None:
    """Who pins another certificate is not answered on a connection that somebody else verified."""
    with serving(lambda handler: handler.say(200, b"ok"), tmp_path) as (line, seen):
        shared = Answers(most=1)
        verified = shared.line(line.target)
        pinned = shared.line(replace(line.target, tls_fingerprint="00" * 32))
        assert verified is not None
        assert pinned is not None
        assert verified.post(form()).body == b"ok"
        with pytest.raises(ConnectError, match="not the pinned one"):
            pinned.post(form())
        assert len(seen) == 1
        shared.close()


def test_a_line_is_closed_after_its_form_where_the_command_has_ended(tmp_path: Path) -> None:
    with serving(lambda handler: handler.say(200, b"ok"), tmp_path) as (line, seen):
        shared = Answers(most=1)
        late = shared.line(line.target)
        assert late is not None
        shared.close()
        assert [late.post(form()).body, late.post(form()).body] == [b"ok", b"ok"]
        assert len({port for _, port in seen}) == 2
    assert Answers().line(line.target) is None


def test_a_redirect_is_an_answer_and_nothing_is_sent_elsewhere(tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.say(302, Location="/elsewhere")

    with serving(answer, tmp_path) as (line, seen):
        assert line.post(form()).status == 302
        assert [path for path, _ in seen] == ["/x"]


def test_a_proxy_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(lambda handler: handler.say(200, b"ok"), tmp_path) as (line, _):
        assert line.post(form()).status == 200


def test_a_large_answer_is_not_read(tmp_path: Path) -> None:
    with (
        serving(lambda handler: handler.say(200, b"x" * 1001), tmp_path) as (line, _),
        pytest.raises(ParseError, match="segctl_max_answer_mb"),
    ):
        line.post(form())


@pytest.mark.parametrize("keep", [True, False])
def test_a_form_that_is_not_answered_may_pass_and_is_not_sent_again(
    tmp_path: Path, *, keep: bool
) -> None:
    def answer(handler: Handler) -> None:
        handler.close_connection = True

    with serving(answer, tmp_path) as (line, seen):
        with pytest.raises(PassingError, match="without an answer"):
            line.post(form(keep=keep))
        assert len(seen) == 1


def test_a_kept_line_that_was_closed_meanwhile_is_opened_again(tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.say(200, b"ok")
        handler.close_connection = True  # without saying so

    with serving(answer, tmp_path) as (line, seen):
        assert line.post(form()).body == line.post(form()).body == b"ok"
        assert len({port for _, port in seen}) == 2


def test_an_unreadable_authority(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="cannot use segctl_ca_file"):
        HttpsLine(Target(name="fw1", host="127.0.0.1", ca_file=tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("said", "seconds"), [("3", 3), ("86400", 30), ("", 1), ("Fri, 27 Nov 2026 10:00:00 GMT", 1)]
)
def test_how_long_a_device_wants_to_be_left_alone(said: str, seconds: float) -> None:
    assert pause(said) == seconds


def test_a_pinned_certificate(tmp_path: Path) -> None:
    with serving(lambda handler: handler.say(200, b"ok"), tmp_path) as (line, seen):
        at = line.target
        pem = ssl.get_server_certificate((at.host, at.port))
        pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        right = Target(name="fw1", host=at.host, port=at.port, tls_fingerprint=pin)
        assert HttpsLine(right).post(form(keep=False)).body == b"ok"
        seen.clear()
        wrong = Target(name="fw1", host=at.host, port=at.port, tls_fingerprint="0" * 64)
        with pytest.raises(ConnectError, match=r"not the pinned one.*nothing was sent"):
            HttpsLine(wrong).post(form(keep=False))
        assert seen == []
