"""What runs on a channel: one command, or an interactive shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.linux.faults import CHANNEL_KINDS, SHELL_KINDS, Fault, Faults, Request
from segctl_mocks.linux.shell.shell import Exit
from segctl_mocks.linux.shell.streams import Calls, Pipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl_mocks.linux.host import Host
    from segctl_mocks.linux.server import Channel

_MAX_KEPT = 1 << 20


class _Cut(Exception):  # noqa: N818  # no error: a fault has struck
    """The connection was cut."""


class Execution:
    """One command on a channel."""

    def __init__(
        self, host: Host, channel: Channel, faults: Faults, requests: list[Request], latency: float
    ) -> None:
        self._host = host
        self._channel = channel
        self._pipe = Pipe()
        self._latency = latency
        self._received = 0
        self._sent = 0
        self._request = Request(channel.command or "", channel.user)
        requests.append(self._request)
        self._fault = faults.take(CHANNEL_KINDS, channel.command or "")

    def received(self, data: bytes) -> None:
        """Take input."""
        fault = self._fault
        if fault is not None and fault.kind == "drop_upload":
            left = int(fault.number("at", 0)) - self._received
            self._received += len(data)
            if left < 0:
                return
            data = data[: max(left, 0)]
        if len(self._request.stdin) < _MAX_KEPT:
            self._request.stdin += data
        self._pipe.feed(data)

    def ended(self) -> None:
        """Take the end of the input."""
        self._pipe.close()

    def work(self) -> int | None:
        """Run the command."""
        try:
            return self._work()
        finally:
            self._request.has_ended = True

    def _work(self) -> int | None:
        host, fault = self._host, self._fault
        if self._latency:
            host.stopping.wait(self._latency)
        if fault is not None and fault.kind == "hang":
            host.stopping.wait(fault.number("seconds", 60))
        if fault is not None and fault.kind == "drop_before":
            self._channel.cut()
            return None
        if fault is not None and fault.kind == "exit":
            self._channel.write(fault.data("out"))
            self._channel.write_error(fault.data("err"))
            return int(fault.number("code", 1))
        if fault is not None and fault.kind == "drop_upload":
            self._half(fault)
            return None
        status = self._run()
        if fault is not None and fault.kind in {"drop_after", "drop_at"}:
            self._channel.cut()
            return None
        if fault is not None and fault.kind == "body":
            self._channel.write(fault.data("body"))
        return None if fault is not None and fault.kind == "no_status" else status

    def _half(self, fault: Fault) -> None:
        """Cut the line after so many bytes; the command goes on with what it has."""
        self._pipe.wait(int(fault.number("at", 0)))
        self._channel.cut()
        self._pipe.close()
        self._run()

    def _run(self) -> int:
        host = self._host
        shell = host.shell(self._channel.user)
        shell.variables["SSH_CONNECTION"] = self._channel.ends
        shell.stdin = self._pipe
        shell.stdout = Calls(self._out)
        shell.stderr = Calls(self._err)
        before = (host.attempts, host.files.changes)
        try:
            status = shell.run(self._channel.command or "")
        except _Cut:
            status = 255
        self._request.is_write = before != (host.attempts, host.files.changes)
        self._request.status = status
        return status

    def _out(self, data: bytes) -> None:
        fault = self._fault
        if fault is not None and fault.kind in {"drop_after", "body", "drop_upload"}:
            return
        if fault is not None and fault.kind == "drop_at":
            data = data[: max(int(fault.number("at", 0)) - self._sent, 0)]
            self._sent += len(data)
        if data:
            self._channel.write(data)

    def _err(self, data: bytes) -> None:
        fault = self._fault
        if fault is None or fault.kind not in {"drop_after", "body", "drop_upload", "drop_at"}:
            self._channel.write_error(data)


class Terminal:
    """An interactive shell: echo, a prompt, one command a line."""

    def __init__(
        self,
        host: Host,
        channel: Channel,
        faults: Faults,
        requests: list[Request],
        passwords: Mapping[str, str],
    ) -> None:
        self._passwords = passwords
        self._host = host
        self._channel = channel
        self._requests = requests
        self._pipe = Pipe()
        fault = faults.take(SHELL_KINDS, "")
        self._prompt = fault.text("text") if fault is not None else ""

    def received(self, data: bytes) -> None:
        """Take keystrokes."""
        self._pipe.feed(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))

    def ended(self) -> None:
        """Take the end of the input."""
        self._pipe.close()

    def work(self) -> int | None:
        """Run what is typed until the end."""
        host = self._host
        shell = host.shell(self._channel.user)
        shell.name, login_root = "-bash", shell.root
        shell.stdout = shell.stderr = Calls(self._show)
        while not host.stopping.is_set():
            self._show(self._prompt_of(shell.cwd, shell.home, root=shell.root).encode())
            line = self._pipe.line()
            if not line:
                break
            self._show(line.rstrip(b"\n") + b"\n")
            text = line.decode("utf-8", "surrogateescape").strip("\n")
            if not text.strip():
                continue
            request = Request(text, self._channel.user)
            self._requests.append(request)
            if text.split()[:2] in (["sudo", "-s"], ["sudo", "-i"]):
                shell.root = shell.root or self._may_become_root()
                continue
            if text.split()[0] in {"exit", "logout"} and shell.root and not login_root:
                shell.root = False
                continue
            before = (host.attempts, host.files.changes)
            try:
                shell.status = request.status = shell.run(text)
            except Exit as ending:
                return ending.status
            request.is_write = before != (host.attempts, host.files.changes)
            if text.split()[0] in {"exit", "logout"}:
                break
        return shell.status

    def _may_become_root(self) -> bool:
        host, user = self._host, self._channel.user
        if host.may_sudo([]) and host.sudo_allow is None:
            return True
        if host.sudo != "password":
            self._show(b"sudo: not found\n" if host.sudo == "none" else b"Sorry.\n")
            return False
        self._show(f"[sudo] password for {user}: ".encode())
        given = self._pipe.line().decode("utf-8", "replace").rstrip("\n")
        self._show(b"\n")
        if given == self._passwords.get(user):
            return True
        self._show(b"Sorry, try again.\n")
        return False

    def _prompt_of(self, cwd: str, home: str, *, root: bool) -> str:
        if self._prompt:
            return self._prompt
        place = "~" + cwd[len(home) :] if cwd == home or cwd.startswith(f"{home}/") else cwd
        return f"{self._channel.user}@{self._host.hostname}:{place}{'#' if root else '$'} "

    def _show(self, data: bytes) -> None:
        self._channel.write(data.replace(b"\n", b"\r\n"))
