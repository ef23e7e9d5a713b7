"""Sets of addresses, ports, names and times in words, as lists and as one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.analysis.space import (
    ALL_ADDRESSES,
    ALL_NAMES,
    WEEK,
    common,
    intervals,
    ports_by_protocol,
    protocol_text,
    ranges,
    services_text,
    without,
)
from segctl.model.addresses import interval_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.analysis.space import Names, Numbers

ANY = "any"
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = 24 * 60


def address_texts(numbers: Numbers) -> tuple[str, ...]:
    """Return addresses as networks, hosts and ranges."""
    return tuple(map(interval_text, intervals(numbers)))


def address_list(numbers: Numbers, side: Numbers) -> list[str]:
    """Return addresses as networks, hosts and ranges; ``any`` where they are all of a side."""
    if numbers in (side, ALL_ADDRESSES):
        return [ANY]
    return list(address_texts(numbers))


def address_text(numbers: Numbers, side: Numbers) -> str:
    """Write addresses in the shorter way: those that are in, or those that are not."""
    listed = address_list(numbers, side)
    outside = address_texts(without(side, numbers))
    if listed != [ANY] and len(outside) < len(listed):
        return f"any but {', '.join(outside)}"
    return ", ".join(listed)


def service_list(numbers: Numbers) -> list[str]:
    """Return services as ``tcp/502``, several ports of a protocol as one."""
    return services_text(numbers).split(", ")


def port_texts(numbers: Numbers) -> Iterator[str]:
    """Yield services one by one: ``tcp/502``, ``udp/1-9``, ``icmp``, ``protocols 2-5``."""
    nameless: list[tuple[int, int]] = []
    for protocol, ports in ports_by_protocol(numbers):
        name = protocol_text(protocol)
        if ports is not None:
            yield f"{name}/{ports}"
        elif name.startswith("protocol "):
            nameless.append((protocol, protocol))
        else:
            yield name
    for low, high in ranges(nameless):
        yield f"protocol {low}" if low == high else f"protocols {low}-{high}"


def name_list(names: Names, nameless: str) -> list[str]:
    """Return the names that are listed, what has none as `nameless`; ``any`` for all."""
    return [ANY] if names == ALL_NAMES else sorted(name or nameless for name in names.listed)


def names_text(names: Names, nameless: str) -> str:
    """Write names, and what has none as `nameless`: ``any``, ``any but ssh``, ``ssh, web``."""
    listed = ", ".join(name_list(names, nameless))
    return f"{ANY} but {listed}" if names.but and names.listed else listed


def days_of(minutes: Numbers) -> Iterator[tuple[str, list[str]]]:
    """Yield each day of the week with its hours: ``monday``, ``08:00-17:00``; none for none."""
    for number, name in enumerate(_DAYS):
        start = number * _DAY
        parts = common(minutes, ((start, start + _DAY - 1),))
        yield name, [f"{_clock(first - start)}-{_clock(last - start)}" for first, last in parts]


def time_list(numbers: Numbers) -> list[str]:
    """Return times of the week: ``Mon 08:00-17:00``; nothing where it is all of it."""
    if numbers == WEEK:
        return []
    return [f"{day[:3].title()} {part}" for day, parts in days_of(numbers) for part in parts]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def joined(parts: Sequence[str], most: int = 8) -> str:
    """Write a list, a long one only by its beginning and how many more there are."""
    if len(parts) <= most:
        return ", ".join(parts)
    return f"{', '.join(parts[:most])} and {len(parts) - most} more"
