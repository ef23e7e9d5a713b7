"""From a device's answers to `Live`: streamed, counted, and nothing dropped.

Rules, addresses, groups and services are read one entry at a time and freed; the rest of the tree
(zones, schedules, NAT rules, profiles, …) is read once at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, cast

from lxml import etree

from segctl.compiler.naming import AUTOMATIC, is_prefixed
from segctl.model.errors import ParseError
from segctl.model.filled import Selection
from segctl.model.policy import (
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    FirewallZone,
    Item,
    LogProfile,
    Policy,
    Rule,
    Schedule,
    ServiceGroup,
    Tag,
)
from segctl.model.scope import Scope
from segctl.providers import parsed
from segctl.providers.base import Live
from segctl.providers.panos import (
    application_filters,
    contained,
    containers,
    content_ports,
    contents,
    elements,
    locks,
    names,
    overrides,
    pushed,
    record,
    references,
    standing,
    systems,
    translations,
    version,
)
from segctl.providers.panos.budget import Budget
from segctl.providers.panos.identity import identity
from segctl.providers.panos.location import Location
from segctl.providers.panos.management import management
from segctl.providers.panos.scopes import REFERRED, Objects, both, visible
from segctl.providers.panos.settings import settings
from segctl.providers.panos.small import count, refuse_dtd, small
from segctl.providers.panos.snapshot import load
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.scopes import Reader

    Events: TypeAlias = Iterable[tuple[str, Element]]
    Part: TypeAlias = bytes | memoryview

_CHUNK = 1 << 15
LOG_PROFILES = "log-settings/profiles/entry"
_SYSTEM = Location(name="vsys1").containers
#: Objects that are read one entry at a time, by kind, which is also their container's path.
_OBJECTS: Mapping[str, Callable[[Element], tuple[Item, elements.Tags]]] = {
    "address": elements.parse_address,
    "address-group": elements.parse_address_group,
    "service": elements.parse_service,
}
COUNTED_KINDS = ("rule", *_OBJECTS)
#: Small kinds, by the path of their container: read from the tree that streaming left.
_FEW: Mapping[str, Callable[[Element], Item]] = {
    "zone": elements.parse_zone,
    "tag": elements.parse_tag,
    "application-group": elements.parse_application_group,
    "service-group": elements.parse_service_group,
    "schedule": elements.parse_schedule,
}
#: Kinds whose names a rule may use, besides those segctl writes itself.
_OTHER_KINDS = (
    "service-group",
    "application-filter",
    "application",
    "external-list",
    "profile-group",
    "region",
    "dynamic-user-group",
)
#: What a rule of others may name that is no item of a policy, with what it is.
IMPLIED: Mapping[str, str] = {
    "application-filter": "an application filter: what it selects only the device knows",
    "external-list": contents.LIST,
    "region": "a region, whose addresses only the device knows",
    "dynamic-user-group": "a group of users that the device fills in",
}
#: How objects that Panorama pushed are read; of some kinds only the names count.
READERS: Mapping[str, Reader | None] = {
    **dict.fromkeys(_OTHER_KINDS),
    **{kind: _FEW[kind] for kind in ("tag", "application-group", "service-group", "schedule")},
    "address": lambda entry: elements.parse_address(entry)[0],
    "address-group": lambda entry: elements.parse_address_group(entry)[0],
    "service": lambda entry: elements.parse_service(entry)[0],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanosLive(Live):
    """A firewall's state; ``containers`` are those that rules name, None where it does not tell.

    ``ports`` are the default ports of the applications that rules of others hold to them, empty of
    those of which the device tells none; ``filters`` what the filters in use select.
    """

    containers: Mapping[str, tuple[str, ...]] | None = None
    ports: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    filters: Mapping[str, Selection] = field(default_factory=dict[str, Selection])


@dataclass(slots=True)
class _Items:
    """The rules and objects of one owner in one scope by kind, in the device's order."""

    held: dict[str, list[Item]] = field(
        default_factory=lambda: {kind: list[Item]() for kind in COUNTED_KINDS}
    )

    def add(self, item: Item) -> None:
        """Add an item."""
        self.held[item.kind_name].append(item)

    def of(self, kind: str) -> Sequence[Item]:
        """Return the items of one kind."""
        return self.held[kind]

    def all(self) -> Iterator[Item]:
        """Yield every item."""
        for items in self.held.values():
            yield from items


