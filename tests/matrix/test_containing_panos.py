"""A drill on two PAN-OS firewalls: `contain` is killed before each of its requests to either."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import pytest

from cli_support import Plant, serve, write_plant
from support.matrix import THEN, Then, killed_while_it_hangs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from segctl_mocks import PanosMock

#: More requests than `contain` makes to a firewall; what would be killed later ends by itself.
STEPS = 30
BOTH = ("fw1", "fw2")
ADDRESS = "10.20.2.5"
WHY = ("--until-restart", "--reason", "a drill", "--auto-approve")
FOR = ("--for", "2h", *WHY)
#: Not longer than whoever is contained is contained already: a firewall cannot lengthen that.
AGAIN = ("--for", "1h", *WHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A run killed before its n-th request to a firewall, which may restart, and what comes next.

    Who is contained until a restart is let go by one.
    """

    firewall: str
    step: int
    then: Then
    restart: bool

    def __str__(self) -> str:
        """Return the name of the test."""
        return f"{self.firewall}, {self.step}, {self.then}" + (", restart" if self.restart else "")


def drills() -> Sequence[Drill]:
    """Return all drills, or a sample that is the same every time."""
    every = [
        Drill(firewall=firewall, step=step, then=then, restart=restart)
        for firewall, step, then, restart in product(BOTH, range(1, STEPS + 1), THEN, (False, True))
    ]
    if os.environ.get("SEGCTL_MATRIX") == "full":
        return every
    return random.Random(62443).sample(every, 6)


@pytest.fixture
def plant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Plant]:
    """The plant, provisioned, with what containing needs."""
    write_plant(tmp_path)
    with (tmp_path / "group_vars/plant.yml").open("a", encoding="utf-8") as file:
        file.write("segctl_containment: {longest: 8h}\n")
    monkeypatch.chdir(tmp_path)
    with serve(tmp_path) as fleet:
        made = Plant(tmp_path, fleet, capsys)
        assert made("apply", "--auto-approve").code == 0
        yield made


def holds(firewall: PanosMock, address: str) -> bool:
    return any(tag.startswith("segctl") for tag in firewall.device.userid.held().get(address, ()))


def where(plant: Plant, address: str = ADDRESS) -> set[str]:
    """Return the firewalls that contain an address."""
    return {name for name in BOTH if holds(plant.fleet[name], address)}


@pytest.mark.parametrize("drill", drills(), ids=str)
def test_whoever_is_contained_is_known_after_any_end(plant: Plant, drill: Drill) -> None:
    mock = plant.fleet[drill.firewall]
    before = {name: plant.fleet[name].running() for name in BOTH}
    mock.fail("hang", skip=drill.step - 1, seconds=600, lost=True)
    killed = killed_while_it_hangs(
        plant.command("contain", "asset", "scada1", *FOR), plant.folder, mock
    )
    assert killed or where(plant) == set(BOTH), "a run that was not killed has contained it"
    if drill.restart:
        mock.restart()
        assert drill.firewall not in where(plant)
    found = plant("contain", "status", "--json")
    recorded = bool(found.json["containments"])
    assert recorded or not where(plant), "it is on record before it is cut off"
    gaps = {one["device"] for one in found.json["gaps"]}
    assert gaps == (set(BOTH) - where(plant) if recorded else set())
    assert found.code == (1 if gaps else 0)
    assert plant("drift", "--no-history").code == 0, "whoever is contained is no drift"

    if drill.then == "again":
        assert plant("contain", "asset", "scada1", *AGAIN).code == 0
        recorded = True
    elif drill.then == "other":
        assert plant("contain", "asset", "historian1", *FOR, "--cut-essential").code == 0
        assert where(plant, "10.20.2.20") == set(BOTH)
        assert plant("contain", "release", "historian1", "--reason", "over").code == 0
        assert not where(plant, "10.20.2.20")
    elif drill.then == "release":
        done = plant("contain", "release", "scada1", "--reason", "over")
        assert done.code == (0 if recorded else 1), "there may be nobody to let go"
        recorded = False
    assert plant("contain", "status", "--heal").code == 0
    assert where(plant) == (set(BOTH) if recorded else set())
    assert plant("drift", "--no-history").code == 0
    assert {name: plant.fleet[name].running() for name in BOTH} == before, "nothing is configured"
    assert plant.locks == 0
