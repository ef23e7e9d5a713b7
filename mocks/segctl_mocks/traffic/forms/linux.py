"""A Linux gateway: conntrack events and list, NFLOG as kernel lines, ulogd's JSON.

Source: conntrack 1.4.7 and ulogd 2.0.8 on a live kernel (tests check columns and keys).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from segctl_mocks.traffic.forms.zeek import mac
from segctl_mocks.traffic.protocols import NUMBERS
from segctl_mocks.traffic.records import Plain, local

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl_mocks.traffic.records import Record


def _tuple(record: Record, *, reply: bool, counts: bool) -> str:
    session, sight = record.session, record.sight
    source, target = (sight.nat[1], sight.nat[0]) if reply else (sight.source, sight.target)
    ends = f"src={source} dst={target}"
    if session.protocol.transport == "icmp":
        ends += f" type={0 if reply else 8} code=0 id={session.ident % 65536}"
    else:
        ports = (session.dport, session.sport) if reply else (session.sport, session.dport)
        ends += f" sport={ports[0]} dport={ports[1]}"
    if counts:
        volume = session.received if reply else session.sent
        ends += f" packets={volume[1]} bytes={volume[0]}"
    return ends


def _entry(record: Record, state: str, timeout: int, *, counts: bool) -> str:
    """Write an entry: protocol, its number, seconds left, state, both tuples, what is assured."""
    session = record.session
    transport = session.protocol.transport
    lead = f"{transport:<8} {NUMBERS[transport]} {timeout}"
    if transport == "tcp":
        lead += f" {state}"
    first, second = (_tuple(record, reply=reply, counts=counts) for reply in (False, True))
    answered = session.received[1] > 0
    unreplied = "" if answered else "[UNREPLIED] "
    assured = " [ASSURED]" if answered and transport == "tcp" else ""
    return f"{lead} {first} {unreplied}{second}{assured}"


class Conntrack(Plain):
    """``conntrack -E -o timestamp,extended,id`` all the time, and ``conntrack -L`` at the end."""

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the event of a connection that was let through."""
        if not record.sight.passed:
            return
        begins = record.moment == "begin"
        entry = _entry(record, "SYN_SENT", 120, counts=False)
        if begins and "[UNREPLIED]" not in entry:
            entry = entry.replace(" src=", " [UNREPLIED] src=", 2).replace("[UNREPLIED] ", "", 1)
            entry = entry.removesuffix(" [ASSURED]")
        if not begins:
            entry = self._destroyed(record)
        kind = "    [NEW]" if begins else "[DESTROY]"
        time, ident = record.time + record.ahead, record.session.ident % 2**32
        yield "conntrack.log", f"[{time:.6f}]\t{kind} ipv4     2 {entry} id={ident}\n"

    @staticmethod
    def _destroyed(record: Record) -> str:
        """Write an entry as it is gone: no time is left, it has what it carried and its age.

        Kernels from 5.10 on tell the last state too (inferred from recorded deletions).
        """
        transport = record.session.protocol.transport
        first, second = (_tuple(record, reply=reply, counts=True) for reply in (False, True))
        answered = record.session.received[1] > 0
        tail = " [ASSURED]" if answered and transport == "tcp" else ""
        unreplied = "" if answered else "[UNREPLIED] "
        state = " TIME_WAIT" if transport == "tcp" else ""
        age = f"delta-time={int(record.session.end - record.session.start)}"
        lead = f"{transport:<8} {NUMBERS[transport]}{state}"
        return f"{lead} {first} {unreplied}{second}{tail} {age}"

    def closing(self, still_open: Sequence[Record]) -> Iterator[tuple[str, str]]:
        """Yield the list of the connections that go on."""
        for record in still_open:
            if record.sight.passed:
                age = int(record.time - record.session.start)
                entry = _entry(record, "ESTABLISHED", 431992, counts=True)
                yield "conntrack-list.txt", f"{entry} mark=0 delta-time={age} use=1\n"


def _prefix(record: Record) -> str:
    """Return the prefix of a rule's log: its name and the verdict, with the blank before IN=."""
    verdict = record.sight.verdict
    assert verdict is not None  # noqa: S101  # of a firewall
    return f"segctl:{verdict.rule}:{'allow' if verdict.allow else 'drop'} "


def _logged(record: Record) -> bool:
    verdict = record.sight.verdict
    return verdict is not None and bool(verdict.log)


