"""What a proposal takes out of the inventory and what it leaves, as JSON and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.observe.times import when_text
from segctl.report.labels import counted
from segctl.report.lines import Line, diff_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl.observe.narrowing import Cut, Narrowing


def narrow_json(
    found: Narrowing,
    *,
    replayed: int,
    files: Mapping[str, str],
    diff: str,
    written: Sequence[str],
) -> dict[str, Any]:
    """Return the document of a proposal.

    Args:
        found: what is taken out and what is left.
        replayed: how many flows were replayed under it.
        files: the changed files, by path below the inventory.
        diff: how they differ from what there is.
        written: the files that were written.
    """
    return {
        "narrowed": [
            {
                "conduit": one.conduit,
                "flow": one.flow,
                "last": when_text(one.last),
                "taken_out": [_cut(cut) for cut in one.cuts],
            }
            for one in found.narrowed
        ],
        "left": [{"conduit": one.conduit, "flow": one.flow, "why": one.why} for one in found.left],
        "replayed": replayed,
        "files": dict(sorted(files.items())),
        "diff": diff,
        "written": list(written),
    }


def _cut(one: Cut) -> dict[str, Any]:
    return {"kind": one.kind, "entry": one.text, "protocol": one.protocol}


def narrow_text(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of a proposal: the diff, what it rests on, what is left and why."""
    if document["narrowed"]:
        yield Line(text="Proposed, as a change of the inventory", style="bold")
        yield from diff_lines(document["diff"])
        flows = counted(document["replayed"], "flow")
        text = f"replayed under it: {flows} that were seen, none would be newly dropped"
        yield Line(lead="  ", text=text)
    else:
        yield Line(text="Nothing to take out", style="bold")
    if document["left"]:
        yield Line()
        yield Line(text="Left as it is", style="bold")
    for one in document["left"]:
        yield Line(lead=f"  {one['conduit']} {one['flow']}  ", text=one["why"])
    if document["written"]:
        yield Line(lead="  ", text=f"written: {', '.join(document['written'])}")
    elif document["files"]:
        yield Line(lead="  ", text="nothing is written: -o DIR writes the files", style="dim")
