"""The line to a firewall: who is at its end, how long it may take, what may come back."""

from __future__ import annotations

import hashlib
import socket
import ssl
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segctl.model.errors import (
    AuthError,
    BusyError,
    ConnectError,
    DeviceError,
    ParseError,
)
from segctl.model.scope import Scope
from segctl.providers.panos import PanosProvider
from segctl.providers.panos.small import refuse_dtd
from segctl.providers.panos.wire import Wire
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl_mocks import Answer, Authority, PanosMock, ServerCertificate
from support.panos import target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping


SECRET = "$5$of$the-configuration"


def read(target: Target) -> bytes:
    with PanosProvider().connect(target, read_only=True) as session:
        return session.read()


def passwords_sent(mock: PanosMock) -> int:
    return len(mock.requests)


# --- identity ------------------------------------------------------------------------------------


@contextmanager
def serving(certificate: ServerCertificate, authority: Authority) -> Generator[PanosMock]:
    with PanosMock("fw1", authority=authority, certificate=certificate, job_seconds=0.0) as mock:
        yield mock


def test_a_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    ours, theirs = Authority.create(), Authority.create("somebody else")
    with serving(theirs.issue(["fw1"]), theirs) as mock:
        target = replace(target_of(mock), ca_file=ours.write(tmp_path / "ca.pem"))
        with pytest.raises(ConnectError, match=r"does not verify.*nothing was sent"):
            read(target)
        assert passwords_sent(mock) == 0


def test_the_systems_store_does_not_know_the_mock(mock: PanosMock) -> None:
    with pytest.raises(ConnectError, match="does not verify"):
        read(replace(target_of(mock), ca_file=None))
    assert passwords_sent(mock) == 0


def test_an_expired_certificate() -> None:
    authority = Authority.create()
    with serving(authority.issue(["fw1"], expired=True), authority) as mock:
        with pytest.raises(ConnectError, match="expired"):
            read(target_of(mock))
        assert passwords_sent(mock) == 0


def test_a_certificate_of_another_host() -> None:
    authority = Authority.create()
    with serving(authority.issue(["other.example"], loopback=False), authority) as mock:
        with pytest.raises(ConnectError, match=r"not valid for '127\.0\.0\.1'"):
            read(target_of(mock))
        assert passwords_sent(mock) == 0


def test_a_pinned_certificate(mock: PanosMock) -> None:
    pem = ssl.get_server_certificate(mock.address)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    colons = ":".join(digest[i : i + 2] for i in range(0, 64, 2)).upper()
    bare = replace(target_of(mock), ca_file=None)
    for written in (digest, f"sha256:{digest}", f"SHA256:{colons}"):
        assert read(replace(bare, tls_fingerprint=written))
    mock.device.requests.clear()
    with pytest.raises(ConnectError, match=f"not the pinned one.*{digest}.*nothing was sent"):
        read(replace(bare, tls_fingerprint="00" * 32))
    assert passwords_sent(mock) == 0


def test_verification_off_is_explicit(mock: PanosMock) -> None:
    assert read(replace(target_of(mock), ca_file=None, tls_verify=False))


def test_a_ca_file_that_is_none(mock: PanosMock, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense", encoding="utf-8")
    for name in ("gone.pem", "ca.pem"):
        with pytest.raises(ConnectError, match=f"segctl_ca_file.*{name}"):
            read(replace(target_of(mock), ca_file=tmp_path / name))


def test_wrong_password(mock: PanosMock) -> None:
    with pytest.raises(AuthError, match="'admin'") as error:
        read(replace(target_of(mock), password=Secret("not-this-one")))
    assert "not-this-one" not in str(error.value)
    assert passwords_sent(mock) == 1


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectError, match="refuses connections"):
        read(at_port(port))


def test_a_name_that_does_not_resolve(mock: PanosMock) -> None:
    with pytest.raises(ConnectError, match="does not resolve"):
        read(replace(target_of(mock), host="no-such-host.invalid"))


# --- what comes back -----------------------------------------------------------------------------

WHERE = ("keygen", "<system>", "changes", "vsys1", "/config/shared", "predefined")


def fail(mock: PanosMock, kind: str, where: str) -> None:
    if where == "keygen":
        mock.fail(kind, type="keygen", times=2)
    else:
        mock.fail(kind, contains=where, times=2)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("html", ParseError, "instead of XML"),
        ("truncate", ParseError, "not complete XML"),
        ("bomb", ParseError, "entities"),
        ("drop_at", ConnectError, "ended early"),
    ],
)
def test_answers_that_are_none(
    kind: str, error: type[DeviceError], text: str, where: str, mock: PanosMock
) -> None:
    fail(mock, kind, where)
    with pytest.raises(error, match=text):
        PanosProvider().parse(read(target_of(mock)))


