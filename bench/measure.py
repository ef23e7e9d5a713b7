"""Runs of contenders side by side, and what is claimed of them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[1]
_CONTENDERS = Path(__file__).with_name("contenders.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One target and whether the numbers meet it; one that is a `gate` makes the run fail."""

    text: str
    value: float
    relation: Literal["<=", ">=", "<", "=="]
    target: float
    gate: bool = False

    @property
    def met(self) -> bool:
        """Whether value and target stand in the relation."""
        return {
            "<=": self.value <= self.target,
            ">=": self.value >= self.target,
            "<": self.value < self.target,
            "==": self.value == self.target,
        }[self.relation]

    def as_json(self) -> dict[str, Any]:
        """Return the claim as the document shows it."""
        return {
            "claim": self.text,
            "value": round(self.value, 3),
            "target": f"{self.relation} {self.target:g}",
            "met": self.met,
        } | ({"gate": True} if self.gate else {})


@dataclass(slots=True)
class Case:
    """What one benchmark measured and claims."""

    what: str
    results: list[Mapping[str, Any]] = field(default_factory=list[Any])
    claims: list[Claim] = field(default_factory=list[Claim])

    def as_json(self) -> dict[str, Any]:
        """Return the case as the document shows it."""
        return {
            "what": self.what,
            "results": [dict(result) for result in self.results],
            "claims": [claim.as_json() for claim in self.claims],
        }


@dataclass(slots=True)
class Runs:
    """The runs of one contender, each in a process of its own."""

    samples: list[Mapping[str, Any]] = field(default_factory=list[Any])

    def of(self, name: str) -> list[float]:
        """Return one number of every run."""
        return [float(sample[name]) for sample in self.samples]

    @property
    def seconds(self) -> float:
        """The median time of the work itself, imports and set-up left out."""
        return statistics.median(self.of("seconds"))

    @property
    def best(self) -> float:
        """The shortest time: what the noise of the machine added least to."""
        return min(self.of("seconds"))

    @property
    def peak(self) -> float:
        """Peak resident memory of the process in MB (median)."""
        return statistics.median(self.of("peak_mb"))

    @property
    def growth(self) -> float:
        """By how many MB the work raised the peak above the process before it (median)."""
        pairs = zip(self.of("peak_mb"), self.of("base_mb"), strict=True)
        return statistics.median(peak - base for peak, base in pairs)

    def as_json(self) -> dict[str, Any]:
        """Return medians, and what the contender said of its last run."""
        known = {"seconds", "peak_mb", "base_mb"}
        return {
            "runs": len(self.samples),
            "seconds_median": round(self.seconds, 4),
            "seconds_min": round(self.best, 4),
            "seconds_max": round(max(self.of("seconds")), 4),
            "peak_mb": round(self.peak, 1),
            "growth_mb": round(self.growth, 1),
            **{key: value for key, value in self.samples[-1].items() if key not in known},
        }


def run(
    contender: str,
    *arguments: object,
    script: Path = _CONTENDERS,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> dict[str, Any]:
    """Run a contender in a fresh process of an interpreter; return what it says of itself."""
    command = [python, str(script), contender, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def ratio(ours: Runs, theirs: Runs) -> float:
    """Return ours over theirs: the median over the rounds, each round's runs side by side."""
    pairs = zip(ours.of("seconds"), theirs.of("seconds"), strict=False)
    return statistics.median(mine / other for mine, other in pairs)
