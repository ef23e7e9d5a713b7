"""Mock firewalls that saw traffic: entries of their logs and sessions, as in a traffic file."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl_mocks.panos.traffic.store import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cli_support import Plant
    from segctl_mocks import PanosMock
    from segctl_mocks.panos.traffic.store import Traffic

HOUR = 3600
DAY = 24 * HOUR
#: Stands for the serial number of the firewall that an entry is of.
OWN = "its own"
STAMP = "%Y/%m/%d %H:%M:%S"


def entry(number: int, ago: float = HOUR, /, *, host: str = "fw1", **said: str) -> dict[str, str]:
    """Return a poll that a firewall allowed and logged so many seconds ago."""
    when = datetime.fromtimestamp(time.time() - ago, UTC).astimezone()
    local = when.strftime(STAMP)
    values = {
        "kind": "log",
        "device": host,
        "type": "TRAFFIC",
        "subtype": "end",
        "serial": OWN,
        "seqno": str(7_000_000 + number),
        "sessionid": str(number),
        "receive_time": local,
        "time_generated": local,
        "high_res_timestamp": when.isoformat(timespec="milliseconds"),
        "src": "10.20.2.5",
        "dst": "10.20.1.11",
        "rule": "plant.polling.modbus",
        "app": "modbus-read-coils",
        "vsys": "vsys1",
        "from": "SUPV",
        "to": "CTRL",
        "sport": str(1024 + number % 60000),
        "dport": "502",
        "proto": "tcp",
        "action": "allow",
        "session_end_reason": "tcp-fin",
        "bytes": "1000",
        "elapsed": "5",
        "repeatcnt": "1",
        "device_name": host,
    }
    return values | {name.removesuffix("_"): value for name, value in said.items()}


def session(number: int, age: float, /, *, host: str = "fw1", **said: str) -> dict[str, str]:
    """Return a session that is open for so many seconds."""
    start = datetime.fromtimestamp(time.time() - age, UTC).astimezone()
    values = {
        "kind": "session",
        "device": host,
        "idx": str(number),
        "vsys": "vsys1",
        "application": "modbus-read-coils",
        "state": "ACTIVE",
        "type": "FLOW",
        "source": "10.20.2.5",
        "sport": "40000",
        "from": "SUPV",
        "proto": "6",
        "xsource": "10.20.2.5",
        "dst": "10.20.1.11",
        "dport": "502",
        "to": "CTRL",
        "xdst": "10.20.1.11",
        "security-rule": "plant.polling.modbus",
        "start-time": start.strftime("%a %b %e %H:%M:%S %Y"),
        "total-byte-count": "900000",
    }
    return values | {name.replace("_", "-"): value for name, value in said.items()}


def give(plant: Plant, *lines: Mapping[str, str]) -> None:
    """Let the plant's firewalls have seen what is of them, and nothing else."""
    mocks = {name: one for name, one in plant.fleet.mocks.items() if hasattr(one, "device")}
    have_seen(plant.folder, mocks, *lines)


def have_seen(
    folder: Path, mocks: Mapping[str, PanosMock], *lines: Mapping[str, str]
) -> dict[str, Traffic]:
    """Let firewalls have seen what is of them, and nothing else; return what that is."""
    path = folder / "seen.jsonl"
    own = {name: {"serial": mock.settings.serial} for name, mock in mocks.items()}
    known = [
        {**line, **own[line["device"]]} if line.get("serial") == OWN else line for line in lines
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in _of_all(known, mocks)))
    found = dict(load(path))
    for name, traffic in found.items():
        mocks[name].device.adopt_traffic(traffic)
    return found


def _of_all(
    lines: Iterable[Mapping[str, str]], hosts: Iterable[str]
) -> Iterable[Mapping[str, str]]:
    """Yield lines, oldest first, as a device writes them; a firewall of none counted nothing."""
    yield from sorted(lines, key=lambda line: line.get("time_generated", ""))
    for host in hosts:
        yield {
            "kind": "rule",
            "device": host,
            "name": "nothing",
            "hit-count": "0",
            "first-hit-timestamp": "0",
            "last-hit-timestamp": "0",
        }
