"""Firewalls behind a Panorama that contain by themselves: prepared in their device group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from cli.test_contain_panorama import ESSENTIAL, tags
from cli.test_panorama_import import PASSWORD, again, imported
from cli.test_watch_firewall import PROFILE, SOC
from support.managed import SHARED, group
from support.panorama import PEER, SERIALS

if TYPE_CHECKING:
    from support.panorama import Plant

CHILD = "10.2.1.77"
ON = (
    "segctl_containment: {zones: [supervisory, cell-1, cell-2], never: [plc1], longest: 8h, "
    "on: [critical-threat, scan]}"
)
OFF = "segctl_containment: {longest: 8h}"
PANORAMA = "        segctl_panorama: panorama1\n"


def profiles(place: str) -> str:
    return f"{SHARED if place == 'shared' else group('OT')}/log-settings/profiles"


def declare(plant: Plant, place: str = "shared") -> None:
    panorama = plant.mocks.panorama
    panorama.edit("set", profiles(place), SOC, admin="other", commit=True)
    panorama.push("OT", *(one.settings.serial for one in plant.mocks.firewalls.values()))
    plant.change("poll-2: {<<: *poll, to: cell-2}", ESSENTIAL)
    plant.change(PANORAMA, f"{PANORAMA}        segctl_log_forwarding: to-soc\n        {ON}\n")


@pytest.fixture(params=["own", "shared"])
def prepared(behind: Plant, request: pytest.FixtureRequest) -> Plant:
    """The plant, whose firewalls contain by themselves; the profile is the group's, or shared."""
    declare(behind, request.param)
    behind("apply", "--auto-approve")
    return behind


@pytest.fixture
def shared(behind: Plant) -> Plant:
    """The same, where the profile is shared."""
    declare(behind)
    behind("apply", "--auto-approve")
    return behind


def pushed(plant: Plant, name: str) -> Any:
    """The profile that a firewall got."""
    root = etree.fromstring(plant.mocks.firewalls[name].device.pushed.documents)
    return root.find(f".//log-settings/profiles/entry[@name='{PROFILE}']")


def settings(plant: Plant, name: str) -> dict[str, str]:
    """What the rules that a firewall got log to."""
    rules = plant.mocks.firewalls[name].device.pushed.rules("vsys1", "pre-rulebase")
    return {str(one.get("name")): one.findtext("log-setting") or "" for one in rules}


def threat(plant: Plant, name: str = "fw1", **said: str) -> tuple[str, ...]:
    told = {
        "rule": "plant.poll-1.modbus", "severity": "critical", "direction": "client-to-server",
        "src": CHILD, "dst": "10.1.0.5", "from": "CELL1", "to": "SUPV", "subtype": "vulnerability",
        "thr_category": "code-execution", **said,
    }  # fmt: skip
    return plant.mocks.firewalls[name].threat(**told)


def test_the_group_repeats_the_profile_and_its_rules_log_to_it(prepared: Plant) -> None:
    for name in SERIALS:
        lists = {
            one.get("name"): one for one in pushed(prepared, name).iterfind("match-list/entry")
        }
        assert lists["all"].findtext("filter") == "(severity geq medium)"
        assert {"critical-threat-source-CELL1", "scan-destination-SUPV"} <= {*lists}
        logs = settings(prepared, name)
        assert logs.pop("segctl.contained-source") == "to-soc"
        assert logs.pop("segctl.contained-destination") == "to-soc"
        assert set(logs.values()) == {PROFILE}
    told = " ".join(prepared("plan", "--detailed-exitcode").split())
    assert "panorama1:OT contains by itself, for 60 min" in told
    assert "contains nobody by itself" not in prepared("validate")
    assert "3 in sync, 0 drifted" in prepared("drift")
    prepared("prove")


def test_a_later_change_of_the_one_that_is_repeated_is_drift(prepared: Plant) -> None:
    panorama = prepared.mocks.panorama
    where = next(
        place
        for place in (profiles("own"), profiles("shared"))
        if f"{place}/entry[@name='to-soc']" in _places(panorama.running())
    )
    text = "<filter>(severity geq high)</filter>"
    place = f"{where}/entry[@name='to-soc']/match-list/entry[@name='all']/filter"
    panorama.edit("edit", place, text, admin="other", commit=True)
    panorama.push("OT", *SERIALS.values())
    assert PROFILE in prepared("drift", code=2)
    prepared("apply", "--auto-approve")
    assert "(severity geq high)" in etree.tostring(pushed(prepared, "fw1")).decode()
    assert "3 in sync, 0 drifted" in prepared("drift")


def _places(running: bytes) -> set[str]:
    """Where the profile is, by the xpath of each place that has it."""
    root = etree.fromstring(running)
    found = {"shared": root.find("shared"), "own": root.find(".//device-group/entry")}
    return {
        f"{profiles(place)}/entry[@name='to-soc']"
        for place, node in found.items()
        if node is not None and node.find("log-settings/profiles/entry[@name='to-soc']") is not None
    }


