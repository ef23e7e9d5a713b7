"""``segctl traffic``: what records show, against what is declared; text, JSON and a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import write_plant
from segctl.cli import run
from segctl.planning.documents import schema
from support.records import RECORDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The small plant, without any device."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    write_plant(tmp_path)
    return ["-i", "hosts.yml"]


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert run([*words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("traffic"))
    return document


def records(*names: str) -> list[str]:
    return [str(RECORDS / name) for name in names]


def test_what_is_declared_is_told_from_what_is_not(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = records("zeek-conn.log", "zeek-modbus.log", "panos-special.log", "netfilter.log")
    document = told(capsys, *where, "traffic", *files)
    standing = document["standing"]
    assert standing["undeclared"]["flows"] >= 1
    assert {one["why"] for one in document["undeclared"]["listed"]} >= {"no conduit is about it"}
    assert document["outcomes"]["denied"]["sessions"] == 3
    assert document["outcomes"]["attempt"]["flows"] >= 2
    parts = sum(one["sessions"] for one in standing.values())
    assert parts == document["outcomes"]["conversation"]["sessions"]
    assert document["open_functions"] == [
        {"protocol": "modbus", "function": "unknown-100", "flows": 1}
    ]


def test_a_flow_that_two_witnesses_saw_counts_once(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    once = told(capsys, *where, "traffic", *records("zeek-conn.log"))
    twice = told(capsys, *where, "traffic", *records("zeek-conn.log", "suricata-array.json"))
    assert once["standing"] == twice["standing"]
    assert len(twice["coverage"]["witnesses"]) == 2


def test_the_same_records_in_another_order_say_the_same(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = records("zeek-conn.log", "zeek-modbus.log", "panos-special.log", "panos-shifts.log")
    first = told(capsys, *where, "traffic", *files)
    second = told(capsys, *where, "traffic", *reversed(files))
    for document in (first, second):
        document["coverage"].pop("files")
    assert first == second


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("conduit", "plant/polling.modbus"),
        ("zone", "plant/supervisory → plant/control"),
        ("asset", "plc1"),
        ("user", "no user named"),
        ("application", "modbus-read-coils"),
    ],
)
def test_rows(by: str, name: str, where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    document = told(capsys, *where, "traffic", *records("panos-releases.log"), "--by", by)
    rows = {row["name"]: row for row in document["rows"]}
    assert rows[name]["sessions"] == 6
    assert rows[name]["standing"]["declared"] == 1
    assert run([*where, "traffic", *records("panos-releases.log"), "--by", by]) == 0
    out = capsys.readouterr().out
    assert f"  {name}  6 sessions, 5,400 bytes, 1 flow; 1 declared" in out


def test_every_report_opens_with_what_the_records_can_show(
    where: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = records("panos-refused.log", "panos-export.csv", "ulogd.json", "nfdump.json")
    assert run([*where, "traffic", *files, "--html", "page.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("What the records can show\n  0123TEST01  2 records (PAN-OS ")
    assert "1 line refused: a port is above 65535; the first is line 7: " in out
    assert "2 lines refused: an address is not one; the first is line 3: " in out
    assert "1 record from the future left out" in out
    assert "1 duplicate left out" in out
    assert "no record of anything denied: rules that deny may not log" in out
    assert "it looked at a sample of the packets" in out
    assert "its rules log a limited number a second" in out
    assert out.index("can show") < out.index("Seen against declared")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index("a port is above 65535") < page.index("What was seen")


def test_gaps_are_told(
    where: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = (RECORDS / "panos-releases.log").read_text().splitlines()[4]
    later = (
        line.replace("1005", "1006").replace("T08:00", "T14:00").replace(" 08:00:00", " 14:00:00")
    )
    (tmp_path / "gap.log").write_text(f"{line}\n{later}\n")
    document = told(capsys, *where, "traffic", "gap.log")
    witness = document["coverage"]["witnesses"][0]
    assert witness["gaps"] == [{"from": "2026-11-02T07:15:00Z", "to": "2026-11-02T13:00:00Z"}]
    assert run([*where, "traffic", "gap.log"]) == 0
    assert "silent 1 time, 5h 45m in all" in capsys.readouterr().out


def test_threats_and_unknown_applications(
    where: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = (RECORDS / "panos-releases.log").read_text().splitlines()[4]
    (tmp_path / "odd.log").write_text(line.replace("modbus-read-coils", "unknown-tcp") + "\n")
    document = told(capsys, *where, "traffic", *records("panos-threat.log"), "odd.log")
    (threat,) = document["threats"]
    assert (threat["source_zone"], threat["destination_zone"]) == (
        "plant/supervisory",
        "plant/control",
    )
    assert (threat["severity"], threat["records"]) == ("high", 1)
    assert document["unknown_applications"]["count"] == 1
    assert run([*where, "traffic", *records("panos-threat.log"), "odd.log"]) == 0
    out = capsys.readouterr().out
    assert "Threats by zone" in out
    assert "Applications that the firewall does not know (1 flow)" in out


def test_nothing_that_can_be_used_is_an_error(
    where: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "none.log").write_text("hello\n" * 3)
    document = told(capsys, *where, "traffic", "none.log", code=1)
    assert document["error"]["code"] == "cannot_tell"
    assert run([*where, "traffic", "none.log", "--html", "page.html"]) == 1
    out = capsys.readouterr().out
    assert "nothing: no record could be used" in out
    assert "none of the formats" in out
    assert "no record that can be used" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_since_and_timezone(where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    files = records("panos-export.csv")
    berlin = told(capsys, *where, "traffic", *files, "--timezone", "Europe/Berlin")
    assert berlin["coverage"]["witnesses"][0]["last"] == "2026-11-02T07:00:00Z"
    told(capsys, *where, "traffic", *files, "--since", "2026-11-03", code=1)
    days = (datetime.now(UTC) - datetime(2026, 11, 2, tzinfo=UTC)).days + 2
    assert told(capsys, *where, "traffic", *files, "--since", f"{days}d")["coverage"]["records"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.log"], "there is no such file or folder"),
        (["hosts.yml", "--by", "colour"], "--by must be one of conduit, zone"),
        (["hosts.yml", "--timezone", "Mars/Olympus"], "--timezone must be a name"),
        (["hosts.yml", "--since", "soon"], "--since must be a date"),
        (["hosts.yml", "--html", "absent/page.html"], "no folder absent"),
    ],
)
def test_usage_errors(
    words: list[str], message: str, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*where, "traffic", *words]) == 1
    assert message in capsys.readouterr().err
