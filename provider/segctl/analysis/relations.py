"""Pairs of rules that decide otherwise about the same packets: exceptions, and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from segctl.analysis.overlaps import places
from segctl.analysis.space import NOTHING, REAL, Space
from segctl.model.policy import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segctl.analysis.space import Point
    from segctl.analysis.standing import Judged
    from segctl.model.policy import Rule


class Relation(NamedTuple):
    """A rule and one after it that decides otherwise about packets of both.

    The later one `generalises` the earlier where it matches all that this matches; else neither
    matches all of the other.
    """

    earlier: int
    later: int
    generalises: bool


def relations(chain: Judged, rule: int, rules: Sequence[Rule]) -> Iterator[Relation]:
    """Yield how a rule stands to those after it; only between rules that are exactly known.

    Raises:
        TooComplexError: the chain takes too many steps.
    """
    own = chain.own[rule]
    if own & (chain.can ^ chain.sure):
        return
    later = chain.after(rule) & chain.opposite(rule) & chain.sure & chain.can
    at = own.bit_length() - 1
    if own & (own - 1):
        yield from _of_several(chain, rule, rules, later)
        return
    chain.effort.spend()
    meeting = chain.overlaps.meeting(at, later)
    if not meeting:
        return
    holding = chain.overlaps.holding(at, meeting)
    for place in places(meeting):
        chain.effort.spend()
        other = chain.parts[place].rule
        held = bool(holding >> place & 1)
        found = _relation(chain, rule, other, rules, held=held)
        if found is not None:
            yield found


def _of_several(chain: Judged, rule: int, rules: Sequence[Rule], later: int) -> Iterator[Relation]:
    """Yield how a rule stands to others that does not match one product of its fields."""
    own = [*places(chain.own[rule])]
    meeting = [chain.overlaps.meeting(at, later) for at in own]
    for other in dict.fromkeys(chain.parts[at].rule for bits in meeting for at in places(bits)):
        chain.effort.spend(len(own))
        found = _relation(chain, rule, other, rules, held=_within(chain, rule, other))
        if found is not None:
            yield found


def _relation(
    chain: Judged, rule: int, other: int, rules: Sequence[Rule], *, held: bool
) -> Relation | None:
    if held and zones_within(rules[rule], rules[other]):
        return Relation(rule, other, generalises=True)
    if _within(chain, other, rule) and zones_within(rules[other], rules[rule]):
        return None  # the earlier one keeps all packets from the later
    return Relation(rule, other, generalises=False) if example(chain, rule, other) else None


def example(chain: Judged, one: int, other: int, away: Space = NOTHING) -> Point | None:
    """Return a packet that two rules match and that is not `away`, None if there is none."""
    for left in places(chain.own[one]):
        for right in places(chain.overlaps.meeting(left, chain.own[other])):
            both = chain.parts[left].space & chain.parts[right].space & REAL
            if away:
                both -= away
            if both:
                return both.example()
    return None


def _within(chain: Judged, inner: int, outer: int) -> bool:
    """Whether one rule matches all that another matches, their zones apart."""
    among = chain.own[outer]
    if all(chain.overlaps.holding(at, among) for at in places(chain.own[inner])):
        return True
    if not chain.own[inner] & (chain.own[inner] - 1) and not among & (among - 1):
        return False
    space, cover = (
        Space(tuple(box for at in places(chain.own[rule]) for box in chain.parts[at].space.boxes))
        for rule in (inner, outer)
    )
    return (space & REAL).within(cover)


def zones_within(inner: Rule, outer: Rule) -> bool:
    """Whether a rule joins all zones that another joins."""
    if outer.type == "universal" and ANY in outer.from_zones and ANY in outer.to_zones:
        return True
    enter, leave = set(inner.from_zones), set(inner.to_zones)
    if inner.type == "intrazone" and ANY not in enter and ANY not in leave:
        enter = leave = enter & leave
    if outer.type == "intrazone" and inner.type != "intrazone":
        return len(enter) == 1 and enter == leave and ANY not in enter and _named(enter, outer)
    if outer.type == "interzone" and inner.type != "interzone":
        apart = not enter & leave and ANY not in enter | leave and inner.type == "universal"
        return (
            apart
            and _within_names(enter, outer.from_zones)
            and _within_names(leave, outer.to_zones)
        )
    return _within_names(enter, outer.from_zones) and _within_names(leave, outer.to_zones)


def _named(zones: set[str], outer: Rule) -> bool:
    return _within_names(zones, outer.from_zones) and _within_names(zones, outer.to_zones)


def _within_names(inner: set[str], outer: tuple[str, ...]) -> bool:
    return ANY in outer or (ANY not in inner and inner <= set(outer))
