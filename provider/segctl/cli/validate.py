"""``segctl validate``."""

from __future__ import annotations

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import settings_of
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines
from segctl.operations import validate as validating
from segctl.operations.loading import provenance


@app.command(epilog=EPILOG)
@reporting
def validate(
    context: typer.Context,
    *,
    files: ReportFiles,
) -> int:
    """Check the inventory without any device: syntax, references, paths, policy findings."""
    from segctl.report import problems_json, provenance_json, validation_text

    settings = settings_of(context)
    with files.refusals("validate", settings):
        result = validating.validate(settings)
    warnings, counts = result.warnings, result.counts
    evidence = provenance(settings, result.loaded)
    if files.wanted:
        from segctl.report import validation_report

        places, environment = places_of(result.loaded.site, settings), files.environment
        report = validation_report(
            warnings,
            result.refusals,
            counts,
            environment=environment,
            places=places,
            provenance=evidence,
        )
        files.write(report)
    refused = list(result.refusals.values())
    if settings.json:
        errors = [{"code": error.code, "message": str(error)} for error in refused]
        document = {
            "format_version": "1.0",
            "ok": result.ok,
            "warnings": problems_json(warnings),
            "errors": errors,
            "provenance": provenance_json(evidence),
        }
        document |= counts | ({"error": errors[0]} if errors else {})
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(
            validation_text(warnings, refused, counts, notes=settings.verbose, provenance=evidence)
        )
    return OK if result.ok else ERROR
