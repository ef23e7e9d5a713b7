"""Turning a rule as written into the rule as nft lists it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import reading, types, values
from segctl_mocks.linux.nft.context import Context, of_family, of_protocol
from segctl_mocks.linux.nft.errors import NO_FILE, KernelError, NftError, Span
from segctl_mocks.linux.nft.nodes import (
    Anonymous,
    Binary,
    Concat,
    Ct,
    Fib,
    Key,
    MapLookup,
    Meta,
    Payload,
    Prefix,
    Range,
    Raw,
    Right,
    SetRef,
    Value,
    Verdict,
    sort_key,
)
from segctl_mocks.linux.nft.statements import Decision, Mangle, Match, Nat, Reject, Statement, Vmap
from segctl_mocks.linux.nft.syntax import (
    Bitwise,
    Elements,
    Look,
    MangleTerm,
    Mapped,
    MatchTerm,
    Named,
    Pair,
    Plain,
    Refused,
    RuleTerm,
    Term,
    VerdictTerm,
    VmapTerm,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from segctl_mocks.linux.nft.state import Table
    from segctl_mocks.linux.nft.types import DataType

_NO_FILE = NO_FILE


@dataclass(slots=True)
class Evaluator:
    """Evaluates one rule of a table."""

    table: Table
    interfaces: Collection[str]
    context: Context = field(init=False)
    out: list[Statement] = field(default_factory=list[Statement])
    targets: list[tuple[str, str, Span]] = field(default_factory=list[tuple[str, str, Span]])
    anonymous: int = 0

    def __post_init__(self) -> None:
        self.context = Context(self.table.family)

    def rule(self, term: RuleTerm) -> tuple[Statement, ...]:
        """Return the statements of a rule; ``targets`` are the names it needs."""
        last: Span | None = None
        for statement in term.statements:
            if last is not None:
                raise NftError(
                    "Statement after terminal statement has no effect", statement.span, last
                )
            if self._statement(statement):
                last = statement.span
        self.anonymous += self.context.added_sets
        return self.context.finish(self.out)

    def _statement(self, term: object) -> bool:
        """Evaluate one statement; say whether nothing may follow it."""
        match term:
            case MatchTerm():
                self._match(term)
            case VmapTerm():
                self._vmap(term)
            case MangleTerm():
                self._mangle(term)
            case Plain():
                return self._plain(term)
            case Refused():
                raise KernelError(term.message, term.span)
            case _:
                raise TypeError(term)
        return False

    def _plain(self, term: Plain) -> bool:
        statement = term.statement
        match statement:
            case Decision(Verdict(word, target)):
                if target:
                    self.targets.append(("chain", target, term.name or term.span))
                self.out.append(statement)
                return word != "continue"
            case Reject():
                self._reject(statement, term)
                return True
            case Nat():
                self.out.append(statement)
                return True
            case _:
                name = getattr(statement, "name", None)
                if isinstance(name, str) and term.name is not None:
                    self.targets.append(("counter", name, term.name))
                self.out.append(statement)
                return False

    def _reject(self, statement: Reject, term: Plain) -> None:
        context = self.context
        if statement.kind == "tcp reset":
            if context.transport not in {"", "tcp"}:
                raise NftError("you cannot use tcp reset with this protocol", term.span)
            if not context.transport:
                self.out.insert(0, of_protocol("tcp"))
        elif statement.kind in {"icmp", "icmpv6"}:
            wanted = "ip" if statement.kind == "icmp" else "ip6"
            if context.network and context.network != wanted:
                raise NftError(
                    f"conflicting protocols specified: {context.network} vs {wanted}",
                    term.name or term.span,
                )
            if not context.network and self.table.family == "inet":
                self.out.insert(0, of_family(wanted))
        elif term.name is None and context.network:
            kind = "icmp" if context.network == "ip" else "icmpv6"
            statement = Reject(kind, "port-unreachable")
        self.out.append(statement)

    # -- looking at the packet ------------------------------------------------------

    def _look(self, look: Look) -> Payload | Raw | Meta | Ct | Fib | Concat:
        expression = look.expression
        if isinstance(expression, Concat):
            parts = [
                self._look_single(part, span, joined=True)
                for part, span in zip(expression.parts, look.spans, strict=True)
            ]
            return Concat(tuple(parts))
        return self._look_single(expression, look.span, joined=False)

    def _look_single(
        self, expression: Payload | Raw | Meta | Ct | Fib | Concat, span: Span, *, joined: bool
    ) -> Payload | Raw | Meta | Ct | Fib:
        context = self.context
        match expression:
            case Payload(header):
                self.out += context.need(header, span)
                return expression
            case Raw(base, offset, bits):
                return reading.unnamed(base, offset, bits)
            case Ct(key, direction):
                return self._ct(expression, key, direction, span, joined=joined)
            case Meta("nfproto") if self.table.family in {"ip", "ip6"}:
                raise NftError("meta nfproto is only useful in the inet family", span)
            case Concat():
                raise TypeError(expression)
            case _:
                return expression

    def _ct(self, expression: Ct, key: str, direction: str, span: Span, *, joined: bool) -> Ct:
        if key in {"saddr", "daddr"} and direction:
            network = self.context.network
            if not network:
                raise NftError(
                    'cannot determine ip protocol version, use "ip saddr" or "ip6 saddr" instead',
                    span,
                )
            kind = types.IPV4 if network == "ip" else types.IPV6
            return Ct(f"{network} {key}", direction, kind)
        family = key.partition(" ")[0]
        if family in {"ip", "ip6"} and self.context.network not in {"", family}:
            raise NftError(
                f"conflicting protocols specified: {self.context.network} vs. {family}", span
            )
        if key in {"proto-src", "proto-dst"}:
            if joined:
                raise NftError(
                    "can not use variable sized data types (invalid) in concat expressions", span
                )
            if not self.context.transport:
                return replace(expression, kind=_INVALID)
        return expression

    # -- comparisons ----------------------------------------------------------------

    def _match(self, term: MatchTerm) -> None:
        if isinstance(term.left, Bitwise):
            self._masked(term)
            return
        left = self._look(term.left)
        kinds = _kinds(left)
        operator = term.operator or "=="
        if isinstance(term.right, Named):
            self._check_set(term.right, kinds, term.left.span)
            self._add(Match(left, operator, SetRef(term.right.name)))
            return
        if isinstance(term.right, Elements):
            found = self._anonymous(term.right, kinds)
            flag = isinstance(found, Value) and found.kind.bitmask and not term.operator
            self._add(Match(left, "in" if flag else operator, found))
            return
        if len(kinds) != 1 or isinstance(left, Concat):
            self._add(Match(left, operator, self._single_concat(term.right, kinds)))
            return
        kind = kinds[0]
        if term.mask is not None:
            mask = Value(kind, values.number(term.mask, kind))
            number = values.number(term.right, kind)
            self._add(_with_mask(left, operator, Value(kind, number), mask))
            return
        if isinstance(left, Fib) and left.result != "type" and _is_index(term.right):
            kind = types.FIB_INDEX
        right = self._right(term.right, kind)
        if kind is types.HOUR and isinstance(right, Range) and right.low > right.high:
            right = Range(kind, right.high, right.low)
            operator = "!=" if operator == "==" else "=="
        if isinstance(left, Raw) and (left.offset % 8 or left.bits % 8):
            self._add(_aligned(left, operator, right))
            return
        if kind.bitmask and not term.operator and isinstance(right, Value):
            operator = "in"
        self._add(Match(left, operator, right))

    def _single_concat(self, term: Term, kinds: tuple[DataType, ...]) -> Anonymous:
        found = values.key(term, kinds, ranges=True, interfaces=self.interfaces)
        return Anonymous(kinds, ((found, None),))

    def _right(self, term: Term, kind: DataType) -> Value | Prefix | Range:
        if kind is _INVALID:
            first = term.low if isinstance(term, Pair) else term
            raise NftError("Can't parse symbolic invalid expressions", first.span)
        if kind is types.IFNAME and isinstance(term, types.Symbol):
            low, high = values.interval(term, kind)
            return Value(kind, low if low == high else kind.read(term, kind))
        low, high = values.interval(term, kind, self.interfaces)
        if isinstance(term, Pair) and term.sign == "/":
            length = types.parse_number(term.high.text) or 0
            return Value(kind, low) if length == kind.bits else Prefix(kind, low, length)
        if isinstance(term, Pair):
            return Range(kind, low, high)
        return Value(kind, low)

    def _masked(self, term: MatchTerm) -> None:
        bitwise = term.left
        joined, left = self._joined(bitwise)
        kind, mask = left.kind, joined.right
        operator = term.operator or "=="
        if isinstance(term.right, Elements):
            self._add(Match(joined, operator, self._anonymous(term.right, (kind,))))
            return
        if isinstance(term.right, Named):
            self._check_set(term.right, (kind,), bitwise.span)
            self._add(Match(joined, operator, SetRef(term.right.name)))
            return
        right = self._right(term.right, kind)
        if not isinstance(right, Value) or operator not in {"==", "!="} or joined.operator != "&":
            self._add(Match(joined, operator, right))
            return
        self._add(_with_mask(left, operator, right, mask))

    def _joined(self, bitwise: Look | Bitwise) -> tuple[Binary, Payload | Raw | Meta | Ct]:
        """Return a field of the packet joined with a number, and the field alone."""
        if not isinstance(bitwise, Bitwise) or not isinstance(bitwise.left, Look):
            raise NftError("unsupported expression", bitwise.span)
        left = self._look(bitwise.left)
        if isinstance(left, Concat | Fib):
            raise NftError("unsupported expression", bitwise.span)
        mask = Value(left.kind, values.number(bitwise.right, left.kind))
        return Binary(bitwise.operator, left, mask), left

    def _add(self, match: Match) -> None:
        self.out.append(match)
        self.context.learn(match)

    def _check_set(self, named: Named, kinds: tuple[DataType, ...], left: Span) -> None:
        found = self.table.sets.get(named.name)
        if found is None:
            raise NftError(_NO_FILE, named.span)
        if not _same(found.declaration.kinds, kinds):
            raise NftError(
                f"datatype mismatch, expected {values.title(kinds)}, "
                f"expression has type {values.title(found.declaration.kinds)}",
                named.span,
                left,
            )

    # -- sets in rules -----------------------------------------------------------------

    def _anonymous(self, term: Elements, kinds: tuple[DataType, ...]) -> Right:
        if kinds[0] is _INVALID:
            raise NftError("Can't parse symbolic invalid expressions", term.items[0].key.span)
        keys: list[Key] = [
            values.key(item.key, kinds, ranges=True, interfaces=self.interfaces)
            for item in term.items
        ]
        ranged = any(values.has_range(item.key, kinds) for item in term.items)
        if len(keys) == 1 and len(kinds) == 1:
            return self._right(term.items[0].key, kinds[0])
        self.anonymous += 1
        written = tuple(keys)
        if ranged and len(kinds) == 1:
            keys = _merge(keys)
        elif not ranged:
            keys = sorted(dict.fromkeys(keys), key=lambda each: sort_key(kinds, each))
        elements = tuple((each, None) for each in keys)
        return Anonymous(kinds, elements, written=written)

    def _vmap(self, term: VmapTerm) -> None:
        key: Payload | Raw | Meta | Ct | Fib | Concat | Binary
        key = self._joined(term.key)[0] if isinstance(term.key, Bitwise) else self._look(term.key)
        kinds = _kinds(key)
        if isinstance(term.data, Named):
            self._check_map(term.data, kinds, term.key.span)
            self.out.append(Vmap(key, SetRef(term.data.name)))
            return
        self.out.append(Vmap(key, self._mapping(term.data, kinds, None, raw=isinstance(key, Raw))))

    def _check_map(self, named: Named, kinds: tuple[DataType, ...], left: Span) -> None:
        found = self.table.sets.get(named.name)
        if found is None or not found.declaration.is_map:
            raise NftError(_NO_FILE, named.span)
        if not _same(found.declaration.kinds, kinds):
            raise NftError(
                f"datatype mismatch, map expects {values.title(found.declaration.kinds)}, "
                f"mapping expression has type {values.title(kinds)}",
                named.span,
                left,
            )

    def _mapping(
        self,
        term: Elements,
        kinds: tuple[DataType, ...],
        data_kind: DataType | None,
        *,
        raw: bool = False,
    ) -> Anonymous:
        self.anonymous += 1
        found: list[tuple[Key, Verdict | Value | None]] = []
        spans: list[tuple[Key, Span]] = []
        ranged = any(values.has_range(item.key, kinds) for item in term.items)
        for item in term.items:
            key = values.key(item.key, kinds, ranges=True, interfaces=self.interfaces)
            spans.append((key, item.span))
            data: Verdict | Value | None = None
            if isinstance(item.data, VerdictTerm):
                data = item.data.verdict
                if data.target:
                    self.targets.append(("chain", data.target, item.data.target))
            elif item.data is not None and data_kind is not None:
                data = Value(data_kind, values.number(item.data, data_kind))
            found.append((key, data))
        if ranged and len(kinds) == 1:
            values.conflict(spans)
        found = [*dict(found).items()]
        if not ranged:
            found.sort(key=lambda each: sort_key(kinds, each[0]))
        elif len(kinds) == 1:
            found.sort(key=lambda each: each[0])
        return Anonymous(kinds, tuple(found), decimal=raw)

    # -- marks -----------------------------------------------------------------------------

    def _mangle(self, term: MangleTerm) -> None:
        key = term.key.expression
        if not isinstance(key, Meta | Ct) or key.key != "mark":
            raise NftError("unsupported statement", term.span)
        self.out.append(Mangle(key, self._mark(term.value, key.kind)))

    def _mark(
        self, term: Term, kind: DataType
    ) -> Value | Payload | Raw | Meta | Ct | Binary | MapLookup:
        match term:
            case Look():
                found = self._look(term)
                if isinstance(found, Concat | Fib):
                    raise NftError("unsupported expression", term.span)
                return found
            case Mapped(key, data):
                look = self._look(key)
                if isinstance(look, Fib):
                    raise NftError("unsupported expression", term.span)
                kinds = _kinds(look)
                if isinstance(data, Named):
                    self._check_map(data, kinds, key.span)
                    return MapLookup(look, SetRef(data.name))
                return MapLookup(look, self._mapping(data, kinds, kind))
            case Bitwise(operator, left, right) if not values.is_scalar(left) or isinstance(
                left, Bitwise
            ):
                inner = self._mark(left, kind)
                constant = values.number(right, kind)
                if isinstance(inner, Value):
                    return Value(kind, values.number(term, kind))
                if isinstance(inner, MapLookup):
                    raise NftError("unsupported expression", term.span)
                return _combine(inner, operator, Value(kind, constant))
            case _:
                return Value(kind, values.number(term, kind))


_INVALID = replace(types.integer(16), name="invalid", title="invalid")


def _combine(
    inner: Payload | Raw | Meta | Ct | Binary, operator: str, value: Value
) -> Payload | Raw | Meta | Ct | Binary:
    """The kernel keeps a mask and an xor: ``x & m | v`` comes back as ``x & (m|v) | v``."""
    if operator == "|" and isinstance(inner, Binary) and inner.operator == "&":
        mask = inner.right.number | value.number
        if value.number == 0:
            return inner
        if mask == value.kind.top:
            return Binary("|", inner.left, value)
        return Binary("|", Binary("&", inner.left, Value(value.kind, mask)), value)
    return Binary(operator, inner, value)


def _kinds(left: Payload | Raw | Meta | Ct | Fib | Concat | Binary) -> tuple[DataType, ...]:
    return tuple(part.kind for part in left.parts) if isinstance(left, Concat) else (left.kind,)


def _same(left: tuple[DataType, ...], right: tuple[DataType, ...]) -> bool:
    if len(left) != len(right):
        return False
    return all(
        a.name == b.name and (a.name != "integer" or a.bits == b.bits)
        for a, b in zip(left, right, strict=True)
    )


def _with_mask(
    left: Payload | Raw | Meta | Ct | Fib, operator: str, right: Value, mask: Value
) -> Match:
    kind = right.kind
    if isinstance(left, Fib):
        return Match(left, operator, right)
    if kind.bitmask:
        if right.number == 0 and operator in {"==", "!="}:
            return Match(left, "in" if operator == "!=" else "!", mask)
        if mask.number.bit_count() == 1:
            return Match(Binary("&", left, mask), operator, right)
        return Match(left, operator, right, mask)
    if kind.prefix and operator in {"==", "!="}:
        inverse = ~mask.number & kind.top
        if inverse & (inverse + 1) == 0:
            length = kind.bits - inverse.bit_length()
            if length == kind.bits:
                return Match(left, operator, right)
            return Match(left, operator, Prefix(kind, right.number, length))
    return Match(Binary("&", left, mask), operator, right)


def _aligned(left: Raw, operator: str, right: Value | Prefix | Range) -> Match:
    """Bits that fill no byte are loaded with their byte and masked."""
    start = left.offset // 8 * 8
    end = -(-(left.offset + left.bits) // 8) * 8
    shift = end - left.offset - left.bits
    whole = Raw(left.base, start, end - start)
    mask = Value(whole.kind, ((1 << left.bits) - 1) << shift)
    number = right.number if isinstance(right, Value) else 0
    return Match(Binary("&", whole, mask), operator, Value(whole.kind, number << shift))


def _is_index(term: Term) -> bool:
    return isinstance(term, types.Symbol) and term.text not in {"exists", "missing"}


def _merge(keys: list[Key]) -> list[Key]:
    """Join ranges that touch, as nft does in anonymous sets."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(key[0] for key in keys):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return [(each,) for each in merged]
