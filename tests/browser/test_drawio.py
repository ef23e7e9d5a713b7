"""A drawing for diagrams.net, decoded and rendered by the library that draws there (mxGraph)."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from segctl.operations.graph import GraphOptions, graph
from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from support.browser import CHROMIUM, MXGRAPH, finding, left_by, overlap, script, seen_in

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.skipif(
        not MXGRAPH.exists(), reason="needs mxgraph, which make test sets up by npm"
    ),
]
#: Decodes the model as diagrams.net does, draws it, and lists every shape as it was laid out.
RENDER = """
const rendered = () => {
  const doc = mxUtils.parseXml(document.getElementById("model").textContent);
  const graph = new mxGraph(document.getElementById("here"));
  new mxCodec(doc).decode(doc.documentElement, graph.getModel());
  return Object.values(graph.getModel().cells).filter(one => one.vertex || one.edge).map(one => {
    const at = graph.view.getState(one), shape = at.shape.node.getBBox();
    return { id: one.id, edge: !!one.edge, text: one.value ?? "",
      parent: one.parent.id, ends: [one.source?.id, one.target?.id],
      box: [at.x, at.y, at.x + at.width, at.y + at.height], drawn: [shape.width, shape.height],
      written: at.text ? at.text.value : "" };
  });
};
"""


def rendered(drawing: str, folder: Path) -> Any:
    model = ET.fromstring(drawing).find("diagram/mxGraphModel")
    assert model is not None
    inside = ET.tostring(model, encoding="unicode").replace("]]>", "]]]]><![CDATA[>")
    page = (
        '<!doctype html><meta charset="utf-8"><body><div id="here"></div>'
        f'<script id="model" type="text/plain">{inside.replace("</script", "")}</script>'
        + script("mxLoadResources = mxLoadStylesheets = false; mxBasePath = '.';")
        + script(MXGRAPH.read_text(encoding="utf-8"))
        + script(RENDER + finding("rendered()"))
        + "</body>"
    )
    text, said = left_by(page, folder)
    assert "CONSOLE" not in said
    return seen_in(text)


@pytest.mark.parametrize("site", ["waterworks", "substation", "gas-pipeline", "tank-farm"])
def test_it_is_drawn_as_it_was_placed(site: str, tmp_path: Path) -> None:
    common = CommonOptions(inventory=(ROOT / "inventory",))
    drawing = graph(common, GraphOptions(form=".drawio", site=site), Messages()).text
    cells = {one["id"]: one for one in rendered(drawing, tmp_path)}
    declared = ET.fromstring(drawing).findall(".//mxCell[@parent]")
    assert {one.get("id") for one in declared} - {"1"} == set(cells)
    edges = [one for one in cells.values() if one["edge"]]
    assert edges
    for one in edges:
        assert all(end in cells for end in one["ends"]), "an arrow hangs on what it joins"
        assert max(one["drawn"]) > 10
    zones = [one["box"] for one in cells.values() if one["parent"] == "1" and not one["edge"]]
    assert not [pair for pair in combinations(zones, 2) if overlap(*pair)]
    for one in cells.values():
        if one["id"].startswith("asset "):
            box, around = one["box"], cells[one["parent"]]["box"]
            assert around[0] <= box[0] < box[2] <= around[2]
            assert around[1] <= box[1] < box[3] <= around[3]
        if not one["edge"]:
            assert one["written"] == one["text"] != ""
