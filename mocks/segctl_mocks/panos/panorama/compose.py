"""The policy that a Panorama composes for one virtual system of one firewall.

Sources: an answer of ``show config pushed-shared-policy`` recorded on 11.1.6 (rules with
``panorama``, and ``loc`` on everything in them; no ``target`` in them, which the web interface
writes into every rule; default rules beside ``security`` below the post-rulebase); notes measured
on 11.x (disabled rules are never pushed; unused objects are, unless switched off); vendor's
Panorama guide ("Device Group Policies": pre-rules from shared down, post-rules from the group up;
"Device Group Objects": the lowest level that has a name wins; "Manage Precedence of Inherited
Objects": or the highest one, where Panorama is set so; "Share Unused Address and Service
Objects with Devices").
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos import schema
from segctl_mocks.panos.panorama import groups
from segctl_mocks.panos.references import DEVICE, SHARED, scope_path
from segctl_mocks.panos.tree import serialize, tag_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl_mocks.panos.schema import Node
    from segctl_mocks.panos.tree import Element, Path, Tree

_MANAGEMENT: Path = (*DEVICE, ("deviceconfig", ""), ("setting", ""), ("management", ""))
_SHARE_UNUSED: Path = (*_MANAGEMENT, ("share-unused-objects-with-devices", ""))
_ANCESTORS_WIN: Path = (*_MANAGEMENT, ("ancestor-objects-take-precedence", ""))
_MAYBE_UNUSED = ("address", "address-group", "service", "service-group")
_DEFAULTS = "default-security-rules"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the hierarchy: what ``loc`` says, and what is there."""

    loc: str
    root: Element


def levels(tree: Tree, group: str) -> list[Level]:
    """Return a group, its parents and shared, the nearest first."""
    found: list[Level] = []
    for name in groups.lineage(tree, group):
        root = tree.at(groups.place(groups.GROUP, name))
        if root is not None:
            found.append(Level(name, root))
    shared = tree.at(SHARED)
    return found if shared is None else [*found, Level("shared", shared)]


@dataclass(frozen=True, slots=True)
class Target:
    """The virtual system a policy is for, and the tags its device has on Panorama."""

    serial: str
    vsys: str
    tags: frozenset[str] = frozenset()


def target_of(tree: Tree, serial: str, vsys: str) -> Target:
    """Return a target with its tags."""
    entry = tree.at((("mgt-config", ""), ("devices", ""), ("entry", serial)))
    members = entry.iterfind(".//tags/member") if entry is not None else iter(())
    return Target(serial, vsys, frozenset(text_of(member) for member in members))


def policy(tree: Tree, group: str, target: Target | None) -> Element:
    """Return objects and rules of a group for a target, or those for whomever (`target` None)."""
    root = etree.Element("entry", name=target.vsys if target is not None else group)
    inside = levels(tree, group)
    for base in ("pre-rulebase", "post-rulebase"):
        ordered = inside if base == "post-rulebase" else inside[::-1]
        root.append(_rulebase(base, ordered, target))
    objects = etree.Element("objects")
    known = _object_nodes()
    ancestors_win = text_of(tree.at(_ANCESTORS_WIN)) == "yes"
    for level in inside[::-1] if ancestors_win else inside:
        _take(objects, level.root, known, level.loc)
    if text_of(tree.at(_SHARE_UNUSED)) == "no":
        _drop_unused(objects, root)
    for container in reversed(list(objects)):
        root.insert(0, container)
    return root


def checksum(tree: Tree, group: str) -> str:
    """Return the sum by which Panorama and a firewall tell whether they have the same policy."""
    found = policy(tree, group, None)
    found.set("name", "")
    return hashlib.md5(serialize(found), usedforsecurity=False).hexdigest()


# -- objects ----------------------------------------------------------------------------------


def _object_nodes() -> dict[str, Node]:
    """Return what both shared and a virtual system have: those are the objects that are pushed."""
    shared, vsys = schema.at(SHARED), schema.at(scope_path("vsys1"))
    if shared is None or vsys is None:
        raise LookupError
    return {tag: node for tag, node in shared.children.items() if tag in vsys.children}


def _take(into: Element, source: Element, known: dict[str, Node], loc: str) -> None:
    """Take what is not there yet: nearer levels were taken before."""
    for child in source:
        tag = tag_of(child)
        node = known.get(tag)
        if node is None:
            continue
        present = into.find(tag)
        if node.kind not in {"entries", "sequence"}:
            if present is None:
                into.append(marked(copy.deepcopy(child), loc))
            continue
        place = etree.SubElement(into, tag) if present is None else present
        if node.kind == "sequence":
            _take(place, child, dict(node.children), loc)
        else:
            _take_entries(into, place, child, node, loc)


