"""What a flow would have to permit: protocol with classes, applications, or ports.

Classes come from functions that were seen, never from a port. Ports come only with support of the
catalogue, of an application or of a sensor that recognised the protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from segctl.model.errors import UnsupportedError
from segctl.model.site import ACCESS_CLASSES, PortRange, ProtocolUse
from segctl.observe.functions import function_of
from segctl.protocols.catalogue import catalogue
from segctl.protocols.uses import default_ports, layer4_ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.observe.discover.flows import Ends
    from segctl.observe.observation import Function, Group
    from segctl.protocols.catalogue import Protocol

_SESSION: Final = ("session",)
#: Names with which no firewall or sensor recognises anything.
UNKNOWN: Final = ("unknown-", "insufficient-data", "non-syn-tcp", "failed", "not-applicable")
#: Functions without a class whose names say that they change nothing.
_HARMLESS: Final = (
    *("get", "read", "list", "register", "unregister", "forward", "nop", "identify", "who", "i am"),
    *("i-am", "browse", "open", "close", "hello", "setup", "find", "message router", "send"),
)
_ICMP: Final = frozenset({"icmp", "ipv6-icmp"})
#: Protocols whose classes are not about equipment: files of offices are no programs.
_OFFICE: Final = frozenset({"smb", "ftp-tftp", "vnc"})
#: What changes equipment, and is judged apart from what does not.
COMMANDS: Final = frozenset({"write", "control", "program", "file"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a flow would permit, with `label` as its name and `opens` that a person must answer.

    `classes` are those that were seen, also where the service names none.
    """

    label: str
    protocols: tuple[ProtocolUse, ...] = ()
    applications: tuple[str, ...] = ()
    ports: tuple[PortRange, ...] = ()
    opens: tuple[str, ...] = ()
    classes: frozenset[str] = frozenset()
    doubtful: tuple[str, ...] = ()


def access_class(one: Function) -> str:
    """Return the class of a function; sensors write its words with blanks or underscores."""
    if one.access_class:
        return one.access_class
    return function_of(one.protocol, one.name.replace("_", " ")).access_class


def shown_classes(applications: Iterable[str], functions: Iterable[Function]) -> frozenset[str]:
    """Return the classes of functions of equipment that what was spoken shows."""
    known = catalogue()
    found = {access_class(one) for one in functions}
    for name in applications:
        application, owner = known.application(name), known.protocol_of(name)
        if application is not None and owner is not None and owner.id not in _OFFICE:
            found.add(application.access_class)
    return frozenset(found - {""})


def doubtful(functions: Iterable[Function]) -> frozenset[str]:
    """Return the functions of which nothing says what they do."""
    return frozenset(
        one.name
        for one in functions
        if not access_class(one) and not one.name.lower().replace("_", " ").startswith(_HARMLESS)
    )


def recognised(groups: Iterable[Group]) -> tuple[str, ...]:
    """Return the applications that witnesses recognised."""
    names = {name for group in groups for name in group.applications}
    return tuple(sorted(name for name in names if not name.startswith(UNKNOWN)))


def unrecognised(groups: Iterable[Group]) -> tuple[str, ...]:
    """Return the names that witnesses gave to what they did not recognise."""
    names = {name for group in groups for name in group.applications}
    names |= {group.reason for group in groups if group.reason == "insufficient-data"}
    return tuple(sorted(name for name in names if name.startswith(UNKNOWN)))


