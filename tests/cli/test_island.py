"""``segctl island``: prepared, cut off, verified, told of by everything else, and joined again."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli.test_evidence import finding
from cli.test_replay import TLS
from cli_support import RULES, USER, Plant
from segctl.planning.documents import schema
from support.records import logged

if TYPE_CHECKING:
    from segctl_mocks import PanosMock

#: supervisory (2) ── fw1 ── control (1), supervisory ── fw2 ── dmz (3.5); replication is essential
DECLARED = """\
segctl_containment:
  longest: 8h
  islands: {zones: [supervisory, control], sites: [plant], longest: 3d}
"""
BOTH = ("fw1", "fw2")
FOR = ("--for", "2h", "--reason", "ransom note")
TAG = "segctl-island.plant.supervisory"
EXPORT = """\
segctl_conduits_export:
  export:
    from: supervisory
    to: dmz
    reason: Reports
    owner: process-data
    flows:
      tls: {applications: [ssl], services: [tcp/9443]}
"""
#: A flow that ends, one that goes on, and two that are none of the island's business.
CUT = ("--from", "scada1", "--to", "replica", "--application", "ssl", "--port", "9443")
KEPT = ("--from", "historian1", "--to", "replica", "--application", "ssl", "--port", "8443")
BELOW = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--port", "502")


@pytest.fixture
def prepared(plant: Plant) -> Plant:
    """The plant, provisioned with islands, and with a conduit that is not essential."""
    declare(plant)
    assert plant("apply", "--auto-approve").code == 0
    return plant


def declare(plant: Plant, text: str = DECLARED + EXPORT) -> None:
    path = plant.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def begin(plant: Plant, name: str, *words: str, code: int = 0) -> Any:
    done = plant("island", "begin", name, *(words or FOR), "--auto-approve", "--json")
    assert done.code == code, (done.err, done.out)
    jsonschema.validate(done.json, plant("schema", "island-begin").json)
    return done.json


def session(number: int, source: str, target: str, port: int, rule: str = "") -> dict[str, str]:
    return {
        "idx": str(number),
        "source": source,
        "dst": target,
        "sport": str(40000 + number),
        "dport": str(port),
        "proto": "6",
        "application": "ssl",
        "security-rule": rule,
        "from": "SUPV",
        "to": "DMZ",
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


def test_it_is_planned_below_what_goes_on_and_denies_nobody(prepared: Plant) -> None:
    names = rules(prepared.fleet["fw2"])
    island = [name for name in names if "island" in name]
    assert names[0] == "plant.replication.tls"
    assert names[3 : 3 + len(island)] == island
    assert island == [
        f"segctl.island-{way}.plant{zone}"
        for zone in ("", ".control", ".supervisory")
        for way in ("out", "in")
    ]
    for flow in (CUT, KEPT, BELOW):
        assert prepared("check", *flow, "--expect", "allow").code == 0
    assert prepared("plan", "--detailed-exitcode").code == 0
    assert prepared("drift").code == 0
    assert prepared("prove").code == 0
    assert prepared("prove", "--declared").code == 0


def test_without_a_declaration_it_says_what_to_declare(applied: Plant) -> None:
    done = applied("island", "begin", "control", *FOR, "--auto-approve")
    assert done.code == 1
    assert "control is not prepared as an island anywhere" in done.err
    assert "segctl_containment.islands" in done.err


def test_it_goes_again_with_its_declaration(prepared: Plant) -> None:
    path = prepared.folder / "group_vars/plant.yml"
    path.write_text(path.read_text(encoding="utf-8").replace(DECLARED, ""), encoding="utf-8")
    assert prepared("apply", "--auto-approve", "--allow-mass-delete").code == 0
    assert b"island" not in prepared.fleet["fw1"].running()


# --- cut off -------------------------------------------------------------------------------------


def test_a_zone_is_cut_from_what_is_above_and_from_nothing_else(prepared: Plant) -> None:
    second, first = prepared.fleet["fw2"], prepared.fleet["fw1"]
    second.connect_session(**session(1, "10.20.2.5", "10.20.35.10", 9443, "plant.export.tls"))
    second.connect_session(**session(2, "10.20.2.20", "10.20.35.10", 8443, "plant.replication.tls"))
    second.connect_session(**session(3, "10.20.35.10", "10.20.2.5", 22, "other"))
    second.connect_session(**session(4, "10.20.2.5", "198.51.100.7", 443, "other"))
    first.connect_session(**session(5, "10.20.2.5", "10.20.1.11", 502, "plant.polling.modbus"))
    found = begin(prepared, "supervisory")
    assert found["island"]
    assert found["above"] == ["plant/dmz"]
    assert found["addresses"] == ["10.20.2.0/24"]
    assert [(one["flow"], one["essential"], one["survives"]) for one in found["flows"]] == [
        ("tls", True, True),
        ("tls", False, False),
    ]
    assert numbers(second) == {"2", "4"}
    assert numbers(first) == {"5"}
    for name in BOTH:
        assert TAG in tags(prepared.fleet[name])["10.20.2.0/24"]
    assert prepared("check", *CUT, "--expect", "deny").code == 0
    for flow in (KEPT, BELOW):
        assert prepared("check", *flow, "--expect", "allow").code == 0


def decided(firewall: PanosMock, pair: tuple[str, str], zones: tuple[str, str], port: int) -> str:
    """The rule by which the firewall itself decides."""
    from lxml import etree

    fields = {"from": zones[0], "to": zones[1], "source": pair[0], "destination": pair[1]}
    fields |= {"protocol": "6", "destination-port": str(port), "application": "ssl"}
    inside = "".join(f"<{tag}>{text}</{tag}>" for tag, text in fields.items())
    cmd = f"<test><security-policy-match>{inside}</security-policy-match></test>"
    answer = firewall.handle({"type": "op", "cmd": cmd, "key": firewall.key(USER)})
    entry = etree.fromstring(answer.content()).find("result/rules/entry")
    return "" if entry is None else str(entry.get("name"))


def test_the_firewall_itself_decides_otherwise_between_island_and_above_only(
    prepared: Plant,
) -> None:
    firewall = prepared.fleet["fw2"]
    every = "".join(
        f"<{tag}><member>any</member></{tag}>"
        for tag in ("from", "to", "source", "destination", "service", "application")
    )
    theirs = f"<entry name='theirs'>{every}<action>allow</action></entry>"
    firewall.edit("set", RULES, theirs, commit=True)  # below ours
    inside, above = ("10.20.2.5", "10.20.2.20", "10.20.2.254"), ("10.20.35.10", "10.20.35.77")
    other = ("10.20.1.11", "198.51.100.7", "10.20.3.1", "10.20.36.1")
    asked = [
        ((source, target), zones, port)
        for source in (*inside, *above, *other)
        for target in (*inside, *above, *other)
        for zones in (("SUPV", "DMZ"), ("DMZ", "SUPV"), ("SUPV", "SUPV"))
        for port in (8443, 22)
    ]
    before = {one: decided(firewall, *one) for one in asked}
    begin(prepared, "supervisory")
    for one in asked:
        pair = one[0]
        crosses = any(a in inside and b in above for a, b in (pair, pair[::-1]))
        kept = "plant.replication.tls"
        if crosses and before[one] != kept:
            assert decided(firewall, *one).startswith("segctl.island-"), one
        else:
            assert decided(firewall, *one) == before[one], one
    assert "plant.replication.tls" in before.values()


def test_a_site_is_cut_from_its_dmz(prepared: Plant) -> None:
    found = begin(prepared, "plant")
    assert found["above"] == ["plant/dmz"]
    assert found["addresses"] == ["10.20.1.0/24", "10.20.2.0/24"]
    assert {one["device"] for one in found["devices"]} == {"fw2"}
    assert prepared("check", *CUT, "--expect", "deny").code == 0
    for flow in (KEPT, BELOW):
        assert prepared("check", *flow, "--expect", "allow").code == 0


def test_everything_tells_of_it_and_nothing_differs(prepared: Plant) -> None:
    begin(prepared, "supervisory")
    done = prepared("plan", "--detailed-exitcode")
    assert done.code == 0
    assert "plant.supervisory is an island until" in done.out
    assert "ransom note" in done.out
    assert prepared("drift").code == 0
    assert prepared("prove").code == 0
    listed = prepared("island", "list", "--json").json
    jsonschema.validate(listed, prepared("schema", "island-list").json)
    assert {(one["device"], one["island"]) for one in listed["items"]} == {
        (name, "plant.supervisory") for name in BOTH
    }
    stands = prepared("island", "status", "--json")
    assert stands.code == 0
    jsonschema.validate(stands.json, prepared("schema", "island-status").json)
    assert [one["name"] for one in stands.json["islands"]] == ["supervisory"]
    assert prepared("contain", "list", "--json").json["items"] == []
    assert prepared("contain", "status", "--json").json["containments"] == []


def test_the_way_back_leaves_everything_as_it_was(prepared: Plant) -> None:
    before = {name: prepared.fleet[name].running() for name in BOTH}
    held = {name: tags(prepared.fleet[name]) for name in BOTH}
    begin(prepared, "supervisory")
    assert {name: prepared.fleet[name].running() for name in BOTH} == before
    done = prepared("island", "end", "supervisory", "--reason", "all clear", "--json")
    assert done.code == 0, done.out
    jsonschema.validate(done.json, prepared("schema", "island-end").json)
    assert {name: prepared.fleet[name].running() for name in BOTH} == before
    assert {name: tags(prepared.fleet[name]) for name in BOTH} == held
    assert prepared("check", *CUT, "--expect", "allow").code == 0
    assert prepared("island", "status", "--json").json == {
        "format_version": "1.0",
        "islands": [],
        "gaps": [],
    }
    again = prepared("island", "end", "supervisory")
    assert again.code == 1
    assert "an island on no firewall" in again.err


def test_an_apply_meanwhile_leaves_it_as_it_is(prepared: Plant) -> None:
    begin(prepared, "supervisory")
    file = prepared.folder / "group_vars/plant.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("tcp/9443", "tcp/9444"), encoding="utf-8")
    assert prepared("apply", "--auto-approve").code == 0
    assert prepared("island", "status").code == 0
    changed = (*CUT[:-1], "9444")
    assert prepared("check", *changed, "--expect", "deny").code == 0
    assert prepared("island", "end", "supervisory").code == 0
    assert prepared("check", *changed, "--expect", "allow").code == 0


def test_who_is_contained_and_an_island_do_not_hinder_each_other(prepared: Plant) -> None:
    begin(prepared, "supervisory")
    words = ("contain", "zone", "supervisory", "--for", "1h", "--reason", "worm", "--auto-approve")
    assert prepared(*words).code == 0
    assert set(tags(prepared.fleet["fw2"])["10.20.2.0/24"]) >= {TAG, "segctl-contained"}
    assert prepared("island", "end", "supervisory").code == 0
    held = tags(prepared.fleet["fw2"])["10.20.2.0/24"]
    assert "segctl-contained" in held
    assert not [tag for tag in held if "island" in tag]
    assert prepared("contain", "status").code == 0
    assert prepared("contain", "release", "supervisory").code == 0
    assert tags(prepared.fleet["fw2"]) == {}


def test_it_ends_by_itself_on_the_firewall(
    prepared: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(prepared, "supervisory")
    later = time.time() + 3 * 3600
    for name in BOTH:
        monkeypatch.setattr(prepared.fleet[name].device.userid, "clock", lambda: later)
    assert prepared("check", *CUT, "--expect", "allow").code == 0


# --- rehearsed -----------------------------------------------------------------------------------


#: What the firewalls logged: an export that ends, a replication that goes on, and polling below.
SEEN = (
    logged(),
    logged(**TLS),
    logged(**TLS | {"src": "10.20.2.5", "dport": "9443", "rule": "plant.export.tls"}),
)


def replayed(plant: Plant, *words: str, code: int = 2) -> Any:
    lines = (line.replace(",1005,", f",{number + 2000},") for number, line in enumerate(SEEN))
    (plant.folder / "fw.log").write_text("".join(lines), encoding="utf-8")
    with plant.untouched():
        done = plant("replay", *words, "fw.log", "--json")
    assert done.code == code, done.out + done.err
    jsonschema.validate(done.json, schema("replay"))
    return done.json


def listed(document: Any, fate: str) -> set[int]:
    return {one["port"] for one in document["fates"][fate]["listed"]}


def test_what_would_be_cut_is_rehearsed_on_what_was_seen(plant: Plant) -> None:
    declare(plant)
    document = replayed(plant, "--island", "supervisory")
    assert document["under"] == "island"
    assert listed(document, "newly_dropped") == {9443}
    assert listed(document, "still_allowed") == {8443, 502}
    assert document["fates"]["newly_dropped"]["essential"] == 0
    text = plant("replay", "--island", "plant", "fw.log").out
    assert "Under what holds while it is an island" in text


def test_it_is_rehearsed_on_what_devices_hold(prepared: Plant) -> None:
    assert prepared("snapshot", "-o", "held").code == 0
    document = replayed(prepared, "--island", "supervisory", "--offline", "held")
    assert listed(document, "newly_dropped") == {9443}
    assert listed(document, "still_allowed") == {8443, 502}


def test_a_firewall_that_is_not_prepared_is_not_judged(applied: Plant) -> None:
    declare(applied)
    assert applied("snapshot", "-o", "held").code == 0
    document = replayed(applied, "--island", "supervisory", "--offline", "held", code=1)
    assert "the island is not prepared" in json.dumps(document)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--island", "nowhere"), "'nowhere' is not a zone or a site"),
        (("--island", "supervisory", "--declared"), "give --declared or --island, not both"),
        ((), "or give --declared or --island"),
    ],
)
def test_a_rehearsal_that_is_not_asked_for_rightly(
    plant: Plant, words: tuple[str, ...], said: str
) -> None:
    declare(plant)
    (plant.folder / "fw.log").write_text(logged(), encoding="utf-8")
    done = plant("replay", *words, *(["fw.log"] if words else []))
    assert done.code == 1
    assert said in done.err


# --- evidence ------------------------------------------------------------------------------------


def shown(plant: Plant, zone: str) -> tuple[str, str]:
    """The state of SR 5.2 RE 2 in a zone that asks for it, and why."""
    folder = plant.folder / f"evidence{len(list(plant.folder.glob('evidence*')))}"
    done = plant("evidence", "--sr", "5.2 RE 2", "-o", str(folder))
    assert (folder / "evidence.json").is_file(), done.err
    document = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    one = finding(document, zone, "SR 5.2 RE 2")
    return one["state"], one["why"]


def test_evidence_has_it_while_it_is_prepared_and_proven(prepared: Plant) -> None:
    file = prepared.folder / "group_vars/plant.yml"
    text = file.read_text(encoding="utf-8")
    for level in ("1", "2", "3.5"):
        text = text.replace(f"level: {level}\n", f"level: {level}\n    security_level: 3\n")
    file.write_text(text, encoding="utf-8")
    assert shown(prepared, "plant/supervisory")[0] == "satisfied"
    assert shown(prepared, "plant/control")[0] == "satisfied"
    assert shown(prepared, "plant/dmz") == (
        "not_evidenced",
        "fw2: no island is declared that has the zone in it",
    )
    name = "segctl.island-in.plant"
    place = f"{RULES}/entry[@name='{name}']"
    prepared.fleet["fw2"].edit("set", place, "<disabled>yes</disabled>", commit=True)
    state, why = shown(prepared, "plant/control")  # which fw2, that cuts it off, does not have
    assert state == "not_satisfied"
    assert f"island plant on fw2: rule {name} is not there, or does not deny" in why
    prepared.fleet["fw2"].stop()
    assert shown(prepared, "plant/control")[0] == "not_evidenced"


# --- never partial success as success ------------------------------------------------------------


def test_a_firewall_that_is_down_is_a_gap_and_the_rest_is_cut(prepared: Plant) -> None:
    prepared.fleet["fw1"].stop()
    done = prepared("island", "begin", "supervisory", *FOR, "--auto-approve")
    assert done.code == 1
    assert "Not an island: supervisory" in done.out
    assert "fw1: not an island" in done.out
    assert "fw2: an island" in done.out
    assert TAG in tags(prepared.fleet["fw2"])["10.20.2.0/24"]


def test_a_firewall_that_loses_it_is_a_gap_until_it_is_healed(prepared: Plant) -> None:
    begin(prepared, "supervisory")
    prepared.fleet["fw2"].device.userid.registered.clear()
    lost = prepared("island", "status")
    assert lost.code == 1
    assert "fw2" in lost.out
    assert re.search(r"has lost it since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, when", lost.out)
    assert prepared("island", "status", "--heal").code == 0
    assert prepared("check", *CUT, "--expect", "deny").code == 0


def test_an_island_that_every_firewall_lost_can_be_ended(prepared: Plant) -> None:
    begin(prepared, "supervisory")
    for firewall in ("fw1", "fw2"):
        prepared.fleet[firewall].device.userid.registered.clear()
    assert prepared("island", "end", "supervisory", "--reason", "all clear").code == 0
    assert prepared("island", "status", "--heal").code == 0
    assert not any(prepared.fleet[name].device.userid.registered for name in ("fw1", "fw2"))
    again = prepared("island", "end", "supervisory", "--reason", "all clear")
    assert (again.code, "an island on no firewall" in again.err) == (1, True)


def test_a_permit_of_others_above_ours_leaves_it_open(prepared: Plant) -> None:
    firewall = prepared.fleet["fw2"]
    theirs = (
        "<entry name='theirs'><from><member>any</member></from><to><member>any</member></to>"
        "<source><member>10.20.2.5</member></source><destination><member>any</member>"
        "</destination><service><member>any</member></service><application><member>any</member>"
        "</application><action>allow</action></entry>"
    )
    firewall.edit("set", RULES, theirs)
    firewall.edit("move", f"{RULES}/entry[@name='theirs']", where="top", commit=True)
    found = begin(prepared, "supervisory", code=1)
    (second,) = [one for one in found["devices"] if one["device"] == "fw2"]
    assert any("theirs may still permit it" in text for text in second["open"])


def test_a_rule_that_no_longer_denies_is_not_prepared(prepared: Plant) -> None:
    name = "segctl.island-in.plant.supervisory"
    place = f"{RULES}/entry[@name='{name}']"
    prepared.fleet["fw2"].edit("edit", f"{place}/action", "<action>allow</action>", commit=True)
    assert prepared("drift").code == 2
    done = prepared("island", "begin", "supervisory", *FOR, "--auto-approve")
    assert done.code == 1
    assert f"rule {name} is not there, or does not deny" in done.out


def test_a_rule_that_names_less_than_is_above_is_not_prepared(prepared: Plant) -> None:
    name = "segctl.island-out.plant.supervisory"
    place = f"{RULES}/entry[@name='{name}']/destination"
    less = "<destination><member>10.20.35.10</member></destination>"
    prepared.fleet["fw2"].edit("edit", place, less, commit=True)
    done = prepared("island", "begin", "supervisory", *FOR, "--auto-approve")
    assert done.code == 1
    assert f"rule {name} is not there, or does not deny" in done.out


def test_a_flow_that_goes_on_and_is_denied_is_said(prepared: Plant) -> None:
    firewall = prepared.fleet["fw2"]
    place = f"{RULES}/entry[@name='plant.replication.tls']"
    firewall.edit("move", place, where="bottom", commit=True)
    found = begin(prepared, "supervisory", code=1)
    (second,) = [one for one in found["devices"] if one["device"] == "fw2"]
    assert any("plant.replication.tls" in text for text in second["open"])


def test_two_operators(prepared: Plant) -> None:
    begin(prepared, "supervisory", "--for", "1h", "--reason", "first")
    found = begin(prepared, "supervisory", "--for", "2h", "--reason", "second", code=1)
    opened = [text for one in found["devices"] for text in one["open"]]
    assert any("part of island plant.supervisory already, until" in text for text in opened)
    assert any("first: end it first" in text for text in opened)
    shorter = begin(prepared, "supervisory", "--for", "30m", "--reason", "third")
    assert shorter["island"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere", *FOR), "'nowhere' is not a zone or a site"),
        (("dmz", *FOR), "dmz is not prepared as an island anywhere"),
        (("supervisory", "--for", "4d", "--reason", "x"), "longer than the inventory allows"),
        (("supervisory", "--for", "5s", "--reason", "x"), "--for must be from"),
        (("supervisory", "--for", "1h", "--reason", " "), "say why with --reason"),
    ],
)
def test_what_is_not_asked_for_rightly_is_refused(
    prepared: Plant, words: tuple[str, ...], said: str
) -> None:
    done = prepared("island", "begin", *words, "--auto-approve")
    assert done.code == 1
    assert said in done.err
    assert tags(prepared.fleet["fw2"]) == {}


def test_essential_flows_that_would_be_cut_need_to_be_meant(plant: Plant) -> None:
    declare(plant, DECLARED.replace("  longest: 8h\n", "  survive: []\n") + EXPORT)
    assert plant("apply", "--auto-approve").code == 0
    done = plant("island", "begin", "supervisory", *FOR, "--auto-approve")
    assert done.code == 1
    assert "cut the essential flows plant.replication.tls" in done.err
    assert tags(plant.fleet["fw2"]) == {}
    begin(plant, "supervisory", *FOR, "--cut-essential")


def test_nothing_is_done_before_yes(prepared: Plant) -> None:
    done = prepared("island", "begin", "supervisory", *FOR)
    assert done.code == 1
    assert "nobody can be asked here" in done.err
    assert tags(prepared.fleet["fw2"]) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{zones: [nowhere]}", "zone 'nowhere' is not defined"),
        ("{sites: [nowhere]}", "site 'nowhere' is not defined"),
        ("{zones: [dmz]}", "island plant.dmz: no zone is above it"),
        ("{zones: [control], longest: 31d}", "segctl_containment.islands.longest"),
    ],
)
def test_an_island_that_cannot_be_is_a_problem_of_the_inventory(
    plant: Plant, text: str, said: str
) -> None:
    declare(plant, f"segctl_containment: {{islands: {text}}}\n")
    done = plant("plan")
    assert done.code == 1
    assert said in done.err


def test_a_zone_without_a_level_is_a_problem_of_the_inventory(plant: Plant) -> None:
    declare(plant)
    file = plant.folder / "group_vars/plant.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("    level: 3.5\n", ""), "utf-8")
    done = plant("plan")
    assert done.code == 1
    assert "zone plant/dmz has no level, so whether it is above island" in done.err


def test_it_is_on_record_before_it_begins(prepared: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, prepared.untouched():
        patch.setenv("SEGCTL_JOURNAL", str(prepared.folder))  # a folder cannot be written to
        done = prepared("island", "begin", "supervisory", *FOR, "--auto-approve")
        assert done.code == 1
    journal = prepared.folder / "kept.jsonl"
    monkeypatch.setenv("SEGCTL_JOURNAL", str(journal))
    begin(prepared, "supervisory")
    assert prepared("island", "end", "supervisory", "--reason", "all clear").code == 0
    assert prepared("history", "verify").code == 0
    begun, ended, released = (
        entry
        for line in journal.read_text(encoding="utf-8").splitlines()
        if (entry := json.loads(line)).get("event") in {"contain", "contain_end", "release"}
    )
    assert (begun["group"], released["group"]) == (TAG, TAG)
    assert begun["against"] == ["10.20.35.0/24"]
    assert (ended["open"], released["reason"]) == ([], "all clear")
