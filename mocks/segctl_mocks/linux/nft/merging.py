"""Joining comparisons of neighbouring header fields into one load, as nft 1.0.6 does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import fields
from segctl_mocks.linux.nft.nodes import Payload, Raw, Value
from segctl_mocks.linux.nft.reading import place
from segctl_mocks.linux.nft.statements import Match, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDEST = 128
_FAST = 32


def merge(statements: Sequence[Statement]) -> list[Statement]:
    """Merge what nft merges between two statements that compare nothing.

    A single comparison waits for a second one beyond such a statement, too.
    """
    out: list[Statement | None] = [*statements]
    run: list[int] = []
    for position, statement in enumerate(statements):
        if not isinstance(statement, Match):
            if len(run) > 1:
                _merge_run(out, run)
                run = []
        elif _mergeable(statement):
            run.append(position)
    _merge_run(out, run)
    return [kept for kept in out if kept is not None]


def _mergeable(match: Match) -> bool:
    return (
        isinstance(match.left, Payload | Raw)
        and isinstance(match.right, Value)
        and match.mask is None
        and match.operator in {"==", "!="}
    )


_ORDER = {"ll": 0, "nh": 1, "th": 2, "ih": 4}


@dataclass(slots=True)
class _Group:
    """Comparisons that become one, as positions in the rule."""

    members: list[int]
    place: tuple[str, int, int]
    operator: str
    number: int


def _merge_run(out: list[Statement | None], run: list[int]) -> None:
    for group in _groups(out, run):
        if len(group.members) < 2:
            continue
        keeper = next((at for at in group.members if _names_protocol(out[at])), group.members[0])
        raw = Raw(*group.place)
        for at in group.members:
            out[at] = None
        out[keeper] = Match(raw, group.operator, Value(raw.kind, group.number))


def _groups(out: list[Statement | None], run: list[int]) -> list[_Group]:
    """Group comparisons by what one load can fetch, in the order of the packet."""
    found: list[tuple[tuple[str, int, int], int, Match, int]] = []
    for at in run:
        match out[at]:
            case Match(left=Payload() | Raw() as left, right=Value(number=number)) as statement:
                found.append((place(left), at, statement, number))
            case _:
                pass
    found.sort(key=lambda each: (_ORDER[each[0][0]], each[0][1]))
    groups: list[_Group] = []
    for where, at, statement, number in found:
        last = groups[-1] if groups else None
        joins = last is not None and last.operator == statement.operator
        if last is not None and joins and _joins(last.place, where):
            last.number = last.number << where[2] | number
            last.place = (where[0], last.place[1], last.place[2] + where[2])
            last.members.append(at)
        else:
            groups.append(_Group([at], where, statement.operator, number))
    return groups


def _names_protocol(statement: object) -> bool:
    """Say whether a comparison says which protocol comes next."""
    if not isinstance(statement, Match) or not isinstance(statement.left, Payload):
        return False
    header = statement.left.field
    return header.name in {"protocol", "nexthdr"} or header.base == fields.LINK


def _joins(left: tuple[str, int, int], right: tuple[str, int, int]) -> bool:
    if left[0] != right[0] or left[1] + left[2] != right[1]:
        return False
    if any(number % 8 for number in (*left[1:], *right[1:])):
        return False
    total = left[2] + right[2]
    if total > _FAST and left[2] <= _FAST and right[2] <= _FAST:
        return False
    return total <= _WIDEST
