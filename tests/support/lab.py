"""A plant of network namespaces: a firewall with sshd, and hosts in zones around it.

Every process and namespace is this lab's own, under names with its process id, and is taken down
at the end. The firewall has folders of its own in the place of those that segctl writes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from support.nft_versions import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.nft_versions import Nft

ZONES = ("ctrl", "supv", "dmz", "ent")
#: Folders of the machine that the firewall's sshd sees an empty one of its own in place of.
_OWN = ("/run/segctl", "/etc/nftables.d", "/run/sshd", "/root", "/home")


def refused() -> str:
    """Say why there can be no lab here; empty when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nft", "sshd", "ssh-keygen", "unshare"):
        if not (shutil.which(tool) or Path(f"/usr/sbin/{tool}").exists()):
            return f"{tool} is not installed"
    found = subprocess.run(
        ["unshare", "-n", "-m", "nft", "list", "tables"], capture_output=True, check=False
    )
    return "" if found.returncode == 0 else f"namespaces or nftables refused: {found.stderr!r}"


def run(*words: str, stdin: str = "") -> str:
    """Run a command and return its output; a failure shows what it said."""
    found = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    assert found.returncode == 0, (words, found.stdout, found.stderr)
    return found.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of one run of segctl."""

    returncode: int
    stdout: str
    stderr: str


#: Counts the commands of a host, and holds one of them; argv: the gate's folder.
_GATE = """#!/bin/sh
D={folder}
n=$(($(cat $D/count 2>/dev/null || echo 0) + 1)); echo $n > $D/count
[ "$n" = "$(cat $D/stop 2>/dev/null)" ] || exec sh -c "$SSH_ORIGINAL_COMMAND"
case $(cat $D/how) in
before) : > $D/reached; while [ -e $D/stop ]; do sleep 0.1; done; exit 1 ;;
during) : > $D/reached; exec sh -c "$SSH_ORIGINAL_COMMAND" ;;
after) sh -c "$SSH_ORIGINAL_COMMAND"; : > $D/reached; while [ -e $D/stop ]; do sleep 0.1; done ;;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Where a firewall's commands pass: the n-th can be held, so that its run can be killed."""

    folder: Path

    def program(self) -> Path:
        """Return the program that sshd runs instead of each command."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "gate.sh"
        path.write_text(_GATE.format(folder=self.folder), encoding="utf-8")
        path.chmod(0o755)
        return path

    def stop(self, command: int, how: str) -> None:
        """Hold a command counted from now, ``before``, ``during`` or ``after`` it is run."""
        self.open()
        (self.folder / "how").write_text(how, encoding="utf-8")
        (self.folder / "stop").write_text(f"{command}\n", encoding="utf-8")

    @property
    def reached(self) -> bool:
        """Whether the command has come."""
        return (self.folder / "reached").exists()

    def open(self) -> None:
        """Hold nothing any more, and count from the beginning."""
        for name in ("stop", "reached", "count"):
            (self.folder / name).unlink(missing_ok=True)


#: Runs segctl for every line of arguments, as the program does.
_SEGCTL = """
import contextlib, io, json, os, sys
os.environ["NO_COLOR"] = "1"
from segctl.cli import run
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(json.loads(line))
    print(json.dumps({"returncode": code, "stdout": out.getvalue(), "stderr": err.getvalue()}))
