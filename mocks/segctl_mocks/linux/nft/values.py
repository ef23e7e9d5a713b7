"""Giving words of the input their type: values, ranges, set elements."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import types
from segctl_mocks.linux.nft.errors import NOWHERE, NftError, Span
from segctl_mocks.linux.nft.syntax import Bitwise, Elements, Joined, Look, Mapped, Named, Pair, Term
from segctl_mocks.linux.nft.types import DataType, Symbol, parse_number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from segctl_mocks.linux.nft.nodes import Interval, Key

_ADDRESSES = frozenset({"ipv4_addr", "ipv6_addr"})


def number(term: Term, kind: DataType, interfaces: Collection[str] | None = None) -> int:
    """Return the one value a term is."""
    if isinstance(term, Symbol):
        if kind is types.IFINDEX and interfaces is not None and term.text not in interfaces:
            raise NftError("Interface does not exist", term.span)
        return kind.read(term, kind)
    if isinstance(term, Bitwise):
        left, right = number(term.left, kind), number(term.right, kind)
        return {"&": left & right, "|": left | right, "^": left ^ right}[term.operator]
    if isinstance(term, Joined) and term.sign == ",":
        if not kind.bitmask:
            span = term.parts[0].span
            raise NftError(f"Basetype of type {kind.title} is not bitmask", span)
        total = 0
        for part in term.parts:
            total |= number(part, kind)
        return total
    raise NftError(f"unexpected expression for {kind.title}", term.span)


def interval(term: Term, kind: DataType, interfaces: Collection[str] | None = None) -> Interval:
    """Return the values a term stands for."""
    if isinstance(term, Pair):
        return _prefix(term, kind) if term.sign == "/" else _range(term, kind)
    if (
        kind is types.IFNAME
        and isinstance(term, Symbol)
        and term.text.endswith("*")
        and not term.text.endswith("\\*")
    ):
        raw = term.text[:-1].encode()
        if len(raw) >= 15:
            raise NftError("String exceeds maximum length of 16", term.span)
        if not raw:
            raise NftError("All-wildcard strings are not supported", term.span)
        low = int.from_bytes(raw.ljust(16, b"\0"), "big")
        return low, int.from_bytes(raw.ljust(16, b"\xff"), "big")
    found = number(term, kind, interfaces)
    return found, found


def _prefix(term: Pair, kind: DataType) -> Interval:
    base = kind.read(term.low, kind)
    length = parse_number(term.high.text)
    if length is None or term.high.kind != "number" or length > kind.bits:
        raise NftError(
            f"Prefix length {length} is invalid for type of {kind.bits} bits width", term.span
        )
    size = 1 << (kind.bits - length)
    low = base & ~(size - 1)
    return low, low + size - 1


def _range(term: Pair, kind: DataType) -> Interval:
    low, high = kind.read(term.low, kind), kind.read(term.high, kind)
    if kind is types.HOUR:
        return low, high
    if low > high:
        raise NftError("Range has zero or negative size", term.span)
    return low, high


def key(
    term: Term,
    kinds: Sequence[DataType],
    *,
    ranges: bool,
    interfaces: Collection[str] | None = None,
) -> Key:
    """Return the key of an element."""
    dotted = isinstance(term, Joined) and term.sign == "."
    parts = term.parts if isinstance(term, Joined) and dotted else (term,)
    if len(parts) != len(kinds):
        if len(kinds) == 1:
            raise NftError("unexpected concatenation component", term.span)
        raise NftError(_wrong_number(len(parts), kinds), term.span)
    found: list[Interval] = []
    for part, kind in zip(parts, kinds, strict=True):
        if not ranges and isinstance(part, Pair):
            word = "prefix" if part.sign == "/" else "range"
            at = interval(part, kind)
            if at[0] != at[1]:
                raise NftError(
                    "You must add 'flags interval' to your set declaration if you want to add "
                    f"{word} elements",
                    part.span,
                )
        found.append(interval(part, kind, interfaces))
    return tuple(found)


def _wrong_number(count: int, kinds: Sequence[DataType]) -> str:
    """Say what nft says of an element with so many components."""
    if count > len(kinds):
        return "too many concatenation components"
    if count == 1:
        return f"invalid data type, expected {title(kinds)}"
    found = title(kinds[:count])
    return f"datatype mismatch, expected {title(kinds)}, expression has type {found}"


def has_range(term: Term, kinds: Sequence[DataType]) -> bool:
    """Say whether a key of an anonymous set needs an interval set."""
    parts = term.parts if isinstance(term, Joined) and term.sign == "." else (term,)
    if any(isinstance(part, Pair) for part in parts):
        return True
    return any(
        kind is types.IFNAME and isinstance(part, Symbol) and part.text.endswith("*")
        for part, kind in zip(parts, kinds, strict=False)
    )


def conflict(found: Sequence[tuple[Key, Span]], held: Sequence[Key] = ()) -> None:
    """Raise if ranges of one component overlap, with each other or with those ``held``."""
    # of two that begin alike nft takes the later first, and what the set holds last
    everything: list[tuple[Key, Span | None]] = [*reversed(found), *((key, None) for key in held)]
    everything.sort(key=lambda each: each[0][0][0])
    for (before, other), (after, span) in itertools.pairwise(everything):
        if before == after or after[0][0] > before[0][1]:
            continue
        if span is not None and other is not None:
            raise NftError("conflicting intervals specified", span, other)
        raise NftError("interval overlaps with an existing one", span or other or NOWHERE)


def title(kinds: Sequence[DataType]) -> str:
    """Name a type as messages do."""
    if len(kinds) == 1:
        return kinds[0].title
    return f"concatenation of ({', '.join(kind.title for kind in kinds)})"


def is_scalar(term: Term) -> bool:
    """Say whether a term is neither a set nor a look at the packet."""
    return not isinstance(term, Elements | Named | Look | Mapped)
