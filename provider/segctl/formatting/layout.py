"""A YAML file as it is laid out: what stands where, with its comments, every scalar as written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment with its ``#``; `blank` says that an empty line stands above it.

    `gap` is how far it stands from what is before it on its line.
    """

    text: str
    line: int
    column: int
    own_line: bool
    blank: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A scalar or an alias, its source `text` untouched; empty where the value is left out.

    `properties` are its anchor and tag; `column` is that of the block collection it stands in.
    """

    text: str
    properties: str = ""
    style: Literal["plain", "quoted", "block", "alias"] = "plain"
    column: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a flow collection: a value, or a key with a value (`paired`)."""

    key: Node | None
    value: Node | None
    paired: bool
    leading: tuple[Comment, ...] = ()
    trailing: Comment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A collection in brackets."""

    brackets: tuple[str, str]
    items: tuple[Item, ...]
    properties: str = ""
    closing: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a block collection; in a sequence it has no key.

    Comments: `leading` stand above it, `head` on the line of its key or dash, `inside` between
    that and a scalar on a line of its own, `trailing` behind the value, and `after` below it but
    further right.
    """

    key: Scalar | None
    value: Node | None
    blank: bool = False
    leading: tuple[Comment, ...] = ()
    head: Comment | None = None
    inside: tuple[Comment, ...] = ()
    trailing: Comment | None = None
    after: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A collection by indentation; `closing` are comments below its last entry."""

    kind: Literal["mapping", "sequence"]
    entries: tuple[Entry, ...]
    properties: str = ""
    closing: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A whole file; `root` is missing where there are only comments.

    `preamble` stands above ``---``, `start` on its line, `closing` at the end of the file.
    `unended` says that a block scalar ends the file without a line end, which is not its content.
    """

    root: Block | None
    started: bool = False
    preamble: tuple[Comment, ...] = ()
    start: Comment | None = None
    closing: tuple[Comment, ...] = ()
    unended: bool = False


Node: TypeAlias = Scalar | Flow | Block
