"""``segctl drift history``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.app import drift_app
from segctl.cli.completion import Command
from segctl.cli.examples import epilog
from segctl.cli.options import given_to, moment_of
from segctl.cli.screen import print_json, print_lines
from segctl.model.durations import format_duration
from segctl.model.errors import UsageError
from segctl.operations import history as records
from segctl.operations.history import HistoryOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.drift.history import Entry
    from segctl.report import Line


@drift_app.command("history", cls=Command, epilog=epilog("drift history"))
def history(
    context: typer.Context,
    *,
    device: Annotated[str, typer.Option("--device", help="Only this firewall")] = "",
    since: Annotated[
        str,
        typer.Option(
            "--since", help="Only what was seen or resolved since this date, such as 2026-11-01"
        ),
    ] = "",
    open_: Annotated[bool, typer.Option("--open", help="Only what is open [default]")] = False,
    every: Annotated[bool, typer.Option("--all", help="Include what was resolved")] = False,
    url: Annotated[
        str | None, typer.Option("--history", metavar="URL", help="Database of the history")
    ] = None,
    env: Annotated[str, typer.Option("--env", help="Only this environment")] = "",
) -> None:
    """Show what has drifted, since when, and who did it; asks no device.

    What segctl applied, when and by whom, is on record in another place: segctl history.
    With -i or -l only the firewalls that they select; without them everything on record.
    """
    if open_ and every:
        raise UsageError("give --open or --all, not both")
    settings, display = given_to(context)
    given = context.parent.params if context.parent is not None else {}
    chosen = bool(settings.inventory or settings.limit)
    options = HistoryOptions(
        url=url or given.get("history"),
        environment=env or _named(given.get("env")),
        device=device,
        since=moment_of(since) if since else None,
        resolved=every,
    )
    entries = records.history(options, settings if chosen else None, display)
    now = datetime.now(UTC)
    if settings.json:
        listed = [_json(entry, now) for entry in entries]
        document = {"format_version": "1.0", "items": listed}
        print_json(document, lines=settings.json_lines)
    else:
        print_lines(_lines(entries, now))


def _named(environment: str | None) -> str:
    from segctl.report.document import DEFAULT_ENVIRONMENT

    return "" if environment in {None, DEFAULT_ENVIRONMENT} else str(environment)


def _json(entry: Entry, now: datetime) -> dict[str, Any]:
    moments = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(entry).items()
    }
    return moments | {
        "age_seconds": int(((entry.resolved or now) - entry.first_seen).total_seconds())
    }


def _lines(entries: Sequence[Entry], now: datetime) -> Iterator[Line]:
    """Yield the entries by device, each with how long it has lasted and who did it."""
    from itertools import groupby

    from segctl.report import Line, row

    if not entries:
        yield Line(text="Nothing on record.")
        return
    several = len({entry.environment for entry in entries}) > 1
    for (environment, device), group in groupby(entries, lambda e: (e.environment, e.device)):
        where = f" ({environment})" if several else ""
        yield Line(lead=device, text=where, lead_style="bold")
        for entry in group:
            yield Line(
                lead=f"  {entry.state}: ",
                text=f"{entry.kind} {entry.name}",
                style="dim" if entry.resolved else "yellow",
            )
            span = (entry.resolved or now) - entry.first_seen
            lasted = format_duration(span.total_seconds())
            ended = f"resolved {_minute(entry.resolved)}" if entry.resolved else ""
            seen = ended or f"last seen {_minute(entry.last_seen)}"
            word = "lasted" if entry.resolved else "open for"
            yield row(word, f"{lasted}: first seen {_minute(entry.first_seen)}, {seen}")
            if entry.changed_by:
                yield row("changed by", f"{entry.changed_by} at {entry.changed_at}")
            if entry.owner:
                yield row("accepted", f"by {entry.owner} until {entry.expires}")
    yield Line()
    still = sum(entry.resolved is None for entry in entries)
    yield Line(text=f"{still} open, {len(entries) - still} resolved", style="bold")


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
