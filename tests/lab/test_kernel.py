"""segctl through OpenSSH on a real kernel, measured with packets."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from support import probes
from support.lab import ZONES, Finished, Lab, conduit, lines

PORTS = (22, 53, 443, 502)
#: The full measure takes minutes: SEGCTL_LAB=full.
APPLIES = 50 if os.environ.get("SEGCTL_LAB") == "full" else 4

#: What the plant declares: zones, then per flow its hosts and services.
DECLARED = (
    conduit(
        "poll",
        "supv",
        "ctrl",
        "{modbus: {source: [supv1], destination: [ctrl1], services: [tcp/502]},"
        " ping: {services: [icmp]}}",
    )
    + conduit("publish", "dmz", "ent", "{https: {services: [tcp/443]}}")
    + conduit("names", "supv", "dmz", "{dns: {destination: [dmz2], services: [udp/53, tcp/53]}}")
)
Flow = tuple[str, str, int, str, int]


def permitted(source: str, target: str, kind: str, port: int) -> bool:
    """Whether the plant above declares a flow, written down by hand."""
    pair = (source[:-1], target[:-1])
    return (
        (kind == "tcp" and port == 502 and (source, target) == ("supv1", "ctrl1"))
        or (kind == "icmp" and pair == ("supv", "ctrl"))
        or (kind == "tcp" and port == 443 and pair == ("dmz", "ent"))
        or (kind in ("tcp", "udp") and port == 53 and pair[0] == "supv" and target == "dmz2")
    )


@pytest.fixture(scope="module")
def plant(lab: Lab) -> Lab:
    """The lab with listeners on every host."""
    for host in lab.hosts:
        listener = lab.python(host, probes.ECHO, *map(str, PORTS))
        assert lines(listener.stdout).readline() == "ready\n"
    return lab


def apply(lab: Lab, conduits: str, *more: str) -> Finished:
    """Apply a plant and expect it to work."""
    done = lab.segctl(lab.inventory(conduits), "apply", "--auto-approve", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def matrix(lab: Lab, seconds: float = 1.0) -> set[Flow]:
    """Try every flow between zones and return those that were answered."""
    waiting: list[subprocess.Popen[str]] = []
    for source in lab.hosts:
        wanted = [
            [f"{source} {target} {version} {kind} {port}", version, kind,
             lab.address(target, version), port]
            for target in lab.hosts
            if target[:-1] != source[:-1]
            for version in (4, 6)
            for kind, port in [(k, p) for k in ("tcp", "udp") for p in PORTS] + [("icmp", 0)]
        ]  # fmt: skip
        process = lab.python(source, probes.PROBE, str(seconds))
        lines(process.stdin).write(json.dumps(wanted) + "\n")
        lines(process.stdin).flush()
        waiting.append(process)
    found: set[Flow] = set()
    for process in waiting:
        for name in json.loads(lines(process.stdout).readline()):
            source, target, version, kind, port = name.split()
            found.add((source, target, int(version), kind, int(port)))
        process.wait()
    return found


def expected(lab: Lab) -> set[Flow]:
    """Return every flow that the plant declares."""
    return {
        (source, target, version, kind, port)
        for source in lab.hosts
        for target in lab.hosts
        if target[:-1] != source[:-1]
        for version in (4, 6)
        for kind, port in [(k, p) for k in ("tcp", "udp") for p in PORTS] + [("icmp", 0)]
        if permitted(source, target, kind, port)
    }


def test_reach_is_what_is_declared(plant: Lab) -> None:
    everything = matrix(plant)
    assert len(everything) == 8 * 6 * 2 * 9, "the plant without a firewall is not open"
    apply(plant, DECLARED)
    assert matrix(plant) == expected(plant)
    done = plant.segctl(plant.inventory(DECLARED), "plan", "--detailed-exitcode")
    assert done.returncode == 0, done.stdout


def test_no_packet_of_a_permitted_stream_is_lost(plant: Lab) -> None:
    apply(plant, DECLARED)
    streams = [
        plant.python("supv1", probes.STREAM, plant.address("dmz2", version), "53", "600", "1000")
        for version in (4, 6)
    ]
    for stream in streams:
        assert lines(stream.stdout).readline() == "ready\n"
    for number in range(APPLIES):
        hosts = ("dmz1", "dmz2", "[dmz1, dmz2]")[number % 3]
        more = conduit(
            "more", "supv", "dmz", f"{{f: {{destination: {hosts}, services: [tcp/22]}}}}"
        )
        done = plant.segctl(plant.inventory(DECLARED + more), "apply", "--auto-approve")
        assert done.returncode == 0, done.stdout + done.stderr
    for stream in streams:
        out, _ = stream.communicate("stop\n", timeout=30)
        sent, lost = map(int, out.split())
        assert sent > 500 * APPLIES
        assert lost == 0, f"{lost} of {sent} lost in {APPLIES} applies"


def test_kept_sessions_go_on_and_revoked_ones_stop(plant: Lab) -> None:
    apply(plant, DECLARED)
    kept = plant.python("supv1", probes.SESSION, plant.address("dmz2"), "53")
    revoked = plant.python("supv1", probes.SESSION, plant.address("ctrl1", 6), "502")
    for session in (kept, revoked):
        assert lines(session.stdout).readline() == "ready\n"
    time.sleep(0.3)
    without = DECLARED.replace("modbus: {source: [supv1]", "modbus: {source: [supv2]")
    without += conduit("extra", "supv", "dmz", "{f: {services: [tcp/22]}}")
    apply(plant, without)
    time.sleep(1.0)
    answered, silence = map(float, kept.communicate("\n", timeout=10)[0].split())
    assert answered > 20
    assert silence < 0.5
    _, silence = map(float, revoked.communicate("\n", timeout=10)[0].split())
    assert silence > 0.8


def packets(plant: Lab, counter: str) -> int:
    """Return how many packets a counter of ours has seen."""
    listed = plant.nft("list", "counter", "inet", "segctl", counter)
    return int(listed.split("packets ")[1].split()[0])


def test_others_and_counters_are_left_alone(plant: Lab) -> None:
    apply(plant, DECLARED)
    plant.nft("-f", "-", stdin=(
        "table ip other { chain forward { type filter hook forward priority -5; policy accept;"
        " ip daddr 192.0.2.1 drop; }\n}\n"
    ))  # fmt: skip
    before = plant.nft("-a", "list", "table", "ip", "other")
    assert ("supv1", "ctrl1", 4, "tcp", 502) in matrix(plant)
    counted = packets(plant, "rule_poll.modbus")
    assert counted > 0
    done = apply(plant, DECLARED + conduit("more", "ent", "ctrl", "{f: {services: [tcp/22]}}"))
    assert plant.nft("-a", "list", "table", "ip", "other") == before
    assert packets(plant, "rule_poll.modbus") >= counted  # a last FIN may have come late
    assert "can drop in a rule" in " ".join(done.stdout.replace("\n", " ").split())
    plant.nft("delete", "table", "ip", "other")


def test_a_reply_that_nobody_asked_for_is_dropped(plant: Lab) -> None:
    apply(plant, DECLARED)
    forged = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 0))
s.sendto(b"forged", (sys.argv[1], 53))
"""
    listener = plant.nft("list", "counter", "inet", "segctl", "denied")
    process = plant.python("dmz2", forged, plant.address("supv1"))
    process.wait()
    assert plant.nft("list", "counter", "inet", "segctl", "denied") != listener


