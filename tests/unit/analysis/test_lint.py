"""What lint finds in a policy: in published rule bases, and one mistake after another."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from segctl.analysis import standing
from segctl.analysis.effective import Reading
from segctl.analysis.lint import lint
from segctl.analysis.pivots import Place, edges, indirect
from segctl.analysis.relations import zones_within
from segctl.analysis.space import ALL_ADDRESSES, ALL_SERVICES, addresses
from segctl.analysis.words import Beyond
from segctl.model.addresses import interval
from segctl.model.gate import Gate, GateRule
from segctl.model.override import Override
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Policy,
    Rule,
    Schedule,
    Service,
    ServiceGroup,
)
from segctl.model.translation import Translation
from segctl.providers.panos.words import PanosWords
from support.words import Plain

if TYPE_CHECKING:
    from segctl.analysis.finding import Finding, Lint
    from segctl.analysis.words import Platform

BASES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "rulebases.yml").read_text(encoding="utf-8")
)
PLAIN = Plain(ports={"modbus": 502, "ssh": 22})


def rule(name: str, action: str = "allow", **fields: Any) -> Rule:
    """A rule between any zones; a field of one name may be given as text."""
    said: dict[str, Any] = {"from_zones": "any", "to_zones": "any"} | fields
    lists: dict[str, Any] = {
        key: (value,) if isinstance(value, str) and key.endswith("s") else value
        for key, value in said.items()
    }
    return Rule(name=name, action=action, **lists)


def linted(*rules: Rule, platform: Platform = PLAIN, **objects: Any) -> Lint:
    zones = objects.pop("zones", ())
    policy = Policy(rules=rules, **objects)
    return lint(Reading(policy=policy, platform=platform), zones=zones)


def told(found: Lint, kind: str) -> dict[str, tuple[str, ...]]:
    return {one.subject: one.others for one in found.findings if one.kind == kind}


def one(found: Lint, kind: str) -> Finding:
    (finding,) = [one for one in found.findings if one.kind == kind]
    return finding


# --- published rule bases ------------------------------------------------------------------------


def reading_of(base: dict[str, Any]) -> Reading:
    services: dict[str, Service] = {}
    rules: list[Rule] = []
    for name, action, enter, leave, source, destination, service in base["rules"]:
        if service != "any":
            protocol, _, ports = service.partition("/")
            services[service] = Service(name=service, protocol=protocol, ports=ports)
        rules.append(
            rule(
                name,
                action,
                from_zones=enter,
                to_zones=leave,
                sources=source,
                destinations=destination,
                services=service,
            )
        )
    defaults = [
        DefaultRule(name=which, action=base["default"], log=False)
        for which in ("intrazone-default", "interzone-default")
    ]
    policy = Policy(rules=rules, services=services.values(), defaults=defaults)
    return Reading(policy=policy, platform=PLAIN)


@pytest.mark.parametrize("name", BASES)
def test_published_rule_bases(name: str) -> None:
    base = BASES[name]
    found = lint(reading_of(base))
    redundant = told(found, "redundant")
    assert {*redundant} == {*base["removable"]}
    named = {rule: others[0] for rule, others in redundant.items() if len(others) == 1}
    named = {rule: other for rule, other in named.items() if other.isdigit()}
    assert named == base["redundant"]
    assert {key: [*others] for key, others in told(found, "generalised").items()} == base[
        "exceptions"
    ]
    assert [*told(found, "permits_everything")] == base.get("everything", [])
    assert not told(found, "shadowed")
    assert not told(found, "correlated")
    assert not told(found, "never_matches")
    assert not found.doubts


@pytest.mark.parametrize("name", BASES)
def test_zones_reached_in_published_rule_bases(name: str) -> None:
    base = BASES[name]
    places = [
        Place(zone=zone, name=zone, addresses=addresses(interval(one) for one in networks))
        for zone, networks in base["zones"].items()
    ]
    found = [*edges(reading_of(base), places)]
    direct = {(edge.enter, edge.leave) for edge in found}
    wanted = base["direct"]
    pairs = permutations(base["zones"], 2) if wanted == "all" else map(tuple, wanted)
    assert direct == {*pairs}
    reached = [*indirect(found, ())]
    assert sorted(one.subject for one in reached) == sorted(map(" → ".join, base["indirect"]))
    assert {one.severity for one in reached} <= {"warning"}


def test_a_declared_pair_is_not_indirect_and_declared_hops_are_a_note() -> None:
    base = BASES["labshock-dmz-router"]
    places = [
        Place(zone=zone, name=zone, addresses=addresses(interval(one) for one in networks))
        for zone, networks in base["zones"].items()
    ]
    found = [*edges(reading_of(base), places, "router")]
    assert not [*indirect(found, {("ot", "it")})]
    (note,) = indirect(found, {("ot", "dmz"), ("dmz", "it")})
    assert (note.severity, note.others) == ("note", ("router: 5", "router: 1"))
    assert str(note.example) == "192.168.3.0 → 172.16.0.0 tcp/21"
    assert "by way of dmz" in note.message


def test_what_only_crosses_a_zone_does_not_end_there() -> None:
    places = [
        Place(zone=zone, name=zone, addresses=addresses([interval(network)]))
        for zone, network in (("a", "10.1.0.0/24"), ("wan", "10.2.0.0/24"), ("c", "10.3.0.0/24"))
    ]
    through = rule("through", from_zones="a", to_zones="wan", destinations="10.9.0.0/24")
    onward = rule("onward", from_zones="wan", to_zones="c")
    policy = Policy(rules=[through, onward])
    found = [*edges(Reading(policy=policy, platform=PLAIN), places)]
    assert [(edge.enter, edge.leave, edge.rule) for edge in found] == [("wan", "c", "onward")]


OPENED = rule("in", from_zones="a", to_zones="b", services="any")
TAKEN = Rule(name="taken", from_zones=("a",), to_zones=("b",), applications=("other",))
GATE = GateRule(
    action="drop",
    certain=False,
    enters=(),
    leaves=(),
    sources=ALL_ADDRESSES,
    destinations=ALL_ADDRESSES,
    services=ALL_SERVICES,
)


@pytest.mark.parametrize(
    ("beyond", "passes"),
    [
        (Beyond(), True),
        (Beyond(gates=(Gate(name="g", why="it drops", rules=(GATE,)),)), False),
        (
            Beyond(
                overrides=(
                    Override(
                        rule=TAKEN,
                        service=Service(name="t", protocol="tcp", ports="0-65535"),
                        digest="",
                    ),
                )
            ),
            True,
        ),
        (Beyond(translations=(Translation(rule=OPENED, to=("10.9.0.1",)),)), False),
        (
            Beyond(
                translations=(
                    Translation(
                        rule=rule("n", from_zones="z", destinations="10.2.0.0/24", services="any"),
                        to=("10.9.0.1",),
                    ),
                )
            ),
            True,
        ),
    ],
)
def test_what_is_not_decided_by_rules_alone_reaches_no_zone(beyond: Beyond, passes: bool) -> None:  # noqa: FBT001 - a row of a table
    places = [
        Place(zone=zone, name=zone, addresses=addresses([interval(network)]))
        for zone, network in (("a", "10.1.0.0/24"), ("b", "10.2.0.0/24"))
    ]
    found = [*edges(Reading(policy=Policy(rules=[OPENED]), platform=PLAIN, beyond=beyond), places)]
    assert bool(found) is passes


# --- rules without effect ------------------------------------------------------------------------


def test_shadowed_by_one_rule() -> None:
    found = linted(rule("stop", "deny", sources="10.0.0.0/8"), rule("let", sources="10.1.0.0/16"))
    finding = one(found, "shadowed")
    assert (finding.subject, finding.others, finding.severity) == ("let", ("stop",), "warning")
    assert str(finding.example).startswith("10.1.0.0 → 0.0.0.0 ")
    assert "and stop decides otherwise" in finding.message
    assert not told(found, "correlated")


def test_shadowed_by_several_together_and_only_by_those_needed() -> None:
    halves = [
        rule("low", "deny", sources="10.0.0.0/25"),
        rule("elsewhere", "deny", sources="10.9.0.0/25"),
        rule("high", "deny", sources="10.0.0.128/25"),
    ]
    found = linted(*halves, rule("let", sources="10.0.0.0/24"))
    assert told(found, "shadowed") == {"let": ("low", "high")}
    assert not told(linted(*halves[:2], rule("let", sources="10.0.0.0/24")), "shadowed")


def test_both_ip_versions_are_needed_to_shadow_both() -> None:
    four = rule("four", "deny", sources="0.0.0.0/0")
    six = rule("six", "deny", destinations="::/0")
    assert told(linted(four, six, rule("all")), "shadowed") == {"all": ("four", "six")}
    assert not told(linted(four, rule("all")), "shadowed")


def test_rules_that_together_decide_both_ways_shadow() -> None:
    found = linted(
        rule("let", sources="10.0.0.0/25"),
        rule("stop", "deny", sources="10.0.0.128/25"),
        rule("again", sources="10.0.0.0/24"),
    )
    assert told(found, "shadowed") == {"again": ("let", "stop")}
    assert "and stop decides otherwise" in one(found, "shadowed").message


def test_a_rule_is_shadowed_only_if_it_is_between_all_of_its_zones() -> None:
    stop = rule("stop", "deny", from_zones="a", to_zones="b")
    let = rule("let", from_zones=("a", "c"), to_zones="b")
    assert not told(linted(stop, let), "shadowed")
    other = rule("other", "deny", from_zones="c")
    assert told(linted(stop, other, let), "shadowed") == {"let": ("stop", "other")}
    anywhere = rule("anywhere", to_zones="b")
    assert not told(linted(stop, other, anywhere), "shadowed")


def test_rules_within_and_between_zones_are_told_apart() -> None:
    inside = rule("inside", "deny", type="intrazone")
    between = rule("between", "deny", type="interzone")
    assert not told(linted(inside, rule("all")), "shadowed")
    assert told(linted(inside, between, rule("all")), "shadowed") == {"all": ("inside", "between")}


def test_a_rule_to_any_zone_is_also_within_its_own() -> None:
    between = rule("between", "deny", from_zones="a", type="interzone")
    assert not told(linted(between, rule("let", from_zones="a")), "shadowed")
    into = rule("into", "deny", to_zones="a", type="interzone")
    assert not told(linted(into, rule("let", to_zones="a")), "shadowed")


ANYWHERE: dict[str, Any] = {}
A_TO_B = {"from_zones": "a", "to_zones": "b"}
A_TO_A = {"from_zones": "a", "to_zones": "a"}
BOTH = {"from_zones": ("a", "b"), "to_zones": ("a", "b")}


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        (A_TO_B, ANYWHERE, True),
        (ANYWHERE, A_TO_B, False),
        (A_TO_B, BOTH, True),
        (A_TO_B, {"from_zones": "a"}, True),
        ({"from_zones": "a"}, A_TO_B, False),
        (A_TO_B, {"type": "interzone"}, True),
        (BOTH, {"type": "interzone"}, False),
        (ANYWHERE, {"type": "interzone"}, False),
        (A_TO_B, {"type": "intrazone"}, False),
        (A_TO_A, {"type": "intrazone"}, True),
        (BOTH, {"type": "intrazone"}, False),
        (BOTH | {"type": "intrazone"}, BOTH, True),
        ({"from_zones": "a", "to_zones": ("a", "b"), "type": "intrazone"}, A_TO_A, True),
        ({"type": "intrazone"}, {"type": "interzone"}, False),
    ],
)
def test_which_rules_join_all_zones_of_others(
    inner: dict[str, Any], outer: dict[str, Any], *, within: bool
) -> None:
    assert zones_within(rule("inner", **inner), rule("outer", **outer)) is within


def test_a_disabled_rule_shadows_nothing_and_is_not_told() -> None:
    found = linted(rule("off", "deny", disabled=True), rule("let", sources="10.0.0.0/8"))
    assert not told(found, "shadowed")
    assert found.rules == 1


def test_redundant_with_one_before_and_with_one_after_but_only_one_of_two() -> None:
    found = linted(rule("first", sources="10.0.0.0/8"), rule("second", sources="10.0.0.0/8"))
    assert told(found, "redundant") == {"second": ("first",)}
    found = linted(rule("narrow", sources="10.0.0.0/8"), rule("wide", sources="10.0.0.0/7"))
    assert told(found, "redundant") == {"narrow": ("wide",)}


def test_one_in_between_that_decides_otherwise_makes_it_needed() -> None:
    narrow, wide = rule("narrow", sources="10.0.0.0/8"), rule("wide", sources="10.0.0.0/7")
    stop = rule("stop", "deny", sources="10.0.0.7", destinations="10.9.9.9")
    assert "narrow" not in told(linted(narrow, stop, wide), "redundant")
    before = rule("before", "deny", sources="10.0.0.7")
    assert told(linted(before, narrow, stop, wide), "redundant") == {"narrow": ("wide",)} | {
        "stop": ("before",)
    }


def test_what_decides_as_the_default_rule_is_a_note() -> None:
    found = linted(rule("end", "deny", type="interzone"))
    finding = one(found, "redundant")
    assert (finding.severity, finding.others) == ("note", ("the default rule",))


def test_a_redundant_rule_that_logs_otherwise_is_a_note() -> None:
    quiet = rule("quiet", sources="10.0.0.0/8", log=False)
    finding = one(linted(quiet, rule("loud", sources="10.0.0.0/7")), "redundant")
    assert finding.severity == "note"
    assert finding.message.endswith("; it logs or inspects otherwise")


def test_ours_are_told_with_their_conduit() -> None:
    ours = rule("ours", conduit="polling", flow="poll", sources="10.0.0.0/8")
    finding = one(linted(rule("stop", "deny", sources="10.0.0.0/8"), ours), "shadowed")
    assert (finding.conduit, finding.flow) == ("polling", "poll")


# --- rules in conflict ---------------------------------------------------------------------------


def test_correlated_with_a_packet_of_both() -> None:
    found = linted(
        rule("let", sources="10.0.0.0/8", destinations="10.2.0.0/16"),
        rule("stop", "deny", sources="10.1.0.0/16"),
    )
    finding = one(found, "correlated")
    assert (finding.subject, finding.others) == ("stop", ("let",))
    assert str(finding.example).startswith("10.1.0.0 → 10.2.0.0 ")
    assert not told(found, "generalised")


def test_alike_in_packets_and_apart_in_zones_is_correlated() -> None:
    let = rule("let", from_zones=("a", "b"), to_zones="c", sources="10.1.0.0/16")
    stop = rule("stop", "deny", from_zones="a", to_zones="c", sources="10.0.0.0/8")
    assert told(linted(let, stop), "correlated") == {"stop": ("let",)}


def test_rules_that_decide_alike_are_not_correlated() -> None:
    found = linted(rule("one", destinations="10.2.0.0/16"), rule("other", sources="10.1.0.0/16"))
    assert not told(found, "correlated")


def test_applications_on_their_default_ports_meet_where_both_do() -> None:
    """Each of two applications meets the ports of the other, and no packet is of both."""
    both = rule("both", applications=("modbus", "ssh"), services="application-default")
    crossed = Service(name="s502", protocol="tcp", ports="502")
    stop = rule("stop", "deny", applications="ssh", services="s502", sources="10.0.0.0/8")
    apart = linted(both, stop, services=[crossed])
    assert not told(apart, "correlated")
    assert not told(apart, "shadowed")
    meant = rule("stop", "deny", applications="modbus", services="s502", sources="10.0.0.0/8")
    found = linted(both, meant, services=[crossed])
    assert told(found, "shadowed") == {"stop": ("both",)}


# --- rules that never match ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"sources": "10.0.0.0/8", "destinations": "fd00::/8"}, "no IP version in common"),
        ({"type": "intrazone", "from_zones": "a", "to_zones": "b"}, "no zone is on both sides"),
        ({"type": "interzone", "from_zones": "a", "to_zones": "a"}, "a is on both sides"),
        ({"from_zones": "gone"}, "does not have the zone it is from: gone"),
        ({"to_zones": ("gone", "away")}, "does not have the zone it is to: away, gone"),
        ({"to_zones": "bare"}, "no interface is in the zone it is to: bare"),
        ({"applications": "icmp", "services": "s502"}, "icmp is spoken on icmp, and the rule has"),
        ({"to_zones": "a", "destinations": "239.1.1.1"}, "leaves by the zone multicast"),
        ({"to_zones": "multicast", "destinations": "10.0.0.0/8"}, "is not multicast"),
    ],
)
def test_never_matching(said: dict[str, Any], why: str) -> None:
    found = linted(
        rule("r", **said),
        platform=PanosWords(),
        services=[Service(name="s502", protocol="tcp", ports="502")],
        zones=[
            FirewallZone(name="a", interfaces=("ethernet1/1",)),
            FirewallZone(name="b", interfaces=("ethernet1/2",)),
            FirewallZone(name="bare", interfaces=()),
        ],
    )
    finding = one(found, "never_matches")
    assert why in finding.message
    assert not told(found, "redundant")


def test_zones_that_are_not_known_are_not_held_against_a_rule() -> None:
    assert not told(linted(rule("r", from_zones="gone")), "never_matches")
    multicast = rule("m", to_zones="a", destinations="239.1.1.1")
    assert not told(linted(multicast, platform=PanosWords()), "never_matches")
    assert not told(
        linted(multicast, zones=[FirewallZone(name="a", interfaces=("eth1",))]), "never_matches"
    )


def test_multicast_within_layer_2_leaves_by_its_zone() -> None:
    zone = FirewallZone(name="a", interfaces=("ethernet1/1",), type="layer2")
    found = linted(
        rule("m", to_zones="a", destinations="239.1.1.1"), platform=PanosWords(), zones=[zone]
    )
    assert not told(found, "never_matches")


def test_an_application_on_ports_that_it_does_not_use_is_a_note() -> None:
    tls = Service(name="s443", protocol="tcp", ports="443")
    found = linted(rule("r", applications="modbus", services="s443"), services=[tls])
    finding = one(found, "application_port")
    assert finding.severity == "note"
    assert "modbus is spoken on tcp/502, and the rule has tcp/443" in finding.message
    fits = linted(rule("r", applications=("modbus", "unknown"), services="s443"), services=[tls])
    assert not told(fits, "application_port")


# --- rules that permit everything, objects, doubts -----------------------------------------------


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ({}, "error"),
        ({"from_zones": "a", "to_zones": "b"}, "warning"),
        ({"from_zones": "a", "to_zones": "a"}, "note"),
        ({"type": "intrazone"}, "note"),
    ],
)
def test_permitting_everything(said: dict[str, Any], severity: str) -> None:
    finding = one(linted(rule("r", **said)), "permits_everything")
    assert (finding.severity, finding.others) == (severity, ())


@pytest.mark.parametrize(
    "said",
    [
        {"sources": "10.0.0.0/8"},
        {"users": "jane"},
        {"applications": "modbus"},
        {"extras": ("category=a",)},
    ],
)
def test_not_quite_everything(said: dict[str, Any]) -> None:
    assert not told(linted(rule("r", **said)), "permits_everything")
    assert not told(linted(rule("r", "deny")), "permits_everything")


def test_a_rule_without_a_zone_permits_nothing() -> None:
    """A part of a configuration may lack them."""
    whole = rule("r")
    for bare in (replace(whole, from_zones=()), replace(whole, to_zones=())):
        for kind in (bare, replace(bare, type="interzone"), replace(bare, type="intrazone")):
            found = lint(Reading(policy=Policy(rules=(kind,)), platform=PLAIN))
            assert not told(found, "permits_everything")


def test_objects_that_no_rule_uses() -> None:
    found = linted(
        rule("r", sources="g", services="sg", applications="ag", schedule="t"),
        rule("off", disabled=True, destinations="only-off"),
        addresses=[
            Address(name=name, value="10.0.0.1")
            for name in ("inner", "only-off", "unused", "of-unused")
        ],
        address_groups=[
            AddressGroup(name="g", members=("gg",)),
            AddressGroup(name="gg", members=("inner",)),
            AddressGroup(name="unused-group", members=("of-unused",)),
        ],
        services=[Service(name=name, protocol="tcp", ports="1") for name in ("s", "idle")],
        service_groups=[ServiceGroup(name="sg", members=("s",))],
        application_groups=[ApplicationGroup(name="ag", members=("modbus",))],
        schedules=[
            Schedule(name=name, windows=(("daily", ("08:00-16:00",)),)) for name in ("t", "never")
        ],
    )
    assert [*told(found, "unused_object")] == [
        "unused",
        "of-unused",
        "unused-group",
        "idle",
        "never",
    ]


def test_objects_that_something_else_uses_are_not_unused() -> None:
    policy = Policy(
        addresses=[Address(name="nat", value="10.0.0.1"), Address(name="in", value="10.0.0.2")],
        address_groups=[AddressGroup(name="g", members=("in",))],
    )
    found = lint(Reading(policy=policy, platform=PLAIN), referenced=("nat", "g"))
    assert not found.findings


def test_addresses_that_the_device_may_gather_by_tag_are_not_unused() -> None:
    found = linted(
        rule("r", sources="by-tag"),
        addresses=[Address(name="tagged", value="10.0.0.1")],
        address_groups=[AddressGroup(name="by-tag", members=())],
    )
    assert not told(found, "unused_object")


def test_what_cannot_be_told_is_no_finding_and_is_listed() -> None:
    name = Address(name="www", value="www.example.com", type="fqdn")
    wide = rule("wide", "deny", sources="www")
    narrow = rule("narrow", sources="10.0.0.0/8")
    found = linted(wide, narrow, addresses=[name])
    assert not told(found, "shadowed")
    assert not told(found, "correlated")
    doubts = {(one.subject, one.kind): one.why for one in found.doubts}
    reason = ("wide: www is a name that the device looks up",)
    assert doubts == {("wide", "unknown_words"): reason, ("narrow", "shadowed"): reason}
    # the other way round it is certain: whatever the name stands for
    found = linted(rule("all", "deny"), rule("let", sources="www"), addresses=[name])
    assert told(found, "shadowed") == {"let": ("all",)}


def test_a_rule_that_is_not_understood_leaves_its_zones_open() -> None:
    strange = rule("strange", from_zones="a", to_zones="b", extras=("also has x",))
    twice = [
        rule(f"{zone}{n}", from_zones=zone, to_zones="b", sources="10.0.0.0/8")
        for zone in "ac"
        for n in (1, 2)
    ]
    found = linted(strange, *twice)
    assert told(found, "redundant") == {"c2": ("c1",)}
    assert {one.subject for one in found.doubts} >= {"a1", "a2"}


def test_a_default_rule_that_is_not_understood_makes_nothing_redundant() -> None:
    default = DefaultRule(
        name="interzone-default", action="deny", log=False, extras=("category=a",)
    )
    found = linted(rule("end", "deny", type="interzone"), defaults=[default])
    assert not told(found, "redundant")


def test_a_chain_that_is_too_complex_is_said_and_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound is lowered: at its real height the test would take seconds."""
    monkeypatch.setattr(standing, "STEPS_OF_CHAIN", 3)
    rules = [rule(f"r{n}", sources=f"10.0.{n}.0/24", destinations="10.1.0.0/16") for n in range(9)]
    found = linted(*rules, rule("again", sources="10.0.0.0/24", destinations="10.1.0.0/16"))
    assert not found.complete
    assert not told(found, "redundant")
    doubt = found.doubts[0]
    assert doubt.kind == "too_complex"
    assert "too complex to lint, 10 rules" in doubt.why[0]


def test_rules_that_join_too_many_zones_are_said() -> None:
    zones = tuple(f"z{n}" for n in range(1500))
    found = linted(rule("wide", from_zones=zones, to_zones=zones))
    assert not found.complete
    assert not told(found, "redundant")
