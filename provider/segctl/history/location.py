"""Where the history is: an option, the environment, a file, or the user's own state folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.credentials import Secret, secret_in
from segctl.folders import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping


def locate(option: str | None = None, environment: Mapping[str, str] | None = None) -> Secret:
    """Return the database's URL: ``--history``, SEGCTL_HISTORY, SEGCTL_HISTORY_FILE, or SQLite.

    It may hold a password, so it is a secret.

    Raises:
        UsageError: the file that should hold it cannot be used.
    """
    env = os.environ if environment is None else environment
    if given := option or env.get("SEGCTL_HISTORY"):
        return Secret(given)
    if name := env.get("SEGCTL_HISTORY_FILE"):
        return secret_in(Path(name), "SEGCTL_HISTORY_FILE")
    return Secret(f"sqlite:///{state_folder(env) / 'history.db'}")


def shown(url: Secret) -> str:
    """Return a URL as it may be printed: without user, password and parameters."""
    scheme, separator, rest = url.reveal().partition("://")
    if not separator:
        return scheme
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
