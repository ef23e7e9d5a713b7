"""Adding elements to named sets and maps, and taking them away.

nft itself refuses ranges that overlap, before it asks the kernel. For this it reads the elements
that a set holds, but not of a set that the same commands flush, before or after: there it knows
of what the commands themselves add, and the kernel refuses the rest (src/intervals.c and
src/cache.c of nftables 1.0.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import errors, values
from segctl_mocks.linux.nft.errors import KernelError, NftError
from segctl_mocks.linux.nft.nodes import Value, Verdict
from segctl_mocks.linux.nft.state import Element
from segctl_mocks.linux.nft.syntax import Elements, Numbers, VerdictTerm
from segctl_mocks.linux.nft.types import Symbol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from segctl_mocks.linux.nft.nodes import Interval, Key
    from segctl_mocks.linux.nft.state import NamedSet, Table
    from segctl_mocks.linux.nft.syntax import Element as ElementTerm


@dataclass(slots=True)
class Known:
    """What nft knows of the elements of a set when it reads a command."""

    unread: bool = False  # the commands flush the set: nft does not ask what it holds
    added: set[Key] = field(default_factory=set["Key"])  # by commands before

    def has(self, key: Key) -> bool:
        """Say whether nft knows of an element that the set holds."""
        return not self.unread or key in self.added


@dataclass(slots=True)
class Changer:
    """Changes the elements of one set."""

    table: Table
    found: NamedSet
    interfaces: Collection[str]
    known: Known = field(default_factory=Known)
    now: float = 0.0

    def add(self, term: Elements | Numbers, *, exclusive: bool) -> None:
        """Add elements; what nft itself checks comes first."""
        declaration = self.found.declaration
        if isinstance(term, Numbers):
            if self._add_numbers(term.keys):
                return
            term = term.spelled()
        pairs = [(self._key(item), item) for item in term.items]
        for _, item in pairs:
            self._check_data(item)
        if declaration.tree:
            pairs = self._prepared(pairs)
        for key, item in pairs:
            self._add_one(key, item, exclusive=exclusive)

    def _add_numbers(self, keys: Sequence[Key]) -> bool:
        """Add plain numbers to a plain set at once, if there is nothing to say against any."""
        declaration, held = self.found.declaration, self.found.elements
        if declaration.is_map or declaration.interval or declaration.size or self.found.timed:
            return False
        if not all(kind.plain for kind in declaration.kinds):
            return False
        if {len(key) for key in keys} != {len(declaration.kinds)}:
            return False
        columns = zip(declaration.kinds, zip(*keys, strict=True), strict=True)
        if any(max(column)[0] > kind.top for kind, column in columns):
            return False
        if not held.keys().isdisjoint(keys) or len(set(keys)) < len(keys):
            return False
        counter = (0, 0) if declaration.counter else None
        self.found.put_all(keys, Element(counter=counter))
        return True

    def _key(self, item: ElementTerm) -> Key:
        declaration = self.found.declaration
        return values.key(
            item.key, declaration.kinds, ranges=declaration.interval, interfaces=self.interfaces
        )

    def _check_data(self, item: ElementTerm) -> None:
        declaration = self.found.declaration
        if item.data is not None and not declaration.is_map:
            raise NftError("element mapping data is only allowed for maps", item.span)
        if declaration.is_map and item.data is None:
            raise KernelError(errors.INVALID, item.span)

    def _prepared(self, pairs: list[tuple[Key, ElementTerm]]) -> list[tuple[Key, ElementTerm]]:
        """Check ranges against each other and against the set, or merge them into it."""
        if self.found.declaration.auto_merge:
            return self._auto_merged(pairs)
        nearby = {other: None for key, _ in pairs for other in self.found.overlapping(key[0])}
        known = [key for key in nearby if self.known.has(key)]
        values.conflict([(key, item.span) for key, item in pairs], known)
        self.known.added.update(key for key, _ in pairs)
        return sorted(pairs, key=lambda pair: pair[0])

    def _auto_merged(self, pairs: list[tuple[Key, ElementTerm]]) -> list[tuple[Key, ElementTerm]]:
        top = self.found.declaration.kinds[0].top
        merged: list[tuple[Key, ElementTerm]] = []
        for key, item in pairs:
            low, high = key[0]
            touched = self.found.overlapping((max(low - 1, 0), min(high + 1, top)))
            if touched == [key]:
                continue
            for other in touched:
                low, high = min(low, other[0][0]), max(high, other[0][1])
                self.found.drop(other)
            self.found.put(((low, high),), self._element(item))
            merged.append((((low, high),), item))
        return [pair for pair in merged if pair[0] in self.found.elements]

    def _add_one(self, key: Key, item: ElementTerm, *, exclusive: bool) -> None:
        data = self._data(item)
        known = self.found.elements.get(key)
        if known is not None:
            if exclusive or (known.data != data and self.found.declaration.is_map):
                raise KernelError(errors.EXISTS, item.span)
            return
        if self.found.declaration.tree:
            self._check_overlap(key[0], item, exclusive=exclusive)
        elif self.found.declaration.interval:
            ends = (tuple(low for low, _ in key), tuple(high for _, high in key))
            if any(self.found.holds(end) for end in ends):
                raise KernelError(errors.EXISTS, item.span)
        size = self.found.declaration.size
        if size and len(self.found.elements) >= size:
            raise KernelError(errors.SET_FULL, item.span)
        if isinstance(data, Verdict) and data.target:
            if data.target not in self.table.chains:
                raise KernelError(errors.NO_FILE, item.span)
            if self.table.chains[data.target].base is not None:
                raise KernelError(errors.UNSUPPORTED, item.span)
            self.table.uses["chain", data.target] += 1
        self.found.put(key, self._element(item))

    def _check_overlap(self, interval: Interval, item: ElementTerm, *, exclusive: bool) -> None:
        """Refuse what the kernel does: it is given the first value and the one after the last.

        It takes a range that ends where another does, if nothing holds its first value.
        """
        touched = self.found.overlapping(interval)
        if not touched or self.found.declaration.auto_merge:
            return
        first, end = touched[0][0][0], touched[-1][0][1]
        low, high = interval
        if first < low or (first == low and exclusive):
            raise KernelError(errors.EXISTS, item.span)
        if first == low or high != end or exclusive:
            raise KernelError(errors.EXISTS)

    def _element(self, item: ElementTerm) -> Element:
        declaration = self.found.declaration
        counter = item.counter
        if counter is None and declaration.counter:
            counter = (0, 0)
        timeout = item.timeout or declaration.timeout
        lasts = item.expires or timeout
        ends = self.now + lasts / 1000 if lasts else None
        return Element(self._data(item), item.comment, counter, timeout, ends)

    def _data(self, item: ElementTerm) -> Verdict | Value | str | None:
        declaration = self.found.declaration
        if item.data is None:
            return None
        if isinstance(item.data, VerdictTerm):
            return item.data.verdict
        if declaration.data_kind is not None:
            return Value(declaration.data_kind, values.number(item.data, declaration.data_kind))
        if isinstance(item.data, Symbol) and declaration.data == "counter":
            if item.data.text not in self.table.counters:
                raise KernelError(errors.NO_FILE, item.span)
            return item.data.text
        raise NftError("Could not parse verdict", item.span)

    def _named(self, key: Key) -> Key:
        """Return the element that goes; the kernel looks for its first point only."""
        declaration = self.found.declaration
        if key in self.found.elements or declaration.tree or not declaration.interval:
            return key
        return self.found.holds(tuple(low for low, _ in key)) or key

    def delete(self, term: Elements | Numbers, *, missing_ok: bool) -> None:
        """Take elements away."""
        if isinstance(term, Numbers):
            term = term.spelled()
        pairs = [(self._key(item), item) for item in term.items]
        if self.found.declaration.tree and not missing_ok:
            for key, item in pairs:
                if key not in self.found.elements or not self.known.has(key):
                    raise NftError("element does not exist", item.span)
        for wanted, item in pairs:
            key = self._named(wanted)
            if key not in self.found.elements:
                if missing_ok:
                    continue
                raise KernelError(errors.NO_FILE, item.span)
            self.known.added.discard(key)
            data = self.found.drop(key).data
            if isinstance(data, Verdict) and data.target:
                self.table.uses["chain", data.target] -= 1
