"""What one firewall enforces, in the words of firewalls: objects and ordered rules.

Both sides of every comparison are values of this module: the policy compiled from the inventory
and the policy parsed from a device. Lists whose order a firewall ignores are kept sorted, so that
two policies that mean the same are equal.

``renamed_from`` of a wanted item are names the device may have it under; nothing is compared by it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args

from segctl.model.addresses import EVERYTHING, interval, merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from segctl.model.addresses import Interval
    from segctl.model.site import ProtocolUse

Action = Literal["allow", "deny"]
AddressKind = Literal["network", "range", "fqdn", "wildcard", "dynamic"]

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
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGroup:
    """A named set of address objects and groups."""

    kind_name: ClassVar[str] = "address-group"
    name: str
    members: tuple[str, ...]
    description: str = ""
    extras: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


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
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


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
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


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
_PROVENANCE = frozenset({"enforce_functions", "profile_asked", "seal", "renamed_from"})


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
