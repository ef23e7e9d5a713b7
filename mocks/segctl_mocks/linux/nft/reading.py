"""What nft makes of a rule when it reads it back from the kernel: names of fields, what it hides.

The kernel keeps places in a packet, not names. nft finds the names from what the statements before
say about protocols, and leaves out a comparison of a protocol that a later field implies
(src/netlink_delinearize.c and src/payload.c of nftables 1.0.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import fields, names
from segctl_mocks.linux.nft.nodes import (
    Anonymous,
    Binary,
    Concat,
    Ct,
    Fib,
    MapLookup,
    Meta,
    Payload,
    Prefix,
    Range,
    Raw,
    Value,
)
from segctl_mocks.linux.nft.statements import Mangle, Match, Reject, Statement, Vmap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl_mocks.linux.nft.fields import HeaderField
    from segctl_mocks.linux.nft.nodes import Left, Right
    from segctl_mocks.linux.nft.types import DataType

NFPROTO = {2: "ip", 10: "ip6"}
ETHER = {0x0800: "ip", 0x86DD: "ip6", 0x0806: "arp"}
#: The protocol of ICMP for each family, and the field that an ICMP type goes with.
_ICMP = {(1, "ip"), (58, "ip6")}
_ECHO = {"icmp": 8, "icmpv6": 128}
_ECHO_REPLY = {"icmp": 0, "icmpv6": 129}
_UNREACHABLE, _TOO_BIG = 3, 2
_CODES = {"icmp": names.ICMP_CODES, "icmpv6": names.ICMPV6_CODES}
#: The field of each protocol that says what comes next.
_NAMING = {"ip": "protocol", "ip6": "nexthdr", "icmp": "type", "icmpv6": "type"}


def listed(statements: Sequence[Statement], family: str) -> tuple[Statement, ...]:
    """Return the statements of a rule as nft lists them in a table of a family."""
    reader = Reader(family)
    for statement in statements:
        reader.take(statement)
    return tuple(each for each in reader.out if each is not None)


@dataclass(slots=True)
class Reader:
    """Reads the statements of one rule; ``pending`` are comparisons that may yet be hidden."""

    family: str
    network: str = ""
    transport: str = ""  # "unknown" if it has no name
    icmp_type: int = 0  # zero if none was said
    out: list[Statement | None] = field(default_factory=list["Statement | None"])
    pending: dict[str, int] = field(default_factory=dict[str, int])
    _pending_type: int = 0

    def __post_init__(self) -> None:
        self.network = self.family if self.family in {"ip", "ip6"} else ""

    def take(self, statement: Statement) -> None:
        """Read the next statement."""
        match statement:
            case Match():
                self._match(statement)
                return
            case Vmap():
                self.out.append(replace(statement, key=self._named(statement.key)))
                return
            case Mangle():
                self.out.append(replace(statement, value=self._value(statement.value)))
            case Reject():
                self._reject(statement)
            case _:
                self.out.append(statement)
        self.pending.clear()
        self._pending_type = 0

    def _value(
        self, value: Value | Payload | Raw | Meta | Ct | Binary | MapLookup
    ) -> Value | Payload | Raw | Meta | Ct | Binary | MapLookup:
        match value:
            case MapLookup(key=Payload() | Raw() as key):
                return replace(value, key=self._field(key))
            case MapLookup(key=Concat() as key):
                return replace(value, key=self._concat(key))
            case Value() | MapLookup():
                return value
            case _:
                return self._inner(value)

    # -- comparisons ----------------------------------------------------------------

    def _match(self, match: Match) -> None:
        left, right = match.left, match.right
        if _is_one_load(match) and isinstance(left, Payload | Raw) and isinstance(right, Value):
            for part in self._parts(match, left, right):
                self._compared(part)
            return
        if isinstance(left, Payload) and isinstance(right, Prefix) and self._unknown(left):
            self._match(_masked(left, match.operator, right))
            return
        if isinstance(left, Payload) and isinstance(right, Value) and self._unknown(left):
            match = _flags(match, left, right)
            left, right = match.left, match.right
        self._note_types(match)
        named = self._named(left)
        if named != left and isinstance(named, Payload):
            right = _typed(right, named.kind)
        elif isinstance(named, Raw) and isinstance(right, Range):
            right = replace(right, kind=named.kind)
        self.out.append(replace(match, left=named, right=right))
        if isinstance(left, Meta) and match.operator == "==" and isinstance(right, Value):
            self._meta(left, right.number)

    def _compared(self, match: Match) -> None:
        """Note one comparison of a field with a value."""
        left, right = match.left, match.right
        self.out.append(match)
        if not isinstance(left, Payload):
            return
        equal = match.operator == "==" and isinstance(right, Value)
        number = right.number if isinstance(right, Value) else 0
        if equal:
            self._learn(left.field, number)
        self._hide_for(left)
        if not equal or not _names_protocol(left.field):
            return
        if left.field.base == fields.NETWORK:
            self.pending[fields.TRANSPORT] = len(self.out) - 1
        elif not self._store_type(left.field.protocol, number):
            self.pending[fields.INNER] = len(self.out) - 1

    def _store_type(self, protocol: str, number: int) -> bool:
        """Note an ICMP type; say whether it is never hidden."""
        if protocol == "icmp" and number == _ECHO_REPLY["icmp"]:
            number = _ECHO["icmp"]
        self._pending_type = number
        return number in {_ECHO[protocol], *([129] if protocol == "icmpv6" else [])}

    def _learn(self, header: HeaderField, number: int) -> None:
        if header.base == fields.NETWORK and _names_protocol(header):
            self.transport = fields.L4_NAMES.get(number, self.transport)
        elif header.base == fields.TRANSPORT and _names_protocol(header):
            reply = number == _ECHO_REPLY[header.protocol]
            self.icmp_type = _ECHO[header.protocol] if reply else number

    def _meta(self, left: Meta, number: int) -> None:
        """Note what a comparison of metadata says of a protocol."""
        last = len(self.out) - 1
        match left.key:
            case "nfproto":
                self.network = NFPROTO.get(number, self.network)
                self.pending[fields.NETWORK] = last
            case "protocol":
                self.network = ETHER.get(number, self.network)
            case "l4proto":
                self.transport = fields.L4_NAMES.get(number, "unknown")
                if self._family_implied(number):
                    self._hide(fields.NETWORK)
                self.pending[fields.TRANSPORT] = last
            case _:
                pass

    def _family_implied(self, protocol: int) -> bool:
        """Say whether the protocol says which family it is: ICMP does."""
        at = self.pending.get(fields.NETWORK)
        said = self.out[at] if at is not None else None
        if not isinstance(said, Match) or not isinstance(said.right, Value):
            return False
        return (protocol, NFPROTO.get(said.right.number, "")) in _ICMP

    def _note_types(self, match: Match) -> None:
        """Note the first ICMP type of a set, if none was said before."""
        left, right = match.left, match.right
        if self.icmp_type or self.transport not in _ECHO or match.operator not in {"==", "!="}:
            return
        if isinstance(left, Payload) and isinstance(right, Anonymous) and right.elements:
            low, high = right.elements[0][0][0]
            header = left.field
            if header.base == fields.TRANSPORT and _names_protocol(header) and low == high:
                self.icmp_type = low

    # -- names ----------------------------------------------------------------------

    def _named(self, left: Left) -> Left:
        """Return an expression with the names nft finds; it hides what they imply."""
        match left:
            case Concat():
                return self._concat(left)
            case Fib():
                return left
            case _:
                return self._inner(left)

    def _inner(
        self, left: Payload | Raw | Meta | Ct | Binary
    ) -> Payload | Raw | Meta | Ct | Binary:
        match left:
            case Binary():
                return replace(left, left=self._inner(left.left))
            case Payload() | Raw():
                return self._field(left)
            case _:
                return left

    def _concat(self, left: Concat) -> Concat:
        return Concat(tuple(
            self._field(part) if isinstance(part, Payload | Raw) else part for part in left.parts
        ))  # fmt: skip

    def _field(self, left: Payload | Raw) -> Payload | Raw:
        found = self._complete(left)
        if isinstance(found, Payload) and not self._crashes(found):
            self._hide_for(found)
        return found

    def _crashes(self, found: Payload) -> bool:
        """Say whether nft stops at an assertion here; nothing is hidden then."""
        return found.field.base == fields.TRANSPORT and self.transport == "unknown"

    def _complete(self, left: Payload | Raw) -> Payload | Raw:
        if self._is_known(left):
            return left
        base, offset, bits = place(left)
        for header in self._headers(base):
            if (header.offset, header.bits) == (offset, bits):
                return Payload(header)
        if isinstance(left, Payload) and (base == fields.LINK or not _whole(left)):
            return left
        return unnamed(base, offset, bits)

    def _unknown(self, left: Payload) -> bool:
        return isinstance(self._complete(left), Raw)

    def _protocol(self, base: str) -> str:
        if base == fields.NETWORK:
            return self.network
        return self.transport if base == fields.TRANSPORT else ""

    def _is_known(self, left: Payload | Raw) -> bool:
        """Say whether a field is the only one at its place of the protocol that was said."""
        if not isinstance(left, Payload):
            return False
        header = left.field
        return header.protocol == self._protocol(header.base) and not type_of(header)

    def _headers(self, base: str) -> Iterator[HeaderField]:
        """Yield the fields of the protocol at a base, in the order of the packet."""
        for header in fields.OF.get(self._protocol(base), ()):
            if not self.icmp_type or self._goes(header):
                yield header

    def _goes(self, header: HeaderField) -> bool:
        wanted = type_of(header)
        return not wanted or wanted == self.icmp_type

    def _parts(self, match: Match, left: Payload | Raw, right: Value) -> Iterator[Match]:
        """Yield the comparisons that one of neighbouring fields stands for."""
        base, offset, bits = place(left)
        if base == fields.LINK or self._is_known(left):
            yield match
            return
        end = offset + bits
        for header in self._headers(base):
            if header.offset != offset:
                continue
            rest = right.number & (1 << end - offset) - 1
            if offset + header.bits > end:
                length = end - offset
                part = Prefix(header.kind, rest << header.bits - length, length)
                yield Match(Payload(header), match.operator, part)
                return
            offset += header.bits
            value = Value(header.kind, rest >> end - offset)
            yield Match(Payload(header), match.operator, value)
            if offset == end:
                return
        found = unnamed(base, offset, end - offset)
        rest = right.number & (1 << end - offset) - 1
        yield Match(found, match.operator, Value(found.kind, rest))

    # -- hiding ---------------------------------------------------------------------

    def _hide_for(self, part: Payload) -> None:
        """Hide the comparison of a protocol that a field implies."""
        header = part.field
        if header.base not in {fields.NETWORK, fields.TRANSPORT}:
            return
        slot = header.base
        if slot == fields.TRANSPORT and slot not in self.pending:
            slot = fields.INNER
        at = self.pending.get(slot)
        said = self.out[at] if at is not None else None
        if isinstance(said, Match) and self._implied(said.left, header):
            self._hide(slot)

    def _implied(self, said: Left, header: HeaderField) -> bool:
        if not isinstance(said, Payload):
            return True
        if header.base == fields.TRANSPORT and said.field.base == fields.NETWORK:
            return self.family in {"ip", "ip6"}
        same = said.field.base == header.base
        if same and _names_protocol(header) and self.family not in {"ip", "ip6"}:
            return False
        if header.base != fields.TRANSPORT or not same:
            return True
        wanted = type_of(header)
        alike = said.field.protocol == header.protocol
        return bool(wanted) and alike and wanted == self._pending_type

    def _hide(self, slot: str) -> None:
        at = self.pending.pop(slot, None)
        if at is not None:
            self.out[at] = None

    def _reject(self, reject: Reject) -> None:
        if self.family in {"ip", "ip6"}:
            if reject.kind == "tcp reset":
                self._hide(fields.TRANSPORT if fields.TRANSPORT in self.pending else fields.INNER)
        elif reject.kind != "icmpx":
            self._hide(fields.NETWORK)
        if reject.kind in _CODES:
            reject = self._of_family(reject)
        self.out.append(reject)

    def _of_family(self, reject: Reject) -> Reject:
        """Return a reject with its code in the words of the family the listing knows."""
        kind = {"ip": "icmp", "ip6": "icmpv6"}.get(self.network)
        if kind is None:
            return Reject("", "")
        code = _CODES[reject.kind].get(reject.reason)
        words = (word for word, number in _CODES[kind].items() if number == code)
        return Reject(kind, next(words, reject.reason))


def place(left: Payload | Raw) -> tuple[str, int, int]:
    """Return where a field is: its base, its offset and its length in bits."""
    if isinstance(left, Payload):
        return left.field.base, left.field.offset, left.field.bits
    return left.base, left.offset, left.bits


def type_of(header: HeaderField) -> int:
    """Return the ICMP type that has a field; zero if all have it."""
    if header.protocol not in _ECHO:
        return 0
    match header.protocol, header.name:
        case (("icmp" | "icmpv6"), ("id" | "sequence")):
            return _ECHO[header.protocol]
        case "icmp", "mtu":
            return _UNREACHABLE
        case "icmpv6", "mtu":
            return _TOO_BIG
        case _:
            return 0


def _names_protocol(header: HeaderField) -> bool:
    """Say whether a field says which protocol comes next, or which kind of ICMP this is."""
    return _NAMING.get(header.protocol) == header.name


def unnamed(base: str, offset: int, bits: int) -> Payload | Raw:
    """Return bits of no known protocol; those of ports are called so."""
    if base == fields.TRANSPORT and bits == 16 and offset in {0, 16}:
        return Payload(fields.FIELDS["th", "sport" if offset == 0 else "dport"])
    return Raw(base, offset, bits)


def _masked(left: Payload, operator: str, right: Prefix) -> Match:
    """Return how a prefix is compared: by whole bytes, or by a mask."""
    base, offset, bits = place(left)
    if right.length % 8 == 0:
        part = Raw(base, offset, right.length)
        return Match(part, operator, Value(part.kind, right.number >> bits - right.length))
    whole = Raw(base, offset, bits)
    mask = Value(whole.kind, (1 << bits) - (1 << bits - right.length))
    return Match(Binary("&", whole, mask), operator, Value(whole.kind, right.number))


def _flags(match: Match, left: Payload, right: Value) -> Match:
    """Return how flags are compared: as a number under a mask."""
    whole = Raw(*place(left))
    if match.operator in {"in", "!"}:
        sign, mask, number = ("!=" if match.operator == "in" else "=="), right.number, 0
    elif match.mask is not None:
        sign, mask, number = match.operator, match.mask.number, right.number
    else:
        return match
    masked = Binary("&", whole, Value(whole.kind, mask))
    return Match(masked, sign, Value(whole.kind, number))


def _is_one_load(match: Match) -> bool:
    """Say whether a comparison may stand for several of neighbouring fields."""
    exact = match.mask is None and match.operator in {"==", "!="}
    return exact and isinstance(match.left, Payload | Raw) and _whole(match.left)


def _whole(left: Payload | Raw) -> bool:
    """Say whether a field fills its bytes."""
    _, offset, bits = place(left)
    return offset % 8 == 0 and bits % 8 == 0


def _typed(right: Right, kind: DataType) -> Right:
    match right:
        case Value() | Prefix() | Range():
            return replace(right, kind=kind)
        case Anonymous(kinds=(_,)):
            return replace(right, kinds=(kind,))
        case _:
            return right
