"""From a device's answers to `Live`: streamed, counted, and nothing dropped.

Rules, addresses, groups and services are taken one entry at a time and freed; what is left of the
tree (zones, schedules, NAT rules, profiles, …) is read once at the end.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

from lxml import etree

from segctl.compiler.naming import is_prefixed
from segctl.model.errors import ParseError
from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Item,
    Policy,
    Rule,
    Schedule,
    Service,
    Tag,
)
from segctl.providers import parsed
from segctl.providers.base import Identity, Live
from segctl.providers.panos import elements, locks, names, record, references, version
from segctl.providers.panos.budget import Budget
from segctl.providers.panos.small import count, refuse_dtd, small
from segctl.providers.panos.snapshot import load
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from segctl.providers.panos.elements import Element

    Events: TypeAlias = Iterable[tuple[str, Element]]
    Part: TypeAlias = bytes | memoryview
    Taker: TypeAlias = Callable[["_Found", Element], None]

_CHUNK = 1 << 15
COUNTED_KINDS = ("rule", "address", "address-group", "service")
#: Kinds whose names a rule may use, apart from those segctl writes itself.
_OTHER_KINDS = (
    "service-group",
    "application-filter",
    "application",
    "external-list",
    "profile-group",
    "region",
    "dynamic-user-group",
)
#: Kinds of others that a rule of ours may refer to: a plan notices when they change. None of them
#: holds a secret, of which even a digest would be too much.
_REFERRED = frozenset(
    {"application", "application-filter", "application-group", "profile-group", "schedule"}
)


@dataclass(slots=True)
class _Items:
    """The rules and objects of one owner in one scope, in the device's order."""

    rules: list[Rule] = field(default_factory=list[Rule])
    addresses: list[Address] = field(default_factory=list[Address])
    address_groups: list[AddressGroup] = field(default_factory=list[AddressGroup])
    services: list[Service] = field(default_factory=list[Service])

    def of(self, kind: str) -> Sequence[Item]:
        """Return the items of one kind."""
        kinds: dict[str, Sequence[Item]] = {
            "rule": self.rules,
            "address": self.addresses,
            "address-group": self.address_groups,
            "service": self.services,
        }
        return kinds[kind]


@dataclass(slots=True)
class _Found:
    """What a walk over one scope (virtual system or shared) has gathered so far."""

    ours: _Items = field(default_factory=_Items)
    others: _Items = field(default_factory=_Items)
    order: list[str] = field(default_factory=list[str])
    uses: dict[str, str] = field(default_factory=dict[str, str])
    rule_digests: dict[str, str] = field(default_factory=dict[str, str])
    rest: Element | None = None

    @property
    def count(self) -> int:
        """How many rules and objects were found."""
        both = (self.ours, self.others)
        return sum(len(items.of(kind)) for items in both for kind in COUNTED_KINDS)

    def names(self, kind: str) -> frozenset[str]:
        """Return the names of all items of a kind that is streamed, whosever they are."""
        return _names(self.ours.of(kind)) | _names(self.others.of(kind))

    @property
    def scope(self) -> references.Scope:
        """What others in it may refer to, and what it defines."""
        rest = () if self.rest is None else self.rest.iterfind("*/entry")
        defined = {entry.get("name", "") for entry in rest}.union(*map(self.names, COUNTED_KINDS))
        return references.Scope(uses=self.uses, rest=self.rest, defined=defined)


def parse(document: bytes) -> Live:
    """Read a session's document, or what was parsed of one before.

    Raises:
        ParseError: an answer is not XML, is an error, is incomplete, or counts do not agree.
    """
    if parsed.is_parsed(document):
        return parsed.load(document, Live)
    with uncollected():
        return _parse(document)


