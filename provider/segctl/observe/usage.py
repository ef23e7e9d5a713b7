"""Which rules and conduits are used, by what devices count. Missing is unknown, never nought. Pure.

A rule is called unused only where that is certain of every firewall that has it: all members of a
pair count, have done so since before the window, have no hit within it and no session open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from segctl.model.policy import Rule
    from segctl.providers.counting import Counts, Hits

UsageClass = Literal[
    "used", "long_session", "not_counted", "too_young", "only_attacks", "shadowed", "unused"
]
#: From the class that says most for a conduit to the one that says least.
CLASSES: Final[tuple[UsageClass, ...]] = (
    "used",
    "long_session",
    "not_counted",
    "too_young",
    "only_attacks",
    "shadowed",
    "unused",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUsage:
    """What is known of one rule on one device.

    `count` is the sum of what its firewalls counted, None where none of them says; `last` is the
    last hit that one of them tells. `why` says what the class rests on.
    """

    device: str
    rule: str
    conduit: str
    flow: str
    used: UsageClass
    why: str
    count: int | None = None
    last: datetime | None = None
    sessions: int = 0
    essential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConduitUsage:
    """What is known of one conduit: `rules` on devices that were asked, `unasked` other devices."""

    conduit: str
    used: UsageClass
    rules: tuple[RuleUsage, ...]
    unasked: tuple[str, ...] = ()

    @property
    def last(self) -> datetime | None:
        """The last hit of any of its rules, as far as one is told."""
        return max((one.last for one in self.rules if one.last is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one firewall says of a rule: a class, and what that rests on."""

    used: UsageClass
    why: str


def usage(
    device: str,
    rules: Iterable[Rule],
    counted: Sequence[Counts],
    since: datetime,
    shadowed: AbstractSet[str] = frozenset(),
) -> Iterator[RuleUsage]:
    """Yield what is known of each rule.

    Args:
        device: its device.
        rules: as the device holds them.
        counted: what each firewall of the device counted.
        since: the start of the window.
        shadowed: names of rules that rules before them surely leave nothing.
    """
    witnesses = [_Witness(counts=one, by_rule=_by_rule(one.hits)) for one in counted]
    for rule in rules:
        yield _rule(device, rule, witnesses, since, shadowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Witness:
    """A firewall that counts, with its counts by rule; None where two rules have a name."""

    counts: Counts
    by_rule: Mapping[str, Hits | None]


def _by_rule(hits: Iterable[Hits]) -> Mapping[str, Hits | None]:
    """Return counts by rule; None for a name that two rules have: nobody knows which is meant."""
    found: dict[str, Hits | None] = {}
    for one in hits:
        found[one.rule] = None if one.rule in found else one
    return found


def _rule(
    device: str,
    rule: Rule,
    witnesses: Sequence[_Witness],
    since: datetime,
    shadowed: AbstractSet[str],
) -> RuleUsage:
    seen = [_seen(one, rule.name, since) for one in witnesses]
    found = min(seen, key=lambda one: CLASSES.index(one.used), default=_nobody())
    if found.used == "unused" and rule.name in shadowed:
        found = _Seen(used="shadowed", why="rules before it leave it nothing")
    hits = [told for one in witnesses if (told := one.by_rule.get(rule.name)) is not None]
    counts = [one.count for one in hits if one.count is not None]
    return RuleUsage(
        device=device,
        rule=rule.name,
        conduit=rule.conduit,
        flow=rule.flow,
        used=found.used,
        why=found.why,
        count=sum(counts) if counts else None,
        last=max((one.last for one in hits if one.last is not None), default=None),
        sessions=sum(one.counts.sessions.get(rule.name, 0) for one in witnesses),
        essential=rule.essential,
    )


def _nobody() -> _Seen:
    return _Seen(used="not_counted", why="no firewall was asked")


def _seen(witness: _Witness, rule: str, since: datetime) -> _Seen:
    """Return what one firewall says of a rule."""
    name, hits = witness.counts.member, witness.by_rule.get(rule)
    sessions = witness.counts.sessions.get(rule, 0)
    if witness.counts.unknown:
        return _Seen(used="not_counted", why=f"{name}: {witness.counts.unknown}")
    if hits is None:
        return _Seen(used="not_counted", why=f"{name} tells no count of it")
    if hits.last is not None and hits.last >= since:
        return _Seen(used="used", why="")
    doubt, began = _doubt(witness, hits, rule), hits.counted_from or since
    if sessions:
        one = "a session is" if sessions == 1 else f"{sessions} sessions are"
        if doubt or began > since:  # it may have begun in the window, and not have been counted
            return _Seen(used="used", why=f"{one} open on {name}")
        return _Seen(used="long_session", why=f"{one} open on {name} since before the window")
    if hits.count and hits.last is None:
        return _Seen(used="used", why=f"{name} does not tell when")
    if hits.count is not None and hits.not_before is not None and hits.not_before > since:
        why = f"counted since {hits.not_before:%Y-%m-%d} at the earliest on {name}"
        return _Seen(used="too_young", why=why)
    if doubt:
        return _Seen(used="not_counted", why=doubt)
    if began > since:
        return _Seen(used="too_young", why=f"counted since {began:%Y-%m-%d} on {name}")
    last = f"last used {hits.last:%Y-%m-%d}" if hits.last else "never used"
    return _Seen(used="unused", why=f"{last}, counted since {began:%Y-%m-%d}")


def _doubt(witness: _Witness, hits: Hits, rule: str) -> str:
    """Return why it is not known whether a rule without hits is used; empty if it is known."""
    name = witness.counts.member
    if hits.count is None:
        return f"{name} says that its count is not current"
    if hits.doubt:
        return f"{name}: {hits.doubt}"
    if hits.counted_from is None:
        return f"{name} does not tell since when it counts"
    if rule not in witness.counts.sessions:
        return f"{name} was not asked for its open sessions"
    return ""


def by_conduit(
    rules: Iterable[RuleUsage], unasked: Callable[[str], Sequence[str]]
) -> tuple[ConduitUsage, ...]:
    """Join what is known of rules by conduit; one is used where any of its rules is.

    It is unused only where all its rules are, on every device that has any.

    Args:
        rules: of the devices that were asked.
        unasked: returns the devices that may have rules of a conduit and told nothing.
    """
    groups: dict[str, list[RuleUsage]] = {}
    for one in rules:
        if one.conduit:
            groups.setdefault(one.conduit, []).append(one)
    return tuple(_conduit(name, found, unasked(name)) for name, found in sorted(groups.items()))


def _conduit(name: str, rules: Sequence[RuleUsage], unasked: Sequence[str]) -> ConduitUsage:
    used = best(rules)
    if unasked and CLASSES.index(used) > CLASSES.index("not_counted"):
        used = "not_counted"  # it may be used there
    return ConduitUsage(conduit=name, used=used, rules=tuple(rules), unasked=tuple(unasked))


def best(rules: Iterable[RuleUsage]) -> UsageClass:
    """Return the class of several rules together: that of the one that says most for them."""
    used: list[UsageClass] = [one.used for one in rules]
    return min(used, key=CLASSES.index)


def totals(rules: Iterable[RuleUsage]) -> Mapping[UsageClass, int]:
    """Count rules by class."""
    found = [one.used for one in rules]
    return {name: found.count(name) for name in CLASSES}
