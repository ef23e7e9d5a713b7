"""What one firewall enforces, in the words of firewalls: objects, ordered rules, `decide`.

Both sides of every comparison are values of this module: the policy compiled from the inventory
and the policy parsed from a device. Lists whose order a firewall ignores are kept sorted, so that
two policies that mean the same are equal.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from dataclasses import dataclass, fields, replace
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.intent import Host, Network, ProtocolUse

Action = Literal["allow", "deny"]
AddressKind = Literal["network", "range", "fqdn", "wildcard", "dynamic"]
Interval = tuple[int, int, int]  # IP version, first and last address as integers

ANY = "any"
APPLICATION_DEFAULT = "application-default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A named set of addresses: ``10.20.1.11``, ``10.20.1.0/24`` or ``10.0.0.1-10.0.0.9``."""

    kind_name: ClassVar[str] = "address"
    name: str
    value: str
    type: AddressKind = "network"
    description: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGroup:
    """A named set of address objects and groups."""

    kind_name: ClassVar[str] = "address-group"
    name: str
    members: tuple[str, ...]
    description: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Destination ports of one layer-4 protocol; ``ports`` is ``80,443,1000-2000``."""

    kind_name: ClassVar[str] = "service"
    name: str
    protocol: str
    ports: str
    description: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationGroup:
    """A named set of the platform's applications."""

    kind_name: ClassVar[str] = "application-group"
    name: str
    members: tuple[str, ...]
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a rule applies: ``HH:MM-HH:MM`` in device time, ``daily`` or by week day."""

    kind_name: ClassVar[str] = "schedule"
    name: str
    windows: tuple[tuple[str, tuple[str, ...]], ...]
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag object: the mark that says whose an object is."""

    kind_name: ClassVar[str] = "tag"
    name: str
    comments: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallZone:
    """The device's own zone with the interfaces bound to it."""

    kind_name: ClassVar[str] = "zone"
    name: str
    interfaces: tuple[str, ...]
    type: str = "layer3"
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRule:
    """What happens to a session that no rule matches, inside a zone or between zones."""

    kind_name: ClassVar[str] = "default-rule"
    name: Literal["intrazone-default", "interzone-default"]
    action: str
    log: bool
    log_setting: str = ""
    extras: tuple[str, ...] = ()

    def beside(self, held: DefaultRule) -> DefaultRule:
        """Return this rule with what `held` may keep: its way to refuse, where it logs to."""
        refuses = self.action == "deny" and held.action != "allow"
        return replace(
            self,
            action=held.action if refuses else self.action,
            log_setting=self.log_setting or held.log_setting,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a device's policy; first match decides.

    ``protocols`` is what the inventory asked for and is empty once a provider has fitted the rule
    to its platform; ``applications`` and ``services`` then say it in the platform's own names.
    ``seal`` of an essential rule says what it permitted when it was pushed (see `sealed`).
    ``extras`` holds, as text, whatever of a live rule this model has no field for.
    """

    kind_name: ClassVar[str] = "rule"
    name: str
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    sources: tuple[str, ...] = (ANY,)
    destinations: tuple[str, ...] = (ANY,)
    users: tuple[str, ...] = (ANY,)
    protocols: tuple[ProtocolUse, ...] = ()
    applications: tuple[str, ...] = (ANY,)
    services: tuple[str, ...] = (ANY,)
    action: str = "allow"
    conduit: str = ""
    flow: str = ""
    type: Literal["universal", "intrazone", "interzone"] = "universal"
    profile_group: str = ""
    log: bool = True
    log_setting: str = ""
    schedule: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    disabled: bool = False
    essential: bool = False
    seal: str = ""
    enforce_functions: bool = True
    profile_asked: bool = False
    negate_source: bool = False
    negate_destination: bool = False
    extras: tuple[str, ...] = ()


Item = (
    Address
    | AddressGroup
    | Service
    | ApplicationGroup
    | Schedule
    | Tag
    | FirewallZone
    | DefaultRule
    | Rule
)

#: Fields that say where a value came from rather than what the device holds.
_PROVENANCE = frozenset({"enforce_functions", "profile_asked", "seal"})


_COMPARED: dict[type[Item], tuple[str, ...]] = {
    cls: tuple(field.name for field in fields(cls) if field.name not in _PROVENANCE)
    for cls in get_args(Item)
}


def compared_fields(cls: type[Item]) -> tuple[str, ...]:
    """Names of the fields that make two items of `cls` differ on a device."""
    return _COMPARED[cls]


def as_dict(item: Item) -> dict[str, Any]:
    """Return the compared fields of `item` that hold something, ready for JSON."""
    result: dict[str, Any] = {}
    for name in compared_fields(type(item)):
        value = getattr(item, name)
        if value not in ("", (), False) or name == "log":
            result[name] = _plain(value)
    return result


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(part) for part in cast("tuple[object, ...]", value)]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All objects and rules of one device that one owner answers for; rules in order."""

    zones: tuple[FirewallZone, ...] = ()
    tags: tuple[Tag, ...] = ()
    addresses: tuple[Address, ...] = ()
    address_groups: tuple[AddressGroup, ...] = ()
    services: tuple[Service, ...] = ()
    application_groups: tuple[ApplicationGroup, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    defaults: tuple[DefaultRule, ...] = ()
    rules: tuple[Rule, ...] = ()

    def objects(self) -> Iterator[tuple[str, tuple[Item, ...]]]:
        """Every kind with its items, in the order in which they must be created."""
        yield "tag", self.tags
        yield "zone", self.zones
        yield "address", self.addresses
        yield "address-group", self.address_groups
        yield "service", self.services
        yield "application-group", self.application_groups
        yield "schedule", self.schedules
        yield "default-rule", self.defaults

    @property
    def digest(self) -> str:
        """``sha256:…`` of the canonical JSON: equal for policies that mean the same."""
        digest = hashlib.sha256()
        for kind, items in self.objects():
            digest.update(f"{kind}\n".encode())
            for item in sorted(items, key=_name):
                digest.update(_canonical(item))
        digest.update(b"rule\n")
        for rule in self.rules:
            digest.update(_canonical(rule))
        return f"sha256:{digest.hexdigest()}"


def _name(item: Item) -> str:
    return item.name


def item_digest(item: Item) -> str:
    """``sha256`` in hexadecimal of one item's canonical form."""
    return hashlib.sha256(_canonical(item)).hexdigest()


_COMPARED_VALUES = {cls: attrgetter(*names) for cls, names in _COMPARED.items()}
_JSON = json.JSONEncoder(default=str, separators=(",", ":"))


def _canonical(item: Item) -> bytes:
    return _JSON.encode(_COMPARED_VALUES[type(item)](item)).encode() + b"\n"


def sealed(policy: Policy) -> Policy:
    """Return `policy` with the seal of every essential rule: a digest of all it permits.

    A device keeps the seal in the rule's mark. A change back to what was sealed repairs the flow;
    any other narrowing of it is a cut.
    """
    if not any(rule.essential for rule in policy.rules):
        return policy
    addresses = resolver(policy)
    ports = {item.name: (item.protocol, item.ports) for item in policy.services}
    applications = {group.name: group.members for group in policy.application_groups}

    def seal(rule: Rule) -> Rule:
        if not rule.essential:
            return rule
        permitted = (
            rule.from_zones,
            rule.to_zones,
            addresses(rule.sources),
            addresses(rule.destinations),
            rule.users,
            sorted({app for name in rule.applications for app in applications.get(name, (name,))}),
            sorted(str(ports.get(name, name)) for name in rule.services),
            rule.schedule,
        )
        return replace(rule, seal=hashlib.sha256(repr(permitted).encode()).hexdigest()[:8])

    return replace(policy, rules=tuple(map(seal, policy.rules)))


# --- reference semantics -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a session as a firewall sees it once the application is known.

    ``default_port`` says whether `port` is one of the application's own default ports.
    """

    from_zone: str
    to_zone: str
    source: Host
    destination: Host
    protocol: str = "tcp"
    port: int = 0
    application: str = ""
    user: str = ""
    default_port: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy does with a packet, and by which rule."""

    action: Action
    rule: str
    log: bool = False
    profile_group: str = ""


def decide(policy: Policy, packet: Packet) -> Decision:
    """Return what `policy` does with `packet`: first match, then the default rules.

    A schedule is taken as active: the answer is what the policy permits at its widest.
    """
    return decider(policy)(packet)


def decider(policy: Policy) -> Callable[[Packet], Decision]:
    """Return `decide` for one policy, with its names resolved once."""
    networks = resolver(policy)
    ports = {service.name: _ports(service) for service in policy.services}
    groups = {group.name: frozenset(group.members) for group in policy.application_groups}
    defaults: dict[str, DefaultRule] = {rule.name: rule for rule in policy.defaults}

    def matches(rule: Rule, packet: Packet) -> bool:
        return (
            not rule.disabled
            and _zones_match(rule, packet)
            and _holds(networks(rule.sources), packet.source) is not rule.negate_source
            and _holds(networks(rule.destinations), packet.destination)
            is not rule.negate_destination
            and (ANY in rule.users or packet.user in rule.users)
            and _application_matches(rule.applications, packet.application, groups)
            and _service_matches(rule.services, packet, ports)
        )

    def answer(packet: Packet) -> Decision:
        for rule in policy.rules:
            if matches(rule, packet):
                return Decision(
                    action="allow" if rule.action == "allow" else "deny",
                    rule=rule.name,
                    log=rule.log,
                    profile_group=rule.profile_group,
                )
        inside = packet.from_zone == packet.to_zone
        name = "intrazone-default" if inside else "interzone-default"
        default = defaults.get(name)
        if default is None:
            return Decision(action="allow" if inside else "deny", rule=name)
        return Decision(
            action="allow" if default.action == "allow" else "deny", rule=name, log=default.log
        )

    return answer


def _zones_match(rule: Rule, packet: Packet) -> bool:
    inside = packet.from_zone == packet.to_zone
    if (rule.type == "intrazone" and not inside) or (rule.type == "interzone" and inside):
        return False
    return (ANY in rule.from_zones or packet.from_zone in rule.from_zones) and (
        ANY in rule.to_zones or packet.to_zone in rule.to_zones
    )


def _application_matches(
    names: tuple[str, ...], application: str, groups: Mapping[str, frozenset[str]]
) -> bool:
    return (
        ANY in names
        or application in names
        or any(application in groups.get(name, ()) for name in names)
    )


def _service_matches(
    names: tuple[str, ...], packet: Packet, ports: Mapping[str, tuple[str, list[tuple[int, int]]]]
) -> bool:
    for name in names:
        if name == ANY or (name == APPLICATION_DEFAULT and packet.default_port):
            return True
        protocol, ranges = ports.get(name, ("", []))
        if protocol == packet.protocol and any(a <= packet.port <= b for a, b in ranges):
            return True
    return False


def _ports(service: Service) -> tuple[str, list[tuple[int, int]]]:
    ranges: list[tuple[int, int]] = []
    for part in service.ports.split(","):
        first, _, last = part.partition("-")
        ranges.append((int(first), int(last or first)))
    return service.protocol, ranges


def _holds(intervals: tuple[Interval, ...], host: Host) -> bool:
    number = int(host)
    return any(v == host.version and a <= number <= b for v, a, b in intervals)


EVERYTHING: tuple[Interval, ...] = ((4, 0, 2**32 - 1), (6, 0, 2**128 - 1))


def resolver(policy: Policy) -> Callable[[Iterable[str]], tuple[Interval, ...]]:
    """Return a function from object names (or literal addresses) to address intervals.

    Names that cannot be resolved to addresses (fqdn, dynamic groups, regions) resolve to
    everything of neither version: nothing. Callers that must not underestimate use `opaque`.
    """
    addresses = {address.name: address for address in policy.addresses}
    groups = {group.name: group for group in policy.address_groups}

    @cache
    def one(name: str) -> tuple[Interval, ...]:
        return tuple(walk(name, frozenset()))

    def walk(name: str, seen: frozenset[str]) -> Iterator[Interval]:
        if name == ANY:
            yield from EVERYTHING
        elif (address := addresses.get(name)) is not None:
            if address.type in ("network", "range"):
                yield interval(address.value)
        elif (group := groups.get(name)) is not None:
            for member in group.members if name not in seen else ():
                yield from walk(member, seen | {name})
        else:
            yield from _literal(name)

    @cache
    def many(names: tuple[str, ...]) -> tuple[Interval, ...]:
        return merge(part for name in names for part in one(name))

    return lambda names: many(tuple(names))


def _literal(text: str) -> Iterator[Interval]:
    """Yield the addresses that a rule names without an object; a region or the like has none."""
    try:
        yield interval(text)
    except ValueError:
        return


def interval(value: str) -> Interval:
    """Return the addresses of ``10.0.0.1``, ``10.0.0.0/8`` or ``10.0.0.1-10.0.0.9``.

    Raises:
        ValueError: `value` is none of these.
    """
    if "-" in value:
        first, last = (ip_address(part.strip()) for part in value.split("-", 1))
        if first.version != last.version or int(first) > int(last):
            message = f"{value!r} is not a range of addresses"
            raise ValueError(message)
        return first.version, int(first), int(last)
    network = ip_network(value, strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def network_interval(network: Network) -> Interval:
    """Return the addresses of `network`."""
    return network.version, int(network.network_address), int(network.broadcast_address)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the same addresses as the fewest intervals, sorted."""
    result: list[Interval] = []
    for version, first, last in sorted(intervals):
        if result and result[-1][0] == version and first <= result[-1][2] + 1:
            result[-1] = (version, result[-1][1], max(result[-1][2], last))
        else:
            result.append((version, first, last))
    return tuple(result)


def subtract(intervals: Iterable[Interval], remove: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the addresses of `intervals` that are not in `remove`, as the fewest intervals."""
    gone = merge(remove)
    result: list[Interval] = []
    at = 0
    for version, first, last in merge(intervals):
        while at < len(gone) and gone[at][:2] < (version, first):
            at += 1
        # the one before may reach into this interval, as may the last one that was looked at
        at = max(0, at - 1)
        begin = first
        while at < len(gone) and gone[at][:2] <= (version, last):
            other, lowest, highest = gone[at]
            if other == version and highest >= begin:
                if lowest > begin:
                    result.append((version, begin, lowest - 1))
                begin = highest + 1
            at += 1
        if begin <= last:
            result.append((version, begin, last))
    return tuple(result)


def meeting(part: Interval, merged: Sequence[Interval]) -> Sequence[Interval]:
    """Return those of `merged` that have addresses in common with `part`.

    Args:
        part: an interval.
        merged: intervals as `merge` returns them: sorted, none of them meets another.
    """
    version, first, last = part
    begin = bisect_left(merged, (version, first))
    end = bisect_left(merged, (version, last + 1), begin)
    if begin and merged[begin - 1][0] == version and merged[begin - 1][2] >= first:
        begin -= 1
    return merged[begin:end]


def covers(outer: Iterable[Interval], inner: Iterable[Interval]) -> bool:
    """Whether every address of `inner` is in `outer`."""
    return not subtract(inner, merge(outer))


def interval_text(part: Interval) -> str:
    """Write an interval as a host, a network where it is one, else a range."""
    version, first, last = part
    make = IPv4Address if version == 4 else IPv6Address
    if first == last:
        return str(make(first))
    size = last - first + 1
    if size & (size - 1) == 0 and first % size == 0:
        prefix = (32 if version == 4 else 128) - size.bit_length() + 1
        return f"{make(first)}/{prefix}"
    return f"{make(first)}-{make(last)}"


_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#: What most addresses are: nothing about it could be spelled otherwise.
_CANONICAL_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/(?:[12]?[0-9]|3[01]))?")


def canonical_address(value: str) -> str:
    """Return the one spelling of an address, network or range; text that is none stays as it is.

    A network with host bits set stays as written: it is a finding, not a spelling.
    """
    if _CANONICAL_IPV4.fullmatch(value):
        return value
    try:
        if "-" in value or "/" not in value:
            return interval_text(interval(value)) if "-" not in value else _range_text(value)
        network = ip_network(value, strict=False)
        if str(network.network_address) != str(ip_address(value.split("/", maxsplit=1)[0])):
            return value
        return interval_text(network_interval(network))
    except ValueError:
        return value


def _range_text(value: str) -> str:
    first, last = (ip_address(part.strip()) for part in value.split("-", 1))
    return f"{first}-{last}"
