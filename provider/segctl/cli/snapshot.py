"""``segctl snapshot`` and ``segctl verify``: what is carried out of a plant, and into one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import ERROR, OK
from segctl.cli.files import check, save
from segctl.cli.screen import print_json, progress, say, tell
from segctl.cli.signatures import signed_by
from segctl.cli.steps import load_inventory, settings_of, working
from segctl.model.errors import UsageError
from segctl.system import storage
from segctl.system.folders import file_name

if TYPE_CHECKING:
    from segctl.inventory import Loaded
    from segctl.model.site import Device
    from segctl.planning.snapshot import Snapshot

_FOLDER = Path("snapshots")


@app.command(epilog=EPILOG)
def snapshot(
    context: typer.Context,
    pattern: Annotated[
        str, typer.Argument(metavar="[HOST]", help="Firewalls of this pattern [all, or -l]")
    ] = "all",
    *,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File of one host, or folder [snapshots/]"),
    ] = None,
) -> int:
    """Keep what devices hold, without secrets, for plan --offline; never writes to a device."""
    from segctl.fleet.snapshots import take_snapshots
    from segctl.planning.snapshot import Snapshot

    settings = settings_of(context)
    loaded = load_inventory(settings)
    devices = _selected(loaded, pattern)
    paths = _paths(devices, out)
    names = [device.name for device in devices]
    with working(settings, len(names)) as executor, progress(settings, names) as report:
        results = take_snapshots(
            devices, loaded.connections, forks=settings.forks, report=report, executor=executor
        )
    taken = [one for one in results if isinstance(one, Snapshot)]
    failures = [one for one in results if not isinstance(one, Snapshot)]
    for one in taken:
        save(paths[one.name], one.dumps())
    if settings.json:
        document: dict[str, Any] = {"snapshots": [_row(one, paths[one.name]) for one in taken]}
        if failures:
            document["errors"] = [asdict(one) for one in failures]
            document["error"] = {"code": failures[0].code, "message": failures[0].message}
        print_json(document, lines=settings.json_lines)
    else:
        for one in taken:
            say(f"wrote {paths[one.name]}  ({one.platform} {one.os_version}, {one.serial})")
    for failure in failures:
        tell(f"segctl: {failure.device}: {failure.message}")
    return ERROR if failures else OK


def _selected(loaded: Loaded, pattern: str) -> list[Device]:
    from segctl.inventory import select

    wanted = {*select(loaded.inventory, pattern)} & {*loaded.hosts}
    devices = {device.name: device for device in loaded.site.devices}
    found = [devices[name] for name in loaded.hosts if name in wanted and name in devices]
    if not found:
        names = ", ".join(devices) or "none"
        raise UsageError(f"{pattern!r}, with -l, selects no firewall; the inventory has {names}")
    return found


def _paths(devices: list[Device], out: Path | None) -> dict[str, Path]:
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


def _row(one: Snapshot, path: Path) -> dict[str, Any]:
    values = {name: value for name, value in one.as_json().items() if name != "document"}
    return values | {"path": str(path)}


@app.command(epilog=EPILOG)
def verify(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A plan, a snapshot, any file with a signature")],
    *,
    keys: Annotated[
        Path,
        typer.Option(
            "--keys",
            envvar="SEGCTL_VERIFY",
            help="Trusted keys (allowed signers, minisign public keys)",
        ),
    ],
) -> None:
    """Say who signed a file, by the signature beside it; fails where nobody trusted did."""
    from segctl.planning.documents import plan_bytes

    signers = signed_by(plan_bytes(file), file, keys)
    settings = settings_of(context)
    if settings.json:
        document = {"file": str(file), "signers": [asdict(one) for one in signers]}
        print_json(document, lines=settings.json_lines)
        return
    for one in signers:
        say(f"{file}: signed by {one}")
