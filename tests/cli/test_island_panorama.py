"""``segctl island`` behind a Panorama: prepared in the device group, done on each firewall."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli.test_contain_panorama import ESSENTIAL, numbers, opened, session, tags
from cli.test_evidence import finding
from support.panorama import PEER, RULES, SERIALS
from support.records import logged

if TYPE_CHECKING:
    from support.panorama import Plant

FOR = ("--for", "2h", "--reason", "ransom note")
#: supervisory (2) above both cells (1): cell-1 behind fw1, cell-2 behind fw2
CELL1, CELL2 = "10.2.1.0/24", "10.2.2.0/24"
TAG = "segctl-island.plant.cell-1"
POLL1 = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
POLL2 = ("--from", "scada1", "--to", "plc2", "--application", "modbus.read", "--port", "502")


def declare(plant: Plant) -> None:
    plant.change("poll-2: {<<: *poll, to: cell-2}", ESSENTIAL)
    for zone, level in (("supervisory", 2), ("cell-1", 1), ("cell-2", 1)):
        plant.change(f"{zone}: {{networks", f"{zone}: {{level: {level}, networks")
    declared = "{longest: 8h, islands: {zones: [cell-1, cell-2], longest: 3d}}"
    zones = "        segctl_zones:\n"
    plant.change(zones, f"        segctl_containment: {declared}\n{zones}")
    plant("apply", "--auto-approve")


@pytest.fixture
def prepared(behind: Plant) -> Plant:
    """The plant, provisioned with islands."""
    declare(behind)
    return behind


@pytest.fixture
def pair(paired: Plant) -> Plant:
    """The same, where the first firewall is a pair."""
    declare(paired)
    return paired


def begin(plant: Plant, name: str, *, code: int = 0) -> Any:
    document = plant.json("island", "begin", name, *FOR, "--auto-approve", code=code)
    jsonschema.validate(document, plant.json("schema", "island-begin"))
    return document


def configurations(plant: Plant) -> dict[str, bytes]:
    """Return what Panorama and the firewalls hold, pushed configurations included."""
    mocks = plant.mocks
    held = {name: one.running() for name, one in mocks.firewalls.items()}
    pushed = {
        f"{name} pushed": one.device.pushed.documents for name, one in mocks.firewalls.items()
    }
    return {**held, **pushed, "panorama1": mocks.panorama.running()}


def test_it_is_planned_below_what_contains_and_denies_nobody(prepared: Plant) -> None:
    for name in SERIALS:
        names = prepared.mocks.pushed(name)
        first = names.index("segctl.contained-destination") + 1
        assert names[first : first + 4] == [
            f"segctl.island-{way}.plant.cell-{number}" for number in (1, 2) for way in ("out", "in")
        ]
    prepared("check", *POLL1, "--expect", "allow")
    assert "No changes" in prepared("plan")
    assert "3 in sync, 0 drifted" in prepared("drift")
    prepared("prove")


def test_a_zone_is_cut_from_what_is_above_and_joined_again(prepared: Plant) -> None:
    before, held = configurations(prepared), tags(prepared, "fw1")
    session(prepared, "fw1", 1, "10.2.1.10", 502, "plant.poll-1.modbus")
    session(prepared, "fw1", 2, "10.9.9.9", 502, "other")
    found = begin(prepared, "cell-1")
    assert found["island"]
    assert found["above"] == ["plant/supervisory"]
    assert found["addresses"] == [CELL1]
    assert {one["device"] for one in found["devices"]} == {"fw1"}
    assert TAG in tags(prepared, "fw1")[CELL1]
    assert numbers(prepared, "fw1") == {"2"}
    prepared("check", *POLL1, "--expect", "deny")
    prepared("check", *POLL2, "--expect", "allow")
    assert configurations(prepared) == before
    told = prepared("plan", "--detailed-exitcode")
    assert "plant.cell-1 is an island until" in told
    assert "plant.cell-1 is an island until" in prepared("drift")
    (row,) = prepared.json("island", "list")["items"]
    assert (row["device"], row["island"]) == ("fw1", "plant.cell-1")
    prepared("island", "status")
    assert prepared.json("contain", "list")["items"] == []
    prepared("island", "end", "cell-1", "--reason", "all clear")
    assert configurations(prepared) == before
    assert tags(prepared, "fw1") == held
    prepared("check", *POLL1, "--expect", "allow")
    assert prepared.run("island", "end", "cell-1").returncode == 1


def test_essential_flows_go_on(prepared: Plant) -> None:
    session(prepared, "fw2", 1, "10.2.2.10", 502, "plant.poll-2.modbus")
    session(prepared, "fw2", 2, "10.2.2.77", 22, "other")
    found = begin(prepared, "cell-2")
    assert [(one["essential"], one["survives"]) for one in found["flows"]] == [(True, True)]
    prepared("check", *POLL2, "--expect", "allow")


def test_an_apply_meanwhile_leaves_it_as_it_is(prepared: Plant) -> None:
    begin(prepared, "cell-1")
    registered = prepared.mocks.firewalls["fw1"].device.userid.registered
    until = set(registered[CELL1].values())
    prepared.change("protocols: {modbus: [read]}}\n", "services: [tcp/502]}\n")
    prepared("apply", "--auto-approve")
    assert set(registered[CELL1].values()) == until
    prepared("island", "status")
    prepared("check", "--from", "scada1", "--to", "plc1", "--port", "502", "--expect", "deny")


def test_both_members_of_a_pair_are_cut_off(pair: Plant) -> None:
    begin(pair, "cell-1")
    assert TAG in tags(pair, "fw1")[CELL1]
    assert TAG in tags(pair, "fw1b")[CELL1]
    pair("island", "end", "cell-1")
    assert not tags(pair, "fw1b")
    pair.mocks.panorama.disconnect(PEER["fw1b"])
    found = opened(begin(pair, "cell-1", code=1))
    assert "is not connected to its Panorama" in " ".join(found["fw1b"])
    pair.mocks.panorama.reconnect(PEER["fw1b"])
    pair("island", "status", "--heal")
    assert TAG in tags(pair, "fw1b")[CELL1]


def test_one_that_is_not_connected_is_not_cut_off(prepared: Plant) -> None:
    prepared.mocks.panorama.disconnect(SERIALS["fw1"])
    done = prepared.run("island", "begin", "cell-1", *FOR, "--auto-approve")
    assert done.returncode == 1
    assert "is not connected to its Panorama" in " ".join(done.stderr.split())


def test_a_plan_that_takes_it_away_says_that_it_ends(prepared: Plant) -> None:
    begin(prepared, "cell-1")
    prepared.change(", islands: {zones: [cell-1, cell-2], longest: 3d}", "")
    assert "this ends island plant.cell-1: 10.2.1.0/24" in " ".join(prepared("plan").split())


def shown(plant: Plant, number: int) -> tuple[str, str]:
    """The state of SR 5.2 RE 2 in a cell that asks for it, and why."""
    plant.run("evidence", "--sr", "5.2 RE 2", "-o", f"evidence{number}")
    path = plant.mocks.folder / f"evidence{number}/evidence.json"
    found = finding(json.loads(path.read_text(encoding="utf-8")), "plant/cell-1", "SR 5.2 RE 2")
    return found["state"], found["why"]


def test_evidence_judges_what_was_pushed(prepared: Plant) -> None:
    prepared.change("cell-1: {level: 1,", "cell-1: {level: 1, security_level: 3,")
    assert shown(prepared, 1)[0] == "satisfied"
    name = "segctl.island-in.plant.cell-1"
    panorama = prepared.mocks.panorama
    where = f"{RULES}/entry[@name='{name}']"
    panorama.edit("set", where, "<disabled>yes</disabled>", admin="other", commit=True)
    panorama.push("OT", *SERIALS.values())
    state, why = shown(prepared, 2)
    assert state == "not_satisfied"
    assert f"rule {name} is not there, or does not deny" in why


def test_it_is_rehearsed_on_what_the_firewalls_hold(prepared: Plant) -> None:
    seen = {"src": "10.1.0.5", "dst": "10.2.1.10", "dport": "502", "rule": "plant.poll-1.modbus"}
    seen |= {
        "serial": SERIALS["fw1"],
        "enter": "SUPV",
        "leave": "CELL1",
        "app": "modbus-read-coils",
    }
    (prepared.mocks.folder / "fw.log").write_text(logged(**seen), encoding="utf-8")
    prepared("snapshot", "-o", "held")
    words = ("replay", "--island", "cell-1", "--offline", "held", "fw.log")
    document = prepared.json(*words, code=2)
    (cut,) = document["fates"]["newly_dropped"]["listed"]
    assert cut["port"] == 502
