"""The way by which a firewall is managed, and what it needs, is never cut by mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import RULES, Plant

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVICE = "/config/devices/entry[@name='localhost.localdomain']"
SYSTEM = f"{DEVICE}/deviceconfig/system"
#: Where segctl runs: scada1.
RUNNER = "10.20.2.5"
#: The firewall's address for management, in the control zone behind fw1, or in the dmz behind fw2.
BEHIND_FW1, BEHIND_FW2 = "10.20.1.200", "10.20.35.200"
KIND = "    kind: supervisory\n"
ADMIN = """\
  admin:
    from: {source}
    to: {target}
    reason: Administration of the firewalls
    owner: automation
    flows:
      way:
        services: [{service}]
"""


@pytest.fixture(autouse=True)
def _from_scada1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGCTL_SOURCE", RUNNER)


def conduit(plant: Plant, service: str = "tcp/443", *, source: str, target: str) -> str:
    """Declare a conduit for administration; return its text, to be taken out again."""
    text = ADMIN.format(source=source, target=target, service=service)
    file = plant.folder / "group_vars/plant.yml"
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    return text


def managed_at(plant: Plant, host: str, address: str) -> None:
    device = plant.fleet[host].device
    device.settings = replace(device.settings, ip_address=address)


def configured(plant: Plant, host: str, xpath: str, element: str) -> None:
    plant.fleet[host].edit("set", xpath, element, commit=True)


def findings(plant: Plant, *words: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return the findings about ways of managing, by device; the plan has errors where one does."""
    done = plant("plan", "--json", *words)
    jsonschema.validate(done.json, plant("schema", "plan").json)
    return {
        device["name"]: [one for one in device["findings"] if one["kind"] == "management"]
        for device in done.json["devices"]
    }


