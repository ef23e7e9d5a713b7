"""Firewalls of compiled sites, and what is proved of a policy for them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from segctl.analysis.compare import compare
from segctl.analysis.confirm import Judge
from segctl.analysis.intended import Intent
from segctl.analysis.path_proofs import Proved
from segctl.analysis.proof import Speech, prove
from segctl.analysis.space import Point, Space
from segctl.compiler.build import compile_site
from segctl.providers.base import application_names, declared_reading, provider
from support.mutants import mutants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from segctl.analysis.effective import Reading
    from segctl.analysis.intended import Wanted
    from segctl.analysis.proof import Proof
    from segctl.analysis.space import Box
    from segctl.compiler.build import Desired
    from segctl.model.policy import Policy
    from segctl.model.site import Site
    from support.mutants import Mutant


class Firewall:
    """A firewall of a plant, and what is proved of a policy for it."""

    def __init__(self, desired: Desired, wanted: Wanted) -> None:
        self.name = desired.device.name
        self.speaks = provider(desired.device.platform)
        self.policy, _ = self.speaks.fit(desired.policy, desired.device)
        self.names = {one.zone: one.name for one in desired.device.zones}
        self.wanted = wanted
        self.reading = declared_reading(self.speaks, self.policy)
        self.judge = Judge(self.policy, self.reading.platform)
        can = self.speaks.capabilities
        self.speech = Speech(
            title=can.title,
            applications=can.applications,
            naming=application_names(self.speaks),
        )

    def proof(self, policy: Policy | None = None) -> Proof:
        """What is proved of a policy, the firewall's own unless another is given."""
        held = self.reading if policy is None else declared_reading(self.speaks, policy)
        zones = frozenset((a, b) for a in self.names.values() for b in self.names.values())
        return prove(self.wanted, self.names, held, self.speech, keep=zones)

    def proved(self, policy: Policy | None = None) -> Proved:
        """What is found on the firewall if it holds a policy."""
        return Proved(
            platform=self.speaks.name,
            names=self.names,
            proof=self.proof(policy),
            policy=policy or self.policy,
            words=self.reading.platform,
        )

    def mutants(self) -> list[Mutant]:
        """Every mutant of the policy."""
        named = self.speaks.capabilities.applications
        others = ("ssh",) if named else ("modbus.write", "s7comm.read")
        return list(mutants(self.policy, self.names.values(), applications=others))

    def refusal(self, mutant: Mutant) -> str:
        """The packet with which a mutant is refused; nothing where no packet tells it apart.

        Every packet that is shown is decided about in both policies, one by one.
        """
        reading = declared_reading(self.speaks, mutant.policy)
        proof = self.proof(mutant.policy)
        if proof.verdict == "proved":
            assert not list(self.told_apart(reading)), mutant
            return ""
        shown = [one for one in proof.examples if one.direction != "unknown"]
        assert shown, (mutant, proof.examples)
        judge = Judge(mutant.policy, reading.platform)
        for one in shown:
            assert not one.disagreement, (mutant, one)
            assert one.packet is not None
            before = self.judge.decide(one.packet, one.enter, one.leave)
            after = judge.decide(one.packet, one.enter, one.leave)
            assert before.action != after.action, (mutant, one)
            assert (after.action == "allow") is (one.direction == "permitted"), (mutant, one)
        return str(shown[0].packet)

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


def firewalls(site: Site, today: date) -> dict[str, Firewall]:
    """The firewalls of a site, with what its conduits need of them."""
    wanted = Intent(site, today).wanted()
    return {name: Firewall(one, wanted[name]) for name, one in compile_site(site, today).items()}


def _corners(box: Box, users: list[str]) -> Iterator[Point]:
    """Packets at the ends of every range of a box."""
    numbers = (box.source, box.destination, box.service, box.time)
    ends = [sorted({end for span in one for end in span}) for one in numbers]
    names = [box.application.example()] if box.application.but else sorted(box.application.listed)
    for source, destination, ports, time in product(*ends):
        for application, user in product(names, users):
            yield Point(source, destination, ports, application, user, time)
