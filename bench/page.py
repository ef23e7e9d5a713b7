"""The page of a plant in a browser: how long it is busy while one scrolls and searches."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench import plants
from bench.measure import Case, Claim

from segctl.operations.options import CommonOptions
from segctl.operations.progress import Messages
from segctl.operations.site import SiteOptions, site

if TYPE_CHECKING:
    from collections.abc import Generator

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_PATIENCE = 180
#: Types into the search and scrolls through the page; tells which tasks took over 50 ms meanwhile.
_DRIVE = """<script>
const tasks = [];
new PerformanceObserver(seen => seen.getEntries().forEach(
  one => tasks.push([one.startTime, one.duration]))).observe({type: "longtask", buffered: true});
addEventListener("load", async () => {
  const wait = time => new Promise(done => setTimeout(done, time));
  await wait(2000);
  const begun = performance.now(), field = document.getElementById("search");
  for (const word of ["p", "pl", "plc", "plc1", "", "cell2", ""]) {
    field.value = word;
    field.dispatchEvent(new Event("input"));
    await wait(400);
  }
  for (let y = 0; y < document.documentElement.scrollHeight; y += 800) {
    scrollTo(0, y);
    await wait(16);
  }
  await wait(500);
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0;
  fetch("http://127.0.0.1:PORT/", {method: "POST", mode: "no-cors", body: JSON.stringify(
    {tasks, begun, paint, heap: performance.memory?.usedJSHeapSize ?? 0})});
});
</script>"""


def page(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Make the page of 7 and of 14 plants, 196 and 392 zones, and use it in a browser."""
    case = Case("the page of a plant in chromium")
    rows = [_measured(number) for number in ((1, 2) if quick else (7, 14))]
    case.results += rows
    row = rows[-1]
    if "longest_task_ms" in row:
        case.claims += [
            Claim(
                text="longest task in milliseconds while searching and scrolling",
                value=row["longest_task_ms"],
                relation="<=",
                target=200,
            ),
            Claim(
                text="milliseconds to the first drawing",
                value=row["first_drawing_ms"],
                relation="<=",
                target=2000,
            ),
        ]
    return case


def _measured(number: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="segctl-bench-") as name:
        folder = Path(name)
        plants.write(folder / "inventory", number)
        begin = time.process_time()
        common = CommonOptions(inventory=(folder / "inventory",))
        text = site(common, SiteOptions(), Messages()).text
        row: dict[str, Any] = {
            "zones": 28 * number,
            "seconds_to_make": round(time.process_time() - begin, 2),
            "megabytes": round(len(text.encode()) / 1e6, 2),
        }
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            return row | {"browser": "no chromium here: not measured"}
        return row | _used(text, folder, chromium)


def _used(text: str, folder: Path, chromium: str) -> dict[str, Any]:
    """Return how the page behaved while it was used."""
    told: list[dict[str, Any]] = []
    for port in _listening(told):
        drive = _DRIVE.replace("PORT", str(port))
        driven = _POLICY.sub("", text).replace("</body>", f"{drive}</body>")
        path = folder / "page.html"
        path.write_text(driven, encoding="utf-8")
        words = [
            *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu"),
            *(f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900", path.as_uri()),
        ]
        browser = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            begin = time.monotonic()
            while not told and time.monotonic() - begin < _PATIENCE:
                time.sleep(0.2)
        finally:
            browser.kill()
            browser.wait()
    if not told:
        return {"browser": f"did not answer within {_PATIENCE} seconds"}
    seen = told[0]
    while_used = [took for start, took in seen["tasks"] if start >= seen["begun"]]
    return {
        "first_drawing_ms": round(seen["paint"]),
        "longest_task_ms": round(max(while_used, default=0)),
        "longest_task_before_ms": round(
            max((took for start, took in seen["tasks"] if start < seen["begun"]), default=0)
        ),
        "script_megabytes": round(seen["heap"] / 1e6, 1),
    }


def _listening(told: list[dict[str, Any]]) -> Generator[int]:
    """Yield the port on which the page tells what it saw."""

    class Told(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            told.append(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Told) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
