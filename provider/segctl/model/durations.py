"""Durations as people write them: ``30s``, ``5m``, ``2h``, ``7d``; one parser and one writer."""

from __future__ import annotations

import re
from typing import Final

#: What a duration may look like; a plain number is in the unit that the place has always had.
PATTERN: Final = r"^[0-9]{1,9}([.][0-9]{1,6})?[smhd]?$"
#: The same without fractions, for files.
WHOLE_PATTERN: Final = r"^[0-9]{1,9}[smhd]?$"
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_PATTERN: Final = re.compile(PATTERN, re.ASCII)


def parse_duration(text: str, *, unit: str = "s") -> float:
    """Return the seconds of a duration; a plain number counts `unit`, one of `UNITS`.

    Raises:
        ValueError: it is not a duration.
    """
    if not _PATTERN.fullmatch(text):
        message = f"{text!r} is not a duration such as 30s, 5m, 2h or 7d"
        raise ValueError(message)
    number = text.rstrip("smhd")
    return float(number) * UNITS[text[len(number) :] or unit]


def format_duration(seconds: float) -> str:
    """Write a duration in its two largest units, such as ``45s``, ``1m 20s``, ``2h``.

    A few seconds keep a fraction: ``0.5s``.
    """
    if 0 < seconds < 10 and seconds != round(seconds):
        return f"{seconds:.2g}s"
    rest = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in reversed(UNITS.items()):
        count, rest = divmod(rest, length)
        if parts and not count:
            break
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == 2:
            break
    return " ".join(parts) or "0s"
