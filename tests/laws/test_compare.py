"""What changes from one policy to another, against `decide` packet by packet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.compare import implies
from segctl.analysis.decide import decider
from segctl.analysis.effective import Reading
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Rule,
    Service,
)
from support.policies import OBJECTS, PACKETS, PLAIN, POINTS, VALUES, chains, difference, edited

if TYPE_CHECKING:
    from segctl.analysis.compare import Difference
    from segctl.analysis.decide import Packet

defaults = st.sampled_from(
    [(), (DefaultRule(name="interzone-default", action="allow", log=False),)]
)


def passing(policy: Policy) -> set[Packet]:
    decide = decider(policy)
    return {packet for packet in PACKETS if decide(packet).action == "allow"}


def told(found: Difference, before: set[Packet], after: set[Packet]) -> None:
    """Check an answer against the packets that pass."""
    assert not found.unknown
    assert {one for one in PACKETS if POINTS[one] in found.more} == after - before
    assert {one for one in PACKETS if POINTS[one] in found.less} == before - after


@settings(max_examples=12)
@given(edited(), defaults, defaults)
def test_a_difference_is_what_packets_tell_apart(
    chain: tuple[tuple[Rule, ...], tuple[Rule, ...]],
    default: tuple[DefaultRule, ...],
    other: tuple[DefaultRule, ...],
) -> None:
    left = OBJECTS.replace(rules=chain[0], defaults=default)
    right = OBJECTS.replace(rules=chain[1], defaults=other)
    before, after = passing(left), passing(right)
    told(difference(left, right), before, after)
    assert bool(difference(left, right)) is (before != after)


def test_a_doubt_of_one_side_is_of_one_direction() -> None:
    """Whatever is in CN, the second permits all that the first does, and perhaps more."""
    web = Rule(name="web", from_zones=("it",), to_zones=("ot",), sources=("a1",))
    region = replace(web, name="region", sources=("CN",))
    deny = replace(region, name="deny", action="deny")
    for left, right, wider, narrower in (
        ((web,), (web, region), True, False),
        ((web, region), (web,), False, True),
        ((region,), (region, web), True, False),
        ((web,), (deny, web), False, True),
        ((deny, web), (web,), True, False),
        ((deny, web), (region, web), True, False),
        ((region,), (web,), True, True),
    ):
        before, after = (OBJECTS.replace(rules=rules) for rules in (left, right))
        found = difference(before, after)
        assert (bool(found.wider), bool(found.narrower)) == (wider, narrower), (left, right)
        one, other = (Reading(policy=policy, platform=PLAIN) for policy in (before, after))
        if not found.less:
            assert implies(one, other) == ("cannot tell" if narrower else "yes")
        if not found.more:
            assert implies(other, one) == ("cannot tell" if wider else "yes")


@settings(max_examples=8)
@given(chains, chains)
def test_two_policies_with_nothing_in_common_are_told_apart(
    one: tuple[Rule, ...], other: tuple[Rule, ...]
) -> None:
    left, right = OBJECTS.replace(rules=one), OBJECTS.replace(rules=other)
    told(difference(left, right), passing(left), passing(right))


@settings(max_examples=12)
@given(edited(), st.sampled_from(VALUES), st.sampled_from(VALUES), st.data())
def test_whatever_unknown_words_stand_for_the_difference_holds(
    chain: tuple[tuple[Rule, ...], tuple[Rule, ...]], region: str, name: str, data: st.DataObject
) -> None:
    """Rules use a region, a name to look up and a filter; the truth is drawn afterwards."""
    drawn: dict[Rule, Rule] = {}

    def doubtful(rule: Rule) -> Rule:
        key = replace(rule, name="")
        if key not in drawn:
            words = st.sampled_from([rule.sources, ("CN",), ("www", "a1"), ("CN", "www")])
            drawn[key] = replace(rule, sources=data.draw(words))
            if data.draw(st.booleans()):
                drawn[key] = replace(drawn[key], applications=("filter",), services=("low",))
        return replace(drawn[key], name=rule.name)

    said, then = (tuple(map(doubtful, side)) for side in chain)
    fqdn = Address(name="www", value="www.example.com", type="fqdn")
    unsaid = OBJECTS.replace(addresses=(*OBJECTS[Address], fqdn))
    truth = OBJECTS.replace(
        addresses=(
            *OBJECTS[Address],
            Address(name="CN", value=region, type="range" if "-" in region else "network"),
            Address(name="www", value=name, type="range" if "-" in name else "network"),
        ),
        application_groups=(
            *OBJECTS[ApplicationGroup],
            ApplicationGroup(name="filter", members=("web",)),
        ),
    )
    platform = replace(PLAIN, filters=frozenset({"filter"}))
    left, right = (unsaid.replace(rules=rules) for rules in (said, then))
    found = difference(left, right, platform)
    before, after = (passing(truth.replace(rules=rules)) for rules in (said, then))
    for packet in PACKETS:
        at = POINTS[packet]
        more, less = packet in after - before, packet in before - after
        assert not more or at in found.more or at in found.wider
        assert not less or at in found.less or at in found.narrower
        assert (at in found.unknown) is (at in found.wider or at in found.narrower)
        assert more or at not in found.more
        assert less or at not in found.less


@settings(max_examples=8)
@given(edited(), st.data())
def test_names_and_groups_of_objects_are_no_difference(
    chain: tuple[tuple[Rule, ...], tuple[Rule, ...]], data: st.DataObject
) -> None:
    """The same with every object renamed, and split in two or put in a group."""
    left, right = (OBJECTS.replace(rules=rules) for rules in chain)
    found = difference(left, _renamed(right, split=data.draw(st.booleans())))
    told(found, passing(left), passing(right))


def _renamed(policy: Policy, *, split: bool) -> Policy:
    known = {one.name for one in (*policy[Address], *policy[AddressGroup])}

    def names(of: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"new-{name}" if name in known else name for name in of)

    held: list[Address] = []
    groups = [
        AddressGroup(name=f"new-{one.name}", members=names(one.members))
        for one in policy[AddressGroup]
    ]
    for one in policy[Address]:
        if split and one.value == "10.0.0.0/30":
            held += [
                Address(name="low", value="10.0.0.0/31"),
                Address(name="high", value="10.0.0.2/31"),
            ]
            groups.append(AddressGroup(name=f"new-{one.name}", members=("low", "high")))
        else:
            held.append(replace(one, name=f"new-{one.name}"))
    rules = tuple(
        replace(
            rule,
            sources=names(rule.sources),
            destinations=names(rule.destinations),
            services=tuple("other" if name == "u" else name for name in rule.services),
        )
        for rule in policy.rules
    )
    services = tuple(
        replace(one, name="other") if one.name == "u" else one for one in policy[Service]
    )
    return policy.replace(addresses=held, address_groups=groups, services=services, rules=rules)
