"""Traffic read, discovered and replayed, beside a bare read and what others group frames with."""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from bench import traffic_lines
from bench.growth import MOST, exponents
from bench.measure import Case, Claim, Runs, run

_SCRIPT = Path(__file__).with_name("traffic_contenders.py")
#: What segctl does with records, and the most processor seconds and MB for a million lines.
OURS = ("traffic", "discover", "replay")
SECONDS, MEGABYTES = 15, 500
#: Others, which are timed where they are installed.
_OTHERS = ("polars", "pandas", "zat")
#: An interpreter that has them, where this one does not.
_ELSEWHERE = "SEGCTL_BENCH_PYTHON"


def observing(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Read half a million and a million lines in up to 300,000 groups, on one core."""
    sizes = ((1_000, 300), (2_000, 600)) if quick else ((500_000, 150_000), (1_000_000, 300_000))
    case = Case("lines of traffic, distinct groups (processor seconds; one core)")
    with tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "hosts.yml"
        inventory.write_text(traffic_lines.PLANT, encoding="utf-8")
        files: list[Path] = []
        for lines, groups in sizes:
            files.append(Path(folder) / f"{lines}.log")
            traffic_lines.write(files[-1], lines, groups)
        found = _measured(files, inventory)
    for name, every in found.items():
        for (lines, groups), runs in zip(sizes, every, strict=True):
            case.results.append({"work": name, "lines": lines, "groups": groups} | runs.as_json())
    bare = _seconds(found["split"][-1])
    for name in (*OURS, *_OTHERS):
        if name in found:
            ratio = _seconds(found[name][-1]) / bare
            case.results.append({"work": f"{name} / split each line", "ratio": round(ratio, 2)})
    for name in OURS:
        case.claims += [
            *_bounds(name, found[name][-1]),
            Claim(
                text=f"{name}: exponent from half to all of the lines",
                value=max(exponents([one for one, _ in sizes], [*map(_seconds, found[name])])),
                relation="<=",
                target=MOST,
                gate=not quick,
            ),
            Claim(
                text=f"{name}: lines that were used, of all",
                value=found[name][-1].samples[-1]["records"] / sizes[-1][0],
                relation="==",
                target=1,
                gate=True,
            ),
        ]
    return case


def _measured(files: list[Path], inventory: Path) -> dict[str, list[Runs]]:
    found: dict[str, list[Runs]] = {}
    for name in ("bare", "split", *OURS):
        found[name] = [_run(name, file, inventory, sys.executable) for file in files]
    other = os.environ.get(_ELSEWHERE, "")
    for name in _OTHERS:
        if other or find_spec(name) is not None:
            found[name] = [_run(name, file, inventory, other or sys.executable) for file in files]
    return found


def _run(name: str, file: Path, inventory: Path, python: str) -> Runs:
    one = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **one}
    runs = Runs()
    runs.samples.append(
        run(name, file, inventory, script=_SCRIPT, environment=environment, python=python)
    )
    return runs


def _bounds(name: str, runs: Runs) -> list[Claim]:
    return [
        Claim(
            text=f"{name}: processor seconds",
            value=_seconds(runs),
            relation="<=",
            target=SECONDS,
        ),
        Claim(text=f"{name}: peak MB", value=runs.peak, relation="<=", target=MEGABYTES),
    ]


def _seconds(runs: Runs) -> float:
    return min(runs.of("cpu_seconds"))
