"""Records of traffic, read in a test: the small ones that are written by hand, or any file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.observe.reading import ReadOptions, read

if TYPE_CHECKING:
    from segctl.observe.grouping import Count
    from segctl.observe.observation import Group
    from segctl.observe.reading import Reading

#: One small file for each form, in our own words.
RECORDS = Path(__file__).parents[1] / "unit/observe/records"
#: Real records, where they are at hand.
SAMPLES = Path(__file__).resolve().parents[3] / "shared/third-party"
NOW = datetime(2026, 11, 3, tzinfo=UTC).timestamp()


def look(
    *names: str | Path,
    now: float = NOW,
    timezone: str | None = None,
    since: float | None = None,
) -> Reading:
    """Return what files hold; a name without a folder is one of `RECORDS`."""
    paths = [name if isinstance(name, Path) else RECORDS / name for name in names]
    return read([str(path) for path in paths], ReadOptions(now=now, since=since, timezone=timezone))


def groups(reading: Reading) -> list[tuple[Group, Count]]:
    """Return the groups of all flows, in the order of their values."""
    return sorted(
        (pair for _, held in reading.groups.flows() for pair in held), key=lambda pair: pair[0]
    )


def only(reading: Reading) -> tuple[Group, Count]:
    """Return the one group there is."""
    (found,) = groups(reading)
    return found
