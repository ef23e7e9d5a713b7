"""The changes of a candidate: set, edit, delete, rename, move, clone."""

from __future__ import annotations

import copy
import uuid
from typing import TYPE_CHECKING

from segctl_mocks.panos import schema, xpath
from segctl_mocks.panos.answers import ApiError, invalid, unauthorized
from segctl_mocks.panos.references import referrer_line
from segctl_mocks.panos.tree import (
    Element,
    Path,
    Tree,
    key_of,
    path_of,
    strip_attributes,
    tag_of,
    text_of,
)
from segctl_mocks.panos.units import (
    CREATE,
    DELETE,
    EDIT,
    MOVE,
    RENAME,
    Touch,
    distinct,
    holds_objects,
    touch,
    units_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl_mocks.panos.references import References
    from segctl_mocks.panos.schema import Node
    from segctl_mocks.panos.xpath import Step

DIRTY = ("admin", "dirtyId", "time")
"""Attributes of a dirty candidate; the device writes them, clients send them back."""


class Editor:
    """Edits one tree; each method returns what it touched, and raises :class:`ApiError`."""

    def __init__(self, references: References) -> None:
        self.references = references
        self.tree: Tree = references.tree

    # -- set ----------------------------------------------------------------------

    def set(self, path: str, fragment: Sequence[Element]) -> list[Touch]:
        """Merge nodes into the node at an xpath; parents are created."""
        target, node, created = self._ensure(_steps(path), path)
        touched: list[Touch] = []
        for incoming in fragment:
            _clean(incoming)
            touched.extend(self._set_one(target, node, incoming))
        if not fragment and created:
            touched.append(Touch(CREATE, path_of(target)))
        return distinct(touched)

    def _set_one(self, target: Element, node: Node, incoming: Element) -> Iterator[Touch]:
        child = self._child_schema(node, incoming, target)
        existed = self.tree.child(target, key_of(incoming)) is not None
        if child.kind == "entries" or (holds_objects(child) and len(incoming)):
            place = self._ensure_child(target, node, key_of(incoming))
            for grandchild in list(incoming):
                yield from self._set_one(place, child, grandchild)
            if not len(incoming):
                yield Touch(EDIT if existed else CREATE, path_of(place))
            return
        merged = self._merge(target, incoming, node)
        yield touch(merged, EDIT if existed else CREATE)

    def _merge(self, target: Element, incoming: Element, node: Node) -> Element:
        key = key_of(incoming)
        existing = self.tree.child(target, key)
        if existing is None:
            self._drop_alternatives(target, node, key[0])
            self._give_uuid(incoming, node)
            return self.tree.attach(target, incoming)
        for name, value in incoming.attrib.items():
            if existing.get(str(name)) != value:
                self.tree.set_attribute(existing, str(name), str(value))
        child = self._child_schema(node, incoming, target)
        if len(incoming):
            for grandchild in list(incoming):
                self._merge(existing, grandchild, child)
        elif (not len(existing) and text_of(incoming)) or child.kind == "leaf":
            self.tree.set_text(existing, incoming.text)
        return existing

    def _child_schema(self, node: Node, incoming: Element, target: Element) -> Node:
        child = self._below_node(node, tag_of(incoming))
        if child is None:
            label = key_of(target)[1] or tag_of(target)
            raise invalid([f"{label} -> {tag_of(incoming)} unexpected here", f"{label} is invalid"])
        if incoming.tag == "entry" and not incoming.get("name"):
            raise invalid([f"{tag_of(target)} is missing 'name'"])
        return child

    def _drop_alternatives(self, parent: Element, node: Node, tag: str) -> None:
        """A choice is replaced silently (observed on PAN-OS 11.x)."""
        for group in node.choices:
            if tag in group:
                for sibling in [child for child in parent if child.tag in group]:
                    if sibling.tag != tag:
                        self.tree.detach(sibling)

    def _give_uuid(self, entry: Element, container: Node) -> None:
        if container.uuid and entry.tag == "entry" and not entry.get("uuid"):
            entry.set("uuid", str(uuid.uuid4()))

    # -- places -------------------------------------------------------------------

    def _ensure(self, steps: Sequence[Step], path: str) -> tuple[Element, Node, bool]:
        element = self.tree.root
        node: Node = schema.load()
        created = False
        for step in steps:
            below = self._below_node(node, step.tag)
            if below is None:
                raise _no_schema(path)
            key = step.key or self._only(element, step, path)
            found = self.tree.child(element, key)
            if found is None:
                if element.tag == "devices" and element.getparent() is self.tree.root:
                    # its one entry is a constant, never made
                    raise _no_schema(path)
                found = self._ensure_child(element, node, key)
                created = True
            element, node = found, below
        return element, node, created

    def _below_node(self, node: Node | None, tag: str) -> Node | None:
        """Return what a child may be on this kind of device; None if it has no such child."""
        below = None if node is None else node.child(tag)
        return below if below is not None and below.is_of(self.references.platform) else None

    def _only(self, parent: Element, step: Step, path: str) -> tuple[str, str]:
        if step.subject == "@uuid":
            nodes = [kid for kid in parent.iterchildren(step.tag) if kid.get("uuid") in step.values]
        else:
            nodes = list(parent.iterchildren(step.tag))
        if len(nodes) != 1:
            raise _no_schema(path)
        return key_of(nodes[0])

    def _ensure_child(self, parent: Element, node: Node, key: tuple[str, str]) -> Element:
        found = self.tree.child(parent, key)
        if found is not None:
            return found
        self._drop_alternatives(parent, node, key[0])
        child = self.tree.new_child(parent, key)
        self._give_uuid(child, node)
        return child

    def _select(self, path: str) -> list[Element]:
        _under_config(path)
        steps = xpath.parse(path)
        if steps is not None:
            node: Node | None = schema.load()
            for step in steps[1:]:
                node = self._below_node(node, step.tag)
            if node is None:
                raise _no_schema(path)
        return xpath.select(self.tree, path)

    # -- edit ---------------------------------------------------------------------

    def edit(self, path: str, fragment: Sequence[Element]) -> list[Touch]:
        """Replace the node at an xpath; its root must be the last node of the path."""
        steps = _steps(path)
        if len(fragment) != 1:
            raise invalid(["Edit breaks config validity"])
        incoming = fragment[0]
        _clean(incoming)
        last = steps[-1] if steps else None
        if last is None:
            return self._edit_root(incoming)
        if incoming.tag != last.tag or (last.key is not None and key_of(incoming) != last.key):
            raise invalid(["Edit breaks config validity"])
        parent, node, _ = self._ensure(steps[:-1], path)
        below = self._below_node(node, last.tag)
        if below is None:
            raise _no_schema(path)
        existing = self.tree.child(parent, key_of(incoming))
        if existing is None:
            self._drop_alternatives(parent, node, last.tag)
            self._give_uuids(incoming, node, below)
            self.tree.attach(parent, incoming)
            return list(units_in(incoming, CREATE))
        before = self._below(existing)
        self._keep_uuids(existing, incoming, node, below)
        self._give_uuids(incoming, node, below)
        self.tree.replace(existing, incoming)
        self._refuse_dangling(before)
        removed = [Touch(DELETE, gone) for gone in before if self.tree.at(gone) is None]
        units = list(units_in(incoming, EDIT))
        moved = [Touch(MOVE, unit.path) for unit in units] if below.moveable else []
        return distinct([*removed, *units, *moved])

    def _edit_root(self, incoming: Element) -> list[Touch]:
        if incoming.tag != "config":
            raise invalid(["Edit breaks config validity"])
        self.tree.replace_root(incoming)
        return [Touch(EDIT, ())]

    def _below(self, element: Element) -> dict[Path, list[Element]]:
        """Return the objects in a node that is to be replaced, for the check after."""
        if key_of(element)[0] == "entry" and self.references.named(element) is not None:
            return {}
        return {each.path: [] for each in self.references.objects_in(element)}

    def _refuse_dangling(self, before: dict[Path, list[Element]]) -> None:
        for path in before:
            if self.tree.at(path) is None:
                self._refuse_if_used(path)

    def _keep_uuids(self, old: Element, new: Element, node: Node, below: Node) -> None:
        if node.uuid and not new.get("uuid") and old.get("uuid"):
            new.set("uuid", old.get("uuid") or "")
        if below.uuid:
            entries = self.tree.entries(old)
            for entry in new.iterchildren("entry"):
                same = entries.get(entry.get("name") or "")
                if same is not None and not entry.get("uuid") and same.get("uuid"):
                    entry.set("uuid", same.get("uuid") or "")

    def _give_uuids(self, new: Element, node: Node, below: Node) -> None:
        self._give_uuid(new, node)
        if below.uuid:
            for entry in new.iterchildren("entry"):
                self._give_uuid(entry, below)
            return
        for child in new:
            inner = below.child(tag_of(child))
            if inner is not None and inner.kind in {"sequence", "entries"}:
                self._give_uuids(child, below, inner)

    # -- delete -------------------------------------------------------------------

    def delete(self, path: str) -> list[Touch]:
        """Remove the nodes at an xpath; nothing there touches nothing."""
        nodes = [node for node in self._select(path) if node.getparent() is not None]
        if not nodes:
            return []
        touched = [touch(node, DELETE) for node in nodes]
        objects = [named.path for node in nodes for named in self.references.objects_in(node)]
        for node in nodes:
            self.tree.detach(node)
        for each in objects:
            self._refuse_if_used(each)
        return distinct(touched)

    def _refuse_if_used(self, path: Path) -> None:
        """Refuse a delete with one line a referrer (vendor API guide; observed on 11.1)."""
        named = self.references.named_at(path)
        if named is None:
            return
        lines = [
            referrer_line(leaf)
            for leaf in self.references.referrers(named)
            if not self.references.still_resolves(leaf)
        ]
        if lines:
            head = f" {named.name} cannot be deleted because of references from:"
            raise ApiError("10", head, *(f" {line}" for line in dict.fromkeys(lines)))

    # -- rename, move, clone ------------------------------------------------------

    def rename(self, path: str, newname: str) -> list[Touch]:
        """Give an entry another name; references follow."""
        node = self._one(path, "Can rename only one obj at a time")
        parent = node.getparent()
        if parent is None or node.tag != "entry":
            raise ApiError("12", "rename is only for entries")
        self._refuse_taken(parent, newname)
        old = path_of(node)
        named = self.references.named(node)
        leaves = self.references.referrers(named) if named is not None else []
        self.tree.rename(node, newname)
        touched = [Touch(RENAME, path_of(node), old)]
        for leaf in leaves:
            if leaf.tag == "entry":
                self.tree.rename(leaf, newname)
            else:
                self.tree.set_text(leaf, newname)
            touched.append(touch(leaf, EDIT))
        return distinct(touched)

    def _refuse_taken(self, container: Element, name: str) -> None:
        if not name:
            raise ApiError("12", "newname is missing")
        if name in self.tree.entries(container):
            tag = tag_of(container)
            raise invalid([f"{tag} -> {name} '{name}' is already in use", f"{tag} is invalid"])

    def _one(self, path: str, several: str) -> Element:
        nodes = self._select(path)
        if len(nodes) > 1:
            raise ApiError("8", several)
        if not nodes:
            raise ApiError("7", "No such node")
        return nodes[0]

    def move(self, path: str, where: str, dst: str) -> list[Touch]:
        """Move an entry among its siblings; a move that changes nothing is refused."""
        node = self._one(path, "Can move only one obj at a time")
        parent = node.getparent()
        container = schema.at(path_of(node)[:-1])
        if (
            parent is None
            or container is None
            or not (container.moveable or container.kind == "opaque")
        ):
            raise ApiError("12", "move is not supported on this node")
        anchor = self._anchor(parent, node, where, dst)
        if where in {"top", "before"}:
            stays = node.getprevious() is None if where == "top" else node.getnext() is anchor
            after = None if where == "top" else anchor.getprevious()
        else:
            stays = node.getnext() is None if where == "bottom" else node.getprevious() is anchor
            after = parent[-1] if where == "bottom" else anchor
        if stays:
            raise ApiError("14", "", "")
        self.place(parent, node, after)
        return [Touch(MOVE, path_of(node))]

    def place(self, parent: Element, node: Element, after: Element | None) -> None:
        """Put a node after a sibling, or first."""
        self.tree.detach(node)
        if after is None:
            self.tree.attach_first(parent, node)
        else:
            self.tree.attach(parent, node, after)

    def _anchor(self, parent: Element, node: Element, where: str, dst: str) -> Element:
        if where in {"top", "bottom"}:
            return node
        if where not in {"before", "after"}:
            raise ApiError("12", "Invalid value for where")
        if not dst:
            raise ApiError("7", "no target specified in move")
        found = self.tree.entries(parent).get(dst)
        if found is None or found is node:
            raise ApiError("7", f"move target '{dst}' not found")
        return found

    def clone(self, path: str, source: str, newname: str) -> list[Touch]:
        """Copy an entry into a container under a new name."""
        parent, node, _ = self._ensure(_steps(path), path)
        original = self._one(source, "Can clone only one obj at a time")
        self._refuse_taken(parent, newname)
        duplicate = copy.deepcopy(original)
        duplicate.set("name", newname)
        if duplicate.get("uuid"):
            del duplicate.attrib["uuid"]
        self._give_uuid(duplicate, node)
        self.tree.attach(parent, duplicate)
        return [touch(duplicate, CREATE)]


# -- paths and units --------------------------------------------------------------------


def _under_config(path: str) -> None:
    if path != "/config" and not path.startswith("/config/"):
        raise unauthorized()


def _steps(path: str) -> tuple[Step, ...]:
    """Read the path of a change; it means one place."""
    _under_config(path)
    steps = xpath.parse(path)
    if steps is None:
        raise _no_schema(path)
    return steps[1:]


def _no_schema(path: str) -> ApiError:
    """The path leaves the schema (observed: issue of the vendor's Ansible collection)."""
    return ApiError("13", f"Could not find schema node for xpath {path}")


def _clean(incoming: Element) -> None:
    strip_attributes(incoming, DIRTY)
