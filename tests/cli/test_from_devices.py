"""``--from-devices``: what firewalls themselves tell of the traffic that they saw."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from cli_support import Plant
from segctl.inventory import load
from segctl.operations.demo import fleet
from segctl.planning.documents import schema
from support.records import logged
from support.witnessed import DAY, HOUR, STAMP, entry, give, session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cli_support import Done
    from segctl_mocks.linux.host import Host
    from support.cells import Cells


@pytest.fixture
def applied(plant: Plant) -> Plant:
    """The plant, whose firewalls hold what is declared."""
    assert plant("apply", "--auto-approve").code == 0
    return plant


@pytest.fixture
def pair(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Plant]:
    """The plant, in which fw1 is a pair."""
    hosts = yaml.safe_load((folder / "hosts.yml").read_text("utf-8"))
    hosts["all"]["children"]["plant"]["hosts"]["fw1-b"] = {"ansible_host": "192.0.2.12"}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    own = folder / "host_vars/fw1.yml"
    own.write_text(own.read_text("utf-8") + "segctl_ha_peer: fw1-b\n", encoding="utf-8")
    today = date(2026, 11, 22)
    loaded = load([folder / "hosts.yml"], today=today)
    with fleet(loaded, today, overlay=folder / "mocks.yml") as running:
        yield Plant(folder, running, capsys)


def asked(plant: Plant, command: str, *words: str, code: int = 0) -> Any:
    """The document of a command that asks devices; none of them is changed."""
    with plant.untouched():
        done: Done = plant(command, *words, "--from-devices", "--json")
    assert done.code == code, done.out + done.err
    jsonschema.validate(done.json, schema(command))
    return done.json


def answer(document: Any, way: str, member: str = "fw1") -> Any:
    (found,) = (
        one
        for one in document["coverage"]["asked"]
        if one["way"] == way and one["member"] == member
    )
    return found


def sessions(document: Any) -> int:
    return int(document["outcomes"]["conversation"]["sessions"])


def test_firewalls_add_up_what_they_saw(plant: Plant) -> None:
    days = (entry(number, DAY * (1 + number % 3)) for number in range(1, 49))
    give(plant, *days, session(99, 90 * DAY))
    document = asked(plant, "traffic")
    assert sessions(document) == 49
    assert answer(document, "traffic report")["records"] == 3
    assert answer(document, "session table")["records"] == 1
    assert answer(document, "traffic report", "fw2")["records"] == 0
    (row,) = document["rows"]
    assert row["name"] == "plant/polling.modbus"
    assert row["bytes"] == 48 * 1000 + 900000


def test_the_text_says_what_was_asked_and_what_that_shows(plant: Plant) -> None:
    give(plant, entry(1))
    done = plant("traffic", "--from-devices", "--since", "2d")
    assert done.code == 0
    assert "fw1, traffic report  1 record, " in done.out
    assert "it adds up whole days: when on a day something was is not known" in done.out
    assert "fw2, traffic report  0 records, " in done.out
    assert "that is no evidence that there was no traffic" in done.out


def test_each_record_is_read_where_its_time_counts(plant: Plant) -> None:
    give(plant, *(entry(number, 60 * number, dport="8502") for number in range(1, 2600)))
    document = asked(plant, "discover", "--since", "3d")
    found = answer(document, "traffic log")
    assert (found["records"], found["cut"], found["not_read"]) == (2599, "", "")
    assert 3 <= found["requests"] < 15
    (witness,) = document["coverage"]["witnesses"]
    assert (witness["name"], witness["records"]) == ("fw1", 2599)
    assert witness["gap_count"] == 0
    assert "8502" in document["diff"]


def test_a_window_that_comes_back_full_is_halved_and_never_paged(plant: Plant) -> None:
    give(plant, *(entry(number, 7200 + number / 4) for number in range(5000)))
    mock = plant.fleet["fw1"]
    document = asked(plant, "discover", "--since", "1d")
    assert answer(document, "traffic log")["records"] == 5000
    assert document["coverage"]["witnesses"][0]["records"] == 5000
    queries = [one for one in mock.requests if one.type == "log" and not one.action]
    assert len(queries) < 20


def test_more_within_one_second_than_an_answer_holds_is_said(plant: Plant) -> None:
    give(plant, *(entry(number, HOUR) for number in range(2300)))
    found = answer(asked(plant, "discover", "--since", "1d"), "traffic log")
    assert found["records"] >= 2000
    if found["records"] < 2300:  # unless a second ended while they were made
        assert "more entries than one answer holds within 1 s" in found["cut"]


def test_what_is_older_than_was_asked_for_does_not_count(plant: Plant) -> None:
    give(plant, entry(1, HOUR), entry(2, 3 * DAY), entry(3, 9 * DAY))
    assert sessions(asked(plant, "traffic", "--since", "2d")) == 1
    assert sessions(asked(plant, "traffic")) == 2
    assert sessions(asked(plant, "traffic", "--since", "30d")) == 3
    done = plant("traffic", "--from-devices", "--since", "2099-01-01")
    assert done.code == 1
    assert "--since: devices are asked about a time in the past" in done.err


def test_a_file_of_the_same_records_adds_nothing(plant: Plant) -> None:
    own = "007000000001"
    lines = [entry(number, HOUR * number, serial=own) for number in range(1, 4)]
    give(plant, *lines)
    with_a_tag = "".join(
        "<entry>" + "".join(f"<{name}>{text}</{name}>" for name, text in line.items()) + "</entry>"
        for line in lines
    )
    text = f'<response status="success"><result><log><logs count="3">{with_a_tag}</logs></log>'
    (plant.folder / "saved.xml").write_text(f"{text}</result></response>")
    document = asked(plant, "discover", "saved.xml", "--since", "1d")
    (witness,) = document["coverage"]["witnesses"]
    assert (witness["name"], witness["records"], witness["duplicates"]) == ("fw1", 3, 3)


def test_a_session_that_was_logged_when_it_began_is_one(plant: Plant) -> None:
    began = entry(99, HOUR, subtype="start", app="modbus-base", session_end_reason="n/a")
    give(plant, began, session(99, HOUR, application="modbus-read-coils"))
    document = asked(plant, "discover", "--since", "1d")
    assert document["coverage"]["witnesses"][0]["records"] == 1


def test_a_firewall_that_is_silent_hides_no_other(plant: Plant) -> None:
    give(plant, entry(1), entry(2, host="fw2", to="DMZ", dst="10.20.35.10"))
    plant.fleet["fw2"].stop()
    document = asked(plant, "traffic", code=1)
    assert sessions(document) == 1
    (failed,) = document["coverage"]["failed"]
    assert failed["device"] == "fw2"
    assert document["error"]["message"].startswith("fw2: ")
    done = plant("traffic", "--from-devices")
    assert done.code == 1
    assert "! fw2: " in done.out
    assert "By conduit" in done.out
    assert asked(plant, "traffic", "-l", "fw1", code=0)["coverage"]["failed"] == []


def body(rows: str, count: int, status: str = "FIN") -> bytes:
    return (
        f'<response status="success"><result><job><status>{status}</status><id>1</id></job>'
        f'<log><logs count="{count}" progress="100">{rows}</logs></log></result></response>'
    ).encode()


ROW = (
    "<entry><type>TRAFFIC</type><subtype>end</subtype><serial>{serial}</serial><seqno>77</seqno>"
    "<time_generated>{when}</time_generated><src>10.20.2.5</src><dst>10.20.1.11</dst>"
    "<vsys>{vsys}</vsys><from>SUPV</from><to>CTRL</to><sport>1</sport><dport>502</dport>"
    "<proto>tcp</proto><action>allow</action><app>ssh</app></entry>"
)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"when": "2019/01/01 00:00:00"}, "of another time than was asked for"),
        ({"when": "yesterday"}, "they have no time"),
        ({"vsys": "vsys9"}, "of another virtual system"),
        ({"serial": "00700000000X"}, "the serial number of another firewall"),
    ],
)
def test_entries_that_nobody_asked_for_are_left_out(
    plant: Plant, said: dict[str, str], why: str
) -> None:
    now = datetime.now(UTC).astimezone() - timedelta(seconds=90)
    right = {"serial": "007000000001", "vsys": "vsys1", "when": now.strftime(STAMP)}
    give(plant)
    row = ROW.format(**right | said)
    plant.fleet["fw1"].fail("body", type="log", action="get", body=body(row, 1), times=1)
    document = asked(plant, "discover", "--since", "1h", code=1)
    (left,) = answer(document, "traffic log")["left_out"]
    assert why in left["why"]
    assert left["count"] == 1
    assert document["coverage"]["records"] == 0


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"body": body("", 50)}, "says that it has 50 log entries, and has 0"),
        ({"body": body("", 0).replace(b'count="0"', b"")}, "has no number of log entries"),
        ({"body": body("", 0)[:-20]}, "not complete XML"),
        ({"body": b'<response status="error"><msg>no</msg></response>'}, "refuses a query: no"),
    ],
)
def test_an_answer_that_is_not_whole_is_said(plant: Plant, fault: dict[str, Any], why: str) -> None:
    give(plant, entry(1), session(9, HOUR))
    plant.fleet["fw1"].fail("body", type="log", action="get", times=1, **fault)
    document = asked(plant, "discover", "--since", "1h", code=1)
    assert why in answer(document, "traffic log")["not_read"]
    assert document["error"]["code"] == "unread"
    assert document["coverage"]["records"] == 1  # the session that is open
    assert answer(document, "traffic log", "fw2")["not_read"] == ""


def test_a_job_that_never_ends_is_removed(plant: Plant) -> None:
    give(plant, entry(1))
    plant.edit("hosts.yml", "segctl_timeout: 60", "segctl_timeout: 2")
    mock = plant.fleet["fw1"]
    mock.fail("body", type="log", action="get", times=1000, body=body("", 0, "ACT"))
    document = asked(plant, "discover", "--since", "1h", code=1)
    assert "a query was not answered within 2s" in answer(document, "traffic log")["not_read"]
    assert [one.action for one in mock.requests if one.type == "log"].count("finish") == 2


def test_a_report_that_is_full_is_asked_again_in_parts(plant: Plant) -> None:
    rows = (
        entry(number, HOUR * (1 + number % 20), src=f"10.20.2.{number % 250}", dport=str(number))
        for number in range(1, 12001)
    )
    give(plant, *rows)
    document = asked(plant, "traffic", "--since", "1d")
    found = answer(document, "traffic report")
    assert (found["records"], found["cut"]) == (12000, "")
    assert sessions(document) == 12000


def test_of_very_many_sessions_the_old_ones_are_asked_for(plant: Plant) -> None:
    young = (session(number, 60, sport=str(number)) for number in range(5001))
    give(plant, *young, session(9000, 40 * DAY, dport="503"))
    document = asked(plant, "traffic", "--since", "1d")
    found = answer(document, "session table")
    assert found["records"] == 1
    assert "only sessions of at least 1 h were asked for" in found["cut"]


def test_another_virtual_system_is_not_asked_about(plant: Plant) -> None:
    give(plant, entry(1), entry(2, vsys="vsys2"), session(3, HOUR, vsys="vsys2"))
    assert sessions(asked(plant, "traffic", "--since", "1d")) == 1


def test_members_of_a_pair_are_asked_each_for_what_it_carried(pair: Plant) -> None:
    give(pair, entry(1), entry(2, host="fw1-b"))
    document = asked(pair, "traffic", "--since", "1d")
    assert answer(document, "traffic report", "fw1-b")["records"] == 1
    assert sessions(document) == 2
    (witness,) = document["coverage"]["witnesses"]
    assert witness["name"] == "fw1"
    pair.fleet["fw1-b"].stop()
    document = asked(pair, "traffic", "--since", "1d", code=1)
    assert sessions(document) == 1
    assert "fw1-b: its traffic report could not be read" in document["error"]["message"]


def declared(plant: Plant, *words: str, code: int) -> Any:
    return asked(plant, "replay", "--declared", "--since", "1d", *words, code=code)


def flows(document: Any, fate: str) -> list[int]:
    return sorted(one["port"] for one in document["fates"][fate]["listed"])


def test_what_devices_saw_is_replayed(applied: Plant) -> None:
    applied.by_hand()
    write = "modbus-write-single-coil"
    give(applied, entry(1), entry(2, app=write), session(3, 90 * DAY))
    document = declared(applied, code=2)
    dropped = document["fates"]["newly_dropped"]["listed"]
    assert [one["applications"] for one in dropped] == [[write]]
    (kept,) = document["fates"]["still_allowed"]["listed"]
    assert kept["sessions"] == 2
    (calibrated,) = document["calibration"]
    assert (calibrated["device"], calibrated["rules"], calibrated["asked"]) == ("fw1", 1, 1)


def test_a_plan_is_rehearsed_on_live_devices(applied: Plant) -> None:
    give(
        applied,
        entry(1),
        entry(
            2,
            host="fw2",
            to="DMZ",
            src="10.20.2.20",
            dst="10.20.35.10",
            app="ssl",
            dport="8443",
            rule="plant.replication.tls",
        ),
    )
    whole = (applied.folder / "group_vars/plant.yml").read_text()
    (applied.folder / "group_vars/plant.yml").write_text(whole.replace("tcp/8443", "tcp/8444"))
    assert applied("plan", "-o", "plan.json").code in {0, 1}
    (applied.folder / "group_vars/plant.yml").write_text(whole)
    document = asked(applied, "replay", "plan.json", "--since", "1d", code=2)
    assert document["under"] == "plan"
    assert flows(document, "newly_dropped") == [8443]
    assert flows(document, "still_allowed") == [502]
    applied.by_hand("fw2", "plant.replication.tls")
    document = asked(applied, "replay", "plan.json", "--since", "1d", code=0)
    assert flows(document, "newly_dropped") == []
    (stale,) = document["not_asked"]
    assert stale["device"] == "fw2"


def test_a_rule_that_the_device_decides_otherwise_has_no_verdict(applied: Plant) -> None:
    give(applied, entry(1), entry(2, app="ssh", dport="22", rule="x", action="deny"))
    named = b'<response status="success"><result></result></response>'
    applied.fleet["fw1"].fail("body", contains="security-policy-match", body=named, times=2)
    document = declared(applied, code=0)
    (wrong,) = document["miscalibrated"]
    assert (wrong["rule"], wrong["logged"], wrong["model"], wrong["by"]) == (
        "plant.polling.modbus",
        "deny",
        "allow",
        "device",
    )
    assert flows(document, "still_allowed") == []
    assert flows(document, "cannot_tell") == [502]
    assert flows(document, "still_dropped") == [22]


def test_files_are_calibrated_by_devices_on_demand(applied: Plant) -> None:
    (applied.folder / "fw.log").write_text(logged())
    named = b'<response status="success"><result></result></response>'
    applied.fleet["fw1"].fail("body", contains="security-policy-match", body=named, times=1)
    with applied.untouched():
        done = applied("replay", "--declared", "fw.log", "--calibrate", "--json")
    assert done.code == 1
    assert done.json["error"]["code"] == "cannot_tell"
    assert done.json["miscalibrated"][0]["by"] == "device"
    assert done.json["coverage"]["asked"] == []
    again = applied("replay", "--declared", "fw.log", "--calibrate")
    assert again.code == 0
    assert "fw1 was asked about 1 of 1 rule" in again.out


POLL = (
    "tcp      6 431992 ESTABLISHED src=10.1.0.5 dst=10.3.0.11 sport=58271 dport=502 packets=8 "
    "bytes=460 src=10.3.0.11 dst=10.1.0.5 sport=502 dport=58271 packets=5 bytes=301 [ASSURED] "
    "mark=0 delta-time=7 use=1"
)
SIX = POLL.replace("10.1.0.5", "fd00::5").replace("10.3.0.11", "fd00:3::11")


@pytest.fixture
def gateway(mixed: Cells) -> Host:
    """A gateway that holds what is declared."""
    assert mixed("apply", "--auto-approve", "-l", "gw3").code == 0
    return mixed.fleet.linux["gw3"].host_device


def test_a_gateway_tells_its_connections_and_counters(mixed: Cells, gateway: Host) -> None:
    gateway.connections += [POLL, SIX]
    done = mixed("traffic", "--from-devices", "--json", "-l", "gw3")
    assert done.code == 0, done.out
    jsonschema.validate(done.json, schema("traffic"))
    assert answer(done.json, "connections", "gw3")["records"] == 2
    (witness,) = done.json["coverage"]["witnesses"]
    assert (witness["name"], witness["records"]) == ("gw3", 2)
    counted = {one["rule"]: one for one in done.json["coverage"]["rule_counters"]}
    assert counted["plant.poll-3.modbus"]["conduit"] == "plant.poll-3"
    assert counted["plant.poll-3.modbus"]["since"] is None
    assert "denied" in counted
    text = mixed("traffic", "--from-devices", "-l", "gw3").out
    assert "gw3, rule plant.poll-3.modbus: 0 packets since nobody knows when" in text


def test_a_gateway_without_conntrack_is_read_from_proc(mixed: Cells, gateway: Host) -> None:
    gateway.connections += [POLL]
    gateway.tracks = False
    done = mixed("traffic", "--from-devices", "--json", "-l", "gw3")
    assert done.code == 0, done.out
    assert answer(done.json, "connections", "gw3")["records"] == 1


def test_an_account_that_may_not_list_connections_is_said(mixed: Cells, gateway: Host) -> None:
    gateway.sudo_allow = ("/usr/sbin/nft", "/usr/bin/cat /etc/nftables.d/segctl.nft")
    done = mixed("traffic", "--from-devices", "--json", "-l", "gw3")
    assert done.code == 1
    assert "a password is required" in answer(done.json, "connections", "gw3")["not_read"]
    assert done.json["error"]["code"] == "unread"
    assert done.json["coverage"]["rule_counters"]


def test_rules_that_log_to_the_kernel_are_read_there(mixed: Cells, gateway: Host) -> None:
    before = mixed("traffic", "--from-devices", "--json", "-l", "gw3").json
    assert [one["way"] for one in before["coverage"]["asked"]] == ["connections", "rule counters"]
    kernel = "        gw3:\n          segctl_log_forwarding: kernel\n"
    mixed.edit("hosts.yml", "        gw3:\n", kernel)
    assert mixed("apply", "--auto-approve", "-l", "gw3").code == 0
    line = (
        "segctl allow plant.poll-3.modbus IN=eth1 OUT=eth0 SRC=10.1.0.5 DST=10.3.0.11 LEN=60 "
        "PROTO=TCP SPT=58271 DPT=502 WINDOW=64240 SYN URGP=0"
    )
    now = time.time()
    gateway.kernel_log += [(now - 90000, line), (now - 60, line), (now - 50, "eth0: link up")]
    done = mixed("traffic", "--from-devices", "--json", "-l", "gw3", "--since", "1d")
    assert done.code == 0, done.out
    assert answer(done.json, "kernel log", "gw3")["records"] == 1
    assert done.json["coverage"]["witnesses"][0]["limited"]
    gateway.reads_journal = False
    done = mixed("traffic", "--from-devices", "--json", "-l", "gw3", "--since", "1d")
    assert done.code == 1
    assert "insufficient permissions" in answer(done.json, "kernel log", "gw3")["not_read"]


def test_nothing_to_look_at_is_an_error(plant: Plant) -> None:
    for command in (("traffic",), ("discover",), ("replay", "--declared")):
        done = plant(*command)
        assert done.code == 1
        assert "or ask the devices: --from-devices" in done.err
