"""A push of the mock Panorama really changes the mock firewalls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from segctl_mocks import PanosMock
from support.managed import (
    DEVICE,
    FIRST,
    POST_RULES,
    RULES,
    SECOND,
    SHARED,
    VSYS,
    Managed,
    address,
    aimed,
    firewall,
    group,
    managed,
    push_of,
    rule,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plant() -> Managed:
    return managed()


def names(root: Any, path: str) -> list[str]:
    return [entry.get("name") for entry in root.iterfind(f".//{path}/entry")]


def results(job: Any) -> dict[str, tuple[str, str]]:
    return {
        entry.findtext("serial-no"): (entry.findtext("status"), entry.findtext("result"))
        for entry in job.iterfind("devices/entry")
    }


def lines(job: Any, serial: str) -> list[str]:
    for entry in job.iterfind("devices/entry"):
        if entry.findtext("serial-no") == serial:
            return [line.text for line in entry.iterfind("details/msg/errors/line")]
    return []


def status(plant: Managed, serial: str) -> str:
    found = plant.op("<show><devicegroups/></show>")
    return str(found.findtext(f".//entry[@name='{serial}']/shared-policy-status"))


def shape(node: Any) -> Any:
    return node.tag, tuple(sorted(node.attrib)), tuple(shape(kid) for kid in node)


def test_its_job_has_the_form_of_a_recorded_one(plant: Managed, third_party: Path) -> None:
    text = (third_party / "demisto/push_to_device_success.xml").read_text()
    recorded: Any = etree.fromstring(text)
    known = recorded.find("result/job")
    for entry in known.findall(".//warnings/line"):
        entry.getparent().remove(entry)
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    assert shape(plant.push()) == shape(known)


def test_every_level_arrives_in_the_order_of_evaluation(plant: Managed) -> None:
    for place, name in ((SHARED, "s"), (group("ot"), "o"), (group("plant"), "p")):
        plant.put(f"{place}/{RULES}", rule(f"{name}-pre"))
        plant.put(f"{place}/{POST_RULES}", rule(f"{name}-post"))
    plant.commit()
    plant.push()
    for mock in (plant.first, plant.second):
        found = plant.pushed(mock)
        assert names(found, RULES) == ["s-pre", "o-pre", "p-pre"]
        assert names(found, POST_RULES) == ["p-post", "o-post", "s-post"]
        for entry in found.iterfind(f".//{RULES}/entry"):
            assert entry.get("panorama") == "true"
            loc = {"s-pre": "shared", "o-pre": "ot", "p-pre": "plant"}[entry.get("name")]
            assert {node.get("loc") for node in entry.iter()} == {loc}


def test_a_target_and_disabled_decide_which_rules_a_firewall_gets(plant: Managed) -> None:
    rules = [
        rule("all"),
        rule("first", more=aimed(FIRST)),
        rule("not-first", more=aimed(FIRST, negate=True)),
        rule("nobody", more="<disabled>yes</disabled>"),
    ]
    plant.put(f"{group('plant')}/{RULES}", "".join(rules))
    plant.commit()
    plant.push()
    assert names(plant.pushed(plant.first), RULES) == ["all", "first"]
    assert names(plant.pushed(plant.second), RULES) == ["all", "not-first"]
    assert plant.pushed(plant.first).find(".//target") is None


def test_only_what_is_committed_goes_out(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.push()
    assert names(plant.pushed(plant.first), RULES) == []
    plant.commit()
    assert status(plant, FIRST) == "Out of Sync"
    plant.push()
    assert names(plant.pushed(plant.first), RULES) == ["r1"]
    assert status(plant, FIRST) == status(plant, SECOND) == "In Sync"
    plant.put(f"{group('ot')}/address", address("o", "10.0.0.1"))
    assert status(plant, FIRST) == "In Sync"
    plant.commit()
    assert status(plant, FIRST) == "Out of Sync"


def test_a_push_to_one_firewall_leaves_the_other(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    job = plant.push(push_of("plant", f'<devices><entry name="{SECOND}"/></devices>'))
    assert results(job) == {SECOND: ("commit succeeded", "OK")}
    assert names(plant.pushed(plant.second), RULES) == ["r1"]
    assert plant.first.device.pushed.rules("vsys1", "pre-rulebase") == []
    assert (status(plant, FIRST), status(plant, SECOND)) == ("Out of Sync", "In Sync")


def test_the_firewall_enforces_what_it_got(plant: Managed) -> None:
    plant.put(f"{group('ot')}/address", address("plc", "10.0.0.1"))
    plant.put(f"{group('plant')}/{RULES}", rule("from-plc", "plc"))
    plant.commit()
    plant.push()
    flow = (
        "<from>trust</from><to>untrust</to><source>10.0.0.1</source>"
        "<destination>10.9.9.9</destination><destination-port>502</destination-port>"
        "<protocol>6</protocol>"
    )
    cmd = f"<test><security-policy-match>{flow}</security-policy-match></test>"
    assert names(plant.op(cmd, target=FIRST), "rules") == ["from-plc"]
    other = cmd.replace("10.0.0.1", "10.0.0.2")
    assert names(plant.op(other, target=FIRST), "rules") == []


# -- failures ---------------------------------------------------------------------------------


def test_a_firewall_that_is_away_fails_alone_and_is_reached_later(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    plant.panorama.disconnect(FIRST)
    job = plant.push()
    assert job.findtext("result") == "FAIL"
    assert results(job)[FIRST] == ("not connected", "FAIL")
    assert results(job)[SECOND] == ("commit succeeded", "OK")
    assert lines(job, FIRST) == [f"{FIRST} not connected"]
    assert status(plant, FIRST) == "Out of Sync"
    plant.panorama.reconnect(FIRST)
    assert plant.push().findtext("result") == "OK"
    assert status(plant, FIRST) == "In Sync"


@pytest.mark.parametrize("kind", ["config", "commit"])
def test_a_lock_on_a_firewall_refuses_the_push(plant: Managed, kind: str) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    plant.first.hold_lock(kind)
    job = plant.push()
    assert results(job)[FIRST] == ("commit failed", "FAIL")
    assert plant.first.device.pushed.rules("vsys1", "pre-rulebase") == []
    plant.first.release_lock(kind)
    assert plant.push().findtext("result") == "OK"


def test_an_object_that_the_firewall_has_itself_fails_as_recorded(plant: Managed) -> None:
    plant.first.edit("set", f"{VSYS}/address", address("plc", "10.0.0.9"), commit=True)
    plant.put(f"{group('plant')}/address", address("plc", "10.0.0.1"))
    plant.commit()
    job = plant.push()
    assert results(job)[SECOND][1] == "OK"
    assert lines(job, FIRST) == [
        "Validation Error:",
        " address -> plc 'plc' is already in use",
        " address is invalid",
        "vsys1",
        "    Error: Duplicate address name 'plc'",
        "(Module: device)",
        "client device phase 1 failure",
        "Commit failed",
    ]


def test_an_application_that_its_content_lacks_fails() -> None:
    plant = managed()
    plant.first.device.predefined = firewall(removed_applications=["modbus-base"]).device.predefined
    plant.put(f"{group('plant')}/{RULES}", rule("r1", application="modbus-base"))
    plant.commit()
    job = plant.push()
    assert results(job)[SECOND][1] == "OK"
    assert any("'modbus-base' is not a valid reference" in line for line in lines(job, FIRST))
    assert plant.first.device.pushed.rules("vsys1", "pre-rulebase") == []


def test_a_zone_that_it_does_not_have_fails(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1", enter="nowhere"))
    assert plant.commit().findtext("result") == "OK"
    job = plant.push()
    assert results(job) == {
        FIRST: ("commit failed", "FAIL"),
        SECOND: ("commit failed", "FAIL"),
    }
    assert any("'nowhere' is not a valid reference" in line for line in lines(job, FIRST))


def test_what_its_own_rules_need_is_not_taken_away(plant: Managed) -> None:
    plant.put(f"{group('plant')}/address", address("plc", "10.0.0.1"))
    plant.commit()
    plant.push()
    rules = f"{VSYS}/rulebase/security/rules"
    plant.first.edit("set", rules, rule("own", "plc"), commit=True)
    plant.config("delete", f"{group('plant')}/address/entry[@name='plc']")
    plant.commit()
    job = plant.push()
    assert results(job)[SECOND][1] == "OK"
    assert any("'plc' is not a valid reference" in line for line in lines(job, FIRST))


def test_a_firewall_newer_than_panorama_is_not_pushed_to() -> None:
    plant = managed(sw_version="10.2.3")
    assert results(plant.push())[FIRST] == ("commit failed", "FAIL")
    found = plant.op("<show><devices><all/></devices></show>")
    assert found.findtext(".//unsupported-version") == "yes"


def test_a_busy_firewall_fails() -> None:
    plant = managed()
    plant.first.start_job("Commit", 60, stuck=True)
    assert results(plant.push())[FIRST] == ("commit failed", "FAIL")
    assert results(plant.push())[SECOND][1] == "OK"


# -- faults -----------------------------------------------------------------------------------


def test_a_job_can_end_with_a_firewall_pending(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    plant.panorama.fail("push_pending", serial=FIRST)
    job = plant.push()
    assert (job.findtext("status"), job.findtext("result")) == ("FIN", "FAIL")
    assert results(job) == {
        FIRST: ("config sent to device", "PEND"),
        SECOND: ("commit succeeded", "OK"),
    }
    assert names(plant.pushed(plant.first), RULES) == ["r1"]  # it got it nevertheless


def test_a_job_can_be_lost_while_firewalls_got_it(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    plant.panorama.fail("push_lost")
    answer = plant.ask(type="commit", action="all", cmd=push_of("plant"))
    listed = plant.op("<show><jobs><all/></jobs></show>")
    assert listed.findtext(".//job/type") == "Failed-Job"
    assert answer.findtext("result/job")
    assert names(plant.pushed(plant.first), RULES) == ["r1"]
    plant.config("delete", f"{group('plant')}/{RULES}/entry[@name='r1']")
    plant.commit()
    plant.panorama.fail("push_lost", applied=False)
    plant.ask(type="commit", action="all", cmd=push_of("plant"))
    assert names(plant.pushed(plant.first), RULES) == ["r1"]


@pytest.mark.parametrize(
    ("kind", "options", "result", "rules"),
    [
        ("push_fails", {}, "FAIL", []),
        ("push_timeout", {}, "FAIL", ["r1"]),
        ("push_timeout", {"applied": False}, "FAIL", []),
        ("push_warns", {}, "OK", ["r1"]),
    ],
)
def test_one_firewall_can_be_struck(
    plant: Managed, kind: str, options: dict[str, Any], result: str, rules: list[str]
) -> None:
    plant.push()
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    plant.panorama.fail(kind, serial=SECOND, lines=("as a test asked",), **options)
    job = plant.push()
    assert results(job)[SECOND][1] == result
    assert results(job)[FIRST] == ("commit succeeded", "OK")
    assert "as a test asked" in etree.tostring(job).decode()
    assert names(plant.pushed(plant.second), RULES) == rules


def test_a_stuck_push_never_ends(plant: Managed) -> None:
    plant.panorama.fail("push_stuck")
    job = plant.push()
    assert (job.findtext("status"), job.findtext("result")) == ("ACT", "PEND")


def test_a_push_waits_for_its_firewalls() -> None:
    now = [1000.0]
    plant = managed()
    for device, seconds in ((plant.panorama.device, 5), (plant.first.device, 60)):
        device.clock = device.jobs.clock = lambda: now[0]
        device.jobs.jobs.clear()
        device.settings = replace(device.settings, job_seconds=seconds)
    job = plant.push()
    assert (job.findtext("status"), results(job)[FIRST]) == (
        "ACT",
        ("config sent to device", "PEND"),
    )
    now[0] = 1006
    job = plant.job(job.findtext("id"))
    assert results(job) == {
        FIRST: ("config sent to device", "PEND"),
        SECOND: ("commit succeeded", "OK"),
    }
    now[0] = 1061
    job = plant.job(job.findtext("id"))
    assert (job.findtext("status"), job.findtext("result")) == ("FIN", "OK")


# -- limits -----------------------------------------------------------------------------------


def test_validate_only_changes_nothing(plant: Managed) -> None:
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    job = plant.push(push_of("plant", options="<validate-only></validate-only>"))
    assert results(job)[FIRST] == ("validation succeeded", "OK")
    assert plant.first.device.pushed.rules("vsys1", "pre-rulebase") == []
    plant.put(f"{group('plant')}/{RULES}", rule("r2", enter="nowhere"))
    plant.commit()
    job = plant.push(push_of("plant", options="<validate-only></validate-only>"))
    assert results(job)[FIRST] == ("validation failed", "FAIL")


def test_a_push_limited_to_an_administrator_leaves_what_others_did(plant: Managed) -> None:
    limited = push_of("plant", options="<admin><member>admin</member></admin>")
    assert results(plant.push(limited))[FIRST][1] == "FAIL"  # a full push has to come first
    plant.push()
    plant.put(f"{group('plant')}/{RULES}", rule("bobs"), user="bob")
    plant.put(f"{group('plant')}/{RULES}", rule("mine"))
    plant.commit()
    assert results(plant.push(limited))[FIRST][1] == "OK"
    assert names(plant.pushed(plant.first), RULES) == ["mine"]
    assert status(plant, FIRST) == "Out of Sync"
    plant.push(push_of("plant", options="<admin><member>bob</member></admin>"))
    assert sorted(names(plant.pushed(plant.first), RULES)) == ["bobs", "mine"]
    assert status(plant, FIRST) == "In Sync"


@pytest.mark.parametrize(("merge", "left"), [("yes", b""), ("no", b"pending")])
def test_it_takes_the_firewalls_candidate_along_unless_told(
    plant: Managed, merge: str, left: bytes
) -> None:
    plant.first.edit("set", f"{VSYS}/address", address("pending", "10.0.0.3"))
    option = f"<merge-with-candidate-cfg>{merge}</merge-with-candidate-cfg>"
    assert plant.push(push_of("plant", options=option)).findtext("result") == "OK"
    assert (b"pending" in plant.first.running()) == (merge == "yes")
    assert bool(plant.first.device.journal.changes) == bool(left)


@pytest.mark.parametrize("setting", ["yes", "no"])
def test_unused_objects_go_out_unless_that_is_switched_off(plant: Managed, setting: str) -> None:
    place = f"{DEVICE}/deviceconfig/setting/management"
    name = "share-unused-objects-with-devices"
    plant.put(place, f"<{name}>{setting}</{name}>")
    group_of = "<entry name='g'><static><member>inner</member></static></entry>"
    plant.put(f"{SHARED}/address", address("inner", "10.0.0.1") + address("unused", "10.0.0.2"))
    plant.put(f"{SHARED}/address-group", group_of)
    plant.put(f"{group('plant')}/{RULES}", rule("r1", "g"))
    plant.commit()
    plant.push()
    expected = {"inner", "unused"} if setting == "yes" else {"inner"}
    assert set(names(plant.pushed(plant.first), "address")) == expected


def test_the_nearest_object_of_a_name_arrives(plant: Managed) -> None:
    for place, value in ((SHARED, "10.0.0.1"), (group("ot"), "10.0.0.2")):
        plant.put(f"{place}/address", address("plc", value))
    plant.commit()
    plant.push()
    found = plant.pushed(plant.first)
    assert [
        (entry.get("loc"), entry.findtext("ip-netmask"))
        for entry in found.iterfind(".//address/entry")
    ] == [("ot", "10.0.0.2")]


@pytest.mark.parametrize(
    "cmd",
    [
        push_of("unknown"),
        push_of("plant", '<devices><entry name="999"/></devices>'),
        "<commit-all/>",
        "<commit-all><nonsense/></commit-all>",
        "<commit-all><shared-policy/></commit-all>",
        "<commit-all><template><name>unknown</name></template></commit-all>",
    ],
)
def test_what_is_not_there_is_refused(plant: Managed, cmd: str) -> None:
    answer = plant.ask(type="commit", action="all", cmd=cmd)
    assert answer.get("status") == "error"
    assert not [job for job in plant.panorama.device.jobs.jobs if job.kind == "CommitAll"]


def test_a_commit_lock_of_another_refuses_it(plant: Managed) -> None:
    plant.panorama.hold_lock("commit")
    answer = plant.ask(type="commit", action="all", cmd=push_of("plant"))
    assert (answer.get("status"), answer.get("code")) == ("error", "14")


def test_rules_of_its_own_may_have_the_same_name(plant: Managed) -> None:
    rules = f"{VSYS}/rulebase/security/rules"
    plant.first.edit("set", rules, rule("r1"), commit=True)
    plant.put(f"{group('plant')}/{RULES}", rule("r1"))
    plant.commit()
    assert results(plant.push())[FIRST][1] == "OK"


def test_another_administrator_pushes_for_a_test() -> None:
    plant = managed()
    plant.panorama.edit("set", f"{group('plant')}/{RULES}", rule("r1"), commit=True)
    plant.panorama.push("plant", SECOND)
    assert names(plant.pushed(plant.second), RULES) == ["r1"]
    assert isinstance(plant.first, PanosMock)
    plant.panorama.push_all()
    assert names(plant.pushed(plant.first), RULES) == ["r1"]


def test_log_collectors_are_reached_without_a_job(plant: Managed) -> None:
    inner = "<log-collector-config><log-collector-group>all</log-collector-group>"
    cmd = f"<commit-all>{inner}</log-collector-config></commit-all>"
    answer = plant.ask(type="commit", action="all", cmd=cmd)
    assert answer.findtext("msg/line").endswith("collectors in group all")
    assert answer.find("result/job") is None


# -- hit counts -------------------------------------------------------------------------------


def counted(plant: Managed, inner: str, group_of: str = "plant") -> dict[str, dict[str, str]]:
    base = f"<pre-rulebase><entry name='security'><rules>{inner}</rules></entry></pre-rulebase>"
    where = f"<device-group><entry name='{group_of}'>{base}</entry></device-group>"
    found = plant.op(f"<show><rule-hit-count>{where}</rule-hit-count></show>")
    path = f"result/rule-hit-count/device-group/entry[@name='{group_of}']/rule-base/entry"
    return {
        rule_of.get("name"): {
            entry.get("name"): entry.findtext("hit-count")
            for entry in rule_of.iterfind("device-vsys/entry")
        }
        for rule_of in found.iterfind(f"{path}/rules/entry")
    }


def test_hits_are_told_per_firewall(plant: Managed) -> None:
    first, second = f"plant/{FIRST}/vsys1", f"plant/{SECOND}/vsys1"
    plant.put(f"{group('plant')}/{RULES}", rule("r1") + rule("r2", more=aimed(SECOND)))
    plant.put(f"{group('ot')}/{RULES}", rule("parents"))
    plant.commit()
    assert counted(plant, "<all/>") == {"r1": {}, "r2": {}}
    plant.push()
    plant.first.set_hits("r1", 3)
    plant.second.set_hits("r1", 4)
    assert counted(plant, "<all/>") == {"r1": {first: "3", second: "4"}, "r2": {second: "0"}}
    assert list(counted(plant, "<list><member>r2</member></list>")) == ["r2"]
    assert list(counted(plant, "<rule-name><entry name='r1'/></rule-name>")) == ["r1"]
    assert counted(plant, "<all/>", "ot") == {"parents": {first: "0", second: "0"}}
    plant.panorama.disconnect(FIRST)
    assert counted(plant, "<all/>")["r1"] == {second: "4"}
    plant.op("<clear><rule-hit-count/></clear>")
    assert counted(plant, "<all/>")["r1"] == {second: "0"}


def test_hits_of_shared_and_default_rules(plant: Managed) -> None:
    plant.put(f"{SHARED}/{POST_RULES}", rule("everywhere"))
    plant.commit()
    plant.push()
    plant.first.set_hits("interzone-default", 9)
    inner = "<entry name='security'><rules><all/></rules></entry>"
    where = f"<post-rulebase>{inner}</post-rulebase><default-rulebase>{inner}</default-rulebase>"
    found = plant.op(f"<show><rule-hit-count><shared>{where}</shared></rule-hit-count></show>")
    rows = {
        (rule_of.get("name"), entry.get("name")): entry.findtext("hit-count")
        for rule_of in found.iterfind(".//rules/entry")
        for entry in rule_of.iterfind("device-vsys/entry")
    }
    assert rows["everywhere", f"plant/{SECOND}/vsys1"] == "0"
    assert rows["interzone-default", f"plant/{FIRST}/vsys1"] == "9"


def test_a_contractor_opens_a_rule_and_pushes_it(plant: Managed) -> None:
    assert plant.panorama.tamper() == ""
    plant.put(f"{group('plant')}/{RULES}", rule("shut", action="deny"))
    plant.put(f"{group('plant')}/{RULES}", rule("open", application="modbus-base"))
    plant.commit()
    assert plant.panorama.tamper() == "opens rule open of plant to any application, and pushes it."
    found = plant.pushed(plant.first).find(".//entry[@name='open']/application/member")
    assert found.text == "any"
