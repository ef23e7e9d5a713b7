"""Where the history is: from an option, the environment, a file, or the user's state folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from segctl.model.errors import UsageError
from segctl.system.folders import state_folder
from segctl.transports.credentials import Secret, secret_in

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DOUBTFUL = re.compile(r"[@:=?%\x00]|^//")
_FILE = re.compile(r"sqlite:///[^:?#]*")
_CLEAN = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#@]*@)?"
    r"(?P<host>(?:[\w.-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?)"
    r"(?P<path>(?:/[^?#@%:;&=]*)?)(?:\?[^@]*)?"
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def locate(option: str | None = None, environment: Mapping[str, str] | None = None) -> Secret:
    """Return the database's URL: ``--history``, SEGCTL_HISTORY, SEGCTL_HISTORY_FILE, or SQLite.

    It may contain a password, so it is a secret.

    Raises:
        UsageError: the file that holds it cannot be used, or it is neither a URL nor a path.
    """
    env = os.environ if environment is None else environment
    if given := option or env.get("SEGCTL_HISTORY"):
        found = Secret(given)
    elif name := env.get("SEGCTL_HISTORY_FILE"):
        found = secret_in(Path(name), "SEGCTL_HISTORY_FILE")
    else:
        return Secret(f"sqlite:///{state_folder(env) / 'history.db'}")
    if not (_URL.match(found.reveal()) or is_file(found.reveal())):
        raise UsageError(
            "the history's address is neither a URL nor a plain path (it is not shown, because it "
            "may contain a password): use postgresql://USER@HOST/DATABASE, "
            "sqlite:////path/history.db, or a path without any of @ : = ? %"
        )
    return found


def is_file(address: str) -> bool:
    """Return whether an address is the path of a file.

    An address that could be an incomplete URL is not: a password in it would become a file name.
    """
    return bool(address) and not _DOUBTFUL.search(normalize("NFKC", address))


def shown(url: Secret) -> str:
    """Return a URL that is safe to print: without user, password and parameters.

    If these cannot be separated from the rest, only the scheme is returned.
    """
    address = url.reveal()
    if is_file(address) or _FILE.fullmatch(address):
        return address
    if found := _CLEAN.fullmatch(address):
        return f"{found['scheme']}://{found['host']}{found['path']}"
    found = _URL.match(address)
    return f"{found[0] if found else ''}***"


def is_clear(url: Secret) -> bool:
    """Return whether it is certain which part of an address is which, so that it is shown."""
    address = url.reveal()
    return any(one(address) for one in (is_file, _FILE.fullmatch, _CLEAN.fullmatch))
