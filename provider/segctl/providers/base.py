"""What a provider is: the seam between segctl's core and the code that speaks to one platform."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from segctl.analysis.effective import Reading
from segctl.analysis.words import Literally
from segctl.model.errors import Problem, UnsupportedError
from segctl.model.policy import (
    DeclaredPolicy,
    DefaultRule,
    Policy,
    Service,
)
from segctl.model.scope import Scope
from segctl.protocols import by_function
from segctl.providers.state import DeviceState
from segctl.transports.target import Target  # noqa: TC001 - platforms take it from here

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from segctl.analysis.words import Platform
    from segctl.model.diff import Change
    from segctl.model.policy import FirewallZone
    from segctl.model.site import Device
    from segctl.protocols import Applications, Naming
    from segctl.protocols import Protocol as IndustrialProtocol


ENTRY_POINTS = "segctl.providers"
_LOOKING = RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can express, as values rather than branches.

    `title` is what people call it. With `owns_zones` a zone is made by segctl, of interfaces; else
    it is there before. Where rules are not `ordered`, none ever moves. With `tells_authors` its
    sessions are a `Witness`. `services` are those that a device has without configuration.
    """

    title: str = ""
    max_name: int = 63
    groups: bool = True
    ipv6: bool = True
    applications: bool = False
    users: bool = False
    profiles: bool = False
    timed_revert: bool = False
    owns_zones: bool = False
    ordered: bool = True
    tells_authors: bool = False
    services: tuple[Service, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which device answered, and which part of it; a scope may be given as its text."""

    serial: str
    os_version: str
    content_version: str
    scope: Scope
    model: str = ""
    hostname: str = ""

    def __post_init__(self) -> None:
        """Take a scope's text for the scope: providers of third parties give one."""
        object.__setattr__(self, "scope", Scope.of(str(self.scope)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a device holds, parsed: ours apart from what others own."""

    identity: Identity
    policy: Policy
    others: Policy
    order: tuple[str, ...]
    zones: tuple[FirewallZone, ...] = ()
    #: names the policy may refer to without owning them, by kind
    known: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    #: names in our scope that belong to others, by kind: ours must not be called the same
    taken: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    #: names of our objects that others refer to, each with a place where they do, in the
    #: platform's words: such an object is kept
    referenced: Mapping[str, str] = field(default_factory=dict[str, str])
    #: uncommitted changes: who, where
    pending: tuple[tuple[str, str], ...] = ()
    #: SHA-256 of each rule of others, in order, by name
    other_rules: Mapping[str, str] = field(default_factory=dict[str, str])
    #: SHA-256 of each object of others that a rule of ours may refer to, by kind and name
    other_objects: Mapping[str, str] = field(default_factory=dict[str, str])
    #: what else others' rules may name, which is no item of a policy, with what it is
    implied: Mapping[str, str] = field(default_factory=dict[str, str])
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    findings: tuple[Problem, ...] = ()
    #: what of the device besides its policy decides what traffic meets later
    state: DeviceState = field(default_factory=DeviceState)

    def effective(self) -> Policy:
        """Return everything the device enforces, ours and others', in its order."""
        rules = {rule.name: rule for rule in (*self.policy.rules, *self.others.rules)}
        both = self.policy.beside(self.others)
        return both.replace(
            zones=self.zones,
            defaults=self.policy[DefaultRule] or self.others[DefaultRule],
            rules=tuple(rules[name] for name in self.order),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who made a change, as the device's own log has it; `time` is by the device's clock."""

    admin: str
    time: str
    command: str = ""
    client: str = ""
    host: str = ""
    #: it is the account segctl logs in with
    own: bool = False


@runtime_checkable
class Witness(Protocol):
    """What a session can do besides where its device keeps a log of who changed it."""

    def changed_by(self, items: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Author | None]:
        """Return who last changed each item, of (kind, names it goes or went by); read-only.

        None where the log does not tell.
        """
        ...


class Session(Protocol):
    """An open connection to one device.

    A session opened read-only refuses every call that could change the device, in its transport.
    """

    def read(self) -> bytes:
        """Return the device's configuration and state as one document for `Provider.parse`."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Keep others from changing or committing the configuration meanwhile."""
        ...

    def push(self, script: str, *, revert_in: float | None = None) -> None:
        """Make `script` live, all of it, or none of it and raise."""
        ...

    def confirm(self) -> None:
        """Keep what was pushed."""
        ...

    def revert(self) -> None:
        """Go back to the configuration from before `push`."""
        ...


@runtime_checkable
class Showing(Protocol):
    """A session that can also run commands which only show something, once it has read."""

    def show(self, command: str) -> str:
        """Return what the device answers to `command`.

        Raises:
            UnsupportedError: it is not one of the commands that are known to change nothing.
        """
        ...


@runtime_checkable
class Asked(Protocol):
    """A provider of `Showing` sessions that knows which commands they run without a device."""

    def refusal(self, command: str) -> str:
        """Say why `command` is not run; empty where it is. Pure."""
        ...


class Provider(Protocol):
    """Everything segctl knows of one platform; stateless, and pure but for `connect`."""

    @property
    def name(self) -> str:
        """The platform's word in the inventory."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the platform can express."""
        ...

    def fit(self, policy: DeclaredPolicy, device: Device) -> tuple[Policy, tuple[Problem, ...]]:
        """Return `policy` in the platform's own names, never wider, with warnings.

        Raises:
            UnsupportedError: the platform cannot express it.
        """
        ...

    def parse(self, config: bytes) -> Live:
        """Read a document from `Session.read`; what is not understood is an error."""
        ...

    def render(self, changes: Sequence[Change], live: Live) -> str:
        """Return the text that `Session.push` will send."""
        ...

    def connect(
        self,
        target: Target,
        *,
        read_only: bool,
        progress: Callable[[str], None] = ...,
    ) -> AbstractContextManager[Session]:
        """Open a session."""
        ...


@runtime_checkable
class Steady(Protocol):
    """A provider whose documents hold what moves by itself, counters or a clock."""

    def steady(self, config: bytes) -> bytes:
        """Return the document without that; a plan without changes must not depend on it."""
        ...


@runtime_checkable
class Masking(Protocol):
    """A provider that knows what may be kept of a document, so that there are snapshots.

    What `segctl.providers.parsed.dump` returns is the safest: nothing is in it but what was parsed.
    """

    def mask(self, config: bytes) -> bytes:
        """Return all that may be kept of a document of `Session.read`, no secret among it.

        `parse` reads the same from it, but for what others wrote about their own: descriptions.
        """
        ...


@runtime_checkable
class Speaking(Protocol):
    """A provider whose rules name what may be done of an industrial protocol in words of its own.

    Without it they are taken to be the words of checks: ``modbus.read``.
    """

    def applications(self, protocol: IndustrialProtocol, classes: Sequence[str]) -> Applications:
        """Return what the platform's rules call these access classes of a protocol. Pure.

        Raises:
            UnsupportedError: the platform cannot tell them from the rest of the protocol.
        """
        ...


def application_names(found: Provider) -> Naming:
    """Return how a platform names what may be done of an industrial protocol."""
    return found.applications if isinstance(found, Speaking) else by_function


@runtime_checkable
class Wording(Protocol):
    """A provider that knows what names in its rules stand for besides the objects of a policy.

    Without it every name stands for itself, and what a rule holds beside its fields may change
    anything: it cannot be told what such a rule permits.
    """

    def words(self, live: Live | None) -> Platform:
        """Return what is known of a device's words; without one, of what is declared. Pure."""
        ...


def reading(found: Provider, live: Live) -> Reading:
    """Return everything that a device enforces, with the meanings of its names."""
    return Reading(policy=live.effective(), platform=_words(found, live), implied=live.implied)


def declared_reading(found: Provider, policy: Policy) -> Reading:
    """Return a policy that is declared, fitted to its platform, with the meanings of its names."""
    return Reading(policy=policy, platform=_words(found, None))


def _words(found: Provider, live: Live | None) -> Platform:
    return found.words(live) if isinstance(found, Wording) else Literally()


def provider(platform: str) -> Provider:
    """Return the provider of a platform, ours or a third party's.

    It is stateless, and looking for it among all that is installed takes some milliseconds: it is
    looked for once, also by threads that all begin at once.

    Raises:
        UnsupportedError: nobody provides it.
    """
    with _LOOKING:
        return _provider(platform)


def announced(platform: str) -> EntryPoint:
    """Return the entry point of a platform's provider, looked for once as the provider is.

    Raises:
        UnsupportedError: nobody provides it.
    """
    with _LOOKING:
        return _entry(platform)


@cache
def _provider(platform: str) -> Provider:
    make: Callable[[], Provider] = _entry(platform).load()
    return make()


@cache
def _entry(platform: str) -> EntryPoint:
    found = entry_points(group=ENTRY_POINTS)
    for entry in found:
        if entry.name == platform:
            return entry
    names = ", ".join(sorted({entry.name for entry in found})) or "none"
    message = f"no provider for platform {platform!r}; installed: {names}"
    raise UnsupportedError(message)


def refusal(platform: str, command: str) -> str:
    """Say why devices of a platform do not run `command`, as far as that is known without them.

    Raises:
        UnsupportedError: nobody provides the platform.
    """
    found = provider(platform)
    return found.refusal(command) if isinstance(found, Asked) else ""
