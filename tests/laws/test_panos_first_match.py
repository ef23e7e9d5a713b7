"""Real configurations, packet by packet, against a matcher that shares nothing with segctl."""

from __future__ import annotations

import os
from collections import Counter
from copy import deepcopy
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from lxml import etree

from segctl.analysis.boxes import IPV6
from segctl.analysis.effective import permitted
from segctl.analysis.space import PROTOCOLS, Point, Space
from segctl.providers.base import reading
from segctl.providers.panos import PanosProvider
from support.borders import packets
from support.canaries import document
from support.first_match import Firewall, Packet, agreed
from support.lengths import full

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.analysis.effective import Reading
    from segctl.providers.panos.elements import Element

PANOS = PanosProvider()
_BESIDE = Path(__file__).resolve().parents[3] / "shared/third-party"
FOLDER = Path(os.environ.get("SEGCTL_THIRD_PARTY", _BESIDE)) / "panos-samples"
#: Packets of each virtual system.
PACKETS = 600 if full() else 60


def _systems() -> Iterator[tuple[str, Element, Element]]:
    """Yield virtual systems that have rules, and device groups of Panorama as such."""
    for path in sorted(FOLDER.rglob("*.xml")):
        try:
            root = etree.parse(path).getroot()
        except etree.XMLSyntaxError:
            continue
        held = root.find("shared")
        shared = etree.Element("shared") if held is None else held
        name = path.relative_to(FOLDER)
        for system in root.iterfind(".//vsys/entry"):
            if system.find("rulebase") is not None:
                yield f"{name} {system.get('name')}", system, shared
        for group in root.iterfind("devices/entry/device-group/entry"):
            yield f"{name} {group.get('name')}", _as_system(group), shared


def _as_system(group: Element) -> Element:
    """Return a device group as if a firewall had all its rules by itself."""
    made = deepcopy(group)
    base = etree.SubElement(made, "rulebase")
    rules = etree.SubElement(etree.SubElement(base, "security"), "rules")
    for place in ("pre-rulebase", "post-rulebase"):
        rules.extend(made.findall(f"{place}/security/rules/entry"))
        gone = made.find(place)
        if gone is not None:
            made.remove(gone)
    return made


@cache
def systems() -> dict[str, tuple[Element, Element]]:
    return {name: (system, shared) for name, system, shared in _systems()}


def _plain(node: Element) -> ET.Element:
    return ET.fromstring(etree.tostring(node))


def _known(system: Element, shared: Element) -> Reading:
    own = deepcopy(system)
    own.set("name", "vsys1")
    return reading(PANOS, PANOS.parse(document(own, shared)))


def _number(address: str) -> int:
    held = ip_address(address)
    return int(held) + (IPV6 if held.version == 6 else 0)


def _point(packet: Packet) -> Point:
    return Point(
        _number(packet.source),
        _number(packet.destination),
        (PROTOCOLS[packet.protocol] << 16) + packet.port,
        packet.application,
        packet.user,
        packet.time,
    )


def _engine(known: Reading, packet: Packet) -> str:
    point = _point(packet)
    found = permitted(known.between(packet.enter, packet.leave), Space((point.box,)))
    if point in found.sure:
        return "allow"
    return "cannot tell" if point in found.can else "deny"


def disagreements(
    system: Element, shared: Element, count: int
) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Return how often both say what of packets, and where they cannot both be right."""
    known = _known(system, shared)
    brute = Firewall(_plain(system), _plain(shared))
    seen: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    for packet in packets(brute, count, seed=len(brute.rules)):
        told, said = brute.verdict(packet), _engine(known, packet)
        seen[told, said] += 1
        # the default ports of an application may be told by one source and not by the other
        guessed = told == "cannot tell" and not agreed(packet.application)
        if said not in (told, "cannot tell") and not guessed:
            wrong.append(f"{packet}: the rules say {told}, segctl says {said}")
    return seen, wrong


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no real configurations here: SEGCTL_THIRD_PARTY")
def test_real_configurations_are_judged_as_rule_after_rule_says() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for name, (system, shared) in systems().items():
        found, wrong = disagreements(system, shared, PACKETS)
        assert not wrong, (name, wrong[:3])
        seen += found
    assert seen["allow", "allow"] * 5 > seen.total()
    assert seen["deny", "deny"] * 5 > seen.total()
    needless = seen["allow", "cannot tell"] + seen["deny", "cannot tell"]
    assert 0 < needless + seen["cannot tell", "cannot tell"] < seen.total() // 5
    assert needless * 20 < seen.total()
