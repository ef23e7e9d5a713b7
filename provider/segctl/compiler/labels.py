"""Labels of conduits, zones and addresses, from which rule and object names are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segctl.model.site import Conduit, Zone

DEFAULT_SITE = "site"


def label(conduit: Conduit) -> str:
    """Return the conduit's id, with its site unless that is the default."""
    return conduit.id if conduit.site == DEFAULT_SITE else f"{conduit.site}.{conduit.id}"


def zone_label(zone: Zone) -> str:
    """Return the zone's id, with its site unless that is the default."""
    return zone.id if zone.site == DEFAULT_SITE else f"{zone.site}.{zone.id}"


def spell(address: str) -> str:
    """Write an address with characters that are allowed in names."""
    return address.replace("/", "-").replace(":", "_")
