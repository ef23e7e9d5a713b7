"""The nftables provider's harness: a mock host and a kernel, both behind SSH."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from segctl.providers.nftables import NftablesProvider
from segctl.providers.nftables.document import Document
from segctl.providers.nftables.functions import uses
from segctl.transports import ssh_exec as ssh
from segctl.transports import ssh_login
from segctl.transports.credentials import Secret
from segctl.transports.target import Target
from support.lab import run
from support.nft import EMPTY, firewall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from hypothesis.strategies import DataObject

    from segctl.model.policy import DeclaredRule, Rule
    from segctl.model.site import Device
    from segctl.providers.base import Provider
    from segctl_mocks.linux.mock import LinuxMock

OURS = "table inet segctl"
INTERFACES = ("e1", "e2", "e3")
QUIET_CHECKS = [
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.function_scoped_fixture,
]
How = Literal["before", "after", "within"]

#: Tables that other administrators have.
OTHERS = (
    (
        "table inet filter {\n chain input { type filter hook input priority 0; policy accept;"
        " tcp dport 22 accept; }\n chain forward { type filter hook forward priority 10;"
        ' policy accept; counter comment "theirs";\n }\n}\n'
    ),
    (
        "table ip nat {\n chain postrouting { type nat hook postrouting priority 100;"
        " policy accept; ip saddr 10.0.0.0/8 masquerade;\n }\n}\n"
    ),
    (
        "table inet other {\n set hosts { type ipv4_addr; flags interval;"
        " elements = { 10.1.0.0/24, 192.0.2.7 }; }\n counter seen { packets 7 bytes 420; }\n"
        " chain forward { type filter hook forward priority -10; policy accept;"
        " ip saddr @hosts counter name seen;\n }\n}\n"
    ),
    "table ip6 segctl {\n chain theirs { accept;\n }\n}\n",
)


class Machine(Protocol):
    """A Linux host to try on, as its own root sees it."""

    @property
    def target(self) -> Target: ...

    def reset(self) -> None: ...

    def script(self, text: str) -> bool: ...

    def listing(self, *words: str) -> str: ...

    def met(self) -> Sequence[str]: ...

    def files(self) -> str: ...

    def sever(self, request: int, how: How) -> None: ...

    def mend(self) -> None: ...


# --- the bench -----------------------------------------------------------------------------------


@dataclass(slots=True)
class NftBench:
    """One host under test."""

    machine: Machine
    made: int = 0

    @property
    def target(self) -> Target:
        return self.machine.target

    def table(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the objects of our table; none where there is no table."""
        return _objects(self.machine.met()[-1])

    @property
    def locks(self) -> int:
        return sum(kind == "set" and found["name"] == "lock" for kind, found in self.table())

    def met(self) -> Sequence[bytes]:
        return [document(listing) for listing in self.machine.met()]

    def printed(self) -> str:
        return canonical(self.table())

    def others(self) -> str:
        text = self.machine.listing("-a", "list", "ruleset")
        rest = re.sub(rf"^{OURS} \{{.*?^\}}[^\n]*\n", "", text, flags=re.MULTILINE | re.DOTALL)
        return rest + self.machine.files()

    def sever(self, request: int, how: How) -> None:
        self.machine.sever(request, how)

    def mend(self) -> None:
        self.machine.mend()

    # -- other administrators ---------------------------------------------------------

    def bystand(self, data: DataObject) -> None:
        for text in data.draw(st.lists(st.sampled_from(OTHERS), unique=True), "tables of others"):
            assert self.machine.script(text), text

    def disturb(self, data: DataObject) -> None:
        for _ in range(data.draw(st.integers(0, 4), "edits by hand")):
            self._tamper(data)

    def _tamper(self, data: DataObject) -> None:
        found = self.table()
        if not found:
            return
        rules = [one for kind, one in found if kind == "rule"]
        chains = [one["name"] for kind, one in found if kind == "chain"]
        sets = [one for kind, one in found if kind in ("set", "map")]
        # without its mark the table is not segctl's any more
        counters = [one["name"] for kind, one in found if kind == "counter"]
        counters = [name for name in counters if name != "segctl"]
        pick = data.draw(st.sampled_from(_EDITS), "edit")
        self.made += 1
        text = pick
        if "RULE" in pick:
            if not rules:
                return
            rule = data.draw(st.sampled_from(rules), "rule")
            text = text.replace("RULE", f"{rule['chain']} handle {rule['handle']}")
        if "CHAIN" in pick:
            text = text.replace("CHAIN", data.draw(st.sampled_from(sorted(chains)), "chain"))
        if "ADDRESSES" in pick:
            named = [one["name"] for one in sets if re.match("a[46]", one["name"])]
            if not named:
                return
            name = data.draw(st.sampled_from(named), "set")
            text = text.replace("ADDRESSES", name)
            text = text.replace("HOST", "10.66.0.0/16" if name[1] == "4" else "fd66::/32")
        if "SET" in pick:
            text = text.replace("SET", data.draw(st.sampled_from(sets), "set")["name"])
        if "COUNTER" in pick:
            if not counters:
                return
            text = text.replace("COUNTER", data.draw(st.sampled_from(counters), "counter"))
        self.machine.script(text.replace("NEW", f"new{self.made}") + "\n")


