"""From Panorama's answers to `PanoramaLive`: one device group, in the place that it has.

Rules of shared and of parent groups are others' and stand around the group's own, as they do on
its firewalls. Source: vendor's administrator guide, device group policies: shared and parents'
pre-rules first, the nearest last; post-rules the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from segctl.compiler.naming import AUTOMATIC
from segctl.model.errors import ParseError, Problem
from segctl.model.policy import (
    Address,
    AddressGroup,
    DefaultRule,
    Policy,
    Rule,
    Service,
    ServiceGroup,
)
from segctl.model.scope import Scope
from segctl.providers import parsed
from segctl.providers.panos import (
    containers,
    contents,
    elements,
    locks,
    overrides,
    record,
    references,
    version,
)
from segctl.providers.panos.budget import Budget
from segctl.providers.panos.identity import identity
from segctl.providers.panos.location import Location
from segctl.providers.panos.panorama import members, targets, templates
from segctl.providers.panos.parse import (
    IMPLIED,
    LOG_PROFILES,
    READERS,
    PanosLive,
    Rest,
    Walk,
    counted,
    is_ours,
    known_names,
    log_profiles,
    named,
    objects_of,
    ours_of,
    rest_of,
    stream,
    taken_names,
)
from segctl.providers.panos.pushed import Taken, foreign, walk
from segctl.providers.panos.scopes import Objects, visible
from segctl.providers.panos.small import is_missing, small
from segctl.providers.panos.snapshot import load
from segctl.providers.parsed import NOT_KEPT, without_note
from segctl.providers.pushed import Pushed
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.record import Record
    from segctl.providers.panos.snapshot import Snapshot
    from segctl.providers.state import DeviceState
    from segctl.transports.target import Managed

#: The part with the policy, as in the document of a firewall.
GROUP: Final = "vsys"
MEMBERS: Final = "members"
STANDING: Final = "standing"
HIERARCHY: Final = "hierarchy"
#: Whether objects of parents and shared count before those of the group. Sources: vendor's
#: administrator guide, "Manage Precedence of Inherited Objects"; the name of the leaf is that of a
#: public program that reads saved configurations, and was not seen on a device.
PRECEDENCE: Final = "ancestor-objects-take-precedence"
#: Before the name of a parent group, of which the part is the configuration.
PARENT: Final = "parent "
#: Before a content version, of which the part is the names of its applications.
CONTENT: Final = "applications of "
_BASES: Final = ("pre", "post")
_NONE: Final = frozenset[str]()
#: Why nothing is said of what objects hold that firewalls fill by themselves.
_EACH_ITS_OWN: Final = (
    "each firewall of the device group fills it by itself, and can hold something else than the "
    "next; Panorama holds none of it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanoramaLive(PanosLive):
    """A device group's state; `parents` are the groups it inherits from, the nearest first."""

    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outer:
    """What a group inherits from: a parent group, or shared."""

    title: str
    taken: Taken

    def rules(self, base: str) -> list[Rule]:
        return [
            rule
            for (rulebase, _), rules in self.taken.rules.items()
            if rulebase == f"{base}-rulebase"
            for rule in rules
        ]

    def objects(self) -> Objects:
        self.taken.common.add(self.taken.own)
        return self.taken.common


