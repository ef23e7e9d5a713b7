"""The hours of weekly schedules, in minutes of a week from Monday 00:00."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def windows(day: str, times: Iterable[str]) -> Iterable[tuple[int, int]]:
    """Return ``08:00-16:00`` of one day, or of every day if it is ``daily``, in minutes of a week.

    An end before its beginning is on the next day.

    Raises:
        ValueError: there is no such day, or no such hours.
    """
    for number in range(7) if day == "daily" else (_DAYS.index(day),):
        for text in times:
            first, _, last = text.partition("-")
            begin, end, start = _minute(first), _minute(last), number * 1440
            if begin <= end:
                yield start + begin, start + end
            else:
                following = (number + 1) % 7 * 1440
                yield from ((start + begin, start + 1439), (following, following + end))


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return min(int(hours) * 60 + int(minutes), 1439)
