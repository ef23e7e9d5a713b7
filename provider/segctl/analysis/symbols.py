"""A policy whose unknown names are taken as themselves, so that it can be compared with a conduit.

Who is in a group of users, or what an application that the catalogue does not know takes in, only
the device can say. Where a flow and a rule that allows name the same, it does not matter: whatever
it is, it is the same, and what passes for somebody passes by one of the names that he has. A rule
that denies may meet it under another name, so there it stays open.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from segctl.analysis.effective import Chain, Match, Reading
from segctl.analysis.space import (
    ALL_SERVICES,
    EVERYTHING,
    NO_NAMES,
    Names,
    Space,
    common,
    ranges,
)
from segctl.analysis.words import Meaning, exact, users
from segctl.model.policy import ANY, DefaultRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from segctl.analysis.space import Box, Numbers
    from segctl.analysis.words import Effect, Platform
    from segctl.model.policy import Rule

#: Where the default ports of an application are if nobody knows them: on a protocol that is
#: reserved (IANA, Protocol Numbers: 255), which no packet has.
DEFAULT_PORTS: Final[Numbers] = ((255 << 16, 255 << 16),)
_NOBODY = ""
_KNOWN = Names(frozenset({_NOBODY}), but=True)


@dataclass(frozen=True, slots=True)
class Symbols:
    """A platform's words, with some `named` applications taken as themselves if not known."""

    platform: Platform
    named: frozenset[str]
    _ports: Mapping[Numbers, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Give the names without known ports a place of their own."""
        known = dict(self.platform.default_ports())
        have = frozenset[str]().union(*known.values())
        meant = {one for name in self.named for one in self._listed(name)}
        if rest := meant - have:
            known[DEFAULT_PORTS] = frozenset(rest)
        object.__setattr__(self, "_ports", known)

    def application(self, name: str) -> Meaning[Names] | None:
        """Return what a name stands for; one of `named` that is not known stands for itself."""
        found = self.platform.application(name)
        if name not in self.named or (found is not None and not found.why):
            return found
        inside = frozenset[str]() if found is None else found.sure.listed
        return exact(Names(inside | {name}))

    def _listed(self, name: str) -> frozenset[str]:
        found = self.application(name)
        return frozenset() if found is None or found.can.but else found.can.listed

    def open(self) -> Names:
        """Return the names that are taken as themselves although they are not known."""
        return Names(
            frozenset(
                name
                for name in self.named
                if (found := self.platform.application(name)) is None or found.why
            )
        )

    def without_ports(self) -> bool:
        """Whether the default ports of a name are not known."""
        return DEFAULT_PORTS in self._ports

    def default_ports(self) -> Mapping[Numbers, frozenset[str]]:
        """Return all applications by their default ports."""
        return self._ports

    def service(self, name: str) -> Numbers | None:
        """As the platform does."""
        return self.platform.service(name)

    def effect(self, extra: str) -> Effect:
        """As the platform does."""
        return self.platform.effect(extra)

    def shown(self, extra: str) -> str:
        """Return a text as the platform shows it."""
        return self.platform.shown(extra)


class Symbolic:
    """A reading whose rules that allow take users, and some applications, as themselves."""

    def __init__(self, reading: Reading, applications: Iterable[str]) -> None:
        """Take the names of applications that the inventory has."""
        self.reading = reading
        self.symbols = Symbols(reading.platform, frozenset(applications))
        self._literal = Reading(policy=reading.policy, platform=self.symbols, beyond=reading.beyond)
        self._open = self.symbols.open()
        names = Counter(rule.name for rule in reading.policy.rules)
        self._rules = {rule.name: rule for rule in reading.policy.rules if names[rule.name] == 1}

    def meaning(self, name: str) -> Names:
        """Return the applications that one of the inventory's names stands for."""
        return self._literal.application(name).can

    def rule(self, name: str) -> Rule | None:
        """Return a rule by its name, None where there is none or several."""
        return self._rules.get(name)

    def default_allows(self, *, inside: bool) -> bool | None:
        """Return what is done where no rule decides, None where it is not understood."""
        name = "intrazone-default" if inside else "interzone-default"
        found = next((one for one in self.reading.policy[DefaultRule] if one.name == name), None)
        if found is None:
            return inside
        return None if found.extras else found.action == "allow"

    def busy(
        self, zones: Iterable[str], *, closed: Callable[[str, str], bool]
    ) -> Iterator[tuple[str, str]]:
        """Yield the pairs of zones about which there may be something to say.

        Between different zones those are the ones for which a rule may allow anything; where
        the default rules alone decide, `closed` says whether they do as they should.
        """
        listed = tuple(zones)
        allowing = [
            rule
            for rule in self.reading.policy.rules
            if not rule.disabled and (rule.action == "allow" or rule.extras)
        ]
        entering, leaving = _by_zone(allowing, listed)
        for enter in listed:
            yield enter, enter
            for leave in listed:
                if enter != leave and not (
                    entering[enter].isdisjoint(leaving[leave]) and closed(enter, leave)
                ):
                    yield enter, leave

    def between(self, enter: str, leave: str) -> Chain:
        """Return what each rule matches from one zone to another, as `Reading.between` does."""
        literal = self._literal.between(enter, leave)
        if all(match.allows for match in literal[:-1]):
            return Chain(map(self._allowing, literal))
        known = self.reading.between(enter, leave)
        return Chain(
            self._allowing(one) if one.allows else self._denying(other)
            for one, other in zip(literal, known, strict=True)
        )

    def _allowing(self, match: Match) -> Match:
        """Take the users of a rule as themselves."""
        rule = self._rules.get(match.rule)
        if rule is None or match.can == EVERYTHING:  # what is not understood may match anything
            return match
        if ANY in rule.users:
            return match
        who = _literal_users(rule.users)
        reasons = {f"{rule.name}: {why}" for why in users(rule.users).why}
        return Match(
            rule=match.rule,
            allows=True,
            can=_by(match.can, who),
            sure=_by(match.sure, who),
            why=tuple(why for why in match.why if why not in reasons),
        )

    def _denying(self, match: Match) -> Match:
        """Let a rule perhaps meet what is taken as itself, if it names anything of that kind."""
        boxes: list[Box] = []
        why: list[str] = []
        for box in match.can.boxes:
            found = box
            if self._open and box.application & self._open != self._open:
                found = found._replace(application=box.application | self._open)
                why.append(f"{match.rule}: whether it means {_list(self._open)}, too")
            if self.symbols.without_ports() and not common(box.service, DEFAULT_PORTS):
                found = found._replace(service=ranges((*box.service, *DEFAULT_PORTS)))
                why.append(f"{match.rule}: default ports of applications are not known")
            boxes.append(found)
        if not why:
            return match
        return Match(
            rule=match.rule,
            allows=False,
            can=Space(tuple(boxes)),
            sure=match.sure,
            why=(*match.why, *dict.fromkeys(why)),
        )


def _by_zone(
    rules: Iterable[Rule], zones: Iterable[str]
) -> tuple[dict[str, set[int]], dict[str, set[int]]]:
    """Return the places of rules by the zones they are from, and to."""
    entering: dict[str, set[int]] = {zone: set() for zone in zones}
    leaving: dict[str, set[int]] = {zone: set() for zone in zones}
    for place, rule in enumerate(rules):
        for held, sides in ((entering, rule.from_zones), (leaving, rule.to_zones)):
            for zone in zones if ANY in sides else sides:
                if zone in held:
                    held[zone].add(place)
    return entering, leaving


def _list(names: Names) -> str:
    return ", ".join(sorted(names.listed))


def _by(space: Space, who: Names) -> Space:
    return Space(tuple(box._replace(user=who) for box in space.boxes))


def _literal_users(names: Iterable[str]) -> Names:
    found = NO_NAMES
    for name in names:
        if name == "known-user":
            found |= _KNOWN
        else:
            found |= Names(frozenset({_NOBODY if name == "unknown" else name}))
    return found


def on_default_ports(numbers: Numbers) -> bool:
    """Whether a service is the default ports of an application that nobody knows, and no more."""
    return numbers != ALL_SERVICES and common(numbers, DEFAULT_PORTS) == numbers
