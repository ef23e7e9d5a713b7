"""A drill on a real gateway: who contains somebody is killed at each command, and what follows.

Told by packets: what is contained stops, what is essential and what others do goes on, always.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from support import probes
from support.lab import Gate, Lab, conduit, lines, refused
from support.matrix import THEN, Then, killed_at, reboot

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

Loses = Literal["nothing", "by time", "by reboot"]
LOSES: tuple[Loses, ...] = ("nothing", "by time", "by reboot")
#: More commands than `contain` gives; what would be killed later ends by itself.
STEPS = 8
BOOT = "/etc/nftables.d/segctl.nft"
DECLARED = conduit(
    "poll",
    "supv",
    "ctrl",
    "{modbus: {source: [supv1, supv2], destination: [ctrl1], services: [tcp/502]},"
    " alarm: {source: [supv1], destination: [ctrl2], services: [tcp/502], essential: true}}",
)
WHY = ("--reason", "a drill", "--auto-approve")
#: Says which of these addresses answer on TCP port 502, for every line that it reads.
_ASK = """
import json, socket, sys
for _ in sys.stdin:
    found = []
    for name, address in zip(sys.argv[1::2], sys.argv[2::2]):
        try:
            socket.create_connection((address, 502), timeout=0.6).close()
            found.append(name)
        except OSError:
            pass
    print(json.dumps(found), flush=True)
"""
#: The alarm is essential, and no other asset's traffic is touched.
GOES_ON = {"supv1 to ctrl2", "supv2 to ctrl1"}
CUT = "supv1 to ctrl1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A run of `contain` killed at its n-th command, what the kernel loses, and what comes next."""

    step: int
    then: Then
    loses: Loses

    def __str__(self) -> str:
        """Return the name of the test."""
        return f"{self.step}, {self.then}, loses {self.loses}"


def drills() -> Sequence[Drill]:
    """Return all drills, or a sample that is the same every time."""
    every = [
        Drill(step=step, then=then, loses=loses)
        for step, then, loses in product(
            range(1, STEPS + 1),
            THEN,
            LOSES,
        )
    ]
    if os.environ.get("SEGCTL_MATRIX") == "full":
        return every
    return random.Random(62443).sample(every, 4)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A gateway behind a gate, with controllers that answer."""
    if reason := refused():
        pytest.skip(reason)
    folder = Path(tmp_path_factory.mktemp("drill"))
    made = Lab(folder=folder, prefix=f"dr{os.getpid() % 100000}", gate=Gate(folder=folder / "gate"))
    try:
        made.start()
        for host in ("ctrl1", "ctrl2"):
            listener = made.python(host, probes.ECHO, "502")
            assert lines(listener.stdout).readline() == "ready\n"
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def asking(plant: Lab) -> dict[str, subprocess.Popen[str]]:
    """Who asks the controllers: the asset that is contained, and another one."""
    asked = {"supv1": ("ctrl1", "ctrl2"), "supv2": ("ctrl1",)}
    found: dict[str, subprocess.Popen[str]] = {}
    for source, targets in asked.items():
        words = [word for one in targets for word in (f"{source} to {one}", plant.address(one))]
        found[source] = plant.python(source, _ASK, *words)
    return found


def passing(asking: dict[str, subprocess.Popen[str]]) -> set[str]:
    """Return what answers now."""
    found: set[str] = set()
    for process in asking.values():
        lines(process.stdin).write("now\n")
        lines(process.stdin).flush()
        found |= set(json.loads(lines(process.stdout).readline()))
    return found


def held(plant: Lab) -> set[str]:
    """Return the addresses that the kernel holds as contained."""
    table = plant.nft("list", "table", "inet", "segctl")
    return set(re.findall(r"(\S+) timeout \S+ expires \S+ comment \"segctl-note", table))


def soon_over(plant: Lab) -> None:
    """Let what the kernel holds run out, as it will in an hour."""
    for name in ("contained4", "contained6"):
        listed = plant.nft("list", "set", "inet", "segctl", name)
        short = re.sub(r"expires \S+", "expires 1s", listed).replace(" ,", ",")
        plant.nft("flush", "set", "inet", "segctl", name)
        plant.nft("-f", "-", stdin=short)
    deadline = time.monotonic() + 60
    while held(plant):
        assert time.monotonic() < deadline, "nothing runs out"
        time.sleep(0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Whoever runs segctl beside the gateway, and sees what passes."""

    plant: Lab
    inventory: Path
    asking: dict[str, subprocess.Popen[str]]

    def __call__(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run segctl, which ends as it should; return its document."""
        done = self.plant.segctl(self.inventory, *words, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status(self) -> dict[str, Any]:
        """Return what is on record and where firewalls do not hold it; its exit says which."""
        done = self.plant.segctl(self.inventory, "contain", "status", "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 1) == bool(found["gaps"]), done.stdout
        return found

    def sees(self, *, stands: bool) -> None:
        """Whoever is contained does not pass, and everybody else does."""
        assert passing(self.asking) == (GOES_ON if stands else {CUT, *GOES_ON})


@pytest.fixture
def operator(
    plant: Lab, asking: dict[str, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> Operator:
    """Nobody is contained, nor on record, and the policy is on the gateway."""
    state = plant.folder / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    assert plant.gate is not None
    plant.gate.open()
    inventory = plant.inventory(DECLARED, variables=("segctl_containment: {longest: 8h}",))
    plant.nft("flush", "ruleset")
    found = Operator(plant=plant, inventory=inventory, asking=asking)
    found("apply", "--auto-approve")
    if found.status()["containments"]:
        found("contain", "release", "supv1", "--reason", "before")
    assert not found.status()["containments"]
    found.sees(stands=False)
    return found


@pytest.mark.parametrize("drill", drills(), ids=str)
def test_whoever_is_contained_is_known_after_any_end(
    plant: Lab, operator: Operator, drill: Drill
) -> None:
    how = ("before", "during", "after")[drill.step % 3]
    words = ("contain", "asset", "supv1", "--for", "1h", *WHY, "--json")
    killed = killed_at(plant, drill.step, how, operator.inventory, *words)
    addresses = {plant.address("supv1"), plant.address("supv1", 6)}
    cut = held(plant)
    assert cut in (set(), addresses), "both addresses or none"
    assert cut or killed, "a run that was not killed has contained it"
    operator.sees(stands=bool(cut))
    operator("drift", "--no-history")  # whoever is contained is no drift

    if drill.loses == "by time":
        soon_over(plant)
    elif drill.loses == "by reboot":
        reboot(plant, BOOT)
    stands = bool(cut) and drill.loses == "nothing"
    operator.sees(stands=stands)
    before = operator.status()
    recorded = bool(before["containments"])
    assert recorded or not cut, "it is on record before it is cut off"
    assert bool(before["gaps"]) == (recorded and not stands)

    if drill.then == "again":
        assert operator("contain", "asset", "supv1", "--for", "2h", *WHY)["contained"]
        recorded = True
    elif drill.then == "other":
        assert operator("contain", "asset", "supv2", "--for", "2h", *WHY)["contained"]
        assert "supv2 to ctrl1" not in passing(operator.asking)
        operator("contain", "release", "supv2", "--reason", "over")
    elif drill.then == "release":
        code = 0 if recorded else 1  # there is nobody to let go
        operator("contain", "release", "supv1", "--reason", "over", code=code)
        recorded = False
    operator("contain", "status", "--heal")
    operator.sees(stands=recorded)
    assert held(plant) == (addresses if recorded else set())
    operator("drift", "--no-history")
    reboot(plant, BOOT)
    operator.sees(stands=False)
