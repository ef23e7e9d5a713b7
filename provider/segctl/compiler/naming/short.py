"""Names that are too long for a platform: cut, and told apart by a hash."""

from __future__ import annotations

import hashlib
import re
from functools import cache

_compiled = cache(re.compile)
_SUFFIX = 8  # hexadecimal digits of the hash that keeps a shortened name unique
_HASHED = re.compile(rf"-[0-9a-f]{{{_SUFFIX}}}\Z")


def shorten(name: str, limit: int, forbidden: str = r"[^0-9A-Za-z._-]") -> str:
    """Return `name` with forbidden characters replaced, at most `limit` characters long.

    A name that had to change ends in a hash of the original, so it stays the same from run to
    run and two long names that begin alike stay apart.
    """
    plain = _compiled(forbidden).sub("_", name)
    if plain == name and len(name) <= limit:
        return name
    return f"{plain[: limit - _SUFFIX - 1]}-{digest(name)}"


def digest(text: str) -> str:
    """Return the hash that stands for `text` in a name."""
    return hashlib.sha256(text.encode()).hexdigest()[:_SUFFIX]


def is_shortened(name: str, limit: int) -> bool:
    """Whether `name` may be what `shorten` made of a longer one.

    So is a name of just that length that happens to end like one: it decodes to nothing either.
    """
    return len(name) >= limit and has_digest(name)


def has_digest(name: str) -> bool:
    """Whether `name` ends as `shorten` ends a name."""
    return _HASHED.search(name) is not None
