"""SSH signatures (SSHSIG): made, and checked against OpenSSH's allowed signers."""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.model.errors import SignatureError
from segctl.signing import NAMESPACE, Signer
from segctl.transports.host_keys import too_short

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from asyncssh import SSHKey

    from segctl.signing import Claim
    from segctl.signing.trusted import SshKey
    from segctl.transports.credentials import Secret

_ARMOR: Final = re.compile(
    rb"\s*-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----\s*"
)
_MAGIC: Final = b"SSHSIG"
#: The algorithms ssh-keygen accepts: no SHA-1, no DSA.
_ALGORITHMS: Final = re.compile(
    r"ssh-ed25519|ssh-ed448|rsa-sha2-(256|512)|ecdsa-sha2-nistp(256|384|521)"
    r"|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com"
)


def open_key(key: bytes, path: Path, password: Callable[[], Secret]) -> SSHKey:
    """Return a private key, after asking for its password if it has one.

    Raises:
        SignatureError: it is damaged, or the password does not open it.
    """
    import asyncssh

    try:
        try:
            private = asyncssh.import_private_key(key)
        except asyncssh.KeyImportError as error:
            if "assphrase" not in str(error):
                raise
            private = asyncssh.import_private_key(key, password().reveal())
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise SignatureError(f"the key {path} cannot be used: {error}") from error
    if short := too_short(private.public_data):
        raise SignatureError(f"the key {path} cannot be used: it is {short}")
    return private


def sign(data: bytes, key: SSHKey) -> bytes:
    """Return the armoured signature, as ``ssh-keygen -Y sign -n segctl-plan`` writes it."""
    import asyncssh

    return asyncssh.create_sshsig([key], data, namespace=NAMESPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    """The fields of an SSH signature."""

    key: bytes
    namespace: str
    algorithm: str

    @property
    def fingerprint(self) -> str:
        """The key as ``ssh-keygen -l`` shows it."""
        digest = hashlib.sha256(self.key).digest()
        return f"SHA256:{b64encode(digest).decode().rstrip('=')}"


def verify(claim: Claim, keys: Sequence[SshKey], now: datetime) -> Signer:
    """Return who signed.

    Raises:
        SignatureError: the signature does not hold.
    """
    file, path = claim.file, claim.path
    envelope = _envelope(claim.signature, path)
    if envelope.namespace != NAMESPACE:
        raise SignatureError(
            f"{path} was made for {envelope.namespace!r}, not for {NAMESPACE!r}: sign with "
            f"segctl plan --sign or ssh-keygen -Y sign -n {NAMESPACE}"
        )
    if not _ALGORITHMS.fullmatch(envelope.algorithm):
        raise SignatureError(f"{path}: signatures of type {envelope.algorithm} are not accepted")
    mine = [key for key in keys if key.data == envelope.key]
    if not mine:
        raise SignatureError(
            f"{file} is signed by the SSH key {envelope.fingerprint}, which is not trusted"
        )
    refusals = [key.refusal(NAMESPACE, now) for key in mine]
    if all(refusals):
        raise SignatureError(
            f"{file} is signed by {mine[0].principals}, but their key {refusals[0]}"
        )
    chosen = mine[refusals.index("")]
    if not _holds(claim, chosen):
        raise claim.unfit()
    return Signer(kind="ssh", name=chosen.principals, key=envelope.fingerprint)


def _holds(claim: Claim, key: SshKey) -> bool:
    """Whether the key made the signature over the content."""
    import asyncssh

    line = f"signer {key.type} {b64encode(key.data).decode()}"
    signature = claim.signature.strip() + b"\n"
    try:
        return asyncssh.validate_sshsig(claim.data, signature, "signer", line.encode())
    except (ValueError, asyncssh.Error):
        return False


def _envelope(signature: bytes, path: Path) -> _Envelope:
    match = _ARMOR.fullmatch(signature)
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - one place says what a damaged signature is
        blob = b64decode(b"".join(match[1].split()), validate=True)
        if blob[:10] != _MAGIC + (1).to_bytes(4, "big"):
            raise ValueError  # noqa: TRY301 - as above
        key, namespace, _reserved, _digest, made = _strings(blob[10:], 5)
        algorithm, *_rest = _strings(made, 2, more=True)
        return _Envelope(key=key, namespace=namespace.decode(), algorithm=algorithm.decode())
    except (ValueError, binascii.Error) as error:
        raise SignatureError(f"{path} is damaged: it is not an SSH signature") from error


def _strings(data: bytes, count: int, *, more: bool = False) -> list[bytes]:
    """Return the strings that `data` consists of, in SSH's encoding."""
    strings: list[bytes] = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError
        strings.append(data[4 : 4 + size])
        data = data[4 + size :]
    if data and not more:
        raise ValueError
    return strings
