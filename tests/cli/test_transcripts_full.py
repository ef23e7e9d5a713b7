"""A transcript whose disk fills up in the middle of a run: it is told, and nothing stops for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segctl_mocks.linux.channels import Execution

if TYPE_CHECKING:
    import pytest

    from segctl_mocks.panos.answers import Answer
    from support.cells import Cells

SAID = ("-e", "segctl_transcript=said", "-l", "fw1,gw3")
TOLD = "(segctl_transcript) is incomplete: it could not be continued: No space left on device"


def full_from(mixed: Cells, monkeypatch: pytest.MonkeyPatch, asked: str, command: str) -> None:
    """Let the disk be full from a request to the firewall, and from a command to the gateway."""

    def fill(host: str) -> None:
        path = mixed.folder / f"said/{host}.txt"
        if not path.is_symlink():
            path.unlink()
            path.symlink_to("/dev/full")

    device = mixed.fleet["fw1"].device
    handle = device.handle

    def handling(params: Any, *more: Any, **named: Any) -> Answer:
        if asked in str(params):
            fill("fw1")
        return handle(params, *more, **named)

    def executing(host: Any, channel: Any, *more: Any) -> Any:
        if command in channel.command:
            fill("gw3")
        return Execution(host, channel, *more)

    monkeypatch.setattr(device, "handle", handling)
    monkeypatch.setattr("segctl_mocks.linux.mock.Execution", executing)


def test_an_apply_goes_on_and_its_outcomes_warn(
    mixed: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway is logged in to again before its change is confirmed."""
    full_from(mixed, monkeypatch, "<commit>", "segctl-agent")
    done = mixed("apply", "--auto-approve", "--json", *SAID)
    assert done.code == 0, done.err
    for device in done.json["outcomes"]:
        assert device["status"] == "applied"
        (warning,) = device["warnings"]
        assert warning.startswith(f"the transcript said/{device['device']}.txt ")
        assert TOLD in warning
    assert mixed("plan", "-l", "fw1,gw3", "--detailed-exitcode").code == 0


def test_people_are_told_without_asking_for_every_step(
    mixed: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    full_from(mixed, monkeypatch, "<commit>", "segctl-agent")
    done = mixed("apply", "--auto-approve", *SAID)
    assert done.code == 0, done.err
    assert done.out.count(TOLD) == 2
    assert TOLD not in done.err


def test_a_run_that_fails_tells_it_too(mixed: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed.fleet["fw1"].fail("commit_invalid")
    full_from(mixed, monkeypatch, "<commit>", "segctl-agent")
    done = mixed("apply", "--auto-approve", "--json", "-e", "segctl_transcript=said", "-l", "fw1")
    assert done.code == 1
    assert done.err.count(f"segctl: warning: fw1: the transcript said/fw1.txt {TOLD}") == 1


def test_reading_goes_on_and_is_told_once_a_device(
    mixed: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_from(mixed, monkeypatch, "<show>", "sh -c")
    done = mixed("plan", "--json", *SAID)
    assert done.code == 0, done.err
    for name in ("fw1", "gw3"):
        assert done.err.count(f"segctl: warning: {name}: the transcript said/{name}.txt") == 1
