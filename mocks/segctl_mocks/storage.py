"""Files of mocks: complete or absent, private to their owner, named after their subject."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 100
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write(path: Path, data: bytes) -> None:
    """Put a private file in its place in one step; a link in its place is replaced, not followed.

    The folder is made where it is missing.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f".{secrets.token_hex(16)}.new")
    descriptor = os.open(scratch, _NEW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        scratch.replace(path)
    except BaseException:
        with suppress(OSError):
            scratch.unlink()
        raise


def file_name(name: str) -> str:
    """Return a file or folder name for `name`, whatever it contains; no two share one."""
    plain = re.sub(r"[^\w.-]|^[.-]", _percent, name)
    if len(plain) > _LONGEST:
        plain = f"{plain[:30]}~{hashlib.sha256(plain.encode()).hexdigest()}"
    return plain or "%"


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="surrogatepass"))
