"""Containing on a real kernel: in the middle of transfers, over applies, and until it ends."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from support import probes
from support.lab import Finished, Lab, conduit, lines
from support.nftables_page import documented_sudoers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PORTS = (22, 53, 443, 502)
DECLARED = conduit(
    "poll",
    "supv",
    "ctrl",
    "{modbus: {source: [supv1, supv2], destination: [ctrl1], services: [tcp/502]},"
    " alarm: {source: [supv1], destination: [ctrl2], services: [tcp/502, udp/53],"
    " essential: true}}",
) + conduit("publish", "supv", "dmz", "{f: {services: [tcp/443, udp/53]}}")
PREPARED = ("segctl_containment: {longest: 8h}",)
WHY = ("--reason", "a drill", "--auto-approve", "--json")
#: Seconds in which what has to happen surely does, on any machine.
LONG = 60


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Lab:
    """The lab with listeners on every host, and what containing needs on the firewall."""
    lab.account("segctl", documented_sudoers())
    for host in lab.hosts:
        listener = lab.python(host, probes.ECHO, *map(str, PORTS))
        assert lines(listener.stdout).readline() == "ready\n"
    return lab


def inventory(plant: Lab, conduits: str = DECLARED, *, user: str = "root") -> Path:
    return plant.inventory(conduits, f"contained-{user}", user=user, variables=PREPARED)


def segctl(plant: Lab, *words: str, conduits: str = DECLARED, user: str = "root") -> Finished:
    done = plant.segctl(inventory(plant, conduits, user=user), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def members(plant: Lab) -> dict[str, int]:
    """Return who is contained, with the milliseconds that are left."""
    text = plant.nft("list", "table", "inet", "segctl")
    found: dict[str, int] = {}
    units = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    for address, left in re.findall(r"(\S+) timeout \S+ expires (\S+) comment \"segctl-note", text):
        parts = re.findall(r"(\d+)(ms|h|m|s)", left)
        found[address] = sum(int(number) * units[unit] for number, unit in parts)
    return found


def passes(plant: Lab, source: str, target: str, port: int, version: int = 4) -> bool:
    prober = plant.python(source, probes.PROBE, "1.0")
    wanted = [["it", version, "tcp", plant.address(target, version), port]]
    out, _ = prober.communicate(json.dumps(wanted) + "\n", timeout=LONG)
    return bool(json.loads(out) == ["it"])


def until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONG
    while not fact():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def nobody(plant: Lab) -> None:
    """Nobody is contained when a test begins, and the policy is there."""
    segctl(plant, "apply", "--auto-approve")
    for name in ("contained4", "contained6", "contained4_nets", "contained6_nets"):
        plant.nft("flush", "set", "inet", "segctl", name)


@pytest.mark.parametrize("version", [4, 6])
def test_connections_of_who_is_contained_stop_and_no_other_loses_a_packet(
    plant: Lab, version: int
) -> None:
    cut = plant.python("supv1", probes.SESSION, plant.address("ctrl1", version), "502")
    kept = plant.python("supv1", probes.SESSION, plant.address("ctrl2", version), "502")
    other = plant.python("supv2", probes.STREAM, plant.address("dmz2", version), "53", "600", "500")
    goes_on = plant.python(
        "supv1", probes.STREAM, plant.address("ctrl2", version), "53", "600", "500"
    )
    for process in (cut, kept, other, goes_on):
        assert lines(process.stdout).readline() == "ready\n"
    time.sleep(0.5)
    done = segctl(plant, "contain", "asset", "supv1", "--for", "1h", *WHY)
    assert json.loads(done.stdout)["contained"]
    registered = time.monotonic()
    time.sleep(4)
    answered, _, silence = map(float, cut.communicate("\n", timeout=LONG)[0].split())
    assert answered > 5
    assert silence > time.monotonic() - registered - 2, "its connection did not stop within 2 s"
    answered, _, silence = map(float, kept.communicate("\n", timeout=LONG)[0].split())
    assert answered > 50
    assert silence < time.monotonic() - registered - 2, "another one's connection stopped, too"
    for stream in (other, goes_on):
        sent, lost = map(int, stream.communicate("stop\n", timeout=120)[0].split())
        assert sent > 500
        assert lost == 0, f"{lost} of {sent}"
    assert not passes(plant, "supv1", "ctrl1", 502, version)
    assert not passes(plant, "ctrl1", "supv1", 22, version)
    assert passes(plant, "supv1", "ctrl2", 502, version)
    assert passes(plant, "supv2", "ctrl1", 502, version)


def test_an_apply_and_a_new_table_keep_them_with_the_time_that_is_left(plant: Lab) -> None:
    segctl(plant, "contain", "asset", "supv1", "--for", "1h", *WHY)
    segctl(plant, "contain", "zone", "dmz", "--for", "30m", *WHY)
    before = members(plant)
    assert set(before) == {"10.2.0.11", "fd00:2::11", "10.3.0.0/24", "fd00:3::/64"}
    more = DECLARED + conduit("more", "ent", "ctrl", "{f: {services: [tcp/22]}}")
    segctl(plant, "apply", "--auto-approve", conduits=more)
    applied = members(plant)
    plant.nft("add", "chain", "inet", "segctl", "new", "{ type filter hook forward priority 5; }")
    time.sleep(1)
    done = segctl(plant, "plan", "--json")
    assert "delete table inet segctl" in json.loads(done.stdout)["devices"][0]["script"]
    segctl(plant, "apply", "--auto-approve")
    anew = members(plant)
    for address, left in before.items():
        assert left > applied[address] > anew[address] + 1000, address
    assert not passes(plant, "supv1", "ctrl1", 502)
    segctl(plant, "drift")
    segctl(plant, "contain", "status")


def test_it_ends_by_itself(plant: Lab) -> None:
    segctl(plant, "contain", "host", plant.address("supv1"), "--for", "1m", *WHY)
    assert not passes(plant, "supv1", "ctrl1", 502)
    held = plant.nft("list", "set", "inet", "segctl", "contained4")
    short = re.sub(r"expires \S+", "expires 3s", held)
    plant.nft("flush", "set", "inet", "segctl", "contained4")
    plant.nft("-f", "-", stdin=short)
    assert not passes(plant, "supv1", "ctrl1", 502)
    until(lambda: not members(plant), "the element does not go")
    assert passes(plant, "supv1", "ctrl1", 502)


def test_a_push_that_nobody_confirms_leaves_who_is_contained_meanwhile(plant: Lab) -> None:
    segctl(plant, "contain", "host", plant.address("supv1"), "--for", "1h", *WHY)
    program = """
