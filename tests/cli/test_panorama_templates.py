"""Zones that templates give: several of them, variables, and values of one firewall's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.panorama import SERIALS, system, templates, variable, zone

if TYPE_CHECKING:
    from support.panorama import Plant

PORTS = "segctl_zone_map: {supervisory: {zone: SUPV}, cell-1: {zone: CELL1}}"
WITH = (
    "segctl_zone_map: {{supervisory: {{zone: SUPV, interfaces: [ethernet1/1]}}, "
    "cell-1: {{zone: CELL1, interfaces: [{port}]}}}}"
)


def layers(plant: Plant, **own: str) -> None:
    """The first template has the zones of cells, on a port that is a variable."""
    cells = variable("$cell", "None") + system(
        zone("CELL1", "$cell"), zone("CELL2"), ports=["$cell"]
    )
    below = variable("$cell", "ethernet1/9") + system(
        zone("SUPV", "ethernet1/1"), zone("CELL1"), ports=["ethernet1/1"]
    )
    values = {name: variable("$cell", port) for name, port in own.items()}
    templates(plant.mocks.panorama, cells, below, own=values)


def test_interfaces_are_compared_with_the_values_of_each_firewall(behind: Plant) -> None:
    layers(behind, fw1="ethernet1/2")
    behind.change(PORTS, WITH.format(port="ethernet1/2"))
    assert "Plan: " in behind("plan")
    behind.change("[ethernet1/2]", "[ethernet1/3]")
    done = behind.run("plan")
    told = "zone CELL1 of fw1 is bound to ethernet1/2 by its templates, to ethernet1/3"
    assert told in done.stdout + done.stderr


def test_a_value_of_a_lower_template_counts_where_a_higher_has_none(behind: Plant) -> None:
    layers(behind)
    behind.change(PORTS, WITH.format(port="ethernet1/3"))
    done = behind.run("plan")
    assert "bound to ethernet1/9 by its templates" in done.stdout + done.stderr


def test_a_zone_that_no_template_gives_is_named_with_its_firewall(behind: Plant) -> None:
    templates(behind.mocks.panorama, system(zone("SUPV"), zone("CELL1")))
    done = behind.run("plan")
    assert "fw2 has no zone CELL2" in done.stdout + done.stderr
    assert list(SERIALS) == ["fw1", "fw2"]


def test_an_import_has_the_interfaces_of_each_firewall(behind: Plant) -> None:
    layers(behind, fw1="ethernet1/2")
    behind("import", "fw1")
    folder = behind.mocks.folder / "imported" / "fw1" / "host_vars"
    assert "ethernet1/2" in (folder / "fw1.yml").read_text(encoding="utf-8")
    assert "$" not in (folder / "fw2.yml").read_text(encoding="utf-8")
