"""Proxies: what may go through one, what never does, and what of an address may be told."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.model.errors import DeliveryError
from segctl.notify import sending
from segctl.notify.sending import send
from segctl.providers.panos import PanosProvider
from segctl.system.proxies import excepted, is_here
from segctl.transports.credentials import Secret
from segctl.transports.ssh_exec import SshSession
from segctl_mocks import PanosMock
from support.panos import target_of
from support.receiver import receiver
from support.ssh_server import Manners, serving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
NAMES = ("http_proxy", "https_proxy", "all_proxy", "socks_proxy", "ftp_proxy")


class Trap:
    """A proxy that keeps what it is asked, and answers with an error."""

    def __init__(self, server: socket.socket) -> None:
        self.asked: list[bytes] = []
        self._server = server

    def work(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            with line:
                line.settimeout(10)
                self.asked.append(line.recv(1 << 16))
                line.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def _trap(monkeypatch: pytest.MonkeyPatch) -> Generator[Trap]:
    """Let every variable that names a proxy name one that must not be used."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in NAMES:
            for key in (name, name.upper()):
                monkeypatch.setenv(key, f"http://ana:pr0xy@127.0.0.1:{server.getsockname()[1]}")
        trap = Trap(server)
        thread = threading.Thread(target=trap.work, daemon=True)
        thread.start()
        try:
            yield trap
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Generator[Trap]:
    with _trap(monkeypatch) as found:
        yield found


# --- what goes through one -----------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://hooks.example.invalid/T0/geheim", "https://192.0.2.1/x"])
def test_a_service_elsewhere_is_reached_through_the_proxy(trap: Trap, url: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        send(Secret(url), b"{}", headers=JSON, pauses=())
    (asked,) = trap.asked
    assert asked.startswith(b"CONNECT ")
    assert b"geheim" not in asked
    assert "geheim" not in str(caught.value)
    assert "pr0xy" not in str(caught.value)


def test_firewalls_are_not(trap: Trap) -> None:
    with (
        PanosMock("fw1") as mock,
        PanosProvider().connect(target_of(mock), read_only=True) as session,
    ):
        assert session.read()
    with serving(Manners(lambda visit: visit.close())) as target:
        SshSession(
            target, device_type="terminal_server", read_only=True, progress=lambda _: None
        ).close()
    assert trap.asked == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "127.1", "[::ffff:7f00:1]"]
)
def test_this_machine_is_not(trap: Trap, host: str) -> None:
    with receiver() as service:
        url = service.url("/T0").replace("127.0.0.1", host)
        send(Secret(url), b"{}", headers=JSON, private=False, pauses=())
        assert len(service.received) == 1
    assert trap.asked == []


