"""``segctl import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import OK
from segctl.cli.screen import print_json, progress, say
from segctl.cli.steps import load_inventory, settings_of, today
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from segctl.cli.arguments import Settings
    from segctl.importing import Imported
    from segctl.inventory import Loaded


@app.command("import", epilog=EPILOG)
def import_(
    context: typer.Context,
    host: Annotated[str, typer.Argument(metavar="HOST", help="A firewall of the inventory")],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="New folder (default imported/HOST)")
    ] = None,
) -> int:
    """Write a device as inventory files; planning them back changes nothing."""
    from segctl.importing import refuse_existing, refuse_name, write_files
    from segctl.inventory import load

    refuse_name(host)
    settings = settings_of(context)
    folder = out or Path("imported") / host
    refuse_existing(folder)
    found = _import(settings, load_inventory(settings), host)
    written = write_files(folder, found.files)
    load([folder], today=today())
    if settings.json:
        from segctl.report import problems_json

        files = [str(path) for path in written]
        warnings = problems_json(found.warnings)
        document = {"files": files, "warnings": warnings} | found.as_json()
        print_json(document, lines=settings.json_lines)
    else:
        for warning in found.warnings:
            say(f"{warning.severity}: {warning}")
        for path in written:
            say(f"wrote {path}")
        say(found.summary)
    return OK


def _import(settings: Settings, loaded: Loaded, host: str) -> Imported:
    """Read a device and return it as inventory files."""
    from segctl.fleet import target
    from segctl.importing import import_device
    from segctl.providers.base import provider

    device = next((one for one in loaded.site.devices if one.name == host), None)
    if device is None:
        names = ", ".join(one.name for one in loaded.site.devices) or "none"
        raise UsageError(
            f"{host!r} is not a firewall of the inventory (a host with ansible_network_os); "
            f"it has {names}"
        )
    connection = loaded.connections.get(host, {})
    speaks = provider(device.platform)
    with (
        progress(settings, [host]) as report,
        speaks.connect(
            target(host, connection, device.scope),
            read_only=True,
            progress=lambda step: report(host, step),
        ) as session,
    ):
        live = speaks.parse(session.read())
    site = loaded.inventory.host_layer(host).variables.get("segctl_site")
    return import_device(
        live, speaks, device, site=str(site or ""), connection=connection, today=today()
    )
