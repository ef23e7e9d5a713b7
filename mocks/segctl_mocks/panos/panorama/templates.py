"""The configuration that a firewall gets from its template stack, with its own values of variables.

Sources: vendor's Panorama guide ("Template Stacks": of two values the one of the template higher in
the list counts, the stack's own before all; "Template and Template Stack Variables": a device's
value before the stack's before the template's); pan-os-python's panorama.py for the places; notes
measured on 11.x (values carry ``ptpl`` with their template, a virtual system goes by its display
name).
"""

from __future__ import annotations

import copy
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from segctl_mocks.panos import schema
from segctl_mocks.panos.panorama import groups
from segctl_mocks.panos.tree import Tree, key_of, path_of, serialize, text_of
from segctl_mocks.panos.units import top_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl_mocks.panos.tree import Element, Path

TEMPLATE, STACK = "template", "template-stack"
_VARIABLE = re.compile(r"\$[\w.-]*[A-Za-z][\w.-]*")
_UNSET = "None"


class UnfitError(Exception):
    """A template that cannot be put on a firewall, with the line that says why."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True, slots=True)
class Values:
    """What a firewall gets from templates: the stack or template it is in, and the outcome."""

    kind: str
    name: str
    config: Element


def holder(tree: Tree, serial: str) -> tuple[str, str] | None:
    """Return the kind and name of the stack (or template) that a firewall is in."""
    for kind in (STACK, TEMPLATE):
        for name in groups.names(tree, kind):
            if tree.at((*groups.place(kind, name), ("devices", ""), ("entry", serial))) is not None:
                return kind, name
    return None


def layers(tree: Tree, kind: str, name: str) -> list[tuple[str, Element]]:
    """Return a stack and its templates (or one template), the one that counts first first."""
    root = tree.at(groups.place(kind, name))
    if root is None:
        return []
    found = [(name, root)]
    for member in root.iterfind("templates/member"):
        template = tree.at(groups.place(TEMPLATE, text_of(member)))
        if template is not None:
            found.append((text_of(member), template))
    return found


def values(tree: Tree, serial: str, systems: Mapping[str, str]) -> Values | None:
    """Return what a firewall gets; None for one that is in no stack and no template.

    `systems` are its virtual systems by the names that a template may give them.

    Raises:
        UnfitError: a variable has no value, or a virtual system is not there.
    """
    found = holder(tree, serial)
    if found is None:
        return None
    config = compose(tree, *found)
    _substitute(config, variables(tree, *found, serial))
    _rename_systems(config, systems, _default_system(tree, *found))
    return Values(*found, config)


def compose(tree: Tree, kind: str, name: str) -> Element:
    """Merge the layers of a stack, with ``ptpl`` on what each brings."""
    merged = Tree(etree.Element("config"))
    for origin, root in layers(tree, kind, name):
        config = root.find("config")
        for child in config if config is not None else ():
            _under(merged, merged.root, child, origin)
    return merged.root


def _under(merged: Tree, parent: Element, node: Element, origin: str) -> None:
    """Put in what the layers above do not have; a list within an object is one value."""
    present = merged.child(parent, key_of(node))
    if present is None:
        added = merged.attach(parent, copy.deepcopy(node))
        for each in added.iter(etree.Element):
            if len(path_of(each)) > 2:
                each.set("ptpl", origin)
        return
    inside = top_entry(path_of(present)) is not None
    if inside and any(child.tag == "member" for child in present):
        return
    described = schema.at(path_of(present))
    taken = {child.tag for child in present}
    for child in node:
        rivals = [group for group in described.choices if child.tag in group] if described else []
        if not any((group - {str(child.tag)}) & taken for group in rivals):
            _under(merged, present, child, origin)


def checksum(tree: Tree, kind: str, name: str, serial: str) -> str:
    """Return the sum by which it is told whether a firewall has what a stack says."""
    parts: list[bytes] = []
    for _, root in layers(tree, kind, name):
        parts += [serialize(child) for child in root if child.tag != "devices"]
    own = tree.at((*groups.place(kind, name), ("devices", ""), ("entry", serial)))
    parts += [serialize(own)] if own is not None else []
    return hashlib.md5(b"\n".join(parts), usedforsecurity=False).hexdigest()


# -- variables --------------------------------------------------------------------------------


def variables(tree: Tree, kind: str, name: str, serial: str) -> dict[str, str]:
    """Return the values of variables on a firewall, by their names with the dollar sign."""
    found: dict[str, str] = {}
    device: Path = (*groups.place(kind, name), ("devices", ""), ("entry", serial))
    own = tree.at(device)
    roots = [own] if own is not None else []
    for root in [*roots, *(layer for _, layer in layers(tree, kind, name))]:
        for entry in root.iterfind("variable/entry"):
            value = next((text_of(node) for node in entry.iterfind("type/*")), "")
            if value and value != _UNSET:
                found.setdefault(entry.get("name") or "", value)
    return found


def _substitute(config: Element, known: Mapping[str, str]) -> None:
    for node in config.iter(etree.Element):
        text, name = text_of(node), node.get("name") or ""
        if _VARIABLE.fullmatch(text) and not len(node):
            node.text = _value(text, known)
        if _VARIABLE.fullmatch(name):
            node.set("name", _value(name, known))


def _value(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        raise UnfitError(f"variable {name} has no value")
    return known[name]


# -- virtual systems --------------------------------------------------------------------------


def _default_system(tree: Tree, kind: str, name: str) -> str:
    for _, root in layers(tree, kind, name):
        if text := text_of(root.find("settings/default-vsys")):
            return text
    return ""


def _rename_systems(config: Element, systems: Mapping[str, str], default: str) -> None:
    for entry in _systems(config):
        name = entry.get("name") or ""
        real = systems.get(name)
        if real is None and name == default and len(set(systems.values())) == 1:
            real = next(iter(systems.values()))
        if real is None:
            raise UnfitError(f"vsys -> {name} is not a virtual system of the device")
        entry.set("name", real)


def _systems(config: Element) -> Iterator[Element]:
    yield from config.iterfind("devices/entry/vsys/entry")
