"""The virtual systems of a firewall: which there are, and where a zone leads to another of them.

Source: vendor's guide, *Inter-VSYS Traffic*: an external zone has virtual systems instead of
interfaces, and a packet is judged by the rules of each virtual system that it passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from segctl.model.errors import Problem
from segctl.providers.panos import references
from segctl.providers.panos.small import small
from segctl.providers.state import EXTERNAL

#: A shared gateway, as the schema names them (``sg1``).
_GATEWAY: Final = re.compile("sg[0-9]+")

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.policy import FirewallZone
    from segctl.providers.panos.location import Location


def lacking(host: str, place: Location, parts: Mapping[str, bytes | memoryview]) -> str:
    """Return that a device lacks the virtual system that was asked for, and which it has."""
    listed = small(host, references.SYSTEMS, parts[references.SYSTEMS])
    names = [entry.get("name", "") for entry in listed.iterfind("result/entry")]
    having = ", ".join(names) or "none that this account may see"
    return (
        f"has no virtual system {place}: it has {having}: correct segctl_vsys, which is vsys1 "
        "where it is not declared"
    )


def external(zones: Iterable[FirewallZone]) -> Iterator[Problem]:
    """Say which zones lead to another virtual system: what passes is judged by both.

    A shared gateway has no rules of security; it judges nothing.
    """
    for zone in zones:
        for system in zone.interfaces if zone.type == "external" else ():
            if _GATEWAY.fullmatch(system):
                continue
            yield Problem(
                message=f"zone {zone.name} is external: it leads to {system} of the same device, "
                "which must permit the same traffic as well",
                severity="note",
                kind=EXTERNAL,
                subject=zone.name,
                about=(zone.name, system),
            )
