"""Change windows: nights, weeks, clocks that change, and when the next one opens."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segctl.playbook import Window, closes, opens
from segctl.playbook.model import DAYS

#: A machine under load is slow at everything.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Window(days=("mon",), start=time(22), end=time(4), timezone="Europe/Berlin")


def at(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-11-30 21:59", None),  # a Monday
        ("2026-11-30 22:00", "2026-12-01 04:00"),
        ("2026-12-01 03:59", "2026-12-01 04:00"),  # the night of Monday is Tuesday's too
        ("2026-12-01 04:00", None),
        ("2026-12-01 22:30", None),
        ("2026-11-30 03:00", None),
    ],
)
def test_a_night_belongs_to_the_day_it_began_on(moment: str, until: str | None) -> None:
    assert closes([NIGHT], at(moment)) == (at(until) if until else None)


def test_a_moment_of_another_time_zone_is_the_same_moment() -> None:
    assert closes([NIGHT], datetime(2026, 11, 30, 21, 30, tzinfo=UTC)) == at("2026-12-01 04:00")


def test_windows_that_meet_are_one() -> None:
    evening = Window(start=time(20), end=None, timezone="Europe/Berlin")
    morning = Window(start=time(0), end=time(6), timezone="Europe/Berlin")
    assert closes([morning, evening], at("2026-11-30 21:00")) == at("2026-12-01 06:00")
    assert closes([evening], at("2026-11-30 21:00")) == at("2026-12-01 00:00")


def test_when_it_opens_next() -> None:
    assert opens([NIGHT], at("2026-12-01 05:00")) == at("2026-12-07 22:00")
    assert opens([NIGHT], at("2026-11-30 12:00")) == at("2026-11-30 22:00")
    later = Window(days=("tue",), start=time(1), end=time(2), timezone="Europe/Berlin")
    assert opens([NIGHT, later], at("2026-11-30 23:00")) == at("2026-12-01 01:00")
    assert str(opens([NIGHT], at("2026-12-01 05:00"))) == "2026-12-07 22:00:00+01:00"


def test_a_night_in_which_the_clock_changes_is_as_long_as_it_is() -> None:
    saturday = Window(days=("sat",), start=time(22), end=time(4), timezone="Europe/Berlin")
    spring, autumn = at("2026-03-28 22:00"), at("2026-10-24 22:00")
    for begin, hours in ((spring, 5), (autumn, 7)):
        until = closes([saturday], begin)
        assert until is not None
        assert until.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=hours)


def test_a_time_that_the_clock_leaves_out_counts_an_hour_later() -> None:
    gap = Window(start=time(2, 30), end=time(5), timezone="Europe/Berlin")
    assert closes([gap], at("2026-03-29 03:29")) is None
    assert closes([gap], at("2026-03-29 03:30")) == at("2026-03-29 05:00")
    swallowed = Window(start=time(2, 30), end=time(3), timezone="Europe/Berlin")
    assert closes([swallowed], at("2026-03-29 03:30")) is None


def test_a_time_that_comes_twice_counts_as_its_first() -> None:
    twice = Window(start=time(1), end=time(2, 30), timezone="Europe/Berlin")
    assert closes([twice], at("2026-10-25 02:29")) is not None
    assert closes([twice], at("2026-10-25 02:29", fold=1)) is None


CLOCKS = st.times().map(lambda found: found.replace(second=0, microsecond=0, fold=0))
WINDOWS = st.builds(
    Window,
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
    start=CLOCKS,
    end=st.none() | CLOCKS,
    timezone=st.sampled_from(["Europe/Berlin", "UTC", "America/New_York", "Asia/Kolkata"]),
).filter(lambda window: window.start != window.end)
MOMENTS = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2027, 12, 31),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


@PATIENT
@given(st.lists(WINDOWS, min_size=1, max_size=3), MOMENTS)
def test_open_until_it_closes_and_closed_until_it_opens(
    windows: list[Window], moment: datetime
) -> None:
    second = timedelta(seconds=1)
    until = closes(windows, moment)
    if until is not None:
        assert until > moment
        assert closes(windows, until - second) is not None
        if until - moment < timedelta(days=13):  # longer counts as for ever
            assert closes(windows, until) is None
    opening = opens(windows, moment)
    assert opening is not None
    assert opening > moment
    assert closes(windows, opening) is not None
    if until is None:
        assert closes(windows, opening - second) is None
