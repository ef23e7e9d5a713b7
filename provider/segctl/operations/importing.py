"""Import: a device written as inventory files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from segctl.model.errors import UsageError
from segctl.operations.loading import load_inventory, today

if TYPE_CHECKING:
    from segctl.importing import Imported
    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl.operations.options import CommonOptions
    from segctl.operations.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """Which firewall is read, or whose device group, and the new folder, else ``imported/HOST``."""

    host: str
    out: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What a device holds as inventory files, and the paths that were written."""

    imported: Imported
    written: tuple[Path, ...]


def import_host(common: CommonOptions, options: ImportOptions, progress: Progress) -> ImportResult:
    """Write a device as inventory files; planning them back changes nothing.

    Raises:
        UsageError: the host is no firewall of the inventory, or the folder exists.
        InventoryError: the inventory cannot be used.
        DeviceError: the device cannot be read.
    """
    from segctl.importing import refuse_existing, refuse_name, write_files
    from segctl.inventory import load

    refuse_name(options.host)
    folder = options.out or Path("imported") / options.host
    refuse_existing(folder)
    imported = _read(load_inventory(common, progress), options.host, progress)
    written = write_files(folder, imported.files)
    load([folder], today=today())
    return ImportResult(imported=imported, written=tuple(written))


def _read(loaded: Loaded, host: str, progress: Progress) -> Imported:
    """Read a device and return it as inventory files."""
    from segctl.compiler.groups import whole_group
    from segctl.fleet import target
    from segctl.importing import import_device, import_group
    from segctl.providers.base import provider

    device = next((one for one in loaded.site.devices if one.name == host), None)
    if device is None:
        names = ", ".join(one.name for one in loaded.site.devices) or "none"
        raise UsageError(
            f"{host!r} is not a firewall of the inventory (a host with ansible_network_os); "
            f"it has {names}"
            + "".join(
                f"; {host} is the peer of {one.name}"
                for one in loaded.site.devices
                if one.ha_peer == host
            )
        )
    whole = whole_group(loaded.site.devices, device) if device.group else device
    connection = loaded.connections.get(whole.name, {})
    speaks = provider(whole.platform)
    with (
        progress.devices([whole.name]) as report,
        speaks.connect(
            target(whole.name, connection, whole.scope),
            read_only=True,
            progress=lambda step: report(whole.name, step),
        ) as session,
    ):
        live = speaks.parse(session.read())
    site = loaded.inventory.host_layer(host).variables.get("segctl_site")
    site = str(site or "")
    if device.group:
        ways = {**loaded.connections, **_own_ways(loaded, whole)}
        return import_group(live, speaks, whole, site=site, connections=ways, today=today())
    return import_device(live, speaks, device, site=site, connection=connection, today=today())


def _own_ways(loaded: Loaded, group: Device) -> dict[str, dict[str, object]]:
    """Return what the inventory says of the firewalls themselves, reached by their manager."""
    found: dict[str, dict[str, object]] = {}
    hosts = [name for one in group.members for name in (one.name, one.ha_peer) if name]
    for host in hosts:
        variables = loaded.inventory.host_layer(host).variables
        names = ("ansible_host", "ansible_network_os")
        found[host] = {name: variables[name] for name in names if name in variables}
    return found
