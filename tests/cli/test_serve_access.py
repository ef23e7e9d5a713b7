"""Who is served, and how much: everybody else is refused, and nothing can be changed."""

from __future__ import annotations

import http.client
import os
import pwd
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
import pytest

from segctl_mocks.tls import Authority
from support.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli_support import Plant

WORD = "horse-battery-5taple"
FAST = ("--every", "2s")
ME = pwd.getpwuid(os.geteuid()).pw_name


def htpasswd(path: Path, *users: str) -> Path:
    """Write a file as `htpasswd -B` does."""
    hashed = bcrypt.hashpw(WORD.encode(), bcrypt.gensalt(5, prefix=b"2b")).decode()
    lines = [f"{user}:{hashed.replace('$2b$', '$2y$')}\n" for user in users]
    path.write_text("".join(lines), encoding="utf-8")
    path.chmod(0o600)
    return path


def certified(folder: Path) -> Authority:
    """Write a certificate for this machine with its key, and return who signed it."""
    authority = Authority.create("those who look")
    issued = authority.issue(["plant.example"])
    authority.write(folder / "ca.pem")
    (folder / "cert.pem").write_bytes(issued.certificate)
    (folder / "key.pem").write_bytes(issued.key)
    (folder / "key.pem").chmod(0o600)
    return authority


TLS = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
NETWORK = ("--listen", "0.0.0.0:0", "--name", "plant.example")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--listen", "0.0.0.0:8080"), "give --tls-cert and --tls-key"),
        (("--listen", "[::]:8080", "--password-file", "users"), "give --tls-cert and --tls-key"),
        (("--listen", "192.0.2.1:8443", *TLS), "give --password-file"),
        (("--listen", "0.0.0.0:8443", *TLS, "--password-file", "users"), "give --name"),
        (("--listen", "0.0.0.0:8443", *TLS, "--behind-proxy", "Remote-User"), "anybody could send"),
        (("--behind-proxy", "Remote-User"), "anybody could send Remote-User"),
        (("--listen", "unix:here.sock"), "a socket is for a proxy"),
        (("--listen", "unix:here.sock", "--behind-proxy", "Remote-User"), "give --proxy-user"),
        (("--behind-proxy", "Remote User", "--proxy-ca", "ca.pem", *TLS), "not the name of a"),
        (("--behind-proxy", "X", "--password-file", "users"), "exclude each other"),
        (("--proxy-ca", "ca.pem"), "go with --behind-proxy"),
        (("--behind-proxy", "X", "--proxy-ca", "ca.pem"), "needs TLS"),
        (("--proxy-user", "nobody", "--behind-proxy", "X"), "may connect to --listen unix:"),
        (("--tls-cert", "cert.pem"), "go together"),
        (("--listen", "plant.example:80"), "not an IP address and a port"),
        (("--listen", "127.0.0.1"), "not an IP address and a port"),
        (("--listen", "127.0.0.1:99999"), "not an IP address and a port"),
        ((*TLS, "--tls-key", "ca.pem"), "--tls-cert"),
        (("--name", "plant.example:8443"), "not a host name or an IP address"),
        (("--name", "https://plant.example"), "not a host name or an IP address"),
        (("--name", "[2001:db8::1]"), "not a host name or an IP address"),
        (("--name", ""), "not a host name or an IP address"),
    ],
)
def test_what_nobody_should_serve_is_refused(
    plant: Plant, words: tuple[str, ...], why: str
) -> None:
    certified(plant.folder)
    (plant.folder / "ca.pem").chmod(0o600)
    htpasswd(plant.folder / "users", "eve")
    done = plant("serve", *words)
    assert done.code == 1
    assert why in " ".join(done.err.split())
    assert "serving" not in done.err


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [
        ("", 0o600, "is empty"),
        ("# nobody\n", 0o600, "names no user"),
        ("eve:$apr1$x$y\n", 0o600, "users:1: not a user and a bcrypt hash"),
        ("eve:geheim\n", 0o600, "users:1: not a user and a bcrypt hash"),
        ("eve:$2y$31$" + "a" * 53 + "\n", 0o600, "the cost of the hash"),
        (("eve:$2y$05$" + "a" * 53 + "\n") * 2, 0o600, "users:2: eve has a password already"),
        ("eve:$2y$05$" + "a" * 53 + "\n", 0o644, "is readable by others"),
    ],
)
def test_a_file_of_passwords_that_is_none_is_refused(
    plant: Plant, text: str, mode: int, why: str
) -> None:
    path = plant.folder / "users"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    done = plant("serve", "--listen", "127.0.0.1:0", "--password-file", "users")
    assert done.code == 1
    assert why in done.err
    assert "geheim" not in done.err


