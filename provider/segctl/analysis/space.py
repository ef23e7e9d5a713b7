"""Sets of packets between two zones, exact, as unions of boxes.

A box is what one rule of a firewall permits: a set in each of six dimensions. Sets of boxes have
the usual algebra: union, intersection, difference, emptiness, a smallest example. Nothing here
knows a device; `segctl.analysis.effective` makes these sets of a policy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple, cast

from segctl.analysis.boxes import (
    ALL_ADDRESSES,
    ALL_NAMES,
    ALL_SERVICES,
    IPV6,
    NO_NAMES,
    WEEK,
    Box,
    Extent,
    Names,
    Numbers,
    among,
    common,
    meet,
    ranges,
    together,
    without,
)
from segctl.analysis.pieces import MAX_PIECES, Overlaps, TooComplexError, bound, removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.site import Host

__all__ = [
    "ALL_ADDRESSES",
    "ALL_NAMES",
    "ALL_SERVICES",
    "ECHO",
    "EVERYTHING",
    "MAX_PIECES",
    "NOTHING",
    "NO_NAMES",
    "PROTOCOLS",
    "REAL",
    "WEEK",
    "Box",
    "Extent",
    "Names",
    "Numbers",
    "Outside",
    "Point",
    "Space",
    "TooComplexError",
    "addresses",
    "by_version",
    "common",
    "host_of",
    "icmp",
    "intervals",
    "meet",
    "of_ipv4",
    "ports_by_protocol",
    "protocol_text",
    "ranges",
    "service",
    "service_text",
    "services_text",
    "together",
    "without",
]

_LAST_PORT = 0xFFFF
#: The last type of ICMP; what lies above it on the line of numbers counts as this type.
_LAST_TYPE = 0xFF
#: IP protocols with their numbers (IANA, Protocol Numbers); a port or ICMP type follows.
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
_TYPED = frozenset({PROTOCOLS["icmp"], PROTOCOLS["icmpv6"]})
#: So many boxes of two sets are looked at each with each; with more they are looked up.
_FEW = 16
#: A week, as times are counted in it.
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Space:
    """A set of packets: all that are in any of its boxes."""

    boxes: tuple[Box, ...] = ()

    def __bool__(self) -> bool:
        """Whether any packet is in it."""
        return bool(self.boxes)

    def __or__(self, other: Space) -> Space:
        """Return the packets that are in one of them or both."""
        return Space((*self.boxes, *other.boxes))

    def __and__(self, other: Space) -> Space:
        """Return the packets that are in both.

        Raises:
            TooComplexError: they fall into `MAX_PIECES` boxes more than the sets have.
        """
        if other is REAL and all(map(of_ipv4, self.boxes)):
            return self
        few, many = self.boxes, other.boxes
        if len(few) > len(many):
            few, many = many, few
        overlaps = Overlaps(many) if len(few) > _FEW else None
        found: list[Box] = []
        for one in few:
            others = map(many.__getitem__, overlaps.of(one)) if overlaps else many
            found += [both for each in others if (both := meet(one, each))]
            bound(len(found) - len(few) - len(many))
        return Space(tuple(found))

    def __sub__(self, other: Space) -> Space:
        """Return the packets of this that are not in the other.

        Raises:
            TooComplexError: they fall into `MAX_PIECES` boxes more than the sets have.
        """
        others = other.boxes
        many = len(self.boxes) > _FEW and len(others) > _FEW
        same = frozenset(others) if many else frozenset[Box]()
        rest = [box for box in self.boxes if box not in same] if many else self.boxes
        return _left(rest, others, Overlaps(others) if many else None, most=len(self.boxes))

    def __contains__(self, packet: Point) -> bool:
        """Whether a packet is in it."""
        return any(packet.within(box) for box in self.boxes)

    def within(self, other: Space) -> bool:
        """Whether every packet of this is in the other."""
        return not self - other

    def example(self) -> Point:
        """Return its smallest packet.

        Raises:
            ValueError: there is none.
        """
        return min(_first(box) for box in self.boxes)

    def least(self) -> Space:
        """Return the same packets in fewer boxes, which is how people read them."""
        boxes = list(dict.fromkeys(self.boxes))
        while (fewer := _merged(boxes)) != boxes:
            boxes = fewer
        return Space(tuple(sorted(boxes, key=_first)))


def _inside(box: Box, other: Box) -> bool:
    """Whether all of a box is in another."""
    return (
        box.application <= other.application
        and box.user <= other.user
        and among(box.service, other.service)
        and among(box.source, other.source)
        and among(box.destination, other.destination)
        and among(box.time, other.time)
    )


def _left(
    boxes: Iterable[Box], others: Sequence[Box], overlaps: Overlaps | None, *, most: int
) -> Space:
    """Return the packets of boxes that are in no other, in at most so many boxes and those spare.

    Raises:
        TooComplexError: they fall into more.
    """
    found: list[Box] = []
    for box in boxes:
        found += removed(box, [others[at] for at in overlaps.of(box)] if overlaps else others)
        bound(len(found) - most)
    return Space(tuple(found))


NOTHING = Space()
EVERYTHING = Space((Box(),))


class Outside:
    """What lies outside of one set, of many others: each is looked up in it, not held against all.

    What both hold as it is goes first.
    """

    def __init__(self, space: Space) -> None:
        """Take the packets that are to be taken away."""
        self._boxes = space.boxes
        self._same = frozenset(space.boxes)
        self._asked = 0

    @cached_property
    def _overlaps(self) -> Overlaps:
        return Overlaps(self._boxes)

    def of(self, space: Space) -> Space:
        """Return the packets of `space` that are outside.

        Raises:
            TooComplexError: they fall into `MAX_PIECES` boxes more than the set has.
        """
        rest = [box for box in space.boxes if box not in self._same]
        if not rest:
            return NOTHING
        self._asked += len(rest)
        many = self._asked > _FEW and len(self._boxes) > _FEW
        return _left(rest, self._boxes, self._overlaps if many else None, most=len(rest))


def _joined(left: Extent, right: Extent) -> Extent:
    if isinstance(left, Names):
        return left | cast("Names", right)
    return ranges((*left, *cast("Numbers", right)))


def _merged(boxes: Sequence[Box]) -> list[Box]:
    """Join boxes that differ in one dimension only, and drop those that lie within another."""
    found = list(boxes)
    for dimension in range(len(Box._fields)):
        alike: dict[tuple[Extent, ...], Extent] = {}
        for box in found:
            key = (*box[:dimension], *box[dimension + 1 :])
            extent = box[dimension]
            alike[key] = _joined(alike[key], extent) if key in alike else extent
        found = [
            Box._make((*key[:dimension], extent, *key[dimension:])) for key, extent in alike.items()
        ]
    if len(found) > 500:  # pairwise from here on
        return found
    return [
        box
        for at, box in enumerate(found)
        if not any(
            at != other and _inside(box, each) and (box != each or other < at)
            for other, each in enumerate(found)
        )
    ]


# --- packets -------------------------------------------------------------------------------------


class Point(NamedTuple):
    """One packet, on the lines that boxes are made of."""

    source: int
    destination: int
    service: int
    application: str = ""
    user: str = ""
    time: int = 0

    @property
    def box(self) -> Box:
        """This packet alone."""
        source, destination, service, time = (
            ((number, number),) for number in (*self[:3], self.time)
        )
        named, who = (Names(frozenset({name})) for name in (self.application, self.user))
        return Box(source, destination, service, named, who, time)

    @property
    def when(self) -> str:
        """``Mon 20:00``; empty at the beginning of the week, which stands for any time."""
        day, minute = divmod(self.time, 24 * 60)
        return f"{DAYS[day]} {minute // 60:02}:{minute % 60:02}" if self.time else ""

    def within(self, box: Box) -> bool:
        """Whether a box holds this packet."""
        return (
            _holds(box.source, self.source)
            and _holds(box.destination, self.destination)
            and _holds(box.service, self.service)
            and self.application in box.application
            and self.user in box.user
            and _holds(box.time, self.time)
        )

    def __str__(self) -> str:
        """``10.1.0.10 → 10.2.0.10 tcp/502 modbus-read-coils at Mon 20:00``."""
        said = [
            f"{host_of(self.source)} → {host_of(self.destination)} {service_text(self.service)}"
        ]
        said += [self.application] if self.application else []
        said += [f"user {self.user}"] if self.user else []
        said += [f"at {self.when}"] if self.when else []
        return " ".join(said)


def _holds(numbers: Numbers, value: int) -> bool:
    return any(first <= value <= last for first, last in numbers)


def _first(box: Box) -> Point:
    """Return the smallest packet of a box, its ends of one IP version where it has such."""
    source, destination = box.source[0][0], box.destination[0][0]
    if (source < IPV6) is not (destination < IPV6):
        source, destination = _of_one_version(box) or (source, destination)
    return Point(
        source,
        destination,
        box.service[0][0],
        box.application.example(),
        box.user.example(),
        box.time[0][0],
    )


def of_ipv4(box: Box) -> bool:
    """Whether a box has packets, and all of them have both ends in IPv4."""
    return all(box) and box.source[-1][1] < IPV6 and box.destination[-1][1] < IPV6


def _of_one_version(box: Box) -> tuple[int, int] | None:
    for whole in ALL_ADDRESSES:
        source, destination = common(box.source, (whole,)), common(box.destination, (whole,))
        if source and destination:
            return source[0][0], destination[0][0]
    return None


#: Packets whose ends are of one IP version: there are no others.
REAL = Space(tuple(Box(source=(whole,), destination=(whole,)) for whole in ALL_ADDRESSES))


def addresses(parts: Iterable[Interval]) -> Numbers:
    """Return intervals of addresses as numbers on one line, IPv4 before IPv6."""
    return ranges(map(span, parts))


def span(part: Interval) -> tuple[int, int]:
    """Return an interval of addresses as numbers on that line."""
    version, first, last = part
    return (first + IPV6, last + IPV6) if version == 6 else (first, last)


def intervals(numbers: Numbers) -> tuple[Interval, ...]:
    """Return numbers on the line of addresses as intervals."""
    return tuple(
        (6, first - IPV6, last - IPV6) if first >= IPV6 else (4, first, last)
        for first, last in numbers
    )


def host_of(number: int) -> Host:
    """Return the address at a place on the line."""
    return IPv6Address(number - IPV6) if number >= IPV6 else IPv4Address(number)


def service(protocol: str | int, first: int = 0, last: int = _LAST_PORT) -> Numbers:
    """Return ports of a protocol, or ICMP types, as numbers on one line.

    Args:
        protocol: a name of `PROTOCOLS`, or an IP protocol's number.
        first: the first port or ICMP type.
        last: the last.

    Raises:
        KeyError: the protocol's name is not known.
    """
    number = protocol if isinstance(protocol, int) else PROTOCOLS[protocol]
    return (((number << 16) + first, (number << 16) + last),)


def icmp(protocol: str, first: int, last: int | None = None) -> Numbers:
    """Return types of ``icmp`` or ``icmpv6`` as numbers on that line; one where no last is given.

    Raises:
        ValueError: there is no such type.
    """
    last = first if last is None else last
    if not 0 <= first <= last <= _LAST_TYPE:
        raise ValueError(f"{protocol} has no types {first}-{last}")
    return service(protocol, first, _LAST_PORT if last == _LAST_TYPE else last)


#: An echo request, in each version of IP.
ECHO = together([icmp("icmp", 8), icmp("icmpv6", 128)])
_ICMP = (service("icmp"), service("icmpv6"))


def by_version(
    source: Numbers, destination: Numbers, ports: Numbers
) -> tuple[tuple[Numbers, Numbers, Numbers], ...]:
    """Return ends and services, apart by version of IP where the services tell ICMP apart.

    ICMP of IPv4 is another protocol than that of IPv6, and neither is spoken in the other.
    """
    if not _names_icmp(ports):
        return ((source, destination, ports),)
    found = (
        (common(source, (whole,)), common(destination, (whole,)), without(ports, other))
        for whole, other in zip(ALL_ADDRESSES, reversed(_ICMP), strict=True)
    )
    return tuple(parts for parts in found if all(parts))


def _names_icmp(ports: Numbers) -> bool:
    """Whether services name ICMP; quickly told of most, which are of TCP and UDP, or any."""
    if not ports or ports == ALL_SERVICES:
        return False
    if ports[0][0] >> 16 >= PROTOCOLS["tcp"] and ports[-1][1] >> 16 <= PROTOCOLS["udp"]:
        return False
    return any(common(ports, whole) for whole in _ICMP)


def protocol_text(number: int) -> str:
    """Return the name of an IP protocol, or ``protocol 47`` where it has none here."""
    return _PROTOCOL_NAMES.get(number, f"protocol {number}")


def ports_by_protocol(numbers: Numbers) -> Iterator[tuple[int, str | None]]:
    """Yield services as an IP protocol and ports of it, ``502`` or ``1-9``; None for all ports."""
    for first, last in numbers:
        for protocol in range(first >> 16, (last >> 16) + 1):
            low = first & _LAST_PORT if protocol == first >> 16 else 0
            high = last & _LAST_PORT if protocol == last >> 16 else _LAST_PORT
            if (low, high) == (0, _LAST_PORT):
                yield protocol, None
                continue
            if protocol in _TYPED:
                low, high = min(low, _LAST_TYPE), min(high, _LAST_TYPE)
            if low == high:
                yield protocol, f"{low}"
            else:
                yield protocol, f"{low}-{high}"


def service_text(number: int) -> str:
    """``tcp/502``, ``icmp/8`` or, of another protocol, its number."""
    protocol, port = number >> 16, number & _LAST_PORT
    name = protocol_text(protocol)
    return f"{name}/{port}" if protocol in _PROTOCOL_NAMES else name


def services_text(numbers: Numbers) -> str:
    """Write services as people read them: ``tcp/502, udp/1000-2000``, ``any``."""
    if numbers == ALL_SERVICES:
        return "any"
    said: dict[str, list[str]] = defaultdict(list)
    for protocol, ports in ports_by_protocol(numbers):
        said[protocol_text(protocol)].append(ports or "")
    if len(said) > 20:
        return f"{len(said)} protocols"
    return ", ".join(
        name if not (text := ",".join(parts)) else f"{name}/{text}" for name, parts in said.items()
    )
