"""An interactive command line over SSH, for appliances that have nothing else.

netmiko's class of the platform opens the terminal, over a transport whose host key was verified
(`segctl.transports.ssh_login`); nothing that it would send by itself is sent. A prompt ends an
answer only when it is proven: a line that does nothing is sent after it, and must come back
between two prompts. Text that looks like a prompt therefore never ends an answer.
"""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segctl.model.errors import (
    ApplyError,
    AuthError,
    ConnectError,
    ParseError,
    UnsupportedError,
)
from segctl.system import inert
from segctl.transports.ssh_exec import Answer, check_transcript, record
from segctl.transports.ssh_login import GRACE, LOGIN, bounded, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl.transports.cli_dialects import Dialect
    from segctl.transports.credentials import Secret
    from segctl.transports.target import Target

#: Printable ASCII without ``?``, which asks for help in the middle of a line.
_LINE: Final = re.compile(r"[ -~]+", re.ASCII)
_LONGEST: Final = 480  # of a command: with its prompt it fits into the 511 columns of the terminal
_CHUNK: Final = 1 << 16
#: Where a prompt is looked for: at the end of what was said.
_TAIL: Final = 2048
#: For so many seconds nothing more may come before a prompt or a page is answered.
_SETTLE: Final = 0.05
#: How a device takes away the line of its pager before it goes on.
_ERASURE: Final = re.compile(rb"\r {1,511}\r|\x08+ +\x08+|\r?(?:\x1b\[[0-9]*[CDK])+\r?")
_COLOURS: Final = rb"(?:\x1b\[[0-9;]*m)*"
_STEERING: Final = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>E])|\x07|\0")
_LINE_END: Final = re.compile(r"[ \x08]*(?:\r*\n|\r)")
#: Lines at the beginning and at the end of a listing in which an error of the device stands.
_NEAR: Final = 3
_SHOWN: Final = 160


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
            dialect: how its command line speaks.
            read_only: refuse every command that none of `readers` matches whole.
            readers: commands that change nothing.
            progress: told each step.
            within: seconds that the login may take in all; `LOGIN` times ``segctl_timeout``
                otherwise.

        Raises:
            ConnectError: no connection, the host key is unknown, changed or not the pinned one, or
                no prompt came; the transcript that is asked for cannot be written.
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
        check_transcript(target)
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
        """Hang up; nothing is sent, not even a farewell."""
        with suppress(Exception):
            self._connection.disconnect()

    def run(
        self,
        command: str,
        *,
        then: str = "",
        timeout: float | None = None,
        limit: int | None = None,
    ) -> str:
        r"""Type one command and return what the device says to it, lines ended by ``\n``.

        Args:
            command: one line.
            then: the mode that its prompt must show afterwards; otherwise that of before.
            timeout: seconds instead of ``segctl_timeout``.
            limit: bytes that the answer may have, instead of ``segctl_max_answer_mb``.

        Raises:
            UnsupportedError: the command holds what must not be typed; nothing was sent.
            ApplyError: the session is read-only and this is no command that only reads, and
                nothing was sent; or the device refuses the command, or is in another mode after it.
            AuthError: the account may not run it.
            ConnectError: the connection ended, or no prompt came in time; the session is closed.
            ParseError: the answer is too large, no text, or not in step with what was sent, and
                the session is closed; or the device refuses a command that only reads.
        """
        _check(command)
        reads = any(one.fullmatch(command) for one in self._readers)
        if self._read_only and not reads:
            raise ApplyError(self._target.name, "this session is read-only: nothing was sent")
        said = self._talk(
            command,
            seconds=timeout or self._target.timeout,
            limit=limit or self._target.max_answer,
            setting="segctl_commit_timeout" if timeout else "segctl_timeout",
        )
        self._record(command, said.text)
        self._check_answer(command, said.text, reads=reads)
        self._reach(said.mode, then or self.mode, command)
        return said.text

    def elevate(self, command: str, secret: Secret, *, then: str) -> None:
        """Ask for more rights, such as ``enable`` does, with a second password.

        Args:
            command: what asks for them; it changes nothing on the device.
            secret: the second password; it stands in no transcript.
            then: the mode in which the device is afterwards.

        Raises:
            AuthError: the device does not take it; the session is closed.
            ConnectError: as `run`.
            ParseError: as `run`.
        """
        _check(command)
        limit = self._target.max_answer
        said = self._talk(command, seconds=self._target.timeout, limit=limit, secret=secret)
        self._record(command, said.text.replace(secret.reveal(), "***"))
        if said.mode != then:
            self.close()
            raise AuthError(
                self._target.name,
                f"does not give {self._target.user!r} the rights of {command!r} with this password",
            )
        self.mode = said.mode
        self._prepare()

    def _prepare(self) -> None:
        """Send what makes this session quiet, once for each mode; pages are turned without it."""
        if self.mode in self._prepared:
            return
        self._prepared.add(self.mode)
        for command in self._dialect.prepare.get(self.mode, ()):
            limit = self._target.max_answer
            said = self._talk(command, seconds=self._target.timeout, limit=limit)
            self._record(command, said.text)
            self._reach(said.mode, self.mode, command)

    def _talk(
        self,
        line: str,
        *,
        seconds: float,
        limit: int,
        setting: str = "segctl_timeout",
        secret: Secret | None = None,
    ) -> _Said:
        """Type a line, if any, and listen until the prompt is proven; hang up if it is not."""
        name = self._target.name
        if self._connection.remote_conn is None:
            raise ConnectError(name, "this session was closed: nothing was sent")
        talk = _Talk(
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
            why = f"no prompt within {seconds:.3g} s ({setting}){talk.asks()}"
            raise ConnectError(name, why) from error
        except (OSError, EOFError, _ssh_error()) as error:
            self.close()
            if time.monotonic() >= talk.deadline:
                raise ConnectError(name, f"no answer within {seconds:g} s ({setting})") from error
            reason = str(error) or type(error).__name__
            when = "during a command" if line else "before the first prompt"
            raise ConnectError(name, f"the connection ended {when}: {reason}") from error
        except BaseException:  # interrupted, or out of step: what is typed next could go astray
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
                f"its prompt shows mode {mode} after {_named(command)}, not {wanted}",
            )

    def _check_answer(self, command: str, text: str, *, reads: bool) -> None:
        """Refuse an answer that says the command was not understood or not permitted.

        A listing may hold such words: of one, only the lines at its beginning and end count.
        """
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        near = [*lines[:_NEAR], *lines[_NEAR:][-_NEAR:]] if reads else lines
        device, dialect = self._target.name, self._dialect
        for line in near:
            if dialect.denied.fullmatch(line):
                who = f"does not let {self._target.user!r} run {_named(command)}"
                raise AuthError(device, f"{who}: {_shown(line)}")
            if dialect.errors.fullmatch(line):
                at = near.index(line)  # a sign below the wrong word is followed by what is wrong
                told = next((one for one in near[at:] if one.strip(" ^")), line)
                message = f"refuses {_named(command)}: {_shown(told)}"
                raise ParseError(device, message) if reads else ApplyError(device, message)

    def _record(self, command: str, text: str) -> None:
        answer = Answer(code=0, out=text, err="")
        record(self._target, self._progress, command, b"", answer)


