"""Answers about flows, against every packet of a small world."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.analysis.answer import Answer, Flow, Spoken, answer
from segctl.analysis.decide import Packet, decide
from segctl.analysis.effective import Reading
from segctl.analysis.space import host_of
from segctl.model.policy import ANY, Policy, Rule, Service
from support.words import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable

APPLICATIONS = ("", "read", "write", "base")
SERVICES = (
    Service(name="low", protocol="tcp", ports="1-2"),
    Service(name="two", protocol="tcp", ports="2"),
)
SIDES = ((ANY,), ("0.0.0.1",), ("0.0.0.0-0.0.0.1",), ("0.0.0.2", "0.0.0.0"))
HOSTS = range(3)


rules = st.builds(
    Rule,
    name=st.just("r"),
    from_zones=st.just(("a",)),
    to_zones=st.just(("b",)),
    sources=st.sampled_from(SIDES),
    destinations=st.sampled_from(SIDES),
    applications=st.sampled_from([(ANY,), ("read",), ("base", "write"), ("base",)]),
    services=st.sampled_from([(ANY,), ("low",), ("two",)]),
    action=st.sampled_from(["allow", "deny"]),
)
spoken = st.sampled_from(
    [
        Spoken(needed=("read",), own=("read",)),
        Spoken(needed=("base", "read", "write"), own=("read", "write")),
        Spoken(),
    ]
)
ends = st.sampled_from([((4, 0, 2),), ((4, 1, 1),), ((4, 0, 0), (4, 2, 2))])


@settings(deadline=None, max_examples=80)
@given(st.lists(rules, max_size=4), spoken, ends, ends, st.sampled_from([0, 1, 2, 3]))
def test_an_answer_is_what_every_packet_says(
    chain: list[Rule],
    asked: Spoken,
    sources: tuple[tuple[int, int, int], ...],
    destinations: tuple[tuple[int, int, int], ...],
    port: int,
) -> None:
    named = tuple(replace(rule, name=f"r{at}") for at, rule in enumerate(chain))
    policy = Policy(services=SERVICES, rules=named)
    flow = Flow(
        zones=(("a", "b"),),
        sources=sources,
        destinations=destinations,
        protocol="tcp",
        port=port,
        user="",
        spoken=asked,
    )
    found = answer(flow, Reading(policy=policy, platform=Plain()))
    assert found.unknown is None
    assert found.why == ()
    allowed, denied = _tried(policy, flow)
    assert (found.allowed is not None, found.denied is not None) == (allowed, denied)
    _stands(policy, found, port)


def _tried(policy: Policy, flow: Flow) -> tuple[bool, bool]:
    """Return whether any pair passes and whether any does not, by trying each."""
    allowed = denied = False
    for source, destination in product(_hosts(flow.sources), _hosts(flow.destinations)):
        passes = {
            name: any(
                _passes(policy, source, destination, name, port)
                for port in ([flow.port] if flow.port else [0, 1, 2, 3])
            )
            for name in flow.spoken.needed or APPLICATIONS
        }
        some = any(passes[name] for name in flow.spoken.own or APPLICATIONS)
        allowed |= some
        denied |= not all(passes.values()) if flow.spoken.together else not some
    return allowed, denied


def _passes(policy: Policy, source: int, destination: int, name: str, port: int) -> bool:
    packet = Packet(
        from_zone="a",
        to_zone="b",
        source=host_of(source),
        destination=host_of(destination),
        port=port,
        application=name,
    )
    return decide(policy, packet).action == "allow"


def _stands(policy: Policy, found: Answer, port: int) -> None:
    """Every example has been tried, and its rule is the one that decides."""
    for example, passes in ((found.allowed, True), (found.denied, False)):
        if example is None:
            continue
        packet = Packet(
            from_zone="a",
            to_zone="b",
            source=example.source,
            destination=example.destination,
            port=example.port,
            application=example.application,
        )
        decision = decide(policy, packet)
        assert (decision.action == "allow") is passes
        assert decision.rule == example.rule
        assert not port or example.port == port


def _hosts(parts: Iterable[tuple[int, int, int]]) -> list[int]:
    return [number for _, first, last in parts for number in range(first, last + 1)]
