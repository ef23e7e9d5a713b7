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
        replace(path.resolve(), text.encode(), mode)
    except OSError as error:
        raise PlanError(
            f"cannot write {path}: {error.strerror}; nothing was saved and no device was changed"
        ) from error


def replace(path: Path, data: bytes, mode: int) -> None:
    """Put `data` in the place of a file in one step; what was there stays if that fails."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
