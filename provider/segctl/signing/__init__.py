"""Detached signatures over the exact bytes of a file, as ``ssh-keygen -Y`` and ``minisign`` do.

A signature lies beside its file: ``plan.json.sig`` for an SSH key, ``plan.json.minisig`` for a
minisign key. The libraries for the two formats load when needed.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from segctl.model.errors import SignatureError
from segctl.system import storage
from segctl.system.handed import read_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from typing import TypeAlias

    from segctl.transports.credentials import Secret

#: The namespace of our SSH signatures: a signature for another one does not count.
NAMESPACE: Final = "segctl-plan"
#: A key or signature file larger than this is refused.
_MOST: Final = 1 << 20

Kind: TypeAlias = Literal["ssh", "minisign"]
SUFFIXES: Final[dict[Kind, str]] = {"ssh": ".sig", "minisign": ".minisig"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature to be written beside its file."""

    kind: Kind
    text: bytes

    def beside(self, file: Path) -> Path:
        """Return its path."""
        return signature_path(file, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The signer: the name in the trusted keys file, and the key."""

    kind: Kind
    name: str
    key: str

    def __str__(self) -> str:
        """Name and key."""
        key = f"{self.kind} key {self.key}"
        return f"{self.name} ({key})" if self.name else key


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The content of a file, and of its alleged signature."""

    data: bytes
    file: Path
    signature: bytes
    path: Path

    def unfit(self) -> SignatureError:
        """Return the error for a signature that does not match this content."""
        return SignatureError(
            f"the signature does not match: {self.file} or {self.path.name} was changed"
        )


def signature_path(file: Path, kind: Kind) -> Path:
    """Return the path of a file's signature of one kind."""
    return file.with_name(file.name + SUFFIXES[kind])


def open_key(key: Path, password: Callable[[], Secret]) -> Callable[[bytes, str], Signature]:
    """Return a function that signs a file's content and name; `password` is called if needed.

    Raises:
        SignatureError: the key cannot be used.
    """
    text = _secret_key(key)
    if text.startswith(b"untrusted comment:"):
        from segctl.signing import minisign

        secret = minisign.open_key(text, key, password)
        return lambda data, name: Signature(kind="minisign", text=minisign.sign(data, name, secret))
    if text.startswith(b"-----BEGIN "):
        from segctl.signing import ssh

        private = ssh.open_key(text, key, password)
        return lambda data, _name: Signature(kind="ssh", text=ssh.sign(data, private))
    raise SignatureError(
        f"{key} is not a secret key: give an SSH private key or a minisign secret key"
    )


def _secret_key(path: Path) -> bytes:
    def private(status: os.stat_result) -> None:
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SignatureError(f"{path} is readable by others: chmod 600 {path}")
        _check_size(path, status)

    try:
        return storage.read(path, private)
    except OSError as error:
        raise SignatureError(f"cannot read the key {path}: {error.strerror}") from error


def verify(data: bytes, file: Path, keys: Path, now: datetime) -> tuple[Signer, ...]:
    """Return who signed `data`, the content of `file`.

    There must be a signature, and every signature beside the file must hold whose kind occurs in
    `keys`.

    Raises:
        SignatureError: it is not signed, was changed, was not signed by a trusted key, or others
            could decide which keys are trusted.
    """
    from segctl.signing.trusted import read_trusted

    try:
        text = storage.read(keys, lambda status: _check_size(keys, status))
    except OSError as error:
        raise SignatureError(f"cannot read the trusted keys {keys}: {error.strerror}") from error
    trusted = read_trusted(text, keys)
    wanted: dict[Kind, bool] = {"ssh": bool(trusted.ssh), "minisign": bool(trusted.minisign)}
    paths = {kind: signature_path(file, kind) for kind, has_keys in wanted.items() if has_keys}
    signatures = {kind: path for kind, path in paths.items() if path.is_file()}
    if not signatures:
        names = " or ".join(path.name for path in paths.values())
        raise SignatureError(f"{file} is not signed: there is no {names} beside it")
    signers: list[Signer] = []
    for kind, path in signatures.items():
        claim = Claim(data=data, file=file, signature=_signature(path), path=path)
        if kind == "ssh":
            from segctl.signing import ssh

            signers.append(ssh.verify(claim, trusted.ssh, now))
        else:
            from segctl.signing import minisign

            signers.append(minisign.verify(claim, trusted.minisign))
    return tuple(signers)


def signatures_of(file: Path) -> tuple[Path, ...]:
    """Return the signatures beside a file, unchecked."""
    paths = (signature_path(file, kind) for kind in SUFFIXES)
    return tuple(path for path in paths if path.is_file())


def _signature(path: Path) -> bytes:
    try:
        return _content(path)
    except OSError as error:
        raise SignatureError(f"cannot read the signature {path}: {error.strerror}") from error


def _content(path: Path) -> bytes:
    _check_size(path, path.stat())
    return read_bytes(path)


def _check_size(path: Path, status: os.stat_result) -> None:
    if status.st_size > _MOST:
        raise SignatureError(f"{path} is too large to be a key or a signature")
