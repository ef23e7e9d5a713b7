"""Island mode on a real kernel: in the middle of transfers, over applies, and until it ends."""

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
    from pathlib import Path

PORTS = (22, 53, 443, 502)
#: What passes between the levels: down to control, and up from supervisory, twice.
DECLARED = conduit("poll", "supv", "ctrl", "{f: {services: [tcp/502, udp/53]}}") + conduit(
    "publish",
    "supv",
    "dmz",
    "{report: {source: [supv1], services: [tcp/443, udp/53]},"
    " safety: {source: [supv2], destination: [dmz2], services: [tcp/443, udp/53],"
    " essential: true}}",
)
LEVELS = {"ctrl": 1, "supv": 2, "dmz": 3.5, "ent": 4}
PREPARED = ("segctl_containment: {longest: 8h, islands: {zones: [supv, ctrl]}}",)
WHY = ("--reason", "a drill", "--auto-approve", "--json")
#: Seconds in which what has to happen surely does, on any machine.
LONG = 60


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Lab:
    """The lab with listeners on every host, and what an island needs on the firewall."""
    lab.account("segctl", documented_sudoers())
    for host in lab.hosts:
        listener = lab.python(host, probes.ECHO, *map(str, PORTS))
        assert lines(listener.stdout).readline() == "ready\n"
    return lab


def inventory(plant: Lab, conduits: str = DECLARED, *, user: str = "root") -> Path:
    folder = plant.inventory(conduits, f"island-{user}", user=user, variables=PREPARED)
    file = folder / "group_vars/all/zones.yml"
    text = file.read_text(encoding="utf-8")
    for zone, level in LEVELS.items():
        text = text.replace(f"  {zone}:\n", f"  {zone}:\n    level: {level}\n")
    file.write_text(text, encoding="utf-8")
    return folder


