"""Who a device is: sessions with OpenSSH's server, and with one that lies."""

from __future__ import annotations

import base64
import getpass
import os
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from segctl.model.errors import ConnectError
from segctl.transports import ssh_login
from segctl.transports.credentials import Secret
from segctl.transports.host_keys import fingerprint
from segctl.transports.ssh_exec import SshSession
from segctl.transports.target import Target
from support import openssh, ssh_server
from support.ssh_server import Manners, Visit, serving

if TYPE_CHECKING:
    from pathlib import Path

needs_openssh = pytest.mark.skipif(bool(openssh.refused()), reason=openssh.refused())


def _open(target: Target) -> SshSession:
    return SshSession(
        target, device_type="terminal_server", read_only=False, progress=lambda _: None
    )


# --- OpenSSH's server ----------------------------------------------------------------------------


class Plant:
    """Keys of a host, a user and two authorities, and the host as OpenSSH serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = openssh.make_key(folder / "user")
        self.ca = openssh.make_key(folder / "ca")
        self.known = folder / "known_hosts"
        self.key = openssh.make_key(folder / "host")

    def target(self, port: int, **more: Any) -> Target:
        return replace(
            Target(
                name="gw1",
                host="127.0.0.1",
                port=port,
                user=getpass.getuser(),
                password=Secret(""),
                key_file=self.user,
                known_hosts=(self.known,),
                timeout=60,
            ),
            **more,
        )

    def server(self, *certificates: str) -> openssh.Sshd:
        user = " ".join(openssh.public(self.user))
        return openssh.sshd(self.folder, [self.key], certificates, user=user)

    def knows(self, *lines: tuple[str, Path]) -> None:
        """Write known_hosts: what stands before the key, and the key."""
        text = [f"{words} {' '.join(openssh.public(key))}\n" for words, key in lines]
        self.known.write_text("".join(text), "utf-8")

    def logins(self) -> int:
        """How many asked the server to be let in."""
        log = self.folder / "sshd_config.log"
        return log.read_text("utf-8", errors="replace").count("userauth-request for user")


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


@needs_openssh
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_host_with_a_certificate(plant: Plant, kind: str) -> None:
    plant.key = openssh.make_key(plant.folder / kind, kind)
    made = openssh.certify(plant.ca, plant.key, "-h", "-n", "fw1,127.0.0.*")
    plant.knows(("@cert-authority 127.0.0.1,*.example", plant.ca))
    with plant.server(made).listening() as port, closing(_open(plant.target(port))) as session:
        assert session.run("echo there").out == "there\n"
        session.transport.renegotiate_keys()
        assert session.run("echo still").out == "still\n"
    assert plant.logins()


@needs_openssh
def test_a_certificate_signed_by_an_authority_with_rsa(plant: Plant) -> None:
    plant.ca = openssh.make_key(plant.folder / "rsa", "rsa")
    plant.knows(("@cert-authority *", plant.ca))
    made = openssh.certify(plant.ca, plant.key, "-h", "-n", "127.0.0.1")
    with plant.server(made).listening() as port:
        _open(plant.target(port)).close()
    old = openssh.certify(plant.ca, plant.key, "-t", "ssh-rsa", "-h", "-n", "127.0.0.1")
    with plant.server(old).listening() as port:
        with pytest.raises(
            ConnectError, match="signed it with ssh-rsa, which segctl does not accept"
        ):
            _open(plant.target(port))
        assert not plant.logins()


@needs_openssh
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-h", "-n", "fw1,127.0.0.2"), "Certificate is for fw1, 127.0.0.2, not for 127.0.0.1"),
        (("-h",), "Certificate is for no host, not for 127.0.0.1"),
        (("-n", "127.0.0.1"), "Invalid certificate type"),
        (("-h", "-n", "127.0.0.1", "-V", "20200101:20210101"), "Certificate expired"),
        (("-h", "-n", "127.0.0.1", "-V", "20990101:20990201"), "Certificate not yet valid"),
        (("-h", "-n", "127.0.0.1", "-O", "critical:x@example.com"), "critical option"),
    ],
)
def test_a_certificate_that_does_not_count(
    plant: Plant, words: tuple[str, ...], message: str
) -> None:
    plant.knows(("@cert-authority *", plant.ca))
    made = openssh.certify(plant.ca, plant.key, *words)
    with plant.server(made).listening() as port:
        with pytest.raises(ConnectError, match=message):
            _open(plant.target(port))
        assert not plant.logins()


@needs_openssh
def test_a_host_that_is_revoked_unknown_or_another(plant: Plant) -> None:
    other = openssh.make_key(plant.folder / "other")
    made = openssh.certify(plant.ca, plant.key, "-h", "-n", "127.0.0.1")
    with plant.server(made).listening() as port:
        here = f"[127.0.0.1]:{port}"
        for lines, message in (
            ([("@cert-authority *", plant.ca), ("@revoked *", plant.ca)], "marked @revoked"),
            ([("@cert-authority *", plant.ca), ("@revoked *", plant.key)], "marked @revoked"),
            ([(here, plant.key), (f"@revoked {here}", plant.key)], "marked @revoked"),
            ([("@cert-authority *", other)], r"signed by SHA256:\S+\), and .* is unknown"),
            ([("@cert-authority *,!*127.0*", plant.ca)], f"unknown: .* no entry for .{here[1:]}"),
            ([(here, other), ("127.0.0.1", plant.key)], "host key changed"),
        ):
            plant.knows(*lines)
            with pytest.raises(ConnectError, match=message):
                _open(plant.target(port))
        assert not plant.logins()
        plant.knows(("nonsense", other), (here, plant.key))
        with plant.known.open("a", encoding="utf-8") as stream:
            stream.write("|1|broken|hash ssh-ed25519 AAAA\n@revoked\n\xff\n")
        _open(plant.target(port)).close()
        assert plant.logins()


@needs_openssh
def test_several_files_and_those_that_openssh_reads_by_itself(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(plant.folder))
    folder = plant.folder / ".ssh"
    folder.mkdir()
    one, two = folder / "known_hosts", folder / "known_hosts2"
    with plant.server().listening() as port:
        plant.known = one
        plant.knows((f"fw1,[127.0.0.1]:{port}", plant.key))
        for files in ((), (one,), (two, one)):
            two.write_text("", "utf-8")
            _open(plant.target(port, known_hosts=files)).close()
        plant.known = two
        plant.knows(("@revoked *", plant.key))
        for files in ((), (one, two)):
            with pytest.raises(ConnectError, match=r"@revoked in .*known_hosts or .*hosts2"):
                _open(plant.target(port, known_hosts=files))
        two.unlink()
        os.mkfifo(two)
        for files in ((), (one, two)):
            with pytest.raises(
                ConnectError, match=r"cannot read known hosts .*known_hosts2: not a file"
            ):
                _open(plant.target(port, known_hosts=files))


@needs_openssh
def test_an_address_of_ip_version_6(plant: Plant) -> None:
    made = openssh.certify(plant.ca, plant.key, "-h", "-n", "::1")
    with plant.server(made).listening("::1") as port:
        for line in ((f"[::1]:{port}", plant.key), ("@cert-authority ::1", plant.ca)):
            plant.knows(line)
            for host in ("::1", "0:0:0:0:0:0:0:1"):
                _open(plant.target(port, host=host)).close()


# --- a server that lies --------------------------------------------------------------------------


class Liar:
    """A host key that shows one thing and proves another."""

    def __init__(self, name: str, shows: bytes, key: Any, algorithm: str) -> None:
        self._name, self._shows, self._key, self._algorithm = name, shows, key, algorithm

    def get_name(self) -> str:
        return self._name

    def asbytes(self) -> bytes:
        return self._shows

    def sign_ssh_data(self, data: bytes, algorithm: str) -> Any:
        del algorithm
        return self._key.sign_ssh_data(data, self._algorithm)


class Counting(Manners):
    """Counts who asks to be let in."""

    def __init__(self) -> None:
        super().__init__(lambda visit: visit.close())
        self.asked = 0

    def get_allowed_auths(self, username: str) -> str:
        self.asked += 1
        return super().get_allowed_auths(username)

    def check_auth_password(self, username: str, password: str) -> int:
        self.asked += 1
        return super().check_auth_password(username, password)

    def check_auth_none(self, username: str) -> int:
        self.asked += 1
        return super().check_auth_password(username, "")


@needs_openssh
def test_the_certificate_of_another_host(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = openssh.certify(plant.ca, plant.key, "-h", "-n", "127.0.0.1").split()
    mine = paramiko.Ed25519Key.from_private_key_file(str(openssh.make_key(plant.folder / "mine")))
    liar = Liar(made[0], base64.b64decode(made[1]), mine, "ssh-ed25519")
    monkeypatch.setattr(ssh_server, "KEY", liar)
    plant.knows(("@cert-authority *", plant.ca), ("*", plant.key))
    manners = Counting()
    with serving(manners) as target:
        trusting = replace(target, ssh_fingerprint="", known_hosts=(plant.known,))
        with pytest.raises(ConnectError, match="Signature verification"):
            _open(trusting)
    assert manners.asked == 0


class Exchanging(paramiko.Ed25519Key):  # type: ignore[misc] # the base is untyped
    """A host's key; when it is used, a file of the client's is gone."""

    def __init__(self, key: Path, client: Path) -> None:
        super().__init__(filename=str(key))
        self.client = client

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> Any:
        self.client.unlink(missing_ok=True)
        base: Any = super()
        return base.sign_ssh_data(data, algorithm)


class TakingKeys(Manners):
    """Takes every key, and no password."""

    def get_allowed_auths(self, username: str) -> str:
        del username
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        del username, key
        return 0  # what paramiko calls AUTH_SUCCESSFUL


@needs_openssh
def test_our_key_is_the_one_that_was_checked(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read once, before the connection: whatever is put in its place later is not read."""
    monkeypatch.setattr(ssh_server, "KEY", Exchanging(plant.key, plant.user))
    with serving(TakingKeys(lambda visit: visit.status())) as target:
        pin = fingerprint(ssh_server.KEY.asbytes())
        _open(replace(target, ssh_fingerprint=pin, key_file=plant.user)).close()
    assert not plant.user.exists()


