"""``segctl import`` gives islands back where the rules of a device say all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cli.test_island import DECLARED, EXPORT, declare, rules
from cli_support import RULES

if TYPE_CHECKING:
    from cli_support import Plant

OUT = "segctl.island-out.plant.control"


@pytest.fixture
def prepared(plant: Plant) -> Plant:
    """The plant, provisioned with islands."""
    declare(plant, DECLARED + EXPORT)
    assert plant("apply", "--auto-approve").code == 0
    return plant


def imported(plant: Plant, name: str, out: str = "back") -> tuple[Any, dict[str, Any]]:
    """Import a firewall; return what is said, and all variables that were written."""
    done = plant("import", name, "-o", out, "--json")
    assert done.code == 0, done.err
    held: dict[str, Any] = {}
    for path in sorted((plant.folder / out).rglob("*.yml")):
        if path.name != "hosts.yml":
            held |= yaml.safe_load(path.read_text(encoding="utf-8"))
    return done.json, held


def said(document: Any) -> str:
    return " ".join(one["message"] for one in document["warnings"])


def test_planning_back_changes_nothing(prepared: Plant) -> None:
    document, held = imported(prepared, "fw1")
    assert document["changes"] == 0
    assert held["segctl_containment"]["islands"] == {
        "zones": ["control", "supervisory"],
        "sites": ["plant"],
    }
    levels = {name: zone["level"] for name, zone in held["segctl_zones"].items()}
    assert levels["control"] < levels["supervisory"] < 3.5 <= levels["dmz"]
    assert "levels of zones are such as make the islands of the device" in said(document)
    text = (prepared.folder / "back/group_vars/plant/zones.yml").read_text(encoding="utf-8")
    assert "give its own level: this one makes the same islands" in text


def test_the_site_is_read_beside_groups_that_contain(prepared: Plant) -> None:
    _, held = imported(prepared, "fw1")
    assert held["segctl_site"] == "plant"
    assert set(held["segctl_zones"]) == {"control", "supervisory", "dmz"}


def test_an_island_of_a_zone_that_the_device_does_not_have_is_named(prepared: Plant) -> None:
    document, held = imported(prepared, "fw2")
    assert held["segctl_containment"]["islands"] == {"zones": ["supervisory"], "sites": ["plant"]}
    assert "island plant.control is prepared and not given back" in said(document)
    lost = {one["subject"] for one in document["warnings"]}
    assert {OUT, "segctl-island.plant.control"} <= lost
    assert document["changes"] == 3


def test_an_order_that_no_levels_have_is_not_made_up(prepared: Plant) -> None:
    firewall = prepared.fleet["fw1"]
    for name, side in ((OUT, "destination"), (OUT.replace("out", "in"), "source")):
        place = f"{RULES}/entry[@name='{name}']/{side}"
        text = f"<{side}><member>plant.supervisory</member></{side}>"
        firewall.edit("edit", place, text, commit=True)
    document, held = imported(prepared, "fw1")
    assert "islands" not in (held["segctl_containment"] or ())
    assert not any("level" in zone for zone in held["segctl_zones"].values())
    for island in ("plant", "plant.control", "plant.supervisory"):
        assert f"island {island} is prepared and not given back" in said(document)
    assert document["changes"]


def test_a_rule_that_was_edited_gives_nothing_back_that_is_not_so(prepared: Plant) -> None:
    place = f"{RULES}/entry[@name='{OUT}']"
    prepared.fleet["fw1"].edit("delete", place, commit=True)
    document, held = imported(prepared, "fw1")
    assert held["segctl_containment"]["islands"] == {"zones": ["supervisory"], "sites": ["plant"]}
    assert "island plant.control is prepared and not given back" in said(document)


def test_a_plan_says_loudly_what_it_takes_away(prepared: Plant) -> None:
    prepared.edit("group_vars/plant.yml", "zones: [supervisory, control], sites", "sites")
    text = " ".join(prepared("plan").out.split())
    for zone in ("control", "supervisory"):
        assert f"this takes away what makes plant.{zone} an island" in text
    assert "what makes plant an island" not in text
    prepared.edit(
        "group_vars/plant.yml", DECLARED.replace("zones: [supervisory, control], ", ""), ""
    )
    text = " ".join(prepared("plan").out.split())
    assert "this takes away what contains" in text
    assert prepared("apply", "--auto-approve", "--allow-mass-delete").code == 0
    assert not [name for name in rules(prepared.fleet["fw1"]) if "island" in name]
    assert "takes away" not in prepared("plan").out
