"""The data types of nftables: how a value is read, sorted and printed."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.linux.nft import names
from segctl_mocks.linux.nft.errors import NftError, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

_INTERFACE_LENGTH = 16
_IDS = frozenset({"user ID", "group ID"})


@dataclass(frozen=True, slots=True)
class Symbol:
    """A word of the input that has no type yet."""

    text: str
    kind: str
    span: Span


@dataclass(frozen=True, slots=True)
class DataType:
    """A type; values are integers, interface names too (as their 16 bytes)."""

    name: str
    title: str
    bits: int
    read: Callable[[Symbol, DataType], int] = field(compare=False)
    text: Callable[[int], str] = field(compare=False)
    json: Callable[[int], Json] = field(compare=False)
    little: bool = False  # host byte order: decides where a value sorts
    prefix: bool = False  # a range that is a prefix is shown as one
    bitmask: bool = False
    per_line: int = 1

    def export(self, value: int) -> bytes:
        """Return the bytes by which elements are sorted."""
        size = (self.bits + 7) // 8
        return value.to_bytes(size, "little" if self.little else "big")

    @property
    def plain(self) -> bool:
        """Whether every number up to the largest is a value."""
        return self.read in {_integer, _service}

    @property
    def top(self) -> int:
        """The largest value."""
        return (1 << self.bits) - 1


# -- reading -------------------------------------------------------------------------


def parse_number(text: str) -> int | None:
    """Read a number as strtoull with base 0 does: 0x is hexadecimal, a leading 0 octal."""
    try:
        if text.lower().startswith("0x"):
            return int(text, 16)
        if text.startswith("0") and len(text) > 1:
            return int(text, 8)
        return int(text) if text.isascii() and text.isdigit() else None
    except ValueError:
        return None


def _bounded(symbol: Symbol, kind: DataType, value: int) -> int:
    if value > kind.top:
        if kind.name == "inet_service":
            raise NftError("Service out of range", symbol.span)
        if kind.name == "inet_proto":
            raise NftError("Protocol out of range", symbol.span)
        raise NftError(
            f"Value {value} exceeds valid range 0-{kind.top}",
            symbol.span,
        )
    return value


def _integer(symbol: Symbol, kind: DataType) -> int:
    value = parse_number(symbol.text)
    if value is None and kind.title in _IDS and symbol.text == "root":
        return 0
    if value is None:
        raise NftError("Could not parse integer", symbol.span)
    return _bounded(symbol, kind, value)


def _ip4(symbol: Symbol, kind: DataType) -> int:
    parts = symbol.text.split(".")
    if len(parts) == 4:
        octets = [parse_number(part) for part in parts]
        if all(octet is not None and octet <= 255 for octet in octets):
            return int.from_bytes(bytes(octet or 0 for octet in octets), "big")
    if symbol.kind == "number":
        return _bounded(symbol, kind, parse_number(symbol.text) or 0)
    reason = "Name or service not known"
    if symbol.kind == "ip6":
        reason = "Address family for hostname not supported"
    elif symbol.kind == "string":
        reason = "Temporary failure in name resolution"
    raise NftError(f"Could not resolve hostname: {reason}", symbol.span)


def _ip6(symbol: Symbol, kind: DataType) -> int:
    del kind
    try:
        return int(ipaddress.IPv6Address(symbol.text))
    except ValueError:
        reason = "Name or service not known"
        if symbol.kind == "ip4":
            reason = "Address family for hostname not supported"
        elif symbol.kind == "string":
            reason = "Temporary failure in name resolution"
        raise NftError(f"Could not resolve hostname: {reason}", symbol.span) from None


def _mac(symbol: Symbol, kind: DataType) -> int:
    del kind
    parts = symbol.text.split(":")
    if len(parts) != 6:
        raise NftError("Could not parse Ethernet address", symbol.span)
    return int.from_bytes(bytes(int(part, 16) for part in parts), "big")


def _service(symbol: Symbol, kind: DataType) -> int:
    value = parse_number(symbol.text)
    if value is not None:
        return _bounded(symbol, kind, value)
    if symbol.text in names.SERVICES:
        return names.SERVICES[symbol.text]
    raise NftError("Could not resolve service: Servname not supported for ai_socktype", symbol.span)


def _protocol(symbol: Symbol, kind: DataType) -> int:
    value = parse_number(symbol.text)
    if value is not None:
        return _bounded(symbol, kind, value)
    if symbol.text in names.PROTOCOL_NUMBERS:
        return names.PROTOCOL_NUMBERS[symbol.text]
    raise NftError("Could not resolve protocol name", symbol.span)


def _interface(symbol: Symbol, kind: DataType) -> int:
    del kind
    raw = symbol.text.encode()
    if len(raw) >= _INTERFACE_LENGTH:
        raise NftError(f"String exceeds maximum length of {_INTERFACE_LENGTH}", symbol.span)
    if raw == b"*":
        raise NftError("All-wildcard strings are not supported", symbol.span)
    return int.from_bytes(raw.replace(b"\\*", b"*").ljust(_INTERFACE_LENGTH, b"\0"), "big")


def _quoted(symbol: Symbol, kind: DataType) -> int:
    raw = symbol.text.encode()
    size = kind.bits // 8
    if len(raw) >= size:
        raise NftError(f"String exceeds maximum length of {size}", symbol.span)
    return int.from_bytes(raw.ljust(size, b"\0"), "big")


def _clock(symbol: Symbol, kind: DataType) -> int:
    del kind
    parts = symbol.text.split(":")
    if len(parts) in {2, 3} and all(part.isdigit() and len(part) <= 2 for part in parts):
        hours, minutes, seconds = (int(part) for part in [*parts, "0"][:3])
        if hours < 24 and minutes < 60 and seconds < 60:
            return hours * 3600 + minutes * 60 + seconds
    value = parse_number(symbol.text)
    if value is not None and value < 86400:
        return value
    raise NftError("wrong time format", symbol.span)


_UNITS = (("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))


def parse_period(text: str) -> int:
    """Read ``1d2h3m4s5ms`` as milliseconds; a bare number is seconds."""
    if text.isdigit():
        return int(text) * 1000
    total, digits = 0, ""
    position = 0
    while position < len(text):
        if text[position].isdigit():
            digits += text[position]
            position += 1
            continue
        for unit, factor in _UNITS:
            if text.startswith(unit, position):
                total += int(digits or "0") * factor
                position, digits = position + len(unit), ""
                break
        else:
            raise ValueError(text)
    return total


def show_period(milliseconds: int) -> str:
    """Print a period as nft does, the units that are not zero."""
    parts: list[str] = []
    rest = milliseconds
    for unit, factor in sorted(_UNITS, key=lambda each: -each[1]):
        count, rest = divmod(rest, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _period(symbol: Symbol, kind: DataType) -> int:
    del kind
    try:
        return parse_period(symbol.text) // 1000
    except ValueError:
        raise NftError("Could not parse relative time", symbol.span) from None


def _named(values: Mapping[str, int]) -> Callable[[Symbol, DataType], int]:
    def read(symbol: Symbol, kind: DataType) -> int:
        if symbol.text in values:
            return values[symbol.text]
        value = parse_number(symbol.text)
        if value is None:
            raise NftError(f"Could not parse {kind.title}", symbol.span)
        return _bounded(symbol, kind, value)

    return read


# -- printing ------------------------------------------------------------------------


def _string(value: int, size: int = _INTERFACE_LENGTH) -> str:
    return value.to_bytes(size, "big").rstrip(b"\0").decode("utf-8", "replace")


def _name_of(values: Mapping[str, int], shown: Callable[[int], str]) -> Callable[[int], str]:
    table: dict[int, str] = {}
    for name, value in values.items():
        table.setdefault(value, name)
    return lambda value: table.get(value) or shown(value)


def _json_name(values: Mapping[str, int]) -> Callable[[int], Json]:
    table: dict[int, str] = {}
    for name, value in values.items():
        table.setdefault(value, name)
    return lambda value: table.get(value, value)


def _symbols(  # one row of the table of types
    name: str,
    title: str,
    bits: int,
    values: Mapping[str, int],
    *,
    little: bool = False,
    bitmask: bool = False,
    per_line: int = 1,
    shown: Callable[[int], str] = str,
    quote: bool = False,
) -> DataType:
    text = _name_of(values, shown)
    quoted: Callable[[int], str] = lambda value: f'"{text(value)}"'  # noqa: E731  # a row's field
    return DataType(
        name,
        title,
        bits,
        _named(values),
        quoted if quote else text,
        _json_name(values),
        little=little,
        bitmask=bitmask,
        per_line=per_line,
    )


def _json_number(value: int) -> Json:
    return value if value < 1 << 64 else hex(value)


def integer(bits: int, *, hexadecimal: bool = False) -> DataType:
    """Return the type of a number of so many bits."""
    show: Callable[[int], str] = hex if hexadecimal else str
    return DataType("integer", "integer", bits, _integer, show, _json_number, per_line=5)


def host_integer(bits: int, title: str = "integer") -> DataType:
    """Return the type of a number in host byte order."""
    return DataType("integer", title, bits, _integer, str, int, little=True, per_line=5)


def _show_clock(value: int) -> str:
    hours, rest = divmod(value, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


def _show_ip6(value: int) -> str:
    address = ipaddress.IPv6Address(value)
    if value >> 32 == 0xFFFF:
        return f"::ffff:{ipaddress.IPv4Address(value & 0xFFFFFFFF)}"
    if value >> 32 == 0 and value > 0xFFFF:
        return f"::{ipaddress.IPv4Address(value)}"
    return str(address)


def _show_ip4(value: int) -> str:
    return ".".join(str(octet) for octet in value.to_bytes(4, "big"))


def _show_mac(value: int) -> str:
    return ":".join(f"{octet:02x}" for octet in value.to_bytes(6, "big"))


IPV4 = DataType(
    "ipv4_addr", "IPv4 address", 32, _ip4, _show_ip4, _show_ip4, prefix=True, per_line=2
)
IPV6 = DataType("ipv6_addr", "IPv6 address", 128, _ip6, _show_ip6, _show_ip6, prefix=True)
ETHER = DataType("ether_addr", "Ethernet address", 48, _mac, _show_mac, _show_mac)
PROTO = DataType(
    "inet_proto",
    "Internet protocol",
    8,
    _protocol,
    lambda value: names.PROTOCOLS.get(value, str(value)),
    lambda value: names.PROTOCOLS.get(value, value),
    per_line=5,
)
SERVICE = DataType("inet_service", "internet network service", 16, _service, str, int, per_line=5)
MARK = DataType(
    "mark",
    "packet mark",
    32,
    _integer,
    lambda value: f"0x{value:08x}",
    int,
    little=True,
    prefix=True,
    per_line=5,
)
IFNAME = DataType(
    "ifname",
    "network interface name",
    128,
    _interface,
    lambda value: f'"{_string(value)}"',
    _string,
)
IFINDEX = DataType(
    "iface_index",
    "network interface index",
    128,
    _interface,
    lambda value: f'"{_string(value)}"',
    _string,
)
FIB_INDEX = DataType(
    "string",
    "network interface index",
    128,
    _interface,
    lambda value: _string(value) if _string(value).isdigit() else f'"{_string(value)}"',
    _string,
)
HELPER = DataType(
    "string",
    "string",
    128,
    _quoted,
    lambda value: f'"{_string(value)}"',
    _string,
)
HOUR = DataType(
    "hour",
    "Hour of day of packet reception",
    64,
    _clock,
    lambda value: f'"{_show_clock(value)}"',
    _show_clock,
    little=True,
)
PERIOD = DataType("time", "relative time", 32, _period, lambda value: f"{value}s", int, little=True)
STATE = _symbols("ct_state", "conntrack state", 32, names.CT_STATES, little=True, bitmask=True,
                 per_line=2, shown=hex)  # fmt: skip
STATUS = _symbols("ct_status", "conntrack status", 32, names.CT_STATUS, little=True, bitmask=True,
                  per_line=1, shown=hex)  # fmt: skip
DIRECTION = _symbols("ct_dir", "conntrack direction", 8, names.CT_DIRECTIONS, per_line=5)
FLAGS = _symbols("tcp_flag", "TCP flag", 8, names.TCP_FLAGS, bitmask=True, per_line=5, shown=hex)
NFPROTO = _symbols("nf_proto", "netfilter protocol", 8, names.NFPROTOS, per_line=5)
ETHERTYPE = _symbols("ether_type", "Ethernet protocol", 16, names.ETHER_TYPES,
                     shown=lambda value: f"0x{value:04x}")  # fmt: skip
ICMP_TYPE = _symbols("icmp_type", "ICMP type", 8, names.ICMP_TYPES)
ICMP_CODE = _symbols("icmp_code", "icmp code", 8, names.ICMP_CODES, per_line=5)
ICMPV6_TYPE = _symbols("icmpv6_type", "ICMPv6 type", 8, names.ICMPV6_TYPES)
ICMPV6_CODE = _symbols("icmpv6_code", "icmpv6 code", 8, names.ICMPV6_CODES, per_line=5)
DSCP = _symbols("dscp", "Differentiated Services Code Point", 6, names.DSCP,
                shown=lambda value: f"0x{value:02x}")  # fmt: skip
PKTTYPE = _symbols("pkt_type", "packet type", 8, names.PACKET_TYPES)
ADDRTYPE = _symbols("fib_addrtype", "fib address type", 32, names.ADDRESS_TYPES, little=True)
DAY = _symbols("day", "Day of week of packet reception", 8, names.DAYS, quote=True)
BOOLEAN = _symbols("boolean", "boolean type", 1, {"exists": 1, "missing": 0})

#: The types a set declaration may name.
DECLARED: dict[str, DataType] = {
    kind.name: kind
    for kind in (
        IPV4, IPV6, ETHER, PROTO, SERVICE, MARK, IFNAME, STATE, STATUS, DIRECTION, FLAGS, NFPROTO,
        ETHERTYPE, ICMP_TYPE, ICMP_CODE, ICMPV6_TYPE, ICMPV6_CODE, DSCP, PKTTYPE, ADDRTYPE, DAY,
        HOUR, IFINDEX,
    )
}  # fmt: skip
