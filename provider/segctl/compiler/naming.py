"""Names of objects and rules: short enough for a platform, stable."""

from __future__ import annotations

import hashlib
import re
from functools import cache

_compiled = cache(re.compile)
_SUFFIX = 8  # hexadecimal digits of the hash that keeps a shortened name unique


def shorten(name: str, limit: int, forbidden: str = r"[^0-9A-Za-z._-]") -> str:
    """Return `name` with forbidden characters replaced, at most `limit` characters long.

    A name that had to change ends in a hash of the original, so it stays the same from run to
    run and two long names that begin alike stay apart.
    """
    plain = _compiled(forbidden).sub("_", name)
    if plain == name and len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_SUFFIX]
    return f"{plain[: limit - _SUFFIX - 1]}-{digest}"
