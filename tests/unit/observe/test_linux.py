"""Records of Linux gateways: conntrack, what rules log, ulogd."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.observe.observation import Flow
from support.records import groups, look, only

if TYPE_CHECKING:
    from pathlib import Path

POLL = Flow("10.20.2.5", "10.20.1.11", "", "tcp", 502)


def test_a_listing_shows_both_sides_of_nat() -> None:
    reading = look("conntrack.txt")
    nat, query = sorted(groups(reading), key=lambda pair: pair[0].flow.port, reverse=True)
    assert nat[0].flow == Flow("10.20.2.5", "192.0.2.80", "10.20.1.11", "tcp", 502)
    assert (nat[0].outer, nat[0].completed, nat[1].bytes) == ("10.20.2.1", "yes", 900)
    assert (query[0].flow.protocol, query[0].completed) == ("udp", "no")
    assert nat[0].verdict == "allow"
    file = reading.coverage.files[0]
    assert (file.undated, file.refusals[0].line) == (2, 3)


def test_the_events_of_a_connection_are_one_connection() -> None:
    held = {group.flow: (group, count) for group, count in groups(look("conntrack-events.txt"))}
    group, count = held[POLL]
    assert (count.sessions, count.bytes, group.completed) == (1, 900, "yes")
    assert (count.first, count.last) == (1793606400.5, 1793606413.0)
    attempt = held[Flow("10.20.2.66", "10.20.1.11", "", "tcp", 22)][0]
    assert attempt.completed == "no"


def test_xml_is_read_like_text() -> None:
    group, count = only(look("conntrack.xml"))
    assert (group.flow, count.bytes, group.completed) == (POLL, 900, "yes")


def test_what_rules_log() -> None:
    reading = look("netfilter.log")
    held = [(group, count) for group, count in groups(reading)]
    by_rule = {group.rule: (group, count) for group, count in held}
    allowed, count = by_rule["polling.modbus"]
    assert (allowed.flow, allowed.verdict, allowed.witness) == (POLL, "allow", "gw1")
    assert (allowed.from_zone, allowed.to_zone, count.sessions) == ("eth1", "eth2", 2)
    denied, attempts = by_rule["default"]
    assert (denied.verdict, attempts.sessions) == ("deny", 1)  # sent again, and one attempt
    assert by_rule["[UFW BLOCK]"][0].verdict == "deny"
    ended = next(pair for pair in held if pair[0].reason == "ended")
    assert (ended[0].flow, ended[1].bytes, ended[0].completed) == (POLL, 900, "yes")
    assert reading.coverage.files[0].duplicates == 1
    assert reading.coverage.files[0].refusals[0].line == 7
    assert reading.coverage.witnesses[0].limited
    assert reading.coverage.witnesses[0].default_denials


def test_a_line_without_a_year_is_of_the_latest_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "kern.log"
    now = datetime.now(UTC)
    line = (
        "gw1 segctl allow p.m IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 LEN=60 PROTO=TCP SPT=1 DPT=2 SYN"
    )
    path.write_text(f"Feb 29 00:00:00 {line}\n{now:%b} {now.day:2d} 00:00:00 {line}\n")
    _, count = only(look(path, now=now.timestamp()))
    assert count.first is not None
    assert count.last is not None
    assert datetime.fromtimestamp(count.first, UTC).strftime("%m-%d") == "02-29"
    assert 0 <= now.timestamp() - count.last < 86400


def test_ulogd() -> None:
    reading = look("ulogd.json")
    packet, ended = sorted(groups(reading), key=lambda pair: pair[0].reason, reverse=True)
    assert (packet[0].flow, packet[0].verdict, packet[1].first) == (POLL, "allow", 1793606400.0)
    assert (ended[0].flow, ended[1].bytes, ended[1].last) == (POLL, 900, 1793606413.0)
    assert dict(reading.coverage.files[0].others) == {"connection that goes on": 1}
