"""``segctl drift``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import EPILOG, app
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.screen import print_json, print_lines
from segctl.cli.steps import load_inventory, read_plans, settings_of, today


@app.command(epilog=EPILOG)
def drift(
    context: typer.Context,
    *,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Known drift, with owner and expiry (YAML)")
    ] = None,
) -> int:
    """Compare the devices with the inventory; never writes and never locks."""
    from segctl.baseline import read_baseline
    from segctl.report import drift_json, drift_text

    settings = settings_of(context)
    loaded = load_inventory(settings)
    accepted = read_baseline(baseline, today()) if baseline else ()
    plans, failures = read_plans(settings, loaded)
    by_name = {item.name: item for item in plans} | {item.device: item for item in failures}
    ordered = [by_name[name] for name in loaded.hosts if name in by_name]
    document = drift_json(ordered, accepted)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(drift_text(document))
    if failures:
        return ERROR
    return OK if document["in_sync"] else DIFFERS
