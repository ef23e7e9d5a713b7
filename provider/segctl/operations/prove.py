"""Prove: whether firewalls permit exactly what the conduits declare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.loading import desired_of, load_inventory, today
from segctl.operations.plan import snapshots
from segctl.operations.workers import at_work

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping, Sequence

    from segctl.analysis.alike import Likeness
    from segctl.analysis.crossings import Path
    from segctl.analysis.intended import Intent, Series
    from segctl.analysis.path_proofs import PathProof
    from segctl.fleet import Failure
    from segctl.fleet.proofs import Asked, DeviceProof
    from segctl.inventory import Loaded
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveOptions:
    """What is compared with the conduits: devices, their snapshots, or the `declared` policy.

    `same` are two firewalls that are also compared with each other.
    """

    declared: bool = False
    snapshot: pathlib.Path | None = None
    same: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveResult:
    """What was found on each firewall, on each path through several, and of the two compared.

    `left_out` are the paths through firewalls that are not selected.
    """

    devices: Mapping[str, DeviceProof | Failure]
    paths: tuple[PathProof, ...] = ()
    left_out: tuple[Path, ...] = ()
    likeness: Likeness | None = None


def prove(common: CommonOptions, options: ProveOptions, progress: Progress) -> ProveResult:
    """Compare what firewalls permit with what conduits declare; never writes to a device.

    Raises:
        InventoryError: the inventory cannot be used.
        SnapshotError: the snapshots cannot be used.
        TooComplexError: there are too many paths between two zones.
        UnsupportedError: the two firewalls of `same` have nothing in common.
        UsageError: no firewall is selected, or one of `same` is not.
    """
    from segctl.analysis.intended import Intent
    from segctl.analysis.path_proofs import end_to_end
    from segctl.fleet.proofs import DeviceProof

    if options.declared and options.snapshot is not None:
        raise UsageError("give either --declared or --offline: the one reads no device's policy")
    taken = snapshots(options.snapshot)
    loaded = load_inventory(common, progress)
    intent = Intent(loaded.site, today())
    series = tuple(intent.series())
    asked = _asked(loaded, intent, series, options.same)
    results = _results(common, loaded, asked, progress, taken, declared=options.declared)
    devices = dict(zip((one.name for one in asked), results, strict=True))
    proved = {name: one.proved for name, one in devices.items() if isinstance(one, DeviceProof)}
    likeness = _likeness(devices, options.same)
    if options.same:
        return ProveResult(devices=devices, likeness=likeness)
    followed, left_out = _followed(series, frozenset(devices))
    return ProveResult(
        devices=devices, paths=tuple(end_to_end(followed, proved)), left_out=left_out
    )


def _followed(
    series: Sequence[Series], asked: frozenset[str]
) -> tuple[list[Series], tuple[Path, ...]]:
    """Return the paths of which all firewalls are selected, and those of which only some are."""
    left_out: dict[Path, None] = {}
    followed: list[Series] = []
    for one in series:
        firewalls = {path: {crossing.device for crossing in path} for path in one.paths}
        left_out |= {
            path: None for path, names in firewalls.items() if names & asked and names - asked
        }
        paths = tuple(path for path, names in firewalls.items() if names <= asked)
        if paths:
            followed.append(replace(one, paths=paths))
    return followed, tuple(left_out)


def _asked(
    loaded: Loaded,
    intent: Intent,
    series: Sequence[Series],
    same: tuple[str, str] | None,
) -> list[Asked]:
    """Return the firewalls to look at, with the pairs of zones that are needed of each."""
    from segctl.fleet.proofs import Asked

    wanted = intent.wanted()
    chosen = {one.device.name: one for one in desired_of(loaded)}
    if same is not None:
        missing = [name for name in same if name not in chosen]
        if missing or same[0] == same[1]:
            named = ", ".join(chosen)
            raise UsageError(f"--same needs two of the firewalls that are selected: {named}")
        chosen = {name: chosen[name] for name in same}
    pairs: dict[str, set[tuple[str, str]]] = {name: set() for name in chosen}
    for one in series:
        for path in one.paths:
            for crossing in path:
                pairs.setdefault(crossing.device, set()).add((crossing.enter, crossing.leave))
    if same is not None:
        zones = [{binding.zone for binding in chosen[name].device.zones} for name in same]
        shared = zones[0] & zones[1]
        for name in same:
            pairs[name] |= {(enter, leave) for enter in shared for leave in shared}
    return [
        Asked(desired=one, wanted=wanted[name], pairs=frozenset(pairs[name]))
        for name, one in chosen.items()
    ]


def _results(
    common: CommonOptions,
    loaded: Loaded,
    asked: Sequence[Asked],
    progress: Progress,
    taken: Mapping[str, Snapshot] | None,
    *,
    declared: bool,
) -> Sequence[DeviceProof | Failure]:
    from segctl.fleet.proofs import prove_declared, prove_devices, prove_snapshot

    if declared:
        return [prove_declared(one) for one in asked]
    if taken is not None:
        return [prove_snapshot(one, taken) for one in asked]
    with at_work(common, [one.name for one in asked], progress) as (executor, report):
        return prove_devices(
            asked, loaded.connections, forks=common.forks, report=report, executor=executor
        )


def _likeness(
    devices: Mapping[str, DeviceProof | Failure], same: tuple[str, str] | None
) -> Likeness | None:
    if same is None:
        return None
    from segctl.analysis.alike import Firewall, alike
    from segctl.fleet.proofs import DeviceProof, speech_of
    from segctl.providers.base import provider

    sides: list[Firewall] = []
    for name in same:
        found = devices[name]
        if not isinstance(found, DeviceProof):
            return None
        speech = speech_of(provider(found.proved.platform))
        sides.append(Firewall(name=name, proved=found.proved, speech=speech))
    return alike(*sides)
