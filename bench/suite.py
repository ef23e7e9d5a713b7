"""Which cases there are, on which machine they ran, and the document that says so."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import (
    applying,
    fleet,
    growth,
    inventory,
    judging,
    linting,
    managed,
    nftables,
    observing,
    ordering,
    page,
    permits,
    reading,
    spreading,
    startup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.measure import Case

CASES: Mapping[str, Callable[[bool], Case]] = {
    "read": reading.read,
    "plan": reading.plan,
    "apply": applying.apply_new,
    "edit": applying.one_edit,
    "order": ordering.order,
    "nft-apply": nftables.nft_apply,
    "nft-plan": nftables.nft_plan,
    "nft-forward": nftables.nft_forward,
    "startup": startup.startup,
    "inventory": inventory.inventory,
    "fleet": fleet.fleet,
    "growth": growth.growth,
    "permits": permits.permits,
    "lint": linting.linting,
    "prove": judging.proving,
    "query": judging.querying,
    "panorama": managed.managed,
    "observe": observing.observing,
    "spread": spreading.spreading,
    "page": page.page,
}
_PACKAGES = ("segctl", "lxml", "netmiko", "pan-os-python", "PyYAML", "ansible-core")


def main() -> int:
    """Run the cases asked for; the exit code is 1 where a target that is a gate is not met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help=f"of {','.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: counts, no timings")
    parser.add_argument("--out", type=Path, help="write the document here instead of printing it")
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name] or list(CASES)
    unknown = set(wanted) - set(CASES)
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    document: dict[str, Any] = {
        "machine": machine(),
        "quick": arguments.quick,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "cases": {},
    }
    for name in wanted:
        print(f"{name} …", file=sys.stderr, flush=True)
        document["cases"][name] = CASES[name](arguments.quick).as_json()
    document["machine"]["load_after"] = os.getloadavg()
    text = json.dumps(document, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    missed = list(missed_gates(document))
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


def missed_gates(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a run fails for: the gates of its cases that are not met."""
    for name, case in document["cases"].items():
        for claim in case["claims"]:
            if claim.get("gate") and not claim["met"]:
                yield f"{name}: {claim['claim']} is {claim['value']}, not {claim['target']}"


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_before": os.getloadavg(),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