def parse(document: bytes) -> PanoramaLive:
    """Read a session's document, or what was parsed of one before.

    Raises:
        ParseError: an answer is not XML, is an error, is incomplete, or counts do not agree.
    """
    if parsed.is_parsed(document):
        return parsed.load(document, PanoramaLive)
    with uncollected():
        return _parse(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Firewalls:
    """The firewalls of the group: all of them, and those of the inventory by host.

    `places` says how Panorama names each, `names` which host a place is.
    """

    asked: tuple[Managed, ...]
    managed: tuple[members.Firewall, ...]
    found: Mapping[str, members.Firewall]
    places: Mapping[str, tuple[str, ...]]
    names: Mapping[str, str]

    @classmethod
    def of(cls, snapshot: Snapshot, group: str) -> _Firewalls:
        """Read them.

        Raises:
            ParseError: one of the inventory is not in the group, or not clear.
        """
        host, parts = snapshot.host, snapshot.parts
        asked = members.from_part(bytes(parts[MEMBERS]))
        managed = members.read(small(host, STANDING, parts[STANDING]), group)
        found = members.matched(host, group, asked, managed)
        places = members.places(asked, found)
        names = {place: name for name, both in places.items() for place in both}
        return cls(asked=asked, managed=managed, found=found, places=places, names=names)


def _parse(document: bytes) -> PanoramaLive:
    snapshot = load(document)
    host, place = snapshot.host, Location.of(Scope.of(snapshot.scope))
    system = small(host, "system", snapshot.parts["system"])
    applications = small(host, "applications", snapshot.parts["applications"])
    firewalls = _Firewalls.of(snapshot, place.name)
    budget = Budget(host, snapshot.limit)
    read: Callable[[Element], Rule] = partial(targets.read_rule, names=firewalls.names)
    walk_ = Walk(rules=place.containers["rule"], read=read)
    own = stream(host, snapshot.parts[GROUP], "entry", budget, walk_)
    if own.rest is None:
        raise ParseError(host, f"has no {place}: check segctl_device_group")
    rest = rest_of(own.rest, place.containers["default-rule"])
    parents = parents_of(host, small(host, HIERARCHY, snapshot.parts[HIERARCHY]), place.name)
    outer = _outer(snapshot, parents, budget, read)
    pending, counts = counted(host, own, snapshot.parts)
    ours = ours_of(own.ours, rest).replace(log_profiles=log_profiles(own.rest))
    ancestors_win = _ancestors_win(snapshot)
    others, unclear = _others(own, rest, outer, ancestors_win=ancestors_win)
    forwarding = _forwarding(own.rest, outer, ancestors_win=ancestors_win)
    put = replace(_around(own, outer, place, read), unread=tuple(unclear))
    inherited = {kind: frozenset(_named_by(outer, kind)) for kind in (*READERS, "log-setting")}
    known = {
        kind: held | inherited.get(kind, _NONE)
        for kind, held in known_names(own, rest, Walk(), Rest(), applications).items()
    }
    uses = references.in_group(snapshot, (ours, others), own.scope)
    live = PanoramaLive(
        identity=identity(system, place.scope, (), ""),
        policy=ours,
        others=others,
        order=tuple(own.order),
        known=known,
        taken=_taken_too(taken_names(own, rest), outer),
        above={one.title: _told(one) for one in outer},
        referenced=uses.ours,
        used=uses.others,
        pending=pending,
        other_rules=own.rule_digests,
        other_objects={
            **rest.digests,
            **{f"log-setting {name}": elements.digest(one) for name, one in forwarding.items()},
        },
        log_lists={name: elements.match_lists(one) for name, one in forwarding.items()},
        implied=_implied(rest, inherited),
        filled=contents.not_asked(
            ours.beside(others), put.rules, known["external-list"], _EACH_ITS_OWN
        ),
        overrides=(
            *(one for of in outer for base in of.taken.overrides.values() for one in base),
            *overrides.held(own.rest),
        ),
        containers=containers.read(
            host,
            snapshot.parts[containers.PART],
            (ours, others, Policy(rules=put.rules)),
            known,
        ),
        counts=counts,
        findings=_findings(host, place, system, firewalls),
        state=_state(small(host, "locks", snapshot.parts["locks"]), record.of_entry(own.rest)),
        pushed=put,
        parents=parents,
    )
    return _with_firewalls(live, snapshot, firewalls, applications)


def _implied(rest: Rest, inherited: Mapping[str, frozenset[str]]) -> dict[str, str]:
    return {
        name: what
        for kind, what in IMPLIED.items()
        for name in sorted({*rest.names.get(kind, _NONE), *inherited.get(kind, _NONE)})
    }


def _findings(
    host: str, place: Location, system: Element, firewalls: _Firewalls
) -> tuple[Problem, ...]:
    own = system.findtext("result/system/sw-version") or ""
    return (
        *version.warnings(own),
        *_strangers(place, firewalls.managed, firewalls.names),
        *_older(host, own, firewalls.found),
    )


def _with_firewalls(
    live: PanoramaLive, snapshot: Snapshot, firewalls: _Firewalls, applications: Element
) -> PanoramaLive:
    """Return the state of a group with what its firewalls have of it, and of their own."""
    found = firewalls.found
    enforced = members.receivers(firewalls.asked, found)
    return replace(
        live,
        state=replace(live.state, members=enforced),
        member_zones=templates.zones(snapshot.host, snapshot.parts, found),
        members=firewalls.places,
        contents={name: one.content_version for name, one in found.items()},
        member_versions={name: one.os_version for name, one in found.items()},
        member_applications=_of_contents(snapshot, found, live.known, applications),
    )


def _state(held: Element, own: Record | None) -> DeviceState:
    """Return the state of the group from its locks and our record.

    A run that died while it took its change back in two steps is known by its last commit.
    """
    state = locks.state(held, own)
    return replace(state, unconfirmed=state.unconfirmed or locks.state(held, None).unconfirmed)


def _of_contents(
    snapshot: Snapshot,
    found: Mapping[str, members.Firewall],
    known: Mapping[str, frozenset[str]],
    predefined: Element,
) -> dict[str, frozenset[str]]:
    """Return the applications that rules may name on firewalls with a content of their own.

    Raises:
        ParseError: a firewall's answer is not complete, or has none.
    """
    host, none = snapshot.host, frozenset[str]()
    defined = known.get("application", none) - _entries(predefined)
    defined |= known.get("application-group", none) | known.get("application-filter", none)
    held: dict[str, frozenset[str]] = {}
    for name, one in found.items():
        part = f"{CONTENT}{one.content_version}"
        if part not in snapshot.parts:
            continue
        names = _entries(small(host, part, snapshot.parts[part]))
        if not names:
            raise ParseError(host, f"lists no application of {name}")
        held[name] = names | defined
    return held


def _entries(answer: Element) -> frozenset[str]:
    return frozenset(entry.get("name", "") for entry in answer.iterfind("result/entry"))


# --- what the group inherits ---------------------------------------------------------------------


def parents_of(host: str, answer: Element, group: str) -> tuple[str, ...]:
    """Return the groups that a device group inherits from, the nearest first.

    Source: pan-os-python reads the answer to ``show dg-hierarchy`` as nested ``dg`` nodes.

    Raises:
        ParseError: the answer does not say it, or a group is its own parent: what the group
            inherits is not known.
    """
    nodes = [node for node in answer.iter("dg") if node.get("name") == group]
    if not nodes:
        held = sorted({node.get("name", "") for node in answer.iter("dg")})
        raise ParseError(
            host,
            f"does not list device group {group}; it has {', '.join(held[:8]) or 'none'}: correct "
            "segctl_device_group",
        )
    lines = {tuple(above.get("name", "") for above in node.iterancestors("dg")) for node in nodes}
    first, *more = lines
    if more or len({group, *first}) <= len(first):
        told = " and ".join(" < ".join((group, *line)) for line in sorted(lines))
        raise ParseError(
            host, f"says that device group {group} has more than one parent, or is its own: {told}"
        )
    return first


def children_of(answer: Element, group: str) -> tuple[str, ...]:
    """Return the groups that inherit from a device group."""
    for node in answer.iter("dg"):
        if node.get("name") == group:
            return tuple(below.get("name", "") for below in node.iter("dg") if below is not node)
    return ()


def _outer(
    snapshot: Snapshot,
    parents: Sequence[str],
    budget: Budget,
    read: Callable[[Element], Rule],
) -> list[_Outer]:
    """Return what the group inherits from, the nearest first and shared last."""
    parts = [(f"device group {name}", PARENT + name) for name in parents]
    found: list[_Outer] = []
    for title, part in (*parts, ("shared", "shared")):
        taken = Taken(READERS, origin=f"{title} ", read=read)
        walk(snapshot.host, snapshot.parts[part], budget, taken)
        found.append(_Outer(title=title, taken=taken))
    return found


def _named_by(outer: Sequence[_Outer], kind: str) -> set[str]:
    return {name for one in outer for name in one.objects().called((kind,))}


def _ancestors_win(snapshot: Snapshot) -> bool:
    """Whether an object of shared or of a parent counts before one of the group of its name.

    Raises:
        ParseError: the answer is not one.
    """
    part = snapshot.parts[PRECEDENCE]
    if is_missing(part):
        return False
    answer = small(snapshot.host, PRECEDENCE, part)
    return any((node.text or "").strip() != "no" for node in answer.iter(PRECEDENCE))


def _others(
    own: Walk, rest: Rest, outer: Sequence[_Outer], *, ancestors_win: bool
) -> tuple[Policy, list[str]]:
    """Return what others own in the group, what it sees around it, and what is not clear."""
    ours = Objects.of([*own.ours.all(), *filter(is_ours, named(rest))], {})
    levels = [objects_of(own, rest), *(one.objects() for one in outer)]
    ranked = levels[::-1] if ancestors_win else levels
    more, unclear = visible((level, Objects()) for level in (ours, *ranked))
    held = {rule.name for rule in rest.items[DefaultRule]}
    defaults: dict[str, DefaultRule] = {}
    for one in outer:  # the nearest counts
        for (name, _), rule in one.taken.defaults.items():
            if name not in held:
                defaults.setdefault(name, rule)
    rules = (item for item in own.others.all() if isinstance(item, Rule))
    return Policy.of([*rules, *more, *defaults.values()]), unclear


def _forwarding(
    root: Element, outer: Sequence[_Outer], *, ancestors_win: bool
) -> dict[str, Element]:
    """Return the log forwarding profiles of others by name, each as the firewalls get it."""
    levels = [root, *(one.taken.profiles[True] for one in outer)]
    found: dict[str, Element] = {}
    for level in levels if ancestors_win else reversed(levels):
        for entry in level.iterfind(LOG_PROFILES):
            found[entry.get("name", "")] = entry
    found.pop(AUTOMATIC, None)
    return found


def _around(
    own: Walk, outer: Sequence[_Outer], place: Location, read: Callable[[Element], Rule]
) -> Pushed:
    """Return the rules that a firewall has before and after those of our rulebase."""
    (other,) = (base for base in _BASES if base != place.rulebase)
    found = (
        own.rest.iterfind(f"{other}-rulebase/security/rules/entry") if own.rest is not None else ()
    )
    beside = [foreign(read(entry), f"{other}-rule ") for entry in found]
    before = [rule for one in reversed(outer) for rule in one.rules("pre")]
    after = [rule for one in outer for rule in one.rules("post")]
    if other == "pre":
        before += beside
    else:
        after = [*beside, *after]
    return Pushed(before=tuple(before), after=tuple(after))


def _taken_too(
    taken: Mapping[str, frozenset[str]], outer: Sequence[_Outer]
) -> dict[str, frozenset[str]]:
    """Return the names that ours cannot have; of the groups around it those without content.

    With content, they are compared: see `_told`.
    """
    lists = frozenset(_named_by(outer, "external-list"))
    return {
        kind: names | lists if kind.startswith("address") else names
        for kind, names in taken.items()
    }


def _told(outer: _Outer) -> Policy:
    """Return the objects under names that ours could have, without others' notes.

    A group may hide a name of its parent, but what others mean by it must stay the same.
    """
    kept = (Address, AddressGroup, Service, ServiceGroup)
    held = outer.objects().items.values()
    return Policy.of(
        without_note(one, kept=lambda _text: NOT_KEPT) for one in held if isinstance(one, kept)
    )


# --- findings ------------------------------------------------------------------------------------


def _strangers(
    place: Location, managed: Sequence[members.Firewall], names: Mapping[str, str]
) -> list[Problem]:
    """Refuse a group with firewalls that the inventory does not have: they get our rules."""
    strange = [one for one in managed if one.place not in names]
    if not strange:
        return []
    listed = ", ".join(f"{one.hostname or '?'} ({one.place})" for one in strange[:8])
    return [
        Problem(
            message=f"{place} also has {listed}, which the inventory does not: what is pushed to "
            "the group reaches them, too",
            hint="add them to the inventory with the same segctl_device_group, or move them to "
            "another device group",
            severity="error",
            kind="stranger",
            about=("stranger", *(one.place for one in strange)),
        )
    ]


def _older(host: str, own: str, found: Mapping[str, members.Firewall]) -> list[Problem]:
    """Refuse a Panorama that is older than a firewall: it cannot push to it.

    Source: vendor's compatibility matrix: Panorama runs the same release or a later one.
    """
    newer = [
        f"{name} ({one.os_version})"
        for name, one in found.items()
        if one.os_version and version.numbers(one.os_version)[:2] > version.numbers(own)[:2]
    ]
    if not newer:
        return []
    return [
        Problem(
            message=f"{host} has version {own}, older than that of {', '.join(newer)}: it cannot "
            "push to them",
            hint="update Panorama first",
            severity="error",
            kind="older-manager",
            about=("older-manager", *sorted(found)),
        )
    ]
