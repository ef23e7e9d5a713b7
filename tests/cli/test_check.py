"""Flows asked of live firewalls, and of the inventory: the answer, its proof, the exit status."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import POLL, RULES, VSYS, Plant
from support.cells import serve_cells, write_cells

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

POLLING = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read")


@pytest.fixture
def gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Generator[Plant]:
    """A cell behind a Linux gateway that holds nothing of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    write_cells(tmp_path, ["gw1"])
    with serve_cells(tmp_path, ["gw1"]) as fleet:
        yield Plant(tmp_path, fleet, capsys)


def asked(plant: Plant, *words: str, code: int = 0) -> Any:
    """The document of a check, which reads devices and leaves them alone."""
    with plant.untouched():
        done = plant("check", *words, "--json")
    assert done.code == code, done.err
    jsonschema.validate(done.json, plant("schema", "check").json)
    return done.json


def refused(plant: Plant, *words: str) -> tuple[str, str]:
    """The code and reason of a check that asks no device."""
    done = plant("check", *words, "--json")
    assert done.code == 1
    jsonschema.validate(done.json, plant("schema", "error").json)
    assert not any(mock.requests for mock in plant.fleet.mocks.values())
    return done.json["error"]["code"], done.json["error"]["message"]


# --- answers -------------------------------------------------------------------------------------


def test_a_flow_is_allowed_by_a_rule(applied: Plant) -> None:
    for mock in applied.fleet.mocks.values():
        mock.reject_writes = True
    (check,) = asked(applied, *POLLING)["checks"]
    assert (check["status"], check["expect"]) == ("answered", None)
    assert (check["from_zone"], check["to_zone"]) == ("plant/supervisory", "plant/control")
    (fw1,) = check["devices"]
    assert (fw1["name"], fw1["answer"], fw1["denied"]) == ("fw1", "allow", None)
    assert fw1["allowed"]["rule"] == POLL
    assert (fw1["allowed"]["source"], fw1["allowed"]["destination"]) == ("10.20.2.5", "10.20.1.11")
    assert fw1["allowed"]["application"].startswith("modbus-read-")
    text = applied("check", *POLLING)
    assert text.code == 0
    assert re.search(
        r"^scada1 → plc1 tcp modbus.read  \(plant/supervisory → plant/control\)\n"
        r"  fw1  allowed\n"
        rf"    allowed  10.20.2.5 → 10.20.1.11 tcp/502 modbus-read-\S+ by {POLL}\n\n"
        r"1 answered$",
        text.out,
        re.MULTILINE,
    )


def test_the_device_is_asked_and_not_the_inventory(plant: Plant) -> None:
    (check,) = asked(plant, *POLLING)["checks"]
    assert check["devices"][0]["answer"] == "deny"
    assert check["devices"][0]["denied"]["rule"] == "interzone-default"
    plant("apply", "--auto-approve")
    write = ("--from", "scada1", "--to", "plc1", "--application", "modbus.write")
    assert asked(plant, *write, "--expect", "deny")["summary"]["as_expected"] == 1
    plant.by_hand()  # any application
    document = asked(plant, *write, "--expect", "deny", code=1)
    assert document["error"]["code"] == "check_failed"
    assert document["summary"]["otherwise"] == 1
    assert document["checks"][0]["devices"][0]["allowed"]["rule"] == POLL
    assert "fw1  allowed, expected denied" in plant("check", *write, "--expect", "deny").out


def test_a_zone_of_which_some_is_allowed_is_partly_allowed(applied: Plant) -> None:
    words = ("--from", "supervisory", "--to", "control", "--application", "modbus.read")
    (fw1,) = asked(applied, *words)["checks"][0]["devices"]
    assert fw1["answer"] == "partly"
    assert fw1["allowed"]["source"] == "10.20.2.5"
    assert fw1["denied"] | {"application": ""} == {
        "source": "10.20.2.0",
        "destination": "10.20.1.0",
        "protocol": "tcp",
        "port": None,
        "application": "",
        "rule": "interzone-default",
    }
    for expected in ("allow", "deny"):
        document = asked(applied, *words, "--expect", expected, code=1)
        assert document["checks"][0]["status"] == "otherwise"
    out = applied("check", *words, "--expect", "allow").out
    assert "fw1  partly allowed, expected allowed\n    allowed  10.20.2.5" in out
    assert "\n    denied   10.20.2.0 → 10.20.1.0" in out


