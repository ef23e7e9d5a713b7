"""``segctl lint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import HostsArgument, given_to
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines, tell_failures
from segctl.operations import lint as linting
from segctl.operations.lint import LintOptions
from segctl.operations.loading import provenance


@app.command(cls=Command, epilog=epilog("lint"))
@reporting
def lint(
    context: typer.Context,
    pattern: HostsArgument = "all",
    *,
    declared: Annotated[
        bool, typer.Option("--declared", help="Lint the policy of the inventory, not the devices")
    ] = False,
    snapshot: Annotated[
        Path | None,
        typer.Option(
            "--offline", help="Lint this snapshot, or folder of snapshots, instead of devices"
        ),
    ] = None,
    files: ReportFiles,
) -> int:
    """Find rules without effect, in conflict, or too wide; never writes to a device."""
    from segctl.fleet import Failure
    from segctl.report.lint import lint_json, lint_report, lint_text

    settings, display = given_to(context)
    with files.refusals("lint", settings):
        options = LintOptions(pattern=pattern, declared=declared, snapshot=snapshot)
        result = linting.lint(settings, options, display)
    found = result.devices
    tell_failures((name, one.message) for name, one in found.items() if isinstance(one, Failure))
    if files.wanted:
        report = lint_report(
            found,
            result.between,
            environment=files.environment,
            places=places_of(result.loaded.site, settings),
            provenance=provenance(settings, result.loaded),
        )
        files.write(report)
    source = "declared" if declared else "live" if snapshot is None else "snapshot"
    document = lint_json(found, result.between, source=source)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(lint_text(document, notes=settings.verbose))
    return ERROR if "error" in document else OK
