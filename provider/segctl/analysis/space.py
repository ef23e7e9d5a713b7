"""Sets of packets between two zones, exact, as unions of boxes.

A box is what one rule of a firewall permits: a set in each of six dimensions. Sets of boxes have
the usual algebra: union, intersection, difference, emptiness, a smallest example. Nothing here
knows a device; `segctl.analysis.effective` makes these sets of a policy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.site import Host

#: Whole numbers as the fewest ranges, sorted, both ends included.
Numbers: TypeAlias = tuple[tuple[int, int], ...]

#: Where IPv6 begins on the line of addresses; IPv4 begins at 0.
_IPV6 = 1 << 40
_LAST_PORT = 0xFFFF
#: Every address of both versions.
ALL_ADDRESSES: Numbers = ((0, 2**32 - 1), (_IPV6, _IPV6 + 2**128 - 1))
#: IP protocols with their numbers (IANA, Protocol Numbers); a port or ICMP type follows.
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
ALL_SERVICES: Numbers = ((0, (256 << 16) - 1),)
#: Minutes of a week, from Monday 00:00, in the device's time.
WEEK: Numbers = ((0, 7 * 24 * 60 - 1),)
#: So many boxes an answer may take before it is too complex to be worth reading.
MAX_PIECES = 20_000


class TooComplexError(SegctlError):
    """A question falls into more pieces than it may."""

    code = "too_complex"


# --- one dimension -------------------------------------------------------------------------------


def ranges(parts: Iterable[tuple[int, int]]) -> Numbers:
    """Return the same numbers as the fewest ranges."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(parts):
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = merged[-1][0], last
        else:
            merged.append((first, last))
    return tuple(merged)


def common(left: Numbers, right: Numbers) -> Numbers:
    """Return the numbers that are in both."""
    if left == right:
        return left
    if len(left) == len(right) == 1:
        first, last = max(left[0][0], right[0][0]), min(left[0][1], right[0][1])
        return ((first, last),) if first <= last else ()
    found: list[tuple[int, int]] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            found.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def without(left: Numbers, right: Numbers) -> Numbers:
    """Return the numbers of `left` that are not in `right`."""
    if left == right:
        return ()
    found: list[tuple[int, int]] = []
    j = 0
    for first, last in left:
        begin = first
        while j < len(right) and right[j][1] < begin:
            j += 1
        at = j
        while at < len(right) and right[at][0] <= last:
            if right[at][0] > begin:
                found.append((begin, right[at][0] - 1))
            begin = right[at][1] + 1
            at += 1
        if begin <= last:
            found.append((begin, last))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Names:
    """Applications or users: those listed, or with `but` all except those listed."""

    listed: frozenset[str] = frozenset()
    but: bool = False

    def __bool__(self) -> bool:
        """Whether any name is in it: there is always one more name than can be listed."""
        return self.but or bool(self.listed)

    def __contains__(self, name: str) -> bool:
        """Whether a name is in it."""
        return (name in self.listed) is not self.but

    def __and__(self, other: Names) -> Names:
        """Return the names that are in both."""
        if not self.but and not other.but:
            return Names(self.listed & other.listed)
        if self.but and other.but:
            return Names(self.listed | other.listed, but=True)
        inside, outside = (other, self) if self.but else (self, other)
        return Names(inside.listed - outside.listed)

    def __or__(self, other: Names) -> Names:
        """Return the names that are in one of them or both."""
        return ~(~self & ~other)

    def __sub__(self, other: Names) -> Names:
        """Return the names of this that are not in the other."""
        return self & ~other

    def __invert__(self) -> Names:
        """Return all other names."""
        return Names(self.listed, but=not self.but)

    def example(self) -> str:
        """Return the first of its names; of those left when some are listed, one nobody has."""
        if not self.but:
            return min(self.listed)
        name = ""
        while name in self.listed:
            name = f"other{name}"
        return name


#: Every name, and none.
ALL_NAMES = Names(but=True)
NO_NAMES = Names()


# --- boxes ---------------------------------------------------------------------------------------

Extent: TypeAlias = Numbers | Names


class Box(NamedTuple):
    """Packets with their source in one set, their destination in another, and so on.

    Sources and destinations are on the line that `addresses` makes, services on that of
    `service`, times minutes of a week.
    """

    source: Numbers = ALL_ADDRESSES
    destination: Numbers = ALL_ADDRESSES
    service: Numbers = ALL_SERVICES
    application: Names = ALL_NAMES
    user: Names = ALL_NAMES
    time: Numbers = WEEK


def _left_of(left: Extent, right: Extent) -> Extent:
    if isinstance(left, Names):
        return left - cast("Names", right)
    return without(left, cast("Numbers", right))


def _joined(left: Extent, right: Extent) -> Extent:
    if isinstance(left, Names):
        return left | cast("Names", right)
    return ranges((*left, *cast("Numbers", right)))


