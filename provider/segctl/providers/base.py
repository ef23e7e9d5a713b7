"""The provider interface: the seam between segctl's core and the code for one platform."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from segctl.analysis.effective import Reading
from segctl.analysis.words import Beyond, Literally, as_platform
from segctl.model.errors import Problem, UnsupportedError
from segctl.model.filled import Filled
from segctl.model.gate import Gate  # noqa: TC001 - snapshots are read by it
from segctl.model.override import Override  # noqa: TC001 - snapshots are read by it
from segctl.model.policy import (
    DeclaredPolicy,
    DefaultRule,
    Policy,
    Service,
)
from segctl.model.scope import Scope
from segctl.model.translation import Translation  # noqa: TC001 - snapshots are read by it
from segctl.protocols import by_function
from segctl.providers.management import Management  # noqa: TC001 - snapshots are read by it
from segctl.providers.pushed import Pushed
from segctl.providers.settings import Settings  # noqa: TC001 - snapshots are read by it
from segctl.providers.state import DeviceState
from segctl.transports.target import Target  # noqa: TC001 - platforms take it from here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from segctl.analysis.decide import Packet
    from segctl.analysis.words import Platform, Vocabulary
    from segctl.model.diff import Change
    from segctl.model.items import Item
    from segctl.model.policy import FirewallZone
    from segctl.model.site import Device
    from segctl.protocols import Applications, Naming
    from segctl.protocols import Protocol as IndustrialProtocol


ENTRY_POINTS = "segctl.providers"
_LOOKING = RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a platform can express, as values rather than branches.

    `title` is the platform's usual name. With `owns_zones`, segctl creates zones from interfaces;
    otherwise they must exist. If rules are not `ordered`, they never move. With `tells_authors`,
    sessions are a `Witness`. `services` are the ones a device has without configuration. With
    `pairs`, two devices of a high-availability pair are one. With
    `passes_outside`, packets pass freely between interfaces that are in no zone of ours. `port` is
    the TCP port at which devices are managed unless the inventory names another. With
    `forwards_only` rules judge what passes a device, never what comes to itself or goes from it.
    With `audit_comments` sessions are `Commenting`. With `contains` assets can be contained. With
    `joins`, several hosts of the inventory can be one device, and the provider is `Joining`.
    `destination` says which one rules are about where it is translated: the ``original`` one or
    the ``translated`` one; empty where that is not known.
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
    pairs: bool = False
    passes_outside: bool = False
    port: int = 0
    forwards_only: bool = False
    audit_comments: bool = False
    contains: bool = False
    joins: bool = False
    destination: Literal["original", "translated", ""] = ""
    services: tuple[Service, ...] = ()


def refuse_pair(device: Device, capabilities: Capabilities) -> None:
    """Refuse a pair where the platform has none: its second member would never be looked at.

    Raises:
        UnsupportedError: the firewall has a peer, and the platform has no pairs.
    """
    if device.ha_peer and not capabilities.pairs:
        raise UnsupportedError(
            f"{device.name}: segctl_ha_peer names {device.ha_peer}, but segctl knows no "
            f"high-availability pairs of {capabilities.title or device.platform}: declare the two "
            "as firewalls of their own, and drop it"
        )


def refuse_containment(device: Device, capabilities: Capabilities) -> None:
    """Refuse to prepare containment on a platform that cannot contain anybody.

    Raises:
        UnsupportedError: the inventory asks for it there.
    """
    if device.containment is not None and not capabilities.contains:
        raise UnsupportedError(
            f"{device.name}: segctl_containment is declared, but segctl cannot contain anybody on "
            f"{capabilities.title or device.platform} yet: set segctl_containment only for "
            "firewalls of platforms that can"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which device answered, and for which scope; the scope may be given as text.

    Of a pair, `serials` are the numbers of those that answered, sorted, and `answered` is
    the host that was read; `serial` is that one's.
    """

    serial: str
    os_version: str
    content_version: str
    scope: Scope
    model: str = ""
    hostname: str = ""
    serials: tuple[str, ...] = ()
    answered: str = ""

    def __post_init__(self) -> None:
        """Convert a scope given as text, as third-party providers give it."""
        object.__setattr__(self, "scope", Scope.of(str(self.scope)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a device holds, parsed, with our items separate from those of others."""

    identity: Identity
    policy: Policy
    others: Policy
    order: tuple[str, ...]
    zones: tuple[FirewallZone, ...] = ()
    #: names the policy may refer to without owning them, by kind
    known: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    #: names in our scope that belong to others, by kind: ours must not use them
    taken: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    #: names of our objects that others refer to, each with one such place in the platform's words;
    #: these objects are kept
    referenced: Mapping[str, str] = field(default_factory=dict[str, str])
    #: names of objects of others that something besides security rules and groups refers to; None
    #: where that is not known
    used: frozenset[str] | None = None
    #: uncommitted changes: who, where
    pending: tuple[tuple[str, str], ...] = ()
    #: SHA-256 of each rule that others own, in order, by name
    other_rules: Mapping[str, str] = field(default_factory=dict[str, str])
    #: SHA-256 of each object of others that our rules may refer to, by kind and name
    other_objects: Mapping[str, str] = field(default_factory=dict[str, str])
    #: what else others' rules may name, which is no item of a policy, with what it is
    implied: Mapping[str, str] = field(default_factory=dict[str, str])
    #: what objects of addresses held when it was read that it fills by itself, by name
    filled: Mapping[str, Filled] = field(default_factory=dict[str, Filled])
    #: by group that is prepared for that, who was cut off when it was read
    contained: Mapping[str, Filled] = field(default_factory=dict[str, Filled])
    #: the match lists of its log forwarding profiles, by name, in the platform's own form
    log_lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    #: whether rules with wildcard addresses that overlap match in their order, not the narrowest
    in_order: bool = False
    #: packets that it takes for one application without looking, in its order
    overrides: tuple[Override, ...] = ()
    #: packets that it sends on to other destinations than those that its rules are about
    translations: tuple[Translation, ...] = ()
    #: what packets must pass besides the policy
    gates: tuple[Gate, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    findings: tuple[Problem, ...] = ()
    #: everything besides the policy that decides how traffic is treated later
    state: DeviceState = field(default_factory=DeviceState)
    #: rules of a management station, which are not in `others`
    pushed: Pushed = field(default_factory=Pushed)
    #: the firewalls of a group: how its manager names each (both of a pair, its own name first),
    #: their zones (None: not known), and their content versions
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    member_zones: Mapping[str, tuple[FirewallZone, ...] | None] = field(
        default_factory=dict[str, "tuple[FirewallZone, ...] | None"]
    )
    contents: Mapping[str, str] = field(default_factory=dict[str, str])
    #: how the device is managed and what it needs; None where it does not say
    management: Management | None = None
    #: what of its settings shows how it protects; None where it does not say
    settings: Settings | None = None
    #: what the places from which a group inherits have under names that ours could have, by place,
    #: the nearest first
    above: Mapping[str, Policy] = field(default_factory=dict[str, Policy])
    #: of those whose content is another than their manager's: their versions, and the applications
    #: that rules may name there
    member_versions: Mapping[str, str] = field(default_factory=dict[str, str])
    member_applications: Mapping[str, frozenset[str]] = field(
        default_factory=dict[str, frozenset[str]]
    )

    def effective(self) -> Policy:
        """Return everything the device enforces, ours and others', in the device's order."""
        rules = {rule.name: rule for rule in (*self.policy.rules, *self.others.rules)}
        both = self.policy.beside(self.others)
        return both.replace(
            zones=self.zones,
            defaults=self._defaults(),
            rules=self.pushed.around(tuple(rules[name] for name in self.order)),
        )

    def _defaults(self) -> tuple[DefaultRule, ...]:
        """Return the default rules in force: what the device has itself comes before others'."""
        own = self.policy[DefaultRule]
        held = {rule.name for rule in own}
        return (*own, *(rule for rule in self.others[DefaultRule] if rule.name not in held))


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


class Joint(Protocol):
    """Sessions with several parts of one device, which are locked and changed together.

    `Session.lock`, `confirm` and `revert` of any of them are for all that were not left out.
    """

    @property
    def sessions(self) -> Sequence[Session]:
        """A session for each part, in the order in which they were asked for."""
        ...

    def narrow(self, sessions: Sequence[Session]) -> None:
        """Leave out all other sessions, before the lock is taken."""
        ...

    def push(self, scripts: Sequence[tuple[Session, str]]) -> None:
        """Make the scripts live, all of them, or none and raise."""
        ...


@runtime_checkable
class Joining(Protocol):
    """A provider of devices whose parts can be hosts of the inventory, each of its own."""

    def connect_together(
        self,
        targets: Sequence[Target],
        *,
        read_only: bool,
        progress: Mapping[str, Callable[[str], None]],
    ) -> AbstractContextManager[Joint]:
        """Open one connection for several parts of one device.

        Raises:
            UnsupportedError: they cannot be one transaction; the message says why.
        """
        ...


@runtime_checkable
class Showing(Protocol):
    """A session that can also run commands that only show something, after `read`."""

    def show(self, command: str) -> str:
        """Return what the device answers to `command`.

        Raises:
            UnsupportedError: the command is not known to be harmless.
        """
        ...


@runtime_checkable
class Deciding(Protocol):
    """An additional capability of sessions whose device can be asked about a packet."""

    def decided_by(self, packet: Packet) -> str:
        """Return the rule that the device says decides about a packet; read-only.

        Empty where no rule does, so that the default decides.

        Raises:
            UnsupportedError: the device has no words for the packet.
        """
        ...


@runtime_checkable
class Asked(Protocol):
    """A provider of `Showing` sessions that can judge a command without a device."""

    def refusal(self, command: str) -> str:
        """Return why `command` may not run; empty if it may. Pure."""
        ...


class Provider(Protocol):
    """Everything segctl knows about one platform; stateless, and pure except for `connect`."""

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
        """Parse a document from `Session.read`; anything not understood is an error."""
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
    """A provider whose documents hold values that change by themselves, such as counters."""

    def steady(self, config: bytes) -> bytes:
        """Return the document without those values; an empty plan must not depend on them."""
        ...


@runtime_checkable
class Masking(Protocol):
    """A provider that can strip a document down to what may be stored, for snapshots.

    The result of `segctl.providers.parsed.dump` is the safest: it holds only what was parsed.
    """

    def mask(self, config: bytes) -> bytes:
        """Return what may be stored of a document from `Session.read`; it holds no secret.

        `parse` reads the same from it, except for the descriptions that others wrote.
        """
        ...


@runtime_checkable
class Citing(Protocol):
    """A provider that can say which requests a document's answers came from."""

    def cited(self, config: bytes) -> Mapping[str, str]:
        """Return the requests of a document from `Session.read` with the SHA-256 of each answer.

        Pure. The digests are in hexadecimal.
        """
        ...


@runtime_checkable
class Speaking(Protocol):
    """A provider with its own names for what may be done with an industrial protocol.

    Without it, the names used by checks are assumed, such as ``modbus.read``.
    """

    def applications(self, protocol: IndustrialProtocol, classes: Sequence[str]) -> Applications:
        """Return the platform's names for these access classes of a protocol. Pure.

        Raises:
            UnsupportedError: the platform cannot separate them from the rest of the protocol.
        """
        ...


def application_names(found: Provider) -> Naming:
    """Return how a platform names what may be done of an industrial protocol."""
    return found.applications if isinstance(found, Speaking) else by_function


@runtime_checkable
class Renaming(Protocol):
    """A provider whose applications come with content that is updated apart from the device."""

    def relatives(
        self, used: Iterable[str], known: frozenset[str]
    ) -> Mapping[str, tuple[str, ...]]:
        """Return what an update of the content may have made of applications, by their names.

        Of one that is not `known` any more, those that may stand for it; of one that is, those
        beside it that we do not know. Pure.
        """
        ...


@runtime_checkable
class Wording(Protocol):
    """A provider that knows what names in its rules stand for besides the objects of a policy.

    Without it every name stands for itself, and what a rule holds beside its fields may change
    anything: it cannot be told what such a rule permits.
    """

    def words(self, live: Live | None) -> Vocabulary:
        """Return what is known of a device's words; without one, of what is declared. Pure."""
        ...


@runtime_checkable
class Noting(Protocol):
    """A provider that notes in words, in ``extras``, what its items have no field for.

    Without it the text of an extra is what it says.
    """

    def essence(self, extra: str) -> str:
        """Return what an extra says, alike whatever its wording. Pure."""
        ...


def essence(platform: str, extra: str) -> str:
    """Return what an extra says; of a platform that is not installed, the extra itself."""
    try:
        found = provider(platform)
    except UnsupportedError:
        return extra
    return found.essence(extra) if isinstance(found, Noting) else extra


def without_wording(platform: str, item: Item) -> Item:
    """Return an item with the essences of its ``extras`` in place of their words."""
    noted: tuple[str, ...] = getattr(item, "extras", ())
    if not noted:
        return item
    values: dict[str, Any] = {"extras": tuple(sorted(essence(platform, one) for one in noted))}
    return replace(item, **values)


def reading(
    found: Provider,
    live: Live,
    *,
    contained: bool = False,
    translated: bool = False,
    gated: bool = False,
) -> Reading:
    """Return everything that a device enforces, with the meanings of its names.

    What is declared holds where nobody is contained: only with `contained` it counts who is. It is
    about the destinations to which packets are sent: with `translated`, others may arrive, too.
    With `gated`, what stands beside the policy counts that may stop packets.
    """
    more = replace(beyond(live), overrides=live.overrides)
    if translated:
        more = replace(more, translations=live.translations)
    if contained:
        more = replace(more, contained=live.contained)
    if gated:
        more = replace(more, gates=live.gates)
    return Reading(policy=live.effective(), platform=words_of(found, live), beyond=more)


def beyond(live: Live) -> Beyond:
    """Return what a device tells of words besides its policy."""
    return Beyond(implied=live.implied, filled=live.filled, in_order=live.in_order)


def declared_reading(found: Provider, policy: Policy, live: Live | None = None) -> Reading:
    """Return a policy that is declared, fitted to its platform, with the meanings of its names.

    With `live` they are what that device takes them for.
    """
    return Reading(policy=policy, platform=words_of(found, live))


def declared_for(found: Provider, policy: Policy, live: Live) -> Reading:
    """Return a policy that is declared for a device, with the meanings that names have there.

    Names that the policy does not define are those of others' objects. Nothing passes between two
    zones but what its rules permit.
    """
    closed = DefaultRule(name="interzone-default", action="deny", log=True)
    there = live.others.replace(rules=(), defaults=(), zones=()).beside(policy)
    return Reading(
        policy=there.replace(defaults=(closed,)),
        platform=words_of(found, live),
        beyond=beyond(live),
    )


def words_of(found: Provider, live: Live | None) -> Platform:
    """Return what a platform knows of the words in its rules."""
    return as_platform(found.words(live)) if isinstance(found, Wording) else Literally()


def provider(platform: str) -> Provider:
    """Return the provider of a platform, ours or a third party's.

    A provider is stateless, and the search through everything installed takes some milliseconds,
    so it is done once, even if several threads start at the same time.

    Raises:
        UnsupportedError: no provider is installed for it.
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
    """Return why a platform's devices may not run `command`, as far as known without a device.

    Raises:
        UnsupportedError: no provider is installed for the platform.
    """
    speaker = provider(platform)
    return speaker.refusal(command) if isinstance(speaker, Asked) else ""
