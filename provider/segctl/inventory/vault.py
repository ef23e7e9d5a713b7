"""Ansible Vault texts: recognised, decrypted and written (formats 1.1 and 1.2, AES256)."""

from __future__ import annotations

import os
from binascii import Error as HexError
from binascii import hexlify, unhexlify
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER: Final = "$ANSIBLE_VAULT"
_ITERATIONS: Final = 10_000
_KEY: Final = 32
_BLOCK: Final = 16
_LINE: Final = 80


class VaultError(Exception):
    """A vault text that is damaged, or that no given password opens."""


@dataclass(frozen=True, slots=True)
class VaultSecrets:
    """Vault passwords by vault id, tried in order, the matching id first."""

    passwords: tuple[tuple[str, Secret], ...] = ()

    @classmethod
    def of(cls, password: str, vault_id: str = "default") -> VaultSecrets:
        """Return one password as `VaultSecrets`."""
        return cls(((vault_id, Secret(password)),))

    def __add__(self, other: VaultSecrets) -> VaultSecrets:
        """Return both together."""
        return VaultSecrets(self.passwords + other.passwords)

    def candidates(self, vault_id: str) -> tuple[Secret, ...]:
        """Return the passwords worth trying, the one with this id first."""
        ranked = sorted(self.passwords, key=lambda item: item[0] != vault_id)
        return tuple(secret for _, secret in ranked)


def is_encrypted(text: str) -> bool:
    """Tell whether `text` is a vault text."""
    return text.startswith(HEADER) and text.isascii()


def decrypt(text: str, secrets: VaultSecrets | None) -> str:
    """Return what the vault text holds.

    Raises:
        VaultError: the text is damaged, or no password opens it.

    """
    vault_id, salt, digest, ciphertext = _envelope(text)
    if secrets is None or not secrets.passwords:
        msg = "a vault password is needed"
        raise VaultError(msg)
    for secret in secrets.candidates(vault_id):
        plain = _open(secret, salt, digest, ciphertext)
        if plain is not None:
            try:
                return plain.decode()
            except UnicodeDecodeError as error:
                msg = "the decrypted text is not UTF-8"
                raise VaultError(msg) from error
    msg = f"no given vault password opens it (vault id {vault_id!r})"
    raise VaultError(msg)


def encrypt(text: str, password: Secret, vault_id: str = "default") -> str:
    """Return `text` as a vault text that `ansible-vault` reads."""
    salt = os.urandom(_KEY)
    ciphertext, digest = _seal(password, salt, text.encode())
    inner = b"\n".join((hexlify(salt), hexlify(digest), hexlify(ciphertext)))
    body = hexlify(inner).decode()
    version, suffix = ("1.1", "") if vault_id in {"", "default"} else ("1.2", f";{vault_id}")
    lines = [f"{HEADER};{version};AES256{suffix}"]
    lines += [body[at : at + _LINE] for at in range(0, len(body), _LINE)]
    return "\n".join(lines) + "\n"


def _envelope(text: str) -> tuple[str, bytes, bytes, bytes]:
    header, *lines = text.strip().splitlines()
    version, cipher, vault_id = _header(header)
    if version not in {"1.1", "1.2"} or cipher != "AES256":
        msg = f"vault format {version!r} with cipher {cipher!r} is not supported"
        raise VaultError(msg)
    try:
        inner = unhexlify("".join(line.strip() for line in lines))
        salt, digest, ciphertext = (unhexlify(part) for part in inner.split(b"\n", 2))
    except (HexError, ValueError) as error:
        msg = "the vault text is damaged"
        raise VaultError(msg) from error
    return vault_id, salt, digest, ciphertext


def _header(line: str) -> tuple[str, str, str]:
    parts: Sequence[str] = [part.strip() for part in line.split(";")]
    if parts[0] != HEADER or len(parts) < len(("header", "version", "cipher")):
        msg = "the vault text has no valid header"
        raise VaultError(msg)
    vault_id = parts[3] if len(parts) > len(("header", "version", "cipher")) else "default"
    return parts[1], parts[2], vault_id


def _keys(secret: Secret, salt: bytes) -> tuple[bytes, bytes, bytes]:
    import hashlib

    derived = hashlib.pbkdf2_hmac(
        "sha256", secret.reveal().encode(), salt, _ITERATIONS, 2 * _KEY + _BLOCK
    )
    return derived[:_KEY], derived[_KEY : 2 * _KEY], derived[2 * _KEY :]


def _seal(secret: Secret, salt: bytes, plain: bytes) -> tuple[bytes, bytes]:
    key, sign, counter = _keys(secret, salt)
    padding = _BLOCK - len(plain) % _BLOCK
    ciphertext = _aes_ctr(key, counter, plain + bytes([padding]) * padding)
    return ciphertext, _digest(sign, ciphertext)


def _open(secret: Secret, salt: bytes, digest: bytes, ciphertext: bytes) -> bytes | None:
    import hmac

    key, sign, counter = _keys(secret, salt)
    if not hmac.compare_digest(_digest(sign, ciphertext), digest):
        return None
    padded = _aes_ctr(key, counter, ciphertext)
    return padded[: -padded[-1]] if padded else padded


def _digest(key: bytes, data: bytes) -> bytes:
    import hmac

    return hmac.new(key, data, "sha256").digest()


def _aes_ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import (
        Cipher,
        algorithms,
        modes,
    )

    transform = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return transform.update(data) + transform.finalize()
