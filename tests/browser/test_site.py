"""The page of a plant in a real browser: laid out, searched, and with nothing to complain about."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from segctl.operations.site import SiteOptions, site
from support.browser import CHROMIUM, finding, found, left_by, script

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
#: Searches, and follows a link to what the search hides.
DRIVE = """
const driven = async () => {
  const field = document.getElementById("search"), rows = () =>
    [...document.querySelectorAll("main tbody tr")].filter(one => !one.hidden).length;
  const wait = () => new Promise(done => setTimeout(done, 300));
  const seen = { scroll: document.documentElement.scrollWidth, width: innerWidth, all: rows() };
  const box = one => { const at = one.getBoundingClientRect(); return [at.top, at.bottom]; };
  seen.sections = [...document.querySelectorAll("main > section")].map(box);
  field.value = "scada1";
  field.dispatchEvent(new Event("input"));
  await wait();
  seen.found = rows();
  seen.told = document.getElementById("found").textContent;
  location.hash = "zone:waterworks/enterprise";
  await wait();
  seen.reached = document.querySelector(":target")?.hidden;
  seen.again = rows();
  return seen;
};
"""


@pytest.fixture(scope="module")
def page() -> str:
    common = CommonOptions(inventory=(ROOT / "inventory",))
    return site(common, SiteOptions(), Messages()).text


def test_a_browser_has_nothing_to_complain_about(page: str, tmp_path: Path) -> None:
    text, said = left_by(page, tmp_path)
    assert 'id="searching" hidden' in page
    assert 'id="searching">' in text, "the page's own script ran, under its own policy"
    assert "CONSOLE" not in said
    hostile = page.replace("</body>", "<script>document.title='taken'</script></body>")
    text, said = left_by(hostile, tmp_path)
    assert "<title>taken" not in text
    assert "CONSOLE" in said, "that a script was refused would have been seen"


@pytest.mark.parametrize("width", [1400, 390])
def test_it_fits_its_screen_and_is_searched(page: str, tmp_path: Path, width: int) -> None:
    seen = found(page, script(DRIVE + finding("driven()")), tmp_path, width)
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
