"""``test security-policy-match``: the first running rule a flow meets."""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import TYPE_CHECKING, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from segctl_mocks.panos.answers import ApiError
from segctl_mocks.panos.content import applications
from segctl_mocks.panos.filters import takes_in
from segctl_mocks.panos.pushed import object_of
from segctl_mocks.panos.reports import enforced
from segctl_mocks.panos.runtime import members_of
from segctl_mocks.panos.tree import Element, text_of
from segctl_mocks.panos.validate import members

if TYPE_CHECKING:
    from segctl_mocks.panos.device import PanosDevice

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PROTOCOLS = {"6": "tcp", "17": "udp"}


def policy_match(device: PanosDevice, query: Element, vsys: str) -> str:
    """Return the matching rules as the device lists them (form of 9.0 and later)."""
    show_all = text_of(query.find("show-all")) == "yes"
    rules = enforced(device, vsys)
    hits = (
        _row(index, rule)
        for index, rule in enumerate(rules, start=1)
        if _matches(device, rule, query, vsys)
    )
    rows = list(hits) if show_all else [row for row in (next(hits, ""),) if row]
    return f"<rules>{''.join(rows)}</rules>" if rows else ""


def _row(index: int, rule: Element) -> str:
    lists = "".join(
        f"<{tag}>{escape(', '.join(members(rule, tag)))}</{tag}>"
        for tag in ("from", "source", "to", "destination", "application", "service", "category")
    )
    action = text_of(rule.find("action"))
    return (
        f"<entry name={quoteattr(rule.get('name') or '')}><index>{index}</index>{lists}"
        f"<action>{action}</action></entry>"
    )


def _matches(device: PanosDevice, rule: Element, query: Element, vsys: str) -> bool:
    if text_of(rule.find("disabled")) == "yes":
        return False
    for tag in ("from", "to"):
        wanted = text_of(query.find(tag))
        if wanted and not {wanted, "any"} & set(members(rule, tag)):
            return False
    if not _type_matches(rule, query) or not _user_matches(rule, query):
        return False
    for tag in ("source", "destination"):
        if not _address_matches(device, rule, query, tag, vsys):
            return False
    application = text_of(query.find("application"))
    names = members(rule, "application")
    if application and not any(_speaks(device, name, application, vsys) for name in names):
        return False
    return _service_matches(device, rule, query, vsys)


def _type_matches(rule: Element, query: Element) -> bool:
    """Whether a rule is for packets within a zone, or between zones, as they are asked about."""
    inside = text_of(query.find("from")) == text_of(query.find("to"))
    return text_of(rule.find("rule-type")) != ("interzone" if inside else "intrazone")


def _user_matches(rule: Element, query: Element) -> bool:
    """Whether a rule is for a user; who is not named is unknown."""
    user = text_of(query.find("source-user"))
    names = set(members(rule, "source-user"))
    return not names or bool({"any", user, "known-user" if user else "unknown"} & names)


def _speaks(device: PanosDevice, name: str, application: str, vsys: str) -> bool:
    if name in (application, "any", _container(application)):
        return True
    if takes_in(device, name, application, vsys):
        return True
    group = _object(device, "application-group", name, vsys)
    inner = () if group is None else members(group, "members")
    return any(_speaks(device, each, application, vsys) for each in inner)


@cache
def _container(application: str) -> str:
    """Return the application that stands for one with others, if there is one."""
    known, _ = applications()
    return next((one.container for one in known if one.name == application), "")


def _address_matches(
    device: PanosDevice, rule: Element, query: Element, tag: str, vsys: str
) -> bool:
    text = text_of(query.find(tag))
    if not text:
        return True
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise ApiError("17", f" {tag} '{text}' is an invalid ipv4/v6 address") from error
    found = any(_covers(device, name, address, vsys) for name in members(rule, tag))
    return found != (text_of(rule.find(f"negate-{tag}")) == "yes")


def _object(device: PanosDevice, kind: str, name: str, vsys: str) -> Element | None:
    return object_of(device.running, device.pushed, vsys, kind, name)


def _covers(device: PanosDevice, name: str, address: Address, vsys: str) -> bool:
    if name == "any":
        return True
    if (node := _object(device, "address", name, vsys)) is not None:
        if wild := text_of(node.find("ip-wildcard")):
            return _wildcard_covers(wild, address)
        if host := text_of(node.find("fqdn")):
            return any(_literal_covers(one, address) for one in device.runtime.hosts.get(host, ()))
        literal = text_of(node.find("ip-netmask")) or text_of(node.find("ip-range"))
        return _literal_covers(literal, address)
    if (group := _object(device, "address-group", name, vsys)) is not None:
        inside = [*members(group, "static")]
        if group.find("dynamic") is not None:
            inside = [one for one, _ in members_of(device, group, vsys)]
        return any(_covers(device, member, address, vsys) for member in inside)
    if (region := _object(device, "region", name, vsys)) is not None:
        return any(_literal_covers(one, address) for one in members(region, "address"))
    if name in device.runtime.lists:
        return any(_literal_covers(one, address) for one in device.runtime.lists[name])
    return _literal_covers(name, address)


def _literal_covers(text: str, address: Address) -> bool:
    low, hyphen, high = text.partition("-")
    try:
        if hyphen:
            return int(ipaddress.ip_address(low)) <= int(address) <= int(ipaddress.ip_address(high))
        return address in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False


def _wildcard_covers(text: str, address: Address) -> bool:
    """Whether the bits that are not set in a wildcard's mask are those of an address."""
    base, _, mask = text.partition("/")
    held = ~int(ipaddress.IPv4Address(mask))
    return address.version == 4 and not (int(address) ^ int(ipaddress.IPv4Address(base))) & held


def _service_matches(device: PanosDevice, rule: Element, query: Element, vsys: str) -> bool:
    port = text_of(query.find("destination-port"))
    protocol = _PROTOCOLS.get(text_of(query.find("protocol")), "")
    names = members(rule, "service")
    if not port or not protocol or {"any", "application-default"} & set(names):
        return True
    return any(_service_covers(device, name, protocol, int(port), vsys) for name in names)


def _service_covers(device: PanosDevice, name: str, protocol: str, port: int, vsys: str) -> bool:
    if (node := _object(device, "service", name, vsys)) is not None:
        return _in_ports(text_of(node.find(f"protocol/{protocol}/port")), port)
    if (group := _object(device, "service-group", name, vsys)) is not None:
        inner = members(group, "members")
        return any(_service_covers(device, each, protocol, port, vsys) for each in inner)
    return protocol == "tcp" and port in {"service-http": {80, 8080}, "service-https": {443}}.get(
        name, set[int]()
    )


def _in_ports(text: str, port: int) -> bool:
    for part in text.split(","):
        low, _, high = part.partition("-")
        if low.isdigit() and int(low) <= port <= int(high or low):
            return True
    return False