#: What somebody may do to our table by hand; what nft refuses is not done.
_EDITS = (
    "delete rule inet segctl RULE",
    "delete rule inet segctl RULE",
    "flush chain inet segctl CHAIN",
    "add rule inet segctl CHAIN accept",
    "insert rule inet segctl CHAIN accept",
    "add rule inet segctl CHAIN counter drop",
    'insert rule inet segctl CHAIN ip saddr 10.66.0.1 tcp dport 7 accept comment "by hand"',
    "add element inet segctl ADDRESSES { HOST }",
    "flush set inet segctl ADDRESSES",
    "delete set inet segctl ADDRESSES",
    "flush map inet segctl pairs",
    'add element inet segctl zoned { "e9" }',
    'delete element inet segctl zoned { "e1" }',
    'delete element inet segctl pairs { "e1" . "e1" }',
    "add set inet segctl NEW { type ipv4_addr; }",
    "add chain inet segctl NEW",
    "add chain inet segctl NEW { type filter hook forward priority 5; policy drop; }",
    "add counter inet segctl NEW",
    "delete counter inet segctl COUNTER",
    "add table inet segctl { flags dormant; }",
    "delete table inet segctl",
)


def _objects(listing: str) -> list[tuple[str, dict[str, Any]]]:
    if not listing.strip():
        return []
    found: list[dict[str, dict[str, Any]]] = json.loads(listing)["nftables"]
    pairs = [(kind, one) for entry in found for kind, one in entry.items() if kind != "metainfo"]
    return pairs if any(kind == "table" for kind, _ in pairs) else []


def canonical(found: list[tuple[str, dict[str, Any]]]) -> str:
    """Write a table in one spelling: no lock, push or handle, elements sorted, rules in order."""
    parts: list[tuple[str, str, str]] = []
    for kind, one in found:
        if kind == "table" or (kind == "set" and one["name"] in ("lock", "push")):
            continue
        kept = {key: value for key, value in one.items() if key not in ("handle", "index")}
        if "elem" in kept:
            kept["elem"] = sorted(json.dumps(element, sort_keys=True) for element in kept["elem"])
        name = str(one.get("chain") or one.get("name"))
        parts.append((kind, name, json.dumps(kept, sort_keys=True)))
    return "\n".join(text for _, _, text in sorted(parts, key=lambda part: part[:2]))


def document(listing: str) -> bytes:
    """Return what `parse` reads, of a host that holds this listing of our table."""
    links = [{"ifname": name} for name in INTERFACES]
    return Document(
        host="fw",
        nft="nftables v1.0.6 (Lester Gooch #5)",
        kernel="6.18",
        hostname="fw",
        machine="m",
        table=listing if _objects(listing) else "",
        chains=EMPTY,
        links=json.dumps(links),
        foreign={},
    ).dump()


# --- the mock ------------------------------------------------------------------------------------


def mock_target(mock: LinuxMock) -> Target:
    """Return how to reach a mock."""
    return Target(
        name="fw",
        host=mock.host,
        port=mock.port,
        user="admin",
        password=Secret("pw"),
        known_hosts=(mock.known_hosts,),
        timeout=120,
        commit_timeout=120,
    )


def mend(mock: LinuxMock) -> None:
    """Let nothing more go wrong."""
    mock._faults.waiting.clear()  # pyright: ignore[reportPrivateUsage] - a mock or a seam has no public name for it


