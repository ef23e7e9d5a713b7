"""``segctl snapshot`` and ``segctl verify``: what is carried out of a plant, and into one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import HostsArgument, given_to, settings_of
from segctl.cli.screen import print_json, say, tell
from segctl.operations import snapshot as keeping
from segctl.operations.signatures import signed_by
from segctl.operations.snapshot import SnapshotOptions

if TYPE_CHECKING:
    from segctl.planning.snapshot import Snapshot


@app.command(cls=Command, epilog=epilog("snapshot"))
def snapshot(
    context: typer.Context,
    pattern: HostsArgument = "all",
    *,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File of one host, or folder [snapshots/]"),
    ] = None,
) -> int:
    """Keep what devices hold, without secrets, for plan --offline; never writes to a device."""
    settings, display = given_to(context)
    result = keeping.snapshot(settings, SnapshotOptions(pattern=pattern, out=out), display)
    if settings.json:
        rows = [_row(one, result.files[one.name]) for one in result.taken]
        document: dict[str, Any] = {"format_version": "1.0", "snapshots": rows}
        if result.failures:
            first = result.failures[0]
            document["errors"] = [asdict(failure) for failure in result.failures]
            document["error"] = {"code": first.code, "message": first.message}
        print_json(document, lines=settings.json_lines)
    else:
        for one in result.taken:
            path = result.files[one.name]
            say(f"wrote {path}  ({one.platform} {one.os_version}, {one.serial})")
    for failure in result.failures:
        tell(f"segctl: {failure.device}: {failure.message}")
    return ERROR if result.failures else OK


def _row(one: Snapshot, path: Path) -> dict[str, Any]:
    values = {name: value for name, value in one.as_json().items() if name != "document"}
    return values | {"path": str(path)}


@app.command(cls=Command, epilog=epilog("verify"))
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
        document = {
            "format_version": "1.0",
            "file": str(file),
            "signers": [asdict(one) for one in signers],
        }
        print_json(document, lines=settings.json_lines)
        return
    for one in signers:
        say(f"{file}: signed by {one}")
