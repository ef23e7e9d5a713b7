"""Records read by threads, processes and Dask: the same bytes, or an error, never fewer records."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli_support import environment, write_plant
from segctl.cli import run
from segctl.fleet import dask, workers
from segctl.fleet.records import Readers
from segctl.observe.discover.evidence import Evidence
from segctl.observe.reading import ReadOptions, read
from support.dask import Cluster, cluster
from support.records import NOW, RECORDS, groups, logged

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = ("threads", "processes")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two workers, whose folder is another one than that of the commands."""
    with cluster(tmp_path_factory.mktemp("dask")) as made:
        made.start("one")
        made.start("two")
        yield made


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The small plant, without any device, and a folder with every form of records, twice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    write_plant(tmp_path)
    for copy in ("a", "b"):
        (tmp_path / "logs" / copy).mkdir(parents=True)
        for path in RECORDS.iterdir():
            (tmp_path / "logs" / copy / path.name).write_bytes(path.read_bytes())
    return ["-i", "hosts.yml"]


def over(made: Cluster) -> str:
    return made.address.replace("tcp://", "dask://")


def made_log(path: Path, lines: int) -> Path:
    """Write sessions of a few groups, some of them twice."""
    path.write_text(
        "".join(
            logged(seqno=str(100 + one - (one % 50 == 7)), src=f"10.20.2.{one % 9}")
            for one in range(lines)
        )
    )
    return path


@pytest.mark.parametrize(
    "command", [("traffic",), ("discover", "--since", "3650d"), ("replay", "--declared")]
)
def test_every_executor_says_the_same(
    where: list[str], two: Cluster, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    name, *words = command
    said: dict[str, tuple[int, str]] = {}
    for executor in (*HERE, over(two)):
        code = run([*where, "--executor", executor, name, *words, "--json", "logs", "logs/a"])
        said[executor] = code, capsys.readouterr().out
    first, *others = said.values()
    assert others == [first, first]
    assert '"records"' in first[1]


@pytest.mark.parametrize("kind", ["processes", "dask"])
def test_a_large_file_is_read_in_pieces(tmp_path: Path, two: Cluster, kind: str) -> None:
    path = made_log(tmp_path / "fw.log", 300)
    options = ReadOptions(now=NOW, digests=True)
    whole = read([str(path)], options, Evidence())
    executor = kind if kind == "processes" else over(two)
    with workers(executor, devices=2, forks=4) as opened:
        apart = read([str(path)], options, Evidence(), readers=Readers(opened, piece=5000))
    with closing(whole.groups), closing(apart.groups):
        assert apart.pieces > 20
        assert apart.again < apart.pieces // 2  # a number that is told of twice at a border
        assert (apart.coverage, apart.digests) == (whole.coverage, whole.digests)
        assert groups(apart) == groups(whole)
        assert apart.coverage.records == 294


def test_a_file_that_workers_do_not_have_is_read_here(
    where: list[str], two: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """The path of a process's own folder names another folder on a worker."""
    made_log(Path("fw.log"), 20)
    words = ["traffic", "--json", "/proc/self/cwd/fw.log", "logs"]
    assert run([*where, *words]) == 0
    here = capsys.readouterr().out
    assert run([*where, "--executor", over(two), *words]) == 0
    done = capsys.readouterr()
    assert done.out == here
    assert "the workers do not have /proc/self/cwd/fw.log, or not the same" in done.err


def test_standard_input_is_read_here(
    where: list[str],
    two: Cluster,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    for executor in (*HERE, over(two)):
        text = io.BytesIO((RECORDS / "panos-releases.log").read_bytes())
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(text))
        assert run([*where, "--executor", executor, "traffic", "--json", "-", "logs/a"]) == 0
        said.append(capsys.readouterr().out)
    assert said[1:] == [said[0]] * 2
    assert "standard input" in said[0]


def test_without_a_worker_nothing_is_reported(
    where: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dask, "_GRACE", 0.5)
    monkeypatch.setattr(dask, "_COUNT", 0.1)
    with cluster(tmp_path / "dask") as made:
        made.start("one")
        made.kill("one")
        assert run([*where, "--executor", over(made), "traffic", "--json", "logs"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "unknown"
    for word in ("was not read", "no Dask worker is left", "records would be missing"):
        assert word in document["error"]["message"]
    assert "standing" not in document


def test_a_process_that_dies_twice_leaves_no_report(where: list[str], tmp_path: Path) -> None:
    made_log(tmp_path / "fw.log", 200_000)
    command = [sys.executable, "-m", "segctl.cli", *where, "--executor", "processes", "--json"]
    with subprocess.Popen(
        [*command, "traffic", "fw.log", "logs"], stdout=subprocess.PIPE, env=environment()
    ) as process:
        while process.poll() is None:
            for child in _children(process.pid):
                os.kill(child, signal.SIGKILL)
            time.sleep(0.02)
        assert process.stdout is not None
        document = json.loads(process.stdout.read())
    assert process.returncode == 1
    assert document["error"]["code"] == "unknown"
    assert "its process died twice (out of memory?)" in document["error"]["message"]
    assert "fw.log" in document["error"]["message"] or "logs" in document["error"]["message"]


def _children(parent: int) -> list[int]:
    """Return the processes that a process has started to work for it."""
    try:
        tasks = [*Path(f"/proc/{parent}/task").glob("*/children")]
        found = [int(one) for task in tasks for one in task.read_text().split()]
        return [one for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
    except OSError:
        return []