def test_every_firewall_between_the_ends_is_asked(applied: Plant) -> None:
    words = ("--from", "plc1", "--to", "replica", "--expect", "deny")
    (check,) = asked(applied, *words)["checks"]
    assert [(one["name"], one["answer"]) for one in check["devices"]] == [
        ("fw1", "deny"),
        ("fw2", "deny"),
    ]
    assert check["not_asked"] == []
    (limited,) = asked(applied, *words, "-l", "fw2")["checks"]
    assert [one["name"] for one in limited["devices"]] == ["fw2"]
    assert limited["not_asked"] == ["fw1"]
    assert "not asked: fw1 (left out by -l)" in applied("check", *words, "-l", "fw2").out


def test_one_firewall_that_denies_does_not_hide_one_that_was_opened(applied: Plant) -> None:
    rule = "plant.replication.tls"
    applied.by_hand("fw2", rule)
    source = f"{RULES}/entry[@name='{rule}']/source"
    applied.fleet["fw2"].edit("edit", source, "<source><member>any</member></source>", commit=True)
    words = ("--from", "plc1", "--to", "replica", "--expect", "deny")
    (check,) = asked(applied, *words, code=1)["checks"]
    assert check["status"] == "otherwise"
    assert [one["answer"] for one in check["devices"]] == ["deny", "allow"]


def test_ports_and_protocols(applied: Plant) -> None:
    tls = ("--from", "historian1", "--to", "replica", "--application", "ssl", "--expect")
    assert asked(applied, *tls, "allow", "--port", "8443")["summary"]["as_expected"] == 1
    assert asked(applied, *tls, "deny", "--port", "8444")["summary"]["as_expected"] == 1
    assert asked(applied, *tls, "deny", "--protocol", "udp")["summary"]["as_expected"] == 1
    text = applied("check", *tls, "allow", "--port", "8443").out
    assert "historian1 → replica tcp/8443 ssl" in text


def test_whom_rules_for_certain_users_allow_more_is_told(plant: Plant) -> None:
    plant.edit("group_vars/plant.yml", "essential: true", "users: ['plant\\ops']")
    assert plant("apply", "--auto-approve").code == 0
    words = ("--from", "historian1", "--to", "replica", "--port", "8443")
    (fw2,) = asked(plant, *words, "--expect", "deny")["checks"][0]["devices"]
    assert [(one["user"], one["answer"]) for one in fw2["users"]] == [("plant\\ops", "allow")]
    out = plant("check", *words).out
    assert "  fw2  denied\n" in out
    assert "    for user plant\\ops: allowed\n      allowed  10.20.2.20 → 10.20.35.10" in out
    asked(plant, *words, "--user", "plant\\ops", "--expect", "allow")
    other = asked(plant, *words, "--user", "plant\\other", "--expect", "deny", code=1)
    assert other["error"]["code"] == "cannot_tell"  # ops may be a group


def test_uncommitted_changes_are_not_part_of_the_answer_and_told(applied: Plant) -> None:
    applied.fleet["fw1"].edit("delete", f"{RULES}/entry[@name='{POLL}']", commit=False)
    document = asked(applied, *POLLING, "--expect", "allow")
    (finding,) = document["devices"][0]["findings"]
    assert "uncommitted changes" in finding["message"]
    assert "! warning: fw1: the device holds uncommitted changes" in applied("check", *POLLING).out


# --- the inventory itself ------------------------------------------------------------------------


