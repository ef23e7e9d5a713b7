"""What became of the devices, as lines of text and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segctl.report.lines import Line
from segctl.report.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.apply import Outcome


def outcomes_text(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Yield a line a device: what became of it; with failures, what to do next."""
    for outcome in outcomes:
        if outcome.status == "failed":
            text, style = f"{outcome.code}: {outcome.message}", "bold red"
        elif outcome.status == "applied":
            text = f"applied {counted(outcome.changes, 'change')}, read back, as planned"
            style = "green"
        else:
            text, style = "nothing to do: it holds what was planned", ""
        yield Line(lead=f"{outcome.device}  ", text=text, lead_style="bold", style=style)
    failed = [outcome.device for outcome in outcomes if outcome.status == "failed"]
    if failed:
        yield Line()
        yield Line(
            text=f"{len(failed)} of {counted(len(outcomes), 'device')} failed: "
            f"{', '.join(failed)}.",
            style="bold",
        )


def outcomes_json(outcomes: Iterable[Outcome], plan_id: str) -> dict[str, Any]:
    """Return the document of an apply."""
    listed = [asdict(outcome) for outcome in outcomes]
    states = Counter(outcome["status"] for outcome in listed)
    document: dict[str, Any] = {
        "format_version": "1.0",
        "plan_id": plan_id,
        "outcomes": listed,
        "summary": {state: states[state] for state in ("applied", "unchanged", "failed")},
    }
    failed = next((outcome for outcome in listed if outcome["status"] == "failed"), None)
    if failed:
        document["error"] = {"code": failed["code"], "message": failed["message"]}
    return document