def meet(left: Box, right: Box) -> Box | None:
    """Return the packets that are in both boxes, None where there are none."""
    source = common(left.source, right.source)
    if not source:
        return None
    destination = common(left.destination, right.destination)
    if not destination:
        return None
    service = common(left.service, right.service)
    if not service:
        return None
    application = left.application & right.application
    if not application:
        return None
    user = left.user & right.user
    if not user:
        return None
    time = common(left.time, right.time)
    return Box(source, destination, service, application, user, time) if time else None


def _cut(box: Box, away: Box) -> Iterator[Box]:
    """Yield `box` without `away` as boxes that have nothing in common."""
    inside = meet(box, away)
    if inside is None:
        yield box
        return
    left: list[Extent] = [*box]
    shares: list[Extent] = [*inside]
    for dimension, shared in enumerate(shares):
        rest = _left_of(left[dimension], shared)
        if rest:
            pieces = [*left]
            pieces[dimension] = rest
            yield Box._make(pieces)
        left[dimension] = shared


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
            TooComplexError: they fall into more than `MAX_PIECES` boxes.
        """
        found: list[Box] = []
        for one in self.boxes:
            found += [both for each in other.boxes if (both := meet(one, each))]
            _bound(found)
        return Space(tuple(found))

    def __sub__(self, other: Space) -> Space:
        """Return the packets of this that are not in the other.

        Raises:
            TooComplexError: they fall into more than `MAX_PIECES` boxes.
        """
        found: list[Box] = []
        for box in self.boxes:
            pieces = [box]
            for away in other.boxes:
                if not pieces:
                    break
                pieces = [piece for one in pieces for piece in _cut(one, away)]
                _bound(pieces)
            found += pieces
            _bound(found)
        return Space(tuple(found))

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


NOTHING = Space()
EVERYTHING = Space((Box(),))


def _bound(pieces: Sequence[Box]) -> None:
    if len(pieces) > MAX_PIECES:
        message = f"the question falls into more than {MAX_PIECES} pieces"
        raise TooComplexError(message)


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
            at != other and meet(box, each) == box and (box != each or other < at)
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
        """``10.1.0.10 → 10.2.0.10 tcp/502 modbus-read-coils``."""
        said = [
            f"{host_of(self.source)} → {host_of(self.destination)} {service_text(self.service)}"
        ]
        said += [self.application] if self.application else []
        said += [f"user {self.user}"] if self.user else []
        return " ".join(said)


def _holds(numbers: Numbers, value: int) -> bool:
    return any(first <= value <= last for first, last in numbers)


def _first(box: Box) -> Point:
    """Return the smallest packet of a box, its ends of one IP version where it has such."""
    source, destination = box.source[0][0], box.destination[0][0]
    if (source < _IPV6) is not (destination < _IPV6):
        source, destination = _of_one_version(box) or (source, destination)
    return Point(
        source,
        destination,
        box.service[0][0],
        box.application.example(),
        box.user.example(),
        box.time[0][0],
    )


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
    return ranges(
        (first + (_IPV6 if version == 6 else 0), last + (_IPV6 if version == 6 else 0))
        for version, first, last in parts
    )


def intervals(numbers: Numbers) -> tuple[Interval, ...]:
    """Return numbers on the line of addresses as intervals."""
    return tuple(
        (6, first - _IPV6, last - _IPV6) if first >= _IPV6 else (4, first, last)
        for first, last in numbers
    )


def host_of(number: int) -> Host:
    """Return the address at a place on the line."""
    return IPv6Address(number - _IPV6) if number >= _IPV6 else IPv4Address(number)


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


def service_text(number: int) -> str:
    """``tcp/502``, ``icmp/8`` or, of another protocol, its number."""
    protocol, port = number >> 16, number & _LAST_PORT
    name = _PROTOCOL_NAMES.get(protocol)
    return f"{name}/{port}" if name else f"protocol {protocol}"


def services_text(numbers: Numbers) -> str:
    """Write services as people read them: ``tcp/502, udp/1000-2000``, ``any``."""
    if numbers == ALL_SERVICES:
        return "any"
    said: dict[str, list[str]] = defaultdict(list)
    for first, last in numbers:
        for protocol in range(first >> 16, (last >> 16) + 1):
            low = first & _LAST_PORT if protocol == first >> 16 else 0
            high = last & _LAST_PORT if protocol == last >> 16 else _LAST_PORT
            name = _PROTOCOL_NAMES.get(protocol, f"protocol {protocol}")
            whole = (low, high) == (0, _LAST_PORT)
            said[name].append("" if whole else f"{low}" if low == high else f"{low}-{high}")
    if len(said) > 20:
        return f"{len(said)} protocols"
    return ", ".join(
        name if not (text := ",".join(parts)) else f"{name}/{text}" for name, parts in said.items()
    )
