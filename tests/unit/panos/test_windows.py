"""A log in windows: every entry once, none twice, and what is missing is said."""

from __future__ import annotations

import gzip
import os
import time
from bisect import bisect_left, bisect_right

from hypothesis import given
from hypothesis import strategies as st

from segctl.model.errors import ConnectError
from segctl.providers.panos.windows import DAY, MOST_WINDOWS, Page, Steps, Walked, walked
from segctl.providers.panos.wire import is_write

LONG = 12 * DAY


class Log:
    """A log that answers at most so many entries, the newest ones, as a firewall's does."""

    def __init__(self, moments: list[int], most: int) -> None:
        self.moments, self.most = sorted(moments), most
        self.asked: list[tuple[int, int]] = []

    def __call__(self, begin: int, end: int) -> Page:
        self.asked.append((begin, end))
        low, high = bisect_left(self.moments, begin), bisect_right(self.moments, end)
        found = self.moments[low:high][-self.most :]
        return Page(
            lines=[str(one) for one in found],
            full=len(found) >= self.most,
            span=end - found[0] if found else None,
        )


def read(log: Log, first: int, last: int, steps: Steps | None = None) -> Walked:
    steps = steps or Steps(most=log.most, widest=30 * DAY)
    return walked(first, last, steps, log, time.monotonic() + 60)


def lines(found: Walked) -> list[int]:
    return [int(one) for one in gzip.decompress(found.text).split()] if found.text else []


@given(
    moments=st.lists(st.integers(0, LONG), max_size=120),
    most=st.integers(2, 12),
    first=st.integers(0, LONG),
    wide=st.integers(0, LONG),
)
def test_every_entry_is_read_once_or_said_to_be_missing(
    moments: list[int], most: int, first: int, wide: int
) -> None:
    log = Log(moments, most)
    found = read(log, first, first + wide)
    wanted = [one for one in log.moments if first <= one <= first + wide]
    if not found.cut:
        assert lines(found) == wanted
        assert found.first == first
    else:  # too many within one second
        assert set(lines(found)) == set(wanted)
        assert "within 1 s" in found.cut
        assert max(wanted.count(one) for one in wanted) >= most
    assert found.records == len(lines(found))
    assert found.requests == len(log.asked)
    assert all(first <= begin <= end <= first + wide for begin, end in log.asked)


@given(moments=st.lists(st.integers(0, 3 * DAY), max_size=60), most=st.integers(3, 9))
def test_daily_windows_do_not_cross_midnight(moments: list[int], most: int) -> None:
    log = Log(moments, most)
    read(log, 0, 3 * DAY, Steps(most=most, widest=DAY, narrowest=900, daily=True))
    assert all(begin // DAY == end // DAY for begin, end in log.asked)


def test_it_stops_after_so_many_windows_and_says_so() -> None:
    log = Log(list(range(20_000)), 10)
    found = read(log, 0, 20_000)
    assert found.requests == MOST_WINDOWS
    assert "requests were made: what is older was not asked for" in found.cut
    assert lines(found) == list(range(found.first, 20_000))


def test_it_stops_when_it_takes_too_long() -> None:
    log = Log([1, 2, 3], 10)
    found = walked(0, LONG, Steps(most=10, widest=DAY), log, time.monotonic() - 1)
    assert (found.requests, lines(found)) == (0, [])
    assert "takes too long" in found.cut


def test_what_was_read_before_an_error_stays() -> None:
    log = Log([LONG - 5, 7], 10)

    def fails(begin: int, end: int) -> Page:
        if begin < LONG - 3 * DAY:
            raise ConnectError("fw1", "gone")
        return log(begin, end)

    found = walked(0, LONG, Steps(most=10, widest=DAY), fails, time.monotonic() + 60)
    assert lines(found) == [LONG - 5]
    assert found.unread == "gone"
    assert found.first > 7


def test_a_read_only_session_may_ask_for_reports_and_remove_its_own_query() -> None:
    for asked in (
        {"type": "log", "log-type": "traffic"},
        {"type": "log", "action": "get"},
        {"type": "log", "action": "finish"},
        {"type": "report", "reporttype": "dynamic"},
        {"type": "report", "action": "get"},
    ):
        assert not is_write(asked)
    for refused in (
        {"type": "log", "action": "delete"},
        {"type": "report"},
        {"type": "report", "reporttype": "custom"},
        {"type": "report", "reporttype": "dynamic", "action": "set"},
    ):
        assert is_write(refused)


def test_entries_of_megabytes_end_it() -> None:
    """Each answer is small enough; hundreds of them are not, and they are kept together."""
    asked: list[int] = []

    def ask(begin: int, _end: int) -> Page:
        asked.append(begin)
        return Page(lines=[os.urandom(3 << 20).hex()], full=False)

    found = walked(0, 300 * DAY, Steps(most=10, widest=DAY), ask, time.monotonic() + 600)
    assert "takes more than 32 MiB" in found.cut
    assert len(asked) < 20
    assert len(found.text) < 48 << 20
    assert found.first > 0
