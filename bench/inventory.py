"""Inventories: against ansible-inventory and against loading the same YAML bare."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import Case, Claim, Runs, ratio, run

_GROUPS = 20


def inventory(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """List an inventory of many hosts with variables of their own."""
    hosts, rounds = (40, 1) if quick else (1_000, 7)
    runs = {"ansible-inventory --list": Runs(), "segctl": Runs(), "bare C YAML": Runs()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, hosts)
        for _ in range(rounds):
            runs["bare C YAML"].samples.append(_process("bare-yaml", folder))
            runs["segctl"].samples.append(_process("inventory", folder))
            runs["ansible-inventory --list"].samples.append(_ansible(folder))
    case = Case("hosts, group_vars and host_vars, whole processes with their start")
    case.results.append({"hosts": hosts, **{name: found.as_json() for name, found in runs.items()}})
    ours, bare = runs["segctl"], runs["bare C YAML"]
    case.claims += [
        Claim(
            text="times faster than ansible-inventory --list",
            value=1 / ratio(ours, runs["ansible-inventory --list"]),
            relation=">=",
            target=8,
        ),
        Claim(
            text="time as a multiple of a bare C YAML load and merge",
            value=ratio(ours, bare),
            relation="<=",
            target=2,
        ),
    ]
    return case


def write(folder: Path, hosts: int) -> None:
    """Write an inventory of `hosts` hosts in twenty groups."""
    for name in ("group_vars", "host_vars"):
        (folder / name).mkdir()
    lines = ["all:", "  children:"]
    for group in range(_GROUPS):
        lines += [f"    plant{group:02}:", "      hosts:"]
        members = range(group, hosts, _GROUPS)
        lines += [f"        fw{host:04}: {{}}" for host in members]
        _dump(folder / f"group_vars/plant{group:02}.yml", _variables("group", group))
    _dump(folder / "group_vars/all.yml", _variables("all", 0))
    for host in range(hosts):
        _dump(folder / f"host_vars/fw{host:04}.yml", _variables("host", host))
    (folder / "hosts.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _variables(level: str, number: int) -> list[str]:
    """Return what real files hold: scalars, a list, a list of mappings."""
    return [
        f"ansible_host: 10.{number >> 8 & 255}.{number & 255}.1",
        f"{level}_name: {level}-{number}",
        f"{level}_enabled: {'yes' if number % 2 else 'no'}",
        f"{level}_port: {8000 + number}",
        f"{level}_servers:",
        *(f"  - 10.1.{number & 255}.{step}" for step in range(1, 5)),
        f"{level}_interfaces:",
        *(
            f"  - name: ethernet1/{step}\n    zone: zone-{step}\n    address: 10.2.{step}.1/24"
            for step in range(1, 5)
        ),
        f"{level}_comment: >-",
        f"  The {level} number {number} of the benchmark,",
        "  folded over two lines.",
    ]


def _dump(path: Path, lines: list[str]) -> None:
    path.write_text("---\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _process(contender: str, folder: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    sample = run(contender, folder)
    inside = sample["seconds"]
    return sample | {"seconds": time.perf_counter() - begin, "seconds_inside": round(inside, 4)}


def _ansible(folder: Path) -> dict[str, Any]:
    command = Path(sys.executable).with_name("ansible-inventory")
    begin = time.perf_counter()
    environment = os.environ | {"ANSIBLE_LOCALHOST_WARNING": "false", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [str(command), "-i", str(folder), "--list"],
        check=True,
        capture_output=True,
        env=environment,
    )
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "peak_mb": 0.0, "base_mb": 0.0, "size": len(done.stdout)}