def test_a_nearer_profile_of_the_same_name_counts(behind: Plant) -> None:
    own = SOC.replace("medium", "low")
    behind.mocks.panorama.edit("set", profiles("own"), own, admin="other", commit=True)
    declare(behind)
    behind("apply", "--auto-approve")
    assert "(severity geq low)" in etree.tostring(pushed(behind, "fw1")).decode()


def test_it_goes_again_with_its_declaration(shared: Plant) -> None:
    shared.change(ON, OFF)
    shared("apply", "--auto-approve")
    assert pushed(shared, "fw1") is None
    assert PROFILE.encode() not in shared.mocks.panorama.running()
    assert set(settings(shared, "fw1").values()) == {"to-soc"}
    assert "No changes" in shared("plan")


def test_without_the_profile_that_is_named_nothing_is_planned(behind: Plant) -> None:
    behind.change(PANORAMA, f"{PANORAMA}        segctl_log_forwarding: to-soc\n        {ON}\n")
    done = behind.run("plan")
    assert done.returncode == 1
    assert "to-soc is not in the device group or above it" in " ".join(done.stderr.split())


def test_the_attacker_is_contained_and_told_as_such(shared: Plant) -> None:
    assert set(threat(shared)) == {"critical-threat-source-CELL1", "all"}
    assert set(tags(shared, "fw1")[CHILD]) == {"segctl-contained", "segctl-automatic"}
    assert not tags(shared, "fw2")
    (row,) = shared.json("contain", "list")["items"]
    assert (row["device"], row["address"], row["gap"]) == ("fw1", CHILD, "")
    told = " ".join(shared("plan", "--detailed-exitcode").split())
    assert f"{CHILD} is contained by the firewall itself" in told
    assert ", on fw1" in told
    assert "3 in sync, 0 drifted" in shared("drift")
    (mine,) = shared.json("contain", "status")["by_themselves"]
    assert (mine["device"], mine["address"]) == ("fw1", CHILD)
    words = ("--for", "4h", "--reason", "looked at it", "--auto-approve")
    shared("contain", "host", CHILD, *words)
    userid = shared.mocks.firewalls["fw1"].device.userid
    assert min(one or 0 for one in userid.registered[CHILD].values()) - userid.clock() > 3 * 3600
    shared("contain", "release", CHILD)
    assert not tags(shared, "fw1")


@pytest.mark.parametrize(
    "said",
    [
        {"severity": "high"},
        {"src": "10.2.1.10"},  # plc1 is never contained
        {"src": "10.1.0.5", "from": "SUPV"},  # scada1 carries an essential flow at fw2
        {"src": "10.2.2.77"},  # of the other cell
        {"src": "192.0.2.7"},
        {"from": "SUPV"},
        {"direction": ""},
    ],
)
def test_who_is_never_contained(shared: Plant, said: dict[str, str]) -> None:
    threat(shared, **said)
    assert not tags(shared, "fw1")


def test_the_members_of_a_pair_do_it_each(paired: Plant) -> None:
    declare(paired)
    paired("apply", "--auto-approve")
    assert set(PEER) == {"fw1b"}
    threat(paired, "fw1b")
    assert CHILD in tags(paired, "fw1b")
    rows = paired.json("contain", "list")["items"]
    assert "fw1b" in {one["device"] for one in rows}


def test_zones_that_one_profile_cannot_tell_apart_are_refused(behind: Plant) -> None:
    declare(behind)
    behind.change("cell-2: {zone: CELL2}", "cell-2: {zone: CELL1}")
    done = behind.run("plan")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "zone CELL1 does not have the same addresses on host fw2 and on fw1" in told


def test_firewalls_that_log_elsewhere_cannot_share_it(behind: Plant) -> None:
    declare(behind)
    own = "          segctl_zone_map: {supervisory: {zone: SUPV}, cell-2: {zone: CELL2}}\n"
    behind.change(own, f"          segctl_log_forwarding: elsewhere\n{own}")
    done = behind.run("plan")
    assert done.returncode == 1
    assert "host fw2 logs to elsewhere and fw1 to to-soc" in " ".join(done.stderr.split())


def test_a_snapshot_plans_as_the_group_does(shared: Plant) -> None:
    shared("snapshot", "-o", "held")
    shared("plan", "--detailed-exitcode", "--offline", "held")
    shared.change("on: [critical-threat, scan]", "on: [scan]")
    shared("plan", "--detailed-exitcode", "--offline", "held", code=2)


def test_a_group_that_does_so_is_imported_and_stays_as_it_is(shared: Plant) -> None:
    files = imported(shared)
    assert PROFILE in {held.get("segctl_log_forwarding") for held in files.values()}
    again(shared)
    assert "No changes" in shared("plan", *PASSWORD)
