"""Traffic and threats: what records show, against what the inventory declares."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from segctl.operations.loading import load_inventory, today
from segctl.operations.records import read_records
from segctl.operations.watching import hear, refuse_nothing, watch_of
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from segctl.inventory import Loaded
    from segctl.observe.coverage import Coverage
    from segctl.observe.reading import Reading
    from segctl.observe.standing import Standings
    from segctl.observe.threats import Threats
    from segctl.observe.traffic import By, Summary
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.containments import Standing as Contained


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficOptions:
    """Which records are read, and what they are added up by.

    `now` and `since` are seconds since 1970; without `since` every record counts. `timezone` is
    that of times without an offset; UTC where it is not given. With `from_devices` the selected
    firewalls are asked as well, for a week without `since`.
    """

    files: tuple[str, ...]
    now: float
    from_devices: bool = False
    by: By = "conduit"
    since: float | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficResult:
    """What the records can show, and what they add up to."""

    coverage: Coverage
    summary: Summary
    loaded: Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatsResult:
    """What the records can show, what was attacked or not recognised, and who is contained."""

    coverage: Coverage
    threats: Threats
    contained: tuple[Contained, ...]
    loaded: Loaded


@uncollected()
def traffic(common: CommonOptions, options: TrafficOptions, progress: Progress) -> TrafficResult:
    """Read records of traffic and add up what was seen; writes to no device.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: no file is given and no device is asked, or a file does not exist.
    """
    from segctl.observe.traffic import summarised

    loaded, reading, standings = _seen(common, options, progress)
    with closing(reading.groups):
        summary = summarised(reading.groups, standings, options.by)
    return TrafficResult(coverage=reading.coverage, summary=summary, loaded=loaded)


@uncollected()
def threats(common: CommonOptions, options: TrafficOptions, progress: Progress) -> ThreatsResult:
    """Read records of traffic and threats and add up what was attacked; writes to no device.

    Raises:
        InventoryError: the inventory cannot be used.
        JournalError: the journal, which knows who is contained, cannot be read.
        UsageError: no file is given and no device is asked, or a file does not exist.
    """
    from segctl.compiler.naming import CONTAINED
    from segctl.observe.threats import threatened
    from segctl.operations.audit import HistoryOptions, applies
    from segctl.planning.containments import standing

    now = datetime.fromtimestamp(options.now, UTC)
    held = standing(applies(HistoryOptions()).chain.entries, now)
    contained = tuple(one for one in held if one.group == CONTAINED)  # an island is nobody's fault
    loaded, reading, standings = _seen(common, options, progress)
    with closing(reading.groups):
        found = threatened(reading.groups, standings, loaded.site.conduits)
    return ThreatsResult(
        coverage=reading.coverage, threats=found, contained=contained, loaded=loaded
    )


def _seen(
    common: CommonOptions, options: TrafficOptions, progress: Progress
) -> tuple[Loaded, Reading, Standings]:
    """Return the inventory, what was read, and how that stands to what is declared."""
    from segctl.observe.pairs import members_of
    from segctl.observe.places import Places
    from segctl.observe.reading import ReadOptions
    from segctl.observe.standing import Standings

    refuse_nothing(options.files, from_devices=options.from_devices)
    loaded = load_inventory(common, progress)
    told = None
    if options.from_devices:
        watch = watch_of(options.now, options.since, each=False, threats=True)
        told = hear(common, loaded, watch, progress).told
    reading = read_records(
        common,
        options.files,
        ReadOptions(
            now=options.now,
            since=options.since,
            timezone=options.timezone,
            members=members_of(loaded.site.devices),
        ),
        progress,
        told=told,
    )
    called = reading.coverage.called([one.name for one in loaded.site.devices])
    return loaded, reading, Standings(loaded.site, Places(loaded.site, called), today())