def fresh(mock: LinuxMock) -> None:
    """Make a running mock a host on which nobody has done anything."""
    mend(mock)
    host = mock.host_device
    host.stop()
    host.stopping.clear()
    assert not mock.edit("nft flush ruleset").status
    mock.edit("rm -rf /run/segctl /home/admin/.segctl /etc/nftables.d")
    mock.forget()


@dataclass(slots=True)
class MockMachine:
    """A mock host; its line drops at the n-th command."""

    mock: LinuxMock

    @property
    def target(self) -> Target:
        return mock_target(self.mock)

    def reset(self) -> None:
        fresh(self.mock)

    def script(self, text: str) -> bool:
        return not self.mock.edit("nft -f -", text).status

    def listing(self, *words: str) -> str:
        return self.mock.edit(" ".join(["nft", *words])).out

    def met(self) -> Sequence[str]:
        return self.mock.effective_json("inet segctl")

    def files(self) -> str:
        files = self.mock.host_device.files
        with files.lock:
            kept = {
                path: text
                for path, text in files.data.items()
                if "/segctl/" not in path
                and "/.segctl/" not in path
                # the boot file is ours
                and path != "/etc/nftables.d/segctl.nft"
            }
        return repr(sorted(kept.items()))

    def sever(self, request: int, how: How) -> None:
        kind = {"before": "drop_before", "after": "drop_after", "within": "drop_upload"}[how]
        # an apply is of ten commands or so
        self.mock.fail(kind, skip=request % 11, at=request * 40)

    def mend(self) -> None:
        mend(self.mock)


# --- the kernel ----------------------------------------------------------------------------------

#: In the place of nft: notes what traffic meets after each change.
_NOTING = """#!/bin/sh
{real} "$@"; code=$?
case "$1" in
  -f|delete) {real} -j list table inet segctl 2>/dev/null >> {met} || echo >> {met} ;;
esac
exit $code
"""
_SETUP = """
set -e
# an empty home: what the account's shell does at login is no matter here
for path in /run/segctl /etc/nftables.d /run/sshd /root; do
  mkdir -p $path; mount -t tmpfs -o mode=755 tmpfs $path
done
mount --bind {noting} /usr/sbin/nft
ip link set lo up
for n in 1 2 3; do ip link add e$n type veth peer name p$n; done
echo ready
exec cat
"""