def test_the_way_to_a_firewall_behind_another_is_not_cut(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    found = findings(plant)
    (one,) = found["fw1"]
    assert (one["severity"], one["subject"]) == ("error", "fw2:management")
    assert one["message"].startswith(
        "this change would cut the way by which segctl manages fw2 (tcp/443) on its way through fw1"
    )
    assert "--allow-disruption fw2:management --reason TEXT" in one["hint"]
    assert found["fw2"] == []
    with plant.untouched():
        done = plant("apply", "--auto-approve")
    assert done.code == 1
    assert "the errors of fw1 forbid it" in done.err


def test_its_own_policy_does_not_cut_the_way_to_a_firewall(plant: Plant) -> None:
    """Its interface for management is plugged into a network behind itself."""
    managed_at(plant, "fw2", BEHIND_FW2)
    admin = conduit(plant, source="supervisory", target="dmz")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    (one,) = findings(plant)["fw2"]
    assert (one["severity"], one["subject"]) == ("error", "fw2:management")
    assert "on its way through" not in one["message"]


def test_a_change_that_keeps_the_way_has_no_finding(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    # narrower, and with other services cut: segctl comes from scada1 still, by the same port
    plant.edit(
        "group_vars/plant.yml",
        "        services: [tcp/443]",
        f"        source: [scada1]\n        destination: [{BEHIND_FW1}]\n"
        "        services: [tcp/443]",
    )
    assert findings(plant) == {"fw1": [], "fw2": []}
    assert plant("apply", "--auto-approve").code == 0


@pytest.mark.parametrize("service", ["tcp/22", "udp/443"])
def test_other_services_are_no_way_of_managing(plant: Plant, service: str) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    admin = conduit(plant, service, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    assert findings(plant) == {"fw1": [], "fw2": []}


def test_a_disruption_is_allowed_when_it_is_planned_and_stays_on_record(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    allow = ["--allow-disruption", "fw2:management", "--reason", "fw2 moves to the console"]
    monkeypatch.setenv("SEGCTL_AUTHOR", "ops@console")
    assert plant("plan", "-o", "plan.json", *allow).code == 0
    said = "fw2:management may be cut, says ops@console: fw2 moves to the console"
    assert f"  ! allowed: {said}" in plant("show", "plan.json").out
    plant("show", "plan.json", "--markdown", "plan.md")
    assert "may be cut, says ops" in (plant.folder / "plan.md").read_text(encoding="utf-8")
    document = json.loads((plant.folder / "plan.json").read_text(encoding="utf-8"))
    device = document["devices"][0]
    (allowed,) = device["allowed"]
    assert (allowed["flow"], allowed["reason"]) == ("fw2:management", "fw2 moves to the console")
    assert allowed["by"]
    assert document["applyable"] is True
    # the finding is still an error that every reader sees
    assert [one["severity"] for one in device["findings"] if one["kind"] == "management"] == [
        "error"
    ]
    done = plant("apply", "plan.json", *allow)
    assert done.code == 1
    assert "what a saved plan may cut stands in it" in done.err
    assert plant("apply", "plan.json").code == 0
    last = plant("history", "--json").json["applies"][-1]
    assert last["allowed"] == [allowed]
    assert "allowed      fw2:management by" in plant("history").out


@pytest.fixture
def saved(plant: Plant) -> Plant:
    """A saved plan closes the administration of the control zone, in which no firewall is."""
    managed_at(plant, "fw2", BEHIND_FW2)
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    assert plant("plan", "-o", "plan.json", "-l", "fw1").code == 0
    return plant


def test_a_saved_plan_is_judged_again_by_how_firewalls_are_managed_now(saved: Plant) -> None:
    """fw1 moves to an address behind itself, after its plan was made."""
    managed_at(saved, "fw1", BEHIND_FW1)
    with saved.untouched():
        done = saved("apply", "plan.json", "--json", "-l", "fw1")
    assert done.code == 1
    (outcome,) = done.json["outcomes"]
    assert outcome["code"] == "stale"
    assert "would cut the way by which segctl manages fw1" in outcome["message"]
    assert "new since the plan was made" in outcome["message"]
    managed_at(saved, "fw1", BEHIND_FW2)
    assert saved("apply", "plan.json", "-l", "fw1").code == 0


def test_a_saved_plan_is_judged_again_from_the_machine_that_applies_it(
    saved: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed_at(saved, "fw1", BEHIND_FW1)
    monkeypatch.setenv("SEGCTL_SOURCE", "10.20.35.10")  # from there, another conduit leads
    assert saved("plan", "-o", "plan.json", "-l", "fw1").code == 0
    monkeypatch.setenv("SEGCTL_SOURCE", RUNNER)
    with saved.untouched():
        done = saved("apply", "plan.json", "-l", "fw1")
    assert done.code == 1
    assert "new since the plan was made" in done.out + done.err


def test_a_live_apply_and_a_playbook_take_the_same_leave(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    play = "- hosts: all\n  tasks:\n    - segctl_apply: {}\n"
    (plant.folder / "site.yml").write_text(play, encoding="utf-8")
    with plant.untouched():
        done = plant("apply", "-p", "site.yml", "--auto-approve")
    assert done.code == 1
    assert "would cut the way by which segctl manages fw2" in done.out
    allow = ["--allow-disruption", "fw2:management", "--reason", "console"]
    assert plant("apply", "-p", "site.yml", "--auto-approve", *allow).code == 0


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_wave_knows_what_firewalls_of_other_waves_need(plant: Plant, strategy: str) -> None:
    """fw2 asks for the time through fw1, and is not planned before its own wave."""
    managed_at(plant, "fw2", BEHIND_FW1)
    configured(
        plant,
        "fw2",
        SYSTEM,
        "<ntp-servers><primary-ntp-server><ntp-server-address>10.20.2.10</ntp-server-address>"
        "</primary-ntp-server></ntp-servers>",
    )
    time = conduit(plant, "udp/123", source="control", target="supervisory")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", time, "")
    play = (
        f"- hosts: all\n  serial: 1\n  strategy: {strategy}\n  tasks:\n    - segctl_apply: {{}}\n"
    )
    (plant.folder / "site.yml").write_text(play, encoding="utf-8")
    with plant.untouched():
        done = plant("apply", "-p", "site.yml", "--auto-approve")
    assert done.code == 1
    assert "would cut what fw2 needs for ntp (udp/123)" in done.out + done.err


def test_a_reviewed_rollout_may_cut_what_its_plan_may(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    play = "- hosts: all\n  tasks:\n    - segctl_apply: {}\n"
    (plant.folder / "site.yml").write_text(play, encoding="utf-8")
    allow = ["--allow-disruption", "fw2:management", "--reason", "console"]
    assert plant("plan", "-p", "site.yml", "-o", "plan.json", *allow).code == 0
    assert plant("apply", "-p", "site.yml", "--reviewed", "plan.json").code == 0


def test_leave_needs_a_reason_and_a_flow_that_there_is(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    for words, told in (
        (["--allow-disruption", "fw2:management"], "--allow-disruption needs --reason TEXT"),
        (["--reason", "console"], "--reason belongs to --allow-disruption"),
        (
            ["--allow-disruption", "fw2:managment", "--reason", "x"],
            "there is no such flow: did you mean fw2:management?",
        ),
    ):
        done = plant("plan", *words)
        assert done.code == 1
        assert told in done.err


def in_band(plant: Plant, host: str = "fw1", *, profile: str = "<https>yes</https>") -> None:
    """Let fw1 be managed at its interface in the supervisory zone."""
    network = f"{DEVICE}/network"
    configured(
        plant,
        host,
        f"{network}/profiles/interface-management-profile",
        f'<entry name="admins">{profile}</entry>',
    )
    configured(
        plant,
        host,
        f"{network}/interface/ethernet/entry[@name='ethernet1/3']/layer3",
        '<ip><entry name="10.20.2.1/24"/></ip>'
        "<interface-management-profile>admins</interface-management-profile>",
    )


def test_a_firewall_that_is_managed_in_band_is_not_locked_out_by_itself(plant: Plant) -> None:
    in_band(plant)
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", KIND, f"{KIND}    intrazone: deny\n")
    found = findings(plant)
    (one,) = found["fw1"]
    assert (one["severity"], one["subject"]) == ("error", "fw1:management")
    assert "this change would cut the way by which segctl manages fw1 (tcp/443)" in one["message"]
    assert found["fw2"] == []  # it is not managed there


def test_an_interface_that_only_answers_pings_is_no_way_of_managing(plant: Plant) -> None:
    in_band(plant, profile="<ping>yes</ping>")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", KIND, f"{KIND}    intrazone: deny\n")
    assert findings(plant)["fw1"] == []


def one_in(path: str) -> str:
    """Return an element below `system`, with a place for its text."""
    tags = path.split("/")
    return "".join(f"<{tag}>" for tag in tags) + "{0}" + "".join(f"</{t}>" for t in tags[::-1])


#: What a firewall needs, by which service, and where its configuration names the server.
SERVERS = {
    "dns": ("udp/53", one_in("dns-setting/servers/primary")),
    "ntp": ("udp/123", one_in("ntp-servers/primary-ntp-server/ntp-server-address")),
    "panorama": ("tcp/3978", one_in("panorama/local-panorama/panorama-server")),
    "updates": ("tcp/443", one_in("update-server")),
}


@pytest.mark.parametrize("need", list(SERVERS))
def test_what_a_firewall_needs_is_not_cut_on_its_way(plant: Plant, need: str) -> None:
    """fw2 is in the control zone and asks the historian, in the supervisory zone, behind fw1."""
    service, element = SERVERS[need]
    managed_at(plant, "fw2", BEHIND_FW1)
    configured(plant, "fw2", SYSTEM, element.format("10.20.2.20"))
    needed = conduit(plant, service, source="control", target="supervisory")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", needed, "")
    found = findings(plant)
    (one,) = found["fw1"]
    assert (one["severity"], one["subject"]) == ("error", f"fw2:{need}")
    assert f"would cut what fw2 needs for {need} (" in one["message"]
    assert "on its way through fw1" in one["message"]
    # planned without fw2, nobody knows what it needs
    told = findings(plant, "-l", "fw1")["fw1"]
    assert {one["severity"] for one in told} == {"warning"}
    assert any("what fw2 needs for itself (time, names" in one["message"] for one in told)


def test_log_servers_are_needed_too(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    configured(
        plant,
        "fw2",
        "/config/shared/log-settings/syslog",
        '<entry name="siem"><server><entry name="one"><server>10.20.2.20</server>'
        "<transport>TCP</transport><port>1514</port></entry></server></entry>",
    )
    needed = conduit(plant, "tcp/1514", source="control", target="supervisory")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", needed, "")
    (one,) = findings(plant)["fw1"]
    assert (one["severity"], one["subject"]) == ("error", "fw2:syslog")


def test_a_service_route_decides_where_it_asks_from(plant: Plant) -> None:
    """fw1 asks for the time from its interface in the control zone, by its own policy."""
    configured(
        plant,
        "fw1",
        f"{DEVICE}/network/interface/ethernet/entry[@name='ethernet1/2']/layer3",
        '<ip><entry name="10.20.1.1/24"/></ip>',
    )
    configured(plant, "fw1", SYSTEM, SERVERS["ntp"][1].format("10.20.2.20"))
    configured(
        plant,
        "fw1",
        f"{SYSTEM}/route/service",
        '<entry name="ntp"><source><interface>ethernet1/2</interface>'
        "<address>10.20.1.1/24</address></source></entry>",
    )
    needed = conduit(plant, "udp/123", source="control", target="supervisory")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", needed, "")
    (one,) = findings(plant)["fw1"]
    assert (one["severity"], one["subject"]) == ("error", "fw1:ntp")
    assert "on its way through" not in one["message"]


def test_a_server_that_only_has_a_name_is_told(plant: Plant) -> None:
    managed_at(plant, "fw2", BEHIND_FW1)
    configured(plant, "fw2", SYSTEM, SERVERS["updates"][1].format("updates.example"))
    needed = conduit(plant, "tcp/443", source="control", target="supervisory")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", needed, "")
    (one,) = findings(plant)["fw1"]
    assert (one["severity"], one["subject"]) == ("warning", "fw2:updates")
    assert one["message"].startswith("it cannot be told whether this change cuts what fw2 needs")


def test_where_segctl_comes_from_is_told_if_it_is_not_known(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEGCTL_SOURCE")
    managed_at(plant, "fw2", BEHIND_FW1)
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    plant.edit("group_vars/plant.yml", admin, "")
    (one,) = findings(plant)["fw1"]
    assert (one["severity"], one["subject"]) == ("warning", "fw2:management")
    assert "it cannot be told whether this change cuts the way" in one["message"]
    monkeypatch.setenv("SEGCTL_SOURCE", "here")
    done = plant("plan")
    assert done.code == 1
    assert "SEGCTL_SOURCE holds the addresses or networks" in done.err


def test_what_was_not_permitted_before_is_not_cut(plant: Plant) -> None:
    """A firewall from the factory: nothing of the way passes before, nothing after."""
    managed_at(plant, "fw2", BEHIND_FW1)
    assert findings(plant) == {"fw1": [], "fw2": []}
    assert plant("apply", "--auto-approve").code == 0


def test_a_rule_of_others_that_carried_the_way_counts(plant: Plant) -> None:
    """Their rule permits it now; purged, nothing would."""
    managed_at(plant, "fw2", BEHIND_FW1)
    assert plant("apply", "--auto-approve").code == 0
    members = {
        "from": "SUPV",
        "to": "CTRL",
        "source": RUNNER,
        "destination": BEHIND_FW1,
        "service": "any",
        "application": "any",
    }
    body = "".join(f"<{tag}><member>{text}</member></{tag}>" for tag, text in members.items())
    configured(plant, "fw1", RULES, f'<entry name="theirs">{body}<action>allow</action></entry>')
    plant.edit("host_vars/fw1.yml", "segctl_zone_map:", "segctl_unmanaged: purge\nsegctl_zone_map:")
    (one,) = findings(plant)["fw1"]
    assert (one["severity"], one["subject"]) == ("error", "fw2:management")
    assert "now permitted by theirs" in one["message"]


def test_offline_it_is_said_that_it_cannot_be_told(plant: Plant) -> None:
    """A snapshot has neither addresses of firewalls nor those of the servers that they ask."""
    managed_at(plant, "fw2", BEHIND_FW1)
    configured(plant, "fw2", SYSTEM, SERVERS["ntp"][1].format("10.20.2.77"))
    admin = conduit(plant, source="supervisory", target="control")
    assert plant("apply", "--auto-approve").code == 0
    assert plant("snapshot", "-o", "snapshots").code == 0
    for file in (plant.folder / "snapshots").iterdir():
        text = file.read_text(encoding="utf-8")
        assert BEHIND_FW1 not in text
        assert "10.20.2.77" not in text
    plant.edit("group_vars/plant.yml", admin, "")
    assert [one["severity"] for one in findings(plant)["fw1"]] == ["error"]
    told = findings(plant, "--offline", "snapshots")["fw1"]
    assert {one["severity"] for one in told} == {"warning"}
    assert any(
        "a snapshot does not keep its addresses and servers" in one["message"] for one in told
    )
    assert any("what fw2 needs for itself (time, names" in one["message"] for one in told)