def test_what_is_declared_is_asked_without_any_device(plant: Plant) -> None:
    document = asked(plant, *POLLING, "--declared", "--expect", "allow")
    assert document["declared"] is True
    (fw1,) = document["checks"][0]["devices"]
    assert (fw1["answer"], fw1["allowed"]["rule"]) == ("allow", POLL)
    plant.fleet["fw1"].stop()
    done = plant("check", *POLLING, "--declared")
    assert done.code == 0
    assert done.out.endswith("1 answered (as declared, no device was asked)\n")
    assert not any(mock.requests for mock in plant.fleet.mocks.values())
    asked(plant, *POLLING, "--declared", "--expect", "deny", code=1)


def test_what_a_platform_cannot_express_is_not_answered(gateway: Plant) -> None:
    gateway.edit("hosts.yml", "protocols: {modbus: read}", "applications: [ssl]")
    words = ("--from", "scada1", "--to", "plc1", "--declared", "--expect", "deny")
    error = asked(gateway, *words, code=1)["error"]
    assert error["code"] == "unsupported"


# --- a file of checks ----------------------------------------------------------------------------

CHECKS = """\
- check: {from: scada1, to: plc1, application: modbus.read}
- check: {from: scada1, to: plc1, application: modbus.write, expect: deny}
- check: {from: dmz, to: control}
  expect: deny
"""


def write(plant: Plant, text: str) -> None:
    (plant.folder / "checks.yml").write_text(dedent(text), encoding="utf-8")


def test_a_file_of_checks_is_held_against_what_it_expects(applied: Plant) -> None:
    write(applied, CHECKS)
    document = asked(applied, "checks.yml")
    assert {state: number for state, number in document["summary"].items() if number} == {
        "as_expected": 3
    }
    assert [one["line"] for one in document["checks"]] == [1, 2, 3]
    assert asked(applied, "checks.yml", "--declared")["summary"]["as_expected"] == 3
    assert all(mock.requests for mock in applied.fleet.mocks.values())
    applied.by_hand()
    document = asked(applied, "checks.yml", code=1)
    assert [one["status"] for one in document["checks"]] == [
        "as_expected",
        "otherwise",
        "as_expected",
    ]
    done = applied("check", "checks.yml")
    assert done.code == 1
    assert "checks.yml:2: scada1 → plc1 tcp modbus.write" in done.out
    assert done.out.endswith("2 as expected, 1 otherwise than expected\n")


def test_all_problems_of_a_file_are_told_at_their_lines(plant: Plant) -> None:
    write(
        plant,
        """\
        - check: {from: scada9, to: plc1}
        - check: {from: scada1, to: 192.0.2.1}
        - check: {from: scada1, to: plc1, application: modbus.reed}
        """,
    )
    code, message = refused(plant, "checks.yml")
    assert code == "checks"
    assert [line.partition(":")[2][0] for line in message.splitlines()] == ["1", "2", "3"]
    assert "did you mean scada1?" in message
    write(plant, "- check: {from: scada1, two: plc1}\n- tcp: 10.0.0.1:1\n")
    code, message = refused(plant, "checks.yml")
    assert code == "checks"
    assert "checks.yml:1:25: [0].check.two: unknown key" in message
    assert "checks.yml:2:3: [1].tcp: unknown key" in message
    write(plant, "- check: {from: plc1, to: scada1}\n")
    code, message = refused(plant, "checks.yml", "-l", "fw2")
    assert code == "checks"
    assert "include fw1 in -l" in message
    for text in ("", "[]", "check: {from: a, to: b}"):
        write(plant, text)
        assert "a checks file must be a list of checks" in refused(plant, "checks.yml")[1]
    assert refused(plant, "absent.yml")[0] == "checks"


def test_editors_have_a_schema_of_the_file(plant: Plant) -> None:
    import yaml

    schema = plant("schema", "checks").json
    jsonschema.validate(yaml.safe_load(CHECKS), schema)
    for text in (
        "[]",
        "- tcp: 10.0.0.1:1",
        "- check: {from: a}",
        "- {check: {from: a, to: b, x: 1}}",
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(text), schema)


