"""Traffic: what records of it show, against what the inventory declares."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.operations.loading import load_inventory, today
from segctl.operations.watching import hear, refuse_nothing, watch_of
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from segctl.inventory import Loaded
    from segctl.observe.coverage import Coverage
    from segctl.observe.traffic import By, Summary
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


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


@uncollected()
def traffic(common: CommonOptions, options: TrafficOptions, progress: Progress) -> TrafficResult:
    """Read records of traffic and add up what was seen; writes to no device.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: no file is given and no device is asked, or a file does not exist.
    """
    from segctl.observe.pairs import members_of
    from segctl.observe.places import Places
    from segctl.observe.reading import ReadOptions, read
    from segctl.observe.standing import Standings
    from segctl.observe.traffic import summarised

    refuse_nothing(options.files, from_devices=options.from_devices)
    loaded = load_inventory(common, progress)
    told = None
    if options.from_devices:
        watch = watch_of(options.now, options.since, each=False, threats=True)
        told = hear(common, loaded, watch, progress).told
    reading = read(
        options.files,
        ReadOptions(
            now=options.now,
            since=options.since,
            timezone=options.timezone,
            members=members_of(loaded.site.devices),
        ),
        told=told,
    )
    with closing(reading.groups):
        called = reading.coverage.called([one.name for one in loaded.site.devices])
        standings = Standings(loaded.site, Places(loaded.site, called), today())
        summary = summarised(reading.groups, standings, options.by)
    return TrafficResult(coverage=reading.coverage, summary=summary, loaded=loaded)