def _parse(document: bytes) -> Live:
    snapshot = load(document)
    host, vsys = snapshot.host, snapshot.vsys
    system = small(host, "system", snapshot.parts["system"])
    applications = small(host, "applications", snapshot.parts["applications"])
    budget = Budget(host, snapshot.limit)
    own = _stream(host, snapshot.parts["vsys"], "entry", budget)
    if own.rest is None:
        raise ParseError(host, f"has no virtual system {vsys}: check segctl_vsys")
    shared = _stream(host, snapshot.parts["shared"], "shared", budget)
    pending = tuple(_pending(small(host, "pending", snapshot.parts["pending"])))
    counts = {kind: len(own.ours.of(kind)) + len(own.others.of(kind)) for kind in COUNTED_KINDS}
    if not pending:
        _check_counts(host, counts, snapshot.parts)
    rest = _rest(own.rest)
    rest_shared = _rest(shared.rest)
    text = system.findtext
    ours = _ours(own.ours, rest)
    held = snapshot.parts.get("locks")  # a snapshot of an earlier version has none
    return Live(
        identity=Identity(
            serial=text("result/system/serial") or "",
            os_version=text("result/system/sw-version") or "",
            content_version=text("result/system/app-version") or "",
            scope=vsys,
            model=text("result/system/model") or "",
            hostname=text("result/system/hostname") or "",
        ),
        policy=ours,
        others=_others(own, rest, shared, rest_shared),
        order=tuple(own.order),
        zones=rest.zones,
        known=_known(own, rest, shared, rest_shared, applications),
        taken=_taken(own, rest),
        referenced=references.referenced(snapshot, ours, own.scope, shared.scope),
        pending=pending,
        other_rules=own.rule_digests,
        other_objects=rest_shared.digests | rest.digests,
        counts=counts,
        findings=version.warnings(text("result/system/sw-version") or ""),
        state=locks.state(
            None if held is None else small(host, "locks", held), record.of_vsys(own.rest)
        ),
    )


# --- streaming -----------------------------------------------------------------------------------


def _stream(host: str, part: Part, root: str, budget: Budget) -> _Found:
    """Walk one scope's ``show`` answer; `root` is the tag of the scope's own node.

    Only the start of ``result`` is an event: each one costs as much as parsing an element does.
    """
    refuse_dtd(host, part)
    found = _Found()
    parser = etree.XMLPullParser(events=("start",), tag="result", resolve_entities=False)
    result: Element | None = None
    try:
        for start in range(0, len(part), _CHUNK):
            chunk = bytes(part[start : start + _CHUNK])
            budget.feed(chunk)
            parser.feed(chunk)
            for _, element in cast("Events", parser.read_events()):
                result = element if result is None else result
            if result is not None:
                _take(found, result, root, unfinished=1)
            budget.check(found.count, result)
        tree_root = parser.close()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the configuration is not complete XML: {error}") from error
    status = tree_root.get("status")
    if status == "error" and "No such node" in "".join(str(t) for t in tree_root.itertext()):
        return found
    if status != "success":
        raise ParseError(host, f"refuses to show the configuration: {elements.reason(tree_root)}")
    if result is not None:
        _take(found, result, root)
        found.rest = result.find(root)
    entries = 0 if found.rest is None else sum(1 for _ in found.rest.iter("entry"))
    budget.close(found.count + entries, found.rest)
    return found


def _take(found: _Found, result: Element, root: str, *, unfinished: int = 0) -> None:
    """Take the entries that the parser has finished out of the tree it builds.

    The last of a container may still grow, and lxml forbids to touch it until it is finished.
    """
    for path, take in _TAKERS.items():
        for container in result.iterfind(f"{root}/{path}"):
            for element in list(container)[: len(container) - unfinished]:
                if element.tag == "entry":
                    take(found, element)
                    container.remove(element)


def _take_rule(found: _Found, element: Element) -> None:
    rule = elements.parse_rule(element)
    found.order.append(rule.name)
    if elements.is_ours(rule):
        found.ours.rules.append(rule)
        return
    found.others.rules.append(rule)
    found.rule_digests[rule.name] = _digest(element)
    used = (*rule.sources, *rule.destinations, *rule.services, *rule.applications, *rule.tags)
    more = references.in_entry(element, elements.RULE_TAGS)
    _use(found, (*used, rule.schedule, *more), "rulebase -> security -> rules", rule.name)


