"""What killed runs leave on a real kernel, and that the next one settles it: over OpenSSH."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.lab import conduit, lines
from support.lab import run as run_here
from support.nftables_page import documented_sudoers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.lab import Lab

BOOT = "/etc/nftables.d/segctl.nft"
DECLARED = conduit("poll", "supv", "ctrl", "{modbus: {services: [tcp/502]}}")
#: What every program here begins with; `CHANGE` and `OTHER` each add one line that shows.
PRELUDE = """
import json, os, sys, time
from pathlib import Path
from segctl.transports.credentials import Secret
from segctl.model.errors import SegctlError
from segctl.transports.target import Target
from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.session import NftSession
from segctl.providers.state import Run
folder, user = Path(sys.argv[1]), sys.argv[2]
CHANGE = "# segctl switch\\nadd rule inet segctl pair_SUPV/CTRL drop comment \\"change\\"\\n"
OTHER = "# segctl switch\\nadd rule inet segctl pair_SUPV/CTRL drop comment \\"other\\"\\n"
said = []
session = NftSession(
    Target(name="fw", host="10.99.0.1", port=22, user=user, password=Secret(""),
           key_file=folder / "user_key", known_hosts=(folder / "known_hosts",)),
    read_only=False, progress=said.append)
def state():
    return NftablesProvider().parse(session.read()).state
def tell(**words):
    print(json.dumps(words), flush=True)
def begin(plan, lease=600):
    session.begin(Run(plan_id=plan, probes="p0", lease=lease))
def tried(work):
    try:
        work()
    except SegctlError as error:
        return f"{type(error).__name__}: {error}"
    return ""
"""
#: A run that pushes and then waits, to be killed.
DIES = """
state(); begin("dies")
with session.lock():
    state()
    session.push(CHANGE, revert_in=int(sys.argv[3]))
    tell(at="pushed")
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Lab:
    """The lab with an account for segctl on the firewall."""
    lab.account("segctl", documented_sudoers())
    return lab


