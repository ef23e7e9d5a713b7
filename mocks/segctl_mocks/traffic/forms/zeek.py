"""Zeek's logs, as tables with headers or as JSON: connections, Modbus, DNP3, S7, CIP, BACnet, DHCP.

Sources. Fields and types: the headers of Zeek's own test baselines and those of ICSNPP (tests check
them). Words: see ``protocols``. A connection is written when it ends, what is said on it at once.
States and histories: Zeek ``base/protocols/conn/main.zeek``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from segctl_mocks.traffic.forms import names
from segctl_mocks.traffic.records import Plain, local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TypeAlias

    from segctl_mocks.traffic.records import Record

    Value: TypeAlias = str | int | float | bool | list[str] | list[int] | None

_ID = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port"
_ENDS = "is_orig:bool source_h:addr source_p:port destination_h:addr destination_p:port"
#: Every field of a log and its type, in order.
LOGS = {
    name: [tuple(word.rsplit(":", 1)) for word in text.split()]
    for name, text in {
        "conn": f"{_ID} proto:enum service:string duration:interval orig_bytes:count "
        "resp_bytes:count conn_state:string local_orig:bool local_resp:bool missed_bytes:count "
        "history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count "
        "tunnel_parents:set[string] ip_proto:count",
        "modbus": f"{_ID} tid:count unit:count func:string pdu_type:string exception:string",
        "modbus_detailed": f"{_ID} tid:count unit:count func:string address:count quantity:count "
        "request_values:vector[count] response_values:vector[count] modbus_detailed_link_id:string "
        "matched:bool request_subfunction_code:string response_subfunction_code:string "
        "request_data:string response_data:string exception_code:string mei_type:string",
        "dnp3": f"{_ID} fc_request:string fc_reply:string iin:count",
        "dnp3_control": f"{_ID} {_ENDS} block_type:string function_code:string index_number:count "
        "trip_control_code:string operation_type:string clear_bit:bool execute_count:count "
        "on_time:count off_time:count status_code:string",
        "cotp": f"{_ID} {_ENDS} pdu_code:string pdu_name:string",
        "s7comm": f"{_ID} {_ENDS} rosctr_code:count rosctr_name:string pdu_reference:count "
        "function_code:string function_name:string subfunction_code:string subfunction_name:string "
        "error_class:string error_code:string",
        "enip": f"{_ID} {_ENDS} packet_correlation_id:string enip_command_code:string "
        "enip_command:string length:count session_handle:string enip_status:string "
        "sender_context:string options:string",
        "cip": f"{_ID} {_ENDS} packet_correlation_id:string cip_sequence_count:count "
        "direction:string cip_service_code:string cip_service:string cip_status_code:string "
        "cip_status:string cip_extended_status_code:string cip_extended_status:string "
        "class_id:string class_name:string instance_id:string attribute_id:string",
        "bacnet": f"{_ID} {_ENDS} bvlc_function:string pdu_type:string pdu_service:string "
        "invoke_id:count result_code:string",
        "dns": f"{_ID} proto:enum trans_id:count rtt:interval query:string qclass:count "
        "qclass_name:string qtype:count qtype_name:string rcode:count rcode_name:string AA:bool "
        "TC:bool RD:bool RA:bool Z:count answers:vector[string] TTLs:vector[interval] "
        "rejected:bool",
        "dhcp": "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string "
        "host_name:string client_fqdn:string domain:string requested_addr:addr assigned_addr:addr "
        "lease_time:interval client_message:string server_message:string "
        "msg_types:vector[string] duration:interval",
    }.items()
}
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MIX = 0x9E3779B97F4A7C15F39CC0605CEDC835


@lru_cache(maxsize=1024)
def uid(ident: int, letter: str = "C") -> str:
    """Return a unique id of Zeek's kind: a letter and 17 letters or digits."""
    rest, found = (ident * _MIX) % 62**17, ""
    for _ in range(17):
        rest, at = divmod(rest, 62)
        found += _LETTERS[at]
    return letter + found