def test_a_key_that_others_can_read_is_refused(plant: Plant) -> None:
    certified(plant.folder)
    (plant.folder / "key.pem").chmod(0o644)
    done = plant("serve", *TLS)
    assert done.code == 1
    assert "readable by others" in done.err


@pytest.fixture
def local(applied: Plant) -> Iterator[Served]:
    with serving(applied.folder, applied.where, "--every", "1h") as served:
        yield served
    assert "Traceback" not in served.log


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_changed(local: Served, method: str) -> None:
    reply = local.ask("/", method)
    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:1", "0.0.0.0", "[::]"],
)
def test_another_name_is_refused(local: Served, host: str) -> None:
    """A page elsewhere that lets its own name stand for this machine reads nothing."""
    for path in ("/", "/now", "/status.json", "/answer?from=scada1&to=plc1"):
        reply = local.ask(path, Host=host)
        assert reply.status == 421
        assert "scada1" not in reply.text
    for good in ("localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:99", "localhost."):
        assert local.ask("/now", Host=good).status == 200, good


def test_the_address_that_is_given_is_a_name_of_the_server(plant: Plant) -> None:
    words = ("--listen", "127.0.0.2:0", "--every", "1h")
    with serving(plant.folder, plant.where, *words, looked=False) as served:
        assert "serving http://127.0.0.2:" in served.log
        served.open = lambda: http.client.HTTPConnection("127.0.0.2", served.port, timeout=30)
        assert served.ask("/").status != 421
        assert served.ask("/", Host="127.0.0.3").status == 421


def test_who_does_not_wait_for_the_page_is_no_defect(local: Served) -> None:
    """Browsers do so each time that somebody loads a page again."""
    for _ in range(5):
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.connect(("127.0.0.1", local.port))
            line.sendall(b"GET /?gone HTTP/1.1\r\nHost: localhost\r\n\r\n")
    local.until(lambda: local.log.count('"GET /?gone"') == 5)
    assert local.ask("/").status == 200
    assert "defect" not in local.log
    assert "segctl: server:" not in local.log


def test_another_site_cannot_let_a_browser_ask(local: Served) -> None:
    for sent_from in ("cross-site", "same-site"):
        more = {"Sec_Fetch_Site": sent_from, "Sec_Fetch_Mode": "no-cors"}
        assert local.ask("/answer?from=scada1&to=plc1", **more).status == 403
        more = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
        assert local.ask("/", Sec_Fetch_Site=sent_from, **more).status == 403
        more = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert local.ask("/", Sec_Fetch_Site=sent_from, **more).status == 200, "a link"


