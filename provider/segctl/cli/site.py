"""``segctl site``: the plant on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import AnswersOption, OfflineOption, OneSiteOption, PastOption, given_to
from segctl.cli.screen import print_json, say, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import site as showing
from segctl.operations.files import check, save
from segctl.operations.site import SiteOptions


@app.command(cls=Command, epilog=epilog("site"))
def site(
    context: typer.Context,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The page: .html")],
    site: OneSiteOption = "",
    live: Annotated[
        bool, typer.Option("--live", help="Also what firewalls enforce, and what has drifted")
    ] = False,
    offline: OfflineOption = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Also what this saved plan does")
    ] = None,
    checks: AnswersOption = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="FOLDER", help="Also this evidence of segctl evidence"),
    ] = None,
    history: PastOption = None,
) -> int:
    """Show the plant on one page: drawing, matrix, register, findings; never writes to a device."""
    from segctl.report.plant_page import site_json

    settings, display = given_to(context)
    if out.suffix != ".html":
        raise UsageError(f"-o {out}: the page is an .html file")
    if live and offline is not None:
        raise UsageError("--live asks the firewalls: leave out --offline")
    check(out)
    options = SiteOptions(
        site=site,
        live=live,
        offline=offline,
        plan=plan,
        checks=checks,
        evidence=evidence,
        history=history,
    )
    result = showing.site(settings, options, display)
    save(out, result.text)
    tell_failures(result.failed.items())
    if settings.json:
        document = site_json(str(out), result.parts, result.failed, result.provenance)
        print_json(document, lines=settings.json_lines)
    else:
        say(f"{out}: {', '.join(result.parts).lower()}")
    return ERROR if result.failed else OK
