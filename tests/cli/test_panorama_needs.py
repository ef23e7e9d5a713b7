"""What firewalls behind a Panorama need for themselves is read by way of it, and not cut."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from support.managed import DEVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.panorama import Plant

SYSTEM = f"{DEVICE}/deviceconfig/system"
NTP = (
    "<ntp-servers><primary-ntp-server><ntp-server-address>10.1.0.77</ntp-server-address>"
    "</primary-ntp-server></ntp-servers>"
)
NEEDED = """\
          time:
            from: cell-1
            to: supervisory
            reason: time of firewalls
            owner: automation
            flows: {ntp: {services: [udp/123]}}
"""
POLL = "          poll-1: &poll\n"


@pytest.fixture
def plant(behind: Plant) -> Plant:
    """The second firewall is in the first cell, and asks for the time through the first one."""
    device = behind.mocks.firewalls["fw2"].device
    device.settings = replace(device.settings, ip_address="10.2.1.200")
    behind.mocks.firewalls["fw2"].edit("set", SYSTEM, NTP, admin="admin", commit=True)
    behind.change(POLL, NEEDED + POLL)
    behind("apply", "--auto-approve")
    behind.change(NEEDED, "")
    return behind


def findings(plant: Plant, *words: str) -> list[Mapping[str, Any]]:
    done = plant.run("plan", "--json", *words)
    (device,) = json.loads(done.stdout)["devices"]
    return [one for one in device["findings"] if one["kind"] == "management"]


def test_what_a_managed_firewall_needs_is_not_cut(plant: Plant) -> None:
    (told,) = findings(plant)
    assert (told["severity"], told["subject"]) == ("error", "fw2:ntp")
    assert "would cut what fw2 needs for ntp (udp/123)" in told["message"]
    refused = plant.run("apply", "--auto-approve")
    assert refused.returncode == 1
    assert "the errors of panorama1:OT forbid it" in refused.stderr
    leave = ("--allow-disruption", "fw2:ntp", "--reason", "it has a clock")
    assert findings(plant, *leave)[0]["severity"] == "error"
    plant("apply", "--auto-approve", *leave)
    assert "No changes" in plant("plan")


def test_a_saved_plan_is_judged_again_by_what_they_need_now(plant: Plant) -> None:
    firewall = plant.mocks.firewalls["fw2"]
    firewall.edit("delete", f"{SYSTEM}/ntp-servers", admin="admin", commit=True)
    plant("plan", "-o", "plan.json")
    firewall.edit("set", SYSTEM, NTP, admin="admin", commit=True)
    before = plant.mocks.panorama.running()
    refused = plant.run("apply", "plan.json")
    assert refused.returncode == 1
    told = refused.stdout + refused.stderr
    assert "would cut what fw2 needs for ntp (udp/123)" in told
    assert "new since the plan was made" in told
    assert plant.mocks.panorama.running() == before
    firewall.edit("delete", f"{SYSTEM}/ntp-servers", admin="admin", commit=True)
    plant("apply", "plan.json")


PLAY = "- hosts: plant\n  serial: 1\n{words}  tasks:\n    - segctl_apply: {{}}\n"


@pytest.mark.parametrize("words", ["", "  strategy: free\n"], ids=["linear", "free"])
def test_a_playbook_asks_them_too(plant: Plant, words: str) -> None:
    """The firewall that needs it is of a later wave than the one that would cut it."""
    before = plant.mocks.panorama.running()
    (plant.mocks.folder / "site.yml").write_text(PLAY.format(words=words), encoding="utf-8")
    refused = plant.run("apply", "-p", "site.yml", "--auto-approve")
    assert refused.returncode == 1
    assert "would cut what fw2 needs for ntp (udp/123)" in refused.stdout + refused.stderr
    assert plant.mocks.panorama.running() == before
    told = plant.run("plan", "-p", "site.yml").stdout
    assert "would cut what fw2 needs for ntp (udp/123)" in told
    leave = ("--allow-disruption", "fw2:ntp", "--reason", "it has a clock")
    plant("apply", "-p", "site.yml", "--auto-approve", *leave)
    assert "No changes" in plant("plan")


def test_one_that_cannot_be_asked_is_told(plant: Plant) -> None:
    plant.mocks.panorama.disconnect(plant.mocks.firewalls["fw2"].settings.serial)
    told = findings(plant)
    assert {one["severity"] for one in told} == {"warning"}
    assert any("what fw2 needs for itself (time, names" in one["message"] for one in told)


def test_nobody_is_asked_where_nothing_is_taken_away(behind: Plant) -> None:
    before = {name: len(one.requests) for name, one in behind.mocks.firewalls.items()}
    behind("plan")
    assert {name: len(one.requests) for name, one in behind.mocks.firewalls.items()} == before