# --- what is not answered ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "scada1"), "give --from and --to"),
        ((), "give --from and --to"),
        (("--from", "scada9", "--to", "plc1"), "'scada9' is not a zone, asset or address"),
        (("--from", "scada1", "--to", "192.0.2.1"), "192.0.2.1 is in no zone"),
        ((*POLLING, "-l", "fw2"), "no selected firewall stands between its ends"),
        ((*POLLING, "--protocol", "icmp", "--port", "1"), "icmp has no port"),
        ((*POLLING, "--protocol", "gre"), "gre"),
        ((*POLLING, "--port", "65536"), "65536"),
        ((*POLLING, "--expect", "maybe"), "maybe"),
        (("checks.yml", *POLLING), "the file already says what to ask"),
        (("checks.yml", "--protocol", "udp"), "the file already says what to ask"),
    ],
)
def test_what_cannot_be_asked_is_said_before_any_device_is(
    plant: Plant, words: tuple[str, ...], message: str
) -> None:
    code, text = refused(plant, *words)
    assert code == "usage"
    assert message in text
    assert len(plant("check", *words).err.splitlines()) == 1


def test_zones_that_no_firewall_joins(plant: Plant) -> None:
    plant.edit(
        "group_vars/plant.yml",
        "  dmz:\n",
        "  lone: {level: 1, kind: control, networks: [10.20.9.0/24]}\n  dmz:\n",
    )
    code, text = refused(plant, "--from", "scada1", "--to", "lone")
    assert code == "usage"
    assert "no firewall stands between its ends" in text


def test_a_device_that_does_not_answer_is_an_error_and_hides_no_other(applied: Plant) -> None:
    applied.fleet["fw1"].stop()
    words = ("--from", "plc1", "--to", "replica")
    document = asked(applied, *words, code=1)
    fw1, fw2 = document["checks"][0]["devices"]
    assert fw1["error"]["code"] == document["error"]["code"] == "unreachable"
    assert fw2["answer"] == "deny"
    assert document["summary"]["error"] == 1
    done = applied("check", *words, "--expect", "deny")
    assert done.code == 1
    assert re.search(r"^  fw1  ! unreachable: .*refuses connections", done.out, re.MULTILINE)
    assert "  fw2  denied, as expected\n" in done.out
    assert done.out.endswith("1 not answered\n")


def test_an_application_that_the_device_does_not_know_is_not_answered(applied: Plant) -> None:
    words = ("--from", "scada1", "--to", "plc1", "--application", "modbsu", "--expect", "deny")
    document = asked(applied, *words, code=1)
    error = document["checks"][0]["devices"][0]["error"]
    assert error["code"] == "unsupported"
    assert "no application modbsu" in error["message"]


def test_a_zone_that_is_bound_otherwise_on_the_device_is_not_answered(applied: Plant) -> None:
    applied.edit("host_vars/fw1.yml", "[ethernet1/2]", "[ethernet1/7]")
    document = asked(applied, *POLLING, "--expect", "allow", code=1)
    error = document["checks"][0]["devices"][0]["error"]
    assert error["code"] == "inventory"
    assert "zone CTRL is bound to ethernet1/2 on the device, to ethernet1/7" in error["message"]
    # flows through another firewall are answered all the same
    assert asked(applied, "--from", "historian1", "--to", "replica")["summary"]["answered"] == 1


def test_zones_that_are_not_asked_about_do_not_matter(applied: Plant) -> None:
    lone = "  lone: {level: 1, kind: control, networks: [10.20.9.0/24]}\n  dmz:\n"
    applied.edit("group_vars/plant.yml", "  dmz:\n", lone)
    applied.edit(
        "host_vars/fw1.yml",
        "  control:",
        "  lone: {zone: LONE, interfaces: [ethernet1/9]}\n  control:",
    )
    assert asked(applied, *POLLING, "--expect", "allow")["summary"]["as_expected"] == 1
    error = asked(applied, "--from", "scada1", "--to", "lone", code=1)["error"]
    assert "zone LONE does not exist on the device" in error["message"]


