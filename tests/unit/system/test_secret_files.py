"""A file of a secret or of trust is read only where no other user of the machine decides which."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from segctl.drift.history.store import opened
from segctl.inventory.files import vault_password
from segctl.model.errors import (
    AuthError,
    ConnectError,
    HistoryError,
    InventoryError,
    SignatureError,
    UsageError,
)
from segctl.playbook import Reach
from segctl.playbook.run.probes import unusable
from segctl.signing import open_key, verify
from segctl.system import storage
from segctl.system.certificates import verifying
from segctl.system.children import run_child
from segctl.transports.credentials import Secret, secret_in
from segctl.transports.https import context
from segctl.transports.ssh_login import connect
from segctl.transports.target import Target
from segctl_mocks.tls import Authority

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")


def password_of(path: Path) -> None:
    assert secret_in(path, "SEGCTL_PASSWORD_FILE").reveal()


def vault_of(path: Path) -> None:
    assert vault_password(path).reveal()


def vault_program(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\necho pa55\n")
    path.chmod(0o700)
    assert vault_password(path).reveal() == "pa55"


def signing_key(path: Path) -> None:
    open_key(path, lambda: Secret(""))


def login_key(path: Path) -> None:
    """Log in, to where nobody listens: the key is read before."""
    try:
        connect(Target(name="gw", host="127.0.0.1", port=1, key_file=path), "linux", _soon())
    except AuthError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever comes after the key
        assert "key" not in str(error)  # noqa: PT017 - any error but those of the key


def _soon() -> float:
    return time.monotonic() + 60


def known_hosts(path: Path) -> None:
    with pytest.raises(ConnectError) as refused:
        connect(Target(name="gw", host="127.0.0.1", port=1, known_hosts=(path,)), "linux", _soon())
    if "no connection to" not in str(refused.value):
        raise refused.value


def ca_file(path: Path) -> None:
    path.write_bytes(CERTIFICATES)
    assert context(Target(name="fw1", host="fw1", ca_file=path)).cert_store_stats()["x509_ca"] == 1


def ca_file_of_a_probe(path: Path) -> None:
    path.write_bytes(CERTIFICATES)
    why = unusable(Reach(kind="tls", host="plc1", port=443, ca_file=str(path)))
    if why:
        raise UsageError(why)


def store_of_the_environment(path: Path) -> None:
    path.write_bytes(CERTIFICATES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(path))
        patch.setenv("SSL_CERT_DIR", "/nowhere")
        try:
            assert verifying().cert_store_stats()["x509_ca"] == 1
        except OSError as error:
            raise UsageError(str(error)) from error


def folder_of_the_environment(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_DIR", f"/etc/ssl/certs:{path.parent}")
        try:
            verifying()
        except OSError as error:
            raise UsageError(str(error)) from error


def trusted_keys(path: Path) -> None:
    library: Any = asyncssh  # its types are not whole
    key = library.generate_private_key("ssh-ed25519").export_public_key("openssh")
    path.write_bytes(b'* namespaces="segctl-plan" ' + key)
    file = path.with_name("plan.json")
    with pytest.raises(SignatureError) as refused:
        verify(b"{}", file, path, datetime.now(UTC))
    if "there is no plan.json.sig" not in str(refused.value):
        raise refused.value


def authority_of_a_history(path: Path) -> None:
    """Open a history where nobody listens: the files are read before."""
    pytest.importorskip("psycopg")
    for name in ("sslrootcert", "sslcrl", "sslkey"):
        url = f"postgresql://segctl@127.0.0.1:1/h?{name}={path}"
        with pytest.raises(HistoryError) as refused, opened(Secret(url), patience=60):
            pass
        if "cannot use" in str(refused.value):
            raise refused.value


#: A line that is not ASCII stands above it, as in the bundles of some authorities.
CERTIFICATES = "F\u0151tan\u00fas\u00edtv\u00e1ny\n".encode() + Authority.create().certificate

SECRETS = (password_of, vault_of, vault_program, signing_key, login_key)
TRUST = (
    *(known_hosts, ca_file, ca_file_of_a_probe, store_of_the_environment),
    *(trusted_keys, authority_of_a_history),
)
READ = (*SECRETS, *TRUST)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A private key, which serves as a password, too."""
    path = tmp_path / "secret"
    library: Any = asyncssh  # its types are not whole
    library.generate_private_key("ssh-ed25519").write_private_key(path)
    path.chmod(0o600)
    return path


REFUSED = (*(AuthError, ConnectError, HistoryError, InventoryError, SignatureError, UsageError),)


def another(path: Path) -> Path:
    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return path


