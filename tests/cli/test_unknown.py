"""What no firewall recognises is denied between its zones where that is asked, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from lxml import etree

from cli.test_drift_enforced import put, theirs
from cli.test_island import rules
from cli_support import POLL, RULES

if TYPE_CHECKING:
    from cli_support import Plant
    from support.cells import Cells
    from support.panorama import Plant as Behind

DENY = "segctl_unknown_applications: deny\nsegctl_log_forwarding: to-siem\n"
#: Ports alone, which may carry anything.
VENDOR = """\
segctl_conduits_vendor:
  vendor:
    from: supervisory
    to: control
    reason: The vendor's own protocol
    owner: process-automation
    flows:
      load: {source: [scada1], destination: [plc2], services: [tcp/9999], essential: true}
"""
PORTAL = """\
segctl_conduits_portal:
  portal:
    from: supervisory
    to: dmz
    reason: Reports for people
    owner: process-data
    flows:
      web: {source: [historian1], destination: [replica], applications: [ssl, web-browsing]}
"""
LOAD, UNKNOWN = "plant.vendor.load", "segctl.unknown"
TO_SIEM = "<entry name='to-siem'/>"
PROFILES = "/config/shared/log-settings/profiles"


def declare(plant: Plant, text: str = DENY + VENDOR) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.fixture
def denying(plant: Plant) -> Plant:
    """The plant, where each firewall denies what it does not recognise."""
    for firewall in (plant.fleet[name] for name in ("fw1", "fw2")):
        firewall.edit("set", PROFILES, TO_SIEM, commit=True)
    declare(plant)
    done = plant("apply", "--auto-approve")
    assert done.code == 0, (done.out, done.err)
    return plant


def asked(plant: Plant, target: str, application: str, expect: str) -> str:
    """Return what is told of tcp/9999 to an asset; the question has the answer expected."""
    words = ("--application", application) if application else ()
    done = plant(
        "check", "--from", "scada1", "--to", target, "--port", "9999", *words, "--expect", expect
    )
    assert done.code == 0, done.out
    return done.out


def held(plant: Plant, name: str = UNKNOWN) -> Any:
    root = etree.fromstring(plant.fleet["fw1"].running())
    (rule,) = root.iterfind(f".//security/rules/entry[@name='{name}']")
    return rule


# --- compiled ------------------------------------------------------------------------------------


def test_it_stands_after_what_may_carry_it_and_before_others(denying: Plant) -> None:
    put(denying, theirs())
    assert denying("apply", "--auto-approve").code == 0
    assert rules(denying.fleet["fw1"]) == [LOAD, UNKNOWN, "theirs", POLL]
    rule = held(denying)
    members = {
        tag: [one.text for one in rule.iterfind(f"{tag}/member")]
        for tag in ("from", "to", "application", "service", "source", "destination", "tag")
    }
    assert members == {
        "from": ["CTRL", "SUPV"],
        "to": ["CTRL", "SUPV"],
        "application": ["unknown-p2p", "unknown-tcp", "unknown-udp"],
        "service": ["any"],
        "source": ["any"],
        "destination": ["any"],
        "tag": ["segctl", "segctl-ahead"],
    }
    fields = ("action", "log-end", "log-setting", "rule-type")
    assert [rule.findtext(tag) for tag in fields] == ["drop", "yes", "to-siem", "interzone"]
    assert denying("plan", "--detailed-exitcode").code == 0


def test_without_the_key_nothing_of_it_is_there(applied: Plant) -> None:
    declare(applied, "segctl_unknown_applications: leave\n")
    assert applied("plan", "--detailed-exitcode").code == 0
    assert UNKNOWN not in rules(applied.fleet["fw1"])


def test_a_zone_alone_needs_none(plant: Plant) -> None:
    declare(plant, "segctl_unknown_applications: deny\n")
    plant.edit("host_vars/fw2.yml", "  dmz: {zone: DMZ, interfaces: [ethernet1/2]}\n", "")
    plant.edit("group_vars/plant.yml", "  replication:\n", "  replication:\n    mode: absent\n")
    done = plant("plan")
    assert done.code == 0, done.err
    first, second = done.out.split("fw2  ")
    assert UNKNOWN in first
    assert UNKNOWN not in second


def test_a_word_that_it_does_not_take_is_named_with_its_place(plant: Plant) -> None:
    declare(plant, "segctl_unknown_applications: drop\n")
    done = plant("validate")
    assert done.code == 1
    assert "group_vars/plant.yml:" in done.out + done.err
    assert "segctl_unknown_applications" in done.out + done.err


# --- judged --------------------------------------------------------------------------------------


def test_what_is_not_recognised_is_denied_but_where_a_conduit_may_carry_it(denying: Plant) -> None:
    assert "by segctl.unknown" in asked(denying, "plc1", "unknown-tcp", "deny")
    asked(denying, "plc2", "unknown-tcp", "allow")
    asked(denying, "plc2", "", "allow")
    asked(denying, "plc1", "ssl", "deny")
    modbus = ("--application", "modbus.read", "--port", "502", "--expect", "allow")
    assert denying("check", "--from", "scada1", "--to", "plc1", *modbus).code == 0


def test_a_rule_of_others_lets_pass_everything_else(denying: Plant) -> None:
    put(denying, theirs())
    assert "by theirs" in asked(denying, "plc1", "unknown-tcp", "allow")
    done = denying("apply", "--auto-approve")
    assert done.code == 0
    text = " ".join(done.out.split())
    assert "no longer permitted theirs (no conduit)" in text
    assert "unknown-p2p, unknown-tcp, unknown-udp" in text
    assert "sessions may begin" in asked(denying, "plc1", "unknown-tcp", "deny")
    asked(denying, "plc1", "ssl", "allow")
    told = denying("check", "--from", "scada1", "--to", "plc1", "--port", "9999").out
    assert "only as any but unknown-p2p, unknown-tcp, unknown-udp" in " ".join(told.split())
    asked(denying, "plc2", "unknown-tcp", "allow")


def test_prove_lint_and_drift_take_it_as_it_is_meant(denying: Plant) -> None:
    assert denying("prove").code == 0
    assert denying("prove", "--declared").code == 0
    assert denying("drift").code == 0
    assert UNKNOWN not in denying("lint", "-v").out
    put(denying, theirs(), where="bottom")
    assert UNKNOWN not in denying("lint", "-v").out


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("action", "<action>allow</action>"),
        ("application", "<application><member>unknown-udp</member></application>"),
        ("log-end", "<log-end>no</log-end>"),
        ("disabled", "<disabled>yes</disabled>"),
    ],
)
def test_a_change_of_it_by_hand_is_drift(denying: Plant, field: str, text: str) -> None:
    place = f"{RULES}/entry[@name='{UNKNOWN}']"
    way = ("set", place) if field == "disabled" else ("edit", f"{place}/{field}")
    denying.fleet["fw1"].edit(*way, text, commit=True)
    done = denying("drift")
    assert done.code == 2
    assert UNKNOWN in done.out
    assert denying("apply", "--auto-approve").code == 0
    assert denying("drift").code == 0


def test_moved_below_what_permits_it_is_moved_back(denying: Plant) -> None:
    put(denying, theirs(), where="bottom")
    assert denying("apply", "--auto-approve").code == 0
    place = f"{RULES}/entry[@name='{UNKNOWN}']"
    denying.fleet["fw1"].edit("move", place, where="bottom", commit=True)
    assert denying("drift").code == 2
    assert denying("apply", "--auto-approve").code == 0
    assert rules(denying.fleet["fw1"])[:2] == [LOAD, UNKNOWN]


def test_taken_back_the_flows_stand_where_they_stood(denying: Plant) -> None:
    put(denying, theirs())
    denying.edit("group_vars/plant.yml", "segctl_unknown_applications: deny\n", "")
    assert denying("apply", "--auto-approve").code == 0
    found = rules(denying.fleet["fw1"])
    assert found[0] == "theirs"
    assert UNKNOWN not in found
    assert sorted(found[1:]) == [POLL, LOAD]
    assert b"segctl-ahead" not in denying.fleet["fw1"].running()


def test_with_containment_it_stands_below_what_contains(denying: Plant) -> None:
    declare(denying, "segctl_containment: {survive: [polling/modbus]}\n")
    assert denying("apply", "--auto-approve").code == 0
    first, source, destination, *rest = rules(denying.fleet["fw1"])
    assert first == POLL
    assert {source, destination} == {"segctl.contained-source", "segctl.contained-destination"}
    assert rest == [LOAD, UNKNOWN]
    words = ("--for", "1h", "--reason", "a test", "--cut-essential", "--auto-approve")
    assert denying("contain", "asset", "scada1", *words).code == 0
    asked(denying, "plc2", "unknown-tcp", "deny")


# --- elsewhere -----------------------------------------------------------------------------------


def test_import_gives_it_back(denying: Plant) -> None:
    put(denying, theirs(), where="bottom")
    assert denying("apply", "--auto-approve").code == 0
    done = denying("import", "fw1", "-o", "back")
    assert done.code == 0, done.err
    assert "planning back changes nothing" in done.out
    text = (denying.folder / "back/host_vars/fw1.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["segctl_unknown_applications"] == "deny"


def test_import_gives_applications_back_that_precede_it(denying: Plant) -> None:
    declare(denying, PORTAL)
    assert denying("apply", "--auto-approve").code == 0
    done = denying("import", "fw2", "-o", "back")
    assert "planning back changes nothing" in done.out, done.out
    text = (denying.folder / "back/group_vars/plant/conduits.yml").read_text(encoding="utf-8")
    assert "applications: [ssl, web-browsing]" in text


def test_a_gateway_says_that_it_denies_more_by_itself(mixed: Cells) -> None:
    path = mixed.folder / "group_vars/all.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("segctl_unknown_applications: deny\n", encoding="utf-8")
    done = mixed("plan", "--json")
    plans = {one["name"]: one for one in done.json["devices"]}
    for name in ("gw3", "gw4"):
        assert UNKNOWN not in str(plans[name]["changes"])
        assert f"{name} has no rule for unknown applications" in str(plans[name])
    for name in ("fw1", "fw2"):
        assert UNKNOWN in str(plans[name]["changes"])
    assert mixed("apply", "--auto-approve").code == 0
    assert mixed("plan", "--detailed-exitcode").code == 0


def test_firewalls_behind_a_panorama_each_have_their_own(behind: Behind) -> None:
    behind.change(
        "        segctl_device_group: OT\n",
        "        segctl_device_group: OT\n        segctl_unknown_applications: deny\n",
    )
    behind("apply", "--auto-approve")
    pushed = {name: behind.mocks.pushed(name) for name in ("fw1", "fw2")}
    for names in pushed.values():
        first, poll, last = names
        assert first.startswith(UNKNOWN)
        assert poll.startswith("plant.poll-")
        assert last.startswith("segctl.deny")
    assert "No changes" in behind("plan")
    behind("import", "fw1")
    group = behind.mocks.folder / "imported/fw1/group_vars/plant/panorama.yml"
    assert "segctl_unknown_applications: deny" in group.read_text(encoding="utf-8")
    behind.inventory = "imported/fw1"
    assert "No changes" in behind("plan", "-e", "ansible_password=secret")


def test_in_the_post_rulebase_it_is_not_the_first_and_the_plan_warns(behind: Behind) -> None:
    group = "        segctl_device_group: OT\n"
    behind.change(group, f"{group}        segctl_unknown_applications: deny\n")
    warning = "the rule for unknown applications stands below the firewall's own rules"
    assert warning not in " ".join(behind("plan").split())
    behind.change(group, f"{group}        segctl_rulebase: post\n")
    assert warning in " ".join(behind("plan").split())


def test_lint_takes_it_as_it_is_meant_where_it_was_pushed(behind: Behind) -> None:
    group = "        segctl_device_group: OT\n"
    behind.change(group, f"{group}        segctl_unknown_applications: deny\n")
    ports = "flows: {load: {source: scada1, services: [tcp/9999]}}"
    behind.change("poll-2: {<<: *poll, to: cell-2}", f"poll-2: {{<<: *poll, to: cell-2, {ports}}}")
    behind("apply", "--auto-approve")
    assert behind.mocks.pushed("fw2")[0] == "plant.poll-2.load"
    assert UNKNOWN not in behind("lint", "-v")
