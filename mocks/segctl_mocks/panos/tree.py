"""A configuration document with fast access to named entries, and an undo log."""

from __future__ import annotations

import copy
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

Element: TypeAlias = etree._Element  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - lxml has no public name for it

Key: TypeAlias = tuple[str, str]
"""A tag, and the name of an entry or the text of a member ("" for other nodes)."""

Path: TypeAlias = tuple[Key, ...]
"""Where a node is, below (and without) ``config``."""


class MalformedError(ValueError):
    """The text is not well-formed XML, or carries a document type."""


def parse(data: bytes) -> Element:
    """Parse a document: no entities, no DTD, no network; blank text and comments go."""
    parser = etree.XMLParser(
        remove_blank_text=True,
        remove_comments=True,
        remove_pis=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedError(str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        message = "document types are refused"
        raise MalformedError(message)
    return root


def parse_fragment(text: str) -> list[Element]:
    """Parse sibling nodes without a common root; text between them is an error."""
    root = parse(b"<fragment>" + text.encode() + b"</fragment>")
    if (root.text or "").strip() or any((node.tail or "").strip() for node in root):
        message = "text outside of any node"
        raise MalformedError(message)
    return list(root)


def serialize(node: Element) -> bytes:
    """Write one node as UTF-8 bytes, without declaration."""
    return etree.tostring(node, encoding="utf-8", xml_declaration=False, with_tail=False)


def text_of(node: Element | None) -> str:
    """Return the stripped text of a node; nothing for no node."""
    return "" if node is None else (node.text or "").strip()


def tag_of(node: Element) -> str:
    """Return the tag as text."""
    return str(node.tag)


def key_of(node: Element) -> Key:
    """Return the tag and what tells this node from its siblings."""
    tag = tag_of(node)
    if tag == "entry":
        return (tag, node.get("name") or "")
    if tag == "member":
        return (tag, text_of(node))
    return (tag, "")


def _said(node: Element) -> str:
    """Return what a node names if it refers to something: an entry by its name."""
    return node.get("name") or "" if node.tag == "entry" else text_of(node)


def path_of(node: Element) -> Path:
    """Return where a node is, below the document's root."""
    keys: list[Key] = []
    current = node
    while (parent := current.getparent()) is not None:
        keys.append(key_of(current))
        current = parent
    return tuple(reversed(keys))


def xpath_of(path: Path) -> str:
    """Write a path the way the device prints it."""
    parts = ["/config"]
    for tag, name in path:
        if tag == "entry":
            parts.append(f"/entry[@name='{name}']")
        elif tag == "member":
            parts.append(f"/member[text()='{name}']")
        else:
            parts.append(f"/{tag}")
    return "".join(parts)


def arrow_path(path: Path) -> str:
    """Write a path the way messages do: ``vsys -> vsys1 -> address``."""
    names = [name if tag == "entry" else tag for tag, name in path if tag != "member"]
    return " -> ".join(names)


class Tree:
    """A configuration; every change goes through its methods, so that indexes hold.

    Inside :meth:`transaction` an exception undoes every change made since it began.
    """

    def __init__(self, root: Element, is_slot: Callable[[Element], bool] | None = None) -> None:
        self.root = root
        self.generation = 0
        self.structure = 0
        self._is_slot = is_slot
        self._entries: dict[Element, dict[str, Element]] = {}
        self._slots: defaultdict[str, dict[Element, None]] | None = None
        self._undo: list[Callable[[], None]] | None = None

    @classmethod
    def from_bytes(cls, data: bytes, is_slot: Callable[[Element], bool] | None = None) -> Tree:
        """Load a document."""
        return cls(parse(data), is_slot)

    def clone(self) -> Tree:
        """Copy the document; the copy has indexes of its own."""
        return Tree(copy.deepcopy(self.root), self._is_slot)

    def to_bytes(self) -> bytes:
        """Serialize the document."""
        return serialize(self.root)

    # -- looking up ---------------------------------------------------------------

    def entries(self, container: Element) -> dict[str, Element]:
        """Return the entries of a container by name; the first of each name."""
        found = self._entries.get(container)
        if found is not None:
            return found
        named: dict[str, Element] = {}
        for node in container.iterchildren("entry"):
            named.setdefault(node.get("name") or "", node)
        self._entries[container] = named
        return named

    def child(self, parent: Element, key: Key) -> Element | None:
        """Return the child with this key, if there is one."""
        tag, name = key
        if tag == "entry":
            return self.entries(parent).get(name)
        if tag == "member":
            members = parent.iterchildren("member")
            return next((node for node in members if text_of(node) == name), None)
        return parent.find(tag)

    def at(self, path: Path) -> Element | None:
        """Return the node at a path, if there is one."""
        node: Element | None = self.root
        for key in path:
            if node is None:
                return None
            node = self.child(node, key)
        return node

    def slots(self, text: str) -> list[Element]:
        """Return the nodes that may refer to an object of this name."""
        if self._slots is None:
            self._slots = defaultdict(dict)
            self._register(self.root)
        return list(self._slots.get(text, ()))

    def _register(self, node: Element) -> None:
        if self._slots is None or self._is_slot is None:
            return
        for leaf in node.iter(etree.Element):
            self._register_one(leaf)

    def _register_one(self, node: Element) -> None:
        said = _said(node)
        if self._slots is not None and self._is_slot is not None and said and self._is_slot(node):
            self._slots[said][node] = None

    def _unregister_one(self, node: Element) -> None:
        if self._slots is not None:
            self._slots.get(_said(node), {}).pop(node, None)

    def _unregister(self, node: Element) -> None:
        for leaf in node.iter(etree.Element):
            if self._entries.pop(leaf, None) is not None:
                self.structure += 1
            self._unregister_one(leaf)

    # -- changing -----------------------------------------------------------------

    def attach(self, parent: Element, node: Element, after: Element | None = None) -> Element:
        """Put a node below a parent: last, or right after a sibling."""
        if after is None:
            parent.append(node)
        else:
            after.addnext(node)
        self._attached(parent, node)
        return node

    def attach_first(self, parent: Element, node: Element) -> Element:
        """Put a node below a parent, before its siblings."""
        parent.insert(0, node)
        self._attached(parent, node)
        return node

    def _attached(self, parent: Element, node: Element) -> None:
        self.generation += 1
        if node.tag not in {"entry", "member"} or parent.tag in {"vsys", "devices"}:
            self.structure += 1
        if node.tag == "entry" and parent in self._entries:
            self._entries[parent].setdefault(node.get("name") or "", node)
        if self._slots is not None:
            self._register(node)
        self._record(lambda: self.detach(node))

    def detach(self, node: Element) -> None:
        """Take a node out."""
        parent = node.getparent()
        if parent is None:
            return
        previous = node.getprevious()
        self._unregister(node)
        parent.remove(node)
        self.generation += 1
        if node.tag == "entry" and parent in self._entries:
            self._entries[parent].pop(node.get("name") or "", None)

        def back() -> None:
            if previous is None:
                self.attach_first(parent, node)
            else:
                self.attach(parent, node, previous)

        self._record(back)

    def new_child(self, parent: Element, key: Key) -> Element:
        """Create an empty child."""
        tag, name = key
        node = etree.Element(tag)
        if tag == "entry":
            node.set("name", name)
        elif tag == "member":
            node.text = name
        return self.attach(parent, node)

    def set_text(self, node: Element, text: str | None) -> None:
        """Change the text of a leaf."""
        old = node.text
        if old == text:
            return
        self._unregister(node)
        node.text = text
        self.generation += 1
        self._register(node)
        self._record(lambda: self.set_text(node, old))

    def rename(self, node: Element, name: str) -> None:
        """Change the name of an entry."""
        old = node.get("name") or ""
        parent = node.getparent()
        self._unregister_one(node)
        node.set("name", name)
        self._register_one(node)
        self.generation += 1
        self.structure += 1
        if parent is not None and parent in self._entries:
            entries = self._entries[parent]
            entries.pop(old, None)
            entries[name] = node
        self._record(lambda: self.rename(node, old))

    def set_attribute(self, node: Element, name: str, value: str) -> None:
        """Change an attribute other than the name."""
        old = node.get(name)
        node.set(name, value)
        self.generation += 1

        def back() -> None:
            if old is None:
                del node.attrib[name]
            else:
                node.set(name, old)

        self._record(back)

    def replace(self, old: Element, new: Element) -> Element:
        """Put a new node where an old one is."""
        parent = old.getparent()
        if parent is None:
            message = "the root is not replaced"
            raise ValueError(message)
        previous = old.getprevious()
        self.detach(old)
        if previous is None:
            return self.attach_first(parent, new)
        return self.attach(parent, new, previous)

    def replace_root(self, root: Element) -> None:
        """Put another document in place of this one."""
        old = self.root

        def switch(to: Element) -> None:
            self.root = to
            self.generation += 1
            self.structure += 1
            self._entries.clear()
            self._slots = None

        switch(root)
        self._record(lambda: switch(old))

    # -- undoing ------------------------------------------------------------------

    def _record(self, undo: Callable[[], None]) -> None:
        if self._undo is not None:
            self._undo.append(undo)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Keep all changes of a block, or none if it raises."""
        if self._undo is not None:
            yield
            return
        self._undo = []
        try:
            yield
        except BaseException:
            steps, self._undo = self._undo, None
            for step in reversed(steps):
                step()
            raise
        finally:
            self._undo = None


def strip_attributes(root: Element, names: Iterable[str]) -> None:
    """Remove attributes everywhere below a root."""
    etree.strip_attributes(root, *names)
