"""Where segctl keeps files of its own for a user, and what names it gives to files."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_NAME = 200  # bytes; file systems take 255, and suffixes are added


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return segctl's folder for state, by the XDG base directory specification."""
    env = os.environ if environment is None else environment
    given = env.get("XDG_STATE_HOME", "")
    if given.startswith("/"):  # relative paths are to be ignored
        return Path(given) / "segctl"
    return Path(env.get("HOME") or Path.home()) / ".local" / "state" / "segctl"


def file_name(name: str, suffix: str = "") -> str:
    """Return a file name for what an inventory or a device calls `name`: no two names share one.

    Letters, digits, ``_``, ``.`` and ``-`` stay; other characters, and a leading dot or dash, are
    percent-encoded. A name that is too long ends in its SHA-256 instead.
    """
    plain = re.sub(r"[^\w.-]|^[.-]", _percent, name)
    if len(plain.encode()) > _LONGEST_NAME:
        digest = hashlib.sha256(plain.encode()).hexdigest()
        plain = f"{plain[:30]}~{digest}"
    return f"{plain or '%'}{suffix}"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="surrogatepass"))


def is_file_name(name: str) -> bool:
    """Tell whether a name can stand in a path as it is: one plain, visible part of it."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    plain = name.isprintable() and "/" not in name and "\\" not in name
    return plain and 0 < size <= _LONGEST_NAME and not name.startswith((".", "-"))
