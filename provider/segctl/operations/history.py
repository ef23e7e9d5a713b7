"""The history of drift: what is on record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError, nearest
from segctl.operations.loading import load_inventory

if TYPE_CHECKING:
    from datetime import datetime

    from segctl.drift.history import Entry
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


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


def history(
    options: HistoryOptions,
    common: CommonOptions | None = None,
    progress: Progress | None = None,
) -> tuple[Entry, ...]:
    """Return what has drifted, since when, and who did it; asks no device.

    With `common` only the firewalls that its inventory and limit select; the history may know more.

    Raises:
        HistoryError: the database cannot be read, or does not answer in time.
        InventoryError: the inventory that chooses the devices cannot be used.
        UsageError: this is not the address of a database, or `device` is not one of those chosen.
    """
    from segctl.drift.history import Filter, consult, entries, locate, must_exist, patience

    devices = None if common is None else selected_firewalls(common, progress)
    if devices is not None and options.device and options.device not in devices:
        hint = nearest(options.device, devices, f"the inventory and -l select {', '.join(devices)}")
        raise UsageError(f"--device {options.device} is not selected: {hint}")
    wanted = Filter(
        environment=options.environment,
        device=options.device,
        devices=devices,
        since=options.since,
        resolved=options.resolved,
    )
    place = locate(options.url)
    if options.url is not None:  # asked for by its name: a typo would show that nothing has drifted
        must_exist(place)
    found = consult(place, lambda engine: entries(engine, wanted), seconds=patience())
    return tuple(found)


def selected_firewalls(common: CommonOptions, progress: Progress | None) -> tuple[str, ...]:
    """Return the names of the firewalls that an inventory and its limit select.

    Raises:
        InventoryError: the inventory cannot be used.
    """
    loaded = load_inventory(common, progress)
    firewalls = {device.name for device in loaded.site.devices}
    return tuple(name for name in loaded.hosts if name in firewalls)
