"""What firewalls enforce beyond what is declared, and what they keep from it, in a picture."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from segctl.report.drawing.picture import Arrow
from segctl.report.query import island_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.report.drawing.picture import Picture

#: What stands on an arrow, by the state of what passes between its zones.
_MARKS = {"only_live": "beyond", "only_declared": "blocked", "cannot_tell": "cannot tell"}
_LEGEND = (
    "beyond: open, but not declared; blocked: declared, but not open; "
    "cannot tell: what passes depends on what only the firewall knows, or it could not be asked"
)
_ISLANDS = "island: cut off for now, but for the flows that go on"


def overlaid(
    picture: Picture, cells: Iterable[Mapping[str, Any]], failed: Mapping[str, str]
) -> Picture:
    """Return a picture with what the cells of a matrix say of declared against live.

    Args:
        picture: what is declared.
        cells: of the document of ``segctl matrix --both``, one for each pair of zones.
        failed: the firewalls that gave no answer.
    """
    owner = {zone: box.key for box in picture.boxes for zone in box.zones}
    marks: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    beyond: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    inside: dict[str, dict[str, None]] = defaultdict(dict)
    islands: dict[str, str] = {}
    for cell in cells:
        ends = owner.get(cell["from_zone"], ""), owner.get(cell["to_zone"], "")
        if not all(ends) or ends[0] == ends[1]:
            continue
        for one in cell["islands"]:
            islands[one["name"]] = island_text(one)
            inside[ends[0] if one["end"] == "from" else ends[1]][one["said"]] = None
            marks[ends]["island"] = None
        marks[ends] |= {_MARKS[state]: None for state in cell["states"] if state in _MARKS}
        beyond[ends] |= dict(_beyond(cell))
    arrows = [_marked(arrow, marks, beyond) for arrow in picture.arrows]
    known = {(arrow.source, arrow.target) for arrow in picture.arrows}
    arrows += [
        Arrow(
            source=ends[0],
            target=ends[1],
            labels=tuple(found),
            strength="any",
            conduits=(),
            walls=tuple(sorted(set(found.values()))),
            marks=tuple(marks[ends]),
        )
        for ends, found in beyond.items()
        if found and ends not in known
    ]
    walls = [
        replace(wall, marks=("not read",)) if wall.key in failed else wall for wall in picture.walls
    ]
    boxes = [
        replace(box, marks=("ISLAND", *inside[box.key], *box.marks)) if box.key in inside else box
        for box in picture.boxes
    ]
    return replace(
        picture,
        boxes=tuple(boxes),
        arrows=tuple(arrows),
        walls=tuple(walls),
        legend=(_LEGEND, *((_ISLANDS, *islands.values()) if islands else ())),
    )


def _beyond(cell: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what only the firewalls permit, with one that does."""
    for row in cell["rows"]:
        if row["state"] == "only_live" and row["end_to_end"] != "no":
            yield f"{row['application_text']} {', '.join(row['services'])}", row["firewall"]


def _marked(
    arrow: Arrow,
    marks: Mapping[tuple[str, str], Mapping[str, None]],
    beyond: Mapping[tuple[str, str], Mapping[str, str]],
) -> Arrow:
    ends = arrow.source, arrow.target
    more = tuple(beyond.get(ends, ()))
    return replace(
        arrow,
        labels=(*more, *arrow.labels),
        strength="any" if more else arrow.strength,
        marks=(*marks.get(ends, ()), *arrow.marks),
    )
