"""What a flow's use of a protocol means: names of functions, or plain ports.

The platform maps these to its applications (`segctl.providers`).

Fails closed: a use that cannot be distinguished is refused, never widened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from segctl.model.errors import UnsupportedError
from segctl.model.site import ACCESS_CLASSES, PortRange
from segctl.protocols.catalogue import Application, Protocol, catalogue

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Applications:
    """The application names that a use of a protocol needs, sorted, and no others.

    `own` are those for the use itself: if none of them is allowed, nothing of the use passes.
    `warnings` are doubts about a name or its class; `notes` are facts about the protocol. `since`
    holds the names that older releases of the platform do not have.
    """

    names: tuple[str, ...]
    own: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    since: tuple[tuple[str, str], ...] = ()


#: A platform's function from a use of a protocol to the applications it needs.
Naming = Callable[[Protocol, Sequence[str]], Applications]


def by_function(protocol: Protocol, classes: Sequence[str]) -> Applications:
    """Return a use under names such as ``modbus.read``, for platforms without applications.

    Raise `UnsupportedError` when an access class is unknown.
    """
    names = tuple(f"{protocol.id}.{word}" for word in asked_classes(protocol, classes))
    return Applications(names=names, own=names)


def asked_classes(protocol: Protocol, classes: Sequence[str]) -> tuple[str, ...]:
    """Return the access classes in their usual order.

    Raise `UnsupportedError` if one is unknown, or there are none.
    """
    unknown = sorted(set(classes) - set(ACCESS_CLASSES))
    if unknown or not classes:
        asked = f"no access class {unknown[0]!r}" if unknown else "no access class asked for"
        message = f"{protocol.id}: {asked}; it has {_listed(protocol.classes) or 'none'}"
        raise UnsupportedError(message)
    return tuple(word for word in ACCESS_CLASSES if word in classes)


def layer4_ports(protocol: Protocol) -> tuple[PortRange, ...]:
    """Return the ports its servers listen on, for firewalls that know only ports.

    Raise `UnsupportedError` if no port is reliable: the catalogue has text instead of ports, or
    ports of low confidence; sessions move to another port; or the protocol is not IP.
    """
    if not protocol.routable:
        raise UnsupportedError(not_routable(protocol))
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
    """Return the ports to which ``application-default`` restricts an application.

    The vendor's list if we have it, otherwise the ports of the protocol; empty if nothing is
    known, which permits no port. ``dynamic`` means every port.
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


def rows(protocol: Protocol | None = None, platform: str = "") -> tuple[tuple[str, ...], ...]:
    """Return a table: a header, then one row per protocol, or per application of `protocol`.

    `platform` is the header of the column with the first release that has an application.
    """
    if protocol is None:
        header = ("id", "protocol", "ports", "classes", "applications", "confidence")
        known = catalogue()
        return (header, *(_protocol_row(known.protocols[one]) for one in known.ids))
    header = ("application", "class", "default ports", platform, "confidence", "note")
    return (header, *(_application_row(one) for one in protocol.applications))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)


def not_routable(protocol: Protocol) -> str:
    """Return why firewall rules cannot handle a protocol that is not IP."""
    return (
        f"{protocol.id}: {protocol.name} is not IP and never reaches a security rule; "
        "keep it inside one zone"
    )


def _no_ports(protocol: Protocol) -> str:
    words = _listed([str(one) for one in protocol.unusable_ports])
    doubtful = _listed([str(one) for one in protocol.ports if one.confidence == "low"])
    known = f"only {words}" if words else f"only from memory: {doubtful}" if doubtful else "none"
    return f"{protocol.id}: no reliable port ({known}); declare the ports as services"


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
        application.since,
        f"{application.confidence}{doubt}",
        "; ".join(part for part in (mark, application.note) if part),
    )
