"""Which rules meet packets between which zones, without asking every rule about every pair."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import merge
from itertools import chain, product
from typing import TYPE_CHECKING

from segctl.analysis.compare import OTHER_ZONE
from segctl.analysis.effective import joins
from segctl.analysis.space import TooComplexError
from segctl.model.policy import ANY, DefaultRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segctl.analysis.effective import Reading
    from segctl.model.policy import Rule

#: A second zone that no rule names, for packets from one such zone to another.
ANOTHER_ZONE = "yet another zone"
#: So many times rules may be among those of a pair of zones, all pairs together.
MAX_PLACES = 2_000_000
#: So many pairs of zones may be looked at.
MAX_PAIRS = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The rules that meet packets between two zones, in order, by their place in the policy."""

    enter: str
    leave: str
    rules: tuple[int, ...]

    @property
    def inside(self) -> bool:
        """Whether the packets stay in one zone."""
        return self.enter == self.leave


class Chains:
    """The rules of a policy by the zones they join; disabled ones join none."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Sort the rules.

        Raises:
            TooComplexError: they join too many pairs of zones.
        """
        self._rules = rules
        self._named: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._from: dict[str, list[int]] = defaultdict(list)
        self._to: dict[str, list[int]] = defaultdict(list)
        self._all: list[int] = []
        self._places = 0
        for at, rule in enumerate(rules):
            if not rule.disabled:
                self._add(at, rule)
        _bound(len(self._from) * len(self._to) + len(self._named), MAX_PAIRS, "the rules join")

    def _add(self, at: int, rule: Rule) -> None:
        anywhere, everywhere = ANY in rule.from_zones, ANY in rule.to_zones
        if anywhere and everywhere:
            self._all.append(at)
        elif everywhere:
            for zone in set(rule.from_zones):
                self._from[zone].append(at)
        elif anywhere:
            for zone in set(rule.to_zones):
                self._to[zone].append(at)
        else:
            self._places += len(rule.from_zones) * len(rule.to_zones)
            _bound(self._places, MAX_PLACES, "the rules join")
            for enter, leave in product(set(rule.from_zones), set(rule.to_zones)):
                if joins(rule, enter, leave):
                    self._named[enter, leave].append(at)

    def between(self, enter: str, leave: str) -> tuple[int, ...]:
        """Return the rules for packets from one zone to another, first to last."""
        wide = merge(self._from.get(enter, ()), self._to.get(leave, ()), self._all)
        kept = (at for at in wide if joins(self._rules[at], enter, leave))
        return tuple(merge(self._named.get((enter, leave), ()), kept))

    def distinct(self, asked: Sequence[int]) -> Iterator[Chain]:
        """Yield every chain that packets between any two zones meet, each once.

        Chains within a zone are told from those between zones, whose default rule is another. Only
        chains with a rule at one of the places `asked` are yielded.

        Raises:
            TooComplexError: there are too many.
        """
        seen: set[tuple[bool, tuple[int, ...]]] = set()
        places = 0
        every = len(asked) == len(self._rules)
        wanted = frozenset(asked)
        enters = _named(self._rules[at].from_zones for at in asked)
        leaves = _named(self._rules[at].to_zones for at in asked)
        for enter, leave in self._pairs():
            if (enters and enter not in enters) or (leaves and leave not in leaves):
                continue
            rules = self.between(enter, leave)
            key = (enter == leave, rules)
            if not rules or key in seen or not (every or any(at in wanted for at in rules)):
                continue
            seen.add(key)
            places += len(rules)
            _bound(places, MAX_PLACES, "between pairs of zones there are")
            yield Chain(enter=enter, leave=leave, rules=rules)

    def _pairs(self) -> Iterator[tuple[str, str]]:
        """Yield pairs of zones so that every other pair has the chain of one of them."""
        yield from self._named
        for enter in self._from:
            yield enter, OTHER_ZONE
            yield enter, enter
            for leave in self._to:
                yield enter, leave
        for leave in self._to:
            yield OTHER_ZONE, leave
            yield leave, leave
        yield OTHER_ZONE, OTHER_ZONE
        yield OTHER_ZONE, ANOTHER_ZONE


def _named(sides: Iterable[Iterable[str]]) -> frozenset[str]:
    """Return the zones that are named on one side of rules; none where one of them is for any."""
    names = frozenset(chain.from_iterable(sides))
    return frozenset() if ANY in names else names


def not_understood(reading: Reading) -> frozenset[int]:
    """Return the places of rules that hold something by which they may match anything."""
    effect = reading.platform.effect
    return frozenset(
        at
        for at, rule in enumerate(reading.policy.rules)
        if rule.extras and any(effect(text) == "anything" for text in rule.extras)
    )


def default_actions(reading: Reading) -> dict[bool, bool | None]:
    """Return whether what no rule matches is allowed within a zone (True) and between zones.

    None where that cannot be told.
    """
    found: dict[bool, bool | None] = {True: True, False: False}
    for one in reading.policy[DefaultRule]:
        unclear = any(reading.platform.effect(text) != "none" for text in one.extras)
        found[one.name == "intrazone-default"] = None if unclear else one.action == "allow"
    return found


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        message = f"{what} more than {most} combinations of a rule and two zones"
        raise TooComplexError(message)
