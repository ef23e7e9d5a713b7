"""A plan of a device group, rehearsed on what its firewalls saw."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from segctl_mocks.panos.traffic.store import Collected
from support.witnessed import entry, have_seen

if TYPE_CHECKING:
    from support.panorama import Plant

POLL = {"src": "10.1.0.5", "app": "modbus-read-coils"}
READS = {
    "fw1": {"to": "CELL1", "dst": "10.2.1.10", "rule": "plant.poll-1.modbus", **POLL},
    "fw2": {"to": "CELL2", "dst": "10.2.2.10", "rule": "plant.poll-2.modbus", **POLL},
}


@pytest.fixture
def polled(behind: Plant) -> Plant:
    """The plant as declared; each firewall has let its controller be polled."""
    behind("apply", "--auto-approve")
    mocks = behind.mocks
    seen = (
        entry(number, host=name, **said) for number, (name, said) in enumerate(READS.items(), 1)
    )
    known = have_seen(mocks.folder, mocks.firewalls, *seen)
    mocks.panorama.device.traffic = Collected([*known.values()])
    return behind


LIVE = ("--from-devices", "--since", "1d")


@pytest.mark.parametrize("offline", [False, True], ids=["devices", "snapshots"])
def test_what_a_plan_of_the_group_would_cut_is_told(polled: Plant, *, offline: bool) -> None:
    polled.change("          poll-2: {<<: *poll, to: cell-2}\n", "")
    polled("plan", "-o", "plan.json")
    words: tuple[str, ...] = LIVE
    if offline:
        polled("snapshot", "-o", "kept")
        words = (*LIVE, "--offline", "kept")
    found = polled.json("replay", "plan.json", *words, "-o", "rehearsed.json", code=2)
    fates = {
        fate: [one["destination"] for one in told["listed"]]
        for fate, told in found["fates"].items()
        if told["flows"]
    }
    assert fates == {"still_allowed": ["10.2.1.10"], "newly_dropped": ["10.2.2.10"]}
    held = json.loads((polled.mocks.folder / "rehearsed.json").read_text())["rehearsal"]
    assert held["judged"]["panorama1:OT"] == 1
    assert not held["not_judged"]
    polled("apply", "rehearsed.json", "--require-replay", "--auto-approve", "--allow-mass-delete")
    assert "No changes" in polled("plan")
