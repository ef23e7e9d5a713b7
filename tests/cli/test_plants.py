"""Plants of which it is known what may pass: declared, applied, and asked packet by packet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address, ip_network
from itertools import permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from segctl.analysis.decide import Packet, decider
from segctl.cli import run
from segctl.inventory import load
from segctl.operations.demo import fleet
from segctl.providers.panos import PanosProvider
from segctl.transports.credentials import Secret
from support.panos import target_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

    from segctl.analysis.decide import Decision

PLANTS = Path(__file__).parents[1] / "plants"
TODAY = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Permitted:
    """One need of the plant."""

    way: tuple[str, str]
    sources: frozenset[IPv4Address | IPv6Address] | None
    destinations: frozenset[IPv4Address | IPv6Address] | None
    protocol: str
    first: int
    last: int

    def covers(self, packet: Packet) -> bool:
        return (
            (self.sources is None or packet.source in self.sources)
            and (self.destinations is None or packet.destination in self.destinations)
            and packet.protocol == self.protocol
            and self.first <= packet.port <= self.last
        )


def needs(truth: dict[str, Any], zones: dict[str, Any]) -> Iterator[Permitted]:
    """Read what may pass."""

    def named(zone: str, names: list[str] | None) -> frozenset[Any] | None:
        if names is None:
            return None
        return frozenset(ip_address(zones[zone]["assets"][name]) for name in names)

    for one in truth["permitted"]:
        for service in one["services"]:
            protocol, _, ports = service.partition("/")
            first, _, last = ports.partition("-")
            yield Permitted(
                (one["from"], one["to"]),
                named(one["from"], one["source"]),
                named(one["to"], one["destination"]),
                protocol,
                int(first or 0),
                int(last or first or 0),
            )


def hosts(zone: dict[str, Any]) -> list[Any]:
    """Return up to four assets of a zone, and one host of each network that is none."""
    found = [ip_address(text) for text in zone["assets"].values()]
    return [*found[:4], *(ip_network(text)[-2] for text in zone["networks"])]


@pytest.mark.parametrize("name", ["treatment", "water", "refinery"])
def test_what_may_pass_passes_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = PLANTS / f"{name}.yml"
    (plant,) = yaml.safe_load(file.read_text("utf-8")).values()
    zones, bound = plant["vars"]["segctl_zones"], plant["hosts"]["fw1"]["segctl_zone_map"]
    truth = yaml.safe_load((PLANTS / f"{name}.truth.yml").read_text("utf-8"))
    wanted = tuple(needs(truth, zones))
    with fleet(load([file], today=TODAY), TODAY, overlay=Path("mocks.yml")) as running:
        where = ["-i", str(file), "-i", "mocks.yml"]
        assert run(["apply", *where, "--auto-approve"]) == 0
        mock = running["fw1"]
        ((user, password),) = mock.device.users.items()
        target = target_of(mock, user=user, password=Secret(password))
        with PanosProvider().connect(target, read_only=True) as session:
            live = PanosProvider().parse(session.read())
    decide = decider(live.policy)

    def ask(
        way: tuple[str, str], source: Any, destination: Any, word: str
    ) -> tuple[Packet, Decision]:
        protocol, _, port = word.partition("/")
        packet = Packet(
            from_zone=bound[way[0]]["zone"],
            to_zone=bound[way[1]]["zone"],
            source=source,
            destination=destination,
            protocol=protocol,
            port=int(port or 0),
            application="ping" if protocol == "icmp" else "unknown",
        )
        return packet, decide(packet)

    words = {f"{one.protocol}/{port}" for one in wanted for port in around(one)}
    few = sorted(words)[::6]
    passed = 0
    for way in permutations(zones, 2):
        here = [one for one in wanted if one.way == way]
        for source, destination in product(hosts(zones[way[0]]), hosts(zones[way[1]])):
            for word in words if here else few:
                packet, decision = ask(way, source, destination, word)
                may = any(one.covers(packet) for one in here)
                assert (decision.action == "allow") is may, (way, packet, decision)
                passed += may
    assert passed >= len({one.way for one in wanted})
    for kind, lines in truth.get("acceptance", {}).items():
        for line in lines:
            source, _, rest = line.partition(" -> ")
            destination, word = rest.split()
            way = (zone_of(zones, source), zone_of(zones, destination))
            asked = words if word == "any" else {word}
            found = {
                ask(way, ip_address(source), ip_address(destination), one)[1].action
                for one in asked
            }
            assert found == {"allow" if kind == "must_pass" else "deny"}, line


def around(one: Permitted) -> set[int]:
    """Return the ends of a range of ports, and the ports next to them."""
    if one.protocol == "icmp":
        return {0}
    return {one.first, one.last, max(one.first - 1, 1), one.last + 1}


def zone_of(zones: dict[str, Any], address: str) -> str:
    return next(
        name
        for name, zone in zones.items()
        if any(ip_address(address) in ip_network(text) for text in zone["networks"])
    )
