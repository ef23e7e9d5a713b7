"""Whether a moment lies in a change window, and when the next one opens.

Times are those of a wall clock: one that a change to summer time leaves out counts an hour later,
one that comes twice in autumn counts as its first.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from segctl.playbook.model import DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from segctl.playbook.model import Window

#: A weekly window comes again within this many days, one that a clock change swallows later.
_AHEAD = 15


def closes(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when the window that is open at `moment` closes; None where none is open.

    Windows that follow each other without a gap count as one.
    """
    end = None
    for begin, until in sorted(_spans(windows, moment)):
        if begin <= moment < until or (end is not None and begin <= end < until):
            end = max(end or until, until)
    return end


def opens(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when a window opens next, in its own time zone."""
    later = [begin for begin, _ in _spans(windows, moment) if begin > moment]
    return min(later, default=None)


def _spans(windows: Iterable[Window], moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield when the windows around a moment open and close."""
    for window in windows:
        zone = ZoneInfo(window.timezone)
        today = moment.astimezone(zone).date()
        for day in (today + timedelta(days=number) for number in range(-1, _AHEAD)):
            if DAYS[day.weekday()] not in window.days:
                continue
            begin = _local(day, window.start, zone)
            over = window.end is None or window.end <= window.start
            last = day + timedelta(days=1) if over else day
            end = _local(last, window.end or time(), zone)
            if begin < end:
                yield begin, end


def _local(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return a wall clock's time as a moment that compares with others."""
    return datetime.combine(day, clock, zone).astimezone(UTC).astimezone(zone)
