"""Sort the keys of zones, conduits and flows into their documented order.

Users' own keys, and mappings with unknown keys, keep their order. So do mappings with anchors (an
alias must follow its anchor), and mappings in which the comments behind two neighbours are in one
column (they may be one sentence).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from segctl.formatting.layout import Block, Flow, Scalar
from segctl.inventory.schema import CONDUIT, FLOW, SITE_WIDE, ZONE
from segctl.inventory.shapes import Record, Table

if TYPE_CHECKING:
    from segctl.formatting.layout import Entry, Layout, Node
    from segctl.inventory.shapes import Shape

_ORDERED: Final = (ZONE, CONDUIT, FLOW)


def ordered(layout: Layout) -> Layout:
    """Return the layout with known keys in their order; comments move with their keys."""
    if layout.root is None:
        return layout
    return replace(layout, root=_searched(layout.root))


def _searched(block: Block) -> Block:
    """Order segctl's variables, wherever they are in the file."""
    return replace(block, entries=tuple(map(_search_entry, block.entries)))


def _search_entry(entry: Entry) -> Entry:
    if not isinstance(entry.value, Block):
        return entry
    name = _name(entry)
    shape = next((shape for start, shape in SITE_WIDE.items() if name.startswith(start)), None)
    value = _searched(entry.value) if shape is None else _shaped(entry.value, shape)
    return replace(entry, value=value)


def _shaped(block: Block, shape: Shape) -> Block:
    """Return a block of a known shape, ordered if its order is defined."""
    if block.kind != "mapping":
        return block
    if isinstance(shape, Table):
        shapes = dict.fromkeys(map(_name, block.entries), shape.item)
    elif isinstance(shape, Record):
        shapes = {field.name: field.shape for field in shape.fields}
    else:
        return block
    entries = tuple(_shape_entry(entry, shapes.get(_name(entry))) for entry in block.entries)
    known = shape in _ORDERED and {*map(_name, entries)} <= {*shapes}
    if known and not _anchored(block) and not _continued(entries):
        names = list(shapes)
        entries = tuple(sorted(entries, key=lambda entry: names.index(_name(entry))))
    return replace(block, entries=entries)


def _continued(entries: tuple[Entry, ...]) -> bool:
    """Whether comments behind neighbours are in one column: they may be one sentence."""
    columns = [comment.column if (comment := one.trailing or one.head) else -1 for one in entries]
    return any(one == other >= 0 for one, other in pairwise(columns))


def _shape_entry(entry: Entry, shape: Shape | None) -> Entry:
    if shape is None or not isinstance(entry.value, Block):
        return entry
    return replace(entry, value=_shaped(entry.value, shape))


def _name(entry: Entry) -> str:
    """Return a key without its quotes."""
    if entry.key is None or entry.key.style == "alias":
        return ""
    text = entry.key.text
    return text[1:-1] if entry.key.style == "quoted" else text


def _anchored(node: Node | None) -> bool:
    match node:
        case Scalar():
            return node.properties.startswith("&") or " &" in node.properties
        case Flow():
            found = [part for item in node.items for part in (item.key, item.value)]
            return "&" in node.properties or any(map(_anchored, found))
        case Block():
            parts = [part for entry in node.entries for part in (entry.key, entry.value)]
            return "&" in node.properties or any(map(_anchored, parts))
        case None:
            return False