@pytest.mark.parametrize("listed", ["*", "a.example 192.0.2.1:443", "192.0.2.0/24"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_what_no_proxy_names_is_not(
    trap: Trap, monkeypatch: pytest.MonkeyPatch, listed: str, name: str
) -> None:
    monkeypatch.setenv(name, listed)
    monkeypatch.setattr(sending, "TIMEOUT", 0.1)  # nobody is at an address of documentation
    with pytest.raises(DeliveryError):
        send(Secret("https://192.0.2.1/T0"), b"{}", headers=JSON, pauses=())
    assert trap.asked == []


# --- which hosts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost.", "a.localhost", "127.0.0.1", "127.255.0.9", "127.1", "2130706433",
     "0x7f.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "0:0:0:0:0:0:0:1"],
)  # fmt: skip
def test_hosts_that_are_here(host: str) -> None:
    assert is_here(host)


def test_names_and_addresses_of_this_machine_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Runner7")
    assert is_here("runner7")
    assert not is_here("runner8")


def test_names_that_the_machine_gives_to_itself_are_here(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_bytes(
        b"127.0.0.1 localhost\n"
        b"127.0.1.1\tRunner7.plant.example runner7 # runner9.plant.example\r\n"
        b"#127.0.0.1 runner8.plant.example\n"
        b"::1 ip6-here\nfe80::1%lo odd\n\xff\xfe\n\n127.0.0.1\nnothing lost.example\n"
        b"192.0.2.7 far.example both.example\n127.0.0.1 both.example\n"
    )
    for name in ("runner7.plant.example", "RUNNER7.plant.example.", "ip6-here", "both.example"):
        assert is_here(name, hosts)
    for name in ("runner8.plant.example", "runner9.plant.example", "far.example", "plant.example",
                 "lost.example", "odd", "nothing", ""):  # fmt: skip
        assert not is_here(name, hosts)
    assert not is_here("runner7.plant.example", tmp_path / "nothing")


def test_a_name_for_an_own_address_is_here(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no way out, and so no address")
        own = sock.getsockname()[0]
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{own} own.plant.example\n", encoding="ascii")
    assert is_here("own.plant.example", hosts)


@pytest.mark.parametrize("host", ["localhost.example", "192.0.2.1", "2001:db8::1", "128.0.0.1", ""])
def test_hosts_that_are_not(host: str) -> None:
    assert not is_here(host)


@pytest.mark.parametrize(
    ("listed", "host", "port", "named"),
    [
        ("*", "a.example", 443, True),
        ("example", "a.example", 443, True),
        ("example", "example", 443, True),
        ("example", "notexample", 443, False),
        (".example", "example", 443, True),
        ("*.example", "a.b.example.", 443, True),
        ("A.Example", "a.eXample", 443, True),
        ("a.example:8443", "a.example", 443, False),
        ("a.example:8443", "a.example", 8443, True),
        ("a.example", "b.example", 443, False),
        ("10.0.0.0/8", "10.9.9.9", 443, True),
        ("10.0.0.1/8", "10.9.9.9", 443, True),
        ("10.0.0.0/8:80", "10.9.9.9", 443, False),
        ("10.0.0.0/8", "11.0.0.1", 443, False),
        ("10.0.0.0/8", "10.example", 443, False),
        ("10.0.0.1", "10.0.0.1", 443, True),
        ("10.0.0.1:80", "10.0.0.1", 80, True),
        ("2001:db8::/32", "2001:db8::9", 443, True),
        ("[2001:db8::9]", "2001:db8::9", 443, True),
        ("[2001:db8::9]:80", "2001:db8::9", 443, False),
        ("[2001:db8::9]:80", "2001:db8::9", 80, True),
        ("2001:db8::9", "2001:DB8:0::9", 443, True),
        ("a, b\tc d", "c", 443, True),
        ("", "a", 443, False),
        (",,", "a", 443, False),
        (".", "a", 443, False),
        ("[", "a", 443, False),
    ],
)
def test_lists(listed: str, host: str, port: int, *, named: bool) -> None:
    assert excepted(host, port, listed) is named


@given(listed=st.text(max_size=40), host=st.text(max_size=20), port=st.integers(1, 65535))
def test_any_text_may_be_a_list(listed: str, host: str, port: int) -> None:
    assert excepted(host, port, f"{listed},*")
    excepted(host, port, listed)
    is_here(host)


# --- what of an address is told ------------------------------------------------------------------

TOKEN = "t0k3n"


def _told(url: str) -> str:
    with pytest.raises(DeliveryError) as caught:
        send(Secret(url), b"{}", headers=JSON, pauses=())
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["http://", "https://", "ftp://", ""])
@pytest.mark.parametrize(
    "rest",
    ["{here}/{token}", "{here}/x?key={token}", "{token}@{here}/", "{token}:{token}@{here}/",
     "{here}/#{token}", "{here}{token}/", "{here}99999/{token}", "[{token}/", "{here}/{token}\n",
     "{here} /{token}", "{here}/%zz{token}", "ana:{token}/x@{here}/"],
)  # fmt: skip
def test_no_message_holds_a_token(scheme: str, rest: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        here = f"127.0.0.1:{taken.getsockname()[1]}"
        assert TOKEN not in _told(scheme + rest.format(here=here, token=TOKEN))


@pytest.mark.parametrize("code", [404, 302, 401, 503, 99])
def test_no_answer_brings_a_token_into_a_message(code: int) -> None:
    with receiver() as service:
        service.answers = [(code, {"Location": f"https://h/{TOKEN}", "X": TOKEN})]
        url = service.url(f"/{TOKEN}?key={TOKEN}").replace("//", f"//{TOKEN}:{TOKEN}@")
        assert TOKEN not in _told(url)
        assert len(service.received) == 1
