"""A pair behind a Panorama: one firewall in plans, two that are pushed to, each by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lxml import etree

from support.panorama import PEER, RULES, SERIALS

if TYPE_CHECKING:
    from support.panorama import Plant

BOTH = {SERIALS["fw1"], PEER["fw1b"]}


def members(document: Any) -> dict[str, str]:
    (outcome,) = document["outcomes"]
    return {one["device"]: one["status"] for one in outcome["members"]}


def targets(plant: Plant, name: str) -> set[str]:
    root = etree.fromstring(plant.mocks.panorama.running())
    found = root.findall(f".//entry[@name='{name}']/target/devices/entry")
    return {entry.get("name", "") for entry in found}


def pushes(plant: Plant) -> list[set[str]]:
    """Return the serial numbers of each push, in order; validations are none."""
    commands = [request.cmd for request in plant.mocks.panorama.requests]
    sent = [etree.fromstring(one) for one in commands if one.startswith("<commit-all>")]
    return [
        {entry.get("name", "") for entry in one.iterfind(".//devices/entry")}
        for one in sent
        if one.find(".//validate-only") is None
    ]


def test_both_members_get_the_rules_and_the_passive_one_first(paired: Plant) -> None:
    plan = paired.json("plan")
    (device,) = plan["devices"]
    known = {one["name"]: one.get("of", "") for one in device["state"]["members"]}
    assert known == {"fw1": "", "fw1b": "fw1", "fw2": ""}
    named = {
        one["name"]: one["after"].get("targets")
        for one in device["changes"]
        if one["kind"] == "rule"
    }
    assert named["plant.poll-1.modbus"] == ["fw1"], "in plans a pair is one firewall"
    done = paired.json("apply", "--auto-approve")
    assert members(done) == {"fw1": "applied", "fw1b": "applied", "fw2": "applied"}
    assert targets(paired, "plant.poll-1.modbus") == BOTH
    assert paired.mocks.pushed("fw1") == paired.mocks.pushed("fw1b") != []
    assert pushes(paired) == [{PEER["fw1b"]}, set(SERIALS.values())]
    assert "No changes" in paired("plan")
    statuses = {one["name"]: one["status"] for one in paired.json("drift")["devices"]}
    assert statuses == dict.fromkeys(("panorama1:OT", "fw1", "fw2"), "in_sync")


def test_a_passive_member_that_is_offline_is_not_enforced_by_itself(paired: Plant) -> None:
    paired.mocks.panorama.disconnect(PEER["fw1b"])
    done = paired.json("apply", "--auto-approve", code=1)
    assert members(done) == {"fw1": "applied", "fw1b": "failed", "fw2": "applied"}
    group = paired.json("drift", code=2)["devices"][0]
    assert [one["subject"] for one in group["not_enforced"]] == ["fw1b"]
    paired.mocks.panorama.reconnect(PEER["fw1b"])
    assert members(paired.json("apply", "--auto-approve", "-l", "fw1"))["fw1b"] == "applied"


def test_the_member_that_is_there_tells_what_the_pair_enforces(paired: Plant) -> None:
    paired("apply", "--auto-approve")
    paired.mocks.panorama.disconnect(SERIALS["fw1"])
    devices = paired.json("drift")["devices"]
    assert {one["name"]: one["status"] for one in devices}["fw1"] == "in_sync"


def test_a_rule_that_only_one_member_gets_is_drift(paired: Plant) -> None:
    paired("apply", "--auto-approve")
    where = f"{RULES}/entry[@name='plant.poll-1.modbus']/target"
    one = f'<target><devices><entry name="{SERIALS["fw1"]}"/></devices></target>'
    paired.mocks.panorama.edit("edit", where, one, admin="other", commit=True)
    found = paired.json("drift", code=2)["devices"][0]
    assert SERIALS["fw1"] in json.dumps(found["changed"])
    paired("apply", "--auto-approve")
    assert targets(paired, "plant.poll-1.modbus") == BOTH


def test_a_wave_of_a_pair_fails_with_its_worse_member(paired: Plant) -> None:
    play = "- {name: cells, hosts: plant, serial: 1, tasks: [{segctl_apply: {}}]}\n"
    (paired.mocks.folder / "play.yml").write_text(play, encoding="utf-8")
    paired.mocks.panorama.disconnect(PEER["fw1b"])
    done = paired.json("apply", "-p", "play.yml", "--auto-approve", code=1)
    (first, *_) = done["plays"][0]["waves"]
    assert [(one["device"], one["status"]) for one in first["devices"]] == [("fw1", "failed")]


def test_a_pair_comes_back_from_an_import(paired: Plant) -> None:
    paired("apply", "--auto-approve")
    paired("import", "fw1")
    paired.inventory = "imported/fw1"
    assert "No changes" in paired("plan", "-e", "ansible_password=secret")
    peer = paired.mocks.folder / "imported" / "fw1" / "host_vars" / "fw1b.yml"
    assert PEER["fw1b"] in peer.read_text(encoding="utf-8")
