"""Who else refers to our objects: a device never deletes an object that something refers to.

Any text that equals one of our names is a reference, wherever it occurs: what refers to what
differs between releases, and an object kept without need does no harm. Only texts that cannot be
references are left out: free text, places for zones, the names of definitions, and names in a scope
that has its own object of that name.

Sources: configuration schema of PAN-OS 10.0 (a reference is resolved in its own virtual system,
then in shared; places of the network section name objects of the system that imports them); vendor
API guide (a delete is judged against the candidate, and refused with a line for each referrer).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from sys import intern
from typing import TYPE_CHECKING, Final, cast

from lxml import etree

from segctl.compiler import naming
from segctl.compiler.naming import is_prefixed
from segctl.model import items as kinds
from segctl.model.errors import ParseError
from segctl.providers.panos import names
from segctl.providers.panos.budget import Budget
from segctl.providers.panos.elements import reason

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from segctl.model.policy import Policy
    from segctl.providers.panos.elements import Element
    from segctl.providers.panos.snapshot import Snapshot

    Place: TypeAlias = tuple[str, ...]

_CHUNK: Final = 1 << 15
#: Leaves for people: they may describe an object, but never refer to it.
_FREE_TEXT: Final = frozenset(
    {"description", "comment", "comments", "action-desc", "display-name", "hostname", "password"}
)
#: Leaves and lists that name zones, besides those that end in this word: an address and a zone may
#: have the same name.
_ZONES: Final = frozenset({"from", "to"})
_ZONE: Final = "zone"
#: Match expressions, in which names occur as words.
_EXPRESSIONS: Final = frozenset({"filter"})
_WORDS: Final = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s'\"()]+")
_GROUPS: Final = (("address-group",), ("service-group",), ("application-group",))
#: An entry up to this many steps below a scope is a definition: ``profiles/virus/entry``.
_DEFINED_AT: Final = 3
#: Our kinds that have no tags.
_PREFIXED: Final = frozenset({"application-group", "schedule"})

#: Our log forwarding profile, whose tags are called like other objects of ours.
_PROFILE: Final = ("log-settings", "profiles", naming.AUTOMATIC)

#: Parts of a document with the rest of the device: other virtual systems, and sections outside of
#: any; those with another suffix come from the candidate.
SYSTEMS: Final = "systems"
SETTINGS: Final = "deviceconfig"
SECTIONS: Final = ("network", SETTINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The result of the walk over a virtual system or over shared.

    `uses` has each text in the streamed entries of others, and the first entry that contains it;
    `rest` is the tree without the streamed entries; `defined` are the names of all objects.
    """

    uses: Mapping[str, str]
    rest: Element | None
    defined: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The names of objects in use, besides by security rules and groups of the same scope.

    `ours` has those of ours that others refer to, each with one referring place, in security rules
    and groups of others, too; `others` those of others.
    """

    ours: Mapping[str, str]
    others: frozenset[str]


def referenced(
    snapshot: Snapshot,
    policies: tuple[Policy, Policy],
    own: Scope,
    shared: Scope,
    *,
    sections: Collection[str] = SECTIONS,
) -> Uses:
    """Return what of our objects, and of those of others, something refers to.

    Args:
        snapshot: the device.
        policies: our objects, and those of others.
        own: the virtual system.
        shared: what all virtual systems share.
        sections: parts of the document with settings that may refer to objects.

    Raises:
        ParseError: an answer is missing or not complete XML, or the device refuses it.
    """
    ours, others = map(called, policies)
    system = f"vsys -> {snapshot.scope} -> "
    places = {name: system + own.uses[name] for name in ours & own.uses.keys()}
    unknown = ours.difference(shared.defined)  # what shared and other systems may refer to
    places |= {name: f"shared -> {shared.uses[name]}" for name in unknown & shared.uses.keys()}
    used = set[str]()

    def take(name: str, place: Place, where: str, sought: Container[str]) -> None:
        if name in sought:
            places.setdefault(name, where + " -> ".join(place))
        if name in others and not _is_group(place):
            used.add(name)

    for scope, root, sought in ((system, own.rest, ours), ("shared -> ", shared.rest, unknown)):
        for name, place in in_scope(root, ours | others):
            take(name, place, scope, sought)
    missing = [section for section in SECTIONS if section not in snapshot.parts]
    if missing:
        raise ParseError(snapshot.host, f"the snapshot lacks {', '.join(missing)}: take it again")
    for part, body in snapshot.parts.items():
        kind = part.partition(" ")[0]
        if kind == SYSTEMS or kind in SECTIONS or part in sections:
            systems = kind == SYSTEMS
            sought = unknown if systems else ours
            for name, place in elsewhere(snapshot.host, body, sought | others, systems=systems):
                take(name, place, "vsys -> " if systems else "", sought)
    return Uses(ours=dict(sorted(places.items())), others=frozenset(used))


def in_group(snapshot: Snapshot, policies: tuple[Policy, Policy], own: Scope) -> Uses:
    """Return what of a device group's objects, ours and those of others, something refers to.

    That is in the group itself and in the groups below it, which inherit them.

    Raises:
        ParseError: an answer is missing or not complete XML, or the device refuses it.
    """
    ours, others = map(called, policies)
    group = f"{snapshot.scope.replace(':', ' ')} -> "
    places = {name: group + own.uses[name] for name in ours & own.uses.keys()}
    found = [(group, *one) for one in in_scope(own.rest, ours | others)]
    if SYSTEMS in snapshot.parts:
        body = snapshot.parts[SYSTEMS]
        below = elsewhere(snapshot.host, body, ours | others, systems=True)
        found += [("device-group -> ", *one) for one in below]
    for where, name, place in found:
        if name in ours:
            places.setdefault(name, where + " -> ".join(place))
    used = {name for _, name, place in found if name in others and not _is_group(place)}
    return Uses(ours=dict(sorted(places.items())), others=frozenset(used))


def called(policy: Policy) -> frozenset[str]:
    """Return the names of all objects that something can refer to."""
    named = (policy[kind.item] for kind in kinds.KINDS if kind.referable)
    return frozenset(item.name for items in named for item in items)


def _is_group(place: Place) -> bool:
    """Whether a place in a scope is within a group: what no rule uses is unused within groups."""
    return place[:1] in _GROUPS


def in_entry(element: Element, read: Container[str]) -> Iterator[str]:
    """Yield what an entry of others may refer to: every text in it except zones and free text.

    Children whose tags are in `read` are left out: their content is already known.
    """
    for child in element:
        if child.tag in read or _is_zones(child) or child.tag in _FREE_TEXT:
            continue
        for leaf in child.iter(etree.Element):
            text = _text(leaf)
            if text:
                yield intern(text)
                yield from _words(text) if leaf.tag in _EXPRESSIONS else ()


def in_scope(root: Element | None, ours: Collection[str]) -> Iterator[tuple[str, Place]]:
    """Yield our names in the tree of a scope, outside of our own items, and where they occur.

    A scope's own children are the containers of its kinds: a virtual system, or shared.
    """
    for element in root.iter(etree.Element) if root is not None and ours else ():
        for name in _said(element, ours):
            place = _place(element, root)
            if not _is_ours(place) and not _is_defined(element, place):
                yield name, place


def _said(element: Element, ours: Container[str]) -> Iterable[str]:
    """Return our names that an element itself contains, in its text or as its name."""
    tag = element.tag
    if tag == "entry":
        return [said for said in (element.get("name", ""), _text(element)) if said in ours]
    text = _text(element)
    if not text or tag in _FREE_TEXT:
        return ()
    if tag in _EXPRESSIONS:
        return [word for word in sorted({text, *_words(text)}) if word in ours]
    place = element.getparent() if tag == "member" else element
    return (text,) if text in ours and not (place is not None and _is_zones(place)) else ()


def _is_zones(element: Element) -> bool:
    tag = cast("object", element.tag)  # for a comment it is a function
    return isinstance(tag, str) and (tag in _ZONES or tag.endswith(_ZONE))


def _words(expression: str) -> list[str]:
    return [word.strip("'\"") for word in _WORDS.findall(expression)]


def _text(element: Element) -> str:
    return "" if len(element) else (element.text or "").strip()


def _place(element: Element, root: Element | None) -> Place:
    """Return the path of an element below `root`, with entries by name."""
    steps: list[str] = []
    node: Element | None = element
    while node is not None and node is not root:
        if node.tag != "member":
            steps.append(node.get("name", "") if node.tag == "entry" else str(node.tag))
        node = node.getparent()
    return tuple(reversed(steps))


def _is_ours(place: Place) -> bool:
    """Whether a place in a virtual system is inside one of our objects."""
    if len(place) < 2:
        return False
    if place[:3] == _PROFILE:
        return True
    kind, name = place[:2]
    if kind == "tag":
        return name in names.TAGS
    return kind in _PREFIXED and is_prefixed(name)


def _is_defined(element: Element, place: Place) -> bool:
    """Whether an entry's name is a definition and not a reference."""
    if element.tag != "entry":
        return False
    parent = element.getparent()
    return len(place) <= _DEFINED_AT or (parent is not None and parent.tag == "rules")


