"""Order that means nothing makes no plan, and neither does an upgrade of segctl."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from cli_support import PASSWORD, USER, Plant
from segctl_mocks import HostSpec, serve_fleet
from segctl_mocks.platforms import platform

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).with_name("provisioned")
#: Two groups of the same applications, named after the order of the classes.
FORMER_GROUPS = {"segctl-bacnet-ip-read--9c7d5f8c", "segctl-bacnet-ip-write-8308b7b0"}


@pytest.fixture
def provisioned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Plant]:
    """A firewall that the segctl before this grammar provisioned, and its inventory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "hosts.yml").write_bytes((HERE / "hosts.yml").read_bytes())
    spec = platform("panos").holding(
        HostSpec(user=USER, password=PASSWORD), (HERE / "fw1.xml").read_bytes()
    )
    with serve_fleet({"fw1": spec}, overlay=tmp_path / "mocks.yml", job_seconds=0.0) as fleet:
        yield Plant(tmp_path, fleet, capsys)


def assert_in_sync(plant: Plant) -> None:
    """Nothing to plan, apply or repair, and nothing written."""
    before = plant.fleet["fw1"].config()
    done = plant("plan", "--detailed-exitcode", "--json")
    assert done.code == 0, done.out
    assert [device["changes"] for device in done.json["devices"]] == [[]]
    assert plant("apply", "--auto-approve").code == 0
    assert plant("drift").code == 0
    assert plant.fleet["fw1"].config() == before


def test_what_the_former_version_provisioned_is_in_sync(provisioned: Plant) -> None:
    assert all(name.encode() in provisioned.fleet["fw1"].config() for name in FORMER_GROUPS)
    assert_in_sync(provisioned)


@pytest.mark.parametrize("seed", range(3))
def test_order_means_nothing(provisioned: Plant, seed: int) -> None:
    path = provisioned.folder / "hosts.yml"
    document = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump(_shuffled(document, random.Random(seed)), sort_keys=False))
    assert_in_sync(provisioned)


def _shuffled(value: Any, pick: random.Random) -> Any:
    if isinstance(value, dict):
        held = cast("dict[str, Any]", value)
        keys = pick.sample(sorted(held), len(held))
        return {key: _shuffled(held[key], pick) for key in keys}
    if isinstance(value, list):
        items = [_shuffled(item, pick) for item in cast("list[object]", value)]
        return pick.sample(items, len(items))
    return value


def test_what_changes_goes_on_with_the_names_it_has(provisioned: Plant) -> None:
    provisioned.edit("hosts.yml", "reason: Building automation", "reason: Building services")
    done = provisioned("plan", "--json")
    changes = done.json["devices"][0]["changes"]
    assert {change["kind"] for change in changes} == {"rule"}
    assert {tuple(change["fields"]) for change in changes} == {("description",)}
    assert {change["op"] for change in changes} == {"update"}
    assert provisioned("apply", "--auto-approve").code == 0
    assert_in_sync(provisioned)


def test_a_flow_that_permits_something_else_gets_a_group_of_the_present_names(
    provisioned: Plant,
) -> None:
    provisioned.edit(
        "hosts.yml", "[write, read]}\n                schedule", "[read]}\n                schedule"
    )
    done = provisioned("plan", "--json")
    groups = [one for one in done.json["devices"][0]["changes"] if one["kind"] != "rule"]
    assert {(one["op"], one["kind"]) for one in groups} == {
        ("create", "application-group"),
        ("delete", "application-group"),
    }
    assert provisioned("apply", "--auto-approve").code == 0
    assert b"segctl-bacnet-ip-write-8308b7b0" not in provisioned.fleet["fw1"].config()
    assert b"segctl-bacnet-ip-read--9c7d5f8c" in provisioned.fleet["fw1"].config()
    assert_in_sync(provisioned)


def test_an_import_of_it_plans_empty(provisioned: Plant) -> None:
    done = provisioned("import", "fw1", "-o", "found")
    assert done.code == 0
    assert "planning back changes nothing" in done.out + done.err
