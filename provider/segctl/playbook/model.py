"""What a playbook says, as frozen values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from segctl.analysis.query import Check
from segctl.inventory.values import Items
from segctl.model.site import Source

if TYPE_CHECKING:
    from datetime import time

    from segctl.inventory.model import Layer
    from segctl.inventory.values import Places
    from segctl.planning.rehearsal import Requirement

Strategy = Literal["linear", "free", "host_pinned"]
OnFailure = Literal["revert", "stop", "continue"]
Action = Literal["plan", "apply", "drift"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Seconds between two attempts of a probe.
PAUSE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When work may begin: from `start` on each of `days` to `end`.

    An `end` that is not later is on the next day. An `end` of None is the end of the day.
    """

    days: tuple[str, ...] = DAYS
    start: time
    end: time | None
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A probe from this machine: does the host answer?"""

    kind: Literal["tcp", "tls", "icmp"]
    host: str
    port: int = 0
    open: bool = True
    server_name: str = ""
    ca_file: str = ""
    timeout: int = 5
    retries: int = 2
    declared: Source = field(default=Source(), compare=False)

    def __str__(self) -> str:
        """``tcp 10.20.1.11:502``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind} {host}:{self.port}" if self.port else f"{self.kind} {self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A command that a device runs, which changes nothing, and what its answer must contain.

    An `expect` that begins with ``~`` is a regular expression. With `platform`, only devices of
    that platform run the command.
    """

    command: str
    expect: str = ""
    platform: str = ""
    timeout: int = 5
    retries: int = 2
    declared: Source = field(default=Source(), compare=False)

    def __str__(self) -> str:
        """Return the command."""
        return f"command {self.command}"


Probe = Reach | Check | Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One step of a play on each of its hosts."""

    action: Action
    name: str = ""
    tags: tuple[str, ...] = ()
    allow_purge: bool = False
    allow_mass_delete: bool = False
    baseline: str = ""
    fail_on_drift: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What is done to some hosts, wave by wave."""

    hosts: tuple[str, ...]
    name: str = ""
    serial: tuple[int | str, ...] = ()
    max_fail_percentage: float | None = None
    any_errors_fatal: bool = False
    tags: tuple[str, ...] = ()
    strategy: Strategy = "linear"
    tasks: tuple[Task, ...] = ()
    windows: tuple[Window, ...] = ()
    soak: int = 0
    verify: tuple[Probe, ...] = ()
    revert_in: int | None = None
    on_failure: OnFailure = "stop"
    rehearsal: Requirement | None = None
    variables: Layer | None = field(default=None, repr=False)
    declared: Source = field(default=Source(), compare=False)

    @property
    def tolerated(self) -> float:
        """The percentage of a wave's devices that may fail before the wave fails."""
        if self.any_errors_fatal:
            return 0.0
        if self.max_fail_percentage is not None:
            return self.max_fail_percentage
        return 100.0 if self.on_failure == "continue" else 0.0

    @property
    def probes(self) -> str:
        """A digest of the probes that judge a change before it is kept; empty without probes."""
        if not self.verify:
            return ""
        asked = [replace(probe, declared=Source()) for probe in self.verify]
        return hashlib.sha256(repr(asked).encode()).hexdigest()[:12]

    @property
    def verify_seconds(self) -> float:
        """The longest time the probes can take, one after the other."""
        return sum(
            probe.timeout * (1 + probe.retries) + PAUSE * probe.retries for probe in self.verify
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """The plays of one file, in order; `digest` is the digest of its bytes.

    `document` is the parsed file. `places` identifies its containers by identity, so it must live
    as long as they do.
    """

    file: str
    digest: str
    plays: tuple[Play, ...]
    document: object = field(default=None, compare=False, repr=False)
    places: Places = field(default_factory=dict[int, Items], compare=False, repr=False)
