"""Records of threats and of tries, as witnesses write them at a moment that a test chooses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count

from support.records import RECORDS, logged

_THREAT = (RECORDS / "panos-threat.log").read_text().splitlines()[0].split(',"a, ""b""",')
_NUMBERS = count(10_000)
_COLUMNS = {
    "received": 2, "serial": 3, "subtype": 5, "generated": 7, "src": 8, "dst": 9, "natdst": 11,
    "enter": 17, "leave": 18, "dport": 26, "proto": 30, "action": 31, "threat": 33,
    "severity": 35, "direction": 36, "seqno": 37, "host": 60, "category": 70,
}  # fmt: skip


def alarm(when: float, **said: str) -> str:
    """Return a threat record of fw1: scada1 attacks plc1, but for what is said by column."""
    before, after = (part.split(",") for part in _THREAT)
    values = [*before, "request", *after]
    local = f"{datetime.fromtimestamp(when, UTC):%Y/%m/%d %H:%M:%S}"
    exact = f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}.000+00:00"
    values = [exact if one.startswith("2026-11-02T") else one for one in values]
    told = {
        "received": local, "generated": local, "serial": "007000000001", "host": "fw1",
        "severity": "critical", "seqno": str(next(_NUMBERS)), "category": "code-execution",
        **said,
    }  # fmt: skip
    for name, value in told.items():
        values[_COLUMNS[name] - 1] = value
    return ",".join(values) + "\n"


def tries(when: float, source: str, many: int = 20, **said: str) -> str:
    """Return records of fw1: a source tries as many hosts of the controllers' zone in vain."""
    lines: list[str] = []
    for number in range(many):
        local = f"{datetime.fromtimestamp(when + number, UTC):%Y/%m/%d %H:%M:%S}"
        told = {
            "src": source, "dst": f"10.20.1.{100 + number}", "natdst": "0.0.0.0",
            "app": "incomplete", "time": local, "rule": "any", "host": "fw1",
            "seqno": str(next(_NUMBERS)), "enter": "SUPV", "leave": "CTRL", **said,
        }  # fmt: skip
        lines.append(_timed(logged(**told), local))
    return "".join(lines)


def _timed(line: str, local: str) -> str:
    """Return a line whose time of receipt is that of its making, with no exact one beside."""
    values = line.split(",")
    values[1] = local
    return ",".join("" if one.startswith(("2022-", "2026-")) else one for one in values)


def alert(when: float, **said: object) -> str:
    """Return an alert of Suricata: scada1 attacks plc1 in a conversation that was answered."""
    event = {
        "timestamp": f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S}.000000+0000",
        "event_type": "alert", "flow_id": next(_NUMBERS), "host": "sensor1",
        "src_ip": "10.20.2.5", "src_port": 40001, "dest_ip": "10.20.1.11", "dest_port": 502,
        "proto": "TCP", "app_proto": "modbus", "direction": "to_server",
        "flow": {"pkts_toserver": 9, "pkts_toclient": 8},
        "alert": {
            "signature": "Made-up exploit", "category": "Attempted Administrator Privilege Gain",
            "severity": 1, "action": "allowed", "metadata": {"signature_severity": ["Critical"]},
        },
        **said,
    }  # fmt: skip
    return json.dumps(event) + "\n"


def notice(when: float, source: str, note: str = "Scan::Port_Scan") -> str:
    """Return a notice of Zeek: somebody scans a controller."""
    row = {
        "_path": "notice", "ts": when, "note": note, "msg": "made up", "src": source,
        "dst": "10.20.1.11", "actions": ["Notice::ACTION_LOG"], "suppress_for": 3600.0,
    }  # fmt: skip
    return json.dumps(row) + "\n"
