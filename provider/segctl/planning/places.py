"""Where two changes, or two scripts, differ: place by place, with both values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from segctl.planning.documents import change_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.diff import Change

#: So many lines of a script are told: where one differs, many may.
_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceDifference:
    """One place in which two documents differ, such as ``after.sources[0]``.

    `reviewed` and `plan` are the values there, None where a document has no such place.
    """

    place: str
    reviewed: Any = None
    plan: Any = None


class _Level(Protocol):
    """What deepdiff's tree view says of one place."""

    t1: object
    t2: object

    def path(self, *, output_format: str) -> list[str | int]:
        """Return the steps that lead there."""
        ...


def of_changes(reviewed: Change, plan: Change) -> tuple[PlaceDifference, ...]:
    """Return the places in which two changes of the same rule or object differ."""
    found = _places(_document(reviewed), _document(plan))
    return tuple(sorted(found, key=lambda difference: difference.place))


def _document(change: Change) -> dict[str, Any]:
    document = change_json(change)
    del document["fields"]  # it follows from the two sides
    return document


def of_scripts(reviewed: str, plan: str) -> tuple[PlaceDifference, ...]:
    """Return the lines in which two scripts differ, the first of them; lines count from 0."""
    documents = ({"script": text.splitlines()} for text in (reviewed, plan))
    return tuple(_places(*documents))[:_LINES]


def _places(reviewed: dict[str, Any], plan: dict[str, Any]) -> Iterator[PlaceDifference]:
    from deepdiff import DeepDiff  # takes longer to load than most comparisons

    found = DeepDiff(reviewed, plan, view="tree", verbose_level=2)
    groups = cast("Iterable[Iterable[_Level]]", found.values())
    for level in (level for group in groups for level in group):
        yield PlaceDifference(
            place=_place(level.path(output_format="list")),
            reviewed=_present(level.t1),
            plan=_present(level.t2),
        )


def _place(path: list[str | int]) -> str:
    words = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(words).removeprefix(".")


def _present(value: object) -> Any:
    from deepdiff.helper import notpresent

    return None if value is notpresent else value
