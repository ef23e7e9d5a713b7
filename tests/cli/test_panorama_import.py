"""A device group comes back as one inventory of its firewalls; planning that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from support.managed import rule
from support.panorama import RULES, SERIALS, templates

if TYPE_CHECKING:
    from support.panorama import Plant

#: A variable that no import writes: it is a secret.
PASSWORD = ("-e", "ansible_password=secret")


def imported(plant: Plant, *words: str) -> dict[str, Any]:
    plant("import", "fw1", *words)
    folder = plant.mocks.folder / "imported" / "fw1"
    return {
        str(path.relative_to(folder)): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in folder.rglob("*.yml")
    }


def again(plant: Plant) -> None:
    """From now on, the inventory is what was imported."""
    plant.inventory = "imported/fw1"


@pytest.mark.parametrize("shared_zones", [False, True])
def test_a_group_comes_back_without_duplicates(behind: Plant, *, shared_zones: bool) -> None:
    if shared_zones:
        templates(behind.mocks.panorama)
    behind("apply", "--auto-approve")
    before = behind.mocks.panorama.running()
    files = imported(behind)
    assert sorted(files) == [
        "group_vars/plant/conduits.yml",
        "group_vars/plant/panorama.yml",
        "group_vars/plant/zones.yml",
        "host_vars/fw1.yml",
        "host_vars/fw2.yml",
        "hosts.yml",
    ]
    assert set(files["group_vars/plant/conduits.yml"]["segctl_conduits"]) == {"poll-1", "poll-2"}
    maps = {name: files[f"host_vars/{name}.yml"]["segctl_zone_map"] for name in SERIALS}
    assert maps["fw1"] == {"supervisory": {"zone": "SUPV"}, "cell-1": {"zone": "CELL1"}}
    assert maps["fw2"] == {"supervisory": {"zone": "SUPV"}, "cell-2": {"zone": "CELL2"}}
    serials = {name: files[f"host_vars/{name}.yml"]["segctl_serial"] for name in SERIALS}
    assert serials == SERIALS
    again(behind)
    assert "No changes" in behind("plan", *PASSWORD)
    statuses = {one["name"]: one["status"] for one in behind.json("drift", *PASSWORD)["devices"]}
    assert statuses == dict.fromkeys(("panorama1:OT", "fw1", "fw2"), "in_sync")
    assert behind.mocks.panorama.running() == before


def test_rules_of_others_are_suggested_and_what_cannot_be_said_is_listed(behind: Plant) -> None:
    panorama = behind.mocks.panorama
    first = f'<target><devices><entry name="{SERIALS["fw1"]}"/></devices></target>'
    theirs = rule("theirs", enter="SUPV", leave="CELL1", more=first)
    panorama.edit("set", RULES, theirs, admin="other")
    by_tag = "<target><tags><member>plant</member></tags></target>"
    strange = rule("tagged", enter="SUPV", leave="CELL2", more=by_tag)
    panorama.edit("set", RULES, strange, admin="other", commit=True)
    behind("apply", "--auto-approve")
    document = behind.json("import", "fw1")
    assert document["changes"] == 0
    assert document["suggestions"] == 2
    said = [one["message"] for one in document["warnings"]]
    assert any("tagged" in text and "target" in text for text in said)
    again(behind)
    assert "No changes" in behind("plan", *PASSWORD)


def test_a_group_without_rules_of_ours_comes_back(behind: Plant) -> None:
    templates(behind.mocks.panorama)
    files = imported(behind)
    zones = files["host_vars/fw1.yml"]["segctl_zone_map"].values()
    assert {one["zone"] for one in zones} == {"SUPV", "CELL1", "CELL2"}
    assert files["group_vars/plant/panorama.yml"]["segctl_default_rules"] == "leave"
    again(behind)
    assert "No changes" in behind("plan", *PASSWORD)