@dataclass(slots=True)
class Walk:
    """What a walk over one scope (virtual system or shared) has collected so far."""

    ours: _Items = field(default_factory=_Items)
    others: _Items = field(default_factory=_Items)
    order: list[str] = field(default_factory=list[str])
    uses: dict[str, str] = field(default_factory=dict[str, str])
    rule_digests: dict[str, str] = field(default_factory=dict[str, str])
    rest: Element | None = None
    #: where the rules are, and how one of them is read
    rules: str = _SYSTEM["rule"]
    read: Callable[[Element], Rule] = elements.parse_rule

    @property
    def count(self) -> int:
        """The number of rules and objects."""
        both = (self.ours, self.others)
        return sum(len(items.of(kind)) for items in both for kind in COUNTED_KINDS)

    def names(self, kind: str) -> frozenset[str]:
        """Return the names of all items of a streamed kind, whoever owns them."""
        return _names(self.ours.of(kind)) | _names(self.others.of(kind))

    @property
    def scope(self) -> references.Scope:
        """What others in it may refer to, and the names it defines."""
        rest = () if self.rest is None else self.rest.iterfind("*/entry")
        defined = {entry.get("name", "") for entry in rest}.union(*map(self.names, COUNTED_KINDS))
        return references.Scope(uses=self.uses, rest=self.rest, defined=defined)


def parse(document: bytes) -> PanosLive:
    """Read a session's document, or what was parsed of one before.

    Raises:
        ParseError: an answer is not XML, is an error, is incomplete, or counts do not agree.
    """
    if parsed.is_parsed(document):
        return parsed.load(document, PanosLive)
    with uncollected():
        return _parse(document)


