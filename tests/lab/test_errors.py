"""ICMP errors pass about connections that are permitted now, and about no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support import probes
from support.lab import Lab, conduit, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Sends to a port where nobody listens; prints whether it was told so. argv: address, port.
_REFUSED = """
import socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
s.settimeout(1)
for _ in range(5):
    try:
        s.send(b"x")
        s.recv(16)
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        print("refused")
        break
else:
    print("silence")
"""
#: Answers the first datagram twice, when its sender has gone; prints whether it was told so.
_ANSWERS = """
import socket, sys
s = socket.socket(socket.AF_INET6 if sys.argv[2] == "6" else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", int(sys.argv[1])))
print("ready")
_, who = s.recvfrom(16)
s.connect(who)
print("asked")
sys.stdin.readline()
s.settimeout(1)
for _ in range(5):
    try:
        s.send(b"x")
        s.recv(16)
    except TimeoutError:
        pass
    except ConnectionRefusedError:
        print("refused")
        break
else:
    print("silence")
"""
_ASK_AND_GO = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
"""
#: Connects from the port that forged errors are about; argv: addresses, each after one's own.
_CONNECT = """
import socket, sys
held = [socket.create_connection((address, 502), timeout=10, source_address=(own, 40000))
        for own, address in zip(sys.argv[1::2], sys.argv[2::2])]
print("ready")
sys.stdin.readline()
"""


def apply(lab: Lab, services: str) -> None:
    """Permit these services from supv1 to ctrl1, and nothing else."""
    flows = f"{{f: {{source: [supv1], destination: [ctrl1], services: [{services}]}}}}"
    done = lab.segctl(lab.inventory(conduit("c", "supv", "ctrl", flows)), "apply", "--auto-approve")
    assert done.returncode == 0, done.stdout + done.stderr


def output(lab: Lab, host: str, program: str, *words: str) -> str:
    return lab.python(host, program, *words).communicate("\n", timeout=60)[0].strip()


@pytest.mark.parametrize("version", [4, 6])
def test_who_asks_and_who_answers_are_told_of_closed_ports(lab: Lab, version: int) -> None:
    apply(lab, "udp/60-70")
    server = lab.address("ctrl1", version)
    assert output(lab, "supv1", _REFUSED, server, "61") == "refused"
    answering = lab.python("ctrl1", _ANSWERS, "62", str(version))
    assert lines(answering.stdout).readline() == "ready\n"
    output(lab, "supv1", _ASK_AND_GO, server, "62")
    assert lines(answering.stdout).readline() == "asked\n"
    assert answering.communicate("\n", timeout=60)[0].strip() == "refused"


def caught(lab: Lab, versions: Sequence[int]) -> set[str]:
    """Return which forged errors about the connections from port 40000 arrive."""
    catcher = lab.python("supv1", probes.CATCH, "1.0")
    assert lines(catcher.stdout).readline() == "ready\n"
    lines(catcher.stdin).write("\n")
    lines(catcher.stdin).flush()
    wanted = [
        [f"v{version}", version, lab.address("ctrl1", version), lab.address("supv1", version),
         "error"]
        for version in versions
    ]  # fmt: skip
    forger = lab.python("ctrl1", probes.FORGE)
    assert forger.communicate(json.dumps(wanted) + "\n", timeout=30)[0] == "sent\n"
    return set(json.loads(catcher.communicate(timeout=60)[0]))


def test_errors_about_revoked_connections_do_not_pass(lab: Lab) -> None:
    apply(lab, "tcp/502")  # without any rule that looks, a kernel tracks no connections
    echo = lab.python("ctrl1", probes.ECHO, "502")
    assert lines(echo.stdout).readline() == "ready\n"
    ends = [lab.address(host, one) for one in (4, 6) for host in ("supv1", "ctrl1")]
    client = lab.python("supv1", _CONNECT, *ends)
    assert lines(client.stdout).readline() == "ready\n"
    for services, passes in (
        ("tcp/502", {"v4", "v6"}),
        ("tcp/500-510", {"v4", "v6"}),
        ("tcp/22, tcp/503, udp/502", set[str]()),
        ("tcp/22, tcp/502", {"v4", "v6"}),
    ):
        apply(lab, services)
        assert caught(lab, (4, 6)) == passes, services
