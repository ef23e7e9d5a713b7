"""What a chain of rules permits between two zones: what can pass, and what surely does.

What lies between the two bounds of an answer is what cannot be told; it is never taken for "no" or
"yes" (`segctl.analysis.words` has the meanings of names that make the difference).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segctl.analysis.space import EVERYTHING, NOTHING, REAL, Box, Space
from segctl.analysis.words import Words, users
from segctl.model.policy import ANY, DefaultRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.analysis.space import Names, Numbers
    from segctl.analysis.words import Meaning, Platform
    from segctl.model.policy import Policy, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What one rule matches between two zones."""

    rule: str
    allows: bool
    can: Space
    sure: Space
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """What passes of the packets asked about; ``why`` are the reasons for `can` to be more."""

    can: Space
    sure: Space
    why: tuple[str, ...] = ()

    @property
    def unknown(self) -> Space:
        """What cannot be told."""
        return self.can - self.sure


def permitted(chain: Iterable[Match], region: Space = REAL) -> Permitted:
    """Return what a chain permits of `region`: the first rule that matches a packet decides.

    Raises:
        TooComplexError: the answer falls into too many pieces.
    """
    unstopped = unhindered = region  # not surely denied so far; surely not denied so far
    can: list[Box] = []
    sure: list[Box] = []
    why: list[str] = []
    for match in chain:
        if not unstopped:
            break
        reached = match.can & unstopped
        if not reached:
            continue
        why += match.why
        if match.allows:
            can += reached.boxes
            sure += (match.sure & unhindered).boxes
        else:
            unhindered = unhindered - match.can
            unstopped = unstopped - match.sure
    return Permitted(can=Space(tuple(can)), sure=Space(tuple(sure)), why=tuple(dict.fromkeys(why)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A policy with its words resolved once; `between` gives the chain of a pair of zones.

    The policy holds everything the device enforces, in its order; `implied` are its objects that
    rules refer to without the model having them, by name, with what they are.
    """

    policy: Policy
    platform: Platform
    implied: Mapping[str, str] = field(default_factory=dict[str, str])
    _words: Words = field(init=False, repr=False, compare=False)
    _chains: dict[tuple[str, str], tuple[Match, ...]] = field(
        init=False,
        repr=False,
        compare=False,
        default_factory=dict[tuple[str, str], "tuple[Match, ...]"],
    )

    def __post_init__(self) -> None:
        """Take the names of the policy's objects down."""
        object.__setattr__(self, "_words", Words(self.policy, self.platform, self.implied))

    def application(self, name: str) -> Meaning[Names]:
        """Return the applications that a name in a rule stands for."""
        return self._words.application(name)

    def match(self, rule: Rule) -> Match:
        """Return what a rule matches, its zones apart."""
        return self._match(rule)

    def between(self, enter: str, leave: str) -> tuple[Match, ...]:
        """Return what each rule matches from one zone to another, the default rule last.

        Where the device holds something there that is not understood, two matches are first: all
        may be allowed by it, and all may be denied.
        """
        found = self._chains.get((enter, leave))
        if found is None:
            found = self._chains[enter, leave] = self._chain(enter, leave)
        return found

    def _chain(self, enter: str, leave: str) -> tuple[Match, ...]:
        rules = [
            rule for rule in self.policy.rules if not rule.disabled and joins(rule, enter, leave)
        ]
        inside = enter == leave
        name = "intrazone-default" if inside else "interzone-default"
        default = next((one for one in self.policy[DefaultRule] if one.name == name), None)
        allows = inside if default is None else default.action == "allow"
        last = Match(rule=name, allows=allows, can=EVERYTHING, sure=EVERYTHING)
        return (*self._doubts(rules, default), *map(self._match, rules), last)

    def _doubts(self, rules: Iterable[Rule], default: DefaultRule | None) -> Iterable[Match]:
        """Yield matches for what may do anything between the zones."""
        strange = [
            (rule.name, texts)
            for rule in rules
            for effect, texts in [self._words.effects(rule)]
            if effect == "anything"
        ]
        if default is not None and (texts := self._words.deciding(default.extras)):
            strange.append((default.name, texts))
        for name, texts in strange:
            why = (f"{name}: not understood: {', '.join(texts)}",)
            for allows in (True, False):
                yield Match(rule=name, allows=allows, can=EVERYTHING, sure=NOTHING, why=why)

    def _match(self, rule: Rule) -> Match:
        """Return what a rule matches, its zones apart."""
        words = self._words
        source = words.side(rule.sources, negated=rule.negate_source)
        destination = words.side(rule.destinations, negated=rule.negate_destination)
        who = users(rule.users)
        time = words.time(rule.schedule)
        spoken = words.spoken(rule.applications, rule.services)
        effect, texts = words.effects(rule)
        asked = tuple(f"it also asks for {text}" for text in texts)
        why = (*source.why, *destination.why, *spoken.why, *who.why, *time.why, *asked)
        return Match(
            rule=rule.name,
            allows=rule.action == "allow",
            can=_product(source.can, destination.can, spoken.can, who.can, time.can),
            sure=_product(source.sure, destination.sure, spoken.sure, who.sure, time.sure)
            if effect == "none"
            else NOTHING,
            why=tuple(f"{rule.name}: {one}" for one in dict.fromkeys(why)),
        )


def joins(rule: Rule, enter: str, leave: str) -> bool:
    """Whether a rule is for packets from one zone to another."""
    inside = enter == leave
    if (rule.type == "intrazone" and not inside) or (rule.type == "interzone" and inside):
        return False
    return (ANY in rule.from_zones or enter in rule.from_zones) and (
        ANY in rule.to_zones or leave in rule.to_zones
    )


def _product(
    source: Numbers,
    destination: Numbers,
    spoken: Sequence[tuple[Names, Numbers]],
    users: Names,
    time: Numbers,
) -> Space:
    if not (source and destination and users and time):
        return NOTHING
    return Space(
        tuple(
            Box(source, destination, ports, names, users, time)
            for names, ports in spoken
            if names and ports
        )
    )
