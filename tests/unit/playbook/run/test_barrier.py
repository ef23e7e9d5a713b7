"""Devices of a wave wait for each other: all are judged before any is kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from segctl.playbook.run.barrier import Barrier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def first_failure(reasons: Mapping[str, str]) -> str:
    return "; ".join(reasons.values())


class Device(threading.Thread):
    """A device that goes through a wave in a thread of its own."""

    def __init__(self, barrier: Barrier, name: str, act: Callable[[Barrier, str], str]) -> None:
        super().__init__(daemon=True)
        self.barrier, self.device, self.act = barrier, name, act
        self.told: str | None = None
        self.start()

    def run(self) -> None:
        try:
            self.told = self.act(self.barrier, self.device)
        except KeyboardInterrupt:
            self.told = "given up"

    def end(self) -> str | None:
        self.join(timeout=30)
        assert not self.is_alive()
        return self.told


def kept(barrier: Barrier, name: str) -> str:
    barrier.arrive(name)
    return barrier.judged({name: ""})


def refused(barrier: Barrier, name: str) -> str:
    barrier.arrive(name)
    return barrier.judged({name: f"{name} is wrong"})


def failing(barrier: Barrier, name: str) -> str:
    barrier.leave(name, f"{name} failed")
    return ""


def unchanged(barrier: Barrier, name: str) -> str:
    barrier.leave(name)
    return ""


def test_all_are_kept_when_none_fails() -> None:
    barrier = Barrier(["a", "b", "c"], first_failure)
    devices = [
        Device(barrier, "a", kept),
        Device(barrier, "b", kept),
        Device(barrier, "c", unchanged),
    ]
    assert [device.end() for device in devices] == ["", "", ""]


@pytest.mark.parametrize(("act", "why"), [(refused, "c is wrong"), (failing, "c failed")])
def test_the_last_to_fail_is_known_to_the_first(
    act: Callable[[Barrier, str], str], why: str
) -> None:
    barrier = Barrier(["a", "b", "c"], first_failure)
    early = [Device(barrier, "a", kept), Device(barrier, "b", kept)]
    for device in early:
        device.join(timeout=0.05)
        assert device.is_alive()  # nobody is kept before the last is judged
    late = Device(barrier, "c", act)
    late.end()
    assert [device.end() for device in early] == [why, why]


def test_waiting_is_given_up() -> None:
    barrier = Barrier(["a", "b"], first_failure)
    device = Device(barrier, "a", kept)
    barrier.release()
    assert device.end() == "given up"
    assert Device(barrier, "b", kept).end() == "given up"  # also who comes later


def test_some_wait_for_others_to_come_and_to_go() -> None:
    def after(barrier: Barrier, name: str) -> str:
        barrier.past(["a"], "coming")
        return kept(barrier, name)

    barrier = Barrier(["a", "b"], first_failure)
    second = Device(barrier, "b", after)
    second.join(timeout=0.05)
    assert second.is_alive()
    assert Device(barrier, "a", kept).end() == ""
    assert second.end() == ""
    barrier.leave("b")
    barrier.past(["b"], "coming", "waiting", "judged")


def test_a_wave_of_one_waits_for_nobody() -> None:
    assert kept(Barrier(["a"], first_failure), "a") == ""
    assert refused(Barrier(["a"], first_failure), "a") == "a is wrong"
