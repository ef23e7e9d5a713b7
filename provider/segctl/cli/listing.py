"""``--list-hosts``, ``--list-tasks`` and ``--syntax-check`` of plan and apply; asks no device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from segctl.cli.exits import OK
from segctl.cli.screen import print_json, print_lines, say
from segctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.cli.arguments import Settings
    from segctl.operations.progress import Progress
    from segctl.operations.rollout import PlaybookOptions
    from segctl.playbook import Task
    from segctl.playbook.run.prepare import Prepared
    from segctl.report import Line

ListHostsOption = Annotated[
    bool, typer.Option("--list-hosts", help="Only list the firewalls; with -p by play and wave")
]
ListTasksOption = Annotated[
    bool, typer.Option("--list-tasks", help="With -p: only list the tasks and waves of each play")
]
SyntaxCheckOption = Annotated[
    bool, typer.Option("--syntax-check", help="With -p: only check the playbook and the inventory")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which of the lists is asked for; any of them replaces what the command does."""

    hosts: bool = False
    tasks: bool = False
    syntax: bool = False

    def __bool__(self) -> bool:
        """Whether one is asked for."""
        return self.hosts or self.tasks or self.syntax

    def show(self, settings: Settings, playbook: PlaybookOptions | None, progress: Progress) -> int:
        """Print it, and return the exit status.

        Raises:
            UsageError: tasks or a check are asked for without a playbook.
            PlaybookError: the playbook cannot be used.
            InventoryError: the inventory cannot be used.
        """
        if playbook is not None:
            return self._show_playbook(settings, playbook, progress)
        if self.tasks:
            raise UsageError("--list-tasks lists the tasks of a playbook: give it with -p FILE")
        if self.syntax:
            raise UsageError(
                "--syntax-check checks a playbook: give it with -p FILE; "
                "segctl validate checks the inventory"
            )
        from segctl.operations.loading import desired_of, load_inventory

        names = [one.device.name for one in desired_of(load_inventory(settings, progress))]
        if settings.json:
            print_json({"format_version": "1.0", "hosts": names}, lines=settings.json_lines)
        else:
            say("\n".join([f"hosts ({len(names)}):", *(f"  {name}" for name in names)]))
        return OK

    def _show_playbook(
        self, settings: Settings, options: PlaybookOptions, progress: Progress
    ) -> int:
        from segctl.operations.rollout import prepare_plays

        playbook, _, plays = prepare_plays(settings, options, progress)
        if settings.json:
            document = {
                "format_version": "1.0",
                "playbook": str(options.file),
                "digest": playbook.digest,
                "plays": [_play_json(play) for play in plays],
            }
            print_json(document, lines=settings.json_lines)
            return OK
        say(f"playbook: {options.file}")
        if self.hosts or self.tasks:
            print_lines(line for play in plays for line in self._play_lines(play))
        return OK

    def _play_lines(self, prepared: Prepared) -> Iterator[Line]:
        from segctl.report import Line
        from segctl.report.rollout import play_head

        yield Line()
        yield play_head(prepared)
        for number, wave in enumerate(prepared.waves, 1):
            names = [name for desired in wave for name in desired.hosts]
            count = f"{len(names)} host{'' if len(names) == 1 else 's'}"
            text = ", ".join(names) if self.hosts else count
            yield Line(lead=f"  Wave {number}: ", text=text)
        for task in prepared.tasks if self.tasks else ():
            yield Line(lead="  Task: ", text=_task_text(prepared, task))


def _task_text(prepared: Prepared, task: Task) -> str:
    name = f" ({task.name})" if task.name not in {"", task.action} else ""
    tags = sorted({*prepared.play.tags, *task.tags})
    shown = f"  tags: {', '.join(tags)}" if tags else ""
    return f"segctl_{task.action}{name}{shown}"


def _play_json(prepared: Prepared) -> dict[str, Any]:
    return {
        "play": prepared.number,
        "name": prepared.play.name,
        "waves": [[name for desired in wave for name in desired.hosts] for wave in prepared.waves],
        "tasks": [
            {
                "action": task.action,
                "name": task.name,
                "tags": sorted({*prepared.play.tags, *task.tags}),
            }
            for task in prepared.tasks
        ],
    }
