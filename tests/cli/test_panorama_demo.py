"""The example plant behind a Panorama: its demonstration, its mocks, how it is chosen."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml

from cli_support import ROOT
from segctl.cli import run
from segctl.inventory import load
from segctl.operations.demo import astray, fleet
from segctl_mocks.panos.locks import Lock

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from segctl_mocks import Fleet

PLANT = ROOT / "inventory" / "04-tank-farm.yml"
TODAY = datetime.now(UTC).astimezone().date()
FIREWALLS = ("north-fw", "south-fw", "jetty-fw")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no line be broken."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def farm(tmp_path: Path) -> Generator[Fleet]:
    """The mocks of the tank farm."""
    with fleet(load([PLANT], today=TODAY), TODAY, overlay=tmp_path / "mocks.yml") as running:
        yield running


def words(running: Fleet) -> list[str]:
    return ["-i", str(PLANT), "-i", str(running.overlay)]


def test_the_story_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--panorama"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("# Done.\n")
    for line in (
        "south-fw  not enforced: it is not connected to Panorama",
        "south-fw  pushed, in sync",
        "changed: rule tank-farm.loading.arms",
        "rules of others: interzone-default",
        "Wave 2: south-fw, jetty-fw",
    ):
        assert line in out, line
    assert len(out.splitlines()) < 180


def test_its_plant_is_its_own(farm: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words(farm), "demo", "--panorama"]) == 1
    message = "--panorama tells of a plant of its own: leave the inventory out"
    assert message in capsys.readouterr().err


def test_the_plain_story_runs_on_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "-i", str(PLANT)]) == 0
    out = capsys.readouterr().out
    assert "# A contractor, on panorama1: opens rule" in out
    assert "-l north-fw:south-fw:jetty-fw" in out


def test_the_overlay_leads_to_the_panorama(farm: Fleet) -> None:
    hosts = yaml.safe_load(farm.overlay.read_text("utf-8"))["all"]["hosts"]
    assert set(hosts) == {*FIREWALLS, "panorama1"}
    loaded = load([PLANT, farm.overlay], today=TODAY)
    assert list(astray(farm, loaded)) == []
    for name in (*FIREWALLS, "panorama1:Tank-Farm"):
        assert loaded.connections[name]["ansible_port"] == hosts["panorama1"]["ansible_port"]


def test_an_overlay_without_the_panorama_does_not_lead_to_the_real_one(
    farm: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = yaml.safe_load(farm.overlay.read_text("utf-8"))
    del hosts["all"]["hosts"]["panorama1"]
    partial = tmp_path / "partial.yml"
    partial.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    assert run(["-i", str(PLANT), "-i", str(partial), "plan", "-l", "north-fw"]) == 1
    assert "panorama1 is not among the mocks" in capsys.readouterr().err


def test_the_playbook_pushes_to_one_firewall_and_then_to_the_others(
    farm: Fleet, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = (ROOT / "playbooks" / "panorama.yml").read_text("utf-8")
    assert "soak: 30m" in text
    play = tmp_path / "panorama.yml"
    play.write_text(text.replace("soak: 30m", "soak: 1s"), encoding="utf-8")
    assert run([*words(farm), "apply", "-p", str(play), "--auto-approve"]) == 0
    out = capsys.readouterr().out
    assert "Wave 1: north-fw" in out
    assert "Wave 2: south-fw, jetty-fw" in out
    assert "  jetty-fw  pushed\n" in out
    pushes = [one for one in farm.panoramas["panorama1"].requests if "commit-all" in one.cmd]
    changing = [one.cmd for one in pushes if "validate-only" not in one.cmd]
    serials = {name: farm.specs[name].serial for name in FIREWALLS}
    assert [serial in changing[0] for serial in serials.values()] == [True, False, False]
    assert [serial in changing[1] for serial in serials.values()] == [False, True, True]


def test_a_default_rule_of_the_firewall_itself_is_told(
    farm: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words(farm), "apply", "--auto-approve"]) == 0
    rules = (
        "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']"
        "/rulebase/default-security-rules/rules"
    )
    opened = '<entry name="interzone-default"><action>allow</action></entry>'
    farm.mocks["jetty-fw"].edit("set", rules, opened, admin="other", commit=True)
    capsys.readouterr()
    assert run([*words(farm), "drift"]) == 0, "our block closes before it"
    out = capsys.readouterr().out
    assert out.count("rules of others: interzone-default") == 1


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            "panorama1",
            "panorama1 is the Panorama of north-fw, south-fw, jetty-fw",
        ),
        (
            "panorama1:Tank-Farm",
            "device group panorama1:Tank-Farm is chosen by its firewalls",
        ),
    ],
)
def test_a_panorama_is_never_chosen(
    limit: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-i", str(PLANT), "plan", "-l", limit]) == 1
    assert message in capsys.readouterr().err


def test_state_survives_with_what_was_pushed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load([PLANT], today=TODAY)
    state, overlay = tmp_path / "state", tmp_path / "mocks.yml"
    state.mkdir(mode=0o700)
    with fleet(loaded, TODAY, state=state, overlay=overlay) as running:
        assert run([*words(running), "apply", "--auto-approve"]) == 0
    with fleet(loaded, TODAY, state=state, overlay=overlay) as running:
        assert run([*words(running), "plan", "--detailed-exitcode"]) == 0
        assert run([*words(running), "drift"]) == 0
        assert b"gauging-north" in running.panoramas["panorama1"].running()
    capsys.readouterr()


def test_the_account_is_that_of_the_panorama(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["-i", str(PLANT), "plan"]) == 1
    assert "set SEGCTL_PASSWORD_PANORAMA1, " in capsys.readouterr().out
    monkeypatch.setenv("SEGCTL_PASSWORD_PANORAMA1", "pw1")
    with fleet(load([PLANT], today=TODAY), TODAY, overlay=tmp_path / "mocks.yml") as running:
        hosts = yaml.safe_load(running.overlay.read_text("utf-8"))
        for entry in hosts["all"]["hosts"].values():
            del entry["ansible_password"]
        running.overlay.write_text(yaml.safe_dump(hosts), encoding="utf-8")
        words_ = words(running)
        assert run([*words_, "plan"]) == 1, "the mock has another password"
        monkeypatch.setenv("SEGCTL_PASSWORD_PANORAMA1", "mock")
        assert run([*words_, "plan"]) == 0
        assert run([*words_, "drift"]) == 2, "firewalls are read with it, too"


TWO_GROUPS = """\
all:
  vars: {ansible_network_os: panos, segctl_site: plant, segctl_commit_timeout: 30}
  hosts: {panorama1: {}}
  children:
    plant:
      hosts:
        fw1:
          segctl_device_group: A
          segctl_zone_map: {above: {zone: ABOVE, interfaces: [ethernet1/1]}, one: {zone: ONE}}
        fw2:
          segctl_device_group: B
          segctl_zone_map: {above: {zone: ABOVE, interfaces: [ethernet1/1]}, two: {zone: TWO}}
      vars:
        segctl_panorama: panorama1
        segctl_zones:
          above: {networks: [10.1.0.0/24]}
          one: {networks: [10.2.1.0/24]}
          two: {networks: [10.2.2.0/24]}
        segctl_conduits:
          down: &down
            from: above
            to: one
            reason: polling
            owner: automation
            threat_prevention: none
            flows: {poll: {protocols: {modbus: [read]}}}
          down-too: {<<: *down, to: two}
