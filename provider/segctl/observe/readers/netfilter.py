"""What rules of nftables and iptables log: kernel lines, ulogd's text, and ulogd's JSON.

A line has no year and no zone. What segctl's own rules log is limited to some lines a second: a
sample, whose counters are complete.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from segctl.observe.observation import (
    LOGGED_PACKET,
    WITH_PORTS,
    Flow,
    Group,
    Observation,
    protocol_name,
)
from segctl.observe.readers.base import Reader, RefusedError, clipped, number, port_of
from segctl.observe.readers.json_objects import objects, text_of
from segctl.observe.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from segctl.observe.observation import Completed, Direction, Verdict
    from segctl.observe.readers.base import Context
    from segctl.observe.sources import Text

_FIELDS: Final = re.compile(r"\b([A-Z]+)=(\S*)", re.ASCII)
_HEAD: Final = re.compile(
    r"^(?:<\d+>)?(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)\s+(?P<host>\S+)\s|"
    r"^(?:<\d+>1? ?)?(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*)\s+(?P<isohost>\S+)\s",
    re.ASCII,
)
#: What the kernel writes before a rule's own prefix.
_KERNEL: Final = re.compile(r"(?:kernel: )?(?:\[ {0,9}\d{1,12}\.\d{1,9}\] )?", re.ASCII)
#: What segctl writes before a packet: what became of it and the rule that says so.
_OURS: Final = re.compile(r"segctl (?P<word>allow|function|deny) ?(?P<rule>\S*)")
#: The same in another form, ``segctl:conduit.flow:verdict``.
_COLONS: Final = re.compile(r"segctl:(?P<rule>[^:]*):(?P<word>[a-z]+)")
_DENIES: Final = re.compile(r"\b(?:drop|deny|reject|block)", re.IGNORECASE)
_ALLOWS: Final = re.compile(r"\b(?:accept|allow|pass)", re.IGNORECASE)
#: A packet that is sent again within so many seconds is the same attempt.
AGAIN: Final = 60.0
_MOST_ATTEMPTS: Final = 100_000
_AHEAD: Final = 86400.0


def _claims_text(head: str) -> int:
    return sum(1 for line in head.splitlines()[:200] if "SRC=" in line and "PROTO=" in line)


def _claims_json(head: str) -> int:
    return head.count('"src_ip"') if '"oob.' in head or '"orig.l4.' in head else 0


class _Packet(NamedTuple):
    """A packet that a rule logged, whatever the form."""

    host: str
    prefix: str
    entered: str
    left: str
    source: str
    destination: str
    protocol: str
    source_port: str
    port: str
    syn: bool
    ack: bool
    bytes: int
    when: float | None


class _Log:
    """Packets of one file; one that is sent again counts once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last: dict[tuple[Group, int], float] = {}

    def observation(self, one: _Packet) -> Observation | None:
        """Return what a packet shows, None where it is the same attempt again.

        Raises:
            RefusedError: it is not a packet.
        """
        group, source_port = _group(one, self._context)
        witness = self._context.witnesses[group.witness]
        witness.limited |= one.prefix.startswith("segctl")
        if one.when is not None:
            key = (group, source_port)
            last = self._last.pop(key, None)
            self._last[key] = one.when
            if len(self._last) > _MOST_ATTEMPTS:
                del self._last[next(iter(self._last))]
            if last is not None and abs(one.when - last) < AGAIN and source_port:
                self._context.file.duplicates += 1
                witness.duplicates += 1
                return None
        return Observation(group, one.when, one.when, source_port, 1, one.bytes)


def _group(one: _Packet, context: Context) -> tuple[Group, int]:
    protocol = protocol_name(one.protocol)
    if not protocol:
        raise RefusedError("a record has no protocol")
    ports = protocol in WITH_PORTS
    verdict, rule = _judged(one.prefix)
    midway: Direction = "inferred" if one.ack and not one.syn else "known"
    completed: Completed = "no" if verdict == "deny" else "unknown"
    group = Group(
        flow=Flow(
            context.addresses.of(one.source),
            context.addresses.of(one.destination),
            "",
            protocol,
            port_of(one.port) if ports else 0,
        ),
        witness=context.witness(one.host) or "netfilter",
        from_zone=clipped(one.entered),
        to_zone=clipped(one.left),
        verdict=verdict,
        reason=LOGGED_PACKET,
        completed=completed,
        rule=clipped(rule),
        direction=midway,
    )
    return group, port_of(one.source_port) if ports else 0


