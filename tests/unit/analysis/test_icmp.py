"""ICMP is judged by type: in rules, in chains of others, in questions, and in proofs."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from segctl.analysis.boxes import IPV6
from segctl.analysis.effective import Reading, permitted
from segctl.analysis.query import Check, answer, questions
from segctl.analysis.space import (
    ALL_SERVICES,
    ECHO,
    Box,
    Point,
    Space,
    by_version,
    icmp,
    service,
    services_text,
    without,
)
from segctl.analysis.words import Beyond, Literally
from segctl.model.icmp import numbered, refusal
from segctl.model.policy import ANY, FirewallZone, Policy, Rule, Service
from segctl.model.site import Device, Site, Zone, ZoneBinding
from segctl.providers.panos.app_id import applications
from segctl.providers.panos.words import PanosWords
from segctl_mocks.linux.mock import LinuxMock
from support.nft import live

if TYPE_CHECKING:
    from segctl.analysis.words import Platform
    from segctl.model.gate import Gate

ZONES = (
    Zone(site="s", id="a", networks=(ip_network("10.1.0.0/24"), ip_network("fd01::/64"))),
    Zone(site="s", id="b", networks=(ip_network("10.2.0.0/24"), ip_network("fd02::/64"))),
)
BOUND = tuple(ZoneBinding(zone=f"s/{name}", name=name) for name in "ab")
FW = Device(name="fw", platform="panos", zones=BOUND)
SITE = Site(zones=ZONES, devices=(FW,))
PING = Service(name="ping", protocol="icmp", ports="0")
V4, V6 = ("10.1.0.1", "10.2.0.1"), ("fd01::1", "fd02::1")


def held(platform: Platform, *, application: str = ANY, service: str = ANY) -> Reading:
    rule = Rule(
        name="r", from_zones=("a",), to_zones=("b",), applications=(application,),
        services=(service,),
    )  # fmt: skip
    return Reading(policy=Policy(rules=(rule,), services=(PING,)), platform=platform)


def verdict(
    reading: Reading, protocol: str = "icmp", icmp_type: str = "", ends: tuple[str, str] = V4
) -> str:
    check = Check(source=ends[0], destination=ends[1], protocol=protocol, icmp_type=icmp_type)
    (asked,), problems = questions([check], SITE, {"s"})
    assert problems == ()
    found = answer(asked, FW, reading, applications=applications)
    assert (found.verdict == "cannot tell") is bool(found.why)
    return found.verdict


@pytest.mark.parametrize(
    ("protocol", "icmp_type", "ends", "told"),
    [
        ("icmp", "", V4, "allow"),
        ("icmp", "8", V4, "allow"),
        ("icmp", "echo-request", V4, "allow"),
        ("icmp", "7", V4, "deny"),
        ("icmp", "9", V4, "deny"),
        ("icmp", "0", V4, "deny"),
        ("icmp", "destination-unreachable", V4, "deny"),
        ("icmp", "", V6, "allow"),
        ("icmp", "echo-request", V6, "allow"),
        ("icmpv6", "128", V6, "allow"),
        ("icmpv6", "127", V6, "deny"),
        ("icmpv6", "129", V6, "deny"),
        ("icmpv6", "8", V6, "deny"),
        ("icmpv6", "nd-neighbor-solicit", V6, "deny"),
        ("icmp", "echo-request", ("a", "b"), "allow"),
        ("icmp", "time-exceeded", ("a", "b"), "deny"),
    ],
)
def test_a_declared_ping_is_an_echo_request_and_nothing_else(
    protocol: str, icmp_type: str, ends: tuple[str, str], told: str
) -> None:
    assert verdict(held(Literally(), service="ping"), protocol, icmp_type, ends) == told


@pytest.mark.parametrize(
    ("application", "icmp_type", "ends", "told"),
    [
        ("ping", "", V4, "allow"),
        ("ping", "8", V4, "allow"),
        ("ping", "13", V4, "cannot tell"),
        ("ping", "echo-request", V6, "cannot tell"),  # which counts as ping6
        ("ping6", "echo-request", V6, "allow"),
        ("icmp", "8", V4, "cannot tell"),
        ("icmp", "13", V4, "cannot tell"),
        ("icmp", "", V4, "allow"),
        ("ssh", "", V4, "deny"),
        ("ssh", "8", V4, "deny"),
        ("modbus-base", "13", V4, "deny"),
        (ANY, "13", V4, "allow"),
        (ANY, "nd-redirect", V6, "allow"),
    ],
)
def test_applications_tell_types_apart_only_where_that_is_known(
    application: str, icmp_type: str, ends: tuple[str, str], told: str
) -> None:
    assert verdict(held(PanosWords(), application=application), "icmp", icmp_type, ends) == told


def test_why_it_cannot_be_told_is_said() -> None:
    check = Check(source=V4[0], destination=V4[1], protocol="icmp", icmp_type="13")
    (asked,), _ = questions([check], SITE, {"s"})
    reading = held(PanosWords(), application="ping")
    found = answer(asked, FW, reading, applications=applications)
    assert found.why == ("which application icmp/13 counts as is not known",)
    assert str(check) == "check 10.1.0.1 → 10.2.0.1 icmp/13"


def test_a_question_about_the_other_version_is_refused() -> None:
    for ends, protocol, icmp_type in ((V6, "icmp", "8"), (V4, "icmpv6", ""), (V4, "icmpv6", "128")):
        check = Check(
            source=ends[0], destination=ends[1], protocol=protocol, icmp_type=icmp_type
        )  # fmt: skip
        _, (problem,) = questions([check], SITE, {"s"})
        assert f"its ends do not speak {protocol}" in problem.message


def test_words_for_types() -> None:
    assert numbered("icmp", "echo-request") == {"icmp": 8, "icmpv6": 128}
    assert numbered("icmp", "nd-redirect") == {"icmpv6": 137}
    assert numbered("icmpv6", "8") == {"icmpv6": 8}
    assert "only ICMP has types" in refusal("tcp", "8", "")
    assert "leave one out" in refusal("icmp", "8", "ping")
    assert "use a number from 0 to 255" in refusal("icmp", "256", "")
    assert "icmpv6 has no type 'source-quench'" in refusal("icmpv6", "source-quench", "")
    assert refusal("icmpv6", "packet-too-big", "") == ""


def test_types_are_shown_as_they_are() -> None:
    assert services_text(ECHO) == "icmp/8, icmpv6/128"
    assert services_text(icmp("icmp", 200, 255)) == "icmp/200-255"
    rest = without(service("icmp"), icmp("icmp", 0, 254))
    assert services_text(rest) == "icmp/255"
    assert services_text(service("icmpv6")) == "icmpv6"
    with pytest.raises(ValueError, match="has no types 9-8"):
        icmp("icmp", 9, 8)


def test_a_version_of_ip_speaks_only_its_own_icmp() -> None:
    whole = Box()
    assert by_version(whole.source, whole.destination, ALL_SERVICES) == (whole[:3],)
    assert by_version(whole.source, whole.destination, service("tcp", 1)) == (
        (whole.source, whole.destination, service("tcp", 1)),
    )
    both = by_version(whole.source, whole.destination, ECHO)
    assert [services_text(ports) for _, _, ports in both] == ["icmp/8", "icmpv6/128"]
    assert by_version(whole.source[:1], whole.destination, ECHO) == both[:1]
    assert by_version(whole.source[:1], whole.destination[1:], ECHO) == ()


# --- chains of others ----------------------------------------------------------------------------

TYPES = range(256)


@cache
def theirs(rules: str) -> tuple[Gate, ...]:
    mock = LinuxMock()
    head = "type filter hook forward priority -5; policy drop; ct state established,related accept;"
    text = f"table inet theirs {{\n chain c {{ {head} {rules}\n }}\n}}\n"
    assert mock.edit("/usr/sbin/nft -f -", text).status == 0
    return live(foreign={"inet theirs": mock.config_json("table inet theirs")}).gates


def accepted(rules: str) -> dict[str, set[int]]:
    """Return the types that pass a chain of others for certain, none of the others being open."""
    zones = tuple(FirewallZone(name=name, interfaces=(), type="") for name in "ab")
    policy = Policy(zones=zones, rules=held(Literally()).policy.rules)
    reading = Reading(policy=policy, platform=Literally(), beyond=Beyond(gates=theirs(rules)))
    found = permitted(reading.between("a", "b"))
    whole = Space((*(Box(service=service(one)) for one in ("icmp", "icmpv6")),))
    assert not found.unknown & whole
    ends = {"icmp": (0, 0), "icmpv6": (IPV6, IPV6)}
    return {
        one: {
            number for number in TYPES if Point(*ends[one], icmp(one, number)[0][0]) in found.sure
        }
        for one in ends
    }


EVERY = {"icmp": {*TYPES}, "icmpv6": {*TYPES}}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("icmp type echo-request accept;", {"icmp": {8}, "icmpv6": set[int]()}),
        (
            "icmp type { echo-request, destination-unreachable } accept;",
            {"icmp": {3, 8}, "icmpv6": set[int]()},
        ),
        ("icmp type 200-255 accept;", {"icmp": {*range(200, 256)}, "icmpv6": set[int]()}),
        ("icmpv6 type nd-neighbor-solicit accept;", {"icmp": set[int](), "icmpv6": {135}}),
        (
            "icmpv6 type { 1-4, echo-request } accept;",
            {"icmp": set[int](), "icmpv6": {1, 2, 3, 4, 128}},
        ),
        ("meta l4proto icmp accept;", {"icmp": {*TYPES}, "icmpv6": set[int]()}),
        ("meta l4proto ipv6-icmp accept;", {"icmp": set[int](), "icmpv6": {*TYPES}}),
        ("ip protocol icmp accept;", {"icmp": {*TYPES}, "icmpv6": set[int]()}),
        ("meta nfproto ipv6 accept;", {"icmp": set[int](), "icmpv6": {*TYPES}}),
        ("icmp type 8 drop; accept;", {"icmp": {*TYPES} - {8}, "icmpv6": {*TYPES}}),
        (
            "icmp type vmap { echo-request : accept, 13 : drop }; meta l4proto 1 accept;",
            {"icmp": {*TYPES} - {13}, "icmpv6": set[int]()},
        ),
        ("accept;", EVERY),
    ],
)
def test_chains_of_others_are_read_by_type(rules: str, told: dict[str, set[int]]) -> None:
    assert accepted(rules) == told


@pytest.mark.parametrize("rules", ["icmp code 0 accept;", "icmp type 8 icmp id 5 accept;"])
def test_what_is_told_apart_by_more_than_the_type_cannot_be_told(rules: str) -> None:
    with pytest.raises(AssertionError):
        accepted(rules)
