"""Keys of both kinds, made on the spot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import asyncssh
import minisign

from segctl.transports.credentials import Secret

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = "a long winter night"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A secret key, what its owner gives to others, and a file that trusts it."""

    kind: str
    secret: Path
    public: str
    trusted: Path

    @property
    def suffix(self) -> str:
        return ".minisig" if self.kind == "minisign" else ".sig"


def ssh_keys(
    folder: Path, name: str = "alice", *, algorithm: str = "ssh-ed25519", password: str = ""
) -> Keys:
    key = cast("Any", asyncssh).generate_private_key(algorithm, comment=f"{name}@plant")
    secret = folder / f"{name}.key"
    options: dict[str, Any] = {}
    if password:
        options = {"passphrase": password, "rounds": 1, "ignore_few_rounds": True}
    secret.write_bytes(key.export_private_key(**options))
    secret.chmod(0o600)
    public = key.export_public_key().decode().strip()
    trusted = folder / f"{name}.allowed"
    trusted.write_text(f'{name}@plant namespaces="segctl-plan" {public}\n', encoding="utf-8")
    return Keys(kind="ssh", secret=secret, public=public, trusted=trusted)


def minisign_keys(folder: Path, name: str = "mini", *, password: str = "") -> Keys:
    pair = minisign.KeyPair.generate()
    if password:
        pair.secret_key.encrypt(password, opslimit=32768, memlimit=1 << 20)
    secret = folder / f"{name}.key"
    secret.write_bytes(bytes(pair.secret_key) + b"\n")
    secret.chmod(0o600)
    public = pair.public_key.to_base64().decode()
    trusted = folder / f"{name}.pub"
    trusted.write_text(f"untrusted comment: {name} of the plant\n{public}\n", encoding="utf-8")
    return Keys(kind="minisign", secret=secret, public=public, trusted=trusted)


def typed(text: str = PASSPHRASE) -> Any:
    """What asks for a password, and is told `text`."""
    return lambda: Secret(text)


def never() -> Secret:
    """What must not be asked."""
    raise AssertionError
