"""What decides about the lines that are not ours: a digest of all they rest on in the table.

Whoever accepts such a line accepts it as it is. It may name sets, maps and chains, which decide
what it does. Those that are as segctl writes them count by name alone: they change with the
inventory, and are judged for themselves.
"""

from __future__ import annotations

import hashlib
from collections import Counter as Tally
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.providers.nftables.table import Chain, Set, named_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.providers.nftables.table import Table

_NO_CHAIN = Chain(name="")
_NO_SET = Set(name="", declaration="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A table as it is `held`, and as segctl would write it for the same policy."""

    held: Table
    expected: Table

    def thing(self, kind: str, name: str) -> str:
        """Return the digest of what is not ours in a chain, a set or a counter."""
        if kind == "counter":
            held = self.held.counters.get(name)
            return _digest([held.comment] if held else [])
        own = self._of_chain(name) if kind == "chain" else self._of_set(name)
        return _digest([*own, *self._behind(own, {f"{kind} {name}"})])

    def line(self, text: str) -> str:
        """Return the digest of what a line names that is not ours; empty if it names no such."""
        behind = list(self._behind([text], set()))
        return _digest(behind) if behind else ""

    def _behind(self, texts: Iterable[str], seen: set[str]) -> Iterator[str]:
        """Yield what is not ours in everything that is named, and in what that names."""
        waiting = list(texts)
        while waiting:
            chains, sets = named_in(waiting.pop())
            for key in sorted({*(f"chain {one}" for one in chains), *(f"set {s}" for s in sets)}):
                if key in seen:
                    continue
                seen.add(key)
                kind, _, name = key.partition(" ")
                found = self._of_chain(name) if kind == "chain" else self._of_set(name)
                if found:
                    yield key
                    yield from found
                    waiting += found

    def _of_chain(self, name: str) -> Sequence[str]:
        """Return how a chain differs, line by line; of one that is not ours, all of it."""
        wanted = self.expected.chains.get(name, _NO_CHAIN)
        held = self.held.chains.get(name, _NO_CHAIN)
        if wanted == held:
            return ()
        hook = [held.hook] if held.hook != wanted.hook else []
        more, less = Tally(map(str, held.lines)), Tally(map(str, wanted.lines))
        if more == less:
            return [*hook, *map(str, held.lines)]
        own = Tally(less)
        lines: list[str] = []
        for line in map(str, held.lines):
            own[line] -= 1
            if own[line] < 0:
                lines.append(f"+ {line}")
        return [*hook, *lines, *(f"- {line}" for line in sorted((less - more).elements()))]

    def _of_set(self, name: str) -> Sequence[str]:
        """Return how a set or a map differs, element by element; of one not ours, all of it."""
        wanted = self.expected.sets.get(name, _NO_SET)
        held = self.held.sets.get(name, _NO_SET)
        if wanted == held:
            return ()
        kind = [held.declaration] if held.declaration != wanted.declaration else []
        return [
            *kind,
            *(f"+ {one}" for one in sorted(held.elements - wanted.elements)),
            *(f"- {one}" for one in sorted(wanted.elements - held.elements)),
        ]


def _digest(texts: Iterable[str]) -> str:
    joined = "\n".join(texts)
    return f"sha256:{hashlib.sha256(joined.encode()).hexdigest()[:16]}"
