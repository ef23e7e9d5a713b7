"""What one packet meets in a PAN-OS configuration, told from its XML alone, rule after rule.

This is the plainest way there is: no sets, no objects of segctl, one packet at a time. Sources:
vendor's administrator guide (order of rules, rule types, default rules, negation,
``application-default``), and for applications the table of the mock's content and the file of
facts about protocols, read here once more. A default port counts where both sources have it.
Each answer is one of three: yes, no, or that the configuration does not say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from xml.etree.ElementTree import Element

#: True and False, None where only the device knows.
Told: TypeAlias = bool | None
#: Protocols with a port each.
Ports: TypeAlias = frozenset[tuple[str, int]]
_ICMP = {"icmp": "icmp", "icmp6": "icmpv6"}
Verdict: TypeAlias = Literal["allow", "deny", "cannot tell"]

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DEPTH = 40
#: What stands at a rule and has no part in what it matches.
_IDLE = {
    "action", "description", "disabled", "from", "group-tag", "icmp-unreachable", "log-end",
    "log-setting", "log-start", "negate-destination", "negate-source", "option",
    "profile-setting", "qos", "rule-type", "tag", "to", "source", "destination", "source-user",
    "application", "service", "schedule", "category", "hip-profiles", "source-hip",
    "destination-hip",
}  # fmt: skip
_ONLY_ANY = ("category", "hip-profiles", "source-hip", "destination-hip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet: the names of its zones, its ends, protocol and port, who and when.

    For ICMP the port is the type; the time is in minutes of a week from Monday 00:00.
    """

    enter: str
    leave: str
    source: str
    destination: str
    protocol: str
    port: int
    application: str
    user: str = ""
    time: int = 0


@cache
def content() -> tuple[dict[str, str], dict[str, Ports | None]]:
    """Return the container of each application, and its ports; None where these are not fixed.

    An application of a protocol without ports has those of all its ICMP types.
    """
    text = files("segctl_mocks").joinpath("data/applications.txt").read_text(encoding="utf-8")
    containers: dict[str, str] = {}
    ports: dict[str, Ports | None] = {}
    for line in text.splitlines():
        if line.startswith(("#", "container ")) or not line.strip():
            continue
        name, container, listed, *_ = (part.strip() for part in line.split("|"))
        containers[name] = container
        ports[name] = _fixed(listed)
    return containers, ports


@cache
def _facts() -> dict[str, Ports | None]:
    """Return the ports of applications: their own, else the main ones of their protocol."""
    text = files("segctl").joinpath("protocols/catalogue.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    found = {name: _fixed(",".join(one.get("default_ports", ())))
             for name, one in facts["shared"].items()}  # fmt: skip
    for protocol in facts["protocols"].values():
        listed = protocol.get("ports", ())
        main = ",".join(
            f"{one['protocol']}/{one['ports']}"
            for one in [one for one in listed if one.get("main")] or listed
        )
        main = ",".join(protocol.get("default_ports", ())) or main
        for group in protocol.get("applications", {}).values():
            for name, one in group.items():
                found[name] = _fixed(",".join(one.get("default_ports", ())) or main)
    return found


def agreed(application: str) -> bool:
    """Whether what is known of an application's default ports is known from both sources alike."""
    ports = content()[1].get(application)
    return ports is not None and ports == _facts().get(application, ports)


def _fixed(listed: str) -> Ports | None:
    if listed in _ICMP:
        return frozenset((_ICMP[listed], kind) for kind in range(256))
    found: set[tuple[str, int]] = set()
    for one in filter(None, listed.split(",")):
        protocol, _, spans = one.partition("/")
        first, _, last = spans.partition("-")
        if protocol not in ("tcp", "udp") or not first.isdigit():
            return None
        found |= {(protocol, port) for port in range(int(first), int(last or first) + 1)}
    return frozenset(found) or None


def listed_in(of: Element | None) -> list[str]:
    return [] if of is None else [(one.text or "").strip() for one in of.findall("member")]


def _any_of(answers: Iterable[Told]) -> Told:
    found = [*answers]
    return True if True in found else None if None in found or not found else False


def _all_of(answers: Iterable[Told]) -> Told:
    found = [*answers]
    return False if False in found else None if None in found else True


def _not(answer: Told) -> Told:
    return None if answer is None else not answer


def _in_ports(text: str, port: int) -> bool:
    spans = (one.strip().partition("-") for one in text.split(","))
    return any(int(first) <= port <= int(last or first) for first, _, last in spans)