def segctl(plant: Lab, *words: str, conduits: str = DECLARED, user: str = "root") -> Finished:
    done = plant.segctl(inventory(plant, conduits, user=user), *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def members(plant: Lab) -> dict[str, int]:
    """Return the networks of islands, with the seconds that are left."""
    text = plant.nft("list", "table", "inet", "segctl")
    found: dict[str, int] = {}
    units = {"h": 3600, "m": 60, "s": 1, "ms": 0}
    note = r"(\S+) timeout \S+ expires (\S+) comment \"segctl-note-"
    for address, left in re.findall(note, text):
        parts = re.findall(r"(\d+)(ms|h|m|s)", left)
        found[address] = sum(int(number) * units[unit] for number, unit in parts)
    return found


def passes(plant: Lab, source: str, target: str, port: int, version: int = 4) -> bool:
    prober = plant.python(source, probes.PROBE, "1.0")
    wanted = [["it", version, "tcp", plant.address(target, version), port]]
    out, _ = prober.communicate(json.dumps(wanted) + "\n", timeout=LONG)
    return bool(json.loads(out) == ["it"])


def ruleset(plant: Lab) -> str:
    """Return all that is enforced, without what counts and without what says who applied it."""
    text = plant.nft("-s", "list", "ruleset")
    return re.sub(r"set (push|lock) \{.*?\n\t\}", "", text, flags=re.DOTALL)


@pytest.fixture(autouse=True)
def joined(plant: Lab) -> None:
    """Nothing is an island when a test begins, and the policy is there."""
    segctl(plant, "apply", "--auto-approve")
    for name in re.findall(r"set (island\S+) \{", plant.nft("list", "table", "inet", "segctl")):
        plant.nft("flush", "set", "inet", "segctl", name)


@pytest.mark.parametrize("version", [4, 6])
def test_connections_to_what_is_above_stop_and_no_other_loses_a_packet(
    plant: Lab, version: int
) -> None:
    before = ruleset(plant)
    cut = plant.python("supv1", probes.SESSION, plant.address("dmz1", version), "443")
    kept = plant.python("supv2", probes.SESSION, plant.address("dmz2", version), "443")
    goes_on = plant.python(
        "supv2", probes.STREAM, plant.address("dmz2", version), "53", "600", "500"
    )
    below = plant.python(
        "supv1", probes.STREAM, plant.address("ctrl1", version), "53", "600", "500"
    )
    for process in (cut, kept, goes_on, below):
        assert lines(process.stdout).readline() == "ready\n"
    time.sleep(0.5)
    done = segctl(plant, "island", "begin", "supv", "--for", "1h", *WHY)
    assert json.loads(done.stdout)["island"]
    registered = time.monotonic()
    time.sleep(4)
    answered, _, silence = map(float, cut.communicate("\n", timeout=LONG)[0].split())
    assert answered > 5
    assert silence > time.monotonic() - registered - 2, "its connection did not stop within 2 s"
    answered, _, silence = map(float, kept.communicate("\n", timeout=LONG)[0].split())
    assert answered > 50
    assert silence < time.monotonic() - registered - 2, "one that goes on stopped, too"
    for stream in (goes_on, below):
        sent, lost = map(int, stream.communicate("stop\n", timeout=120)[0].split())
        assert sent > 500
        assert lost == 0, f"{lost} of {sent}"
    assert not passes(plant, "supv1", "dmz1", 443, version)
    assert passes(plant, "supv2", "dmz2", 443, version)
    assert passes(plant, "supv1", "ctrl1", 502, version)
    segctl(plant, "island", "end", "supv", "--reason", "over")
    assert members(plant) == {}
    assert ruleset(plant) == before
    assert passes(plant, "supv1", "dmz1", 443, version)


def test_an_apply_and_a_new_table_keep_it_with_the_time_that_is_left(plant: Lab) -> None:
    segctl(plant, "island", "begin", "supv", "--for", "1h", *WHY)
    segctl(plant, "island", "begin", "ctrl", "--for", "30m", *WHY)
    before = members(plant)
    assert set(before) == {"10.1.0.0/24", "fd00:1::/64", "10.2.0.0/24", "fd00:2::/64"}
    more = DECLARED + conduit("more", "ent", "dmz", "{f: {services: [tcp/22]}}")
    segctl(plant, "apply", "--auto-approve", conduits=more)
    plant.nft("add", "chain", "inet", "segctl", "new", "{ type filter hook forward priority 5; }")
    time.sleep(2)
    done = segctl(plant, "plan", "--json")
    assert "delete table inet segctl" in json.loads(done.stdout)["devices"][0]["script"]
    segctl(plant, "apply", "--auto-approve")
    anew = members(plant)
    for address, left in before.items():
        assert left > anew[address] > left - 600, address
    assert not passes(plant, "supv1", "dmz1", 443)
    assert not passes(plant, "supv1", "ctrl1", 502)
    segctl(plant, "drift")
    segctl(plant, "island", "status")


def test_it_ends_by_itself(plant: Lab) -> None:
    segctl(plant, "island", "begin", "supv", "--for", "1m", *WHY)
    assert not passes(plant, "supv1", "dmz1", 443)
    name = "island4_supv"
    held = plant.nft("list", "set", "inet", "segctl", name)
    plant.nft("flush", "set", "inet", "segctl", name)
    plant.nft("-f", "-", stdin=re.sub(r"expires \S+", "expires 3s", held))
    deadline = time.monotonic() + LONG
    while "10.2.0.0/24" in members(plant):
        assert time.monotonic() < deadline, "the element does not go"
        time.sleep(0.1)
    assert passes(plant, "supv1", "dmz1", 443)


def test_the_account_of_the_page_may_do_it_and_no_more(plant: Lab) -> None:
    done = segctl(plant, "island", "begin", "supv", "--for", "1h", *WHY, user="segctl")
    assert json.loads(done.stdout)["island"]
    segctl(plant, "island", "list", user="segctl")
    segctl(plant, "island", "end", "supv", "--reason", "over", user="segctl")
    assert members(plant) == {}
