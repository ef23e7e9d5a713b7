"""The interface that makes mocks of a platform, ours or a third party's, found by entry point."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from segctl_mocks.spec import HostSpec
    from segctl_mocks.tls import Authority

#: The group of entry points; the name of each is the platform's word in the inventory.
ENTRY_POINTS = "segctl.mocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the mocks of a fleet have in common.

    ``state`` is the folder in which they keep what they hold (None: they keep nothing), `latency`
    the seconds before each answer, `job_seconds` how long a commit takes.
    """

    authority: Authority
    state: Path | None = None
    latency: float = 0.0
    job_seconds: float = 0.05


class Mock(Protocol):
    """One mock device; it listens on a loopback port while its ``with`` block lasts."""

    @property
    def host(self) -> str:
        """The address it listens on, one of this machine's own."""
        ...

    @property
    def port(self) -> int:
        """The port it listens on."""
        ...

    @property
    def transport(self) -> str:
        """What it speaks, for people: ``HTTPS``, ``SSH``."""
        ...

    @property
    def host_key_line(self) -> str:
        """Its line of known_hosts; empty where it does not speak SSH."""
        ...

    def prefer_port(self, port: int) -> None:
        """Listen on this port if it is free, else on any; called before it listens."""
        ...

    def tamper(self) -> str:
        """Open the live policy as another administrator would; say how, empty where it is not done.

        ``segctl demo`` shows that drift finds it.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Platform(Protocol):
    """What an entry point of group ``segctl.mocks`` names, called without arguments for a fleet."""

    def holding(self, spec: HostSpec, config: bytes) -> HostSpec:
        """Return the host as others left it: their configuration, with nothing prepared.

        Raises:
            ValueError: it is not a configuration of the platform.
        """
        ...

    def make(self, name: str, spec: HostSpec, surroundings: Surroundings) -> Mock:
        """Make the mock of a host: what it kept in the state folder, else what ``spec`` says."""
        ...


def installed() -> frozenset[str]:
    """Return the platforms that there are mocks of."""
    return frozenset(entry.name for entry in entry_points(group=ENTRY_POINTS))


def platform(name: str) -> Platform:
    """Return the maker of a platform's mocks.

    Raises:
        ValueError: no installed package provides it.
    """
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        make: Callable[[], Platform] = entry.load()
        return make()
    names = ", ".join(sorted(installed())) or "none"
    message = f"no mock for platform {name!r}; installed: {names}"
    raise ValueError(message)
