"""A plan that takes most of our rules away is refused, unless whoever applies says it is meant."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cli_support import Plant

ZONES = "group_vars/plant.yml"
FLOWS = "".join(
    f"      more{port}: {{source: [scada1], destination: [plc1], services: [tcp/{port}]}}\n"
    for port in range(2001, 2008)
)


@pytest.fixture
def full(plant: Plant) -> Plant:
    """The plant, fw1 with eight rules of one conduit."""
    plant.edit(ZONES, "      modbus:\n", f"{FLOWS}      modbus:\n")
    assert plant("apply", "--auto-approve").code == 0
    return plant


def lose(plant: Plant) -> None:
    """Take the conduit away, as a file that was not checked out would."""
    plant.edit(ZONES, "reason: SCADA polls", "mode: absent\n    reason: SCADA polls")


def rules(plant: Plant) -> int:
    return plant.fleet["fw1"].running().count(b"plant.polling.")


def errors(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        finding
        for device in document["devices"]
        for finding in device["findings"]
        if finding["severity"] == "error"
    ]


def test_it_is_refused_and_says_what_the_inventory_lacks(full: Plant) -> None:
    lose(full)
    with full.untouched():
        planned = full("plan", "--json")
        assert planned.code == 1
        assert planned.json["applyable"] is False
        (finding,) = errors(planned.json)
        assert finding["kind"] == "mass_delete"
        assert "delete 8 of the 8 rules that segctl keeps" in finding["message"]
        assert "the inventory lacks, for this device, conduit plant.polling" in finding["message"]
        assert "segctl apply --allow-mass-delete" in finding["hint"]
        assert full("apply", "--check").code == 1
        refused = full("apply", "--auto-approve", "--json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "plan"
    assert rules(full)


def test_it_is_applied_where_that_is_allowed(full: Plant) -> None:
    lose(full)
    with full.untouched():
        assert full("apply", "--check", "--allow-mass-delete").code == 0
    assert full("apply", "--auto-approve", "--allow-mass-delete").code == 0
    assert not rules(full)
    assert full("plan", "--detailed-exitcode").code == 0


def test_what_finishes_a_killed_run_allows_what_the_run_did(
    full: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGCTL_ARTIFACTS", str(full.folder / "runs"))
    lose(full)
    allowed = ("--allow-mass-delete", "--allow-purge", "--no-widening")
    assert full("apply", "--auto-approve", *allowed).code == 0
    (journal,) = full.folder.glob("runs/*/journal.jsonl")
    steps = [json.loads(line) for line in journal.read_text().splitlines()]
    assert steps
    for step in steps:
        words = shlex.split(step["next"])
        assert {*allowed} <= {*words}
        assert "apply" in words


def test_a_saved_plan_is_refused_likewise(full: Plant) -> None:
    lose(full)
    assert full("plan", "-o", "plan.json").code == 1
    with full.untouched():
        refused = full("apply", "plan.json", "--json")
    assert refused.code == 1
    outcomes = {one["device"]: one for one in refused.json["outcomes"]}
    assert outcomes["fw1"]["code"] == "plan"
    assert "--allow-mass-delete" in outcomes["fw1"]["message"]
    assert full("apply", "plan.json", "--allow-mass-delete").code == 0
    assert not rules(full)


@pytest.mark.parametrize("play", ["{}", "{on_failure: revert}"])
def test_a_playbook_allows_it_by_its_task(full: Plant, play: str) -> None:
    lose(full)
    words = ("apply", "-p", "play.yml", "--auto-approve", "--json")
    file = full.folder / "play.yml"
    head = f"- hosts: fw1\n  vars: {{}}\n  {play[1:-1]}\n  tasks:\n    - segctl_apply:"
    file.write_text(f"{head}\n", encoding="utf-8")
    assert full("plan", "-p", "play.yml").code == 1
    with full.untouched():
        refused = full(*words)
    assert refused.code == 1
    assert "--allow-mass-delete" in refused.out
    file.write_text(f"{head} {{allow_mass_delete: true}}\n", encoding="utf-8")
    assert full("plan", "-p", "play.yml").code == 0
    assert full(*words).code == 0
    assert not rules(full)


def test_a_playbook_is_allowed_it_on_the_command_line(full: Plant) -> None:
    lose(full)
    (full.folder / "play.yml").write_text("- hosts: fw1\n", encoding="utf-8")
    assert full("plan", "-p", "play.yml", "-o", "plan.json").code == 1
    words = ("apply", "-p", "play.yml", "--reviewed", "plan.json")
    with full.untouched():
        assert full(*words).code == 1
    assert full(*words, "--allow-mass-delete").code == 0
    assert not rules(full)


def test_a_firewall_with_few_rules_is_retired_only_where_that_is_allowed(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    lose(plant)
    (plant.folder / "host_vars/fw1.yml").write_text("segctl_zone_map: {}\n", encoding="utf-8")
    with plant.untouched():
        (finding,) = errors(plant("plan", "-l", "fw1", "--json").json)
        assert finding["kind"] == "mass_delete"
        assert plant("apply", "-l", "fw1", "--auto-approve").code == 1
    assert plant("apply", "-l", "fw1", "--auto-approve", "--allow-mass-delete").code == 0
    assert not rules(plant)


def test_a_few_rules_go_without_asking(full: Plant) -> None:
    text = (full.folder / ZONES).read_text(encoding="utf-8")
    few = "".join(FLOWS.splitlines(keepends=True)[:4])
    (full.folder / ZONES).write_text(text.replace(few, ""), encoding="utf-8")
    assert full("apply", "--auto-approve").code == 0
    assert full("plan", "--detailed-exitcode").code == 0


def test_an_essential_flow_is_kept_all_the_same(full: Plant) -> None:
    full.edit(
        ZONES, "protocols: {modbus: [read]}", "protocols: {modbus: [read]}\n        essential: true"
    )
    assert full("apply", "--auto-approve").code == 0
    lose(full)
    with full.untouched():
        assert full("apply", "--auto-approve", "--allow-mass-delete").code == 1