def service_of(
    ends: Ends, groups: Sequence[Group], firewalls: frozenset[str], *, by_port: bool
) -> Service | None:
    """Return what a flow would have to permit, None where nothing supports any answer.

    Args:
        ends: the flow.
        groups: what was seen of it.
        firewalls: the witnesses whose applications a rule can name.
        by_port: whether a firewall on the way knows no applications.
    """
    classes = frozenset[str]().union(
        *(shown_classes(one.applications, one.functions) for one in groups)
    )
    unknown = sorted(frozenset[str]().union(*(doubtful(one.functions) for one in groups)))
    service = (
        _by_functions(ends, groups)
        or (None if by_port else _by_applications(ends, groups, firewalls))
        or _by_port(ends, groups)
    )
    if service is None:
        return None
    opens = service.opens
    names = sorted({two.name for one in groups for two in one.functions if not access_class(two)})
    if names:
        opens = (*opens, f"functions without a class in the catalogue: {', '.join(names)}")
    return Service(
        label=service.label,
        protocols=service.protocols,
        applications=service.applications,
        ports=service.ports,
        opens=opens,
        classes=classes,
        doubtful=tuple(unknown),
    )


def _by_functions(ends: Ends, groups: Iterable[Group]) -> Service | None:
    """Return protocols with classes, where functions beyond setting up were seen."""
    known = catalogue()
    found: dict[str, set[str]] = {}
    for group in groups:
        for one in group.functions:
            if word := access_class(one):
                found.setdefault(one.protocol, set()).add(word)
        for name in group.applications:
            owner, application = known.protocol_of(name), known.application(name)
            if owner is not None and application is not None and owner.id in found:
                found[owner.id].add(application.access_class)
    uses = [
        ProtocolUse(protocol=name, classes=classes)
        for name, seen in sorted(found.items())
        if (classes := _ordered(seen - {"session", ""}))
    ]
    if not uses:
        return None
    ports: tuple[PortRange, ...] = ()
    if not all(_fits(ends, known.protocols[use.protocol]) for use in uses):
        ports = _own_port(ends)
    return Service(label=uses[0].protocol, protocols=tuple(uses), ports=ports)


def _by_applications(
    ends: Ends, groups: Iterable[Group], firewalls: frozenset[str]
) -> Service | None:
    """Return what firewalls recognised; a protocol where all of it is one class."""
    known = catalogue()
    names = recognised(group for group in groups if group.witness in firewalls)
    if not names or any(known.trap(name) for name in names):
        return None
    uses: list[ProtocolUse] = []
    applications: list[str] = []
    for name in names:
        owner = known.protocol_of(name)
        if owner is not None and owner.classes == _SESSION and _stands_for(owner, name):
            use = ProtocolUse(protocol=owner.id, classes=_SESSION)
            uses += [] if use in uses else [use]
        else:
            applications.append(name)
    applications = _with_base(applications)
    ports = [default_ports(name) for name in applications]
    fits = all(_fits(ends, known.protocols[use.protocol]) for use in uses)
    fits = fits and all(_on(ends, one) for one in ports)
    opens = _open_applications(applications)
    return Service(
        label=uses[0].protocol if uses else _called(names[0]),
        protocols=tuple(uses),
        applications=tuple(applications),
        ports=() if fits else _own_port(ends),
        opens=opens,
    )


def _stands_for(protocol: Protocol, name: str) -> bool:
    """Whether an application is all that there is of a protocol."""
    return name in protocol.base or (protocol.single is not None and protocol.single.name == name)


def _with_base(names: list[str]) -> list[str]:
    """Return applications with the base of their protocols, which sessions begin as."""
    known = catalogue()
    owners = (known.protocol_of(name) for name in names)
    return sorted({*names, *(base for one in owners if one is not None for base in one.base)})


def _open_applications(names: Iterable[str]) -> tuple[str, ...]:
    known = catalogue()
    owners = {
        one.id
        for name in names
        if (one := known.protocol_of(name)) is not None and set(one.classes) > set(_SESSION)
    }
    if not owners:
        return ()
    named = ", ".join(sorted(owners))
    why = "no record shows every function, and a firewall logs the last application only"
    return (f"which classes of {named}: {why}",)


