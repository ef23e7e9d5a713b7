"""Suricata's eve.json: flows, what it decoded of Modbus, DNP3, EtherNet/IP and DHCP, alerts.

Sources. Flows, alerts and DHCP: recorded events (tests check their keys). Modbus:
``rust/src/modbus/log`` and the flags of the library sawp-modbus; of a write, that the flags of
which others are made stand beside those is inferred from that library. DNP3 and EtherNet/IP:
checks of suricata-verify.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from segctl_mocks.traffic.forms import names
from segctl_mocks.traffic.forms.zeek import mac
from segctl_mocks.traffic.records import Plain, local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from segctl_mocks.traffic.protocols import Function
    from segctl_mocks.traffic.records import Record
    from segctl_mocks.traffic.sessions import Session

#: sawp-modbus: what each function reaches, in the order of the flags' bits.
_MODBUS = {
    1: "READ | COILS",
    2: "READ | DISCRETES",
    3: "READ | HOLDING",
    4: "READ | INPUT",
    5: "WRITE | COILS | SINGLE | WRITE_SINGLE",
    6: "WRITE | HOLDING | SINGLE | WRITE_SINGLE",
    8: "NONE",
    16: "WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE",
}


class Suricata(Plain):
    """The events of one Suricata; its clock is set to UTC."""

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "poll", "threat", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the events of a record."""
        session = record.session
        if record.moment == "end":
            yield _event(record, "flow", _flow(record), record.time)
        elif record.moment == "threat":
            yield _event(record, "alert", _alert(session), record.time)
        elif session.answer == "done" and record.sight.passed:
            said = _SAID.get(session.protocol.name)
            for at, (kind, body) in enumerate(said(session) if said else (), start=1):
                yield _event(record, kind, body, record.time + 0.01 * at)


def stamp(time: float) -> str:
    """Write a time as Suricata does, in UTC."""
    return f"{local(int(time), '%Y-%m-%dT%H:%M:%S')}.{int(time % 1 * 1e6):06}+0000"


# Answers of DNS and DHCP are of who answers; those of Modbus, DNP3 and EtherNet/IP of who asked.
def _event(record: Record, kind: str, body: dict[str, Any], time: float) -> tuple[str, str]:
    session, sight = record.session, record.sight
    icmp = session.protocol.transport == "icmp"
    here, there = (sight.source, session.sport), (sight.target, session.dport)
    match body.get(kind, {}).get("type") if kind in {"dns", "dhcp"} else "":
        case "response":
            here, there = there, here
        case "reply":
            assigned, server = session.assigned.split()
            here, there = (server, session.dport), (assigned, session.sport)
        case _:
            pass
    event: dict[str, Any] = {
        "timestamp": stamp(time + record.ahead),
        "flow_id": session.ident % 2**51,
        "event_type": kind,
        "src_ip": here[0],
        **({} if icmp else {"src_port": here[1]}),
        "dest_ip": there[0],
        **({} if icmp else {"dest_port": there[1]}),
        "proto": session.protocol.transport.upper(),
        **({"icmp_type": 8, "icmp_code": 0} if icmp else {}),
        **body,
    }
    return "eve.json", json.dumps(event, separators=(",", ":")) + "\n"


def _flow(record: Record) -> dict[str, Any]:
    session = record.session
    talked = session.answer == "done" and record.sight.passed
    refused = session.answer == "refused" and record.sight.passed
    received = session.received if record.sight.passed else (0, 0)
    tcp = session.protocol.transport == "tcp"
    state = "new" if not (talked or refused) else "closed" if tcp else "established"
    known = session.protocol.suricata
    app = {"app_proto": known or "failed"} if talked and (tcp or known) else {}
    flow = {
        "pkts_toserver": session.sent[1],
        "pkts_toclient": received[1],
        "bytes_toserver": session.sent[0],
        "bytes_toclient": received[0],
        "start": stamp(session.start + record.ahead),
        "end": stamp(session.end + record.ahead),
        "age": int(session.end - session.start),
        "state": state,
        "reason": "timeout",
        "alerted": bool(session.conversation.threat),
    }
    return {**app, "flow": flow, **({"tcp": _tcp(state, refused=refused)} if tcp else {})}


