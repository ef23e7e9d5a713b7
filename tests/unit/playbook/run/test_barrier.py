"""Devices of a wave wait for each other: all are judged before any is kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from segctl.playbook.run.barrier import Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def first_failure(reasons: Mapping[str, str]) -> str:
    return "; ".join(reasons.values())


class Device(threading.Thread):
    """A device that goes through a wave in a thread of its own."""

    def __init__(self, hold: Hold, name: str, act: Callable[[Hold, str], str]) -> None:
        super().__init__(daemon=True)
        self.hold, self.device, self.act = hold, name, act
        self.told: str | None = None
        self.start()

    def run(self) -> None:
        try:
            self.told = self.act(self.hold, self.device)
        except KeyboardInterrupt:
            self.told = "given up"

    def end(self) -> str | None:
        self.join(timeout=30)
        assert not self.is_alive()
        return self.told


def kept(hold: Hold, name: str) -> str:
    hold.arrive(name)
    return hold.judged(name)


def refused(hold: Hold, name: str) -> str:
    hold.arrive(name)
    return hold.judged(name, f"{name} is wrong")


def failing(hold: Hold, name: str) -> str:
    hold.leave(name, f"{name} failed")
    return ""


def unchanged(hold: Hold, name: str) -> str:
    hold.leave(name)
    return ""


def test_all_are_kept_when_none_fails() -> None:
    hold = Hold(["a", "b", "c"], first_failure)
    devices = [Device(hold, "a", kept), Device(hold, "b", kept), Device(hold, "c", unchanged)]
    assert [device.end() for device in devices] == ["", "", ""]


@pytest.mark.parametrize(("act", "why"), [(refused, "c is wrong"), (failing, "c failed")])
def test_the_last_to_fail_is_known_to_the_first(act: Callable[[Hold, str], str], why: str) -> None:
    hold = Hold(["a", "b", "c"], first_failure)
    early = [Device(hold, "a", kept), Device(hold, "b", kept)]
    for device in early:
        device.join(timeout=0.05)
        assert device.is_alive()  # nobody is kept before the last is judged
    late = Device(hold, "c", act)
    late.end()
    assert [device.end() for device in early] == [why, why]


def test_waiting_is_given_up() -> None:
    hold = Hold(["a", "b"], first_failure)
    device = Device(hold, "a", kept)
    hold.release()
    assert device.end() == "given up"
    assert Device(hold, "b", kept).end() == "given up"  # also who comes later


def test_some_wait_for_others_to_come_and_to_go() -> None:
    def after(hold: Hold, name: str) -> str:
        hold.past(["a"], "coming")
        return kept(hold, name)

    hold = Hold(["a", "b"], first_failure)
    second = Device(hold, "b", after)
    second.join(timeout=0.05)
    assert second.is_alive()
    assert Device(hold, "a", kept).end() == ""
    assert second.end() == ""
    hold.leave("b")
    hold.past(["b"], "coming", "holding", "judged")


def test_a_wave_of_one_waits_for_nobody() -> None:
    assert kept(Hold(["a"], first_failure), "a") == ""
    assert refused(Hold(["a"], first_failure), "a") == "a is wrong"