DTD = "<!DOCTYPE r [<!ENTITY a 'b'>]><r a='&a;'/>"
HIDDEN: Mapping[str, bytes] = {
    "after blanks": b" " * 70_000 + DTD.encode(),
    "after a comment": b"<!--" + b"x" * 70_000 + b"--> " + DTD.encode(),
    "after an instruction": b"<?xml version='1.0'?><?x " + b"x" * 70_000 + b"?>" + DTD.encode(),
    "after a mark": b"\xef\xbb\xbf" + DTD.encode(),
    "in UTF-16": DTD.encode("utf-16"),
    "in UTF-16 without mark": DTD.encode("utf-16-be"),
    "in EBCDIC": f"<?xml version='1.0' encoding='cp037'?>{DTD}".encode("cp037"),
    "after a long declaration": (
        b"<?xml version='1.0'" + b" " * 5000 + b"encoding='utf-7'?>+ADwAIQ-DOCTYPE r"
    ),
    "after a declaration without end": b"<?xml version='1.0' " + b" " * 5000 + DTD.encode(),
    "in UTF-7": b"<?xml version='1.0' encoding='utf-7'?>+ADwAIQ-DOCTYPE r",
}


@pytest.mark.parametrize("where", HIDDEN)
def test_no_declaration_of_entities_can_hide(where: str) -> None:
    with pytest.raises(ParseError, match="something other than a firewall answers"):
        refuse_dtd("fw1", HIDDEN[where])


def test_what_is_no_declaration_of_entities_passes() -> None:
    for body in (b"", b"<r/>", b"<?xml version='1.0' encoding='UTF-8'?><r><!-- <!DOCTYPE --></r>"):
        refuse_dtd("fw1", body)


def answering(body: bytes) -> Callable[[Mapping[str, str], int, str], Answer]:
    """Return a device that says the same to everything."""

    def handle(_params: Mapping[str, str], _size: int, _basic: str) -> Answer:
        return Answer(body)

    return handle


@pytest.mark.parametrize("body", [b"<other status='success'/>", b"<response status='success'/>"])
def test_a_login_without_a_key(
    body: bytes, mock: PanosMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mock.device, "handle", answering(body))
    with pytest.raises(ParseError, match="has no key"):
        read(target_of(mock))


def test_a_login_in_no_text(mock: PanosMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock.device, "handle", answering(b"<r>\xff</r>"))
    with pytest.raises(ParseError, match="not UTF-8"):
        read(target_of(mock))


def test_a_device_that_repeats_what_it_was_asked_with_is_not_quoted(
    mock: PanosMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = mock.device.handle

    def handle(params: Mapping[str, str], size: int, basic: str) -> Answer:
        if params.get("type") == "keygen":
            return honest(params, size, basic)
        said = f"<msg><line>not with {params['key']}</line></msg><result>{SECRET}</result>"
        return Answer(f"<response status='error'>{said}</response>".encode())

    monkeypatch.setattr(mock.device, "handle", handle)
    with pytest.raises(DeviceError) as raised:
        PanosProvider().parse(read(target_of(mock)))
    assert "not with ***" in str(raised.value)
    assert mock.key("admin") not in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_port_that_does_not_speak_tls() -> None:
    def refuse() -> None:
        line, _ = server.accept()
        with line:
            line.recv(1024)
            line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with pytest.raises(ConnectError, match="does not speak TLS"):
            read(at_port(server.getsockname()[1]))
        thread.join(5)


def test_an_answer_without_end_is_not_read(mock: PanosMock) -> None:
    mock.fail("endless", contains="vsys1")
    began = time.monotonic()
    with pytest.raises(ParseError, match=r"larger than 8 MiB.*segctl_max_answer_mb"):
        read(replace(target_of(mock), max_answer=8 * 2**20))
    assert time.monotonic() - began < 100


@pytest.mark.parametrize(
    ("kind", "error", "options"),
    [
        ("status", ConnectError, {"code": 503, "times": 2}),
        ("status", ConnectError, {"code": 429, "times": 2}),
        ("status", ParseError, {"code": 404}),
        ("key_invalid", AuthError, {"times": 2}),
        ("unauthorized", AuthError, {}),
        ("drop_before", ConnectError, {"times": 3}),
    ],
)
def test_refusals(
    kind: str, error: type[DeviceError], options: dict[str, int], mock: PanosMock
) -> None:
    mock.fail(kind, contains="vsys1", **options)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - options of the fault
    with pytest.raises(error):
        PanosProvider().parse(read(target_of(mock)))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"code": 502}),
        ("status", {"code": 503}),
        ("status", {"code": 429, "retry_after": 1}),
        ("status", {"code": 503, "retry_after": "Fri, 31 Dec 1999 23:59:59 GMT"}),
        ("drop_before", {"times": 2}),
        ("drop_at", {}),
        ("key_invalid", {}),
        ("error", {"code": "22", "message": "Session timed out"}),
    ],
)
@pytest.mark.parametrize("where", ["keygen", "vsys1"])
def test_a_read_survives_what_passes(
    kind: str, options: dict[str, Any], where: str, mock: PanosMock
) -> None:
    wanted: dict[str, Any] = {"contains": "vsys1", **options}
    if where == "keygen":
        if kind in ("key_invalid", "error"):
            return  # there is no key yet
        wanted = {**options, "type": "keygen", "times": 1}
    mock.fail(kind, **wanted)
    assert PanosProvider().parse(read(target_of(mock)))
    assert not mock.device.faults.waiting


