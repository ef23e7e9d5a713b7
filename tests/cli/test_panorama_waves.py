"""Two device groups of one Panorama in one wave of a playbook, which is judged as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from segctl.cli import run
from support.panorama_groups import groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segctl_mocks import PanoramaMock

RULE = "plant.poll.modbus"
PLAY = "- {{hosts: plant{words}, tasks: [{{segctl_apply: {{}}}}]}}"
SHOW = "command: <show><system><info></info></system></show>"
GOOD = f", verify: [{{{SHOW}, expect: hostname}}]"
BAD = f", verify: [{{{SHOW}, expect: no such text, retries: 0}}]"


@pytest.fixture
def panorama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanoramaMock]:
    monkeypatch.chdir(tmp_path)
    with groups_of(tmp_path, 2) as mock:
        yield mock


@pytest.fixture
def applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what applies with a play, and returns its document."""

    def act(words: str, code: int) -> Any:
        (tmp_path / "site.yml").write_text(PLAY.format(words=words), encoding="utf-8")
        capsys.readouterr()
        done = run(["-i", "hosts.yml", "apply", "-p", "site.yml", "--auto-approve", "--json"])
        told = capsys.readouterr()
        assert done == code, told.out + told.err
        return json.loads(told.out)

    return act


def enforcing(mock: PanoramaMock) -> set[str]:
    """Return the firewalls that got the rule."""
    for firewall in mock.device.firewalls.values():
        firewall.device.settle()
    return {
        firewall.settings.hostname
        for firewall in mock.device.firewalls.values()
        for rule in firewall.device.pushed.rules("vsys1", "pre-rulebase")
        if rule.get("name") == RULE
    }


def statuses(document: Any) -> dict[str, str]:
    (wave,) = document["plays"][0]["waves"]
    return {one["device"]: one["status"] for one in wave["devices"]}


@pytest.mark.parametrize("words", ["", GOOD, ", on_failure: revert", f"{GOOD}, on_failure: revert"])
def test_both_are_changed_and_kept(words: str, panorama: PanoramaMock, applied: Any) -> None:
    done = applied(words, 0)
    assert set(statuses(done).values()) == {"applied"}
    assert enforcing(panorama) == {"fw0", "fw1"}
    assert not panorama.device.locks.held


@pytest.mark.parametrize("words", [f"{BAD}, on_failure: revert", BAD])
def test_a_probe_that_fails_takes_both_back(
    words: str, panorama: PanoramaMock, applied: Any
) -> None:
    done = applied(words, 1)
    assert "no such text" in json.dumps(done)
    assert enforcing(panorama) == set()
    assert b"plant." not in panorama.running()
    assert not panorama.device.locks.held
    assert set(statuses(applied("", 0)).values()) == {"applied"}
    assert enforcing(panorama) == {"fw0", "fw1"}


@pytest.mark.parametrize("words", ["", GOOD])
def test_a_group_that_fails_takes_the_other_back_if_the_wave_is_to_go_back(
    words: str, panorama: PanoramaMock, applied: Any
) -> None:
    panorama.fail("commit_invalid", contains="<member>G1</member>", type="commit")
    done = applied(f"{words}, on_failure: revert", 1)
    assert statuses(done) == {"fw0": "reverted", "fw1": "failed"}
    assert enforcing(panorama) == set()
    assert b"plant." not in panorama.running()
    assert not panorama.device.locks.held


def test_a_group_that_fails_leaves_the_other_where_the_wave_is_not_to_go_back(
    panorama: PanoramaMock, applied: Any
) -> None:
    panorama.fail("commit_invalid", contains="<member>G1</member>", type="commit")
    assert statuses(applied(GOOD, 1)) == {"fw0": "applied", "fw1": "failed"}
    assert enforcing(panorama) == {"fw0"}
    assert not panorama.device.locks.held
