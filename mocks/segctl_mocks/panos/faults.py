"""Faults a test asks for: which request they wait for, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TRANSPORT = frozenset(
    {
        "drop_before",  # close the connection, the request has no effect
        "drop_after",  # carry the request out, close without an answer
        "drop_at",  # carry it out, close after ``at`` bytes of the answer
        "hang",  # wait ``seconds``, then go on
        "html",  # answer the login page, 200 text/html
        "truncate",  # answer complete HTTP with XML cut off after ``at`` bytes
        "status",  # answer HTTP ``code`` (and ``retry_after``) with an empty HTML page
        "bomb",  # answer XML with exponential entities
        "endless",  # answer XML of ``size`` bytes, streamed
        "body",  # answer ``body`` (bytes) as XML
        "key_invalid",  # 403, and every key is gone
        "unauthorized",  # status unauth, code 16
        "error",  # a daemon error with ``code`` and ``message``
    }
)
COMMIT = frozenset(
    {
        "commit_invalid",  # the job fails validation with ``lines``
        "commit_dies",  # the job fails midway
        "commit_lost",  # the job is lost in a restart; ``applied``: running changed nevertheless
        "commit_stuck",  # the job never ends
        "commit_busy",  # "Another commit/validate is in progress."
        "commit_leaves",  # the job succeeds, and nothing is committed (pan-os-python#569)
        "commit_warns",  # the job succeeds with ``lines`` as warnings
    }
)
VALIDATE = frozenset(
    {
        "validate_warns",  # the job succeeds with ``lines`` as warnings
    }
)
PUSH = frozenset(
    {
        "push_lost",  # the job is lost in a restart; ``applied`` (unless False): firewalls got it
        "push_stuck",  # the job never ends; ``applied`` as above
    }
)
#: Of a push those that strike one firewall, given as ``serial`` (all of them without it).
PUSH_MEMBER = frozenset(
    {
        "push_pending",  # its result stays PEND; the job ends without it; ``applied`` as above
        "push_fails",  # it fails with ``lines``
        "push_timeout",  # its result does not come in time; ``applied`` as above
        "push_warns",  # it succeeds with ``lines`` as warnings
    }
)
SYNC = frozenset(
    {
        "sync_fails",  # the peer's job of a configuration sync fails
        "sync_never",  # what was committed is not sent to the peer
        "sync_stuck",  # the peer's job never ends
        "sync_slow",  # it takes ``seconds``
        "sync_busy",  # "Another sync is in progress."
    }
)
KINDS = TRANSPORT | COMMIT | VALIDATE | PUSH | PUSH_MEMBER | SYNC


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the device saw it."""

    type: str
    action: str = ""
    xpath: str = ""
    cmd: str = ""
    element: str = ""
    user: str = ""
    size: int = 0
    is_write: bool = False


@dataclass(slots=True)
class Fault:
    """One fault that waits for its request."""

    kind: str
    options: Mapping[str, object]
    type: str = ""
    action: str = ""
    contains: str = ""
    writes_only: bool = False
    skip: int = 0
    times: int = 1

    def matches(self, request: Request) -> bool:
        """Say whether this is a request the fault waits for."""
        if self.type and request.type != self.type:
            return False
        if self.action and request.action != self.action:
            return False
        if self.writes_only and not request.is_write:
            return False
        text = f"{request.xpath}\n{request.cmd}\n{request.element}"
        return self.contains in text

    def number(self, name: str, default: float) -> float:
        """Return an option that is a number."""
        value = self.options.get(name, default)
        return value if isinstance(value, int | float) else default

    def lines(self, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return the option ``lines``."""
        value = self.options.get("lines")
        if not isinstance(value, tuple | list):
            return default
        return tuple(str(line) for line in cast("Iterable[object]", value))


@dataclass(slots=True)
class Faults:
    """The faults of one device."""

    waiting: list[Fault] = field(default_factory=list[Fault])

    def add(self, fault: Fault) -> None:
        """Let a fault wait."""
        if fault.kind not in KINDS:
            message = f"unknown fault {fault.kind!r}; known: {', '.join(sorted(KINDS))}"
            raise ValueError(message)
        self.waiting.append(fault)

    def take(self, kinds: frozenset[str], request: Request, serial: str = "") -> Fault | None:
        """Return the fault that strikes now (this firewall, where one is meant), used up by one."""
        for fault in self.waiting:
            if fault.kind not in kinds or not fault.matches(request):
                continue
            if fault.options.get("serial", serial) != serial:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
            return fault
        return None
