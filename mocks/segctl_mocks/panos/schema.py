"""What the configuration may hold: a table of nodes read from ``data/schema.txt``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segctl_mocks.panos.tree import Path

FIREWALL, PANORAMA = "firewall", "panorama"
TYPES = frozenset(
    {"text", "bool", "ip", "range", "wildcard", "fqdn", "ports", "times", "dates", "query"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """What one node may be."""

    tag: str
    kind: str = "sequence"  # sequence | entries | members | leaf | opaque
    children: Mapping[str, Node] = field(default_factory=dict[str, "Node"])
    choices: tuple[frozenset[str], ...] = ()
    required_choices: tuple[frozenset[str], ...] = ()
    types: tuple[str, ...] = ()
    enum: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    refs: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    names: str = ""
    only: str = ""
    kind_of_object: str = ""
    limit: str = ""
    since: tuple[int, ...] = ()
    until: tuple[int, ...] = ()
    maxlen: int = 0
    max_count: int = 0
    loose: bool = False
    free: bool = False
    required: bool = False
    distinct: bool = False
    known: bool = False
    holder: bool = False
    top: bool = False
    moveable: bool = False
    uuid: bool = False

    def child(self, tag: str) -> Node | None:
        """Return what a child may be; None if there is no such child."""
        if self.kind == "opaque":
            return OPAQUE
        if self.kind == "entries":
            return self.entry if tag == "entry" else None
        if self.kind == "members":
            return MEMBER if tag == "member" else None
        found = self.children.get(tag)
        if found is None and self.loose:
            return OPAQUE
        return found

    @property
    def entry(self) -> Node:
        """What an entry of this container may be."""
        return _entry_of(self)

    def known_in(self, release: tuple[int, ...]) -> bool:
        """Say whether a release knows this node."""
        return self.since <= release and (not self.until or release[:2] <= self.until)

    def is_of(self, platform: str) -> bool:
        """Say whether a kind of device, `FIREWALL` or `PANORAMA`, has this node at this place."""
        return self.only in {"", platform}


@cache
def _entry_of(node: Node) -> Node:
    return Node(
        "entry",
        children=node.children,
        choices=node.choices,
        required_choices=node.required_choices,
        loose=node.loose,
    )


OPAQUE = Node("*", kind="opaque")
MEMBER = Node("member", kind="leaf", types=("text",))


@dataclass(slots=True)
class _Line:
    depth: int
    words: list[str]
    children: list[_Line] = field(default_factory=list["_Line"])


def _nest(lines: Sequence[str]) -> list[_Line]:
    top: list[_Line] = []
    stack: list[_Line] = []
    for text in lines:
        if not text.strip() or text.startswith("#"):
            continue
        line = _Line((len(text) - len(text.lstrip())) // 2, text.split())
        while stack and stack[-1].depth >= line.depth:
            stack.pop()
        (stack[-1].children if stack else top).append(line)
        stack.append(line)
    return top


@dataclass(slots=True)
class _Content:
    children: dict[str, Node] = field(default_factory=dict[str, Node])
    choices: list[frozenset[str]] = field(default_factory=list[frozenset[str]])
    required: list[frozenset[str]] = field(default_factory=list[frozenset[str]])


class _Reader:
    def __init__(self, lines: list[_Line]) -> None:
        self.groups = {line.words[1]: line for line in lines if line.words[0] == "define"}
        self.root = next(line for line in lines if line.words[0] == "root")
        self._contents: dict[str, _Content] = {}

    def _group(self, name: str) -> _Content:
        """Return what a named group has; nodes of one group are shared by all that include it."""
        if name not in self._contents:
            self._contents[name] = self.content(self.groups[name].children)
        return self._contents[name]

    def content(self, lines: Sequence[_Line]) -> _Content:
        content = _Content()
        for line in lines:
            word = line.words[0]
            if word == "include":
                inner = self._group(line.words[1])
                content.children.update(inner.children)
                content.choices.extend(inner.choices)
                content.required.extend(inner.required)
            elif word == "also":
                content.children.update(dict.fromkeys(line.words[1:], OPAQUE))
            elif word == "choice":
                inner = self.content(line.children)
                content.children.update(inner.children)
                group = frozenset(inner.children)
                content.choices.append(group)
                if "required" in line.words:
                    content.required.append(group)
            else:
                content.children[word] = self.node(line)
        return content

    def node(self, line: _Line) -> Node:
        words = line.words[1:]
        values = dict(word.split("=", 1) for word in words if "=" in word and word[0] != "<")
        flags = {word for word in words if "=" not in word}
        content = self.content(line.children)
        return Node(
            tag=line.words[0],
            kind=_kind(flags, words, content),
            children=content.children,
            choices=tuple(content.choices),
            required_choices=tuple(content.required),
            types=tuple(sorted(flags & TYPES)),
            enum=_enum(words),
            keywords=_list(values, "any", "|"),
            alone=_list(values, "alone", "|"),
            bounds=_bounds(words),
            refs=_list(values, "refs", ","),
            named=_list(values, "named", ","),
            unique=_list(values, "unique", ","),
            reserved=_list(values, "reserved", "|"),
            names=values.get("names", ""),
            only=values.get("only", ""),
            kind_of_object=values.get("object", ""),
            limit=values.get("limit", ""),
            since=release(values.get("since", "")),
            until=release(values.get("until", "")),
            maxlen=next((int(word[2:]) for word in words if word.startswith("<=")), 0),
            max_count=int(values.get("max", "0")),
            loose="loose" in flags,
            free="free" in flags,
            required="required" in flags,
            distinct="distinct" in flags,
            known="known" in flags,
            holder="holder" in flags,
            top="tlo" in flags,
            moveable="moveable" in flags,
            uuid="uuid" in flags,
        )


def _kind(flags: set[str], words: Sequence[str], content: _Content) -> str:
    if "opaque" in flags:
        return "opaque"
    for kind in ("entries", "members"):
        if kind in flags:
            return kind
    typed = flags & TYPES or any(word.startswith(("enum:", "int:")) for word in words)
    return "leaf" if typed and not content.children else "sequence"


def _enum(words: Sequence[str]) -> tuple[str, ...]:
    for word in words:
        if word.startswith("enum:"):
            return tuple(word[5:].replace("~", " ").split("|"))
    return ()


def _bounds(words: Sequence[str]) -> tuple[int, int] | None:
    for word in words:
        if word.startswith("int:"):
            low, high = word[4:].split("-")
            return int(low), int(high)
    return None


def _list(values: Mapping[str, str], name: str, separator: str) -> tuple[str, ...]:
    return tuple(values[name].split(separator)) if name in values else ()


def release(text: str) -> tuple[int, ...]:
    """Read a release such as 11.1.6-h3; its numbers can be compared."""
    return tuple(int(part) for part in text.split("-", maxsplit=1)[0].split(".") if part.isdigit())


@cache
def load() -> Node:
    """Read the schema that comes with the package."""
    text = files("segctl_mocks").joinpath("data/schema.txt").read_text("utf-8")
    reader = _Reader(_nest(text.splitlines()))
    return reader.node(reader.root)


def walk(path: Path) -> Iterator[Node | None]:
    """Yield what the root and each node on a path may be; None where the path leaves it."""
    node: Node | None = load()
    yield node
    for tag, _ in path:
        node = node.child(tag) if node is not None else None
        yield node


def at(path: Path) -> Node | None:
    """Return what the node at a path may be."""
    *_, last = walk(path)
    return last


def described(node: Node, seen: set[int] | None = None) -> Iterator[Node]:
    """Yield every node of the table, each once."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return
    seen.add(id(node))
    yield node
    for child in node.children.values():
        yield from described(child, seen)


@cache
def slot_tags() -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the tags of member lists, of leaves and of containers that can refer to objects."""
    nodes = list(described(load()))
    lists = frozenset(node.tag for node in nodes if node.refs and node.kind == "members")
    leaves = frozenset(node.tag for node in nodes if node.refs and node.kind == "leaf")
    return lists, leaves, frozenset(node.tag for node in nodes if node.named)