def _parse(document: bytes) -> PanosLive:
    snapshot = load(document)
    host, place = snapshot.host, Location.of(Scope.of(snapshot.scope))
    system = small(host, "system", snapshot.parts["system"])
    applications = small(host, "applications", snapshot.parts["applications"])
    budget = Budget(host, snapshot.limit)
    own = stream(host, snapshot.parts["vsys"], "entry", budget)
    if own.rest is None:
        raise ParseError(host, systems.lacking(host, place, snapshot.parts))
    shared = stream(host, snapshot.parts["shared"], "shared", budget)
    pending, counts = counted(host, own, snapshot.parts)
    rest = rest_of(own.rest)
    rest_shared = rest_of(shared.rest)
    put = pushed.read(snapshot, budget, READERS)
    ours = ours_of(own.ours, rest).replace(log_profiles=log_profiles(own.rest))
    others, unclear = _others((own, rest), (shared, rest_shared), put)
    known = put.beside(known_names(own, rest, shared, rest_shared, applications))
    filters, ports = application_filters.read(
        snapshot, (own.rest, shared.rest), put.named("application")
    )
    zones = rest.items[FirewallZone]
    by_panorama = put.as_pushed(zones, unclear)
    held_zones = (*zones, *(zone for zone in put.zones if zone.name in by_panorama.zones))
    held = snapshot.parts.get("locks")  # a snapshot of an earlier version has none
    filled = contents.read(
        snapshot,
        ours.beside(others),
        put.rules,
        roots=(own.rest, shared.rest),
        lists=put.named("external-list"),
        regions=put.named("region"),
        dynamic_users=put.named("dynamic-user-group"),
    )
    inside = contained.held(ours.beside(others), filled)
    registered = {
        part: small(host, part, snapshot.parts[part])
        for part in map(contained.part_of, inside)
        if part in snapshot.parts
    }
    pair = snapshot.parts.get("pair")
    members, read = ((), "") if pair is None else standing.from_part(small(host, "pair", pair))
    sections = (*references.SECTIONS, *((pushed.TEMPLATE,) if not put.no_zones else ()))
    uses = references.referenced(
        snapshot, (ours, others), own.scope, shared.scope, sections=sections
    )
    called, unseen = references.called(others), put.unread or put.no_zones
    return PanosLive(
        identity=identity(system, place.scope, members, read),
        policy=ours,
        others=others,
        order=tuple(own.order),
        zones=held_zones,
        known=known,
        taken=taken_names(own, rest),
        referenced=uses.ours,
        used=called if unseen else uses.others | (put.used & called),
        pending=pending,
        other_rules=own.rule_digests,
        other_objects={
            **both(rest_shared.digests, put.common.digests),
            **both(rest.digests, put.own.digests),
        },
        implied={
            name: what
            for kind, what in IMPLIED.items()
            for found in (rest_shared.names.get(kind, ()), rest.names.get(kind, ()))
            for name in sorted({*found, *put.named(kind)})
        },
        filled=filled,
        contained=inside,
        ports=ports | content_ports.read(snapshot),
        filters=filters,
        in_order=contents.top_down(snapshot.parts, pushed.TEMPLATE),
        overrides=(
            *put.overrides["pre-rulebase"],
            *overrides.held(own.rest),
            *put.overrides["post-rulebase"],
        ),
        translations=(*put.translations, *translations.held(own.rest)),
        containers=containers.read(
            host,
            snapshot.parts.get(containers.PART),
            (ours, others, Policy(rules=put.rules)),
            known,
        ),
        counts=counts,
        findings=(
            *version.warnings(system.findtext("result/system/sw-version") or ""),
            *pushed.findings(by_panorama, put.no_zones),
            *(standing.findings(members, read) if members else ()),
            *systems.external(held_zones),
            *contained.notes(registered, host, inside),
        ),
        state=locks.state(
            None if held is None else small(host, "locks", held), record.of_entry(own.rest)
        ),
        pushed=by_panorama,
        management=management(snapshot, system, held_zones, (own.rest, shared.rest)),
        settings=settings(
            snapshot, system, (own.rest, put.own_profiles, shared.rest, put.common_profiles)
        ),
        log_lists={
            **log_lists(put.common_profiles),
            **rest_shared.log_lists,
            **log_lists(put.own_profiles),
            **rest.log_lists,
        },
    )


def log_profiles(root: Element) -> Iterator[LogProfile]:
    """Yield the log forwarding profile of ours, if there is one."""
    for entry in root.iterfind(LOG_PROFILES):
        if entry.get("name") == AUTOMATIC:
            yield elements.parse_log_profile(entry)


def log_lists(root: Element) -> dict[str, tuple[str, ...]]:
    """Return the match lists of the log forwarding profiles of a scope, by name."""
    return {
        entry.get("name", ""): elements.match_lists(entry) for entry in root.iterfind(LOG_PROFILES)
    }


# --- streaming -----------------------------------------------------------------------------------


def stream(host: str, part: Part, root: str, budget: Budget, walk: Walk | None = None) -> Walk:
    """Walk one scope's ``show`` answer; `root` is the tag of the scope's own node.

    Only the start of ``result`` is an event: each event costs as much as parsing an element.
    """
    refuse_dtd(host, part)
    walk = walk or Walk()
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
                _take(walk, result, root, unfinished=1)
            budget.check(walk.count, result)
        tree_root = parser.close()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the configuration is not complete XML: {error}") from error
    status = tree_root.get("status")
    if status == "error" and "No such node" in "".join(str(t) for t in tree_root.itertext()):
        return walk
    if status != "success":
        raise ParseError(host, f"refuses to show the configuration: {elements.reason(tree_root)}")
    if result is not None:
        _take(walk, result, root)
        walk.rest = result.find(root)
    entries = 0 if walk.rest is None else sum(1 for _ in walk.rest.iter("entry"))
    budget.close(walk.count + entries, walk.rest)
    return walk


