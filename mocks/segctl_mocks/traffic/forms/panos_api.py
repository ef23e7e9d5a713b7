"""The traffic file of the PAN-OS mock: log entries, open sessions, what rules counted.

A line is a JSON object: ``kind`` is log, session or rule, ``device`` the firewall; the rest bears
the names that the elements have in answers of the XML API (recorded on 10.x and 11.x).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from segctl_mocks.traffic.forms.panos_values import Values, rule_uuid
from segctl_mocks.traffic.protocols import NUMBERS
from segctl_mocks.traffic.records import Plain, local

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl_mocks.traffic.plant import Firewall
    from segctl_mocks.traffic.records import Record


class TrafficFile(Plain):
    """The traffic file of the mock: log entries, then open sessions, then what rules counted.

    A line is a JSON object; ``kind`` is log, session or rule, ``device`` the firewall.
    """

    def __init__(self, firewall: Firewall, values: Values) -> None:
        self._values = values
        self._firewall = firewall

    def moments(self) -> frozenset[str]:
        """Return the moments that it writes down."""
        return frozenset(("begin", "shift", "threat", "end"))

    def lines(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the log entry of a record."""
        threat = record.moment == "threat"
        values = self._values.threat(record) if threat else self._values.traffic(record)
        yield "api.jsonl", self._line("log", values)

    def _line(self, kind: str, values: dict[str, str]) -> str:
        return json.dumps({"kind": kind, "device": self._firewall.name, **values}) + "\n"

    def closing(self, still_open: Sequence[Record]) -> Iterator[tuple[str, str]]:
        """Yield the sessions that go on, as the session table has them."""
        for record in still_open:
            yield "api.jsonl", self._line("session", self._session(record))

    def _session(self, record: Record) -> dict[str, str]:
        session, sight = record.session, record.sight
        number = str(NUMBERS[session.protocol.transport])
        nat = sight.translated
        assert sight.verdict is not None  # noqa: S101  # of a firewall
        begun = session.start + record.ahead
        return {
            "dst": sight.target,
            "xsource": sight.nat[0],
            "source": sight.source,
            "xdst": sight.nat[1],
            "xsport": str(session.sport),
            "xdport": str(session.dport),
            "sport": str(session.sport),
            "dport": str(session.dport),
            "proto": number,
            "from": sight.zones[0],
            "to": sight.zones[1],
            "start-time": local(int(begun) + self._values.offset, "%a %b %e %H:%M:%S %Y"),
            "nat": str(nat),
            "srcnat": str(nat and sight.nat[0] != sight.source),
            "dstnat": str(nat and sight.nat[1] != sight.target),
            "proxy": "False",
            "decrypt-mirror": "False",
            "state": "ACTIVE",
            "type": "FLOW",
            "total-byte-count": str(session.sent[0] + session.received[0]),
            "idx": str(record.flow),
            "vsys-idx": "1",
            "vsys": self._firewall.vsys,
            "application": session.applications[-1],
            "security-rule": sight.verdict.rule,
            "ingress": sight.interfaces[0],
            "egress": sight.interfaces[1],
            "flags": " ",
        }

    def counted(self, rule: str, hits: int, first: float, last: float) -> tuple[str, str]:
        """Return what a rule counted, in seconds since 1970."""
        values = {
            "name": rule,
            "uuid": rule_uuid(self._firewall.name, rule),
            "hit-count": str(hits),
            "first-hit-timestamp": str(int(first)),
            "last-hit-timestamp": str(int(last)),
        }
        return "api.jsonl", self._line("rule", values)
