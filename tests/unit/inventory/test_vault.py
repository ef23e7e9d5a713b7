"""Vault texts go back and forth between segctl and ansible-vault."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segctl.inventory import VaultError, VaultSecrets, decrypt, encrypt, read_inventory
from segctl.inventory.files import vault_password
from segctl.inventory.vault import is_encrypted
from segctl.model.errors import InventoryError
from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = Secret("pa55")
OURS = VaultSecrets.of("pa55")
VAULT: Any = import_module("ansible.parsing.vault")
THEIRS = VAULT.VaultLib([("default", VAULT.VaultSecret(b"pa55"))])


@given(st.text(max_size=200), st.sampled_from(["default", "prod"]))
@settings(max_examples=20, deadline=None)
def test_round_trip_with_ansible(text: str, vault_id: str) -> None:
    sealed = encrypt(text, PASSWORD, vault_id)
    assert is_encrypted(sealed)
    assert THEIRS.decrypt(sealed).decode() == text
    theirs = THEIRS.encrypt(text, VAULT.VaultSecret(b"pa55"), vault_id)
    assert decrypt(theirs.decode(), OURS) == text


def test_the_header_is_that_of_ansible() -> None:
    assert encrypt("x", PASSWORD).startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert encrypt("x", PASSWORD, "prod").startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert max(map(len, encrypt("x" * 99, PASSWORD).splitlines())) == 80


def test_any_password_may_open_it_the_named_one_first() -> None:
    sealed = encrypt("x", PASSWORD, "prod")
    secrets = VaultSecrets.of("wrong") + VaultSecrets.of("pa55", "prod")
    assert decrypt(sealed, secrets) == "x"
    assert secrets.candidates("prod")[0] == PASSWORD
    assert decrypt(sealed, VaultSecrets.of("wrong", "prod") + VaultSecrets.of("pa55")) == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$ANSIBLE_VAULT;1.1;AES256\n6162", "damaged"),
        ("$ANSIBLE_VAULT;1.1;AES256\nxyz", "damaged"),
        ("$ANSIBLE_VAULT;1.0;AES256\n6162", "not supported"),
        ("$ANSIBLE_VAULT;1.1;ROT13\n6162", "not supported"),
        ("$ANSIBLE_VAULT", "no valid header"),
        (encrypt("x", Secret("other")), "no given vault password opens it"),
    ],
)
def test_what_cannot_be_opened(text: str, message: str) -> None:
    with pytest.raises(VaultError, match=message):
        decrypt(text, OURS)
    with pytest.raises(VaultError):
        decrypt(text, None)


def test_a_tampered_text_is_refused() -> None:
    header, *lines = encrypt("x", PASSWORD).splitlines()
    body = bytearray.fromhex("".join(lines))
    body[-1] ^= 1
    with pytest.raises(VaultError):
        decrypt(f"{header}\n{body.hex()}", OURS)


def test_the_password_comes_from_a_file_or_a_script(tmp_path: Path) -> None:
    plain, script = tmp_path / "plain", tmp_path / "script"
    plain.write_text("  pa55\n")
    script.write_text("#!/bin/sh\necho pa55\n")
    script.chmod(0o755)
    assert vault_password(plain) == vault_password(script) == PASSWORD
    assert "pa55" not in repr(VaultSecrets((("default", vault_password(plain)),)))


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("", 0o644, "empty"),
        ("#!/bin/sh\nexit 3\n", 0o755, r"failed \(3\)"),
        ("#!/no/such/program\n", 0o755, "cannot be started"),
        ("#!/bin/sh\n", 0o755, "empty"),
    ],
)
def test_a_password_file_that_gives_none(
    text: str, mode: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "password"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(InventoryError, match=message):
        vault_password(path)
    with pytest.raises(InventoryError, match="does not exist"):
        vault_password(tmp_path / "nothing")


def test_a_vaulted_inventory_source_is_read(tmp_path: Path) -> None:
    source = tmp_path / "hosts.yml"
    source.write_text(encrypt("all: {hosts: {h: {v: 1}}}\n", PASSWORD))
    inventory = read_inventory([source], vault=OURS)
    assert inventory.host_layer("h").variables == {"v": 1}
    with pytest.raises(InventoryError, match="a vault password is needed"):
        read_inventory([source])
