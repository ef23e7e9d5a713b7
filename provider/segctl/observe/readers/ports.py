"""Who serves whom, where a record does not say who began: a guess by ports, and never more."""

from __future__ import annotations

from functools import cache
from typing import Final

from segctl.protocols.catalogue import catalogue

#: Ports of services below this need a privilege on most systems, so that clients do not have them.
_SYSTEM: Final = 1024


@cache
def _known() -> frozenset[tuple[str, int]]:
    return frozenset(
        (ports.protocol, number)
        for protocol in catalogue().protocols.values()
        for ports in protocol.ports
        if ports.main and ports.last - ports.first < 16
        for number in range(ports.first, ports.last + 1)
    )


def serves(protocol: str, port: int, other: int) -> bool:
    """Whether the side with `port` is rather the server than the side with `other`.

    A port of an industrial protocol counts more than one below 1024, and that more than the lower.
    """
    return _rank(protocol, port) < _rank(protocol, other)


def _rank(protocol: str, port: int) -> tuple[bool, bool, int]:
    return ((protocol, port) not in _known(), port >= _SYSTEM, port)
