"""The catalogue of industrial protocols: facts, each with our confidence in it.

Values and lookups; `segctl.protocols.uses` decides what a flow may use of a protocol.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict, cast

from segctl.model.errors import UsageError
from segctl.model.site import ACCESS_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Confidence = Literal["high", "medium", "low"]
Transport = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application that firewalls recognise: a function of a protocol, its base, or all of it.

    `confidence` is our confidence in the name, `class_confidence` that in the access class.
    A `single` application stands for a whole protocol or tool, whose functions firewalls cannot
    tell apart. An application to `avoid` exists but is never compiled.
    `since` is the first release of the platform that has it, if that matters.
    `default_ports` are ``tcp/502`` or ``tcp/dynamic``, as the vendor lists them.
    """

    name: str
    access_class: str
    confidence: Confidence
    class_confidence: Confidence = "medium"
    base: bool = False
    single: bool = False
    avoid: bool = False
    since: str = ""
    note: str = ""
    default_ports: tuple[str, ...] = ()
    must_also_allow: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An inclusive range of ports; `main` ports are those on which a server listens by default."""

    protocol: Transport
    first: int
    last: int
    role: str
    confidence: Confidence
    main: bool = False
    note: str = ""

    def __str__(self) -> str:
        """``tcp/502`` or ``tcp/1000-2000``."""
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol}/{ports}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusablePort:
    """Text in place of a port (``dynamic``, ``site-specific``): no rule can use it."""

    protocol: Transport
    words: str
    role: str

    def __str__(self) -> str:
        """``tcp/site-specific``."""
        return f"{self.protocol}/{self.words}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """One industrial protocol.

    `must_also_allow` are applications that every use needs; `implicit` are those that the firewall
    allows by itself. `caveat` warns of a hole or a surprise. `dynamic` says why the ports of a
    session cannot be known beforehand; `no_app_id` says why there is no application.
    """

    id: str
    name: str
    standard: str
    confidence: Confidence
    applications: tuple[Application, ...] = ()
    ports: tuple[Port, ...] = ()
    unusable_ports: tuple[UnusablePort, ...] = ()
    dynamic: str = ""
    must_also_allow: tuple[str, ...] = ()
    implicit: tuple[str, ...] = ()
    dependency_confidence: Confidence | None = None
    dependency_note: str = ""
    no_app_id: str = ""
    routable: bool = True
    layer2: str = ""
    caveat: str = ""
    notes: str = ""
    sources: tuple[str, ...] = ()

    @property
    def base(self) -> tuple[str, ...]:
        """Names of the base applications."""
        return tuple(one.name for one in self.applications if one.base)

    @property
    def usable(self) -> tuple[Application, ...]:
        """The applications without those to avoid."""
        return tuple(one for one in self.applications if not one.avoid)

    @property
    def single(self) -> Application | None:
        """The application that stands for the whole protocol, if there is one."""
        usable = self.usable
        return usable[0] if len(usable) == 1 and usable[0].single else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The access classes that have an application, in the order of `ACCESS_CLASSES`."""
        held = {one.access_class for one in self.usable}
        return tuple(word for word in ACCESS_CLASSES if word in held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """An application name that is not what it seems, with the right name."""

    wrong: str
    right: str
    why: str
    protocol: str = ""
    prefix: bool = False

    def catches(self, name: str) -> bool:
        """Whether `name` is such a name."""
        return name == self.wrong or (self.prefix and name.startswith(self.wrong))


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A name for a set of applications, including those that later content adds.

    `passed` containers hold variants of one service (``ntp``): using one is a caution, not an
    error.
    """

    name: str
    protocol: str = ""
    members: tuple[str, ...] = ()
    passed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All protocols by id, and all known application names, of a protocol or not."""

    protocols: Mapping[str, Protocol]
    applications: Mapping[str, Application]
    owners: Mapping[str, str]
    traps: tuple[Trap, ...] = ()
    containers: Mapping[str, Container]
    aliases: Mapping[str, str]

    @property
    def ids(self) -> tuple[str, ...]:
        """Every protocol id, sorted."""
        return tuple(sorted(self.protocols))

    def __contains__(self, protocol_id: object) -> bool:
        """Whether there is a protocol with this id."""
        return protocol_id in self.protocols

    def get(self, protocol_id: str) -> Protocol:
        """Return the protocol with this id, or raise a `UsageError` that names the nearest."""
        found = self.protocols.get(protocol_id)
        if found is None:
            nearest = self.nearest(protocol_id)
            hint = f"did you mean {nearest}?" if nearest else "see: segctl protocols"
            message = f"the catalogue has no protocol {protocol_id!r}; {hint}"
            raise UsageError(message)
        return found

    def nearest(self, protocol_id: str) -> str | None:
        """Return the id that was probably meant: from an alias or a similar spelling."""
        word = protocol_id.strip().lower().replace("_", "-").replace(" ", "-")
        names = {**self.aliases, **{one: one for one in self.ids}}
        close = [word] if word in names else get_close_matches(word, names, n=1)
        return names[close[0]] if close else None

    def application(self, name: str) -> Application | None:
        """Return what is known about an application name, whatever its protocol."""
        return self.applications.get(name)

    def protocol_of(self, application_name: str) -> Protocol | None:
        """Return the protocol that an application belongs to."""
        owner = self.owners.get(application_name)
        return self.protocols[owner] if owner else None

    def trap(self, application_name: str) -> str | None:
        """Return why a rule must not use this application, and what to use instead."""
        caught = [one for one in self.traps if one.catches(application_name)]
        if caught:
            return _trap_hint(max(caught, key=lambda one: len(one.wrong)))
        container = self.containers.get(application_name)
        if container and not container.passed:
            return self._container_hint(container)
        return None

    def caution(self, application_name: str) -> str | None:
        """Return a caution about a name that may be used."""
        container = self.containers.get(application_name)
        if container and container.passed:
            members = ", ".join(container.members)
            return (
                f"{application_name} is a container ({members}) and will include whatever later "
                f"content adds; {container.members[0]} is the usual member"
            )
        known = self.application(application_name)
        if known and known.avoid:
            return f"{application_name} is best avoided: {known.note or 'see the catalogue'}"
        return None

    def requires(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return `names` and everything they need in the same policy, sorted."""
        done: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in done:
                done.add(name)
                waiting.extend(self._needs(name))
        return tuple(sorted(done))

    def _needs(self, name: str) -> tuple[str, ...]:
        protocol = self.protocol_of(name)
        application = self.application(name)
        return (
            *(protocol.must_also_allow if protocol else ()),
            *(application.must_also_allow if application else ()),
        )

    def _container_hint(self, container: Container) -> str:
        protocol = self.protocols[container.protocol]
        first = next((word for word in protocol.classes if word != "session"), "session")
        base = ", ".join(protocol.base) or ", ".join(one.name for one in protocol.usable[:2])
        return (
            f"{container.name} is a container: it permits every function of {protocol.name}, and "
            f"those that later content adds; declare protocols: {{{protocol.id}: [{first}]}}, or "
            f"name {base} and the functions"
        )


def _trap_hint(trap: Trap) -> str:
    hint = f"{trap.why}; use {trap.right}"
    return f"{hint}, or declare protocols: {{{trap.protocol}: …}}" if trap.protocol else hint


class _ApplicationEntry(TypedDict):
    confidence: Confidence
    sources: list[str]
    base: NotRequired[bool]
    single: NotRequired[bool]
    avoid: NotRequired[bool]
    class_confidence: NotRequired[Confidence]
    since: NotRequired[str]
    note: NotRequired[str]
    default_ports: NotRequired[list[str]]
    must_also_allow: NotRequired[list[str]]


class _PortEntry(TypedDict):
    protocol: Transport
    ports: str
    role: str
    confidence: Confidence
    main: NotRequired[bool]
    note: NotRequired[str]


class _DependencyEntry(TypedDict):
    confidence: Confidence
    must_also_allow: NotRequired[list[str]]
    implicit: NotRequired[list[str]]
    note: NotRequired[str]


class _ProtocolEntry(TypedDict):
    name: str
    standard: str
    confidence: Confidence
    sources: list[str]
    routable: NotRequired[bool]
    layer2: NotRequired[str]
    notes: NotRequired[str]
    caveat: NotRequired[str]
    ports: NotRequired[list[_PortEntry]]
    unusable_ports: NotRequired[list[_PortEntry]]
    default_ports: NotRequired[list[str]]
    dynamic: NotRequired[str]
    no_app_id: NotRequired[str]
    dependencies: NotRequired[_DependencyEntry]
    applications: NotRequired[dict[str, dict[str, _ApplicationEntry]]]


class _TrapEntry(TypedDict):
    right: str
    why: str
    protocol: NotRequired[str]
    prefix: NotRequired[bool]


_ContainerEntry = TypedDict(
    "_ContainerEntry",
    {"protocol": NotRequired[str], "members": NotRequired[list[str]], "pass": NotRequired[bool]},
)


class _Document(TypedDict):
    aliases: dict[str, str]
    containers: dict[str, _ContainerEntry]
    traps: dict[str, _TrapEntry]
    shared: dict[str, _ApplicationEntry]
    protocols: dict[str, _ProtocolEntry]


def _application(
    name: str, access_class: str, entry: _ApplicationEntry, ports: list[str] | None = None
) -> Application:
    return Application(
        name=name,
        access_class=access_class,
        confidence=entry["confidence"],
        class_confidence=entry.get("class_confidence", "medium"),
        base=entry.get("base", False),
        single=entry.get("single", False),
        avoid=entry.get("avoid", False),
        since=entry.get("since", ""),
        note=entry.get("note", ""),
        default_ports=tuple(entry.get("default_ports", ports or ())),
        must_also_allow=tuple(entry.get("must_also_allow", ())),
        sources=tuple(entry["sources"]),
    )


def _port(entry: _PortEntry) -> Port:
    first, _, last = entry["ports"].partition("-")
    return Port(
        protocol=entry["protocol"],
        first=int(first),
        last=int(last or first),
        role=entry["role"],
        confidence=entry["confidence"],
        main=entry.get("main", False),
        note=entry.get("note", ""),
    )


def _unusable(entry: _PortEntry) -> UnusablePort:
    return UnusablePort(protocol=entry["protocol"], words=entry["ports"], role=entry["role"])


def _protocol(protocol_id: str, entry: _ProtocolEntry) -> Protocol:
    needs = entry.get("dependencies")
    return Protocol(
        id=protocol_id,
        name=entry["name"],
        standard=entry["standard"],
        confidence=entry["confidence"],
        applications=tuple(
            _application(name, access_class, one, entry.get("default_ports"))
            for access_class, group in entry.get("applications", {}).items()
            for name, one in group.items()
        ),
        ports=tuple(_port(one) for one in entry.get("ports", ())),
        unusable_ports=tuple(_unusable(one) for one in entry.get("unusable_ports", ())),
        dynamic=entry.get("dynamic", ""),
        must_also_allow=tuple(needs.get("must_also_allow", ())) if needs else (),
        implicit=tuple(needs.get("implicit", ())) if needs else (),
        dependency_confidence=needs["confidence"] if needs else None,
        dependency_note=needs.get("note", "") if needs else "",
        no_app_id=entry.get("no_app_id", ""),
        routable=entry.get("routable", True),
        layer2=entry.get("layer2", ""),
        caveat=entry.get("caveat", ""),
        notes=entry.get("notes", ""),
        sources=tuple(entry["sources"]),
    )


def _trap(wrong: str, entry: _TrapEntry) -> Trap:
    return Trap(
        wrong=wrong,
        right=entry["right"],
        why=entry["why"],
        protocol=entry.get("protocol", ""),
        prefix=entry.get("prefix", False),
    )


def _container(name: str, entry: _ContainerEntry) -> Container:
    return Container(
        name=name,
        protocol=entry.get("protocol", ""),
        members=tuple(entry.get("members", ())),
        passed=entry.get("pass", False),
    )


def _parse(text: str) -> Catalogue:
    document = cast("_Document", json.loads(text))
    protocols = {key: _protocol(key, one) for key, one in document["protocols"].items()}
    shared = (_application(name, "session", one) for name, one in document["shared"].items())
    owned = [(one, protocol.id) for protocol in protocols.values() for one in protocol.applications]
    return Catalogue(
        protocols=protocols,
        applications={one.name: one for one in (*shared, *(one for one, _ in owned))},
        owners={one.name: owner for one, owner in owned},
        traps=tuple(_trap(wrong, one) for wrong, one in document["traps"].items()),
        containers={name: _container(name, one) for name, one in document["containers"].items()},
        aliases=document["aliases"],
    )


@cache
def catalogue() -> Catalogue:
    """Return the catalogue; it is read once, on the first call."""
    return _parse((files("segctl.protocols") / "catalogue.json").read_text(encoding="utf-8"))
