"""Records that are not what they should be, through every command that reads them.

What cannot be used is counted and shown once with its line; what can be is used; and where nothing
could be, the command fails.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from cli_support import write_plant
from segctl.cli import run
from segctl.planning.documents import schema
from support.records import logged

if TYPE_CHECKING:
    from pathlib import Path

    Capsys = pytest.CaptureFixture[str]

COMMANDS = (["traffic"], ["discover"], ["replay", "--declared"])
CUSTOM = 'time="2026-11-02 08:00:00" src=10.20.2.5 dst=10.20.1.11 act=allow\n'
CEF = "<14>Nov  2 08:00:05 fw1 CEF:0|Palo Alto Networks|PAN-OS|10.2|end|TRAFFIC|1|src=10.20.2.5\n"


@pytest.fixture(params=COMMANDS, ids=lambda words: words[0])
def command(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """One of the commands, in the folder of the small plant."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    write_plant(tmp_path)
    return ["-i", "hosts.yml", *request.param]


def told(capsys: Capsys, command: list[str], *words: str, code: int = 0) -> Any:
    """The document of a command; text says the same, and neither has a traceback."""
    assert run([*command, *words, "--json"]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    document = json.loads(out)
    jsonschema.validate(document, schema(command[2]))
    return document


def only(document: Any) -> Any:
    (file,) = document["coverage"]["files"]
    return file


def numbered(*lines: str) -> str:
    return "".join(
        line.replace(",1005,", f",{number + 2000},") for number, line in enumerate(lines)
    )


@pytest.mark.parametrize("text", [CUSTOM * 3, "not a log at all\n", "", "\x00\x01\x02" * 100, CEF])
def test_a_file_of_another_format_fails(
    text: str, command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "fw.log").write_text(text)
    document = told(capsys, command, "fw.log", code=1)
    assert document["error"]["code"] == "cannot_tell"
    file = only(document)
    assert file["records"] == 0
    assert file["problem"] or file["refusals"]
    if text == CUSTOM * 3:
        assert file["problem"].startswith("it is none of the formats that segctl reads; it begins")
        assert 'time="2026-11-02 08:00:00"' in file["problem"]


def test_lines_of_another_format_are_counted_and_one_is_shown(
    command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "fw.log").write_text(logged() + CUSTOM * 20_000 + CEF)
    file = only(told(capsys, command, "fw.log"))
    assert file["records"] == 1
    assert file["lines"] == 20_002
    refusals = {one["why"]: one for one in file["refusals"]}
    custom = refusals["it is not a record of PAN-OS in its default format"]
    assert (custom["count"], custom["line"]) == (20_000, 2)
    assert custom["example"] == CUSTOM.strip()
    cef = refusals["it is CEF or LEEF: configure the default format, or export CSV"]
    assert (cef["count"], cef["line"]) == (1, 20_002)
    assert run([*command, "fw.log"]) == 0
    out = capsys.readouterr().out
    assert "20,000 lines refused" in out or "20000 lines refused" in out
    assert "the first is line 2: time=" in out
    assert out.count("act=allow") == 1


def test_what_an_archive_holds_that_was_cut_off_is_used(
    command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    ports = (logged(seqno=str(3000 + number), dport="502") for number in range(4000))
    whole = gzip.compress("".join(ports).encode())
    (tmp_path / "fw.log.gz").write_bytes(whole[: len(whole) // 2])
    file = only(told(capsys, command, "fw.log.gz"))
    assert file["cut"] == "the compressed file is cut off"
    assert 0 < file["records"] < 4000
    (tmp_path / "fw.log.gz").write_bytes(whole[:20])
    document = told(capsys, command, "fw.log.gz", code=1)
    assert document["error"]["code"] == "cannot_tell"
    assert only(document)["cut"] == "the compressed file is cut off"


def test_a_decompression_bomb_ends_in_a_clear_error(
    command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    blank = (" " * 9_999 + "\n") * 4_000
    (tmp_path / "fw.log.gz").write_bytes(gzip.compress((logged() + blank * 2).encode()))
    file = only(told(capsys, command, "fw.log.gz"))
    assert "as a decompression bomb does; unpack it yourself if you trust it" in file["problem"]
    assert file["lines"] < 7_000
    assert file["records"] == 1  # what was read before it is used


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "Europe/Berlin\x1b[2J"])
def test_a_time_zone_that_nobody_knows(
    name: str, command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "fw.log").write_text(logged())
    code = run([*command, "fw.log", "--timezone", name, "--json"])
    document = json.loads(capsys.readouterr().out)
    if not name:
        assert document["coverage"]["timezone"] == "UTC"
        return
    assert code == 1
    assert document["error"]["code"] == "usage"
    assert "--timezone must be a name such as Europe/Berlin" in document["error"]["message"]


def at(when: datetime) -> str:
    """A record of a time, without an offset beside it."""
    text = when.strftime("%Y/%m/%d %H:%M:%S")
    return logged(time=text).replace("2026-11-02T08:00:00.123+01:00", "")


def test_a_wrong_time_zone_is_suspected(command: list[str], tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "fw.log").write_text(at(datetime.now(UTC) + timedelta(hours=5)))
    document = told(capsys, command, "fw.log")
    (witness,) = document["coverage"]["witnesses"]
    assert witness["ahead_of_now"] == 1
    assert witness["timezone_assumed"] is True
    assert run([*command, "fw.log"]) == 0
    assert "is its time zone another than UTC?" in capsys.readouterr().out
    right = told(capsys, command, "fw.log", "--timezone", "Asia/Tokyo")
    assert right["coverage"]["witnesses"][0]["ahead_of_now"] == 0


def test_records_from_the_future_are_left_out(
    command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    future = at(datetime.now(UTC) + timedelta(days=40))
    (tmp_path / "fw.log").write_text(numbered(future, logged(), future))
    file = only(told(capsys, command, "fw.log"))
    assert (file["records"], file["from_the_future"]) == (1, 2)
    (tmp_path / "fw.log").write_text(numbered(future, future))
    document = told(capsys, command, "fw.log", code=1)
    assert document["error"]["code"] == "cannot_tell"
    assert only(document)["from_the_future"] == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"dport": "70000"}, "a port is above 65535"),
        ({"src": "10.20.2"}, "an address is not one"),
        ({"time": "yesterday"}, "the time of a record is not one"),
    ],
)
def test_a_field_that_cannot_be_refuses_its_line_only(
    said: dict[str, str], why: str, command: list[str], tmp_path: Path, capsys: Capsys
) -> None:
    (tmp_path / "fw.log").write_text(numbered(logged(), logged(**said), logged(dport="502")))
    file = only(told(capsys, command, "fw.log"))
    assert file["records"] == 2
    (refusal,) = file["refusals"]
    assert (refusal["why"], refusal["count"], refusal["line"]) == (why, 1, 2)