def test_a_cut_management_link_heals(plant: Lab) -> None:
    apply(plant, DECLARED)
    before = plant.nft("-s", "list", "table", "inet", "segctl")
    program = """
import sys
from pathlib import Path
from segctl.credentials import Secret
from segctl.providers.base import Target
from segctl.providers.nftables.session import NftSession
folder = Path(sys.argv[1])
target = Target(name="fw", host="10.99.0.1", port=22, user="root", password=Secret(""),
                key_file=folder / "user_key", known_hosts=folder / "known_hosts", timeout=5)
session = NftSession(target, read_only=False, progress=lambda text: None)
session.read()
with session.lock():
    session.push("# segctl switch\\nadd rule inet segctl pair_SUPV/CTRL drop\\n", revert_in=3)
    print("pushed")
    sys.stdin.readline()
    import os
    os._exit(0)
"""
    process = plant.python("mgt", program, str(plant.folder))
    assert lines(process.stdout).readline() == "pushed\n"
    assert plant.nft("-s", "list", "table", "inet", "segctl") != before
    plant.ip("mgt", "link", "set", "m0", "down")
    process.kill()
    deadline = time.monotonic() + 10
    while plant.nft("-s", "list", "table", "inet", "segctl") != before:
        assert time.monotonic() < deadline, "the guard did not go back"
        time.sleep(0.1)
    plant.ip("mgt", "link", "set", "m0", "up")
    assert matrix(plant) == expected(plant)


def test_the_boot_file_holds_the_policy(plant: Lab) -> None:
    apply(plant, DECLARED)
    before = plant.nft("-s", "list", "table", "inet", "segctl")
    (sshd,) = plant.inside("fw", "cat", f"{plant.folder}/sshd.pid").split()
    boot = subprocess.run(
        ["nsenter", "-t", sshd, "-m", "cat", "/etc/nftables.d/segctl.nft"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    plant.nft("delete", "table", "inet", "segctl")
    plant.nft("-f", "-", stdin=boot)
    assert plant.nft("-s", "list", "table", "inet", "segctl") == before


def test_the_zones_are_four(plant: Lab) -> None:
    listed = plant.nft("list", "set", "inet", "segctl", "zoned")
    assert all(f'"z{zone}"' in listed for zone in ZONES)
