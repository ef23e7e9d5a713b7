"""What a rule has said about protocols so far, and what nft makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import fields, merging, types
from segctl_mocks.linux.nft.errors import NftError
from segctl_mocks.linux.nft.nodes import Anonymous, Binary, Concat, Meta, Payload, Raw, Value
from segctl_mocks.linux.nft.statements import Match, Statement, Vmap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.linux.nft.errors import Span
    from segctl_mocks.linux.nft.fields import HeaderField

_NFPROTO = {2: "ip", 10: "ip6"}
_ETHER = {0x0800: "ip", 0x86DD: "ip6", 0x0806: "arp"}
_ICMP = {"icmp": ("ip", 2), "icmpv6": ("ip6", 10)}
_FAMILY = {"ip": "ip", "ip6": "ip6"}


@dataclass(slots=True)
class Context:
    """The protocols a rule has settled on; ``shown_transport`` only by a single value."""

    family: str
    network: str = ""
    transport: str = ""
    shown_transport: str = ""
    shown_network: str = ""
    transports: list[str] = field(default_factory=list[str])  # all that a set of them allows
    icmp_types: set[str] = field(default_factory=set[str])
    added_sets: int = 0

    def __post_init__(self) -> None:
        self.network = self.shown_network = _FAMILY.get(self.family, "")

    def need(self, header: HeaderField, span: Span) -> list[Statement]:
        """Settle on a header's protocol; return the matches nft adds for it."""
        protocol = header.protocol
        if header.base == fields.NETWORK:
            if self.network and self.network != protocol:
                raise _conflict(self.network, protocol, span)
            known, self.network = self.network, protocol
            self.shown_network = protocol
            if known or self.family != "inet":
                return []
            number = 2 if protocol == "ip" else 10
            return [Match(Meta("nfproto"), "==", Value(types.NFPROTO, number), implied=True)]
        if header.base != fields.TRANSPORT or protocol == "th":
            return []
        for other in (
            ("unknown", *self.transports) if self.transport == "unknown" else self.transports
        ):
            if other != protocol:
                raise _conflict(other, protocol, span)
        known = self.transport
        self.transports = self.transports or [protocol]
        self.transport = self.shown_transport = protocol
        if protocol in _ICMP and not known and not self.network and self.family == "inet":
            self.network = self.shown_network = _ICMP[protocol][0]
        added: list[Statement] = []
        if not known:
            number = fields.L4[protocol]
            value = Value(types.PROTO, number)
            added.append(Match(Meta("l4proto"), "==", value, implied=True))
        echoes = protocol in {"icmp", "icmpv6"} and header.name in {"id", "sequence"}
        if echoes and protocol not in self.icmp_types:
            added.append(_echo(protocol))
            self.added_sets += 1
            self.icmp_types.add(protocol)
        return added

    def shown(self, payload: Payload) -> Payload:
        """Return the field as listed: ``th`` gets the protocol's name once that is known."""
        header = payload.field
        if header.protocol == "th" and self.shown_transport:
            return Payload(_same_place(header, self.shown_transport))
        return payload

    def shown_raw(self, raw: Raw) -> Payload | Raw:
        """Return the field that raw bits are, if they are exactly one."""
        protocol = {"nh": self.network, "th": self.shown_transport or "th"}.get(raw.base, "")
        for (name, _), header in fields.FIELDS.items():
            if name == protocol and (header.offset, header.bits) == (raw.offset, raw.bits):
                return Payload(header)
        return raw

    def learn(self, match: Match) -> None:
        """Note what a comparison says about protocols."""
        if match.operator != "==" or isinstance(match.left, Concat | Binary):
            return
        key = _protocol_key(match.left)
        if isinstance(match.left, Payload) and match.left.field.name == "type":
            self.icmp_types.add(match.left.field.protocol)
        if not key:
            return
        if isinstance(match.right, Value):
            numbers, single = [match.right.number], True
        elif isinstance(match.right, Anonymous):
            numbers, single = [each[0][0] for each in match.right.written], False
        else:
            return
        for number in numbers:
            if key == "transport":
                self._learn_transport(number, single=single, field=isinstance(match.left, Payload))
                continue
            table = _NFPROTO if key == "nfproto" else _ETHER
            self.network = table.get(number, self.network)
            if single:
                self.shown_network = table.get(number, self.shown_network)

    def _learn_transport(self, number: int, *, single: bool, field: bool) -> None:
        known = fields.L4_NAMES.get(number, "" if field else "unknown")
        if not known:
            return
        self.transport = known
        self.transports.append(known)
        if single and known in fields.L4:
            self.shown_transport = known

    def name_ports(self, out: list[Statement]) -> None:
        """Show ``th`` as what the rule turned out to be about."""
        self.transport = self.shown_transport = "tcp"
        for position, statement in enumerate(out):
            if isinstance(statement, Match) and isinstance(statement.left, Payload):
                out[position] = replace(statement, left=self.shown(statement.left))

    def hide_network(self, out: list[Statement]) -> None:
        """Hide the match of the family, which a reject of that family implies."""
        for position in range(len(out) - 1, -1, -1):
            statement = out[position]
            if not isinstance(statement, Match | Vmap):
                return
            if isinstance(statement, Match) and _is_meta(statement, "nfproto"):
                out[position] = replace(statement, implied=True)
                return

    def finish(self, out: Sequence[Statement]) -> tuple[Statement, ...]:
        """Return the statements as listed: payloads merged, dependencies hidden."""
        return tuple(_hide(merging.merge(out, self)))


