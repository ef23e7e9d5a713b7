"""What each firewall of a device group gets of its policy, and what changes there. Pure.

A rule with targets is no rule on other firewalls: it permits nothing there, and hides nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.model.policy import DefaultRule, Policy, Rule
from segctl.planning.linted import lint_plan
from segctl.planning.meaning import Meaning, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.analysis.rows import Row
    from segctl.model.diff import Change
    from segctl.model.errors import Problem
    from segctl.model.policy import Item
    from segctl.planning.cuts import Cut
    from segctl.planning.meaning import Mark
    from segctl.planning.plan import DevicePlan
    from segctl.planning.sides import Sides
    from segctl.providers.base import Live, Provider

#: Kinds whose names are those of another kind, too.
_SPACES = {"address-group": "address", "service-group": "service"}
_WIDENING, _NARROWING = ("widens", "both"), ("narrows", "both")


def alike(members: Iterable[str], rules: Iterable[Rule]) -> tuple[tuple[str, ...], ...]:
    """Return the firewalls of a group, those together that get the same of these rules.

    That is one empty group where no rule has targets: everybody gets everything. A firewall that a
    rule names and the inventory does not have is among them.
    """
    targeted = [frozenset(rule.targets) for rule in rules if rule.targets]
    if not targeted:
        return ((),)
    every = sorted(frozenset(members).union(*targeted))
    found: dict[tuple[bool, ...], list[str]] = defaultdict(list)
    for name in every:
        found[tuple(name in targets for targets in targeted)].append(name)
    return tuple(map(tuple, found.values()))


def of_firewall(policy: Policy, name: str) -> Policy:
    """Return what a firewall gets of a group's policy; without a name, the policy."""
    if not name:
        return policy
    return policy.replace(rules=tuple(rule for rule in policy.rules if gets(name, rule)))


def gets(name: str, rule: Rule) -> bool:
    """Whether a firewall gets a rule."""
    return not rule.targets or name in rule.targets


def gets_any(name: str, plan: DevicePlan) -> bool:
    """Whether a plan of a group changes what a firewall gets of it.

    An object that is new changes nothing by itself: the rules that name it do. A default rule does.
    """
    for change in plan.changes:
        if change.kind != "rule":
            if change.op != "create" or change.kind == "default-rule":
                return True
        elif any(
            isinstance(one, Rule) and gets(name, one) for one in (change.before, change.after)
        ):
            return True
    return False


def live_of_firewall(live: Live, name: str) -> Live:
    """Return a group as if one of its firewalls were all of it; without a name, the group."""
    if not name:
        return live
    policy, others = of_firewall(live.policy, name), of_firewall(live.others, name)
    held = {rule.name for rule in (*policy.rules, *others.rules)}
    return replace(
        live,
        policy=policy,
        others=others,
        order=tuple(one for one in live.order if one in held),
        pushed=replace(
            live.pushed,
            before=tuple(rule for rule in live.pushed.before if gets(name, rule)),
            after=tuple(rule for rule in live.pushed.after if gets(name, rule)),
        ),
    )


def with_group(firewall: Live, name: str, group: Live, policy: Policy, *, late: bool) -> Policy:
    """Return what a firewall would enforce if its group held a policy and it had all of it.

    Args:
        firewall: what it holds, of its own and from the group.
        name: how rules of the group name it.
        group: what the group holds.
        policy: what the group would enforce, rules around ours included.
        late: whether rules of the group come after the firewall's own.
    """
    mine, own = of_firewall(policy, name), firewall.effective()
    around = live_of_firewall(group, name).pushed
    first, last = len(around.around(())) - len(around.after), len(mine.rules) - len(around.after)
    split = first if late else last
    local = {rule.name: rule for rule in (*firewall.policy.rules, *firewall.others.rules)}
    doubt = replace(firewall.pushed, before=(), after=()).around(())
    return Policy.of(
        (
            *_objects(mine, own),
            *_defaults(own, mine, firewall.policy),
            *doubt,
            *mine.rules[:split],
            *(local[one] for one in firewall.order),
            *mine.rules[split:],
        )
    )