"""


@pytest.fixture
def two(tmp_path: Path) -> Generator[tuple[list[str], Fleet]]:
    """Two device groups of one Panorama, and the arguments that lead to it."""
    source = tmp_path / "hosts.yml"
    source.write_text(TWO_GROUPS, encoding="utf-8")
    with fleet(load([source], today=TODAY), TODAY, overlay=tmp_path / "mocks.yml") as running:
        yield ["-i", str(source), "-i", str(running.overlay)], running


def test_device_groups_of_one_panorama_take_turns(
    two: tuple[list[str], Fleet], capsys: pytest.CaptureFixture[str]
) -> None:
    where, running = two
    assert run([*where, "apply", "--auto-approve"]) == 0, capsys.readouterr()
    assert run([*where, "plan", "--detailed-exitcode"]) == 0
    assert run([*where, "drift"]) == 0
    panorama = running.panoramas["panorama1"]
    steps = [
        "lock" if "-lock><add>" in one.cmd else "unlock"
        for one in panorama.requests
        if "<request><config-lock><" in one.cmd
    ]
    assert steps == ["lock", "unlock"] * 2


def test_device_groups_have_the_names_that_a_panorama_allows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configuration that is saved before a push has a name of its own for each."""
    groups = ("Substation North Bay_1-2 and 3.", "Substation North_Bay_1-2 and 3.")
    text = TWO_GROUPS.replace("segctl_device_group: A", f"segctl_device_group: {groups[0]}")
    text = text.replace("segctl_device_group: B", f"segctl_device_group: {groups[1]}")
    source = tmp_path / "hosts.yml"
    source.write_text(text, encoding="utf-8")
    with fleet(load([source], today=TODAY), TODAY, overlay=tmp_path / "mocks.yml") as running:
        where = ["-i", str(source), "-i", str(running.overlay)]
        assert run([*where, "apply", "--auto-approve"]) == 0, capsys.readouterr()
        assert run([*where, "drift"]) == 0
        saved = re.findall(
            r"<to>(segctl-before[^<]*)</to>",
            "".join(one.cmd for one in running.panoramas["panorama1"].requests),
        )
    assert len(set(saved)) == 2


def test_a_commit_lock_of_others_in_another_group_is_left_alone(
    two: tuple[list[str], Fleet],
) -> None:
    where, running = two
    panorama = running.panoramas["panorama1"]
    now = panorama.device.now()
    panorama.device.locks.take(Lock("commit", "B", "other", now, of="device-group"))
    assert run([*where, "apply", "--auto-approve", "-l", "fw1"]) == 0
    assert run([*where, "apply", "--auto-approve", "-l", "fw2"]) == 1
    panorama.release_lock("commit", scope="B")
    assert run([*where, "apply", "--auto-approve"]) == 0


def test_a_device_group_that_is_not_there_is_told(
    farm: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words(farm), "plan", "-e", "segctl_device_group=Nope"]) == 1
    assert "does not list device group Nope; it has Tank-Farm" in capsys.readouterr().out
