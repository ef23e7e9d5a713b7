"""Reading, parsing and planning: against pan-os-python and against a bare streaming parse."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import corpus
from bench.contenders import VSYS
from bench.measure import Case, Claim, Runs, ratio, run
from bench.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOW = {"type": "config", "action": "show", "xpath": VSYS}
_CONTAINERS = ("rulebase/security/rules", "address", "address-group", "service")


def read(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Read and parse configurations of three sizes."""
    case = Case("read and parse n rules, 2n addresses, n/2 groups, n/4 services over HTTPS")
    # rules, rounds, rounds of pan-os-python
    sizes = [(40, 1, 1)] if quick else [(1_000, 9, 3), (10_000, 7, 3), (50_000, 5, 1)]
    for rules, rounds, slow in sizes:
        _read_one(case, rules, rounds, slow)
    return case


def _read_one(case: Case, rules: int, rounds: int, slow: int) -> None:
    runs = {"stream": Runs(), "segctl": Runs(), "pan-os-python": Runs()}
    with (
        tempfile.TemporaryDirectory() as folder,
        Replay(corpus.grown(rules), Path(folder)) as server,
    ):
        size = server.warm(*_gets(), _SHOW)
        run("segctl", server.port, server.ca_file)  # the mock answers everything once before
        for number in range(rounds):
            for name, found in runs.items():
                if name != "pan-os-python" or number < slow:
                    found.samples.append(run(name, server.port, server.ca_file))
    ours, stream, theirs = runs["segctl"], runs["stream"], runs["pan-os-python"]
    case.results.append({"rules": rules, "bytes": size} | _shown(runs))
    case.claims += [
        Claim(
            text=f"{rules} rules: times faster than pan-os-python refreshall",
            value=ratio(theirs, ours),
            relation=">=",
            target=15,
        ),
        Claim(
            text=f"{rules} rules: memory, share of pan-os-python's (growth of the process)",
            value=ours.growth / theirs.growth,
            relation="<=",
            target=0.2,
        ),
        Claim(
            text=f"{rules} rules: time as a multiple of the streaming parse",
            value=ratio(ours, stream),
            relation="<=",
            target=2.5,
        ),
    ]


def _gets() -> list[Mapping[str, str]]:
    return [
        {"type": "config", "action": "get", "xpath": f"{VSYS}/{container}"}
        for container in _CONTAINERS
    ]


def _shown(runs: Mapping[str, Runs]) -> dict[str, Any]:
    return {name: found.as_json() for name, found in runs.items()}


def plan(quick: bool) -> Case:  # noqa: FBT001 - every case has this one switch
    """Plan for a device that holds what it should."""
    rules, rounds = (60, 1) if quick else (10_000, 9)
    case = Case("plan without changes for n rules and 2n objects, read and parse included")
    small, _, _ = _plan_one(rules // 10, 1)
    requests, runs, size = _plan_one(rules, rounds)
    case.results.append(
        {"rules": rules, "objects": 2 * rules, "bytes": size, "requests": requests} | _shown(runs)
    )
    changes = sum(int(sample["changes"]) for sample in runs["plan"].samples)
    case.claims += [
        Claim(text="changes planned", value=changes, relation="==", target=0),
        Claim(
            text=f"requests for {rules} rules less requests for {rules // 10} rules",
            value=requests - small,
            relation="==",
            target=0,
        ),
        Claim(
            text="time as a multiple of the streaming parse",
            value=ratio(runs["plan"], runs["stream"]),
            relation="<=",
            target=2.7,
        ),
    ]
    return case


def _plan_one(rules: int, rounds: int) -> tuple[int, dict[str, Runs], int]:
    runs = {"stream": Runs(), "plan": Runs()}
    config = corpus.held(corpus.desired(rules))
    with tempfile.TemporaryDirectory() as folder, Replay(config, Path(folder)) as server:
        size = server.warm(_SHOW)
        run("plan", server.port, server.ca_file, rules)
        requests = server.requests
        for _ in range(rounds):
            runs["stream"].samples.append(run("stream", server.port, server.ca_file))
            runs["plan"].samples.append(run("plan", server.port, server.ca_file, rules))
    return requests, runs, size
