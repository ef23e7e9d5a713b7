"""A Linux host to talk to: nftables behind SSH, with faults on request."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from segctl_mocks.linux.channels import Execution, Terminal
from segctl_mocks.linux.faults import NFT_KINDS, Fault, Faults, Request
from segctl_mocks.linux.host import Host
from segctl_mocks.linux.nft.engine import Result
from segctl_mocks.linux.nft.errors import Source
from segctl_mocks.linux.server import Accounts, Channel, Handler, SshServer
from segctl_mocks.loopback import Loopback
from segctl_mocks.storage import file_name, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl_mocks.linux.nft.state import Ruleset

SUDO = frozenset({"nopasswd", "password", "none", "root"})


class LinuxMock(Loopback):
    """A mock Linux host on a loopback port; use it as a context manager."""

    def __init__(  # each is something a test sets
        self,
        name: str = "gw1",
        *,
        interfaces: Iterable[str] = ("eth0", "eth1"),
        hostname: str = "",
        users: Mapping[str, str] | None = None,
        authorized_keys: Mapping[str, Sequence[str]] | None = None,
        sudo: str = "nopasswd",
        sudo_allow: Sequence[str] | None = None,
        nft_version: str = "1.0.6",
        kernel: str = "6.1.0",
        ruleset: str = "",
        files: Mapping[str, str] | None = None,
        latency: float = 0.0,
        time_scale: float = 1.0,
        state_dir: Path | None = None,
        port: int = 0,
    ) -> None:
        if sudo not in SUDO:
            message = f"sudo is {', '.join(sorted(SUDO))}, not {sudo!r}"
            raise ValueError(message)
        super().__init__(port)
        self.name = name
        self.latency = latency
        self.users = dict(users or {"admin": "pw"})
        self._accounts = Accounts(self.users, {**(authorized_keys or {})})
        self._folder = state_dir / file_name(name) if state_dir is not None else None
        self._server: SshServer | None = None
        self._lock = threading.RLock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._faults = Faults()
        self._requests: list[Request] = []
        self.host_device = Host(
            hostname or name,
            tuple(interfaces),
            kernel,
            nft_version,
            sudo,
            tuple(sudo_allow) if sudo_allow is not None else None,
            time_scale,
        )
        self.host_device.refuse = self._refuse
        self._key, self._public = _new_key()
        self.restored = self._restore()
        if not self.restored:
            for path, text in (files or {}).items():
                self.host_device.files.make_folder(str(Path(path).parent), parents=True)
                self.host_device.files.write(path, text.encode())
            if ruleset:
                self.load(ruleset)
        self.host_device.nft.reset_history()

    # -- life ---------------------------------------------------------------------

    def _listen(self, port: int) -> int:
        self.host_device.stopping.clear()
        self._server = SshServer(self._key, self._accounts, self._handler)
        return self._server.start(port)

    def stop(self) -> None:
        """Stop serving; keep the state if there is a folder for it."""
        self.host_device.stop()
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.save()
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def reboot(self) -> None:
        """Cut all connections, forget the ruleset and /run, load ``/etc/nftables.d/*.nft``."""
        host = self.host_device
        if self._server is not None:
            self._server.cut_all()
        host.stop()
        host.stopping.clear()
        with host.lock:
            host.nft.script(Source("", "flush ruleset"))
            host.boot()
            for path in host.files.glob("/etc/nftables.d/*.nft", "/"):
                host.nft.script(Source(path, host.files.read(path).decode()))

    def cut(self) -> None:
        """Cut every connection."""
        if self._server is not None:
            self._server.cut_all()

    # -- where and who ------------------------------------------------------------

    @property
    def transport(self) -> str:
        """What it speaks, for people."""
        return "SSH"

    @property
    def host_key_line(self) -> str:
        """The line for known_hosts."""
        return f"[{self.host}]:{self.port} {self._public}"

    @property
    def fingerprint(self) -> str:
        """The host key's fingerprint as OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self._public.split()[1])).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file with the host's key; it goes when the mock stops."""
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="segctl-mock-")
        path = Path(self._temporary.name) / "known_hosts"
        write(path, f"{self.host_key_line}\n".encode())
        return path

    @property
    def logins(self) -> list[str]:
        """Who logged in, in order."""
        return [*self._accounts.logins]

    def change_host_key(self) -> None:
        """Get another host key, on the same port: what a replaced host looks like."""
        running = self._server is not None
        if self._server is not None:
            self._server.stop()
        self._key, self._public = _new_key()
        if running:
            self._port = self._listen(self._port)

    def refuse_logins(self, times: int = 1) -> None:
        """Refuse the next passwords, right ones too."""
        self._accounts.refused = times

    # -- what it holds ------------------------------------------------------------

    def config(self) -> str:
        """Return the ruleset as ``nft list ruleset`` prints it."""
        with self.host_device.lock:
            self.host_device.nft.expire()
            return self.host_device.nft.text()

    def config_json(self, what: str = "ruleset") -> str:
        """Return what ``nft -j list …`` prints."""
        with self.host_device.lock:
            return self.host_device.nft.main(["-j", "list", what], "", str).out

    def effective(self, *, in_flight: bool = False) -> tuple[str, ...]:
        """Return every ruleset that was live, in order.

        With ``in_flight`` also those it met for milliseconds: while a transaction commits, new
        rules are live before the content of interval sets that came in the same transaction.
        """
        return tuple(self._as_text(each) for each in self._met(in_flight=in_flight))

    def effective_json(self, table: str = "", *, in_flight: bool = False) -> tuple[str, ...]:
        """Return the same as ``nft -j list ruleset``, or ``list table``, would print them.

        Where the table is not there the listing is empty.
        """
        words = ["-j", "list", *(["table", *table.split()] if table else ["ruleset"])]
        with self.host_device.lock:
            nft = self.host_device.nft
            live = nft.live
            try:
                found: list[str] = []
                for each in self._met(in_flight=in_flight):
                    nft.live = each
                    found.append(nft.main(words, "", str).out)
            finally:
                nft.live = live
        return tuple(found)

    def _met(self, *, in_flight: bool) -> list[Ruleset]:
        with self.host_device.lock:
            nft = self.host_device.nft
            between = nft.in_flight if in_flight else []
            found: list[Ruleset] = []
            for position, each in enumerate(nft.history):
                found += [half for at, half in between if at == position]
                found.append(each)
            return found

    def _as_text(self, rules: Ruleset) -> str:
        with self.host_device.lock:
            return self.host_device.nft.text(rules)

    def forget(self) -> None:
        """Let ``effective`` and ``requests`` begin anew."""
        with self.host_device.lock:
            self.host_device.nft.reset_history()
            self._requests.clear()

    @property
    def requests(self) -> list[Request]:
        """The commands so far."""
        with self._lock:
            return [*self._requests]

    @property
    def writes(self) -> int:
        """How many commands changed, or tried to change, the ruleset or a file."""
        return sum(request.is_write for request in self.requests)

    @property
    def reject_writes(self) -> bool:
        """Whether every write is refused."""
        return self.host_device.reject_writes

    @reject_writes.setter
    def reject_writes(self, value: bool) -> None:
        self.host_device.reject_writes = value

    # -- what others do -----------------------------------------------------------

    def load(self, text: str) -> None:
        """Let another administrator run ``nft -f`` on a text; raise if nft refuses it."""
        with self.host_device.lock:
            result = self.host_device.nft.script(Source("/dev/stdin", text))
        if result.status:
            raise ValueError(result.err)
        self.save()

    def edit(self, command: str, stdin: str = "", *, user: str = "root") -> Result:
        """Let another administrator run a command line; return status and output."""
        faults, self._faults = self._faults, Faults()
        try:
            result = self.host_device.run(command, stdin, user)
        finally:
            self._faults = faults
        self.save()
        return result

    def tamper(self) -> str:
        """Let everything pass, as an administrator in a hurry would; say so."""
        done = self.edit("nft insert rule inet segctl forward accept")
        return "" if done.status else "lets everything pass, before all rules."

    def count(
        self, counter: str, packets: int, octets: int = 0, table: str = "inet segctl"
    ) -> None:
        """Let a named counter count."""
        from dataclasses import replace

        family, name = table.split()
        with self.host_device.lock:
            found = self.host_device.nft.live.tables[family, name]
            old = found.counters[counter]
            found.counters[counter] = replace(
                old, packets=old.packets + packets, octets=old.octets + octets
            )

    def advance(self, seconds: float) -> None:
        """Let the host's clock jump: whoever sleeps until before then wakes."""
        self.host_device.clock.advance(seconds)

    def fail(  # what to wait for
        self,
        kind: str,
        *,
        times: int = 1,
        skip: int = 0,
        contains: str = "",
        **options: object,
    ) -> None:
        """Let something go wrong at the next command that matches (after ``skip`` others)."""
        fault = Fault(kind, options, contains, skip, times)
        with self._lock:
            self._faults.add(fault)

    def _handler(self, channel: Channel) -> Handler:
        with self._lock:
            if channel.command is None:
                return Terminal(self.host_device, channel, self._faults, self._requests, self.users)
            return Execution(self.host_device, channel, self._faults, self._requests, self.latency)

    def _refuse(self, words: Sequence[str], stdin: str) -> Result | None:
        with self._lock:
            fault = self._faults.take(NFT_KINDS, " ".join(words) + "\n" + stdin)
        if fault is None:
            return None
        if fault.kind == "crash":
            return Result(134, "", "Aborted\n")
        message = fault.text("message", "Could not process rule: Operation not permitted")
        return Result(1, fault.text("out"), f"Error: {message}\n")

    # -- state ------------------------------------------------------------------------

    def save(self) -> None:
        """Write the state to its folder, if it has one."""
        if self._folder is None:
            return
        host = self.host_device
        with host.lock, host.files.lock:
            facts = {
                "folders": sorted(host.files.folders),
                "files": {
                    path: base64.b64encode(data).decode() for path, data in host.files.data.items()
                },
            }
            write(self._folder / "ruleset.nft", host.nft.text().encode())
        write(self._folder / "files.json", json.dumps(facts, indent=1).encode())
        write(self._folder / "host_key", self._key)

    def _restore(self) -> bool:
        if self._folder is None or not (self._folder / "host_key").exists():
            return False
        self._key = (self._folder / "host_key").read_bytes()
        self._public = _public(self._key)
        facts = json.loads((self._folder / "files.json").read_text("utf-8"))
        files = self.host_device.files
        files.folders = set(facts["folders"])
        files.data = {path: base64.b64decode(text) for path, text in facts["files"].items()}
        self.load((self._folder / "ruleset.nft").read_text("utf-8"))
        return True


def _new_key() -> tuple[bytes, str]:
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType] - options of any type
    data = bytes(key.export_private_key())
    return data, _public(data)


def _public(data: bytes) -> str:
    import asyncssh

    key = asyncssh.import_private_key(data)
    return " ".join(key.export_public_key().decode().split()[:2])
