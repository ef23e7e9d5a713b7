"""OpenSSH's own programs: keys and certificates made, names looked up, hosts judged."""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

SSHD = "/usr/sbin/sshd"


def refused() -> str:
    """Say why OpenSSH cannot be asked; empty when it can."""
    for tool in ("ssh", "ssh-keygen", SSHD):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    return ""


def version() -> tuple[int, int]:
    """Return the version of OpenSSH's programs."""
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False).stderr
    found = re.match(r"OpenSSH_(\d+)\.(\d+)", said)
    assert found is not None, said
    return int(found[1]), int(found[2])


def make_key(path: Path, kind: str = "ed25519", *words: str) -> Path:
    """Make a private key and its public one beside it."""
    _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path), *words)
    return path


def public(path: Path) -> tuple[str, str]:
    """Return type and base64 of the public key (or certificate) of a private one."""
    kind, key, *_ = path.with_name(f"{path.name}.pub").read_text("utf-8").split()
    return kind, key


def certify(authority: Path, key: Path, *words: str) -> str:
    """Return a certificate of a key; `words` are those of ssh-keygen, ``-h`` for a host."""
    _run("ssh-keygen", "-q", "-s", str(authority), "-I", "id", *words, f"{key}.pub")
    made = key.with_name(f"{key.name}-cert.pub")
    text = made.read_text("utf-8")
    made.unlink()
    return text


def look_up(known_hosts: Path, name: str) -> set[tuple[str, str]]:
    """Return marker and fingerprint of each entry that OpenSSH finds for a name."""
    done = subprocess.run(
        ["ssh-keygen", "-l", "-F", name, "-f", str(known_hosts)],
        capture_output=True,
        check=False,
    )
    found: set[tuple[str, str]] = set()
    marker = ""
    for line in done.stdout.decode(errors="replace").splitlines():
        head = re.fullmatch(r"# Host .* found: line \d+ ?(CA|REVOKED|)\s*", line)
        key = re.search(r" (SHA256:\S+)", line)
        if head:
            marker = head[1]
        elif key:
            found.add((marker, key[1]))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """A configuration of OpenSSH's server."""

    config: Path

    def accepted(self, known_hosts: Sequence[Path], host: str, port: int) -> bool:
        """Say whether OpenSSH's client takes this server for that host and port."""
        done = subprocess.run(
            [
                "ssh", "-F", "none", "-p", str(port),
                "-o", f"ProxyCommand={SSHD} -i -f {self.config}",
                "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
                "-o", "PreferredAuthentications=none", "-o", "IdentityFile=none",
                "-o", f"UserKnownHostsFile={' '.join(map(str, known_hosts))}",
                "-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no",
                "-o", "ControlPath=none", f"nobody@{host}", "true",
            ],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 255, done.stderr
        if "Permission denied" in done.stderr:
            return True
        assert "Host key verification failed" in done.stderr, done.stderr
        return False

    @contextmanager
    def listening(self, address: str = "127.0.0.1") -> Generator[int]:
        """Serve on a port."""
        with socket.create_server((address, 0), family=_family(address)) as free:
            port = free.getsockname()[1]
        log = self.config.with_suffix(".log")
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(self.config), "-p", str(port),
                 "-o", f"ListenAddress={address}"],
                stdout=stream, stderr=stream,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + 30
            while "Server listening" not in (said := log.read_text("utf-8")):
                assert time.monotonic() < deadline, said
                time.sleep(0.02)
            yield port
        finally:
            server.terminate()
            server.wait()


def sshd(
    folder: Path, keys: Sequence[Path], certificates: Sequence[str] = (), *, user: str = ""
) -> Sshd:
    """Return a server with these host keys and certificates; the key `user` opens this account."""
    if getpass.getuser() == "root":
        Path("/run/sshd").mkdir(exist_ok=True)  # where it wants to lock up its children
    config = folder / "sshd_config"
    lines = [*(f"HostKey {key}" for key in keys)]
    for number, text in enumerate(certificates):
        path = folder / f"host-{number}-cert.pub"
        path.write_text(text, "utf-8")
        lines.append(f"HostCertificate {path}")
    if user:
        (folder / "authorized_keys").write_text(user, "utf-8")
        lines.append(f"AuthorizedKeysFile {folder}/authorized_keys")
    lines += [
        "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes", "UseDNS no",
        "PasswordAuthentication no", "KbdInteractiveAuthentication no", "LogLevel DEBUG",
    ]  # fmt: skip
    config.write_text("\n".join(lines) + "\n", "utf-8")
    return Sshd(config=config)


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
