"""Conclusions from made traffic held against what it was: a judge that shares nothing with segctl.

It reads files only: the truth of the generator, an inventory as YAML, what was written or printed.
Flows are (source, destination, port); both addresses are those inside, beyond translations.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, cast

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Flow = tuple[str, str, int]
#: What a person should be offered, and what nobody may be.
NEEDED = frozenset({"undeclared", "dhcp", "translated"})
NOISE = frozenset({"broadcast", "multicast"})
HARMLESS = NEEDED | {"declared", "silent", "long", "rare"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What really happened: kinds and classes of access by flow, as far as witnesses saw it."""

    document: Mapping[str, Any]
    kinds: Mapping[Flow, frozenset[str]]
    access: Mapping[Flow, frozenset[str]]

    @classmethod
    def read(cls, folder: Path, witnesses: Iterable[str]) -> Truth:
        """Read the truth about made traffic, as far as these witnesses may know of it."""
        document = json.loads((folder / "truth.json").read_text("utf-8"))
        names = set(witnesses)
        kinds: dict[Flow, set[str]] = {}
        access: dict[Flow, set[str]] = {}
        for one in document["conversations"]:
            if names & set(one["witnesses"]):
                for flow in flows(one["pairs"]):
                    kinds.setdefault(flow, set()).add(one["kind"])
                    if one["kind"] in HARMLESS:
                        access.setdefault(flow, set()).update(one["access"])
        return cls(
            document=document,
            kinds={flow: frozenset(held) for flow, held in kinds.items()},
            access={flow: frozenset(held) for flow, held in access.items()},
        )

    def needed(self) -> set[Flow]:
        return {flow for flow, kinds in self.kinds.items() if kinds & NEEDED}

    def hostile(self) -> dict[Flow, frozenset[str]]:
        """Flows that are nothing but what nobody may be offered."""
        return {
            flow: kinds
            for flow, kinds in self.kinds.items()
            if not kinds & HARMLESS and not kinds <= NOISE
        }

    def leased(self, flow: Flow) -> bool:
        """Whether somebody with a lease needs the server, and the source may be leased."""
        ranges = [zone["leases"] for zone in self.document["zones"].values() if zone["leases"]]
        source = int(ip_address(flow[0]))
        held = [(int(ip_address(one)), int(ip_address(last))) for one, last in ranges]
        return any(one <= source <= last for one, last in held) and any(
            "dhcp" in kinds and other[1:] == flow[1:] for other, kinds in self.kinds.items()
        )


def flows(rows: Iterable[Mapping[str, Any]]) -> set[Flow]:
    return {
        (one["source"], one.get("destination_after_nat") or one["destination"], one["port"])
        for one in rows
    }


# --- what was proposed, from the files that were written ----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What one flow of a proposal permits: addresses, and classes where it names any."""

    name: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    classes: frozenset[str]

    def pairs(self) -> Iterator[tuple[str, str]]:
        for source in self.sources:
            for destination in self.destinations:
                yield source, destination


def permitted(folder: Path) -> list[Permitted]:
    """Return what written files would permit, every address by itself."""
    held = [_variables(path) for path in sorted(folder.rglob("*.yml"))]
    assets: dict[str, str] = {}
    for one in held:
        for name, zones in one.items():
            if name.startswith("segctl_zones"):
                for zone in zones.values():
                    assets |= dict(_addresses(zone.get("assets") or {}))
    return [
        Permitted(
            name=f"{conduit}.{name}",
            sources=tuple(_expanded(flow["source"], assets)),
            destinations=tuple(_expanded(flow["destination"], assets)),
            classes=frozenset(
                str(word) for words in flow.get("protocols", {}).values() for word in words
            ),
        )
        for one in held
        for variable, conduits in one.items()
        if variable.startswith("segctl_conduits")
        for conduit, said in conduits.items()
        for name, flow in said["flows"].items()
    ]


def _variables(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(path.read_text("utf-8")) or {})


def _addresses(assets: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, said in assets.items():
        plain = {"addresses": [said]}
        whole = cast("dict[str, Any]", said) if isinstance(said, dict) else plain
        (address, *_) = whole.get("addresses") or [whole["address"]]
        yield name, str(address)


def _expanded(ends: Iterable[str], assets: Mapping[str, str]) -> Iterator[str]:
    for end in ends:
        if end in assets:
            yield assets[end]
        else:
            yield from map(str, ip_network(end))


# --- what a replay says --------------------------------------------------------------------------


@dataclass(slots=True)
class Matrix:
    """How often what would happen was told as what; flows that were told wrongly, with kinds."""

    cells: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    wrong: dict[Flow, tuple[str, str]] = field(default_factory=dict[Flow, tuple[str, str]])

    def recall(self, fate: str) -> float:
        real = sum(number for (was, _), number in self.cells.items() if was == fate)
        return self.cells[fate, fate] / real if real else 1.0

    def precision(self, fate: str) -> float:
        said = sum(number for (_, told), number in self.cells.items() if told == fate)
        return self.cells[fate, fate] / said if said else 1.0


_ORDER = ("newly_dropped", "newly_allowed", "still_allowed", "still_dropped", "cannot_tell")


def replayed(truth: Truth, conduits: Mapping[str, Any], document: Mapping[str, Any]) -> Matrix:
    """Compare a replay under what is declared with what that would do.

    A flow counts by the gravest of its fates. What nobody answered, of which the records of sensors
    tell no fate, is left out.
    """
    told: dict[Flow, set[str]] = {}
    for fate, one in document["fates"].items():
        for flow in flows(one["listed"]):
            told.setdefault(flow, set()).add(fate)
    real: dict[Flow, set[str]] = {}
    for one in truth.document["conversations"]:
        conduit = conduits.get(one.get("conduit", ""), {})
        declared = bool(conduit) and conduit.get("mode", "enforce") != "absent"
        passed = one["sessions_that_passed"] > 0
        for flow in flows(one["pairs"]):
            if one["kind"] not in NOISE and flow in truth.kinds:
                real.setdefault(flow, set()).add(_fate(passed=passed, declared=declared))
    found = Matrix()
    for flow, fates in real.items():
        if flow in told:
            was = next(fate for fate in _ORDER if fate in fates)
            said = next(fate for fate in _ORDER if fate in told[flow])
            found.cells[was, said] += 1
            if was != said:
                found.wrong[flow] = was, said
    return found


def _fate(*, passed: bool, declared: bool) -> str:
    if passed:
        return "still_allowed" if declared else "newly_dropped"
    return "newly_allowed" if declared else "still_dropped"


def conduits_of(folder: Path) -> dict[str, Any]:
    """Return the conduits of an inventory's folder, by id."""
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.yml")):
        for name, held in _variables(path).items():
            if name.startswith("segctl_conduits"):
                found |= held
    return found
