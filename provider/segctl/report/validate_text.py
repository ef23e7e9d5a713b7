"""What is wrong with an inventory, or worth a second look, as lines of text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.model.errors import problem_json
from segctl.report.labels import counted
from segctl.report.lines import Line
from segctl.report.provenance import provenance_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.errors import Problem
    from segctl.report.provenance import Provenance


def validation_text(
    warnings: Iterable[Problem],
    refused: Iterable[Problem],
    counts: Mapping[str, int],
    *,
    notes: bool = False,
    provenance: Provenance | None = None,
) -> Iterator[Line]:
    """Yield what `segctl validate` found: errors first, then warnings; notes only when asked."""
    hidden = 0
    for refusal in refused:
        yield Line(lead="error: ", text=str(refusal), style="bold red")
    ranks = list(_SEVERITIES)
    for problem in sorted(warnings, key=lambda each: ranks.index(each.severity)):
        style = _SEVERITIES[problem.severity]
        if problem.severity == "note" and not notes:
            hidden += 1
            continue
        yield Line(lead=f"{problem.severity}: ", text=str(problem), lead_style=style)
    if hidden:
        text = f"{counted(hidden, 'note')} on how protocols are recognised: -v shows them"
        yield Line(text=text, style="dim")
    if provenance is not None:
        yield from provenance_text(provenance)
    yield Line(text=declared_text(counts), style="bold")


def declared_text(counts: Mapping[str, int]) -> str:
    """Say how much is declared of what; `counts` are by the plural of each noun."""
    return ", ".join(counted(number, word.removesuffix("s")) for word, number in counts.items())


_SEVERITIES = {"error": "bold red", "warning": "yellow", "note": "dim"}


def problems_json(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return problems as JSON values."""
    return [problem_json(problem) for problem in problems]
