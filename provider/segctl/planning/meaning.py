"""What a plan means: which packets are newly permitted, which no longer, what cannot be told.

Both policies are asked whole, rules of others and the defaults included, between the zones of the
rules that change. A change is marked by the packets that its rules decide, before or after.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from segctl.analysis.compare import OTHER_ZONE, between, zones
from segctl.analysis.effective import Match, Reading, joins, permitted
from segctl.analysis.rows import Row, joined, rows_of
from segctl.analysis.space import EVERYTHING, NOTHING, REAL, Space, TooComplexError
from segctl.model.diff import renamed
from segctl.model.errors import WideningError
from segctl.model.policy import ANY, FirewallZone
from segctl.planning.outlook import outlook
from segctl.planning.touched import Touched, touched
from segctl.providers.base import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.compare import Difference
    from segctl.model.diff import Change
    from segctl.model.policy import Rule
    from segctl.providers.base import Live, Provider

Mark: TypeAlias = Literal["widens", "narrows", "both", "neither", "cannot tell"]
Pair: TypeAlias = tuple[str, str]
#: What becomes of packets in question, as far as it can be told.
WIDEN, NARROW = "widen", "narrow"

#: How many boxes may be held against each other for one pair of zones, and for one device.
_PAIR_EFFORT, _EFFORT = 3_000_000, 12_000_000
#: What decides where no rule does: a default rule, or nothing that the device has a name for.
NO_RULE = {"", "intrazone-default", "interzone-default"}
#: Of sets of more boxes than these nobody asks whether they are all that no rule matches.
_MANY = 500
#: So many pairs of zones are compared.
_MAX_PAIRS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What changes of what a device permits; `marks` has one for each change of its plan.

    `more` is surely permitted only after the plan, `less` only before it. Of `unknown` it cannot
    be told whether anything changes.
    """

    more: tuple[Row, ...] = ()
    less: tuple[Row, ...] = ()
    unknown: tuple[Row, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def may_widen(self) -> bool:
        """Whether anything is permitted that was not, or it cannot be told."""
        return bool(self.more) or any(WIDEN in row.may for row in self.unknown)


def refuse_widening(name: str, found: Meaning | None) -> None:
    """Refuse a plan that permits what was not permitted, or of which that cannot be told.

    Args:
        name: the device.
        found: what its plan means; None where nobody has computed it.

    Raises:
        WideningError: it widens, or may.
    """
    if text := widening(name, found):
        raise WideningError(text)


def widening(name: str, found: Meaning | None) -> str:
    """Return why a plan is refused by `refuse_widening`; nothing if it is not."""
    refused = f"{name}: not applied (--no-widening)"
    if found is None:
        return (
            f"{refused}: an older segctl made this plan, which does not say what it permits: "
            "run segctl plan again"
        )
    if not found.may_widen:
        return ""
    rows = found.more or [row for row in found.unknown if WIDEN in row.may]
    first = rows[0]
    what = first.example or f"{', '.join(first.from_zones)} → {', '.join(first.to_zones)}"
    what += f" by {first.rule}" if first.rule else ""
    what += f", and {len(rows) - 1} more" if len(rows) > 1 else ""
    if found.more:
        return f"{refused}: it newly permits {what}"
    return f"{refused}: it may newly permit {what}, which cannot be told: {'; '.join(first.why)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A rule of ours whose packets are cut, one of them, and whether that is certain."""

    rule: str
    example: str
    sure: bool


def meaning(
    changes: Sequence[Change],
    live: Live,
    provider: Provider,
    guarded: Mapping[str, bool] | None = None,
) -> tuple[Meaning, tuple[Cut, ...]]:
    """Return what changes mean for a device, and which of the rules `guarded` they cut.

    Args:
        changes: those that would be made, in their order.
        live: what the device holds.
        provider: the provider of its platform.
        guarded: rules of ours, by their names after renames, that must not lose a packet; true
            where only packets count that the rule matches after the changes as well.
    """
    if not changes:
        return Meaning(), ()
    held = reading(provider, live)
    around = live.pushed.around  # rules that others push may have names of the device's own
    first, last = len(around(())) - len(live.pushed.after), len(live.pushed.after)
    rules = held.policy.rules
    own = renamed(held.policy.replace(rules=rules[first : len(rules) - last]), changes)
    then = outlook(own, changes)
    before = replace(held, policy=own.replace(rules=around(own.rules)))
    after = replace(held, policy=then.replace(rules=around(then.rules)))
    work = _Work(
        before=before,
        after=after,
        changes=changes,
        touched=touched(changes, before.policy, after.policy),
        guarded=guarded or {},
        passing=provider.capabilities.passes_outside,
    )
    return work.done()


@dataclass(slots=True, kw_only=True)
class _Work:
    """One comparison of what a device permits before and after the changes of a plan."""

    before: Reading
    after: Reading
    changes: Sequence[Change]
    touched: Sequence[Touched]
    guarded: Mapping[str, bool]
    passing: bool
    effort: int = 0
    more: list[Row] = field(default_factory=list[Row])
    less: list[Row] = field(default_factory=list[Row])
    unknown: list[Row] = field(default_factory=list[Row])
    widening: set[int] = field(default_factory=set[int])
    narrowing: set[int] = field(default_factory=set[int])
    unsure: set[int] = field(default_factory=set[int])
    cuts: dict[str, Cut] = field(default_factory=dict[str, Cut])
    conduits: dict[str, str] = field(default_factory=dict[str, str])
    by_rule: dict[str, list[int]] = field(default_factory=lambda: defaultdict[str, list[int]](list))
    old_zones: frozenset[str] = frozenset()
    new_zones: frozenset[str] = frozenset()
    zone_changes: dict[str, int] = field(default_factory=dict[str, int])

    def done(self) -> tuple[Meaning, tuple[Cut, ...]]:
        """Compare, and return what was found."""
        for policy in (self.before.policy, self.after.policy):
            self.conduits.update((rule.name, rule.conduit) for rule in policy.rules)
        for index, one in enumerate(self.touched):
            for name in one.rules:
                self.by_rule[name].append(index)
        self.old_zones = frozenset(zone.name for zone in self.before.policy[FirewallZone])
        self.new_zones = frozenset(zone.name for zone in self.after.policy[FirewallZone])
        self.zone_changes = {
            change.name: index
            for index, change in enumerate(self.changes)
            if change.kind == FirewallZone.kind_name and change.op in {"create", "delete"}
        }
        self._bindings()
        pairs = self._pairs()
        for number, (pair, rules) in enumerate(pairs.items()):
            if number >= _MAX_PAIRS:
                self._too_complex((ANY, ANY), f"{len(pairs)} pairs of zones are concerned")
                break
            self._compare(pair, rules)
        marks: list[Mark] = [self._mark(index) for index in range(len(self.changes))]
        found = Meaning(
            more=joined(self.more),
            less=joined(self.less),
            unknown=joined(self.unknown),
            marks=tuple(marks),
        )
        return found, tuple(self.cuts[name] for name in sorted(self.cuts))

    def _mark(self, index: int) -> Mark:
        if index in self.widening:
            return "both" if index in self.narrowing else "widens"
        if index in self.narrowing:
            return "narrows"
        return "cannot tell" if index in self.unsure else "neither"

    # --- which pairs of zones ----------------------------------------------------------------

    def _pairs(self) -> dict[Pair, set[str]]:
        """Return the pairs of zones concerned, with the rules that changes have to do with."""
        named = zones(self.before, self.after)
        found: dict[Pair, set[str]] = {}
        for policy in (self.before.policy, self.after.policy):
            for rule in policy.rules:
                if rule.name in self.by_rule:
                    for pair in _joined(rule, named):
                        found.setdefault(pair, set()).add(rule.name)
        for name in {"intrazone-default", "interzone-default"} & self.by_rule.keys():
            for enter, leave in product(named, named):
                if (enter == leave) is (name == "intrazone-default"):
                    found.setdefault((enter, leave), set()).add(name)
        for zone in self.old_zones ^ self.new_zones:
            for other in named:
                found.setdefault((zone, other), set())
                found.setdefault((other, zone), set())
        return dict(sorted(found.items()))

    def _bindings(self) -> None:
        """Note what becomes of interfaces that join a zone or leave it."""
        for index, change in enumerate(self.changes):
            if change.kind != FirewallZone.kind_name or change.op != "update":
                continue
            old, new = cast("FirewallZone", change.before), cast("FirewallZone", change.after)
            come = set(new.interfaces) - set(old.interfaces)
            gone = set(old.interfaces) - set(new.interfaces)
            for ports, verb, rows, marked in (
                (come, "joins", self.more, self.widening),
                (gone, "leaves", self.less, self.narrowing),
            ):
                if ports:
                    marked.add(index)
                    why = f"interface {', '.join(sorted(ports))} {verb} zone {change.name}"
                    rows.extend(_whole_zone(change.name, why))
            if set(change.fields) - {"interfaces"}:
                self.unsure.add(index)
                why = f"{', '.join(change.fields)} of zone {change.name} changes"
                self.unknown += (
                    replace(row, may=(WIDEN, NARROW)) for row in _whole_zone(change.name, why)
                )

    # --- one pair of zones -------------------------------------------------------------------

    def _compare(self, pair: Pair, rules: set[str]) -> None:
        left = self._chain(self.before, pair, self.old_zones)
        right = self._chain(self.after, pair, self.new_zones)
        changed = [match for match in (*left, *right) if match.rule in rules]
        effort = sum(len(match.can.boxes) for match in changed) * (len(left) + len(right))
        self.effort += effort
        if effort > _PAIR_EFFORT or self.effort > _EFFORT:
            self.effort -= effort
            self._not_compared(pair, rules, left, right, f"{len(changed)} changes of rules meet")
            return
        try:
            difference = between(*pair, left, right)
            if difference:
                self._note(pair, rules, difference.by_groups(), left, right)
                self._guard(pair, left, right, difference)
            self._guard_behind(pair, left, right)
        except TooComplexError as error:
            self._not_compared(pair, rules, left, right, str(error))

    def _chain(self, held: Reading, pair: Pair, there: frozenset[str]) -> Sequence[Match]:
        """Return what each rule matches; a zone that comes or goes is no zone where it is not."""
        absent = [zone for zone in pair if zone in (self.old_zones | self.new_zones) - there]
        if not absent:
            return held.between(*pair)
        outside = all(zone not in there and zone != OTHER_ZONE for zone in pair)
        passes = self.passing and outside
        return (Match(rule="", allows=passes, can=EVERYTHING, sure=EVERYTHING),)

    def _note(
        self,
        pair: Pair,
        rules: set[str],
        found: Difference,
        left: Sequence[Match],
        right: Sequence[Match],
    ) -> None:
        rest = _Rest(right)
        for space, chain, rows, marked in (
            (found.more, right, self.more, self.widening),
            (found.less, left, self.less, self.narrowing),
        ):
            if not space:
                continue
            self._mark_zones(pair, marked)
            for match, share in shares(space, chain):
                rows.extend(self._rows(share, pair, match.rule, rest))
        for space, marked in ((found.more, self.widening), (found.less, self.narrowing)):
            for chain, allows in ((left, space is found.less), (right, space is found.more)):
                for match, share in deciders(space, chain, allows=allows):
                    if match.rule in rules:
                        self._mark_rule(match.rule, share, left, right, marked)
        if found.unknown:
            self._mark_zones(pair, self.unsure)
            for name in rules:
                self._mark_rule(name, found.unknown, left, right, self.unsure)
            self._note_unknown(pair, found, left, right, rest)

    def _note_unknown(
        self,
        pair: Pair,
        found: Difference,
        left: Sequence[Match],
        right: Sequence[Match],
        rest: _Rest,
    ) -> None:
        """Note packets in question, each with what the question is."""
        before, after = permitted(left, found.unknown), permitted(right, found.unknown)
        wider, narrower = after.can - before.sure, before.can - after.sure
        for space, may in (
            (wider - narrower, (WIDEN,)),
            (narrower - wider, (NARROW,)),
            (wider & narrower, (WIDEN, NARROW)),
        ):
            for name, share in _perhaps(space, (*right, *left)):
                rows = self._rows(share, pair, name, rest)
                self.unknown += (replace(row, may=may, why=found.why) for row in rows)

    def _rows(self, share: Space, pair: Pair, rule: str, rest: _Rest) -> Iterator[Row]:
        """Yield packets that a rule decides about."""
        conduit = self.conduits.get(rule, "")
        everything = rule in NO_RULE and rest.equals(share)
        return rows_of(share, *pair, rule=rule, conduit=conduit, rest=everything)

    def _mark_zones(self, pair: Pair, marked: set[int]) -> None:
        marked.update(self.zone_changes[zone] for zone in pair if zone in self.zone_changes)

    def _mark_rule(
        self,
        name: str,
        share: Space,
        left: Sequence[Match],
        right: Sequence[Match],
        marked: set[int],
    ) -> None:
        """Mark the changes that have to do with a rule where it decides about `share`."""
        pending = [index for index in self.by_rule.get(name, ()) if index not in marked]
        if not pending:
            return
        was, will = _match(name, left), _match(name, right)
        moved = _otherwise(was, will)
        for index in pending:
            region = _either(was, will) if self.touched[index].placed else moved
            if share & region:
                marked.add(index)

    # --- what must not be cut ----------------------------------------------------------------

    def _guard(
        self, pair: Pair, left: Sequence[Match], right: Sequence[Match], found: Difference
    ) -> None:
        """Note which guarded rules lose packets, or may."""
        for match, share in deciders(found.less, left, allows=True):
            if match.rule in self.guarded:
                self._cut(match.rule, share, right, sure=True)
        for match in left if found.unknown else ():
            if match.rule in self.guarded and match.allows and match.can & found.unknown:
                self._guard_one(pair, match, left, right)

    def _guard_behind(self, pair: Pair, left: Sequence[Match], right: Sequence[Match]) -> None:
        """Ask about guarded rules as if rules that deny above them, before and after, were not.

        Such a rule may go as it came; that a flow does not pass now is no leave to cut it.
        """
        still = {match.rule for match in right if not match.allows}
        above: set[str] = set()
        for match in left:
            if not match.allows and match.rule in still:
                above.add(match.rule)
            elif above and match.allows and match.rule in self.guarded:
                self._guard_one(
                    pair,
                    match,
                    [one for one in left if one.rule not in above],
                    [one for one in right if one.rule not in above],
                )

    def _guard_one(
        self, pair: Pair, rule: Match, left: Sequence[Match], right: Sequence[Match]
    ) -> None:
        """Ask only about the packets of one guarded rule."""
        region = rule.can
        found = between(*pair, _within(left, region), _within(right, region))
        for match, share in deciders(found.less, left, allows=True):
            if match.rule == rule.rule:
                self._cut(rule.rule, share, right, sure=True)
        doubt = found.unknown & rule.can
        self._cut(rule.rule, doubt - permitted(right, doubt).sure, right, sure=False)

    def _cut(self, rule: str, share: Space, right: Sequence[Match], *, sure: bool) -> None:
        if self.guarded[rule]:
            left_of = _match(rule, right)
            share = share & (left_of.can if left_of else NOTHING)
        known = self.cuts.get(rule)
        if share and (known is None or (sure and not known.sure)):
            self.cuts[rule] = Cut(rule=rule, example=str(share.example()), sure=sure)

    # --- what is not compared ----------------------------------------------------------------

    def _not_compared(
        self,
        pair: Pair,
        rules: Iterable[str],
        left: Sequence[Match],
        right: Sequence[Match],
        why: str,
    ) -> None:
        self._too_complex(pair, why)
        self._mark_zones(pair, self.unsure)
        for name in rules:
            self.unsure.update(self.by_rule.get(name, ()))
        kept = [match for match in left if match.rule in self.guarded and match.allows]
        for match in kept:
            if len(kept) * (len(left) + len(right)) > _PAIR_EFFORT:
                self._cut(match.rule, match.can & REAL, right, sure=False)
                continue
            try:
                self._guard_one(pair, match, left, right)
            except TooComplexError:
                self._cut(match.rule, match.can & REAL, right, sure=False)

    def _too_complex(self, pair: Pair, why: str) -> None:
        enter, leave = pair
        self.unknown.append(
            Row(
                from_zones=(enter,),
                to_zones=(leave,),
                may=(WIDEN, NARROW),
                why=(f"too complex: {why}",),
            )
        )


class _Rest:
    """The packets that no rule of a chain can match, but the default rule."""

    def __init__(self, chain: Sequence[Match]) -> None:
        self._chain = chain
        self._space: Space | None = None

    def equals(self, space: Space) -> bool:
        """Whether a set of packets is all of them; no where that takes too many pieces."""
        if len(space.boxes) > _MANY:
            return False
        try:
            if self._space is None:
                rules = (one for one in self._chain[:-1] if one.basis[:1] != ("anything",))
                self._space = REAL - Space(tuple(box for one in rules for box in one.can.boxes))
            return space.within(self._space) and self._space.within(space)
        except TooComplexError:
            return False


def shares(space: Space, chain: Sequence[Match]) -> Iterator[tuple[Match, Space]]:
    """Yield the rules that permit packets, each with those it is the first for.

    Args:
        space: packets that are surely permitted.
        chain: by these rules.
    """
    left = space
    for match in chain:
        if match.allows and (share := match.sure & left):
            yield match, share
            left = left - match.sure
        if not left:
            return
    for match, share in deciders(left, chain, allows=True):
        yield match, share
        left = left - share


def deciders(
    space: Space, chain: Iterable[Match], *, allows: bool
) -> Iterator[tuple[Match, Space]]:
    """Yield the rules that may permit packets, or deny them, each with what may reach it."""
    left = space
    for match in chain:
        if not left:
            return
        if match.allows is allows and (share := match.can & left):
            yield match, share
        left = left - match.sure


def _perhaps(space: Space, chain: Iterable[Match]) -> Iterator[tuple[str, Space]]:
    """Yield packets by the first rule that may permit them; the rest by none."""
    left = space
    for match in chain:
        if match.allows and (share := match.can & left):
            yield match.rule, share
            left = left - match.can
    yield "", left


def _joined(rule: Rule, named: Sequence[str]) -> Iterator[Pair]:
    """Yield the pairs of zones between which a rule stands."""
    if rule.disabled:
        return
    enters = named if ANY in rule.from_zones else rule.from_zones
    leaves = named if ANY in rule.to_zones else rule.to_zones
    yield from ((one, other) for one in enters for other in leaves if joins(rule, one, other))


def _match(name: str, chain: Iterable[Match]) -> Match | None:
    return next((match for match in chain if match.rule == name), None)


def _either(was: Match | None, will: Match | None) -> Space:
    """Return the packets that a rule can match before or after."""
    return (was.can if was else NOTHING) | (will.can if will else NOTHING)


def _otherwise(was: Match | None, will: Match | None) -> Space:
    """Return the packets of which a rule may say another thing after than before."""
    if was is None or will is None or was.allows is not will.allows:
        return _either(was, will)
    if (was.can, was.sure, was.why) == (will.can, will.sure, will.why):
        return NOTHING
    return (was.can - will.sure) | (will.can - was.sure)


def _within(chain: Iterable[Match], region: Space) -> tuple[Match, ...]:
    """Return a chain as packets of a region meet it."""
    parts = (replace(match, can=match.can & region, sure=match.sure & region) for match in chain)
    return tuple(match for match in parts if match.can)


def _whole_zone(zone: str, why: str) -> Iterator[Row]:
    for enters, leaves in (((zone,), (ANY,)), ((ANY,), (zone,))):
        yield Row(from_zones=enters, to_zones=leaves, why=(why,))
