"""An interactive command line over SSH, for appliances that offer nothing else.

netmiko's class for the platform opens the terminal, over a transport whose host key was verified
(`segctl.transports.ssh_login`); what it would send by itself is suppressed. A prompt ends an
answer only when it is proven: a line that does nothing is sent after it, and must come back
between two prompts. Text that merely looks like a prompt therefore never ends an answer.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from segctl.model.durations import format_duration
from segctl.model.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    ParseError,
    UnsupportedError,
)
from segctl.transports.cli_talk import SHOWN, Said, Talk, named, shown
from segctl.transports.ssh_login import GRACE, LOGIN, bounded, connect
from segctl.transports.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import LiteralString

    from segctl.transports.cli_dialects import Dialect
    from segctl.transports.credentials import Secret
    from segctl.transports.target import Target

#: Printable ASCII without ``?``, which requests help in the middle of a line.
_LINE: Final = re.compile(r"[ -~]+", re.ASCII)
_LONGEST: Final = 480  # of a command: with its prompt it fits into the 511 columns of the terminal
#: Lines at the beginning and at the end of a listing that are searched for errors.
_NEAR: Final = 3


class CliSession:
    """One terminal on one device."""

    def __init__(
        self,
        target: Target,
        dialect: Dialect,
        *,
        read_only: bool,
        readers: Sequence[re.Pattern[str]],
        progress: Callable[[str], None],
        within: float | None = None,
    ) -> None:
        """Log in and wait for the first prompt.

        Args:
            target: the device and how its key is known.
            dialect: its command line's prompts, pager and errors.
            read_only: refuse every command that none of `readers` matches whole.
            readers: commands that change nothing.
            progress: told each step.
            within: seconds that the login may take in all; `LOGIN` times ``segctl_timeout`` by
                default.

        Raises:
            ConnectError: no connection, the host key is unknown, changed or not the pinned one, or
                no prompt came; or the requested transcript cannot be written.
            AuthError: the device refuses the account.
        """
        self._target = target
        self._dialect = dialect
        self._read_only = read_only
        self._readers = tuple(readers)
        self._progress = progress
        self._name = dialect.name
        self._prepared: set[str] = set()
        self.mode = ""
        self._transcript = Transcript(target, progress)
        progress("connecting")
        seconds = LOGIN * target.timeout if within is None else within
        until = time.monotonic() + seconds
        self._connection = connect(target, dialect.device_type, until)
        try:
            left = max(until - time.monotonic(), 0.0)
            said = self._talk("", seconds=left, limit=target.max_answer)
            self._name, self.mode = re.escape(said.name), said.mode
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection without sending anything."""
        with suppress(Exception):
            self._connection.disconnect()

    def run(
        self,
        command: str,
        *,
        label: LiteralString = "command",
        then: str = "",
        timeout: float | None = None,
        limit: int | None = None,
    ) -> str:
        r"""Type one command and return the device's answer, lines ended by ``\n``.

        Args:
            command: one line.
            label: its name in the transcript.
            then: the mode that the prompt must show afterwards; by default the present one.
            timeout: seconds instead of ``segctl_timeout``.
            limit: most bytes of the answer, instead of ``segctl_max_answer_mb``.

        Raises:
            UnsupportedError: the command has characters that must not be typed; nothing was sent.
            ApplyError: the session is read-only and the command does not only read, so nothing
                was sent; or the device refuses the command, or is in another mode after it.
            AuthError: the account may not run it.
            ConnectError: the connection ended, or no prompt came in time; the session is closed.
            ParseError: the answer is too large, not text, or does not match what was sent, and the
                session is closed; or the device refuses a command that only reads.
        """
        _check(command)
        reads = any(one.fullmatch(command) for one in self._readers)
        if self._read_only and not reads:
            raise ApplyError(self._target.name, "this session is read-only: nothing was sent")
        began = time.monotonic()
        said = self._talk(
            command,
            seconds=timeout or self._target.timeout,
            limit=limit or self._target.max_answer,
            setting="segctl_commit_timeout" if timeout else "segctl_timeout",
        )
        self._transcript.add(label, time.monotonic() - began, _size(said.text))
        self._check_answer(command, said.text, reads=reads)
        self._reach(said.mode, then or self.mode, command)
        return said.text

    def elevate(self, command: str, secret: Secret, *, then: str) -> None:
        """Gain more rights with a second password, as ``enable`` does.

        Args:
            command: the command that asks for them; it changes nothing on the device.
            secret: the second password; no transcript contains it.
            then: the mode that the prompt must show afterwards.

        Raises:
            AuthError: the device refuses the password; the session is closed.
            ConnectError: as `run`.
            ParseError: as `run`.
        """
        _check(command)
        limit = self._target.max_answer
        said = self._talk(command, seconds=self._target.timeout, limit=limit, secret=secret)
        self._transcript.add("more rights", None, _size(said.text))
        if said.mode != then:
            self.close()
            raise AuthError(
                self._target.name,
                f"does not give {self._target.user!r} the rights of {command!r} with this password",
            )
        self.mode = said.mode
        self._prepare()

    def _prepare(self) -> None:
        """Send the dialect's session settings, once per mode; paging works without them, too."""
        if self.mode in self._prepared:
            return
        self._prepared.add(self.mode)
        for command in self._dialect.prepare.get(self.mode, ()):
            limit = self._target.max_answer
            said = self._talk(command, seconds=self._target.timeout, limit=limit)
            self._transcript.add("quiet", None, _size(said.text))
            self._reach(said.mode, self.mode, command)

    def _talk(
        self,
        line: str,
        *,
        seconds: float,
        limit: int,
        setting: str = "segctl_timeout",
        secret: Secret | None = None,
    ) -> Said:
        """Type a line, if any, and read until the prompt is proven; on failure, hang up."""
        name = self._target.name
        if self._connection.remote_conn is None:
            raise ConnectError(name, "this session is closed: nothing was sent")
        talk = Talk(
            connection=self._connection,
            device=name,
            dialect=self._dialect,
            name=self._name,
            deadline=time.monotonic() + seconds,
            limit=limit,
            secret=secret,
        )
        try:
            with bounded(seconds + GRACE, self._cut):
                return talk.run(line)
        except TimeoutError as error:
            self.close()
            why = f"no prompt within {format_duration(seconds)} ({setting}){talk.asks()}"
            raise ConnectError(name, why) from error
        except (OSError, EOFError, _ssh_error()) as error:
            self.close()
            if time.monotonic() >= talk.deadline:
                raise ConnectError(
                    name, f"no answer within {format_duration(seconds)} ({setting})"
                ) from error
            reason = str(error) or type(error).__name__
            when = "during a command" if line else "before the first prompt"
            raise ConnectError(name, f"the connection ended {when}: {reason}") from error
        except (
            BaseException
        ):  # interrupted or out of step: the next line could be taken for something else
            self.close()
            raise

    def _cut(self) -> None:
        transport = self._connection.remote_conn_pre.get_transport()
        if transport is not None:
            transport.close()

    def _reach(self, mode: str, wanted: str, command: str) -> None:
        self.mode = mode
        if mode != wanted:
            raise ApplyError(
                self._target.name,
                f"its prompt shows mode {mode} after {named(command)}, not {wanted}",
            )

    def _check_answer(self, command: str, text: str, *, reads: bool) -> None:
        """Refuse an answer that says the command was not understood or not permitted.

        A listing may contain such words, so only its first and last lines count.
        """
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        near = [*lines[:_NEAR], *lines[_NEAR:][-_NEAR:]] if reads else lines
        device, dialect = self._target.name, self._dialect
        for line in near:
            if dialect.denied.fullmatch(line):
                who = f"does not let {self._target.user!r} run {named(command)}"
                raise AuthError(device, f"{who}: {shown(line)}")
            if dialect.errors.fullmatch(line):
                at = near.index(
                    line
                )  # a marker below the wrong word is followed by the explanation
                told = next((one for one in near[at:] if one.strip(" ^")), line)
                message = f"refuses {named(command)}: {shown(told)}"
                raise ParseError(device, message) if reads else ApplyError(device, message)


def _size(text: str) -> str:
    return f"{len(text)} characters"


def _check(command: str) -> None:
    """Refuse characters that a terminal would interpret.

    Raises:
        UnsupportedError: the command has a control or non-ASCII character or a ``?``, or is
            empty or too long.
    """
    if len(command) > _LONGEST or "?" in command or not _LINE.fullmatch(command):
        message = f"{command[:SHOWN]!r} has characters that must not be typed, is empty or too long"
        raise UnsupportedError(message)


def _ssh_error() -> type[Exception]:
    import paramiko

    error: type[Exception] = paramiko.SSHException
    return error
