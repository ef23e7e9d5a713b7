"""What a Linux host is: its files, programs, interfaces, clock and nftables."""

from __future__ import annotations

import hashlib
import posixpath
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft.engine import Nft, Result
from segctl_mocks.linux.shell.builtins import BUILTINS
from segctl_mocks.linux.shell.clock import Clock
from segctl_mocks.linux.shell.files import Files
from segctl_mocks.linux.shell.filetools import FILE_TOOLS
from segctl_mocks.linux.shell.shell import NOT_FOUND, Shell
from segctl_mocks.linux.shell.streams import Buffer, Text
from segctl_mocks.linux.shell.system import SYSTEM
from segctl_mocks.linux.shell.texttools import TEXT_TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ADMIN = frozenset({"nft", "ip", "conntrack"})
#: What a host has that loads every file of ``/etc/nftables.d`` at boot.
_LOADS = {
    "/etc/nftables.conf": '#!/usr/sbin/nft -f\nflush ruleset\ninclude "/etc/nftables.d/*.nft"\n',
    "/etc/systemd/system/sysinit.target.wants/nftables.service": (
        "[Service]\nType=oneshot\nExecStart=/usr/sbin/nft -f /etc/nftables.conf\n"
    ),
}
_PROGRAMS = {**FILE_TOOLS, **TEXT_TOOLS, **SYSTEM}


