"""``segctl replay``: what would become of traffic that was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import DIFFERS, ERROR, OK
from segctl.cli.options import (
    FromDevicesOption,
    OfflineOption,
    SinceOption,
    TimezoneOption,
    given_to,
    since_of,
)
from segctl.cli.reports import Environment, HtmlOption, MarkdownOption, ReportFiles
from segctl.cli.screen import print_json, print_lines, tell
from segctl.cli.signatures import SignOption, key_password
from segctl.model.errors import UsageError
from segctl.operations import replay as replaying
from segctl.operations.loading import provenance
from segctl.operations.plan_files import Saving
from segctl.operations.replay import ReplayOptions


@app.command(cls=Command, epilog=epilog("replay"))
def replay(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PLAN] [FILE…]",
            help="A saved plan, unless --declared is given, then records of traffic; folders are "
            "walked, - is standard input",
        ),
    ] = None,
    *,
    declared: Annotated[
        bool,
        typer.Option("--declared", help="Replay under the policy of the inventory, not a plan"),
    ] = False,
    island: Annotated[
        str,
        typer.Option(
            "--island",
            metavar="NAME",
            help="Replay while this zone or site is an island, not under a plan",
        ),
    ] = "",
    from_devices: FromDevicesOption = False,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Ask the firewalls what they do with some of the traffic in the files, as "
            "--from-devices does",
        ),
    ] = False,
    offline: OfflineOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="Save the plan here, with what was found out"
        ),
    ] = None,
    sign: SignOption = None,
    since: SinceOption = "",
    timezone: TimezoneOption = "",
    markdown: MarkdownOption = None,
    html: HtmlOption = None,
    env: Environment = "default",
) -> int:
    """Judge traffic that was seen under a plan, as declared, or as an island; changes no device."""
    from segctl.report.replay import differs, replay_json, replay_report, replay_text

    named = files or []
    if declared and island:
        raise UsageError("give --declared or --island, not both")
    unplanned = declared or bool(island)
    if not unplanned and not named:
        raise UsageError("name a plan before the records, or give --declared or --island")
    plan = None if unplanned else Path(named[0])
    records = tuple(named if unplanned else named[1:])
    if plan is not None and not plan.is_file():
        raise UsageError(f"{plan} is not a plan: name one before the records, or give --declared")
    settings, display = given_to(context)
    saving = Saving.to(out, sign, 24, key_password)
    now = datetime.now(UTC).timestamp()
    options = ReplayOptions(
        files=records,
        now=now,
        from_devices=from_devices,
        calibrate=calibrate,
        plan=plan,
        island=island,
        offline=offline,
        since=since_of(since, now),
        timezone=timezone or None,
        rehearse=out is not None,
    )
    reports = ReportFiles(environment=env, markdown=markdown, html=html)
    with reports.refusals("replay", settings):
        result = replaying.replay(settings, options, display)
    under = "island" if island else "declared" if declared else "plan"
    document = replay_json(
        result.coverage,
        result.replay,
        result.refused,
        under=under,
        calibration=result.calibration,
    )
    if reports.wanted:
        evidence = provenance(settings, result.loaded)
        reports.write(replay_report(document, environment=env, provenance=evidence))
    saved = saving.save(result.rehearsed, ()) if result.rehearsed is not None else None
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(replay_text(document))
    if saved is not None:
        signed = f", signed in {saved.signature}" if saved.signature else ""
        tell(f"Saved{signed}: segctl show {saved.file} says what was found out.")
    if "error" in document:
        return ERROR
    return DIFFERS if differs(document) else OK
