"""What a rule has said about protocols so far, and what nft makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import fields, merging, reading, types
from segctl_mocks.linux.nft.errors import NftError
from segctl_mocks.linux.nft.nodes import Anonymous, Binary, Concat, Meta, Payload, Value
from segctl_mocks.linux.nft.statements import Match, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.linux.nft.errors import Span
    from segctl_mocks.linux.nft.fields import HeaderField

_ICMP = {"icmp": "ip", "icmpv6": "ip6"}
_FAMILY = {"ip": "ip", "ip6": "ip6"}


@dataclass(slots=True)
class Context:
    """The protocols a rule has settled on."""

    family: str
    network: str = ""
    transport: str = ""
    transports: list[str] = field(default_factory=list[str])  # all that a set of them allows
    icmp_types: set[str] = field(default_factory=set[str])
    added_sets: int = 0

    def __post_init__(self) -> None:
        self.network = _FAMILY.get(self.family, "")

    def need(self, header: HeaderField, span: Span) -> list[Statement]:
        """Settle on a header's protocol; return the matches nft adds for it."""
        protocol = header.protocol
        if header.base == fields.NETWORK:
            if self.network and self.network != protocol:
                raise _conflict(self.network, protocol, span)
            known, self.network = self.network, protocol
            if known or self.family != "inet":
                return []
            return [of_family(protocol)]
        if header.base != fields.TRANSPORT or protocol == "th":
            return []
        for other in (
            ("unknown", *self.transports) if self.transport == "unknown" else self.transports
        ):
            if other != protocol:
                raise _conflict(other, protocol, span)
        known = self.transport
        self.transports = self.transports or [protocol]
        self.transport = protocol
        added: list[Statement] = []
        if protocol in _ICMP and not known and not self.network and self.family == "inet":
            self.network = _ICMP[protocol]
            added.append(of_family(self.network))
        if not known:
            added.append(of_protocol(protocol))
        if reading.type_of(header) and protocol not in self.icmp_types:
            added.append(self._of_type(header))
            self.icmp_types.add(protocol)
        return added

    def _of_type(self, header: HeaderField) -> Match:
        """Return the comparison with the ICMP types that have a field."""
        if header.name in {"id", "sequence"}:
            self.added_sets += 1
            return _echo(header.protocol)
        named = fields.FIELDS[header.protocol, "type"]
        return Match(Payload(named), "==", Value(named.kind, reading.type_of(header)))

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
            numbers = [match.right.number]
        elif isinstance(match.right, Anonymous):
            numbers = [each[0][0] for each in match.right.written]
        else:
            return
        for number in numbers:
            if key == "transport":
                self._learn_transport(number, field=isinstance(match.left, Payload))
                continue
            table = reading.NFPROTO if key == "nfproto" else reading.ETHER
            self.network = table.get(number, self.network)

    def _learn_transport(self, number: int, *, field: bool) -> None:
        known = fields.L4_NAMES.get(number, "" if field else "unknown")
        if not known:
            return
        self.transport = known
        self.transports.append(known)

    def finish(self, out: Sequence[Statement]) -> tuple[Statement, ...]:
        """Return the statements as listed: payloads merged, then read back from the kernel."""
        return reading.listed(merging.merge(out), self.family)


def of_family(protocol: str) -> Match:
    """Return the comparison that says IPv4 or IPv6."""
    number = next(number for number, name in reading.NFPROTO.items() if name == protocol)
    return Match(Meta("nfproto"), "==", Value(types.NFPROTO, number))


def of_protocol(protocol: str) -> Match:
    """Return the comparison that names a transport protocol."""
    return Match(Meta("l4proto"), "==", Value(types.PROTO, fields.L4[protocol]))


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
