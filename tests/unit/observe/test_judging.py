"""What a policy does with traffic that was seen agrees with a packet by packet evaluation."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide
from segctl.model.policy import ANY, Policy, Rule, Service
from segctl.observe.functions import function_of
from segctl.observe.judging import Judge, Translated
from segctl.observe.observation import Flow, Group
from segctl.observe.spoken import spoken_of
from segctl.protocols.catalogue import catalogue
from segctl.providers.base import application_names, declared_reading, provider

if TYPE_CHECKING:
    from segctl.observe.judging import Judgement

PANOS = provider("panos")
HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
APPLICATIONS = ("modbus-base", "modbus-read-coils", "ssh")
SERVICES = (
    Service(name="tcp-22", protocol="tcp", ports="22"),
    Service(name="tcp-502", protocol="tcp", ports="502"),
    Service(name="udp-502", protocol="udp", ports="502"),
)


def some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.just((ANY,)) | st.lists(
        st.sampled_from(values), min_size=1, max_size=2, unique=True
    ).map(tuple)


rules = st.lists(
    st.builds(
        Rule,
        name=st.uuids().map(str),
        from_zones=some(("A", "B")),
        to_zones=some(("A", "B")),
        sources=some(HOSTS),
        destinations=some(HOSTS),
        applications=some(APPLICATIONS),
        services=some(tuple(service.name for service in SERVICES)),
        users=st.just((ANY,)),
        action=st.sampled_from(["allow", "deny"]),
        disabled=st.booleans(),
    ),
    max_size=5,
    unique_by=lambda rule: rule.name,
)


def judged(policy: Policy, group: Group) -> Judgement:
    """The judgement of a judge who has judged all other flows before, and remembers them."""
    judge = Judge(declared_reading(PANOS, policy))
    for source, destination, port in product(HOSTS, HOSTS, (21, 22, 23, 502)):
        other = group._replace(flow=Flow(source, destination, "", "tcp", port))
        judge.of(("A", "B"), other, spoken_of(other, PANOS))
    return judge.of(("A", "B"), group, spoken_of(group, PANOS))


def policy_of(held: list[Rule]) -> Policy:
    return Policy(rules=tuple(held)).replace(services=SERVICES)


@settings(deadline=None)
@given(rules, st.sampled_from(HOSTS), st.sampled_from(HOSTS), st.sampled_from([22, 502]))
def test_a_session_passes_where_all_its_applications_do(
    held: list[Rule], source: str, destination: str, port: int
) -> None:
    policy = policy_of(held)
    flow = Flow(source, destination, "", "tcp", port)
    for names in (("ssh",), ("modbus-base", "modbus-read-coils")):
        packets = [
            Packet(
                from_zone="A",
                to_zone="B",
                source=ip_address(source),
                destination=ip_address(destination),
                port=port,
                application=name,
                user="u",
            )
            for name in names
        ]
        actions = {decide(policy, packet).action for packet in packets}
        found = judged(policy, Group(flow=flow, applications=names, user="u"))
        assert found.ruling == ("allow" if actions == {"allow"} else "deny")


@settings(deadline=None)
@given(rules, st.sampled_from(HOSTS), st.sampled_from(HOSTS))
def test_what_no_application_was_told_of_passes_where_any_may(
    held: list[Rule], source: str, destination: str
) -> None:
    policy = policy_of(held)
    group = Group(flow=Flow(source, destination, "", "tcp", 502), reason="incomplete", user="u")
    actions = {
        decide(
            policy,
            Packet(
                from_zone="A",
                to_zone="B",
                source=ip_address(source),
                destination=ip_address(destination),
                port=502,
                application=name,
                user="u",
            ),
        ).action
        for name in (*APPLICATIONS, "another")
    }
    assert judged(policy, group).ruling == ("allow" if "allow" in actions else "deny")


def poll(applications: tuple[str, ...]) -> Policy:
    rule = Rule(
        name="poll",
        from_zones=("A",),
        to_zones=("B",),
        sources=(ANY,),
        destinations=(ANY,),
        applications=applications,
        services=("tcp-502",),
        users=(ANY,),
        action="allow",
    )
    return policy_of([rule])


@pytest.mark.parametrize(
    ("names", "ruling"), [(("READ_COILS",), "allow"), (("READ_COILS", "WRITE_SINGLE_COIL"), "deny")]
)
def test_functions_are_judged_by_their_class(names: tuple[str, ...], ruling: str) -> None:
    modbus = catalogue().protocols["modbus"]
    read = application_names(PANOS)(modbus, ["read"]).names
    functions = tuple(function_of("modbus", name) for name in names)
    group = Group(flow=Flow(HOSTS[0], HOSTS[1], "", "tcp", 502), functions=functions)
    assert judged(poll(read), group).ruling == ruling


def test_an_open_function_is_not_judged() -> None:
    group = Group(
        flow=Flow(HOSTS[0], HOSTS[1], "", "tcp", 502),
        functions=(function_of("modbus", "unknown-100"),),
    )
    assert judged(poll(("modbus-base",)), group).ruling == "unknown"
    assert judged(poll((ANY,)), group).ruling == "allow"  # whatever it is


@settings(deadline=None, max_examples=40)
@given(
    names=st.lists(
        st.sampled_from(("modbus-base", "modbus-read-coils", "modbus-write-single-coil", ANY)),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    everything=st.booleans(),
)
def test_a_protocol_without_functions_is_told_where_all_functions_fare_alike(
    names: list[str], *, everything: bool
) -> None:
    held = [poll(tuple(names)).rules[0]] + ([poll((ANY,)).rules[0]] if everything else [])
    policy = policy_of([replace(rule, name=str(number)) for number, rule in enumerate(held)])
    group = Group(flow=Flow(HOSTS[0], HOSTS[1], "", "tcp", 502), applications=("modbus",), user="u")
    packet = Packet(
        from_zone="A",
        to_zone="B",
        source=ip_address(HOSTS[0]),
        destination=ip_address(HOSTS[1]),
        port=502,
        user="u",
    )
    actions = {
        decide(policy, replace(packet, application=name)).action
        for name in spoken_of(group, PANOS).among
    }
    found = judged(policy, group).ruling
    assert found == ("unknown" if len(actions) == 2 else actions.pop())


@pytest.mark.parametrize(
    ("destination", "permitted", "ruling"),
    [
        ("original", "10.0.0.1", "allow"),
        ("original", "10.1.0.1", "deny"),
        ("translated", "10.0.0.1", "deny"),
        ("translated", "10.1.0.1", "allow"),
        ("", "10.0.0.1", "unknown"),
        ("", "10.1.0.1", "unknown"),
        ("", "0.0.0.0/0", "allow"),
    ],
)
def test_a_translated_destination_is_judged_as_the_platform_does(
    destination: Translated, permitted: str, ruling: str
) -> None:
    rule = Rule(
        name="web",
        from_zones=("A",),
        to_zones=("B",),
        sources=(ANY,),
        destinations=(permitted,),
        applications=(ANY,),
        services=(ANY,),
        users=(ANY,),
        action="allow",
    )
    judge = Judge(declared_reading(PANOS, policy_of([rule])), destination)
    flow = Flow("10.9.0.9", "10.0.0.1", "10.1.0.1", "tcp", 443)
    group = Group(flow=flow, applications=("ssl",))
    assert judge.of(("A", "B"), group, spoken_of(group, PANOS)).ruling == ruling
