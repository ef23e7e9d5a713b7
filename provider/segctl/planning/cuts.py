"""Which guarded rules of ours a plan cuts: those that lose packets, or may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.analysis.compare import between
from segctl.analysis.effective import permitted
from segctl.analysis.space import NOTHING, REAL, TooComplexError
from segctl.planning.deciders import confined, deciders, match_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segctl.analysis.compare import Difference
    from segctl.analysis.effective import Match
    from segctl.analysis.space import Space

#: How many boxes may be held against each other for one pair of zones.
PAIR_EFFORT = 3_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A rule of ours whose packets are cut, one of them, and whether that is certain."""

    rule: str
    example: str
    sure: bool


class Cuts:
    """The cuts that have been found, by rule.

    `guarded` are rules of ours, by their names after renames, that must not lose a packet; true
    where only packets count that the rule matches after the changes as well.
    """

    def __init__(self, guarded: Mapping[str, bool]) -> None:
        self._guarded = guarded
        self._found: dict[str, Cut] = {}

    @property
    def found(self) -> tuple[Cut, ...]:
        """All of them, sorted by rule."""
        return tuple(self._found[name] for name in sorted(self._found))

    def note_difference(
        self,
        pair: tuple[str, str],
        left: Sequence[Match],
        right: Sequence[Match],
        found: Difference,
    ) -> None:
        """Note which guarded rules lose packets, or may."""
        for match, share in deciders(found.less, left, allows=True):
            if match.rule in self._guarded:
                self.note(match.rule, share, right, sure=True)
        for match in left if found.unknown else ():
            if match.rule in self._guarded and match.allows and match.can & found.unknown:
                self.note_rule(pair, match, left, right)

    def note_behind(
        self, pair: tuple[str, str], left: Sequence[Match], right: Sequence[Match]
    ) -> None:
        """Ask about guarded rules as if rules that deny above them, before and after, were not.

        Such a rule may go as it came; that a flow does not pass now is no leave to cut it.
        """
        still = {match.rule for match in right if not match.allows}
        above: set[str] = set()
        for match in left:
            if not match.allows and match.rule in still:
                above.add(match.rule)
            elif above and match.allows and match.rule in self._guarded:
                self.note_rule(
                    pair,
                    match,
                    [one for one in left if one.rule not in above],
                    [one for one in right if one.rule not in above],
                )

    def note_rule(
        self, pair: tuple[str, str], rule: Match, left: Sequence[Match], right: Sequence[Match]
    ) -> None:
        """Ask only about the packets of one guarded rule."""
        (enter, leave), region = pair, rule.can
        found = between(enter, leave, confined(left, region), confined(right, region))
        for match, share in deciders(found.less, left, allows=True):
            if match.rule == rule.rule:
                self.note(rule.rule, share, right, sure=True)
        doubt = found.unknown & rule.can
        self.note(rule.rule, doubt - permitted(right, doubt).sure, right, sure=False)

    def note(self, rule: str, share: Space, right: Sequence[Match], *, sure: bool) -> None:
        """Note packets that a guarded rule loses, for certain or perhaps; none are no cut."""
        if self._guarded[rule]:
            left_of = match_of(rule, right)
            share = share & (left_of.can if left_of else NOTHING)
        known = self._found.get(rule)
        if share and (known is None or (sure and not known.sure)):
            self._found[rule] = Cut(rule=rule, example=str(share.example()), sure=sure)

    def note_uncompared(
        self, pair: tuple[str, str], left: Sequence[Match], right: Sequence[Match]
    ) -> None:
        """Ask about guarded rules one by one, where two chains are too complex to compare."""
        kept = [match for match in left if match.rule in self._guarded and match.allows]
        for match in kept:
            if len(kept) * (len(left) + len(right)) > PAIR_EFFORT:
                self.note(match.rule, match.can & REAL, right, sure=False)
                continue
            try:
                self.note_rule(pair, match, left, right)
            except TooComplexError:
                self.note(match.rule, match.can & REAL, right, sure=False)
