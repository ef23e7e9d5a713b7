"""The header fields and metadata that rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import types

if TYPE_CHECKING:
    from segctl_mocks.linux.nft.types import DataType

LINK, NETWORK, TRANSPORT, INNER = "ll", "nh", "th", "ih"


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field of one protocol header."""

    protocol: str
    name: str
    base: str
    offset: int
    bits: int
    kind: DataType


def _rows() -> dict[tuple[str, str], HeaderField]:
    number = types.integer
    table: tuple[tuple[str, str, str, int, DataType], ...] = (
        ("ether", "daddr", LINK, 0, types.ETHER),
        ("ether", "saddr", LINK, 48, types.ETHER),
        ("ether", "type", LINK, 96, types.ETHERTYPE),
        ("ip", "version", NETWORK, 0, number(4)),
        ("ip", "hdrlength", NETWORK, 4, number(4)),
        ("ip", "dscp", NETWORK, 8, types.DSCP),
        ("ip", "length", NETWORK, 16, number(16)),
        ("ip", "id", NETWORK, 32, number(16)),
        ("ip", "frag-off", NETWORK, 48, number(16)),
        ("ip", "ttl", NETWORK, 64, number(8)),
        ("ip", "protocol", NETWORK, 72, types.PROTO),
        ("ip", "checksum", NETWORK, 80, number(16)),
        ("ip", "saddr", NETWORK, 96, types.IPV4),
        ("ip", "daddr", NETWORK, 128, types.IPV4),
        ("ip6", "version", NETWORK, 0, number(4)),
        ("ip6", "dscp", NETWORK, 4, types.DSCP),
        ("ip6", "flowlabel", NETWORK, 12, number(20)),
        ("ip6", "length", NETWORK, 32, number(16)),
        ("ip6", "nexthdr", NETWORK, 48, types.PROTO),
        ("ip6", "hoplimit", NETWORK, 56, number(8)),
        ("ip6", "saddr", NETWORK, 64, types.IPV6),
        ("ip6", "daddr", NETWORK, 192, types.IPV6),
        ("tcp", "sport", TRANSPORT, 0, types.SERVICE),
        ("tcp", "dport", TRANSPORT, 16, types.SERVICE),
        ("tcp", "sequence", TRANSPORT, 32, number(32)),
        ("tcp", "ackseq", TRANSPORT, 64, number(32)),
        ("tcp", "doff", TRANSPORT, 96, number(4)),
        ("tcp", "reserved", TRANSPORT, 100, number(4)),
        ("tcp", "flags", TRANSPORT, 104, types.FLAGS),
        ("tcp", "window", TRANSPORT, 112, number(16)),
        ("tcp", "checksum", TRANSPORT, 128, number(16)),
        ("tcp", "urgptr", TRANSPORT, 144, number(16)),
        ("udp", "sport", TRANSPORT, 0, types.SERVICE),
        ("udp", "dport", TRANSPORT, 16, types.SERVICE),
        ("udp", "length", TRANSPORT, 32, number(16)),
        ("udp", "checksum", TRANSPORT, 48, number(16)),
        ("sctp", "sport", TRANSPORT, 0, types.SERVICE),
        ("sctp", "dport", TRANSPORT, 16, types.SERVICE),
        ("dccp", "sport", TRANSPORT, 0, types.SERVICE),
        ("dccp", "dport", TRANSPORT, 16, types.SERVICE),
        ("th", "sport", TRANSPORT, 0, types.SERVICE),
        ("th", "dport", TRANSPORT, 16, types.SERVICE),
        ("icmp", "type", TRANSPORT, 0, types.ICMP_TYPE),
        ("icmp", "code", TRANSPORT, 8, types.ICMP_CODE),
        ("icmp", "checksum", TRANSPORT, 16, number(16)),
        ("icmp", "id", TRANSPORT, 32, number(16)),
        ("icmp", "sequence", TRANSPORT, 48, number(16)),
        ("icmp", "mtu", TRANSPORT, 48, number(16)),
        ("icmpv6", "type", TRANSPORT, 0, types.ICMPV6_TYPE),
        ("icmpv6", "code", TRANSPORT, 8, types.ICMPV6_CODE),
        ("icmpv6", "checksum", TRANSPORT, 16, number(16)),
        ("icmpv6", "id", TRANSPORT, 32, number(16)),
        ("icmpv6", "sequence", TRANSPORT, 48, number(16)),
        ("icmpv6", "mtu", TRANSPORT, 32, number(32)),
    )
    return {
        (protocol, name): HeaderField(protocol, name, base, offset, kind.bits, kind)
        for protocol, name, base, offset, kind in table
    }


FIELDS = _rows()
PROTOCOLS = frozenset(protocol for protocol, _ in FIELDS)
#: The fields of each protocol in the order of the packet.
OF = {
    protocol: tuple(header for header in FIELDS.values() if header.protocol == protocol)
    for protocol in PROTOCOLS
}
#: What ``meta l4proto`` is for each transport protocol.
L4 = {"icmp": 1, "tcp": 6, "udp": 17, "dccp": 33, "icmpv6": 58, "sctp": 132}
L4_NAMES = {number: name for name, number in L4.items()} | {
    2: "igmp",
    50: "esp",
    51: "ah",
    108: "comp",
    136: "udplite",
}

#: Keys of ``meta``; those in BARE need no ``meta`` before them and lose it in listings.
META: dict[str, DataType] = {
    "iifname": types.IFNAME,
    "oifname": types.IFNAME,
    "mark": types.MARK,
    "l4proto": types.PROTO,
    "nfproto": types.NFPROTO,
    "protocol": types.ETHERTYPE,
    "length": types.host_integer(32),
    "skuid": types.host_integer(32, "user ID"),
    "skgid": types.host_integer(32, "group ID"),
    "pkttype": types.PKTTYPE,
    "cpu": types.host_integer(32),
    "hour": types.HOUR,
    "day": types.DAY,
    "iif": types.IFINDEX,
    "oif": types.IFINDEX,
}
BARE = frozenset({"iif", "oif", "iifname", "oifname"})
UNQUALIFIED = BARE | {"mark", "skuid", "skgid", "pkttype", "cpu"}

#: Keys of ``ct`` without a direction.
CT: dict[str, DataType] = {
    "state": types.STATE,
    "status": types.STATUS,
    "direction": types.DIRECTION,
    "mark": types.MARK,
    "protocol": types.PROTO,
    "l3proto": types.NFPROTO,
    "expiration": types.PERIOD,
    "helper": types.HELPER,
    "zone": types.host_integer(16),
    "id": types.host_integer(32),
    "packets": types.host_integer(64),
    "bytes": types.host_integer(64),
    "avgpkt": types.host_integer(64),
}
#: Keys of ``ct original`` and ``ct reply``; ports only once the protocol is known.
CT_DIRECTED: dict[str, DataType] = {
    "ip saddr": types.IPV4,
    "ip daddr": types.IPV4,
    "ip6 saddr": types.IPV6,
    "ip6 daddr": types.IPV6,
    "proto-src": types.SERVICE,
    "proto-dst": types.SERVICE,
    "packets": types.host_integer(64),
    "bytes": types.host_integer(64),
    "avgpkt": types.host_integer(64),
    "protocol": types.PROTO,
    "l3proto": types.NFPROTO,
    "zone": types.host_integer(16),
}
#: Directions that the listing leaves out.
UNDIRECTED = frozenset({"protocol", "l3proto"})
