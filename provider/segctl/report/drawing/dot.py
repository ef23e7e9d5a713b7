"""A drawing as Graphviz text; Graphviz lays it out itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.report.drawing.picture import LEVELS, level_text
from segctl.report.drawing.placing import label_of
from segctl.report.drawing.stamp import drawn_from
from segctl.report.drawing.svg import notes_of
from segctl.system.inert import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.report.drawing.placing import Layout

_LOOKS = {
    "safety": ', penwidth=4, color="#7b1fa2"',
    "remote-access": ', style=dashed, color="#b3261e"',
    "external": ', style=dotted, color="#b3261e"',
    "transit": ", style=dashed",
}


def dot(layout: Layout) -> str:
    """Return a drawing as a Graphviz digraph, the same bytes for the same layout."""
    return "\n".join(_lines(layout)) + "\n"


def _lines(layout: Layout) -> Iterator[str]:
    picture = layout.picture
    mark = drawn_from(picture)
    yield f"// {mark}"
    yield f"digraph {_quoted(picture.title or 'plant')} {{"
    yield "  rankdir=TB; node [shape=box]; newrank=true;"
    for site in picture.sites:
        for row, level in enumerate(LEVELS):
            boxes = [box for box in picture.boxes if (box.site, box.row) == (site, row)]
            if not boxes:
                continue
            title = " · ".join(filter(None, (site, level_text(level))))
            yield f"  subgraph {_quoted(f'cluster {site} {row}')} {{ label={_label(title)};"
            for box in boxes:
                text = f"{box.title}\n{' · '.join(notes_of(box))}"
                yield f"    {_quoted(box.key)} [label={_label(text)}{_LOOKS.get(box.look, '')}];"
            yield "  }"
    for wall in picture.walls:
        name = _quoted(f"firewall {wall.key}")
        yield f'  {name} [label={_label(wall.title)}, shape=house, color="#8a4500"];'
        for key in wall.boxes:
            yield f'  {name} -> {_quoted(key)} [dir=none, color="#8a4500"];'
    for arrow in picture.arrows:
        looks = ", style=dashed" if arrow.monitored else ""
        yield (
            f"  {_quoted(arrow.source)} -> {_quoted(arrow.target)} "
            f"[label={_label(label_of(arrow))}{looks}];"
        )
    yield "}"


def _label(text: str) -> str:
    """Return a quoted string in which Graphviz, which knows HTML's entities, finds none."""
    return _quoted(text.replace("&", "&amp;"))


def _quoted(text: str) -> str:
    """Return a quoted string of Graphviz; its escapes begin with a backslash."""
    lines = (printable(line) for line in text.split("\n"))
    marked = (line.replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    joined = "\\n".join(marked)
    return f'"{joined}"'