class KernelLog(Plain):
    """What log rules of nft write, as lines of the kernel's log: the first packet of each session.

    The sender of a dropped packet tries again: each of its attempts is a line.
    """

    def __init__(self, name: str, offset: int) -> None:
        self._name = name
        self._offset = offset

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "retry"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the line of a packet."""
        if not _logged(record):
            return
        session, sight = record.session, record.sight
        stamp = local(int(record.time + record.ahead) + self._offset, "%b %e %H:%M:%S")
        cards = f"{mac(self._name)}:{mac(session.client)}:08:00"
        head = f"{stamp} {self._name} kernel: {_prefix(record)}IN={sight.interfaces[0]}"
        where = f"OUT={sight.interfaces[1]} MAC={cards} SRC={sight.source} DST={sight.target}"
        number = (session.ident + record.number) % 65536
        ip = f"LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID={number} DF"
        yield "kernel.log", f"{head} {where} {ip} {self._payload(record)}\n"

    @staticmethod
    def _payload(record: Record) -> str:
        session = record.session
        match session.protocol.transport:
            case "icmp":
                return f"PROTO=ICMP TYPE=8 CODE=0 ID={session.ident % 65536} SEQ=1 "
            case "udp":
                return f"PROTO=UDP SPT={session.sport} DPT={session.dport} LEN=40 "
            case _:
                ports = f"SPT={session.sport} DPT={session.dport}"
                return f"PROTO=TCP {ports} WINDOW=64240 RES=0x00 SYN URGP=0 "


class Ulogd(Plain):
    """ulogd's JSON: packets of log rules in one file, connections that ended in another."""

    def __init__(self, name: str, offset: int) -> None:
        self._name = name
        self._offset = offset

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "retry", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the object of a packet or of a connection."""
        if record.moment != "end":
            if _logged(record):
                yield "ulogd-nflog.json", json.dumps(self._packet(record)) + "\n"
        elif record.sight.passed:
            yield "ulogd-nfct.json", json.dumps(self._connection(record)) + "\n"

    def _stamp(self, time: float, *, micros: bool) -> str:
        text = local(int(time) + self._offset, "%Y-%m-%dT%H:%M:%S")
        return f"{text}.{int(time % 1 * 1e6):06}" if micros else text

    def _packet(self, record: Record) -> dict[str, str | int]:
        session, sight = record.session, record.sight
        time = record.time + record.ahead
        micros = int(time % 1 * 1e6)
        transport = session.protocol.transport
        ports: dict[str, str | int] = {"src_port": session.sport, "dest_port": session.dport}
        flags: dict[str, str | int] = {"tcp.syn": 1, "tcp.ack": 0, "tcp.fin": 0, "tcp.rst": 0}
        return {
            "timestamp": self._stamp(time, micros=True),
            "dvc": "Netfilter",
            "raw.pktlen": 60,
            "raw.pktcount": 1,
            "oob.prefix": _prefix(record),
            "oob.time.sec": int(time),
            "oob.time.usec": micros,
            "oob.mark": 0,
            "oob.hook": 2,
            "oob.family": 2,
            "oob.protocol": 2048,
            "raw.label": 0 if record.sight.passed else 1,
            "ip.protocol": NUMBERS[transport],
            "ip.ttl": 63,
            "ip.totlen": 60,
            "ip.id": (session.ident + record.number) % 65536,
            **(ports if transport != "icmp" else {"icmp.type": 8, "icmp.code": 0}),
            **(flags if transport == "tcp" else {}),
            "oob.in": sight.interfaces[0],
            "oob.out": sight.interfaces[1],
            "src_ip": sight.source,
            "dest_ip": sight.target,
            "mac.saddr.str": mac(session.client),
            "mac.daddr.str": mac(self._name),
        }

    def _connection(self, record: Record) -> dict[str, str | int]:
        session, sight = record.session, record.sight
        start, end = session.start + record.ahead, record.time + record.ahead
        number = NUMBERS[session.protocol.transport]
        icmp = number == 1
        ports: dict[str, str | int] = {"icmp.code": 0, "icmp.type": 8}
        if not icmp:
            ports = {
                "orig.l4.sport": session.sport,
                "orig.l4.dport": session.dport,
                "reply.l4.sport": session.dport,
                "reply.l4.dport": session.sport,
            }
        return {
            "timestamp": self._stamp(end, micros=False),
            "dvc": "Netfilter",
            "orig.ip.protocol": number,
            **ports,
            "orig.raw.pktlen": session.sent[0],
            "orig.raw.pktcount": session.sent[1],
            "reply.ip.protocol": number,
            "reply.raw.pktlen": session.received[0],
            "reply.raw.pktcount": session.received[1],
            "ct.mark": 0,
            "ct.id": session.ident % 2**32,
            "ct.event": 4,
            "flow.start.sec": int(start),
            "flow.start.usec": int(start % 1 * 1e6),
            "flow.end.sec": int(end),
            "flow.end.usec": int(end % 1 * 1e6),
            "oob.family": 2,
            "oob.protocol": 0,
            "src_ip": sight.source,
            "dest_ip": sight.target,
            "reply.ip.saddr.str": sight.nat[1],
            "reply.ip.daddr.str": sight.nat[0],
        }