class KernelMachine:
    """A namespace with nft, and OpenSSH for every connection to a port of this machine.

    Between the two stands a relay, which drops the line after so many bytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._real = folder / "nft"
        self._met = folder / "met"
        self._lock = threading.Lock()
        self._cut: tuple[How, int] | None = None
        self._sockets: list[socket.socket] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        shutil.copy("/usr/sbin/nft", self._real)
        noting = folder / "noting"
        noting.write_text(_NOTING.format(real=self._real, met=self._met), encoding="utf-8")
        noting.chmod(0o755)
        self._process = subprocess.Popen(
            ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c",
             _SETUP.format(noting=noting)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        pid = self._process.pid
        inner = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0]
        self._enter = ("nsenter", "-t", inner, "-n", "-m", "-p")
        self._config = self._sshd()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        key = (folder / "host_key.pub").read_text(encoding="utf-8").split()[:2]
        (folder / "known_hosts").write_text(
            f"[127.0.0.1]:{self.port} {' '.join(key)}\n", encoding="utf-8"
        )
        self._start(self._serve)
        self.reset()

    def _sshd(self) -> Path:
        folder = self._folder
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / f"{name}_key"))
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        config = folder / "sshd_config"
        config.write_text(
            f"HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\nUsePAM no\n"
            "PermitRootLogin yes\nPasswordAuthentication no\nStrictModes no\nUseDNS no\n"
            "MaxSessions 100\n",
            encoding="utf-8",
        )
        return config

    def close(self) -> None:
        """End everything of it."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = [*self._sockets]
        for one in sockets:
            _shut(one)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        for child in self._children:
            child.kill()
            child.wait()
        for thread in self._threads:
            thread.join(5)
        for one in sockets:
            one.close()

    # -- the relay --------------------------------------------------------------------

    def _start(self, work: Callable[..., None], *more: object) -> None:
        thread = threading.Thread(target=work, args=more, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            near, far = socket.socketpair()
            with (self._folder / "sshd.log").open("ab") as log:
                child = subprocess.Popen(
                    [*self._enter, "/usr/sbin/sshd", "-i", "-e", "-f", str(self._config)],
                    stdin=far.fileno(), stdout=far.fileno(), stderr=log,
                )  # fmt: skip
            far.close()
            with self._lock:
                self._children.append(child)
                self._sockets += [client, near]
            self._start(self._pump, client, near, ("before", "within"))
            self._start(self._pump, near, client, ("after",))

    def _pump(self, source: socket.socket, sink: socket.socket, cuts: tuple[How, ...]) -> None:
        with suppress(OSError):
            while part := source.recv(1 << 16):
                kept = self._kept(len(part), cuts)
                sink.sendall(part[:kept])
                if kept < len(part):
                    break
        _shut(source)
        _shut(sink)

    def _kept(self, size: int, cuts: tuple[How, ...]) -> int:
        with self._lock:
            if self._cut is None or self._cut[0] not in cuts:
                return size
            how, left = self._cut
            if left >= size:
                self._cut = how, left - size
                return size
            self._cut = None
            return left if how == "within" else 0

    # -- the machine ------------------------------------------------------------------

    @property
    def target(self) -> Target:
        return Target(
            name="fw",
            host="127.0.0.1",
            port=self.port,
            user="root",
            key_file=self._folder / "user_key",
            known_hosts=(self._folder / "known_hosts",),
            timeout=120,
            commit_timeout=120,
        )

    def _inside(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._enter, *words], input=stdin, capture_output=True, text=True, check=False
        )

    def reset(self) -> None:
        self.mend()
        self._inside("sh", "-c", f"{self._real} flush ruleset; rm -rf /run/segctl/*")
        self._met.write_text("\n", encoding="utf-8")

    def script(self, text: str) -> bool:
        # nft as segctl runs it: what it leaves is noted
        return not self._inside("/usr/sbin/nft", "-f", "-", stdin=text).returncode

    def listing(self, *words: str) -> str:
        return self._inside(str(self._real), *words).stdout

    def met(self) -> Sequence[str]:
        noted = self._met.read_text(encoding="utf-8").splitlines()
        return [one for number, one in enumerate(noted) if not number or one != noted[number - 1]]

    def files(self) -> str:
        return ""

    def sever(self, request: int, how: How) -> None:
        with self._lock:
            # an apply is of 40 kB up and 30 kB down, most of it keys and our programs
            self._cut = how, request * 900

    def mend(self) -> None:
        with self._lock:
            self._cut = None


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


# --- the harness ---------------------------------------------------------------------------------


@dataclass(slots=True)
class NftHarness:
    """The nftables provider against one machine, emptied for each example."""

    machine: Machine
    provider: Provider = field(default_factory=NftablesProvider)
    device: Device = field(default_factory=firewall)
    anchor: str = ""

    @contextmanager
    def workbench(self) -> Generator[NftBench]:
        self.machine.reset()
        yield NftBench(self.machine)

    def widest(self, rule: DeclaredRule) -> Rule:
        return rule.fitted(applications=uses(rule, rule.name).names or ("any",))


@contextmanager
def examples(few: int) -> Generator[None]:
    """Try each law on a few examples only, unless many were asked for."""
    before = settings.get_current_profile_name()
    if not thorough():
        settings.register_profile("few", parent=settings.get_profile(before), max_examples=few)
        settings.load_profile("few")
    try:
        yield
    finally:
        settings.load_profile(before)


@contextmanager
def pooled() -> Generator[None]:
    """Let logins to one host share a connection while it lives: laws are about what follows."""
    held: dict[tuple[str, int, str], Any] = {}
    connect = ssh_login.connect

    class Shared:
        def __init__(self, connection: Any) -> None:
            self.remote_conn_pre: Any = connection.remote_conn_pre

        def disconnect(self) -> None:
            return

    def share(target: Target, device_type: str, until: float) -> Any:
        key = (target.host, target.port, target.user)
        found = held.get(key)
        if found is None or not found.remote_conn_pre.get_transport().is_active():
            if found is not None:
                found.disconnect()
            found = held[key] = connect(target, device_type, until)
            line = found.remote_conn_pre.get_transport().sock
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Shared(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssh, "connect", share)
        try:
            yield
        finally:
            for one in held.values():
                with suppress(Exception):
                    one.disconnect()


def thorough() -> bool:
    """Whether many examples were asked for."""
    return os.environ.get("SEGCTL_HYPOTHESIS") == "thorough"