def exchanged(port: int, data: bytes) -> bytes:
    """Send bytes as they are, and return what comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=40) as line:
        with suppress(OSError):
            line.sendall(data)
        got = b""
        with suppress(ConnectionError):
            while piece := line.recv(65536):
                got += piece
        return got


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"
        + b"a" * 65535,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_too_large_or_malformed_gets_no_page(local: Served, data: bytes) -> None:
    got = exchanged(local.port, data)
    assert not got or b" 400 " in got.split(b"\r\n", 1)[0]
    assert b"scada1" not in got
    assert local.ask("/healthz").status == 200


def test_who_asks_too_fast_is_sent_away(local: Served) -> None:
    found = [local.ask("/healthz").status for _ in range(150)]
    assert found[0] == 200
    assert 429 in found
    replies = (local.ask("/now") for _ in range(150))
    reply = next(one for one in replies if one.status == 429)
    assert reply.headers["retry-after"]
    time.sleep(2)
    assert local.ask("/now").status == 200


def test_connections_are_bounded_and_slow_ones_end(local: Served) -> None:
    lines = [socket.create_connection(("127.0.0.1", local.port), timeout=40) for _ in range(60)]
    try:
        for line in lines:
            with suppress(OSError):
                line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        time.sleep(0.5)
        shut = sum(_closed(line, 0.01) for line in lines)
        assert shut >= 60 - 24
        begun = time.monotonic()
        assert all(_closed(line, 25) for line in lines), "what never comes is not waited for"
        assert time.monotonic() - begun < 25
    finally:
        for line in lines:
            line.close()
    assert local.ask("/healthz").status == 200


def _closed(line: socket.socket, seconds: float) -> bool:
    line.settimeout(seconds)
    try:
        return line.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_who_has_no_password_sees_nothing(applied: Plant) -> None:
    users = htpasswd(applied.folder / "users", "ann", "bob")
    words = ("--password-file", "users")
    good = f"ann:{WORD}"
    with serving(applied.folder, applied.where, *words, user=good) as served:
        assert "2 in sync" in served.ask("/now").text
        for path in ("/", "/now", "/status.json", "/answer?from=scada1&to=plc1", "/ask", "/x"):
            reply = served.ask(path, Authorization="")
            assert reply.status == 401, path
            assert reply.headers["www-authenticate"].startswith("Basic ")
            assert "scada1" not in reply.text
        assert served.ask("/healthz", Authorization="").status == 200
        for given in ("Bearer x", "Basic !", "Basic YW5u"):
            assert served.ask("/now", Authorization=given).status == 401
        for wrong in ("ann:no", f"eve:{WORD}", f"ann:{WORD}{'x' * 72}"):
            served.user = wrong
            begun = time.monotonic()
            assert served.ask("/now").status == 401
            assert time.monotonic() - begun >= 0.99, "guessing takes time"
        for number in range(8):
            served.user = f"ann:{number}"
            if served.ask("/now").status == 429:
                break
        else:
            pytest.fail("somebody may guess for ever")
        served.user = good
        assert served.ask("/now").status == 200, "who was let in before is not kept out by others"
        users.chmod(0o644)
        assert served.ask("/now").status != 200, "others can read it by now"
        users.chmod(0o600)
        assert served.ask("/now").status == 200
        htpasswd(users, "bob")
        assert served.ask("/now").status != 200, "who was taken out of the file is out"
        users.chmod(0o644)
        users.write_text("no password\n", encoding="utf-8")
        assert served.ask("/now").status != 200
    assert WORD not in served.log
    assert "Basic" not in served.log
    assert ' ann "GET /now" 200 ' in served.log


def test_others_reach_it_over_tls_with_a_password(applied: Plant) -> None:
    authority = certified(applied.folder)
    htpasswd(applied.folder / "users", "ann")
    trusting = ssl.create_default_context(cadata=authority.certificate.decode())
    words = (*NETWORK, *TLS, "--password-file", "users", *FAST)
    with serving(
        applied.folder, applied.where, *words, tls=trusting, user=f"ann:{WORD}", looked=False
    ) as served:
        served.until(lambda: served.ask("/now", Host="plant.example").status == 200)
        assert served.ask("/now", Host="localhost").status == 421, "only what --name says"
        assert served.ask("/now", Host="plant.example", Authorization="").status == 401
        assert "https://plant.example:" in served.log
        assert b"scada1" not in exchanged(served.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_proxy_is_known_by_its_account(applied: Plant) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        path = folder / "serve.sock"
        words = ("--listen", f"unix:{path}", "--behind-proxy", "Remote-User", "--proxy-user", ME)
        named = ("--name", "plant.example")
        with serving(applied.folder, applied.where, *words, *named, looked=False) as served:
            user = {"Remote_User": "ann"}
            served.until(lambda: served.ask("/now", Host="plant.example", **user).status == 200)
            assert served.ask("/now", Host="plant.example").status == 403
            assert served.ask("/now", Host="plant.example", Remote_User=" ").status == 403
            assert served.ask("/now", Host="localhost", **user).status == 421
            twice = served.ask("/now", Host="plant.example", Remote_User="a", remote_user="b")
            assert twice.status == 403
            assert ' proxy ann "GET /now" 200 ' in served.log
            if os.geteuid() == 0:
                assert _as_nobody(path) == b""
                assert "another account than the proxy's" in served.log
            assert served.stop() == 0
            assert not path.exists()


def test_a_socket_that_was_left_is_replaced_and_one_in_use_is_not(plant: Plant) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "serve.sock"
        proxy = ("--behind-proxy", "Remote-User", "--proxy-user", ME)
        words = ("--listen", f"unix:{path}", *proxy, "--name", "plant.example")
        with serving(plant.folder, plant.where, *words, looked=False) as served:
            done = plant("serve", *words)
            assert done.code == 1
            assert "Address already in use" in done.err
            assert served.ask("/healthz").status == 200
            served.process.kill()
            served.process.wait()
            assert path.is_socket()
        with serving(plant.folder, plant.where, *words, looked=False) as served:
            assert served.ask("/healthz").status == 200
        path.unlink()
        path.symlink_to(plant.folder / "nothing")
        done = plant("serve", *words)
        assert done.code == 1
        assert "something else is there" in done.err


def _as_nobody(path: Path) -> bytes:
    """Return what another account of this machine gets."""
    program = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534); s = socket.socket(1); "
        "s.connect(sys.argv[1]); s.sendall(b'GET /now HTTP/1.1\\r\\nHost: plant.example\\r\\n"
        "Remote-User: ann\\r\\nConnection: close\\r\\n\\r\\n'); s.settimeout(20)\n"
        "try:\n  sys.stdout.buffer.write(s.recv(9999))\nexcept ConnectionError:\n  pass"
    )
    words = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(words, capture_output=True, check=False, timeout=40, cwd="/")
    if done.returncode and b"Broken" not in done.stderr:
        assert b"Reset" in done.stderr, done.stderr
    return done.stdout


def test_a_proxy_elsewhere_is_known_by_its_certificate(applied: Plant) -> None:
    authority = certified(applied.folder)
    theirs = Authority.create("the proxy's")
    theirs.write(applied.folder / "proxy.pem")
    shown = theirs.issue(["proxy.example"], client=True)
    chain = applied.folder / "client.pem"
    chain.write_bytes(shown.key + shown.certificate)
    trusting = ssl.create_default_context(cadata=authority.certificate.decode())
    known = ssl.create_default_context(cadata=authority.certificate.decode())
    known.load_cert_chain(chain)
    words = (*NETWORK, *TLS, "--behind-proxy", "Remote-User", "--proxy-ca", "proxy.pem")
    with serving(applied.folder, applied.where, *words, tls=known, looked=False) as served:
        user = {"Host": "plant.example", "Remote_User": "ann"}
        served.until(lambda: served.ask("/now", **user).status == 200)
        assert served.ask("/now", Host="plant.example").status == 403
        stranger = Served(served.process, served.file, served.open, served.port)
        stranger.open = lambda: _https(served.port, trusting)
        with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
            stranger.ask("/now", **user)


def _https(port: int, context: ssl.SSLContext) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
