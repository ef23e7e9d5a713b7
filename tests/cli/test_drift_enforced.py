"""Drift is judged from what a device enforces, whatever a plan would say or refuse to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, VSYS

if TYPE_CHECKING:
    from cli_support import Plant

ADDRESS = f"{VSYS}/address"
SCADA, PLC = "plant.supervisory.scada1", "plant.control.plc1"
DEFAULTS = f"{VSYS}/rulebase/default-security-rules/rules"


def members(*names: str) -> str:
    return "".join(f"<member>{name}</member>" for name in names)


def theirs(name: str = "theirs", action: str = "allow", **fields: str) -> str:
    """Return a rule of others from SUPV to CTRL that holds for everything but for `fields`."""
    said = {
        "from": "SUPV",
        "to": "CTRL",
        "source": "any",
        "destination": "any",
        "application": "any",
        "service": "any",
        **fields,
    }
    inside = "".join(
        f"<{tag}>{members(*text.split())}</{tag}>"
        for tag, text in said.items()
        if tag not in {"disabled", "description"}
    )
    if "disabled" in said:
        inside += f"<disabled>{said['disabled']}</disabled>"
    if "description" in said:
        inside += f"<description>{said['description']}</description>"
    return f'<entry name="{name}">{inside}<action>{action}</action></entry>'


def put(plant: Plant, rule: str, where: str = "top", admin: str = "jane") -> None:
    fw1 = plant.fleet["fw1"]
    name = rule.partition('name="')[2].partition('"')[0]
    fw1.edit("set", RULES, rule, admin=admin, commit=where == "bottom")
    if where != "bottom":
        fw1.edit("move", f"{RULES}/entry[@name='{name}']", where=where, admin=admin, commit=True)


def drift(plant: Plant, *words: str) -> Any:
    """Return what drift says of the first firewall; its document holds to its schema."""
    done = plant("drift", "--json", *words)
    jsonschema.validate(done.json, plant("schema", "drift").json)
    return done.code, done.json["devices"][0]


def items(device: Any) -> dict[tuple[str, str], Any]:
    found = {(one["kind"], one["name"]): one for one in device["items"]}
    assert len(found) == len(device["items"])  # nothing is told twice
    return found


# --- rules of others -----------------------------------------------------------------------------


@pytest.mark.parametrize(("service", "code"), [("application-default", 0), ("any", 2)])
def test_a_rule_within_a_conduit_is_no_drift(applied: Plant, service: str, code: int) -> None:
    put(
        applied,
        theirs(source=SCADA, destination=PLC, application="modbus-base", service=service),
    )
    found, device = drift(applied)
    assert found == code
    assert [one["name"] for one in device["items"]] == ["theirs"] * (code == 2)


def test_a_rule_that_permits_everything_on_top_of_our_block_is_open(applied: Plant) -> None:
    applied.edit("host_vars/fw1.yml", "segctl_zone_map", "segctl_position: first\nsegctl_zone_map")
    assert applied("apply", "--auto-approve").code == 0
    put(applied, theirs())
    code, device = drift(applied)
    assert code == 2
    found = items(device)["rule", "theirs"]
    assert (found["state"], found["changed_by"]["admin"]) == ("hole", "jane")
    assert found["example"] == "SUPV → CTRL: 10.20.2.5 → 10.20.1.11 tcp/1"
    assert [one["subject"] for one in device["holes"]] == ["theirs"]
    text = applied("drift").out
    assert "! open: rule 'theirs' of others stands above our block and permits any" in text
    assert "for example SUPV → CTRL: 10.20.2.5" in text
    assert "no longer match" not in text


def test_a_rule_below_our_block_that_nothing_closes_is_open(applied: Plant) -> None:
    put(applied, theirs(), where="bottom")
    code, device = drift(applied)
    assert code == 2
    assert items(device)["rule", "theirs"]["state"] == "hole"
    assert "stands below our block and permits any" in applied("drift").out


def test_a_rule_below_a_block_that_ends_in_a_denial_is_shut(applied: Plant) -> None:
    applied.edit("host_vars/fw1.yml", "segctl_zone_map", "segctl_position: first\nsegctl_zone_map")
    put(applied, theirs(), where="bottom")
    assert applied("apply", "--auto-approve").code == 0
    code, device = drift(applied)
    assert (code, device["items"]) == (0, [])
    # and open as soon as the denial is gone
    fw1 = applied.fleet["fw1"]
    fw1.edit("delete", f"{RULES}/entry[@name='segctl.deny']", commit=True)
    code, device = drift(applied)
    assert code == 2
    assert items(device)["rule", "theirs"]["state"] == "hole"


def test_a_rule_inside_our_block_is_judged(applied: Plant) -> None:
    applied.edit(
        "group_vars/plant.yml",
        "        protocols: {modbus: [read]}\n",
        "        protocols: {modbus: [read]}\n      time: {source: [scada1], destination: [plc1], "
        "applications: [ntp-base]}\n",
    )
    assert applied("apply", "--auto-approve").code == 0
    fw1 = applied.fleet["fw1"]
    put(applied, theirs())
    fw1.edit(
        "move",
        f"{RULES}/entry[@name='theirs']",
        where="before",
        dst="plant.polling.time",
        commit=True,
    )
    code, device = drift(applied)
    assert code == 2
    assert items(device)["rule", "theirs"]["state"] == "hole"
    assert "stands inside our block" in device["holes"][0]["message"]


def test_a_disabled_rule_opens_nothing(applied: Plant) -> None:
    put(applied, theirs(disabled="yes"))
    code, device = drift(applied)
    assert (code, device["items"]) == (0, [])


def test_a_rule_that_denies_what_is_declared_blocks(applied: Plant) -> None:
    put(applied, theirs("stop", action="deny", destination="10.20.1.12"))
    code, device = drift(applied)
    assert code == 2
    found = items(device)["rule", "stop"]
    assert (found["state"], found["changed_by"]["admin"]) == ("blocked", "jane")
    assert found["example"].startswith("SUPV → CTRL: 10.20.2.5 → 10.20.1.12 tcp/502 modbus-")
    assert "! blocked: rule 'stop' of others" in applied("drift").out
    assert "denies traffic of plant.polling" in applied("drift").out or device["blocked"]


def test_a_denial_of_what_is_not_declared_blocks_nothing(applied: Plant) -> None:
    put(applied, theirs("stop", action="deny", destination="10.20.1.99"))
    code, device = drift(applied)
    assert (code, device["items"]) == (0, [])


def test_an_example_of_a_rule_with_a_schedule_says_when(applied: Plant) -> None:
    hours = "<recurring><daily><member>20:00-23:59</member></daily></recurring>"
    night = f"<entry name='night'><schedule-type>{hours}</schedule-type></entry>"
    applied.fleet["fw1"].edit("set", f"{VSYS}/schedule", night, admin="jane")
    rule = theirs("stop", action="deny")
    put(applied, rule.replace("<action>", "<schedule>night</schedule><action>"))
    found = items(drift(applied)[1])["rule", "stop"]
    assert found["state"] == "blocked"
    assert found["example"].endswith(" at Mon 20:00")


# --- what cannot be told -------------------------------------------------------------------------


def test_a_rule_that_is_not_there_is_missing_and_no_more(plant: Plant) -> None:
    put(plant, theirs(source="CN"), where="bottom")
    _, device = drift(plant)
    told = {(one["kind"], one["subject"]) for one in device["findings"]}
    assert ("cannot_tell", "theirs") in told
    assert ("cannot_tell", POLL) not in told


def in_region(plant: Plant) -> None:
    put(
        plant,
        theirs(
            source=f"{SCADA} CN",
            destination=PLC,
            application="modbus-base",
            service="application-default",
        ),
    )


def test_a_rule_of_which_it_cannot_be_told_is_an_error_until_it_is_accepted(
    applied: Plant,
) -> None:
    in_region(applied)
    done = applied("drift", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "cannot_tell"
    assert "theirs" in done.json["error"]["message"]
    assert done.json["in_sync"] is False
    found = items(done.json["devices"][0])["rule", "theirs"]
    assert (found["state"], found["changed_by"]["admin"]) == ("cannot_tell", "jane")
    assert "CN is known to the device only" in applied("drift").out

    words = ("--write-baseline", "known.yml", "--owner", "it-ops", "--expires", "2999-01-31")
    assert applied("drift", *words).code == 1
    code, device = drift(applied, "--baseline", "known.yml")
    assert (code, device["status"]) == (0, "in_sync")
    assert [one["name"] for one in device["accepted"]] == ["theirs"]

    # it is accepted as it was, not as somebody makes it
    applied.fleet["fw1"].edit(
        "edit",
        f"{RULES}/entry[@name='theirs']/source",
        f"<source>{members(SCADA, 'US')}</source>",
        commit=True,
    )
    code, device = drift(applied, "--baseline", "known.yml")
    assert code == 1
    assert "differs from what it-ops accepted" in applied("drift", "--baseline", "known.yml").out


def test_what_cannot_be_told_is_not_accepted_whatever_it_may_become(applied: Plant) -> None:
    in_region(applied)
    (applied.folder / "known.yml").write_text(
        "- {device: fw1, kind: rule, name: theirs, owner: ops, expires: 2999-01-01}\n",
        encoding="utf-8",
    )
    done = applied("drift", "--baseline", "known.yml")
    assert done.code == 1
    (fingerprint,) = [one["fingerprint"] for one in drift(applied, "--no-history")[1]["items"]]
    assert "accepted it without its fingerprint — what cannot be told" in done.out
    assert fingerprint in done.out


def test_what_a_rule_names_is_part_of_what_is_accepted(applied: Plant) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit("set", ADDRESS, '<entry name="host"><fqdn>a.example</fqdn></entry>', commit=True)
    put(applied, theirs(source="host"))
    marks: list[str] = []
    for name in ("a.example", "b.example"):
        fw1.edit("edit", f"{ADDRESS}/entry[@name='host']/fqdn", f"<fqdn>{name}</fqdn>", commit=True)
        code, device = drift(applied)
        assert code == 1
        marks.append(items(device)["rule", "theirs"]["fingerprint"])
    assert len(set(marks)) == 2


def test_a_rule_that_is_open_and_uncertain_is_open(applied: Plant) -> None:
    put(applied, theirs(source="CN 10.20.2.77"))
    code, device = drift(applied)
    assert code == 2
    found = items(device)["rule", "theirs"]
    assert found["states"] == ["hole"]
    assert "10.20.2.77" in found["example"]


# --- our own rules, objects and zones ------------------------------------------------------------


def test_what_an_edit_of_ours_opens_is_told_beside_it(applied: Plant) -> None:
    applied.by_hand()
    code, device = drift(applied)
    assert code == 2
    found = items(device)["rule", POLL]
    assert (found["state"], found["states"]) == ("changed", ["changed", "hole"])
    assert found["example"].startswith("SUPV → CTRL: 10.20.2.5 → 10.20.1.11")
    assert [one["subject"] for one in device["holes"]] == [POLL]
    assert f"! open: rule '{POLL}' permits more than is declared" in applied("drift").out


def test_a_disabled_rule_of_ours_blocks(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "set", f"{RULES}/entry[@name='{POLL}']", "<disabled>yes</disabled>", commit=True
    )
    code, device = drift(applied)
    assert code == 2
    found = items(device)["rule", POLL]
    assert found["states"] == ["changed", "blocked"]
    assert "10.20.2.5 → 10.20.1.11 tcp/502" in found["example"]


def test_an_edit_of_an_object_names_nobody_for_the_rule_that_it_opens(applied: Plant) -> None:
    applied.fleet["fw1"].edit(
        "edit",
        f"{ADDRESS}/entry[@name='{SCADA}']/ip-netmask",
        "<ip-netmask>10.20.2.0/24</ip-netmask>",
        admin="ben",
        commit=True,
    )
    code, device = drift(applied)
    assert code == 2
    found = items(device)
    assert found["address", SCADA]["changed_by"]["admin"] == "ben"
    assert found["rule", POLL]["states"] == ["hole"]
    assert found["rule", POLL]["changed_by"] is None


@pytest.mark.parametrize("what", ["default_rules", "other"])
def test_a_default_rule_that_allows_is_open(applied: Plant, what: str) -> None:
    if what == "default_rules":
        applied.edit(
            "host_vars/fw1.yml", "segctl_zone_map", "segctl_default_rules: leave\nsegctl_zone_map"
        )
    applied.fleet["fw1"].edit(
        "set",
        DEFAULTS,
        '<entry name="interzone-default"><action>allow</action></entry>',
        commit=True,
    )
    code, device = drift(applied)
    assert code == 2
    found = items(device)["default-rule", "interzone-default"]
    assert "hole" in found["states"]
    assert found["example"]
    assert "! open: the default rule interzone-default permits more" in applied("drift").out


def test_a_mark_that_is_gone_ends_no_check(applied: Plant) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit("delete", f"{ADDRESS}/entry[@name='{SCADA}']/tag", commit=True)
    put(applied, theirs())
    assert applied("plan").code == 1
    code, device = drift(applied)
    assert code == 2
    found = items(device)
    assert found["address", SCADA]["state"] == "error"
    assert found["rule", "theirs"]["state"] == "hole"
    assert not device["missing"]


def test_a_mark_that_is_gone_from_a_rule_ends_no_check(applied: Plant) -> None:
    applied.fleet["fw1"].edit("delete", f"{RULES}/entry[@name='{POLL}']/tag", commit=True)
    code, device = drift(applied)
    assert code == 2
    assert ("rule", POLL) in items(device)
    assert not device["missing"]


def test_a_position_that_is_not_there_ends_no_check(applied: Plant) -> None:
    applied.edit(
        "host_vars/fw1.yml",
        "segctl_zone_map",
        "segctl_position: {after: gone}\nsegctl_zone_map",
    )
    assert applied("plan").code == 1
    code, device = drift(applied)
    assert code == 2
    assert [one["kind"] for one in device["errors"]] == ["refused"]
    put(applied, theirs())
    code, device = drift(applied)
    assert code == 2
    assert items(device)["rule", "theirs"]["state"] == "hole"
    assert "the device has no such rule of others" in applied("drift").out


@pytest.mark.parametrize("found", [["ethernet1/2", "ethernet1/9"], []])
def test_a_zone_with_other_interfaces_is_never_in_sync(applied: Plant, found: list[str]) -> None:
    fw1 = applied.fleet["fw1"]
    fw1.edit(
        "set",
        "/config/devices/entry[@name='localhost.localdomain']/network/interface/ethernet",
        '<entry name="ethernet1/9"><layer3/></entry>',
    )
    fw1.edit("set", f"{VSYS}/import/network/interface", members("ethernet1/9"))
    fw1.edit(
        "edit",
        f"{VSYS}/zone/entry[@name='CTRL']/network/layer3",
        f"<layer3>{members(*found)}</layer3>",
        commit=True,
    )
    code, device = drift(applied, "--metrics", "m.prom")
    assert (code, device["status"]) == (2, "drift")
    assert "zone CTRL is bound to" in device["errors"][0]["message"]
    metrics = (applied.folder / "m.prom").read_text(encoding="utf-8")
    assert 'segctl_in_sync{device="fw1",environment="plant"} 0.0' in metrics
    assert 'segctl_drift_items{device="fw1",environment="plant",kind="error"} 1.0' in metrics
    assert "0 in sync" in applied("drift", "-l", "fw1").out


# --- plans ---------------------------------------------------------------------------------------


def told_of(plant: Plant) -> set[tuple[str, str]]:
    findings = plant("plan", "--json").json["devices"][0]["findings"]
    return {(one["kind"], one["subject"]) for one in findings}


def test_a_plan_tells_of_rules_of_others_by_the_same_judgement(applied: Plant) -> None:
    in_region(applied)
    assert ("cannot_tell", "theirs") in told_of(applied)
    applied.fleet["fw1"].edit(
        "set",
        DEFAULTS,
        '<entry name="interzone-default"><action>allow</action></entry>',
        commit=True,
    )
    assert ("hole", "interzone-default") not in told_of(applied)  # apply sets it right
    applied.edit(
        "host_vars/fw1.yml", "segctl_zone_map", "segctl_default_rules: leave\nsegctl_zone_map"
    )
    found = told_of(applied)
    assert ("hole", "interzone-default") in found
    assert ("cannot_tell", "theirs") not in found  # what it may permit passes anyway
