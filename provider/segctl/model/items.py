"""The kinds of items that firewalls hold, and the fields in which two of a kind can differ.

`KINDS` has a row for each kind. A new kind needs a class, a row, and support by a platform;
policies, comparison, digests and documents follow from the row.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from segctl.model.site import ProtocolUse

Action = Literal["allow", "deny"]
AddressKind = Literal["network", "range", "fqdn", "wildcard", "dynamic"]
RuleType = Literal["universal", "intrazone", "interzone"]

ANY = "any"
#: Tag of the rules that contain, and of those that stand above them: a block before all others.
CONTAINMENT = "segctl-containment"
#: Tag of the other rules of that block: they follow those that contain.
AHEAD = "segctl-ahead"
APPLICATION_DEFAULT = "application-default"
#: Protocol and ports of the service ``icmp``: an echo request, type 8 of ICMP, 128 of ICMPv6.
ECHOES = ("icmp", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object or rule that a device holds; its class is its kind."""

    kind_name: ClassVar[str]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Item):
    """A named set of addresses: ``10.20.1.11``, ``10.20.1.0/24`` or ``10.0.0.1-10.0.0.9``."""

    kind_name: ClassVar[str] = "address"
    value: str
    type: AddressKind = "network"
    description: str = ""
    extras: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressGroup(Item):
    """A named set of address objects and groups.

    One of those who are ``contained`` has no members: `segctl contain` fills it, no configuration.
    """

    kind_name: ClassVar[str] = "address-group"
    members: tuple[str, ...]
    contained: bool = False
    description: str = ""
    extras: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Item):
    """Destination ports of one layer-4 protocol; ``ports`` is ``80,443,1000-2000``."""

    kind_name: ClassVar[str] = "service"
    protocol: str
    ports: str
    description: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceGroup(Item):
    """A named set of services and of groups of them; segctl has none of its own."""

    kind_name: ClassVar[str] = "service-group"
    members: tuple[str, ...]
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationGroup(Item):
    """A named set of the platform's applications."""

    kind_name: ClassVar[str] = "application-group"
    members: tuple[str, ...]
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Item):
    """When a rule applies: ``HH:MM-HH:MM`` in device time, ``daily`` or by week day."""

    kind_name: ClassVar[str] = "schedule"
    windows: tuple[tuple[str, tuple[str, ...]], ...]
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProfile(Item):
    """A log forwarding profile: which logs go where, and whom they let the device contain.

    `lists` are its match lists, each in one form of the platform's, sorted. The other fields say
    what they are made from: those of the profile `base`, and those that contain on `signs` the
    addresses of zones (the device's name of each with addresses, `watched`) for some `minutes`.
    """

    kind_name: ClassVar[str] = "log-profile"
    lists: tuple[str, ...]
    description: str = ""
    extras: tuple[str, ...] = ()
    base: str = field(default="", compare=False)
    signs: tuple[str, ...] = field(default=(), compare=False)
    watched: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), compare=False)
    minutes: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag(Item):
    """A tag object: the mark on managed items."""

    kind_name: ClassVar[str] = "tag"
    comments: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallZone(Item):
    """The device's own zone with the interfaces bound to it."""

    kind_name: ClassVar[str] = "zone"
    interfaces: tuple[str, ...]
    type: str = "layer3"
    extras: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRule(Item):
    """What happens to a session that no rule matches, inside a zone or between zones."""

    kind_name: ClassVar[str] = "default-rule"
    name: Literal["intrazone-default", "interzone-default"]
    action: str
    log: bool
    log_setting: str = ""
    extras: tuple[str, ...] = ()

    def beside(self, held: DefaultRule) -> DefaultRule:
        """Return this rule with the settings that `held` keeps: how it refuses, where it logs."""
        refuses = self.action == "deny" and held.action != "allow"
        return replace(
            self,
            action=held.action if refuses else self.action,
            log_setting=self.log_setting or held.log_setting,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Item):
    """One line of a device's policy, in the platform's own names; first match decides.

    The ``seal`` of an essential rule says what it permitted when it was pushed (see `sealed`).
    ``extras`` holds, as text, the settings of a live rule for which this model has no field.
    ``targets`` are the firewalls of a group that get the rule; empty: all of them.
    """

    kind_name: ClassVar[str] = "rule"
    #: Placeholder in digests between users and applications, where rules once had protocols.
    once_protocols: ClassVar[tuple[()]] = ()
    from_zones: tuple[str, ...]
    to_zones: tuple[str, ...]
    sources: tuple[str, ...] = (ANY,)
    destinations: tuple[str, ...] = (ANY,)
    users: tuple[str, ...] = (ANY,)
    applications: tuple[str, ...] = (ANY,)
    services: tuple[str, ...] = (ANY,)
    action: str = "allow"
    conduit: str = ""
    flow: str = ""
    type: RuleType = "universal"
    profile_group: str = ""
    log: bool = True
    log_setting: str = ""
    schedule: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    disabled: bool = False
    essential: bool = False
    seal: str = ""
    negate_source: bool = False
    negate_destination: bool = False
    extras: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = field(default=(), compare=False)

    @property
    def leading(self) -> bool:
        """Whether it contains, or goes on to hold for those who are contained."""
        return CONTAINMENT in self.tags

    @property
    def ahead(self) -> bool:
        """Whether it is of the block that stands before every rule that can be preceded."""
        return self.leading or AHEAD in self.tags


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredRule:
    """One rule as the inventory declares it, before a platform has fitted it.

    ``protocols`` are protocols with access classes; ``applications`` are names of the platform's.
    ``enforce_functions``: a platform that cannot tell the functions apart must refuse the rule.
    ``profile_asked``: the conduit declares threat prevention; otherwise ``profile_group`` is the
    device's default. A ``leading`` rule contains, or goes on to hold for those who are contained.
    Another one that is ``ahead`` stands below those, before every rule that can be preceded, too.
    """

    kind_name: ClassVar[str] = "declared-rule"
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
    type: RuleType = "universal"
    profile_group: str = ""
    log: bool = True
    log_setting: str = ""
    schedule: str = ""
    description: str = ""
    essential: bool = False
    enforce_functions: bool = True
    profile_asked: bool = False
    leading: bool = False
    ahead: bool = False
    targets: tuple[str, ...] = ()
    renamed_from: tuple[str, ...] = field(default=(), compare=False)

    def fitted(
        self,
        *,
        name: str | None = None,
        sources: tuple[str, ...] | None = None,
        destinations: tuple[str, ...] | None = None,
        applications: tuple[str, ...] | None = None,
        services: tuple[str, ...] | None = None,
        profile_group: str | None = None,
        log_setting: str | None = None,
        description: str | None = None,
        tags: tuple[str, ...] = (),
        renamed_from: tuple[str, ...] | None = None,
    ) -> Rule:
        """Return the rule in a platform's terms; fields that are not given stay as declared.

        Raises:
            TypeError: the rule has protocols, but no `applications` are given for them.
        """
        if applications is None and self.protocols:
            message = f"rule {self.name}: no applications are given for its protocols"
            raise TypeError(message)
        return Rule(
            name=self.name if name is None else name,
            from_zones=self.from_zones,
            to_zones=self.to_zones,
            sources=self.sources if sources is None else sources,
            destinations=self.destinations if destinations is None else destinations,
            users=self.users,
            applications=self.applications if applications is None else applications,
            services=self.services if services is None else services,
            action=self.action,
            conduit=self.conduit,
            flow=self.flow,
            type=self.type,
            profile_group=self.profile_group if profile_group is None else profile_group,
            log=self.log,
            log_setting=self.log_setting if log_setting is None else log_setting,
            schedule=self.schedule,
            tags=tags,
            description=self.description if description is None else description,
            essential=self.essential,
            targets=self.targets,
            renamed_from=self.renamed_from if renamed_from is None else renamed_from,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of item, a row of `KINDS`.

    ``plural`` names the items in documents, and as an argument of `Policy`. Others on a device may
    use an item that is ``referable`` by its name. ``uncompared`` are fields that say where a value
    came from rather than what the device holds. A policy without items of a kind that came
    ``later`` has the digest that it had before there was such a kind.
    """

    item: type[Item]
    plural: str
    referable: bool = True
    uncompared: frozenset[str] = frozenset()
    later: bool = False

    @property
    def name(self) -> str:
        """The name of the kind in plans and reports."""
        return self.item.kind_name


_FORMER = frozenset({"renamed_from"})
#: Fields that came later: without them, an item has the digest that it had before.
_LATER = ("targets", "contained")

#: Every kind of item, in the order in which they must be created: rules name all the others.
KINDS: tuple[Kind, ...] = (
    Kind(item=Tag, plural="tags"),
    Kind(item=FirewallZone, plural="zones", referable=False, uncompared=_FORMER),
    Kind(item=Address, plural="addresses", uncompared=_FORMER),
    Kind(item=AddressGroup, plural="address_groups", uncompared=_FORMER),
    Kind(item=Service, plural="services"),
    Kind(item=ServiceGroup, plural="service_groups", later=True),
    Kind(item=ApplicationGroup, plural="application_groups"),
    Kind(item=Schedule, plural="schedules"),
    Kind(
        item=LogProfile,
        plural="log_profiles",
        uncompared=frozenset({"base", "signs", "watched", "minutes"}),
        later=True,
    ),
    Kind(item=DefaultRule, plural="defaults", referable=False),
    Kind(item=Rule, plural="rules", referable=False, uncompared=_FORMER | {"seal"}),
)


def compared_fields(cls: type[Item]) -> tuple[str, ...]:
    """Return the names of the fields in which two items of `cls` can differ on a device."""
    return _compared(cls)  # type: ignore[arg-type] # a class is hashable, whatever its instances


@cache
def _compared(cls: type[Item]) -> tuple[str, ...]:
    uncompared = next((kind.uncompared for kind in KINDS if kind.item is cls), frozenset[str]())
    return tuple(field.name for field in fields(cls) if field.name not in uncompared)


def as_dict(item: Item) -> dict[str, Any]:
    """Return the non-empty compared fields of `item`, ready for JSON."""
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


def item_digest(item: Item) -> str:
    """``sha256`` in hexadecimal of one item's canonical form."""
    return hashlib.sha256(canonical(item)).hexdigest()


_JSON = json.JSONEncoder(default=str, separators=(",", ":"))


@cache
def _digested(cls: type[Item]) -> Callable[[Item], Any]:
    """Return a function that reads the values that an item's digest covers."""
    names = [name for name in compared_fields(cls) if name not in _LATER]
    if cls is Rule:
        names.insert(names.index("applications"), "once_protocols")
    return attrgetter(*names)


def canonical(item: Item) -> bytes:
    """Return the line that represents an item in digests."""
    values = _digested(type(item))  # type: ignore[arg-type] # as in `compared_fields`
    line = _JSON.encode(values(item)).encode() + b"\n"
    later = ((name, getattr(item, name, None)) for name in _LATER)
    return line + b"".join(
        _JSON.encode({name: value}).encode() + b"\n" for name, value in later if value
    )
