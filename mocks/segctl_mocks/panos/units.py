"""What changed, in the smallest units an administrator commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl_mocks.panos import schema
from segctl_mocks.panos.tree import Element, Path, path_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl_mocks.panos.schema import Node

CREATE, EDIT, DELETE, MOVE, RENAME = "CREATE", "EDIT", "DELETE", "MOVE", "RENAME"


@dataclass(frozen=True, slots=True)
class Touch:
    """One node that changed: the smallest unit an administrator commits."""

    action: str
    path: Path
    old: Path = ()


def holds_objects(node: Node) -> bool:
    """Say whether top-level objects lie somewhere below, so that a set descends."""
    return node.kind == "sequence" and any(
        child.top or holds_objects(child) for child in node.children.values()
    )


def top_entry(path: Path) -> Path | None:
    """Return the path of the object a node belongs to; None outside of objects."""
    node: Node | None = schema.load()
    for depth, (tag, _) in enumerate(path):
        if node is None:
            return None
        if tag == "entry" and node.top:
            return path[: depth + 1]
        node = node.child(tag)
    return None


def is_holder(path: Path) -> bool:
    """Say whether a path is an entry whose insides are units of their own: a device group."""
    container = schema.at(path[:-1]) if path and path[-1][0] == "entry" else None
    return container is not None and container.holder


def touch(element: Element, action: str) -> Touch:
    """Say that a node changed: the object it belongs to, or itself."""
    path = path_of(element)
    top = top_entry(path)
    if top is None or top == path:
        return Touch(action, path)
    return Touch(EDIT, top)


def units_in(element: Element, action: str) -> Iterator[Touch]:
    """Yield the objects in a node that was put in as a whole; else the node itself."""
    path = path_of(element)
    if top_entry(path) is not None:
        yield touch(element, action)
        return
    node = schema.at(path)
    if node is None or not (node.top or holds_objects(node)) or not len(element):
        yield Touch(action, path)
        return
    for child in element:
        yield from units_in(child, action)


def distinct(touched: Iterable[Touch]) -> list[Touch]:
    """Keep the first of each."""
    return list(dict.fromkeys(touched))
