"""The accounts segctl logs in with: secrets by host, resolved when a session opens, never shown.

Order: the environment (``SEGCTL_PASSWORD_<HOST>``, then ``SEGCTL_PASSWORD``), a file
(``SEGCTL_PASSWORD_FILE``), the inventory (``ansible_password``, plain or from Ansible Vault), the
operating system's keyring when the ``keyring`` package is installed. The user comes from
``SEGCTL_USER_<HOST>``, ``SEGCTL_USER``, then ``ansible_user``.

Work that leaves the process carries no secret: a vaulted secret travels as its vault text
(`Sealed`) and is opened where the session opens; a plain-text secret stays behind (`Withheld`).
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from segctl.model.errors import AuthError, UsageError
from segctl.system import storage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEYRING_SERVICE = "segctl"
#: Where the vault password is, on the machine that opens the session.
VAULT_PASSWORD_FILE = "SEGCTL_VAULT_PASSWORD_FILE"  # noqa: S105 - a variable's name


@dataclass(frozen=True, slots=True)
class Sealed:
    """An Ansible Vault text; it may travel, since only the vault password opens it."""

    ciphertext: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Withheld:
    """Placeholder for a secret that did not travel, so that the error can say what to do."""


class Secret:
    """A string that prints as asterisks; only `reveal` returns it.

    `sealed` is the vault text it was opened from, if any.
    """

    __slots__ = ("__weakref__", "_value", "sealed")

    def __init__(self, value: str, sealed: Sealed | None = None) -> None:
        self._value = value
        self.sealed = sealed
        _HELD[id(self)] = self

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        """Never the secret."""
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare the secrets."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash as the secret does."""
        return hash(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be pickled: secrets do not travel."""
        message = "a Secret cannot be pickled"
        raise TypeError(message)


#: Every secret that exists, for as long as it does: texts of errors must not repeat one.
_HELD: Final[WeakValueDictionary[int, Secret]] = WeakValueDictionary()


def held_secrets() -> list[str]:
    """Return every secret that this process holds.

    Objects are not searched for them (`gc.get_objects`): that breaks tuples which other threads
    are just making, with a SystemError in the middle of a change.
    """
    found = (reference() for reference in _HELD.valuerefs())
    return [secret.reveal() for secret in found if secret is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account on a device."""

    user: str
    password: Secret


def login(
    host: str,
    *,
    user: str = "",
    password: Secret | None = None,
    key_file: str = "",
    sealed: Callable[[], Secret] | None = None,
    withheld: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Login:
    """Return the account for `host`.

    Args:
        host: inventory name of the device.
        user: the host's ``ansible_user``, if any.
        password: the host's ``ansible_password``, if any.
        key_file: the host's SSH key, if any; then no password is needed.
        sealed: opens a vaulted ``ansible_password``; called only if needed.
        withheld: whether there is an ``ansible_password`` that was not sent along.
        environment: used instead of the process's own.

    Raises:
        AuthError: there is no user or no password; the message says where to put one.
    """
    env = os.environ if environment is None else environment
    key = re.sub(r"[^A-Z0-9]", "_", host.upper())
    name = env.get(f"SEGCTL_USER_{key}") or env.get("SEGCTL_USER") or user
    if not name:
        raise AuthError(host, f"no user: set ansible_user, SEGCTL_USER_{key} or SEGCTL_USER")
    own = "" if key == "FILE" else env.get(f"SEGCTL_PASSWORD_{key}")  # that one names a file
    text = own or env.get("SEGCTL_PASSWORD")
    secret = (
        Secret(text)
        if text
        else _from_file(host, env)
        or password
        or (sealed() if sealed else None)
        or _from_keyring(host, name)
    )
    if secret is None and key_file:
        return Login(user=name, password=Secret(""))
    if secret is None and withheld:
        raise AuthError(
            host,
            f"no password for {name} on this worker: ansible_password is plain text in the "
            "inventory, and plain-text passwords are not sent to workers. Make it a "
            "!vault value and set SEGCTL_VAULT_PASSWORD_FILE on the workers, or set "
            f"SEGCTL_PASSWORD_{key} or SEGCTL_PASSWORD_FILE there",
        )
    if secret is None:
        raise AuthError(
            host,
            f"no password for {name}: set SEGCTL_PASSWORD_{key}, SEGCTL_PASSWORD_FILE, "
            "ansible_password (in Ansible Vault) or store a password in the keyring",
        )
    return Login(user=name, password=secret)


def _from_file(host: str, env: Mapping[str, str]) -> Secret | None:
    if not (name := env.get("SEGCTL_PASSWORD_FILE")):
        return None
    try:
        return secret_in(Path(name), "SEGCTL_PASSWORD_FILE")
    except UsageError as error:
        raise AuthError(host, str(error)) from error


def secret_in(file: Path, variable: str) -> Secret:
    """Return the secret in the file that `variable` names.

    If another user, such as root, owns the file, its group may read it: that is how systemd and
    Kubernetes hand a secret to a service that does not own it.

    Raises:
        UsageError: the file cannot be read, is empty, is readable by others, or others could
            decide which file is read.
    """
    path = file.expanduser()

    def private(status: os.stat_result) -> None:
        ours = status.st_uid == os.geteuid()
        if status.st_mode & (stat.S_IROTH | (stat.S_IRGRP if ours else 0)):
            raise UsageError(f"{path} is readable by others: chmod 600 {path}")

    try:
        text = storage.read(path, private).decode().rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"{variable} {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{variable} {path} is not UTF-8 text") from None
    if not text:
        raise UsageError(f"{variable} {path} is empty")
    return Secret(text)


def _from_keyring(host: str, user: str) -> Secret | None:
    try:
        keyring = import_module("keyring")
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - as below
        raise _silent(host, error) from None
    try:
        password = keyring.get_password(KEYRING_SERVICE, f"{user}@{host}")
    except Exception as error:  # noqa: BLE001 - what backends raise says what they like
        if type(error).__name__ == "NoKeyringError":  # a machine without one, such as a server
            return None
        raise _silent(host, error) from None
    return Secret(password) if isinstance(password, str) else None


def _silent(host: str, error: Exception) -> AuthError:
    """Return the error for a keyring that fails, without its words."""
    return AuthError(
        host,
        f"the keyring does not respond ({type(error).__name__}): unlock it, or set SEGCTL_PASSWORD",
    )
