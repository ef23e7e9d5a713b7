"""Whether a time lies in a change window, and when the next window opens.

Times are wall-clock times. A time that is skipped in spring counts as one hour later; a time that
occurs twice in autumn counts as the first.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from segctl.playbook.model import DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.playbook.model import Window

#: A weekly window recurs within this many days, even if a clock change swallows one.
_AHEAD = 15


def closes(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when the window that is open at `moment` closes; None if none is open.

    Windows that follow each other without a gap count as one.
    """
    now, end = moment.astimezone(UTC), None
    for begin, until, zone in sorted(_spans(windows, now), key=_first):
        if begin <= now < until or (end is not None and begin <= end < until):
            end = max((end or until).astimezone(UTC), until).astimezone(zone)
    return end


def opens(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when the next window opens, in its own time zone."""
    now = moment.astimezone(UTC)
    later = [span for span in _spans(windows, now) if span[0] > now]
    if not later:
        return None
    begin, _, zone = min(later, key=_first)
    return begin.astimezone(zone)


#: When a window opens and closes, in UTC, and its time zone. (Python compares two times of one
#: zone by their clocks, not as instants, hence UTC.)
Span: TypeAlias = "tuple[datetime, datetime, ZoneInfo]"


def _first(span: Span) -> datetime:
    return span[0]


def _spans(windows: Iterable[Window], moment: datetime) -> Iterator[Span]:
    """Yield when the windows around `moment` open and close."""
    for window in windows:
        zone = ZoneInfo(window.timezone)
        today = moment.astimezone(zone).date()
        for day in (today + timedelta(days=number) for number in range(-1, _AHEAD)):
            if DAYS[day.weekday()] not in window.days:
                continue
            begin = datetime.combine(day, window.start, zone).astimezone(UTC)
            over = window.end is None or window.end <= window.start
            last = day + timedelta(days=1) if over else day
            end = datetime.combine(last, window.end or time(), zone).astimezone(UTC)
            if begin < end:
                yield begin, end, zone
