"""NetFlow as nfdump writes it: CSV with a header, and JSON. Two records a conversation, joined.

A flow does not say who began: the source is inferred, but where only one side was seen to ask.
Aggregated output has lost its ports, and is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from segctl.observe.observation import WITH_PORTS, Flow, Group, Observation, protocol_name
from segctl.observe.readers.base import Reader, RefusedError, fields_of, number, port_of
from segctl.observe.readers.json_objects import objects, text_of
from segctl.observe.readers.ports import serves
from segctl.observe.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.observation import Completed, Direction
    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

_SENSOR: Final = "nfdump"
#: So many flows wait for their other side.
MOST_WAITING: Final = 100_000
#: Both sides of a conversation begin within so many seconds.
_APART: Final = 60.0
#: Names of columns: of nfdump 1.7.1, and of later releases.
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "first": ("ts", "firstseen", "first"),
    "last": ("te", "lastseen", "last"),
    "duration": ("td", "duration"),
    "source": ("sa", "srcaddr", "src4_addr", "src6_addr"),
    "destination": ("da", "dstaddr", "dst4_addr", "dst6_addr"),
    "source_port": ("sp", "srcport", "src_port"),
    "port": ("dp", "dstport", "dst_port"),
    "protocol": ("pr", "proto"),
    "flags": ("flg", "flags", "tcp_flags"),
    "bytes": ("ibyt", "bytes", "inbytes", "in_bytes"),
    "back": ("obyt", "outbytes", "out_bytes"),
    "router": ("ra", "router", "ip4_router", "ip6_router"),
    "sampled": ("sampled",),
}
_NAMES: Final = {name: ours for ours, names in _COLUMNS.items() for name in names}


def _claims_csv(head: str) -> int:
    lines = head.splitlines()
    return len(lines) if lines and {"source", "destination", "port"} <= _header(lines[0]) else 0


def _header(line: str) -> set[str]:
    return {_NAMES[name] for part in line.split(",") if (name := part.strip().lower()) in _NAMES}


def _claims_json(head: str) -> int:
    begins = head.lstrip()[:1] in {"[", "{"}
    return head.count('_addr"') if begins and '"in_bytes"' in head else 0


def _read_csv(text: Text, context: Context) -> Iterator[Observation]:
    pairs, count, names = _Pairs(context), 0, list[str]()
    for line in text.lines():
        count += 1
        if not names:
            names = [_NAMES.get(part.strip().lower(), "") for part in line.split(",")]
            continue
        if line.startswith("Summary"):
            break
        if line:
            try:
                values = fields_of(line)
            except RefusedError as error:
                context.file.refuse(str(error), count, line)
                continue
            if len(values) != len(names):
                context.file.refuse("a row has not as many fields as its header", count, line)
                continue
            yield from pairs.add(dict(zip(names, values, strict=True)), count, line)
    context.file.lines += count
    yield from pairs.rest()


def _read_json(text: Text, context: Context) -> Iterator[Observation]:
    pairs = _Pairs(context)
    for count, whole, found in objects(text, context):
        row = {_NAMES[name]: text_of(value) for name, value in found.items() if name in _NAMES}
        yield from pairs.add(row, count, whole)
    yield from pairs.rest()


CSV: Final = Reader(name="nfdump CSV", claims=_claims_csv, read=_read_csv)
JSON: Final = Reader(name="nfdump JSON", claims=_claims_json, read=_read_json)


class _Side(NamedTuple):
    """One direction of a conversation."""

    witness: str
    protocol: str
    source: str
    source_port: int
    destination: str
    port: int
    start: float
    end: float
    bytes: int
    asks: bool
    two: bool


class _Pairs:
    """Flows that wait for their other side."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: dict[tuple[str, str, str, int, str, int], _Side] = {}

    def add(self, row: Mapping[str, str], count: int, line: str) -> Iterator[Observation]:
        """Take a record in; yield the conversation that it completes, or an old one."""
        try:
            side = _side(row, self._context)
        except RefusedError as error:
            self._context.file.refuse(str(error), count, line)
            return
        witness, protocol, source, source_port, destination, port = side[:6]
        other = self._waiting.pop((witness, protocol, destination, port, source, source_port), None)
        if other is not None and abs(other.start - side.start) <= _APART:
            yield _joined(other, side)
            return
        if other is not None:
            yield _joined(other, None)
        before = self._waiting.pop(side[:6], None)
        self._waiting[side[:6]] = side
        if before is not None:
            yield _joined(before, None)
        elif len(self._waiting) > MOST_WAITING:
            yield _joined(self._waiting.pop(next(iter(self._waiting))), None)

    def rest(self) -> Iterator[Observation]:
        """Yield the flows whose other side was not seen."""
        for side in self._waiting.values():
            yield _joined(side, None)
        self._waiting.clear()


def _side(row: Mapping[str, str], context: Context) -> _Side:
    protocol = protocol_name(row.get("protocol", ""))
    if not protocol:
        raise RefusedError("a record has no protocol")
    ports = protocol in WITH_PORTS
    source_port, port = (
        port_of(row.get(name, "").strip()) if ports else 0 for name in ("source_port", "port")
    )
    if ports and not (source_port and port):
        raise RefusedError("an aggregated record has lost its ports")
    router = row.get("router", "").strip()
    witness = _SENSOR if router in {"", "0.0.0.0", "::"} else context.addresses.of(router)  # noqa: S104 - written where there is none
    try:
        zone = context.clock.zone
        start = moment(row.get("first", ""), zone)
        end = moment(row["last"], zone) if "last" in row else start + float(row["duration"])
    except (ValueError, KeyError):
        raise RefusedError("the time of a record is not one") from None
    heard = context.witnesses[witness]
    heard.assumed_zone = True
    if row.get("sampled", "0") not in {"", "0"}:
        heard.sampled = True
    back = number(row.get("back", "").strip())
    flags = row.get("flags", "").upper()
    return _Side(
        witness,
        protocol,
        context.addresses.of(row.get("source", "")),
        source_port,
        context.addresses.of(row.get("destination", "")),
        port,
        start,
        max(start, end),
        number(row.get("bytes", "").strip()) + back,
        "S" in flags and "A" not in flags,
        back > 0,
    )


def _joined(one: _Side, other: _Side | None) -> Observation:
    """Return a conversation from one or both of its sides."""
    turned = serves(one.protocol, one.source_port, one.port)
    direction: Direction = "inferred"
    if one.asks or (other is not None and other.asks):
        turned, direction = not one.asks, "known"
    completed: Completed = "yes" if other is not None or one.two else "unknown"
    if one.asks and other is None:
        completed = "no"
    source, port, source_port = one.source, one.port, one.source_port
    destination = one.destination
    if turned:
        source, destination, source_port, port = destination, source, port, source_port
    group = Group(
        flow=Flow(source, destination, "", one.protocol, port),
        witness=one.witness,
        completed=completed,
        direction=direction,
    )
    start = one.start if other is None else min(one.start, other.start)
    end = one.end if other is None else max(one.end, other.end)
    size = one.bytes + (0 if other is None else other.bytes)
    return Observation(group, start, end, source_port, 1, size)
