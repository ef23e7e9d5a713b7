"""The drawing in a real browser: what is laid out there, in boxes, as a reader sees it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from segctl.operations.graph import GraphOptions, graph
from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
#: Measures the parts as they are laid out, and writes the numbers into the page.
MEASURE = """<script>
const box = e => { const r = e.getBoundingClientRect(); return [r.x, r.y, r.right, r.bottom]; };
const labels = [...document.querySelectorAll("text.l")].map(box);
const inside = [...document.querySelectorAll("g[id^='zone '],g[id^='firewall ']")].map(
  g => [box(g.querySelector("rect")), [...g.querySelectorAll("text")].map(box)]);
const seen = { boxes: inside.map(one => one[0]), inside, labels,
  scroll: document.documentElement.scrollWidth, width: innerWidth };
document.body.innerHTML = "<pre id=measured></pre>";
document.getElementById("measured").textContent = JSON.stringify(seen);
</script>"""
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def measured(page: str, folder: Path, width: int) -> Any:
    """Return what a browser of some width makes of a page."""
    opened, count = POLICY.subn("", page)
    assert count == 1
    path = folder / "page.html"
    path.write_text(opened.replace("</body>", f"{MEASURE}</body>"), encoding="utf-8")
    words: Sequence[str] = (
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=2000",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},900",
        "--dump-dom",
        path.as_uri(),
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    text = done.stdout.split('<pre id="measured">', 1)[1].split("</pre>", 1)[0]
    return json.loads(html.unescape(text))


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > 0.5
        and min(one[3], other[3]) - max(one[1], other[1]) > 0.5
    )


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("site", ["waterworks", "substation", "gas-pipeline", "tank-farm"])
def test_nothing_overlaps_and_nothing_is_cut_off(site: str, width: int, tmp_path: Path) -> None:
    common = CommonOptions(inventory=(ROOT / "inventory",))
    page = graph(common, GraphOptions(form=".html", site=site), Messages()).text
    seen = measured(page, tmp_path, width)
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
