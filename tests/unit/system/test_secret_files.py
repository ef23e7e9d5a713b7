"""A file that holds a secret is read only where no other user of the machine decides which."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh
import pytest

from segctl.inventory.files import vault_password
from segctl.model.errors import AuthError, InventoryError, SignatureError, UsageError
from segctl.signing import open_key
from segctl.transports.credentials import Secret, secret_in
from segctl.transports.ssh_login import connect
from segctl.transports.target import Target

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


READ = (password_of, vault_of, vault_program, signing_key, login_key)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A private key, which serves as a password, too."""
    path = tmp_path / "secret"
    library: Any = asyncssh  # its types are not whole
    library.generate_private_key("ssh-ed25519").write_private_key(path)
    path.chmod(0o600)
    return path


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
    with pytest.raises((AuthError, InventoryError, SignatureError, UsageError), match=why):
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
