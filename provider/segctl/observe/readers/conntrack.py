"""The connections of a Linux gateway: listings and events of conntrack, as text or XML, and /proc.

Everything in them was permitted: what the gateway dropped is in none. The first addresses are those
before NAT, the second those of the reply.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from segctl.observe.observation import WITH_PORTS, Flow, Group, Observation, protocol_name
from segctl.observe.readers.base import Reader, RefusedError, number, port_of
from segctl.observe.readers.xml_elements import elements, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage] - no public name

    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

_SENSOR: Final = "conntrack"
_LINE: Final = re.compile(
    r"^(?:\[(?P<time>\d+\.\d+)\])?\s*(?:\[(?P<event>NEW|UPDATE|DESTROY)\]\s+)?"
    r"(?:ipv[46]\s+\d+\s+)?(?P<protocol>[a-z][a-z0-9-]*|unknown)\s+(?P<number>\d+)\s"
    r".*?\bsrc=(?P<tuples>.*)$",
    re.ASCII,
)
_FIELD: Final = re.compile(r"\b(src|dst|sport|dport|bytes)=(\S+)", re.ASCII)
_AGE: Final = re.compile(r"\bdelta-time=(\d+)", re.ASCII)
#: So many connections are followed from their first event to their last.
MOST_OPEN: Final = 100_000


class _Connection(NamedTuple):
    """One line: who talks, over which protocol, whether there was a reply."""

    flow: Flow
    outer: str
    source_port: int
    bytes: int
    answered: bool
    event: str
    when: float | None
    age: int


def _claims_text(head: str) -> int:
    return sum(1 for line in head.splitlines()[:200] if _LINE.match(line))


def _claims_xml(head: str) -> int:
    return 100 if "<conntrack>" in head[:400] else 0


def _read_text(text: Text, context: Context) -> Iterator[Observation]:
    events, count = _Events(context), 0
    for line in text.lines():
        count += 1
        if not line.strip() or line.startswith("conntrack v"):
            continue
        try:
            found = _parsed(line, context)
        except RefusedError as error:
            context.file.refuse(str(error), count, line)
            continue
        yield from events.add(found)
    context.file.lines += count
    yield from events.rest()


def _parsed(line: str, context: Context) -> _Connection:
    match = _LINE.match(line)
    if match is None:
        raise RefusedError("it is not a line of conntrack")
    sides: list[dict[str, str]] = []
    for name, value in _FIELD.findall(f"src={match['tuples']}"):
        if name == "src":
            sides.append({})
        sides[-1].setdefault(name, value)
    age = _AGE.search(line)
    return _connection(
        match["number"],
        sides,
        context,
        answered="[UNREPLIED]" not in line,
        event=match["event"] or "",
        when=float(match["time"]) if match["time"] else _asked_at(context),
        age=int(age[1]) if age else 0,
    )


def _asked_at(context: Context) -> float | None:
    """Return when a device listed its connections; of a file nobody knows."""
    return context.answer.last if context.answer is not None else None


def _connection(
    protocol: str,
    sides: list[dict[str, str]],
    context: Context,
    *,
    answered: bool,
    event: str,
    when: float | None,
    age: int,
) -> _Connection:
    if len(sides) < 2:
        raise RefusedError("a connection has only one side")
    original, reply = sides[:2]
    name, of = protocol_name(protocol), context.addresses.of
    source, destination = of(original.get("src", "")), of(original.get("dst", ""))
    inner, outer = of(reply.get("src", "")), of(reply.get("dst", ""))
    ports = name in WITH_PORTS
    return _Connection(
        flow=Flow(
            source,
            destination,
            "" if inner == destination else inner,
            name,
            port_of(original.get("dport", "")) if ports else 0,
        ),
        outer="" if outer == source else outer,
        source_port=port_of(original.get("sport", "")) if ports else 0,
        bytes=number(original.get("bytes", "")) + number(reply.get("bytes", "")),
        answered=answered,
        event=event,
        when=when,
        age=age,
    )


class _Events:
    """Connections of which a new one and its end are two lines, and one connection."""

    def __init__(self, context: Context) -> None:
        self._open: dict[tuple[Flow, int], _Connection] = {}
        self._witness = context.witness(_SENSOR)

    def add(self, one: _Connection) -> Iterator[Observation]:
        """Take a line in; yield the connection that it ends, or lists."""
        key = (one.flow, one.source_port)
        before = self._open.pop(key, None)
        if one.event not in {"NEW", "UPDATE"}:
            yield self._observation(before, one)
            return
        if before is not None and one.event == "NEW":
            yield self._observation(None, before)
            before = None
        start = before.when if before is not None else one.when
        self._open[key] = one._replace(when=start, age=0)
        if len(self._open) > MOST_OPEN:
            yield self._observation(None, self._open.pop(next(iter(self._open))))

    def rest(self) -> Iterator[Observation]:
        """Yield what did not end."""
        for one in self._open.values():
            yield self._observation(None, one)
        self._open.clear()

    def _observation(self, before: _Connection | None, one: _Connection) -> Observation:
        group = Group(
            flow=one.flow,
            outer=one.outer,
            witness=self._witness,
            verdict="allow",
            completed="yes" if one.answered else "no",
        )
        start = before.when if before is not None else one.when
        if start is not None and before is None:
            start -= one.age
        return Observation(group, start, one.when, one.source_port, 1, one.bytes)


def _read_xml(text: Text, context: Context) -> Iterator[Observation]:
    events, count = _Events(context), 0
    for flow in elements(text, context, "flow"):
        count += 1
        try:
            found = _of_element(flow, context)
        except RefusedError as error:
            context.file.refuse(str(error), line_of(flow), "a flow of XML")
            continue
        yield from events.add(found)
    context.file.lines += count
    yield from events.rest()


def _of_element(flow: _Element, context: Context) -> _Connection:
    sides: list[dict[str, str]] = []
    protocol = ""
    for direction in ("original", "reply"):
        meta = flow.find(f"meta[@direction='{direction}']")
        if meta is None:
            continue
        layer = meta.find("layer4")
        protocol = protocol or (layer.get("protonum", "") if layer is not None else "")
        sides.append(
            {
                name: found
                for name in ("src", "dst", "sport", "dport", "bytes")
                if (found := meta.findtext(f".//{name}"))
            }
        )
    event = flow.get("type", "").upper()
    age = flow.findtext(".//deltatime") or "0"
    return _connection(
        protocol,
        sides,
        context,
        answered=flow.find(".//unreplied") is None,
        event=event,
        when=None,
        age=number(age),
    )


TEXT: Final = Reader(name="conntrack", claims=_claims_text, read=_read_text)
XML: Final = Reader(name="conntrack XML", claims=_claims_xml, read=_read_xml)
