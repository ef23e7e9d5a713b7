"""Drift tells of a rule if and only if some packet between our zones passes undeclared, or not.

Every packet that can make a difference here is tried with `decide`, which reads the rules its own
way, one packet at a time.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import permutations, product
from typing import TYPE_CHECKING

from hypothesis import event, given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decider
from segctl.analysis.deviations import deviations
from segctl.analysis.space import host_of
from segctl.model.policy import ANY, DefaultRule, Policy, Rule, Service
from segctl.model.scope import DEFAULT_SCOPE
from segctl.planning.enforced import enforced, foreseen
from segctl.providers.base import Identity, Live, declared_for, provider, reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PANOS = provider("panos")
ZONES = ("A", "B", "C")
HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
SERVICES = (
    Service(name="web", protocol="tcp", ports="80"),
    Service(name="more", protocol="tcp", ports="80-90"),
)
#: One of each kind of packet that the rules below can tell apart.
PACKETS = [
    Packet(
        from_zone=enter,
        to_zone=leave,
        source=ip_address(source),
        destination=ip_address(target),
        port=port,
        application=application,
    )
    for (enter, leave), source, target, port, application in product(
        permutations(ZONES, 2), HOSTS, HOSTS, (80, 90, 91), ("ssl", "ssh", "odd")
    )
]

some_zones = st.sampled_from([("A",), ("A",), ("B",), ("C",), ("A", "B"), ("B", "C"), (ANY,)])
some_hosts = st.sampled_from([("10.0.0.2/31",), ("10.0.0.1",), ("10.0.0.1", "10.0.0.2"), (ANY,)])
some_rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=some_zones,
    to_zones=some_zones,
    sources=some_hosts,
    destinations=some_hosts,
    applications=st.sampled_from([("ssl",), ("ssl",), ("ssh", "ssl"), (ANY,)]),
    services=st.sampled_from([("web",), ("more",), (ANY,)]),
    action=st.sampled_from(["allow", "allow", "deny"]),
    negate_source=st.sampled_from([False, False, True]),
    disabled=st.sampled_from([False, False, False, True]),
)


def named(prefix: str, rules: Sequence[Rule]) -> list[Rule]:
    return [replace(rule, name=f"{prefix}{at}") for at, rule in enumerate(rules)]


declared_rules = st.lists(
    some_rules.map(lambda rule: replace(rule, action="allow", disabled=False)), max_size=3
).map(lambda rules: named("ours", rules))
rules_of_others = st.lists(some_rules, max_size=3).map(lambda rules: named("theirs", rules))


def device(
    ours: Sequence[Rule], theirs: Sequence[Rule], order: Sequence[str], default: DefaultRule
) -> Live:
    return Live(
        identity=Identity(serial="1", os_version="1", content_version="1", scope=DEFAULT_SCOPE),
        policy=Policy(rules=ours, services=SERVICES, defaults=[default]),
        others=Policy(rules=theirs),
        order=tuple(order),
        other_rules={rule.name: rule.name for rule in theirs},
        known={"application": frozenset({"ssl", "ssh", "odd"})},
    )


@settings(max_examples=150)
@given(st.data(), declared_rules, rules_of_others, st.sampled_from(["deny", "deny", "allow"]))
def test_there_is_something_to_tell_if_and_only_if_a_packet_shows_it(
    data: st.DataObject, ours: list[Rule], theirs: list[Rule], default: str
) -> None:
    wanted = Policy(rules=ours, services=SERVICES)
    held = [
        replace(rule, disabled=data.draw(st.sampled_from([False, False, False, True])))
        for rule in ours
    ]
    order = data.draw(st.permutations([rule.name for rule in (*held, *theirs)]))
    last = DefaultRule(name="interzone-default", action=default, log=True)
    live = device(held, theirs, order, last)
    now = decider(live.effective())
    declared = decider(wanted.replace(defaults=[replace(last, action="deny")]))
    passes = [packet for packet in PACKETS if now(packet).action == "allow"]
    should = [packet for packet in PACKETS if declared(packet).action == "allow"]

    told = enforced(wanted, live, PANOS, ZONES)
    opened = {now(packet).rule for packet in passes if packet not in should}
    event(f"{len(opened)} open")
    assert {one.name for one in told if one.state == "hole"} == opened
    blocked = [packet for packet in should if packet not in passes]
    assert any(one.state == "blocked" for one in told) is bool(blocked)
    assert {now(packet).rule for packet in blocked if now(packet).rule.startswith("theirs")} == {
        one.name for one in told if one.state == "blocked" and one.name.startswith("theirs")
    }
    assert not [one for one in told if one.state == "cannot_tell"]
    for found in examples(wanted, live):
        packet, effect, rule = found
        expected = ("allow", "deny") if effect == "open" else ("deny", "allow")
        assert (now(packet).action, declared(packet).action) == expected
        assert rule in (now(packet).rule, declared(packet).rule)


@settings(max_examples=80)
@given(st.data(), declared_rules, rules_of_others)
def test_a_plan_foresees_what_rules_of_others_will_do(
    data: st.DataObject, ours: list[Rule], theirs: list[Rule]
) -> None:
    """Nothing of ours is on the device yet; what passes once it is decides."""
    wanted = Policy(rules=ours, services=SERVICES)
    place = data.draw(st.integers(0, len(theirs)))
    last = DefaultRule(name="interzone-default", action="deny", log=True)
    live = device([], theirs, [rule.name for rule in theirs], last)
    told = foreseen(wanted, live, PANOS, ZONES, place)
    after = wanted.replace(rules=(*theirs[:place], *ours, *theirs[place:]), defaults=[last])
    then, declared = decider(after), decider(wanted.replace(defaults=[last]))
    decisions = [(then(packet), declared(packet).action) for packet in PACKETS]
    assert {one.name for one in told if one.state == "hole"} == {
        made.rule for made, should in decisions if (made.action, should) == ("allow", "deny")
    }
    assert {one.name for one in told if one.state == "blocked"} == {
        made.rule for made, should in decisions if (made.action, should) == ("deny", "allow")
    }


def examples(wanted: Policy, live: Live) -> Iterator[tuple[Packet, str, str]]:
    """Yield what each rule does, with the packet that shows it."""
    ours = frozenset(rule.name for rule in wanted.rules) | {"interzone-default"}
    for one in deviations(
        declared_for(PANOS, wanted, live),
        reading(PANOS, live),
        permutations(ZONES, 2),
        ours,
    ):
        enter, leave = one.pairs[0]
        packet = Packet(
            from_zone=enter,
            to_zone=leave,
            source=host_of(one.packet.source),
            destination=host_of(one.packet.destination),
            protocol={6: "tcp", 17: "udp"}.get(one.packet.service >> 16, "other"),
            port=one.packet.service & 0xFFFF,
            application=one.packet.application,
        )
        yield packet, one.effect, one.rule


@settings(max_examples=60)
@given(st.data(), declared_rules)
def test_what_holds_what_is_declared_has_nothing_to_tell(
    data: st.DataObject, ours: list[Rule]
) -> None:
    """Users and lists of the device make no alarm where they stand as they are declared."""
    users = st.sampled_from([(ANY,), ("group",)])
    odd = [replace(rule, users=data.draw(users)) for rule in ours]
    lists = st.sampled_from([("some-list",), ("10.0.0.1",)])
    odd = [replace(rule, sources=data.draw(lists)) for rule in odd]
    wanted = Policy(rules=odd, services=SERVICES)
    last = DefaultRule(name="interzone-default", action="deny", log=True)
    live = device(odd, [], [rule.name for rule in odd], last)
    assert enforced(wanted, live, PANOS, ZONES) == ()


def test_what_surely_stops_before_a_rule_leaves_it_out_of_doubt() -> None:
    """An open default rule is not in doubt for a packet that a deny above it surely stops."""
    anything = Rule(
        name="theirs",
        from_zones=("A",),
        to_zones=("B",),
        sources=(ANY,),
        destinations=(ANY,),
        applications=(ANY,),
        services=("application-default",),
        action="allow",
    )
    stop = replace(
        anything, name="stop", from_zones=ZONES, to_zones=ZONES, services=(ANY,), action="deny"
    )
    wanted = Policy(rules=[stop], services=SERVICES)
    last = DefaultRule(name="interzone-default", action="allow", log=True)

    told = enforced(wanted, device([stop], [anything], ["theirs", "stop"], last), PANOS, ZONES)

    assert {one.name for one in told} == {"theirs"}
