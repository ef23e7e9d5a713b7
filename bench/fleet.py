"""Fleets: devices a second against Nornir with pan-os-python, and against the bytes alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import Case, Claim, Runs, run

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

#: Seconds every answer of a mock takes, rules of segctl and of others on it: about 1 MB.
LATENCY, OWN, OTHERS = 0.05, 100, 660
FORKS = 64
_HERE = Path(__file__).parent
#: How a contender is run: on at most so many devices (0: all), at most so many at a time.
#: In this order: what segctl reads first it knows when it reads again.
_WAYS = {
    "bytes": (0, FORKS),
    "segctl-first": (0, FORKS),
    "segctl-again": (0, FORKS),
    "segctl-threads": (50, FORKS),
    "nornir": (20, 20),
}
_DASK = {"dask-1": (50, FORKS), "dask-2": (50, FORKS)}


def fleet(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Read fleets of three sizes in every way."""
    case = Case(
        f"drift check of n firewalls of 1 MB that answer after {LATENCY * 1000:g} ms, over HTTPS"
    )
    sizes = [(3, 1)] if quick else [(10, 3), (100, 2), (1000, 1)]
    for count, rounds in sizes:
        ways = _WAYS | (_DASK if count == 100 else {})
        found = {name: Runs() for name in ways}
        with _served(count, quick=quick) as (file, size):
            for _ in range(rounds):
                _round(ways, file, 2 if quick else count, found)
        case.results.append(
            {"devices": count, "bytes": size, "latency": LATENCY}
            | {name: runs.as_json() | _rates(runs) for name, runs in found.items()}
        )
        case.claims += _claims(count, {name: _rate(runs) for name, runs in found.items()})
    return case


def _round(
    ways: Mapping[str, tuple[int, int]], file: Path, count: int, found: Mapping[str, Runs]
) -> None:
    """Run every contender once, each in a process of its own; segctl's share a cache."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        for name, (most, forks) in ways.items():
            print(f"  {name} of {count}", file=sys.stderr, flush=True)
            devices = min(count, most or count)
            script = _HERE / "fleet_contenders.py"
            done = run(name, file, forks, devices, script=script, environment=environment)
            found[name].samples.append(done)


@contextmanager
def _served(count: int, *, quick: bool) -> Generator[tuple[Path, int]]:
    """Serve a fleet from a process of its own; yield the file that says where, and the size."""
    own, others = (10, 10) if quick else (OWN, OTHERS)
    command = [
        sys.executable,
        str(_HERE / "fleet_mocks.py"),
        *map(str, (count, LATENCY, own, others)),
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as mocks,
    ):
        assert mocks.stdout is not None
        assert mocks.stdin is not None
        found: dict[str, Any] = json.loads(mocks.stdout.readline())
        file = Path(folder, "fleet.json")
        file.write_text(json.dumps(found | {"own": own, "folder": folder}), encoding="utf-8")
        yield file, found["bytes"]
        mocks.stdin.close()


def _rate(runs: Runs) -> float:
    return float(runs.samples[-1]["devices"]) / runs.seconds


def _rates(runs: Runs) -> dict[str, float]:
    devices = float(runs.samples[-1]["devices"])
    return {
        "devices_per_second": round(_rate(runs), 2),
        "cpu_seconds_per_device": round(runs.of("cpu_seconds")[-1] / devices, 4),
        "memory_mb_per_device": round(runs.growth / devices, 3),
    }


def _claims(count: int, rates: dict[str, float]) -> list[Claim]:
    claims = [
        Claim(
            text=f"{count} firewalls, first check: times the devices a second of Nornir",
            value=rates["segctl-first"] / rates["nornir"],
            relation=">=",
            target=5,
        ),
        Claim(
            text=f"{count} unchanged firewalls: share of the speed of fetching the bytes",
            value=rates["segctl-again"] / rates["bytes"],
            relation=">=",
            target=0.5,
        ),
    ]
    if "dask-2" in rates:
        claims.append(
            Claim(
                text=f"{count} firewalls: times the speed of one Dask worker with two",
                value=rates["dask-2"] / rates["dask-1"],
                relation=">=",
                target=1.0,
            )
        )
    return claims
