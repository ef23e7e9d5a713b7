"""Records of PAN-OS in every form: syslog of each release, exports, and answers of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from segctl.observe.coverage import FUTURE
from segctl.observe.observation import Flow
from segctl.observe.readers.panos_export import CUT_AT
from segctl.observe.readers.panos_fields import verdict_of
from segctl.observe.readers.panos_xml import LOGS_AT_MOST
from support.records import NOW, RECORDS, groups, look, only

if TYPE_CHECKING:
    from pathlib import Path

POLL = Flow("10.20.2.5", "10.20.1.11", "", "tcp", 502)
#: 08:00:00.123 in a zone one hour ahead of UTC, without the fraction that the clock leaves out.
SEVEN = 1793602800.0


def refused(why: str, name: str | Path = "panos-refused.log") -> tuple[int, int]:
    """How many lines were refused for a reason, and which was the first."""
    found = {one.why: one for one in look(name).coverage.files[0].refusals}
    return found[why].count, found[why].line


def test_every_release_says_the_same() -> None:
    reading = look("panos-releases.log")
    held = groups(reading)
    assert {group.flow for group, _ in held} == {POLL}
    assert sum(count.sessions for _, count in held) == 6
    assert sum(count.bytes for _, count in held) == 6 * 900
    for group, _ in held:
        assert group.witness == "0123TEST01"
        assert (group.from_zone, group.to_zone, group.rule) == ("SUPV", "CTRL", "poll")
        assert group.applications == ("modbus-read-coils",)
        assert (group.verdict, group.completed, group.direction) == ("allow", "yes", "known")
    uuids = {group.rule_uuid for group, _ in held}
    assert uuids == {"", "11111111-2222-3333-4444-555555555555"}  # from 9.0 on
    assert reading.coverage.refused == 0


def test_the_release_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, ...]] = []
    for line in (RECORDS / "panos-releases.log").read_text().splitlines():
        path = tmp_path / "one.log"
        path.write_text(line + "\n")
        told.append(look(path).coverage.witnesses[0].versions)
    assert told == [(), (), ("8.1",), ("9.1",), ("10.2",), ("11.2",)]


def test_the_exact_time_counts_where_there_is_one() -> None:
    held = groups(look("panos-releases.log"))
    ends = {count.last for _, count in held}
    assert ends <= {SEVEN, SEVEN + 3600}  # with its offset, and taken as UTC without


def test_times_without_an_offset_are_in_the_zone_that_is_given(tmp_path: Path) -> None:
    old = tmp_path / "old.log"
    old.write_text((RECORDS / "panos-releases.log").read_text().splitlines()[0] + "\n")
    assert only(look(old, timezone="Europe/Berlin"))[1].last == SEVEN
    assert only(look(old))[1].last == SEVEN + 3600
    assert look(old).coverage.witnesses[0].assumed_zone


def test_quotes_are_read_as_a_collector_leaves_them() -> None:
    users = {group.user for group, _ in groups(look("panos-special.log"))}
    assert {'plant\\dupont, "jean"', "plant\\dupont"} <= users


def test_what_a_record_means() -> None:
    by_application = {
        (group.applications[-1] if group.applications else group.reason): (group, count)
        for group, count in groups(look("panos-special.log"))
    }
    ping, pings = by_application["ping"]
    assert (ping.flow.protocol, ping.flow.port, ping.outer) == ("icmp", 0, "192.0.2.1")
    assert pings.sessions == 6  # of one line
    nat = by_application["incomplete"][0]
    assert (nat.flow.destination, nat.flow.inner, nat.completed) == (
        "192.0.2.80",
        "10.20.1.12",
        "no",
    )
    dropped = by_application["not-applicable"][0]
    assert (dropped.verdict, dropped.completed, dropped.rule) == ("deny", "no", "interzone-default")
    assert by_application["non-syn-tcp"][0].direction == "inferred"


def test_a_session_has_all_applications_on_its_way() -> None:
    held = {group.flow.port: (group, count) for group, count in groups(look("panos-shifts.log"))}
    modbus, count = held[502]
    assert modbus.applications == ("modbus-base", "modbus-read-coils", "modbus-write-single-coil")
    assert (count.sessions, count.bytes, count.records) == (1, 4000, 1)
    ssh, still_open = held[22]
    assert (ssh.reason, ssh.completed, still_open.sessions) == ("n/a", "unknown", 1)


def test_a_session_may_end_in_another_file(tmp_path: Path) -> None:
    lines = (RECORDS / "panos-shifts.log").read_text().splitlines(keepends=True)
    (tmp_path / "1.log").write_text("".join(lines[:2]))
    (tmp_path / "2.log").write_text("".join(lines[2:]))
    assert groups(look(tmp_path)) == groups(look("panos-shifts.log"))


def test_records_of_a_beginning_alone_count(tmp_path: Path) -> None:
    first = (RECORDS / "panos-shifts.log").read_text().splitlines()[0]
    path = tmp_path / "start.log"
    path.write_text(first + "\n")
    reading = look(path)
    assert (only(reading)[1].sessions, reading.coverage.records) == (1, 1)


def test_threats_count_no_session() -> None:
    reading = look("panos-threat.log")
    threat, count = only(reading)
    assert (threat.threat, threat.severity) == ("Made-up Exploit(99999)", "high")
    assert (count.records, count.sessions, threat.verdict) == (1, 0, "allow")
    assert reading.coverage.files[0].others == (("SYSTEM", 1), ("THREAT url", 1))


def test_what_is_refused_is_counted_and_shown() -> None:
    file = look("panos-refused.log").coverage.files[0]
    assert (file.records, file.duplicates, file.future, file.refused) == (1, 1, 1, 6)
    assert refused("an address is not one") == (2, 3)
    assert refused("a record of traffic has fewer than 46 columns") == (1, 6)
    assert refused("a port is above 65535") == (1, 7)
    assert refused("the time of a record is not one") == (1, 8)
    cef = next(one for one in file.refusals if "CEF" in one.why)
    assert cef.line == 5
    assert cef.example.startswith("CEF:0")


def test_a_record_from_the_near_future_is_used_and_told(tmp_path: Path) -> None:
    line = (RECORDS / "panos-releases.log").read_text().splitlines()[4]
    path = tmp_path / "soon.log"
    path.write_text(line + "\n")
    soon = look(path, now=SEVEN - FUTURE + 60).coverage
    assert (soon.witnesses[0].ahead, soon.records) == (1, 1)
    later = look(path, now=SEVEN - FUTURE - 60).coverage
    assert (later.files[0].future, later.records) == (1, 0)


def test_a_clock_that_differs_is_told(tmp_path: Path) -> None:
    lines = (RECORDS / "panos-releases.log").read_text().splitlines()
    path = tmp_path / "skewed.log"
    path.write_text(lines[4].replace("2026/11/02 08:00:05", "2026/11/02 10:00:00") + "\n")
    assert look(path).coverage.witnesses[0].skew == 7200
    path.write_text(lines[4] + "\n")
    assert look(path).coverage.witnesses[0].skew is None


def test_older_records_are_left_out() -> None:
    reading = look("panos-releases.log", since=NOW)
    assert (reading.coverage.records, reading.coverage.files[0].early) == (0, 6)


def test_an_export_is_read_by_its_header() -> None:
    reading = look("panos-export.csv")
    group, count = only(reading)
    assert (group.flow, group.rule, group.reason) == (POLL, "poll, all", "tcp-fin")
    assert (count.sessions, count.bytes) == (1, 900)
    assert count.first == SEVEN + 3600 - 30
    assert reading.coverage.files[0].format == "PAN-OS export"
    assert reading.coverage.files[0].refusals[0].line == 3


def test_an_export_that_may_be_cut_is_told(tmp_path: Path) -> None:
    header, row, _ = (RECORDS / "panos-export.csv").read_text().splitlines()
    path = tmp_path / "cut.csv"
    rows = (row.replace(",1001,", f",{number + 1000},") for number in range(CUT_AT[0]))
    path.write_text("\n".join([header, *rows]) + "\n")
    assert "65,535 rows" in look(path).coverage.files[0].cut
    path.write_text(f"{header}\n{row}\n")
    assert not look(path).coverage.files[0].cut


def test_answers_of_the_log_api_are_read() -> None:
    reading = look("panos-log.xml")
    traffic, threat = sorted(groups(reading), key=lambda pair: pair[0].threat)
    assert (traffic[0].flow, traffic[1].sessions, traffic[1].last) == (POLL, 1, SEVEN + 0.123)
    assert (threat[0].threat, threat[0].severity) == ("Made-up Beacon", "critical")
    assert not reading.coverage.files[0].cut


def test_an_answer_with_as_many_records_as_a_query_gives_may_be_cut(tmp_path: Path) -> None:
    text = (RECORDS / "panos-log.xml").read_text()
    start = text.index("<entry")
    entry = text[start : text.index("</entry>") + 8]
    end = text.index("</logs>")
    many = "".join(entry.replace("1001", str(1001 + number)) for number in range(LOGS_AT_MOST))
    path = tmp_path / "many.xml"
    path.write_text(text[:start] + many + text[end:])
    reading = look(path)
    assert "5,000 records" in reading.coverage.files[0].cut
    assert reading.coverage.records == LOGS_AT_MOST


def test_an_answer_that_is_cut_off_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    text = (RECORDS / "panos-log.xml").read_text()
    path = tmp_path / "half.xml"
    path.write_text(text[: text.rindex("<entry") + 40])
    file = look(path).coverage.files[0]
    assert (file.records, "cut off" in file.cut) == (1, True)


def test_a_session_table_shows_what_has_not_ended() -> None:
    group, count = only(look("panos-sessions.xml"))
    assert (group.flow, group.applications, group.rule) == (POLL, ("modbus-base",), "poll")
    assert (count.sessions, count.bytes, group.reason) == (1, 900, "open")


def test_entities_of_an_answer_are_not_resolved(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("10.99.99.99")
    text = (RECORDS / "panos-log.xml").read_text().replace(">10.20.2.5<", ">&x;<")
    path = tmp_path / "entity.xml"
    path.write_text(f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "{secret}">]>{text}')
    reading = look(path)
    assert "10.99.99.99" not in repr(groups(reading))


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("allow", "allow"),
        ("alert", "allow"),
        ("deny", "deny"),
        ("drop ICMP", "deny"),
        ("reset both", "deny"),
        ("reset-server", "deny"),
        ("block-url", "deny"),
        ("", "unknown"),
    ],
)
def test_actions(action: str, verdict: str) -> None:
    assert verdict_of(action) == verdict
