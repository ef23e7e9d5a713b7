"""What reading a configuration may take of memory, however it is made.

XML of a few megabytes can hold a million elements, and a tree of them takes a hundred times more.
What is kept is estimated while the answer is parsed, from sizes measured with lxml 5 and Python
3.11, and a configuration that would take more than the bound is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import ParseError

if TYPE_CHECKING:
    from segctl.providers.panos.elements import Element

#: The default of ``segctl_max_answer_mb``: a run stays below 512 MB with four times that.
MAX_ANSWER: Final = 96 * 2**20
#: Bytes of a rule or an object, of a tag that was taken, of an element that waits in the tree.
_ITEM, _TAG, _ELEMENT = 600, 12, 320
#: How often the text of one entry is held while it is taken: in the tree, as bytes, as fields.
_COPIES: Final = 3
#: Nothing in a configuration is longer without a tag: certificates and pages take some kilobytes.
_LONGEST: Final = 1 << 20
_STEP: Final = 1 << 16
#: Tags and attributes in an answer that is read as one tree.
_MOST: Final = 600_000


@dataclass(slots=True)
class Budget:
    """What the parts of one configuration have taken so far, in bytes, by estimation."""

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
            ParseError: it is part of a text, or of a tag, that no firewall's configuration has.
        """
        self._bytes += len(chunk)
        self._since += len(chunk)
        self._tags += chunk.count(b"<") + chunk.count(b"=")
        self._unbroken = self._unbroken + len(chunk) if b">" not in chunk else 0
        if self._unbroken > _LONGEST:
            raise ParseError(
                self.host,
                f"its configuration holds one text of more than {_LONGEST >> 20} MiB: "
                "something else answers at this address",
            )

    def check(self, items: int, tree: Element | None, *, now: bool = False) -> None:
        """Estimate what is kept: `items` that were taken, and the tree that is left.

        The tree is counted when as much as it held last time has come in since.

        Raises:
            ParseError: it is more than the limit.
        """
        if items != self._items:
            self._items, self._since = items, 0
        if self._tags < self._next and self._bytes < self._next_bytes and not now:
            return
        waiting = 0 if tree is None else sum(1 for _ in tree.iter())
        self._next = self._tags + max(_STEP, waiting)
        self._next_bytes = self._bytes + max(_LONGEST, waiting * _STEP // 1024)
        taken = self._before + self._bytes + _TAG * self._tags + _ITEM * items
        if taken + _ELEMENT * waiting + _COPIES * self._since > self.limit:
            raise ParseError(
                self.host,
                f"its configuration takes more than {self.limit >> 20} MiB of memory "
                f"({items} rules and objects so far): not read; "
                "where it is right, raise segctl_max_answer_mb",
            )

    def close(self, items: int, tree: Element | None) -> None:
        """End a part: what it took stays taken.

        Raises:
            ParseError: as `check`.
        """
        self._since = 0
        self.check(items, tree, now=True)
        waiting = 0 if tree is None else sum(1 for _ in tree.iter())
        self._before += self._bytes + _TAG * self._tags + _ITEM * items + _ELEMENT * waiting
        self._bytes = self._tags = self._items = self._unbroken = 0
        self._next, self._next_bytes = _STEP, _LONGEST


def refuse_swarm(host: str, body: bytes | memoryview) -> None:
    """Raise ParseError for an answer whose tree would take much more memory than its bytes."""
    data = bytes(body)
    if data.count(b"<") + data.count(b"=") > _MOST:
        raise ParseError(
            host,
            f"its answer has more than {_MOST} parts: something else answers at this address",
        )
