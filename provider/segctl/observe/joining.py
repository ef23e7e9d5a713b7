"""One flow as several witnesses tell of it: who shows less is taken to have seen the same sessions.

A flow counts once. What one witness shows of it (its applications, who began, whether it was let
pass) another one need not show as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from segctl.observe.observation import counted_by

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.observe.grouping import Count
    from segctl.observe.observation import Group

T = TypeVar("T")
#: A witness that tells a flow's fate speaks for another one if it saw this share of what that saw.
_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[T]):
    """A group with what was made of it; `settled` says that it could be told.

    `alone` says that no other witness speaks for it, whatever that shows.
    """

    group: Group
    count: Count
    said: T
    settled: bool
    alone: bool = False


class Joined(NamedTuple, Generic[T]):
    """What is told of a flow, and what is left: the same sessions once more, and those beyond.

    `again` are groups whose sessions others tell of, `beyond` is how many more sessions there are
    in them than the others saw.
    """

    told: tuple[Told[T], ...]
    again: tuple[Told[T], ...]
    beyond: int


def joined(found: Sequence[Told[T]]) -> Joined[T]:
    """Return what one flow comes to, where witnesses show more or less of the same sessions.

    The sessions of one witness are different ones; those of two are the same as far as their
    numbers go. So a witness whose groups cannot be told is spoken for by another one that tells of
    at least half as many sessions of this flow. What goes beyond these is counted, and no more.
    """
    settled = _sessions(one for one in found if one.settled)
    if not settled or all(one.settled for one in found):
        return Joined(tuple(found), (), 0)
    open_of = _sessions(one for one in found if not one.settled and not one.alone)
    whole = _sessions(one for one in found if not one.alone)
    spoken_for: dict[str, int] = {}
    for witness, unsettled in open_of.items():
        others = max((seen for name, seen in settled.items() if name != witness), default=0)
        if others and others >= _SHARE * whole[witness]:
            spoken_for[witness] = min(unsettled, max(0, whole[witness] - others))
    again = tuple(
        one
        for one in found
        if not one.settled and not one.alone and counted_by(one.group) in spoken_for
    )
    left = tuple(one for one in found if one not in again)
    return Joined(left, again, max(spoken_for.values(), default=0))


def _sessions(found: Iterable[Told[T]]) -> Mapping[str, int]:
    """Return how many sessions each witness saw; a record of none still is one."""
    held: dict[str, int] = {}
    for one in found:
        name = counted_by(one.group)
        held[name] = held.get(name, 0) + max(1, one.count.sessions)
    return held
