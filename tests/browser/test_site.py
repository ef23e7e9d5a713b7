"""The page of a plant in a real browser: laid out, searched, and with nothing to complain about."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from segctl.operations.site import SiteOptions, site

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
#: Searches, follows a link to what the search hides, and writes what became of it into the page.
DRIVE = """<script>
addEventListener("load", () => {
  const field = document.getElementById("search"), rows = () =>
    [...document.querySelectorAll("main tbody tr")].filter(one => !one.hidden).length;
  const wait = () => new Promise(done => setTimeout(done, 300));
  const seen = { scroll: document.documentElement.scrollWidth, width: innerWidth, all: rows() };
  const box = one => { const at = one.getBoundingClientRect(); return [at.top, at.bottom]; };
  seen.sections = [...document.querySelectorAll("main > section")].map(box);
  (async () => {
    field.value = "scada1";
    field.dispatchEvent(new Event("input"));
    await wait();
    seen.found = rows();
    seen.told = document.getElementById("found").textContent;
    location.hash = "zone:waterworks/enterprise";
    await wait();
    seen.reached = document.querySelector(":target")?.hidden;
    seen.again = rows();
    document.body.innerHTML = "<pre id=measured></pre>";
    document.getElementById("measured").textContent = JSON.stringify(seen);
  })();
});
</script>"""


@pytest.fixture(scope="module")
def page() -> str:
    common = CommonOptions(inventory=(ROOT / "inventory",))
    return site(common, SiteOptions(), Messages()).text


def shown(text: str, folder: Path, width: int) -> tuple[str, str]:
    """Return the page as a browser of some width leaves it, and what the browser says of it."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    words = (
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"),
        *("--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}"),
        *(f"--window-size={width},900", "--enable-logging=stderr", "--dump-dom", path.as_uri()),
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=True)
    return done.stdout, done.stderr


def test_a_browser_has_nothing_to_complain_about(page: str, tmp_path: Path) -> None:
    text, said = shown(page, tmp_path, 1400)
    assert 'id="searching" hidden' in page
    assert 'id="searching">' in text, "the page's own script ran, under its own policy"
    assert "CONSOLE" not in said
    hostile = page.replace("</body>", "<script>document.title='taken'</script></body>")
    text, said = shown(hostile, tmp_path, 1400)
    assert "<title>taken" not in text
    assert "CONSOLE" in said, "that a script was refused would have been seen"


@pytest.mark.parametrize("width", [1400, 390])
def test_it_fits_its_screen_and_is_searched(page: str, tmp_path: Path, width: int) -> None:
    opened, count = POLICY.subn("", page)
    assert count == 1
    text, _ = shown(opened.replace("</body>", f"{DRIVE}</body>"), tmp_path, width)
    found = text.split('<pre id="measured">', 1)[1].split("</pre>", 1)[0]
    seen: Any = json.loads(html.unescape(found))
    assert seen["scroll"] <= max(seen["width"], width), "only drawings and tables scroll"
    for above, below in zip(seen["sections"], seen["sections"][1:], strict=False):
        assert above[1] <= below[0] + 0.5
    assert 0 < seen["found"] < seen["all"]
    assert seen["told"].startswith(tuple("123456789"))
    assert seen["reached"] is False, "a link shows what the search had hidden"
    assert seen["again"] == seen["all"]


def test_it_prints(page: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    words = (
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"),
        *(f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'page.pdf'}"),
        path.as_uri(),
    )
    subprocess.run(words, capture_output=True, timeout=240, check=True)
    assert (tmp_path / "page.pdf").read_bytes().count(b"/Type /Page\n") >= 8
