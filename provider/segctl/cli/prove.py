"""``segctl prove``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import given_to
from segctl.cli.screen import print_json, print_lines, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import prove as proving
from segctl.operations.prove import ProveOptions


@app.command(cls=Command, epilog=epilog("prove"))
def prove(
    context: typer.Context,
    *,
    declared: Annotated[
        bool,
        typer.Option("--declared", help="Prove the policy of the inventory, without any device"),
    ] = False,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--offline", help="Read this snapshot, or folder of snapshots, instead of devices"
        ),
    ] = None,
    same: Annotated[
        str,
        typer.Option(
            "--same",
            metavar="HOST,HOST",
            help="Also whether these two firewalls permit the same between the same zones",
        ),
    ] = "",
) -> int:
    """Prove that firewalls permit exactly what the conduits declare; never writes to a device."""
    from segctl.fleet import Failure
    from segctl.report import prove_json, prove_text

    settings, display = given_to(context)
    options = ProveOptions(declared=declared, snapshot=snapshot, same=_two(same))
    result = proving.prove(settings, options, display)
    failures = result.devices.items()
    tell_failures((name, one.message) for name, one in failures if isinstance(one, Failure))
    source = "declared" if declared else "device" if snapshot is None else "snapshot"
    document = prove_json(
        result.devices,
        result.paths,
        result.likeness,
        left_out=result.left_out,
        source=source,
    )
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(prove_text(document))
    return ERROR if "error" in document else OK


def _two(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 2 or not all(names):
        raise UsageError(f"--same takes two firewalls, such as fw1,fw2, not {text!r}")
    return names[0], names[1]
