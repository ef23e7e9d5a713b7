"""The history of drift: what is on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from segctl.drift.history import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions:
    """What of the history is asked for, and in which database; empty strings choose all.

    Without `resolved` only what is still open. `since` has a time zone.
    """

    url: str | None = None
    environment: str = ""
    device: str = ""
    since: datetime | None = None
    resolved: bool = False


def history(options: HistoryOptions) -> tuple[Entry, ...]:
    """Return what has drifted, since when, and who did it; asks no device.

    Raises:
        HistoryError: the database cannot be read, or does not answer in time.
        UsageError: the address is none of a database.
    """
    from segctl.drift.history import Filter, consult, entries, locate, patience

    wanted = Filter(
        environment=options.environment,
        device=options.device,
        since=options.since,
        resolved=options.resolved,
    )
    found = consult(locate(options.url), lambda engine: entries(engine, wanted), seconds=patience())
    return tuple(found)
