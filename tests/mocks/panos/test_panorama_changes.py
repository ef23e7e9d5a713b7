"""Changes, commits, locks and reverts of several administrators on the mock Panorama."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from support.managed import (
    DEVICE,
    FIRST,
    POST_RULES,
    RULES,
    SECOND,
    SHARED,
    Managed,
    address,
    group,
    managed,
    rule,
    template,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def plant() -> Managed:
    return managed()


def lines(answer: Any) -> list[str]:
    return [(line.text or "").strip() for line in answer.iter("line")]


def partial(*parts: str) -> str:
    return f"<commit><partial>{''.join(parts)}</partial></commit>"


def members(tag: str, *names: str) -> str:
    return f"<{tag}>{''.join(f'<member>{name}</member>' for name in names)}</{tag}>"


# -- what the configuration may hold ----------------------------------------------------------


@pytest.mark.parametrize(
    "xpath",
    [
        f"{DEVICE}/vsys/entry[@name='vsys1']/address",
        f"{DEVICE}/network/interface/ethernet",
        f"{SHARED}/rulebase/pre-rulebase/security/rules",
        f"{group('ot')}/rulebase/security/rules",
        f"{group('ot')}/pre-rulebase/default-security-rules/rules",
        "/config/readonly/devices/entry/device-group",
    ],
)
def test_what_a_panorama_does_not_have_is_no_place(plant: Managed, xpath: str) -> None:
    answer = plant.config("set", xpath, "<entry name='x'/>")
    assert (answer.get("status"), answer.get("code")) == ("error", "13")
    assert lines(answer) == [f"Could not find schema node for xpath {xpath}"]


def test_a_firewall_has_no_groups_and_no_targets(plant: Managed) -> None:
    answer = plant.config("set", f"{DEVICE}/device-group", "<entry name='x'/>", target=FIRST)
    assert answer.get("code") == "13"
    aimed = f"<target><devices><entry name='{FIRST}'/></devices></target>"
    rules = f"{DEVICE}/vsys/entry[@name='vsys1']/rulebase/security/rules"
    answer = plant.config("set", rules, rule("r1", more=aimed), target=FIRST)
    assert "r1 -> target unexpected here" in lines(answer)


def test_default_rules_are_overridden_below_the_post_rulebase(plant: Managed) -> None:
    place = "post-rulebase/default-security-rules/rules"
    for where, action in ((SHARED, "drop"), (group("ot"), "deny")):
        plant.put(
            f"{where}/{place}",
            f"<entry name='interzone-default'><action>{action}</action>"
            "<log-end>yes</log-end></entry>",
        )
    plant.put(f"{SHARED}/{place}", "<entry name='intrazone-default'><log-end>yes</log-end></entry>")
    plant.commit()
    plant.push()
    found = plant.pushed(plant.first).findall(".//default-security-rules/rules/entry")
    assert [(each.get("name"), each.get("loc"), each.findtext("action")) for each in found] == [
        ("interzone-default", "ot", "deny"),
        ("intrazone-default", "shared", None),
    ]


def test_names_are_looked_up_through_parents(plant: Managed) -> None:
    plant.put(f"{SHARED}/address", address("common", "10.0.0.1"))
    plant.put(f"{group('ot')}/address", address("parents", "10.0.0.2"))
    plant.put(f"{group('plant')}/address", address("own", "10.0.0.3"))
    for source in ("common", "parents", "own"):
        plant.put(f"{group('plant')}/{RULES}", rule(source, source))
    answer = plant.config("set", f"{group('ot')}/{RULES}", rule("r1", "own"))
    assert "r1 -> source 'own' is not a valid reference" in lines(answer)
    answer = plant.config("set", f"{SHARED}/{RULES}", rule("r1", "parents"))
    assert "r1 -> source 'parents' is not a valid reference" in lines(answer)


def test_a_nearer_object_of_the_name_frees_the_farther_one(plant: Managed) -> None:
    plant.put(f"{SHARED}/address", address("plc", "10.0.0.1"))
    plant.put(f"{group('plant')}/{RULES}", rule("r1", "plc"))
    shared = f"{SHARED}/address/entry[@name='plc']"
    answer = plant.config("delete", shared)
    assert answer.get("code") == "10"
    assert lines(answer) == [
        "plc cannot be deleted because of references from:",
        "device-group -> plant -> pre-rulebase -> security -> rules -> r1 -> source",
    ]
    plant.put(f"{group('ot')}/address", address("plc", "10.0.0.2"))
    assert plant.config("delete", shared).get("code") == "20"
    nearest = f"{group('ot')}/address/entry[@name='plc']"
    renamed = plant.config("rename", nearest, newname="plc-2")
    assert renamed.get("status") == "success"
    found = plant.config("get", f"{group('plant')}/{RULES}/entry/source/member")
    assert [member.text for member in found.iter("member")] == ["plc-2"]


def test_a_disabled_rule_still_counts(plant: Managed) -> None:
    plant.put(f"{group('ot')}/address", address("plc", "10.0.0.1"))
    off = rule("off", "plc", more="<disabled>yes</disabled>")
    plant.put(f"{group('plant')}/{POST_RULES}", off)
    answer = plant.config("delete", f"{group('ot')}/address/entry[@name='plc']")
    assert answer.get("code") == "10"


def test_a_group_holds_firewalls_that_panorama_manages(plant: Managed) -> None:
    answer = plant.config("set", f"{group('ot')}/devices", "<entry name='999'/>")
    assert answer.get("code") == "12"
    assert any("'999' is not a valid reference" in line for line in lines(answer))
    answer = plant.config("delete", f"/config/mgt-config/devices/entry[@name='{FIRST}']")
    assert lines(answer)[1] == f"device-group -> plant -> devices -> {FIRST}"


# -- the hierarchy ----------------------------------------------------------------------------


def move(plant: Managed, name: str, above: str = "") -> Any:
    inner = f"<new-parent-dg>{above}</new-parent-dg>" if above else ""
    entry = f"<entry name='{name}'>{inner}</entry>"
    return plant.op(f"<request><move-dg>{entry}</move-dg></request>")


def tree_of(plant: Managed) -> str:
    found = plant.op("<show><dg-hierarchy/></show>").find("result/dg-hierarchy")

    def draw(node: Any) -> str:
        return f"{node.get('name')}({' '.join(draw(child) for child in node)})"

    return " ".join(draw(node) for node in found)


def test_groups_have_numbers_and_parents(plant: Managed) -> None:
    assert tree_of(plant) == "ot(plant())"
    found = plant.op("<show><dg-hierarchy/></show>")
    assert [node.get("dg_id") for node in found.iter("dg")] == ["11", "12"]
    place = "/config/readonly/devices/entry[@name='localhost.localdomain']/device-group"
    answer = plant.config("get", f"{place}/entry[@name='plant']")
    assert answer.findtext("result/entry/parent-dg") == "ot"
    renamed = plant.config("rename", group("ot"), newname="all-ot")
    assert renamed.get("status") == "success"
    assert tree_of(plant) == "all-ot(plant())"


@pytest.mark.parametrize(
    ("name", "above"), [("ot", "plant"), ("ot", "ot"), ("nobody", ""), ("ot", "nobody")]
)
def test_a_move_that_makes_no_sense_is_refused(plant: Managed, name: str, above: str) -> None:
    assert move(plant, name, above).get("status") == "error"
    assert tree_of(plant) == "ot(plant())"


def test_a_move_that_loses_an_object_fails(plant: Managed) -> None:
    plant.put(f"{group('ot')}/address", address("plc", "10.0.0.1"))
    plant.put(f"{group('plant')}/{RULES}", rule("r1", "plc"))
    job = plant.job(move(plant, "plant").findtext("result/job"))
    assert job.findtext("result") == "FAIL"
    assert any("'plc' is not a valid reference" in line for line in lines(job))
    assert tree_of(plant) == "ot(plant())"


def test_a_parent_is_not_deleted(plant: Managed) -> None:
    answer = plant.config("delete", group("ot"))
    assert lines(answer)[1] == "device-group -> plant -> parent-dg"
    assert plant.config("delete", group("plant")).get("status") == "success"
    assert plant.config("delete", group("ot")).get("status") == "success"
    plant.commit()
    assert b"parent-dg" not in plant.panorama.running()
    plant.put(f"{DEVICE}/device-group", "<entry name='new'/>")
    assert plant.op("<show><dg-hierarchy/></show>").find(".//dg").get("dg_id") == "13"


# -- commits ----------------------------------------------------------------------------------


@pytest.fixture
def changed(plant: Managed) -> Managed:
    """Changes of two administrators in every part."""
    plant.put(f"{SHARED}/address", address("shared-mine", "10.0.0.1"))
    plant.put(f"{SHARED}/address", address("shared-bobs", "10.0.0.2"), user="bob")
    plant.put(f"{group('ot')}/address", address("ot-mine", "10.0.0.3"))
    plant.put(f"{group('plant')}/address", address("plant-mine", "10.0.0.4"))
    plant.put(f"{group('plant')}/address", address("plant-bobs", "10.0.0.5"), user="bob")
    plant.put(template("tpl-mine"), "<description>tpl-mine</description>")
    plant.put(f"{DEVICE}/deviceconfig/system", "<login-banner>net-mine</login-banner>")
    return plant


ALL = {
    "shared-mine",
    "shared-bobs",
    "ot-mine",
    "plant-mine",
    "plant-bobs",
    "tpl-mine",
    "net-mine",
}


def runs(plant: Managed) -> set[str]:
    text = plant.panorama.running().decode()
    return {name for name in ALL if name in text}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("<admin><member>bob</member></admin>",), {"shared-bobs", "plant-bobs"}),
        (
            (members("admin", "admin"), members("device-group", "plant"), "<no-template/>"),
            {"shared-mine", "plant-mine", "net-mine"},
        ),
        (
            (
                members("device-group", "ot"),
                "<no-template/>",
                "<shared-object>excluded</shared-object>",
                "<device-and-network>excluded</device-and-network>",
            ),
            {"ot-mine"},
        ),
        (
            (
                "<no-device-group/>",
                members("template", "tpl-mine"),
                "<shared-object>excluded</shared-object>",
                "<device-and-network>excluded</device-and-network>",
            ),
            {"tpl-mine"},
        ),
        (
            (members("object-xpaths", f"{group('plant')}/address/entry[@name='plant-bobs']"),),
            {"plant-bobs"},
        ),
    ],
)
def test_a_commit_takes_what_its_scope_says(
    changed: Managed, parts: tuple[str, ...], expected: set[str]
) -> None:
    assert changed.commit(partial(*parts)).findtext("result") == "OK"
    assert runs(changed) == expected
    changed.commit()
    assert runs(changed) == ALL


def test_a_new_group_is_committed_with_its_parent(plant: Managed) -> None:
    plant.put(f"{DEVICE}/device-group", "<entry name='mine'/>")
    plant.put(f"{DEVICE}/device-group", "<entry name='bobs'/>", user="bob")
    move(plant, "mine", "ot")
    plant.commit(partial(members("admin", "admin")))
    root = etree.fromstring(plant.panorama.running())
    found = root.find("readonly/devices/entry/device-group/entry[@name='mine']")
    assert found is not None
    assert found.findtext("parent-dg") == "ot"
    assert b"bobs" not in plant.panorama.running()


def test_a_commit_for_a_device_group_only_in_two_is_refused(plant: Managed) -> None:
    plant.put(f"{group('ot')}/devices", f"<entry name='{SECOND}'/>")
    job = plant.commit()
    assert job.findtext("result") == "FAIL"
    assert f"'{SECOND}' is already in use" in " ".join(lines(job))


def test_validate_says_the_same(plant: Managed) -> None:
    plant.put(f"{group('ot')}/devices", f"<entry name='{SECOND}'/>")
    job = plant.done(type="op", cmd="<validate><full/></validate>")
    assert (job.findtext("type"), job.findtext("result")) == ("Validate", "FAIL")
    assert plant.op("<check><pending-changes/></check>").findtext("result") == "yes"


def test_changes_are_listed_by_what_they_are_in(changed: Managed, third_party: Path) -> None:
    found = changed.op("<show><config><list><changes/></list></config></show>")
    kinds = {
        (entry.findtext("component-type"), entry.findtext("owner"))
        for entry in found.iterfind("result/journal/entry")
    }
    assert kinds == {
        ("shared", "admin"),
        ("shared", "bob"),
        ("device-group", "admin"),
        ("device-group", "bob"),
        ("template", "admin"),
        ("device-and-network", "admin"),
    }
    recorded = etree.fromstring((third_party / "panorama-11.1.6/pending_changes.xml").read_bytes())
    known = [node.tag for node in recorded.iterfind("result/journal/entry/*")]
    assert [node.tag for node in found.iterfind("result/journal/entry[1]/*")] == known
    only = partial(members("admin", "bob")).removeprefix("<commit>").removesuffix("</commit>")
    mine = changed.op(f"<show><config><list><changes>{only}</changes></list></config></show>")
    assert {each.text for each in mine.iter("owner")} == {"bob"}
    summary = changed.op("<show><config><list><change-summary/></list></config></show>")
    assert {part.tag: [each.text for each in part] for part in summary.find("result/summary")} == {
        "device-group": ["ot", "plant"],
        "template": ["tpl-mine"],
    }


def test_a_revert_takes_back_what_its_scope_says(changed: Managed) -> None:
    scope = f"<partial>{members('admin', 'bob')}</partial>"
    answer = changed.op(f"<revert><config>{scope}</config></revert>")
    assert lines(answer) == ["All changes were reverted from configuration"]
    text = changed.panorama.config().decode()
    assert {name for name in ALL if name in text} == ALL - {"shared-bobs", "plant-bobs"}
    changed.op("<revert><config/></revert>")
    assert changed.panorama.config() == changed.panorama.running()


# -- locks ------------------------------------------------------------------------------------


def lock(plant: Managed, kind: str, what: str, user: str, **more: str) -> Any:
    return plant.op(f"<request><{kind}-lock>{what}</{kind}-lock></request>", user=user, **more)


def test_a_lock_of_a_group_stops_others_there_only(plant: Managed) -> None:
    lock(plant, "config", "<add/>", "bob", vsys="plant")
    refused = plant.config("set", f"{group('plant')}/tag", "<entry name='t'/>")
    assert lines(refused) == ["Configuration is locked by bob"]
    plant.put(f"{group('ot')}/tag", "<entry name='t'/>")
    plant.put(f"{group('plant')}/tag", "<entry name='u'/>", user="bob")
    listed = plant.op("<show><config-locks></config-locks></show>")
    entry = listed.find("result/config-locks/entry")
    assert (entry.findtext("type"), entry.findtext("name")) == ("device-group", "plant")
    assert lock(plant, "config", "<add/>", "bob", vsys="nothing").get("status") == "error"


def test_a_commit_lock_of_a_group_stops_commits_that_change_it(plant: Managed) -> None:
    lock(plant, "commit", "<add/>", "bob", vsys="plant")
    plant.put(f"{group('ot')}/tag", "<entry name='t'/>")
    assert plant.commit().findtext("result") == "OK"
    plant.put(f"{group('plant')}/tag", "<entry name='t'/>")
    answer = plant.ask(type="commit", cmd="<commit/>")
    assert answer.get("code") == "14"
    lock(plant, "commit", "<remove/>", "bob", vsys="plant")
    lock(plant, "commit", "<add/>", "bob")
    answer = plant.ask(type="commit", cmd="<commit/>")
    assert lines(answer) == ["Other administrators are holding device wide commit locks."]


def test_a_shared_lock_stops_others_everywhere(plant: Managed) -> None:
    lock(plant, "config", "<add/>", "bob")
    for place in (group("plant"), SHARED):
        refused = plant.config("set", f"{place}/tag", "<entry name='t'/>")
        assert lines(refused) == ["Configuration is locked by bob"]
    assert move(plant, "plant").get("status") == "error"


# -- passing on -------------------------------------------------------------------------------


def test_version_and_logs_ignore_the_target(plant: Managed) -> None:
    found = plant.ask(type="version", target=FIRST)
    assert found.findtext("result/serial") == plant.panorama.settings.serial
    assert found.findtext("result/model") == "Panorama"
    plant.put(f"{group('ot')}/tag", "<entry name='t'/>")
    asked = plant.ask(type="log", **{"log-type": "config"}, target=FIRST)
    job = {"type": "log", "action": "get", "job-id": asked.findtext("result/job")}
    plant.ask(**job)
    logged = plant.ask(**job).findall(".//entry/serial")
    assert {each.text for each in logged} == {plant.panorama.settings.serial}


def test_an_export_is_passed_on(plant: Managed) -> None:
    asked = {"type": "export", "category": "configuration", "key": plant.panorama.key()}
    own = plant.panorama.handle(asked).content()
    theirs = plant.panorama.handle({**asked, "target": FIRST}).content()
    assert (b"device-group" in own, b"<vsys>" in theirs) == (True, True)


@pytest.mark.parametrize("serial", ["999", FIRST])
def test_who_is_not_connected_is_not_asked(plant: Managed, serial: str) -> None:
    plant.panorama.disconnect(FIRST)
    answer = plant.op("<show><system><info/></system></show>", target=serial)
    assert (answer.get("code"), lines(answer)) == ("13", [f"{serial} not connected"])
    found = plant.op("<show><devices><connected/></devices></show>")
    assert [each.get("name") for each in found.iterfind("result/devices/entry")] == [SECOND]
    everything = plant.op("<show><devices><all/></devices></show>")
    assert everything.findtext(f".//entry[@name='{FIRST}']/connected") == "no"


def test_answers_about_devices_have_the_fields_of_recorded_ones(
    plant: Managed, third_party: Path
) -> None:
    samples = {
        "demisto/show_device_groups.xml": "<show><devicegroups/></show>",
        "pan-os-upgrade/test_upgrade/000_show_devices_all_fixture.xml": (
            "<show><devices><all/></devices></show>"
        ),
    }
    # of content before the last update, and of plug-ins, mocks know nothing
    unknown = {"plugin_versions", "vm-mode-type", "is-dhcp"}
    for name, cmd in samples.items():
        recorded: Any = etree.fromstring((third_party / name).read_bytes())
        known = recorded.find(".//devices/entry")
        mine = plant.op(cmd).find(".//devices/entry")
        tags = [node.tag for node in known]
        wanted = [tag for tag in tags if tag not in unknown and not tag.startswith("prev-")]
        assert set(wanted) <= {node.tag for node in mine}
        assert [node.tag for node in mine if node.tag in wanted] == wanted
