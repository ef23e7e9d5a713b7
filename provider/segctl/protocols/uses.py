"""What a flow's use of a protocol comes to: application names, or plain ports.

Fails closed: what cannot be told apart is refused, never widened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from segctl.model.errors import UnsupportedError
from segctl.model.site import ACCESS_CLASSES, PortRange
from segctl.protocols.catalogue import Application, Catalogue, Protocol, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Applications:
    """The application names that a use of a protocol needs, sorted, and no others.

    `warnings` are doubts about a name or its class; `notes` are what to know about the
    protocol. `min_panos` holds the names that do not exist before a release of PAN-OS.
    """

    names: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    min_panos: tuple[tuple[str, str], ...] = ()


def panos_applications(protocol: Protocol, classes: Sequence[str]) -> Applications:
    """Return the applications that permit these access classes of a protocol.

    They are the base, the set-up functions that every use needs, the functions of these
    classes, and all that those depend on. Raise `UnsupportedError` when PAN-OS has no
    application for a class, or one that cannot be told from functions not asked for.
    """
    known = catalogue()
    chosen = _chosen(protocol, _ordered(protocol, classes))
    direct = {one.name for one in chosen} | set(protocol.must_also_allow)
    names = known.requires(direct)
    entries = [entry for name in names if (entry := known.application(name))]
    return Applications(
        names=names,
        warnings=(*_protocol_doubts(protocol), *_doubts(known, names)),
        notes=_notes(protocol, chosen),
        min_panos=tuple((one.name, one.min_panos) for one in entries if one.min_panos),
    )


def layer4_ports(protocol: Protocol) -> tuple[PortRange, ...]:
    """Return the ports its servers listen on, for firewalls that know only ports.

    Raise `UnsupportedError` when there are none to rely on: words instead of ports, ports
    known from memory only, sessions that move to another port, or no IP at all.
    """
    if not protocol.routable:
        raise UnsupportedError(_not_routable(protocol))
    if protocol.dynamic:
        message = (
            f"{protocol.id} has no fixed ports: {protocol.dynamic}; use a firewall that follows "
            "the session, or fix the ports and declare them as services"
        )
        raise UnsupportedError(message)
    ports = [one for one in protocol.ports if one.main and one.confidence != "low"]
    if not ports:
        raise UnsupportedError(_no_ports(protocol))
    return tuple(
        PortRange(protocol=one.protocol, first=one.first, last=one.last)
        for one in sorted(ports, key=lambda one: (one.protocol, one.first, one.last))
    )


def default_ports(application_name: str) -> tuple[PortRange, ...]:
    """Return the ports that ``application-default`` holds an application to.

    The vendor's list where it was read, otherwise the ports of the protocol; empty when
    nothing is known, which permits no port. ``dynamic`` is every port.
    """
    known = catalogue()
    entry = known.application(application_name)
    if entry and entry.default_ports:
        return tuple(sorted(map(_port_range, entry.default_ports), key=_port_key))
    protocol = known.protocol_of(application_name)
    if protocol is None:
        return ()
    try:
        return layer4_ports(protocol)
    except UnsupportedError:
        return ()


def rows(protocol: Protocol | None = None) -> tuple[tuple[str, ...], ...]:
    """Return a table: a header, then one row a protocol, or one an application of `protocol`."""
    if protocol is None:
        header = ("id", "protocol", "ports", "classes", "applications", "confidence")
        known = catalogue()
        return (header, *(_protocol_row(known.protocols[one]) for one in known.ids))
    header = ("application", "class", "default ports", "PAN-OS", "confidence", "note")
    return (header, *(_application_row(one) for one in protocol.applications))


def _ordered(protocol: Protocol, classes: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted(set(classes) - set(ACCESS_CLASSES))
    if unknown or not classes:
        asked = f"no access class {unknown[0]!r}" if unknown else "no access class asked for"
        message = f"{protocol.id}: {asked}; it has {_listed(protocol.classes) or 'none'}"
        raise UnsupportedError(message)
    return tuple(word for word in ACCESS_CLASSES if word in classes)


def _chosen(protocol: Protocol, classes: tuple[str, ...]) -> tuple[Application, ...]:
    if not protocol.usable:
        raise UnsupportedError(_no_app_id(protocol))
    if protocol.single:
        if protocol.single.access_class not in classes:
            raise UnsupportedError(_cannot_split(protocol, protocol.single, classes))
        return (protocol.single,)
    missing = tuple(word for word in classes if word not in protocol.classes)
    if missing:
        raise UnsupportedError(_no_function(protocol, missing))
    return tuple(
        one for one in protocol.usable if one.access_class in classes or _comes_with_all(one)
    )


def _comes_with_all(application: Application) -> bool:
    if application.access_class != "session":
        return False
    return application.base or not application.single


def _doubts(known: Catalogue, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(doubt for name in names for doubt in _doubt(name, known.application(name)))


def _doubt(name: str, application: Application | None) -> tuple[str, ...]:
    if application is None:
        return (f"{name}: not in the catalogue; check that the firewall has it",)
    if application.confidence == "low":
        return (f"{name}: the name is not confirmed; check that the firewall has it",)
    if application.class_confidence == "low":
        return (f"{name}: taken as {application.access_class} from its name only",)
    return ()


def _protocol_doubts(protocol: Protocol) -> tuple[str, ...]:
    if protocol.confidence != "low":
        return ()
    return (f"{protocol.id}: little of this protocol is confirmed; test before use",)


def _notes(protocol: Protocol, chosen: Sequence[Application]) -> tuple[str, ...]:
    caveat = (protocol.caveat,) if protocol.caveat else ()
    single = (
        f"{one.name} is one application: it permits all that its protocol can do"
        for one in chosen
        if one.single
    )
    inferred = (
        (f"what applications of {protocol.id} depend on is inferred, not read from the vendor",)
        if protocol.dependency_confidence == "low"
        else ()
    )
    return (*caveat, *single, *inferred)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def _no_app_id(protocol: Protocol) -> str:
    if not protocol.routable:
        return _not_routable(protocol)
    expected = f" (expect {_listed(protocol.must_also_allow)})" if protocol.must_also_allow else ""
    return (
        f"{protocol.id}: PAN-OS has no application for {protocol.name}{expected}; declare "
        "services and, where the firewall sees another protocol, its applications"
    )


def _cannot_split(protocol: Protocol, single: Application, classes: Sequence[str]) -> str:
    return (
        f"{protocol.id}: {_listed(classes)} cannot be told from the rest: PAN-OS has one "
        f"application, {single.name}, for all of {protocol.name}; "
        f"declare {protocol.id}: [{single.access_class}] to permit all of it"
    )


def _no_function(protocol: Protocol, missing: Sequence[str]) -> str:
    return (
        f"{protocol.id}: PAN-OS has no application of class {_listed(missing)}; "
        f"the classes that exist are {_listed(protocol.classes)}"
    )


def _not_routable(protocol: Protocol) -> str:
    return (
        f"{protocol.id}: {protocol.name} is not IP and never reaches a security rule; "
        "keep it inside one zone"
    )


def _no_ports(protocol: Protocol) -> str:
    words = _listed([str(one) for one in protocol.unusable_ports])
    doubtful = _listed([str(one) for one in protocol.ports if one.confidence == "low"])
    known = f"only {words}" if words else f"only from memory: {doubtful}" if doubtful else "none"
    return f"{protocol.id}: no port to rely on ({known}); declare the ports as services"


def _port_key(ports: PortRange) -> tuple[str, int, int]:
    return (ports.protocol, ports.first, ports.last)


def _port_range(text: str) -> PortRange:
    word, _, number = text.partition("/")
    transport: Literal["tcp", "udp"] = "udp" if word == "udp" else "tcp"
    if number == "dynamic":
        return PortRange(protocol=transport, first=1, last=_LAST_PORT)
    return PortRange(protocol=transport, first=int(number), last=int(number))


def _protocol_row(protocol: Protocol) -> tuple[str, ...]:
    main = [str(one) for one in protocol.ports if one.main]
    words = [str(one) for one in protocol.unusable_ports]
    return (
        protocol.id,
        protocol.name,
        " ".join(main or words) or ("not IP" if not protocol.routable else ""),
        " ".join(protocol.classes) or "no application",
        str(len(protocol.usable)),
        protocol.confidence,
    )


def _application_row(application: Application) -> tuple[str, ...]:
    doubt = " (class low)" if application.class_confidence == "low" else ""
    mark = "base" if application.base else "never compiled" if application.avoid else ""
    return (
        application.name,
        application.access_class,
        " ".join(application.default_ports),
        application.min_panos,
        f"{application.confidence}{doubt}",
        "; ".join(part for part in (mark, application.note) if part),
    )
