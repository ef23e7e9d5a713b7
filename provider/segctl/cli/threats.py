"""``segctl threats``: what was attacked and what nobody recognises, with what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.options import FromDevicesOption, SinceOption, TimezoneOption, given_to, since_of
from segctl.cli.reports import Environment, HtmlOption, MarkdownOption, ReportFiles
from segctl.cli.screen import print_json, print_lines
from segctl.operations import traffic as watching
from segctl.operations.loading import provenance
from segctl.operations.traffic import TrafficOptions


@app.command(cls=Command, epilog=epilog("threats"))
def threats(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE…]",
            help="Records of traffic and threats; folders are walked, - is standard input",
        ),
    ] = None,
    *,
    from_devices: FromDevicesOption = False,
    since: SinceOption = "",
    timezone: TimezoneOption = "",
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit 2 where something severe was not blocked"),
    ] = False,
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    env: Environment = "default",
) -> int:
    """Show threats, blocked and not, and unknown applications; changes no device."""
    from segctl.report.threats import threats_json, threats_report, threats_text

    settings, display = given_to(context)
    reports = ReportFiles(environment=env, markdown=markdown, html=html)
    now = datetime.now(UTC).timestamp()
    options = TrafficOptions(
        files=tuple(files or ()),
        from_devices=from_devices,
        now=now,
        since=since_of(since, now),
        timezone=timezone or None,
    )
    with reports.refusals("threats", settings):
        result = watching.threats(settings, options, display)
    document = threats_json(result.coverage, result.threats, result.contained)
    if reports.wanted:
        evidence = provenance(settings, result.loaded)
        reports.write(threats_report(document, environment=env, provenance=evidence))
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(threats_text(document))
    if "error" in document:
        return ERROR
    return DIFFERS if detailed_exitcode and document["summary"]["to_look_at"] else OK
