"""Combine a playbook and an inventory into a rollout: the tasks and the waves of each play."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.analysis.ends import sites_of
from segctl.analysis.query import Check, Question, questions
from segctl.compiler.build import Desired, compile_site
from segctl.compiler.groups import gathered
from segctl.inventory.loading import Loaded, of_play
from segctl.model.errors import FileError, InventoryError, PlaybookError, Problem, UnsupportedError
from segctl.model.site import Site
from segctl.playbook import Ask, Reach, selected, waves
from segctl.providers.base import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.model.site import Source
    from segctl.playbook import Play, Playbook, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A play with everything it needs from the inventory; `number` counts from 1.

    Waves are made of firewalls; those of a device group are one item of their wave.
    """

    number: int
    play: Play
    tasks: tuple[Task, ...]
    waves: tuple[tuple[Desired, ...], ...]
    connections: Mapping[str, Mapping[str, object]]
    site: Site = field(default_factory=Site, repr=False)
    questions: tuple[Question, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether any of its tasks changes devices."""
        return any(task.action == "apply" for task in self.tasks)


def prepare(
    playbook: Playbook,
    loaded: Loaded,
    today: date,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> tuple[Prepared, ...]:
    """Return the plays of which the tags in `only` and `skip` select at least one task.

    Raises:
        PlaybookError: a host pattern or a check does not fit the inventory.
        InventoryError: a play's variables cause problems in the inventory.
    """
    found: list[Prepared] = []
    problems: list[Problem] = []
    for number, play in enumerate(playbook.plays, 1):
        tasks = tuple(task for task in play.tasks if selected((*play.tags, *task.tags), only, skip))
        if not tasks:
            continue
        try:
            own = _seen_by(play, playbook, loaded, today)
            found.append(_prepared(number, play, tasks, own, today))
        except PlaybookError as error:
            problems += error.problems
    if problems:
        raise PlaybookError(tuple(problems))
    return tuple(found)


def _seen_by(play: Play, playbook: Playbook, loaded: Loaded, today: date) -> Loaded:
    try:
        return of_play(loaded, play.hosts, play.variables, playbook.places, today)
    except InventoryError as error:
        raise _of_play(play, error) from error


def _prepared(
    number: int, play: Play, tasks: tuple[Task, ...], own: Loaded, today: date
) -> Prepared:
    compiled = compile_site(own.site, today)
    names = [name for name in own.hosts if name in compiled]
    chosen = gathered(compiled, names)
    asked, problems = questions(
        (probe for probe in play.verify if isinstance(probe, Check)),
        own.site,
        sites_of(one.device for one in chosen),
    )
    problems = (*problems, *_refused(play, {one.device.platform for one in chosen}))
    if problems and chosen:
        raise PlaybookError(problems)
    return Prepared(
        number=number,
        play=play,
        tasks=tasks,
        waves=tuple(tuple(gathered(compiled, wave)) for wave in waves(names, play.serial)),
        connections=own.connections,
        site=own.site,
        questions=asked,
    )


def refuse_unusable(plays: Iterable[Prepared]) -> None:
    """Refuse plays with probes that fail on this machine whatever a host answers.

    Raises:
        PlaybookError: a file that a probe names cannot be used.
    """
    from segctl.playbook.run.probes import unusable

    problems = tuple(
        _problem_of(probe.declared, why)
        for play in plays
        for probe in play.play.verify
        if isinstance(probe, Reach) and probe.ca_file and (why := unusable(probe))
    )
    if problems:
        raise PlaybookError(problems)


def _problem_of(place: Source, message: str, hint: str = "") -> Problem:
    return Problem(
        message=message,
        file=place.file,
        line=place.line,
        column=place.column,
        path="verify",
        hint=hint,
    )


def _refused(play: Play, platforms: set[str]) -> Iterator[Problem]:
    """Yield a problem for each command that a platform in the play does not run."""
    for probe in play.verify:
        for platform in sorted(platforms):
            if not isinstance(probe, Ask) or probe.platform:
                continue  # the reader has checked the probes that name a platform
            with suppress(UnsupportedError):  # reported when the device is planned
                if why := refusal(platform, probe.command):
                    hint = "name the platform that runs it: platform: …"
                    hint = hint if len(platforms) > 1 else ""
                    yield _problem_of(probe.declared, f"{platform}: {why}", hint)


def _of_play(play: Play, error: FileError) -> FileError:
    """Attribute an invalid host pattern to the play; leave the inventory's problems as they are."""
    if any(problem.file != "--limit" for problem in error.problems):
        return error
    where = play.declared
    return PlaybookError(
        tuple(
            replace(one, file=where.file, line=where.line, column=where.column, path="hosts")
            for one in error.problems
        )
    )