def folder(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def in_a_folder_of_everybody(secret: Path) -> Path:
    return secret.rename(folder(secret.parent / "shared", 0o777) / "secret")


def by_a_link_in_a_folder_of_everybody(secret: Path) -> Path:
    link = folder(secret.parent / "shared", 0o777) / "link"
    link.symlink_to(secret)
    return link


def by_the_link_of_another(secret: Path) -> Path:
    link = folder(secret.parent / "sticky", 0o1777) / "link"
    link.symlink_to(secret)
    return another(link)


def by_the_linked_folder_of_another(secret: Path) -> Path:
    link = folder(secret.parent / "sticky", 0o1777) / "link"
    link.symlink_to(secret.parent)
    return another(link) / secret.name


def of_another(secret: Path) -> Path:
    return another(secret.rename(folder(secret.parent / "sticky", 0o1777) / "secret"))


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    ("place", "why"),
    [
        (in_a_folder_of_everybody, "every user of this machine can write to .*chmod go-w"),
        (by_a_link_in_a_folder_of_everybody, "is a link in a folder that every user"),
        pytest.param(by_the_link_of_another, "is a link that nobody made", marks=as_root),
        pytest.param(by_the_linked_folder_of_another, "is a link that nobody made", marks=as_root),
        pytest.param(of_another, "already exists and belongs to nobody", marks=as_root),
    ],
)
def test_no_other_user_decides_which_file_is_read(
    secret: Path, read: Callable[[Path], None], place: Callable[[Path], Path], why: str
) -> None:
    with pytest.raises(REFUSED, match=why):
        read(place(secret))


def itself(secret: Path) -> Path:
    return secret


def by_an_own_link(secret: Path) -> Path:
    link = secret.with_name("link")
    link.symlink_to(secret.name)
    return link


def in_a_volume_of_kubernetes(secret: Path) -> Path:
    """Two links on the way, in a folder that everybody may write to and that is sticky."""
    volume = folder(secret.parent / "volume", 0o3777)
    secret.rename(folder(volume / "..2026_11_30", 0o2755) / "secret")
    (volume / "..data").symlink_to("..2026_11_30")
    (volume / "secret").symlink_to("..data/secret")
    return volume / "secret"


def among_credentials_of_systemd(secret: Path) -> Path:
    place = folder(secret.parent / "credentials", 0o700)
    secret.rename(place / "secret").chmod(0o400)
    place.chmod(0o500)
    return place / "secret"


@pytest.mark.parametrize("read", [read for read in READ if read is not vault_program])
@pytest.mark.parametrize(
    "place", [itself, by_an_own_link, in_a_volume_of_kubernetes, among_credentials_of_systemd]
)
def test_own_links_and_mounted_secrets_are_read(
    secret: Path, read: Callable[[Path], None], place: Callable[[Path], Path]
) -> None:
    read(place(secret))


def test_a_secret_from_a_pipe_is_read() -> None:
    ends = os.pipe()
    try:
        os.write(ends[1], b"hunter2\n")
        os.close(ends[1])
        assert secret_in(Path(f"/dev/fd/{ends[0]}"), "SEGCTL_PASSWORD_FILE").reveal() == "hunter2"
    finally:
        os.close(ends[0])


@pytest.mark.parametrize("way", ["SSL_CERT_DIR", "own folder in one of everybody"])
def test_what_is_opened_by_its_path_is_not_exchanged_after_the_look(secret: Path, way: str) -> None:
    """A store in a folder is OpenSSL's to open; a program is the system's."""
    if way == "SSL_CERT_DIR":
        with pytest.raises(UsageError, match="every user of this machine can write to"):
            folder_of_the_environment(in_a_folder_of_everybody(secret))
        return
    inner = folder(folder(secret.parent / "shared", 0o777) / "inner", 0o700)
    secret.rename(inner / "secret")
    password_of(inner / "secret")  # held open while it is read
    with pytest.raises(InventoryError, match=r"every user .* also between the look and the use"):
        vault_program(inner / "secret")


@as_root
def test_root_runs_the_program_of_another(tmp_path: Path) -> None:
    """In a container, root runs what belongs to whoever checked it out."""
    place = another(folder(tmp_path / "checkout", 0o755))
    (place / "vault-pass").touch()
    vault_program(another(place / "vault-pass"))


def test_a_program_that_is_a_link_sees_its_own_name(tmp_path: Path) -> None:
    """Shims of version managers are one program, which goes by the name it was started with."""
    (tmp_path / "vault-client").symlink_to(sys.executable)
    done = run_child(
        [str(tmp_path / "vault-client"), "-S", "-c", "import sys; print(sys.orig_argv[0])"],
        timeout=60,
        program=str(storage.program(tmp_path / "vault-client")),
    )
    assert done.out.decode().strip() == str(tmp_path / "vault-client")
