"""Register: what an inventory declares, one kind of thing at a time; asks no device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.operations.loading import desired_of, load_inventory
from segctl.report.register import register_of

if TYPE_CHECKING:
    from datetime import date

    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.report.register import Kind, Register


def register(
    common: CommonOptions,
    kind: Kind,
    progress: Progress,
    *,
    owner: str = "",
    due: date | None = None,
) -> Register:
    """Return the register of one kind of thing.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: firewalls or rules are asked for, and none is selected.
    """
    loaded = load_inventory(common, progress)
    wanted = desired_of(loaded) if kind in {"firewalls", "rules"} else []
    desired = {one.device.name: one for one in wanted}
    return register_of(loaded.site, desired, kind, owner=owner, due=due)
