"""What changes between two policies, against a solver that knows them from their rules alone.

Nothing here is taken from the engine but its answer: names, groups and the first match are
encoded a second time, and z3 is asked for a packet of all there are that the answer is wrong about.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.effective import Reading, permitted
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Rule,
    Service,
)
from support.policies import OBJECTS, PLAIN, PORTS, chains, difference, edited, rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.analysis.space import Space

z3: Any = pytest.importorskip("z3", reason="z3-solver is not installed: it is in the group test")

#: Where the engine's line of addresses has IPv6.
V6 = 1 << 40
#: Applications by number; the last stands for all others.
NAMES = (*PORTS, "none of them")
SOURCE, DESTINATION = z3.Ints("source destination")
PROTOCOL, PORT, APPLICATION = z3.Ints("protocol port application")
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}


def either(parts: Iterable[Any]) -> Any:
    return reduce(z3.Or, parts, z3.BoolVal(False))


def every(parts: Iterable[Any]) -> Any:
    return reduce(z3.And, parts, z3.BoolVal(True))


def between(value: Any, first: int, last: int) -> Any:
    return z3.And(value >= first, value <= last)


def real() -> Any:
    """Say which packets there are."""
    v4 = [between(one, 0, 2**32 - 1) for one in (SOURCE, DESTINATION)]
    v6 = [between(one, V6, V6 + 2**128 - 1) for one in (SOURCE, DESTINATION)]
    return z3.And(
        z3.Or(every(v4), every(v6)),
        between(PROTOCOL, 0, 255),
        between(PORT, 0, 65535),
        between(APPLICATION, 0, len(NAMES) - 1),
    )


class Encoded:
    """One policy as a formula: which packets pass from ``it`` to ``ot``."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.addresses = {one.name: one for one in policy[Address]}
        self.groups = {one.name: one.members for one in policy[AddressGroup]}
        self.services = {one.name: one for one in policy[Service]}
        self.applications = {one.name: one.members for one in policy[ApplicationGroup]}

    def passes(self) -> Any:
        default = any(
            one.action == "allow" for one in self.policy[DefaultRule] if "interzone" in one.name
        )
        found: Any = z3.BoolVal(default)
        for rule in reversed(self.policy.rules):
            if rule.disabled or rule.type == "intrazone":
                continue
            zones = {ANY, "it"} & {*rule.from_zones} and {ANY, "ot"} & {*rule.to_zones}
            if zones:
                found = z3.If(self.matches(rule), z3.BoolVal(rule.action == "allow"), found)
        return found

    def matches(self, rule: Rule) -> Any:
        source = either(self.side(SOURCE, name) for name in rule.sources)
        destination = either(self.side(DESTINATION, name) for name in rule.destinations)
        return z3.And(
            z3.Not(source) if rule.negate_source else source,
            destination,
            either(self.application(name) for name in rule.applications),
            either(self.service(name) for name in rule.services),
        )

    def side(self, value: Any, name: str) -> Any:
        if name == ANY:
            return z3.BoolVal(True)
        if name in self.groups:
            return either(self.side(value, member) for member in self.groups[name])
        text = self.addresses[name].value if name in self.addresses else name
        if "-" in text:
            first, last = map(ip_address, text.split("-"))
        else:
            network = ip_network(text)
            first, last = network[0], network[-1]
        base = V6 if first.version == 6 else 0
        return between(value, base + int(first), base + int(last))

    def application(self, name: str) -> Any:
        if name == ANY:
            return z3.BoolVal(True)
        if name in self.applications:
            return either(map(self.application, self.applications[name]))
        return NAMES.index(name) == APPLICATION

    def service(self, name: str) -> Any:
        if name == ANY:
            return z3.BoolVal(True)
        if name == APPLICATION_DEFAULT:
            ports = (
                z3.And(at == APPLICATION, port == PORT) for at, port in enumerate(PORTS.values())
            )
            return z3.And(PROTOCOLS["tcp"] == PROTOCOL, either(ports))
        held = self.services[name]
        if held.name == "echo":  # of either version of IP
            return z3.Or(
                z3.And(PROTOCOLS["icmp"] == PROTOCOL, PORT == 8, SOURCE < V6),
                z3.And(PROTOCOLS["icmpv6"] == PROTOCOL, PORT == 128, SOURCE >= V6),
            )
        spans = (part.partition("-") for part in held.ports.split(","))
        return z3.And(
            PROTOCOLS[held.protocol] == PROTOCOL,
            SOURCE < V6 if held.protocol == "icmp" else z3.BoolVal(True),
            either(between(PORT, int(first), int(last or first)) for first, _, last in spans),
        )


