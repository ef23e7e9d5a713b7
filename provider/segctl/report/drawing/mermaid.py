"""A drawing as Mermaid text, which forges draw inside comments; Mermaid lays it out itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.report.drawing.picture import LEVELS, level_text
from segctl.report.drawing.placing import label_of
from segctl.report.drawing.stamp import drawn_from
from segctl.report.drawing.svg import notes_of
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.report.drawing.picture import Arrow
    from segctl.report.drawing.placing import Layout

#: What may stand in a label as it is; everything else becomes an entity of Mermaid's own.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ./:,+-·…→★")
_CLASSES = (
    "classDef safety stroke:#7b1fa2,stroke-width:4px",
    "classDef remote-access stroke:#b3261e,stroke-width:2px,stroke-dasharray:9 4",
    "classDef external stroke:#b3261e,stroke-dasharray:2 3",
    "classDef transit stroke-dasharray:6 3",
    "classDef firewall fill:#fdf0d5,stroke:#8a4500,stroke-width:2px,color:#1f2933",
)


def mermaid(layout: Layout) -> str:
    """Return a drawing as a Mermaid flowchart, the same bytes for the same layout."""
    return "\n".join(_lines(layout)) + "\n"


def _lines(layout: Layout) -> Iterator[str]:
    picture = layout.picture
    mark = drawn_from(picture)
    names = {box.key: f"z{number}" for number, box in enumerate(picture.boxes, 1)}
    yield f"%% {mark}"
    yield "flowchart TB"
    for site in picture.sites:
        for row, level in enumerate(LEVELS):
            boxes = [box for box in picture.boxes if (box.site, box.row) == (site, row)]
            if not boxes:
                continue
            title = f"{site} · {level_text(level)}" if len(picture.sites) > 1 else level_text(level)
            yield f'  subgraph r{picture.sites.index(site)}_{row}["{_label(title)}"]'
            yield "    direction LR"
            for box in boxes:
                text = _label(f"{box.title} · {' · '.join(notes_of(box))}")
                look = "" if box.look in {"zone", "group"} else f":::{box.look}"
                yield f'    {names[box.key]}["{text}"]{look}'
            yield "  end"
    for number, wall in enumerate(picture.walls, 1):
        yield f'  f{number}[/"{_label(wall.title)}"/]:::firewall'
        for key in wall.boxes:
            yield f"  f{number} --- {names[key]}"
    for arrow in picture.arrows:
        yield _arrow(arrow, names[arrow.source], names[arrow.target])
    for line in _CLASSES:
        yield f"  {line}"


def _arrow(arrow: Arrow, source: str, target: str) -> str:
    line = "-.->" if arrow.monitored else "==>" if arrow.strength != "read" else "-->"
    return f'  {source} {line}|"{_label(label_of(arrow))}"| {target}'


def _label(text: str) -> str:
    return "".join(mark if mark in _PLAIN else f"#{ord(mark)};" for mark in printable(text))
