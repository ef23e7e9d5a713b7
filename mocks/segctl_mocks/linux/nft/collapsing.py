"""Commands in a row that add elements to one set: nft 1.0.6 checks them as one (src/cmd.c)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from segctl_mocks.linux.nft.syntax import Command, Elements, Numbers, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SetKey: TypeAlias = tuple[str, str, str]


def collapsed(commands: Sequence[Command], ranges: Callable[[Place], bool]) -> Iterator[Command]:
    """Yield commands; those that add to a set become one if ``ranges`` says so of the set."""
    waiting: list[Command] = []
    for command in commands:
        if waiting and not _continues(waiting[-1], command):
            yield from _join(waiting, ranges)
            waiting = []
        waiting.append(command)
    yield from _join(waiting, ranges)


def set_key(place: Place) -> SetKey:
    """Return the family, the table and the name of a set."""
    return place.family, place.table, place.name


def _continues(before: Command, command: Command) -> bool:
    """Say whether a command adds elements to the same set in the same way as the one before."""
    return (
        command.what == "element"
        and command.verb in {"add", "create"}
        and (before.what, before.verb) == (command.what, command.verb)
        and set_key(before.place) == set_key(command.place)
    )


def _join(commands: list[Command], ranges: Callable[[Place], bool]) -> list[Command]:
    if len(commands) < 2 or not ranges(commands[0].place):
        return commands
    bodies = [each.body.spelled() if isinstance(each.body, Numbers) else each.body
              for each in commands]  # fmt: skip
    items = [item for body in bodies if isinstance(body, Elements) for item in body.items]
    return [replace(commands[0], body=Elements(tuple(items), commands[0].span))]