def _take(walk: Walk, result: Element, root: str, *, unfinished: int = 0) -> None:
    """Remove the entries that the parser has finished from the tree it builds.

    A container's last entry may still grow, and lxml forbids touching it before it is finished.
    """
    for path in (walk.rules, *_OBJECTS):
        for container in result.iterfind(f"{root}/{path}"):
            for element in list(container)[: len(container) - unfinished]:
                if element.tag == "entry":
                    if path == walk.rules:
                        _take_rule(walk, element)
                    else:
                        _take_object(walk, element, path)
                    container.remove(element)


def _take_rule(walk: Walk, element: Element) -> None:
    rule = walk.read(element)
    walk.order.append(rule.name)
    if elements.is_ours(rule):
        walk.ours.add(rule)
        return
    walk.others.add(rule)
    walk.rule_digests[rule.name] = elements.digest(element)
    used = (*rule.sources, *rule.destinations, *rule.services, *rule.applications, *rule.tags)
    more = references.in_entry(element, elements.RULE_TAGS)
    place = walk.rules.replace("/", " -> ")
    _use(walk, (*used, rule.schedule, *more), place, rule.name)


def _take_object(walk: Walk, element: Element, kind: str) -> None:
    item, tags = _OBJECTS[kind](element)
    if names.TAG in tags:
        walk.ours.add(item)
        return
    walk.others.add(item)
    _use(walk, tags, kind, item.name)
    if isinstance(item, AddressGroup):
        used = (*item.members, *references.in_entry(element, elements.GROUP_TAGS))
        _use(walk, used, kind, item.name)


def _use(walk: Walk, used: Iterable[str], kind: str, name: str) -> None:
    """Record what an entry of others may refer to, and the entry."""
    uses, place = walk.uses, f"{kind} -> {name}"  # one text, however much the entry names
    for each in used:
        uses.setdefault(each, place)


# --- the rest ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The small kinds, read from the tree that streaming left."""

    items: Policy = field(default_factory=Policy)
    names: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    digests: dict[str, str] = field(default_factory=dict[str, str])
    log_lists: dict[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])


def rest_of(root: Element | None, defaults: str = _SYSTEM["default-rule"]) -> Rest:
    """Read the small kinds of a scope; `defaults` is where its default rules are."""
    if root is None:
        return Rest()
    digests: dict[str, str] = {}
    held: dict[str, frozenset[str]] = {}
    for kind in (*_OTHER_KINDS, "application-group", "schedule"):
        entries = root.findall(f"{kind}/entry")
        held[kind] = frozenset(entry.get("name", "") for entry in entries)
        if kind in REFERRED:
            digests.update(
                {
                    f"{kind} {entry.get('name')}": elements.digest(entry)
                    for entry in entries
                    if not is_prefixed(entry.get("name") or "")
                }
            )
    forwarding = {
        entry.get("name", ""): elements.digest(entry) for entry in root.iterfind(LOG_PROFILES)
    }
    held["log-setting"] = frozenset(forwarding)
    forwarding.pop(AUTOMATIC, "")
    digests.update({f"log-setting {name}": digest for name, digest in forwarding.items()})
    return Rest(
        items=Policy.of(
            read(entry)
            for path, read in {**_FEW, defaults: elements.parse_default_rule}.items()
            for entry in root.findall(f"{path}/entry")
        ),
        log_lists=log_lists(root),
        names=held,
        digests=digests,
    )


def ours_of(items: _Items, rest: Rest) -> Policy:
    """Return the items with our mark, or with our prefix for kinds without tags."""
    few = filter(is_ours, named(rest))
    policy = Policy.of([*items.all(), *few, *rest.items[DefaultRule]])
    return policy.replace(
        tags=(replace(tag, comments=record.read(tag.comments)[0]) for tag in policy[Tag])
    )