class Firewall:
    """One virtual system, with what is shared."""

    def __init__(self, system: Element, shared: Element | None) -> None:
        self.scopes = [system] if shared is None else [system, shared]
        self.rules = system.findall("rulebase/security/rules/entry")
        self._defaults = {
            one.get("name", ""): one
            for scope in reversed(self.scopes)
            for one in scope.findall("rulebase/default-security-rules/rules/entry")
        }
        self.held = {
            kind: {
                entry.get("name", ""): entry
                for scope in reversed(self.scopes)
                for entry in scope.findall(f"{kind}/entry")
            }
            for kind in (
                "address", "address-group", "service", "service-group", "application",
                "application-group", "application-filter", "schedule", "region", "external-list",
            )
        }  # fmt: skip

    # --- the chain ---------------------------------------------------------------------------

    def verdict(self, packet: Packet) -> Verdict:
        """Return what becomes of a packet."""
        possible: set[bool] = set()
        for rule in self.rules:
            matches = self.matches(rule, packet)
            if matches is False:
                continue
            possible.add(rule.findtext("action", "deny").strip() == "allow")
            if matches:
                break
        else:
            possible.add(self._default(packet))
        return "cannot tell" if len(possible) > 1 else "allow" if possible == {True} else "deny"

    def _default(self, packet: Packet) -> bool:
        inside = packet.enter == packet.leave
        held = self._defaults.get("intrazone-default" if inside else "interzone-default")
        action = None if held is None else held.findtext("action")
        return inside if action is None else action.strip() == "allow"

    def matches(self, rule: Element, packet: Packet) -> Told:
        """Return whether a rule matches a packet."""
        if rule.findtext("disabled", "no").strip() == "yes":
            return False
        return _all_of(
            [
                self._zones(rule, packet),
                self._side(rule, "source", packet.source),
                self._side(rule, "destination", packet.destination),
                self._who(listed_in(rule.find("source-user")), packet.user),
                self._spoken(rule, packet),
                self._when(rule.findtext("schedule", "").strip(), packet.time),
                *self._besides(rule),
            ]
        )

    @staticmethod
    def _zones(rule: Element, packet: Packet) -> Told:
        inside = packet.enter == packet.leave
        kind = rule.findtext("rule-type", "universal").strip()
        if (kind == "intrazone" and not inside) or (kind == "interzone" and inside):
            return False
        return all(
            {"any", zone} & {*listed_in(rule.find(side))}
            for side, zone in (("from", packet.enter), ("to", packet.leave))
        )

    @staticmethod
    def _besides(rule: Element) -> Iterator[Told]:
        for name in _ONLY_ANY:
            node = rule.find(name)
            if node is not None and set(listed_in(node)) - {"any"}:
                yield None
        target = rule.find("target")
        if target is not None and target.find("devices/entry") is not None:
            yield None
        if any(node.tag not in _IDLE | {"target"} for node in rule):
            yield None

    # --- addresses ---------------------------------------------------------------------------

    def _side(self, rule: Element, side: str, address: str) -> Told:
        found = _any_of(self._address(one, address, 0) for one in listed_in(rule.find(side)))
        negated = rule.findtext(f"negate-{side}", "no").strip() == "yes"
        return _not(found) if negated else found

    def _address(self, name: str, address: str, depth: int) -> Told:
        if name == "any":
            return True
        group, held = self.held["address-group"].get(name), self.held["address"].get(name)
        if group is not None:
            static = listed_in(group.find("static"))
            if depth > _DEPTH or not static:
                return None
            return _any_of(self._address(one, address, depth + 1) for one in static)
        if held is not None:
            return _held_address(held, address)
        return _literal(name, address)

    # --- services and applications -----------------------------------------------------------

    def _spoken(self, rule: Element, packet: Packet) -> Told:
        named = [self._application(one, packet.application, 0)
                 for one in listed_in(rule.find("application"))]  # fmt: skip
        services = listed_in(rule.find("service"))
        if "application-default" in services:
            ports = self._on_default(packet)
        else:
            ports = _any_of(self._service(one, packet, 0) for one in services)
        return _all_of([_any_of(named), ports])

    def _on_default(self, packet: Packet) -> Told:
        if packet.application in self.held["application"]:
            return None
        known = content()[1].get(packet.application)
        if known is None:
            return None
        port = (packet.protocol, packet.port)
        facts = _facts().get(packet.application, known)
        return None if facts is None or (port in known) is not (port in facts) else port in known

    def _application(self, name: str, application: str, depth: int) -> Told:
        if name in ("any", application):
            return True
        group = self.held["application-group"].get(name)
        if group is not None:
            members = listed_in(group.find("members")) or listed_in(group)
            if depth > _DEPTH or not members:
                return None
            return _any_of(self._application(one, application, depth + 1) for one in members)
        if name in self.held["application-filter"]:
            return None
        containers, _ = content()
        if name in containers or name in self.held["application"]:
            return False
        known = containers.get(application)
        if name in containers.values():
            return None if known is None else known == name
        return None

    def _service(self, name: str, packet: Packet, depth: int) -> Told:
        if name == "any":
            return True
        group, held = self.held["service-group"].get(name), self.held["service"].get(name)
        if group is not None:
            members = listed_in(group.find("members")) or listed_in(group)
            if depth > _DEPTH or not members:
                return None
            return _any_of(self._service(one, packet, depth + 1) for one in members)
        if held is not None:
            return _held_service(held, packet)
        brought = {"service-http": (80, 8080), "service-https": (443,)}.get(name)
        if brought is None:
            return None
        return packet.protocol == "tcp" and packet.port in brought

    # --- who and when ------------------------------------------------------------------------

    @staticmethod
    def _who(names: list[str], user: str) -> Told:
        if not names or "any" in names:
            return True
        found: list[Told] = []
        for name in names:
            if name in ("known-user", "unknown"):
                found.append((name == "known-user") is bool(user))
            else:  # a user, or a group of users
                found.append(name == user or (None if user else False))
        return _any_of(found)

    def _when(self, name: str, time: int) -> Told:
        if not name:
            return True
        held = self.held["schedule"].get(name)
        week = None if held is None else held.find("schedule-type/recurring")
        if week is None:
            return None
        spans = [(day, span) for day in range(7) for span in listed_in(week.find("daily"))]
        for node in week.findall("weekly/*"):
            spans += [(_DAYS.index(node.tag), span) for span in listed_in(node)]
        return any(_within(day, span, time) for day, span in spans) if spans else None


