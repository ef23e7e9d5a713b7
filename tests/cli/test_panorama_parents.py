"""What a device group inherits: names that a parent or shared has already, and profiles there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.managed import DEVICE, FIRST, RULES, SHARED, address, aimed, group, rule

if TYPE_CHECKING:
    from support.panorama import Plant


def holds(plant: Plant, place: str, name: str, value: str) -> None:
    entry = address(name, value)
    plant.mocks.panorama.edit("set", f"{place}/address", entry, admin="other", commit=True)


def test_a_name_of_shared_with_other_content_is_an_error_that_shows_both(behind: Plant) -> None:
    holds(behind, SHARED, "plant.supervisory.scada1", "10.9.9.9")
    done = behind.run("plan")
    assert done.returncode == 1
    assert "shared has address plant.supervisory.scada1 already, and it is 10.9.9.9" in done.stderr
    assert "which is 10.1.0.5" in done.stderr


def test_the_same_content_in_shared_is_hidden_by_our_own(behind: Plant) -> None:
    """Then what others mean by the name stays what it was, and ours does not follow theirs."""
    holds(behind, SHARED, "plant.supervisory.scada1", "10.1.0.5")
    behind("apply", "--auto-approve")
    assert b'<entry name="plant.supervisory.scada1">' in behind.mocks.panorama.running()
    assert "No changes" in behind("plan")
    where = f"{SHARED}/address/entry[@name='plant.supervisory.scada1']"
    edited = address("plant.supervisory.scada1", "10.9.9.9")
    behind.mocks.panorama.edit("edit", where, edited, admin="other", commit=True)
    assert "10.9.9.9" in behind.run("plan").stderr
    found = behind.json("drift", code=2)["devices"][0]
    assert "10.9.9.9" in json.dumps(found)


@pytest.mark.parametrize("place", ["own", "shared"])
def test_profiles_of_the_group_and_of_shared_can_be_named(behind: Plant, place: str) -> None:
    where = SHARED if place == "shared" else group("OT")
    behind.change("threat_prevention: none", "threat_prevention: strict")
    behind.change(
        "segctl_panorama: panorama1\n",
        "segctl_panorama: panorama1\n"
        "        segctl_threat_profiles: {strict: ot-strict}\n"
        "        segctl_log_forwarding: siem\n",
    )
    assert "ot-strict" in behind.run("plan").stderr
    panorama = behind.mocks.panorama
    panorama.edit("set", f"{where}/profile-group", '<entry name="ot-strict"/>', admin="admin")
    profile = '<entry name="siem"/>'
    panorama.edit("set", f"{where}/log-settings/profiles", profile, admin="admin", commit=True)
    behind("apply", "--auto-approve")
    assert "No changes" in behind("plan")


def below_a_parent(plant: Plant, content: str) -> None:
    """Give the group a parent with this content."""
    panorama = plant.mocks.panorama
    entry = f"<entry name='site'>{content}</entry>"
    panorama.edit("set", f"{DEVICE}/device-group", entry, admin="admin", commit=True)
    below = "<entry name='OT'><new-parent-dg>site</new-parent-dg></entry>"
    for params in (
        {"type": "op", "cmd": f"<request><move-dg>{below}</move-dg></request>"},
        {"type": "commit", "cmd": "<commit/>"},
    ):
        answer = panorama.handle({**params, "key": panorama.key("admin")}).content()
        assert b"enqueued" in answer
        panorama.device.settle()


def test_what_a_rule_of_a_parent_opens_is_undeclared(behind: Plant) -> None:
    """The firewalls get it before those of the group."""
    behind("apply", "--auto-approve")
    assert behind.json("drift")["devices"]
    entry = rule("opens", enter="SUPV", leave="CELL1")
    rules = f"<pre-rulebase><security><rules>{entry}</rules></security></pre-rulebase>"
    below_a_parent(behind, rules)
    told = json.dumps(behind.json("drift", code=2)["devices"])
    assert "device group site pre-rule opens" in told


def test_a_name_of_a_parent_with_other_content_is_an_error(behind: Plant) -> None:
    entry = address("plant.supervisory.scada1", "10.9.9.9")
    below_a_parent(behind, f"<address>{entry}</address>")
    done = behind.run("plan")
    assert done.returncode == 1
    assert "device group site has address plant.supervisory.scada1 already" in done.stderr


ANCESTORS = f"{DEVICE}/deviceconfig/setting/management"
WIN = "<ancestor-objects-take-precedence>yes</ancestor-objects-take-precedence>"


def opened(plant: Plant, *more: str) -> str:
    """Let a rule of others open what `door` is; return what a plan says of it."""
    holds(plant, group("OT"), "door", "192.0.2.9")
    holds(plant, SHARED, "door", "10.2.1.10")
    panorama = plant.mocks.panorama
    for setting in more:
        panorama.edit("set", ANCESTORS, setting, admin="other", commit=True)
    entry = rule("opens", enter="SUPV", leave="CELL1", more=aimed(FIRST))
    entry = entry.replace("<destination><member>any", "<destination><member>door")
    panorama.edit("set", f"{group('OT')}/{RULES}", entry, admin="other", commit=True)
    done = plant.run("plan")
    return str(done.stdout + done.stderr)


@pytest.mark.parametrize(
    ("settings", "leads_to"), [((), "192.0.2.9"), ((WIN,), "10.2.1.10")], ids=["nearest", "highest"]
)
def test_a_name_on_several_levels_means_what_the_firewalls_get(
    behind: Plant, settings: tuple[str, ...], leads_to: str
) -> None:
    assert f"→ {leads_to} tcp/1" in opened(behind, *settings)
    behind("apply", "--auto-approve")
    asked = behind.run("check", "--from", "supervisory", "--to", "cell-1", "--port", "22")
    assert ("partly allowed" in asked.stdout) == (leads_to == "10.2.1.10")
