"""Listing the ruleset as text, in the layout of nft 1.0.6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft.blocks import PRIORITIES
from segctl_mocks.linux.nft.nodes import Value, Verdict, in_order, key_texts
from segctl_mocks.linux.nft.state import Element
from segctl_mocks.linux.nft.types import show_period

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segctl_mocks.linux.nft.nodes import Key
    from segctl_mocks.linux.nft.state import (
        Chain,
        Declaration,
        NamedCounter,
        NamedSet,
        Rule,
        Table,
    )

_BREAK = ",\n\t\t\t     "
_NEAR = 10
_BARE = Element()


@dataclass(frozen=True, slots=True)
class Options:
    """What ``-a``, ``-s``, ``-t`` and ``-n`` ask for; `typeof`: as nft 1.1 lists sets in JSON."""

    handles: bool = False
    stateless: bool = False
    terse: bool = False
    numeric: bool = False
    typeof: bool = False
    now: float = 0.0


def ordered(found: NamedSet) -> list[tuple[Key, Element]]:
    """Return elements in the order nft lists them."""
    known: list[tuple[Key, Element]] | None = found.shown.get("ordered")
    if known is not None:
        return known
    declaration = found.declaration
    items = [*found.elements.items()]
    if declaration.tree:
        items.sort(key=lambda item: item[0])
    elif not declaration.interval:
        keys = in_order(declaration.kinds, tuple(found.elements))
        items = [(key, found.elements[key]) for key in keys]
    found.shown["ordered"] = items
    return items


class TextListing:
    """Writes tables as text."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def _handle(self, number: int) -> str:
        return f" # handle {number}" if self.options.handles else ""

    def table(self, table: Table, parts: Iterable[str] | None = None) -> str:
        """Return a table; ``parts`` in place of all it holds."""
        lines = [f"table {table.family} {table.name} {{{self._handle(table.handle)}\n"]
        if parts is not None:
            return "".join([*lines, *parts, "}\n"])
        if table.flags:
            lines.append(f"\tflags {','.join(table.flags)}\n")
        if table.comment is not None:
            lines.append(f'\tcomment "{table.comment}"\n')
        blocks = [self.counter(each) for each in table.counters.values()]
        blocks += [self.set(each) for each in table.sets.values()]
        blocks += [self.chain(each) for each in table.chains.values()]
        gap = "\n" if blocks and (table.flags or table.comment is not None) else ""
        if table.comment is not None and not table.flags:
            gap = ""
        if table.flags and table.comment is None:
            gap = ""
        return "".join([*lines, gap, "\n".join(blocks), "}\n"])

    def counter(self, counter: NamedCounter) -> str:
        """Return a named counter."""
        lines = [f"\tcounter {counter.name} {{{self._handle(counter.handle)}\n"]
        if counter.comment is not None:
            lines.append(f'\t\tcomment "{counter.comment}"\n')
        if not self.options.stateless:
            lines.append(f"\t\tpackets {counter.packets} bytes {counter.octets}\n")
        return "".join([*lines, "\t}\n"])

    def set(self, found: NamedSet) -> str:
        """Return a set or map."""
        declaration = found.declaration
        word = "map" if declaration.is_map else "set"
        lines = [f"\t{word} {found.name} {{{self._handle(found.handle)}\n"]
        lines += [f"\t\t{line}\n" for line in _declared(declaration)]
        if found.elements and not self.options.terse:
            how = ("text", self.options.stateless)
            if how not in found.shown or found.timed:
                found.shown[how] = f"\t\telements = {{ {self._elements(found)} }}\n"
            lines.append(found.shown[how])
        return "".join([*lines, "\t}\n"])

    def _elements(self, found: NamedSet) -> str:
        declaration = found.declaration
        per_line = declaration.kinds[0].per_line if len(declaration.kinds) == 1 else 1
        listed = ordered(found)
        texts = key_texts(declaration.kinds, tuple(key for key, _ in listed))
        parts: list[str] = []
        for position, (text, (_, element)) in enumerate(zip(texts, listed, strict=True)):
            if position:
                parts.append(_BREAK if position % per_line == 0 else ", ")
            parts.append(text if element == _BARE else self._element(declaration, text, element))
        return "".join(parts)

    def _element(self, declaration: Declaration, text: str, element: Element) -> str:
        if element.counter is not None:
            packets, octets = element.counter
            text += " counter"
            if not self.options.stateless:
                text += f" packets {packets} bytes {octets}"
        if element.timeout and element.timeout != declaration.timeout:
            text += f" timeout {show_period(element.timeout)}"
        if element.ends is not None and not self.options.stateless:
            text += f" expires {show_period(element.left(self.options.now))}"
        if element.comment is not None:
            text += f' comment "{element.comment}"'
        data = element.data
        if isinstance(data, Verdict | Value):
            text += f" : {data.text()}"
        elif data is not None:
            text += f' : "{data}"'
        return text

    def chain(self, chain: Chain) -> str:
        """Return a chain with its rules."""
        lines = [f"\tchain {chain.name} {{{self._handle(chain.handle)}\n"]
        lines += self.chain_head(chain)
        lines += [f"\t\t{self.rule(rule)}\n" for rule in chain.rules]
        return "".join([*lines, "\t}\n"])

    def chain_head(self, chain: Chain) -> list[str]:
        """Return the lines of a chain before its rules."""
        lines: list[str] = []
        if chain.comment is not None:
            lines.append(f'\t\tcomment "{chain.comment}"\n')
        base = chain.base
        if base is not None:
            priority = priority_text(base.priority, numeric=self.options.numeric)
            lines.append(
                f"\t\ttype {base.kind} hook {base.hook} priority {priority};"
                f" policy {base.policy};\n"
            )
        return lines

    def bare_chain(self, chain: Chain) -> str:
        """Return a chain without its rules."""
        return "".join([f"\tchain {chain.name} {{\n", *self.chain_head(chain), "\t}\n"])

    def rule(self, rule: Rule) -> str:
        """Return a rule."""
        parts = [each.text(stateless=self.options.stateless) for each in rule.statements]
        if rule.comment is not None:
            parts.append(f'comment "{rule.comment}"')
        return " ".join(parts) + self._handle(rule.handle)


def _declared(declaration: Declaration) -> list[str]:
    if declaration.typeof:
        head = f"typeof {declaration.typeof}"
    else:
        head = f"type {' . '.join(kind.name for kind in declaration.kinds)}"
    if declaration.is_map:
        head += f" : {declaration.data}"
    lines = [head]
    if declaration.size:
        lines.append(f"size {declaration.size}")
    if declaration.flags:
        lines.append(f"flags {','.join(declaration.flags)}")
    if declaration.auto_merge:
        lines.append("auto-merge")
    if declaration.timeout:
        lines.append(f"timeout {show_period(declaration.timeout)}")
    if declaration.gc_interval:
        lines.append(f"gc-interval {show_period(declaration.gc_interval)}")
    if declaration.counter:
        lines.append("counter")
    if declaration.comment is not None:
        lines.append(f'comment "{declaration.comment}"')
    return lines


def priority_text(priority: int, *, numeric: bool) -> str:
    """Return a priority by name where one is near."""
    if numeric:
        return str(priority)
    for name, value in PRIORITIES.items():
        distance = priority - value
        if abs(distance) <= _NEAR:
            sign = "+" if distance > 0 else "-"
            return f"{name} {sign} {abs(distance)}" if distance else name
    return str(priority)