def _take_entries(into: Element, place: Element, source: Element, node: Node, loc: str) -> None:
    taken = {
        entry.get("name")
        for tag in {place.tag, *node.unique}
        for container in into.iterfind(str(tag))
        for entry in container
    }
    for entry in source.iterchildren("entry"):
        if entry.get("name") not in taken:
            place.append(marked(copy.deepcopy(entry), loc))


def marked(element: Element, loc: str) -> Element:
    """Write where an element and everything in it comes from."""
    for node in element.iter(etree.Element):
        node.set("loc", loc)
    return element


def _drop_unused(objects: Element, rules: Element) -> None:
    """Drop address and service objects that no pushed rule needs."""
    needed = _words(rules.iter(etree.Element))
    dynamic = False
    while True:
        groups_in_use = [
            entry
            for tag in ("address-group", "service-group")
            for entry in objects.iterfind(f"{tag}/entry")
            if entry.get("name") in needed
        ]
        dynamic = dynamic or any(entry.find("dynamic") is not None for entry in groups_in_use)
        more = _words(node for entry in groups_in_use for node in entry.iter("member")) - needed
        if not more:
            break
        needed |= more
    for tag in _MAYBE_UNUSED:
        for entry in objects.findall(f"{tag}/entry"):
            in_dynamic = dynamic and tag == "address" and entry.find("tag/member") is not None
            above = entry.getparent()
            if above is not None and entry.get("name") not in needed and not in_dynamic:
                above.remove(entry)


def _words(nodes: Iterable[Element]) -> set[str]:
    return {text for node in nodes if (text := text_of(node))}


# -- rules ------------------------------------------------------------------------------------


def _rulebase(base: str, ordered: list[Level], target: Target | None) -> Element:
    root = etree.Element(base)
    etree.SubElement(etree.SubElement(root, "security"), "rules")
    for level in ordered:
        for kind in level.root.iterfind(f"{base}/*"):
            if kind.tag == _DEFAULTS:
                continue
            container = root.find(tag_of(kind))
            if container is None:
                container = etree.SubElement(root, tag_of(kind))
                etree.SubElement(container, "rules")
            rules = container.find("rules")
            if rules is not None:
                rules.extend(_enabled(kind, level.loc, target))
    if base == "post-rulebase":
        root.append(_defaults(ordered))
    return root


def _enabled(kind: Element, loc: str, target: Target | None) -> Iterator[Element]:
    for rule in kind.iterfind("rules/entry"):
        if text_of(rule.find("disabled")) == "yes":
            continue
        if target is not None and not hits(rule.find("target"), target):
            continue
        pushed = copy.deepcopy(rule)
        aimed = pushed.find("target")
        if aimed is not None and target is not None:
            pushed.remove(aimed)
        pushed.set("panorama", "true")
        yield marked(pushed, loc)


def aims(tree: Tree, group: str) -> bool:
    """Say whether some rule of a group or above it is for some firewalls only."""
    paths = [f"{base}/*/rules/entry/target" for base in ("pre-rulebase", "post-rulebase")]
    return any(
        len(aimed.findall("devices/entry")) or aimed.find("tags/member") is not None
        for level in levels(tree, group)
        for path in paths
        for aimed in level.root.iterfind(path)
    )


def hits(aimed: Element | None, target: Target) -> bool:
    """Say whether a rule is for a target.

    Without devices and tags it is for all. A device that is listed without systems is meant whole
    (vendor's Panorama guide, "Push a Policy Rule to a Subset of Firewalls").
    """
    if aimed is None:
        return True
    devices = aimed.findall("devices/entry")
    tags = {text_of(member) for member in aimed.iterfind("tags/member")}
    if not devices and not tags:
        return True
    listed = bool(tags & target.tags) or any(_means(entry, target) for entry in devices)
    return listed != (text_of(aimed.find("negate")) == "yes")


def _means(entry: Element, target: Target) -> bool:
    systems = [each.get("name") for each in entry.iterfind("vsys/entry")]
    return entry.get("name") == target.serial and (not systems or target.vsys in systems)


def _defaults(ordered: list[Level]) -> Element:
    """Return what overrides the default rules: of each the nearest."""
    root = etree.Element(_DEFAULTS)
    rules = etree.SubElement(root, "rules")
    taken: set[str] = set()
    for level in ordered:
        for rule in level.root.iterfind(f"post-rulebase/{_DEFAULTS}/rules/entry"):
            name = rule.get("name") or ""
            if name not in taken:
                taken.add(name)
                pushed = marked(copy.deepcopy(rule), level.loc)
                pushed.set("panorama", "true")
                rules.append(pushed)
    return root