def _tcp(state: str, *, refused: bool) -> dict[str, Any]:
    if refused:
        return {
            "tcp_flags": "16",
            "tcp_flags_ts": "02",
            "tcp_flags_tc": "14",
            "syn": True,
            "rst": True,
            "ack": True,
            "state": "closed",
        }
    if state == "new":
        return {
            "tcp_flags": "02",
            "tcp_flags_ts": "02",
            "tcp_flags_tc": "00",
            "syn": True,
            "state": "syn_sent",
        }
    return {
        "tcp_flags": "1b",
        "tcp_flags_ts": "1b",
        "tcp_flags_tc": "1b",
        "syn": True,
        "fin": True,
        "psh": True,
        "ack": True,
        "state": "closed",
    }


def _alert(session: Session) -> dict[str, Any]:
    name, _, number = session.conversation.threat.rstrip(")").partition("(")
    return {
        "alert": {
            "action": "allowed",
            "gid": 1,
            "signature_id": 2_000_000 + int(number or 0),
            "rev": 1,
            "signature": name,
            "category": "Attempted Administrator Privilege Gain",
            "severity": 1,
        }
    }


def _functions(session: Session) -> list[Function]:
    return [session.protocol.functions[name] for name in session.functions]


def _modbus(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    for at, function in enumerate(_functions(session), start=1):
        head: dict[str, Any] = {
            "transaction_id": session.ident % 60000 + at,
            "protocol_id": 0,
            "unit_id": 1,
            "function_raw": function.code,
            "function_code": function.suricata,
            "access_type": _MODBUS[function.code],
            "category": "PUBLIC_ASSIGNED",
            "error_flags": "NONE",
        }
        asked: dict[str, Any] = {"read": {"address": 100, "quantity": 2}}
        answered: dict[str, Any] = {"read": {"data": "\x04\x00\x00\x00\x00"}}
        if function.access == "write":
            asked = answered = {"write": {"address": 100, "data": 1}}
        elif function.access == "diagnostic":
            asked = answered = {"diagnostic": {"raw": 0, "code": "RetQueryData", "data": ""}}
        yield "modbus", {"modbus": {"id": at, "request": head | asked, "response": head | answered}}


def _dnp3(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    for function in _functions(session):
        for kind, code, source, target in (
            ("request", function.code, 1, 10),
            ("response", 129, 10, 1),
        ):
            control = {"fir": True, "fin": True, "con": False, "uns": False, "sequence": 0}
            application: dict[str, Any] = {
                "control": control,
                "function_code": code,
                "objects": [],
                "complete": True,
            }
            link = {
                "dir": kind == "request",
                "pri": True,
                "fcb": False,
                "fcv": False,
                "function_code": 4,
            }
            body: dict[str, Any] = {
                "src": source,
                "dst": target,
                "type": kind,
                "control": link,
                "application": application,
            }
            if kind == "response":
                body["iin"] = {"indicators": []}
            yield "dnp3", {"dnp3": body}


def _enip(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    for function in _functions(session):
        cip = {"service": function.zeek.lower().replace(" ", "_")}
        yield (
            "enip",
            {
                "enip": {
                    "request": {"command": "send_rr_data", "cip": cip},
                    "response": {"command": "send_rr_data", "status": "success"},
                }
            },
        )


def _dhcp(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    assigned, _server = session.assigned.split()
    number, card = session.ident % 2**32, mac(session.client)
    ask = {"type": "request", "id": number, "client_mac": card, "hostname": session.client}
    yield "dhcp", {"dhcp": {**ask, "requested_ip": assigned, "dhcp_type": "request"}}
    reply = {"type": "reply", "id": number, "client_mac": card, "assigned_ip": assigned}
    yield "dhcp", {"dhcp": {**reply, "dhcp_type": "ack"}}


def _dns(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    question = {
        "rrname": names.asked(session),
        "rrtype": "TXT" if session.conversation.kind == "tunnel" else "A",
    }
    answer, ttl = names.answered(session)
    head: dict[str, Any] = {"version": 3, "tx_id": 0, "id": session.ident % 65536}
    tail: dict[str, Any] = {"opcode": 0, "rcode": "NOERROR", "queries": [question]}
    yield "dns", {"dns": {**head, "type": "request", "flags": "100", "rd": True, **tail}}
    said: dict[str, Any] = {"type": "response", "flags": "8180", "qr": True, "rd": True, "ra": True}
    answers = [{**question, "ttl": int(ttl), "rdata": answer}]
    yield "dns", {"dns": {**head, **said, **tail, "answers": answers}}


_SAID = {"dns": _dns, "modbus": _modbus, "dnp3": _dnp3, "cip": _enip, "dhcp": _dhcp}
