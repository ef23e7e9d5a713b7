"""A page in a headless browser: what a script in it finds, and what the browser says of it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: What pages are judged by; `make test` sets it up where npm's packages can be reached.
_ENGINES = Path(__file__).parents[2] / ".venv/browser/node_modules"
AXE = _ENGINES / "axe-core/axe.min.js"
MXGRAPH = _ENGINES / "mxgraph/javascript/mxClient.min.js"
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def script(text: str) -> str:
    """Return a script as a part of a page."""
    inside = text.replace("</script", "<\\/script")
    return f"<script>{inside}</script>"


def finding(expression: str) -> str:
    """Return the script that puts what an expression comes to, sooner or later, into the page."""
    return (
        f"addEventListener('load', async () => {{ const seen = JSON.stringify(await {expression});"
        " document.body.innerHTML = '<pre id=measured></pre>';"
        " document.getElementById('measured').textContent = seen; });"
    )


def found(page: str, scripts: str, folder: Path, width: int = 1400, *, dark: bool = False) -> Any:
    """Return what scripts find in a page of ours: they end with `finding`.

    The page's own policy would refuse them, so that it is taken off.
    """
    opened, count = _POLICY.subn("", page)
    assert count == 1
    text, _ = left_by(opened.replace("</body>", f"{scripts}</body>"), folder, width, dark=dark)
    return seen_in(text)


def seen_in(text: str) -> Any:
    """Return what `finding` put into a page."""
    measured = text.split('<pre id="measured">', 1)[1].split("</pre>", 1)[0]
    return json.loads(html.unescape(measured))


def left_by(page: str, folder: Path, width: int = 1400, *, dark: bool = False) -> tuple[str, str]:
    """Return a page as a browser of some width leaves it, and what the browser says of it."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    words = (
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"),
        *(("--blink-settings=preferredColorScheme=0",) if dark else ()),
        *("--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}"),
        *(f"--window-size={width},900", "--enable-logging=stderr", "--dump-dom", path.as_uri()),
    )
    done = subprocess.run(words, capture_output=True, text=True, timeout=240, check=True)
    return done.stdout, done.stderr


def overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    """Tell whether two boxes (left, top, right, bottom) share more than a line."""
    return (
        min(one[2], other[2]) - max(one[0], other[0]) > 0.5
        and min(one[3], other[3]) - max(one[1], other[1]) > 0.5
    )
