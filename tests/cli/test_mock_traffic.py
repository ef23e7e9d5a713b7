"""`segctl mock traffic`, and mocks that answer from what it wrote."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import yaml

from cli_support import environment
from segctl.cli import run
from traffic_support import SMALL

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

HOSTS = """
all:
  hosts:
    fw:
      ansible_network_os: paloaltonetworks.panos.panos
      ansible_user: segctl
      segctl_zone_map:
        office: {zone: OFFICE, interfaces: [ethernet1/1]}
        cell: {zone: CELL, interfaces: [ethernet1/2]}
  vars:
    segctl_site: small
    segctl_zones:
      office: {level: 4, kind: business, security_level: 1, networks: [10.1.0.0/24]}
      cell: {level: 1, kind: control, security_level: 2, networks: [10.2.0.0/24]}
    segctl_conduits: {}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plant.yml").write_text(SMALL, "utf-8")
    (tmp_path / "hosts.yml").write_text(HOSTS, "utf-8")
    return tmp_path


def test_it_writes_logs_and_says_how_many(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["mock", "traffic", "-o", "out", "--plant", "plant.yml", "--days", "2"]
    assert run([*words, "--form", "panos-syslog", "--form", "panos-api"]) == 0
    out = capsys.readouterr().out
    count = len((here / "out/fw/traffic.log").read_text("utf-8").splitlines())
    assert f"{count}  fw/traffic.log\n" in out
    assert "what it really was: out/truth.json\n" in out
    truth = json.loads((here / "out/truth.json").read_text("utf-8"))
    assert (truth["plant"], truth["seed"], truth["days"]) == ("small", 1, 2)
    assert {path.name for path in (here / "out").rglob("*") if path.is_file()} == {
        "traffic.log",
        "traffic.jsonl",
        "truth.json",
    }


def test_json_and_the_plant_that_comes_with_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["mock", "traffic", "-o", "out", "--days", "1", "--busy", "0.1", "--seed", "3"]
    assert run([*words, "--start", "2026-06-01", "--gzip", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == "out"
    assert document["lines"]["core-fw/traffic.log"] > 50
    assert (here / "out/core-fw/traffic.log.gz").exists()
    truth = json.loads((here / "out/truth.json").read_text("utf-8"))
    assert truth["files"] == document["lines"]
    assert truth["start"] == 1780268400  # midnight of that day, one hour east of UTC


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--plant", "nowhere.yml"), "there is no file nowhere.yml"),
        (("--plant", "hosts.yml"), "hosts.yml: the plant: plant must be text"),
        (("--days", "0"), "--days 0: from 1 to 3660"),
        (("--busy", "0"), "--busy 0: from 0.01 to 1000"),
        (("--form", "odd"), "--form odd: it is one of panos-syslog"),
        (("--start", "soon"), "'soon' is not a date such as 2026-11-02"),
        (("--start", "9999-12-31"), "--start 9999-12-31: from 1971 to 2099"),
        (("-o", "."), "holds files: name a folder that is new or empty"),
    ],
)
def test_what_cannot_be_made(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["mock", "traffic", "-o", "out", *words]) == 1
    assert message in capsys.readouterr().err


@contextmanager
def serving(folder: Path, *words: str) -> Generator[None]:
    command = [sys.executable, "-m", "segctl.cli", "mock", "serve", "-i", "hosts.yml"]
    process = subprocess.Popen(
        [*command, "--endpoints", "over.yml", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving fw 127.0.0.1:")
        yield
    finally:
        process.kill()
        process.communicate()


def ask(overlay: Path, **params: str) -> str:
    """Ask the mock that an overlay leads to."""
    way: dict[str, Any] = yaml.safe_load(overlay.read_text("utf-8"))["all"]["hosts"]["fw"]
    trusted = ssl.create_default_context(cafile=way["segctl_ca_file"])
    trusted.check_hostname = False
    url = f"https://127.0.0.1:{way['ansible_port']}/api/"
    account = {"type": "keygen", "user": way["ansible_user"], "password": way["ansible_password"]}
    with urlopen(Request(url, urlencode(account).encode()), context=trusted) as answer:
        key = answer.read().decode().partition("<key>")[2].partition("</key>")[0]
    body = urlencode({**params, "key": key}).encode()
    with urlopen(Request(url, body), context=trusted) as answer:
        text: str = answer.read().decode()
        return text


def test_a_mock_answers_from_what_was_made(here: Path) -> None:
    words = ["mock", "traffic", "-o", "out", "--plant", "plant.yml", "--days", "2"]
    assert run([*words, "--form", "panos-api", "--form", "panos-config"]) == 0
    with serving(
        here, "--config", "fw=out/fw/running-config.xml", "--traffic", "out/traffic.jsonl"
    ):
        asked = ask(here / "over.yml", type="log", **{"log-type": "traffic", "nlogs": "10"})
        assert "query job enqueued with jobid 1" in asked
        cmd = (
            "<show><rule-hit-count><vsys><vsys-name><entry name='vsys1'><rule-base>"
            "<entry name='security'><rules><all/></rules></entry></rule-base></entry>"
            "</vsys-name></vsys></rule-hit-count></show>"
        )
        counted = ask(here / "over.yml", type="op", cmd=cmd)
        assert '<entry name="all">' in counted
        truth = json.loads((here / "out/truth.json").read_text("utf-8"))
        sessions = truth["conversations"][0]["sessions"]
        assert f"<hit-count>{sessions}</hit-count>" in counted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "line 1: not of a traffic file"),
        ('{"kind": "session", "device": "other"}', "tells of other, and none of it is served"),
        ("", "tells of nothing, and none of it is served"),
        (None, "No such file"),
    ],
)
def test_a_traffic_file_that_cannot_be_used(
    here: Path, text: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (here / "t.jsonl").write_text(f"{text}\n" if text else "", "utf-8")
    assert run(["mock", "serve", "-i", "hosts.yml", "--traffic", "t.jsonl"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "--traffic" in error
