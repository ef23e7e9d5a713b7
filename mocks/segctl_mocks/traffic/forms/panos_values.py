"""What PAN-OS tells of a session at a moment, by the names of the fields of its logs.

Sources: the vendor's "Traffic Log Fields" and "Threat Log Fields" of 8.1 to 11.1. The release as a
number, major times 256 plus minor: genuine lines.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING

from segctl_mocks.traffic.records import local

if TYPE_CHECKING:
    from segctl_mocks.traffic.plant import Firewall
    from segctl_mocks.traffic.records import Record

_PRIVATE = (
    ("10.", "10.0.0.0-10.255.255.255"),
    ("192.168.", "192.168.0.0-192.168.255.255"),
    ("172.16.", "172.16.0.0-172.31.255.255"),
)


@lru_cache(maxsize=1024)
def rule_uuid(firewall: str, rule: str) -> str:
    """Return the uuid of a rule of a plant's firewall: always the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"segctl-mocks/{firewall}/{rule}"))


@lru_cache(maxsize=4096)
def country(address: str) -> str:
    """Return the location that a firewall logs of an address."""
    return next((name for start, name in _PRIVATE if address.startswith(start)), "United States")


class Values:
    """The values of a record, by field, as every form of a firewall tells them."""

    def __init__(self, firewall: Firewall, offset: int) -> None:
        self._firewall = firewall
        self.offset = offset
        self._last: tuple[Record | None, dict[str, str]] = None, {}
        major, minor = map(int, firewall.release.split("."))
        self._number = "1" if major < 8 else str(major * 256 + minor)

    def stamp(self, time: float) -> str:
        """Write a time as the firewall's clock shows it, in its own time zone."""
        return local(int(time) + self.offset, "%Y/%m/%d %H:%M:%S")

    def high_res(self, time: float) -> str:
        """Write a time with milliseconds and the offset."""
        millis = int((time % 1) * 1000)
        sign, minutes = "-" if self.offset < 0 else "+", abs(self.offset) // 60
        text = local(int(time) + self.offset, "%Y-%m-%dT%H:%M:%S")
        return f"{text}.{millis:03}{sign}{minutes // 60:02}:{minutes % 60:02}"

    def of(self, record: Record) -> dict[str, str]:
        """Return what both types of log tell of a record."""
        session, sight, firewall = record.session, record.sight, self._firewall
        time = record.time + record.ahead
        stamp = self.stamp(time)
        assert sight.verdict is not None  # noqa: S101  # of a firewall
        return self._translated(record) | {
            "domain": "1",
            "receive_time": self.stamp(time + 1),
            "serial": firewall.serial,
            "config_ver": self._number,
            "time_generated": stamp,
            "src": sight.source,
            "dst": sight.target,
            "rule": sight.verdict.rule,
            "srcuser": session.user,
            "dstuser": "",
            "app": application(record),
            "vsys": firewall.vsys,
            "from": sight.zones[0],
            "to": sight.zones[1],
            "inbound_if": sight.interfaces[0],
            "outbound_if": sight.interfaces[1],
            "logset": "to-siem",
            "time_received": stamp,
            "sessionid": str(record.flow),
            "repeatcnt": str(session.repeats),
            "sport": str(session.sport),
            "dport": str(session.dport),
            "proto": session.protocol.transport,
            "seqno": str(record.number),
            "actionflags": "0x8000000000000000",
            "srcloc": country(sight.source),
            "dstloc": country(sight.target),
            "device_name": firewall.name,
            "rule_uuid": rule_uuid(firewall.name, sight.verdict.rule),
            "high_res_timestamp": self.high_res(time),
        }

    @staticmethod
    def _translated(record: Record) -> dict[str, str]:
        """Return both ends after the translation: zeros where there is none."""
        session, sight = record.session, record.sight
        found = {"natsrc": "0.0.0.0", "natdst": "0.0.0.0"}  # noqa: S104  # what stands for no address
        found |= {"natsport": "0", "natdport": "0", "flags": "0x19"}
        if sight.translated:
            found |= {"natsrc": sight.nat[0], "natdst": sight.nat[1], "flags": "0x400019"}
            found |= {"natsport": str(49152 + session.ident % 16000)}
            found |= {"natdport": str(session.dport)}
        return found

    def traffic(self, record: Record) -> dict[str, str]:
        """Return the values of a line of the traffic log; forms ask for one record in a row."""
        if self._last[0] is not record:
            self._last = record, self._traffic(record)
        return self._last[1]

    def _traffic(self, record: Record) -> dict[str, str]:
        session, sight = record.session, record.sight
        begin = record.moment == "begin" or record.moment.startswith("shift")
        sent, received = session.sent, session.received
        if not sight.passed or begin:
            sent, received = (min(sent[0], 74), 1), (0, 0)
        elapsed = 0 if begin or not sight.passed else int(session.end - session.start)
        return self.of(record) | {
            "type": "TRAFFIC",
            "subtype": subtype(record),
            "action": "allow" if sight.passed else "deny",
            "bytes": str(sent[0] + received[0]),
            "bytes_sent": str(sent[0]),
            "bytes_received": str(received[0]),
            "packets": str(sent[1] + received[1]),
            "start": self.stamp(session.start + record.ahead),
            "elapsed": str(elapsed),
            "category": "any",
            "pkts_sent": str(sent[1]),
            "pkts_received": str(received[1]),
            "session_end_reason": _reason(record),
            "action_source": "from-policy",
        }

    def threat(self, record: Record) -> dict[str, str]:
        """Return the values of a line of the threat log."""
        return self.of(record) | {
            "type": "THREAT",
            "subtype": "vulnerability",
            "action": "alert",
            "threatid": record.session.conversation.threat,
            "category": "any",
            "severity": "high",
            "direction": "client-to-server",
            "thr_category": "code-execution",
            "contentver": "AppThreat-8799-8509",
        }


def application(record: Record) -> str:
    """Return the application that a firewall logs at a moment."""
    session, verdict = record.session, record.sight.verdict
    if verdict is not None and not verdict.allow:
        return verdict.denied_as
    if session.answer != "done" and session.protocol.transport == "tcp":
        return "incomplete"
    if record.moment == "begin":
        return session.applications[0]
    if record.moment.startswith("shift"):
        return session.applications[int(record.moment[6:])]
    return session.applications[-1]


def subtype(record: Record) -> str:
    """Return which line of the traffic log it is: start, end, deny, drop."""
    verdict = record.sight.verdict
    if verdict is not None and not verdict.allow:
        return "drop" if verdict.denied_as == "not-applicable" else "deny"
    return "end" if record.moment == "end" else "start"


def _reason(record: Record) -> str:
    if not record.sight.passed:
        return "policy-deny"
    if record.moment != "end":
        return "n/a"
    if record.session.answer == "refused":
        return "tcp-rst-from-server"
    ended = record.session.protocol.transport == "tcp" and record.session.answer == "done"
    return "tcp-fin" if ended else "aged-out"
