"""Joining comparisons of neighbouring header fields into one load, as nft 1.0.6 does."""

from __future__ import annotations

from dataclasses import dataclass
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
    for position, kept in enumerate(out):
        if position in extra:
            result += extra[position]
        elif kept is not None:
            result += _expanded(kept, context)
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


@dataclass(slots=True)
class _Group:
    """Comparisons that become one, as positions in the rule."""

    members: list[int]
    place: tuple[str, int, int]
    operator: str
    number: int


def _merge_run(
    out: list[Statement | None],
    run: list[int],
    context: Context,
    extra: dict[int, list[Statement]],
) -> None:
    for group in _groups(out, run):
        if len(group.members) < 2:
            continue
        named = [each for at in group.members if isinstance(each := out[at], Match)]
        keeper = next((at for at in group.members if _names_protocol(out[at])), group.members[0])
        if all(_is_named(each) for each in named):
            extra[keeper] = [*named]
        else:
            raw = Raw(*group.place)
            merged = Match(raw, group.operator, Value(raw.kind, group.number))
            extra[keeper] = _expanded(merged, context)
        for at in group.members:
            out[at] = out[at] if at == keeper else None


def _groups(out: list[Statement | None], run: list[int]) -> list[_Group]:
    """Group comparisons by what one load can fetch, in the order of the packet."""
    found: list[tuple[tuple[str, int, int], int, Match, int]] = []
    for at in run:
        statement = out[at]
        if isinstance(statement, Match) and isinstance(statement.right, Value):
            found.append((_place(statement.left), at, statement, statement.right.number))
    found.sort(key=lambda each: (_ORDER[each[0][0]], each[0][1]))
    groups: list[_Group] = []
    for place, at, match, number in found:
        last = groups[-1] if groups else None
        if last is not None and last.operator == match.operator and _joins(last.place, place):
            last.number = last.number << place[2] | number
            last.place = (place[0], last.place[1], last.place[2] + place[2])
            last.members.append(at)
        else:
            groups.append(_Group([at], place, match.operator, number))
    return groups


def _names_protocol(statement: object) -> bool:
    """Say whether a comparison says which protocol comes next."""
    if not isinstance(statement, Match) or not isinstance(statement.left, Payload):
        return False
    header = statement.left.field
    return header.name in {"protocol", "nexthdr"} or header.base == fields.LINK


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
