"""What a Panorama remembers of each firewall: how its last push ended, and what it was given."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from segctl_mocks.panos.journal import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NONE = "none"
TEMPLATE = "template"
"""The key of what templates gave, beside those of virtual systems."""


@dataclass(slots=True)
class Standing:
    """Of one firewall and virtual system (or its templates).

    ``base`` names the configuration it was given last, ``missing`` are changes committed on
    Panorama since that it has not got.
    """

    state: str = NONE
    time: str = NONE
    validated: str = NONE
    validated_at: str = NONE
    checksum: str = ""
    version: str = ""
    base: str = ""
    missing: list[Change] = field(default_factory=list[Change])


@dataclass(slots=True)
class Standings:
    """All of them, by serial number and virtual system."""

    known: dict[tuple[str, str], Standing] = field(default_factory=dict[tuple[str, str], Standing])
    bases: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def of(self, serial: str, system: str) -> Standing:
        """Return what is known of one; a new one if nothing is."""
        return self.known.setdefault((serial, system), Standing())

    def committed(self, changes: Sequence[Change]) -> None:
        """Let every firewall miss what was committed now."""
        for standing in self.known.values():
            if standing.base:
                standing.missing += changes

    def keep(self, name: str, document: bytes) -> None:
        """Keep a configuration that was pushed; drop those that no firewall has any more."""
        used = {standing.base for standing in self.known.values()}
        self.bases = {key: data for key, data in self.bases.items() if key in used}
        self.bases[name] = document

    def to_json(self) -> list[dict[str, Any]]:
        """Return all as values for JSON."""
        return [
            {"serial": serial, "system": system, **asdict(standing)}
            for (serial, system), standing in self.known.items()
        ]

    def load(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Bring them back."""
        for row in rows:
            values = {key: value for key, value in row.items() if key not in {"serial", "system"}}
            values["missing"] = [Change.load(each) for each in values["missing"]]
            self.known[row["serial"], row["system"]] = Standing(**values)
