"""Every mistake in an inventory is reported with its place, its key and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from segctl.inventory import load
from segctl.model.errors import InventoryError, Problem

TODAY = date(2026, 11, 22)
ProblemsOf = Callable[[Mapping[str, str]], tuple[Problem, ...]]


@dataclass(frozen=True)
class Mistake:
    """A change of the plant, and the problem it must cause (message, hint: a part of it)."""

    old: str
    new: str
    where: str
    path: str
    message: str
    hint: str = ""
    file: str = "group_vars/plant.yml"


P = "segctl_conduits.polling"
F = f"{P}.flows.poll"
PROTOCOLS = "protocols: {modbus: [read]}"
MISTAKES = (
    Mistake("level: 1", "level: 9", "3:12", "segctl_zones.control.level", "9 is not one of 0, 1"),
    Mistake(
        "level: 1",
        "level: '1'",
        "3:12",
        "segctl_zones.control.level",
        "must be a number",
        "without quotes",
    ),
    Mistake(
        "level: 1",
        "level: 01",
        "3:12",
        "segctl_zones.control.level",
        "reads 01 as a number: 1",
        "write 1",
    ),
    Mistake(
        "kind: control",
        "kind: controll",
        "4:11",
        "segctl_zones.control.kind",
        "'controll' is not one of",
        "did you mean control?",
    ),
    Mistake(
        "kind: control",
        "kind: control\n    colour: red",
        "5:5",
        "segctl_zones.control.colour",
        "unknown key 'colour'",
        "one of name, level",
    ),
    Mistake(
        "kind: control",
        "kind: control\n    level: 2",
        "5:5",
        "segctl_zones.control.level",
        "first on line 3, again on line 5",
        "keep one",
    ),
    Mistake(
        "kind: control",
        "security_level: 5",
        "4:21",
        "segctl_zones.control.security_level",
        "5 is not between 0 and 4",
    ),
    Mistake(
        "kind: control",
        "security_level: {iac: 2, ucc: 1}",
        "4:30",
        "segctl_zones.control.security_level.ucc",
        "unknown key",
        "did you mean uc?",
    ),
    Mistake(
        "[10.20.1.0/24]",
        "[10.20.1.5/24]",
        "5:16",
        "segctl_zones.control.networks[0]",
        "has host bits set",
        "write 10.20.1.0/24",
    ),
    Mistake(
        "[10.20.1.0/24]",
        "[10.20.1.0/33]",
        "5:16",
        "segctl_zones.control.networks[0]",
        "is not a network",
        "10.20.1.0/24",
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "plc1: 10.20.9.11",
        "6:20",
        "segctl_zones.control.assets.plc1",
        "in none of the zone's networks",
        "correct the address",
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "plc1: 10.20.1.0/25",
        "6:20",
        "segctl_zones.control.assets.plc1",
        "not the address of one asset",
        "under networks",
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "plc1: {addresses: [10.20.1.11], rolle: x}",
        "6:46",
        "segctl_zones.control.assets.plc1.rolle",
        "unknown key 'rolle'",
        "role",
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "no: 10.20.1.13",
        "6:14",
        "segctl_zones.control.assets.no",
        "reads no as a boolean: false",
        'quote it: "no"',
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "y: 10.20.1.13",
        "6:14",
        "segctl_zones.control.assets.y",
        "reads y as a boolean",
        'quote it: "y"',
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "010: 10.20.1.13",
        "6:14",
        "segctl_zones.control.assets.010",
        "reads 010 as a number: 8",
        'quote it: "010"',
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "plc1: 22:22",
        "6:20",
        "segctl_zones.control.assets.plc1",
        "reads 22:22 as a number: 1342",
        'quote it: "22:22"',
    ),
    Mistake(
        "plc1: 10.20.1.11",
        "-plc: 10.20.1.11",
        "6:14",
        "segctl_zones.control.assets.-plc",
        "not a valid id",
        "letters, digits",
    ),
    Mistake(
        "to: control",
        "to: controll",
        "15:9",
        f"{P}.to",
        "zone 'controll' is not defined",
        "did you mean control?",
    ),
    Mistake("to: control", "to: other/control", "15:9", f"{P}.to", "is not defined"),
    Mistake("to: control", "to: any", "15:9", f"{P}.to", "'any' is not a zone", "one by one"),
    Mistake("to: control", "to: no", "15:9", f"{P}.to", "reads no as a boolean", '"no"'),
    Mistake("to: control", "to: [supervisory, control]", "13:3", P, "to itself", "intrazone"),
    Mistake("    reason: SCADA polling\n", "", "13:3", P, "reason is missing", "Why"),
    Mistake("    owner: automation\n", "", "13:3", P, "owner is missing", "Who answers"),
    Mistake("owner: automation", "owner: 010", "17:12", f"{P}.owner", "as a number: 8", '"010"'),
    Mistake("owner: automation", "owner: ''", "17:12", f"{P}.owner", "must not be empty"),
    Mistake("owner: automation", "owner:", "17:11", f"{P}.owner", "must have a value"),
    Mistake("owner: automation", "owner: [a]", "17:12", f"{P}.owner", "must not be a list"),
    Mistake(
        "owner: automation",
        "owner: '{{ x }}'",
        "17:12",
        f"{P}.owner",
        "does not evaluate templates",
        "the value itself",
    ),
    Mistake("SCADA polling", '"a\\nb"', "16:13", f"{P}.reason", "line breaks", "one line"),
    Mistake(
        "SCADA polling",
        "x\n    expires: soon",
        "17:14",
        f"{P}.expires",
        "is not a date",
        "2027-03-31",
    ),
    Mistake(
        "SCADA polling",
        "x\n    expires: 2027-02-30",
        "17:14",
        f"{P}.expires",
        "day is out of range",
        "quote it",
    ),
    Mistake(
        "SCADA polling",
        "x\n    expires: 2027-01-01 10:00:00",
        "17:14",
        f"{P}.expires",
        "is not a date",
    ),
    Mistake(
        "SCADA polling", "x\n    mode: off", "17:11", f"{P}.mode", "reads off as a boolean", '"off"'
    ),
    Mistake(
        "SCADA polling",
        "x\n    mode: enforced",
        "17:11",
        f"{P}.mode",
        "is not one of",
        "did you mean enforce?",
    ),
    Mistake(
        "SCADA polling",
        "x\n    via: fw9",
        "17:10",
        f"{P}.via",
        "'fw9' is not a firewall",
        "did you mean fw1?",
    ),
    Mistake(
        "source: scada1",
        "source: scada2",
        "20:17",
        f"{F}.source",
        "is not an asset of the from",
        "did you mean scada1?",
    ),
    Mistake(
        "source: scada1", "source: plc1", "20:17", f"{F}.source", "is not an asset of the from"
    ),
    Mistake(
        "source: scada1",
        "source: any",
        "20:17",
        f"{F}.source",
        "is not an asset",
        "leave the key out",
    ),
    Mistake("source: scada1", "source: []", "20:17", f"{F}.source", "must not be empty"),
    Mistake(
        "source: scada1",
        "source: 10.9.0.0/16",
        "20:17",
        f"{F}.source",
        "in none of the from zones",
        "10.20.2.0/24",
    ),
    Mistake(
        "source: scada1",
        "source: 10.20.2.5/24",
        "20:17",
        f"{F}.source",
        "host bits",
        "write 10.20.2.0/24",
    ),
    Mistake(
        PROTOCOLS,
        "protocols: {modbuss: [read]}",
        "22:21",
        f"{F}.protocols.modbuss",
        "no protocol 'modbuss'",
        "did you mean modbus?",
    ),
    Mistake(
        PROTOCOLS,
        "protocols: {modbus: [reed]}",
        "22:30",
        f"{F}.protocols.modbus[0]",
        "'reed' is not one of",
        "did you mean read?",
    ),
    Mistake(PROTOCOLS, "protocols: {}", "22:20", f"{F}.protocols", "must not be empty"),
    Mistake(
        PROTOCOLS,
        "protocol: {modbus: [read]}",
        "22:9",
        f"{F}.protocol",
        "unknown key 'protocol'",
        "did you mean protocols?",
    ),
    Mistake(PROTOCOLS, "log: true", "19:7", F, "permits nothing", "services"),
    Mistake(PROTOCOLS, "services: [tcp/0]", "22:20", f"{F}.services[0]", "between 1 and 65535"),
    Mistake(PROTOCOLS, "services: [tcp/80, tcp/65536]", "22:28", f"{F}.services[1]", "65535"),
    Mistake(PROTOCOLS, "services: igmp", "22:19", f"{F}.services", "is not a service", "tcp/8443"),
    Mistake(PROTOCOLS, "services: [tcp/http]", "22:20", f"{F}.services[0]", "'http' is not a port"),
    Mistake(
        PROTOCOLS,
        "services: [tcp/90-80]",
        "22:20",
        f"{F}.services[0]",
        "runs backwards",
        "tcp/80-90",
    ),
    Mistake(PROTOCOLS, "services: [22:22]", "22:20", f"{F}.services[0]", "1342", '"22:22"'),
    Mistake(
        PROTOCOLS, "applications: [mms]", "22:24", f"{F}.applications[0]", "name trap", "mms-ics"
    ),
    Mistake(
        PROTOCOLS,
        "applications: ssl\n        schedule: workdays",
        "23:19",
        f"{F}.schedule",
        "schedule 'workdays' is not defined",
        "segctl_schedules",
    ),
    Mistake(
        PROTOCOLS,
        'applications: ssl\n        users: ["a\'b"]',
        "23:17",
        f"{F}.users[0]",
        "must not hold quotes",
    ),
    Mistake(
        PROTOCOLS,
        f"{PROTOCOLS}\n        essential: y",
        "23:20",
        f"{F}.essential",
        "must be true or false",
        "write true",
    ),
    Mistake(
        "zone: CTRL",
        "zone: no",
        "2:19",
        "segctl_zone_map.control.zone",
        "reads no as a boolean",
        '"no"',
        "host_vars/fw1.yml",
    ),
    Mistake(
        "zone: CTRL",
        "zone: 'a\"b'",
        "2:19",
        "segctl_zone_map.control.zone",
        "quotes",
        "",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "zone: CTRL",
        "zone: SUPV",
        "3:3",
        "segctl_zone_map.supervisory",
        "already used for zone control",
        "",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "  control:",
        "  controll:",
        "2:3",
        "segctl_zone_map.controll",
        "is not defined",
        "did you mean control?",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map",
        "segctl_zonemap",
        "1:1",
        "segctl_zonemap",
        "unknown variable",
        "did you mean segctl_zone_map?",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_position: middle\nsegctl_zone_map:",
        "1:18",
        "segctl_position",
        "is not one of first, last",
        "",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_position: {before: a, after: b}\nsegctl_zone_map:",
        "1:18",
        "segctl_position",
        "exactly one rule",
        "{before: R}",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_unmanaged: purged\nsegctl_zone_map:",
        "1:19",
        "segctl_unmanaged",
        "is not one of",
        "did you mean purge?",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_timeout: 0\nsegctl_zone_map:",
        "1:17",
        "segctl_timeout",
        "between 1 and 86400",
        "",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_timeout: 1:30\nsegctl_zone_map:",
        "1:17",
        "segctl_timeout",
        "reads 1:30 as a number: 90",
        "write 90",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_schedules: {w: {daily: [8:00-17:00]}}\nsegctl_zone_map:",
        "1:32",
        "segctl_schedules.w.daily[0]",
        "is not a time window",
        "08:00-17:00",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "segctl_zone_map:",
        "segctl_schedules: {w: {}}\nsegctl_zone_map:",
        "1:20",
        "segctl_schedules.w",
        "daily or weekly",
        "",
        "host_vars/fw1.yml",
    ),
    Mistake(
        "ansible_network_os: panos",
        "ansible_network_os: cisco.ios.ios",
        "1:1",
        "segctl_zone_map",
        "has no provider",
        "one of nftables, panos",
        "hosts.yml",
    ),
    Mistake(
        "ansible_network_os: panos",
        "ansible_network_os: paloaltonetworks.panos.pan_os",
        "1:1",
        "segctl_zone_map",
        "has no provider",
        "did you mean paloaltonetworks.panos.panos?",
        "hosts.yml",
    ),
    Mistake(
        ", ansible_network_os: panos",
        "",
        "1:1",
        "segctl_zone_map",
        "no ansible_network_os",
        "panos",
        "hosts.yml",
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{n}" for n in range(len(MISTAKES))])
def test_a_mistake_is_reported_where_it_is(
    mistake: Mistake, problems_of: ProblemsOf, plant: Mapping[str, str]
) -> None:
    text = plant[mistake.file]
    assert mistake.old in text
    problems = problems_of({mistake.file: text.replace(mistake.old, mistake.new, 1)})

    file = "host_vars/fw1.yml" if mistake.file == "hosts.yml" else mistake.file
    found = [one for one in problems if one.where == f"{file}:{mistake.where}"]
    assert found, [str(one) for one in problems]
    assert any(
        one.path == mistake.path and mistake.message in one.message and mistake.hint in one.hint
        for one in found
    ), [str(one) for one in found]


FILES = (
    ("a: 1\nb: 2\na: 3\n", "3:1", "a", "first on line 1, again on line 3", "keep one"),
    ("a: !!str 1\n", "1:4", "a", "tag !!str", "quote the value"),
    ("a: !foo 1\n", "1:4", "a", "tag !foo", "!vault and !unsafe"),
    ("a: !!binary aGk=\n", "1:4", "a", "tag !!binary", "!vault and !unsafe"),
    ("a: !vault-encrypted x\n", "1:4", "a", "!vault-encrypted", "write !vault"),
    ("a: {{ x }}\n", "1:5", "a", "cannot be a key", "must be quoted"),
    ("a:\n\t- b\n", "2:1", "", "not valid YAML", "tabs"),
    ("a: [1, 2\n", "1:4", "", "the bracket [ is not closed", "close it with ]"),
    ("a: {b: [1, 2],\nc: 3\nd: 4\n", "1:4", "", "the bracket { is not closed", "close it with }"),
    ('a: "b\nc: 1\nd: 2\n', "1:4", "", 'the quote " is not closed', "on this line"),
    ("a: 'b\nc: 'd'\n", "1:4", "", "the quote ' is not closed", "on this line"),
    ('a:\n  b: "c\nd: 1\n', "2:6", "", 'the quote " is not closed', "on this line"),
    ("a: b: c\n", "1:5", "", "mapping values are not allowed", "quote a value"),
    ("a: &x [*x]\n", "1:8", "a[0]", "refers to itself", ""),
    ("a: *x\n", "1:4", "a", "not defined before", ""),
    ("a: b\n---\nc: d\n", "2:1", "", "second document", "one document"),
    ("a: \x07\n", "1:4", "", "not valid YAML", "control character"),
    ("a: 2027-13-40\n", "1:4", "a", "month must be", "quote it"),
    ("a: =\n", "1:4", "a", "meaning of its own", "quote it"),
    ("a: {<<: 1}\n", "1:4", "a", "<< needs a mapping", "<<: *name"),
    ("- a\n", "", "", "must be a mapping", "name: value"),
    ("text\n", "", "", "must be a mapping", "name: value"),
)


@pytest.mark.parametrize(("text", "where", "path", "message", "hint"), FILES)
def test_a_damaged_file_is_reported_where_it_is(
    text: str, where: str, path: str, message: str, hint: str, problems_of: ProblemsOf
) -> None:
    (found,) = [one for one in problems_of({"host_vars/fw1.yml": text}) if message in one.message]
    assert found.where == "host_vars/fw1.yml" + (f":{where}" if where else "")
    assert found.path == path
    assert hint in found.hint


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        (b"a: \xff\n", ":1:4", "is not UTF-8"),
        (b"\xff\xfea\x00:\x00", ":1:1", "is UTF-16"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162\n", "", "is vaulted and cannot be opened"),
    ],
)
def test_a_file_that_is_no_text_is_reported(
    data: bytes, where: str, message: str, problems_of: ProblemsOf, tmp_path: Path
) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_bytes(data)

    (problem,) = problems_of({})

    assert problem.where == f"group_vars/all.yml{where}"
    assert message in problem.message


def test_an_alias_bomb_is_refused(problems_of: ProblemsOf) -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    (problem,) = problems_of({"group_vars/all.yml": bomb})
    assert "aliases repeat more than" in problem.message


def test_deep_nesting_is_refused(problems_of: ProblemsOf) -> None:
    (problem,) = problems_of({"group_vars/all.yml": f"a: {'[' * 300}{']' * 300}\n"})
    assert "nested deeper" in problem.message


def test_the_same_zone_with_other_content_shows_both_places(problems_of: ProblemsOf) -> None:
    problems = problems_of({"group_vars/all.yml": "segctl_zones_more:\n  control: {level: 3}\n"})
    first = problems[0]
    assert "declared twice" in first.message
    assert {"group_vars/all.yml:2:3", "group_vars/plant.yml:2:3"} == {
        first.where,
        first.message.split(" at ")[1],
    }


def test_all_problems_come_at_once(problems_of: ProblemsOf, plant: Mapping[str, str]) -> None:
    text = plant["group_vars/plant.yml"].replace("level: 1", "level: 9")
    problems = problems_of(
        {
            "group_vars/plant.yml": text.replace("to: control", "to: nowhere"),
            "host_vars/fw1.yml": "segctl_zone_mapp: {}\n",
        }
    )
    assert {problem.file for problem in problems} == {"group_vars/plant.yml", "host_vars/fw1.yml"}
    assert len(problems) >= len(("level", "zone", "variable"))


@pytest.mark.parametrize(("sources", "message"), [(["nowhere"], "no such"), ([], "no inventory")])
def test_a_missing_inventory_is_one_clear_problem(sources: list[str], message: str) -> None:
    with pytest.raises(InventoryError) as caught:
        load([Path(source) for source in sources], today=TODAY)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert "-i/--inventory" in problem.hint


def test_an_empty_folder_is_one_clear_problem(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        load([tmp_path], today=TODAY)
    (problem,) = caught.value.problems
    assert "empty" in problem.message


def test_an_unreadable_file_is_a_problem(problems_of: ProblemsOf, tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").symlink_to("/proc/self/mem")
    (problem,) = problems_of({})
    assert "cannot be read" in problem.message


HOSTS = (
    ("all: {hosts: [a]}\n", "1:7", "all.hosts", "must be a mapping, not a list"),
    ("all: {hosts: {1: }}\n", "1:15", "all.hosts.1", "must be text"),
    ("all: {hosts: {a: x}}\n", "1:15", "all.hosts.a", "must be a mapping, not text"),
    ("no: {hosts: {a: }}\n", "1:1", "False", "not a valid group name"),
    ("1: {hosts: {a: }}\n", "1:1", "1", "must be text"),
    ("all: {hosts: {'a[1:': }}\n", "1:15", "all.hosts.a[1:", "a range is written"),
    ("all: {hosts: {'a[01:2]': }}\n", "1:15", "all.hosts.a[01:2]", "equal length"),
    ("all: {hosts: {'a[1:9999999]': }}\n", "1:15", "all.hosts.a[1:9999999]", "more than"),
    ("a: {children: {b: {children: {a: }}}}\n", "1:16", "a.children.b", "itself"),
    ("a: {vars: {ansible_group_priority: x}}\n", "1:12", "a.vars.ansible_group_priority", "number"),
    ("segctl_: {hosts: {'': }}\n", "1:19", "segctl_.hosts.", "must not be empty"),
)


@pytest.mark.parametrize(("text", "where", "path", "message"), HOSTS)
def test_a_damaged_inventory_source_is_reported(
    text: str, where: str, path: str, message: str, problems_of: ProblemsOf
) -> None:
    found = [one for one in problems_of({"hosts.yml": text}) if message in one.message]
    assert [(one.where, one.path) for one in found] == [(f"hosts.yml:{where}", path)]