def test_a_gateway_without_our_table_filters_nothing_and_is_not_answered(gateway: Plant) -> None:
    words = ("--from", "cell-1", "--to", "supervisory", "--expect", "deny")
    document = asked(gateway, *words, code=1)
    error = document["checks"][0]["devices"][0]["error"]
    assert error["code"] == "inventory"
    assert "zone CELL does not exist on the device; zone SUPV" in error["message"]
    assert gateway("apply", "--auto-approve").code == 0
    assert asked(gateway, *words)["summary"]["as_expected"] == 1
    (row,) = asked(gateway, *POLLING)["checks"][0]["devices"]
    assert (row["answer"], row["allowed"]["application"]) == ("allow", "modbus.read")
    assert row["allowed"]["port"] == 502


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_where_devices_are_worked_on_makes_no_difference(applied: Plant, executor: str) -> None:
    document = asked(applied, *POLLING, "--executor", executor)
    assert document["checks"][0]["devices"][0]["answer"] == "allow"


def test_the_document_is_the_last_of_the_lines(applied: Plant) -> None:
    done = applied("check", *POLLING, "--json-lines")
    assert done.code == 0
    *events, last = done.out.splitlines()
    assert events
    assert '"event"' not in last


# --- end to end ----------------------------------------------------------------------------------

OVER = ("--from", "plc1", "--to", "replica")


def opened(plant: Plant, host: str, enter: str, leave: str, service: str) -> None:
    """Somebody opens a firewall for one service."""
    lists = {"from": enter, "to": leave, "source": "any", "destination": "any"}
    lists |= {"application": "any", "service": service}
    text = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in lists.items())
    rule = f"<entry name='open-{service}'>{text}<action>allow</action></entry>"
    plant.fleet[host].edit("set", RULES, rule, commit=True)
    move = f"{RULES}/entry[@name='open-{service}']"
    plant.fleet[host].edit("move", move, where="top", commit=True)


def test_firewalls_in_series_have_one_verdict(applied: Plant) -> None:
    opened(applied, "fw1", "CTRL", "SUPV", "service-http")
    (check,) = asked(applied, *OVER)["checks"]
    assert [row["answer"] for row in check["devices"]] == ["allow", "deny"]
    assert check["end_to_end"]["answer"] == "deny"
    out = applied("check", *OVER).out
    assert "  end to end  denied\n" in out
    # each of them permits something, but nothing passes both
    opened(applied, "fw2", "SUPV", "DMZ", "service-https")
    document = asked(applied, *OVER, "--expect", "allow", code=1)
    (check,) = document["checks"]
    assert [row["answer"] for row in check["devices"]] == ["allow", "allow"]
    assert (check["end_to_end"]["answer"], check["status"]) == ("deny", "otherwise")
    opened(applied, "fw2", "SUPV", "DMZ", "service-http")
    (check,) = asked(applied, *OVER, "--expect", "allow")["checks"]
    whole = check["end_to_end"]
    assert (whole["answer"], whole["allowed"]["port"]) == ("allow", 80)
    assert whole["depends_on"] == [{"field": "port", "allowed": ["tcp/80,8080"]}]
    assert "    only      on port tcp/80,8080\n" in applied("check", *OVER).out


def test_a_firewall_left_out_leaves_the_expectation_open(applied: Plant) -> None:
    opened(applied, "fw1", "CTRL", "SUPV", "service-http")
    document = asked(applied, *OVER, "-l", "fw1", "--expect", "allow", code=1)
    assert document["error"]["code"] == "cannot_tell"
    (check,) = document["checks"]
    assert (check["status"], check["end_to_end"]["answer"]) == ("cannot_tell", "cannot_tell")
    assert check["end_to_end"]["why"] == ["fw2 was not asked"]
    assert asked(applied, *OVER, "-l", "fw1")["summary"]["answered"] == 1


