"""Proofs of a firewall, of paths through several, of two side by side, on small sites."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from segctl.analysis.alike import Firewall as Side
from segctl.analysis.alike import alike
from segctl.analysis.intended import Intent
from segctl.analysis.path_proofs import end_to_end
from segctl.compiler.build import compile_site
from segctl.model.errors import UnsupportedError
from segctl.model.policy import Address, ApplicationGroup, DefaultRule, Policy, Rule, Service
from segctl.model.site import (
    Asset,
    Conduit,
    Device,
    Endpoint,
    Flow,
    PortRange,
    ProtocolUse,
    Schedule,
    Site,
    Zone,
    ZoneBinding,
)
from segctl.protocols import catalogue
from support.proofs import Firewall, firewalls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl.analysis.alike import Likeness
    from segctl.analysis.path_proofs import PathProof
    from segctl.analysis.proof import Counterexample

TODAY = date(2027, 1, 4)
MODBUS = Flow(id="poll", protocols=(ProtocolUse(protocol="modbus", classes=("read",)),))
HTTPS = Service(name="https", protocol="tcp", ports="443")


def zone(name: str, network: str, **more: Any) -> Zone:
    """A zone of one network with one asset, at its tenth address."""
    net = ip_network(network)
    asset = Asset(name=f"{name}1", addresses=(ip_network(net[10]),))
    return Zone(site="s", id=name, networks=(net,), assets=(asset,), **more)


ZONES = (zone("a", "10.1.0.0/24"), zone("b", "10.2.0.0/24"), zone("c", "10.3.0.0/24"))


def device(name: str, *zones: str, platform: str = "panos", **more: Any) -> Device:
    """A firewall with an interface in each of some zones."""
    bindings = tuple(
        ZoneBinding(zone=f"s/{one}", name=one.upper(), interfaces=(f"eth{number}",))
        for number, one in enumerate(zones)
    )
    return Device(name=name, platform=platform, zones=bindings, **more)


def conduit(*flows: Flow, source: str = "a", destination: str = "b", **more: Any) -> Conduit:
    """A conduit between two zones."""
    given: dict[str, Any] = {"id": "c", "threat_prevention": "none"} | more
    return Conduit(
        site="s",
        from_zones=(f"s/{source}",),
        to_zones=(f"s/{destination}",),
        reason="r",
        owner="o",
        flows=flows,
        **given,
    )


def built(
    *conduits: Conduit, devices: Iterable[Device] = (), zones: Iterable[Zone] = ZONES
) -> dict[str, Firewall]:
    """The firewalls of a site; one between all zones unless others are given."""
    held = tuple(devices) or (device("fw1", "a", "b", "c"),)
    return firewalls(Site(zones=tuple(zones), conduits=conduits, devices=held), TODAY)


def examples(firewall: Firewall, policy: Policy) -> list[Counterexample]:
    """What shows that a policy is not as declared."""
    return list(firewall.proof(policy).examples)


def with_rule(policy: Policy, rule: Rule, *, first: bool = False) -> Policy:
    """A policy with one rule more."""
    rules = (rule, *policy.rules) if first else (*policy.rules, rule)
    return policy.replace(rules=rules, services=(*policy[Service], HTTPS))


# --- one firewall --------------------------------------------------------------------------------


def test_more_and_less_are_shown_with_rule_conduit_and_packet() -> None:
    fw = built(conduit(MODBUS))["fw1"]
    assert fw.proof().verdict == "proved"
    (rule,) = fw.policy.rules
    wider = fw.policy.replace(rules=(replace(rule, services=("any",)),))
    (example,) = examples(fw, wider)
    assert (example.direction, example.rule, example.conduit) == ("permitted", rule.name, "s.c")
    narrower = fw.policy.replace(
        rules=(replace(rule, destinations=("s.b.b1",)),),
        addresses=(*fw.policy[Address], Address(name="s.b.b1", value="10.2.0.10")),
    )
    (example,) = examples(fw, narrower)
    assert (example.direction, example.rule) == ("denied", "interzone-default")
    assert (example.conduit, example.flow) == ("s/c", "poll")
    assert str(example.packet).startswith("10.1.0.0 → 10.2.0.0 tcp/502 modbus-")


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "absent"},
        {"expires": date(2027, 1, 3)},
    ],
)
def test_what_is_over_is_not_declared(changes: dict[str, Any]) -> None:
    held = built(conduit(MODBUS))["fw1"].policy
    fw = built(conduit(MODBUS, **changes))["fw1"]
    assert fw.proof().verdict == "proved"
    assert [one.direction for one in examples(fw, held)] == ["permitted"]
    today = built(conduit(MODBUS, expires=TODAY))["fw1"]
    assert today.proof(held).verdict == "proved"


def test_a_fault_of_the_compiler_shows() -> None:
    flow = replace(MODBUS, destinations=(Endpoint(zone="s/b", asset="b1"),))
    fw = built(conduit(flow))["fw1"]
    site = Site(zones=ZONES, conduits=(conduit(MODBUS),), devices=(device("fw1", "a", "b", "c"),))
    faulty = compile_site(site, TODAY)["fw1"]  # as if it took an asset for its zone
    policy, _ = fw.speaks.fit(faulty.policy, faulty.device)
    assert [one.direction for one in examples(fw, policy)] == ["permitted"]


def test_users_and_schedules_are_taken_as_they_are_named() -> None:
    hours = Schedule(
        name="work", weekly=(("monday", ("08:00-16:00",)), ("friday", ("22:00-02:00",)))
    )
    flow = replace(MODBUS, users=("s\\ops",), schedule="work")
    fw = built(conduit(flow), devices=[device("fw1", "a", "b", schedules=(hours,))])["fw1"]
    assert fw.proof().verdict == "proved"
    (rule,) = fw.policy.rules
    others = fw.policy.replace(rules=(replace(rule, users=("s\\dev", "s\\ops")),))
    (example,) = examples(fw, others)
    assert example.packet is not None
    assert (example.direction, example.packet.user) == ("permitted", "s\\dev")
    always = fw.policy.replace(rules=(replace(rule, schedule=""),))
    (example,) = examples(fw, always)
    assert example.packet is not None
    assert not example.disagreement
    assert example.packet.time == 0


def test_a_rule_that_denies_a_group_leaves_it_open_who_may_still_pass() -> None:
    flow = replace(MODBUS, users=("s\\ops",))
    fw = built(conduit(flow))["fw1"]
    deny = Rule(
        name="deny", from_zones=("A",), to_zones=("B",), users=("s\\guests",), action="deny"
    )
    found = examples(fw, with_rule(fw.policy, deny, first=True))
    assert {one.direction for one in found} == {"unknown"}
    assert "deny: who is in s\\guests only the device knows" in found[0].why


def test_an_application_that_nobody_knows_is_itself_on_ports_of_its_own() -> None:
    fw = built(conduit(Flow(id="f", applications=("plant-historian",))))["fw1"]
    assert fw.proof().verdict == "proved"
    (rule,) = fw.policy.rules
    ports = fw.policy.replace(rules=(replace(rule, services=("https",)),), services=(HTTPS,))
    assert {one.direction for one in examples(fw, ports)} == {"permitted", "denied"}
    deny = Rule(name="deny", from_zones=("A",), to_zones=("B",), services=("https",), action="deny")
    found = examples(fw, with_rule(fw.policy, deny, first=True))
    assert {one.direction for one in found} == {"unknown"}


def test_a_rule_that_denies_an_application_may_mean_one_that_nobody_knows() -> None:
    fw = built(conduit(Flow(id="f", applications=("plant-historian",))))["fw1"]
    deny = Rule(
        name="deny", from_zones=("A",), to_zones=("B",), applications=("ssh",), action="deny"
    )
    found = examples(fw, with_rule(fw.policy, deny, first=True))
    assert {one.direction for one in found} == {"unknown"}
    assert any("whether it means plant-historian" in why for one in found for why in one.why)


def test_what_is_not_understood_may_permit_anything() -> None:
    fw = built(conduit(MODBUS), devices=[device("gw1", "a", "b", platform="nftables")])["gw1"]
    assert fw.proof().verdict == "proved"
    (rule,) = fw.policy.rules
    strange = fw.policy.replace(rules=(replace(rule, extras=("out_A-B also has: accept",)),))
    assert fw.proof(strange).verdict == "cannot_tell"


def test_inside_a_zone_everything_passes_or_nothing() -> None:
    closed = (replace(ZONES[0], intrazone="deny"), *ZONES[1:])
    fw = built(conduit(MODBUS), zones=closed)["fw1"]
    assert fw.proof().verdict == "proved"
    opened = fw.policy.replace(rules=[one for one in fw.policy.rules if one.type != "intrazone"])
    (example,) = examples(fw, opened)
    assert (example.direction, example.enter, example.rule) == (
        "permitted",
        "A",
        "intrazone-default",
    )
    shut = Rule(name="shut", from_zones=("B",), to_zones=("B",), action="deny")
    (example,) = examples(fw, with_rule(fw.policy, shut))
    assert (example.direction, example.enter, example.rule) == ("denied", "B", "shut")


def test_a_default_that_allows_is_found_between_all_zones() -> None:
    fw = built(conduit(MODBUS))["fw1"]
    allow = DefaultRule(name="interzone-default", action="allow", log=False)
    found = examples(fw, fw.policy.replace(defaults=(allow,)))
    assert {(one.enter, one.leave) for one in found} == {
        (a, b) for a in "ABC" for b in "ABC" if a != b
    }
    assert {(one.direction, one.rule) for one in found} == {("permitted", "interzone-default")}


def test_a_flood_of_examples_is_counted() -> None:
    fw = built(conduit(MODBUS))["fw1"]
    more = [
        Rule(name=f"r{number}", from_zones=("A",), to_zones=("C",), sources=(f"10.1.0.{number}",))
        for number in range(30)
    ]
    proof = fw.proof(fw.policy.replace(rules=(*fw.policy.rules, *more)))
    assert (len(proof.examples), proof.more) == (20, 10)


# --- what a platform cannot tell apart -----------------------------------------------------------


def test_functions_that_are_not_looked_at_are_told_and_bounded() -> None:
    flow = replace(MODBUS, functions="not-enforced")
    fw = built(conduit(flow), devices=[device("gw1", "a", "b", platform="nftables")])["gw1"]
    proof = fw.proof()
    assert proof.verdict == "proved"
    (widening,) = proof.widenings
    assert (widening.conduit, widening.flow, widening.protocol) == ("s/c", "poll", "modbus")
    assert "functions: not-enforced" in widening.text
    enforced = built(conduit(MODBUS), devices=[device("gw1", "a", "b", platform="nftables")])["gw1"]
    assert not enforced.proof().widenings
    assert [one.direction for one in examples(enforced, fw.policy)] == ["permitted"]
    (rule,) = fw.policy.rules
    elsewhere = fw.policy.replace(
        rules=(replace(rule, services=(*rule.services, "https")),),
        services=(*fw.policy[Service], HTTPS),
    )
    assert [one.direction for one in examples(fw, elsewhere)] == ["permitted"]


def test_an_echo_request_is_a_flow() -> None:
    ping = Flow(id="ping", services=(PortRange(protocol="icmp", first=0, last=0),))
    fw = built(conduit(ping), devices=[device("gw1", "a", "b", platform="nftables")])["gw1"]
    assert fw.proof().verdict == "proved"
    (example,) = examples(fw, fw.policy.replace(rules=()))
    assert (example.direction, example.flow) == ("denied", "ping")
    (echo,) = fw.policy[Service]
    for ports in ("7", "9", "8-9", "0-7", "0-255"):
        mutant = fw.policy.replace(services=(replace(echo, ports=ports),))
        assert examples(fw, mutant), ports
        assert fw.proof(mutant).verdict != "proved"


# --- several in series ---------------------------------------------------------------------------


def ways(fws: dict[str, Firewall], site: Site, **held: Policy) -> list[PathProof]:
    """What is found on the paths of a site, some firewalls holding other policies."""
    proved = {name: one.proved(held.get(name)) for name, one in fws.items()}
    return list(end_to_end(Intent(site, TODAY).series(), proved))


def row(*platforms: str) -> tuple[dict[str, Firewall], Site]:
    """Two firewalls in a row, zone a to zone c, with a conduit through both."""
    devices = (
        device("fw1", "a", "b", platform=platforms[0]),
        device("fw2", "b", "c", platform=platforms[1]),
    )
    site = Site(zones=ZONES, conduits=(conduit(MODBUS, destination="c"),), devices=devices)
    return firewalls(site, TODAY), site


PLATFORMS = [
    ("panos", "panos"),
    ("panos", "nftables"),
    ("nftables", "panos"),
    ("nftables", "nftables"),
]


@pytest.mark.parametrize("platforms", PLATFORMS)
def test_a_conduit_holds_from_end_to_end(platforms: tuple[str, str]) -> None:
    fws, site = row(*platforms)
    (path,) = ways(fws, site)
    assert (path.source, path.destination, path.firewalls) == ("s/a", "s/c", ("fw1", "fw2"))
    assert path.verdict == "proved"


@pytest.mark.parametrize("platforms", PLATFORMS)
def test_a_firewall_that_stops_a_conduit_is_named(platforms: tuple[str, str]) -> None:
    fws, site = row(*platforms)
    (path,) = ways(fws, site, fw2=fws["fw2"].policy.replace(rules=()))
    assert path.verdict == "not_proved"
    ((name, example),) = path.examples
    assert (name, example.direction, example.flow) == ("fw2", "denied", "poll")
    assert not example.disagreement


@pytest.mark.parametrize("platforms", PLATFORMS)
def test_a_hole_in_one_firewall_is_shut_by_the_next(platforms: tuple[str, str]) -> None:
    fws, site = row(*platforms)

    def opened(name: str) -> Policy:
        policy = fws[name].policy
        return policy.replace(
            rules=[replace(one, applications=("any",), services=("any",)) for one in policy.rules]
        )

    (path,) = ways(fws, site, fw1=opened("fw1"))
    assert path.verdict == "proved"
    assert fws["fw1"].proof(opened("fw1")).verdict == "not_proved"
    (path,) = ways(fws, site, fw1=opened("fw1"), fw2=opened("fw2"))
    assert path.verdict == "not_proved"
    ((_, example),) = path.examples
    assert (example.direction, example.disagreement) == ("permitted", "")


def test_a_path_through_a_firewall_that_is_not_known_is_not_proved() -> None:
    fws, site = row("panos", "panos")
    del fws["fw2"]
    (path,) = ways(fws, site)
    assert path.verdict == "cannot_tell"
    assert path.examples[0][1].why == ("what fw2 permits is not known",)


def test_what_one_firewall_cannot_tell_the_other_may_settle() -> None:
    fws, site = row("panos", "panos")
    name = Address(name="name", value="x.example.com", type="fqdn")
    rule = Rule(name="theirs", from_zones=("A",), to_zones=("B",), destinations=("name",))
    open_ended = with_rule(fws["fw1"].policy, rule)
    open_ended = open_ended.replace(addresses=(*open_ended[Address], name))
    assert fws["fw1"].proof(open_ended).verdict == "cannot_tell"
    (path,) = ways(fws, site, fw1=open_ended)
    assert path.verdict == "proved"


# --- two side by side ----------------------------------------------------------------------------


def twins(flow: Flow, *platforms: str) -> list[Firewall]:
    """Two firewalls between the same zones."""
    devices = [
        device(f"fw{number}", "a", "b", platform=platform)
        for number, platform in enumerate(platforms, 1)
    ]
    return list(built(conduit(flow), devices=devices).values())


def compared(left: Firewall, right: Firewall, *policies: Policy | None) -> Likeness:
    """What is found of two firewalls, with policies of their own unless others are given."""
    held = (*policies, None, None)
    return alike(
        *(
            Side(name=one.name, proved=one.proved(policy), speech=one.speech)
            for one, policy in zip((left, right), held, strict=False)
        )
    )


@pytest.mark.parametrize("platforms", PLATFORMS)
@pytest.mark.parametrize(
    "classes", [("read",), ("read", "write"), ("read", "write", "diagnostic", "file")]
)
def test_two_platforms_permit_the_same(
    platforms: tuple[str, str], classes: tuple[str, ...]
) -> None:
    flow = Flow(id="poll", protocols=(ProtocolUse(protocol="modbus", classes=classes),))
    left, right = twins(flow, *platforms)
    found = compared(left, right)
    assert found.verdict == "proved", found.examples
    assert found.pairs == 4


def test_what_a_platform_cannot_express_is_told_apart_from_a_difference() -> None:
    flow = replace(MODBUS, functions="not-enforced")
    left, right = twins(flow, "panos", "nftables")
    found = compared(left, right)
    assert found.verdict == "proved"
    assert {name for name, _ in found.widened} == {"fw1", "fw2"}  # ports of one, functions of two
    assert not any(one.disagreement for _, one in found.widened)
    left, right = twins(MODBUS, "panos", "nftables")
    anything = right.policy.replace(
        rules=[replace(one, applications=("any",)) for one in right.policy.rules]
    )
    found = compared(left, right, None, anything)
    assert found.verdict == "not_proved"
    ((name, example),) = found.examples
    assert (name, example.direction, example.disagreement) == ("fw2", "permitted", "")


@pytest.mark.parametrize("platforms", PLATFORMS)
def test_a_function_more_is_a_difference(platforms: tuple[str, str]) -> None:
    left, right = twins(MODBUS, *platforms)
    more = Flow(id="poll", protocols=(ProtocolUse(protocol="modbus", classes=("read", "write")),))
    _, other = twins(more, *platforms)
    found = compared(left, right, None, other.policy)
    assert found.verdict == "not_proved"
    assert {(name, one.direction) for name, one in found.examples} == {("fw2", "permitted")}
    assert not any(one.disagreement for _, one in found.examples)
    found = compared(left, right, left.policy.replace(rules=()))
    assert {name for name, _ in found.examples} == {"fw2"}


def test_firewalls_without_common_zones_are_not_compared() -> None:
    fws, _ = row("panos", "panos")
    with pytest.raises(UnsupportedError, match="no two zones in common"):
        compared(fws["fw1"], fws["fw2"])


def test_groups_of_applications_are_compared_by_what_is_in_them() -> None:
    left, right = twins(MODBUS, "panos", "panos")
    (rule,) = right.policy.rules
    members = rule.applications
    held = {one.name: one.members for one in right.policy[ApplicationGroup]}
    listed = tuple(name for one in members for name in held.get(one, (one,)))
    spelled = right.policy.replace(rules=(replace(rule, applications=listed),))
    assert compared(left, right, None, spelled).verdict == "proved"


# --- the whole catalogue -------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["panos", "nftables"])
def test_every_protocol_that_a_platform_takes_is_proved(platform: str) -> None:
    taken = 0
    for protocol in catalogue().protocols.values():
        classes = protocol.classes or ("read",)
        for words in {*((word,) for word in classes), classes}:
            for functions in ("enforced", "not-enforced"):
                flow = Flow(
                    id="f",
                    protocols=(ProtocolUse(protocol=protocol.id, classes=words),),
                    functions="enforced" if functions == "enforced" else "not-enforced",
                )
                try:
                    fw = built(conduit(flow), devices=[device("fw1", "a", "b", platform=platform)])
                except UnsupportedError:
                    continue
                proof = fw["fw1"].proof()
                assert proof.verdict == "proved", (protocol.id, words, functions, proof.examples)
                taken += 1
    assert taken > 50
