"""``segctl traffic``: what records of traffic show, against what is declared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import FromDevicesOption, SinceOption, TimezoneOption, given_to, since_of
from segctl.cli.reports import Environment, HtmlOption, MarkdownOption, ReportFiles
from segctl.cli.screen import print_json, print_lines
from segctl.model.errors import UsageError
from segctl.operations import traffic as watching
from segctl.operations.loading import provenance
from segctl.operations.traffic import TrafficOptions

if TYPE_CHECKING:
    from segctl.observe.traffic import By


@app.command(cls=Command, epilog=epilog("traffic"))
def traffic(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Records of traffic, also compressed; folders are walked, - is standard input",
        ),
    ] = None,
    *,
    from_devices: FromDevicesOption = False,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="What is added up: by conduit, zone, asset, user or application",
        ),
    ] = "conduit",
    since: SinceOption = "",
    timezone: TimezoneOption = "",
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    env: Environment = "default",
) -> int:
    """Add up what records of traffic show, against what is declared; changes no device."""
    from segctl.observe.traffic import BY
    from segctl.report.traffic import traffic_json, traffic_report, traffic_text

    known: dict[str, By] = {one: one for one in BY}
    if by not in known:
        raise UsageError(f"--by must be one of {', '.join(BY)}, not {by!r}")
    settings, display = given_to(context)
    reports = ReportFiles(environment=env, markdown=markdown, html=html)
    now = datetime.now(UTC).timestamp()
    options = TrafficOptions(
        files=tuple(files or ()),
        from_devices=from_devices,
        now=now,
        by=known[by],
        since=since_of(since, now),
        timezone=timezone or None,
    )
    with reports.refusals("traffic", settings):
        result = watching.traffic(settings, options, display)
    document = traffic_json(result.coverage, result.summary)
    if reports.wanted:
        evidence = provenance(settings, result.loaded)
        reports.write(traffic_report(document, environment=env, provenance=evidence))
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(traffic_text(document))
    return ERROR if "error" in document else OK
