"""``segctl import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command, complete_hosts
from segctl.cli.examples import epilog
from segctl.cli.exits import OK
from segctl.cli.options import given_to
from segctl.cli.screen import print_json, print_lines, say
from segctl.operations.importing import ImportOptions, import_host


@app.command("import", cls=Command, epilog=epilog("import"))
def import_(
    context: typer.Context,
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="A firewall of the inventory", autocompletion=complete_hosts
        ),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="New folder (default imported/HOST)")
    ] = None,
) -> int:
    """Write a device as inventory files; planning them back changes nothing."""
    settings, display = given_to(context)
    result = import_host(settings, ImportOptions(host=host, out=out), display)
    from segctl.report.lint import imported_text, policy_json

    imported = result.imported
    linted = policy_json(imported.lint)
    if settings.json:
        from segctl.report import problems_json

        files = [str(path) for path in result.written]
        warnings = problems_json(imported.warnings)
        document: dict[str, object] = {
            "format_version": "1.0",
            "files": files,
            "warnings": warnings,
        }
        document |= imported.as_json() | {"lint": linted}
        print_json(document, lines=settings.json_lines)
    else:
        for warning in imported.warnings:
            say(f"{warning.severity}: {warning}")
        for path in result.written:
            say(f"wrote {path}")
        print_lines(imported_text(linted, notes=settings.verbose))
        say(imported.summary)
    return OK