def mac(name: str) -> str:
    """Return the address of a host's network card, always the same."""
    value = sum(ord(letter) * 31**at for at, letter in enumerate(name)) % 2**24
    return f"00:0e:8c:{value >> 16:02x}:{value >> 8 & 255:02x}:{value & 255:02x}"


class Zeek(Plain):
    """The logs of one Zeek; `as_json` writes objects without headers.

    Of the share `midstream` of TCP connections it missed the beginning: their state is OTH. Where
    it saw the server first it turns the direction round if it knows the port (``^`` in the
    history), and takes the server for the originator if it does not.
    """

    def __init__(self, opened: float, midstream: float, *, as_json: bool) -> None:
        self._midstream = midstream
        self._json = as_json
        self._folder = "zeek-json" if as_json else "zeek"
        self._opened = local(int(opened), "%Y-%m-%d-%H-%M-%S")

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "poll", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the lines of a record: what is said in it, or the connection when it ended."""
        session = record.session
        if record.moment == "end":
            row = _conn(record)
            missed = record.session.ident // 2 % 1000 < 1000 * self._midstream
            if missed and row[6] == "tcp" and row[11] == "SF":
                row = _in_the_middle(row, server_first=record.session.ident % 2 == 1)
            yield self._line("conn", row)
        elif session.protocol.name == "dhcp":
            yield self._line("dhcp", _dhcp(record))
        elif session.answer == "done" and record.sight.passed:
            said = _SAID.get(session.protocol.name)
            for name, row in said(record) if said else ():
                yield self._line(name, row)

    def _line(self, name: str, row: Sequence[Value]) -> tuple[str, str]:
        fields, path = LOGS[name], f"{self._folder}/{name}.log"
        if self._json:
            named = zip(fields, row, strict=True)
            values = {field: value for (field, _), value in named if value is not None}
            return path, json.dumps(values, separators=(",", ":")) + "\n"
        cells = (_cell(kind, value) for (_, kind), value in zip(fields, row, strict=True))
        return path, "\t".join(cells) + "\n"

    def frame(self, name: str) -> tuple[str, str, str]:
        """Return the header and the last line of a table."""
        if self._json:
            return "", "", ""
        log = name.rsplit("/", 1)[-1].removesuffix(".log")
        fields = "\t".join(field for field, _ in LOGS[log])
        kinds = "\t".join(kind for _, kind in LOGS[log])
        head = (
            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
            f"#path\t{log}\n#open\t{self._opened}\n#fields\t{fields}\n#types\t{kinds}\n"
        )
        return head, "", f"#close\t{self._opened}\n"


def _cell(kind: str, value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "(empty)"
    if kind in {"time", "interval"}:
        return f"{value:.6f}"
    return str(value).replace("\t", "\\x09").replace("\n", "\\x0a") or "(empty)"


def _ids(record: Record) -> list[Value]:
    session, sight = record.session, record.sight
    icmp = session.protocol.transport == "icmp"
    ports: list[Value] = [8, 0] if icmp else [session.sport, session.dport]
    time = round(record.time + record.ahead, 6)
    return [time, uid(session.ident), sight.source, ports[0], sight.target, ports[1]]


def _state(record: Record) -> tuple[str, str]:
    session = record.session
    if session.protocol.transport == "icmp":
        return "OTH", ""
    if session.protocol.transport == "udp":
        answered = session.received[1] and record.sight.passed
        return ("SF", "Dd") if answered else ("S0", "D")
    if not record.sight.passed or session.answer == "none":
        return "S0", "S"
    return ("REJ", "Sr") if session.answer == "refused" else ("SF", "ShADadFf")


def _conn(record: Record) -> list[Value]:
    session = record.session
    state, history = _state(record)
    talked = state in {"SF", "OTH"} or session.protocol.one_way
    received = session.received if record.sight.passed else (0, 0)
    header = 28 if session.protocol.transport == "udp" else 40
    row = _ids(record)
    row[0] = round(session.start + record.ahead, 6)
    counts: list[Value] = [None, None, None]
    if talked:
        sent = max(session.sent[0] - header * session.sent[1], 1)
        back = max(received[0] - header * received[1], 0)
        counts = [round(session.end - session.start, 6), sent, back]
    service = session.protocol.service if talked and history else ""
    return [
        *row,
        session.protocol.transport,
        service or None,
        *counts,
        state,
        True,
        not session.target.startswith("203."),
        0,
        history or None,
        *session.sent[::-1],
        *received[::-1],
        None,
        {"tcp": 6, "udp": 17, "icmp": 1}[session.protocol.transport],
    ]


def _in_the_middle(row: list[Value], *, server_first: bool) -> list[Value]:
    """Return a connection whose beginning was missed."""
    known = row[7] is not None
    row[11], row[15] = "OTH", "^dDaA" if server_first and known else "DdAa"
    if server_first and not known:
        row[2:6] = row[4:6] + row[2:4]
        row[9:11] = row[10], row[9]
        row[16:20] = row[18:20] + row[16:18]
    return row


def _dhcp(record: Record) -> list[Value]:
    session = record.session
    assigned, server = session.assigned.split()
    ids = [uid(session.ident), uid(session.ident + 1)]
    return [
        round(record.time + record.ahead, 6),
        ids,
        None,
        server,
        mac(session.client),
        session.client,
        None,
        None,
        None,
        assigned,
        86400.0,
        None,
        None,
        ["DISCOVER", "OFFER", "REQUEST", "ACK"],
        round(session.end - session.start, 6),
    ]


def _ends(record: Record, *, request: bool) -> list[Value]:
    session, sight = record.session, record.sight
    here: list[Value] = [sight.source, session.sport]
    there: list[Value] = [sight.target, session.dport]
    return [True, *here, *there] if request else [False, *there, *here]


def _later(ids: list[Value], seconds: float) -> list[Value]:
    assert isinstance(ids[0], float)  # noqa: S101  # a time
    return [round(ids[0] + seconds, 6), *ids[1:]]


def _modbus(record: Record) -> Iterable[tuple[str, list[Value]]]:
    session, ids = record.session, _ids(record)
    for at, name in enumerate(session.functions, start=1):
        function = session.protocol.functions[name]
        now = _later(ids, 0.01 * at)
        tid, unit = session.ident % 60000 + at, 1
        yield "modbus", [*now, tid, unit, function.zeek, "REQ", None]
        yield "modbus", [*_later(now, 0.004), tid, unit, function.zeek, "RESP", None]
        link = uid(session.ident + at, "")[:16]
        values: list[Value] = [[1], None] if function.access == "write" else [None, [0, 0]]
        quantity = 1 if function.access == "write" else 2
        head: list[Value] = [*_later(now, 0.004), tid, unit, function.zeek, 100, quantity]
        subs: list[Value] = ["0x0000", "0x0000"] if function.code == 8 else [None, None]
        rest: list[Value] = [link, True, *subs, None, None, None, None]
        yield "modbus_detailed", [*head, *values, *rest]


def _dnp3(record: Record) -> Iterable[tuple[str, list[Value]]]:
    session, ids = record.session, _ids(record)
    for at, name in enumerate(session.functions, start=1):
        function = session.protocol.functions[name]
        now = _later(ids, 0.02 * at)
        yield "dnp3", [*now, function.zeek, "RESPONSE", 0]
        if function.access != "control" or name == "cold-restart":
            continue
        block: list[Value] = ["Control Relay Output Block"]
        point: list[Value] = [8, "Close", "Pulse On", False, 1, 500, 0]
        for request, word, status in ((True, function.zeek, None), (False, "RESPONSE", "Success")):
            ends = _ends(record, request=request)
            yield "dnp3_control", [*now, *ends, *block, word, *point, status]


def _s7comm(record: Record) -> Iterable[tuple[str, list[Value]]]:
    session, ids = record.session, _ids(record)
    for request, code, word in (
        (True, "0x0e", "CR Connection Request"),
        (False, "0x0d", "CC Connection Confirm"),
        (True, "0x0f", "DT Data"),
    ):
        yield "cotp", [*ids, *_ends(record, request=request), code, word]
    jobs = [(0xF0, "Setup Communication")]
    for used in session.functions:
        function = session.protocol.functions[used]
        jobs.append((function.code, function.zeek))
        if used == "download":
            jobs += [(0x1B, "Download Block"), (0x1C, "Download Ended"), (0x28, "PLC Control")]
    for at, (job, name) in enumerate(jobs):
        now = _later(ids, 0.01 * (at + 1))
        number: list[Value] = [at, f"0x{job:02x}", name, None, None]
        ends = _ends(record, request=True)
        yield "s7comm", [*now, *ends, 1, "Job-Request", *number, None, None]
        ends = _ends(record, request=False)
        yield "s7comm", [*now, *ends, 3, "ACK-Data", *number, "No error", "0x00"]


def _cip(record: Record) -> Iterable[tuple[str, list[Value]]]:
    session, ids = record.session, _ids(record)
    link = uid(session.ident, "")[:16]
    handle = f"0x{session.ident % 2**32:08x}"
    for code, word in (("0x65", "Register Session"), ("0x6f", "Send RR Data")):
        for request in (True, False):
            tail: list[Value] = [4, handle, "Success", "0x0000000000000000", "0x00000000"]
            yield "enip", [*ids, *_ends(record, request=request), link, code, word, *tail]
    for at, name in enumerate(session.functions, start=1):
        function = session.protocol.functions[name]
        now = _later(ids, 0.01 * at)
        service: list[Value] = [f"0x{function.code:02x}", function.zeek]
        where: list[Value] = ["0x6b", "unknown", "0x00", None]
        ends, other = _ends(record, request=True), _ends(record, request=False)
        none: list[Value] = [None, None, None, None]
        done: list[Value] = ["0x00", "Success", None, None]
        yield "cip", [*now, *ends, link, at, "request", *service, *none, *where]
        yield "cip", [*now, *other, link, at, "response", *service, *done, *none]


def _bacnet(record: Record) -> Iterable[tuple[str, list[Value]]]:
    session, ids = record.session, _ids(record)
    for at, name in enumerate(session.functions, start=1):
        function = session.protocol.functions[name]
        ack = "COMPLEX_ACK" if function.access == "read" else "SIMPLE_ACK"
        for request, kind in ((True, "CONFIRMED_REQUEST"), (False, ack)):
            head = [*ids, *_ends(record, request=request), "Original_Unicast_NPDU"]
            yield "bacnet", [*head, kind, function.zeek, at, None]


def _dns(record: Record) -> Iterable[tuple[str, list[Value]]]:
    session, ids = record.session, _ids(record)
    kind: list[Value] = [16, "TXT"] if session.conversation.kind == "tunnel" else [1, "A"]
    answer, ttl = names.answered(session)
    asked: list[Value] = ["udp", session.ident % 65536, 0.004, names.asked(session)]
    flags: list[Value] = [False, False, True, True, 0]
    tail: list[Value] = [[answer], [f"{ttl:.6f}"], False]
    yield "dns", [*ids, *asked, 1, "C_INTERNET", *kind, 0, "NOERROR", *flags, *tail]


_SAID = {
    "dns": _dns,
    "modbus": _modbus,
    "dnp3": _dnp3,
    "s7comm": _s7comm,
    "cip": _cip,
    "bacnet": _bacnet,
}
