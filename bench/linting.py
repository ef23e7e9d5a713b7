"""Linting rule bases shaped like a plant, beside a pairwise analysis and a bare pass."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from bench.measure import Case, Claim, Runs, run

_SCRIPT = Path(__file__).with_name("lint_contenders.py")


def linting(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Lint rule bases of three sizes."""
    sizes, rounds = ((1_000,), 1) if quick else ((1_000, 10_000, 65_000), 3)
    case = Case("lint of n rules over 1,122 pairs of zones (processor seconds, medians)")
    lost, seconds, growth = 0, 0.0, 0.0
    for size in sizes:
        runs = {name: Runs() for name in ("segctl", "pairwise", "bare")}
        for _ in range(rounds):
            for name, of in runs.items():
                of.samples.append(run(name, size, script=_SCRIPT))
        samples = {name: of.samples[-1] for name, of in runs.items()}
        covered = {name: set(samples[name]["covered"]) for name in ("segctl", "pairwise")}
        lost += len(covered["pairwise"] - covered["segctl"])
        found = {name: _numbers(of) for name, of in runs.items()}
        seconds, growth = found["segctl"]["processor_seconds"], found["segctl"]["growth_mb"]
        case.results.append(
            {
                "rules": size,
                "chains": samples["segctl"]["chains"],
                "complete": samples["segctl"]["complete"],
                "covered": {name: len(names) for name, names in covered.items()},
                **found,
                "ratio_pairwise": _ratio(runs["segctl"], runs["pairwise"]),
                "ratio_bare": _ratio(runs["segctl"], runs["bare"]),
            }
        )
    case.claims += [
        Claim(
            text="rules that pairwise finds covered and lint does not",
            value=lost,
            relation="==",
            target=0,
        ),
        Claim(text="processor seconds for the most rules", value=seconds, relation="<", target=5),
        Claim(text="MB of growth for the most rules", value=growth, relation="<", target=400),
    ]
    return case


def _numbers(runs: Runs) -> dict[str, Any]:
    return {
        "processor_seconds": round(median(runs.of("cpu_seconds")), 3),
        "growth_mb": round(runs.growth, 1),
    }


def _ratio(ours: Runs, theirs: Runs) -> float:
    pairs = zip(ours.of("cpu_seconds"), theirs.of("cpu_seconds"), strict=True)
    return round(median(mine / max(other, 1e-4) for mine, other in pairs), 2)
