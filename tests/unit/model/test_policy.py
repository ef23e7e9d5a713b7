from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide
from segctl.model.addresses import (
    Interval,
    canonical_address,
    covers,
    interval,
    interval_text,
    merge,
    subtract,
)
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Rule,
    Service,
    ServiceGroup,
    resolver,
)

if TYPE_CHECKING:
    from segctl.model.site import Host

PACKET = Packet(
    from_zone="A",
    to_zone="B",
    source=ip_address("10.0.0.1"),
    destination=ip_address("10.0.1.1"),
    port=443,
    application="ssl",
    user="plant\\a",
)
OBJECTS = Policy(
    addresses=(
        Address(name="one", value="10.0.0.1"),
        Address(name="net", value="10.0.1.0/24"),
        Address(name="six", value="fd00::/64"),
        Address(name="some", value="10.0.0.5-10.0.0.9", type="range"),
        Address(name="name", value="plant.example.com", type="fqdn"),
    ),
    address_groups=(
        AddressGroup(name="group", members=("one", "inner")),
        AddressGroup(name="inner", members=("some", "group")),
    ),
    services=(Service(name="web", protocol="tcp", ports="80,440-450"),),
    application_groups=(ApplicationGroup(name="safe", members=("ssl", "ssh")),),
)
RULE = Rule(name="r", from_zones=("A",), to_zones=("B",))


def action(rule: Rule, packet: Packet = PACKET) -> str:
    return decide(OBJECTS.replace(rules=(rule,)), packet).action


@pytest.mark.parametrize(
    "matching",
    [
        RULE,
        replace(RULE, from_zones=("any",), to_zones=("any",)),
        replace(RULE, sources=("group",), destinations=("net",)),
        replace(RULE, sources=("10.0.0.0/30",)),
        replace(RULE, services=("web",)),
        replace(RULE, services=("application-default",)),
        replace(RULE, applications=("safe",)),
        replace(RULE, users=("plant\\a",)),
        replace(RULE, type="interzone"),
        replace(RULE, sources=("some",), negate_source=True),
    ],
)
def test_a_rule_matches(matching: Rule) -> None:
    assert action(matching) == "allow"


@pytest.mark.parametrize(
    "other",
    [
        replace(RULE, from_zones=("B",)),
        replace(RULE, from_zones=()),
        replace(RULE, sources=("some",)),
        replace(RULE, sources=("name",)),
        replace(RULE, sources=("six",)),
        replace(RULE, sources=("one",), negate_source=True),
        replace(RULE, destinations=("net",), negate_destination=True),
        replace(RULE, services=("unknown",)),
        replace(RULE, applications=("web-browsing",)),
        replace(RULE, applications=()),
        replace(RULE, users=("plant\\b",)),
        replace(RULE, type="intrazone"),
        replace(RULE, disabled=True),
        replace(RULE, action="drop"),
    ],
)
def test_a_rule_does_not_permit(other: Rule) -> None:
    assert action(other) == "deny"


def test_application_default_holds_to_default_ports() -> None:
    packet = replace(PACKET, default_port=False)
    assert action(replace(RULE, services=("application-default",)), packet) == "deny"
    assert action(replace(RULE, services=("any",)), packet) == "allow"


def test_services_are_of_one_protocol() -> None:
    rule = replace(RULE, services=("web",))
    for port, found in ((79, "deny"), (80, "allow"), (440, "allow"), (450, "allow"), (451, "deny")):
        assert action(rule, replace(PACKET, port=port)) == found
    assert action(rule, replace(PACKET, protocol="udp", port=80)) == "deny"


def test_the_first_match_decides() -> None:
    shut = replace(RULE, name="shut", action="deny", log=False)
    both = OBJECTS.replace(rules=(shut, RULE))
    assert decide(both, PACKET).rule == "shut"
    assert not decide(both, PACKET).log
    turned = OBJECTS.replace(rules=(RULE, shut))
    assert decide(turned, PACKET).action == "allow"


def test_defaults_apply_where_nothing_matches() -> None:
    inside = replace(PACKET, to_zone="A")
    assert decide(Policy(), PACKET).rule == "interzone-default"
    assert decide(Policy(), PACKET).action == "deny"
    assert decide(Policy(), inside).action == "allow"
    closed = Policy(defaults=(DefaultRule(name="intrazone-default", action="deny", log=True),))
    assert decide(closed, inside).action == "deny"
    assert decide(closed, inside).log


def test_digest_ignores_the_order_of_objects_only() -> None:
    turned = OBJECTS.replace(addresses=OBJECTS[Address][::-1])
    assert turned.digest == OBJECTS.digest
    two = (RULE, replace(RULE, name="s"))
    assert OBJECTS.replace(rules=two).digest != OBJECTS.replace(rules=two[::-1]).digest
    assert OBJECTS.replace(rules=(RULE,)).digest != OBJECTS.digest


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.7/24", "10.0.0.7/24"),
        ("FD00:0:0::1", "fd00::1"),
        ("fd00::1/128", "fd00::1"),
        ("10.0.0.1 - 10.0.0.9", "10.0.0.1-10.0.0.9"),
        ("plant", "plant"),
        ("", ""),
    ],
)
def test_addresses_have_one_spelling(written: str, canonical: str) -> None:
    assert canonical_address(written) == canonical
    assert canonical_address(canonical) == canonical


def test_a_range_that_is_none() -> None:
    for text in ("10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "x"):
        with pytest.raises(ValueError, match=r".+"):
            interval(text)


SMALL = st.tuples(st.sampled_from((4, 6)), st.integers(0, 40), st.integers(0, 8)).map(
    lambda found: (found[0], found[1], found[1] + found[2])
)


def numbers(intervals: tuple[Interval, ...]) -> set[tuple[int, int]]:
    return {(version, n) for version, first, last in intervals for n in range(first, last + 1)}


@given(st.lists(SMALL), st.lists(SMALL))
def test_intervals_are_sets(one: list[Interval], two: list[Interval]) -> None:
    left, right = numbers(tuple(one)), numbers(tuple(two))
    assert numbers(merge(one)) == left
    assert numbers(subtract(one, two)) == left - right
    assert covers(one, two) == (right <= left)
    merged = merge(one)
    assert all(a[0] < b[0] or a[2] + 1 < b[1] for a, b in pairwise(merged))


@given(SMALL)
def test_an_interval_reads_back(part: Interval) -> None:
    assert interval(interval_text(part)) == part


def test_groups_that_hold_each_other_resolve() -> None:
    found = resolver(OBJECTS)(["group"])
    inside: Host = ip_address("10.0.0.7")
    assert any(version == 4 and first <= int(inside) <= last for version, first, last in found)


def test_a_kind_that_came_later_leaves_digests_of_policies_without_it_as_they_were() -> None:
    before = "tag zone address address-group service application-group schedule default-rule rule"
    text = "".join(f"{kind}\n" for kind in before.split())
    assert Policy().digest == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    group = ServiceGroup(name="g", members=("s",))
    assert Policy(service_groups=(group,)).digest != Policy().digest
