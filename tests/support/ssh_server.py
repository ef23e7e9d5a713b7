"""An SSH server that keeps to the letter of the protocol and to nothing else."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import paramiko

from segctl.transports.credentials import Secret
from segctl.transports.host_keys import fingerprint
from segctl.transports.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

KEY: Any = paramiko.ECDSAKey.generate()
_STEP = 0.005
_GOOD, _REFUSED = 0, 2  # what paramiko calls AUTH_SUCCESSFUL, OPEN_SUCCEEDED and AUTH_FAILED
#: Numbers of messages, RFC 4254.
_WINDOW_ADJUST, _EOF, _CLOSE, _REQUEST = 93, 96, 97, 98


class Visit:
    """One command on one channel, and what a server can do about it."""

    def __init__(self, channel: Any, command: str) -> None:
        self.channel = channel
        self.command = command

    def data(self, data: bytes) -> None:
        """Write to standard output."""
        self.channel.sendall(data)

    def status(self, code: int = 0) -> None:
        """Say with which code the command ended."""
        self.channel.send_exit_status(code)

    def signal(self) -> None:
        """Say that a signal ended the command."""
        message = self._message(_REQUEST)
        message.add_string("exit-signal")
        message.add_boolean(False)
        for text in ("KILL", "", ""):
            message.add_string(text)
        self._send(message)

    def eof(self) -> None:
        """Say that no more data will come."""
        self._send(self._message(_EOF))

    def close(self) -> None:
        """Close the channel, without a word that data has ended."""
        self._send(self._message(_CLOSE))

    def cut(self) -> None:
        """Cut the whole line."""
        transport = self.channel.get_transport()
        with suppress(OSError):
            transport.sock.shutdown(socket.SHUT_RDWR)

    def until_cut(self) -> None:
        """Wait until the client hangs up."""
        transport = self.channel.get_transport()
        while transport.is_active():
            time.sleep(_STEP)

    def take(self, size: int) -> None:
        """Let the client send so many bytes more."""
        message = self._message(_WINDOW_ADJUST)
        message.add_int(size)
        self._send(message)

    def stop_reading(self) -> None:
        """Take nothing from the line any more, until the client hangs up."""
        packets = self.channel.get_transport().packetizer
        read = packets.read_message

        def read_message() -> Any:
            self.until_cut()
            return read()

        packets.read_message = read_message

    def _message(self, kind: int) -> Any:
        message: Any = paramiko.Message()
        message.add_byte(bytes([kind]))
        message.add_int(self.channel.remote_chanid)
        return message

    def _send(self, message: Any) -> None:
        self.channel.get_transport()._send_user_message(message)


class Manners(paramiko.ServerInterface):  # type: ignore[misc] # the base is untyped
    """How a server answers what comes before a command; all of it well, unless overridden."""

    def __init__(self, behave: Callable[[Visit], None]) -> None:
        self.behave = behave
        self.ended = threading.Event()
        self.shells: list[Any] = []

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        del password
        return _REFUSED if username == "nobody" else _GOOD

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return _GOOD

    def check_channel_pty_request(self, channel: Any, *args: Any, **kwargs: Any) -> bool:
        del channel, args, kwargs
        return True

    def check_channel_shell_request(self, channel: Any) -> bool:
        self.shells.append(channel)
        return True

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        visit = Visit(channel, command.decode())
        sent = _sent(channel)

        def work() -> None:
            line = channel.get_transport()
            while line.is_active() and _sent(channel) == sent:  # its answer goes first
                time.sleep(_STEP)
            with suppress(OSError, EOFError, paramiko.SSHException):
                self.behave(visit)

        threading.Thread(target=work, daemon=True).start()
        return True


def _sent(channel: Any) -> int:
    """Return how many messages have gone out on a channel's line, as paramiko counts them."""
    packets = channel.get_transport().packetizer
    return int(packets._Packetizer__sequence_number_out)


@contextmanager
def serving(manners: Manners, *more: Any) -> Generator[Target]:
    """Serve on loopback, with `more` host keys than one; give how to reach it."""
    lines: list[Any] = []

    def work() -> None:
        while True:
            try:
                sock, _ = server.accept()
            except OSError:
                return
            transport: Any = paramiko.Transport(sock)
            for key in (KEY, *more):
                transport.add_server_key(key)
            lines.append(transport)
            with suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(event=threading.Event(), server=manners)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield Target(
                name="gw1",
                host="127.0.0.1",
                port=server.getsockname()[1],
                user="operator",
                password=Secret("secret"),
                ssh_fingerprint=fingerprint(KEY.asbytes()),
                timeout=30,
            )
        finally:
            manners.ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for line in lines:
                line.close()
