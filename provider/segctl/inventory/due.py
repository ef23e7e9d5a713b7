"""Which conduits somebody has to look at again, and by when; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from segctl.model.site import Conduit


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A day that something of a conduit is good for, an exception from a `rule` for example."""

    what: Literal["review_by", "expires", "exception"]
    day: date
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A conduit with the deadlines that come soon or have passed, the first one first."""

    conduit: Conduit
    deadlines: tuple[Deadline, ...]

    def overdue(self, today: date) -> bool:
        """Whether one of them lies before `today`."""
        return self.deadlines[0].day < today


def due(conduits: Iterable[Conduit], until: date) -> tuple[Due, ...]:
    """Return the conduits that are due by a day, the most urgent first; absent ones never are."""
    found: list[Due] = []
    for one in conduits:
        soon = sorted(
            (each for each in _deadlines(one) if each.day <= until), key=lambda each: each.day
        )
        if soon and one.mode != "absent":
            found.append(Due(conduit=one, deadlines=tuple(soon)))
    return tuple(sorted(found, key=lambda one: (one.deadlines[0].day, one.conduit.key)))


def undated(conduits: Iterable[Conduit]) -> tuple[Conduit, ...]:
    """Return the conduits that nobody has to look at again."""
    return tuple(
        one
        for one in conduits
        if one.mode != "absent" and one.review_by is None and one.expires is None
    )


def _deadlines(conduit: Conduit) -> Iterator[Deadline]:
    if conduit.review_by is not None:
        yield Deadline(what="review_by", day=conduit.review_by)
    if conduit.expires is not None:
        yield Deadline(what="expires", day=conduit.expires)
    for one in conduit.exceptions:
        yield Deadline(what="exception", day=one.expires, rule=one.rule)
