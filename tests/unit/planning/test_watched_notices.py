"""What everybody was told of already, from the journal: within a day, and nothing changed since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from segctl.planning import containments, watched
from segctl.planning.watched import Told

CHAT = "digest of an address"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
FIRST, SECOND = Told("10.0.0.5", "scan", "proposed"), Told("10.0.0.6", "scan", "contained")


def entry(event: str, ago: timedelta, **more: object) -> dict[str, Any]:
    return {"event": event, "time": (NOW - ago).isoformat(), **more}


def notice(ago: timedelta, *told: Told) -> dict[str, Any]:
    return entry(watched.NOTICE, ago, to=CHAT, told=[list(one) for one in told])


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("later", "left"),
    [
        (None, {FIRST, SECOND}),
        (entry(watched.ACKNOWLEDGED, HOUR), set[Told]()),
        (entry(containments.RELEASE, HOUR, addresses=["10.0.0.5"]), {SECOND}),
        (entry(containments.RELEASE, HOUR, addresses=["10.0.0.0/24"]), set[Told]()),
        (entry(containments.CONTAIN, HOUR, addresses=["10.0.0.6"]), {FIRST}),
        (entry(containments.CONTAIN, HOUR, addresses=["10.9.0.5"]), {FIRST, SECOND}),
        (entry(watched.NOTICE, HOUR, to=CHAT, told=["odd", ["too", "short"]]), {FIRST, SECOND}),
    ],
)
def test_what_was_told_holds_until_something_changes(later: Any, left: set[Told]) -> None:
    entries = [notice(2 * HOUR, FIRST, SECOND), *([later] if later else [])]
    assert watched.told(entries, NOW, CHAT) == left


@pytest.mark.parametrize("hours", [24, 48, -1])
def test_after_a_day_it_is_told_again_and_the_future_counts_for_nothing(hours: int) -> None:
    assert watched.told([notice(hours * HOUR, FIRST)], NOW, CHAT) == set()


def test_another_one_has_not_been_told() -> None:
    assert watched.told([notice(HOUR, FIRST)], NOW, "another") == set()
