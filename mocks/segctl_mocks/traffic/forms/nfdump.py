"""Flow records as nfdump 1.7.1 writes them: CSV with its summary, JSON as one array.

Source: output of nfdump 1.7.1 of real captures (tests check header, columns and keys). Two records
a conversation, one each way; the CSV has whole seconds. What an exporter does with long flows is
RFC 3954's active timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.traffic.protocols import NUMBERS
from segctl_mocks.traffic.records import Plain, local

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl_mocks.traffic.records import Record
    from segctl_mocks.traffic.sessions import Session

#: The active timeout: of a flow that goes on there is a record for each, without SYN and FIN.
ACTIVE = 3600.0
HEADER = (
    "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,"
    "nhb,svln,dvln,ismc,odmc,idmc,osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,"
    "mpls10,cl,sl,al,ra,eng,exid,tr"
)
_MACS = ",".join(["00:00:00:00:00:00"] * 4)
_LABELS = ",".join(["0-0-0"] * 10)
_TAIL = f"0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,{_MACS},{_LABELS},    0.000,    0.000,    0.000"


class Nfdump(Plain):
    """One of the two forms; times are those of the machine that runs nfdump: the plant's zone."""

    def __init__(self, offset: int, *, as_json: bool) -> None:
        self._offset = offset
        self._json = as_json
        self._sum = [0, 0, 0]

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("poll", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the record of each way that had packets; of a long flow the last hour's part."""
        session, sight = record.session, record.sight
        sent, received = session.sent, session.received if sight.passed else (0, 0)
        if record.moment == "poll":
            sent, received = (_part(session, volume) for volume in (sent, received))
        ports = (0, 8 * 256) if session.protocol.transport == "icmp" else None
        sport, dport = ports or (session.sport, session.dport)
        yield self._one(record, (sight.source, sport), (sight.target, dport), sent, 0)
        if received[1]:
            back = (0, 0) if ports else (dport, sport)
            there, here = (sight.target, back[0]), (sight.source, back[1])
            yield self._one(record, there, here, received, 1)

    def _one(
        self,
        record: Record,
        source: tuple[str, int],
        target: tuple[str, int],
        volume: tuple[int, int],
        way: int,
    ) -> tuple[str, str]:
        session = record.session
        flags = _flags(record, way)
        transport = session.protocol.transport
        first, last = session.start + record.ahead, session.end + record.ahead
        if record.moment == "poll":
            last = record.time + record.ahead
            first = max(first, last - ACTIVE)
        self._sum[0] += 1
        self._sum[1] += volume[0]
        self._sum[2] += volume[1]
        if self._json:
            values = (
                '\t"type" : "FLOW"',
                '\t"sampled" : 0',
                '\t"export_sysid" : 0',
                f'\t"first" : "{self._millis(first)}"',
                f'\t"last" : "{self._millis(last)}"',
                f'\t"received" : "{self._millis(last + 1)}"',
                f'\t"in_packets" : {volume[1]}',
                f'\t"in_bytes" : {volume[0]}',
                f'\t"proto" : {NUMBERS[transport]}',
                f'\t"tcp_flags" : "{flags}"',
                f'\t"src_port" : {source[1]}',
                f'\t"dst_port" : {target[1]}',
                '\t"src_tos" : 0',
                f'\t"src4_addr" : "{source[0]}"',
                f'\t"dst4_addr" : "{target[0]}"',
                '\t"label" : "<none>"',
            )
            return "nfdump.json", "{\n" + ",\n".join(values) + "\n}"
        stamps = f"{self._seconds(first)},{self._seconds(last)},{last - first:.3f}"
        ends = f"{source[0]},{target[0]},{source[1]},{target[1]},{transport.upper()},{flags}"
        counts = f"0,0,{volume[1]},{volume[0]},0,0"
        tail = f"{_TAIL},0.0.0.0,0/0,0,1970-01-01 00:00:00.000"
        return "nfdump.csv", f"{stamps},{ends},{counts},{tail}\n"

    def _seconds(self, time: float) -> str:
        return local(int(time) + self._offset, "%Y-%m-%d %H:%M:%S")

    def _millis(self, time: float) -> str:
        text = local(int(time) + self._offset, "%Y-%m-%dT%H:%M:%S")
        return f"{text}.{int(time % 1 * 1000):03}"

    def frame(self, name: str) -> tuple[str, str, str]:
        """Return the brackets of the array, or the header of the CSV; the summary is closing."""
        del name
        return ("[\n", ",\n", "]\n") if self._json else (f"{HEADER}\n", "", "")

    def closing(self, still_open: Sequence[Record]) -> Iterator[tuple[str, str]]:
        """Yield the summary that follows the CSV."""
        del still_open
        flows, volume, packets = self._sum
        if not self._json and flows:
            each = volume // max(packets, 1)
            head = "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n"
            yield "nfdump.csv", f"{head}{flows},{volume},{packets},0,0,{each}\n"


def _part(session: Session, volume: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a volume that is of one active timeout."""
    share = min(ACTIVE / (session.end - session.start), 1.0)
    return int(volume[0] * share) + 1, int(volume[1] * share) + 1


def _flags(record: Record, way: int) -> str:
    """Return the flags of TCP that were seen one way: ``CEUAPRSF``, a dot for each that was not."""
    session = record.session
    if session.protocol.transport != "tcp":
        return "........"
    if record.moment == "poll":
        return "...AP..."
    if session.answer == "done" and record.sight.passed:
        return "...AP.SF"
    return "...A.R.." if way else "......S."
