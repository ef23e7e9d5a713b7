"""Options of several commands, and what a command is given: its settings and its display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segctl.cli.arguments import Settings
from segctl.cli.display import Display
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

OfflineOption = Annotated[
    Path | None,
    typer.Option("--offline", help="Read no device but this snapshot, or this folder of them"),
]
PlaybookOption = Annotated[
    Path | None, typer.Option("-p", "--playbook", help="Waves as this playbook has them")
]
TagsOption = Annotated[
    list[str] | None, typer.Option("-t", "--tags", help="With -p: only tasks with these tags")
]
SkipTagsOption = Annotated[
    list[str] | None, typer.Option("--skip-tags", help="With -p: no tasks with these tags")
]


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
            "--tags, --skip-tags, --reviewed, --resume, --state and --on-interrupt go with a "
            "playbook (-p FILE)"
        )


def split_tags(values: Sequence[str] | None) -> tuple[str, ...]:
    """Return the tags of ``--tags``, which may be given more than once and hold commas."""
    return tuple(
        tag for value in values or () for part in value.split(",") if (tag := part.strip())
    )