# --- one line and its answer ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a device said to a line, and the prompt after it."""

    text: str
    name: str
    mode: str


class _Talk:
    """One line typed and what comes back, until its prompt is proven."""

    def __init__(
        self,
        *,
        connection: Any,
        device: str,
        dialect: Dialect,
        name: str,
        deadline: float,
        limit: int,
        secret: Secret | None,
    ) -> None:
        self.deadline = deadline
        self._connection = connection
        self._channel = connection.remote_conn
        self._device = device
        self._dialect = dialect
        self._name = name
        self._limit = limit
        self._secret = secret
        self._probe = f"{dialect.comment}{secrets.token_hex(4)}" if dialect.comment else ""
        self._probed = False
        self._heard = bytearray()
        self._answered = -1
        self._pages: list[tuple[int, int]] = []
        modes = "|".join(f"(?P<{mode}>{end})" for mode, end in dialect.modes.items())
        start = rf"(?:\A|\r*\n\r*|\r){dialect.lead}"
        prompt = rf"(?P<prompt>(?P<name>{name})(?:{modes}))"
        self._prompt = re.compile(rf"{start}{prompt} *\Z")
        again = rf"[\r\n]{dialect.lead}(?P=prompt)\Z"
        self._proof = re.compile(rf"{start}{prompt} *{re.escape(self._probe)}\s*{again}")
        pager = dialect.pager.encode()
        self._pager = re.compile(rb"(?:\A|[\r\n])(" + _COLOURS + pager + _COLOURS + rb")\Z")

    def run(self, line: str) -> _Said:
        """Type `line`, if any; return the answer.

        Raises:
            TimeoutError: no prompt came in time.
            EOFError: the line was cut.
            ParseError: the answer is too large, no text, or does not begin with what was typed.
            AuthError: the second password is asked for again.
        """
        self._take_rest()  # what nobody asked for then stands before the echo
        if line:
            self._type(line + self._connection.RETURN)
        while not (self._probed and self._proof.search(self._tail())):
            due = self._due()
            if not due:
                self._take(None)
                self._take_rest()
            elif not self._take(_SETTLE):
                self._answer(due)
        return self._whole(line)

    def asks(self) -> str:
        """Say what the device waits for, if its last line looks like a question."""
        last = self._tail().splitlines()[-1:] or [""]
        asked = re.fullmatch(r".*[:?\])] ?", last[0])
        return f": it asks {_shown(last[0])}" if asked else ""

    # --- what to type ---

    def _due(self) -> str:
        """Return what the end of what was heard calls for: a page, a password, a proof; or none."""
        if len(self._heard) == self._answered:
            return ""
        if self._pager.search(self._heard[-_TAIL:]):
            return "page"
        tail = self._tail()
        if self._secret is not None and _ends(self._dialect.question, tail):
            return "secret"
        if self._dialect.banner and _ends(self._dialect.banner, tail):
            return "banner"
        return "" if self._probed or not self._prompt.search(tail) else "probe"

    def _answer(self, due: str) -> None:
        end = self._connection.RETURN
        if due == "page":
            found = self._pager.search(self._heard[-_TAIL:])
            start = len(self._heard) - len(found[1]) if found else len(self._heard)
            self._pages.append((start, len(self._heard)))
            self._type(" ")
        elif due == "banner":
            self._type(self._dialect.accept)
        elif due == "probe":
            self._probed = True
            self._type(self._probe + end)
        elif self._secret is not None:
            self._give(self._secret, end)
        self._answered = len(self._heard)

    def _give(self, secret: Secret, end: str) -> None:
        if self._answered >= 0:
            raise AuthError(self._device, "asks for the second password again: it is not this one")
        self._type(secret.reveal() + end)

    def _type(self, text: str) -> None:
        self._channel.settimeout(max(self.deadline - time.monotonic(), 0.001))
        self._channel.sendall(text.encode("ascii", errors="strict"))

    # --- what is heard ---

    def _take(self, seconds: float | None) -> bool:
        """Wait for more, for so many seconds or until the deadline; say whether any came."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left if seconds is None else min(left, seconds))
        try:
            part: bytes = self._channel.recv(_CHUNK)
        except TimeoutError:
            return False
        if not part:
            raise EOFError("it was cut off before the prompt")
        self._heard += part
        if len(self._heard) > self._limit:
            most = f"{self._limit / 2**20:g} MB (segctl_max_answer_mb)"
            raise ParseError(self._device, f"answers with more than {most}")
        return True

    def _take_rest(self) -> None:
        while self._channel.recv_ready():
            self._take(0.0)

    def _tail(self) -> str:
        return _STEERING.sub("", self._heard[-_TAIL:].decode(errors="replace"))

    def _whole(self, line: str) -> _Said:
        """Return the answer without what was typed, without pagers and without prompts."""
        heard = self._heard
        for start, end in reversed(self._pages):
            erased = _ERASURE.match(heard, end)
            if erased:
                del heard[start : erased.end()]
        try:
            text = heard.decode()
        except UnicodeDecodeError as error:
            message = "answers with text that is not UTF-8"
            raise ParseError(self._device, message) from error
        text = _STEERING.sub("", text)
        before, tail = text[:-_TAIL], text[-_TAIL:]
        proof = self._proof.search(tail)
        if proof is None:
            raise ParseError(self._device, "its prompt cannot be told from its answer")
        text = before + tail[: proof.start()]
        text = self._connection.normalize_linefeeds(self._without_echo(text, line))
        mode = next(mode for mode in self._dialect.modes if proof[mode] is not None)
        return _Said(text=text, name=proof["name"], mode=mode)

    def _without_echo(self, text: str, line: str) -> str:
        """Return what follows the line as the device repeated it, however it broke it.

        Raises:
            ParseError: it did not repeat it: something else was said, or its terminal is too
                narrow and shows a part of the line.
        """
        if not line:
            return text
        at = 0
        for character in line.replace(" ", ""):
            while text[at : at + 1] in {" ", "\r", "\n", "\x08"}:
                at += 1
            if text[at : at + 1] != character:
                raise self._out_of_step(line)
            at += 1
        end = _LINE_END.match(text, at)
        if end is None and text[at:].strip():
            raise self._out_of_step(line)
        return text[end.end() :] if end else ""

    def _out_of_step(self, line: str) -> ParseError:
        return ParseError(
            self._device,
            f"does not repeat {_named(line)} as it was sent: something else was said in between, "
            "or its terminal is narrower than the line; the session was closed",
        )


def _check(command: str) -> None:
    """Refuse what a terminal would take for its own.

    Raises:
        UnsupportedError: the command has a control character, a sign beyond ASCII or a ``?``, is
            empty or too long.
    """
    if len(command) > _LONGEST or "?" in command or not _LINE.fullmatch(command):
        message = f"command {command[:_SHOWN]!r} holds what must not be typed, or is too long"
        raise UnsupportedError(message)


def _ends(pattern: str, text: str) -> bool:
    last = text.splitlines()[-1:] or [""]
    return re.fullmatch(pattern, last[0]) is not None


def _named(command: str) -> str:
    """Return a command as errors name it: its first words, since the rest may be a secret."""
    words = command.split()
    return repr(" ".join(words[:2]) + (" …" if len(words) > 2 else ""))


def _shown(line: str) -> str:
    return inert.printable(line.strip())[:_SHOWN]


def _ssh_error() -> type[Exception]:
    import paramiko

    error: type[Exception] = paramiko.SSHException
    return error
