"""Records of traffic, read in a test: the small ones that are written by hand, or any file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.observe.reading import ReadOptions, read

if TYPE_CHECKING:
    from segctl.observe.grouping import Count
    from segctl.observe.observation import Group
    from segctl.observe.reading import Reading

#: One small file for each form, in our own words.
RECORDS = Path(__file__).parents[1] / "unit/observe/records"
#: Real records, where they are at hand.
SAMPLES = Path(__file__).resolve().parents[3] / "shared/third-party"
NOW = datetime(2026, 11, 3, tzinfo=UTC).timestamp()


def look(
    *names: str | Path,
    now: float = NOW,
    timezone: str | None = None,
    since: float | None = None,
) -> Reading:
    """Return what files hold; a name without a folder is one of `RECORDS`."""
    paths = [name if isinstance(name, Path) else RECORDS / name for name in names]
    return read([str(path) for path in paths], ReadOptions(now=now, since=since, timezone=timezone))


def groups(reading: Reading) -> list[tuple[Group, Count]]:
    """Return the groups of all flows, in the order of their values."""
    return sorted(
        (pair for _, held in reading.groups.flows() for pair in held), key=lambda pair: pair[0]
    )


def only(reading: Reading) -> tuple[Group, Count]:
    """Return the one group there is."""
    (found,) = groups(reading)
    return found


def logged(**said: str) -> str:
    """Return a line of PAN-OS 10.2: a poll that fw1 allowed, but for what is said by column."""
    columns = {
        "serial": 3, "time": 7, "src": 8, "dst": 9, "natdst": 11, "rule": 12, "user": 13,
        "app": 15, "enter": 17, "leave": 18, "dport": 26, "proto": 30, "action": 31, "seqno": 40,
        "reason": 47, "host": 53,
    }  # fmt: skip
    values = (RECORDS / "panos-releases.log").read_text().splitlines()[4].split(",")
    for name, value in {"rule": "plant.polling.modbus", "serial": "007000000001", **said}.items():
        values[columns[name] - 1] = value
    return ",".join(values) + "\n"


def hostile_records(name: str) -> dict[str, str]:
    """Return files of records, by their names, in which every name is one that misleads."""
    poll = (RECORDS / "panos-releases.log").read_text().splitlines()[4]
    traffic = poll.replace(",poll,,", f",r{name},u{name},").replace("1005", "{}")
    lines = [
        traffic.format(1).replace("modbus-read-coils", f"unknown-{name}"),
        traffic.format(2).replace("modbus-read-coils", f"a{name}").replace(",SUPV,", f",z{name},"),
        traffic.format(3).replace("10.20.2.5", f"10.20.2.{name}"),
        (RECORDS / "panos-threat.log").read_text().splitlines()[0].replace("Made-up", name),
        f"something else {name}",
    ]
    modbus = (RECORDS / "zeek-modbus.log").read_text().replace("unknown-100", f"f{name}")
    return {
        "fw.log": "\n".join(line.replace("\n", " ") for line in lines) + "\n",
        "modbus.log": modbus,
        "none.txt": f"{name}\n",
    }
