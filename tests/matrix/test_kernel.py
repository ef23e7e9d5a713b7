"""A run killed at each command on a real gateway, and every command that may follow.

Policies are told apart by packets: each of them permits one port and no other.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import probes
from support.lab import Gate, Lab, conduit, lines, refused
from support.matrix import Case, cases, killed_at, reboot

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

#: More commands than a run gives; what would be killed later ends by itself.
STEPS = 14
#: Seconds until the guard goes back.
GUARD = 2
OLD, NEW, OTHER = 502, 443, 53
BOOT = "/etc/nftables.d/segctl.nft"
#: Says which of these TCP ports answer, for every line that it reads.
_PORTS = """
import json, socket, sys
for _ in sys.stdin:
    found = []
    for port in map(int, sys.argv[2:]):
        try:
            socket.create_connection((sys.argv[1], port), timeout=0.4).close()
            found.append(port)
        except OSError:
            pass
    print(json.dumps(found), flush=True)
"""
_PLAYBOOK = f"""
- name: all at once
  hosts: all
  revert_in: {GUARD}
  tasks:
    - apply:
"""


def declared(port: int) -> str:
    return conduit("poll", "supv", "ctrl", f"{{one: {{services: [tcp/{port}]}}}}")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A gateway behind a gate, with a listener in one zone and who asks in another."""
    if reason := refused():
        pytest.skip(reason)
    folder = Path(tmp_path_factory.mktemp("matrix"))
    made = Lab(folder=folder, prefix=f"mx{os.getpid() % 100000}", gate=Gate(folder=folder / "gate"))
    try:
        made.start()
        listener = made.python("ctrl1", probes.ECHO, *map(str, (OLD, NEW, OTHER)))
        assert lines(listener.stdout).readline() == "ready\n"
        (folder / "play.yml").write_text(_PLAYBOOK, encoding="utf-8")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def asking(plant: Lab) -> subprocess.Popen[str]:
    """Who asks the gateway's zones."""
    ports = map(str, (OLD, NEW, OTHER))
    return plant.python("supv1", _PORTS, plant.address("ctrl1"), *ports)


def permitted(asking: subprocess.Popen[str]) -> set[int]:
    """Return the ports that answer now."""
    lines(asking.stdin).write("now\n")
    lines(asking.stdin).flush()
    return set(json.loads(lines(asking.stdout).readline()))


def follow(plant: Lab, case: Case, inventories: dict[int, Path]) -> int:
    """Run the command that comes next; return the port that is wanted from then on."""
    new = inventories[NEW]
    if case.then == "same plan":
        done = plant.segctl(new, "apply", str(plant.folder / "new.json"), "--json")
        fine = done.returncode == 0 or json.loads(done.stdout)["error"]["code"] in {"plan", "stale"}
        assert fine, done.stdout + done.stderr
    elif case.then == "other plan":
        done = plant.segctl(inventories[OTHER], "apply", "--auto-approve")
        assert done.returncode == 0, done.stdout + done.stderr
        return OTHER
    elif case.then == "plan":
        done = plant.segctl(new, "plan")
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        done = plant.segctl(new, "drift", "--no-history")
        assert done.returncode in {0, 2}, done.stdout + done.stderr
    return NEW


@pytest.mark.parametrize("case", cases(STEPS, 3), ids=str)
def test_a_killed_run_is_settled_by_the_next(
    plant: Lab, asking: subprocess.Popen[str], case: Case
) -> None:
    assert plant.gate is not None
    plant.gate.open()
    plant.nft("flush", "ruleset")
    plant.on_firewall("sh", "-c", f"rm -rf {BOOT} /run/segctl/*")
    inventories = {
        port: plant.inventory(declared(port), f"plant{port}") for port in (OLD, NEW, OTHER)
    }
    done = plant.segctl(inventories[OLD], "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    assert permitted(asking) == {OLD}
    saved = str(plant.folder / "new.json")
    Path(f"{saved}.applied").unlink(missing_ok=True)
    assert plant.segctl(inventories[NEW], "plan", "-o", saved).returncode == 0
    how = ("before", "during", "after")[case.step % 3]
    play = str(plant.folder / "play.yml")
    killed_at(plant, case.step, how, inventories[NEW], "apply", "-p", play, "--auto-approve")
    assert permitted(asking) in ({OLD}, {NEW})
    if case.reboot:
        reboot(plant, BOOT)
        assert permitted(asking) in ({OLD}, {NEW})
    if case.late:
        time.sleep(GUARD + 2)
        assert permitted(asking) in ({OLD}, {NEW})
    wanted = follow(plant, case, inventories)
    assert permitted(asking) in ({OLD}, {NEW}, {wanted})
    done = plant.segctl(inventories[wanted], "apply", "--auto-approve", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert permitted(asking) == {wanted}
    check = plant.segctl(inventories[wanted], "drift", "--no-history", "--json")
    assert check.returncode == 0, check.stdout
    state = json.loads(check.stdout)["devices"][0]["state"]
    assert (state["locks"], state["unconfirmed"], state["kept"]) == ([], [], "same")
    time.sleep(GUARD + 1)  # nothing that the killed run left does anything later
    assert permitted(asking) == {wanted}
    reboot(plant, BOOT)
    assert permitted(asking) == {wanted}
