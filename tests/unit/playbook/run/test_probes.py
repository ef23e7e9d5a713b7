"""Probes from this machine: against real sockets that answer, refuse, or say nothing."""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from segctl.playbook import Reach
from segctl.playbook.run.probes import reach, tries
from segctl_mocks import PanosMock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def look(probe: Reach) -> str:
    return reach(probe, stopped=lambda: False)


@pytest.fixture(scope="module")
def device() -> Iterator[PanosMock]:
    with PanosMock("fw1") as mock:
        yield mock


@pytest.fixture
def closed() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def tcp(port: int, *, expect_open: bool = True) -> Reach:
    return Reach(kind="tcp", host="127.0.0.1", port=port, open=expect_open, retries=0, timeout=2)


def test_tcp(device: PanosMock, closed: int) -> None:
    assert look(tcp(device.port)) == ""
    assert look(tcp(closed, expect_open=False)) == ""
    assert look(tcp(closed)) == f"tcp 127.0.0.1:{closed}: Connection refused"
    answered = look(tcp(device.port, expect_open=False))
    assert answered == f"tcp 127.0.0.1:{device.port}: answers, but it should be closed"


def test_a_name_that_does_not_resolve_is_not_closed() -> None:
    probe = Reach(kind="tcp", host="no.such.host.invalid", port=1, open=False, retries=0)
    assert look(probe).endswith("the host name no.such.host.invalid does not resolve")


def test_tls_verifies(device: PanosMock, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(device.ca_pem)

    def found(host: str = "127.0.0.1", name: str = "", authority: str = str(ca_file)) -> str:
        return look(
            Reach(
                kind="tls",
                host=host,
                port=device.port,
                server_name=name,
                ca_file=authority,
                retries=0,
            )
        )

    assert found() == ""
    assert "does not verify" in found(name="plc1.plant")
    assert "does not verify" in found(authority="")
    assert "cannot use ca_file" in found(authority=str(tmp_path / "no.pem"))


def test_tls_that_never_answers_is_in_time() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        said = look(Reach(kind="tls", host="127.0.0.1", port=port, timeout=1, retries=0))
    assert "no TLS handshake: no answer within 1s" in said


def may_echo() -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except PermissionError:
            continue
        return True
    return False


@pytest.mark.skipif(not may_echo(), reason="this account may not send echo requests")
def test_icmp() -> None:
    assert look(Reach(kind="icmp", host="127.0.0.1", retries=0)) == ""
    assert "answers, but" in look(Reach(kind="icmp", host="127.0.0.1", open=False, retries=0))


def test_without_a_socket_the_systems_ping_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make = socket.socket

    def refuse(*words: Any, **named: Any) -> socket.socket:
        if socket.IPPROTO_ICMP in words[2:]:
            raise PermissionError
        return make(*words, **named)  # somebody may be accepting a connection

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setenv("PATH", str(tmp_path))
    probe = Reach(kind="icmp", host="127.0.0.1", timeout=1, retries=0)
    assert "install ping" in look(probe)
    program = tmp_path / "ping"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$*" > "${0}ed"\n[ "$7" = 127.0.0.1 ]\n')
    program.chmod(0o755)
    assert look(probe) == ""
    assert (tmp_path / "pinged").read_text() == "-n -c 1 -W 1 -- 127.0.0.1\n"
    assert subprocess.run([program], check=False, capture_output=True).returncode == 1
    program.write_text("#!/bin/sh\nexit 1\n")
    assert look(probe) == "icmp 127.0.0.1: no answer within 1s"


def test_a_probe_is_tried_again() -> None:
    answers = iter(["down", "down", ""])
    assert tries(lambda: next(answers), 2, stopped=lambda: False, pause=0) == ""
    answers = iter(["down", "still down", ""])
    assert tries(lambda: next(answers), 1, stopped=lambda: False, pause=0) == "still down"


def test_a_probe_stops_when_told() -> None:
    with pytest.raises(KeyboardInterrupt):
        tries(lambda: "down", 9, stopped=lambda: True, pause=0)
