"""Packets worth a try on a PAN-OS configuration: at the borders of what its rules name."""

from __future__ import annotations

import random
from ipaddress import ip_address
from typing import TYPE_CHECKING

from support.first_match import Packet, content, listed_in, stretches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

    from support.first_match import Firewall


def packets(firewall: Firewall, count: int, seed: int) -> Iterator[Packet]:
    """Yield packets at the borders of what rules name, drawn by a seed."""
    pick = random.Random(seed)
    every = _Borders(firewall.scopes, firewall.rules)
    whole = [(_Borders([], [rule]), rule) for rule in firewall.rules]
    for _ in range(count):
        near, rule = pick.choice(whole) if whole else (every, None)
        yield _packet(firewall, pick, every, near if pick.random() < 0.7 else every, rule)


def _packet(
    firewall: Firewall,
    pick: random.Random,
    every: _Borders,
    near: _Borders,
    rule: Element | None,
) -> Packet:
    def zone(side: str) -> str:
        named = [] if rule is None else listed_in(rule.find(side))
        kept = [one for one in named if one != "any"]
        return pick.choice(kept if kept and pick.random() < 0.8 else every.zones)

    version = pick.choice((4, 4, 4, 6))
    ends = [
        pick.choice([at for at in every.near_of(_expanded(firewall, rule, side)) or every.hosts
                     if ip_address(at).version == version] or every.fallback[version])
        for side in ("source", "destination")
    ]  # fmt: skip
    protocol = pick.choice(("tcp", "tcp", "tcp", "udp", "icmp" if version == 4 else "icmpv6"))
    application = pick.choice(near.applications or every.applications)
    ports = sorted(port for kind, port in content()[1].get(application) or () if kind == protocol)
    port = pick.choice(ports) if ports and pick.random() < 0.5 else pick.choice(every.ports)
    if protocol in ("icmp", "icmpv6"):
        port = pick.choice((0, 3, 8, 127, 128, 129, 255))
    return Packet(
        enter=zone("from"), leave=zone("to"), source=ends[0], destination=ends[1],
        protocol=protocol, port=port, application=application, user=pick.choice(every.users),
        time=pick.choice((0, 479, 480, 481, 720, 1020, 1021, 1439, 7000, 10079)),
    )  # fmt: skip


def _expanded(firewall: Firewall, rule: Element | None, side: str) -> list[Element | str]:
    """Return what the names of one side of a rule are, groups taken apart."""
    found: list[Element | str] = []
    names = [] if rule is None else listed_in(rule.find(side))
    seen: set[str] = set()
    while names:
        name = names.pop()
        group = firewall.held["address-group"].get(name)
        if group is not None and name not in seen:
            seen.add(name)
            names += listed_in(group.find("static"))
        elif group is None and name != "any":
            found.append(firewall.held["address"].get(name, name))
    return found


class _Borders:
    """Values at which something begins or ends in a configuration, with those beside them."""

    def __init__(self, scopes: Iterable[Element], rules: Iterable[Element]) -> None:
        rules = [*rules]
        scopes = [*scopes]
        self.zones = sorted(
            {one for rule in rules for side in ("from", "to") for one in listed_in(rule.find(side))}
            | {one.get("name", "") for scope in scopes for one in scope.findall("zone/entry")}
            | {"of-nobody", "elsewhere"}
        )
        self.zones.remove("any") if "any" in self.zones else None
        named = [one for scope in scopes for one in scope.findall("address/entry")]
        words = [one for rule in rules for side in ("source", "destination")
                 for one in listed_in(rule.find(side))]  # fmt: skip
        self.fallback = {4: ["10.0.0.1", "192.0.2.7", "0.0.0.0", "255.255.255.255"],
                         6: ["::1", "2001:db8::1", "fd00::9"]}  # fmt: skip
        self.hosts = self.near_of([*named, *words]) or self.fallback[4]
        self.ports = sorted(self._ports(scopes))
        self.applications = sorted(self._applications(scopes, rules))
        users = {one for rule in rules for one in listed_in(rule.find("source-user"))}
        self.users = ["", "", "someone", *sorted(users - {"any", "known-user", "unknown"})]

    @staticmethod
    def near_of(held: Iterable[Element | str]) -> list[str]:
        """Return the first and last addresses of objects and literals, and those beside them."""
        found: set[str] = set()
        for one in held:
            for first, last in stretches(one):
                size = 2**32 if ip_address(first).version == 4 else 2**128
                whole = type(ip_address(first))
                for edge in (int(ip_address(first)), int(ip_address(last))):
                    found |= {str(whole((edge + step) % size)) for step in (-1, 0, 1)}
        return sorted(found)

    @staticmethod
    def _ports(scopes: Iterable[Element]) -> set[int]:
        found = {0, 65535, 79, 80, 81, 443, 444, 8080, 502}
        for node in (port for scope in scopes for port in scope.iter("port")):
            for text in (node.text or "").replace("-", ",").split(","):
                if text.strip().isdigit():
                    found |= {int(text) - 1, int(text), int(text) + 1}
        return {port for port in found if 0 <= port <= 65535}

    @staticmethod
    def _applications(scopes: Iterable[Element], rules: Iterable[Element]) -> set[str]:
        """Return applications that rules and groups name, those in containers, and others."""
        containers, _ = content()
        named = {one for rule in rules for one in listed_in(rule.find("application"))}
        for scope in scopes:
            for group in scope.findall("application-group/entry"):
                named |= {*listed_in(group.find("members")), *listed_in(group)}
        inside = {one for one, container in containers.items() if container in named}
        leaves = {one for one in named - {"any"} if one in containers}
        return leaves | inside | {"ssl", "web-browsing", "modbus-read-coils", "nobody-knows-it"}