import os, sys
from pathlib import Path
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl.providers.nftables.session import NftSession
folder = Path(sys.argv[1])
target = Target(name="fw", host="10.99.0.1", port=22, user="root", password=Secret(""),
                key_file=folder / "user_key", known_hosts=(folder / "known_hosts",))
session = NftSession(target, read_only=False, progress=lambda text: None)
session.read()
with session.lock():
    session.push("# segctl switch\\nadd rule inet segctl pair_SUPV/CTRL drop\\n", revert_in=8)
    print("pushed")
    sys.stdin.readline()
    os._exit(0)
"""
    process = plant.python("mgt", program, str(plant.folder))
    assert lines(process.stdout).readline() == "pushed\n"
    note = 'comment "segctl-note.20991129T180000Z.3f9a12c4.alice.x"'
    plant.nft("add", "element", "inet", "segctl", "contained4",
              f"{{ 10.2.0.12 timeout 1h {note} }}")  # fmt: skip
    process.kill()
    until(
        lambda: '"push ' not in plant.nft("list", "set", "inet", "segctl", "push"),
        "the guard did not go back",
    )
    assert set(members(plant)) == {"10.2.0.11", "10.2.0.12"}


def test_the_account_of_the_page_may_contain_and_no_more(plant: Lab) -> None:
    done = segctl(plant, "contain", "asset", "supv1", "--for", "1h", *WHY, user="segctl")
    assert json.loads(done.stdout)["contained"]
    segctl(plant, "contain", "list", user="segctl")
    segctl(plant, "contain", "release", "supv1", "--reason", "over", user="segctl")
    assert members(plant) == {}


def test_forged_packets_of_an_asset_contain_nobody(plant: Lab) -> None:
    sender = plant.python("dmz1", probes.FORGE)
    wanted = [
        [f"{kind} {number}", 4, plant.address("ctrl1"), plant.address("ent1"), kind]
        for number in range(100)
        for kind in ("ack", "rst", "udp", "error")
    ]
    out, _ = sender.communicate(json.dumps(wanted) + "\n", timeout=LONG)
    assert out == "sent\n"
    assert members(plant) == {}
    assert passes(plant, "supv1", "ctrl1", 502)


def test_a_boot_file_holds_nobody(plant: Lab) -> None:
    segctl(plant, "contain", "zone", "supv", "--for", "1h", *WHY)
    segctl(plant, "contain", "asset", "supv1", "--for", "1h", *WHY)
    more = DECLARED + conduit("more", "ent", "ctrl", "{f: {services: [tcp/22]}}")
    segctl(plant, "apply", "--auto-approve", conduits=more)
    boot = plant.on_firewall("cat", "/etc/nftables.d/segctl.nft")
    assert "segctl-note" not in boot
    held = members(plant).keys()
    assert len(held) >= 4  # what earlier tests contained is on record, too
    plant.nft("-f", "-", stdin=boot)
    assert members(plant) == {}
    done = plant.segctl(inventory(plant, more), "contain", "status", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["gaps"]
    segctl(plant, "contain", "status", "--heal", conduits=more)
    assert held <= members(plant).keys()
    segctl(plant, "drift", conduits=more)
