"""Evidence of live firewalls: what is satisfied, and that one change of the device ends it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest
from lxml import etree

from cli_support import RULES, VSYS, Plant
from segctl.report.oscal import oscal_json
from support.cells import cells
from support.evidence import PROTECTION, SETTING, SYSTEM, changed, provisioned
from support.signatures import ssh_keys

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from segctl_mocks import Fleet

OUTSIDE: Final = "10.20.35.10"
#: Of each zone, its name on the firewall, one rule at its boundary, and another zone.
ZONES: Final = {
    "plant/control": ("CTRL", "plant.polling.modbus", "SERV"),
    "plant/supervisory": ("SUPV", "plant.maintenance.shell", "SERV"),
    "plant/service": ("SERV", "plant.maintenance.shell", "SUPV"),
}
GROUP: Final = f"{VSYS}/profile-group/entry[@name='ot-strict']"
NTP: Final = f"{SYSTEM}/ntp-servers/primary-ntp-server"
ZONE_PROTECTION: Final = f"{PROTECTION}/entry[@name='ot-zone']"
DEFAULTS: Final = f"{VSYS}/rulebase/default-security-rules/rules"

Change = tuple[str, str, str]


def members(tag: str, *names: str) -> str:
    return f"<{tag}>{''.join(f'<member>{name}</member>' for name in names)}</{tag}>"


#: A rule that denies what is not recognised, whoever asks for what.
UNKNOWN: Final = "".join(
    (
        "<entry name='unrecognised'>",
        *(members(tag, "any") for tag in ("from", "to", "source", "destination", "service")),
        members("application", "unknown-p2p", "unknown-tcp", "unknown-udp"),
        "<action>drop</action></entry>",
    )
)


def below(fleet: Fleet, first: str) -> str:
    """All rules of the firewall, below one that is new."""
    rules = etree.fromstring(fleet["fw1"].running()).find(RULES.removeprefix("/config/"))
    assert rules is not None
    held = "".join(etree.tostring(one, encoding="unicode", with_tail=False) for one in rules)
    return f"<rules>{first}{re.sub(' uuid=.[0-9a-f-]+.', '', held)}</rules>"


def permit(enter: str, leave: str, application: str = "any") -> Change:
    """A rule of somebody else."""
    fields = members("from", enter) + members("to", leave) + members("application", application)
    every = "".join(members(tag, "any") for tag in ("source", "destination", "service"))
    text = f"<entry name='theirs'>{fields}{every}<action>allow</action></entry>"
    return ("set", RULES, text)


def changes(zone: str) -> Mapping[str, Change]:
    """One change of the firewall for each requirement, which makes it false in a zone."""
    name, rule, other = ZONES[zone]
    held = f"{RULES}/entry[@name='{rule}']"
    opened = permit(other, name)
    silent = ("edit", f"{held}/log-end", "<log-end>no</log-end>")
    elsewhere = "<ntp-server-address>{}</ntp-server-address>"
    return {
        "SR 1.1": ("edit", f"{held}/source-user", members("source-user", "any")),
        "SR 1.13": opened,
        "SR 2.1": opened,
        "SR 2.1 RE 1": opened,
        "SR 2.8": silent,
        "SR 2.8 RE 1": (
            "edit",
            "/config/shared/log-settings/syslog/entry[@name='siem']/server/entry[@name='one']/server",
            "<server>192.0.2.1</server>",
        ),
        "SR 2.11 RE 1": ("edit", f"{NTP}/ntp-server-address", elsewhere.format("192.0.2.1")),
        "SR 2.11 RE 2": ("delete", f"{NTP}/authentication-type", ""),
        "SR 3.1": ("delete", f"{ZONE_PROTECTION}/discard-ip-spoof", ""),
        "SR 3.2": ("delete", f"{GROUP}/vulnerability", ""),
        "SR 3.2 RE 1": ("delete", f"{held}/profile-setting", ""),
        "SR 3.4": ("edit", f"{held}/destination", members("destination", "any")),
        "SR 3.5": (
            "edit",
            f"{RULES}/entry[@name='plant.polling.modbus']/application",
            members("application", "any"),
        ),
        "SR 3.8": (
            "edit",
            f"{ZONE_PROTECTION}/tcp-reject-non-syn",
            "<tcp-reject-non-syn>no</tcp-reject-non-syn>",
        ),
        "SR 4.1": permit(other, name, "telnet"),
        "SR 5.1": ("edit", f"{VSYS}/zone/entry[@name='{name}']/network/layer3", "<layer3/>"),
        "SR 5.1 RE 1": (
            "edit",
            f"{VSYS}/zone/entry[@name='{name}']/network/layer3",
            members("layer3", "ethernet1/4.7"),
        ),
        "SR 5.1 RE 2": ("edit", f"{NTP}/ntp-server-address", elsewhere.format(OUTSIDE)),
        "SR 5.2": opened,
        "SR 5.2 RE 1": (
            "edit",
            f"{DEFAULTS}/entry[@name='interzone-default']/action",
            "<action>allow</action>",
        ),
        "SR 5.2 RE 3": (
            "edit",
            f"{SETTING}/ctd/udp-bypass-exceed-queue",
            "<udp-bypass-exceed-queue>yes</udp-bypass-exceed-queue>",
        ),
        "SR 5.3": permit(other, name, "smtp"),
        "SR 5.3 RE 1": permit(name, other, "smtp"),
        "SR 6.2": silent,
        "SR 7.1": (
            "edit",
            f"{ZONE_PROTECTION}/flood/udp/enable",
            "<enable>no</enable>",
        ),
        "SR 7.1 RE 2": (
            "edit",
            f"{ZONE_PROTECTION}/scan/entry[@name='8002']/action",
            "<action><alert/></action>",
        ),
        "SR 7.7": (
            "edit",
            f"{SYSTEM}/service/disable-telnet",
            "<disable-telnet>no</disable-telnet>",
        ),
    }


#: Of one firewall alone this cannot become false: see `test_clocks_of_two_firewalls`.
OF_SEVERAL: Final = {"SR 2.11"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, Fleet]]:
    folder = tmp_path_factory.mktemp("shown")
    with provisioned(folder) as fleet:
        yield folder, fleet


@pytest.fixture
def well(
    shown: tuple[Path, Fleet],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Plant:
    """A plant whose firewall shows much."""
    folder, fleet = shown
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "400")
    return Plant(folder, fleet, capsys)


def taken(plant: Plant, out: Path, *words: str, code: int = 0) -> Any:
    """The document of evidence that was taken."""
    with plant.untouched():
        done = plant("evidence", "-o", str(out), *words, "--json")
    assert done.code == code, (done.err, done.out)
    jsonschema.validate(done.json, plant("schema", "evidence").json)
    return done.json


def states(document: Any) -> dict[tuple[str, str], str]:
    """State by zone and requirement."""
    return {
        (zone["zone"], one["sr"]): one["state"]
        for zone in document["zones"]
        for one in zone["findings"]
    }


def finding(document: Any, zone: str, requirement: str) -> Any:
    (found,) = (
        one
        for held in document["zones"]
        if held["zone"] == zone
        for one in held["findings"]
        if one["sr"] == requirement
    )
    return found


def satisfied() -> list[tuple[str, str]]:
    """What the plant satisfies, zone by zone."""
    outer = {"SR 1.13", "SR 2.1", "SR 2.8", "SR 3.1", "SR 3.2", "SR 4.1", "SR 5.1", "SR 5.2"}
    every = set(changes("plant/control"))
    return sorted(
        [("plant/control", one) for one in every - {"SR 1.1", "SR 3.2 RE 1"}]
        + [("plant/supervisory", one) for one in every]
        + [("plant/service", one) for one in outer | {"SR 7.1", "SR 7.7"}]
    )


def test_what_is_satisfied(well: Plant, tmp_path: Path) -> None:
    document = taken(well, tmp_path / "all")
    found = {key for key, state in states(document).items() if state == "satisfied"}
    alone = {key for key in found if key[1] in OF_SEVERAL}
    assert found - alone == set(satisfied())
    assert {zone for zone, _ in alone} == {"plant/control", "plant/supervisory"}
    assert document["summary"]["satisfied"] == len(found)


@pytest.mark.parametrize(("zone", "requirement"), satisfied())
def test_one_change_of_the_firewall_ends_it(
    well: Plant, tmp_path: Path, zone: str, requirement: str
) -> None:
    change = changes(zone)[requirement]
    with changed(well.fleet, *change):
        document = taken(well, tmp_path / "changed", "--sr", requirement)
    found = finding(document, zone, requirement)
    assert found["state"] == "not_satisfied", found
    assert found["why"].startswith("fw1: ")


def test_everything_is_as_before(well: Plant, tmp_path: Path) -> None:
    found = {
        key for key, state in states(taken(well, tmp_path / "all")).items() if state == "satisfied"
    }
    assert {key for key in found if key[1] not in OF_SEVERAL} == set(satisfied())


def test_a_zone_that_nobody_declared_is_a_way_in(well: Plant, tmp_path: Path) -> None:
    zone = f"<entry name='EXT'><network>{members('layer3', 'ethernet1/4.7')}</network></entry>"
    with changed(well.fleet, "set", f"{VSYS}/zone", zone):
        before = taken(well, tmp_path / "before", "--sr", "5.2")
        with changed(well.fleet, *permit("EXT", "CTRL")):
            after = taken(well, tmp_path / "after", "--sr", "5.2")
    assert finding(before, "plant/control", "SR 5.2")["state"] == "satisfied"
    found = finding(after, "plant/control", "SR 5.2")
    assert found["state"] == "not_satisfied"
    assert "that the inventory does not have: theirs" in found["why"]


def test_answers_of_servers_must_be_inspected(well: Plant, tmp_path: Path) -> None:
    tag = "disable-server-response-inspection"
    option = f"<option><{tag}>yes</{tag}></option>"
    rule = f"{RULES}/entry[@name='plant.polling.modbus']"
    with changed(well.fleet, "set", rule, option):
        document = taken(well, tmp_path / "one", "--sr", "SR 3.2")
    found = finding(document, "plant/control", "SR 3.2")
    assert found["state"] == "not_satisfied"
    assert "answers of servers are not inspected" in found["why"]


@pytest.mark.parametrize("requirement", ["SR 3.2 RE 1", "SR 6.2"])
def test_what_is_not_recognised_must_be_denied(
    well: Plant, tmp_path: Path, requirement: str
) -> None:
    rule = f"{RULES}/entry[@name='plant.maintenance.shell']"
    zone = "plant/supervisory"
    with changed(well.fleet, "edit", f"{rule}/application", members("application", "any")):
        document = taken(well, tmp_path / "one", "--sr", requirement)
        found = finding(document, zone, requirement)
        assert found["state"] == "not_satisfied"
        assert "permits what the firewall does not recognise" in found["why"]
        with changed(well.fleet, "edit", RULES, below(well.fleet, UNKNOWN)):
            document = taken(well, tmp_path / "two", "--sr", requirement)
    found = finding(document, zone, requirement)
    assert found["state"] == "satisfied", found
    assert "what is not recognised is denied" in found["why"]


# --- what is not satisfied -----------------------------------------------------------------------


def test_clocks_of_two_firewalls(applied: Plant, tmp_path: Path) -> None:
    applied.edit(
        "group_vars/plant.yml", "kind: supervisory\n", "kind: supervisory\n    security_level: 2\n"
    )
    zone = "plant/supervisory"
    before = finding(taken(applied, tmp_path / "before", "--sr", "SR 2.11"), zone, "SR 2.11")
    assert before["state"] == "satisfied"
    applied.fleet["fw2"].edit(
        "edit", f"{SYSTEM}/timezone", "<timezone>Europe/Vienna</timezone>", commit=True
    )
    after = finding(taken(applied, tmp_path / "after", "--sr", "SR 2.11"), zone, "SR 2.11")
    assert (after["state"], after["why"]) == (
        "not_satisfied",
        "fw1: fw1 UTC, fw2 Europe/Vienna; fw2: fw1 UTC, fw2 Europe/Vienna",
    )


def test_nobody_asks_of_a_zone_without_levels(applied: Plant, tmp_path: Path) -> None:
    document = taken(applied, tmp_path / "all")
    assert document["summary"]["satisfied"] == 0
    assert "the zone declares no SL-T" in finding(document, "plant/control", "SR 5.2")["why"]


def test_a_firewall_that_is_left_out_shows_nothing(applied: Plant, tmp_path: Path) -> None:
    document = taken(applied, tmp_path / "all", "-l", "fw1", code=1)
    assert document["error"]["message"] == "not read: fw2: left out by -l"
    shared = finding(document, "plant/supervisory", "SR 5.2")
    assert shared["state"] == "not_evidenced"
    assert "fw2: it was not read: left out by -l" in shared["why"]
    only = finding(document, "plant/dmz", "SR 5.2")
    assert (only["state"], only["why"]) == (
        "not_evidenced",
        "fw2: it was not read: left out by -l",
    )


def test_a_firewall_that_does_not_answer_shows_nothing(applied: Plant, tmp_path: Path) -> None:
    applied.fleet["fw2"].fail("html", times=1000)
    document = taken(applied, tmp_path / "all", code=1)
    assert finding(document, "plant/dmz", "SR 5.1")["state"] == "not_evidenced"
    assert document["error"]["code"] == "not_read"


def test_a_factory_new_firewall_satisfies_nothing_of_the_boundary(
    plant: Plant, tmp_path: Path
) -> None:
    plant.edit("group_vars/plant.yml", "kind: control\n", "kind: control\n    security_level: 4\n")
    found = states(taken(plant, tmp_path / "all"))
    held = {sr for (_, sr), state in found.items() if state == "satisfied"}
    # of an empty rule base these can be shown all the same: nothing passes, and where the zone is
    assert held <= {"SR 1.13", "SR 2.1", "SR 2.11", "SR 5.1", "SR 5.1 RE 1"}, held


def test_a_gateway_shows_its_boundary_and_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with cells(tmp_path, capsys, "gw2") as plant:
        assert plant("apply", "--auto-approve").code == 0
        file = tmp_path / "hosts.yml"
        text = file.read_text(encoding="utf-8")
        zone = "          cell-2:\n            networks"
        assert text.count(zone) == 1
        levels = "          cell-2:\n            security_level: 4\n            networks"
        file.write_text(text.replace(zone, levels), encoding="utf-8")
        done = plant("evidence", "-o", str(tmp_path / "one"), "--json")
    assert done.code == 0, done.err
    found = states(done.json)
    held = {sr for (_, sr), state in found.items() if state == "satisfied"}
    assert {"SR 5.1", "SR 5.2", "SR 3.4"} <= held
    assert not held & {"SR 2.8", "SR 3.1", "SR 3.2", "SR 5.2 RE 3", "SR 6.2", "SR 7.1", "SR 7.7"}
    why = finding(done.json, "plant/cell-2", "SR 7.1")["why"]
    assert why == "gw2: the settings of the firewall are not known"


# --- snapshots and decisions ---------------------------------------------------------------------


def test_snapshots_show_what_they_keep(well: Plant, tmp_path: Path) -> None:
    assert well("snapshot", "-o", str(tmp_path / "snapshots")).code == 0
    live = states(taken(well, tmp_path / "live"))
    document = taken(well, tmp_path / "kept", "--offline", str(tmp_path / "snapshots"))
    offline = states(document)
    # a snapshot keeps no address of a server and does not say where a firewall is managed
    lost = {"SR 2.8 RE 1", "SR 2.11 RE 1", "SR 5.1 RE 2", "SR 7.7"}
    differ = {key for key in live if live[key] != offline[key]}
    assert {sr for _, sr in differ} == lost
    assert {offline[key] for key in differ} == {"not_evidenced"}
    (device,) = document["devices"]
    assert (device["source"], device["raw_sha256"], device["requests"]) == ("snapshot", "", [])
    assert "taken from snapshots, not from devices" in document["notes"][0]


def test_what_people_decide_counts_until_its_day(well: Plant, tmp_path: Path) -> None:
    file = tmp_path / "decisions.yml"
    entry = "- {sr: SR 5.2 RE 2, zone: plant/control, state: compensated, reason: a cut cable,"
    file.write_text(f"{entry} owner: ops, expires: 2099-01-31}}\n", encoding="utf-8")
    words = ("--sr", "5.2", "--decisions", str(file))
    found = finding(taken(well, tmp_path / "one", *words), "plant/control", "SR 5.2 RE 2")
    assert found["state"] == "compensated"
    assert found["why"].startswith("a cut cable (until 2099-01-31, ops); without that: ")
    file.write_text(f"{entry} owner: ops, expires: 2020-01-31}}\n", encoding="utf-8")
    document = taken(well, tmp_path / "two", *words)
    assert finding(document, "plant/control", "SR 5.2 RE 2")["state"] == "not_evidenced"
    assert (
        "the decision about SR 5.2 RE 2 in plant/control ended on 2020-01-31" in document["notes"]
    )


def test_decisions_that_are_wrong(well: Plant, tmp_path: Path) -> None:
    file = tmp_path / "decisions.yml"
    file.write_text(
        "- {sr: SR 9.9, zone: plant/nowhere, state: satisfied, reason: x, owner: y, "
        "expires: soon}\n",
        encoding="utf-8",
    )
    done = well("evidence", "-o", str(tmp_path / "one"), "--decisions", str(file))
    assert done.code == 1
    for text in (
        "no requirement 'SR 9.9'",
        "no zone 'plant/nowhere'",
        "state must",
        "'soon'",
        ":1:",
    ):
        assert text in done.err
    assert not (tmp_path / "one").exists()


# --- the folder ----------------------------------------------------------------------------------


def test_the_folder_is_signed_and_checked(well: Plant, tmp_path: Path) -> None:
    keys = ssh_keys(tmp_path)
    out = tmp_path / "evidence"
    taken(well, out, "--html", "--csv", "--oscal", "--sign", str(keys.secret))
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "assessment-results.json",
        "devices/fw1.snapshot.json",
        "evidence.csv",
        "evidence.html",
        "evidence.json",
        "permissions.csv",
        "zones-and-conduits.html",
    }
    for path in out.rglob("*"):
        if path.is_file():
            well.assert_no_secret(path.read_text(encoding="utf-8"))
    done = well("evidence", "verify", str(out), "--keys", str(keys.trusted), "--json")
    assert done.code == 0, done.err
    jsonschema.validate(done.json, well("schema", "evidence-verify").json)
    assert done.json["signers"][0]["name"] == "alice@plant"
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=out, check=True)


@pytest.mark.parametrize("name", ["evidence.json", "devices/fw1.snapshot.json", "SHA256SUMS"])
def test_a_change_of_any_file_is_found(well: Plant, tmp_path: Path, name: str) -> None:
    keys = ssh_keys(tmp_path)
    out = tmp_path / "evidence"
    taken(well, out, "--sr", "5.1", "--sign", str(keys.secret))
    path = out / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    done = well("evidence", "verify", str(out), "--keys", str(keys.trusted))
    assert done.code == 1
    assert name.rpartition("/")[2] in done.err


def test_files_that_are_missing_or_added_are_found(well: Plant, tmp_path: Path) -> None:
    out = tmp_path / "evidence"
    taken(well, out, "--sr", "5.1")
    (out / "more.html").write_text("all is well", encoding="utf-8")
    assert "more.html was added" in well("evidence", "verify", str(out)).err
    (out / "more.html").unlink()
    (out / "devices/fw1.snapshot.json").unlink()
    assert "devices/fw1.snapshot.json is missing" in well("evidence", "verify", str(out)).err


def test_an_unsigned_folder_is_refused_with_keys(well: Plant, tmp_path: Path) -> None:
    taken(well, tmp_path / "evidence", "--sr", "5.1")
    keys = ssh_keys(tmp_path)
    done = well("evidence", "verify", str(tmp_path / "evidence"), "--keys", str(keys.trusted))
    assert done.code == 1
    assert "is not signed" in done.err


def test_a_folder_that_holds_something_is_not_written_to(well: Plant, tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence/old.txt").write_text("old", encoding="utf-8")
    done = well("evidence", "-o", str(tmp_path / "evidence"))
    assert done.code == 1
    assert "is not an empty folder" in done.err


def test_what_got_worse_and_better(well: Plant, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    taken(well, old, "--sr", "5.2")
    with changed(well.fleet, *permit("SERV", "CTRL")):
        taken(well, new, "--sr", "5.2")
    done = well("evidence", "diff", str(old), str(new), "--json")
    assert done.code == 2
    jsonschema.validate(done.json, well("schema", "evidence-diff").json)
    worse = {(one["zone"], one["requirement"]) for one in done.json["changes"]}
    assert ("plant/control", "SR 5.2") in worse
    assert {one["direction"] for one in done.json["changes"]} == {"worse"}
    back = well("evidence", "diff", str(new), str(old))
    assert back.code == 0
    assert "better: plant/control SR 5.2" in back.out
    assert "Nothing got better or worse." in well("evidence", "diff", str(old), str(old)).out


def test_bad_words(well: Plant, tmp_path: Path) -> None:
    assert "give -o DIR" in well("evidence").err
    done = well("evidence", "-o", str(tmp_path / "one"), "--sr", "5.22")
    assert "there is no such requirement" in done.err
    assert not (tmp_path / "one").exists()


# --- forms ---------------------------------------------------------------------------------------


def test_tables_hold_no_formula(well: Plant, tmp_path: Path) -> None:
    reason, formula = "reason: SCADA polls the controllers", "reason: '=1+1'"
    well.edit("group_vars/plant.yml", reason, formula)
    try:
        taken(well, tmp_path / "one", "--csv", "--sr", "SR 2.1 RE 1")
    finally:
        well.edit("group_vars/plant.yml", formula, reason)
    with (tmp_path / "one/evidence.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["result"] for row in rows} == {"satisfied", "not_applicable"}
    assert {row["serial"] for row in rows if row["device"]} == {"007000000001"}
    with (tmp_path / "one/permissions.csv").open(encoding="utf-8", newline="") as stream:
        permissions = list(csv.DictReader(stream))
    assert {(row["conduit"], row["flow"], row["reason"]) for row in permissions} == {
        ("plant/maintenance", "shell", "The supplier's support"),
        ("plant/polling", "modbus", "'=1+1"),
    }


def test_the_page_needs_nothing_else(well: Plant, tmp_path: Path) -> None:
    document = taken(well, tmp_path / "one", "--html")
    page = (tmp_path / "one/evidence.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search("https?:|src=|@import|url\\(", page)
    for one in document["zones"][0]["findings"]:
        assert f"{one['sr']} " in page
    assert document["devices"][0]["raw_sha256"] in page
    specification = (tmp_path / "one/zones-and-conduits.html").read_text(encoding="utf-8")
    for text in ("Zone plant/control", "plc1", "SCADA polls the controllers", "Logical boundary"):
        assert text in specification


def test_assessment_results_are_the_same_for_the_same_evidence(well: Plant, tmp_path: Path) -> None:
    taken(well, tmp_path / "one", "--oscal")
    document = json.loads((tmp_path / "one/evidence.json").read_text(encoding="utf-8"))
    written = json.loads((tmp_path / "one/assessment-results.json").read_text(encoding="utf-8"))
    assert oscal_json(document) == written
    (result,) = written["assessment-results"]["results"]
    states_of = {one["uuid"]: one["target"]["status"]["state"] for one in result["findings"]}
    total = document["summary"]
    assert list(states_of.values()).count("satisfied") == total["satisfied"]
    applicable = sum(count for state, count in total.items() if state != "not_applicable")
    assert len(states_of) == applicable
    observed = {one["uuid"] for one in result["observations"]}
    assert len(observed) == len(result["observations"])
    for one in result["findings"]:
        assert {row["observation-uuid"] for row in one.get("related-observations", ())} <= observed


def test_trestle_takes_assessment_results(well: Plant, tmp_path: Path) -> None:
    """Set SEGCTL_TRESTLE to the Python of an environment that has compliance-trestle."""
    python = os.environ.get("SEGCTL_TRESTLE", "")
    if not python:
        pytest.skip("SEGCTL_TRESTLE names no Python that has compliance-trestle")
    file = tmp_path / "decisions.yml"
    file.write_text(
        "- {sr: SR 5.2 RE 2, zone: plant/control, state: excepted, reason: r, owner: o, "
        "expires: 2099-01-31}\n",
        encoding="utf-8",
    )
    taken(well, tmp_path / "one", "--oscal", "--decisions", str(file))
    code = (
        "import sys, pathlib\n"
        "from trestle.oscal.assessment_results import AssessmentResults\n"
        "found = AssessmentResults.oscal_read(pathlib.Path(sys.argv[1]))\n"
        "print(len(found.results[0].findings))\n"
    )
    path = str(tmp_path / "one/assessment-results.json")
    done = subprocess.run(
        [python, "-c", code, path], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
