"""What a plan means: which packets are newly permitted, which no longer, what cannot be told.

Each policy counts as a whole, with the rules of others and the defaults, between the zones of the
rules that change. A change is marked by the packets that its rules decide, before or after.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from segctl.analysis.compare import OTHER_ZONE, between, zones
from segctl.analysis.effective import Match, Reading, joins
from segctl.analysis.rows import Row, joined, rows_of
from segctl.analysis.space import EVERYTHING, Space, TooComplexError
from segctl.model.errors import WideningError
from segctl.model.policy import ANY, FirewallZone
from segctl.planning.cuts import PAIR_EFFORT, Cuts
from segctl.planning.deciders import Rest, deciders, in_question, match_of, matched, perhaps, shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.compare import Difference
    from segctl.model.diff import Change
    from segctl.model.policy import Rule
    from segctl.planning.cuts import Cut
    from segctl.planning.sides import Sides
    from segctl.planning.touched import Touched

Mark: TypeAlias = Literal["widens", "narrows", "both", "neither", "cannot tell"]
Pair: TypeAlias = tuple[str, str]
#: What becomes of packets in question, as far as it can be told.
WIDEN, NARROW = "widen", "narrow"

#: How many boxes may be held against each other for one device.
_EFFORT = 12_000_000
#: What decides where no rule does: a default rule, or nothing that the device has a name for.
NO_RULE = {"", "intrazone-default", "interzone-default"}
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


def meaning(
    changes: Sequence[Change],
    sides: Sides | None,
    guarded: Mapping[str, bool] | None = None,
) -> tuple[Meaning, tuple[Cut, ...]]:
    """Return what changes mean for a device, and which of the rules `guarded` they cut.

    Args:
        changes: those that would be made, in their order.
        sides: what the device enforces before and after them; None where nothing changes.
        guarded: rules of ours, by their names after renames, that must not lose a packet; true
            where only packets count that the rule matches after the changes as well.
    """
    if sides is None:
        return Meaning(), ()
    work = _Work(
        before=sides.before,
        after=sides.after,
        changes=changes,
        touched=sides.touched,
        cuts=Cuts(guarded or {}),
        passing=sides.passing,
    )
    return work.done()


@dataclass(slots=True, kw_only=True)
class _Work:
    """One comparison of what a device permits before and after the changes of a plan."""

    before: Reading
    after: Reading
    changes: Sequence[Change]
    touched: Sequence[Touched]
    cuts: Cuts
    passing: bool
    effort: int = 0
    more: list[Row] = field(default_factory=list[Row])
    less: list[Row] = field(default_factory=list[Row])
    unknown: list[Row] = field(default_factory=list[Row])
    widening: set[int] = field(default_factory=set[int])
    narrowing: set[int] = field(default_factory=set[int])
    unsure: set[int] = field(default_factory=set[int])
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
        return found, self.cuts.found

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
        if effort > PAIR_EFFORT or self.effort > _EFFORT:
            self.effort -= effort
            self._not_compared(pair, rules, left, right, f"{len(changed)} changes of rules meet")
            return
        try:
            difference = between(*pair, left, right)
            if difference:
                self._note(pair, rules, difference.by_groups(), left, right)
                self.cuts.note_difference(pair, left, right, difference)
            self.cuts.note_behind(pair, left, right)
        except TooComplexError as error:
            self._not_compared(pair, rules, left, right, str(error))

    def _chain(self, held: Reading, pair: Pair, there: frozenset[str]) -> Sequence[Match]:
        """Return what each rule matches; a zone that is not there yet or any more has no rules."""
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
        rest = Rest(right)
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
        rest: Rest,
    ) -> None:
        """Note packets in question, each with what the question is."""
        wider, narrower = found.wider, found.narrower
        for space, may in (
            (wider - narrower, (WIDEN,)),
            (narrower - wider, (NARROW,)),
            (wider & narrower, (WIDEN, NARROW)),
        ):
            for name, share in perhaps(space, (*right, *left)):
                rows = self._rows(share, pair, name, rest)
                self.unknown += (replace(row, may=may, why=found.why) for row in rows)

    def _rows(self, share: Space, pair: Pair, rule: str, rest: Rest) -> Iterator[Row]:
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
        was, will = match_of(name, left), match_of(name, right)
        moved = in_question(was, will)
        for index in pending:
            region = matched(was, will) if self.touched[index].placed else moved
            if share & region:
                marked.add(index)

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
        self.cuts.note_uncompared(pair, left, right)

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


def _joined(rule: Rule, named: Sequence[str]) -> Iterator[Pair]:
    """Yield the pairs of zones between which a rule stands."""
    if rule.disabled:
        return
    enters = named if ANY in rule.from_zones else rule.from_zones
    leaves = named if ANY in rule.to_zones else rule.to_zones
    yield from ((one, other) for one in enters for other in leaves if joins(rule, one, other))


def _whole_zone(zone: str, why: str) -> Iterator[Row]:
    for enters, leaves in (((zone,), (ANY,)), ((ANY,), (zone,))):
        yield Row(from_zones=enters, to_zones=leaves, why=(why,))
