"""``segctl contain`` behind a Panorama: prepared in the device group, done on each firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from lxml import etree

from cli.test_panorama_import import PASSWORD, again, imported
from cli.test_panorama_parents import below_a_parent
from segctl_mocks.panos.ha import ACTIVE_PASSIVE, Room, equip
from segctl_mocks.panos.panorama import device as panorama_device
from support.managed import FIRST, VSYS, aimed, rule
from support.panorama import GROUP, PEER, RULES, SERIALS

if TYPE_CHECKING:
    from support.panorama import Plant

CONTAINED = "segctl-contained"
PROFILES = "/config/shared/log-settings/profiles"
FOR = ("--for", "2h", "--reason", "ransom note")
DENYING = ["segctl.contained-source", "segctl.contained-destination"]
SCADA = "10.1.0.5"
ASKED = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
ESSENTIAL = (
    "poll-2: {<<: *poll, to: cell-2, flows: {modbus: {source: scada1, "
    "protocols: {modbus: [read]}, essential: true}}}"
)


def declare(plant: Plant, more: str = "") -> None:
    zones = "        segctl_zones:\n"
    plant.change(zones, f"        segctl_containment: {{longest: 8h{more}}}\n{zones}")


@pytest.fixture
def prepared(behind: Plant) -> Plant:
    """The plant with what containing needs, pushed."""
    declare(behind)
    behind("apply", "--auto-approve")
    return behind


@pytest.fixture
def pair(paired: Plant) -> Plant:
    """The same, where the first firewall is a pair."""
    declare(paired)
    paired("apply", "--auto-approve")
    return paired


def contain(plant: Plant, *words: str, code: int = 0, who: str = "scada1") -> Any:
    kind = "asset" if who == "scada1" else "zone"
    document = plant.json("contain", kind, who, *(words or FOR), "--auto-approve", code=code)
    jsonschema.validate(document, plant.json("schema", "contain"))
    return document


def opened(document: Any) -> dict[str, list[str]]:
    return {one["device"]: one["open"] for one in document["devices"]}


def tags(plant: Plant, name: str) -> dict[str, tuple[str, ...]]:
    return plant.mocks.firewalls[name].device.userid.held()


def ends(plant: Plant, name: str) -> set[float | None]:
    held = plant.mocks.firewalls[name].device.userid.registered.get(SCADA, {})
    return set(held.values())


def session(plant: Plant, name: str, number: int, target: str, port: int, by: str) -> None:
    plant.mocks.firewalls[name].connect_session(
        **{
            "idx": str(number),
            "source": SCADA,
            "dst": target,
            "proto": "6",
            "sport": str(40000 + number),
            "dport": str(port),
            "application": "modbus-read",
            "security-rule": by,
            "from": "SUPV",
            "to": "CELL1",
            "state": "ACTIVE",
        }
    )


def numbers(plant: Plant, name: str) -> set[str]:
    return {one["idx"] for one in plant.mocks.firewalls[name].device.sessions}


# --- prepared ------------------------------------------------------------------------------------


def test_it_is_planned_before_every_rule_of_the_group_and_pushed(behind: Plant) -> None:
    behind("apply", "--auto-approve")
    lint = behind.json("lint")["summary"]
    panorama = behind.mocks.panorama
    theirs = rule("theirs", enter="SUPV", leave="CELL1", more=aimed(FIRST))
    panorama.edit("set", RULES, theirs, admin="other")
    panorama.edit("move", f"{RULES}/entry[@name='theirs']", where="top", admin="other", commit=True)
    panorama.push("OT", *SERIALS.values())
    behind.change("poll-2: {<<: *poll, to: cell-2}", ESSENTIAL)
    declare(behind)
    behind("apply", "--auto-approve")
    assert behind.mocks.pushed("fw1")[:3] == [*DENYING, "theirs"]
    assert behind.mocks.pushed("fw2")[:3] == ["plant.poll-2.modbus", *DENYING]
    assert "No changes" in behind("plan")
    panorama.edit("delete", f"{RULES}/entry[@name='theirs']", admin="other", commit=True)
    panorama.push("OT", *SERIALS.values())
    assert {one["status"] for one in behind.json("drift")["devices"]} == {"in_sync"}
    behind("prove")
    behind("check", *ASKED, "--expect", "allow")
    assert behind.json("lint")["summary"] == lint, "nobody is contained: nothing to say of it"


def test_rules_of_each_firewall_contain_whatever_they_are_called(behind: Plant) -> None:
    """Firewalls that log differently have rules of their own, named after one of them."""
    declare(behind)
    group = "segctl_device_group: OT"
    behind.change(group, f"{group}\n        segctl_default_rules: leave")
    for cell, number in (("cell-1", 1), ("cell-2", 2)):
        profile = f"<entry name='siem-{number}'/>"
        behind.mocks.panorama.edit("set", PROFILES, profile, admin="other", commit=True)
        zones = f"          segctl_zone_map: {{supervisory: {{zone: SUPV}}, {cell}"
        behind.change(zones, f"          segctl_log_forwarding: siem-{number}\n{zones}")
    behind("apply", "--auto-approve")
    for name in ("fw1", "fw2"):
        first = behind.mocks.pushed(name)[:2]
        assert [one.partition("_")[0] for one in first] == DENYING
        assert first != DENYING
    assert opened(contain(behind)) == {"fw1": [], "fw2": []}
    behind("contain", "status")


def test_what_is_committed_and_not_pushed_prepares_nothing(behind: Plant) -> None:
    declare(behind)
    behind("apply", "--auto-approve", "-l", "fw1")
    found = opened(contain(behind, code=1))
    assert not found["fw1"]
    assert "segctl.contained-source is not there, or does not deny" in found["fw2"][0]
    assert CONTAINED in tags(behind, "fw1")[SCADA]
    assert not tags(behind, "fw2")


def test_in_the_post_rulebase_it_is_not_the_first_and_the_plan_warns(behind: Plant) -> None:
    declare(behind)
    assert "stand below the firewall's own rules" not in behind("plan")
    behind.change(
        "segctl_device_group: OT", "segctl_device_group: OT\n        segctl_rulebase: post"
    )
    assert "stand below the firewall's own rules" in " ".join(behind("plan").split())
    behind("apply", "--auto-approve")
    firewall = behind.mocks.firewalls["fw1"]
    theirs = rule("theirs", enter="SUPV", leave="CELL1")
    firewall.edit("set", f"{VSYS}/rulebase/security/rules", theirs, commit=True)
    found = opened(contain(behind, code=1))
    assert any("theirs may still permit it" in text for text in found["fw1"])
    assert not found["fw2"]


def test_a_group_that_is_imported_has_it(prepared: Plant) -> None:
    files = imported(prepared)
    assert any("segctl_containment" in held for held in files.values())
    again(prepared)
    assert "No changes" in prepared("plan", *PASSWORD)


# --- contained -----------------------------------------------------------------------------------


def test_an_asset_is_contained_on_every_firewall_without_a_commit(prepared: Plant) -> None:
    session(prepared, "fw1", 1, "10.2.1.10", 502, "plant.poll-1.modbus")
    panorama = prepared.mocks.panorama
    panorama.hold_lock("commit", "other")
    panorama.edit("set", f"{GROUP}/tag", '<entry name="pending"/>', admin="other")
    before, asked = panorama.running(), len(panorama.requests)
    assert contain(prepared)["contained"]
    for name in SERIALS:
        assert CONTAINED in tags(prepared, name)[SCADA]
    assert numbers(prepared, "fw1") == set()
    sent = panorama.requests[asked:]
    assert {one.type for one in sent} <= {"keygen", "op", "config", "user-id"}
    assert all(one.action in {"get", "show"} for one in sent if one.type == "config")
    assert panorama.running() == before
    assert not panorama.device.userid.held(), "nobody is registered on Panorama itself"
    prepared("check", *ASKED, "--expect", "deny")
    assert "10.1.0.5 until" in prepared("contain", "list")
    prepared("contain", "status")
    prepared("contain", "release", "scada1", "--reason", "clean")
    assert not tags(prepared, "fw1")
    assert not tags(prepared, "fw2")
    prepared("check", *ASKED, "--expect", "allow")


def test_essential_flows_go_on(behind: Plant) -> None:
    behind.change("poll-2: {<<: *poll, to: cell-2}", ESSENTIAL)
    declare(behind)
    behind("apply", "--auto-approve")
    session(behind, "fw2", 1, "10.2.2.10", 502, "plant.poll-2.modbus")
    session(behind, "fw2", 2, "10.2.2.10", 502, "an older rule")
    session(behind, "fw2", 3, "10.2.1.10", 502, "an older rule")
    found = contain(behind)
    assert [one["survives"] for one in found["flows"] if one["essential"]] == [True]
    assert numbers(behind, "fw2") == {"1", "2"}
    other = ("--from", "scada1", "--to", "plc2", "--application", "modbus.read", "--port", "502")
    behind("check", *other, "--expect", "allow")
    behind("check", *ASKED, "--expect", "deny")


def test_plan_drift_and_prove_tell_of_it_and_nothing_differs(prepared: Plant) -> None:
    contain(prepared)
    plan = prepared("plan", "--detailed-exitcode")
    assert "10.1.0.5 is contained until" in plan
    assert "ransom note" in plan
    assert plan.count("is contained until") == 1, "what all firewalls say is said once"
    drift = prepared("drift")
    assert "3 in sync, 0 drifted" in drift
    assert drift.count("note: 10.1.0.5 is contained until") == len(SERIALS)
    prepared("prove")


def test_a_plan_names_the_firewalls_that_have_somebody_contained(prepared: Plant) -> None:
    contain(prepared, *FOR, "-l", "fw1", code=1)
    assert ", on fw1" in prepared("plan")
    prepared.mocks.panorama.disconnect(SERIALS["fw2"])
    told = " ".join(prepared("plan").split())
    assert "who is in segctl-contained is not known" in told
    assert "not connected" in told


def test_a_plan_asks_each_firewall_who_is_contained_and_nothing_else(prepared: Plant) -> None:
    mocks = prepared.mocks
    asked = {name: len(one.requests) for name, one in mocks.firewalls.items()}
    prepared("plan")
    for name, one in mocks.firewalls.items():
        sent = [request.cmd.split("><")[1:3] for request in one.requests[asked[name] :]]
        assert sent == [
            ["system", "info"],
            ["object", "dynamic-address-group"],
            ["object", "registered-ip"],
        ]
    asked = {name: len(one.requests) for name, one in mocks.firewalls.items()}
    prepared("plan", "-l", "fw1")
    assert len(mocks.firewalls["fw1"].requests) > asked["fw1"]
    assert len(mocks.firewalls["fw2"].requests) == asked["fw2"], "it would not get it"


def test_an_apply_and_a_push_of_panorama_carry_it_over(prepared: Plant) -> None:
    contain(prepared)
    until = {name: ends(prepared, name) for name in SERIALS}
    assert all(until.values())
    prepared.change("protocols: {modbus: [read]}", "services: [tcp/502]")
    prepared("apply", "--auto-approve")
    prepared.mocks.panorama.push("OT", *SERIALS.values())
    assert {name: ends(prepared, name) for name in SERIALS} == until
    prepared("contain", "status")
    asked = ("--from", "scada1", "--to", "plc1", "--port", "502", "--expect", "deny")
    prepared("check", *asked)


def test_a_plan_that_takes_it_away_says_who_is_let_go(prepared: Plant) -> None:
    contain(prepared)
    prepared.change("        segctl_containment: {longest: 8h}\n", "")
    assert "lets go who is contained: 10.1.0.5" in prepared("plan")


def test_the_firewalls_end_it_by_themselves(
    prepared: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    contain(prepared)
    for name in SERIALS:
        (until,) = ends(prepared, name)
        userid = prepared.mocks.firewalls[name].device.userid
        monkeypatch.setattr(userid, "clock", lambda now=until: (now or 0) + 1)
        assert not tags(prepared, name)
    prepared("check", *ASKED, "--expect", "allow")


def test_what_a_firewall_lost_is_a_gap_and_can_be_healed(prepared: Plant) -> None:
    contain(prepared, *FOR, "--until-restart")
    prepared.mocks.firewalls["fw2"].restart()
    document = prepared.json("contain", "status", code=1)
    (gap,) = document["gaps"]
    assert (gap["device"], gap["address"]) == ("fw2", SCADA)
    prepared("contain", "watch", code=1)
    prepared("contain", "status", "--heal")
    assert CONTAINED in tags(prepared, "fw2")[SCADA]
    assert None not in ends(prepared, "fw2")


def test_a_rule_that_is_pushed_above_later_is_a_gap(prepared: Plant) -> None:
    contain(prepared)
    panorama = prepared.mocks.panorama
    opens = rule("opens", enter="SUPV", leave="CELL1", more=aimed(FIRST))
    panorama.edit("set", RULES, opens, admin="other")
    panorama.edit("move", f"{RULES}/entry[@name='opens']", where="top", admin="other", commit=True)
    prepared("contain", "status")  # committed, and not pushed yet
    panorama.push("OT", *SERIALS.values())
    (gap,) = prepared.json("contain", "status", code=1)["gaps"]
    assert (gap["device"], gap["address"]) == ("fw1", SCADA)
    assert "Panorama pre-rule opens may still permit it" in gap["gap"]


# --- pairs ---------------------------------------------------------------------------------------


def test_both_members_of_a_pair_contain(pair: Plant) -> None:
    session(pair, "fw1", 1, "10.2.1.10", 502, "plant.poll-1.modbus")
    session(pair, "fw1b", 2, "10.2.1.10", 502, "plant.poll-1.modbus")
    found = opened(contain(pair))
    assert set(found) == {"fw1", "fw1b", "fw2"}
    for name in found:
        assert CONTAINED in tags(pair, name)[SCADA]
    assert numbers(pair, "fw1") == numbers(pair, "fw1b") == set()


@pytest.mark.parametrize("shared", [True, False])
def test_a_passive_member_refuses_and_has_it_from_the_other_or_is_a_gap(
    pair: Plant, *, shared: bool
) -> None:
    first, second = (pair.mocks.firewalls[name].device for name in ("fw1", "fw1b"))
    equip(first, second, ACTIVE_PASSIVE)
    equip(second, first, ACTIVE_PASSIVE)
    Room(first, second).tags = shared
    found = opened(contain(pair, code=0 if shared else 1))
    assert not found["fw1"]
    assert (SCADA in tags(pair, "fw1b")) is shared
    told = " ".join(found["fw1b"])
    assert shared or ("is not registered" in told and "passive" in told)


def test_a_member_that_panorama_has_no_connection_to_is_a_gap(pair: Plant) -> None:
    pair.mocks.panorama.disconnect(PEER["fw1b"])
    found = opened(contain(pair, code=1))
    assert not found["fw1"]
    assert not found["fw2"]
    assert "is not connected to its Panorama" in " ".join(found["fw1b"])
    pair.mocks.panorama.reconnect(PEER["fw1b"])
    pair("contain", "status", "--heal")


def test_a_member_that_was_given_another_policy_is_a_gap(pair: Plant) -> None:
    """What is read is the policy of the one that carries traffic; the other one may differ."""
    panorama = pair.mocks.panorama
    opens = rule("opens", enter="SUPV", leave="CELL1", more=aimed(FIRST, PEER["fw1b"]))
    panorama.edit("set", RULES, opens, admin="other")
    panorama.edit("move", f"{RULES}/entry[@name='opens']", where="top", admin="other", commit=True)
    panorama.push("OT", PEER["fw1b"])
    assert pair.mocks.pushed("fw1b")[0] == "opens"
    found = opened(contain(pair, code=1))
    assert not found["fw1"]
    assert "another version of the policy" in " ".join(found["fw1b"])
    assert CONTAINED in tags(pair, "fw1b")[SCADA], "it contains as far as it can"
    (gap,) = pair.json("contain", "status", code=1)["gaps"]
    assert (gap["device"], gap["address"]) == ("fw1b", SCADA)


# --- not contained -------------------------------------------------------------------------------


def test_a_firewall_that_is_not_connected_is_a_gap_and_the_rest_is_contained(
    prepared: Plant,
) -> None:
    prepared.mocks.panorama.disconnect(SERIALS["fw2"])
    found = opened(contain(prepared, code=1))
    assert not found["fw1"]
    assert "is not connected to its Panorama" in " ".join(found["fw2"])
    document = prepared.json("contain", "list", code=1)
    assert "not connected" in str(document)
    assert prepared.run("contain", "release", "scada1").returncode == 1
    assert not tags(prepared, "fw1")


def test_a_rule_of_a_parent_group_stays_above_and_is_named(prepared: Plant) -> None:
    entry = rule("opens", enter="SUPV", leave="CELL1", more=aimed(FIRST))
    rules = f"<pre-rulebase><security><rules>{entry}</rules></security></pre-rulebase>"
    below_a_parent(prepared, rules)
    prepared.mocks.panorama.push("OT", *SERIALS.values())
    found = opened(contain(prepared, code=1))
    assert any("Panorama pre-rule opens may still permit it" in text for text in found["fw1"])
    assert not found["fw2"]


def test_a_rule_that_no_longer_denies_on_the_firewall_prepares_nothing(prepared: Plant) -> None:
    where = f"{RULES}/entry[@name='segctl.contained-source']/action"
    panorama = prepared.mocks.panorama
    panorama.edit("edit", where, "<action>allow</action>", admin="other", commit=True)
    panorama.push("OT", SERIALS["fw1"])
    found = opened(contain(prepared, code=1))
    assert "segctl.contained-source is not there, or does not deny" in found["fw1"][0]
    assert not found["fw2"], "the change was not pushed to it"


def test_a_panorama_that_keeps_the_registration_for_itself_contains_nobody(
    prepared: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of which requests Panorama passes over ``target`` was not measured for this one."""
    kept = panorama_device.PASSED_ON - {"user-id"}
    monkeypatch.setattr(panorama_device, "PASSED_ON", kept)
    found = opened(contain(prepared, code=1))
    for name in SERIALS:
        assert f"{SCADA} is not registered, whatever it answered" in found[name]


