"""The drawing in a real browser: what is laid out there, in boxes, as a reader sees it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from segctl.operations.graph import GraphOptions, graph
from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from support.browser import CHROMIUM, finding, found, overlap, script

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
#: Measures the parts as they are laid out.
MEASURE = """
const box = e => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.right, r.bottom]; };
const boxes = () => {
  const labels = [...document.querySelectorAll("text.l")].map(box);
  const inside = [...document.querySelectorAll("g[id^='zone '],g[id^='firewall ']")].map(
    g => [box(g.querySelector("rect")), [...g.querySelectorAll("text")].map(box)]);
  return { boxes: inside.map(one => one[0]), inside, labels,
    scroll: document.documentElement.scrollWidth, width: innerWidth };
};
"""


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("site", ["waterworks", "substation", "gas-pipeline", "tank-farm"])
def test_nothing_overlaps_and_nothing_is_cut_off(site: str, width: int, tmp_path: Path) -> None:
    common = CommonOptions(inventory=(ROOT / "inventory",))
    page = graph(common, GraphOptions(form=".html", site=site), Messages()).text
    seen = found(page, script(MEASURE + finding("boxes()")), tmp_path, width)
    assert seen["boxes"]
    assert not [pair for pair in combinations(seen["boxes"], 2) if overlap(*pair)]
    assert not [pair for pair in combinations(seen["labels"], 2) if overlap(*pair)]
    for frame, texts in seen["inside"]:
        for text in texts:
            assert frame[0] <= text[0]
            assert text[2] <= frame[2] + 0.5, "a text is wider than its box"
            assert frame[1] <= text[1]
            assert text[3] <= frame[3]
        assert not [pair for pair in combinations(texts, 2) if overlap(*pair)]
    assert seen["scroll"] <= max(seen["width"], width), "only the drawing scrolls, not the page"
