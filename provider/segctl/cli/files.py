"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from segctl.errors import PlanError

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all, readable by its owner only unless `mode` says more."""
    try:
        if path.exists() and not path.is_file():  # a pipe, a terminal, a device
            path.write_text(text, encoding="utf-8")
            return
        _replace(path.resolve(), text, mode)
    except OSError as error:
        raise PlanError(
            f"cannot write {path}: {error.strerror}; nothing was saved and no device was changed"
        ) from error


def _replace(path: Path, text: str, mode: int) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(descriptor, mode)  # whatever the umask
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
