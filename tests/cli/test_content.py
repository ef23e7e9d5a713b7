"""Content updates: what a firewall's content lacks, and what an update made of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema

from cli_support import POLL, Plant

if TYPE_CHECKING:
    from segctl_mocks import PanosMock

TLS = "plant.replication.tls"
NEW = "8900-9000"


def mock(plant: Plant, host: str) -> PanosMock:
    return plant.fleet.mocks[host]


def told(plant: Plant) -> list[dict[str, Any]]:
    """Return the findings of drift about content."""
    done = plant("drift", "--json")
    jsonschema.validate(done.json, plant("schema", "drift").json)
    found = [
        one
        for device in done.json["devices"]
        for one in device["findings"]
        if one["kind"] == "content"
    ]
    assert done.code == (2 if found else 0)
    return found


def test_an_application_that_the_content_lacks_is_an_error_before_anything_is_written(
    plant: Plant,
) -> None:
    mock(plant, "fw1").update_content("8700-1", removed=["modbus-read-coils"])
    with plant.untouched():
        done = plant("apply", "--auto-approve")
    assert done.code == 1
    assert "fw1: version 11.1.6, content 8700-1 has no application modbus-read-coils" in done.err


def test_content_that_loses_an_application_after_the_plan_makes_it_stale(plant: Plant) -> None:
    assert plant("plan", "-o", "plan.json").code == 0
    mock(plant, "fw1").update_content(NEW, removed=["modbus-read-coils"])
    with plant.untouched():
        done = plant("apply", "plan.json")
    assert done.code == 1
    assert f"the content version was 8799-8509 and is now {NEW}" in done.out


def test_an_update_that_renames_an_application_we_use_is_drift_with_a_remedy(
    applied: Plant,
) -> None:
    assert told(applied) == []
    mock(applied, "fw1").update_content(
        NEW, removed=["modbus-read-coils"], added=["modbus-read-coil"]
    )
    (one,) = told(applied)
    assert (one["severity"], one["subject"]) == ("error", "modbus-read-coils")
    assert (
        f"rule {POLL} names application modbus-read-coils, which version 11.1.6, content"
        in one["message"]
    )
    assert "modbus-read-coil" in one["message"].partition("it has")[2]
    assert "name what it became in the inventory" in one["hint"]


def test_an_update_that_splits_an_application_we_use_is_drift_with_a_remedy(
    applied: Plant,
) -> None:
    mock(applied, "fw1").update_content(NEW, added=["modbus-read-coils-extended"])
    (one,) = told(applied)
    assert one["severity"] == "error"
    assert "has modbus-read-coils-extended beside modbus-" in one["message"]
    assert POLL in one["message"]
    assert "name what is needed of them in the inventory" in one["hint"]


def test_an_update_that_concerns_nothing_we_use_is_no_drift(applied: Plant) -> None:
    mock(applied, "fw1").update_content(NEW, removed=["dnp3-base"], added=["profinet-new"])
    mock(applied, "fw2").update_content(NEW, added=["modbus-read-coils-extended"])
    assert told(applied) == []
