"""What answers cost as policies grow, counted in calls and not in seconds."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING

from segctl.analysis.compare import between
from segctl.analysis.effective import Chain, Match
from segctl.analysis.space import EVERYTHING, NOTHING, Box, Names, Space
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
from support.proofs import Firewall, firewalls

if TYPE_CHECKING:
    from collections.abc import Callable

#: For four times as many rules; n log n takes less, n² three times as many.
_AT_MOST = 5.5
TODAY = date(2027, 1, 4)


def calls(work: Callable[[], object]) -> int:
    """Return how many functions a work calls, those of the interpreter included."""
    count = 0

    def noted(_frame: object, event: str, _about: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(noted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


# --- proofs --------------------------------------------------------------------------------------


def declared(count: int) -> Firewall:
    """A firewall between two zones with so many flows, each on a port of its own."""
    zones = tuple(
        Zone(
            site="s",
            id=name,
            networks=(ip_network(f"10.{at}.0.0/24"),),
            assets=tuple(
                Asset(name=f"{name}{host}", addresses=(ip_network(f"10.{at}.0.{host + 1}"),))
                for host in range(40)
            ),
        )
        for at, name in enumerate("ab")
    )
    flows = tuple(
        Flow(
            id=f"f{number}",
            sources=(Endpoint(zone="s/a", asset=f"a{number % 40}"),),
            destinations=(Endpoint(zone="s/b", asset=f"b{number * 7 % 40}"),),
            services=(PortRange(protocol="tcp", first=1000 + number, last=1000 + number),),
        )
        for number in range(count)
    )
    conduit = Conduit(
        site="s",
        id="c",
        from_zones=("s/a",),
        to_zones=("s/b",),
        reason="r",
        owner="o",
        threat_prevention="none",
        flows=flows,
    )
    bindings = tuple(
        ZoneBinding(zone=f"s/{name}", name=name.upper(), interfaces=(f"ethernet1/{at}",))
        for at, name in enumerate("ab")
    )
    device = Device(name="fw1", platform="panos", zones=bindings)
    site = Site(zones=zones, conduits=(conduit,), devices=(device,))
    assert len(compile_site(site, TODAY)["fw1"].policy.rules) == count
    return firewalls(site, TODAY)["fw1"]


def proving(count: int) -> int:
    """Return how many calls the proof of so many rules between two zones takes."""
    firewall = declared(count)
    assert firewall.proof().verdict == "proved"
    return calls(lambda: firewall.proof(firewall.policy))


def test_a_proof_takes_so_many_calls_a_rule_however_many_are_between_two_zones() -> None:
    assert proving(400) < _AT_MOST * proving(100)


# --- what cannot be told -------------------------------------------------------------------------


@dataclass(eq=False)
class Cause:
    """Something that only a device knows, which counts how often it is looked up."""

    looked: list[int] = field(default_factory=list[int])

    def __hash__(self) -> int:
        """Return its identity."""
        self.looked.append(1)
        return id(self)


def doubtful(applications: int, causes: list[Cause]) -> Chain:
    """Rules that may allow many applications, each on a port of its own."""
    many = Space(
        tuple(
            Box(
                service=((number, number), (100_000, 100_000 + number)),
                application=Names(frozenset({f"app-{number}"})),
            )
            for number in range(applications)
        )
    )
    rules = (
        Match(
            rule="r", allows=True, can=many, sure=NOTHING, why=("list",), basis=(("source", cause),)
        )
        for cause in causes
    )
    last = Match(rule="last", allows=False, can=EVERYTHING, sure=EVERYTHING)
    return Chain((*rules, last))


def comparing(applications: int) -> tuple[int, int]:
    """Return how many calls a comparison takes, and how often it looks up causes."""
    causes = [Cause() for _ in range(4)]
    chain = doubtful(applications, causes)
    nothing = Chain(chain[-1:])
    taken = calls(lambda: between("a", "b", chain, nothing))
    looked = sum(len(cause.looked) for cause in causes)
    found = between("a", "b", chain, nothing)
    assert len(found.narrower.boxes) == 2 * applications  # one of IPv4, one of IPv6
    return taken, looked


def test_rules_in_doubt_about_many_applications_take_so_many_calls_an_application() -> None:
    (few, looked), (many, looked_again) = comparing(300), comparing(1200)
    assert many < _AT_MOST * few
    assert looked_again == looked < 100
