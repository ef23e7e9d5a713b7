"""Made traffic for tests: what was made, the days, a plant of a few lines."""

from __future__ import annotations

from calendar import timegm
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segctl_mocks.traffic.plants import plant
from segctl_mocks.traffic.sessions import Window

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """
plant: small
timezone: "+01:00"
zones:
  office: {networks: [10.1.0.0/24], leases: [10.1.0.100, 10.1.0.110]}
  cell: {networks: [10.2.0.0/24]}
hosts:
  desk: {zone: office, lease: 1d}
  plc: {zone: cell, address: 10.2.0.5}
firewalls:
  fw:
    zones: {office: [OFFICE, ethernet1/1], cell: [CELL, ethernet1/2]}
    rules: [{name: all, from: OFFICE, to: CELL}]
conversations:
  poll: {kind: undeclared, from: desk, to: plc, protocol: modbus, functions: [read-coils],
         every: 1h}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Made traffic: its folder, and the truth about it."""

    folder: Path
    truth: dict[str, Any]
    lines: dict[str, int]

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def conversation(self, name: str) -> dict[str, Any]:
        return next(one for one in self.truth["conversations"] if one["name"] == name)

    def witness(self, name: str) -> dict[str, Any]:
        return next(one for one in self.truth["witnesses"] if one["name"] == name)


def window(days: int, *, seed: int = 5, busy: float = 1.0) -> Window:
    """Return days from a Monday, in the zone of the plant that comes with the mocks."""
    start = timegm((2026, 11, 2, 0, 0, 0)) - plant("waterworks").offset
    return Window(seed=seed, start=start, days=days, busy=busy)
