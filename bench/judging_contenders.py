"""One way to prove or to query a policy, in a process of its own: how long, how much memory.

Sites are compiled and policies made before the clock starts, names are resolved after.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import date
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import zoned
from bench.contenders import measured

from segctl.analysis.by_rule import rows
from segctl.analysis.effective import Reading
from segctl.analysis.intended import Intent
from segctl.analysis.proof import Speech, prove
from segctl.analysis.space import REAL, TooComplexError, meet
from segctl.analysis.words import Literally
from segctl.compiler.build import compile_site
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.providers.base import application_names, declared_reading, provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.analysis.space import Box

_HOSTS = 60
_TODAY = date(2027, 1, 4)


def site(flows: int, conduits: int) -> Site:
    """Return one firewall between as many zones as that many conduits need, each of 60 hosts."""
    pick = random.Random(flows)
    count = 2
    while count * (count - 1) < conduits:
        count += 1
    zones = tuple(
        Zone(
            site="s",
            id=f"z{number}",
            networks=(IPv4Network(f"10.{number}.0.0/24"),),
            assets=tuple(
                Asset(
                    name=f"z{number}h{host}", addresses=(IPv4Network(f"10.{number}.0.{host + 1}"),)
                )
                for host in range(_HOSTS)
            ),
        )
        for number in range(count)
    )
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b][:conduits]
    made = tuple(
        Conduit(
            site="s",
            id=f"c{at}",
            from_zones=(f"s/z{a}",),
            to_zones=(f"s/z{b}",),
            reason="r",
            owner="o",
            threat_prevention="none",
            flows=tuple(_flow(number, a, b, pick) for number in range(at, flows, len(pairs))),
        )
        for at, (a, b) in enumerate(pairs)
    )
    bindings = tuple(
        ZoneBinding(zone=f"s/z{number}", name=f"Z{number}", interfaces=(f"ethernet1/{number}",))
        for number in range(count)
    )
    return Site(
        zones=zones,
        conduits=made,
        devices=(Device(name="fw", platform="panos", zones=bindings),),
    )


def _flow(number: int, enter: int, leave: int, pick: random.Random) -> Flow:
    port = 1024 + number % 60_000
    return Flow(
        id=f"f{number}",
        sources=(Endpoint(zone=f"s/z{enter}", asset=f"z{enter}h{pick.randrange(_HOSTS)}"),),
        destinations=(Endpoint(zone=f"s/z{leave}", asset=f"z{leave}h{pick.randrange(_HOSTS)}"),),
        services=(PortRange(protocol="tcp", first=port, last=port),),
    )


def proof(flows: str, conduits: str) -> dict[str, Any]:
    """Prove that the compiled policy permits what conduits declare, and nothing else."""
    planned = site(int(flows), int(conduits))
    desired = compile_site(planned, _TODAY)["fw"]
    speaks = provider("panos")
    policy, _ = speaks.fit(desired.policy, desired.device)
    names = {one.zone: one.name for one in desired.device.zones}
    speech = Speech(
        title=speaks.capabilities.title,
        applications=speaks.capabilities.applications,
        naming=application_names(speaks),
    )
    result: dict[str, Any] = {}
    with measured(result):
        wanted = Intent(planned, _TODAY).wanted()["fw"]
        found = prove(wanted, names, declared_reading(speaks, policy), speech)
    return result | {"rules": len(policy.rules), "verdict": found.verdict}


def proof_pairwise(flows: str, conduits: str) -> dict[str, Any]:
    """Look for each rule's counterpart among all flows of its zones, as a review does.

    That says of no packet whether it passes, and finds no rule that another one opens.
    """
    planned = site(int(flows), int(conduits))
    desired = compile_site(planned, _TODAY)["fw"]
    policy, _ = provider("panos").fit(desired.policy, desired.device)
    found = 0
    result: dict[str, Any] = {}
    with measured(result):
        held = Reading(policy=policy, platform=Literally())
        boxes: dict[tuple[str, str], list[Box]] = {}
        for rule in policy.rules:
            own = held.match(rule).can.boxes
            others = boxes.setdefault((rule.from_zones[0], rule.to_zones[0]), [])
            found += any(meet(box, other) == box for box in own for other in others)
            others += own
    return result | {"rules": len(policy.rules), "covered": found}


def query(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """List what is permitted between the two zones with the most rules."""
    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    result: dict[str, Any] = {}
    with measured(result):
        held = Reading(policy=policy, platform=Literally())
        found = rows(held.between(zoned.zone(0), zoned.zone(1)), REAL)
    return result | {"rows": len(found)}


def query_all(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """List what is permitted between all zones; too complex is said of a pair, not of all."""
    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    result: dict[str, Any] = {}
    found = given_up = 0
    with measured(result):
        held = Reading(policy=policy, platform=Literally())
        for pair in held.named():
            try:
                found += len(rows(held.between(*pair), REAL))
            except TooComplexError:
                given_up += 1
    return result | {"rows": found, "too_complex": given_up}


def query_pairwise(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """Hold each rule between the two zones against each before it."""
    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    result: dict[str, Any] = {}
    meeting = 0
    with measured(result):
        held = Reading(policy=policy, platform=Literally())
        before: list[Box] = []
        for match in held.between(zoned.zone(0), zoned.zone(1))[:-1]:
            meeting += sum(
                meet(box, other) is not None for box in match.can.boxes for other in before
            )
            before += match.can.boxes
    return result | {"meeting": meeting}


def query_bare(rules: str, pairs: str, busiest: str) -> dict[str, Any]:
    """Find the rules between the two zones in one pass, and no more."""
    policy = zoned.policy(int(rules), int(pairs), busiest=int(busiest))
    ends = (zoned.zone(0),), (zoned.zone(1),)
    result: dict[str, Any] = {}
    with measured(result):
        found = [rule for rule in policy.rules if (rule.from_zones, rule.to_zones) == ends]
    return result | {"rules": len(found)}


CONTENDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "proof": proof,
    "proof_pairwise": proof_pairwise,
    "query": query,
    "query_all": query_all,
    "query_pairwise": query_pairwise,
    "query_bare": query_bare,
}

if __name__ == "__main__":
    print(json.dumps(CONTENDERS[sys.argv[1]](*sys.argv[2:])))
