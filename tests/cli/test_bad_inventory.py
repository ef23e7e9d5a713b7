"""Inventories that are wrong: one clear message, exit 1, and no device hears of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli_support import Plant

ZONES = "group_vars/plant.yml"
#: what is wrong: (file, old text, new text, what the message must say)
WRONG = {
    "unknown key": (ZONES, "reason: SCADA polls", "raeson: SCADA polls", r"raeson.*reason"),
    "unknown variable": (
        "host_vars/fw1.yml",
        "segctl_zone_map:",
        "segctl_zone_mpa: {}\nsegctl_zone_map:",
        r"segctl_zone_mpa.*segctl_zone_map",
    ),
    "duplicate key": (
        ZONES,
        "  dmz:\n",
        "  control: {}\n  dmz:\n",
        r"plant\.yml:\d+:\d+.*control.*",
    ),
    "unquoted 22:22": (
        ZONES,
        "services: [tcp/8443]",
        "services: [22:22]",
        r"plant\.yml:\d+:\d+.*(22:22.*1342|1342.*22:22)",
    ),
    "undefined zone": (ZONES, "to: dmz", "to: dmzz", r"plant\.yml:\d+:\d+.*dmzz.*dmz"),
    "undefined asset": (ZONES, "[scada1]", "[scada9]", r"plant\.yml:\d+:\d+.*scada9"),
    "asset outside its zone": (
        ZONES,
        "10.20.1.12",
        "10.99.1.12",
        r"plant\.yml:\d+:\d+.*10\.99\.1\.12",
    ),
    "not an address": (ZONES, "10.20.1.12", "10.20.1.512", r"plant\.yml:\d+:\d+.*10\.20\.1\.512"),
    "a conduit to its own zone": (ZONES, "to: control", "to: supervisory", r"polling.*supervisory"),
    "zones without a path": (
        "host_vars/fw1.yml",
        "supervisory: {zone: SUPV, interfaces: [ethernet1/3]}",
        "",
        r"polling.*supervisory.*control|polling.*control.*supervisory",
    ),
    "a name with a newline": (
        ZONES,
        "reason: SCADA polls the controllers",
        'reason: "SCADA\\n<entry/>"',
        r"plant\.yml:\d+:\d+.*(line break|newline|control character|one line|printable|\\\\n)",
    ),
    "a zone name with a quote": (
        "host_vars/fw1.yml",
        "zone: CTRL",
        'zone: "CT\'RL"',
        r"fw1\.yml:\d+:\d+.*zone.*quote",
    ),
    "an unknown application": (ZONES, "[ssl]", "[sssl]", r"(?s)fw2.*has no application sssl"),
    "an unknown protocol": (ZONES, "modbus: [read]", "modbsu: [read]", r"modbsu.*modbus"),
    "an unknown access class": (ZONES, "modbus: [read]", "modbus: [raed]", r"raed"),
    "not YAML": (ZONES, "segctl_zones:", "segctl_zones: [", r"plant\.yml"),
}


@pytest.mark.parametrize("case", WRONG)
def test_it_is_one_clear_message(plant: Plant, case: str) -> None:
    file, old, new, message = WRONG[case]
    plant.edit(file, old, new)
    with plant.untouched():
        done = plant("apply", "--auto-approve")
        assert done.code == 1
        assert re.search(message, done.err + done.out), done.err + done.out
        found = plant("apply", "--auto-approve", "--json")
        assert found.code == 1
        assert found.json["error"]["code"] in {"inventory", "unsupported"}
        assert plant("plan", "-o", "plan.json").code == 1
    assert not (plant.folder / "plan.json").exists()


def test_the_same_id_with_two_contents_shows_both(plant: Plant) -> None:
    (plant.folder / "host_vars/fw2.yml").write_text(
        (plant.folder / "host_vars/fw2.yml").read_text(encoding="utf-8")
        + "segctl_zones:\n  control: {level: 1, kind: control, networks: [10.77.0.0/16]}\n",
        encoding="utf-8",
    )
    with plant.untouched():
        done = plant("apply", "--auto-approve", "--json")
    assert done.code == 1
    message = done.json["error"]["message"]
    assert "control" in message
    assert "plant.yml" in message
    assert "fw2.yml" in message


def test_all_problems_are_told_at_once(plant: Plant) -> None:
    plant.edit("group_vars/plant.yml", "owner: automation", "onwer: automation")
    plant.edit("group_vars/plant.yml", "to: dmz", "to: dmzz")
    done = plant("validate", "--json")
    problems = done.json["error"]["problems"]
    assert len(problems) >= 2
    assert all(problem["line"] > 0 for problem in problems)
    assert len(plant("validate").err.splitlines()) == len(problems) + 1
