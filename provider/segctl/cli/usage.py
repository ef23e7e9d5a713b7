"""``segctl usage``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import given_to
from segctl.cli.screen import print_json, print_lines, tell_failures
from segctl.model.durations import parse_duration
from segctl.model.errors import UsageError
from segctl.operations import usage as using
from segctl.operations.usage import UsageOptions


@app.command(cls=Command, epilog=epilog("usage"))
def usage(
    context: typer.Context,
    *,
    since: Annotated[
        str, typer.Option("--since", help="How far back a use counts, such as 30d or 12h")
    ] = "90d",
    hit_counts: Annotated[
        bool,
        typer.Option(
            "--hit-counts",
            help="Ask also where asking for hit counts can hang the management plane",
        ),
    ] = False,
) -> int:
    """Show which rules and conduits are used, by what devices count; never writes to a device."""
    from segctl.fleet import Failure
    from segctl.report.usage import usage_json, usage_text

    settings, display = given_to(context)
    options = UsageOptions(window=_window(since), risky=hit_counts)
    result = using.usage(settings, options, display)
    failed = ((name, one) for name, one in result.devices.items() if isinstance(one, Failure))
    tell_failures((name, one.message) for name, one in failed)
    document = usage_json(result.devices, result.window, result.unasked)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(usage_text(document))
    return ERROR if "error" in document else OK


def _window(text: str) -> timedelta:
    try:
        seconds = parse_duration(text, unit="d")
        window = timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since: {error}") from error
    if not timedelta() < window <= timedelta(days=3650):
        raise UsageError("--since: a duration of more than nothing and at most 3650d")
    return window
