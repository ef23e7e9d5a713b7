"""Sets of addresses, ports, names and times as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.analysis.space import (
    ALL_ADDRESSES,
    DAYS,
    WEEK,
    intervals,
    services_text,
    without,
)
from segctl.model.addresses import interval_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.analysis.space import Names, Numbers

ANY = "any"
_DAY = 24 * 60


def address_list(numbers: Numbers, side: Numbers) -> list[str]:
    """Return addresses as networks, hosts and ranges; ``any`` where they are all of a side."""
    if numbers in (side, ALL_ADDRESSES):
        return [ANY]
    return [interval_text(part) for part in intervals(numbers)]


def address_text(numbers: Numbers, side: Numbers) -> str:
    """Write addresses in the shorter way: those that are in, or those that are not."""
    listed = address_list(numbers, side)
    outside = intervals(without(side, numbers))
    if listed != [ANY] and len(outside) < len(listed):
        return f"any but {', '.join(map(interval_text, outside))}"
    return ", ".join(listed)


def service_list(numbers: Numbers) -> list[str]:
    """Return services as ``tcp/502``, several ports of a protocol as one."""
    return services_text(numbers).split(", ")


def names_text(names: Names, nameless: str) -> str:
    """Write names, and what has none as `nameless`: ``any``, ``any but ssh``, ``ssh, web``."""
    listed = ", ".join(name or nameless for name in sorted(names.listed))
    if not names.but:
        return listed
    return f"{ANY} but {listed}" if listed else ANY


def time_list(numbers: Numbers) -> list[str]:
    """Return times of the week: ``Mon 08:00-17:00``; nothing where it is all of it."""
    if numbers == WEEK:
        return []
    found: list[str] = []
    for first, last in numbers:
        for day in range(first // _DAY, last // _DAY + 1):
            begin = max(first - day * _DAY, 0)
            end = min(last - day * _DAY, _DAY - 1)
            found.append(f"{DAYS[day]} {_clock(begin)}-{_clock(end)}")
    return found


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def joined(parts: Sequence[str], most: int = 8) -> str:
    """Write a list, a long one only by its beginning and how many more there are."""
    if len(parts) <= most:
        return ", ".join(parts)
    return f"{', '.join(parts[:most])} and {len(parts) - most} more"