def _judged(prefix: str) -> tuple[Verdict, str]:
    """Return what a rule did, by what it writes before the packet, and its name."""
    match = _OURS.match(prefix) or _COLONS.match(prefix)
    if match is not None:
        allowed = match["word"] in {"allow", "accept"}
        denied = match["word"] in {"deny", "drop", "reject", "function"}
        rule = match["rule"] or "default"
        return ("allow" if allowed else "deny" if denied else "unknown"), rule
    if _DENIES.search(prefix):
        return "deny", prefix
    return ("allow" if _ALLOWS.search(prefix) else "unknown"), prefix


def _read_text(text: Text, context: Context) -> Iterator[Observation]:
    log, count, now = _Log(context), 0, datetime.now(UTC).timestamp()
    for line in text.lines():
        count += 1
        if not line.strip():
            continue
        try:
            found = _ended(line, context, now) if " ORIG: " in line else None
            found = found or log.observation(_packet(line, context, now))
        except RefusedError as error:
            context.file.refuse(str(error), count, line)
            continue
        if found is not None:
            yield found
    context.file.lines += count


def _head(line: str, context: Context, now: float) -> tuple[str, float | None, str]:
    """Return the host, the time and the rest of a line."""
    match = _HEAD.match(line)
    if match is None:
        return "", None, line
    host = match["host"] or match["isohost"]
    witness = context.witnesses[context.witness(host)]
    try:
        if match["iso"]:
            when = moment(match["iso"], context.clock.zone)
        else:
            witness.assumed_zone = True
            when = _this_year(match["bsd"], context.clock.zone, now)
    except ValueError:
        raise RefusedError("the time of a record is not one") from None
    return host, when, line[match.end() :]


def _this_year(text: str, zone: tzinfo, now: float) -> float:
    """Return the latest moment with a date that has no year and does not lie ahead."""
    year = datetime.fromtimestamp(now, zone).year
    for candidate in (year, year - 1, year - 2, year - 3, year - 4):
        try:
            when = datetime.strptime(f"{candidate} {text} +0000", "%Y %b %d %H:%M:%S %z")
        except ValueError:  # the 29th of February of another year
            continue
        seconds = when.replace(tzinfo=zone).timestamp()
        if seconds <= now + _AHEAD:
            return seconds
    raise RefusedError("the time of a record is not one")


def _packet(line: str, context: Context, now: float) -> _Packet:
    host, when, rest = _head(line, context, now)
    fields: dict[str, str] = {}
    for name, value in _FIELDS.findall(rest):
        fields.setdefault(name, value)  # an ICMP error quotes another packet after its own
    if not {"SRC", "DST", "PROTO"} <= fields.keys():
        raise RefusedError("it is not a packet that a rule logged")
    before = rest.partition("IN=")[0]
    kernel = _KERNEL.match(before)
    words = rest.split()
    return _Packet(
        host=host,
        prefix=before[kernel.end() if kernel else 0 :].strip(),
        entered=fields.get("IN", ""),
        left=fields.get("OUT", ""),
        source=fields["SRC"],
        destination=fields["DST"],
        protocol=fields["PROTO"],
        source_port=fields.get("SPT", ""),
        port=fields.get("DPT", ""),
        syn="SYN" in words,
        ack="ACK" in words,
        bytes=number(fields.get("LEN", "")),
        when=when,
    )


def _ended(line: str, context: Context, now: float) -> Observation:
    """Return a connection that ulogd says has ended."""
    host, when, rest = _head(line, context, now)
    _, _, sides = rest.partition(" ORIG: ")
    before, _, after = sides.partition("REPLY:")
    original, reply = dict(_FIELDS.findall(before)), dict(_FIELDS.findall(after))
    group = _connection(
        host, original.get("PROTO", ""), original, reply, context, names=("SRC", "DST", "DPT")
    )
    size = number(original.get("BYTES", "")) + number(reply.get("BYTES", ""))
    ports = group.flow.protocol in WITH_PORTS
    return Observation(group, when, when, port_of(original.get("SPT", "")) if ports else 0, 1, size)


