"""A drawing for diagrams.net: real shapes that people can go on editing.

The form is that of an uncompressed ``.drawio`` file: an ``mxfile`` with one ``mxGraphModel``
(mxGraph's own codec, https://jgraph.github.io/mxgraph/docs/manual.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from segctl.report.drawing.stamp import drawn_from
from segctl.report.drawing.svg import notes_of
from segctl.system.inert import printable

if TYPE_CHECKING:
    from segctl.report.drawing.picture import Arrow, Box, Wall
    from segctl.report.drawing.placing import Layout, Line, Placed

_ZONE = "rounded=1;arcSize=6;whiteSpace=wrap;html=0;verticalAlign=top;align=left;spacing=6;"
_STYLES = {
    "zone": f"{_ZONE}fillColor=#E8F5F2;strokeColor=#00695C;",
    "safety": f"{_ZONE}fillColor=#F7ECFA;strokeColor=#7B1FA2;strokeWidth=4;",
    "remote-access": f"{_ZONE}fillColor=#E8F5F2;strokeColor=#B3261E;dashed=1;strokeWidth=2;",
    "external": f"{_ZONE}fillColor=#FFFFFF;strokeColor=#B3261E;dashed=1;strokeWidth=2;",
    "transit": f"{_ZONE}fillColor=#FFFFFF;strokeColor=#51606B;dashed=1;",
    "group": f"{_ZONE}fillColor=#E8F5F2;strokeColor=#00695C;strokeWidth=3;",
}
_ASSET = "rounded=0;whiteSpace=wrap;html=0;fontSize=10;fillColor=#FFFFFF;strokeColor=#51606B;"
_WALL = "rounded=0;whiteSpace=wrap;html=0;fillColor=#FDF0D5;strokeColor=#8A4500;strokeWidth=2;"
_WIRE = "edgeStyle=none;html=0;rounded=0;endArrow=none;strokeColor=#8A4500;"
_ARROW = "edgeStyle=none;html=0;rounded=0;endArrow=block;fontSize=10;labelBackgroundColor=#FFFFFF;"
_WIDTHS = {"none": 1, "read": 1.4, "write": 2.2, "control": 3, "program": 3.6, "any": 2.2}
_ASSET_HEIGHT = 16
_ASSETS_TOP = 42


def drawio(layout: Layout) -> str:
    """Return a drawing as a ``.drawio`` file, the same bytes for the same layout."""
    file = Element("mxfile", host="segctl", drawn=drawn_from(layout.picture))
    diagram = SubElement(file, "diagram", id="plant", name="Zones and conduits")
    model = SubElement(diagram, "mxGraphModel", dx="0", dy="0", grid="1", gridSize="10", page="0")
    root = SubElement(model, "root")
    SubElement(root, "mxCell", id="0")
    SubElement(root, "mxCell", {"id": "1", "parent": "0"})
    picture = layout.picture
    for box in picture.boxes:
        _box(root, box, layout.boxes[box.key])
    for wall in picture.walls:
        _wall(root, wall, layout.walls[wall.key])
    for (wall_key, box_key), line in layout.wires.items():
        ends = _wall_id(wall_key), _box_id(box_key)
        _edge(root, f"wire {wall_key} {box_key}", _WIRE, ends, line)
    for arrow in picture.arrows:
        ends = _box_id(arrow.source), _box_id(arrow.target)
        _edge(root, f"arrow {arrow.key}", _style(arrow), ends, layout.arrows[arrow.key])
    indent(file, " ")
    return tostring(file, encoding="unicode") + "\n"


def _box_id(key: str) -> str:
    return f"zone {key}"


def _wall_id(key: str) -> str:
    return f"firewall {key}"


def _box(root: Element, box: Box, at: Placed) -> None:
    text = "\n".join(filter(None, (box.title, " · ".join(notes_of(box)))))
    cell = _vertex(root, _box_id(box.key), text, _STYLES[box.look], "1")
    _geometry(cell, at.x, at.y, at.width, at.height)
    room = int((at.height - _ASSETS_TOP) // (_ASSET_HEIGHT + 2))
    shown = list(box.chips[:room])
    if len(box.chips) > room:
        shown[-1] = f"+{len(box.chips) - room + 1} more"
    for number, chip in enumerate(shown):
        asset = _vertex(root, f"asset {box.key} {number}", chip, _ASSET, _box_id(box.key))
        top = _ASSETS_TOP + number * (_ASSET_HEIGHT + 2)
        _geometry(asset, 10, top, at.width - 20, _ASSET_HEIGHT)


def _wall(root: Element, wall: Wall, at: Placed) -> None:
    text = "\n".join(filter(None, (wall.title, " · ".join(wall.marks or wall.notes))))
    cell = _vertex(root, _wall_id(wall.key), text, _WALL, "1")
    _geometry(cell, at.x, at.y, at.width, at.height)


def _vertex(root: Element, key: str, text: str, style: str, parent: str) -> Element:
    values = {
        "id": printable(key),
        "value": "\n".join(map(printable, text.split("\n"))),
        "style": style,
        "vertex": "1",
        "parent": printable(parent),
    }
    return SubElement(root, "mxCell", values)


def _geometry(cell: Element, x: float, y: float, width: float, height: float) -> None:
    values = {"x": x, "y": y, "width": width, "height": height}
    shown = {name: f"{value:g}" for name, value in values.items()}
    SubElement(cell, "mxGeometry", shown | {"as": "geometry"})


def _style(arrow: Arrow) -> str:
    colour = "#B3261E" if {"beyond", "blocked"} & set(arrow.marks) else "#00695C"
    if arrow.strength == "any" and colour == "#00695C":
        colour = "#8A4500"
    dashed = "dashed=1;" if arrow.monitored or "blocked" in arrow.marks else ""
    return f"{_ARROW}strokeColor={colour};strokeWidth={_WIDTHS[arrow.strength]};{dashed}"


def _edge(root: Element, key: str, style: str, ends: tuple[str, str], line: Line) -> None:
    source, target = map(printable, ends)
    values = {
        "id": printable(key),
        "value": printable(line.label),
        "style": style,
        "edge": "1",
        "parent": "1",
        "source": source,
        "target": target,
    }
    cell = SubElement(root, "mxCell", values)
    geometry = SubElement(cell, "mxGeometry", {"relative": "1", "as": "geometry"})
    for name, (x, y) in (("sourcePoint", line.points[0]), ("targetPoint", line.points[-1])):
        SubElement(geometry, "mxPoint", {"x": f"{x:g}", "y": f"{y:g}", "as": name})
    points = SubElement(geometry, "Array", {"as": "points"})
    for x, y in line.points[1:-1]:
        SubElement(points, "mxPoint", x=f"{x:g}", y=f"{y:g}")
