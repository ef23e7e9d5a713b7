"""``segctl contain``: prepared, done, verified, and told of by everything else."""

from __future__ import annotations

import time
from subprocess import PIPE, STDOUT, Popen
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli.test_drift_enforced import put, theirs
from cli_support import RULES, Plant
from support.records import logged

if TYPE_CHECKING:
    from segctl_mocks import PanosMock

DECLARED = "segctl_containment: {longest: 8h, never: [plc2]}\n"
CONTAINED = "segctl-contained"
BOTH = ("fw1", "fw2")
FOR = ("--for", "2h", "--reason", "ransom note")


@pytest.fixture
def prepared(plant: Plant) -> Plant:
    """The plant, provisioned with what containing needs."""
    declare(plant)
    assert plant("apply", "--auto-approve").code == 0
    return plant


def declare(plant: Plant, text: str = DECLARED) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def contain(plant: Plant, kind: str, name: str, *words: str, code: int = 0) -> Any:
    done = plant("contain", kind, name, *(words or FOR), "--auto-approve", "--json")
    assert done.code == code, (done.err, done.out)
    jsonschema.validate(done.json, plant("schema", "contain").json)
    return done.json


def session(number: int, source: str, target: str, port: int, rule: str = "") -> dict[str, str]:
    return {
        "idx": str(number),
        "source": source,
        "dst": target,
        "sport": str(40000 + number),
        "dport": str(port),
        "proto": "6",
        "application": "modbus-read" if port == 502 else "ssl",
        "security-rule": rule,
        "from": "SUPV",
        "to": "CTRL",
        "state": "ACTIVE",
    }


def tags(firewall: PanosMock) -> dict[str, tuple[str, ...]]:
    return firewall.device.userid.held()


def numbers(firewall: PanosMock) -> set[str]:
    return {one["idx"] for one in firewall.device.sessions}


def rules(firewall: PanosMock) -> list[str]:
    from lxml import etree

    root = etree.fromstring(firewall.running())
    return [str(one.get("name")) for one in root.iterfind(".//security/rules/entry")]


# --- prepared ------------------------------------------------------------------------------------


def test_without_a_declaration_nothing_is_prepared(applied: Plant) -> None:
    assert not [name for name in rules(applied.fleet["fw1"]) if "contained" in name]
    done = applied("contain", "asset", "scada1", *FOR, "--auto-approve")
    assert done.code == 1
    assert "declare segctl_containment" in done.err


