"""The example plants, and firewalls that were somebody else's before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from cli_support import PASSWORD, ROOT, USER, Plant
from segctl.cli import run
from segctl.inventory import load
from segctl.operations.demo import fleet
from segctl_mocks import HostSpec, serve_fleet
from support.panos import others

if TYPE_CHECKING:
    from collections.abc import Generator

    from segctl_mocks import Fleet

PLANTS = sorted(path.name for path in (ROOT / "inventory").glob("0*.yml"))
TODAY = datetime.now(UTC).astimezone().date()
#: The sites that others' rules are added to, and where they came from.
BROWNFIELD = [
    "iron-skillet_panos_full",
    "joyy367_running-config",
    "pan-os-php_appid-toolbox_tests_orig_stage00",
    "pan-os-php_appid_stage10",
]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = run([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_there_are_four() -> None:
    assert len(PLANTS) == 4


@pytest.mark.parametrize("name", PLANTS)
def test_it_is_planned_and_applied_once(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ROOT / "inventory" / name
    loaded = load([source], today=TODAY)
    with fleet(loaded, TODAY, overlay=tmp_path / "mocks.yml") as running:
        where = ["-i", str(source), "-i", str(running.overlay)]
        code, planned = answer(capsys, *where, "plan")
        assert code == 0
        assert planned["applyable"] is True
        assert planned["summary"]["create"] > 0
        code, applied = answer(capsys, *where, "apply", "--auto-approve")
        assert (code, applied["summary"]["failed"]) == (0, 0)
        code, again = answer(capsys, *where, "plan", "--detailed-exitcode")
        assert code == 0
        assert not any(again["summary"].values())
        assert answer(capsys, *where, "drift")[0] == 0


@pytest.fixture
def works(tmp_path: Path) -> Generator[tuple[list[str], Fleet]]:
    """The water works: firewalls of two makes, and the arguments that lead to their mocks."""
    source = ROOT / "inventory" / "01-waterworks.yml"
    loaded = load([source], today=TODAY)
    with fleet(loaded, TODAY, overlay=tmp_path / "mocks.yml") as running:
        yield ["-i", str(source), "-i", str(running.overlay)], running


def test_one_conduit_crosses_two_makes_of_firewall(
    works: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = works
    code, planned = answer(capsys, *where, "plan")
    assert code == 0
    found = {device["name"]: device for device in planned["devices"]}
    assert {name: device["platform"] for name, device in found.items()} == {
        "edge-fw": "panos",
        "core-fw": "panos",
        "cell-fw": "nftables",
    }
    poll = "waterworks.scada-polls-dosing.state"
    rules = {
        name: change["after"]
        for name, device in found.items()
        for change in device["changes"]
        if change["name"] == poll
    }
    assert set(rules) == {"core-fw", "cell-fw"}
    assert rules["cell-fw"]["applications"] == ["modbus.read"]
    assert not any("write" in name for name in rules["core-fw"]["applications"])
    code, applied = answer(capsys, *where, "apply", "--auto-approve")
    assert code == 0
    assert [item["status"] for item in applied["outcomes"]] == ["applied"] * 3
    assert f'counter name "rule_{poll}"' in running.linux["cell-fw"].config()
    assert poll.encode() in running["core-fw"].running()


def test_drift_of_both_makes_is_one_report(
    works: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = works
    assert run([*where, "apply", "--auto-approve"]) == 0
    gateway = running.linux["cell-fw"]
    assert gateway.edit("nft insert rule inet segctl forward accept").status == 0
    writes = gateway.writes
    code, found = answer(capsys, *where, "drift")
    assert code == 2
    assert {item["name"]: item["status"] for item in found["devices"]} == {
        "edge-fw": "in_sync",
        "core-fw": "in_sync",
        "cell-fw": "drift",
    }
    assert gateway.writes == writes
    assert run([*where, "apply", "--auto-approve", "-l", "cell-fw"]) == 0
    assert run([*where, "drift"]) == 0


def test_one_make_that_cannot_be_reached_does_not_hide_the_other(
    works: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = works
    running.linux["cell-fw"].change_host_key()
    code, planned = answer(capsys, *where, "plan")
    assert code == 1
    assert [device["name"] for device in planned["devices"]] == ["edge-fw", "core-fw"]
    (failure,) = planned["errors"]
    assert failure["device"] == "cell-fw"
    assert "host key" in failure["message"]


def test_a_gateway_s_plan_says_nothing_of_order(
    works: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, _ = works
    assert run([*where, "plan", "-l", "cell-fw"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("cell-fw  (nftables 1.0.6, serial ")
    assert "        place " not in shown


@pytest.mark.parametrize("words", [("--list",), ("--graph",), ("--host", "core-fw")])
@pytest.mark.parametrize("source", ["01-waterworks.yml", ""])
def test_the_inventory_is_what_ansible_says_it_is(
    words: tuple[str, ...], source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = shutil.which("ansible-inventory", path=Path(sys.executable).parent)
    if theirs is None:
        pytest.skip("ansible-inventory is not installed")
    path = str(ROOT / "inventory" / source)
    expected = subprocess.run(
        [theirs, "-i", path, *words], capture_output=True, text=True, check=True
    ).stdout
    assert run(["inventory", "-i", path, *words]) == 0
    out = capsys.readouterr().out
    if words == ("--graph",):
        assert out == expected
    else:
        assert json.loads(out) == json.loads(expected)


# --- brownfield ----------------------------------------------------------------------------------


@pytest.fixture
def third_party() -> Path:
    default = ROOT.parent / "shared" / "third-party"
    found = Path(os.environ.get("SEGCTL_THIRD_PARTY", default)) / "panos-samples" / "configs"
    if not found.is_dir():
        pytest.skip("sample configurations are not here: set SEGCTL_THIRD_PARTY")
    return found


@contextmanager
def brownfield(folder: Path, config: bytes, capsys: pytest.CaptureFixture[str]) -> Generator[Plant]:
    """The plant's first firewall, holding what others configured."""
    spec = HostSpec(user=USER, password=PASSWORD, config=config)
    with serve_fleet({"fw1": spec}, overlay=folder / "mocks.yml", job_seconds=0.0) as served:
        yield Plant(folder, served, capsys)