def test_a_pause_that_a_device_asks_for_is_bounded(
    mock: PanosMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    mock.fail("status", code=429, retry_after=7, contains="vsys1")
    mock.fail("status", code=429, retry_after=86400, contains="/config/shared")
    assert read(target_of(mock))
    assert slept == [7, 30]


@pytest.mark.parametrize("code", [429, 502, 503])
def test_a_write_is_never_sent_again(code: int, mock: PanosMock) -> None:
    wire = Wire(target_of(mock), read_only=False)
    mock.fail("status", code=code, type="op")
    command = {"type": "op", "cmd": "<revert><config/></revert>", "key": mock.key()}
    with pytest.raises(BusyError if code == 429 else ConnectError):
        wire.request(command)
    assert [request.type for request in mock.requests] == ["op"]


def test_a_kept_connection_that_was_closed_is_opened_again(mock: PanosMock) -> None:
    mock.fail("drop_before", contains="vsys1")
    assert read(target_of(mock))


def test_one_connection_carries_a_read(mock: PanosMock) -> None:
    opened: list[int] = []
    server = mock._server  # pyright: ignore[reportPrivateUsage] - counts what it accepts
    assert server is not None
    accept = server.get_request

    def count() -> tuple[socket.socket, tuple[str, int]]:
        opened.append(1)
        return accept()

    server.get_request = count  # type: ignore[method-assign] # the server counts
    read(target_of(mock))
    assert len(opened) == 1


def test_a_device_that_hangs_is_given_up(mock: PanosMock) -> None:
    mock.fail("hang", contains="vsys1", seconds=600)
    began = time.monotonic()
    with pytest.raises(ConnectError, match=r"no answer within 0\.5s"):
        read(replace(target_of(mock), timeout=0.5))
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-"])
def test_a_device_that_drips_is_given_up(head: bytes) -> None:
    """Each byte comes in time, the answer never."""
    with dripping(head) as (port, ca_file):
        began = time.monotonic()
        with pytest.raises(ConnectError):
            read(replace(at_port(port), ca_file=ca_file, timeout=0.6))
        assert time.monotonic() - began < 60


@contextmanager
def dripping(head: bytes) -> Generator[tuple[int, Path]]:
    """Serve TLS that sends `head` and then a byte at a time, for ever."""
    authority = Authority.create()
    context = authority.issue(["fw1"]).context()
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                raw, _ = server.accept()
                with context.wrap_socket(raw, server_side=True) as line:
                    line.sendall(head)
                    while head and not over.wait(0.05):
                        line.sendall(b"x")
                    over.wait(600)
            except OSError:
                continue

    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], authority.write(Path(folder) / "ca.pem")
        finally:
            over.set()
            with socket.create_connection(server.getsockname()):
                pass
            thread.join(5)


def at_port(port: int) -> Target:
    return Target(name="fw1", host="127.0.0.1", port=port, user="admin", password=Secret("pw"))


# --- scopes --------------------------------------------------------------------------------------


def test_the_first_virtual_system_is_meant_where_none_is_named(mock: PanosMock) -> None:
    named = PanosProvider().parse(read(replace(target_of(mock), scope=Scope(name="vsys1"))))
    unnamed = PanosProvider().parse(read(replace(target_of(mock), scope=Scope())))
    assert named.identity == unnamed.identity
    assert unnamed.identity.scope == Scope(name="vsys1")