def within(space: Space) -> Any:
    """Return the engine's set as a formula."""
    line = PROTOCOL * 65536 + PORT
    return either(
        every(
            [
                either(between(SOURCE, *span) for span in box.source),
                either(between(DESTINATION, *span) for span in box.destination),
                either(between(line, *span) for span in box.service),
                either(
                    at == APPLICATION for at, name in enumerate(NAMES) if name in box.application
                ),
            ]
        )
        for box in space.boxes
    )


def wrong(*claims: Any) -> str:
    """Return a packet for which one of some claims does not hold, empty where there is none."""
    solver = z3.Solver()
    solver.add(real(), z3.Not(every(claims)))
    found = solver.check()
    assert found != z3.unknown
    return str(solver.model()) if found == z3.sat else ""


allowed = (DefaultRule(name="interzone-default", action="allow", log=False),)
defaults = st.sampled_from([(), allowed])


@settings(max_examples=20)
@given(chains, defaults)
def test_what_is_permitted_is_what_the_solver_says(
    chain: tuple[Rule, ...], default: tuple[DefaultRule, ...]
) -> None:
    policy = OBJECTS.replace(rules=chain, defaults=default)
    found = permitted(Reading(policy=policy, platform=PLAIN).between("it", "ot"))
    passes = Encoded(policy).passes()
    assert not wrong(within(found.can) == passes, within(found.sure) == passes)


@settings(max_examples=20)
@given(edited(), defaults, defaults)
def test_a_difference_is_what_the_solver_says(
    chain: tuple[tuple[Rule, ...], tuple[Rule, ...]],
    default: tuple[DefaultRule, ...],
    other: tuple[DefaultRule, ...],
) -> None:
    left = OBJECTS.replace(rules=chain[0], defaults=default)
    right = OBJECTS.replace(rules=chain[1], defaults=other)
    found = difference(left, right)
    before, after = Encoded(left).passes(), Encoded(right).passes()
    assert not found.unknown
    assert not wrong(
        within(found.more) == z3.And(after, z3.Not(before)),
        within(found.less) == z3.And(before, z3.Not(after)),
    )
    assert bool(found) is bool(wrong(before == after))


@settings(max_examples=6)
@given(st.lists(rules, min_size=8, max_size=20), st.integers(0, 7))
def test_one_rule_of_many_that_is_taken_away_makes_the_difference_the_solver_says(
    found: list[Rule], at: int
) -> None:
    """So many boxes are cut in sweeps."""
    many = tuple(replace(rule, name=f"r{n}", disabled=False) for n, rule in enumerate(found))
    left = OBJECTS.replace(rules=many)
    right = OBJECTS.replace(rules=(*many[:at], *many[at + 1 :]))
    change = difference(left, right)
    before, after = Encoded(left).passes(), Encoded(right).passes()
    assert not wrong(
        within(change.more) == z3.And(after, z3.Not(before)),
        within(change.less) == z3.And(before, z3.Not(after)),
    )


def test_the_solver_tells_a_wrong_answer() -> None:
    policy = OBJECTS.replace(
        rules=(Rule(name="r", from_zones=("it",), to_zones=("ot",), sources=("a1",)),)
    )
    found = permitted(Reading(policy=policy, platform=PLAIN).between("it", "ot"))
    opened = OBJECTS.replace(rules=(replace(policy.rules[0], sources=("a2",)),))
    assert wrong(within(found.can) == Encoded(opened).passes())
