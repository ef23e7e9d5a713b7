"""Decisions of people about requirements: compensated, excepted or not applicable, until a day.

They are a YAML list, read with the inventory's reader, so that messages have a line::

    - {sr: SR 5.1 RE 1, zone: plant/control, state: compensated, reason: one locked cabinet,
       owner: automation, expires: 2027-03-31}
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

from segctl.evidence.requirements import requirements
from segctl.inventory.document import parse
from segctl.inventory.values import Place
from segctl.model.errors import InventoryError, Problem
from segctl.system.handed import read_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_NEEDED: Final = ("sr", "zone", "state", "reason", "owner", "expires")
#: What a person may decide.
Decided: TypeAlias = Literal["compensated", "excepted", "not_applicable"]
_STATES: Final[tuple[Decided, ...]] = ("compensated", "excepted", "not_applicable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided of a requirement in a zone, and until when it holds."""

    requirement: str
    zone: str
    state: Decided
    reason: str
    owner: str
    expires: date


def read_decisions(path: Path, zones: Collection[str]) -> tuple[Decision, ...]:
    """Return the decisions of a file; those that are over are among them.

    Raises:
        InventoryError: the file cannot be read, or entries are wrong; lists every reason.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        message = why or str(error)
        raise InventoryError((Problem(file=str(path), message=message),)) from error
    document = parse(text, str(path), places=True)
    if document.problems:
        raise InventoryError(document.problems)
    entries: object = [] if document.value is None else document.value
    if not isinstance(entries, list):
        problem = Problem(file=str(path), line=1, column=1, message="must be a list of decisions")
        raise InventoryError((problem,))
    listed = cast("list[object]", entries)
    where = document.places.get(id(listed), {})
    problems: list[Problem] = []
    found: list[Decision] = []
    for number, entry in enumerate(listed):
        at = where.get(number, Place(str(path)))
        wrong = [
            Problem(file=at.file, line=at.line, column=at.column, message=message, hint=hint)
            for message, hint in _wrong(entry, zones)
        ]
        problems += wrong
        if not wrong:
            found.append(_decision(cast("dict[str, Any]", entry)))
    if problems:
        raise InventoryError(tuple(problems))
    return tuple(found)


def _wrong(entry: object, zones: Collection[str]) -> Iterator[tuple[str, str]]:
    needs = f"it needs {', '.join(_NEEDED)}"
    if not isinstance(entry, dict):
        yield "must be a mapping", needs
        return
    values = cast("dict[str, object]", entry)
    if strange := [str(key) for key in values if key not in _NEEDED]:
        yield f"unknown key {strange[0]!r}", needs
    if missing := [key for key in _NEEDED if values.get(key) in (None, "")]:
        yield f"lacks {', '.join(missing)}", needs
        return
    if str(values["sr"]) not in {one.id for one in requirements()}:
        yield f"there is no requirement {values['sr']!r}", "write it as SR 5.2 RE 1"
    if str(values["zone"]) not in zones:
        yield (
            f"there is no zone {values['zone']!r}",
            f"the inventory has {', '.join(sorted(zones))}",
        )
    if values["state"] not in _STATES:
        yield f"state must be one of {', '.join(_STATES)}", ""
    if _day(values["expires"]) is None:
        yield f"expires must be a date like 2027-01-31, not {str(values['expires'])!r}", ""


def _day(value: object) -> date | None:
    if type(value) is date:  # a datetime is also a date, but does not compare with one
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _decision(values: dict[str, Any]) -> Decision:
    return Decision(
        requirement=str(values["sr"]),
        zone=str(values["zone"]),
        state=values["state"],
        reason=str(values["reason"]),
        owner=str(values["owner"]),
        expires=_day(values["expires"]) or date.min,
    )
