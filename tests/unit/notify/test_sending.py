"""One request to a service: TLS, tries, secrets, on real sockets."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from segctl.model.errors import DeliveryError
from segctl.notify.sending import send
from segctl.transports.credentials import Secret
from support.receiver import receiver

if TYPE_CHECKING:
    from pathlib import Path

JSON = {"Content-Type": "application/json"}


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(tmp_path / "ca.pem") as service:
        with pytest.raises(DeliveryError, match="certificate does not verify"):
            send(Secret(service.url("/T0/geheim")), b"{}", headers=JSON)
        assert service.received == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        send(Secret(service.url("/T0/geheim")), b"{}", headers=JSON)
        (got,) = service.received
        assert (got.method, got.path, got.body) == ("POST", "/T0/geheim", b"{}")


def test_what_fails_in_passing_is_tried_again() -> None:
    with receiver() as service:
        service.answers = [(503, {}), (429, {})]
        send(Secret(service.url()), b"{}", headers=JSON, pauses=(0, 0))
        assert len(service.received) == 3
        service.answers = [(503, {})] * 9
        with pytest.raises(DeliveryError, match=r"127\.0\.0\.1: answers HTTP 503"):
            send(Secret(service.url()), b"{}", headers=JSON, pauses=(0, 0))
        assert len(service.received) == 6


@pytest.mark.parametrize(("code", "headers"), [(404, {}), (302, {"Location": "/elsewhere"})])
def test_what_will_not_pass_is_not_tried_again(code: int, headers: dict[str, str]) -> None:
    with receiver() as service:
        service.answers = [(code, headers)]
        with pytest.raises(DeliveryError, match=f"answers HTTP {code}") as caught:
            send(Secret(service.url("/geheim")), b"{}", headers=JSON, pauses=(0, 0))
        assert len(service.received) == 1
        assert "geheim" not in str(caught.value)


def test_user_and_password_of_the_address_go_into_a_header() -> None:
    with receiver() as service:
        url = service.url("/x").replace("//", "//ana:p%40ss@")
        send(Secret(url), b"{}", headers=JSON)
        assert service.received[0].headers["Authorization"] == "Basic YW5hOnBAc3M="
        assert service.received[0].headers["Host"] == f"127.0.0.1:{service.port}"


def test_a_secret_is_not_sent_in_the_clear() -> None:
    with pytest.raises(DeliveryError, match=r"^hooks\.example: .* use https$"):
        send(Secret("http://hooks.example/T0/geheim"), b"{}", headers=JSON)
    with pytest.raises(DeliveryError, match="use https"):
        send(Secret("http://u:p@gateway.example"), b"", headers={}, private=False)


@pytest.mark.parametrize(
    "url",
    [
        *("geheim", "ftp://geheim", "https://", "http://[geheim", "http://h:x", "//h.test/geheim"),
        *("h.test/geheim", "https:/h.test/geheim", "https:h.test/geheim", "https:///h.test/geheim"),
        *("https://h.test%2Fgeheim", "https://h.test%00geheim", "https://h.test\\geheim"),
        *("https://h.test geheim", "https://h.test/ge heim", "https://h.test\t.geheim/"),
        *("https://h.test\n/geheim", "https://h.test/geheim\0x", "https://h.test;geheim"),
        *("https://h.test&geheim", "https://h.test=geheim", "https://h.test,geheim"),
        *("https://h.test<geheim>", "'https://h.test/geheim'", "https://*geheim/"),
        *("https://h.test:geheim/", "https://h.test:443:geheim", "https://u:p%40geheim/x"),
        *("https://[geheim]/", "https://[v1.geheim]/", "https://geheim@/x", "https://h..geheim"),
        *("https://h.test\udcffgeheim/", f"https://{'geheim' * 11}.test/"),
    ],
)
def test_an_address_that_is_none_is_not_repeated(url: str) -> None:
    with pytest.raises(DeliveryError, match="not an http or https URL") as caught:
        send(Secret(url), b"", headers={})
    assert "geheim" not in str(caught.value)


def test_an_answer_that_drips_is_given_up() -> None:
    """Each byte comes in time, and there is no end of them."""
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        taken, _ = listening.accept()
        with taken, suppress(OSError):
            taken.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                taken.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/geheim"
        try:
            with pytest.raises(DeliveryError, match=r"^127\.0\.0\.1: not finished within 1s$"):
                send(Secret(url), b"{}", headers=JSON, most=1)
        finally:
            over.set()
            thread.join()


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/geheim"
        with pytest.raises(DeliveryError, match="Connection refused"):
            send(Secret(url), b"", headers={}, pauses=(0,))


@pytest.mark.parametrize(
    ("account", "rest"),
    [
        ("", "/geheim"),
        ("", "/geheim?token=geheim#geheim"),
        ("", "?geheim"),
        ("ana:geheim@", "/"),
        ("geheim@", "/"),
        ("a@geheim@", "/"),
        ("ana:p%40geheim@", "/"),
        ("ana:\udcffgeheim@", "/"),
        ("", "/\udcffgeheim"),
    ],
)
def test_a_message_has_the_host_and_nothing_else(account: str, rest: str) -> None:
    with receiver() as service:
        service.answers = [(404, {})]
        url = service.url("").replace("//", f"//{account}") + rest
        with pytest.raises(DeliveryError, match=r"^127\.0\.0\.1: \w+( HTTP 404)?$"):
            send(Secret(url), b"{}", headers=JSON, pauses=())


@pytest.mark.parametrize("rest", ["/x@h.test/y", "?x@h.test", "#x@h.test", "/1/geheim@h.test"])
def test_what_may_be_a_part_of_a_password_is_no_host(rest: str) -> None:
    with pytest.raises(DeliveryError, match=r"^the address: a secret is never sent over plain"):
        send(Secret(f"http://geheim{rest}"), b"{}", headers=JSON, pauses=())


def test_the_zone_of_an_address_is_not_shown() -> None:
    with pytest.raises(DeliveryError, match=r"^fe80::1: a secret is never sent over plain HTTP"):
        send(Secret("http://[fe80::1%25geheim]/x"), b"{}", headers=JSON, pauses=())
