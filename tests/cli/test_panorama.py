"""Firewalls behind a Panorama: planned as one group, changed there, pushed to each by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segctl.planning.documents import schema
from support.managed import VSYS, rule
from support.panorama import GROUP, RULES, SERIALS, Plant

PLAYS = """\
- name: cells
  hosts: plant
  serial: 1
  tasks:
    - segctl_apply:
"""


@pytest.fixture
def plant(behind: Plant) -> Plant:
    """The plant, nothing applied."""
    return behind


@pytest.fixture
def applied(plant: Plant) -> Plant:
    """The plant, provisioned."""
    plant("apply", "--auto-approve")
    return plant


def members(document: Any) -> dict[str, str]:
    (outcome,) = document["outcomes"]
    return {one["device"]: one["status"] for one in outcome["members"]}


def test_each_firewall_gets_its_own_rules(plant: Plant) -> None:
    (device,) = plant.json("plan")["devices"]
    assert (device["name"], device["scope"]) == ("panorama1:OT", "device-group:OT")
    targets = {
        change["name"]: change["after"].get("targets")
        for change in device["changes"]
        if change["kind"] == "rule"
    }
    assert targets["plant.poll-1.modbus"] == ["fw1"]
    assert targets["plant.poll-2.modbus"] == ["fw2"]
    done = plant.json("apply", "--auto-approve")
    assert members(done) == {"fw1": "applied", "fw2": "applied"}
    for name, number in (("fw1", 1), ("fw2", 2)):
        assert plant.mocks.pushed(name)[0] == f"plant.poll-{number}.modbus"
        assert len(plant.mocks.pushed(name)) == 2
    assert "No changes" in plant("plan")
    assert plant.json("drift")["devices"][0]["status"] == "in_sync"


def test_a_firewall_that_is_offline_is_not_enforced_until_it_is(plant: Plant) -> None:
    plant.mocks.panorama.disconnect(SERIALS["fw2"])
    done = plant.json("apply", "--auto-approve", code=1)
    assert members(done) == {"fw1": "applied", "fw2": "failed"}
    assert done["error"]["code"] == "not_enforced"
    assert "pushed to fw1" in done["error"]["message"]
    group, first, second = plant.json("drift", code=1)["devices"]
    assert [one["subject"] for one in group["not_enforced"]] == ["fw2"]
    assert first["status"] == "in_sync"
    assert "is not connected to its Panorama" in json.dumps(second)
    plant.mocks.panorama.reconnect(SERIALS["fw2"])
    again = plant.json("apply", "--auto-approve")
    assert members(again) == {"fw1": "unchanged", "fw2": "applied"}
    assert plant.mocks.pushed("fw2")[0] == "plant.poll-2.modbus"
    assert plant.json("drift")["devices"][0]["status"] == "in_sync"


def test_a_firewall_that_refuses_the_push_says_why_and_the_others_have_it(plant: Plant) -> None:
    plant.mocks.firewalls["fw2"].hold_lock("commit")
    done = plant.json("apply", "--auto-approve", code=1)
    (outcome,) = done["outcomes"]
    why = {one["device"]: one["message"] for one in outcome["members"]}
    assert not why["fw1"]
    assert "lock" in why["fw2"]
    plant.mocks.firewalls["fw2"].release_lock("commit")
    assert members(plant.json("apply", "--auto-approve"))["fw2"] == "applied"


def test_a_limit_pushes_to_the_firewalls_it_selects(plant: Plant) -> None:
    done = plant.json("apply", "--auto-approve", "-l", "fw1")
    assert members(done) == {"fw1": "applied"}
    assert plant.mocks.pushed("fw2") == []
    assert plant.json("drift", "-l", "fw1")["devices"][0]["status"] == "in_sync"
    assert plant.json("drift", code=2)["devices"][0]["status"] == "drift"


def test_a_saved_plan_is_for_the_firewalls_it_was_made_for(plant: Plant) -> None:
    plant("plan", "-o", "plan.json")
    assert "fw2" in run_error(plant, "apply", "plan.json", "--auto-approve", "-l", "fw1")
    plant("apply", "plan.json", "--auto-approve")
    assert "No changes" in plant("plan")


def run_error(plant: Plant, *words: str) -> str:
    done = plant.run(*words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_a_playbook_pushes_firewall_by_firewall(plant: Plant) -> None:
    (plant.mocks.folder / "play.yml").write_text(PLAYS, encoding="utf-8")
    plant.mocks.panorama.disconnect(SERIALS["fw2"])
    done = plant.json("apply", "-p", "play.yml", "--auto-approve", code=1)
    waves = done["plays"][0]["waves"]
    found = [[(one["device"], one["status"]) for one in wave["devices"]] for wave in waves]
    assert found == [[("fw1", "applied")], [("fw2", "failed")]]
    plant.mocks.panorama.reconnect(SERIALS["fw2"])
    done = plant.json("apply", "-p", "play.yml", "--auto-approve")
    waves = done["plays"][0]["waves"]
    assert [one["status"] for wave in waves for one in wave["devices"]] == ["unchanged", "applied"]


def test_changes_of_others_are_neither_committed_nor_lost(plant: Plant) -> None:
    other = "<entry name='other-group'/>"
    panorama = plant.mocks.panorama
    groups = GROUP.rpartition("/")[0]
    panorama.edit("set", groups, other, admin="other")
    plant("apply", "--auto-approve")
    assert b"other-group" not in panorama.running()
    assert b"other-group" in panorama.config()


def test_changes_of_others_in_the_group_are_refused(applied: Plant) -> None:
    mine = '<entry name="hand"><ip-netmask>10.9.9.9</ip-netmask></entry>'
    applied.mocks.panorama.edit("set", f"{GROUP}/address", mine, admin="other")
    hosts = applied.mocks.folder / "hosts.yml"
    text = hosts.read_text(encoding="utf-8").replace("[read]", "[read, write]")
    hosts.write_text(text, encoding="utf-8")
    done = applied.json("apply", "--auto-approve", code=1)
    assert done["error"]["code"] == "foreign_changes"
    assert b'name="hand"' not in applied.mocks.panorama.running()
    assert b'name="hand"' in applied.mocks.panorama.config()


def test_a_rule_changed_by_hand_is_drift_and_is_put_back(applied: Plant) -> None:
    rule = f"{RULES}/entry[@name='plant.poll-1.modbus']/application"
    everything = "<application><member>any</member></application>"
    applied.mocks.panorama.edit("edit", rule, everything, admin="other", commit=True)
    found = applied.json("drift", code=2)
    assert "plant.poll-1.modbus" in json.dumps(found)
    applied("apply", "--auto-approve")
    assert applied.json("drift")["devices"][0]["status"] == "in_sync"


def test_a_rule_of_the_firewall_itself_is_told_apart_from_the_groups(applied: Plant) -> None:
    """What the group holds, what a firewall has of its own, and what others had pushed."""
    firewall, panorama = applied.mocks.firewalls["fw1"], applied.mocks.panorama
    below = rule("below", enter="SUPV", leave="CELL1")
    firewall.edit("set", f"{VSYS}/rulebase/security/rules", below, admin="bob", commit=True)
    group, first, second = applied.json("drift")["devices"]
    assert [one["name"] for one in first["unmanaged"]] == ["below"]
    assert not first["holes"], "our block closes before it"

    only = f"<target><devices><entry name='{SERIALS['fw1']}'/></devices></target>"
    panorama.edit("set", RULES, rule("top", enter="SUPV", leave="CELL1"), admin="other")
    panorama.edit("set", f"{RULES}/entry[@name='top']", only, admin="other")
    top = f"{RULES}/entry[@name='top']"
    panorama.edit("move", top, where="top", admin="other", commit=True)
    group, first, second = applied.json("drift", code=2)["devices"]
    assert [one["subject"] for one in group["holes"]] == ["top"]
    assert {one["subject"] for one in group["not_enforced"]} == {"fw1", "fw2"}
    assert (first["status"], second["status"]) == ("in_sync", "in_sync")

    panorama.push("OT")
    group, first, second = applied.json("drift", code=2)["devices"]
    assert not group["not_enforced"]
    assert [one["subject"] for one in first["holes"]] == ["Panorama pre-rule top"]
    assert second["status"] == "in_sync", "it has no zone of that rule"


def test_a_commit_that_leaves_our_changes_behind_is_a_failure(plant: Plant) -> None:
    plant.mocks.panorama.fail("commit_leaves")
    done = plant.json("apply", "--auto-approve", code=1)
    assert "is not committed" in done["error"]["message"]
    assert plant.mocks.pushed("fw1") == []
    assert b"plant.poll-1" not in plant.mocks.panorama.config(), "it is taken back"


def test_documents_hold_what_their_schema_says(plant: Plant) -> None:
    import jsonschema

    jsonschema.validate(plant.json("plan"), schema("plan"))


def test_a_group_with_firewalls_that_nobody_declared_is_refused(plant: Plant) -> None:
    hosts = plant.mocks.folder / "hosts.yml"
    lines = hosts.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip() == "fw2:")
    del lines[at : at + 2]
    text = "\n".join(lines).replace("poll-2: {<<: *poll, to: cell-2}", "")
    hosts.write_text(text + "\n", encoding="utf-8")
    done = plant.json("apply", "--auto-approve", code=1)
    assert "which the inventory does not" in json.dumps(done)
    assert plant.mocks.pushed("fw1") == []


def test_a_rollout_that_stops_at_a_firewall_goes_on_where_it_stopped(plant: Plant) -> None:
    """Failures are counted by firewall: the first wave of the group has one, and it is away."""
    play = PLAYS.replace("  serial: 1\n", "  serial: 1\n  max_fail_percentage: 0\n")
    (plant.mocks.folder / "play.yml").write_text(play, encoding="utf-8")
    plant.mocks.panorama.disconnect(SERIALS["fw1"])
    words = ("apply", "-p", "play.yml", "--auto-approve")
    done = plant.json(*words, "--state", "state.json", code=1)
    waves = done["plays"][0]["waves"]
    found = [(one["device"], one["status"]) for wave in waves for one in wave["devices"]]
    assert found == [("fw1", "failed"), ("fw2", "not_begun")]
    assert b"plant.poll-1" in plant.mocks.panorama.running(), "it is committed, and not pushed"
    assert plant.mocks.pushed("fw1") == plant.mocks.pushed("fw2") == []
    plant.mocks.panorama.reconnect(SERIALS["fw1"])
    done = plant.json(*words, "--resume", "state.json")
    waves = done["plays"][0]["waves"]
    assert [one["status"] for wave in waves for one in wave["devices"]] == ["applied", "applied"]
    assert plant.mocks.pushed("fw2")[0] == "plant.poll-2.modbus"


def test_a_reviewed_plan_is_rolled_out_in_waves_and_nothing_else_is(plant: Plant) -> None:
    (plant.mocks.folder / "play.yml").write_text(PLAYS, encoding="utf-8")
    plant("plan", "-p", "play.yml", "-o", "plan.json")
    plant.json("apply", "-p", "play.yml", "--reviewed", "plan.json", "--auto-approve")
    for name in SERIALS:
        assert len(plant.mocks.pushed(name)) == 2
    assert "No changes" in plant("plan")


def test_a_plan_says_for_which_firewalls_it_is(plant: Plant) -> None:
    """In its text, in its pages and in its document: rules, and what they newly permit."""
    (device,) = plant.json("plan")["devices"]
    rows = device["meaning"]["newly_permitted"]
    assert {row["rule"]: row["firewalls"] for row in rows} == {
        "plant.poll-1.modbus": ["fw1"],
        "plant.poll-2.modbus": ["fw2"],
    }
    text = plant("plan")
    assert "firewall     fw1" in text
    assert "; on fw2" in text
    plant("plan", "--markdown", "plan.md", "--html", "plan.html")
    for name in ("plan.md", "plan.html"):
        page = (plant.mocks.folder / name).read_text(encoding="utf-8")
        assert "; on fw1" in page, name


def test_what_an_object_holds_is_each_firewalls_own_and_said_to_be(applied: Plant) -> None:
    """Panorama holds none of it, so of the group only the reason is told; a firewall tells."""
    panorama = applied.mocks.panorama
    feed = "<entry name='feed'><type><ip><url>https://feeds.example/</url></ip></type></entry>"
    panorama.edit("set", f"{GROUP}/external-list", feed, admin="other")
    theirs = rule("theirs", enter="SUPV", leave="CELL1").replace("any", "feed", 1)
    only = f"<target><devices><entry name='{SERIALS['fw1']}'/></devices></target>"
    panorama.edit("set", RULES, theirs, admin="other")
    top = f"{RULES}/entry[@name='theirs']"
    panorama.edit("set", top, only, admin="other")
    panorama.edit("move", top, where="top", admin="other", commit=True)
    group, _, _ = applied.json("drift", code=1)["devices"]
    (hint,) = [one["hint"] for one in group["findings"] if one["subject"] == "theirs"]
    assert "feed was not read: each firewall of the device group fills it by itself" in hint

    applied.mocks.firewalls["fw1"].fetch("feed", "10.1.0.5")
    panorama.push("OT")
    _, first, _ = applied.json("drift", code=1)["devices"]
    (hint,) = [
        one["hint"] for one in first["findings"] if one["subject"] == "Panorama pre-rule theirs"
    ]
    assert "by what is held now it permits more than is declared (feed: 1 member" in hint


def test_an_update_on_one_firewall_that_renames_or_splits_an_application_is_drift(
    applied: Plant,
) -> None:
    """What filters is the firewall's content, whatever Panorama's knows."""
    second = applied.mocks.firewalls["fw2"]
    second.update_content("8900-9000", added=["modbus-read-coils-extended"])
    (one,) = content_told(applied)
    assert one["severity"] == "error"
    assert one["message"].startswith(
        "fw2: version 11.1.6, content 8900-9000 has modbus-read-coils-extended beside modbus-"
    )
    assert "plant.poll-2.modbus" in one["message"]
    assert "plant.poll-1.modbus" not in one["message"], "fw1 has another content"
    second.update_content("8901-9000", removed=["modbus-read-coils", "modbus-read-coils-extended"])
    second.update_content("8902-9000", added=["modbus-read-coil"])
    (one,) = content_told(applied)
    assert one["subject"] == "modbus-read-coils"
    assert one["message"].startswith(
        "fw2: rule plant.poll-2.modbus names application modbus-read-coils, which version 11.1.6, "
        "content 8902-9000 does not have"
    )
    assert "it has modbus-read-coil." in one["message"]
    assert "name what it became in the inventory" in one["hint"]


def content_told(plant: Plant) -> list[dict[str, Any]]:
    document = plant.json("drift", code=2)
    told = [one for device in document["devices"] for one in device["findings"]]
    return [one for one in told if one["kind"] == "content"]
