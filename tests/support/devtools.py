"""A headless Chromium that is driven over its own protocol: keys are typed, requests are heard."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_PATIENCE = 60.0


@dataclass(slots=True)
class Tab:
    """A tab: what it asked for, and what it complained about."""

    line: WebSocketClientConnection
    requests: list[str] = field(default_factory=list[str])
    complaints: list[str] = field(default_factory=list[str])
    _number: int = 0
    _answers: dict[int, asyncio.Future[Any]] = field(default_factory=dict[int, Any])

    async def listen(self) -> None:
        while (text := await self.line.read_message()) is not None:
            message: Any = json.loads(text)
            said = message.get("params", {})
            match message.get("method"):
                case None:
                    self._answers.pop(message["id"]).set_result(message)
                case "Network.requestWillBeSent":
                    self.requests.append(said["request"]["url"])
                case "Log.entryAdded":
                    self.complaints.append(said["entry"]["text"])
                case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                    self.complaints.append(json.dumps(said))
                case _:
                    pass

    async def send(self, method: str, **params: Any) -> Any:
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self.line.write_message(
            json.dumps({"id": self._number, "method": method, "params": params})
        )
        found = await asyncio.wait_for(answer, _PATIENCE)
        assert "error" not in found, found
        return found["result"]

    async def value(self, expression: str) -> Any:
        """Return what an expression is in the page."""
        found = await self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true in the page."""
        for _ in range(round(seconds / 0.1)):
            with suppress(AssertionError):  # between two pages there is none to ask
                if await self.value(expression):
                    return
            await asyncio.sleep(0.1)
        shown = await self.value("document.querySelector('main').innerText.slice(0, 3000)")
        message = f"never {expression}: {shown} {self.complaints}"
        raise AssertionError(message)

    async def type(self, text: str) -> None:
        """Type a text, key by key, where the focus is."""
        for letter in text:
            for kind in ("keyDown", "keyUp"):
                more = {"text": letter} if kind == "keyDown" else {}
                await self.send("Input.dispatchKeyEvent", type=kind, key=letter, **more)

    async def tab(self) -> None:
        """Press the key that leads to the next field."""
        for kind in ("rawKeyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9
            )


@asynccontextmanager
async def opened(folder: Path, url: str, width: int) -> AsyncGenerator[Tab]:
    """Open an address in a browser of some width, and yield it once it is loaded."""
    profile = folder / f"profile-{width}"
    words = (
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update"),
        *(f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"),
    )
    browser = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        pages = json.loads(
            (await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json/list")).body
        )
        (page,) = (one for one in pages if one["type"] == "page")
        line = await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=64 << 20)
        tab = Tab(line)
        listening = asyncio.create_task(tab.listen())
        for domain in ("Network", "Log", "Runtime", "Page"):
            await tab.send(f"{domain}.enable")
        await tab.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        await tab.send("Page.navigate", url=url)
        await tab.until("document.readyState === 'complete' && location.href !== 'about:blank'")
        yield tab
        line.close()
        with suppress(asyncio.CancelledError):
            await listening
    finally:
        browser.kill()
        await browser.wait()


async def _port(file: Path) -> int:
    for _ in range(round(_PATIENCE / 0.1)):
        with suppress(OSError, ValueError, IndexError):
            return int((await asyncio.to_thread(file.read_text)).split()[0])
        await asyncio.sleep(0.1)
    message = "the browser did not start"
    raise TimeoutError(message)
