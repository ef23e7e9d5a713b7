"""segctl through OpenSSH on a real kernel, measured with packets."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from support import probes
from support.lab import ZONES, Finished, Lab, conduit, lines
from support.nftables_page import documented_sudoers

if TYPE_CHECKING:
    import subprocess

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
    """The lab with listeners on every host, and an account for segctl on the firewall."""
    lab.account("segctl", documented_sudoers())
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
        out, _ = stream.communicate("stop\n", timeout=120)
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


KINDS = (
    "ack",
    "syn-ack",
    "rst",
    "fin-ack",
    "push-ack",
    "null",
    "xmas",
    "udp",
    "echo-reply",
    "error",
)


def forged(lab: Lab) -> tuple[set[str], set[str]]:
    """Send packets that answer nothing between all zones; return what was sent, what arrived."""
    catching = [lab.python(f"{zone}1", probes.CATCH, "1.0") for zone in ZONES]
    for process in catching:
        assert lines(process.stdout).readline() == "ready\n"
    sent: set[str] = set()
    sending: list[subprocess.Popen[str]] = []
    for source in ZONES:
        wanted = [
            [f"{kind} {claimed} {source} {target} {version}", version,
             lab.address(f"{claimed}1", version), lab.address(f"{target}1", version), kind]
            for target in ZONES
            if target != source
            for claimed in ZONES
            # also in the name of hosts of another zone
            if claimed != target
            for version in (4, 6)
            for kind in (*KINDS, *(["fragment"] if version == 4 else []))
        ]  # fmt: skip
        sending.append(lab.python(f"{source}1", probes.FORGE))
        lines(sending[-1].stdin).write(json.dumps(wanted) + "\n")
        lines(sending[-1].stdin).flush()
        sent |= {str(one[0]) for one in wanted}
    assert {lines(process.stdout).readline() for process in sending} == {"sent\n"}
    arrived: set[str] = set()
    for process in catching:
        arrived |= set(json.loads(process.communicate("\n", timeout=60)[0]))
    return sent, arrived


def test_replies_that_nobody_asked_for_are_dropped(plant: Lab) -> None:
    apply(plant, DECLARED)
    held = plant.nft("list", "table", "inet", "segctl")
    plant.nft("delete", "table", "inet", "segctl")
    sent, arrived = forged(plant)
    assert arrived == sent, "the plant without a firewall is not open"
    plant.nft("-f", "-", stdin=held)
    before = packets(plant, "denied")
    assert forged(plant)[1] == set()
    # a fragment without the others goes no further than the kernel's own reassembly
    whole = {one for one in sent if not one.startswith("fragment")}
    assert packets(plant, "denied") - before >= len(whole)


def test_translated_connections_are_judged_by_who_is_really_asked(plant: Lab) -> None:
    apply(plant, DECLARED)
    targets = {"permitted": ("192.0.2.1", "ctrl1"), "denied": ("192.0.2.2", "ctrl2")}
    rules = "".join(
        f"ip daddr {shown} tcp dport 9999 dnat to {plant.address(host)}:502\n"
        for shown, host in targets.values()
    )
    plant.nft("-f", "-", stdin=(
        f"table ip theirs {{ chain pre {{ type nat hook prerouting priority -100;\n{rules}}}\n"
        " chain post { type nat hook postrouting priority 100; oifname zctrl masquerade\n }\n}\n"
    ))  # fmt: skip
    try:
        prober = plant.python("supv1", probes.PROBE, "1")
        wanted = [[name, 4, "tcp", shown, 9999] for name, (shown, _) in targets.items()]
        out, _ = prober.communicate(json.dumps(wanted) + "\n", timeout=30)
    finally:
        plant.nft("delete", "table", "ip", "theirs")
    assert json.loads(out) == ["permitted"]


@pytest.mark.parametrize("user", ["root", "segctl"])
def test_a_cut_management_link_heals(plant: Lab, user: str) -> None:
    apply(plant, DECLARED)
    before = plant.nft("-s", "list", "table", "inet", "segctl")
    program = """
import sys
from pathlib import Path
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from segctl.providers.nftables.session import NftSession
folder = Path(sys.argv[1])
target = Target(name="fw", host="10.99.0.1", port=22, user=sys.argv[2], password=Secret(""),
                key_file=folder / "user_key", known_hosts=(folder / "known_hosts",))
session = NftSession(target, read_only=False, progress=lambda text: None)
session.read()
with session.lock():
    session.push("# segctl switch\\nadd rule inet segctl pair_SUPV/CTRL drop\\n", revert_in=3)
    print("pushed")
    sys.stdin.readline()
    import os
    os._exit(0)
"""
    process = plant.python("mgt", program, str(plant.folder), user)
    assert lines(process.stdout).readline() == "pushed\n"
    assert plant.nft("-s", "list", "table", "inet", "segctl") != before
    plant.ip("mgt", "link", "set", "m0", "down")
    process.kill()
    deadline = time.monotonic() + 60
    while plant.nft("-s", "list", "table", "inet", "segctl") != before:
        assert time.monotonic() < deadline, "the guard did not go back"
        time.sleep(0.1)
    plant.ip("mgt", "link", "set", "m0", "up")
    assert matrix(plant) == expected(plant)


def test_an_account_with_the_lines_of_sudoers_from_the_page(plant: Lab) -> None:
    plant.nft("flush", "ruleset")
    inventory = plant.inventory(DECLARED, "by-account", user="segctl")
    for conduits in (DECLARED, DECLARED.replace("tcp/443", "tcp/22")):
        plant.inventory(conduits, "by-account", user="segctl")
        plant.on_firewall("rm", "-f", "/etc/nftables.d/segctl.nft")
        done = plant.segctl(inventory, "apply", "--auto-approve")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "could not be written" not in done.stdout + done.stderr
        assert plant.segctl(inventory, "drift").returncode == 0
        boot = plant.on_firewall("cat", "/etc/nftables.d/segctl.nft")
        assert ("443" in boot) is ("443" in conduits)
    assert plant.on_firewall("find", "/home/segctl/.segctl", "-type", "f", "-size", "+0") == ""


def test_an_account_without_lines_of_sudoers(plant: Lab) -> None:
    plant.account("nobody-yet", "")
    before = plant.nft("list", "ruleset")
    inventory = plant.inventory(DECLARED, "by-nobody", user="nobody-yet")
    done = plant.segctl(inventory, "apply", "--auto-approve", "--json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "auth"
    assert "'nobody-yet' may not run nft" in error["message"]
    assert plant.nft("list", "ruleset") == before


def test_the_boot_file_holds_the_policy(plant: Lab) -> None:
    apply(plant, DECLARED)
    before = plant.nft("-s", "list", "table", "inet", "segctl")
    boot = plant.on_firewall("cat", "/etc/nftables.d/segctl.nft")
    plant.nft("delete", "table", "inet", "segctl")
    plant.nft("-f", "-", stdin=boot)
    assert plant.nft("-s", "list", "table", "inet", "segctl") == before


def test_the_zones_are_four(plant: Lab) -> None:
    listed = plant.nft("list", "set", "inet", "segctl", "zoned")
    assert all(f'"z{zone}"' in listed for zone in ZONES)
