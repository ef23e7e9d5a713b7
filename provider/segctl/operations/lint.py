"""Lint: what is wrong with policies by themselves, on devices, in snapshots, or as declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.loading import desired_of, load_inventory
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from segctl.analysis.finding import Finding
    from segctl.compiler.build import Desired
    from segctl.fleet import Failure
    from segctl.fleet.lint import Linted
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class LintOptions:
    """What is linted: what devices hold, what `snapshot` kept of them, or what is `declared`.

    `pattern` selects firewalls.
    """

    pattern: str = "all"
    snapshot: Path | None = None
    declared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LintResult:
    """What was found on each firewall or why nothing was, and between zones of the site."""

    devices: Mapping[str, Linted | Failure]
    between: tuple[Finding, ...]
    loaded: Loaded


def lint(common: CommonOptions, options: LintOptions, progress: Progress) -> LintResult:
    """Find what is wrong with policies by themselves; never writes to a device.

    Raises:
        InventoryError: the inventory cannot be used.
        SnapshotError: a snapshot cannot be used.
        UsageError: no firewall is selected, or what to lint is given twice.
    """
    from segctl.analysis.pivots import indirect
    from segctl.fleet.lint import Linted

    if options.declared and options.snapshot is not None:
        raise UsageError("give either --declared or --snapshot")
    loaded = load_inventory(common, progress)
    chosen = _selected(loaded, options.pattern)
    results = _results(common, options, loaded, chosen, progress)
    edges = [edge for one in results if isinstance(one, Linted) for edge in one.edges]
    declared = {
        (enter, leave)
        for conduit in loaded.site.conduits
        for enter in conduit.from_zones
        for leave in conduit.to_zones
    }
    names = (item.device.name for item in chosen)
    return LintResult(
        devices=dict(zip(names, results, strict=True)),
        between=tuple(indirect(edges, declared)),
        loaded=loaded,
    )


def _selected(loaded: Loaded, pattern: str) -> list[Desired]:
    from segctl.inventory import select

    chosen = desired_of(loaded)
    if pattern == "all":
        return [*chosen]
    wanted = {*select(loaded.inventory, pattern)}
    found = [item for item in chosen if item.device.name in wanted]
    if not found:
        names = ", ".join(item.device.name for item in chosen) or "none"
        raise UsageError(f"{pattern!r}, with -l, selects no firewall; the inventory has {names}")
    return found


def _results(
    common: CommonOptions,
    options: LintOptions,
    loaded: Loaded,
    chosen: Sequence[Desired],
    progress: Progress,
) -> Sequence[Linted | Failure]:
    from segctl.fleet.lint import lint_declared, lint_devices, lint_snapshots

    if options.declared:
        return lint_declared(chosen)
    if options.snapshot is not None:
        from segctl.planning.snapshot import load_snapshots

        return lint_snapshots(chosen, load_snapshots(options.snapshot))
    names = [item.device.name for item in chosen]
    with at_work(common, names, progress) as (executor, report):
        return lint_devices(
            chosen, loaded.connections, forks=common.forks, report=report, executor=executor
        )
