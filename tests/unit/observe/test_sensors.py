"""Records of sensors: Zeek with ICSNPP, Suricata, and flows of nfdump."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.observe.observation import Flow, Function
from support.records import RECORDS, groups, look, only

if TYPE_CHECKING:
    from pathlib import Path

POLL = Flow("10.20.2.5", "10.20.1.11", "", "tcp", 502)
READ = Function("modbus", "READ_COILS", "read")
OPEN = Function("modbus", "unknown-100", "")


def test_zeek_connections() -> None:
    reading = look("zeek-conn.log")
    held = {group.flow: (group, count) for group, count in groups(reading)}
    poll, count = held[POLL]
    assert (poll.witness, poll.applications, poll.completed) == ("worker", ("modbus",), "yes")
    assert (count.sessions, count.bytes, count.first, count.last) == (
        1,
        900,
        1793606400.5,
        1793606413.0,
    )
    assert poll.verdict == "unknown"  # it only watched
    scan = held[Flow("10.20.2.66", "10.20.1.11", "", "tcp", 502)][0]
    assert (scan.completed, scan.reason, scan.direction) == ("no", "REJ", "known")
    midway = held[Flow("10.20.1.11", "10.20.2.5", "", "tcp", 40009)][0]
    assert (midway.direction, midway.completed) == ("inferred", "unknown")
    ping = held[Flow("10.20.2.5", "10.20.1.11", "", "icmp", 0)][0]
    assert ping.direction == "known"
    assert reading.coverage.files[0].duplicates == 1  # two workers saw one connection


def test_zeek_fields_are_found_by_name() -> None:
    assert only(look("zeek-conn-other-order.log"))[0].flow == POLL


def test_functions_are_joined_by_uid_and_of_requests_only() -> None:
    for order in (("zeek-conn.log", "zeek-modbus.log"), ("zeek-modbus.log", "zeek-conn.log")):
        reading = look(*order)
        held = {group.flow: (group, count) for group, count in groups(reading)}
        poll, count = held[POLL]
        assert poll.functions == (READ, OPEN)  # no reply is a request
        assert (count.sessions, count.bytes) == (1, 900)
        long, alone = held[Flow("10.20.2.20", "10.20.1.12", "", "tcp", 502)]
        assert long.functions == (Function("modbus", "READ_HOLDING_REGISTERS", "read"),)
        assert (long.reason, alone.sessions) == ("no record of the connection", 1)
        files = {one.name: one for one in reading.coverage.files}
        modbus = next(one for name, one in files.items() if "modbus" in name)
        assert (modbus.evidence, dict(modbus.others)) == (3, {"modbus.log: replies": 2})


def test_zeek_json_with_and_without_the_name_of_its_log() -> None:
    group, count = only(look("zeek.json"))
    assert (group.flow, group.functions, group.applications) == (POLL, (READ,), ("modbus",))
    assert (count.sessions, count.bytes, count.last) == (1, 900, 1793606413.0)


def test_a_row_that_does_not_fit_its_header_is_refused(tmp_path: Path) -> None:
    text = (RECORDS / "zeek-conn.log").read_text().replace("\tREJ\tSr", "\tREJ")
    path = tmp_path / "conn.log"
    path.write_text(text)
    refusal = look(path).coverage.files[0].refusals[0]
    assert (refusal.why, refusal.line) == ("a row has not as many fields as its header", 10)


def test_suricata() -> None:
    reading = look("suricata-eve.json")
    held = {
        (group.flow.port, bool(group.threat)): pair
        for pair in groups(reading)
        for group in [pair[0]]
    }
    poll, count = held[502, False]
    assert (poll.flow, poll.functions, poll.applications) == (POLL, (READ,), ("modbus",))
    assert (poll.completed, poll.direction) == ("yes", "known")
    assert (count.sessions, count.bytes, count.last) == (1, 900, 1793606413.0)
    alert = held[502, True][0]
    assert (alert.threat, alert.severity, alert.verdict) == ("made-up alert", "high", "deny")
    dnp3 = held[20000, False][0]
    assert {one.access_class for one in dnp3.functions} == {"control", "write"}
    enip = held[44818, False][0]
    assert {(one.name, one.access_class) for one in enip.functions} == {
        ("Read Data", "read"),
        ("Forward Close", ""),
    }
    file = reading.coverage.files[0]
    assert (file.duplicates, dict(file.others)) == (1, {"dns": 1, "modbus: no function": 1})


def test_an_array_over_many_lines_is_read_as_one_object_a_line_is() -> None:
    assert only(look("suricata-array.json"))[0].flow == POLL


@pytest.mark.parametrize(
    "broken", ['{"event_type": "flow", "x": "', '{"event_type":', "{", "}", '{"a": {', "nonsense"]
)
def test_a_line_that_is_cut_off_takes_no_other_with_it(broken: str, tmp_path: Path) -> None:
    lines = (RECORDS / "suricata-eve.json").read_text().splitlines()
    path = tmp_path / "eve.json"
    path.write_text("\n".join([lines[0], broken, *lines[1:], broken]) + "\n")
    reading = look(path)
    assert reading.coverage.refused == 2
    found = [(group.flow, count.sessions) for group, count in groups(reading)]
    whole = [(group.flow, count.sessions) for group, count in groups(look("suricata-eve.json"))]
    assert found == whole


def test_braces_in_names_are_names(tmp_path: Path) -> None:
    text = (RECORDS / "suricata-eve.json").read_text().replace("made-up alert", "made {up [ alert")
    path = tmp_path / "eve.json"
    path.write_text(text)
    reading = look(path)
    assert reading.coverage.refused == 0
    assert "made {up [ alert" in {group.threat for group, _ in groups(reading)}
    array = (RECORDS / "suricata-array.json").read_text().replace('"modbus"', '"mod}bus"')
    path.write_text(array)
    assert only(look(path))[0].applications == ("mod}bus",)


def test_suricata_does_not_know_who_began_what_it_joined_midway(tmp_path: Path) -> None:
    text = (RECORDS / "suricata-array.json").read_text().replace('"1b"', '"18"')
    path = tmp_path / "eve.json"
    path.write_text(text)
    assert only(look(path))[0].direction == "inferred"


def test_nfdump_joins_both_directions() -> None:
    reading = look("nfdump.csv")
    held = {group.flow: (group, count) for group, count in groups(reading)}
    poll, count = held[POLL]
    assert (poll.witness, poll.direction, poll.completed) == ("10.0.0.1", "inferred", "yes")
    assert (count.sessions, count.bytes) == (1, 900)
    scan = held[Flow("10.20.2.66", "10.20.1.11", "", "tcp", 22)][0]
    assert (scan.direction, scan.completed) == ("known", "no")
    file = reading.coverage.files[0]
    assert [(one.why, one.line) for one in file.refusals] == [
        ("an aggregated record has lost its ports", 5)
    ]
    assert reading.coverage.witnesses[0].assumed_zone


def test_nfdump_json_says_where_it_is_a_sample() -> None:
    reading = look("nfdump.json")
    assert only(reading)[0].flow == POLL
    assert reading.coverage.witnesses[0].sampled
    assert not look("nfdump.csv").coverage.witnesses[0].sampled
