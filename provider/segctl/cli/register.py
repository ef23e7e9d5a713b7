"""``segctl list``: the register of what is declared."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import OK
from segctl.cli.options import given_to
from segctl.cli.screen import print_json, print_lines, say
from segctl.model.durations import parse_duration
from segctl.model.errors import UsageError
from segctl.operations import register as listing
from segctl.operations.loading import today
from segctl.report.register import DATED, KINDS, Kind, register_csv, register_json, register_text


@app.command("list", cls=Command, epilog=epilog("list"))
def list_(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=", ".join(KINDS))],
    *,
    due: Annotated[
        str,
        typer.Option(
            "--due", metavar="DURATION", help="Only what is to be reviewed or expires so soon"
        ),
    ] = "",
    owner: Annotated[str, typer.Option("--owner", help="Only what this one answers for")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Rows as CSV on stdout")] = False,
) -> int:
    """List what is declared: zones, assets, conduits, flows, firewalls or rules."""
    settings, display = given_to(context)
    kinds: dict[str, Kind] = {name: name for name in KINDS}
    chosen = kinds.get(kind)
    if chosen is None:
        raise UsageError(f"{kind!r} cannot be listed: choose {', '.join(KINDS)}")
    if (due or owner) and chosen not in DATED:
        raise UsageError(f"--due and --owner go with {' and '.join(DATED)}")
    if as_csv and settings.json:
        raise UsageError("--csv and --json exclude each other")
    day = None
    if due:
        try:
            day = today() + timedelta(seconds=parse_duration(due, unit="d"))
        except ValueError as error:
            raise UsageError(f"--due {error}") from error
    register = listing.register(settings, chosen, display, owner=owner, due=day)
    if settings.json:
        print_json(register_json(register), lines=settings.json_lines)
    elif as_csv:
        say(register_csv(register))
    else:
        print_lines(register_text(register))
    return OK
