"""SSH sessions that run each command on a channel of its own, built on netmiko.

The host's key is checked before anything else is sent; nothing is written at login; each command
is one call with its own bounds; a read-only session permits only the commands it was opened
with. Exceptions of netmiko and paramiko do not leave this module.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segctl.model.durations import format_duration
from segctl.model.errors import ApplyError, ConnectError, DeviceError, ParseError, UnsupportedError
from segctl.transports.ssh_login import GRACE as _GRACE
from segctl.transports.ssh_login import LOGIN, bounded, connect
from segctl.transports.transcript import Transcript, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import LiteralString

    from segctl.transports.target import Target
    from segctl.transports.transcript import Words

#: Printable ASCII without the characters that a command line interprets.
_TEXT = re.compile(r"[ #$%&()*+,./0-9:=@A-Z\[\]^_a-z{|}~<>-]*", re.ASCII)
_CHUNK = 1 << 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02


def token(kind: str, text: str, allowed: re.Pattern[str] = _TEXT, limit: int = 255) -> str:
    """Return `text` if it is safe in a command line.

    Raises:
        UnsupportedError: it holds a newline, quote, ``?``, ``!``, ``;``, backslash, control
            character or another character that is not allowed there, or is too long.
    """
    if len(text) > limit or not allowed.fullmatch(text):
        message = f"{kind} {text!r} has characters that must not reach a command line"
        raise UnsupportedError(message)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command returned."""

    code: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """The first line that explains the failure."""
        said = (self.err or self.out)[:4096]  # more could be an endless answer
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[0][:300] if lines else f"exit code {self.code}"


