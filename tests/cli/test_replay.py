"""``segctl replay``: what would become of traffic that was seen, under a plan or as declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from segctl.planning.documents import schema
from support.records import RECORDS, logged

if TYPE_CHECKING:
    from cli_support import Plant

WRITE = {"app": "modbus-write-single-coil"}
TLS = {
    "src": "10.20.2.20",
    "dst": "10.20.35.10",
    "leave": "DMZ",
    "app": "ssl",
    "dport": "8443",
    "rule": "plant.replication.tls",
    "serial": "007000000002",
    "host": "fw2",
}
SSH = {
    "app": "ssh",
    "dport": "22",
    "rule": "interzone-default",
    "action": "deny",
    "reason": "policy-deny",
}


def replayed(plant: Plant, *lines: str, words: tuple[str, ...] = ("--declared",), code: int) -> Any:
    """The document of a replay of some lines; the devices are left alone."""
    numbered = (line.replace(",1005,", f",{number + 2000},") for number, line in enumerate(lines))
    (plant.folder / "fw.log").write_text("".join(numbered))
    with plant.untouched():
        done = plant("replay", *words, "fw.log", "--json")
    assert done.code == code, done.out
    jsonschema.validate(done.json, schema("replay"))
    return done.json


def flows(document: Any, fate: str) -> list[tuple[str, int]]:
    return [(one["destination"], one["port"]) for one in document["fates"][fate]["listed"]]


def test_nothing_changes_for_what_is_declared(plant: Plant) -> None:
    document = replayed(plant, logged(), logged(**SSH), logged(**TLS), code=0)
    assert flows(document, "still_allowed") == [("10.20.35.10", 8443), ("10.20.1.11", 502)]
    assert flows(document, "still_dropped") == [("10.20.1.11", 22)]
    assert document["fates"]["still_allowed"]["essential"] == 1
    assert document["fates"]["cannot_tell"]["flows"] == 0


def test_what_is_not_declared_would_be_dropped(plant: Plant) -> None:
    document = replayed(plant, logged(), logged(**WRITE), code=2)
    assert flows(document, "newly_dropped") == [("10.20.1.11", 502)]
    (dropped,) = document["fates"]["newly_dropped"]["listed"]
    assert dropped["applications"] == ["modbus-write-single-coil"]
    assert dropped["steps"] == [{"device": "fw1", "ruling": "deny", "rule": "interzone-default"}]
    with plant.untouched():
        done = plant("replay", "--declared", "fw.log")
    assert done.code == 2
    assert "newly dropped: 1 flow, 1 session" in done.out
    assert "fw1: deny by interzone-default" in done.out


def test_every_application_on_the_way_counts(plant: Plant) -> None:
    start = logged(seqno="7").replace(",TRAFFIC,end,", ",TRAFFIC,start,")
    document = replayed(plant, start.replace("modbus-read-coils", "ssh"), logged(seqno="8"), code=2)
    (dropped,) = document["fates"]["newly_dropped"]["listed"]
    assert dropped["applications"] == ["modbus-read-coils", "ssh"]


def test_what_was_denied_and_is_declared_is_newly_allowed(plant: Plant) -> None:
    document = replayed(plant, logged(action="deny", rule="theirs", reason="policy-deny"), code=2)
    assert flows(document, "newly_allowed") == [("10.20.1.11", 502)]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"app": "insufficient-data"}, "name no application"),
        ({"app": "non-syn-tcp"}, "name no application"),
        ({"enter": "GUEST"}, "the inventory does not have zone GUEST there"),
        ({"proto": "made-up"}, "protocol made-up is not known"),
    ],
)
def test_what_cannot_be_told(plant: Plant, said: dict[str, str], why: str) -> None:
    document = replayed(plant, logged(**said), code=1)
    (one,) = document["fates"]["cannot_tell"]["listed"]
    assert why in one["why"]
    assert document["error"]["code"] == "cannot_tell"


def test_a_translated_destination_is_judged_by_the_address_that_rules_of_the_platform_match(
    plant: Plant,
) -> None:
    """PAN-OS compares the address before translation; the rules here name the one behind it."""
    document = replayed(plant, logged(dst="192.0.2.1", natdst="10.20.1.11"), code=2)
    assert flows(document, "newly_dropped") == [("192.0.2.1", 502)]
    (dropped,) = document["fates"]["newly_dropped"]["listed"]
    assert dropped["destination_after_nat"] == "10.20.1.11"
    assert dropped["steps"] == [{"device": "fw1", "ruling": "deny", "rule": "interzone-default"}]
    document = replayed(plant, logged(natdst="192.0.2.9"), code=0)
    assert flows(document, "still_allowed") == [("10.20.1.11", 502)]


def test_attempts_are_judged_by_whether_anything_may_begin(plant: Plant) -> None:
    attempt = {"app": "incomplete", "reason": "aged-out"}
    document = replayed(plant, logged(**attempt), logged(**attempt | {"dport": "22"}), code=2)
    assert flows(document, "still_allowed") == [("10.20.1.11", 502)]
    assert flows(document, "newly_dropped") == [("10.20.1.11", 22)]


def test_functions_of_a_sensor_are_judged_on_all_firewalls_of_the_way(plant: Plant) -> None:
    for name in ("zeek-conn.log", "zeek-modbus.log"):
        text = (RECORDS / name).read_text().replace("unknown-100", "READ_COILS")
        (plant.folder / name).write_text(text)
    with plant.untouched():
        done = plant("replay", "--declared", "zeek-conn.log", "zeek-modbus.log", "--json")
    polls = done.json["fates"]["still_allowed"]["listed"]
    assert [(one["source"], one["port"]) for one in polls] == [("10.20.2.5", 502)]
    assert polls[0]["steps"] == [
        {"device": "fw1", "ruling": "allow", "rule": "plant.polling.modbus"}
    ]
    assert done.json["attempts"] == 1
    midway = [one["source_asset"] for one in done.json["fates"]["cannot_tell"]["listed"]]
    assert "plc1" in midway  # nobody saw who began


def test_a_plan_is_rehearsed_on_what_devices_hold(applied: Plant) -> None:
    assert applied("snapshot", "-o", "snapshots").code == 0
    name = "group_vars/plant.yml"
    whole = (applied.folder / name).read_text()
    ssh = "source: [scada1], destination: [plc1], applications: [ssh]"
    other = whole.replace("tcp/8443", "tcp/8444")
    other = other.replace("  replication:", f"      ssh: {{{ssh}}}\n  replication:")
    (applied.folder / name).write_text(other)
    assert applied("plan", "-o", "plan.json").code == 1  # it cuts an essential flow
    (applied.folder / name).write_text(whole)
    lines = [
        logged(),
        logged(**TLS),
        logged(**SSH),
        logged(**WRITE | {"action": "deny", "rule": "interzone-default"}),
    ]
    words = ("plan.json", "--offline", "snapshots")
    document = replayed(applied, *lines, words=words, code=2)
    assert document["under"] == "plan"
    assert flows(document, "newly_dropped") == [("10.20.35.10", 8443)]
    assert document["fates"]["newly_dropped"]["essential"] == 1
    assert flows(document, "newly_allowed") == [("10.20.1.11", 22)]
    assert flows(document, "still_allowed") == [("10.20.1.11", 502)]
    assert flows(document, "still_dropped") == [("10.20.1.11", 502)]
    assert document["miscalibrated"] == []


def test_a_plan_for_another_state_is_not_rehearsed(applied: Plant) -> None:
    applied.edit("group_vars/plant.yml", "modbus: [read]", "modbus: [read, write]")
    assert applied("plan", "-o", "plan.json").code == 0
    assert applied("apply", "--auto-approve").code == 0
    assert applied("snapshot", "-o", "snapshots").code == 0
    document = replayed(applied, logged(), words=("plan.json", "--offline", "snapshots"), code=1)
    (refused,) = document["not_asked"]
    assert refused["device"] == "fw1"
    assert "the device changed since the plan was made" in refused["why"]


def test_where_the_model_contradicts_the_log_there_is_no_verdict(applied: Plant) -> None:
    assert applied("snapshot", "-o", "snapshots").code == 0
    lines = [logged(action="deny"), logged(src="10.20.2.99", app="ssh", dport="22", rule="other")]
    words = ("--declared", "--offline", "snapshots")
    document = replayed(applied, *lines, words=words, code=1)
    wrong = [(one["rule"], one["logged"], one["model"]) for one in document["miscalibrated"]]
    assert wrong == [("other", "allow", "deny"), ("plant.polling.modbus", "deny", "allow")]
    assert {one["why"] for one in document["fates"]["cannot_tell"]["listed"]} == {
        "our model of fw1 contradicts what it logged of rule other",
        "our model of fw1 contradicts what it logged of rule plant.polling.modbus",
    }


def test_a_witness_is_known_by_the_name_in_its_records(plant: Plant) -> None:
    line = logged(serial="999", enter="GUEST")
    unknown = replayed(plant, line.replace(",fw1,", ",elsewhere,"), code=0)
    assert flows(unknown, "still_allowed") == [("10.20.1.11", 502)]  # by its addresses alone
    named = replayed(plant, line, code=1)
    assert flows(named, "cannot_tell") == [("10.20.1.11", 502)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.json", "hosts.yml"], "absent.json is not a plan"),
        (["hosts.yml", "hosts.yml"], "a plan does not hold the rules of others"),
        (["--declared", "absent.log"], "there is no such file or folder"),
        (["hosts.yml"], "name files or folders"),
        (["--declared", "hosts.yml", "--offline", "absent"], "absent"),
    ],
)
def test_usage_errors(plant: Plant, words: list[str], message: str) -> None:
    done = plant("replay", *words)
    assert done.code == 1
    assert message in done.err


def test_a_report_for_a_pull_request(plant: Plant) -> None:
    name = "<x1>|```@you"
    replayed(plant, logged(), logged(**WRITE | {"user": name}), logged(**TLS), code=2)
    words = ("--markdown", "replay.md", "--html", "replay.html", "--env", "plant-a")
    with plant.untouched():
        assert plant("replay", "--declared", "fw.log", *words).code == 2
    text = (plant.folder / "replay.md").read_text()
    assert text.startswith("<!-- segctl:replay:plant-a -->\n### segctl replay · plant-a\n")
    assert "newly dropped: 1 flow, 1 session" in text
    assert "modbus-write-single-coil" in text
    assert text.index("records (PAN-OS syslog)") < text.index("<code>newly dropped</code>")
    page = (plant.folder / "replay.html").read_text()
    for written in (text.split("````")[0], page):
        assert "<x1>" not in written
    assert "````diff" in text  # what a name holds does not end the block that it stands in


def test_a_run_that_fails_is_reported_too(plant: Plant) -> None:
    (plant.folder / "replay.md").write_text("of yesterday")
    done = plant("replay", "--declared", "absent.log", "--markdown", "replay.md")
    assert done.code == 1
    text = (plant.folder / "replay.md").read_text()
    assert "of yesterday" not in text
    assert "absent.log: there is no such file or folder" in text
