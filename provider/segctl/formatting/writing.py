"""Write a layout as its canonical text: two spaces per level, at most one empty line.

A comment behind a value is two spaces away from it, or stays further right if it was. Comments in
one column on consecutive lines stay in one column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from segctl.formatting.layout import Block, Flow, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.formatting.layout import Comment, Entry, Item, Layout, Node

#: A longer collection in brackets is written with one item per line.
WIDTH: Final = 100
_STEP: Final = 2
_HEADER: Final = re.compile(r"[|>](?P<marks>[-+0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of output, and the comment behind it."""

    text: str
    comment: Comment | None = None

    @property
    def column(self) -> int:
        """The column of the comment in the source."""
        return self.comment.column if self.comment else -1

    @property
    def wish(self) -> int:
        """The minimum column of the comment: where somebody put it on purpose."""
        return self.comment.column if self.comment and self.comment.gap > _STEP else 0


def write(layout: Layout) -> str:
    """Return the canonical text."""
    lines = _above(layout.preamble, 0)
    if layout.started:
        lines.append(_commented("---", layout.start))
    if layout.root is not None:
        lines += _block(layout.root, 0)
    lines += _above(layout.closing, 0)
    text = "\n".join(_aligned(lines)).lstrip("\n")
    return f"{text}\n" if text and not layout.unended else text


def _commented(text: str, comment: Comment | None) -> _Line:
    return _Line(text=text, comment=comment)


def _aligned(lines: Sequence[_Line]) -> Iterator[str]:
    """Align the comments behind lines in their columns."""
    at = 0
    while at < len(lines):
        group = at + 1
        column = lines[at].column
        while column >= 0 and group < len(lines) and lines[group].column == column:
            group += 1
        width = max(max(len(line.text) + 2, line.wish) for line in lines[at:group])
        for line in lines[at:group]:
            yield f"{line.text:<{width}}{line.comment.text}" if line.comment else line.text
        at = group


def _above(found: Iterable[Comment], indent: int) -> list[_Line]:
    """Return comments on their own lines, each with the empty line above it."""
    lines: list[_Line] = []
    for comment in found:
        if comment.blank:
            lines.append(_Line(text=""))
        lines.append(_Line(text=" " * indent + comment.text))
    return lines


# --- collections by indentation ------------------------------------------------------------------


def _block(block: Block, indent: int) -> list[_Line]:
    lines: list[_Line] = []
    for entry in block.entries:
        above = _above(entry.leading, indent)
        if entry.blank:
            above.append(_Line(text=""))
        lines += above if lines else _without_first_blank(above)
        lines += _entry(entry, indent)
    return lines + _above(block.closing, indent)


def _without_first_blank(lines: list[_Line]) -> list[_Line]:
    return lines[1:] if lines and not lines[0].text else lines


def _entry(entry: Entry, indent: int) -> list[_Line]:
    head = " " * indent + ("-" if entry.key is None else _key(entry.key))
    value = entry.value
    if isinstance(value, Block):
        lines = _over_block(head, entry, value, indent)
    elif value is None:
        lines = [_commented(head, entry.head)]
    elif entry.inside or entry.head:
        first = _commented(head, entry.head)
        inner = indent + _STEP
        rest = _value(" " * inner, value, inner, indent)
        lines = [first, *_above(entry.inside, inner), *_ended(rest, entry.trailing)]
    else:
        lines = _ended(_value(f"{head} ", value, indent + _STEP, indent), entry.trailing)
    literal = isinstance(value, Scalar) and value.style == "block"  # would take them as its text
    return lines + _above(entry.after, indent if literal else indent + _STEP)


def _key(key: Scalar) -> str:
    text = _joined(key.properties, key.text)
    return f"{text} :" if key.style == "alias" or not key.text else f"{text}:"


def _joined(properties: str, text: str) -> str:
    return f"{properties} {text}".strip() if properties else text


def _over_block(head: str, entry: Entry, block: Block, indent: int) -> list[_Line]:
    """Return a key or dash with a collection below it, or next to a bare dash."""
    nested = _block(block, indent + _STEP)
    first = block.entries[0]
    beside = entry.key is None and not (block.properties or entry.head or first.leading)
    if beside:
        return [replace(nested[0], text=f"{head} {nested[0].text.lstrip()}"), *nested[1:]]
    head = f"{head} {block.properties}" if block.properties else head
    return [_commented(head, entry.head), *nested]


def _ended(lines: list[_Line], comment: Comment | None) -> list[_Line]:
    if comment is None:
        return lines
    return [*lines[:-1], replace(lines[-1], comment=comment)]


