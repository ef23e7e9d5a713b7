"""Rows of a query against the bounds of the same chain, and packet by packet."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.by_rule import compared, rows, space_of
from segctl.analysis.decide import Packet, decide
from segctl.analysis.effective import Reading, permitted
from segctl.analysis.space import (
    ALL_ADDRESSES,
    EVERYTHING,
    REAL,
    Box,
    Point,
    Space,
    addresses,
    service,
)
from segctl.model.addresses import interval
from segctl.model.policy import (
    ANY,
    APPLICATION_DEFAULT,
    Address,
    ApplicationGroup,
    DefaultRule,
    Policy,
    Rule,
    Service,
)
from support.words import Plain

if TYPE_CHECKING:
    from segctl.model.policy import Action

PORTS = {"modbus-read": 502, "ssh": 22, "web": 80}
PLAIN = Plain(ports=PORTS, filters=frozenset({"filter"}))
OBJECTS = Policy(
    addresses=(
        Address(name="a0", value="10.0.0.0/30"),
        Address(name="a1", value="10.0.0.4"),
        Address(name="a2", value="10.0.0.3-10.0.0.5", type="range"),
        Address(name="a3", value="fd00::/126"),
        Address(name="www", value="www.example.com", type="fqdn"),
    ),
    services=(
        Service(name="mb", protocol="tcp", ports="502"),
        Service(name="low", protocol="tcp", ports="22,79-81"),
    ),
    application_groups=(ApplicationGroup(name="apps", members=("ssh", "modbus-read")),),
)
sides = st.sampled_from([(ANY,), ("a0",), ("a1", "a2"), ("a3",), ("a0", "a3"), ("www", "a1")])
rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.just(("it",)),
    to_zones=st.sampled_from([("ot",), (ANY,)]),
    sources=sides,
    destinations=sides,
    users=st.sampled_from([(ANY,), ("jane",)]),
    applications=st.sampled_from([("modbus-read",), ("apps",), ("web", "ssh"), ("filter",)]),
    services=st.sampled_from([(ANY,), ("mb",), ("low",), (APPLICATION_DEFAULT,)]),
    action=st.sampled_from(["allow", "allow", "deny"]),
    disabled=st.booleans(),
)


def _policy(found: list[Rule], action: Action) -> Policy:
    return OBJECTS.replace(
        rules=tuple(replace(rule, name=f"r{n}") for n, rule in enumerate(found)),
        defaults=(DefaultRule(name="interzone-default", action=action, log=False),),
    )


actions: st.SearchStrategy[Action] = st.sampled_from(("allow", "deny", "deny"))
policies = st.builds(_policy, st.lists(rules, max_size=4), actions)
regions = st.sampled_from(
    [
        EVERYTHING,
        Space((Box(source=addresses([interval("10.0.0.0/29")]), destination=ALL_ADDRESSES),)),
        Space((Box(source=addresses([interval("10.0.0.4"), interval("fd00::1")])),)),
    ]
)


def _same(one: Space, other: Space) -> bool:
    return (one & REAL).within(other) and (other & REAL).within(one)


@settings(deadline=None, max_examples=100)
@given(policies, regions)
def test_rows_are_what_is_permitted_and_nothing_twice(policy: Policy, region: Space) -> None:
    chain = Reading(policy=policy, platform=PLAIN).between("it", "ot")
    found = rows(chain, region)
    bounds = permitted(chain, region & REAL)
    assert _same(space_of(found), bounds.can)
    assert _same(space_of(row for row in found if row.state == "permitted"), bounds.sure)
    for row, following in pairwise(found):
        assert not row.space & following.space & REAL
    assert all(bool(row.why) is (row.state == "cannot_tell") for row in found)


@settings(deadline=None, max_examples=100)
@given(policies, st.data())
def test_a_row_names_the_rule_that_decides(policy: Policy, data: st.DataObject) -> None:
    known = policy.replace(
        rules=tuple(
            rule
            for rule in policy.rules
            if "www" not in (*rule.sources, *rule.destinations)
            and rule.users == (ANY,)
            and "filter" not in rule.applications
        )
    )
    found = rows(Reading(policy=known, platform=PLAIN).between("it", "ot"), EVERYTHING)
    for _ in range(20):
        source, destination = (
            data.draw(st.sampled_from(["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6"]))
            for _ in range(2)
        )
        spoken = data.draw(st.sampled_from([*PORTS, "other"]))
        port = data.draw(st.sampled_from([22, 80, 81, 502]))
        packet = Packet(
            from_zone="it",
            to_zone="ot",
            source=ip_address(source),
            destination=ip_address(destination),
            port=port,
            application=spoken,
            default_port=PORTS.get(spoken) == port,
        )
        point = Point(
            int(ip_address(source)),
            int(ip_address(destination)),
            service("tcp", port)[0][0],
            spoken,
        )
        decided = decide(known, packet)
        named = [row.rule for row in found if point in row.space]
        assert named == ([decided.rule] if decided.action == "allow" else [])


@settings(deadline=None, max_examples=100)
@given(policies, policies)
def test_two_policies_side_by_side(declared: Policy, live: Policy) -> None:
    sides = [Reading(policy=one, platform=PLAIN).between("it", "ot") for one in (declared, live)]
    ours, theirs = (permitted(chain) for chain in sides)
    found = compared(*(rows(chain, EVERYTHING) for chain in sides))

    def of(state: str) -> Space:
        return space_of(row for row in found if row.state == state)

    assert _same(of("permitted"), ours.sure & theirs.sure)
    assert _same(of("only_declared"), ours.sure - theirs.can)
    assert _same(of("only_live"), theirs.sure - ours.can)
    known = of("permitted") | of("only_declared") | of("only_live")
    assert _same(of("cannot_tell"), (ours.can | theirs.can) - known)
