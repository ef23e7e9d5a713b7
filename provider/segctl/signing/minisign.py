"""minisign signatures: made, and checked against a file of public keys."""

from __future__ import annotations

import time
from base64 import b64decode
from typing import TYPE_CHECKING

from segctl.model.errors import SignatureError
from segctl.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from minisign import SecretKey

    from segctl.signing import Claim
    from segctl.signing.trusted import MinisignKey
    from segctl.transports.credentials import Secret


def open_key(key: bytes, path: Path, password: Callable[[], Secret]) -> SecretKey:
    """Return a secret key, after asking for its password if it has one.

    Raises:
        SignatureError: it is damaged, or the password does not open it.
    """
    import minisign

    try:
        secret = minisign.SecretKey.from_bytes(key)
        if secret.is_encrypted():
            secret.decrypt(password().reveal())
    except minisign.Error as error:
        raise SignatureError(f"the key {path} cannot be used: {error}") from error
    return secret


def sign(data: bytes, name: str, key: SecretKey) -> bytes:
    """Return the signature, as ``minisign -S`` writes it."""
    label = "".join(char for char in name if " " <= char < "\x7f")
    comment = f"timestamp:{int(time.time())}\tfile:{label}\thashed"
    return bytes(key.sign(data, trusted_comment=comment)) + b"\n"


def verify(claim: Claim, keys: Sequence[MinisignKey]) -> Signer:
    """Return who signed.

    Raises:
        SignatureError: the signature does not hold.
    """
    import minisign

    try:
        made = minisign.Signature.from_bytes(claim.signature)
        key_id = b64decode(claim.signature.splitlines()[1])[2:10]
    except (minisign.Error, ValueError) as error:
        raise SignatureError(f"{claim.path} is damaged: it is not a minisign signature") from error
    name = f"{int.from_bytes(key_id, 'little'):016X}"
    mine = [key for key in keys if key.key_id == key_id]
    if not mine:
        raise SignatureError(
            f"{claim.file} is signed by the minisign key {name}, which is not trusted"
        )
    for key in mine:
        try:
            minisign.PublicKey.from_base64(key.text).verify(claim.data, made)
        except (minisign.Error, ValueError):
            continue
        return Signer(kind="minisign", name=key.name, key=name)
    raise claim.unfit()
