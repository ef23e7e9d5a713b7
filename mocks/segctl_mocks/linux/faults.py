"""Faults a test asks for: which command they wait for, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = frozenset(
    {
        "drop_before",  # cut the connection, the command does not run
        "drop_after",  # run the command, cut the connection before its answer
        "drop_at",  # run it, cut the connection after ``at`` bytes of its answer
        "drop_upload",  # cut the connection after ``at`` bytes of its input; it runs on with those
        "hang",  # wait ``seconds``, then go on
        "exit",  # do not run it; answer ``out``, ``err`` and the status ``code``
        "no_status",  # run it, answer, and close without an exit status
        "body",  # run it, but answer ``body`` (bytes)
        "refuse",  # nft refuses with ``message``; the command is that of nft
        "crash",  # nft aborts, status 134
        "prompt",  # an interactive shell shows ``text`` as its prompt
    }
)
NFT_KINDS = frozenset({"refuse", "crash"})
SHELL_KINDS = frozenset({"prompt"})
CHANNEL_KINDS = KINDS - NFT_KINDS - SHELL_KINDS


@dataclass(slots=True)
class Request:
    """One command as the host saw it; the input grows while it arrives.

    A command ends by itself, also where its line was cut long before.
    """

    command: str
    user: str
    stdin: bytes = b""
    status: int | None = None
    is_write: bool = False
    has_ended: bool = field(default=False, compare=False)


@dataclass(slots=True)
class Fault:
    """One fault that waits for its command."""

    kind: str
    options: Mapping[str, object]
    contains: str = ""
    skip: int = 0
    times: int = 1

    def number(self, name: str, default: float) -> float:
        """Return an option that is a number."""
        value = self.options.get(name, default)
        return value if isinstance(value, int | float) else default

    def text(self, name: str, default: str = "") -> str:
        """Return an option that is a text."""
        return str(self.options.get(name, default))

    def data(self, name: str) -> bytes:
        """Return an option that is bytes."""
        value = self.options.get(name, b"")
        return value if isinstance(value, bytes) else str(value).encode()


@dataclass(slots=True)
class Faults:
    """The faults of one host."""

    waiting: list[Fault] = field(default_factory=list[Fault])

    def add(self, fault: Fault) -> None:
        """Let a fault wait."""
        if fault.kind not in KINDS:
            message = f"unknown fault {fault.kind!r}; known: {', '.join(sorted(KINDS))}"
            raise ValueError(message)
        self.waiting.append(fault)

    def take(self, kinds: frozenset[str], text: str) -> Fault | None:
        """Return the fault that strikes now, used up by one."""
        for fault in self.waiting:
            if fault.kind not in kinds or fault.contains not in text:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
            return fault
        return None
