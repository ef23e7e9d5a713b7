"""A high-availability pair on the command line, with mocks that are served for both members."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from cli_support import PASSWORD, POLL, Plant
from segctl.inventory import load
from segctl.operations.demo import astray, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl_mocks import PanosMock
    from segctl_mocks.panos.ha import Room

PEER = {"ansible_host": "192.0.2.12", "ansible_user": "second"}


@pytest.fixture
def plant(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Plant]:
    """The plant, in which fw1 is a pair."""
    hosts = yaml.safe_load((folder / "hosts.yml").read_text("utf-8"))
    hosts["all"]["children"]["plant"]["hosts"]["fw1-b"] = PEER
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    own = folder / "host_vars/fw1.yml"
    own.write_text(own.read_text("utf-8") + "segctl_ha_peer: fw1-b\n", encoding="utf-8")
    today = date(2026, 11, 22)
    loaded = load([folder / "hosts.yml"], today=today)
    with fleet(loaded, today, overlay=folder / "mocks.yml", multi_vsys=["fw2"]) as running:
        overlaid = load([folder / "hosts.yml", folder / "mocks.yml"], today=today)
        assert list(astray(running, overlaid)) == []
        yield Plant(folder, running, capsys)


def room(plant: Plant) -> Room:
    found = plant.fleet["fw1"].device.room
    assert found is not None
    return found


def members(plant: Plant) -> tuple[PanosMock, PanosMock]:
    return plant.fleet["fw1"], plant.fleet["fw1-b"]


def test_both_members_are_served_and_one_firewall_is_planned(plant: Plant) -> None:
    entries = plant.fleet.entries
    assert entries["fw1-b"]["ansible_user"] == "second"
    assert entries["fw1-b"]["ansible_password"] == PASSWORD
    assert entries["fw1"]["ansible_port"] != entries["fw1-b"]["ansible_port"]
    document = plant("plan", "--json").json
    jsonschema.validate(document, plant("schema", "plan").json)
    pair, alone = document["devices"]
    assert (pair["name"], pair["answered"], alone["name"]) == ("fw1", "fw1", "fw2")
    assert len(set(pair["serials"])) == 2
    assert pair["serial"] in pair["serials"]
    assert "answered" not in alone
    assert plant.fleet["fw2"].settings.multi_vsys
    done = plant("plan", "-l", "fw1-b")
    assert done.code == 1
    assert "fw1-b is the peer of fw1" in done.err


def test_a_saved_plan_is_applied_after_a_failover_which_is_said(plant: Plant) -> None:
    assert plant("plan", "-o", "plan.json").code == 0
    room(plant).fail_over()
    done = plant("apply", "plan.json")
    assert done.code == 0
    assert "fw1-b is active now; when the plan was made, fw1 was" in done.out + done.err
    assert all(POLL.encode() in mock.running() for mock in members(plant))
    out = plant("drift").out
    assert "fw1  in sync (read from fw1-b)" in out
    assert "fw1: reading fw1-b" in plant("drift", "-v").err
    assert "fw1-b of the pair" in plant("plan").out
    flow = ("check", "--from", "scada1", "--to", "plc1", "--protocol", "tcp", "--port", "502")
    assert "fw1: fw1-b answers" in plant(*flow).out
    document = plant(*flow, "--json").json
    jsonschema.validate(document, plant("schema", "check").json)
    assert document["devices"][0]["answered"] == "fw1-b"
    found = plant("drift", "--json").json["devices"][0]
    assert (found["answered"], found["status"]) == ("fw1-b", "in_sync")


def test_a_pair_that_is_not_synchronized_is_drift_and_is_not_changed(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    room(plant).part(plant.fleet["fw1-b"].device)
    done = plant("drift", "-l", "fw1")
    assert done.code == 2
    assert "the configurations of fw1 and fw1-b are `not synchronized`" in done.out
    document = plant("drift", "-l", "fw1", "--json").json
    jsonschema.validate(document, plant("schema", "drift").json)
    (kept,) = document["devices"][0]["not_kept"]
    assert kept["subject"] == "the peer"
    plant.edit("group_vars/plant.yml", "destination: [plc1, plc2]", "destination: [plc1]")
    done = plant("apply", "-l", "fw1", "--auto-approve", "--json")
    assert done.code == 1
    assert "ha_state" in done.out
    assert "sync-to-remote" in done.out


def test_the_history_takes_either_member_for_the_same_device(plant: Plant) -> None:
    words = ("drift", "-l", "fw1", "--history", "history.db")
    assert plant("apply", "--auto-approve").code == 0
    assert plant(*words).code == 0
    room(plant).fail_over()
    done = plant(*words)
    assert done.code == 0
    assert "another serial number" not in done.err
    room(plant).lose(plant.fleet["fw1"].device)
    plant.fleet["fw1"].stop()
    assert "another serial number" not in plant(*words).err


def test_an_imported_pair_is_a_pair(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    assert plant("import", "fw1", "-o", "found").code == 0
    found = load([plant.folder / "found/hosts.yml"], today=date(2026, 11, 22))
    (device,) = found.site.devices
    assert (device.name, device.ha_peer) == ("fw1", "fw1-b")
    done = plant("import", "fw1-b", "-o", "other")
    assert done.code == 1
    assert "fw1-b is the peer of fw1" in done.err


def test_a_snapshot_of_a_pair_says_the_same_as_the_pair(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    room(plant).part(plant.fleet["fw1-b"].device)
    assert plant("snapshot", "-o", "snapshots").code == 0
    live, kept = (plant("plan", "--json", *more) for more in ((), ("--offline", "snapshots")))
    for document in (live.json, kept.json):
        (finding,) = [
            one for one in document["devices"][0]["findings"] if one["kind"] == "not_kept"
        ]
        assert "not synchronized" in finding["message"]
        assert document["devices"][0]["answered"] == "fw1"
        assert len(document["devices"][0]["serials"]) == 2


def test_usage_is_counted_by_both_members(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    first, second = members(plant)
    for mock in (first, second):
        mock.device.booted -= 365 * 86400
    second.set_hits(POLL, 4)
    document = plant("usage", "--json").json
    pair = document["devices"][0]
    assert sorted(pair["members"]) == ["fw1", "fw1-b"]
    (used,) = (one for one in pair["rules"] if one["rule"] == POLL)
    assert (used["usage"], used["count"]) == ("used", 4)
    second.set_hits(POLL, 0)
    second.stop()
    document = plant("usage", "--json").json
    (unknown,) = (one for one in document["devices"][0]["rules"] if one["rule"] == POLL)
    assert unknown["usage"] == "not_counted"
    assert unknown["why"].startswith("fw1-b: ")


def prepared(plant: Plant) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text("utf-8") + "segctl_containment: {}\n", encoding="utf-8")
    assert plant("apply", "--auto-approve").code == 0


def contain(plant: Plant, *words: str) -> dict[str, list[str]]:
    """Contain scada1; return what is open on each firewall, by name."""
    done = plant(
        *("contain", "asset", "scada1", "--for", "1h", "--reason", "test", *words),
        *("--auto-approve", "--json"),
    )
    found = {one["device"]: one["open"] for one in done.json["devices"]}
    assert done.json["contained"] is (done.code == 0) is (not any(found.values()))
    return found


def held(mock: PanosMock) -> bool:
    return "segctl-contained" in mock.device.userid.held().get("10.20.2.5", ())


def test_each_member_contains_and_a_failover_changes_nothing(plant: Plant) -> None:
    prepared(plant)
    assert contain(plant) == {"fw1": [], "fw1-b": [], "fw2": []}
    assert all(held(mock) for mock in members(plant))
    room(plant).fail_over()
    assert plant("contain", "status").code == 0
    asked = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
    assert plant("check", *asked, "--expect", "deny").code == 0
    assert "10.20.2.5 is contained until" in plant("plan").out
    assert plant("contain", "release", "scada1").code == 0
    assert not any(held(mock) for mock in members(plant))


def test_what_the_passive_member_does_not_get_is_a_gap_until_it_leads(plant: Plant) -> None:
    prepared(plant)
    room(plant).tags = False
    found = contain(plant)
    assert found["fw1"] == found["fw2"] == []
    assert any("is not registered" in text for text in found["fw1-b"])
    assert any("passive" in text for text in found["fw1-b"])
    assert plant("contain", "status").code == 1
    room(plant).fail_over()
    assert plant("contain", "status", "--heal").code == 0
    assert all(map(held, members(plant)))


def test_a_member_that_does_not_answer_is_a_gap_that_is_healed_later(plant: Plant) -> None:
    prepared(plant)
    second = plant.fleet["fw1-b"]
    room(plant).lose(second.device)
    second.stop()
    found = contain(plant)
    assert found["fw1"] == found["fw2"] == []
    assert found["fw1-b"]
    assert held(plant.fleet["fw1"])
    second.start()
    room(plant).regain(second.device)
    status = plant("contain", "status", "--json")
    assert status.code == 1
    assert {one["device"] for one in status.json["gaps"]} == {"fw1-b"}
    assert plant("contain", "release", "scada1").code == 0


def test_each_member_cuts_an_island_off_and_a_failover_changes_nothing(plant: Plant) -> None:
    path = plant.folder / "group_vars/plant.yml"
    text = path.read_text("utf-8") + "segctl_containment: {islands: {zones: [control]}}\n"
    path.write_text(text, encoding="utf-8")
    assert plant("apply", "--auto-approve").code == 0

    def cut(mock: PanosMock) -> bool:
        held = mock.device.userid.held().get("10.20.1.0/24", ())
        return "segctl-island.plant.control" in held

    words = ("control", "--for", "1h", "--reason", "test", "--auto-approve", "--json")
    found = plant("island", "begin", *words)
    assert found.code == 0, found.out
    assert {one["device"] for one in found.json["devices"]} == {"fw1", "fw1-b"}
    assert all(map(cut, members(plant)[:2]))
    room(plant).fail_over()
    assert plant("island", "status").code == 0
    asked = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
    assert plant("check", *asked, "--expect", "deny").code == 0
    plant.fleet["fw1-b"].device.userid.registered.clear()
    lost = plant("island", "status", "--json")
    assert {one["device"] for one in lost.json["gaps"]} == {"fw1-b"}
    assert plant("island", "status", "--heal").code == 0
    assert plant("island", "end", "control").code == 0
    assert not any(map(cut, members(plant)))