def _same_place(header: HeaderField, protocol: str) -> HeaderField:
    """Return the field of a protocol at the place of another; the same if it has none."""
    place = (header.base, header.offset, header.bits)
    for (name, _), found in fields.FIELDS.items():
        if name == protocol and (found.base, found.offset, found.bits) == place:
            return found
    return header


def _conflict(known: str, new: str, span: Span) -> NftError:
    return NftError(f"conflicting protocols specified: {known} vs. {new}", span)


def _echo(protocol: str) -> Match:
    header = fields.FIELDS[protocol, "type"]
    numbers = (0, 8) if protocol == "icmp" else (128, 129)
    elements = tuple((((number, number),), None) for number in numbers)
    return Match(Payload(header), "==", Anonymous((header.kind,), elements))


def _protocol_key(left: object) -> str:
    match left:
        case Meta("nfproto"):
            return "nfproto"
        case Meta("protocol"):
            return "ether"
        case Meta("l4proto"):
            return "transport"
        case Payload(header) if header.name in {"protocol", "nexthdr"}:
            return "transport"
        case Payload(header) if (header.protocol, header.name) == ("ether", "type"):
            return "ether"
        case _:
            return ""


def _is_meta(match: Match, key: str) -> bool:
    plain = match.operator == "==" and isinstance(match.right, Value)
    return plain and isinstance(match.left, Meta) and match.left.key == key


def _hide(statements: Sequence[Statement]) -> list[Statement]:
    """Drop the matches of a protocol that a later field of it implies."""
    kept: list[Statement | None] = []
    pending: dict[str, int] = {}
    for statement in statements:
        kept.append(statement)
        if not isinstance(statement, Match | Vmap):
            pending.clear()
            continue
        for part in _looks(statement):
            for base in _implied_by(part):
                position = pending.get(base)
                if position is not None and _agrees(kept[position], part):
                    kept[position] = None
                    del pending[base]
        if isinstance(statement, Match):
            if _is_meta(statement, "nfproto"):
                pending[fields.NETWORK] = len(kept) - 1
            elif _is_meta(statement, "l4proto"):
                pending[fields.TRANSPORT] = len(kept) - 1
    return [
        statement
        for statement in kept
        if statement is not None and not (isinstance(statement, Match) and statement.implied)
    ]


def _looks(statement: Match | Vmap) -> list[object]:
    left: object = statement.left if isinstance(statement, Match) else statement.key
    while isinstance(left, Binary):
        left = left.left
    return [*left.parts] if isinstance(left, Concat) else [left]


def _agrees(dependency: object, part: object) -> bool:
    """Say whether the family a rule names is that of an ICMP field that follows."""
    if not isinstance(dependency, Match) or not isinstance(part, Payload):
        return True
    family = _ICMP.get(part.field.protocol)
    if family is None or not _is_meta(dependency, "nfproto"):
        return True
    return isinstance(dependency.right, Value) and dependency.right.number == family[1]


def _implied_by(part: object) -> tuple[str, ...]:
    if not isinstance(part, Payload):
        return ()
    header = part.field
    if header.base == fields.NETWORK:
        return (fields.NETWORK,)
    if header.base == fields.TRANSPORT and header.protocol != "th":
        both = header.protocol in {"icmp", "icmpv6"}
        return (fields.TRANSPORT, fields.NETWORK) if both else (fields.TRANSPORT,)
    return ()
