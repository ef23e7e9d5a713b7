"""Records read by one process, two, and two Dask workers: the same document, and how soon."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import traffic_lines
from bench.measure import Case, Claim, Runs, ratio, run

if TYPE_CHECKING:
    from collections.abc import Generator

_SCRIPT = Path(__file__).with_name("traffic_contenders.py")
#: Lines and groups: half of the work, all of it, and as many lines that have little in common.
SIZES = ((250_000, 7_500), (500_000, 15_000), (500_000, 150_000))


def spreading(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Add up the same log over each executor, one after the other in each round."""
    sizes = ((1_000, 30), (2_000, 60)) if quick else SIZES
    case = Case("a log of traffic over executors of two workers (seconds, the caller's memory)")
    with tempfile.TemporaryDirectory() as folder, _dask() as address:
        inventory = Path(folder) / "hosts.yml"
        inventory.write_text(traffic_lines.PLANT, encoding="utf-8")
        for lines, groups in sizes:
            file = Path(folder) / "fw.log"
            traffic_lines.write(file, lines, groups)
            _compare(case, file, inventory, address, {"lines": lines, "groups": groups})
    return case


def _compare(case: Case, file: Path, inventory: Path, address: str, size: dict[str, Any]) -> None:
    executors = ["threads", "processes", *([address] if address else [])]
    found = {name: Runs() for name in executors}
    for _ in range(2):
        for name, runs in found.items():
            runs.samples.append(run("over", file, inventory, name, script=_SCRIPT))
    documents = {sample["document"] for runs in found.values() for sample in runs.samples}
    for name, runs in found.items():
        named = {"executor": name.partition(":")[0]} | size
        case.results.append(named | runs.as_json())
        if name != "threads":
            share = round(ratio(runs, found["threads"]), 2)
            case.results.append(named | {"work": "time / that of one process", "ratio": share})
    case.claims.append(
        Claim(
            text=f"documents of {size['lines']} lines, {size['groups']} groups",
            value=len(documents),
            relation="==",
            target=1,
            gate=True,
        )
    )


@contextmanager
def _dask() -> Generator[str]:
    """Serve two Dask workers of one thread where Dask is installed; yield their address."""
    if find_spec("distributed") is None:
        print("spread: without Dask, which is not installed", file=sys.stderr)
        yield ""
        return
    cluster: Any = import_module("distributed").LocalCluster
    with cluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield str(made.scheduler_address).replace("tcp://", "dask://")
