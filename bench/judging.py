"""Proofs of what conduits declare, and queries, beside a pairwise analysis and a bare pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.growth import exponents
from bench.measure import Case, Claim, Runs, run

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRIPT = Path(__file__).with_name("judging_contenders.py")


def proving(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Prove compiled policies of several sizes against their conduits."""
    sizes = ((30, 6), (60, 6)) if quick else ((10_000, 1_000), (65_000, 1_000))
    case = Case("proof of n rules against 1,000 conduits (processor seconds, least)")
    found = _measured(("proof", "proof_pairwise"), sizes, quick=quick)
    _record(case, found)
    ours = found["proof"]
    for (rules, _), runs in zip(sizes, ours, strict=True):
        case.claims.append(_below(f"{rules} rules: processor seconds", runs, 3))
    case.claims += [
        Claim(
            text="proofs that succeed",
            value=sum(runs.samples[-1]["verdict"] == "proved" for runs in ours),
            relation="==",
            target=len(sizes),
        ),
        _growth([rules for rules, _ in sizes], ours),
    ]
    return case


def querying(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Ask what is permitted between two zones, and between all."""
    sizes = (
        ((60, 6, 20), (120, 12, 20))
        if quick
        else ((4_000, 100, 500), (16_000, 400, 500), (65_000, 1_200, 3_500))
    )
    case = Case("query: rules, pairs of zones, rules between the two (processor seconds, least)")
    found = _measured(("query", "query_all", "query_pairwise", "query_bare"), sizes, quick=quick)
    _record(case, found)
    case.claims += [
        Claim(
            text="pairs of zones that are too complex",
            value=sum(runs.samples[-1]["too_complex"] for runs in found["query_all"]),
            relation="==",
            target=0,
        ),
        _growth([rules for rules, *_ in sizes], found["query_all"]),
    ]
    return case


def _measured(
    contenders: tuple[str, ...], sizes: tuple[tuple[int, ...], ...], *, quick: bool
) -> Mapping[str, list[Runs]]:
    found = {name: [Runs() for _ in sizes] for name in contenders}
    for _ in range(1 if quick else 3):
        for at, size in enumerate(sizes):
            for name in contenders:
                found[name][at].samples.append(run(name, *size, script=_SCRIPT))
    for runs in found.values():
        for at, size in enumerate(sizes):
            runs[at].samples[-1] = {**runs[at].samples[-1], "of": list(size)}
    return found


def _record(case: Case, found: Mapping[str, list[Runs]]) -> None:
    for name, every in found.items():
        for runs in every:
            case.results.append(
                {"work": name, "processor_seconds": round(_least(runs), 4), **runs.as_json()}
            )


def _least(runs: Runs) -> float:
    """Return the least processor seconds: what the noise of the machine added least to."""
    return min(runs.of("cpu_seconds"))


def _below(text: str, runs: Runs, target: float) -> Claim:
    return Claim(text=text, value=_least(runs), relation="<", target=target)


def _growth(sizes: list[int], every: list[Runs]) -> Claim:
    found = exponents(sizes, [max(_least(runs), 1e-4) for runs in every])
    return Claim(
        text="exponent of growth, the largest", value=max(found), relation="<=", target=1.3
    )