def _connection(
    host: str,
    protocol: str,
    original: Mapping[str, str],
    reply: Mapping[str, str],
    context: Context,
    *,
    names: tuple[str, str, str],
) -> Group:
    """Return a connection of which both directions are told."""
    of, name = context.addresses.of, protocol_name(protocol)
    if not name:
        raise RefusedError("a record has no protocol")
    from_field, to_field, port_field = names
    source, destination = of(original.get(from_field, "")), of(original.get(to_field, ""))
    inner, outer = of(reply.get(from_field, "")), of(reply.get(to_field, ""))
    port = port_of(original.get(port_field, "")) if name in WITH_PORTS else 0
    answered: Completed = "yes" if number(reply.get("PKTS", "")) else "no"
    return Group(
        flow=Flow(source, destination, "" if inner == destination else inner, name, port),
        outer="" if outer == source else outer,
        witness=clipped(host) or "netfilter",
        verdict="allow",
        reason="ended",
        completed=answered,
    )


def _read_json(text: Text, context: Context) -> Iterator[Observation]:
    log = _Log(context)
    for count, whole, found in objects(text, context):
        try:
            if "oob.prefix" in found or "oob.in" in found:
                one = log.observation(_json_packet(found, context))
            else:
                one = _json_connection(found, context)
        except RefusedError as error:
            context.file.refuse(str(error), count, whole)
            continue
        if one is not None:
            yield one


def _json_packet(found: Mapping[str, Any], context: Context) -> _Packet:
    def of(name: str) -> str:
        return text_of(found.get(name))

    seconds = found.get("oob.time.sec")
    when = float(seconds) if isinstance(seconds, int) else _json_time(found, context)
    return _Packet(
        host=_json_host(found),
        prefix=of("oob.prefix").strip(),
        entered=of("oob.in"),
        left=of("oob.out"),
        source=of("src_ip"),
        destination=of("dest_ip"),
        protocol=of("ip.protocol") or of("ip6.nexthdr"),
        source_port=of("src_port"),
        port=of("dest_port"),
        syn=of("tcp.syn") == "1",
        ack=of("tcp.ack") == "1",
        bytes=number(of("raw.pktlen")),
        when=when,
    )


def _json_time(found: Mapping[str, Any], context: Context) -> float | None:
    text = text_of(found.get("timestamp"))
    if not text:
        return None
    context.witnesses[_json_host(found)].assumed_zone = True
    try:
        return moment(text, context.clock.zone)
    except ValueError:
        raise RefusedError("the time of a record is not one") from None


def _json_host(found: Mapping[str, Any]) -> str:
    name = text_of(found.get("dvc"))
    return clipped(name) if name and name != "Netfilter" else "netfilter"


def _json_connection(found: Mapping[str, Any], context: Context) -> Observation | None:
    def of(name: str) -> str:
        return text_of(found.get(name))

    if of("ct.event") not in {"", "4"}:  # only the end counts: 1 is new, 2 an update
        context.file.other("connection that goes on")
        return None
    original = {"SRC": of("src_ip"), "DST": of("dest_ip"), "DPT": of("orig.l4.dport")}
    reply = {
        "SRC": of("reply.ip.saddr.str"),
        "DST": of("reply.ip.daddr.str"),
        "PKTS": of("reply.raw.pktcount"),
    }
    group = _connection(
        _json_host(found),
        of("orig.ip.protocol"),
        original,
        reply,
        context,
        names=("SRC", "DST", "DPT"),
    )
    start, end = (found.get(f"flow.{name}.sec") for name in ("start", "end"))
    last = float(end) if isinstance(end, int) else _json_time(found, context)
    size = number(of("orig.raw.pktlen")) + number(of("reply.raw.pktlen"))
    return Observation(
        group,
        float(start) if isinstance(start, int) else last,
        last,
        port_of(of("orig.l4.sport")),
        1,
        size,
    )


TEXT: Final = Reader(name="netfilter log", claims=_claims_text, read=_read_text)
JSON: Final = Reader(name="ulogd JSON", claims=_claims_json, read=_read_json)