@pytest.fixture
def held(plant: Lab) -> Callable[[], str]:
    """A firewall with a policy; gives what it holds, without what runs leave."""
    plant.nft("flush", "ruleset")
    plant.on_firewall("rm", "-f", BOOT)
    done = plant.segctl(plant.inventory(DECLARED), "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr
    return lambda: _listed(plant)


def _listed(plant: Lab) -> str:
    found: list[dict[str, Any]] = json.loads(
        plant.nft("-j", "-s", "list", "table", "inet", "segctl")
    )["nftables"]
    kept = [
        {key: value for key, value in one.items() if key != "handle"}
        for entry in found
        for kind, one in entry.items()
        if not (kind == "set" and one["name"] in ("lock", "push"))
    ]
    return json.dumps(kept)


def start(plant: Lab, program: str, *words: str, user: str = "root") -> subprocess.Popen[str]:
    """Start a program on the management host."""
    return plant.python("mgt", PRELUDE + program, str(plant.folder), user, *words)


def contained(plant: Lab, program: str, *words: str) -> subprocess.Popen[str]:
    """Start a program in a container: process 1 of its own, on a host that is named alike."""
    return subprocess.Popen(
        [
            "ip", "netns", "exec", plant.ns("mgt"), "unshare", "--pid", "--fork", "--kill-child",
            "--mount-proc", "--uts", "sh", "-c", 'hostname runner; exec "$@"', "sh",
            sys.executable, "-u", "-c", PRELUDE + program, str(plant.folder), "root", *words,
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next thing a program tells."""
    told: dict[str, Any] = json.loads(lines(process.stdout).readline())
    return told


def run(plant: Lab, program: str, *words: str, user: str = "root") -> dict[str, Any]:
    """Run a program to its end and return what it tells."""
    process = start(plant, program, *words, user=user)
    told = heard(process)
    assert process.wait(60) == 0
    return told


def killed(plant: Lab, seconds: int, user: str = "root") -> None:
    """Let a run push, to go back after so many seconds, and kill it."""
    process = start(plant, DIES, str(seconds), user=user)
    assert heard(process) == {"at": "pushed"}
    process.kill()
    process.wait()


#: Seconds until a change goes back that is looked at before: a busy machine starts Python slowly.
SOON = 20


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def files(plant: Lab) -> str:
    """Return what lies where pushes have their files."""
    return plant.on_firewall("sh", "-c", "find /run/segctl /home/segctl/.segctl /etc/nftables.d "
                             "-type f ! -name segctl.nft 2>/dev/null; true")  # fmt: skip


def guards(plant: Lab) -> bool:
    """Whether a guard runs on the firewall."""
    found = False
    for process in run_here("ip", "netns", "pids", plant.ns("fw")).split():
        with suppress(OSError):
            found |= b"segctl-guard" in Path(f"/proc/{process}/cmdline").read_bytes()
    return found


@pytest.mark.parametrize("user", ["root", "segctl"])
def test_a_change_of_a_killed_run_is_confirmed(
    plant: Lab, held: Callable[[], str], user: str
) -> None:
    killed(plant, SOON, user)
    changed = held()
    told = run(plant, """
before = state()
begin("next")
with session.lock():
    (change,) = state().unconfirmed
    session.adopt(change)
    session.confirm()
    after = state()
(lock,) = before.locks
tell(run=change.run, plan=change.plan_id, probes=change.probes, dead=lock.dead, alive=change.alive,
     left=change.goes_back_in, kept=before.kept, now=after.kept, applied=after.applied[0],
     pending=len(after.unconfirmed))
""", user=user)  # fmt: skip
    assert told["plan"] == "dies"
    assert told["probes"] == "p0"
    assert told["dead"] is True
    assert told["alive"] is False
    assert 0 < told["left"] <= SOON
    assert told["kept"] == "differs"
    assert told["now"] == "same"
    assert told["applied"] == "dies"
    assert told["pending"] == 0
    until(lambda: not guards(plant))
    time.sleep(SOON + 1)
    assert held() == changed, "the guard of a confirmed change went back"
    assert '"lock"' not in plant.nft("-j", "list", "sets")
    assert not files(plant)
    assert 'comment "change"' in plant.on_firewall("cat", BOOT)


@pytest.mark.parametrize("user", ["root", "segctl"])
def test_a_change_of_a_killed_run_is_taken_back(
    plant: Lab, held: Callable[[], str], user: str
) -> None:
    before = held()
    boot = plant.on_firewall("cat", BOOT)
    killed(plant, 600, user)
    assert held() != before
    told = run(plant, """
state(); begin("next")
with session.lock():
    (change,) = state().unconfirmed
    session.adopt(change)
    session.revert()
    after = state()
tell(pending=len(after.unconfirmed), kept=after.kept)
""", user=user)  # fmt: skip
    assert told == {"pending": 0, "kept": "same"}
    assert held() == before
    assert plant.on_firewall("cat", BOOT) == boot
    until(lambda: not guards(plant) and not files(plant))


def test_a_change_of_another_account_goes_back_by_itself(
    plant: Lab, held: Callable[[], str]
) -> None:
    before = held()
    killed(plant, SOON)
    told = run(plant, """
state(); begin("next")
with session.lock():
    (change,) = state().unconfirmed
    session.adopt(change)
    session.revert()
    after = state()
    begun = tried(lambda: session.push(OTHER, revert_in=60))
    session.revert()
tell(pending=len(after.unconfirmed), said=said, begun=begun)
""", user="segctl")  # fmt: skip
    assert told["pending"] == 0
    assert told["begun"] == "", "the guard took the lock of another run away"
    assert any("goes back by itself" in step for step in told["said"])
    assert held() == before


def test_a_guard_does_not_undo_what_was_confirmed_later(
    plant: Lab, held: Callable[[], str]
) -> None:
    killed(plant, SOON)
    run(plant, """
state(); begin("next")
with session.lock():
    (change,) = state().unconfirmed
    session.adopt(change)
    session.revert()
    state()
    session.push(OTHER, revert_in=60)
    state()
    session.confirm()
tell(done=True)
""")  # fmt: skip
    confirmed = held()
    assert '"other"' in confirmed
    time.sleep(SOON + 1)
    assert held() == confirmed
    until(lambda: not guards(plant) and not files(plant))


def test_a_guard_leaves_nothing_behind(plant: Lab, held: Callable[[], str]) -> None:
    before = held()
    killed(plant, 2)
    until(lambda: held() == before)
    until(lambda: not guards(plant) and not files(plant))
    assert '"lock"' not in plant.nft("-j", "list", "sets")


def test_two_containers_do_not_steal_each_others_lock(plant: Lab, held: Callable[[], str]) -> None:
    before = held()
    holds = """
state(); begin("first")
with session.lock():
    state()
    session.push(CHANGE, revert_in=600)
    tell(pid=os.getpid())
    sys.stdin.readline()
    session.revert()
tell(done=True)
"""
    asks = """
found = state(); begin("second")
def work():
    with session.lock():
        pass
tell(pid=os.getpid(), said=tried(work), alive=found.locks[0].alive)
"""
    with contained(plant, holds) as first:
        assert heard(first) == {"pid": 1}
        with contained(plant, asks) as second:
            told = heard(second)
            assert second.wait(60) == 0
        assert told["pid"] == 1
        assert told["alive"] is None
        assert told["said"].startswith("LockedError")
        assert "lease runs out in" in told["said"]
        first.communicate("\n", timeout=60)
    assert first.returncode == 0
    assert held() == before


def test_a_run_whose_lease_ran_out_changes_nothing_more(
    plant: Lab, held: Callable[[], str]
) -> None:
    slow = """
state(); begin("first", lease=2)
with session.lock():
    state()
    session.push(CHANGE, revert_in=600)
    tell(at="pushed")
    sys.stdin.readline()
    tell(confirm=tried(session.confirm), revert=tried(session.revert))
    said.clear()
tell(said=said)
"""
    quick = """
state(); begin("second")
with session.lock():
    (change,) = state().unconfirmed
    session.adopt(change)
    tell(at="adopted")
    sys.stdin.readline()
    session.confirm()
tell(done=True)
"""
    with contained(plant, slow) as first:
        assert heard(first) == {"at": "pushed"}
        time.sleep(3)
        with contained(plant, quick) as second:
            assert heard(second) == {"at": "adopted"}
            changed = held()
            lines(first.stdin).write("\n")
            lines(first.stdin).flush()
            told = heard(first)
            assert told["confirm"].startswith("LostLockError")
            assert told["revert"].startswith("LostLockError")
            assert "no longer holds the lock" in heard(first)["said"][0]
            assert first.wait(60) == 0
            assert held() == changed
            second.communicate("\n", timeout=60)
        assert second.returncode == 0
    assert held() == changed


#: How a folder is made that takes no file.
NO_ROOM = {
    "full": ("mount -t tmpfs -o size=16k tmpfs /etc/nftables.d && cp /tmp/boot {boot} && "
             "! dd if=/dev/zero of=/etc/nftables.d/fill bs=1k"),
    "read-only": "mount --bind /etc/nftables.d /etc/nftables.d && "
                 "mount -o remount,bind,ro /etc/nftables.d",
}  # fmt: skip


@pytest.mark.parametrize("case", NO_ROOM)
@pytest.mark.parametrize("user", ["root", "segctl"])
def test_a_boot_file_that_cannot_be_written_fails_the_change(
    plant: Lab, held: Callable[[], str], case: str, user: str
) -> None:
    before = held()
    boot = plant.on_firewall("cat", BOOT)
    plant.on_firewall("sh", "-c", f"cp {BOOT} /tmp/boot; {NO_ROOM[case].format(boot=BOOT)}")
    try:
        told = run(plant, """
state(); begin("next")
with session.lock():
    state()
    session.push(CHANGE, revert_in=600)
    state()
    confirm = tried(session.confirm)
    back = tried(session.revert)
    after = state()
tell(confirm=confirm, back=back, kept=after.kept, pending=len(after.unconfirmed))
""", user=user)  # fmt: skip
        assert told["confirm"].startswith("ApplyError")
        assert BOOT in told["confirm"]
        assert {"full": "No space left", "read-only": "Read-only file system"}[case] in told[
            "confirm"
        ]
        assert told["back"] == ""
        assert told["kept"] == "same"
        assert told["pending"] == 0
        assert held() == before
        assert plant.on_firewall("cat", BOOT) == boot
        assert files(plant).split() == (["/etc/nftables.d/fill"] if case == "full" else [])
    finally:
        plant.on_firewall("umount", "/etc/nftables.d")


def test_a_confirmation_that_is_killed_goes_back_with_its_boot_file(
    plant: Lab, held: Callable[[], str]
) -> None:
    before = held()
    boot = plant.on_firewall("cat", BOOT)
    plant.on_firewall(
        "sh", "-c",
        "cp /usr/bin/sync /tmp/real; rm -f /tmp/seen; cat > /tmp/sync; chmod +x /tmp/sync; "
        "mount --bind /tmp/sync /usr/bin/sync",
        stdin="#!/bin/sh\n[ -e /tmp/seen ] && exec /tmp/real\n"
              f"grep -q '\"change\"' {BOOT} || exec /tmp/real\n: > /tmp/seen; kill -9 $PPID\n",
    )  # fmt: skip
    try:
        told = run(plant, """
state(); begin("next")
with session.lock():
    state()
    session.push(CHANGE, revert_in=20)
    state()
    tell(confirm=tried(session.confirm), back=tried(session.revert))
""")  # fmt: skip
        assert told["confirm"]
        until(lambda: held() == before)
        until(lambda: plant.on_firewall("cat", BOOT) == boot)
        until(lambda: not guards(plant) and not files(plant))
        assert plant.on_firewall("cat", "/tmp/seen") == ""
    finally:
        plant.on_firewall("umount", "/usr/bin/sync")


EDITS: Sequence[tuple[str, str, str]] = (
    ("differs", "edited", f"echo '# by hand' >> {BOOT}"),
    ("differs", "somebody else", f"echo 'table inet theirs' > {BOOT}"),
    ("missing", "there is no", f"rm {BOOT}"),
    ("unknown", "earlier segctl", f"sed -i 2d {BOOT}"),
)


@pytest.mark.parametrize(("kept", "why", "edit"), EDITS, ids=[why for _, why, _ in EDITS])
@pytest.mark.parametrize("user", ["root", "segctl"])
@pytest.mark.usefixtures("held")
def test_a_boot_file_that_is_not_what_is_live(
    plant: Lab, kept: str, why: str, edit: str, user: str
) -> None:
    plant.on_firewall("sh", "-c", edit)
    told = run(plant, """
before = state(); begin("next")
with session.lock():
    state(); session.keep()
after = state()
tell(kept=before.kept, why=before.why_not_kept, after=after.kept, applied=after.applied)
""", user=user)  # fmt: skip
    assert told["kept"] == kept
    assert why in told["why"]
    assert told["after"] == "same"
    assert not files(plant)


def test_a_table_that_was_changed_is_not_what_a_reboot_loads(
    plant: Lab, held: Callable[[], str]
) -> None:
    before = held()
    plant.nft("insert", "rule", "inet", "segctl", "forward", "accept")
    found = "tell(kept=state().kept)"
    assert run(plant, found) == {"kept": "differs"}
    plant.nft("flush", "ruleset")
    assert run(plant, found) == {"kept": "differs"}
    plant.on_firewall("nft", "-f", BOOT)
    assert run(plant, found) == {"kept": "same"}
    assert held() == before


@pytest.mark.usefixtures("held")
def test_plans_are_remembered_over_a_reboot(plant: Lab) -> None:
    run(plant, """
state()
for number in range(18):
    begin(f"plan{number}")
    with session.lock():
        state(); session.push(CHANGE.replace("change", f"change{number}"), revert_in=60)
        state(); session.confirm()
tell(done=True)
""")  # fmt: skip
    plant.nft("flush", "ruleset")
    plant.on_firewall("nft", "-f", BOOT)
    told = run(plant, "found = state(); tell(applied=found.applied, kept=found.kept)")
    assert told == {"applied": [f"plan{number}" for number in range(17, 1, -1)], "kept": "same"}
