"""A Linux gateway of network namespaces with a real sshd, and policies of any size for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from segctl.compiler.build import Desired
from segctl.model.policy import Address, DeclaredPolicy, DeclaredRule, Service
from segctl.model.site import Device, ZoneBinding

if TYPE_CHECKING:
    from collections.abc import Generator

ZONES = tuple(f"Z{number}" for number in range(10))
PAIRS = tuple((a, b) for a in ZONES for b in ZONES if a != b)
#: The two zones that have a host; all others have an interface only.
CLIENT, SERVER = "10.0.1.2", "10.1.1.2"
GATEWAY = "10.250.0.1"
_ASSETS = 50


def desired(rules: int) -> Desired:
    """Return `rules` rules spread over 90 zone pairs, between assets, one or two ports each.

    The last rule of the first pair is the one that the hosts' packets match.
    """
    addresses = {
        f"a-{zone}-{host}": f"10.{number}.0.{host}"
        for number, zone in enumerate(ZONES)
        for host in range(1, _ASSETS + 1)
    } | {"client": CLIENT, "server": SERVER}
    made = [_rule(number) for number in range(rules - 1)]
    made.append(
        DeclaredRule(
            name="zz-measured",
            from_zones=("Z0",),
            to_zones=("Z1",),
            sources=("client",),
            destinations=("server",),
            services=("udp-5000",),
            conduit="measured",
            flow="packets",
            log=False,
        )
    )
    services = {name for rule in made for name in rule.services}
    policy = DeclaredPolicy(
        addresses=tuple(Address(name=name, value=value) for name, value in addresses.items()),
        services=tuple(
            Service(name=name, protocol=name[:3], ports=name[4:]) for name in sorted(services)
        ),
        rules=tuple(made),
    )
    return Desired(device=device(), policy=policy)


def device() -> Device:
    """Return the gateway as its inventory declares it."""
    zones = tuple(
        ZoneBinding(zone=f"plant/{zone}", name=zone, interfaces=(f"z{number}",))
        for number, zone in enumerate(ZONES)
    )
    return Device(name="gw", platform="nftables", zones=zones)


def _rule(number: int) -> DeclaredRule:
    source, target = PAIRS[number % len(PAIRS)]
    step = number // len(PAIRS)
    return DeclaredRule(
        name=f"rule-{number:06}",
        from_zones=(source,),
        to_zones=(target,),
        sources=(f"a-{source}-{step % _ASSETS + 1}",),
        destinations=(f"a-{target}-{(step * 7 + number) % _ASSETS + 1}",),
        services=(f"tcp-{1024 + number % 60000}",),
        conduit=f"conduit-{number // 4}",
        flow=f"flow-{number}",
        log=False,
    )


def linear(rules: int) -> str:
    """Return the usual ruleset of as many rules, one after another; the last one matches."""
    lines: list[str] = []
    for number in range(rules - 1):
        source, target = PAIRS[number % len(PAIRS)]
        step = number // len(PAIRS)
        lines.append(
            f'iifname "z{source[1:]}" oifname "z{target[1:]}" '
            f"ip saddr 10.{source[1:]}.0.{step % _ASSETS + 1} "
            f"ip daddr 10.{target[1:]}.0.{(step * 7 + number) % _ASSETS + 1} "
            f"tcp dport {1024 + number % 60000} counter accept"
        )
    lines.append(f"ip saddr {CLIENT} ip daddr {SERVER} udp dport 5000 counter accept")
    body = "\n  ".join([*lines, "counter drop"])
    return (
        "table inet linear {\n chain forward {\n  type filter hook forward priority 0; "
        f"policy drop;\n  {body}\n }}\n}}\n"
    )


# --- namespaces ----------------------------------------------------------------------------------


def refused() -> str:
    """Say why there can be no gateway here; empty when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nft", "sshd", "ssh-keygen", "unshare"):
        if not (shutil.which(tool) or Path(f"/usr/sbin/{tool}").exists()):
            return f"{tool} is not installed"
    found = subprocess.run(
        ["unshare", "-n", "-m", "nft", "list", "tables"],
        capture_output=True,
        text=True,
        check=False,
    )
    return (
        "" if found.returncode == 0 else f"namespaces or nftables refused: {found.stderr.strip()}"
    )


