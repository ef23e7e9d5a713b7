"""``segctl graph``: the drawing of the plant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segctl.cli.app import app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.exits import ERROR, OK
from segctl.cli.options import OfflineOption, given_to
from segctl.cli.screen import print_json, say, tell_failures
from segctl.model.errors import UsageError
from segctl.operations import graph as drawing
from segctl.operations.files import check, save
from segctl.operations.graph import FORMS, GraphOptions
from segctl.report.drawing import FOLDS, Fold, graph_json


@app.command(cls=Command, epilog=epilog("graph"))
def graph(
    context: typer.Context,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FILE", help=f"The drawing, by its ending: {', '.join(FORMS)}"
        ),
    ],
    site: Annotated[str, typer.Option("--site", help="Draw this site only")] = "",
    fold: Annotated[
        str,
        typer.Option(
            "--fold",
            metavar="BY",
            help="What becomes one box: none, kind, level or site; chosen by size if not given",
        ),
    ] = "",
    conduit: Annotated[
        str, typer.Option("--conduit", help="Bring out one conduit with its path")
    ] = "",
    firewall: Annotated[
        str, typer.Option("--firewall", help="Bring out one firewall and what crosses it")
    ] = "",
    source: Annotated[str, typer.Option("--from", help="Bring out what leaves this zone")] = "",
    destination: Annotated[str, typer.Option("--to", help="Bring out what reaches this zone")] = "",
    positions: Annotated[
        Path | None,
        typer.Option(
            "--positions",
            metavar="FILE",
            help="Keep columns in this file, so that what is declared in between moves nothing",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Also what firewalls permit beyond it, and what they block"),
    ] = False,
    offline: OfflineOption = None,
) -> int:
    """Draw the plant: zones by Purdue level, firewalls, conduits; never writes to a device."""
    settings, display = given_to(context)
    if out.suffix not in FORMS:
        raise UsageError(f"-o {out}: the ending says the form: {', '.join(FORMS)}")
    folds: dict[str, Fold] = {name: name for name in FOLDS}
    chosen = folds.get(fold)
    if fold and chosen is None:
        raise UsageError(f"--fold {fold!r}: choose {', '.join(FOLDS)}")
    for path in filter(None, (out, positions)):
        check(path)
    options = GraphOptions(
        form=out.suffix,
        site=site,
        fold=chosen,
        conduit=conduit,
        source=source,
        destination=destination,
        firewall=firewall,
        positions=positions,
        live=live,
        offline=offline,
    )
    result = drawing.graph(settings, options, display)
    save(out, result.text)
    if positions is not None:
        save(positions, result.positions)
    tell_failures(result.failed.items())
    document = graph_json(result.layout, result.failed)
    if settings.json:
        print_json(document, lines=settings.json_lines)
    else:
        say(f"{out}: {document['summary']}")
    return ERROR if result.failed else OK
