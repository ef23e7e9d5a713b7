"""No change of a policy that decides about a packet passes a proof (mutation score 100 %)."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from segctl.analysis.compare import compare
from segctl.analysis.confirm import Judge
from segctl.analysis.intended import Intent
from segctl.analysis.proof import Speech, prove
from segctl.analysis.space import Box, Point, Space
from segctl.compiler.build import compile_site
from segctl.inventory import load
from segctl.providers.base import application_names, declared_reading, provider
from support.mutants import mutants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.analysis.effective import Reading
    from segctl.analysis.intended import Wanted
    from segctl.analysis.proof import Proof
    from segctl.compiler.build import Desired
    from support.mutants import Mutant

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 29)
#: One mutant of so many is tried, unless all are asked for.
STEP = 1 if os.environ.get("SEGCTL_TESTS") == "full" else 7
FIREWALLS = ("edge-fw", "core-fw", "cell-fw", "substation-fw", "centre-fw", "station-fw")


@pytest.fixture(scope="module")
def plants() -> dict[str, tuple[Desired, Wanted]]:
    """The firewalls of the example plants, with what their conduits need of them."""
    site = load([ROOT / "inventory"], today=TODAY).site
    wanted = Intent(site, TODAY).wanted()
    return {name: (one, wanted[name]) for name, one in compile_site(site, TODAY).items()}


class Firewall:
    """A firewall of a plant, and what is proved of a policy for it."""

    def __init__(self, desired: Desired, wanted: Wanted) -> None:
        self.speaks = provider(desired.device.platform)
        self.policy, _ = self.speaks.fit(desired.policy, desired.device)
        self.names = {one.zone: one.name for one in desired.device.zones}
        self.wanted = wanted
        self.reading = declared_reading(self.speaks, self.policy)
        self.judge = Judge(self.policy, self.reading.platform)

    def proof(self, reading: Reading) -> Proof:
        """What is proved of a reading."""
        can = self.speaks.capabilities
        speech = Speech(
            title=can.title,
            applications=can.applications,
            naming=application_names(self.speaks),
        )
        return prove(self.wanted, self.names, reading, speech)

    def told_apart(self, reading: Reading) -> Iterator[str]:
        """Packets that another reading decides otherwise, by another comparison.

        What that cannot tell, since only the device knows who is in a group, is decided packet by
        packet for the names that rules have.
        """
        other = Judge(reading.policy, reading.platform)
        users = sorted({"", *(one for rule in self.policy.rules for one in rule.users)} - {"any"})
        zones = [(a, b) for a in self.names.values() for b in self.names.values()]
        for found in compare(self.reading, reading, zones):
            for box in (*found.more.boxes, *found.less.boxes):
                yield str(Space((box,)).example())
            for box in found.unknown.boxes:
                for packet in _corners(box, [one for one in users if one in box.user]):
                    here = self.judge.decide(packet, found.enter, found.leave)
                    there = other.decide(packet, found.enter, found.leave)
                    if here.action != there.action:
                        yield str(packet)

    def mutants(self) -> list[Mutant]:
        """Every mutant of the policy."""
        named = self.speaks.capabilities.applications
        others = ("ssh",) if named else ("modbus.write", "s7comm.read")
        return list(mutants(self.policy, self.names.values(), applications=others))


def _corners(box: Box, users: list[str]) -> Iterator[Point]:
    """Packets at the ends of every range of a box."""
    numbers = (box.source, box.destination, box.service, box.time)
    ends = [sorted({end for span in one for end in span}) for one in numbers]
    names = [box.application.example()] if box.application.but else sorted(box.application.listed)
    for source, destination, ports, time in product(*ends):
        for application, user in product(names, users):
            yield Point(source, destination, ports, application, user, time)


@pytest.mark.parametrize("name", FIREWALLS)
def test_every_mutant_is_refused_with_a_packet_or_is_the_same(
    plants: dict[str, tuple[Desired, Wanted]], name: str
) -> None:
    firewall = Firewall(*plants[name])
    assert firewall.proof(firewall.reading).verdict == "proved"
    tried = firewall.mutants()[::STEP]
    same: Counter[str] = Counter()
    refused = 0
    for mutant in tried:
        reading = declared_reading(firewall.speaks, mutant.policy)
        proof = firewall.proof(reading)
        if proof.verdict == "proved":  # no packet may tell it from what was declared
            assert not list(firewall.told_apart(reading)), mutant
            same[mutant.field] += 1
            continue
        shown = [one for one in proof.examples if one.direction != "unknown"]
        assert shown, (mutant, proof.examples)
        judge = Judge(mutant.policy, reading.platform)
        for one in shown:
            assert not one.disagreement, (mutant, one)
            assert one.packet is not None
            before = firewall.judge.decide(one.packet, one.enter, one.leave)
            after = judge.decide(one.packet, one.enter, one.leave)
            assert before.action != after.action, (mutant, one)
            assert (after.action == "allow") is (one.direction == "permitted"), (mutant, one)
        refused += 1
    assert refused > len(tried) / 2, (refused, same)
