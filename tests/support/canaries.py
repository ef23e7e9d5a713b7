"""PAN-OS configurations with a canary in every leaf of a schema, and documents made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from lxml import etree

from segctl.providers.panos.snapshot import Snapshot
from segctl_mocks.panos import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from segctl_mocks.panos.schema import Node

Element: TypeAlias = etree._Element  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it

COUNTED = {
    "rule": "rulebase/security/rules",
    "address": "address",
    "address-group": "address-group",
    "service": "service",
}


#: All of a configuration that a plan rests on: below a virtual system, and below shared.
OBJECTS = {
    "address/@name",
    "address/fqdn",
    "address-group/@name",
    "address-group/static/member",
    "application/@name",
    "application-filter/@name",
    "application-group/@name",
    "application-group/members/member",
    "dynamic-user-group/@name",
    "external-list/@name",
    "log-settings/profiles/@name",
    "profile-group/@name",
    "region/@name",
    "schedule/@name",
    "schedule/schedule-type/recurring/daily/member",
    *(
        f"schedule/schedule-type/recurring/weekly/{day}day/member"
        for day in ("mon", "tues", "wednes", "thurs", "fri", "satur", "sun")
    ),
    "service/@name",
    "service/protocol/udp/port",
    "service-group/@name",
    "service-group/members/member",
    "tag/@name",
}
#: What narrows a rule, lists of names, stays as the other lists do.
RULE = {
    *(f"{tag}/member" for tag in ("category", "destination-hip", "hip-profiles", "source-hip")),
    *("@name", "action", "log-setting", "schedule"),
    *(f"{tag}/member" for tag in ("application", "destination", "from", "service", "source")),
    *(f"{tag}/member" for tag in ("source-user", "tag", "to")),
}
SYSTEM = {
    *OBJECTS,
    *(f"rulebase/security/rules/{leaf}" for leaf in RULE),
    "rulebase/default-security-rules/rules/action",
    "rulebase/default-security-rules/rules/log-setting",
    "zone/@name",
    "zone/network/layer3/member",
}
ALLOWED = {f"vsys/{place}" for place in SYSTEM} | {f"shared/{place}" for place in OBJECTS}


@dataclass(slots=True)
class Canaries:
    """Texts that are found again wherever they get to, each with the place it was put at."""

    places: dict[str, str] = field(default_factory=dict[str, str])

    def at(self, place: str) -> str:
        """Return a new canary for a place."""
        bird = f"canary{len(self.places):05}x"
        self.places[bird] = place
        return bird

    def seen_in(self, text: str) -> set[str]:
        """Return the places whose canaries got into a text."""
        return {place for bird, place in self.places.items() if bird in text}


def planted(
    node: Node, place: str, birds: Canaries, depth: int = 0, *, platform: str = schema.FIREWALL
) -> Element:
    """Return an element with a canary in every leaf that the mock's schema knows below it."""
    made = etree.Element(node.tag if node.tag != "*" else "opaque")
    if node.kind in ("leaf", "opaque"):
        made.text = birds.at(place)
    elif node.kind == "members":
        etree.SubElement(made, "member").text = birds.at(f"{place}/member")
    elif node.kind == "entries":
        entry = etree.SubElement(made, "entry", name=birds.at(f"{place}/@name"))
        _fill(entry, node.entry, f"{place}", birds, depth, platform)
    else:
        _fill(made, node, place, birds, depth, platform)
    return made


def _fill(
    made: Element, node: Node, place: str, birds: Canaries, depth: int, platform: str
) -> None:
    if not node.children or depth > 12:
        made.text = birds.at(place)
    for tag, child in node.children.items():
        if not child.is_of(platform):
            continue
        inner = planted(child, f"{place}/{tag}", birds, depth + 1, platform=platform)
        inner.tag = tag
        made.append(inner)
    if node.loose:
        etree.SubElement(made, "unheard-of").text = birds.at(f"{place}/unheard-of")


