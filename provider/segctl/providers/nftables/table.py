"""An nft table as a value: chains of lines, sets, maps and counters, each line as text.

A line's text is nft's own syntax in one spelling (`segctl.providers.nftables.listing` converts a
device's listing to it), so that two lines are the same if their texts are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TARGET = re.compile(r"\b(?:jump|goto) (\S+)")
_SET = re.compile(r"@([A-Za-z_.][0-9A-Za-z_./-]*)")


def named_in(text: str) -> tuple[list[str], list[str]]:
    """Return the chains that a line or a map's element leads to, and the sets that it names."""
    return _TARGET.findall(text), _SET.findall(text)


@dataclass(frozen=True, slots=True)
class Line:
    """An nft rule; `handle` is the device's number for it, 0 for a line to be written."""

    text: str
    comment: str = ""
    handle: int = field(default=0, compare=False)

    @property
    def target(self) -> str:
        """The chain it jumps or goes to, if any."""
        match = _TARGET.search(self.text)
        return match[1] if match else ""

    def __str__(self) -> str:
        """Return it as in an nft file."""
        return f'{self.text} comment "{self.comment}"' if self.comment else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain; `hook` is the declaration of a base chain."""

    name: str
    lines: tuple[Line, ...] = ()
    hook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A named set or verdict map; elements of a map are ``key : verdict``.

    `made` is its declaration if a listing shows it differently.
    """

    name: str
    declaration: str
    elements: frozenset[str] = frozenset()
    map: bool = False
    made: str = field(default="", compare=False)
    comments: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """A named counter; its values do not affect equality."""

    name: str
    comment: str = ""
    packets: int = field(default=0, compare=False)
    bytes: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything in our table, by name; `strange` is what these values cannot express."""

    chains: Mapping[str, Chain] = field(default_factory=dict[str, Chain])
    sets: Mapping[str, Set] = field(default_factory=dict[str, Set])
    counters: Mapping[str, Counter] = field(default_factory=dict[str, Counter])
    strange: tuple[str, ...] = ()
    exists: bool = True

    def reachable(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the chains that packets can reach, and the sets and maps used in them."""
        chains: set[str] = set()
        sets: set[str] = set()
        waiting = [chain.name for chain in self.chains.values() if chain.hook]
        while waiting:
            name = waiting.pop()
            if name in chains or name not in self.chains:
                continue
            chains.add(name)
            for line in self.chains[name].lines:
                waiting += _TARGET.findall(line.text)
                for used in _SET.findall(line.text):
                    if used not in sets:
                        sets.add(used)
                        waiting += self._targets(used)
        return frozenset(chains), frozenset(sets)

    def _targets(self, name: str) -> Iterator[str]:
        held = self.sets.get(name)
        if held is not None and held.map:
            for element in held.elements:
                yield from _TARGET.findall(element)