def test_success_that_registers_nothing_is_not_contained(prepared: Plant) -> None:
    prepared.mocks.firewalls["fw1"].device.userid.deaf = True
    found = opened(contain(prepared, code=1))
    assert f"{SCADA} is not registered, whatever it answered" in found["fw1"]
    assert not found["fw2"]


def test_a_tag_that_does_not_enter_the_pushed_group_is_not_contained(prepared: Plant) -> None:
    prepared.mocks.firewalls["fw1"].device.userid.late = frozenset()
    found = opened(contain(prepared, code=1))
    assert any("not in the group" in text for text in found["fw1"])


def test_without_a_declaration_it_says_what_to_do(behind: Plant) -> None:
    behind("apply", "--auto-approve")
    done = behind.run("contain", "asset", "scada1", *FOR, "--auto-approve")
    assert done.returncode == 1
    assert "declare segctl_containment" in done.stderr


def test_the_pushed_group_is_the_firewalls_own_to_show(prepared: Plant) -> None:
    """Two readings: what the mock shows comes from what was pushed, not from the provider."""
    firewall = prepared.mocks.firewalls["fw1"]
    firewall.register("10.1.0.9", CONTAINED)
    command = "<show><object><dynamic-address-group><all/></dynamic-address-group></object></show>"
    answer = firewall.handle({"type": "op", "cmd": command, "key": firewall.key("admin")})
    root = etree.fromstring(answer.content())
    (entry,) = root.iterfind("result/dyn-addr-grp/entry")
    assert entry.findtext("group-name") == CONTAINED
    assert [one.get("name") for one in entry.iterfind("member-list/entry")] == ["10.1.0.9"]