def _others(
    own: tuple[Walk, Rest], shared: tuple[Walk, Rest], put: pushed.Found
) -> tuple[Policy, list[str]]:
    """Return what others own, as far as it is not hidden, and which names are not clear.

    Of default rules those count that Panorama pushed: the device's own are ours.
    """
    walk, rest = own
    few = (item for item in named(rest) if not is_ours(item))
    near = objects_of(*own, compared=bool(put.own.items))
    more, unclear = visible([(near, put.own), (objects_of(*shared), put.common)])
    held = [*walk.others.all(), *few, *more, *put.defaults.values()]
    return Policy.of(held), unclear


def objects_of(walk: Walk, rest: Rest, *, compared: bool = True) -> Objects:
    """Return the objects of a scope, whoever owns them."""
    items = chain(walk.ours.all(), walk.others.all(), named(rest))
    return Objects.of(items, rest.names, compared=compared)


def named(rest: Rest) -> Iterator[Item]:
    """Yield the few that rules or objects name: of these some are ours, some of others."""
    for kind in (Tag, ApplicationGroup, ServiceGroup, Schedule):
        yield from rest.items[kind]


def is_ours(item: Item) -> bool:
    """Whether one of the few kinds without our tag is ours: by its name."""
    if isinstance(item, Tag):
        return item.name in names.TAGS
    if isinstance(item, ServiceGroup):
        return False
    return is_prefixed(item.name)


def known_names(
    own: Walk, rest: Rest, shared: Walk, rest_shared: Rest, applications: Element
) -> dict[str, frozenset[str]]:
    """Return every name a rule may use, by kind."""
    none: frozenset[str] = frozenset()
    known = {
        kind: rest.names.get(kind, none) | rest_shared.names.get(kind, none)
        for kind in (*_OTHER_KINDS, "application-group", "schedule", "log-setting")
    }
    known |= {kind: own.names(kind) | shared.names(kind) for kind in _OBJECTS}
    known["zone"] = frozenset(zone.name for zone in rest.items[FirewallZone])
    known["application"] |= {
        entry.get("name", "") for entry in applications.iterfind("result/entry")
    }
    return known


def taken_names(own: Walk, rest: Rest) -> dict[str, frozenset[str]]:
    """Return the names that others use in the virtual system, by the kinds that share them."""
    others, none = own.others, frozenset[str]()
    addresses = _names(others.of("address")) | _names(others.of("address-group"))
    addresses |= rest.names.get("external-list", none)
    return {
        "rule": frozenset(own.rule_digests),
        "address": addresses,
        "address-group": addresses,
        "service": _names(others.of("service")) | rest.names.get("service-group", none),
    }


def _names(items: Iterable[Item]) -> frozenset[str]:
    return frozenset(item.name for item in items)


# --- small answers -------------------------------------------------------------------------------


def pending_changes(root: Element) -> Iterator[tuple[str, str]]:
    """Yield who has uncommitted changes where, from ``show config list changes``."""
    for entry in root.iterfind("result/journal/entry"):
        yield (entry.findtext("owner") or "").strip(), (entry.findtext("xpath") or "").strip()


def counted(
    host: str, own: Walk, parts: Mapping[str, Part]
) -> tuple[tuple[tuple[str, str], ...], dict[str, int]]:
    """Return who has uncommitted changes, and how many items of each kind there are.

    Raises:
        ParseError: nobody has changes, and the device counts another number of some kind. It counts
            its candidate configuration, so with changes the numbers may differ.
    """
    pending = tuple(pending_changes(small(host, "pending", parts["pending"])))
    counts = {kind: len(own.ours.of(kind)) + len(own.others.of(kind)) for kind in COUNTED_KINDS}
    for kind in () if pending else COUNTED_KINDS:
        told = count(host, kind, parts[f"count {kind}"])
        if told != counts[kind]:
            raise ParseError(
                host,
                f"the device counts {told} entries of kind {kind}, but its configuration has "
                f"{counts[kind]}: the answer was incomplete, so read it again",
            )
    return pending, counts
