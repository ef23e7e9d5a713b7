"""A zone that gets a network while it is an island: what is not cut off is named everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.test_island import DECLARED, EXPORT, FOR, begin, declare

if TYPE_CHECKING:
    from cli_support import Plant

GROWN = "networks: [10.20.2.0/24, 10.20.9.0/25]"


@pytest.fixture
def grown(plant: Plant) -> Plant:
    """The plant, with an island that got one more network since."""
    declare(plant, DECLARED + EXPORT)
    assert plant("apply", "--auto-approve").code == 0
    begin(plant, "supervisory")
    plant.edit("group_vars/plant.yml", "networks: [10.20.2.0/24]", GROWN)
    assert plant("apply", "--auto-approve").code == 0
    return plant


def test_status_names_it_and_is_a_gap(grown: Plant) -> None:
    done = grown("island", "status", "--json")
    assert done.code == 1
    gaps = done.json["gaps"]
    assert [(one["device"], one["address"]) for one in gaps] == [
        ("fw1", "10.20.9.0/25"),
        ("fw2", "10.20.9.0/25"),
    ]
    assert all("its zone got it later" in one["gap"] for one in gaps)
    assert grown("island", "status", "--heal").code == 1  # nothing that healing could close


@pytest.mark.parametrize("command", ["plan", "drift"])
def test_plan_and_drift_name_it(grown: Plant, command: str) -> None:
    text = " ".join(grown(command).out.split())
    assert (
        "plant.supervisory is an island without 10.20.9.0/25, which its zones have by now: "
        "that is not cut off"
    ) in text


def test_begun_again_it_is_part_of_it(grown: Plant) -> None:
    assert grown("island", "end", "supervisory", "--reason", "to begin it again").code == 0
    assert grown("island", "begin", "supervisory", *FOR, "--auto-approve").code == 0
    assert grown("island", "status").code == 0
    for command in ("plan", "drift"):
        assert "is an island without" not in " ".join(grown(command).out.split())