def test_a_signature_of_another_kind_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    key = paramiko.RSAKey.generate(2048)
    liar = Liar("rsa-sha2-512", key.asbytes(), key, "rsa-sha2-256")
    monkeypatch.setattr(ssh_server, "KEY", liar)
    manners = Counting()
    with serving(manners) as target, pytest.raises(ConnectError, match="another kind than rsa"):
        _open(target)
    assert manners.asked == 0


def test_a_host_that_becomes_another_within_a_session() -> None:
    changed = threading.Event()

    def behave(visit: Visit) -> None:
        transport = visit.channel.get_transport()
        transport.add_server_key(paramiko.ECDSAKey.generate())
        changed.set()
        transport.renegotiate_keys()
        visit.data(b"trust me")
        visit.status()
        visit.close()

    with serving(Manners(behave)) as target, closing(_open(target)) as session:
        with pytest.raises(ConnectError, match="the connection ended during a command"):
            session.run("show")
        assert changed.is_set()


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("blob", [b"", b"\0\0\0", b"\0\0\0\x0bssh", b"\0\0\0\x0bssh-ed25519"])
def test_a_key_that_is_none_is_refused_in_words(
    blob: bytes, *, pinned: bool, tmp_path: Path
) -> None:
    known = tmp_path / "known_hosts"
    known.touch()
    target = Target(name="gw1", host="gw1", known_hosts=(known,))
    made = ssh_login._Pinned((), "SHA256:x") if pinned else ssh_login._known(target)  # pyright: ignore[reportPrivateUsage] - what judges a host, without a line to one
    proof: Any = made
    with pytest.raises(paramiko.SSHException):
        proof.check(blob)
    assert proof.refusal
    assert proof.met_a_host


