"""A session over SSH with servers that do everything the protocol lets them do."""

from __future__ import annotations

import itertools
import logging
import re
import socket
import struct
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from segctl.model.errors import ApplyError, AuthError, ConnectError, ParseError
from segctl.transports import ssh_exec as ssh
from segctl.transports.credentials import Secret
from segctl.transports.ssh_exec import SshSession
from segctl.transports.target import Target
from support.ssh_server import Manners, Visit, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

DATA = b"".join(b"line %d\n" % number for number in range(200))
#: Calls of this many ends of a command, in any order that ends with the close.
ENDS = [
    *itertools.permutations(("data", "status", "eof")),
    *itertools.permutations(("data", "status")),
]


@contextmanager
def _session(target: Target) -> Generator[SshSession]:
    session = SshSession(
        target, device_type="terminal_server", read_only=False, progress=lambda _: None
    )
    try:
        yield session
    finally:
        session.close()


def _said(visit: Visit, words: tuple[str, ...]) -> None:
    for word in words:
        if word == "data":
            visit.data(DATA)
        elif word == "status":
            visit.status(7)
        else:
            visit.eof()
    visit.close()


def _orders() -> list[tuple[str, ...]]:
    return [words for words in ENDS if "eof" not in words[: words.index("data")]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the line soon after the time of a command is over."""
    monkeypatch.setattr(ssh, "_GRACE", 0.1)


# --- how an answer ends --------------------------------------------------------------------------


@pytest.mark.parametrize("words", _orders(), ids="-".join)
def test_an_answer_that_ends_at_the_worst_moment_is_whole(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    asked = threading.Event()
    waits: Any = paramiko.Channel.recv_ready

    def behave(visit: Visit) -> None:
        asked.wait()
        _said(visit, words)

    def recv_ready(channel: Any) -> bool:
        """Everything comes after the look for data, before the look for the end."""
        found: bool = waits(channel)
        if not found and not asked.is_set():
            asked.set()
            while not channel.closed:
                time.sleep(0.001)
        return found

    monkeypatch.setattr(paramiko.Channel, "recv_ready", recv_ready)
    with serving(Manners(behave)) as target, _session(target) as session:
        answer = session.run("show")
    assert answer.out == DATA.decode()
    assert answer.code == 7


@pytest.mark.parametrize("words", [*_orders(), ("status", "eof"), ("status",)], ids="-".join)
def test_a_command_that_ends_without_reading_its_input(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    asked = threading.Event()
    ready: Any = paramiko.Channel.send_ready

    def behave(visit: Visit) -> None:
        asked.wait()
        _said(visit, words)

    def send_ready(channel: Any) -> bool:
        """The command ends after the look whether it takes more, before more is sent."""
        found: bool = ready(channel)
        if found and not asked.is_set():
            asked.set()
            while not channel.closed:
                time.sleep(0.001)
        return found

    monkeypatch.setattr(paramiko.Channel, "send_ready", send_ready)
    with serving(Manners(behave)) as target, _session(target) as session:
        answer = session.run("show", b"x" * (1 << 22))
    assert answer.out == (DATA.decode() if "data" in words else "")
    assert answer.code == 7


@pytest.mark.parametrize("before", [("status", "data"), ("data", "status"), ("data",), ()])
def test_a_lost_line_is_no_end(before: tuple[str, ...]) -> None:
    def behave(visit: Visit) -> None:
        for word in before:
            if word == "data":
                visit.data(DATA)
            else:
                visit.status(0)
        visit.cut()

    cut = pytest.raises(ConnectError, match="the connection ended during a command")
    with serving(Manners(behave)) as target, _session(target) as session, cut:
        session.run("show")


def test_a_command_that_a_signal_ended() -> None:
    def behave(visit: Visit) -> None:
        visit.data(DATA)
        visit.signal()
        visit.eof()
        visit.close()

    cut = pytest.raises(ConnectError, match="cut off before the command ended")
    with serving(Manners(behave)) as target, _session(target) as session, cut:
        session.run("show")


@pytest.mark.parametrize("code", [0, 1, 255, 256, (1 << 31) - 1])
def test_exit_codes(code: int) -> None:
    def behave(visit: Visit) -> None:
        visit.status(code)
        visit.eof()
        visit.close()

    with serving(Manners(behave)) as target, _session(target) as session:
        assert session.run("show").code == code


def test_both_streams_at_once() -> None:
    def behave(visit: Visit) -> None:
        for _ in range(50):
            visit.channel.sendall(DATA)
            visit.channel.sendall_stderr(DATA)
        visit.status()
        visit.eof()
        visit.close()

    with serving(Manners(behave)) as target, _session(target) as session:
        answer = session.run("show", DATA)
    assert answer.out == answer.err == DATA.decode() * 50


def test_nothing_is_written_at_login() -> None:
    manners = Manners(lambda visit: _said(visit, ("status", "eof")))
    with serving(manners) as target, _session(target) as session:
        assert session.run("show").code == 7
        (shell,) = manners.shells
        held = shell.recv(100) if shell.recv_ready() else b""
        assert held == b""


@pytest.mark.parametrize("command", ["reload", "show\nreload", "show; reload", " show", "show "])
def test_a_session_that_only_reads_sends_only_what_it_may(command: str) -> None:
    visits: list[Visit] = []

    def behave(visit: Visit) -> None:
        visits.append(visit)
        _said(visit, ("status", "eof"))

    with serving(Manners(behave)) as target:
        session = SshSession(
            target,
            device_type="terminal_server",
            read_only=True,
            readers=(re.compile("show"),),
            progress=lambda _: None,
        )
        with closing(session):
            with pytest.raises(ApplyError, match="read-only: nothing was sent"):
                session.run(command)
            session.run("show")
    assert [visit.command for visit in visits] == ["show"]


def test_a_transcript_says_how_it_went_and_nothing_that_was_said(tmp_path: Path) -> None:
    def behave(visit: Visit) -> None:
        visit.data("add rule theirs\nadd rule ünlisted\n".encode())
        _said(visit, ("status", "eof"))

    with serving(Manners(behave)) as served:
        target = replace(served, transcript=tmp_path / "new" / "folder")
        session = SshSession(
            target,
            device_type="terminal_server",
            read_only=False,
            progress=lambda _: None,
            words={"rules": "add rule "},
        )
        with closing(session):
            session.run("show secret", b"add rule ours\n", label="look")
            session.run("show secret")
            session.note("look", {"uid": 0, "table": 1})
    text = (tmp_path / "new/folder/gw1.txt").read_text(encoding="utf-8")
    told = re.sub(r"(?m)^2\d{3}-\d\d-\d\dT[\d:.]{12}\+00:00 gw1 |, \d+\.\d{3} s$", "", text)
    assert told == (
        "session: opened\nlogin: done\n"
        "look: sent 14 bytes, exit 7, 34 and 0 characters\n  sent: rules 1\n  answer: rules 2\n"
        "command: sent 0 bytes, exit 7, 34 and 0 characters\n  answer: rules 2\n"
        "look: exit codes uid 0, table 1\n"
    )


def test_a_transcript_on_a_full_disk_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    """A full disk still takes an empty file."""
    with serving(Manners(lambda _: None)) as served:
        target = replace(served, transcript=tmp_path)
        (tmp_path / f"{target.name}.txt").symlink_to("/dev/full")
        with pytest.raises(ConnectError, match=r"cannot be written: No space left.*nothing was"):
            SshSession(
                target, device_type="terminal_server", read_only=False, progress=lambda _: None
            )


def test_a_transcript_says_what_failed(tmp_path: Path) -> None:
    def behave(visit: Visit) -> None:
        visit.data(b"half of an answer")
        visit.cut()

    with serving(Manners(behave)) as served:
        target = replace(served, transcript=tmp_path)
        with _session(target) as session, pytest.raises(ConnectError):
            session.run("show")
        wrong = replace(target, user="nobody")
        with pytest.raises(AuthError), _session(wrong):
            pass
    text = (tmp_path / "gw1.txt").read_text(encoding="utf-8")
    assert re.findall(r"gw1 (.*), [\d.]+ s", text) == [
        "login: done",
        "command: sent 0 bytes, failed (unreachable)",
        "login: sent 0 bytes, failed (auth)",
    ]


# --- servers that do not end ---------------------------------------------------------------------


def _silent(visit: Visit) -> None:
    visit.until_cut()


def _dripping(visit: Visit) -> None:
    while True:
        visit.data(b".")
        time.sleep(0.01)


def _eof_only(visit: Visit) -> None:
    visit.data(DATA)
    visit.eof()
    visit.until_cut()


def _status_only(visit: Visit) -> None:
    visit.data(DATA)
    visit.status()
    visit.until_cut()


def _deaf(visit: Visit) -> None:
    """Allow a large upload, then take nothing from the line any more."""
    visit.take(1 << 30)
    visit.stop_reading()
    visit.until_cut()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("behave", [_silent, _dripping, _eof_only, _status_only, _deaf])
def test_a_command_that_does_not_end(behave: Callable[[Visit], None]) -> None:
    with serving(Manners(behave)) as target:
        late = pytest.raises(ConnectError, match=r"no answer within 0\.5s \(segctl_timeout\)")
        with _session(replace(target, timeout=0.5)) as session, late:
            session.run("show", b"x" * (1 << 26))
        message = r"no answer within 0\.2s \(segctl_commit_timeout\)"
        with _session(target) as session, pytest.raises(ConnectError, match=message):
            session.run("show", b"x", timeout=0.2)


@pytest.mark.parametrize("stream", ["sendall", "sendall_stderr"])
def test_an_answer_without_end_is_too_large(stream: str) -> None:
    def behave(visit: Visit) -> None:
        while True:
            getattr(visit.channel, stream)(DATA)

    large = pytest.raises(ParseError, match="more than 1 MB")
    with serving(Manners(behave)) as served:
        target = replace(served, max_answer=1 << 20)
        with _session(target) as session, large:
            session.run("show")


class _Mute(Manners):
    """Answers nothing to one kind of request."""

    def __init__(self, request: str) -> None:
        super().__init__(_silent)
        self.request = request

    def check_auth_password(self, username: str, password: str) -> int:
        if self.request == "login":
            self.ended.wait(30)
        return super().check_auth_password(username, password)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.request == "channel":
            self.ended.wait(30)
        return super().check_channel_request(kind, chanid)

    def check_channel_pty_request(self, channel: Any, *args: Any, **kwargs: Any) -> bool:
        if self.request == "terminal":
            self.ended.wait(30)
        return super().check_channel_pty_request(channel, *args, **kwargs)

    def check_channel_shell_request(self, channel: Any) -> bool:
        if self.request == "shell":
            self.ended.wait(30)
        return super().check_channel_shell_request(channel)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        if self.request == "command":
            self.ended.wait(30)
        return super().check_channel_exec_request(channel, command)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("request_", ["login", "channel", "terminal", "shell", "command"])
def test_a_request_that_is_never_answered(request_: str) -> None:
    with serving(_Mute(request_)) as served:
        target = replace(served, timeout=0.5)
        with pytest.raises(ConnectError) as caught, _session(target) as session:
            session.run("show")
    assert "Traceback" not in str(caught.value)
    assert "\n" not in caught.value.message


def test_a_session_leaves_no_secret_with_the_library() -> None:
    held = len(logging.getLogger("netmiko").filters)
    with serving(Manners(lambda visit: _said(visit, ("status", "eof")))) as target:
        with _session(target) as session:
            session.run("show")
        wrong = replace(target, user="nobody")
        with pytest.raises(AuthError), _session(wrong):
            pass
    assert len(logging.getLogger("netmiko").filters) == held


def test_a_packet_that_no_host_sends_is_refused_before_it_is_stored() -> None:
    """Whoever answers, or stands in between, has proved nothing yet."""

    def announce() -> None:
        line, _ = server.accept()
        with line, suppress(OSError):
            line.sendall(b"SSH-2.0-large\r\n" + struct.pack(">I", 0x7FFF_FFFC))
            while True:
                line.sendall(bytes(1 << 16))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=announce, daemon=True)
        thread.start()
        target = Target(
            name="gw1",
            host="127.0.0.1",
            port=server.getsockname()[1],
            user="operator",
            password=Secret("secret"),
            ssh_fingerprint="SHA256:none",
            timeout=30,
        )
        with pytest.raises(ConnectError, match="announces a packet of 2147483"), _session(target):
            pass
        thread.join()
