"""Usage: which rules and conduits are used, by what devices count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from segctl.operations.loading import desired_of, load_inventory, today
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.fleet import Failure
    from segctl.fleet.usage import Used
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOptions:
    """How far back use counts, and whether devices are asked that asking may hang."""

    window: timedelta = timedelta(days=90)
    risky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageResult:
    """What each device counts, or why that is not known; `places` are all devices by conduit."""

    devices: Mapping[str, Used | Failure]
    window: timedelta
    loaded: Loaded
    places: Mapping[str, Sequence[str]]

    def unasked(self, conduit: str) -> list[str]:
        """Return the devices that may have rules of a conduit and told nothing.

        One that is not declared any more may have been on any device.
        """
        from segctl.fleet import Failure

        everywhere = [device.name for device in self.loaded.site.devices]
        told = {name for name, one in self.devices.items() if not isinstance(one, Failure)}
        return [name for name in self.places.get(conduit, everywhere) if name not in told]


def usage(common: CommonOptions, options: UsageOptions, progress: Progress) -> UsageResult:
    """Return which rules are used; never writes to a device and never resets a counter.

    Raises:
        InventoryError: the inventory cannot be used.
        UsageError: no firewall is selected.
    """
    from segctl.fleet.usage import usage_of_devices

    loaded = load_inventory(common, progress)
    chosen = desired_of(loaded)
    names = [item.device.name for item in chosen]
    with at_work(common, names, progress) as (executor, report):
        found = usage_of_devices(
            chosen,
            loaded.connections,
            options.window,
            risky=options.risky,
            forks=common.forks,
            report=report,
            executor=executor,
        )
    return UsageResult(
        devices=dict(zip(names, found, strict=True)),
        window=options.window,
        loaded=loaded,
        places=_places(loaded),
    )


def _places(loaded: Loaded) -> dict[str, list[str]]:
    """Return the firewalls that should hold rules of each conduit, selected or not."""
    from segctl.compiler.build import compile_site

    found: dict[str, dict[str, None]] = {}
    for name, desired in compile_site(loaded.site, today()).items():
        for rule in desired.policy.rules:
            found.setdefault(rule.conduit, {})[name] = None
    return {conduit: [*names] for conduit, names in found.items()}
