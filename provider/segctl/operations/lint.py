"""Lint: what is wrong with policies by themselves, on devices, in snapshots, or as declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.loading import desired_of, load_inventory, today
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
    from segctl.planning.snapshot import Snapshot


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
        raise UsageError("give either --declared or --offline")
    loaded = load_inventory(common, progress)
    snapshots = _snapshots(options.snapshot)
    chosen = _selected(loaded, options.pattern)
    if options.snapshot is not None and not options.snapshot.is_dir():
        chosen = _kept(chosen, options.snapshot, snapshots)
    results = _results(
        common, loaded, chosen, progress, snapshots=snapshots, declared=options.declared
    )
    edges = [edge for one in results if isinstance(one, Linted) for edge in one.edges]
    declared = {
        (enter, leave)
        for conduit in loaded.site.conduits
        if conduit.mode != "absent" and not conduit.expired(today())
        for enter in conduit.from_zones
        for leave in conduit.to_zones
    }
    names = (item.device.name for item in chosen)
    return LintResult(
        devices=dict(zip(names, results, strict=True)),
        between=tuple(indirect(edges, declared)),
        loaded=loaded,
    )


def _snapshots(path: Path | None) -> Mapping[str, Snapshot]:
    from segctl.planning.snapshot import load_snapshots

    return {} if path is None else load_snapshots(path)


def _kept(
    chosen: Sequence[Desired], path: Path, snapshots: Mapping[str, Snapshot]
) -> list[Desired]:
    """Return the firewall that a file is of."""
    kept = [item for item in chosen if item.device.name in snapshots]
    if not kept:
        raise UsageError(f"{path} is of {', '.join(snapshots)}, which is not selected")
    return kept


def _selected(loaded: Loaded, pattern: str) -> list[Desired]:
    from segctl.inventory import select

    chosen = desired_of(loaded)
    if pattern == "all":
        return [*chosen]
    wanted = {*select(loaded.inventory, pattern)}
    found = [item for item in chosen if item.device.name in wanted]
    if not found:
        names = ", ".join(item.device.name for item in chosen) or "none"
        raise UsageError(f"{pattern!r} selects no firewall; the inventory has {names}")
    return found


def _results(
    common: CommonOptions,
    loaded: Loaded,
    chosen: Sequence[Desired],
    progress: Progress,
    *,
    snapshots: Mapping[str, Snapshot],
    declared: bool,
) -> Sequence[Linted | Failure]:
    from segctl.fleet.lint import lint_declared, lint_devices, lint_snapshots

    if declared:
        return lint_declared(chosen, loaded.site)
    if snapshots:
        return lint_snapshots(chosen, loaded.site, snapshots)
    names = [item.device.name for item in chosen]
    with at_work(common, names, progress) as (executor, report):
        return lint_devices(
            chosen,
            loaded.site,
            loaded.connections,
            forks=common.forks,
            report=report,
            executor=executor,
        )
