"""One line typed at an appliance, and its answer up to a proven prompt.

A prompt ends an answer only when a line that does nothing, sent after it, comes back between two
prompts. If the platform has comments, that line holds an unpredictable number.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from segctl.model.errors import AuthError, ParseError
from segctl.system import inert

if TYPE_CHECKING:
    from segctl.transports.cli_dialects import Dialect
    from segctl.transports.credentials import Secret

_CHUNK: Final = 1 << 16
#: How much of the end of the output is searched for a prompt.
_TAIL: Final = 2048
#: Seconds of silence before a prompt or a pager is answered.
_SETTLE: Final = 0.05
#: How a device erases its pager line before it goes on.
_ERASURE: Final = re.compile(rb"\r {1,511}\r|\x08+ +\x08+|\r?(?:\x1b\[[0-9]*[CDK])+\r?")
_COLOURS: Final = rb"(?:\x1b\[[0-9;]*m)*"
_STEERING: Final = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>E])|\x07|\0")
_LINE_END: Final = re.compile(r"[ \x08]*(?:\r*\n|\r)")
#: Characters of a line that errors quote.
SHOWN: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A device's answer to a line, and the prompt after it."""

    text: str
    name: str
    mode: str


class Talk:
    """One line typed and its answer, until the prompt is proven."""

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

    def run(self, line: str) -> Said:
        """Type `line`, if any; return the answer.

        Raises:
            TimeoutError: no prompt came in time.
            EOFError: the connection ended.
            ParseError: the answer is too large, not text, or does not begin with what was typed.
            AuthError: the device asks for the second password again.
        """
        self._take_rest()  # unrequested output then comes before the echo
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
        """Return what the device is waiting for, if its last line looks like a question."""
        last = self._tail().splitlines()[-1:] or [""]
        asked = re.fullmatch(r".*[:?] ?|.*\?.*[\])] ?", last[0])
        return f": it asks {shown(last[0])}" if asked else ""

    # --- what to type ---

    def _due(self) -> str:
        """Return what the end of the output calls for: a page, a password, a proof, or nothing."""
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
            match = self._pager.search(self._heard[-_TAIL:])
            start = len(self._heard) - len(match[1]) if match else len(self._heard)
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
            raise AuthError(
                self._device, "asks for the second password again: this password is wrong"
            )
        self._type(secret.reveal() + end)

    def _type(self, text: str) -> None:
        self._channel.settimeout(max(self.deadline - time.monotonic(), 0.001))
        self._channel.sendall(text.encode("ascii", errors="strict"))

    # --- what is heard ---

    def _take(self, seconds: float | None) -> bool:
        """Wait for more output, up to `seconds` or the deadline; return whether any came."""
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

    def _whole(self, line: str) -> Said:
        """Return the answer without the echo, the pagers and the prompts."""
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
            raise ParseError(self._device, "its prompt cannot be distinguished from its answer")
        text = before + tail[: proof.start()]
        text = self._connection.normalize_linefeeds(self._without_echo(text, line))
        mode = next(mode for mode in self._dialect.modes if proof[mode] is not None)
        return Said(text=text, name=proof["name"], mode=mode)

    def _without_echo(self, text: str, line: str) -> str:
        """Return what follows the device's echo of the line, however the echo is wrapped.

        Raises:
            ParseError: there is no echo: other output came in between, or the terminal is too
                narrow and shows only a part of the line.
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
            f"does not echo {named(line)} as it was sent: other output came in between, or its "
            "terminal is narrower than the line; the session was closed",
        )


def _ends(pattern: str, text: str) -> bool:
    last = text.splitlines()[-1:] or [""]
    return re.fullmatch(pattern, last[0]) is not None


def named(command: str) -> str:
    """Return a command's name for errors: its first words, since the rest may be secret."""
    words = command.split()
    return repr(" ".join(words[:2]) + (" …" if len(words) > 2 else ""))


def shown(line: str) -> str:
    """Return a device's line as errors quote it."""
    return inert.printable(line.strip())[:SHOWN]
