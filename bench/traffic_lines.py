"""Made lines of PAN-OS 10.2 traffic of two firewalls, and the plant that they are of.

Sessions are picked from so many different groups; a few groups have most of the sessions, as in
a plant. Every line has 115 columns, quotes beyond those that are read, and a number of its own.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: 2026-11-02 00:00:00 in UTC, and the days that the lines are of.
_BEGIN: Final = "2026/11/{day:02} {hour:02}:{minute:02}:{second:02}"
_DAYS: Final = 14
#: What is said between which zones: application, port, rule, action, how it ended.
_SPOKEN: Final = (
    ("modbus-read-coils", 502, "plant.polling.modbus", "allow", "tcp-fin"),
    ("modbus-read-holding-registers", 502, "plant.polling.modbus", "allow", "tcp-fin"),
    ("modbus-write-single-register", 502, "legacy", "allow", "tcp-fin"),
    ("ssl", 8443, "plant.replication.tls", "allow", "tcp-rst-from-client"),
    ("ssh", 22, "legacy", "allow", "aged-out"),
    ("incomplete", 4840, "legacy", "allow", "aged-out"),
    ("not-applicable", 445, "interzone-default", "deny", "policy-deny"),
    ("dnp3-read", 20000, "legacy", "allow", "tcp-fin"),
)
#: Hosts of each zone.
_HOSTS: Final = 250
_FIREWALLS: Final = (
    ("007000000001", "fw1", "SUPV", "CTRL", 1),
    ("007000000002", "fw2", "SUPV", "DMZ", 35),
)
_COLUMNS: Final = 115
_NAMES: Final = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes "
    "conn_state"
)
_TYPES: Final = "time string addr port addr port enum string interval count count string"
_ZEEK: Final = "".join(
    (
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n",
        "#path\tconn\n#open\t2026-11-02-00-00-00\n",
        f"#fields\t{_NAMES.replace(' ', chr(9))}\n#types\t{_TYPES.replace(' ', chr(9))}\n",
    )
)


def groups(number: int, seed: int) -> list[tuple[str, ...]]:
    """Return so many different groups: firewall, ends, application and what goes with it."""
    pick = random.Random(seed)
    found: dict[tuple[str, ...], None] = {}
    while len(found) < number:
        serial, host, enter, leave, net = pick.choice(_FIREWALLS)
        app, port, rule, action, reason = pick.choice(_SPOKEN)
        source = f"10.20.{2 + 64 * pick.randrange(3)}.{pick.randrange(1, _HOSTS)}"
        target = f"10.20.{net}.{pick.randrange(1, _HOSTS)}"
        found[serial, host, enter, leave, source, target, app, str(port), rule, action, reason] = (
            None
        )
    return list(found)


def lines(count: int, distinct: int, seed: int) -> Iterator[str]:
    """Yield `count` lines of at most `distinct` groups."""
    pick = random.Random(seed + 1)
    kinds = groups(distinct, seed)
    few = max(1, distinct // 20)
    for number in range(count):
        # each group once where there is room for it, half of the rest in a twentieth of them
        if number < distinct:
            kind = kinds[number]
        else:
            kind = kinds[pick.randrange(few if pick.random() < 0.5 else distinct)]
        yield _line(number, count, kind, pick)


def _line(number: int, count: int, kind: tuple[str, ...], pick: random.Random) -> str:
    serial, host, enter, leave, source, target, app, port, rule, action, reason = kind
    at = number * _DAYS * 86400 // count
    when = _BEGIN.format(
        day=2 + at // 86400, hour=at // 3600 % 24, minute=at // 60 % 60, second=at % 60
    )
    size, lasted = pick.randrange(100, 100_000), pick.randrange(300)
    columns = [
        *("1", when, serial, "TRAFFIC", "end" if action == "allow" else "drop", "2562", when),
        *(source, target, "0.0.0.0", "0.0.0.0", rule, "", "", app, "vsys1", enter, leave),
        *("ethernet1/1", "ethernet1/2", "fwd", when, str(number), "1", str(40000 + number % 20000)),
        *(port, "0", "0", "0x19", "tcp", action, str(size), str(size // 3), str(size - size // 3)),
        *("9", when, str(lasted), "any", "", str(number + 1), "0x0", "", "", "", "5", "4", reason),
        *("", "", "", "", "", host, "from-policy"),
    ]
    columns += [""] * (65 - len(columns))
    columns.append(f"11111111-2222-3333-4444-{abs(hash_of(rule)):012}")
    columns += [""] * (_COLUMNS - 7 - len(columns))
    columns += [f"{when.replace('/', '-').replace(' ', 'T')}.123+00:00", "", "", "", "", ""]
    return ",".join((*columns, '"has-known-vulnerability,pervasive-use"'))


def hash_of(text: str) -> int:
    """Return a small number for a text, the same in every process."""
    return sum(number * ord(one) for number, one in enumerate(text, 1))


def write(path: Path, count: int, distinct: int, seed: int = 12) -> None:
    """Write a file of made lines, and beside it the same sessions as a log of Zeek."""
    zeek = path.with_name(f"{path.name}.zeek")
    with path.open("w", encoding="utf-8") as file, zeek.open("w", encoding="utf-8") as other:
        other.write(_ZEEK)
        for line in lines(count, distinct, seed):
            file.write(line + "\n")
            columns = line.split(",", 35)
            number, port, size = columns[22], columns[25], columns[31]
            other.write(
                "\t".join(
                    (
                        *(
                            f"{1793577600 + int(number)}.000000",
                            f"C{number}",
                            columns[7],
                            columns[24],
                        ),
                        *(columns[8], port, "tcp", columns[14], "1.0", size, size, "SF"),
                    )
                )
                + "\n"
            )


PLANT: Final = """\
all:
  children:
    plant:
      vars:
        ansible_network_os: paloaltonetworks.panos.panos
        segctl_site: plant
        segctl_zones:
          control:
            level: 1
            kind: control
            networks: [10.20.1.0/24]
            assets: {plc1: 10.20.1.11, plc2: 10.20.1.12}
          supervisory:
            level: 2
            kind: supervisory
            networks: [10.20.2.0/24, 10.20.66.0/24, 10.20.130.0/24]
            assets: {scada1: 10.20.2.5, historian1: 10.20.2.20}
          dmz:
            level: 3.5
            kind: dmz
            networks: [10.20.35.0/24]
            assets: {replica: 10.20.35.10}
        segctl_conduits:
          polling:
            from: supervisory
            to: control
            reason: SCADA polls the controllers
            owner: automation
            flows:
              modbus: {protocols: {modbus: [read]}}
          replication:
            from: supervisory
            to: dmz
            reason: Copy of the historian
            owner: process-data
            flows:
              tls: {applications: [ssl], services: [tcp/8443], essential: true}
      hosts:
        fw1:
          segctl_serial: "007000000001"
          segctl_zone_map:
            control: {zone: CTRL, interfaces: [ethernet1/2]}
            supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
        fw2:
          segctl_serial: "007000000002"
          segctl_zone_map:
            dmz: {zone: DMZ, interfaces: [ethernet1/2]}
            supervisory: {zone: SUPV, interfaces: [ethernet1/3]}
"""
