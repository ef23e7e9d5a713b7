"""``segctl drift``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.reports import (
    Environment,
    GitlabFile,
    HtmlFile,
    JunitFile,
    MarkdownFile,
    ReportFiles,
    SarifFile,
    places_of,
)
from segctl.cli.screen import print_json, print_lines
from segctl.cli.steps import desired_of, load_inventory, read_plans, settings_of, today


@app.command(epilog=EPILOG)
def drift(
    context: typer.Context,
    *,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Known drift, with owner and expiry (YAML)")
    ] = None,
    env: Environment = "default",
    markdown: MarkdownFile = None,
    sarif: SarifFile = None,
    junit: JunitFile = None,
    gitlab: GitlabFile = None,
    html: HtmlFile = None,
) -> int:
    """Compare the devices with the inventory; never writes and never locks."""
    from segctl.baseline import read_baseline
    from segctl.report import drift_json, drift_text

    settings = settings_of(context)
    files = ReportFiles(
        environment=env, markdown=markdown, sarif=sarif, junit=junit, gitlab=gitlab, html=html
    )
    with files.refusals("drift", settings):
        loaded = load_inventory(settings)
        accepted = read_baseline(baseline, today()) if baseline else ()
        plans, failures = read_plans(settings, loaded)
    by_name = {item.name: item for item in plans} | {item.device: item for item in failures}
    ordered = [by_name[name] for name in loaded.hosts if name in by_name]
    document = drift_json(ordered, accepted)
    if files.wanted:
        from segctl.report import drift_report

        rules = {
            item.device.name: [rule.name for rule in item.policy.rules]
            for item in desired_of(loaded)
        }
        places = places_of(loaded.site, settings)
        files.write(drift_report(document, environment=env, places=places, rules=rules))
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(drift_text(document))
    if failures:
        return ERROR
    return OK if document["in_sync"] else DIFFERS
