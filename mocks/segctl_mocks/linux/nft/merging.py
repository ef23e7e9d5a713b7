"""Joining comparisons of neighbouring header fields into one load, as nft 1.0.6 does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl_mocks.linux.nft import fields
from segctl_mocks.linux.nft.nodes import Binary, Payload, Raw, Value
from segctl_mocks.linux.nft.statements import Match, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl_mocks.linux.nft.context import Context

_WIDEST = 128
_FAST = 32


def merge(statements: Sequence[Statement], context: Context) -> list[Statement]:
    """Merge what nft merges between two statements that compare nothing."""
    out: list[Statement | None] = [*statements]
    extra: dict[int, list[Statement]] = {}
    run: list[int] = []
    for position, statement in enumerate(statements):
        if not isinstance(statement, Match):
            _merge_run(out, run, context, extra)
            run = []
        elif _mergeable(statement):
            run.append(position)
    _merge_run(out, run, context, extra)
    result: list[Statement] = []
    for position, statement in enumerate(out):
        if position in extra:
            result += extra[position]
        elif statement is not None:
            result += _expanded(statement, context)
    return result


def _mergeable(match: Match) -> bool:
    return (
        isinstance(match.left, Payload | Raw)
        and isinstance(match.right, Value)
        and match.mask is None
        and match.operator in {"==", "!="}
    )


def _place(left: object) -> tuple[str, int, int]:
    if isinstance(left, Payload):
        return left.field.base, left.field.offset, left.field.bits
    if isinstance(left, Raw):
        return left.base, left.offset, left.bits
    raise TypeError(left)


_ORDER = {"ll": 0, "nh": 1, "th": 2, "ih": 4}


def _merge_run(
    out: list[Statement | None],
    run: list[int],
    context: Context,
    extra: dict[int, list[Statement]],
) -> None:
    if len(run) < 2:
        return

    def order(position: int) -> tuple[int, int]:
        statement = out[position]
        if not isinstance(statement, Match):
            raise TypeError(statement)
        base, offset, _ = _place(statement.left)
        return _ORDER[base], offset

    ordered = sorted(run, key=order)
    group: list[int] = []
    place = ("", 0, 0)
    number = 0
    groups: list[tuple[list[int], tuple[str, int, int], int]] = []
    for position in ordered:
        statement = out[position]
        if not isinstance(statement, Match) or not isinstance(statement.right, Value):
            continue
        base, offset, bits = _place(statement.left)
        first = out[group[0]] if group else None
        same = isinstance(first, Match) and first.operator == statement.operator
        if group and same and _joins(place, (base, offset, bits)):
            number = number << bits | statement.right.number
            place = (base, place[1], place[2] + bits)
            group.append(position)
        else:
            if group:
                groups.append((group, place, number))
            group, place, number = [position], (base, offset, bits), statement.right.number
    groups.append((group, place, number))
    for members, where, value in groups:
        if len(members) < 2:
            continue
        first = out[members[0]]
        if isinstance(first, Match):
            raw = Raw(*where)
            merged = Match(raw, first.operator, Value(raw.kind, value))
            named = [out[member] for member in members]
            if all(isinstance(each, Match) and _is_named(each) for each in named):
                extra[members[0]] = [each for each in named if each is not None]
            else:
                extra[members[0]] = _expanded(merged, context)
            for member in members[1:]:
                out[member] = None


def _is_named(match: Match) -> bool:
    return isinstance(match.left, Payload) and match.left.field.protocol != "th"


def _joins(left: tuple[str, int, int], right: tuple[str, int, int]) -> bool:
    if left[0] != right[0] or left[1] + left[2] != right[1]:
        return False
    if any(number % 8 for number in (*left[1:], *right[1:])):
        return False
    total = left[2] + right[2]
    if total > _FAST and left[2] <= _FAST and right[2] <= _FAST:
        return False
    return total <= _WIDEST


def _expanded(statement: Statement, context: Context) -> list[Statement]:
    """Name raw bits that are fields of a known protocol."""
    if not isinstance(statement, Match) or not isinstance(statement.left, Raw):
        return [statement]
    raw, right = statement.left, statement.right
    protocol = {"nh": context.network, "th": context.shown_transport}.get(raw.base, "")
    if not protocol or not isinstance(right, Value) or isinstance(statement.left, Binary):
        return [statement]
    found: list[Statement] = []
    at, end = raw.offset, raw.offset + raw.bits
    headers = {
        header.offset: header for (name, _), header in fields.FIELDS.items() if name == protocol
    }
    while at < end:
        header = headers.get(at)
        if header is None or at + header.bits > end:
            return [statement]
        at += header.bits
        part = right.number >> (end - at) & header.kind.top
        found.append(Match(Payload(header), statement.operator, Value(header.kind, part)))
    return found
