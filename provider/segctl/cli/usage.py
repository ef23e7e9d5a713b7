"""``segctl usage``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import FromDevicesOption, TimezoneOption, given_to
from segctl.cli.screen import print_json, print_lines, tell_failures
from segctl.model.durations import parse_duration
from segctl.model.errors import UsageError
from segctl.operations import usage as using
from segctl.operations.usage import UsageOptions

if TYPE_CHECKING:
    from segctl.operations.narrow import NarrowResult


@app.command(cls=Command, epilog=epilog("usage"))
def usage(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Records of traffic, which tell who used a rule; folders are walked, - is "
            "standard input",
        ),
    ] = None,
    *,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            help="How far back a use counts, such as 30d or 12h [90d; with --narrow 396d]",
        ),
    ] = "",
    narrow: Annotated[
        bool,
        typer.Option(
            "--narrow",
            help="Propose the inventory without what no record of 396 days or more tells of",
        ),
    ] = False,
    from_devices: FromDevicesOption = False,
    timezone: TimezoneOption = "",
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Folder for the files of --narrow"),
    ] = None,
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
    from segctl.observe.narrowing import SHORTEST
    from segctl.report.usage import usage_json, usage_text

    settings, display = given_to(context)
    if out is not None and not narrow:
        raise UsageError("-o is where --narrow writes its proposal: give --narrow too")
    options = UsageOptions(
        now=datetime.now(UTC).timestamp(),
        window=_window(since or (f"{SHORTEST}d" if narrow else "90d")),
        risky=hit_counts,
        files=tuple(files or ()),
        from_devices=from_devices,
        timezone=timezone or None,
        narrow=narrow,
        out=out,
    )
    if narrow and options.window < timedelta(days=SHORTEST):
        raise UsageError(
            f"--since: --narrow looks at {SHORTEST} days at least: what is done once a year is "
            "seen in no less (docs/usage.md)"
        )
    result = using.usage(settings, options, display)
    failed = ((name, one) for name, one in result.devices.items() if isinstance(one, Failure))
    tell_failures((name, one.message) for name, one in failed)
    document = usage_json(
        result.devices, result.window, result.unasked, result.coverage, _narrow(result.narrowed)
    )
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(usage_text(document))
    return ERROR if "error" in document else OK


def _narrow(found: NarrowResult | None) -> dict[str, Any] | None:
    from segctl.report.narrow import narrow_json

    if found is None:
        return None
    return narrow_json(
        found.narrowing,
        replayed=found.replayed,
        files=found.files,
        diff=found.diff,
        written=[str(path) for path in found.written],
    )


def _window(text: str) -> timedelta:
    try:
        seconds = parse_duration(text, unit="d")
        window = timedelta(seconds=seconds)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--since: {error}") from error
    if not timedelta() < window <= timedelta(days=3650):
        raise UsageError("--since: a duration of more than nothing and at most 3650d")
    return window
