"""What profiles, log forwarding and zone protection of a firewall come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lxml import etree

from segctl.providers.panos.settings import settings
from segctl.providers.panos.snapshot import Snapshot

if TYPE_CHECKING:
    from segctl.providers.settings import Settings


def found(vsys: str = "", deviceconfig: str = "", network: str = "", shared: str = "") -> Settings:
    parts = {
        "deviceconfig": f"<deviceconfig>{deviceconfig}</deviceconfig>",
        "network": f"<network>{network}</network>",
    }
    answers = {
        name: f"<response status='success'><result>{text}</result></response>".encode()
        for name, text in parts.items()
    }
    return settings(
        Snapshot(host="fw1", user="u", scope="vsys1", parts=answers),
        etree.fromstring("<response/>"),
        (
            etree.fromstring(f"<entry>{vsys}</entry>"),
            etree.fromstring(f"<shared>{shared}</shared>"),
        ),
    )


def effect(kind: str, profile: str, name: str = "own") -> tuple[str, str]:
    """What a group with one profile does."""
    group = f"<entry name='g'><{kind}><member>{name}</member></{kind}></entry>"
    defined = f"<profiles><{kind}><entry name='own'>{profile}</entry></{kind}></profiles>"
    held = found(f"<profile-group>{group}</profile-group>{defined}")
    protection = held.groups["g"][kind]
    return protection.effect, protection.why


def rules(*texts: str) -> str:
    entries = "".join(
        f"<entry name='r{number}'>{text}</entry>" for number, text in enumerate(texts)
    )
    return f"<rules>{entries}</rules>"


def rule(action: str, *severities: str, more: str = "") -> str:
    listed = "".join(f"<member>{one}</member>" for one in severities)
    return f"<severity>{listed}</severity><action><{action}/></action>{more}"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (rules(rule("reset-both", "critical", "high", "medium")), "blocks"),
        (rules(rule("reset-both", "any")), "blocks"),
        (rules(rule("drop", "critical", "high"), rule("alert", "medium")), "alerts"),
        (rules(rule("default", "any")), "default"),
        (rules(rule("alert", "any")), "alerts"),
        (rules(rule("allow", "any")), "allows"),
        # the first of a severity decides
        (rules(rule("alert", "any"), rule("reset-both", "any")), "alerts"),
        # medium is not mentioned
        (rules(rule("reset-both", "critical", "high")), "allows"),
        # some signatures meet a weaker rule before
        (
            rules(rule("alert", "any", more="<category>dos</category>"), rule("drop", "any")),
            "alerts",
        ),
        (
            rules(
                rule("allow", "any", more="<cve><member>CVE-2020-1</member></cve>"),
                rule("drop", "any"),
            ),
            "allows",
        ),
        (rules(), "allows"),
        (rules(rule("sideways", "any")), "unknown"),
        (
            rules(rule("drop", "any"))
            + "<threat-exception><entry name='30003'><action><allow/></action></entry>"
            "</threat-exception>",
            "unknown",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["spyware", "vulnerability"])
def test_signatures(kind: str, profile: str, expected: str) -> None:
    assert effect(kind, profile)[0] == expected


def decoders(**actions: str) -> str:
    entries = (
        f"<entry name='{name}'><action>{action}</action></entry>"
        for name, action in actions.items()
    )
    return f"<decoder>{''.join(entries)}</decoder>"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (decoders(ftp="default", http="default", http2="default", smb="default"), "blocks"),
        (decoders(ftp="reset-both", http="drop", http2="default", smb="reset-server"), "blocks"),
        (decoders(ftp="default", http="alert", http2="default", smb="default"), "alerts"),
        (decoders(ftp="default", http="default", http2="default"), "allows"),
        ("", "allows"),
    ],
)
def test_antivirus(profile: str, expected: str) -> None:
    assert effect("virus", profile)[0] == expected


def test_why_it_does_not_block_is_said() -> None:
    profile = decoders(ftp="default", http="alert", http2="default", smb="default")
    assert effect("virus", profile) == ("alerts", "weakest: http alert")


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("spyware", "strict", "blocks"),
        ("vulnerability", "default", "default"),
        ("virus", "default", "blocks"),
        ("vulnerability", "elsewhere", "unknown"),
    ],
)
def test_predefined_profiles(kind: str, name: str, expected: str) -> None:
    assert effect(kind, "", name)[0] == expected


def test_an_own_profile_comes_before_the_predefined_one() -> None:
    alerting = f"<entry name='strict'>{rules(rule('alert', 'any'))}</entry>"
    own = f"<profiles><spyware>{alerting}</spyware></profiles>"
    named = "<entry name='g'><spyware><member>strict</member></spyware></entry>"
    group = f"<profile-group>{named}</profile-group>"
    held = found(group, shared=own)
    assert held.groups["g"]["spyware"].effect == "alerts"


def test_an_empty_group_protects_from_nothing() -> None:
    held = found("<profile-group><entry name='g'/></profile-group>")
    assert held.groups == {"g": {}}


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("<filter>All Logs</filter><send-syslog><member>s</member></send-syslog>", ("traffic",)),
        ("<send-to-panorama>yes</send-to-panorama>", ("traffic",)),
        ("<filter>All Logs</filter><send-to-panorama>no</send-to-panorama>", ()),
        ("<filter>(action eq deny)</filter><send-syslog><member>s</member></send-syslog>", ()),
    ],
)
def test_what_is_forwarded(match: str, expected: tuple[str, ...]) -> None:
    entry = f"<entry name='m'><log-type>traffic</log-type>{match}</entry>"
    profile = f"<profiles><entry name='p'><match-list>{entry}</match-list></entry></profiles>"
    held = found(shared=f"<log-settings>{profile}</log-settings>")
    assert held.forwarding == {"p": expected}


def test_zone_protection_is_what_is_switched_on() -> None:
    profile = (
        "<profiles><zone-protection-profile><entry name='z'>"
        "<discard-ip-spoof>yes</discard-ip-spoof><tcp-reject-non-syn>no</tcp-reject-non-syn>"
        "<flood><udp><enable>yes</enable></udp><icmp><enable>no</enable></icmp></flood>"
        "<scan><entry name='8001'><action><alert/></action></entry>"
        "<entry name='8002'><action><block-ip/></action></entry></scan>"
        "</entry></zone-protection-profile></profiles>"
    )
    zones = (
        "<zone><entry name='A'><network><zone-protection-profile>z</zone-protection-profile>"
        "<enable-packet-buffer-protection>no</enable-packet-buffer-protection></network></entry>"
        "<entry name='B'><network/></entry></zone>"
    )
    held = found(zones, network=profile)
    expected = ("discard-ip-spoof", "flood udp", "scan 8002", "no packet buffer protection")
    assert held.zones == {"A": expected}


def test_what_is_not_there_has_no_value() -> None:
    values = found(deviceconfig="<system><timezone>UTC</timezone></system>").values
    assert values == {
        "timezone": "UTC",
        "ntp servers": "0",
        "authenticated ntp servers": "0",
        "application override rules": "0",
    }
