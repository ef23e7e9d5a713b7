"""From the schedules of a device to those the inventory declares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from segctl.compiler.naming import same_schedule
from segctl.inventory.schema import DAYS
from segctl.model import items
from segctl.model.site import Schedule

if TYPE_CHECKING:
    from segctl.model.policy import Policy

_WINDOW = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]")


def declared_schedule(name: str, ours: Policy, others: Policy) -> Schedule | None:
    """Return a schedule that a rule names as the inventory declares it, ours without prefix.

    None when there is no such schedule, or when it recurs neither daily nor weekly.
    """
    for item in (*ours[items.Schedule], *others[items.Schedule]):
        if item.name != name:
            continue
        windows = dict(item.windows)
        daily = _windows(windows.get("daily", ()))
        weekly = tuple((day, found) for day in DAYS if (found := _windows(windows.get(day, ()))))
        if not daily and not weekly:
            return None
        own = item in ours[items.Schedule]
        return Schedule(
            name=same_schedule(name) if own else name,
            daily=() if weekly else daily,
            weekly=weekly,
        )
    return None


def _windows(found: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(window for window in found if _WINDOW.fullmatch(window))
