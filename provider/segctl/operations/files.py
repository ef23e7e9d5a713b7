"""What operations write: one error, in the user's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.errors import PlanError, UsageError
from segctl.system import storage

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, text: str, *, mode: int = storage.PRIVATE) -> None:
    """Write a file whole or not at all, readable by its owner only unless `mode` says more.

    Raises:
        PlanError: it cannot be written, or others could decide where it goes.
    """
    try:
        storage.write(path, text.encode(), mode=mode)
    except OSError as error:
        raise PlanError(
            f"cannot write {path}: {error.strerror}; nothing was saved and no device was changed"
        ) from error


def check(path: Path, done: str = "; no device was read") -> Path:
    """Return a path without links if a file could be written there now.

    Raises:
        UsageError: it could not; the message ends in `done`.
    """
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}{done}")
    try:
        return storage.check(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}{done}") from error