def _take_address(found: _Found, element: Element) -> None:
    item, tags = elements.parse_address(element)
    _owner(found, "address", item.name, tags).addresses.append(item)


def _take_address_group(found: _Found, element: Element) -> None:
    item, tags = elements.parse_address_group(element)
    owner = _owner(found, "address-group", item.name, tags)
    owner.address_groups.append(item)
    if owner is found.others:
        used = (*item.members, *references.in_entry(element, elements.GROUP_TAGS))
        _use(found, used, "address-group", item.name)


def _take_service(found: _Found, element: Element) -> None:
    item, tags = elements.parse_service(element)
    _owner(found, "service", item.name, tags).services.append(item)


#: The streamed containers, by their path below a scope's own node.
_TAKERS: Mapping[str, Taker] = {
    "rulebase/security/rules": _take_rule,
    "address": _take_address,
    "address-group": _take_address_group,
    "service": _take_service,
}


def _owner(found: _Found, kind: str, name: str, tags: tuple[str, ...]) -> _Items:
    """Return whose an object is; the tags of others' objects are noted as in use."""
    if names.TAG in tags:
        return found.ours
    _use(found, tags, kind, name)
    return found.others


def _use(found: _Found, used: Iterable[str], kind: str, name: str) -> None:
    """Note what an entry of others may refer to, and which entry that is."""
    uses = found.uses
    for each in used:
        if each not in uses:
            uses[each] = f"{kind} -> {name}"


def _digest(element: Element) -> str:
    return hashlib.sha256(elements.content(element)).hexdigest()


