"""Others' overrides and NAT rules as a snapshot keeps them: without their names.

Zones, objects, applications and addresses that it has anyway stay, so that the rules decide alike.
Anything else is left out, and the rule counts for whatever it may be about.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from segctl.model.addresses import interval
from segctl.model.policy import (
    ANY,
    Address,
    AddressGroup,
    FirewallZone,
    Policy,
    Rule,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.model.override import Override
    from segctl.model.translation import Translation

_PORTS: Final = re.compile("[0-9,-]+")
_SERVICES: Final = frozenset({ANY, "service-http", "service-https"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The names of zones, of objects with addresses, of services and applications that stay."""

    zones: frozenset[str]
    addresses: frozenset[str]
    services: frozenset[str]
    applications: frozenset[str]

    @classmethod
    def of(
        cls, policies: Iterable[Policy], zones: Iterable[FirewallZone], applications: Iterable[str]
    ) -> Kept:
        """Return those of some policies and a device."""
        held = list(policies)
        return cls(
            zones=frozenset({ANY, *(zone.name for zone in zones)}),
            addresses=frozenset(
                {ANY, *(one.name for of in held for one in (*of[Address], *of[AddressGroup]))}
            ),
            services=_SERVICES
            | {one.name for of in held for one in (*of[Service], *of[ServiceGroup])},
            applications=frozenset(applications),
        )

    def override(self, number: int, found: Override) -> Override:
        """Return an override under its number."""
        rule, name = found.rule, f"application override {number}"
        spoken = [one for one in rule.applications if one in self.applications]
        ports = found.service.ports
        return replace(
            found,
            rule=replace(self._ends(rule), name=name, applications=tuple(spoken) or ("",)),
            service=Service(
                name=name,
                protocol=found.service.protocol if found.service.protocol in ("tcp", "udp") else "",
                ports=ports if _PORTS.fullmatch(ports) else "",
            ),
        )

    def translation(self, number: int, found: Translation) -> Translation:
        """Return a translation under its number."""
        services = found.rule.services
        rule = replace(
            self._ends(found.rule),
            name=f"NAT rule {number}",
            services=services if self.services.issuperset(services) else (ANY,),
        )
        return replace(found, rule=rule, to=self._side(found.to))

    def _ends(self, rule: Rule) -> Rule:
        """Return a rule whose zones and addresses are known, or any."""
        sources, destinations = self._side(rule.sources), self._side(rule.destinations)
        return replace(
            rule,
            from_zones=_all(rule.from_zones, self.zones),
            to_zones=_all(rule.to_zones, self.zones),
            sources=sources,
            destinations=destinations,
            negate_source=rule.negate_source and sources == rule.sources,
            negate_destination=rule.negate_destination and destinations == rule.destinations,
        )

    def _side(self, names: tuple[str, ...]) -> tuple[str, ...]:
        known = all(one in self.addresses or _is_address(one) for one in names)
        return names if known else (ANY,)


def _all(names: tuple[str, ...], held: frozenset[str]) -> tuple[str, ...]:
    return names if held.issuperset(names) else (ANY,)


def _is_address(text: str) -> bool:
    with suppress(ValueError):
        interval(text)
        return True
    return False
