"""What a drawing shows and where, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl.report.labels import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segctl.report.drawing.placing import Layout, Placed


def graph_json(layout: Layout, failed: Mapping[str, str]) -> dict[str, Any]:
    """Return the document of a drawing: its parts with their places, in pixels from the top left.

    `failed` are the firewalls that were asked and gave no answer, with the reasons.
    """
    picture = layout.picture
    document: dict[str, Any] = {
        "format_version": "1.0",
        "fold": picture.fold,
        "drawn_from": dict(picture.facts),
        "boxes": [
            {
                "key": box.key,
                "title": box.title,
                "kind": box.look,
                "zones": list(box.zones),
                "marks": list(box.marks),
                **_place_json(layout.boxes[box.key]),
            }
            for box in picture.boxes
        ],
        "firewalls": [
            {
                "key": wall.key,
                "boxes": list(wall.boxes),
                "marks": list(wall.marks),
                **_place_json(layout.walls[wall.key]),
            }
            for wall in picture.walls
        ],
        "arrows": [
            {
                "from": arrow.source,
                "to": arrow.target,
                "permitted": list(arrow.labels),
                "strength": arrow.strength,
                "conduits": list(arrow.conduits),
                "firewalls": list(arrow.walls),
                "essential": arrow.essential,
                "monitored": arrow.monitored,
                "marks": list(arrow.marks),
            }
            for arrow in picture.arrows
        ],
        "emphasis": sorted(picture.emphasis),
        "failed": [{"name": name, "message": why} for name, why in failed.items()],
        "summary": summary(layout),
    }
    if failed:
        name, why = next(iter(failed.items()))
        document["error"] = {"code": "cannot_tell", "message": f"{name}: {why}"}
    return document


def _place_json(at: Placed) -> dict[str, Any]:
    return {"x": at.x, "y": at.y, "width": at.width, "height": at.height}


def summary(layout: Layout) -> str:
    """Return how much a drawing shows, in words."""
    picture = layout.picture
    zones = counted(sum(len(box.zones) for box in picture.boxes), "zone")
    folded = "" if picture.fold == "none" else f", folded by {picture.fold}"
    walls = f", {counted(len(picture.walls), 'firewall')}" if picture.walls else ""
    conduits = len({key for arrow in picture.arrows for key in arrow.conduits})
    return f"{zones}{folded}{walls}, {counted(conduits, 'conduit')}"
