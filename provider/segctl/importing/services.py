"""From the service objects that a rule names to plain layer-4 services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from segctl.model.policy import ANY, APPLICATION_DEFAULT
from segctl.model.site import PortRange

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.model.policy import Service


def port_ranges(
    names: Iterable[str], services: Mapping[str, Service]
) -> tuple[tuple[PortRange, ...], tuple[str, ...]]:
    """Return the ports that the named services stand for, and the names that cannot be told."""
    found: dict[PortRange, None] = {}
    unknown: list[str] = []
    for name in names:
        if name in {ANY, APPLICATION_DEFAULT}:
            continue
        service = services.get(name)
        ports = _ports(service) if service is not None else ()
        if ports:
            found.update(dict.fromkeys(ports))
        else:
            unknown.append(name)
    return tuple(found), tuple(unknown)


def _ports(service: Service) -> tuple[PortRange, ...]:
    """Return the ports of a service; none when the inventory cannot express it."""
    if service.protocol not in {"tcp", "udp"} or _restricted(service):
        return ()
    protocol: Literal["tcp", "udp"] = "udp" if service.protocol == "udp" else "tcp"
    found: list[PortRange] = []
    for part in service.ports.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            return ()
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= 65535:
            return ()
        found.append(PortRange(protocol=protocol, first=low, last=high))
    return tuple(found)


def _restricted(service: Service) -> bool:
    """Whether a service also names source ports."""
    return any(text.startswith("source-port") for text in service.extras)
