"""Report files and JSON documents of the real commands, against mock firewalls."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import datetime
from html import unescape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cli_support import POLL
from segctl import __version__
from segctl.cli import run

if TYPE_CHECKING:
    from cli_support import Done, Plant

FORMS = ("--markdown", "--sarif", "--junit", "--gitlab", "--html")


def with_reports(plant: Plant, *words: str) -> tuple[Done, dict[str, str]]:
    """Run a command with every report; return what they say, which no secret is part of."""
    named = [word for form in FORMS for word in (form, f"report{form}")]
    done = plant(*words, *named, "--env", "plant-a")
    found = {form: (plant.folder / f"report{form}").read_text("utf-8") for form in FORMS}
    for text in found.values():
        plant.assert_no_secret(text)
    return done, found


def lines_of(sarif: str) -> set[tuple[str, int]]:
    places = [
        result["locations"][0]["physicalLocation"]
        for result in json.loads(sarif)["runs"][0]["results"]
    ]
    return {(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in places}


def verdicts(junit: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case in ET.fromstring(junit.split("\n", 1)[1]).iter("testcase"):
        kind = next((child.tag for child in case), "passed")
        found.setdefault(kind, set()).add(case.attrib["name"])
    return found


def test_a_plan_is_reported_in_every_form(plant: Plant) -> None:
    done, found = with_reports(plant, "plan", "-o", "plan.json")
    assert done.code == 0
    assert found["--markdown"].startswith("<!-- segctl:plan:plant-a -->\n")
    assert (
        "**Plan: 12 to add, 0 to change, 0 to destroy, 0 to move (2 devices)**"
        in found["--markdown"]
    )
    assert "segctl apply plan.json -i hosts.yml -i mocks.yml<" in found["--markdown"]
    assert "segctl apply plan.json -i hosts.yml -i mocks.yml<" in found["--html"]
    assert json.loads(found["--gitlab"]) == {"create": 12, "update": 0, "delete": 0}
    assert set(verdicts(found["--junit"])) == {"passed"}
    assert "12 to add" in found["--html"]


#: What a saved plan cannot draw, since it does not know the zones, and the policy for its style.
_DRAWN = re.compile(
    r"\n<details><summary>What it touches, drawn</summary>\n.*?\n</details>\n"
    r"|<h2>What it touches</h2>\n<div[^>]*>\n<svg.*?</svg>\n</div>\n"
    r'|<meta http-equiv="Content-Security-Policy"[^>]*>',
    re.DOTALL,
)


def test_a_saved_plan_is_reported_as_when_it_was_made(plant: Plant) -> None:
    _, made = with_reports(plant, "plan", "-o", "plan.json")
    done, shown = with_reports(plant, "show", "plan.json")
    assert done.code == 0
    assert len(_DRAWN.findall(made["--markdown"])) == 1
    for form in ("--markdown", "--html", "--junit", "--gitlab"):
        assert _DRAWN.sub("", shown[form]) == _DRAWN.sub("", made[form])


def test_drift_is_reported_where_it_was_declared(applied: Plant) -> None:
    applied.by_hand()
    done, found = with_reports(applied, "drift")
    assert done.code == 2
    assert found["--markdown"].startswith("<!-- segctl:drift:plant-a -->\n")
    text = (applied.folder / "group_vars/plant.yml").read_text(encoding="utf-8").splitlines()
    assert ("group_vars/plant.yml", text.index("  polling:") + 1) in lines_of(found["--sarif"])
    assert verdicts(found["--junit"]) == {
        "passed": {"is read", "rule plant.replication.tls"},
        "failure": {f"rule {POLL}"},
    }
    assert json.loads(found["--gitlab"])["update"] == 1


def test_a_firewall_that_does_not_answer_is_in_every_report(plant: Plant) -> None:
    plant.fleet["fw2"].stop()
    for command in ("plan", "drift"):
        done, found = with_reports(plant, command)
        assert done.code == 1
        assert "fw2" in found["--markdown"]
        assert "unreachable" in found["--html"]
        assert "is read" in verdicts(found["--junit"])["error"]
        results = json.loads(found["--sarif"])["runs"][0]["results"]
        assert "unreadable" in {result["ruleId"] for result in results}


@pytest.mark.parametrize("command", ["validate", "plan", "drift"])
def test_an_inventory_that_is_wrong_is_reported_at_its_line(plant: Plant, command: str) -> None:
    plant.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [reed]")
    done, found = with_reports(plant, command)
    assert done.code == 1
    assert "1 problem in the inventory" in found["--markdown"]
    text = (plant.folder / "group_vars/plant.yml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, one in enumerate(text, 1) if "reed" in one)
    assert lines_of(found["--sarif"]) == {("group_vars/plant.yml", line)}
    assert verdicts(found["--junit"]) == {"failure": {"is read"}}


def test_paths_begin_at_the_top_of_the_repository(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plant.folder / ".git").mkdir()
    plant.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [reed]")
    monkeypatch.chdir(plant.folder / "host_vars")
    assert run(["validate", "-i", "../hosts.yml", "--sarif", "found.sarif"]) == 1
    (place,) = lines_of((plant.folder / "host_vars/found.sarif").read_text("utf-8"))
    assert place[0] == "group_vars/plant.yml"


@pytest.mark.parametrize("command", ["plan", "drift", "validate"])
def test_what_cannot_be_written_is_refused_before_a_device_is_read(
    plant: Plant, command: str
) -> None:
    with plant.untouched():
        done = plant(command, "--markdown", "absent/plan.md")
        assert (done.code, "no folder absent" in done.err) == (1, True)
        done = plant(command, "--env", "a -->", "--markdown", "plan.md")
        assert (done.code, "--env" in done.err) == (1, True)


# --- comparing with what was reviewed ------------------------------------------------------------


def test_a_plan_made_again_does_the_same(plant: Plant) -> None:
    plant("plan", "-o", "reviewed.json")
    plant("plan", "-o", "plan.json")
    done = plant("show", "plan.json", "--same-as", "reviewed.json")
    assert done.code == 0
    assert "exactly what the reviewed one does" in done.out


def test_a_plan_that_differs_says_in_what(applied: Plant) -> None:
    applied.edit("group_vars/plant.yml", "[plc1, plc2]", "[plc1]")
    applied("plan", "-o", "reviewed.json")
    applied.edit("group_vars/plant.yml", "services: [tcp/8443]", "services: [tcp/9443]")
    applied("plan", "-o", "plan.json")
    done = applied("show", "plan.json", "--same-as", "reviewed.json", "--markdown", "review.md")
    assert done.code == 2
    assert "fw2  not reviewed: create service segctl-tcp-9443" in done.out
    assert "fw1" not in done.out
    text = (applied.folder / "review.md").read_text("utf-8")
    assert text.startswith("<!-- segctl:review:default -->")
    assert "+ service segctl-tcp-9443" in text
    document = applied("show", "plan.json", "--same-as", "reviewed.json", "--json").json
    assert document["same"] is False


def test_a_plan_that_differs_says_in_which_field_and_what_was_there(applied: Plant) -> None:
    reason = "SCADA polls the controllers"
    applied.edit("group_vars/plant.yml", reason, "SCADA reads")
    applied("plan", "-o", "reviewed.json")
    applied.edit("group_vars/plant.yml", "SCADA reads", "SCADA writes")
    applied.edit("group_vars/plant.yml", "[plc1, plc2]", "[plc1]")
    applied("plan", "-o", "plan.json")
    done = applied("show", "plan.json", "--same-as", "reviewed.json", "--markdown", "review.md")
    assert done.code == 2
    assert re.search(
        r"^ +after\.destinations\[1\] +plant\.control\.plc2 → nothing$", done.out, re.MULTILINE
    )
    assert re.search(
        r"^ +after\.description .*SCADA reads.* → .*SCADA writes", done.out, re.MULTILINE
    )
    text = (applied.folder / "review.md").read_text("utf-8")
    assert "! after.destinations[1]  plant.control.plc2 → nothing" in text
    document = applied("show", "plan.json", "--same-as", "reviewed.json", "--json").json
    jsonschema.validate(document, applied("schema", "review").json)
    (told,) = [one for one in document["differences"] if one["places"]]
    assert (told["device"], told["change"]["name"]) == ("fw1", POLL)
    (place,) = [one for one in told["places"] if one["place"] == "after.destinations[1]"]
    assert place == {"place": place["place"], "reviewed": "plant.control.plc2", "plan": None}


def test_a_device_that_was_not_reviewed_differs(plant: Plant) -> None:
    plant("plan", "-o", "reviewed.json", "-l", "fw1")
    plant("plan", "-o", "plan.json")
    done = plant("show", "plan.json", "--same-as", "reviewed.json")
    assert done.code == 2
    assert "the device is not in the reviewed plan" in done.out
    done = plant("show", "reviewed.json", "--same-as", "plan.json")
    assert done.code == 2
    assert "the device is not in this plan" in done.out


def test_another_serial_or_script_differs(plant: Plant) -> None:
    from segctl.planning.documents import digest_of

    plant("plan", "-o", "plan.json")
    document: dict[str, Any] = json.loads((plant.folder / "plan.json").read_text("utf-8"))
    device = document["devices"][0]
    device["serial"], device["script"] = "007", device["script"] + "<!-- more -->"
    document["digest"] = digest_of(document)
    (plant.folder / "other.json").write_text(json.dumps(document), encoding="utf-8")
    done = plant("show", "other.json", "--same-as", "plan.json")
    assert done.code == 2
    assert "the serial number was 007000000001 and is now 007" in done.out
    assert "the script that would be sent is another" in done.out
    assert re.search(r"^ +script\[\d+\] .* → .*<!-- more -->$", done.out, re.MULTILINE)


# --- schemas -------------------------------------------------------------------------------------


def test_every_document_fits_its_schema(plant: Plant) -> None:
    def fits(name: str, *words: str) -> None:
        jsonschema.validate(plant(*words, "--json").json, plant("schema", name).json)

    fits("validate", "validate")
    fits("plan", "plan", "-o", "plan.json")
    fits("plan", "show", "plan.json")
    fits("review", "show", "plan.json", "--same-as", "plan.json")
    fits("drift", "drift")
    fits("apply", "apply", "plan.json")
    fits("plan", "apply", "--check")
    fits("import", "import", "fw1", "-o", "imported/fw1")
    fits("protocols", "protocols")
    fits("protocols", "protocols", "modbus")
    fits("snapshots", "snapshot", "-o", "kept")
    fits("fmt", "fmt", "--check", "hosts.yml")
    fits("schemas", "schema")
    fits("error", "show", "absent.json")
    plant.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [reed]")
    fits("error", "validate")


def test_every_document_and_its_schema_say_their_version(plant: Plant) -> None:
    not_documents = {"inventory", "playbook", "checks", "events"}
    for name in set(plant("schema", "--json").json["schemas"]) - not_documents:
        schema = plant("schema", name).json
        assert "format_version" in schema["required"], name
    for words in (
        ("validate",),
        ("drift",),
        ("protocols",),
        ("schema",),
        ("snapshot", "-o", "kept"),
        ("import", "fw1", "-o", "imported/fw1"),
        ("fmt", "--check", "hosts.yml"),
        ("show", "absent.json"),
        ("verify", "absent.json", "--keys", "absent.pub"),
    ):
        assert re.fullmatch(r"\d+\.\d+", plant(*words, "--json").json["format_version"]), words


# --- evidence ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "read"), [("drift", ["fw1", "fw2"]), ("validate", [])])
def test_reports_say_what_they_are_evidence_of(
    applied: Plant, command: str, read: list[str]
) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
        subprocess.run([*git, *words], cwd=applied.folder, check=True)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=applied.folder, check=True, capture_output=True, text=True
    ).stdout.strip()
    evidence = applied(command, "--json").json["provenance"]
    assert evidence["git_commit"] == head
    assert evidence["devices"] == read
    assert evidence["inventory"] == ["hosts.yml", "mocks.yml"]
    assert evidence["segctl_version"] == __version__
    assert datetime.fromisoformat(evidence["date"]).tzinfo is not None
    assert evidence["digest"].startswith("sha256:")
    done, found = with_reports(applied, command)
    told = [head[:12], __version__, "hosts.yml, mocks.yml", ", ".join(read) or "none"]
    for text in (done.out, *(found[form] for form in ("--markdown", "--html", "--junit"))):
        assert all(word in unescape(text).replace("\u200b", "") for word in told)
        assert re.search(r"date\W.*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", text)
    (run,) = json.loads(found["--sarif"])["runs"]
    assert run["properties"]["segctl"] | {"date": "", "dirty": False} == evidence | {
        "date": "",
        "dirty": False,
    }


@pytest.mark.parametrize("command", ["drift", "validate"])
def test_a_report_of_a_run_that_failed_is_evidence_too(plant: Plant, command: str) -> None:
    plant.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [reed]")
    done, found = with_reports(plant, command)
    assert done.code == 1
    assert f"segctl <code>{__version__}</code>" in found["--markdown"]
    assert json.loads(found["--sarif"])["runs"][0]["properties"]["segctl"]["devices"] == []


def test_a_failed_apply_fits_its_schema(applied: Plant) -> None:
    applied.edit("group_vars/plant.yml", "[plc1, plc2]", "[plc1]")
    applied("plan", "-o", "plan.json")
    applied.by_hand()
    done = applied("apply", "plan.json", "--json")
    assert done.code == 1
    jsonschema.validate(done.json, applied("schema", "apply").json)
    assert done.json["error"]["code"] == "stale"


def test_the_schemas_are_listed_and_are_schemas(plant: Plant) -> None:
    names = plant("schema").out.split()
    assert {"inventory", "playbook", "plan", "drift", "validate", "apply", "review"} <= set(names)
    assert plant("schema", "--json").json == {"format_version": "1.0", "schemas": names}
    for name in names:
        jsonschema.Draft202012Validator.check_schema(plant("schema", name).json)
