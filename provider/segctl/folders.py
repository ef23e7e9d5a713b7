"""Where segctl keeps files of its own for a user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return segctl's folder for state, by the XDG base directory specification."""
    env = os.environ if environment is None else environment
    given = env.get("XDG_STATE_HOME", "")
    if given.startswith("/"):  # relative paths are to be ignored
        return Path(given) / "segctl"
    return Path(env.get("HOME") or Path.home()) / ".local" / "state" / "segctl"
