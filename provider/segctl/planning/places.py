"""Where two changes, or two scripts, differ: place by place, with both values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segctl.planning.documents import change_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segctl.model.diff import Change

#: What of a script is told: the lines that differ are many where its first one does.
_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceDifference:
    """One place in which two documents differ, such as ``after.sources[0]``.

    `reviewed` and `plan` are the values there, None where a document has no such place.
    """

    place: str
    reviewed: Any = None
    plan: Any = None


def of_changes(reviewed: Change, plan: Change) -> tuple[PlaceDifference, ...]:
    """Return the places in which two changes of the same rule or object differ."""
    return tuple(_places(_document(reviewed), _document(plan)))


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

    differing: Any = DeepDiff(reviewed, plan, view="tree", verbose_level=2)
    levels: list[Any] = [level for group in differing.values() for level in group]
    for level in sorted(levels, key=lambda level: _place(level.path(output_format="list"))):
        gone, come = (_present(value) for value in (level.t1, level.t2))
        yield PlaceDifference(
            place=_place(level.path(output_format="list")), reviewed=gone, plan=come
        )


def _place(path: list[str | int]) -> str:
    words = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(words).removeprefix(".")


def _present(value: object) -> Any:
    from deepdiff.helper import notpresent

    return None if value is notpresent else value
