"""What policies permit, pair of zones by pair: all of it, what an edit changes, one question."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Case, Claim, Runs, run

_CONTENDERS = Path(__file__).with_name("permits_contenders.py")


def permits(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Judge policies of several sizes, beside each rule against each and a bare pass."""
    rounds = 1 if quick else 3
    small, large = (
        ((60, 6, 20), (120, 12, 40)) if quick else ((10_000, 1000, 100), (65_000, 1200, 3500))
    )
    asked = (80, 1, 80) if quick else (4000, 1, 4000)
    many = 4 if quick else 400
    works: dict[str, tuple[object, ...]] = {
        "all pairs": ("effective", *small),
        "each rule with each": ("pairwise", *small),
        "bare pass": ("bare", *small),
        "one edit": ("edit", *small),
        "all pairs, large": ("effective", *large),
        "bare pass, large": ("bare", *large),
        "one edit, large": ("edit", *large),
        "one question": ("ask", *asked, 1),
        "many questions": ("ask", *asked, many),
        "one question, large": ("ask", *large, 1),
    }
    found = {name: Runs() for name in works}
    for _ in range(rounds):
        for name, (contender, *arguments) in works.items():
            found[name].samples.append(run(str(contender), *arguments, script=_CONTENDERS))
    case = Case("what policies shaped like plants permit: rules, pairs of zones, rules of one pair")
    for name, (_, *arguments) in works.items():
        case.results.append({"work": name, "of": arguments, **found[name].as_json()})
    case.claims += _claims(found, many)
    return case


def _seconds(runs: Runs) -> float:
    """Return the least processor seconds: what the noise of the machine added least to."""
    return min(runs.of("cpu_seconds"))


def _claims(found: dict[str, Runs], many: int) -> list[Claim]:
    seconds = {name: _seconds(runs) for name, runs in found.items()}
    pairs, one = seconds["all pairs"], seconds["one question"]
    targets = {"all pairs": 3, "one edit": 0.5, "all pairs, large": 5, "one question": 0.5}
    targets["one question, large"] = 0.5
    return [
        *(
            Claim(
                text=f"{name}: processor seconds", value=seconds[name], relation="<", target=target
            )
            for name, target in targets.items()
        ),
        Claim(
            text="all pairs / each rule with each",
            value=pairs / max(seconds["each rule with each"], 1e-9),
            relation="<",
            target=1,
        ),
        Claim(
            text="all pairs / bare pass",
            value=pairs / max(seconds["bare pass"], 1e-9),
            relation="<",
            target=200,
        ),
        Claim(
            text="all pairs, large: growth in MB",
            value=found["all pairs, large"].growth,
            relation="<",
            target=400,
        ),
        Claim(
            text="many questions / one",
            value=seconds["many questions"] / one,
            relation="<",
            target=3,
        ),
        Claim(
            text="one edit: pairs of zones that differ",
            value=found["one edit"].of("differences")[-1],
            relation="==",
            target=1,
        ),
        Claim(
            text="questions answered with what the policy denies",
            value=found["many questions"].of("denied")[-1],
            relation="==",
            target=many,
        ),
    ]