"""


@dataclass(slots=True)
class Lab:
    """The firewall ``fw``, four zones with two hosts each, and a management link."""

    folder: Path
    prefix: str = field(default_factory=lambda: f"sl{os.getpid() % 100000}")
    port: int = 22
    gate: Gate | None = None
    _sshd: subprocess.Popen[bytes] | None = None
    _segctl: subprocess.Popen[str] | None = None
    _running: list[subprocess.Popen[Any]] = field(default_factory=list[subprocess.Popen[Any]])

    # --- names and addresses -----------------------------------------------------------------

    def ns(self, name: str) -> str:
        """Return the namespace of ``fw``, ``mgt``, or a host such as ``ctrl1``."""
        return f"{self.prefix}-{name}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts, two a zone."""
        return tuple(f"{zone}{number}" for zone in ZONES for number in (1, 2))

    @staticmethod
    def address(host: str, version: int = 4) -> str:
        """Return a host's address."""
        zone, number = ZONES.index(host[:-1]) + 1, int(host[-1])
        return f"10.{zone}.0.1{number}" if version == 4 else f"fd00:{zone}::1{number}"

    # --- making it ---------------------------------------------------------------------------

    def start(self) -> None:
        """Make the namespaces and start sshd."""
        for name in ("fw", "mgt", *self.hosts):
            run("ip", "netns", "add", self.ns(name))
            self.ip(name, "link", "set", "lo", "up")
        for zone, name in enumerate(ZONES, 1):
            self._zone(zone, name)
        self._link("mgt", "m0", "fw", "mgt0")
        self.ip("mgt", "addr", "add", "10.99.0.2/24", "dev", "m0")
        self.ip("fw", "addr", "add", "10.99.0.1/24", "dev", "mgt0")
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.inside("fw", "sysctl", "-qw", f"{key}=1")
        self._start_sshd()

    def _zone(self, zone: int, name: str) -> None:
        """Join two hosts and the firewall by a bridge in the first host's namespace."""
        port = f"z{name}"
        first, second = f"{name}1", f"{name}2"
        self.ip(first, "link", "add", "br0", "type", "bridge")
        self._link("fw", port, first, "up0")
        self._link(second, "eth0", first, "up1")
        for member in ("up0", "up1"):
            self.ip(first, "link", "set", member, "master", "br0")
        self.ip(first, "link", "set", "br0", "up")
        self.ip("fw", "addr", "add", f"10.{zone}.0.1/24", "dev", port)
        self.ip("fw", "addr", "add", f"fd00:{zone}::1/64", "dev", port, "nodad")
        for host, device in ((first, "br0"), (second, "eth0")):
            self.ip(host, "addr", "add", f"{self.address(host)}/24", "dev", device)
            self.ip(host, "addr", "add", f"{self.address(host, 6)}/64", "dev", device, "nodad")
            self.ip(host, "route", "add", "default", "via", f"10.{zone}.0.1")
            self.ip(host, "-6", "route", "add", "default", "via", f"fd00:{zone}::1")

    def _link(self, left: str, left_port: str, right: str, right_port: str) -> None:
        run(
            "ip", "link", "add", left_port, "netns", self.ns(left), "type", "veth",
            "peer", "name", right_port, "netns", self.ns(right),
        )  # fmt: skip
        for name, port in ((left, left_port), (right, right_port)):
            self.ip(name, "link", "set", port, "up")

    def _start_sshd(self) -> None:
        for name in ("host", "user"):
            run(
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                str(self.folder / f"{name}_key"),
            )
        public = (self.folder / "user_key.pub").read_text(encoding="utf-8")
        allowed = self.folder / "authorized_keys"
        allowed.write_text(public, encoding="utf-8")
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 10.99.0.1\nHostKey {self.folder}/host_key\n"
            f"PidFile none\nAuthorizedKeysFile /etc/lab_keys\nUsePAM no\n"
            "PermitRootLogin yes\nPasswordAuthentication no\nStrictModes no\n"
            "UseDNS no\nMaxStartups 100\nMaxSessions 100\n"
            + (f"ForceCommand {self.gate.program()}\n" if self.gate else ""),
            encoding="utf-8",
        )
        etc = self.folder / "etc"
        mounts = "; ".join(
            [
                f"cp -a /etc {etc}; mount --bind {etc} /etc; cp {allowed} /etc/lab_keys",
                *(f"mkdir -p {path}; mount -t tmpfs -o mode=755 tmpfs {path}" for path in _OWN),
            ]
        )
        with (self.folder / "sshd.log").open("wb") as log:
            self._sshd = self._popen_sshd(mounts, config, log)
        key = (self.folder / "host_key.pub").read_text(encoding="utf-8").split()[:2]
        (self.folder / "known_hosts").write_text(f"10.99.0.1 {' '.join(key)}\n", encoding="utf-8")
        deadline = time.monotonic() + 10
        while "Server listening" not in (self.folder / "sshd.log").read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, (self.folder / "sshd.log").read_text(
                encoding="utf-8"
            )
            time.sleep(0.02)

    def _popen_sshd(self, mounts: str, config: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                "ip", "netns", "exec", self.ns("fw"), "unshare", "-m", "sh", "-c",
                f"{mounts}; exec /usr/sbin/sshd -D -e -f {config}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip

    def stop(self) -> None:
        """End every process of the lab and take its namespaces away."""
        for process in self._running:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        if self._sshd is not None:
            self._sshd.terminate()
            self._sshd.wait()
        for name in ("fw", "mgt", *self.hosts):
            subprocess.run(["ip", "netns", "del", self.ns(name)], capture_output=True, check=False)

    # --- using it ----------------------------------------------------------------------------

    def ip(self, name: str, *words: str) -> str:
        """Run ``ip`` in a namespace."""
        return run("ip", "-n", self.ns(name), *words)

    def inside(self, name: str, *words: str, stdin: str = "") -> str:
        """Run a command in a namespace."""
        return run("ip", "netns", "exec", self.ns(name), *words, stdin=stdin)

    def on_firewall(self, *words: str, stdin: str = "") -> str:
        """Run a command among the folders that the firewall's sshd sees."""
        assert self._sshd is not None
        return run("nsenter", "-t", str(self._sshd.pid), "-n", "-m", *words, stdin=stdin)

    def use(self, nft: Nft) -> None:
        """Let this nft be the firewall's, for segctl as well as for this lab."""
        host = str(HOST)
        self.on_firewall("sh", "-c", f"while mountpoint -q {host}; do umount {host}; done")
        if nft.program != HOST:
            self.on_firewall("mount", "--bind", str(nft.program), host)

    def account(self, name: str, sudoers: str) -> None:
        """Make an account on the firewall that the key opens, with these lines of sudoers."""
        self.on_firewall("useradd", "-m", "-s", "/bin/sh", "-p", "*", name)
        self.on_firewall(
            "sh", "-c", 'cat > "$1" && chmod 440 "$1" && visudo -cf "$1"', "sh",
            f"/etc/sudoers.d/{name}", stdin=sudoers,
        )  # fmt: skip

    def nft(self, *words: str, stdin: str = "") -> str:
        """Run nft on the firewall."""
        return self.on_firewall(str(HOST), *words, stdin=stdin)

    def python(self, name: str, program: str, *words: str) -> subprocess.Popen[str]:
        """Start a Python program in a namespace, its output to be read."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.ns(name), sys.executable, "-u", "-c", program, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._running.append(process)
        return process

    def segctl(self, inventory: Path, *words: str) -> Finished:
        """Run segctl on the management host, in a process that stays for the next run."""
        if self._segctl is None:
            self._segctl = self.python("mgt", _SEGCTL)
        lines(self._segctl.stdin).write(json.dumps(["-i", str(inventory), *words]) + "\n")
        lines(self._segctl.stdin).flush()
        return Finished(**json.loads(lines(self._segctl.stdout).readline()))

    def inventory(
        self,
        conduits: str,
        name: str = "plant",
        *,
        user: str = "root",
        variables: Sequence[str] = (),
    ) -> Path:
        """Write an inventory with these conduits (YAML below ``segctl_conduits:``)."""
        folder = self.folder / name
        for sub in ("group_vars/all", "host_vars"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        (folder / "hosts.yml").write_text("all:\n  hosts:\n    fw:\n", encoding="utf-8")
        connection = [
            "ansible_host: 10.99.0.1",
            f"ansible_port: {self.port}",
            "ansible_network_os: nftables",
            f"ansible_user: {user}",
            f"ansible_ssh_private_key_file: {self.folder}/user_key",
            f"segctl_known_hosts: {self.folder}/known_hosts",
            *variables,
            "segctl_zone_map:",
            *(f"  {zone}: {{zone: {zone.upper()}, interfaces: [z{zone}]}}" for zone in ZONES),
        ]
        (folder / "host_vars/fw.yml").write_text("\n".join(connection) + "\n", encoding="utf-8")
        zones = ["segctl_zones:"]
        for number, zone in enumerate(ZONES, 1):
            zones += [
                f"  {zone}:",
                f'    networks: [10.{number}.0.0/24, "fd00:{number}::/64"]',
                "    assets:",
                *(
                    f"      {zone}{one}: {{addresses: "
                    f'[10.{number}.0.1{one}, "fd00:{number}::1{one}"]}}'
                    for one in (1, 2)
                ),
            ]
        (folder / "group_vars/all/zones.yml").write_text("\n".join(zones) + "\n", encoding="utf-8")
        text = "segctl_conduits:\n" + "".join(f"  {line}\n" for line in conduits.splitlines())
        (folder / "group_vars/all/conduits.yml").write_text(text, encoding="utf-8")
        return folder


def conduit(name: str, source: str, target: str, flows: str, more: str = "") -> str:
    """Return one conduit; `flows` is YAML in braces."""
    return (
        f"{name}: {{from: {source}, to: {target}, reason: lab, owner: lab, {more}flows: {flows}}}\n"
    )


def lines(stream: IO[str] | None) -> IO[str]:
    """Return a stream that is there."""
    assert stream is not None
    return stream
