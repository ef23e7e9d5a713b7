"""What stands beside the rules of a device, against `decide` packet by packet.

An override makes a packet count as another application; a translation brings it somewhere else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segctl.analysis.decide import Packet, decide
from segctl.analysis.effective import Reading, permitted
from segctl.analysis.space import span
from segctl.analysis.words import Beyond
from segctl.model.addresses import interval
from segctl.model.override import Override
from segctl.model.policy import ANY, Rule, Service
from segctl.model.translation import Translation
from support.policies import (
    APPLICATIONS,
    OBJECTS,
    PACKETS,
    PLAIN,
    PORTS,
    VALUES,
    named,
    point,
    rules,
)

if TYPE_CHECKING:
    from segctl.model.site import Host

chains = st.lists(rules, min_size=1, max_size=4).map(named)
sides = st.sampled_from([(ANY,), (ANY,), (ANY,), *((value,) for value in VALUES[:2])])
MET = [one for one in PACKETS if one.from_zone == "it" and one.protocol == "tcp"]
packets = st.lists(st.sampled_from([*PACKETS, *MET]), min_size=60, max_size=60)


def holds(names: tuple[str, ...], host: Host) -> bool:
    if ANY in names:
        return True
    spans = map(interval, names)
    return any(v == host.version and first <= int(host) <= last for v, first, last in spans)


def of_rule(name: str, sources: tuple[str, ...], destinations: tuple[str, ...]) -> Rule:
    return Rule(
        name=name,
        from_zones=("it",),
        to_zones=(ANY,),
        sources=sources,
        destinations=destinations,
    )


def allowed(chain: tuple[Rule, ...], packet: Packet) -> bool:
    return decide(OBJECTS.replace(rules=chain), packet).action == "allow"


@settings(deadline=None, max_examples=80)
@given(chains, sides, sides, st.sampled_from(APPLICATIONS), st.sampled_from(["22", "1-502"]),
       packets)  # fmt: skip
def test_the_truth_lies_between_the_bounds_whatever_a_packet_counts_as(
    chain: tuple[Rule, ...],
    sources: tuple[str, ...],
    destinations: tuple[str, ...],
    application: str,
    ports: str,
    asked: list[Packet],
) -> None:
    rule = replace(of_rule("short cut", sources, destinations), applications=(application,))
    service = Service(name="short cut", protocol="tcp", ports=ports)
    first, _, last = ports.partition("-")
    beyond = Beyond(overrides=(Override(rule=rule, service=service, digest=""),))
    reading = Reading(policy=OBJECTS.replace(rules=chain), platform=PLAIN, beyond=beyond)
    for packet in asked:
        found = permitted(reading.between(packet.from_zone, packet.to_zone))
        at = point(packet)
        meets = (
            packet.from_zone == "it"
            and holds(sources, packet.source)
            and holds(destinations, packet.destination)
            and packet.protocol == "tcp"
            and int(first) <= packet.port <= int(last or first)
        )
        counts = packet
        if meets:
            default = packet.port == PORTS[application]
            counts = replace(packet, application=application, default_port=default)
        truths = {allowed(chain, packet), allowed(chain, counts)}
        assert True not in truths or at in found.can
        assert False not in truths or at not in found.sure
        if not meets:
            assert (at in found.can) is (at in found.sure)


@settings(deadline=None, max_examples=80)
@given(chains, st.sampled_from(VALUES), st.sampled_from(VALUES), st.sampled_from([0, 502]), packets)
def test_what_arrives_by_a_translation_is_never_surely_denied(
    chain: tuple[Rule, ...], sent: str, to: str, port: int, asked: list[Packet]
) -> None:
    assume(interval(sent)[0] == interval(to)[0])  # else the source is another one, too
    rule = of_rule("in", (ANY,), (sent,))
    beyond = Beyond(translations=(Translation(rule=rule, to=(to,), port=port),))
    policy = OBJECTS.replace(rules=chain)
    plain = Reading(policy=policy, platform=PLAIN)
    reading = Reading(policy=policy, platform=PLAIN, beyond=beyond)
    for packet in asked:
        if not allowed(chain, packet) or packet.from_zone != "it":
            continue
        if not holds((sent,), packet.destination):
            continue
        arrived = point(packet)._replace(destination=_first(to))
        if port:
            arrived = arrived._replace(service=(arrived.service >> 16 << 16) + port)
        between = packet.from_zone, packet.to_zone
        found, before = permitted(reading.between(*between)), permitted(plain.between(*between))
        assert arrived in found.can
        assert found.sure == before.sure


def _first(value: str) -> int:
    return span(interval(value))[0]
