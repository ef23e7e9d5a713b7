"""Every kind of page, judged by an established engine of accessibility, in light and in dark."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import serve, write_plant
from support.browser import AXE, CHROMIUM, finding, found, script
from support.served import serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.skipif(not AXE.exists(), reason="needs axe-core, which make test sets up by npm"),
]
#: What makes each page, after `segctl`.
PAGES: Mapping[str, tuple[str, ...]] = {
    "plan.html": ("plan", "--html"),
    "drift.html": ("drift", "--html"),
    "validate.html": ("validate", "--html"),
    "graph.html": ("graph", "--live", "-o"),
    "matrix.html": ("matrix", "--both", "-o"),
    "site.html": ("site", "--live", "-o"),
    "evidence/evidence.html": ("evidence", "--html", "-o"),
    "evidence/zones-and-conduits.html": (),
}
#: What `segctl serve` answers: the page, and a question where no script asks it.
SERVED = ("serve.html", "ask.html")
RUN = """
const broken = async () => (await axe.run(document)).violations.map(
  one => [one.id, one.help, ...one.nodes.map(node => node.target.join(" "))]);
"""
#: What the engine leaves to others: words in a drawing lie on its shapes, not in an element.
CONTRAST = """
const parts = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
const light = colour => parts(colour).map(one => one / 255).map(
  one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4
).reduce((sum, one, at) => sum + one * [.2126, .7152, .0722][at], 0);
const ratio = (one, other) => {
  const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
  return (bright + .05) / (dark + .05);
};
const under = text => {
  const style = getComputedStyle(text);
  if (style.stroke !== "none") return style.stroke;  // a halo of its own
  const at = text.getBoundingClientRect(), x = (at.left + at.right) / 2,
    y = (at.top + at.bottom) / 2;
  let colour = null;
  for (const one of text.ownerSVGElement.querySelectorAll("rect, text")) {
    if (one === text) break;
    const box = one.getBoundingClientRect(), fill = getComputedStyle(one).fill;
    if (one.tagName === "rect" && fill !== "none"
        && box.left <= x && x <= box.right && box.top <= y && y <= box.bottom) colour = fill;
  }
  return colour;
};
const contrasts = () => [...document.querySelectorAll("svg text")].map(
  text => [text.textContent, ratio(getComputedStyle(text).fill, under(text))]);
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of a plant whose firewalls came from the factory, so that all of them have findings."""
    folder = tmp_path_factory.mktemp("pages")
    write_plant(folder)
    with serve(folder):
        for name, words in PAGES.items():
            if words:
                place = name.split("/")[0]
                command = (sys.executable, "-m", "segctl.cli", *words, place, "-i", "hosts.yml")
                done = subprocess.run(
                    (*command, "-i", "mocks.yml"),
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                assert (folder / name).exists(), done.stderr
        with serving(folder, ["-i", "hosts.yml", "-i", "mocks.yml"], "--every", "1h") as served:
            answer = served.query("ask", from_="scada1", to="plc1")
            for name, text in zip(SERVED, (served.ask("/").text, answer.text), strict=True):
                (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
@pytest.mark.parametrize("name", [*PAGES, *SERVED])
def test_the_engine_finds_nothing(
    pages: Path, name: str, width: int, tmp_path: Path, *, dark: bool
) -> None:
    page = (pages / name).read_text(encoding="utf-8")
    scripts = script(AXE.read_text(encoding="utf-8")) + script(RUN + finding("broken()"))
    assert found(page, scripts, tmp_path, width, dark=dark) == []


def test_the_engine_would_find_something(pages: Path, tmp_path: Path) -> None:
    page = (pages / "drift.html").read_text(encoding="utf-8")
    scripts = script(AXE.read_text(encoding="utf-8")) + script(RUN + finding("broken()"))
    without = page.replace("<main>", "<div>").replace("</main>", "</div>")
    assert [one[0] for one in found(without, scripts, tmp_path)] == ["landmark-one-main", "region"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["graph.html", "matrix.html", "site.html"])
def test_words_stand_out_from_what_they_lie_on(
    pages: Path, name: str, tmp_path: Path, *, dark: bool
) -> None:
    page = (pages / name).read_text(encoding="utf-8")
    seen: Any = found(page, script(CONTRAST + finding("contrasts()")), tmp_path, dark=dark)
    assert len(seen) > 10
    assert [one for one in seen if one[1] < 4.5] == []
