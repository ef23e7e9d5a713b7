"""What is wrong with a policy by itself: rules without effect, in conflict, or too wide.

Every finding is certain, whatever the names stand for that only the device knows. What cannot be
told is a `Doubt`, and never a finding.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from segctl.analysis.chains import Chains, default_actions, not_understood
from segctl.analysis.claims import (
    about,
    ground,
    never_matches,
    permits_everything,
    unused_objects,
)
from segctl.analysis.finding import Doubt, Finding, Lint, Now
from segctl.analysis.overlaps import Values
from segctl.analysis.present import objects_of
from segctl.analysis.relations import example, relations, zones_within
from segctl.analysis.space import REAL, Space, TooComplexError
from segctl.analysis.standing import DEFAULT, LIVE, Standing, judged, may_be_covered, standings
from segctl.system.loading import uncollected

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator, Sequence

    from segctl.analysis.chains import Chain
    from segctl.analysis.effective import Match, Reading
    from segctl.analysis.finding import Kind
    from segctl.analysis.overlaps import Part
    from segctl.analysis.present import Held
    from segctl.analysis.space import Point
    from segctl.analysis.standing import Judged
    from segctl.model.policy import FirewallZone, Rule

#: So many names are listed in one message.
_SHOWN = 3
_DEFAULT_RULE = "the default rule"


def lint(
    reading: Reading,
    *,
    zones: Iterable[FirewallZone] = (),
    referenced: Iterable[str] = (),
    only: Collection[str] | None = None,
    present: bool = False,
) -> Lint:
    """Return what is wrong with a policy by itself, and what cannot be told.

    Args:
        reading: everything that a device enforces, or that is declared for it.
        zones: all zones that the device has, if they are known.
        referenced: objects that something besides its rules is known to use.
        only: the names of the rules to tell of; then only the zones they join are looked at, and
            neither objects nor default rules. None for all rules.
        present: whether to say, beside what cannot be told, what is so by what objects hold now.
    """
    with uncollected():
        zones = tuple(zones)
        found = _linted(_looked_at(reading, only), zones, referenced, whole=only is None)
        return _with_present(found, reading, zones) if present else found


def _with_present(found: Lint, reading: Reading, zones: Iterable[FirewallZone]) -> Lint:
    """Return what was found, with what is so by what objects hold now where that is open."""
    if reading.now is None and not any(one.unread for one in reading.beyond.filled.values()):
        return found
    by_name: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in reading.policy.rules:
        by_name[rule.name].append(rule)
    objects: dict[Doubt, tuple[Held, ...]] = {}
    for doubt in found.doubts:
        names = dict.fromkeys((doubt.subject, *(why.partition(": ")[0] for why in doubt.why)))
        rules = [rule for name in names for rule in by_name.get(name, ())]
        if held := objects_of(rules, reading):
            objects[doubt] = held
    if not objects:
        return found
    subjects = frozenset(doubt.subject for doubt in objects)
    later = None
    if reading.now is not None:
        later = _linted(_looked_at(reading.now, subjects), zones, (), whole=False)
    told = {(one.subject, one.kind, one.others) for one in found.findings}
    present = {
        doubt: Now(objects=held, findings=_by_now(doubt, held, later, told))
        for doubt, held in objects.items()
    }
    doubts = tuple(replace(doubt, present=present.get(doubt)) for doubt in found.doubts)
    return replace(found, doubts=doubts)


def _by_now(
    doubt: Doubt,
    held: Iterable[Held],
    later: Lint | None,
    told: Container[tuple[str, str, tuple[str, ...]]],
) -> tuple[Finding, ...] | None:
    """Return what is so of a rule by what objects hold now, and not for certain."""
    if later is None or any(one.unread for one in held) or not later.complete:
        return None
    if any(one.subject == doubt.subject for one in later.doubts):
        return None
    return tuple(
        one
        for one in later.findings
        if one.subject == doubt.subject and (one.subject, one.kind, one.others) not in told
    )


def _linted(
    seen: _Seen, zones: Iterable[FirewallZone], referenced: Iterable[str], *, whole: bool
) -> Lint:
    reading = seen.reading
    found: list[Finding] = []
    known = ground(reading, zones)
    for at in seen.asked:
        rule, match = seen.rules[at], seen.matches[at]
        if match is None or (rule.leading and not match.allows):
            continue  # disabled, or of those that contain: they match nobody until then
        told = [*never_matches(rule, match, known, real=bool(seen.parts[at]))]
        if at not in seen.live and all(one.kind != "never_matches" for one in told):
            told += _idle(seen, at)
        if match.allows and all(one.kind != "shadowed" for one in told):
            told += permits_everything(rule, match)
        found += told
        if at in seen.exceptions:
            found.append(_related(seen, at, "generalised", seen.exceptions[at]))
        if at in seen.conflicts:
            found.append(_related(seen, at, "correlated", seen.conflicts[at]))
    if whole:
        found += _open_default(seen)
        found += unused_objects(reading.policy, frozenset(referenced))
    doubts = [
        doubt
        for at in seen.asked
        if (match := seen.matches[at]) is not None and (match.why or at in seen.fates)
        for doubt in _doubts(seen, at, match)
    ]
    return Lint(
        findings=tuple(found),
        doubts=(*seen.given_up, *doubts),
        rules=sum(not seen.rules[at].disabled for at in seen.asked),
        chains=seen.looked_at,
    )


# --- looking -------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Fate:
    """What became of a rule in the chains seen so far in which it is not live."""

    states: set[str] = field(default_factory=set[str])
    by: set[int] = field(default_factory=set[int])
    leaning: set[int] = field(default_factory=set[int])
    others: set[int] = field(default_factory=set[int])
    leans: bool = False
    whys: list[str] = field(default_factory=list[str])
    unsure: set[int] = field(default_factory=set[int])
    zones: tuple[str, str] = ("", "")
    #: one of the rules it is so because of, between `zones`
    shown: int = DEFAULT

    def add(self, found: Standing, chain: Chain) -> None:
        """Take what became of it in one more chain."""
        self.states.add(found.state)
        self.by |= found.by
        self.leaning |= found.leaning
        self.leans = self.leans or found.others is None
        self.others |= found.others or frozenset()
        if found.why and found.why not in self.whys:
            self.whys.append(found.why)
        rules = found.by - {DEFAULT}
        if not self.zones[0] or (rules and self.shown == DEFAULT):
            self.zones = (chain.enter, chain.leave)
            self.shown = min(rules, default=DEFAULT)


@dataclass(slots=True, kw_only=True)
class _Group:
    """Rules before one that decide otherwise, and a packet that it and one of them match."""

    zones: tuple[str, str]
    example: Point | None
    earlier: set[int] = field(default_factory=set[int])


class _Seen:
    """One policy, and what was seen of it so far."""

    def __init__(self, reading: Reading, only: Collection[str] | None) -> None:
        """Work out what each rule that is asked about matches."""
        self.reading = reading
        self.rules: Sequence[Rule] = reading.policy.rules
        self.asked: Sequence[int] = [
            at for at, rule in enumerate(self.rules) if only is None or rule.name in only
        ]
        self.values = Values()
        self.matches: dict[int, Match | None] = {}
        self.parts: dict[int, tuple[Part, ...]] = {}
        self.take(self.asked)
        self.strange = not_understood(reading)
        self.defaults = default_actions(reading)
        self.live: set[int] = set()
        self.fates: dict[int, _Fate] = defaultdict(_Fate)
        self.exceptions: dict[int, _Group] = {}
        self.conflicts: dict[int, _Group] = {}
        self.given_up: list[Doubt] = []
        self.looked_at = 0

    def take(self, places: Iterable[int]) -> None:
        """Work out what rules match, each once."""
        for at in places:
            if at not in self.matches:
                match = None if self.rules[at].disabled else self.reading.at(at)
                self.matches[at] = match
                self.parts[at] = () if match is None else self.values.parts(at, match)

    def covered(self, at: int) -> bool:
        """Whether no packet reaches a rule in any chain."""
        return at not in self.live and self.fates[at].states == {"covered"}

    def names(self, places: Iterable[int]) -> tuple[str, ...]:
        """Return the names of rules in their order, the default rule last."""
        kept = sorted(places, key=lambda at: (at == DEFAULT, at))
        return tuple(_DEFAULT_RULE if at == DEFAULT else self.rules[at].name for at in kept)

    def alone(self, at: int, among: Iterable[int]) -> int | None:
        """Return one of some rules that surely matches all that a rule can, in all its zones."""
        for other in sorted(among):
            if other <= at or not zones_within(self.rules[at], self.rules[other]):
                continue
            cover = Space(tuple(box for part in self.sure(other) for box in part.boxes))
            if all((part.space & REAL).within(cover) for part in self.parts[at]):
                return other
        return None

    def sure(self, at: int) -> list[Space]:
        """Return what a rule surely matches."""
        return [part.space for part in self.parts[at] if part.sure]

    def example(self, at: int, other: int, zones: tuple[str, str]) -> Point | None:
        """Return a packet that two rules match; the first only can where it is sure of none.

        None if all of these count as another application than they are.
        """
        own = [part.space for part in sorted(self.parts[at], key=lambda part: not part.sure)]
        theirs = self.sure(other) if other != DEFAULT else []
        pairs = [space & cover for space in own for cover in theirs] or own
        real = REAL - self.reading.overridden(*zones)
        return next((both.example() for space in pairs if (both := space & real)), None)


def _looked_at(reading: Reading, only: Collection[str] | None) -> _Seen:
    seen = _Seen(reading, only)
    try:
        for chain in Chains(seen.rules).distinct(seen.asked):
            seen.looked_at += 1
            seen.take(chain.rules)
            _look_at(seen, chain)
    except TooComplexError as error:
        seen.given_up.append(Doubt(subject="all zones", why=(str(error),), kind="too_complex"))
        for fate in seen.fates.values():
            fate.states.add("unknown")
    return seen


def _look_at(seen: _Seen, chain: Chain) -> None:
    if seen.strange.intersection(chain.rules):
        _give_up(seen, chain, "a rule between its zones holds something that is not understood")
        return
    parts = [part for at in chain.rules for part in seen.parts[at]]
    try:
        view = judged(parts, seen.values, seen.defaults[chain.inside])
        matching = [at for at in chain.rules if seen.parts[at]]
        open_rules = [at for at in matching if at not in seen.live]
        for at, found in standings(view, open_rules).items():
            if found is LIVE:
                seen.live.add(at)
            else:
                seen.fates[at].add(found, chain)
            if found.state != "covered" and (unsure := may_be_covered(view, at)):
                seen.fates[at].unsure |= unsure
        for at in matching:
            _relate(seen, at, chain, view)
    except TooComplexError as error:
        where = f"{chain.enter} → {chain.leave}"
        why = f"too complex to lint, {len(chain.rules)} rules: {error}"
        seen.given_up.append(Doubt(subject=where, why=(why,), kind="too_complex"))
        _give_up(seen, chain, f"{where} is too complex to lint")


def _give_up(seen: _Seen, chain: Chain, why: str) -> None:
    for at in chain.rules:
        seen.fates[at].add(Standing(state="unknown", why=why), chain)


def _relate(seen: _Seen, at: int, chain: Chain, view: Judged) -> None:
    for relation in relations(view, at, seen.rules):
        if _meant(seen.rules[at], seen.rules[relation.later]):
            continue
        held = seen.exceptions if relation.generalises else seen.conflicts
        group = held.get(relation.later)
        if group is None or seen.reading.beyond.overrides:
            away = seen.reading.overridden(chain.enter, chain.leave)
            shown = example(view, at, relation.later, away)
            if shown is None and not relation.generalises:
                _withhold(seen, at, relation.later)
                continue
            group = held.setdefault(
                relation.later, _Group(example=shown, zones=(chain.enter, chain.leave))
            )
        group.earlier.add(at)


def _meant(earlier: Rule, later: Rule) -> bool:
    """Whether a rule stands before another so that it decides otherwise, as it was compiled.

    What denies unknown applications stands before what would permit them, and after the rules that
    were moved above it.
    """
    return _denies_ahead(earlier) or (_denies_ahead(later) and earlier.ahead)


def _denies_ahead(rule: Rule) -> bool:
    return rule.ahead and not rule.leading and rule.action != "allow"


def _withhold(seen: _Seen, at: int, later: int) -> None:
    """Say that two rules meet only where packets count as another application than they are."""
    both = f"{seen.rules[at].name} and this rule"
    why = f"{both} meet only where an application override says what packets are"
    doubt = Doubt(subject=seen.rules[later].name, why=(why,), kind="correlated")
    if doubt not in seen.given_up:
        seen.given_up.append(doubt)


# --- saying --------------------------------------------------------------------------------------


def _idle(seen: _Seen, at: int) -> Iterator[Finding]:
    """Yield that a rule has no effect, if it has none in any chain."""
    fate = seen.fates.get(at)
    if fate is None or not fate.states or fate.states - {"covered", "replaced"}:
        return
    rule = seen.rules[at]
    covered = fate.states == {"covered"}
    because = fate.by
    if any(map(seen.covered, fate.leaning)):
        if fate.leans:
            return  # it is needed once the rule that it leans on is gone, which is told of that
        because = fate.others
    if not covered and _denies_ahead(seen.rules[at]):
        return  # its log says what is not recognised, which no other rule's would
    alone = None if covered else seen.alone(at, because)
    because = because if alone is None else {alone}
    others = seen.names(because)
    shown = alone if alone is not None else fate.shown if fate.shown in because else None
    by = sorted(because - {DEFAULT})
    unlike = [seen.rules[one].name for one in by if not _decide_alike(rule, seen.rules[one])]
    kind: Kind = "shadowed" if covered and unlike else "redundant"
    if covered:
        verb = "matches" if len(others) == 1 else "match"
        message = f"never applies: {_listed(others)} before it {verb} all that it matches"
        verb = "decides" if len(unlike) == 1 else "decide"
        alike = f", and {'decides' if len(others) == 1 else 'decide'} alike"
        message += f", and {_listed(unlike)} {verb} otherwise" if unlike else alike
    else:
        verb = "decides" if len(others) == 1 else "decide"
        message = f"not needed: without it {_listed(others)} {verb} the same"
    differs = [one for one in by if _kept_besides(rule, seen.rules[one])]
    if kind == "redundant" and differs:
        they = "it logs or inspects" if len(differs) == len(others) == 1 else "they log or inspect"
        message += f"; {they} otherwise"
    light = kind == "redundant" and (others[-1:] == (_DEFAULT_RULE,) or bool(differs))
    yield Finding(
        kind=kind,
        severity="note" if light else "warning",
        message=message,
        others=others,
        zones=fate.zones if shown is not None else ("", ""),
        example=None if shown is None else seen.example(at, shown, fate.zones),
        **about(rule),
    )


def _decide_alike(one: Rule, other: Rule) -> bool:
    return (one.action == "allow") is (other.action == "allow")


def _kept_besides(one: Rule, other: Rule) -> bool:
    """Whether two rules treat otherwise what they decide alike."""
    return (one.log, one.log_setting, one.profile_group) != (
        other.log,
        other.log_setting,
        other.profile_group,
    )


def _related(seen: _Seen, at: int, kind: Kind, group: _Group) -> Finding:
    others = seen.names(group.earlier)
    listed = f"{_listed(others)} before it {'matches' if len(others) == 1 else 'match'}"
    what = "all that" if kind == "generalised" else "some of what"
    message = f"matches {what} {listed}, and decides otherwise"
    return Finding(
        kind=kind,
        severity="note" if kind == "generalised" else "warning",
        message=message,
        others=others,
        zones=group.zones,
        example=group.example,
        **about(seen.rules[at]),
    )


def _open_default(seen: _Seen) -> Iterator[Finding]:
    if seen.defaults[False]:
        yield Finding(
            kind="permits_everything",
            severity="error",
            subject="interzone-default",
            message="permits everything between zones that no rule denies",
        )


def _doubts(seen: _Seen, at: int, match: Match) -> Iterator[Doubt]:
    """Yield what cannot be told of a rule."""
    rule, fate = seen.rules[at], seen.fates.get(at)
    if match.why:
        yield Doubt(subject=rule.name, why=match.why)
    if fate is None:
        return
    if fate.whys and at not in seen.live:
        yield Doubt(subject=rule.name, why=tuple(fate.whys), kind="shadowed")
    elif fate.unsure and at in seen.live:
        why = tuple(
            dict.fromkeys(
                one
                for other in sorted(fate.unsure)
                if (known := seen.matches[other]) is not None
                for one in known.why
            )
        )
        yield Doubt(subject=rule.name, why=why, kind="shadowed")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