@dataclass(frozen=True, slots=True)
class Gateway:
    """Namespaces ``fw``, ``mgt``, ``h0`` (in zone Z0) and ``h1`` (in zone Z1)."""

    folder: Path
    prefix: str

    def ns(self, name: str) -> str:
        """Return a namespace's name."""
        return f"{self.prefix}-{name}"

    def inside(self, name: str, *words: str) -> list[str]:
        """Return the command that runs `words` in a namespace."""
        return ["ip", "netns", "exec", self.ns(name), *words]

    def run(self, name: str, *words: str, text: str = "") -> str:
        """Run a command in a namespace."""
        command = self.inside(name, *words)
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=True
        ).stdout

    def empty(self) -> None:
        """Take every table and connection of the gateway away."""
        self.run("fw", "nft", "flush", "ruleset")


@contextmanager
def gateway() -> Generator[Gateway]:
    """Make the namespaces and start sshd; take all of it down at the end."""
    with TemporaryDirectory(prefix="segctl-bench-") as folder:
        made = Gateway(Path(folder), f"sb{os.getpid() % 100000}")
        daemon: subprocess.Popen[bytes] | None = None
        try:
            _links(made)
            daemon = _sshd(made)
            yield made
        finally:
            if daemon is not None:
                daemon.terminate()
                daemon.wait()
            for name in ("fw", "mgt", "h0", "h1"):
                subprocess.run(
                    ["ip", "netns", "del", made.ns(name)], capture_output=True, check=False
                )


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _links(made: Gateway) -> None:
    for name in ("fw", "mgt", "h0", "h1"):
        _ip("netns", "add", made.ns(name))
        _ip("-n", made.ns(name), "link", "set", "lo", "up")
    wires = {"mgt": ("mgt0", "10.250.0"), "h0": ("z0", "10.0.1"), "h1": ("z1", "10.1.1")}
    for name, (port, net) in wires.items():
        _ip(
            *("link", "add", port, "netns", made.ns("fw"), "type", "veth"),
            *("peer", "name", "eth0", "netns", made.ns(name)),
        )
        for where, link, host in (("fw", port, 1), (name, "eth0", 2)):
            _ip("-n", made.ns(where), "addr", "add", f"{net}.{host}/24", "dev", link)
            _ip("-n", made.ns(where), "link", "set", link, "up")
        _ip("-n", made.ns(name), "route", "add", "default", "via", f"{net}.1")
    for number in range(2, len(ZONES)):
        _ip("-n", made.ns("fw"), "link", "add", f"z{number}", "type", "bridge")
    made.run("fw", "sysctl", "-qw", "net.ipv4.ip_forward=1")


def _sshd(made: Gateway) -> subprocess.Popen[bytes]:
    folder = made.folder
    for name in ("host", "user"):
        make_key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make_key, check=True)
    shutil.copy(folder / "user.pub", folder / "authorized_keys")
    (folder / "sshd_config").write_text(
        f"ListenAddress {GATEWAY}\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nUsePAM no\nPermitRootLogin yes\n"
        "StrictModes no\nUseDNS no\nMaxSessions 100\n",
        encoding="utf-8",
    )
    key = " ".join((folder / "host.pub").read_text(encoding="utf-8").split()[:2])
    (folder / "known_hosts").write_text(f"{GATEWAY} {key}\n", encoding="utf-8")
    # an empty home as well: what the user's shell does at login is nobody's cost
    own = "; ".join(
        f"mkdir -p {path}; mount -t tmpfs -o mode=755 tmpfs {path}"
        for path in ("/run/segctl", "/etc/nftables.d", "/run/sshd", Path.home())
    )
    command = f"{own}; exec /usr/sbin/sshd -D -e -f {folder}/sshd_config"
    log = folder / "sshd.log"
    with log.open("wb") as stream:
        daemon = subprocess.Popen(
            made.inside("fw", "unshare", "-m", "sh", "-c", command), stdout=stream, stderr=stream
        )
    deadline = time.monotonic() + 10
    while "Server listening" not in log.read_text(encoding="utf-8"):
        if time.monotonic() > deadline:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        time.sleep(0.02)
    return daemon
