"""Pairs of rules that decide otherwise about the same packets: exceptions, and correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from segctl.analysis.overlaps import places
from segctl.analysis.space import REAL
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
    example: Point


def relations(chain: Judged, rule: int, rules: Sequence[Rule]) -> Iterator[Relation]:
    """Yield how a rule stands to those after it; only between rules that are exactly known.

    Raises:
        TooComplexError: the chain takes too many steps.
    """
    parts = chain.parts
    own = [*places(chain.own[rule])]
    if not chain.own[rule] & chain.can or chain.own[rule] & (chain.can ^ chain.sure):
        return
    later = chain.after(rule) & chain.opposite(rule) & chain.sure & chain.can
    meeting = [chain.overlaps.meeting(at, later) for at in own]
    holding = [chain.overlaps.holding(at, later) for at in own]
    met = {parts[place].rule: place for bits in meeting for place in places(bits)}
    held = [{parts[place].rule for place in places(bits)} for bits in holding]
    chain.effort.spend(1 + len(met))
    for other, place in met.items():
        zones = zones_within(rules[rule], rules[other])
        inside = all(other in one for one in held)
        if not (inside and zones) and _within(chain, other, rule):
            if zones_within(rules[other], rules[rule]):
                continue  # the earlier one keeps all packets from the later
        at = next(at for at, bits in zip(own, meeting, strict=True) if bits >> place & 1)
        both = parts[at].space & parts[place].space & REAL
        if both:
            yield Relation(rule, other, inside and zones, both.example())


def _within(chain: Judged, inner: int, outer: int) -> bool:
    """Whether each part of one rule is held by a part of another, their zones apart."""
    among = chain.own[outer]
    return all(chain.overlaps.holding(at, among) for at in places(chain.own[inner]))


def zones_within(inner: Rule, outer: Rule) -> bool:
    """Whether a rule joins all zones that another joins."""
    enter, leave = set(inner.from_zones), set(inner.to_zones)
    if inner.type == "intrazone" and ANY not in enter and ANY not in leave:
        enter = leave = enter & leave
    if outer.type == "intrazone" and inner.type != "intrazone":
        return len(enter) == 1 and enter == leave and ANY not in enter and _named(enter, outer)
    if outer.type == "interzone" and inner.type != "interzone":
        apart = not enter & leave and ANY not in enter | leave and inner.type == "universal"
        return apart and _within_names(enter, outer.from_zones) and _within_names(
            leave, outer.to_zones
        )
    return _within_names(enter, outer.from_zones) and _within_names(leave, outer.to_zones)


def _named(zones: set[str], outer: Rule) -> bool:
    return _within_names(zones, outer.from_zones) and _within_names(zones, outer.to_zones)


def _within_names(inner: set[str], outer: tuple[str, ...]) -> bool:
    return ANY in outer or (ANY not in inner and inner <= set(outer))
