"""Verbs between two policies, against the packets that tell them apart."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide
from segctl.analysis.effective import Reading
from segctl.analysis.space import EVERYTHING, Box, Space, service
from segctl.analysis.verbs import VERBS, relation
from segctl.model.policy import ANY, Address, DefaultRule, Policy, Rule, Service
from support.words import Plain

if TYPE_CHECKING:
    from segctl.analysis.verbs import Relation, Verb

PORTS = {"ssh": 22, "web": 80}
PLAIN = Plain(ports=PORTS)
OBJECTS = Policy(
    addresses=(
        Address(name="a0", value="10.0.0.0/30"),
        Address(name="a1", value="10.0.0.3-10.0.0.5", type="range"),
    ),
    services=(
        Service(name="low", protocol="tcp", ports="22"),
        Service(name="both", protocol="tcp", ports="22,80"),
    ),
)
HOSTS = ("10.0.0.2", "10.0.0.3", "10.0.0.5", "10.0.0.6")
rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.just(("it",)),
    to_zones=st.just(("ot",)),
    sources=st.sampled_from([(ANY,), ("a0",), ("a1",)]),
    applications=st.sampled_from([(ANY,), ("ssh",), ("ssh", "web")]),
    services=st.sampled_from([("low",), ("both",)]),
    action=st.sampled_from(["allow", "allow", "deny"]),
)
policies = st.lists(rules, max_size=3).map(
    lambda found: OBJECTS.replace(
        rules=tuple(replace(rule, name=f"r{n}") for n, rule in enumerate(found)),
        defaults=(DefaultRule(name="interzone-default", action="deny", log=False),),
    )
)


def asked(verb: Verb, left: Policy, right: Policy | None, region: Space = EVERYTHING) -> Relation:
    chains = [
        None if one is None else Reading(policy=one, platform=PLAIN).between("it", "ot")
        for one in (left, right)
    ]
    assert chains[0] is not None
    return relation(verb, chains[0], chains[1], region)


def passes(policy: Policy) -> set[tuple[str, int, str]]:
    """Which of the packets on the borders a policy allows."""
    return {
        (host, port, spoken)
        for host in HOSTS
        for port in (22, 80, 81)
        for spoken in (*PORTS, "other")
        if decide(
            policy,
            Packet(
                from_zone="it",
                to_zone="ot",
                source=ip_address(host),
                destination=ip_address("10.9.9.9"),
                port=port,
                application=spoken,
            ),
        ).action
        == "allow"
    }


@settings(deadline=None, max_examples=150)
@given(policies, policies)
def test_verbs_hold_as_sets_of_packets_do(left: Policy, right: Policy) -> None:
    one, other = passes(left), passes(right)
    expected = {
        "implies": one <= other,
        "equivalent": one == other,
        "disjoint": not one & other,
        "never-matches": not one & other,
        "always-matches": other <= one,
    }
    for verb in VERBS:
        found = asked(verb, left, right)
        assert (found.holds == "yes") is expected[verb], verb
        assert found.holds != "cannot_tell"
        assert (found.example is None) is expected[verb]


@pytest.mark.parametrize("verb", ["implies", "equivalent", "always-matches"])
def test_the_same_words_are_the_same_whatever_they_stand_for(verb: Verb) -> None:
    odd = Rule(name="odd", from_zones=("it",), to_zones=("ot",), sources=("CN",))
    left = OBJECTS.replace(rules=(odd,))
    assert asked(verb, left, left).holds == "yes"
    moved = OBJECTS.replace(rules=(odd, replace(odd, name="more", sources=("a0",))))
    assert asked("implies", left, moved).holds == "yes"
    found = asked("implies", left, OBJECTS)
    assert found.holds == "cannot_tell"
    assert found.rules[0] == "odd"
    assert any("CN" in why for why in found.why)


def test_of_one_policy_the_packets_asked_about_are_the_other_side() -> None:
    rule = Rule(name="web", from_zones=("it",), to_zones=("ot",), services=("low",))
    policy = OBJECTS.replace(rules=(rule,))
    inside = Space((Box(service=service("tcp", 22, 22)),))
    outside = Space((Box(service=service("tcp", 23, 99)),))
    assert asked("always-matches", policy, None, inside).holds == "yes"
    assert asked("always-matches", policy, None).holds == "no"
    assert asked("never-matches", policy, None, outside).holds == "yes"
    found = asked("never-matches", policy, None, inside)
    assert (found.holds, found.rules[0]) == ("no", "web")


def test_what_one_side_perhaps_permits_may_be_what_the_other_permits() -> None:
    odd = Rule(name="odd", from_zones=("it",), to_zones=("ot",), sources=("CN",))
    known = Rule(name="known", from_zones=("it",), to_zones=("ot",), sources=("a0",))
    left, right = (OBJECTS.replace(rules=(one,)) for one in (odd, known))
    for verb in ("disjoint", "never-matches"):
        assert asked(verb, left, right).holds == "cannot_tell"
        assert asked(verb, right, left).holds == "cannot_tell"
    assert asked("never-matches", left, None).holds == "cannot_tell"