def _objects(nearest: Policy, further: Policy) -> Iterator[Item]:
    """Yield the objects of two policies; of two of a name that of the nearest."""
    taken: set[tuple[str, str]] = set()
    for policy in (nearest, further):
        held = [one for _, items in policy.objects() for one in items]
        few = [one for one in held if not isinstance(one, DefaultRule) and _key(one) not in taken]
        taken.update(map(_key, few))
        yield from few


def _key(item: Item) -> tuple[str, str]:
    return _SPACES.get(item.kind_name, item.kind_name), item.name


def _defaults(*policies: Policy) -> Iterable[DefaultRule]:
    """Return the default rules of policies; of two of a name the last counts."""
    return {rule.name: rule for policy in policies for rule in policy[DefaultRule]}.values()


def meaning_by_firewall(
    changes: Sequence[Change],
    sides: Sides | None,
    members: Iterable[str],
    guarded: Mapping[str, bool] | None = None,
) -> tuple[Meaning, tuple[Cut, ...]]:
    """Return what changes mean, as `meaning` does, on each firewall that they are for.

    Rows that are the same on several firewalls are one; it names them unless they are all.
    """
    if sides is None:
        return meaning(changes, sides, guarded)
    rules = (*sides.before.policy.rules, *sides.after.policy.rules)
    found: list[tuple[tuple[str, ...], Meaning]] = []
    cuts: dict[str, Cut] = {}
    for names in alike(members, rules):
        one, lost = meaning(changes, _on(sides, names), guarded)
        found.append((names, one))
        for cut in lost:
            known = cuts.get(cut.rule)
            cuts[cut.rule] = cut if known is None or (cut.sure and not known.sure) else known
    if len(found) == 1:
        return found[0][1], tuple(cuts[name] for name in sorted(cuts))
    each: list[tuple[Mark, ...]] = [one.marks for _, one in found]
    together = Meaning(
        more=_together([(names, one.more) for names, one in found]),
        less=_together([(names, one.less) for names, one in found]),
        unknown=_together([(names, one.unknown) for names, one in found]),
        marks=tuple(_mark(marks) for marks in zip(*each, strict=True)),
    )
    return together, tuple(cuts[name] for name in sorted(cuts))


def lint_by_firewall(
    sides: Sides | None, live: Live, provider: Provider, told: Iterable[Problem]
) -> Iterator[Problem]:
    """Yield what lint says of our rules, as `lint_plan` does.

    Of a rule it says what is so on every firewall that gets the rule.
    """
    if sides is None:
        return
    rules = (*sides.before.policy.rules, *sides.after.policy.rules)
    groups = alike(live.members, rules)
    known = tuple(told)
    counts: Counter[Problem] = Counter()
    for names in groups:
        mine = live_of_firewall(live, names[0] if names else "")
        counts.update(list(dict.fromkeys(lint_plan(_on(sides, names), mine, provider, known))))
    by_name = {rule.name: rule for rule in sides.after.policy.rules}
    for problem, count in counts.items():
        rule = by_name.get(problem.subject)
        holders = sum(rule is None or not names or gets(names[0], rule) for names in groups)
        if rule is None or count >= holders:
            yield problem


def _on(sides: Sides, names: tuple[str, ...]) -> Sides:
    name = names[0] if names else ""
    before, after = sides.before, sides.after
    return replace(
        sides,
        before=replace(before, policy=of_firewall(before.policy, name)),
        after=replace(after, policy=of_firewall(after.policy, name)),
    )


def _together(parts: Sequence[tuple[tuple[str, ...], Sequence[Row]]]) -> tuple[Row, ...]:
    """Return rows of several firewalls, those that are the same but for their example as one."""
    every = {name for names, _ in parts for name in names}
    on: dict[Row, set[str]] = defaultdict(set)
    first: dict[Row, Row] = {}
    for names, rows in parts:
        for row in rows:
            key = replace(row, example="")
            first.setdefault(key, row)
            on[key].update(names)
    return tuple(
        replace(row, firewalls=() if on[key] == every else tuple(sorted(on[key])))
        for key, row in first.items()
    )


def _mark(marks: Iterable[Mark]) -> Mark:
    """Return the mark of a change that has one on each of several firewalls."""
    held = set(marks)
    widens, narrows = bool(held.intersection(_WIDENING)), bool(held.intersection(_NARROWING))
    if widens:
        return "both" if narrows else "widens"
    if narrows:
        return "narrows"
    return "cannot tell" if "cannot tell" in held else "neither"
