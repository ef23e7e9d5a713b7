"""Options of several commands, and what a command is given: its settings and its display."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.arguments import Settings
from segctl.cli.completion import complete_hosts
from segctl.cli.display import Display
from segctl.model.durations import format_duration, parse_duration
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.planning.plan import Allowance

#: A hundred years: more is a slip, and dates end.
_LONGEST = 36500 * 86400.0

HostsArgument = Annotated[
    str,
    typer.Argument(
        metavar="[HOST]",
        help="Firewalls of this pattern [all, or -l]",
        autocompletion=complete_hosts,
    ),
]
OfflineOption = Annotated[
    Path | None,
    typer.Option(
        "--offline", help="Read this snapshot, or folder of snapshots, instead of devices"
    ),
]
#: Of pages that show the plant.
OneSiteOption = Annotated[str, typer.Option("--site", help="Show this site only")]
AnswersOption = Annotated[
    Path | None,
    typer.Option("--checks", metavar="FILE", help="Also the answers to this file of checks"),
]
PastOption = Annotated[
    str | None,
    typer.Option(
        "--history", metavar="URL", help="Also what has drifted so far, from this database"
    ),
]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since", metavar="TIME", help="Leave out older records: a date, or 14d for two weeks"
    ),
]
FromDevicesOption = Annotated[
    bool,
    typer.Option(
        "--from-devices",
        help="Ask the firewalls themselves what they saw, for a week or since --since",
    ),
]
TimezoneOption = Annotated[
    str,
    typer.Option(
        "--timezone",
        metavar="NAME",
        help="Time zone of records whose times name none: Europe/Berlin [UTC]",
    ),
]
ValidForOption = Annotated[
    str,
    typer.Option(
        "--valid-for",
        metavar="DURATION",
        help="How long apply accepts the saved plan: 30m, 24h, 7d; a plain number is hours",
    ),
]
DisruptionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-disruption",
        metavar="FLOW",
        help="Let the plan cut this way of managing a device, fw1:management for example; needs "
        "--reason; repeatable",
    ),
]
ReasonOption = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="Why --allow-disruption; stays in the plan"),
]
KeepDaysOption = Annotated[
    str,
    typer.Option(
        "--keep-days",
        metavar="DURATION",
        help="How long resolved drift stays on record: 730d; a plain number is days",
    ),
]
PlaybookOption = Annotated[
    Path | None,
    typer.Option("-p", "--playbook", help="Work through the plays and waves of this playbook"),
]
TagsOption = Annotated[
    list[str] | None, typer.Option("-t", "--tags", help="With -p: only tasks with these tags")
]
SkipTagsOption = Annotated[
    list[str] | None, typer.Option("--skip-tags", help="With -p: skip tasks with these tags")
]


def duration_of(option: str, text: str, *, unit: str, least: float) -> float:
    """Return the seconds that an option gives; a plain number counts `unit`.

    Raises:
        UsageError: it is not a duration, or shorter than `least` seconds.
    """
    try:
        seconds = parse_duration(text, unit=unit)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if not least <= seconds <= _LONGEST:
        bounds = f"from {format_duration(least)} to {format_duration(_LONGEST)}"
        raise UsageError(f"{option} must be {bounds}, not {text}")
    return seconds


def settings_of(context: typer.Context) -> Settings:
    """Return the global options of this run."""
    return context.find_object(Settings) or Settings()


def given_to(context: typer.Context) -> tuple[Settings, Display]:
    """Return the global options of this run, and who is told how it goes."""
    settings = settings_of(context)
    return settings, Display(settings=settings)


def only_with_playbook(playbook: Path | None, *options: object) -> None:
    """Refuse options of playbooks where none is given.

    Raises:
        UsageError: there is one.
    """
    if playbook is None and any(options):
        raise UsageError(
            "--tags, --skip-tags, --reviewed, --resume, --state and --on-interrupt need a "
            "playbook (-p FILE)"
        )


def split_tags(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the tags of ``--tags``, which may be given more than once and hold commas."""
    return tuple(
        tag for value in values or () for part in value.split(",") if (tag := part.strip())
    )


def moment_of(text: str, option: str = "--since") -> datetime:
    """Return the moment that an option names, in the time zone of this machine without one.

    Raises:
        UsageError: it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise UsageError(f"{option} must be a date like 2026-11-01, not {text!r}") from None


def since_of(text: str, now: float) -> float | None:
    """Return the moment (seconds since 1970) of ``--since``: a date, or so long before `now`.

    Raises:
        UsageError: it is neither.
    """
    if not text:
        return None
    try:
        return now - parse_duration(text, unit="d")
    except ValueError:
        return moment_of(text).timestamp()


def disruptions_of(flows: Sequence[str] | None, reason: str) -> tuple[Allowance, ...]:
    """Return the ways of managing devices that may be cut, with who allows it and why.

    Raises:
        UsageError: there is no reason, or a reason for nothing.
    """
    from segctl.planning.plan import Allowance
    from segctl.transports.lock_owner import this_run

    if flows and not reason.strip():
        raise UsageError("--allow-disruption needs --reason TEXT: the plan keeps who and why")
    if reason and not flows:
        raise UsageError("--reason belongs to --allow-disruption FLOW")
    by = os.environ.get("SEGCTL_AUTHOR") or this_run()
    return tuple(Allowance(flow=flow, by=by, reason=reason) for flow in flows or ())
