"""Snapshot: what devices hold, kept in files without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.files import check, save
from segctl.operations.loading import load_inventory
from segctl.operations.workers import at_work
from segctl.system import storage
from segctl.system.folders import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segctl.fleet import Failure
    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress
    from segctl.planning.snapshot import Snapshot

_FOLDER = Path("snapshots")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotOptions:
    """Which firewalls are kept, as a pattern of hosts, and where: a file of one, or a folder."""

    pattern: str = "all"
    out: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotResult:
    """The snapshots that were taken, the file of each device, and who could not be read."""

    taken: tuple[Snapshot, ...]
    files: Mapping[str, Path]
    failures: tuple[Failure, ...]


def snapshot(common: CommonOptions, options: SnapshotOptions, progress: Progress) -> SnapshotResult:
    """Keep what devices hold, without secrets; never writes to a device.

    Of firewalls behind a Panorama, their device group is kept, too.

    Raises:
        InventoryError: the inventory cannot be used.
        PlanError: a file cannot be written.
        UsageError: no firewall is selected, or there is no place for the files.
    """
    from segctl.fleet.snapshots import take_snapshots
    from segctl.planning.snapshot import Snapshot

    loaded = load_inventory(common, progress)
    devices = list(_with_groups(loaded, _selected(loaded, options.pattern)))
    files = _files(devices, options.out)
    with at_work(common, [device.name for device in devices], progress) as (executor, report):
        results = take_snapshots(
            devices, loaded.connections, forks=common.forks, report=report, executor=executor
        )
    taken = tuple(one for one in results if isinstance(one, Snapshot))
    for one in taken:
        save(files[one.name], one.dumps())
    failures = tuple(one for one in results if not isinstance(one, Snapshot))
    return SnapshotResult(taken=taken, files=files, failures=failures)


def _selected(loaded: Loaded, pattern: str) -> list[Device]:
    from segctl.inventory import select

    wanted = {*select(loaded.inventory, pattern)} & {*loaded.hosts}
    devices = {device.name: device for device in loaded.site.devices}
    chosen = [devices[name] for name in loaded.hosts if name in wanted and name in devices]
    if not chosen:
        names = ", ".join(devices) or "none"
        raise UsageError(f"{pattern!r}, with -l, selects no firewall; the inventory has {names}")
    return chosen


def _with_groups(loaded: Loaded, chosen: list[Device]) -> Iterator[Device]:
    """Yield each firewall, the first of a device group after that group."""
    from segctl.compiler.groups import whole_group

    groups: set[str] = set()
    for device in chosen:
        if device.group:
            group = whole_group(loaded.site.devices, device)
            if group.name not in groups:
                groups.add(group.name)
                yield group
        yield device


def _files(devices: list[Device], out: Path | None) -> dict[str, Path]:
    """Return the file of each device, its folder made."""
    from segctl.planning.snapshot import SUFFIX

    if out is not None and len(devices) == 1 and not out.is_dir() and out.suffix:
        check(out)
        return {devices[0].name: out}
    folder = out or _FOLDER
    try:
        storage.make_folder(folder)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}") from error
    paths = {device.name: folder / file_name(device.name, SUFFIX) for device in devices}
    for path in paths.values():
        check(path)
    return paths