# --- elsewhere on the device ---------------------------------------------------------------------


@dataclass(slots=True)
class _Answered:
    """What a walk over an answer found: in the scope where it is, and in those before it."""

    places: dict[str, Place] = field(default_factory=dict[str, "Place"])
    found: dict[str, Place] = field(default_factory=dict[str, "Place"])
    defined: set[str] = field(default_factory=set[str])

    def end_scope(self) -> None:
        """Keep what the scope refers to and does not define itself."""
        for name, place in self.found.items():
            if name not in self.defined:
                self.places.setdefault(name, place)
        self.found.clear()
        self.defined.clear()


def elsewhere(
    host: str, part: bytes | memoryview, ours: Collection[str], *, systems: bool
) -> Iterator[tuple[str, Place]]:
    """Yield our names in an answer about another part of the configuration, and where they occur.

    Args:
        host: the device, for messages.
        part: the answer, with one section or with virtual systems in its ``result``.
        ours: our names.
        systems: whether it holds virtual systems, whose own objects take precedence.

    Raises:
        ParseError: the answer is not complete XML, or the device refuses.
    """
    answered = _Answered()
    budget = Budget(host)
    parser = etree.XMLPullParser(
        events=("end",), resolve_entities=False, remove_comments=True, remove_pis=True
    )
    root: Element | None = None
    is_success = False
    try:
        for start in range(0, len(part), _CHUNK):
            chunk = bytes(part[start : start + _CHUNK])
            budget.feed(chunk)
            parser.feed(chunk)
            for _, element in cast("Iterable[tuple[str, Element]]", parser.read_events()):
                if root is None:
                    root = element.getroottree().getroot()
                    is_success = root.get("status") == "success"
                if is_success:
                    _walk(element, ours, answered, systems=systems)
                    _free(element)
            if not is_success:
                budget.check(0, root)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        raise ParseError(host, f"the configuration is not complete XML: {error}") from error
    if not is_success:
        said = reason(root)
        if "No such node" in said:
            return
        raise ParseError(host, f"refuses to show the whole configuration: {said}")
    answered.end_scope()
    yield from answered.places.items()


def _walk(element: Element, ours: Collection[str], answered: _Answered, *, systems: bool) -> None:
    """Process a complete element."""
    for name in _said(element, ours):
        place = _place_in_answer(element)
        if systems and _is_defined(element, place[1:]):
            if len(place) == _DEFINED_AT:  # system, kind, name
                answered.defined.add(name)
        else:
            answered.found.setdefault(name, place)
    parent = element.getparent()
    if parent is not None and parent.tag == "result":
        answered.end_scope()


def _free(element: Element) -> None:
    """Free what is within a complete element and before it: only open elements stay.

    The element itself stays until the next one beside it ends, so that its parent is no leaf.
    """
    for child in list(element):
        element.remove(child)
    parent = element.getparent()
    while parent is not None and (previous := element.getprevious()) is not None:
        parent.remove(previous)


def _place_in_answer(element: Element) -> Place:
    steps = _place(element, None)  # response -> result -> …
    return steps[2:]