# --- the rest ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rest:
    """The kinds that are few: read from what streaming left of the tree."""

    zones: tuple[FirewallZone, ...] = ()
    tags: tuple[Tag, ...] = ()
    application_groups: tuple[ApplicationGroup, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    defaults: tuple[DefaultRule, ...] = ()
    names: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    digests: dict[str, str] = field(default_factory=dict[str, str])


def _rest(root: Element | None) -> _Rest:
    if root is None:
        return _Rest()
    digests: dict[str, str] = {}
    held: dict[str, frozenset[str]] = {}
    for kind in (*_OTHER_KINDS, "application-group", "schedule"):
        entries = root.findall(f"{kind}/entry")
        held[kind] = frozenset(entry.get("name", "") for entry in entries)
        if kind in _REFERRED:
            digests.update(
                {
                    f"{kind} {entry.get('name')}": _digest(entry)
                    for entry in entries
                    if not is_prefixed(entry.get("name") or "")
                }
            )
    held["log-setting"] = frozenset(
        entry.get("name", "") for entry in root.findall("log-settings/profiles/entry")
    )
    return _Rest(
        zones=tuple(map(elements.parse_zone, root.findall("zone/entry"))),
        tags=tuple(map(elements.parse_tag, root.findall("tag/entry"))),
        application_groups=tuple(
            map(elements.parse_application_group, root.findall("application-group/entry"))
        ),
        schedules=tuple(map(elements.parse_schedule, root.findall("schedule/entry"))),
        defaults=tuple(
            map(
                elements.parse_default_rule,
                root.findall("rulebase/default-security-rules/rules/entry"),
            )
        ),
        names=held,
        digests=digests,
    )


_ItemT = TypeVar("_ItemT", bound=Item)


def _ours(items: _Items, rest: _Rest) -> Policy:
    """Return what carries our mark, or our prefix where PAN-OS has no tags."""
    return Policy(
        tags=tuple(
            replace(tag, comments=record.read(tag.comments)[0])
            for tag in rest.tags
            if tag.name == names.TAG
        ),
        addresses=tuple(items.addresses),
        address_groups=tuple(items.address_groups),
        services=tuple(items.services),
        application_groups=tuple(filter(_prefixed, rest.application_groups)),
        schedules=tuple(filter(_prefixed, rest.schedules)),
        defaults=rest.defaults,
        rules=tuple(items.rules),
    )


def _others(own: _Found, rest: _Rest, shared: _Found, rest_shared: _Rest) -> Policy:
    """Return what others own; shared objects count where nothing in the system shadows them."""
    ours, others = own.ours, own.others
    shared_ours, shared_others = shared.ours, shared.others
    return Policy(
        tags=_below(
            [tag for tag in rest.tags if tag.name != names.TAG], rest_shared.tags, rest.tags
        ),
        addresses=_below(
            others.addresses,
            [*shared_ours.addresses, *shared_others.addresses],
            [*ours.addresses, *others.addresses],
        ),
        address_groups=_below(
            others.address_groups,
            [*shared_ours.address_groups, *shared_others.address_groups],
            [*ours.address_groups, *others.address_groups],
        ),
        services=_below(
            others.services,
            [*shared_ours.services, *shared_others.services],
            [*ours.services, *others.services],
        ),
        application_groups=_below(
            [item for item in rest.application_groups if not _prefixed(item)],
            rest_shared.application_groups,
            rest.application_groups,
        ),
        schedules=_below(
            [item for item in rest.schedules if not _prefixed(item)],
            rest_shared.schedules,
            rest.schedules,
        ),
        rules=tuple(others.rules),
    )


def _prefixed(item: Item) -> bool:
    return is_prefixed(item.name)


def _below(
    items: Iterable[_ItemT], shared: Iterable[_ItemT], system: Iterable[_ItemT]
) -> tuple[_ItemT, ...]:
    """Return `items` and those of `shared` whose name nothing in `system` has."""
    shadowing = {item.name for item in system}
    return (*items, *(item for item in shared if item.name not in shadowing))


def _known(
    own: _Found, rest: _Rest, shared: _Found, rest_shared: _Rest, applications: Element
) -> dict[str, frozenset[str]]:
    """Return every name a rule may use, by kind."""
    none: frozenset[str] = frozenset()
    known = {
        kind: rest.names.get(kind, none) | rest_shared.names.get(kind, none)
        for kind in (*_OTHER_KINDS, "application-group", "schedule", "log-setting")
    }
    known |= {
        kind: own.names(kind) | shared.names(kind)
        for kind in ("address", "address-group", "service")
    }
    known["zone"] = frozenset(zone.name for zone in rest.zones)
    known["application"] |= {
        entry.get("name", "") for entry in applications.iterfind("result/entry")
    }
    return known


def _taken(own: _Found, rest: _Rest) -> dict[str, frozenset[str]]:
    """Return the names that others hold in the virtual system, by the kinds that share them."""
    others, none = own.others, frozenset[str]()
    addresses = _names(others.addresses) | _names(others.address_groups)
    addresses |= rest.names.get("external-list", none)
    return {
        "rule": frozenset(own.rule_digests),
        "address": addresses,
        "address-group": addresses,
        "service": _names(others.services) | rest.names.get("service-group", none),
    }


def _names(items: Iterable[Item]) -> frozenset[str]:
    return frozenset(item.name for item in items)


# --- small answers -------------------------------------------------------------------------------


def _pending(root: Element) -> Iterator[tuple[str, str]]:
    """Yield who has uncommitted changes where, from ``show config list changes``."""
    for entry in root.iterfind("result/journal/entry"):
        yield (entry.findtext("owner") or "").strip(), (entry.findtext("xpath") or "").strip()


def _check_counts(host: str, counts: Mapping[str, int], parts: Mapping[str, Part]) -> None:
    """Compare what was parsed of each kind with what the device counts.

    The device counts its candidate configuration, so this holds only while nobody has uncommitted
    changes.
    """
    for kind in COUNTED_KINDS:
        counted = count(host, kind, parts[f"count {kind}"])
        if counted != counts[kind]:
            raise ParseError(
                host,
                f"the device counts {counted} entries of kind {kind}, its configuration holds "
                f"{counts[kind]}: the answer was incomplete, read again",
            )