def of_list(path: Path, birds: Canaries) -> Iterable[tuple[str, Element]]:
    """Yield the nodes of a list of a vendor's schema with their places, canaries in all leaves."""
    place, stack = "", list[tuple[int, Element]]()
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if line.startswith("### "):
            _, _, place = words[1].partition("vsys/entry/")
            stack = []
            continue
        if not place or not words or words[0] not in ("element", "sequence", "array", "union"):
            continue
        depth = len(line) - len(line.lstrip())
        while stack and stack[-1][0] >= depth:
            stack.pop()
        made = etree.Element(words[1])
        if stack:
            stack[-1][1].append(made)
        where = "/".join([place, *(str(one.tag) for _, one in stack[1:]), words[1]])
        if words[0] == "element":
            made.text = birds.at(where.replace("/entry", ""))
        elif words[1] == "entry":
            made.set("name", birds.at(where.replace("/entry", "") + "/@name"))
        if not stack:
            yield place, made
        stack.append((depth, made))


def answer(*nodes: Element) -> bytes:
    """Return what a device answers with these nodes."""
    root = etree.Element("response", status="success")
    etree.SubElement(root, "result").extend(nodes)
    return etree.tostring(root)


def document(
    vsys: Element, shared: Element, *, more: Mapping[str, bytes] | None = None, name: str = "fw1"
) -> bytes:
    """Return what a session would return of a device with this configuration."""
    system = etree.fromstring(
        "<system><serial>1</serial><sw-version>11.1.6</sw-version><model>PA-440</model></system>"
    )
    parts = {
        "system": answer(system),
        "pending": answer(etree.Element("journal")),
        "vsys": answer(vsys),
        "shared": answer(shared),
        "applications": answer(),
        "network": answer(etree.Element("network")),
        "deviceconfig": answer(etree.Element("deviceconfig")),
        "panorama status": answer(),
    }
    for kind, path in COUNTED.items():
        count = len(vsys.findall(f"{path}/entry"))
        parts[f"count {kind}"] = (
            f'<response status="success"><result total-count="{count}"/></response>'.encode()
        )
    return Snapshot(host=name, user="segctl", scope="vsys1", parts=parts | dict(more or {})).dump()


def whole(birds: Canaries) -> tuple[Element, Element, dict[str, bytes]]:
    """Return a virtual system, shared and the rest of a device, a canary in every leaf."""
    root = schema.load()
    device = root.children["devices"].entry
    (system,) = planted(device.children["vsys"], "vsys", birds)
    system.set("name", "vsys1")
    for kind in system.iter("rule-type"):
        kind.text = "interzone"  # a word of three, and no other is a rule
    rest = {
        section: answer(planted(device.children[section], section, birds))
        for section in ("network", "deviceconfig")
    }
    journal = etree.fromstring(
        f"<journal><entry><owner>eve</owner><xpath>/config</xpath>"
        f"<comment>{birds.at('pending')}</comment></entry></journal>"
    )
    rest["pending"] = answer(journal)
    rest["systems other"] = answer(planted(device.children["vsys"], "other", birds))
    rest["network candidate"] = answer(planted(device.children["network"], "candidate", birds))
    return system, planted(root.children["shared"], "shared", birds), rest


#: The rulebases of Panorama, around that of the device.
BASES = ("pre-rulebase", "post-rulebase")


def pushed_whole(birds: Canaries) -> tuple[Element, Element]:
    """Return a pushed policy and a pushed template with a canary in every leaf of a system."""
    device = schema.load().children["devices"].entry
    (system,) = planted(device.children["vsys"], "pushed", birds)
    panorama = etree.Element("panorama")
    for child in list(system):
        if child.tag == "rulebase":
            for base in BASES:
                (again,) = planted(device.children["vsys"], f"pushed/{base}", birds)
                held = again.find("rulebase")
                assert held is not None
                held.tag = base
                panorama.append(held)
        else:
            panorama.append(child)
    for bird, where in birds.places.items():
        birds.places[bird] = where.replace("/rulebase/", "/")
    for kind in panorama.iter("rule-type"):
        kind.text = "interzone"
    policy = etree.Element("policy")
    policy.append(panorama)
    (given,) = planted(device.children["vsys"], "template", birds)
    given.set("name", "vsys1")
    config = etree.fromstring("<config><devices><entry><vsys/></entry></devices></config>")
    place = config.find("devices/entry/vsys")
    assert place is not None
    place.append(given)
    return policy, config
