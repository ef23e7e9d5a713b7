"""Limits the memory that reading a configuration takes, whatever its shape.

A few megabytes of XML can hold a million elements, and a tree of them takes a hundred times more.
What is kept is estimated while the answer is parsed, from sizes measured with lxml 5 and Python
3.11, and a configuration that would exceed the limit is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element

#: The default of ``segctl_max_answer_mb``: a run stays below 512 MB with four times that.
MAX_ANSWER: Final = 96 * 2**20
#: Bytes per rule or object, per tag taken from the stream, per element still in the tree.
_ITEM, _TAG, _ELEMENT = 600, 12, 320
#: Copies of an entry's text while it is read: in the tree, as bytes, as fields.
_COPIES: Final = 3
#: No text in a configuration is longer: certificates and pages take some kilobytes.
_LONGEST: Final = 1 << 20
_STEP: Final = 1 << 16
#: Most tags and attributes of an answer that is read as one tree.
_MOST: Final = 600_000


@dataclass(slots=True)
class Budget:
    """Estimated bytes that the parts of one configuration have taken so far."""

    host: str
    limit: int = MAX_ANSWER
    _before: int = 0
    _bytes: int = 0
    _tags: int = 0
    _items: int = 0
    _unbroken: int = 0
    _since: int = 0
    _next: int = _STEP
    _next_bytes: int = _LONGEST

    def feed(self, chunk: bytes) -> None:
        """Count a piece of the answer before it is parsed.

        Raises:
            ParseError: it is part of a text or tag longer than any in a firewall's configuration.
        """
        self._bytes += len(chunk)
        self._since += len(chunk)
        self._tags += chunk.count(b"<") + chunk.count(b"=")
        self._unbroken = self._unbroken + len(chunk) if b">" not in chunk else 0
        if self._unbroken > _LONGEST:
            raise ParseError(
                self.host,
                f"its configuration has a text of more than {_LONGEST >> 20} MiB: something other "
                "than a firewall answers at this address",
            )

    def check(self, items: int, tree: Element | None, *, now: bool = False) -> None:
        """Estimate what is kept: `items` taken so far, and the remaining tree.

        The tree is counted again once as much input has arrived as it held last time: the whole
        document of which `tree` is a part. Without a part, all that was fed may be in it.

        Raises:
            ParseError: the estimate exceeds the limit.
        """
        if items != self._items:
            self._items, self._since = items, 0
        if self._tags < self._next and self._bytes < self._next_bytes and not now:
            return
        waiting = self._tags if tree is None else _nodes(tree)
        self._next = self._tags + max(_STEP, waiting)
        self._next_bytes = self._bytes + max(_LONGEST, waiting * _STEP // 1024)
        taken = self._before + self._bytes + _TAG * self._tags + _ITEM * items
        if taken + _ELEMENT * waiting + _COPIES * self._since > self.limit:
            raise ParseError(
                self.host,
                f"its configuration takes more than {self.limit >> 20} MiB of memory "
                f"({items} rules and objects so far), so it was not read; if that is right, raise "
                "segctl_max_answer_mb",
            )

    def close(self, items: int, tree: Element | None) -> None:
        """End a part: its memory stays counted.

        Raises:
            ParseError: as `check`.
        """
        self._since = 0
        self.check(items, tree, now=True)
        waiting = 0 if tree is None else _nodes(tree)
        self._before += self._bytes + _TAG * self._tags + _ITEM * items + _ELEMENT * waiting
        self._bytes = self._tags = self._items = self._unbroken = 0
        self._next, self._next_bytes = _STEP, _LONGEST


def _nodes(tree: Element) -> int:
    """Count the nodes of the document of which `tree` is a part: they live as long as it does."""
    root = tree.getroottree().getroot()
    return sum(1 for _ in root.iter()) + sum(1 for _ in root.itersiblings())


def is_too_much(part: bytes | memoryview, limit: int) -> bool:
    """Whether `Budget` refuses this part whatever is in it."""
    data = bytes(part)
    return len(data) + _TAG * (data.count(b"<") + data.count(b"=")) > limit


def refuse_swarm(host: str, body: bytes | memoryview) -> None:
    """Raise ParseError for an answer whose tree would take much more memory than its bytes."""
    data = bytes(body)
    if data.count(b"<") + data.count(b"=") > _MOST:
        raise ParseError(
            host,
            f"its answer has more than {_MOST} parts: something other than a firewall answers at "
            "this address",
        )
