"""Packets that a device takes for one application without looking at what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl.model.items import Rule, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Whatever goes between the zones and ends of `rule`, on the ports of `service`.

    The device takes it for the one application that the rule names. `digest` is the SHA-256 of the
    device's own words.
    """

    rule: Rule
    service: Service
    digest: str

    @property
    def name(self) -> str:
        """What people call it, with where it comes from."""
        return self.rule.name