def test_a_schedule_is_named(applied: Plant) -> None:
    schedule = (
        "<schedule-type><recurring><weekly><monday><member>07:00-17:00</member></monday>"
        "</weekly></recurring></schedule-type>"
    )
    mock = applied.fleet["fw1"]
    mock.edit("set", f"{VSYS}/schedule", f"<entry name='shift'>{schedule}</entry>")
    mock.edit("set", f"{RULES}/entry[@name='{POLL}']", "<schedule>shift</schedule>", commit=True)
    (check,) = asked(applied, *POLLING)["checks"]
    assert {"field": "time", "allowed": ["Mon 07:00-17:00"]} in check["end_to_end"]["depends_on"]
    assert "    only      at Mon 07:00-17:00\n" in applied("check", *POLLING).out


def test_what_passes_although_it_is_denied_is_named(applied: Plant) -> None:
    words = ("--from", "scada1", "--to", "plc1", "--application", "modbus.write", "--port", "502")
    (fw1,) = asked(applied, *words, "--expect", "deny")["checks"][0]["devices"]
    assert any("sessions may begin" in note for note in fw1["notes"])
    shut = (*words[:-1], "503")
    (fw1,) = asked(applied, *shut, "--expect", "deny")["checks"][0]["devices"]
    assert fw1["notes"] == []


def test_snapshots_are_asked_instead_of_devices(applied: Plant) -> None:
    assert applied("snapshot", "-o", "kept").code == 0
    opened(applied, "fw1", "SUPV", "CTRL", "service-http")
    words = ("--from", "scada1", "--to", "plc1", "--port", "80", "--offline", "kept")
    document = asked(applied, *words, "--expect", "deny")
    assert document["offline"]
    assert document["devices"][0]["digest"].startswith("sha256:")
    assert applied("snapshot", "-o", "kept").code == 0
    assert asked(applied, *words, "--expect", "deny", code=1)["error"]["code"] == "check_failed"


# --- protocols that the question leaves open ------------------------------------------------------

UDP = '<entry name="u161"><protocol><udp><port>161</port></udp></protocol></entry>'
ELSEWHERE = ("--from", "scada1", "--to", "10.20.1.55")


def udp_open(plant: Plant, host: str = "fw1", enter: str = "SUPV", leave: str = "CTRL") -> None:
    plant.fleet[host].edit("set", f"{VSYS}/service", UDP)
    opened(plant, host, enter, leave, "u161")


@pytest.mark.parametrize("expect", ["deny", "allow"])
def test_a_denial_is_about_every_protocol(applied: Plant, expect: str) -> None:
    udp_open(applied)
    (check,) = asked(applied, *ELSEWHERE, "--expect", expect, code=1)["checks"]
    (row,) = check["devices"]
    assert (check["status"], row["answer"], row["denied"]["protocol"]) == (
        "otherwise",
        "partly",
        "tcp",
    )
    assert (row["allowed"]["protocol"], row["allowed"]["port"]) == ("udp", 161)
    assert check["end_to_end"]["answer"] == "partly"
    out = applied("check", *ELSEWHERE).out
    assert "    allowed  10.20.2.5 → 10.20.1.55 udp/161 by open-u161\n" in out


@pytest.mark.parametrize("words", [("--protocol", "tcp"), ("--port", "161")])
def test_a_protocol_or_a_port_that_is_named_is_the_question(
    applied: Plant, words: tuple[str, ...]
) -> None:
    udp_open(applied)
    assert asked(applied, *ELSEWHERE, *words, "--expect", "deny")["summary"]["as_expected"] == 1