def _by_port(ends: Ends, groups: Iterable[Group]) -> Service | None:
    """Return a port, where the catalogue knows it or a sensor recognised what is spoken."""
    if ends.protocol in _ICMP:
        return Service(label="ping", ports=(PortRange(protocol="icmp", first=0, last=0),))
    own = _own_port(ends)
    if not own:
        return None
    listeners = candidates(ends)
    names = recognised(groups)
    if len(listeners) == 1 and catalogue().protocols[listeners[0]].classes == _SESSION:
        use = ProtocolUse(protocol=listeners[0], classes=_SESSION)
        return Service(label=listeners[0], protocols=(use,))
    if not listeners and not names:
        return None
    said = f"sensors call it {', '.join(names)}" if names else ""
    listed = f"{', '.join(listeners)} in the catalogue" if listeners else ""
    spoken = "; ".join(one for one in (said, listed) if one)
    return Service(
        label=_label(names[0] if names else listeners[0]),
        ports=own,
        opens=(f"what is spoken on {own[0]}: {spoken}",),
    )


def candidates(ends: Ends) -> tuple[str, ...]:
    """Return the protocols whose servers listen on a port."""
    return tuple(
        one.id
        for one in catalogue().protocols.values()
        if one.routable
        and any(
            port.main and port.protocol == ends.protocol and port.first <= ends.port <= port.last
            for port in one.ports
        )
    )


def _fits(ends: Ends, protocol: Protocol) -> bool:
    try:
        return _on(ends, layer4_ports(protocol))
    except UnsupportedError:
        return bool(protocol.dynamic)


def _on(ends: Ends, ports: Iterable[PortRange]) -> bool:
    return any(
        one.protocol == ends.protocol and one.first <= ends.port <= one.last for one in ports
    )


def _own_port(ends: Ends) -> tuple[PortRange, ...]:
    transport: Literal["tcp", "udp"]
    match ends.protocol:
        case "tcp":
            transport = "tcp"
        case "udp":
            transport = "udp"
        case _:
            return ()
    if not ends.port:
        return ()
    return (PortRange(protocol=transport, first=ends.port, last=ends.port),)


def _ordered(classes: Iterable[str]) -> tuple[str, ...]:
    held = set(classes)
    return tuple(word for word in ACCESS_CLASSES if word in held)


def _called(name: str) -> str:
    """Return the protocol of an application, or the application where it stands for itself."""
    owner = catalogue().protocol_of(name)
    several = owner is not None and set(owner.classes) > set(_SESSION)
    return owner.id if owner is not None and several else _label(name)


def _label(name: str) -> str:
    """Return a name of an application as part of an id."""
    kept = "".join(_words(name.lower().removesuffix("-base")))
    return kept.strip("-")[:32].strip("-") or "service"


def _words(text: str) -> Iterator[str]:
    for letter in text:
        yield letter if letter.isascii() and letter.isalnum() else "-"


def merged(services: Iterable[Service]) -> Service:
    """Return what permits all of several services on one port, with all that is open."""
    held = list(services)
    classes: dict[str, set[str]] = {}
    for one in held:
        for use in one.protocols:
            classes.setdefault(use.protocol, set()).update(use.classes)
    named = [one for one in held if one.protocols or one.applications]
    plain = [one for one in held if not (one.protocols or one.applications)]
    chosen = named or plain  # a port alone says less than what was recognised on it
    words = {name for one in chosen for name in one.applications}
    if classes:  # a witness that saw functions says what the application does
        known = catalogue()
        owners = {name: known.protocol_of(name) for name in words}
        words = {name for name, owner in owners.items() if owner is None or owner.id not in classes}
    shown = [one for one in chosen if one.protocols] if classes and not words else chosen
    return Service(
        label=min(one.label for one in shown),
        protocols=tuple(
            ProtocolUse(protocol=name, classes=_ordered(seen))
            for name, seen in sorted(classes.items())
        ),
        applications=tuple(sorted(words)),
        ports=tuple(sorted({two for one in shown for two in one.ports}, key=str)),
        opens=tuple(sorted({two for one in shown for two in one.opens})),
        classes=frozenset[str]().union(*(one.classes for one in chosen)),
        doubtful=tuple(sorted({two for one in held for two in one.doubtful})),
    )
