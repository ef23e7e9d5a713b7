"""A Dask scheduler and its workers, processes of their own on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli_support import environment

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running scheduler; workers are started by name."""

    folder: Path
    address: str
    values: Mapping[str, str]
    workers: dict[str, subprocess.Popen[bytes]]

    def start(self, name: str, *, threads: int = 4, **values: str) -> None:
        """Start a worker with these environment variables, and wait until it works."""
        words = [
            *("distributed.cli.dask_worker", self.address, "--name", name, "--no-nanny"),
            *("--no-dashboard", "--host", "127.0.0.1", "--nthreads", str(threads)),
            *("--local-directory", str(self.folder)),
        ]
        self.workers[name] = _started(
            words, self.folder / f"{name}.log", environment(**self.values, **values)
        )
        self.until(f"{name}.log", "Registered to:")

    def kill(self, name: str) -> None:
        """Kill a worker as the kernel would when memory runs out."""
        worker = self.workers.pop(name)
        worker.kill()
        worker.wait()

    def said(self) -> str:
        """Return everything scheduler and workers wrote."""
        return "".join(path.read_text(encoding="utf-8") for path in self.folder.glob("*.log"))

    def until(self, log: str, text: str) -> None:
        """Wait for a line of a log."""
        path = self.folder / log
        until = time.monotonic() + 60
        while text not in path.read_text(encoding="utf-8"):
            assert time.monotonic() < until, path.read_text(encoding="utf-8")
            time.sleep(0.05)


def _started(words: Sequence[str], log: Path, values: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        command = [sys.executable, "-m", *words]
        return subprocess.Popen(command, stdout=file, stderr=file, env=values)


@contextmanager
def cluster(folder: Path, *, protocol: str = "tcp", **values: str) -> Generator[Cluster]:
    """Serve a scheduler without workers; all of them have these environment variables."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scheduler.json"
    words = [
        *("distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"),
        *("--port", "0", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(file)),
        *("--protocol", protocol),
    ]
    scheduler = _started(words, folder / "scheduler.log", environment(**values))
    made = Cluster(folder, "", values, {})
    try:
        made.until("scheduler.log", "Scheduler at:")
        while not file.exists() or not file.read_text(encoding="utf-8").endswith("}"):
            time.sleep(0.05)
        made = Cluster(folder, json.loads(file.read_text(encoding="utf-8"))["address"], values, {})
        yield made
    finally:
        for process in (*made.workers.values(), scheduler):
            process.kill()
            process.wait()
