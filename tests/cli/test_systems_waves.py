"""Waves in which two hosts are one firewall, beside another firewall and a gateway."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cli_support import RULES
from segctl_mocks import serve_fleet
from segctl_mocks.panos.provision import provision
from support.cells import RULE, Cells, spec_of, statuses, waves, write_cells
from support.panos import other_rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTS = ("fw1", "fw2", "fw3", "gw4")
PORTS = ("ethernet1/4", "ethernet1/5")
STRATEGIES = ("linear", "free")


@pytest.fixture
def plant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cells]:
    """fw2 is the second virtual system of fw1."""
    monkeypatch.chdir(tmp_path)
    write_cells(tmp_path, HOSTS)
    specs = {host: spec_of(host) for host in HOSTS if host != "fw2"}
    specs["fw1"] = replace(specs["fw1"], multi_vsys=True)
    overlay = tmp_path / "mocks.yml"
    with serve_fleet(specs, overlay=overlay, job_seconds=0.0) as fleet:
        made = Cells(tmp_path, fleet, capsys)
        zones = {"CELL": [PORTS[0]], "SUPV": [PORTS[1]]}
        provision(fleet["fw1"].device, vsys="vsys2", zones=zones)
        rules = RULES.replace("vsys1", "vsys2")
        fleet["fw1"].edit("set", rules, other_rule("theirs"), commit=True)
        entry = "\n".join(f"      {name}: {value}" for name, value in fleet.entries["fw1"].items())
        overlay.write_text(f"{overlay.read_text('utf-8')}    fw2:\n{entry}\n", encoding="utf-8")
        own = "        fw2:\n          ansible_network_os: panos\n"
        made.edit("hosts.yml", own, f"{own}          segctl_vsys: vsys2\n")
        bound = "{zone: CELL, interfaces: [ethernet1/2]}"
        made.edit("hosts.yml", f"cell-2: {bound}", f"cell-2: {bound.replace('1/2', '1/4')}")
        text = (tmp_path / "hosts.yml").read_text("utf-8")
        before, after = text.split("cell-2: {zone", 1)
        after = after.replace("ethernet1/3", "ethernet1/5", 1)
        (tmp_path / "hosts.yml").write_text(f"{before}cell-2: {{zone{after}", encoding="utf-8")
        yield made


def commits(plant: Cells) -> int:
    return sum(one.type == "commit" for one in plant.fleet["fw1"].requests)


def holding(plant: Cells) -> set[str]:
    """Return the hosts whose rule is live."""
    held = plant.holding
    both = plant.fleet["fw1"].running()
    return held | ({"fw2"} if RULE.format(2).encode() in both else set())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("forks", [1, 4])
def test_a_wave_is_applied_with_one_commit_for_both(
    forks: int, strategy: str, plant: Cells
) -> None:
    """A host that waits for the wave gives up its place, also with a single one."""
    plant.play(f"- {{hosts: plant, on_failure: revert, strategy: {strategy}}}")
    done = plant.apply("--forks", str(forks))
    assert statuses(done) == dict.fromkeys(HOSTS, "applied")
    assert holding(plant) == set(HOSTS)
    assert commits(plant) == 1
    assert plant.locks == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("failed", ["fw1", "fw3"])
def test_the_wave_goes_back_when_one_fails_and_both_in_one_commit(
    failed: str, strategy: str, plant: Cells
) -> None:
    plant.fleet[failed].fail("commit_invalid", lines=["no"])
    plant.play(f"- {{hosts: plant, on_failure: revert, strategy: {strategy}}}")
    with plant.unchanged():
        done = plant.apply(code=1)
    bad = {"fw1", "fw2"} if failed == "fw1" else {"fw3"}
    assert statuses(done) == {host: "failed" if host in bad else "reverted" for host in HOSTS}
    assert holding(plant) == set()
    assert commits(plant) == (1 if failed == "fw1" else 2)
    assert plant.apply()["summary"]["applied"] == 4
    assert holding(plant) == set(HOSTS)


def test_hosts_of_one_firewall_in_different_waves(plant: Cells) -> None:
    plant.play('- {hosts: plant, serial: [1, "100%"], on_failure: revert}')
    done = plant.apply()
    assert waves(done) == [("done", ["fw1"]), ("done", ["fw2", "fw3", "gw4"])]
    assert commits(plant) == 2
    assert holding(plant) == set(HOSTS)


def test_a_wave_without_waiting_is_one_commit_as_well(plant: Cells) -> None:
    plant.play("- {hosts: plant}")
    assert statuses(plant.apply()) == dict.fromkeys(HOSTS, "applied")
    assert commits(plant) == 1
    assert plant.locks == 0
