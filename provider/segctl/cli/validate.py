"""``segctl validate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import ERROR, OK
from segctl.cli.reports import ReportFiles, places_of, reporting
from segctl.cli.screen import print_json, print_lines
from segctl.cli.steps import load_inventory, settings_of, today
from segctl.model.errors import SegctlError

if TYPE_CHECKING:
    from segctl.model.errors import Problem


@app.command(epilog=EPILOG)
@reporting
def validate(
    context: typer.Context,
    *,
    files: ReportFiles,
) -> int:
    """Check the inventory without any device: syntax, references, paths, policy findings."""
    from segctl.compiler.build import compile_site
    from segctl.fleet import unverified
    from segctl.operations.fitting import refusals
    from segctl.providers.base import provider
    from segctl.report import problems_json, validation_text

    settings = settings_of(context)
    with files.refusals("validate", settings):
        loaded = load_inventory(settings, telling=False, fitting=refusals)
        compiled = compile_site(loaded.site, today())
    warnings = list(loaded.warnings)
    for name in compiled:
        warnings += unverified(name, loaded.connections)
    refused: dict[str, tuple[Problem, ...]] = {}
    for name, item in compiled.items():
        warnings += item.findings
        try:
            _, doubts = provider(item.device.platform).fit(item.policy, item.device)
        except SegctlError:
            refused[name] = refusals(item, loaded.site)
        else:
            warnings += doubts
    warnings = list(dict.fromkeys(warnings))
    counts = {
        "zones": len(loaded.site.zones),
        "conduits": len(loaded.site.conduits),
        "firewalls": len(loaded.site.devices),
        "rules": sum(len(item.policy.rules) for item in compiled.values()),
    }
    if files.wanted:
        from segctl.report import validation_report

        places = places_of(loaded.site, settings)
        environment = files.environment
        files.write(
            validation_report(warnings, refused, counts, environment=environment, places=places)
        )
    problems = [problem for found in refused.values() for problem in found]
    if settings.json:
        errors = [{"code": problem.kind, "message": str(problem)} for problem in problems]
        document = {"ok": not refused, "warnings": problems_json(warnings), "errors": errors}
        document |= counts | ({"error": errors[0]} if errors else {})
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(validation_text(warnings, problems, counts, notes=settings.verbose))
    return ERROR if refused else OK
