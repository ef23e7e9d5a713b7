"""Firewalls that contain by themselves: prepared by a plan, done by their log forwarding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from lxml import etree

from cli_support import VSYS
from support.pushed import Policy

if TYPE_CHECKING:
    from cli_support import Plant
    from segctl_mocks import PanosMock

CHILD = "10.20.2.77"
PROFILE = "segctl-automatic"
ON = (
    "segctl_log_forwarding: to-soc\n"
    "segctl_containment: {zones: [supervisory, control], never: [plc2], longest: 8h, "
    "on: [critical-threat, command-and-control, scan]}\n"
)
OFF = "segctl_log_forwarding: to-soc\nsegctl_containment: {longest: 8h}\n"
SOC = (
    "<entry name='to-soc'><match-list><entry name='all'><log-type>threat</log-type>"
    "<filter>(severity geq medium)</filter><send-to-panorama>no</send-to-panorama></entry>"
    "</match-list></entry>"
)
PROFILES = f"{VSYS}/log-settings/profiles"


def declare(plant: Plant, text: str = ON) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def turn_off(plant: Plant) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8").replace(ON, OFF), encoding="utf-8")


@pytest.fixture
def prepared(plant: Plant) -> Plant:
    """The plant, whose firewalls contain by themselves."""
    for name in ("fw1", "fw2"):
        plant.fleet[name].edit("set", PROFILES, SOC, commit=True)
    declare(plant)
    done = plant("apply", "--auto-approve")
    assert done.code == 0, done.err
    return plant


def profile(firewall: PanosMock) -> Any:
    root = etree.fromstring(firewall.running())
    return root.find(f".//log-settings/profiles/entry[@name='{PROFILE}']")


def settings(firewall: PanosMock) -> dict[str, str]:
    root = etree.fromstring(firewall.running())
    return {
        str(one.get("name")): one.findtext("log-setting") or ""
        for one in root.iterfind(".//security/rules/entry")
    }


def threat(firewall: PanosMock, **said: str) -> tuple[str, ...]:
    """Let a firewall log a critical threat of a host of the supervisory zone against plc1."""
    told = {
        "rule": "plant.polling.modbus", "severity": "critical", "direction": "client-to-server",
        "src": CHILD, "dst": "10.20.1.11", "from": "SUPV", "to": "CTRL", "subtype": "vulnerability",
        "thr_category": "code-execution", **said,
    }  # fmt: skip
    return firewall.threat(**told)


def held(firewall: PanosMock) -> dict[str, tuple[str, ...]]:
    return firewall.device.userid.held()


# --- prepared ------------------------------------------------------------------------------------


def test_the_profile_repeats_the_one_that_is_named_and_our_rules_log_to_it(
    prepared: Plant,
) -> None:
    for name in ("fw1", "fw2"):
        found = profile(prepared.fleet[name])
        lists = {one.get("name"): one for one in found.iterfind("match-list/entry")}
        assert lists["all"].findtext("filter") == "(severity geq medium)"
        assert "critical-threat-source-SUPV" in lists
    logs = settings(prepared.fleet["fw1"])
    assert logs.pop("segctl.contained-source") == "to-soc"
    assert logs.pop("segctl.contained-destination") == "to-soc"
    assert set(logs.values()) == {PROFILE}
    done = prepared("plan", "--detailed-exitcode")
    assert done.code == 0, done.out
    assert prepared("drift").code == 0
    assert prepared("prove").code == 0


def test_each_match_list_tags_the_attacker_for_minutes_and_never_for_ever(prepared: Plant) -> None:
    found = profile(prepared.fleet["fw1"])
    ours = [one for one in found.iterfind("match-list/entry") if one.get("name") != "all"]
    assert len(ours) == 12  # three kinds, two zones, two sides
    for one in ours:
        assert len(one.findtext("filter")) <= 1023
        (tagging,) = one.iterfind("actions/entry/type/tagging")
        side = "source" if "client-to-server" in one.findtext("filter") else "destination"
        assert tagging.findtext("target") == f"{side}-address"
        assert tagging.findtext("timeout") == "60"
        assert tagging.find("registration/localhost") is not None
        tags = [member.text for member in tagging.iterfind("tags/member")]
        assert tags == ["segctl-automatic", "segctl-contained"]


def test_the_plan_says_what_it_cannot_bound(prepared: Plant) -> None:
    done = prepared("plan")
    assert "contains by itself, for 60 min" in done.out
    assert "does not bound how many at once" in done.out


def test_a_later_change_of_the_one_that_is_repeated_is_drift(prepared: Plant) -> None:
    place = f"{PROFILES}/entry[@name='to-soc']/match-list/entry[@name='all']/filter"
    prepared.fleet["fw1"].edit("edit", place, "<filter>(severity eq high)</filter>", commit=True)
    done = prepared("drift")
    assert done.code == 2
    assert PROFILE in done.out
    assert prepared("apply", "--auto-approve").code == 0
    assert prepared("drift").code == 0


def test_a_change_of_ours_by_hand_is_drift_and_is_put_right(prepared: Plant) -> None:
    place = f"{PROFILES}/entry[@name='{PROFILE}']/match-list/entry[@name='all']"
    prepared.fleet["fw1"].edit("delete", place, commit=True)
    assert prepared("drift").code == 2
    assert prepared("apply", "--auto-approve").code == 0
    assert prepared("drift").code == 0


def test_it_goes_again_with_its_declaration(prepared: Plant) -> None:
    turn_off(prepared)
    assert prepared("apply", "--auto-approve").code == 0
    assert profile(prepared.fleet["fw1"]) is None
    assert set(settings(prepared.fleet["fw1"]).values()) == {"to-soc"}
    assert prepared("plan", "--detailed-exitcode").code == 0


def test_without_any_containment_nothing_of_it_is_left(prepared: Plant) -> None:
    path = prepared.folder / "group_vars/plant.yml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(ON, "segctl_log_forwarding: to-soc\n"), encoding="utf-8")
    done = prepared("apply", "--auto-approve")
    assert done.code == 0, done.err
    running = prepared.fleet["fw1"].running().decode()
    assert "segctl-automatic" not in running
    assert "segctl-contained" not in running


def test_without_the_profile_that_is_named_nothing_is_planned(plant: Plant) -> None:
    declare(plant)
    done = plant("plan")
    assert done.code == 1
    assert "to-soc" in done.err


def test_a_profile_that_panorama_pushed_is_repeated_too(plant: Plant) -> None:
    """A firewall that is planned itself may have the one that is named from its Panorama."""
    plant.fleet["fw2"].edit("set", PROFILES, SOC, commit=True)
    first, found = plant.fleet["fw1"], f"<log-settings><profiles>{SOC}</profiles></log-settings>"
    first.push(Policy(shared=found).answer())
    declare(plant)
    done = plant("apply", "--auto-approve")
    assert done.code == 0, done.err
    lists = {one.get("name"): one for one in profile(first).iterfind("match-list/entry")}
    assert lists["all"].findtext("filter") == "(severity geq medium)"
    assert plant("drift").code == 0
    first.push(Policy(shared=found.replace("medium", "high")).answer())
    assert plant("drift").code == 2


def test_a_filter_that_a_firewall_does_not_understand_changes_nothing(plant: Plant) -> None:
    firewall = plant.fleet["fw1"]
    odd = SOC.replace("(severity geq medium)", "(severity geq")
    with pytest.raises(Exception, match="filter"):
        firewall.edit("set", PROFILES, odd, commit=True)


# --- done ----------------------------------------------------------------------------------------


def test_the_attacker_is_contained_and_told_as_such(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    assert set(threat(first)) == {"critical-threat-source-SUPV", "all"}
    assert set(held(first)[CHILD]) == {"segctl-contained", "segctl-automatic"}
    ends = first.device.userid.registered[CHILD].values()
    assert all(one is not None for one in ends)
    done = prepared("contain", "list", "--json")
    (row,) = done.json["items"]
    assert (row["device"], row["address"], row["gap"]) == ("fw1", CHILD, "")
    assert row["words"].startswith("by the firewall itself")
    assert "is contained by the firewall itself" in prepared("plan").out
    assert prepared("plan", "--detailed-exitcode").code == 0
    assert prepared("drift").code == 0
    assert prepared("contain", "release", CHILD).code == 0
    assert held(first) == {}


def test_the_server_is_contained_where_it_attacks(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    threat(first, dst="10.20.1.99", direction="server-to-client")
    assert [*held(first)] == ["10.20.1.99"]


@pytest.mark.parametrize(
    "said",
    [
        {"severity": "high"},
        {"src": "10.20.2.20"},  # historian1 carries an essential flow, at another firewall
        {"src": "192.0.2.7"},
        {"src": "10.20.1.99"},  # of the other zone
        {"from": "CTRL"},
        {"direction": ""},
        {"dst": "10.20.1.12", "direction": "server-to-client"},  # plc2 is never contained
    ],
)
def test_who_is_never_contained(prepared: Plant, said: dict[str, str]) -> None:
    threat(prepared.fleet["fw1"], **said)
    assert held(prepared.fleet["fw1"]) == {}


def test_command_and_control_counts_by_its_category(prepared: Plant) -> None:
    threat(prepared.fleet["fw1"], severity="high", thr_category="command-and-control")
    assert [*held(prepared.fleet["fw1"])] == [CHILD]


def test_by_hand_it_is_contained_for_as_long_as_is_asked(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    threat(first)
    words = ("--for", "4h", "--reason", "looked at it", "--auto-approve", "--json")
    done = prepared("contain", "host", CHILD, *words)
    assert done.code == 0, done.out
    left = [
        ends - first.device.userid.clock()
        for ends in first.device.userid.registered[CHILD].values()
        if ends
    ]
    assert min(left) > 3 * 3600
    assert prepared("contain", "status").code == 0


def test_status_tells_of_it_too(prepared: Plant) -> None:
    threat(prepared.fleet["fw1"])
    done = prepared("contain", "status", "--json")
    assert done.code == 0
    (row,) = done.json["by_themselves"]
    assert (row["device"], row["address"]) == ("fw1", CHILD)
    jsonschema.validate(done.json, prepared("schema", "contain-status").json)
    assert f"{CHILD} is contained by the firewall itself" in prepared("contain", "status").out


# --- around it -----------------------------------------------------------------------------------


def test_a_device_that_does_so_is_imported_and_stays_as_it_is(prepared: Plant) -> None:
    assert prepared("import", "fw1", "-o", "out").code == 0
    texts = [path.read_text("utf-8") for path in (prepared.folder / "out").rglob("*.yml")]
    assert any("segctl_log_forwarding: segctl-automatic" in text for text in texts)
    done = prepared("plan", "--detailed-exitcode", "-i", "out", "-i", "mocks.yml", "-l", "fw1")
    assert done.code == 0, (done.out, done.err)


def test_a_snapshot_plans_as_the_firewall_does(prepared: Plant) -> None:
    assert prepared("snapshot", "-o", "snapshots").code == 0
    assert prepared("plan", "--detailed-exitcode", "--offline", "snapshots").code == 0
    prepared.edit("group_vars/plant.yml", "on: [critical-threat, ", "on: [")
    assert prepared("plan", "--detailed-exitcode", "--offline", "snapshots").code == 2


def test_what_is_repeated_and_gone_is_drift(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    rules = f"{VSYS}/rulebase/security/rules"
    for name in ("segctl.contained-source", "segctl.contained-destination"):
        first.edit("delete", f"{rules}/entry[@name='{name}']/log-setting", commit=True)
    defaults = f"{VSYS}/rulebase/default-security-rules/rules"
    first.edit("delete", f"{defaults}/entry[@name='interzone-default']/log-setting", commit=True)
    first.edit("delete", f"{PROFILES}/entry[@name='to-soc']", commit=True)
    done = prepared("drift")
    assert done.code == 2, done.err
    assert "so its match lists cannot be repeated" in done.out


def test_a_failed_commit_leaves_what_was_there(plant: Plant) -> None:
    firewall = plant.fleet["fw1"]
    for name in ("fw1", "fw2"):
        plant.fleet[name].edit("set", PROFILES, SOC, commit=True)
    assert plant("apply", "--auto-approve").code == 0
    before = etree.tostring(etree.fromstring(firewall.running()), method="c14n")
    declare(plant)
    firewall.fail("commit_invalid")
    assert plant("apply", "--auto-approve", "-l", "fw1").code == 1
    assert etree.tostring(etree.fromstring(firewall.running()), method="c14n") == before


def test_gateways_say_that_they_do_not() -> None:
    """Who reads a plan or a validation is told to let ``segctl watch`` do it."""
    from segctl.model.policy import DeclaredPolicy, LogProfile
    from segctl.model.site import Containment, Device
    from segctl.providers.base import provider

    declared = Containment(zones=("plant/supervisory",), on=("scan",))
    policy = DeclaredPolicy(log_profiles=[LogProfile(name=PROFILE, lists=(), signs=("scan",))])
    gateway = Device(name="gw1", platform="nftables", containment=declared)
    fitted, notes = provider(gateway.platform).fit(policy, gateway)
    assert not fitted[LogProfile]
    (note,) = [one for one in notes if "contains nobody by itself" in one.message]
    assert "segctl watch" in note.hint


def test_long_lists_of_addresses_become_several_filters() -> None:
    from segctl.model.policy import LogProfile
    from segctl.providers.panos.automatic import MAX_FILTER, match_lists

    addresses = tuple(f"10.20.{number}.1" for number in range(200))
    made = LogProfile(
        name=PROFILE, lists=(), signs=("critical-threat",), watched=(("SUPV", addresses),),
        minutes=60,
    )  # fmt: skip
    entries = [etree.fromstring(text) for text in match_lists(made, "fw1")]
    filters = [one.findtext("filter") or "" for one in entries]
    assert all(len(text) <= MAX_FILTER for text in filters)
    assert len({one.get("name") for one in entries}) == len(entries) > 2
    for side in ("src", "dst"):
        named = [
            text for text in addresses for one in filters if f"(addr.{side} in {text}/32)" in one
        ]
        assert sorted(named) == sorted(addresses)
