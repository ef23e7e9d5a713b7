"""What one policy has to do with another, or with the packets asked about: the verbs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from segctl.analysis.compare import between
from segctl.analysis.effective import permitted
from segctl.analysis.space import NOTHING, REAL, Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segctl.analysis.effective import Match
    from segctl.analysis.space import Point

Verb = Literal["implies", "equivalent", "disjoint", "never-matches", "always-matches"]
VERBS: tuple[Verb, ...] = get_args(Verb)
#: Verbs of one policy and the packets asked about, where no second policy is given.
ALONE: frozenset[Verb] = frozenset({"never-matches", "always-matches"})
Holds = Literal["yes", "no", "cannot_tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Whether a verb holds between two zones, with the smallest packet that shows it does not.

    `rules` decide about the packet, on the left and on the right.
    """

    holds: Holds
    example: Point | None = None
    rules: tuple[str, str] = ("", "")
    why: tuple[str, ...] = ()


def relation(
    verb: Verb, left: Sequence[Match], right: Sequence[Match] | None, region: Space
) -> Relation:
    """Return whether a verb holds for the packets of a region.

    Args:
        verb: `implies`: all that the left permits the right permits; `equivalent`: both permit
            the same; `disjoint` and `never-matches`: the left permits nothing that the right
            permits; `always-matches`: the left permits all that the right permits.
        left: one chain.
        right: the other; without it `never-matches` and `always-matches` are about the region.
        region: the packets asked about.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    left = _within(left, region)
    right = None if right is None else _within(right, region)
    if right is None:
        real = region & REAL
        asked = permitted(left, real)
        if verb == "never-matches":
            return _judged(asked.sure, asked.can, left, ())
        return _judged(real - asked.can, real - asked.sure, left, ())
    if verb in {"disjoint", "never-matches"}:
        one = permitted(left, region & REAL)
        both = permitted(right, one.can)
        return _judged(both.sure & one.sure, both.can, left, right)
    found = between("", "", left, right)  # rules that both have decide alike, whatever they mean
    sure, can = NOTHING, NOTHING
    if verb in {"implies", "equivalent"}:
        sure, can = found.less, found.less | found.narrower
    if verb != "implies":
        sure, can = sure | found.more, can | found.more | found.wider
    return _judged(sure, can, left, right)


def _within(chain: Sequence[Match], region: Space) -> tuple[Match, ...]:
    """Return a chain as far as it is about the packets of a region."""
    limited = (replace(match, can=match.can & region, sure=match.sure & region) for match in chain)
    return tuple(match for match in limited if match.can)


def _judged(sure: Space, can: Space, left: Sequence[Match], right: Sequence[Match]) -> Relation:
    """Return whether there are packets that speak against a verb."""
    if not can:
        return Relation(holds="yes")
    point = (sure or can).example()
    rules = (_decides(left, point), _decides(right, point))
    if sure:
        return Relation(holds="no", example=point, rules=rules)
    why = tuple(dict.fromkeys((*_reasons(left, point), *_reasons(right, point))))
    return Relation(holds="cannot_tell", example=point, rules=rules, why=why)


def _decides(chain: Sequence[Match], point: Point) -> str:
    return next((match.rule for match in chain if point in match.can), "")


def _reasons(chain: Sequence[Match], point: Point) -> tuple[str, ...]:
    found: list[str] = []
    for match in chain:
        if point in match.sure:
            break
        if point in match.can:
            found += match.why
    return tuple(found)
