"""The layout of a YAML file: its structure and comments, with every scalar as written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment with its ``#``; `blank` says whether there is an empty line above it.

    `gap` is its distance from the text before it on its line.
    """

    text: str
    line: int
    column: int
    own_line: bool
    blank: bool = False
    gap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A scalar or an alias with its source `text`, which is empty if the value is left out.

    `properties` are its anchor and tag; `column` is the column of the block collection around it.
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

    Comments: `leading` are above it, `head` is on the line of its key or dash, `inside` are
    between that and a scalar on its own line, `trailing` is behind the value, and `after` are
    below it and further right.
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
    """An indented collection; `closing` are comments below its last entry."""

    kind: Literal["mapping", "sequence"]
    entries: tuple[Entry, ...]
    properties: str = ""
    closing: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A whole file; `root` is None if there are only comments.

    `preamble` is above ``---``, `start` on its line, `closing` at the end of the file. `unended`
    says that a block scalar ends the file without a line end, which is not part of its content.
    """

    root: Block | None
    started: bool = False
    preamble: tuple[Comment, ...] = ()
    start: Comment | None = None
    closing: tuple[Comment, ...] = ()
    unended: bool = False


Node: TypeAlias = Scalar | Flow | Block