def _value(head: str, value: Node, indent: int, parent: int) -> list[_Line]:
    """Return a scalar or a flow collection behind `head`; further lines begin at `indent`.

    `parent` is the column of the block collection around it.
    """
    if isinstance(value, Flow):
        return _flow(head, value, indent)
    if isinstance(value, Block):
        raise TypeError(value)
    return [_Line(text=text) for text in _scalar(head, value, indent, parent)]


# --- scalars -------------------------------------------------------------------------------------


def _scalar(head: str, scalar: Scalar, indent: int, parent: int) -> list[str]:
    if scalar.style == "block":
        return _literal(head, scalar, parent)
    first, *rest = scalar.text.split("\n")
    begin = head + _joined(scalar.properties, first)
    lines = [begin if scalar.text else begin.rstrip(), *(_continued(line, indent) for line in rest)]
    return [_trimmed(line, scalar) for line in lines[:-1]] + lines[-1:]


def _continued(line: str, indent: int) -> str:
    text = line.lstrip(" \t")
    return " " * indent + text if text.strip() else ""


def _trimmed(line: str, scalar: Scalar) -> str:
    """Return a line of a folded scalar without trailing spaces, unless one is escaped."""
    short = line.rstrip(" \t")
    return line if scalar.style == "quoted" and short.endswith("\\") else short


def _literal(head: str, scalar: Scalar, parent: int) -> list[str]:
    """Return a block scalar with its lines moved together; those of a vault value stay put."""
    header, *lines = scalar.text.split("\n")
    marks, begin = _marks(header), _joined(scalar.properties, header.rstrip())
    explicit = re.search(r"[1-9]", marks)
    text = [line for line in lines if line.strip(" ")]
    held = len(text[0]) - len(text[0].lstrip(" ")) if text else 0
    if explicit:
        held, wanted = max(scalar.column, 0) + int(explicit[0]), parent + int(explicit[0])
    else:
        wanted = parent + _STEP
    if "!vault" in scalar.properties.split() and held > parent and not explicit:
        wanted = held
    if lines and not lines[-1][held:]:
        lines.pop()
    while "+" not in marks and lines and not lines[-1][held:]:
        lines.pop()
    return [head + begin, *(_shifted(line, held, wanted) for line in lines)]


def _marks(header: str) -> str:
    found = _HEADER.match(header)
    return found["marks"] if found else ""


def _shifted(line: str, held: int, wanted: int) -> str:
    rest = line[held:]
    return " " * wanted + rest if rest else ""


# --- collections in brackets ---------------------------------------------------------------------


def _flow(head: str, flow: Flow, indent: int) -> list[_Line]:
    """Return a flow collection on one line, or with one item per line if necessary."""
    short = _inline(flow)
    if short is not None and len(head) + len(short) <= WIDTH:
        return [_Line(text=head + short)]
    opening, closing = flow.brackets
    lines = [_Line(text=head + _joined(flow.properties, opening))]
    for number, item in enumerate(flow.items):
        lines += _without_blanks(_above(item.leading, indent))
        more = number + 1 < len(flow.items)
        body = _item(item, indent)
        last = replace(body[-1], text=body[-1].text + ("," if more else ""))
        lines += _ended([*body[:-1], last], item.trailing)
    lines += _without_blanks(_above(flow.closing, indent))
    return [*lines, _Line(text=" " * indent + closing)]


def _without_blanks(lines: list[_Line]) -> list[_Line]:
    return [line for line in lines if line.text]


def _item(item: Item, indent: int) -> list[_Line]:
    head = " " * indent
    if item.paired:
        head += f"{_bare(item.key)}{_colon(item.key)}"
    if item.value is None:
        return [_Line(text=head)]
    return _value(f"{head} " if item.paired else head, item.value, indent + _STEP, indent)


def _bare(node: Node | None) -> str:
    text = _inline_node(node)
    if text is None:
        raise TypeError(node)
    return text


def _colon(key: Node | None) -> str:
    return " :" if isinstance(key, Scalar) and (key.style == "alias" or not key.text) else ":"


def _inline(flow: Flow) -> str | None:
    """Return a flow collection on one line; None if it contains a comment or a line break."""
    if flow.closing:
        return None
    parts: list[str] = []
    for item in flow.items:
        text = _inline_item(item)
        if text is None:
            return None
        parts.append(text)
    opening, closing = flow.brackets
    return _joined(flow.properties, f"{opening}{', '.join(parts)}{closing}")


def _inline_item(item: Item) -> str | None:
    if item.leading or item.trailing:
        return None
    value = _inline_node(item.value)
    if not item.paired or value is None:
        return value
    key = _inline_node(item.key)
    return None if key is None else f"{key}{_colon(item.key)} {value}".rstrip()


def _inline_node(node: Node | None) -> str | None:
    if node is None:
        return ""
    if isinstance(node, Flow):
        return _inline(node)
    if isinstance(node, Block) or "\n" in node.text:
        return None
    return _joined(node.properties, node.text)