def test_it_is_planned_above_all_others_with_the_essential_flows_on_top(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    firewall = plant.fleet["fw2"]
    firewall.edit("set", RULES, _theirs("theirs"))
    firewall.edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    before = rules(firewall)
    assert before[0] == "theirs"
    declare(plant)
    assert plant("apply", "--auto-approve").code == 0
    first, source, target, theirs, *_ = rules(firewall)
    assert first == "plant.replication.tls"
    assert (source, target) == ("segctl.contained-source", "segctl.contained-destination")
    assert theirs == "theirs"
    assert plant("plan", "--detailed-exitcode").code == 0
    assert plant("drift").code == 2  # of others' rule, as before


def test_nobody_contained_means_nothing_to_prove_check_and_lint(plant: Plant) -> None:
    assert plant("apply", "--auto-approve").code == 0
    lint = plant("lint", "--json").json
    declare(plant)
    assert plant("apply", "--auto-approve").code == 0
    assert plant("prove").code == 0
    assert plant("drift").code == 0
    asked = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
    assert plant("check", *asked, "--expect", "allow").code == 0
    assert _kinds(plant("lint", "--json").json) == _kinds(lint)
    assert plant("prove", "--declared").code == 0


def test_it_goes_again_with_its_declaration(prepared: Plant) -> None:
    path = prepared.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8").replace(DECLARED, ""), encoding="utf-8")
    assert prepared("apply", "--auto-approve").code == 0
    assert not [name for name in rules(prepared.fleet["fw1"]) if "contained" in name]
    assert "segctl-containment" not in prepared.fleet["fw1"].running().decode()


def test_a_rule_that_no_longer_denies_is_drift(prepared: Plant) -> None:
    place = f"{RULES}/entry[@name='segctl.contained-source']/action"
    prepared.fleet["fw1"].edit("edit", place, "<action>allow</action>", commit=True)
    assert prepared("drift").code == 2
    done = prepared("contain", "asset", "scada1", *FOR, "--auto-approve")
    assert done.code == 1
    assert "segctl.contained-source is not there, or does not deny" in done.out


# --- contained -----------------------------------------------------------------------------------


def test_an_asset_is_contained_everywhere_and_its_sessions_end(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    first.connect_session(**session(1, "10.20.2.5", "10.20.1.11", 502, "plant.polling.modbus"))
    first.connect_session(**session(2, "10.20.2.20", "10.20.1.11", 502, "other"))
    found = contain(prepared, "asset", "scada1")
    assert found["contained"]
    assert {one["device"] for one in found["devices"]} == set(BOTH)
    assert numbers(first) == {"2"}
    for name in BOTH:
        assert CONTAINED in tags(prepared.fleet[name])["10.20.2.5"]
    asked = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
    assert prepared("check", *asked, "--expect", "deny").code == 0
    other = ("--from", "historian1", "--to", "replica", "--application", "ssl", "--port", "8443")
    assert prepared("check", *other, "--expect", "allow").code == 0


def test_essential_flows_go_on(prepared: Plant) -> None:
    second = prepared.fleet["fw2"]
    second.connect_session(**session(1, "10.20.2.20", "10.20.35.10", 8443, "plant.replication.tls"))
    second.connect_session(**session(2, "10.20.2.20", "10.20.35.10", 8443, "an older rule"))
    second.connect_session(**session(3, "10.20.2.20", "10.20.35.10", 22, "an older rule"))
    found = contain(prepared, "asset", "historian1")
    assert [one["survives"] for one in found["flows"] if one["essential"]] == [True]
    assert numbers(second) == {"1", "2"}
    flow = ("--from", "historian1", "--to", "replica", "--application", "ssl")
    assert prepared("check", *flow, "--port", "8443", "--expect", "allow").code == 0
    assert prepared("check", *flow, "--port", "443", "--expect", "deny").code == 0


def test_plan_drift_and_prove_tell_of_it_and_nothing_differs(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1")
    done = prepared("plan", "--detailed-exitcode")
    assert done.code == 0
    assert "10.20.2.5 is contained until" in done.out
    assert "ransom note" in done.out
    drifted = prepared("drift")
    assert drifted.code == 0, drifted.out
    assert prepared("prove").code == 0


def test_segctl_threats_tells_of_it(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1")
    (prepared.folder / "seen.log").write_text(logged())
    (one,) = prepared("threats", "seen.log", "--json").json["contained"]
    assert (one["name"], one["addresses"]) == ("scada1", ["10.20.2.5"])
    assert one["firewalls"] == ["fw1", "fw2"]
    assert "Contained, by the journal" in prepared("threats", "seen.log").out


def test_an_apply_of_a_colleague_leaves_it(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1")
    prepared.edit("group_vars/plant.yml", "protocols: {modbus: [read]}", "services: [tcp/502]")
    done = prepared("apply", "--auto-approve")
    assert done.code == 0, done.err
    for name in BOTH:
        assert CONTAINED in tags(prepared.fleet[name])["10.20.2.5"]
    asked = ("--from", "scada1", "--to", "plc1", "--port", "502", "--expect", "deny")
    assert prepared("check", *asked).code == 0


def test_a_lock_of_somebody_else_does_not_matter(prepared: Plant) -> None:
    prepared.fleet["fw1"].hold_lock("config", "somebody")
    assert contain(prepared, "asset", "scada1")["contained"]


def test_the_firewall_ends_it_by_itself(prepared: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    contain(prepared, "host", "10.20.2.5", "--for", "30m", "--reason", "x")
    first = prepared.fleet["fw1"]
    ends = [ends for ends in first.device.userid.registered["10.20.2.5"].values() if ends]
    assert len(ends) == 2
    now = max(ends) + 1
    monkeypatch.setattr(first.device.userid, "clock", lambda: now)
    assert tags(first) == {}
    asked = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")
    assert prepared("check", *asked, "--expect", "allow").code == 0


def test_release_leaves_tags_of_others(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    first.register("10.20.2.5", "theirs")
    contain(prepared, "asset", "scada1")
    listed = prepared("contain", "list", "--json")
    assert {one["device"] for one in listed.json["items"]} == set(BOTH)
    assert prepared("contain", "release", "scada1", "--reason", "clean").code == 0
    assert tags(first) == {"10.20.2.5": ("theirs",)}
    assert prepared("contain", "release", "scada1").code == 1
    assert prepared("contain", "status").code == 0


def test_what_a_firewall_lost_is_a_gap_and_can_be_healed(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1", *FOR, "--until-restart")
    assert prepared("contain", "status").code == 0
    prepared.fleet["fw2"].restart()
    done = prepared("contain", "status", "--json")
    assert done.code == 1
    jsonschema.validate(done.json, prepared("schema", "contain-status").json)
    (gap,) = done.json["gaps"]
    assert (gap["device"], gap["address"]) == ("fw2", "10.20.2.5")
    assert prepared("contain", "status", "--heal").code == 0
    held = prepared.fleet["fw2"].device.userid.registered["10.20.2.5"]
    assert all(ends is not None for ends in held.values())
    assert prepared("contain", "status").code == 0


def test_a_rule_of_others_that_came_to_stand_above_is_a_gap(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1")
    put(prepared, theirs())
    done = prepared("contain", "status", "--json")
    assert done.code == 1
    (gap,) = done.json["gaps"]
    assert (gap["device"], gap["address"]) == ("fw1", "10.20.2.5")
    assert "theirs may still permit it, from SUPV to CTRL" in gap["gap"]
    assert prepared("apply", "--auto-approve").code == 0  # which moves what contains above it
    assert prepared("contain", "status").code == 0


def test_whom_every_firewall_lost_can_be_let_go(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1", *FOR, "--until-restart")
    for name in BOTH:
        prepared.fleet[name].restart()
    assert prepared("contain", "status").code == 1
    assert prepared("contain", "release", "scada1", "--reason", "clean").code == 0
    assert prepared("contain", "status", "--heal").code == 0
    assert not any("segctl" in str(tags(prepared.fleet[name])) for name in BOTH)
    assert prepared("contain", "release", "scada1", "--reason", "again").code == 1


# --- not contained -------------------------------------------------------------------------------


def watching(plant: Plant, *words: str) -> Popen[str]:
    """Begin to watch, and wait for the first look."""
    process = Popen(
        plant.command("contain", "watch", "--every", "1s", *words),
        cwd=plant.folder,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
    )
    assert process.stdout is not None
    if not process.stdout.readline().startswith("scada1 until"):
        process.kill()
        raise AssertionError(process.stdout.read())
    return process


def test_who_watches_is_told_of_a_gap_and_ends(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1", *FOR, "--until-restart")
    process = watching(prepared)
    try:
        prepared.fleet["fw2"].restart()
        text, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "fw2: 10.20.2.5 is not registered" in text
    assert "the firewall has lost it since 20" in text


def test_who_watches_and_heals_goes_on_until_nobody_is_contained(prepared: Plant) -> None:
    contain(prepared, "asset", "scada1", *FOR, "--until-restart")
    process = watching(prepared, "--heal")
    try:
        userid = prepared.fleet["fw2"].device.userid
        prepared.fleet["fw2"].restart()
        until = time.monotonic() + 120
        while "10.20.2.5" not in userid.registered and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.1)
            userid = prepared.fleet["fw2"].device.userid
        assert prepared("contain", "release", "scada1").code == 0
        text, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "No containment on record holds." in text


def test_nobody_to_watch_is_the_end_of_it(prepared: Plant) -> None:
    done = prepared("contain", "watch", "--json")
    assert done.code == 0
    jsonschema.validate(done.json, prepared("schema", "contain-status").json)
    assert prepared("contain", "watch", "--every", "0s").code == 1


def test_success_that_registers_nothing_is_not_contained(prepared: Plant) -> None:
    prepared.fleet["fw1"].device.userid.deaf = True
    found = contain(prepared, "asset", "scada1", code=1)
    first, second = found["devices"]
    assert "10.20.2.5 is not registered, whatever it answered" in first["open"]
    assert second["contained"]
    assert not found["contained"]


def test_a_tag_that_does_not_enter_the_group_is_not_contained(prepared: Plant) -> None:
    prepared.fleet["fw1"].device.userid.late = frozenset()
    found = contain(prepared, "asset", "scada1", code=1)
    assert any("not in the group" in text for text in found["devices"][0]["open"])


def test_a_full_table_is_told_before(prepared: Plant) -> None:
    first = prepared.fleet["fw1"]
    for number in range(1000):
        first.register(f"10.99.{number // 250}.{number % 250}", "theirs")
    first.device.userid.room = 1000
    found = contain(prepared, "asset", "scada1", code=1)
    assert "registered ip table is full" in " ".join(found["devices"][0]["open"])
    for number in range(2):
        del first.device.userid.registered[f"10.99.0.{number}"]
    found = contain(prepared, "zone", "supervisory", code=0)
    assert found["contained"]


def test_a_firewall_that_is_down_is_a_gap_and_the_rest_is_contained(prepared: Plant) -> None:
    prepared.fleet["fw1"].stop()
    found = contain(prepared, "asset", "scada1", code=1)
    by_name = {one["device"]: one for one in found["devices"]}
    assert by_name["fw2"]["contained"]
    assert not by_name["fw1"]["contained"]


def test_a_firewall_that_is_not_selected_is_a_gap_and_nobody_asks_it(prepared: Plant) -> None:
    second = prepared.fleet["fw2"]
    asked = second.requests
    found = contain(prepared, "asset", "scada1", *FOR, "-l", "fw1", code=1)
    by_name = {one["device"]: one for one in found["devices"]}
    assert by_name["fw1"]["contained"]
    assert by_name["fw2"]["open"] == ["-l does not select it"]
    (gap,) = prepared("contain", "status", "--json", "-l", "fw1").json["gaps"]
    assert (gap["device"], gap["gap"]) == ("fw2", "-l does not select it")
    listed = prepared("contain", "list", "--json", "-l", "fw1").json["items"]
    assert {one["device"] for one in listed} == {"fw1"}
    done = prepared("contain", "release", "scada1", "--reason", "clean", "-l", "fw1")
    assert (done.code, done.out) == (1, "fw2: -l does not select it\n")
    assert second.requests == asked


def test_a_permit_of_others_above_ours_leaves_it_open(prepared: Plant) -> None:
    firewall = prepared.fleet["fw1"]
    firewall.edit("set", RULES, _theirs("theirs"))
    firewall.edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    found = contain(prepared, "asset", "scada1", code=1)
    assert any("theirs may still permit it" in text for text in found["devices"][0]["open"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("host", "192.0.2.7", *FOR), "is in no zone"),
        (("asset", "nobody", *FOR), "is not a zone, asset or address"),
        (("host", "scada1", *FOR), "write segctl contain asset scada1"),
        (("asset", "supervisory", *FOR), "write segctl contain zone supervisory"),
        (("asset", "plc2", *FOR), "must never be contained"),
        (("asset", "scada1", "--for", "9h", "--reason", "x"), "longer than the inventory allows"),
        (("asset", "scada1", "--for", "0s", "--reason", "x"), "--for must be from"),
        (("asset", "scada1", "--for", "2h", "--reason", " "), "say why with --reason"),
    ],
)
def test_what_is_not_asked_for_rightly_is_refused(
    prepared: Plant, words: tuple[str, ...], said: str
) -> None:
    with prepared.untouched():
        done = prepared("contain", *words, "--auto-approve")
    assert done.code == 1
    assert said in done.err


def test_essential_flows_that_would_be_cut_need_to_be_meant(plant: Plant) -> None:
    declare(plant, "segctl_containment: {survive: []}\n")
    assert plant("apply", "--auto-approve").code == 0
    done = plant("contain", "asset", "historian1", *FOR, "--auto-approve")
    assert done.code == 1
    assert "plant.replication.tls" in done.err
    found = contain(plant, "asset", "historian1", *FOR, "--cut-essential")
    assert found["contained"]


def test_a_zone_that_is_the_whole_plant_is_refused(plant: Plant) -> None:
    text = DECLARED + "segctl_zones_all: {all: {networks: [10.20.0.0/16]}}\n"
    declare(plant, text)
    plant.edit("host_vars/fw1.yml", "segctl_zone_map:\n", "segctl_zone_map:\n  all: {zone: ALL}\n")
    done = plant("contain", "zone", "all", *FOR, "--auto-approve")
    assert done.code == 1
    assert "is the whole plant" in done.err


def test_it_is_on_record_before_it_begins(prepared: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGCTL_JOURNAL", str(prepared.folder))  # a folder cannot be written to
    with prepared.untouched():
        assert prepared("contain", "asset", "scada1", *FOR, "--auto-approve").code == 1


def _theirs(name: str) -> str:
    said = dict.fromkeys(("from", "to", "source", "destination", "application", "service"), "any")
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in said.items())
    return f"<entry name='{name}'>{text}<action>allow</action></entry>"


def _kinds(document: Any) -> list[str]:
    return sorted(
        one["kind"] for device in document["devices"] for one in device.get("findings", ())
    )
