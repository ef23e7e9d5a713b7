"""Whether a moment lies in a change window, and when the next one opens.

Times are those of a wall clock: one that a change to summer time leaves out counts an hour later,
one that comes twice in autumn counts as its first.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from segctl.playbook.model import DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.playbook.model import Window

#: A weekly window comes again within this many days, one that a clock change swallows later.
_AHEAD = 15


def closes(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when the window that is open at `moment` closes; None where none is open.

    Windows that follow each other without a gap count as one.
    """
    now, end = moment.astimezone(UTC), None
    for begin, until, zone in sorted(_spans(windows, now), key=_first):
        if begin <= now < until or (end is not None and begin <= end < until):
            end = max((end or until).astimezone(UTC), until).astimezone(zone)
    return end


def opens(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """Return when a window opens next, in its own time zone."""
    now = moment.astimezone(UTC)
    later = [span for span in _spans(windows, now) if span[0] > now]
    if not later:
        return None
    begin, _, zone = min(later, key=_first)
    return begin.astimezone(zone)


#: When a window opens and closes, in UTC (two times of one zone compare by their clocks, not by
#: their moments), and the zone it is in.
Span: TypeAlias = "tuple[datetime, datetime, ZoneInfo]"


def _first(span: Span) -> datetime:
    return span[0]


def _spans(windows: Iterable[Window], moment: datetime) -> Iterator[Span]:
    """Yield when the windows around a moment open and close."""
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