def stretches(held: Element | str) -> Iterator[tuple[str, str]]:
    text = held if isinstance(held, str) else held.findtext("ip-netmask", "").strip()
    if not isinstance(held, str) and held.find("ip-range") is not None:
        first, _, last = held.findtext("ip-range", "").strip().partition("-")
        yield first, last
        return
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return
    yield str(network[0]), str(network[-1])


def _held_address(held: Element, address: str) -> Told:
    value = {node.tag: (node.text or "").strip() for node in held}
    if "ip-wildcard" in value:
        base, _, mask = (int(ip_address(one)) if one != "/" else 0
                         for one in value["ip-wildcard"].partition("/"))  # fmt: skip
        asked = ip_address(address)
        return asked.version == 4 and (int(asked) ^ base) & ~mask & 0xFFFFFFFF == 0
    if "ip-netmask" not in value and "ip-range" not in value:
        return None
    return _in_stretches(held, address)


def _literal(name: str, address: str) -> Told:
    if "-" in name:
        first, _, last = name.partition("-")
        try:
            low, high, asked = ip_address(first), ip_address(last), ip_address(address)
        except ValueError:
            return None
        return asked.version == low.version and int(low) <= int(asked) <= int(high)
    return _in_stretches(name, address)


def _in_stretches(held: Element | str, address: str) -> Told:
    spans = [*stretches(held)]
    if not spans:
        return None
    asked = ip_address(address)
    return any(
        asked.version == ip_address(first).version
        and int(ip_address(first)) <= int(asked) <= int(ip_address(last))
        for first, last in spans
    )


def _held_service(held: Element, packet: Packet) -> Told:
    protocols = held.find("protocol")
    if protocols is None or len(protocols) != 1:
        return None
    (one,) = protocols
    if one.tag not in ("tcp", "udp", "sctp"):
        return None
    if one.tag != packet.protocol or not _in_ports(one.findtext("port", ""), packet.port):
        return False
    return None if one.find("source-port") is not None else True


def _within(day: int, span: str, time: int) -> bool:
    """Whether a minute of the week is in ``22:00-06:00`` of a day; the end may be a day later."""
    begin, end = (int(one[:2]) * 60 + int(one[3:5]) for one in span.split("-"))
    since = (time - day * 1440 - begin) % (7 * 1440)
    return since <= (min(end, 1439) - begin if begin <= end else 1440 - begin + end)
