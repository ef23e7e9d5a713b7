"""Zeek's logs, as TSV or JSON: connections, joined by uid with what ICSNPP says of protocols.

Order and presence of fields vary with the release: they are found by ``#fields`` or by key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from segctl.observe.functions import function_of
from segctl.observe.observation import WITH_PORTS, Flow, Group, Observation, protocol_name
from segctl.observe.readers.base import Reader, RefusedError, clipped, number, port_of
from segctl.observe.readers.json_objects import objects, text_of
from segctl.observe.readers.ports import serves
from segctl.observe.readers.zeek_functions import EITHER_SIDE, LOGS, is_request
from segctl.observe.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.observe.observation import Completed, Direction
    from segctl.observe.readers.base import Context
    from segctl.observe.readers.zeek_functions import ProtocolLog, Row
    from segctl.observe.sources import Text

_SENSOR: Final = "zeek"
_CONN: Final = "conn"
_NOTICE: Final = "notice"
#: How a connection ended, where both sides took part, and where one side did not.
#: Source: Zeek, base/protocols/conn/main.zeek.
_BOTH: Final = frozenset({"SF", "S1", "S2", "S3", "RSTO", "RSTR"})
_ICMP: Final = frozenset({"icmp", "ipv6-icmp"})
_ONE: Final = frozenset({"S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"})


def _claims_tsv(head: str) -> int:
    lines = head.splitlines()[:40]
    return sum(1 for line in lines if line.startswith("#fields\t")) * len(lines)


def _claims_json(head: str) -> int:
    if head.lstrip()[:1] not in {"{", "["}:
        return 0
    notices = head.count('"note"') if '"actions"' in head else 0  # some have a source only
    return max(head.count('"id.orig_h"'), notices)


def _read_tsv(text: Text, context: Context) -> Iterator[Observation]:
    """Yield the rows of a file; it may hold several logs, each with its header."""
    count, fields, path, unset, empty = 0, list[str](), "", "-", "(empty)"
    for line in text.lines():
        count += 1
        if line.startswith("#"):
            word, _, rest = line[1:].partition("\t")
            match word:
                case "fields":
                    fields = rest.split("\t")
                case "path":
                    path = rest
                case "unset_field":
                    unset = rest
                case "empty_field":
                    empty = rest
                case _:
                    pass
            continue
        if not line:
            continue
        values = line.split("\t")
        if len(values) != len(fields):
            context.file.refuse("a row has not as many fields as its header", count, line)
            continue
        row = {
            name: value
            for name, value in zip(fields, values, strict=True)
            if value not in {unset, empty}
        }
        yield from _row(path, row, context, count, line)
    context.file.lines += count


def _read_json(text: Text, context: Context) -> Iterator[Observation]:
    for count, whole, found in objects(text, context):
        row = {name: shown for name, value in _flat(found) if (shown := text_of(value))}
        yield from _row(row.get("_path") or _path_of(row), row, context, count, whole)


TSV: Final = Reader(name="Zeek TSV", claims=_claims_tsv, read=_read_tsv)
JSON: Final = Reader(name="Zeek JSON", claims=_claims_json, read=_read_json)


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in found.items():
        if name == "id" and isinstance(value, dict):
            ends = cast("dict[str, object]", value)
            yield from ((f"id.{inner}", below) for inner, below in ends.items())
        elif isinstance(value, bool):
            yield name, "T" if value else "F"
        else:
            yield name, value


def _path_of(row: Row) -> str:
    """Return the log that a row without its name is of, by the fields it has."""
    if "conn_state" in row:
        return _CONN
    if "note" in row and "actions" in row:
        return _NOTICE
    fitting = [(len(log.marks), name) for name, log in LOGS.items() if log.marks <= row.keys()]
    return max(fitting)[1] if fitting else ""


def _row(path: str, row: Row, context: Context, count: int, line: str) -> Iterator[Observation]:
    log = LOGS.get(path)
    try:
        if path == _CONN:
            found = _connection(row, context)
        elif path == _NOTICE:
            found = _notice(row, context)
        elif log is not None:
            found = _function(path, log, row, context)
        else:
            context.file.other(f"{path or 'unknown'}.log")
            return
    except RefusedError as error:
        context.file.refuse(str(error), count, line)
        return
    if found is not None:
        yield found


def _when(row: Row, context: Context) -> float:
    text = row.get("ts", "")
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return moment(text, context.clock.zone)
    except ValueError:
        raise RefusedError("the time of a record is not one") from None


def _witness(row: Row) -> str:
    return clipped(row.get("_system_name") or _node(row.get("_node_name", "")) or _SENSOR)


def _node(name: str) -> str:
    """Return the sensor of a worker: ``worker-eth0-1`` and ``worker-eth0-2`` are one."""
    return name.rstrip("0123456789").rstrip("-")


def _connection(row: Row, context: Context) -> Observation | None:
    uid = row.get("uid", "")
    if uid and context.named.again(("zeek", uid)):
        context.file.duplicates += 1
        context.witnesses[_witness(row)].duplicates += 1
        return None
    start = _when(row, context)
    protocol = protocol_name(row.get("proto", ""))
    state, history = row.get("conn_state", ""), row.get("history", "")
    asker = context.addresses.of(row.get("id.orig_h", ""))
    direction = _direction(protocol, state, history)
    turned = direction == "inferred" and "^" not in history and _turned(row, protocol)
    flow = _flow(row, context, protocol, reverse=turned)
    duration = row.get("duration", "0")
    try:
        end = start + max(0.0, float(duration))
    except ValueError:
        raise RefusedError("a number is not one") from None
    names = [one for one in row.get("service", "").split(",") if one and not one.startswith("-")]
    group = Group(
        flow=flow,
        witness=_witness(row),
        applications=tuple(clipped(one) for one in sorted(names)),
        functions=context.conversations.take(uid, asker),
        reason=clipped(state),
        completed=_completed(row, protocol, state, history),
        direction=direction,
    )
    size = sum(
        number(row.get(f"{side}_ip_bytes") or row.get(f"{side}_bytes", ""))
        for side in ("orig", "resp")
    )
    client = port_of(row.get(f"id.{'resp' if turned else 'orig'}_p", ""))
    return Observation(group, start, end, client if protocol in WITH_PORTS else 0, 1, size)


def _notice(row: Row, context: Context) -> Observation | None:
    """Return what a notice speaks of; of scans Zeek names the source, and no protocol.

    It has no severity: a scan is taken for one of medium severity, what else there is for low.
    Source: Zeek, base/frameworks/notice/main.zeek, policy/misc/scan.zeek.
    """
    note, source = row.get("note", ""), row.get("src") or row.get("id.orig_h", "")
    if not source or not note:
        context.file.other("notice.log: without addresses")
        return None
    when = _when(row, context)
    if context.named.again(("notice", row.get("uid", ""), note, source, when)):
        context.file.duplicates += 1
        context.witnesses[_witness(row)].duplicates += 1
        return None
    scan = note.startswith("Scan::")
    asker = context.addresses.of(source)
    asked = row.get("dst") or row.get("id.resp_h", "")
    protocol = protocol_name(row.get("proto", "")) or "tcp"
    port = port_of(row.get("p") or row.get("id.resp_p", "")) if protocol in WITH_PORTS else 0
    group = Group(
        flow=Flow(asker, context.addresses.of(asked or _nowhere(asker)), "", protocol, port),
        witness=_witness(row),
        reason=_NOTICE,
        threat=clipped(note),
        severity="medium" if scan else "low",
        category="scan" if scan else "",
        attacker="source" if scan else "",
    )
    return Observation(group, when, when, port_of(row.get("id.orig_p", "")), 0, 0)


def _nowhere(address: str) -> str:
    """Return what stands for no address in particular: many hosts were asked."""
    return "::" if ":" in address else "0.0.0.0"  # noqa: S104 - nothing is bound


def _completed(row: Row, protocol: str, state: str, history: str) -> Completed:
    """Return whether both sides took part; of what was seen midway, whether both sent data."""
    if state in _BOTH:
        return "yes"
    if state in _ONE:
        return "no"
    data = "D" in history and "d" in history
    echoed = protocol in _ICMP and number(row.get("resp_pkts", "")) > 0
    return "yes" if data or echoed else "unknown"


def _turned(row: Row, protocol: str) -> bool:
    """Whether the side that was seen first of a connection without its beginning rather serves."""
    ports = [port_of(row.get(f"id.{end}_p", "")) for end in ("orig", "resp")]
    return protocol in WITH_PORTS and all(ports) and serves(protocol, ports[0], ports[1])


def _direction(protocol: str, state: str, history: str) -> Direction:
    """A connection that was seen midway, or turned by Zeek, may have begun at the other side."""
    midway = state == "OTH" and protocol == "tcp"
    return "inferred" if midway or "^" in history else "known"


def _flow(row: Row, context: Context, protocol: str, *, reverse: bool) -> Flow:
    if not protocol:
        raise RefusedError("a record has no protocol")
    ends = ("orig", "resp") if not reverse else ("resp", "orig")
    source, destination = (context.addresses.of(row.get(f"id.{end}_h", "")) for end in ends)
    port = port_of(row.get(f"id.{ends[1]}_p", "")) if protocol in WITH_PORTS else 0
    return Flow(source, destination, "", protocol, port)


def _function(path: str, log: ProtocolLog, row: Row, context: Context) -> Observation | None:
    """Keep what a request asks for until its connection is told of."""
    back = row.get("is_orig") == "F"
    if not is_request(row) or (back and not log.peers and path not in EITHER_SIDE):
        context.file.other(f"{path}.log: replies")
        return None
    asked = log.function(row)
    if asked is None:
        context.file.other(f"{path}.log: no function")
        return None
    when = _when(row, context)
    protocol = row.get("proto") or log.transport
    reverse = back and log.peers
    flow = _flow(row, context, protocol_name(protocol), reverse=reverse)
    source_port = port_of(row.get("id.resp_p" if reverse else "id.orig_p", ""))
    context.file.evidence += 1
    return context.conversations.add(
        row.get("uid", ""), flow, _witness(row), source_port, when, function_of(*asked)
    )
