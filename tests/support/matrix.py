"""The crash matrix: a run killed at each step, what comes next, and what must hold afterwards.

`make test` runs a seeded sample, `make matrix` all of it (SEGCTL_MATRIX=full).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segctl_mocks import PanosMock
    from support.lab import Lab

Next = Literal["same plan", "other plan", "plan", "drift"]
#: What may come after a run of `contain` was killed: it again, for another asset, or its end.
Then = Literal["again", "other", "status", "release"]
THEN: tuple[Then, ...] = ("again", "other", "status", "release")
NEXT: tuple[Next, ...] = ("same plan", "other plan", "plan", "drift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A run killed before its n-th request, and what happens then.

    `late`: only after the device would have gone back by itself, or the lease has run out.
    """

    step: int
    then: Next
    late: bool
    reboot: bool

    def __str__(self) -> str:
        """Return the name of the test."""
        when = "late" if self.late else "at once"
        return f"{self.step}, {self.then}, {when}" + (", reboot" if self.reboot else "")


def cases(steps: int, sample: int) -> Sequence[Case]:
    """Return all cases of so many steps, or a sample that is the same every time."""
    every = [
        Case(step=step, then=then, late=late, reboot=reboot)
        for step, then, late, reboot in product(
            range(1, steps + 1), NEXT, (False, True), (False, True)
        )
    ]
    if os.environ.get("SEGCTL_MATRIX") == "full":
        return every
    return random.Random(62443).sample(every, sample)


def kill_when(process: subprocess.Popen[str], reached: Callable[[], bool]) -> bool:
    """Kill a process once something is reached; say whether it was, before the process ended."""
    deadline = time.monotonic() + 120
    while process.poll() is None:
        if reached():
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        assert time.monotonic() < deadline, "the run neither ends nor comes to the step"
        time.sleep(0.005)
    return False


def killed_at(plant: Lab, step: int, how: str, inventory: Path, *words: str) -> bool:
    """Run segctl beside a gateway, and kill it at its n-th command; say whether it came so far."""
    gate = plant.gate
    assert gate is not None
    gate.stop(step, how)
    command = ["ip", "netns", "exec", plant.ns("mgt"), sys.executable, "-m", "segctl.cli"]
    with subprocess.Popen(
        [*command, "-i", str(inventory), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        killed = kill_when(process, lambda: gate.reached)
    gate.open()
    return killed


def reboot(plant: Lab, boot: str) -> None:
    """End what runs on a gateway, and load what it loads at boot from a file."""
    found = subprocess.run(
        ["ip", "netns", "pids", plant.ns("fw")], capture_output=True, text=True, check=True
    )
    for process in map(int, found.stdout.split()):
        if b"segctl-guard" in Path(f"/proc/{process}/cmdline").read_bytes():
            os.kill(process, signal.SIGKILL)
    plant.nft("flush", "ruleset")
    plant.on_firewall("sh", "-c", f"rm -rf /run/segctl/*; ! [ -e {boot} ] || nft -f {boot}")


def killed_while_it_hangs(command: Sequence[str], folder: Path, mock: PanosMock) -> bool:
    """Run a command, and kill it once the mock lets it hang; say whether it came so far."""
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        done = kill_when(process, lambda: not mock.device.faults.waiting)
    mock.device.faults.waiting.clear()
    return done
