"""The account that the pages tell people to make: its rights are enough, and each is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli_support import USER, Plant
from support.panorama import USER as MANAGER
from support.witnessed import entry, give

if TYPE_CHECKING:
    from segctl_mocks import PanoramaMock, PanosMock
    from support.panorama import Plant as ManagedPlant

DOCS = Path(__file__).parents[2] / "docs"
CONTAIN = ("contain", "asset", "scada1", "--for", "2h", "--reason", "scans", "--auto-approve")
ALLOWED = ("segctl_containment: {longest: 8h}\n", "group_vars/plant.yml")


def role(page: str, without: str = "") -> str:
    """The role on a page, perhaps without one of its rights."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = re.findall(r'```xml\n(<entry name="segctl">.*?</entry>)\n```', text, re.DOTALL)
    if without:
        assert f"<{without}>enable<" in found
        found = found.replace(f"<{without}>enable<", f"<{without}>disable<")
    return str(found)


def assign(mock: PanosMock | PanoramaMock, user: str, page: str, *out: str) -> None:
    """Give an administrator the role, instead of a superuser's."""
    mock.edit("edit", "/config/shared/admin-role/entry[@name='segctl']", role(page, *out))
    mock.edit(
        "edit",
        f"/config/mgt-config/users/entry[@name='{user}']/permissions",
        "<permissions><role-based><custom><profile>segctl</profile></custom></role-based>"
        "</permissions>",
        commit=True,
    )


@pytest.fixture
def plant(plant: Plant) -> Plant:
    """The plant, in which assets may be contained."""
    text, name = ALLOWED
    path = plant.folder / name
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    return plant


def narrow(plant: Plant, *out: str) -> None:
    for mock in plant.fleet.mocks.values():
        assign(mock, USER, "panos.md", *out)


def test_its_rights_are_enough(plant: Plant) -> None:
    narrow(plant)
    assert plant("apply", "--auto-approve").code == 0
    assert plant("plan", "--detailed-exitcode").code == 0
    plant.by_hand()
    drift = plant("drift")
    assert drift.code == 2
    assert "other" in drift.out, "who did it"
    assert plant("apply", "--auto-approve").code == 0
    for command in ("prove", "lint", "usage", "snapshot"):
        done = plant(command, *(("-o", "kept") if command == "snapshot" else ()), "--json")
        assert "auth" not in str(done.json.get("error")), (command, done.out)
    give(plant, entry(1))
    asked = plant("traffic", "--from-devices", "--json")
    assert {one["not_read"] for one in asked.json["coverage"]["asked"]} == {""}, asked.out
    assert plant(*CONTAIN).code == 0
    assert plant("contain", "release", "scada1", "--reason", "rebuilt").code == 0
    assert plant.locks == 0


@pytest.mark.parametrize("right", ["config", "op"])
def test_without_reading_nothing_is_read(plant: Plant, right: str) -> None:
    narrow(plant, right)
    done = plant("plan", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "auth")


def test_without_commit_nothing_is_left_half_done(plant: Plant) -> None:
    narrow(plant, "commit")
    assert plant("plan").code == 0
    before = {name: mock.config() for name, mock in plant.fleet.mocks.items()}
    done = plant("apply", "--auto-approve", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "auth"), done.out
    assert "the XML API right 'Commit'" in done.out
    assert {name: mock.config() for name, mock in plant.fleet.mocks.items()} == before
    assert plant.locks == 0


def test_without_log_the_author_is_unknown(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    narrow(plant, "log")
    plant.by_hand()
    done = plant("drift")
    assert done.code == 2
    assert "cannot tell who changed it" in done.out
    assert "the XML API right 'Log'" in done.out


@pytest.mark.parametrize("right", ["log", "report"])
def test_without_records_it_is_said(plant: Plant, right: str) -> None:
    give(plant, entry(1))
    narrow(plant, right)
    asked = plant("traffic", "--from-devices", "--json").json["coverage"]["asked"]
    missing = {one["way"]: one["not_read"] for one in asked if one["not_read"]}
    assert {way.split()[-1] for way in missing} == {right}, missing
    assert all(f"XML API right '{right.title()}'" in why for why in missing.values()), missing


def test_without_user_id_nobody_is_contained(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    narrow(plant, "user-id")
    done = plant(*CONTAIN)
    assert done.code == 1
    assert "Not contained" in done.out + done.err
    assert done.out.count("the XML API right 'User-ID Agent'") == len(plant.fleet.mocks)


def test_a_reader_reads(plant: Plant) -> None:
    """A superuser (read-only): what a pipeline needs for plans and drift."""
    for mock in plant.fleet.mocks.values():
        place = f"/config/mgt-config/users/entry[@name='{USER}']/permissions/role-based"
        text = "<role-based><superreader>yes</superreader></role-based>"
        mock.edit("edit", place, text, commit=True)
    assert plant("plan").code == 0
    assert plant("drift").code == 2
    done = plant("apply", "--auto-approve")
    assert done.code == 1
    assert "'Operational Requests', also for changes" in done.out + done.err


def test_that_of_a_panorama_is_enough(behind: ManagedPlant) -> None:
    panorama = behind.mocks.panorama
    assign(panorama, MANAGER, "panorama.md")
    behind("apply", "--auto-approve")
    assert "No changes" in behind("plan")
    document: Any = behind.json("drift")
    assert document["devices"][0]["status"] == "in_sync"


def test_that_of_a_panorama_contains_and_without_its_right_it_says_so(behind: ManagedPlant) -> None:
    panorama = behind.mocks.panorama
    assign(panorama, MANAGER, "panorama.md")
    zones = "        segctl_zones:\n"
    behind.change(zones, f"        segctl_containment: {{longest: 8h}}\n{zones}")
    behind("apply", "--auto-approve")
    words = ("asset", "scada1", "--for", "1h", "--reason", "x", "--auto-approve")
    behind("contain", *words)
    behind("contain", "release", "scada1")
    assign(panorama, MANAGER, "panorama.md", "user-id")
    assert "'User-ID Agent'" in behind("contain", *words, code=1)
