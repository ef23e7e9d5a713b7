"""Usage: which rules and conduits are used, by what devices count."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from segctl.operations.loading import desired_of, load_inventory, today
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from segctl.fleet import Failure
    from segctl.fleet.usage import Used
    from segctl.inventory import Loaded
    from segctl.observe.coverage import Coverage
    from segctl.operations.narrow import NarrowResult
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageOptions:
    """How far back use counts, and whether devices are asked that asking may hang.

    `files` are records of traffic, by which use that is nothing but attacks is told; with
    `from_devices` the logs of firewalls are read as well. `now` is in seconds since 1970. With
    `narrow`, what nobody used is taken out of the inventory, or of the conduit with the key `only`,
    as a proposal, in the folder `out`.
    """

    now: float
    window: timedelta = timedelta(days=90)
    risky: bool = False
    files: tuple[str, ...] = ()
    from_devices: bool = False
    timezone: str | None = None
    narrow: bool = False
    only: str = ""
    out: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageResult:
    """What each device counts, or why that is not known; `places` are all devices by conduit.

    `coverage` is what records can show, where there are any, `narrowed` the proposal, where one was
    asked for.
    """

    devices: Mapping[str, Used | Failure]
    window: timedelta
    loaded: Loaded
    places: Mapping[str, Sequence[str]]
    coverage: Coverage | None = None
    narrowed: NarrowResult | None = None

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
        UsageError: no firewall is selected, a file of records does not exist, or there is nothing
            to narrow by.
    """
    from segctl.fleet.usage import usage_of_devices
    from segctl.operations.watching import refuse_nothing

    if options.narrow:
        refuse_nothing(options.files, from_devices=options.from_devices)
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
    result = UsageResult(
        devices=dict(zip(names, found, strict=True)),
        window=options.window,
        loaded=loaded,
        places=_places(loaded),
    )
    if not (options.files or options.from_devices):
        return result
    return _by_records(common, options, result, progress)


def _by_records(
    common: CommonOptions, options: UsageOptions, result: UsageResult, progress: Progress
) -> UsageResult:
    """Return usage with what records of traffic say of it."""
    from segctl.fleet import Failure
    from segctl.observe.attacks import only_attacked, with_attacks
    from segctl.operations.narrow import narrowed, recorded

    records = recorded(common, options, result.loaded, progress)
    with closing(records.groups):
        attacked = only_attacked(records.groups, records.called)
        devices = {
            name: one
            if isinstance(one, Failure)
            else replace(one, rules=tuple(with_attacks(one.rules, attacked, records.completeness)))
            for name, one in result.devices.items()
        }
        proposal = narrowed(common, options, result.loaded, records) if options.narrow else None
    return replace(result, devices=devices, coverage=records.coverage, narrowed=proposal)


def _places(loaded: Loaded) -> dict[str, list[str]]:
    """Return the firewalls that should hold rules of each conduit, selected or not."""
    from segctl.compiler.build import compile_site

    found: dict[str, dict[str, None]] = {}
    for name, desired in compile_site(loaded.site, today()).items():
        for rule in desired.policy.rules:
            found.setdefault(rule.conduit, {})[name] = None
    return {conduit: [*names] for conduit, names in found.items()}
