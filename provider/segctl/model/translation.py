"""Packets that a device sends on to another destination than the one that its rules are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl.model.items import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What comes from the zones and sources of `rule` for its destinations goes to others.

    The rule has the services, too. `to` are names or literals of the addresses where it arrives, on
    `port` or, if that is 0, on the port for which it was. With `across` it arrives as the other
    version of IP, from addresses that are not known.
    """

    rule: Rule
    to: tuple[str, ...]
    port: int = 0
    across: bool = False

    @property
    def name(self) -> str:
        """What people call it, with where it comes from."""
        return self.rule.name
