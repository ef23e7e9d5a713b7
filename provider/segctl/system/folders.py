"""Where segctl keeps its own files for a user, and how it names files."""

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
    """Return segctl's state folder, following the XDG base directory specification."""
    env = os.environ if environment is None else environment
    given = env.get("XDG_STATE_HOME", "")
    if given.startswith("/"):  # relative paths are to be ignored
        return Path(given) / "segctl"
    return Path(env.get("HOME") or Path.home()) / ".local" / "state" / "segctl"


def file_name(name: str, suffix: str = "") -> str:
    """Return a file name for a name from an inventory or a device: no two names share one.

    Letters, digits, ``_``, ``.`` and ``-`` stay; other characters, and a leading dot or dash, are
    percent-encoded. A name that is too long is cut and ends in its SHA-256.
    """
    plain = re.sub(r"[^\w.-]|^[.-]", _percent, name)
    if len(plain.encode()) > _LONGEST_NAME:
        digest = hashlib.sha256(plain.encode()).hexdigest()
        plain = f"{plain[:30]}~{digest}"
    return f"{plain or '%'}{suffix}"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="surrogatepass"))


def is_file_name(name: str) -> bool:
    """Return whether a name can be used as it is as one plain, visible part of a path."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    plain = name.isprintable() and "/" not in name and "\\" not in name
    return plain and 0 < size <= _LONGEST_NAME and not name.startswith((".", "-"))
