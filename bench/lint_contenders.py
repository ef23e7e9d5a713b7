"""Who lints a rule base: one contender in a process of its own, in processor seconds.

The rule base is shaped like a plant: hosts and groups of zones that talk in pairs, one pair with
far more rules than others, a rule at the end that denies the rest.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.contenders import measured

from segctl.analysis.effective import Reading
from segctl.analysis.lint import lint
from segctl.analysis.space import meet
from segctl.analysis.words import Literally
from segctl.model.policy import Address, AddressGroup, Policy, Rule, Service

if TYPE_CHECKING:
    from collections.abc import Callable

ZONES, HOSTS, GROUPS, SERVICES = 34, 60, 6, 60
#: At most so many rules between two zones, where there are 65,000.
MOST = 3_500


def plant(count: int) -> Reading:
    """Return a rule base of `count` rules over more than a thousand pairs of zones."""
    pick = random.Random(count)
    return Reading(
        policy=_objects(pick).replace(rules=[*_rules(count, pick), _last()]),
        platform=Literally(),
    )


def _last() -> Rule:
    return Rule(name="last", from_zones=("any",), to_zones=("any",), action="deny")


def _objects(pick: random.Random) -> Policy:
    hosts = [
        Address(name=f"z{zone}h{host}", value=f"10.{zone}.{host // 30}.{host + 1}")
        for zone in range(ZONES)
        for host in range(HOSTS)
    ]
    whole = [Address(name=f"z{zone}n", value=f"10.{zone}.0.0/16") for zone in range(ZONES)]
    groups = [
        AddressGroup(
            name=f"z{zone}g{group}",
            members=tuple(f"z{zone}h{host}" for host in pick.sample(range(HOSTS), 8)),
        )
        for zone in range(ZONES)
        for group in range(GROUPS)
    ]
    services = [
        Service(
            name=f"s{number}",
            protocol="tcp",
            ports=f"{1000 + number}" if number % 5 else f"{1000 + number}-{1010 + number}",
        )
        for number in range(SERVICES)
    ]
    return Policy(addresses=[*hosts, *whole], address_groups=groups, services=services)


def _rules(count: int, pick: random.Random) -> list[Rule]:
    pairs = [(a, b) for a in range(ZONES) for b in range(ZONES) if a != b]
    busy = min(MOST, count // 18)
    where = [0] * busy + [1 + number % (len(pairs) - 1) for number in range(count - busy - 1)]
    pick.shuffle(where)
    applications = ["any", "modbus", "dnp3", "opc-ua", "ssl", "ntp"]
    rules: list[Rule] = []
    for number, index in enumerate(where):
        enter, leave = pairs[index]
        rules.append(
            Rule(
                name=f"r{number}",
                from_zones=(f"z{enter}",),
                to_zones=(f"z{leave}",),
                sources=(_side(enter, pick),),
                destinations=(_side(leave, pick),),
                applications=(pick.choice(applications),),
                services=(f"s{pick.randrange(SERVICES)}",),
                action="allow" if pick.random() < 0.96 else "deny",
            )
        )
    return rules


def _side(zone: int, pick: random.Random) -> str:
    share = pick.random()
    if share < 0.85:
        return f"z{zone}h{pick.randrange(HOSTS)}"
    return f"z{zone}g{pick.randrange(GROUPS)}" if share < 0.97 else f"z{zone}n"


def segctl(count: str) -> dict[str, Any]:
    """Lint it."""
    held = plant(int(count))
    result: dict[str, Any] = {}
    with measured(result):
        found = lint(held)
    result["covered"] = sorted(
        one.subject for one in found.findings if one.message.startswith("never applies")
    )
    result["chains"], result["complete"] = found.chains, found.complete
    return result


def pairwise(count: str) -> dict[str, Any]:
    """Compare every rule with every one before it between the same zones, as peers do."""
    held = plant(int(count))
    result: dict[str, Any] = {}
    with measured(result):
        covered: list[str] = []
        before: dict[tuple[str, str], list[Any]] = {}
        for rule in held.policy.rules[:-1]:
            (box,) = held.match(rule).can.boxes
            own = before.setdefault((rule.from_zones[0], rule.to_zones[0]), [])
            if any(meet(box, other) == box for other in own):
                covered.append(rule.name)
            own.append(box)
    result["covered"] = sorted(covered)
    return result


def bare(count: str) -> dict[str, Any]:
    """Work out what each rule matches, and no more."""
    held = plant(int(count))
    result: dict[str, Any] = {}
    with measured(result):
        matches = [held.match(rule) for rule in held.policy.rules]
    result["rules"] = len(matches)
    return result


CONTENDERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "segctl": segctl,
    "pairwise": pairwise,
    "bare": bare,
}

if __name__ == "__main__":
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