def test_a_library_that_would_no_longer_ask_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """paramiko's hook is its own: should it be renamed, the session must not go on."""
    library: Any = paramiko
    verify = library.Transport._verify_key
    exchange = library.kex_curve25519.KexCurve25519
    reply = exchange._parse_kexecdh_reply

    def parse(kex: Any, message: Any) -> None:
        kind: Any = kex.transport.__class__
        monkeypatch.setattr(kind, "_verify_key", verify)
        reply(kex, message)

    monkeypatch.setattr(exchange, "_parse_kexecdh_reply", parse)
    monkeypatch.setattr(library.Transport, "_preferred_kex", ("curve25519-sha256@libssh.org",))
    manners = Counting()
    with serving(manners) as target, pytest.raises(ConnectError, match="was not verified"):
        _open(target)
    assert manners.asked == 0


@pytest.fixture
def known(tmp_path: Path) -> Path:
    path = tmp_path / "known_hosts"
    key = ssh_server.KEY
    path.write_text(f"* {key.get_name()} {key.get_base64()}\n", "utf-8")
    return path


def test_keys_of_other_kinds_are_not_asked_for_first(known: Path) -> None:
    """A host with several keys shows the one that is known."""
    with serving(Counting(), paramiko.RSAKey.generate(2048)) as target:
        _open(replace(target, ssh_fingerprint="", known_hosts=(known,))).close()
        pin = fingerprint(ssh_server.KEY.asbytes())
        _open(replace(target, ssh_fingerprint=pin.removeprefix("SHA256:"))).close()
