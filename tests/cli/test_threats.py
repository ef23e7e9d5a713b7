"""``segctl threats``: what was attacked and not recognised, and what to do about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import write_plant
from segctl.cli import run
from segctl.planning.documents import schema
from support.records import RECORDS, logged

if TYPE_CHECKING:
    from pathlib import Path

FILE = "group_vars/plant.yml"
THREAT = (RECORDS / "panos-threat.log").read_text().splitlines()[0] + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small plant, without any device or journal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("SEGCTL_JOURNAL", str(tmp_path / "journal.jsonl"))
    write_plant(tmp_path)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert run(["-i", "hosts.yml", "threats", *words, "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("threats"))
    return document


def threat(number: int, action: str = "alert", severity: str = "high") -> str:
    """Return a threat record with a number of its own."""
    line = THREAT.replace(",4001,", f",{4001 + number},")
    return line.replace(",tcp,alert,", f",tcp,{action},").replace(",high,", f",{severity},")


def test_what_passed_comes_before_what_was_blocked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [threat(0, "reset-both", "critical"), threat(1, "reset-both", "critical")]
    lines += [threat(2).replace("Made-up", "Other"), threat(3, severity="low").replace("Made", "L")]
    (folder / "seen.log").write_text("".join(lines))
    document = told(capsys, "seen.log")
    (passed, mild, blocked) = document["threats"]
    assert (passed["threat"], passed["passed"], passed["advice"]) == (
        "Other Exploit(99999)",
        1,
        "contain",
    )
    assert (mild["severity"], mild["advice"]) == ("low", "mild")
    assert (blocked["blocked"], blocked["passed"], blocked["advice"]) == (2, 0, "blocked")
    assert blocked["sources"] == [{"address": "10.20.2.5", "asset": "scada1"}]
    assert blocked["source_count"] == blocked["destination_count"] == 1
    assert (blocked["source_zone"], blocked["destination_zone"]) == (
        "plant/supervisory",
        "plant/control",
    )
    summary = document["summary"]
    assert (summary["passed"], summary["blocked"], summary["to_look_at"]) == (2, 2, 1)
    assert told(capsys, "seen.log", "--detailed-exitcode", code=2)
    (folder / "seen.log").write_text(threat(0, "drop"))
    assert told(capsys, "seen.log", "--detailed-exitcode")["summary"]["to_look_at"] == 0


def test_a_conduit_that_asks_for_no_strict_profile_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / FILE).read_text()
    mild = "    threat_prevention: alert\n    owner: automation\n"
    (folder / FILE).write_text(text.replace("    owner: automation\n", mild))
    (folder / "seen.log").write_text(threat(0).replace("modbus-base", "modbus-read-coils"))
    (one,) = told(capsys, "seen.log")["threats"]
    assert (one["conduit"], one["advice"]) == ("plant/polling", "profile")
    (folder / FILE).write_text(text)
    (one,) = told(capsys, "seen.log")["threats"]
    assert (one["conduit"], one["advice"]) == ("plant/polling", "contain")


def test_a_sensor_that_only_watches_blocked_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event = {
        "timestamp": "2026-11-02T08:00:00.000000+0000", "event_type": "alert", "proto": "TCP",
        "src_ip": "10.20.2.5", "src_port": 1, "dest_ip": "10.20.1.11", "dest_port": 502,
        "alert": {"action": "allowed", "signature": "scan", "severity": 1},
    }  # fmt: skip
    (folder / "eve.json").write_text(json.dumps(event) + "\n")
    (one,) = told(capsys, "eve.json")["threats"]
    assert (one["watched"], one["blocked"], one["advice"]) == (1, 0, "contain")


def test_what_nobody_recognises_is_listed_with_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        logged(app="unknown-tcp", dport="9999", seqno="1"),
        logged(app="unknown-tcp", dport="9999", seqno="2", src="10.20.2.20"),
        logged(app="unknown-tcp", dport="20000", seqno="3"),
        logged(app="unknown-udp", dport="9999", seqno="4", action="deny"),
        logged(app="modbus-read-coils", seqno="5"),
    ]
    (folder / "seen.log").write_text("".join(lines))
    document = told(capsys, "seen.log")
    (strange, known) = document["unknown_applications"]
    assert (strange["port"], strange["sessions"], strange["flows"]) == (9999, 2, 2)
    assert [one["asset"] for one in strange["sources"]] == ["historian1", "scada1"]
    assert strange["advice"] == "undeclared"
    assert (known["known_on_port"], known["advice"]) == (["dnp3"], "catalogue")
    assert document["summary"]["unknown_sessions"] == 3


def test_what_is_not_recognised_and_denied_is_told_with_the_rule(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    denied = {"app": "unknown-tcp", "dport": "9999", "action": "deny", "rule": "segctl.unknown"}
    lines = [logged(seqno="1", **denied), logged(seqno="2", src="10.20.2.20", **denied)]
    (folder / "seen.log").write_text("".join((*lines, logged(seqno="3"))))
    document = told(capsys, "seen.log")
    assert document["unknown_applications"] == []
    (one,) = document["unknown_denied"]
    assert (one["application"], one["sessions"], one["advice"]) == ("unknown-tcp", 2, "denied")
    assert one["denied_by"] == ["segctl.unknown"]
    summary = document["summary"]
    assert (summary["unknown_sessions"], summary["unknown_denied"]) == (0, 2)
    assert run(["-i", "hosts.yml", "threats", "seen.log", "--html", "out.html"]) == 0
    text = capsys.readouterr().out
    assert "unknown-tcp on tcp/9999, denied by segctl.unknown: 2 sessions" in text
    assert "0 sessions not recognised, 2 denied" in text
    assert "denied by segctl.unknown" in (folder / "out.html").read_text()
    assert run(["-i", "hosts.yml", "traffic", "seen.log"]) == 0
    text = capsys.readouterr().out
    assert "Applications that the firewall does not know, denied (2 flows)" in text
    assert "denied by segctl.unknown" in text
    assert run(["-i", "hosts.yml", "traffic", "seen.log", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schema("traffic"))
    assert found["unknown_denied"]["count"] == 2
    assert found["unknown_applications"]["count"] == 0


def test_a_declared_port_on_which_something_else_is_spoken(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / FILE).read_text()
    (folder / FILE).write_text(text.replace("applications: [ssl]\n        ", ""))
    ends = {"src": "10.20.2.20", "dst": "10.20.35.10", "enter": "SUPV", "leave": "DMZ"}
    (folder / "seen.log").write_text(logged(app="unknown-tcp", dport="8443", **ends))
    (one,) = told(capsys, "seen.log")["unknown_applications"]
    assert (one["conduit"], one["advice"]) == ("plant/replication", "application")


def test_it_is_told_in_words_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "seen.log").write_text(threat(0) + logged(app="unknown-tcp", dport="9999"))
    reports = ("--markdown", "out.md", "--html", "out.html")
    assert run(["-i", "hosts.yml", "threats", "seen.log", *reports]) == 0
    text = capsys.readouterr().out
    assert "high: Made-up Exploit(99999): 1 passed" in text
    assert "10.20.2.5 [scada1] → 10.20.1.11 [plc1]" in text
    assert "unknown-tcp on tcp/9999: 1 session" in text
    assert "1 kind to look at" in text
    for name in ("out.md", "out.html"):
        assert "Made-up Exploit" in (folder / name).read_text()
    (folder / "seen.log").write_text(logged())
    assert run(["-i", "hosts.yml", "threats", "seen.log"]) == 0
    out = capsys.readouterr().out
    assert "Threats: no record of any; logs of traffic alone hold none" in out
    assert "Not recognised: no record of any; witnesses that name no application" in out
    (folder / "seen.log").write_text("nothing of the kind\n")
    assert told(capsys, "seen.log", code=1)["error"]["code"] == "cannot_tell"
