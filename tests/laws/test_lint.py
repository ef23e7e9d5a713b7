"""What lint claims of a policy is true of it, packet by packet, by `decide`."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide, decider
from segctl.analysis.effective import Reading, joins
from segctl.analysis.lint import lint
from segctl.analysis.space import host_of, service
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    AddressKind,
    DefaultRule,
    Policy,
    Rule,
    Service,
)
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.analysis.finding import Finding, Lint

PORTS = {"modbus": 502, "ssh": 22, "web": 80}
PLAIN = Plain(ports=PORTS)
VALUES = ("10.0.0.0/30", "10.0.0.4", "10.0.0.3-10.0.0.5", "10.0.0.0-10.0.0.1", "fd00::/126")
OBJECTS = Policy(
    addresses=tuple(
        Address(name=f"a{n}", value=value, type="range" if "-" in value else "network")
        for n, value in enumerate(VALUES)
    ),
    address_groups=(AddressGroup(name="g", members=("a0", "a4")),),
    services=(
        Service(name="mb", protocol="tcp", ports="502"),
        Service(name="low", protocol="tcp", ports="22,79-81"),
        Service(name="u", protocol="udp", ports="502"),
        Service(name="all-tcp", protocol="tcp", ports="0-65535"),
    ),
)
sides = st.sampled_from([(ANY,), (ANY,), ("a0",), ("a1", "a2"), ("g",), ("10.0.0.0/29",), ("a4",)])
rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.sampled_from([("it",), (ANY,), ("it", "ot")]),
    to_zones=st.sampled_from([("ot",), (ANY,), ("it", "ot")]),
    sources=sides,
    destinations=sides,
    users=st.sampled_from([(ANY,), (ANY,), ("jane",), ("jane", "joe")]),
    applications=st.sampled_from([(ANY,), (ANY,), ("modbus",), ("web", "modbus")]),
    services=st.sampled_from([(ANY,), ("mb",), ("low", "u"), ("all-tcp",), (APPLICATION_DEFAULT,)]),
    action=st.sampled_from(["allow", "deny"]),
    disabled=st.sampled_from([False, False, False, True]),
    negate_source=st.sampled_from([False, False, False, True]),
    type=st.sampled_from(["universal", "universal", "intrazone", "interzone"]),
)


def _fit(rule: Rule) -> Rule:
    """Leave out what no device takes."""
    if rule.applications == (ANY,) and rule.services == (APPLICATION_DEFAULT,):
        rule = replace(rule, services=(ANY,))
    return replace(rule, negate_source=rule.negate_source and rule.sources != (ANY,))


chains = st.lists(rules.map(_fit), min_size=2, max_size=7).map(
    lambda found: tuple(replace(rule, name=f"r{n}") for n, rule in enumerate(found))
)
defaults = st.sampled_from(
    [
        (),
        (DefaultRule(name="interzone-default", action="allow", log=False),),
        (DefaultRule(name="intrazone-default", action="deny", log=False),),
    ]
)
#: Both sides of every border, in zones that rules name and in others.
ZONES = ("it", "ot", "dmz", "lab")
HOSTS = [f"10.0.0.{n}" for n in range(9)] + ["fd00::", "fd00::3", "fd00::4"]
SERVICES = [("tcp", n) for n in (21, 22, 23, 79, 80, 81, 82, 501, 502, 503)] + [("udp", 502)]
ENDS = [(a, b) for a, b in product(map(ip_address, HOSTS), repeat=2) if a.version == b.version]


def _packets(pick: Random) -> Iterator[Packet]:
    """Yield packets of all kinds, both sides of every border among them."""
    for _ in range(150):
        source, destination = pick.choice(ENDS)
        protocol, port = pick.choice(SERVICES)
        application = pick.choice([*PORTS])
        yield Packet(
            from_zone=pick.choice(ZONES),
            to_zone=pick.choice(ZONES),
            source=source,
            destination=destination,
            protocol=protocol,
            port=port,
            application=application,
            user=pick.choice(["", "jane", "joe"]),
            default_port=(protocol, port) == ("tcp", PORTS[application]),
        )


def _linted(policy: Policy) -> Lint:
    return lint(Reading(policy=policy, platform=PLAIN))


def _without(policy: Policy, name: str) -> Policy:
    return policy.replace(rules=tuple(rule for rule in policy.rules if rule.name != name))


def _idle(found: Lint) -> list[Finding]:
    return [one for one in found.findings if one.kind in {"shadowed", "redundant"}]


seeds = st.integers(min_value=0, max_value=10_000).map(Random)


@settings(deadline=None, max_examples=200)
@given(chains, defaults, seeds)
def test_a_rule_without_effect_can_be_removed(
    chain: tuple[Rule, ...], default: tuple[DefaultRule, ...], pick: Random
) -> None:
    policy = OBJECTS.replace(rules=chain, defaults=default)
    before = decider(policy)
    for finding in _idle(_linted(policy)):
        after = decider(_without(policy, finding.subject))
        for packet in _packets(pick):
            assert before(packet).action == after(packet).action, finding
            if "never applies" in finding.message:
                assert before(packet).rule != finding.subject, finding


@settings(deadline=None, max_examples=200)
@given(chains, defaults)
def test_an_example_is_matched_by_the_rule_and_by_one_of_the_others(
    chain: tuple[Rule, ...], default: tuple[DefaultRule, ...]
) -> None:
    policy = OBJECTS.replace(rules=chain, defaults=default)
    for finding in _linted(policy).findings:
        others = [rule for rule in chain if rule.name in finding.others]
        if finding.kind not in RELATED or not others:
            continue
        packet = _packet(finding)
        (own,) = [rule for rule in chain if rule.name == finding.subject]
        assert _matches(own, packet), finding
        assert any(_matches(rule, packet) for rule in others), finding


@settings(deadline=None, max_examples=200)
@given(chains, seeds)
def test_relations_are_what_they_say(chain: tuple[Rule, ...], pick: Random) -> None:
    """A rule that generalises others matches what they match; correlated ones each have more."""
    policy = OBJECTS.replace(rules=chain)
    by_name = {rule.name: rule for rule in chain}
    sent = [*_packets(pick)]
    for finding in _linted(policy).findings:
        own = by_name.get(finding.subject)
        if own is None or finding.kind not in {"generalised", "correlated"}:
            continue
        for name in finding.others:
            other = by_name[name]
            assert (own.action == "allow") is not (other.action == "allow")
            assert chain.index(other) < chain.index(own)
            for packet in sent:
                if finding.kind == "generalised" and _matches(other, packet):
                    assert _matches(own, packet), finding


@settings(deadline=None, max_examples=200)
@given(chains, seeds)
def test_what_permits_everything_does_and_what_never_matches_does_not(
    chain: tuple[Rule, ...], pick: Random
) -> None:
    policy = OBJECTS.replace(rules=chain)
    by_name = {rule.name: rule for rule in chain}
    for finding in _linted(policy).findings:
        own = by_name.get(finding.subject)
        if own is None or finding.kind not in {"permits_everything", "never_matches"}:
            continue
        for packet in _packets(pick):
            if finding.kind == "never_matches":
                assert not _matches(own, packet), finding
            elif joins(own, packet.from_zone, packet.to_zone):
                assert _matches(own, packet), finding


@settings(deadline=None, max_examples=200)
@given(chains, defaults, seeds)
def test_whatever_unknown_words_stand_for_the_claims_are_true(
    chain: tuple[Rule, ...], default: tuple[DefaultRule, ...], pick: Random
) -> None:
    """Some rules name a host to look up; the claims hold whichever network that turns out to be."""
    said = tuple(
        replace(rule, sources=("www",)) if index % 2 else rule for index, rule in enumerate(chain)
    )
    fqdn = Address(name="www", value="www.example.com", type="fqdn")
    policy = OBJECTS.replace(addresses=(*OBJECTS[Address], fqdn), rules=said, defaults=default)
    found = _linted(policy)
    for value in VALUES:
        kind: AddressKind = "range" if "-" in value else "network"
        truth = policy.replace(
            addresses=(*OBJECTS[Address], Address(name="www", value=value, type=kind))
        )
        before = decider(truth)
        for finding in _idle(found):
            after = decider(_without(truth, finding.subject))
            for packet in _packets(pick):
                assert before(packet).action == after(packet).action, finding


RELATED = {"shadowed", "redundant", "generalised", "correlated"}


def _packet(finding: Finding) -> Packet:
    """The example of a finding as a packet that `decide` understands."""
    point = finding.example
    assert point is not None
    return Packet(
        from_zone=finding.zones[0],
        to_zone=finding.zones[1],
        source=host_of(point.source),
        destination=host_of(point.destination),
        protocol={6: "tcp", 17: "udp"}.get(point.service >> 16, "other"),
        port=point.service & 0xFFFF,
        application=point.application,
        user=point.user,
        default_port=point.service
        in {service("tcp", PORTS[name])[0][0] for name in [point.application] if name in PORTS},
    )


def _matches(rule: Rule, packet: Packet) -> bool:
    """Whether a rule alone decides about a packet."""
    alone = OBJECTS.replace(rules=(rule,))
    return decide(alone, packet).rule == rule.name


@settings(max_examples=200)
@given(chains, defaults, st.sets(st.integers(0, 6)))
def test_of_some_rules_it_says_what_it_says_of_all(
    found: tuple[Rule, ...], default: tuple[DefaultRule, ...], picked: set[int]
) -> None:
    """Only rules that others lean on may be looked at too little; then less is said, never more."""
    only = {rule.name for at, rule in enumerate(found) if at in picked}
    policy = OBJECTS.replace(rules=found, defaults=default)
    every = set(lint(Reading(policy=policy, platform=PLAIN)).findings)
    some = set(lint(Reading(policy=policy, platform=PLAIN), only=only).findings)
    assert {one.subject for one in some} <= only
    said = {(one.kind, one.subject) for one in every if one.subject in only}
    assert {(one.kind, one.subject) for one in some} <= said
    missing = said - {(one.kind, one.subject) for one in some}
    assert {kind for kind, _ in missing} <= {"redundant"}


few = st.sampled_from([(ANY,), ("a0",), ("a1", "a2")])
narrow = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.just(("it",)),
    to_zones=st.just(("ot",)),
    sources=few,
    destinations=few,
    applications=st.sampled_from([(ANY,), ("modbus",), ("web", "modbus")]),
    services=st.sampled_from([(ANY,), ("mb",), ("low",)]),
    action=st.sampled_from(["allow", "deny"]),
)
#: One of each kind of packet that such rules tell apart.
KINDS = [
    Packet(
        from_zone="it",
        to_zone="ot",
        source=ip_address(source),
        destination=ip_address(destination),
        protocol="tcp",
        port=port,
        application=application,
    )
    for source, destination in [
        *product([f"10.0.0.{n}" for n in (0, 2, 3, 4, 5, 9)], repeat=2),
        ("fd00::", "fd00::"),
    ]
    for port in (9, 22, 502)
    for application in ("modbus", "web", "ssh")
]


@settings(deadline=None, max_examples=100)
@given(st.lists(narrow, min_size=2, max_size=6))
def test_where_nothing_is_told_every_rule_is_needed(found: list[Rule]) -> None:
    chain = tuple(replace(rule, name=f"r{n}") for n, rule in enumerate(found))
    policy = OBJECTS.replace(rules=chain)
    idle = {one.subject for one in _idle(_linted(policy))}
    before = decider(policy)
    actions = [before(packet).action for packet in KINDS]
    for rule in () if idle else chain:
        after = decider(_without(policy, rule.name))
        assert [after(packet).action for packet in KINDS] != actions, rule
