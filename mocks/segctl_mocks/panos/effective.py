"""What a firewall has in effect: its own configuration with what a Panorama pushed.

Sources: notes measured on 11.x (``effective-running`` folds pre- and post-rules into one rulebase,
``merged`` has template values with ``ptpl`` and no pushed policy; the device's own value overrides
that of a template; the own objects of a virtual system come before pushed ones); a failed push
recorded in the vendor's Ansible collection, PR 405 (an address that both have).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos import schema
from segctl_mocks.panos.references import SHARED, is_slot, scope_path
from segctl_mocks.panos.tree import Tree, key_of, path_of, strip_attributes, tag_of, text_of
from segctl_mocks.panos.units import top_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl_mocks.panos.pushed import Pushed
    from segctl_mocks.panos.tree import Element, Path

MARKS = ("loc", "panorama", "ptpl", "src")
_BASES = ("pre-rulebase", "post-rulebase")
_DEFAULTS = "default-security-rules"


@dataclass(frozen=True, slots=True)
class Clash:
    """An object that the device and Panorama both define in one virtual system."""

    vsys: str
    kind: str
    name: str


@dataclass(slots=True)
class Effective:
    """A configuration in effect, and what of it Panorama brought."""

    tree: Tree
    brought: list[Element] = field(default_factory=list["Element"])
    clashes: list[Clash] = field(default_factory=list[Clash])


def merged(own: Tree, pushed: Pushed) -> Tree:
    """Return a configuration with the values of templates where it has none of its own."""
    tree = own.clone()
    if pushed.template is not None:
        for child in pushed.template:
            _overlay(tree, tree.root, child)
    return tree


def shown(own: Tree, pushed: Pushed) -> Tree:
    """Return a configuration as ``get`` shows it: what comes from templates has ``src="tpl"``.

    Entries keep the name of their template (measured on 11.x: some of those nodes do).
    """
    tree = merged(own, pushed)
    for node in tree.root.iter(etree.Element):
        if node.get("ptpl") is not None:
            node.set("src", "tpl")
            if node.tag != "entry":
                del node.attrib["ptpl"]
    return tree


def owner(own: Tree, pushed: Pushed, path: Path) -> str:
    """Return the name of the template's object that a path lies in; blank for the device's own."""
    top = top_entry(path) if pushed.template is not None else None
    if top is None or pushed.template is None or own.at(top) is not None:
        return ""
    return top[-1][1] if Tree(pushed.template).at(top) is not None else ""


def effective(own: Tree, pushed: Pushed) -> Effective:
    """Return a configuration with all that was pushed."""
    tree = merged(own, pushed)
    found = Effective(Tree(tree.root, is_slot))
    for root in pushed.shared:
        _objects(found, root, "")
    for name, node in pushed.systems.items():
        _objects(found, node, name)
        _rules(found, node, name)
    return found


def in_effect(own: Tree, pushed: Pushed) -> Tree:
    """Return what a firewall does, its own configuration where nothing was pushed."""
    return effective(own, pushed).tree if pushed else own


def plain(tree: Tree) -> Tree:
    """Return a tree without the marks of where things come from."""
    strip_attributes(tree.root, MARKS)
    return tree


def _overlay(tree: Tree, parent: Element, node: Element) -> None:
    """Put in what is missing; members of a list that is there are the device's own decision."""
    present = tree.child(parent, key_of(node))
    if present is None:
        tree.attach(parent, copy.deepcopy(node))
        return
    if any(child.tag == "member" for child in present):
        described = schema.at(path_of(present))
        if described is not None and described.refs and not _is_import(path_of(present)):
            return
    for child in node:
        _overlay(tree, present, child)


def _is_import(path: Path) -> bool:
    return ("import", "") in path


def _objects(found: Effective, root: Element, vsys: str) -> None:
    for child in root:
        if tag_of(child) not in _BASES:
            _take(found, child, (), vsys)


def _take(found: Effective, node: Element, above: Path, vsys: str) -> None:
    path = (*above, (tag_of(node), ""))
    described = schema.at((*SHARED, *path))
    if described is not None and described.kind == "sequence":
        for child in node:
            _take(found, child, path, vsys)
        return
    for entry in node.iterchildren("entry"):
        common = not vsys or entry.get("loc") == "shared"
        _take_entry(found, entry, (*scope_path("" if common else vsys), *path), vsys)


def _take_entry(found: Effective, entry: Element, container: Path, vsys: str) -> None:
    tree, name = found.tree, entry.get("name") or ""
    place = _make(tree, container)
    described = schema.at(container)
    siblings = described.unique if described is not None else ()
    above = place.getparent()
    taken = name in tree.entries(place) or any(
        other is not None and name in tree.entries(other)
        for tag in siblings
        if above is not None
        for other in (above.find(tag),)
    )
    if not taken:
        found.brought.append(tree.attach(place, copy.deepcopy(entry)))
    elif container[: len(SHARED)] != SHARED:
        found.clashes.append(Clash(vsys, container[-1][0], name))


def _make(tree: Tree, path: Path) -> Element:
    node = tree.root
    for key in path:
        child = tree.child(node, key)
        node = child if child is not None else tree.new_child(node, key)
    return node


def _rules(found: Effective, node: Element, vsys: str) -> None:
    for base in _BASES:
        for kind, rules in _of_base(node, base):
            container = _make(
                found.tree, (*scope_path(vsys), ("rulebase", ""), (kind, ""), ("rules", ""))
            )
            copies = [copy.deepcopy(rule) for rule in rules]
            if kind == _DEFAULTS:
                known = found.tree.entries(container)
                copies = [rule for rule in copies if rule.get("name") not in known]
            for rule in copies if base == "post-rulebase" else reversed(copies):
                if base == "post-rulebase":
                    found.tree.attach(container, rule)
                else:
                    found.tree.attach_first(container, rule)
            found.brought += copies


def _of_base(node: Element, base: str) -> Iterator[tuple[str, list[Element]]]:
    for kind in node.iterfind(f"{base}/*"):
        yield (
            tag_of(kind),
            [
                rule
                for rule in kind.iterfind("rules/entry")
                if text_of(rule.find("disabled")) != "yes"
            ],
        )
