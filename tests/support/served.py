"""`segctl serve` in a process of its own, asked over real sockets."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from cli_support import environment

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

#: Started elsewhere in the background, Ctrl-C may be ignored: here it is not.
PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from segctl.cli import main; main(sys.argv[1:])"
)
_URL = re.compile(r"serving (https?)://(\[[^]]+\]|[^:/]+):(\d+)/")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Unix(http.client.HTTPConnection):
    """A connection to a socket of this machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


@dataclass(slots=True)
class Served:
    """A server that runs, and what it has logged."""

    process: subprocess.Popen[bytes]
    file: Path
    open: Callable[[], http.client.HTTPConnection]
    port: int = 0
    user: str = ""

    @property
    def log(self) -> str:
        return self.file.read_text(encoding="utf-8")

    def ask(self, path: str, method: str = "GET", **more: str) -> Reply:
        """Send one request; the underscores of headers' names stand for hyphens."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if self.user and "Authorization" not in headers:
            headers["Authorization"] = f"Basic {b64encode(self.user.encode()).decode()}"
        connection = self.open()
        try:
            connection.request(method, path, None, headers)
            found = connection.getresponse()
            sent = {name.lower(): value for name, value in found.getheaders()}
            return Reply(found.status, sent, found.read().decode())
        finally:
            connection.close()

    def query(self, form: str, **fields: str) -> Reply:
        """Ask what may pass; `from_` is where it begins."""
        return self.ask(f"/{form}?{urlencode({k.rstrip('_'): v for k, v in fields.items()})}")

    def until(self, true: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, self.log[-1500:]
            time.sleep(0.05)

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.ask("/status.json").json["firewalls"]}

    def stop(self, number: int = signal.SIGTERM, within: float = 15) -> int:
        self.process.send_signal(number)
        return self.process.wait(within)


def serve_words(where: list[str], *words: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *where, "serve", *words]


@contextmanager
def serving(
    folder: Path,
    where: list[str],
    *words: str,
    tls: ssl.SSLContext | None = None,
    user: str = "",
    looked: bool = True,
) -> Generator[Served]:
    """Serve on a free port, unless the words say where; yields once firewalls have been read."""
    given = words if "--listen" in words else ("--listen", "127.0.0.1:0", *words)
    file = folder / "serve.log"
    with file.open("wb") as log:
        process = subprocess.Popen(
            serve_words(where, *given),
            stdout=subprocess.DEVNULL,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env=environment(),
        )
    unix = next((folder / one[5:] for one in words if one.startswith("unix:")), None)
    served = Served(process, file, lambda: Unix(unix) if unix else _open(served.port, tls))
    served.user = user
    try:
        served.until(lambda: "segctl: serving " in served.log)
        if unix is None:
            found = _URL.search(served.log)
            assert found, served.log
            served.port = int(found[3])
        if looked:
            served.until(lambda: served.ask("/", Host="localhost").status in {200, 403, 421})
        yield served
    finally:
        process.kill()
        process.wait()


def _open(port: int, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    if tls is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=tls)