@dataclass(slots=True)
class Host:
    """One host without sockets."""

    hostname: str
    interfaces: tuple[str, ...] = ()
    kernel: str = "6.1.0"
    nft_version: str = "1.0.6"
    sudo: str = "nopasswd"
    sudo_allow: tuple[str, ...] | None = None
    time_scale: float = 1.0
    files: Files = field(default_factory=Files)
    nft: Nft = field(init=False)
    clock: Clock = field(init=False)
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])
    refuse: Callable[[Sequence[str], str], Result | None] | None = None
    reject_writes: bool = False
    attempts: int = 0
    pid: int = 1000
    booted: float = 0.0
    #: lines as `conntrack -L` writes them, and whether that program is there
    connections: list[str] = field(default_factory=list[str])
    tracks: bool = True
    #: what the kernel logged: seconds since 1970, and the message; who may read it
    kernel_log: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    reads_journal: bool = True

    def __post_init__(self) -> None:
        self.nft = Nft(self.nft_version or "1.0.6", ["lo", *self.interfaces])
        self.clock = Clock(self.time_scale)
        self.nft.clock = self.clock.now
        machine = hashlib.sha256(self.hostname.encode()).hexdigest()[:32]
        self.files.data.setdefault("/etc/machine-id", f"{machine}\n".encode())
        self.files.data.setdefault("/etc/hostname", f"{self.hostname}\n".encode())
        self._forward()
        self.files.kernel["/proc/uptime"] = self._uptime
        self.files.kernel["/proc/net/nf_conntrack"] = self._tracked
        self.boot()
        for path, text in _LOADS.items():
            self.files.make_folder(posixpath.dirname(path), parents=True)
            self.files.write(path, text.encode())

    def _forward(self) -> None:
        """Lay out what says that it forwards packets, an interface each (ip-sysctl, kernel.org)."""
        for version, names in (
            ("ipv4", ("all", "default", "lo", *self.interfaces)),
            ("ipv6", ("all",)),
        ):
            for name in names:
                folder = f"/proc/sys/net/{version}/conf/{name}"
                for end in range(1, folder.count("/") + 1):
                    self.files.folders.add("/".join(folder.split("/")[: end + 1]))
                self.files.data.setdefault(f"{folder}/forwarding", b"1\n")

    def forwards(self, version: str, *, enabled: bool) -> None:
        """Set what ``net.ipv4.ip_forward`` sets: for IPv4 it is that of every interface."""
        for path in self.files.data:
            if path.startswith(f"/proc/sys/net/{version}/conf/") and path.endswith("/forwarding"):
                self.files.data[path] = b"1\n" if enabled else b"0\n"

    def boot(self) -> None:
        """Start anew: an empty /run but for what systemd makes there, and a clock from nought."""
        self.files.remove("/run", recursive=True)
        self.files.make_folder("/run/systemd/system", parents=True)
        self.booted = self.clock.now()

    def _uptime(self) -> bytes:
        """Write /proc/uptime, which is of seconds since the boot and of idle ones (proc(5))."""
        seconds = self.clock.now() - self.booted
        return f"{seconds:.2f} {seconds:.2f}\n".encode()

    def _tracked(self) -> bytes:
        """Write /proc/net/nf_conntrack: the family and its number stand first (measured, 6.1)."""
        lines = (
            f"{'ipv6     10' if '::' in line else 'ipv4     2'} {line}\n"
            for line in self.connections
        )
        return "".join(lines).encode()

    # -- running ---------------------------------------------------------------------

    def shell(self, user: str) -> Shell:
        """Return a fresh shell of a user."""
        root = user == "root" or self.sudo == "root"
        shell = Shell(self, user, root, pid=self.next_pid(), stop=self.stopping)
        shell.cwd = shell.home
        with self.files.lock:
            self.files.folders |= {"/home", shell.home}
        return shell

    def run(self, command: str, stdin: str = "", user: str = "root") -> Result:
        """Run a command line to its end."""
        shell, out, err = self.shell(user), Buffer(), Buffer()
        shell.stdin = Text(stdin.encode("utf-8", "surrogateescape"))
        shell.stdout, shell.stderr = out, err
        status = shell.run(command)
        return Result(
            status,
            bytes(out.data).decode("utf-8", "replace"),
            bytes(err.data).decode("utf-8", "replace"),
        )

    def start(self, work: Callable[[], None]) -> threading.Thread:
        """Run something in the background until the host stops."""
        thread = threading.Thread(target=work, name=f"{self.hostname}-job", daemon=True)
        self.threads = [each for each in self.threads if each.is_alive()]
        self.threads.append(thread)
        thread.start()
        return thread

    def stop(self) -> None:
        """End all that runs in the background."""
        self.stopping.set()
        self.clock.wake()
        for thread in [*self.threads]:
            thread.join(2)
        self.threads.clear()

    def next_pid(self) -> int:
        """Return a process number."""
        with self.lock:
            self.pid += 1
            return self.pid

    def program(self, shell: Shell, words: list[str]) -> int:
        """Run a builtin or a program by name or path."""
        if not words or not words[0]:
            return 0
        name = words[0]
        builtin = BUILTINS.get(name)
        if builtin is not None:
            return builtin(shell, words)
        found = _PROGRAMS.get(posixpath.basename(name)) if self.where(name) else None
        if found is None:
            shell.err(f"{shell.name}: 1: {name}: not found\n")
            return NOT_FOUND
        if self.reject_writes and posixpath.basename(name) in _CHANGING:
            targets = [each for each in words[1:] if not each.startswith("-")]
            if any(not each.startswith(("/tmp", "/dev")) for each in targets):  # noqa: S108 - what stays writable
                self.attempts += 1
                shell.err(f"{name}: Read-only file system\n")
                return 1
        return found(shell, words)

    def where(self, name: str) -> str:
        """Return the path of a program, empty if there is none."""
        base = posixpath.basename(name)
        if base in BUILTINS and "/" not in name:
            return name
        if base not in _PROGRAMS:
            return ""
        if (base == "nft" and not self.nft_version) or (base == "sudo" and self.sudo == "none"):
            return ""
        if base == "conntrack" and not self.tracks:
            return ""
        place = "/usr/sbin" if base in _ADMIN else "/usr/bin"
        known = {f"{place}/{base}", f"{place.removeprefix('/usr')}/{base}"}
        if "/" in name:
            return name if name in known else ""
        return f"{place}/{base}"

    @property
    def programs_at(self) -> frozenset[str]:
        """The paths of all programs."""
        return frozenset(path for name in _PROGRAMS if (path := self.where(name)))

    def may_sudo(self, words: Sequence[str]) -> bool:
        """Say whether the account may run this as root without a password."""
        if self.sudo != "nopasswd":
            return False
        if self.sudo_allow is None or not words:
            return True
        line = " ".join([self.where(words[0]) or words[0], *words[1:]])
        return any(line == allowed or line.startswith(f"{allowed} ") for allowed in self.sudo_allow)

    # -- what it is -------------------------------------------------------------------

    def links(self, *, addresses: bool = False) -> list[dict[str, object]]:
        """Return what ``ip -j link`` lists."""
        found: list[dict[str, object]] = []
        for index, name in enumerate(["lo", *self.interfaces], 1):
            loop = name == "lo"
            link: dict[str, object] = {
                "ifindex": index,
                "ifname": name,
                "flags": ["LOOPBACK", "UP", "LOWER_UP"]
                if loop
                else ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
                "mtu": 65536 if loop else 1500,
                "qdisc": "noqueue" if loop else "fq_codel",
                "operstate": "UNKNOWN" if loop else "UP",
                "linkmode": "DEFAULT",
                "group": "default",
                "txqlen": 1000,
                "link_type": "loopback" if loop else "ether",
                "address": "00:00:00:00:00:00" if loop else f"02:00:00:00:00:{index:02x}",
                "broadcast": "00:00:00:00:00:00" if loop else "ff:ff:ff:ff:ff:ff",
            }
            if addresses:
                local = "127.0.0.1" if loop else f"192.0.2.{index}"
                link["addr_info"] = [
                    {"family": "inet", "local": local, "prefixlen": 8 if loop else 24}
                ]
            found.append(link)
        return found

    def run_nft(self, words: Sequence[str], stdin: str, read: Callable[[str], str]) -> Result:
        """Run nft, unless a fault or the refusal of writes comes first."""
        with self.lock:
            if self.refuse is not None:
                refused = self.refuse(words, stdin)
                if refused is not None:
                    return refused
            self.nft.expire()
            before = self.nft.live
            kept = len(self.nft.history), len(self.nft.in_flight)
            result = self.nft.main(words, stdin, read)
            if self.nft.live is not before:
                self.attempts += 1
                if self.reject_writes:
                    self.nft.live = before
                    del self.nft.history[kept[0] :]
                    del self.nft.in_flight[kept[1] :]
                    return Result(1, "", "Error: Could not process rule: Operation not permitted\n")
            return result


_CHANGING = frozenset({"cp", "ln", "mkdir", "mv", "rm", "rmdir", "tee", "touch"})
