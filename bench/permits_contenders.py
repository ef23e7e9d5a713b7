"""One way to judge what a policy permits, in a process of its own: how long, how much memory.

Policies are made before the clock starts, names are resolved and rules sorted after.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.analysis.answer import Flow
    from segctl.analysis.effective import Reading
    from segctl.model.policy import Policy


def _reading(policy: Policy) -> Reading:
    from segctl.analysis.effective import Reading
    from segctl.analysis.words import Literally

    return Reading(policy=policy, platform=Literally())


def effective(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """Work out what can and what surely does pass between each pair of zones."""
    from bench import zoned
    from bench.contenders import measured

    from segctl.analysis.effective import permitted

    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    result: dict[str, Any] = {}
    with measured(result):
        reading = _reading(policy)
        found = [permitted(reading.between(*pair)) for pair in reading.named()]
    boxes = sum(len(one.can.boxes) for one in found)
    return result | {"pairs": len(found), "boxes": boxes}


def pairwise(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """Hold each rule against each that is before it, as peers do, and count those that meet.

    That is less than they do: it says of no packet whether it passes.
    """
    from bench import zoned
    from bench.contenders import measured

    from segctl.model.policy import Service, resolver

    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    result: dict[str, Any] = {}
    meeting = 0
    with measured(result):
        addresses = resolver(policy)
        ports = {one.name: int(one.ports) for one in policy[Service]}
        before: list[tuple[str, str, int, int, int, int, frozenset[int]]] = []
        for rule in policy.rules:
            sources, destinations = addresses(rule.sources), addresses(rule.destinations)
            enter, leave = rule.from_zones[0], rule.to_zones[0]
            first, last = sources[0][1], sources[-1][2]
            low, high = destinations[0][1], destinations[-1][2]
            asked = frozenset(ports[name] for name in rule.services)
            for one in before:
                if (
                    one[0] == enter
                    and one[1] == leave
                    and one[2] <= last
                    and first <= one[3]
                    and one[4] <= high
                    and low <= one[5]
                    and one[6] & asked
                ):
                    meeting += 1
            before.append((enter, leave, first, last, low, high, asked))
    return result | {"meeting": meeting}


def bare(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """Look at each field of each rule once."""
    from bench import zoned
    from bench.contenders import measured

    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    result: dict[str, Any] = {}
    with measured(result):
        seen = {
            (
                rule.from_zones,
                rule.to_zones,
                rule.sources,
                rule.destinations,
                rule.services,
                rule.applications,
                rule.action,
            )
            for rule in policy.rules
        }
    return result | {"different": len(seen)}


def edit(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """Say what one edited rule in the middle changes, both policies read anew."""
    from bench import zoned
    from bench.contenders import measured

    from segctl.analysis.compare import compare

    before = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    edited = list(before.rules)
    at = len(edited) // 2
    edited[at] = replace(edited[at], destinations=("any",), action="allow")
    after = before.replace(rules=edited)
    result: dict[str, Any] = {}
    with measured(result):
        found = list(compare(_reading(before), _reading(after)))
    return result | {"differences": len(found)}


def ask(rules: str, pairs: str, busiest: str, questions: str) -> dict[str, Any]:
    """Ask what passes between two zones of 1,000 hosts each, on one port after the other.

    Nothing is permitted on these ports.
    """
    from bench import zoned
    from bench.contenders import measured

    from segctl.analysis.answer import answer

    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest), hosts=1000)
    result: dict[str, Any] = {}
    with measured(result):
        reading = _reading(policy)
        verdicts = [answer(_flow(10_000 + at), reading).verdict for at in range(int(questions))]
    return result | {"denied": verdicts.count("deny")}


def _flow(port: int) -> Flow:
    from bench import zoned

    from segctl.analysis.answer import Flow, Spoken
    from segctl.model.addresses import interval

    return Flow(
        zones=((zoned.zone(0), zoned.zone(1)),),
        sources=(interval(zoned.network(0)),),
        destinations=(interval(zoned.network(1)),),
        protocol="tcp",
        port=port,
        user="",
        spoken=Spoken(),
    )


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "effective": effective,
    "pairwise": pairwise,
    "bare": bare,
    "edit": edit,
    "ask": ask,
}

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