def security_rules(config: bytes) -> list[str]:
    root = etree.fromstring(config)
    rules = root.findall("devices/entry/vsys/entry[@name='vsys1']/rulebase/security/rules/entry")
    return [etree.tostring(rule, method="c14n").decode() for rule in rules]


@pytest.mark.parametrize("name", BROWNFIELD)
def test_what_others_own_stays_byte_for_byte(
    name: str, folder: Path, third_party: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (third_party / f"{name}.xml").read_bytes()
    file = folder / "host_vars/fw1.yml"
    file.write_text("segctl_manage_zones: true\n" + file.read_text("utf-8"), encoding="utf-8")
    text = file.read_text("utf-8").replace(", interfaces: [ethernet1/2]", "")
    file.write_text(text.replace(", interfaces: [ethernet1/3]", ""), encoding="utf-8")
    with brownfield(folder, config, capsys) as plant:
        held = plant.fleet["fw1"].running()
        planned = plant("plan", "-l", "fw1", "--json")
        assert planned.code == 0, planned.json
        assert plant("apply", "-l", "fw1", "--auto-approve").code == 0
        now = plant.fleet["fw1"].running()
        mine = {change["name"] for change in planned.json["devices"][0]["changes"]}
        assert "plant.polling.modbus" in mine
        theirs = [rule for rule in security_rules(now) if 'name="plant.' not in rule]
        assert theirs == security_rules(held)
        assert len(security_rules(now)) > len(theirs)
        assert plant("plan", "-l", "fw1", "--detailed-exitcode").code == 0
        for zone in ("CTRL", "SUPV"):
            now = now.replace(f'<entry name="{zone}">'.encode(), b'<entry name="">', 1)
        assert others(_without_ours(now)) == others(_without_ours(held))


def _without_ours(config: bytes) -> bytes:
    root = etree.fromstring(config)
    for zone in root.findall("devices/entry/vsys/entry[@name='vsys1']/zone/entry[@name='']"):
        parent = zone.getparent()
        assert parent is not None
        parent.remove(zone)
    return etree.tostring(root)