class SshSession:
    """One login on one device."""

    def __init__(
        self,
        target: Target,
        *,
        device_type: str,
        read_only: bool,
        readers: Sequence[re.Pattern[str]] = (),
        progress: Callable[[str], None],
        within: float | None = None,
        words: Words | None = None,
        transcript: Transcript | None = None,
    ) -> None:
        """Log in.

        Args:
            target: the device and how its key is known.
            device_type: netmiko's word for its platform.
            read_only: refuse every command that none of `readers` matches whole.
            readers: commands that change nothing.
            progress: told each step.
            within: seconds that the login may take in all; `LOGIN` times ``segctl_timeout`` by
                default.
            words: words that the transcript counts in commands' input and answers.
            transcript: that of an earlier login, which this one goes on with.

        Raises:
            ConnectError: no connection; the host key is unknown, changed or not the pinned one; or
                the requested transcript cannot be written.
            AuthError: the device refuses the account.
        """
        self._target = target
        self._read_only = read_only
        self._readers = tuple(readers)
        self._progress = progress
        self._words = words or {}
        self._transcript = (
            transcript.go_on(progress) if transcript else Transcript(target, progress)
        )
        progress("connecting")
        seconds = LOGIN * target.timeout if within is None else within
        began = time.monotonic()
        try:
            self._connection = connect(target, device_type, began + seconds)
        except DeviceError as error:
            self._record("login", began, b"", error)
            raise
        self._transcript.add("login", time.monotonic() - began, "done")

    @property
    def transcript(self) -> Transcript:
        """The transcript, for another login of the same work."""
        return self._transcript

    def close(self) -> None:
        """Log out."""
        with suppress(Exception):
            self._connection.disconnect()

    @property
    def transport(self) -> Any:
        """The transport of paramiko."""
        return self._connection.remote_conn_pre.get_transport()

    def run(
        self,
        command: str,
        data: bytes = b"",
        *,
        label: LiteralString = "command",
        timeout: float | None = None,
        limit: int | None = None,
    ) -> Answer:
        """Run one command on a channel of its own, with `data` as its input.

        Args:
            command: the command line for the account's shell.
            data: its input.
            label: its name in the transcript.
            timeout: seconds instead of ``segctl_timeout``.
            limit: most bytes of the answer, instead of ``segctl_max_answer_mb``.

        Raises:
            ApplyError: the session is read-only and the command does not only read.
            ConnectError: the connection ended, or no answer within `timeout` seconds.
            ParseError: the answer is larger than ``segctl_max_answer_mb``.
        """
        if self._read_only and not any(one.fullmatch(command) for one in self._readers):
            raise ApplyError(self._target.name, "this session is read-only: nothing was sent")
        began = time.monotonic()
        try:
            answer = self._answered(command, data, timeout, limit or self._target.max_answer)
        except DeviceError as error:
            self._record(label, began, data, error)
            raise
        self._record(label, began, data, answer)
        return answer

    def note(self, label: LiteralString, codes: Mapping[LiteralString, int]) -> None:
        """Add the exit codes of the parts of an answer to the transcript."""
        told = ", ".join(f"{name} {code}" for name, code in codes.items())
        self._transcript.add(label, None, f"exit codes {told}")

    def _answered(self, command: str, data: bytes, timeout: float | None, limit: int) -> Answer:
        seconds = timeout or self._target.timeout
        deadline = time.monotonic() + seconds
        try:
            with bounded(seconds + _GRACE, self.transport.close):
                return self._exchange(command, data, deadline, limit)
        except (OSError, EOFError, _ssh_error()) as error:
            if time.monotonic() >= deadline:
                setting = "segctl_commit_timeout" if timeout else "segctl_timeout"
                raise ConnectError(
                    self._target.name, f"no answer within {format_duration(seconds)} ({setting})"
                ) from error
            reason = str(error) or type(error).__name__
            raise ConnectError(
                self._target.name, f"the connection ended during a command: {reason}"
            ) from error

    def _exchange(self, command: str, data: bytes, deadline: float, limit: int) -> Answer:
        channel = self._open(deadline)
        try:
            channel.exec_command(command)
            flow = _Flow(channel, data)
            pause = _FIRST_PAUSE
            while True:
                ended = self._ended(
                    channel
                )  # asked first: output from before the end is read below
                moved = flow.step(send=not ended)
                self._check_size(flow.size, limit)
                if ended and not moved:
                    break
                if time.monotonic() >= deadline:
                    raise TimeoutError
                pause = _FIRST_PAUSE if moved else min(2 * pause, _LONGEST_PAUSE)
                if not moved:
                    time.sleep(pause)
            self._check_whole(channel, deadline)
            code: int = channel.recv_exit_status()
            return Answer(code=code, out=self._text(flow.out), err=self._text(flow.err))
        finally:
            channel.close()

    def _open(self, deadline: float) -> Any:
        seconds = max(deadline - time.monotonic(), 0.0)
        channel = self.transport.open_session(timeout=seconds)
        channel.settimeout(seconds)
        return channel

    def _check_whole(self, channel: Any, deadline: float) -> None:
        """Accept an answer only if the device ended it: a lost connection looks like an end too."""
        if channel.exit_status < 0:
            raise EOFError("it was cut off before the command ended")
        if (
            not channel.eof_received
        ):  # some devices do not send an exit status; a connection that still works was not lost
            with suppress(_refusal()):
                self._open(deadline).close()

    def _check_size(self, size: int, limit: int) -> None:
        if size > limit:
            raise ParseError(
                self._target.name,
                f"answers with more than {limit / 2**20:g} MB (segctl_max_answer_mb)",
            )

    def _ended(self, channel: Any) -> bool:
        if channel.exit_status_ready() and channel.eof_received:
            return True
        return bool(channel.closed) or not self.transport.is_active()

    def _text(self, said: bytearray) -> str:
        """Return the output as text and release the bytes: both at once may be large."""
        try:
            text = said.decode()
            said.clear()
        except UnicodeDecodeError as error:
            raise ParseError(self._target.name, "answers with text that is not UTF-8") from error
        return text

    def _record(
        self, label: LiteralString, began: float, data: bytes, answer: Answer | DeviceError
    ) -> None:
        if not self._transcript:
            return
        sent = f"sent {len(data)} bytes, "
        counts = [counted("sent", data, self._words)]
        if isinstance(answer, Answer):
            ended = f"exit {answer.code}, {len(answer.out)} and {len(answer.err)} characters"
            counts += [
                counted("answer", answer.out, self._words),
                counted("errors", answer.err, self._words),
            ]
        else:
            ended = f"failed ({answer.code})"
        self._transcript.add(label, time.monotonic() - began, sent + ended, *counts)


class _Flow:
    """The input and output of a channel, moved step by step."""

    def __init__(self, channel: Any, data: bytes) -> None:
        self._channel = channel
        self._rest = memoryview(data)
        self._open = True
        self.out = bytearray()
        self.err = bytearray()
        self.size = 0

    def step(self, *, send: bool) -> bool:
        """Move what can be moved without waiting; return whether anything was."""
        moved = send and self._send()
        channel = self._channel
        if channel.recv_ready():
            moved = self._take(self.out, channel.recv(_CHUNK)) or moved
        if channel.recv_stderr_ready():
            moved = self._take(self.err, channel.recv_stderr(_CHUNK)) or moved
        return moved

    def _send(self) -> bool:
        channel = self._channel
        if self._open and not self._rest:
            channel.shutdown_write()
            self._open = False
        if not (self._open and channel.send_ready()):
            return False
        try:
            sent: int = channel.send(self._rest[:_CHUNK])
        except OSError:
            if not channel.closed:
                raise
            sent = 0
        # a command that ended without reading all its input takes no more
        self._rest = self._rest[sent:]
        return sent > 0

    def _take(self, said: bytearray, part: bytes) -> bool:
        self.size += len(part)
        said += part
        return bool(part)


# --- the library's exceptions ---------------------------------------------------------------------


def _ssh_error() -> type[Exception]:
    import paramiko

    error: type[Exception] = paramiko.SSHException
    return error


def _refusal() -> type[Exception]:
    import paramiko

    error: type[Exception] = paramiko.ChannelException
    return error