def test_an_application_of_another_protocol_is_not_denied(applied: Plant) -> None:
    ping = "".join(
        f"<{tag}><member>{text}</member></{tag}>"
        for tag, text in {
            "from": "SUPV",
            "to": "CTRL",
            "source": "any",
            "destination": "any",
            "application": "ping",
            "service": "application-default",
        }.items()
    )
    rule = f'<entry name="ping">{ping}<action>allow</action></entry>'
    applied.fleet["fw1"].edit("set", RULES, rule, commit=True)
    words = ("--from", "scada1", "--to", "plc1", "--application", "ping", "--expect", "deny")
    (check,) = asked(applied, *words, code=1)["checks"]
    assert check["devices"][0]["allowed"]["protocol"] == "icmp"
    write(applied, "- check: {from: scada1, to: plc1, application: ping, expect: deny}\n")
    assert asked(applied, "checks.yml", code=1)["summary"]["otherwise"] == 1


def test_other_protocols_get_through_where_all_firewalls_let_them(applied: Plant) -> None:
    udp_open(applied, "fw1", "CTRL", "SUPV")
    (check,) = asked(applied, *OVER, "--expect", "deny", code=1)["checks"]
    assert [row["answer"] for row in check["devices"]] == ["partly", "deny"]
    assert check["end_to_end"]["answer"] == "deny"
    udp_open(applied, "fw2", "SUPV", "DMZ")
    (check,) = asked(applied, *OVER, "--expect", "deny", code=1)["checks"]
    assert check["end_to_end"]["answer"] == "partly"
    assert check["end_to_end"]["allowed"]["protocol"] == "udp"


def test_what_only_the_device_knows_of_other_protocols_leaves_a_denial_open(
    applied: Plant,
) -> None:
    applied.fleet["fw1"].edit("set", f"{VSYS}/service", UDP)
    lists = {"from": "SUPV", "to": "CTRL", "source": "CN", "destination": "any"}
    lists |= {"application": "any", "service": "u161"}
    inside = "".join(f"<{tag}><member>{one}</member></{tag}>" for tag, one in lists.items())
    rule = f'<entry name="far">{inside}<action>allow</action></entry>'
    applied.fleet["fw1"].edit("set", RULES, rule, commit=True)
    (check,) = asked(applied, *ELSEWHERE, "--expect", "deny", code=1)["checks"]
    assert (check["status"], check["devices"][0]["answer"]) == ("cannot_tell", "cannot_tell")


# --- tables of others on a gateway ----------------------------------------------------------------

POLL_1 = ("--from", "scada1", "--to", "plc1", "--application", "modbus.read", "--expect", "allow")
CLOSED = (
    "table inet fw {\n chain c { type filter hook forward priority 10; policy drop; RULES\n }\n}\n"
)


@pytest.mark.parametrize(
    ("rules", "code", "answer"),
    [
        ("", 1, "deny"),
        ('ct state established accept; iifname "eth2" oifname "eth1" accept;', 0, "allow"),
        ('ct state established accept; iifname "eth2" tcp dport 80 accept;', 1, "deny"),
        ("tcp dport 502 limit rate 5/second accept;", 1, "cannot_tell"),
    ],
)
def test_what_a_table_of_others_may_drop_is_not_certain(
    gateway: Plant, rules: str, code: int, answer: str
) -> None:
    assert gateway("apply", "--auto-approve").code == 0
    gateway.fleet.linux["gw1"].load(CLOSED.replace("RULES", rules))
    done = gateway("check", *POLL_1, "--json")
    (row,) = done.json["checks"][0]["devices"]
    assert (done.code, row["answer"]) == (code, answer)
    if answer == "deny":
        assert row["denied"]["rule"] == "chain c of table inet fw"
    if answer == "cannot_tell":
        assert row["why"] == ["chain c of table inet fw: it may drop what our rules permit"]
        assert gateway("snapshot", "-o", "kept").code == 0
        offline = gateway("check", *POLL_1, "--offline", "kept", "--json").json
        assert offline["checks"][0]["devices"] == [row]
