"""The changes that turn a live policy into the desired one.

Pure: no device, no clock. Changes are in an order in which they can be made: objects before the
rules that use them, deletions of objects after.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from segctl.model.policy import Address, AddressGroup, Policy, Rule, compared_fields

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from segctl.model.policy import Item
    from segctl.model.site import Position

_Object: TypeAlias = Address | AddressGroup
Op = Literal["create", "update", "move", "delete", "rename"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Where a rule goes: ``top``, ``after`` or ``before`` the rule called `rule`."""

    where: Literal["top", "after", "before"]
    rule: str = ""

    def __str__(self) -> str:
        """``after allow-mgmt`` or ``top``."""
        return f"{self.where} {self.rule}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step: `before` is what the device holds (None: nothing), `after` what it should hold."""

    op: Op
    kind: str
    name: str
    before: Item | None = None
    after: Item | None = None
    anchor: Anchor | None = None

    @property
    def item(self) -> Item | None:
        """What the device should hold; for a deletion, what it holds."""
        return self.after or self.before

    @property
    def conduit(self) -> str:
        """The conduit that the change belongs to; empty for objects."""
        return self.item.conduit if isinstance(self.item, Rule) else ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that differ between `before` and `after`."""
        if self.before is None or self.after is None:
            return ()
        return tuple(
            name
            for name in compared_fields(type(self.after))
            if getattr(self.before, name) != getattr(self.after, name)
        )

    def values(self, field: str) -> tuple[object, object]:
        """Return the values of `field` before and after; None if empty or not set."""
        return getattr(self.before, field, None) or None, getattr(self.after, field, None) or None


def diff(
    desired: Policy,
    live: Policy,
    *,
    order: Sequence[str],
    position: Position,
    ordered: bool = True,
) -> tuple[Change, ...]:
    """Return the changes that turn `live` into `desired`.

    Args:
        desired: the fitted policy.
        live: the managed part of what the device holds.
        order: the names of all rules on the device, ours and others', first to last.
        position: where our block belongs among the rules of others.
        ordered: whether the order of rules matters on the platform.

    Raises:
        LookupError: `position` names a rule that others do not have.
    """
    renames, live = _rename_objects(desired, live)
    creates: list[Change] = []
    deletes: list[Change] = []
    for (kind, wanted), (_, held) in zip(desired.objects(), live.objects(), strict=True):
        made, removed = _objects(kind, wanted, held)
        creates += made
        deletes += removed
    rules = _rules(desired, live, order, position if ordered else None)
    return (*renames, *creates, *rules, *reversed(deletes))


def _objects(
    kind: str, wanted: Iterable[Item], held: Iterable[Item]
) -> tuple[list[Change], list[Change]]:
    live = {item.name: item for item in held}
    made: list[Change] = []
    for item in wanted:
        before = live.pop(item.name, None)
        if before is None:
            made.append(Change(op="create", kind=kind, name=item.name, after=item))
        elif before != item:
            made.append(Change(op="update", kind=kind, name=item.name, before=before, after=item))
    removed = [
        Change(op="delete", kind=kind, name=name, before=item) for name, item in live.items()
    ]
    return made, removed


def _rules(
    desired: Policy, live: Policy, order: Sequence[str], position: Position | None
) -> Iterator[Change]:
    held = {rule.name: rule for rule in live.rules}
    renamed = dict(_renames(desired, held))
    for old, new in renamed.items():
        yield Change(
            op="rename",
            kind="rule",
            name=new.name,
            before=held[old],
            after=_renamed(held[old], new),
        )
    now = {(renamed[name].name if name in renamed else name): rule for name, rule in held.items()}
    wanted = {rule.name: rule for rule in desired.rules}
    for name, rule in now.items():
        if name not in wanted:
            yield Change(op="delete", kind="rule", name=name, before=rule)
    names = [renamed[name].name if name in renamed else name for name in order]
    leading = {name for name, rule in wanted.items() if rule.ahead}
    placed = (
        placements(names, tuple(wanted), held=now.keys(), position=position, leading=leading)
        if position
        else {}
    )
    for name, rule in wanted.items():
        before = now.get(name)
        anchor = placed.get(name)
        if before is None:
            yield Change(op="create", kind="rule", name=name, after=rule, anchor=anchor)
            continue
        before = _renamed(before, rule)
        if before != rule:
            yield Change(op="update", kind="rule", name=name, before=before, after=rule)
        if anchor is not None:
            yield Change(op="move", kind="rule", name=name, before=rule, after=rule, anchor=anchor)


def _renamed(rule: Rule, target: Rule) -> Rule:
    if rule.name == target.name:
        return rule
    return replace(rule, name=target.name)


def _renames(desired: Policy, held: Mapping[str, Rule]) -> Iterator[tuple[str, Rule]]:
    """Pair a wanted rule that is not there with ours under another name.

    That is the name that the inventory says it had, else the only one of the same flow.
    """
    wanted = {rule.name for rule in desired.rules}
    told = dict(_told(desired.rules, held, wanted))
    for rule in desired.rules:
        if rule.name in told:
            yield told[rule.name], rule
    taken = set(told.values())
    spare: dict[tuple[object, ...], list[str]] = {}
    for name, rule in held.items():
        if name not in wanted and name not in taken and rule.flow:
            spare.setdefault(_identity(rule), []).append(name)
    for rule in desired.rules:
        if rule.name not in held and rule.name not in told and rule.flow:
            names = spare.get(_identity(rule), [])
            if len(names) == 1:
                yield names.pop(), rule


def _told(
    items: Iterable[_Object | Rule], held: Container[str], kept: Container[str]
) -> Iterator[tuple[str, str]]:
    """Yield the name of each item that is not held with the former name that is, each once."""
    taken: set[str] = set()
    for item in items:
        if item.name in held:
            continue
        for former in item.renamed_from:
            if former in held and former not in kept and former not in taken:
                taken.add(former)
                yield item.name, former
                break


def _rename_objects(desired: Policy, live: Policy) -> tuple[tuple[Change, ...], Policy]:
    """Return the renames of address objects and groups, and `live` after them.

    What refers to a renamed object follows it. A name that an object of either kind has is not
    given to another one.
    """
    taken = {item.name for item in (*live[Address], *live[AddressGroup])}
    new: dict[str, str] = {}
    changes: list[Change] = []
    kinds: tuple[tuple[Sequence[_Object], Sequence[_Object]], ...] = (
        (desired[Address], live[Address]),
        (desired[AddressGroup], live[AddressGroup]),
    )
    for wanted, held in kinds:
        now = {item.name: item for item in held}
        for name, former in _told(wanted, now, {item.name for item in wanted}):
            if name in taken:
                continue
            new[former] = name
            before = now[former]
            after = _under(before, name)
            changes.append(
                Change(op="rename", kind=before.kind_name, name=name, before=before, after=after)
            )
    return tuple(changes), _following(live, new) if new else live


def _under(item: _Object, name: str) -> _Object:
    return replace(item, name=name)


def renamed(policy: Policy, changes: Iterable[Change]) -> Policy:
    """Return `policy` after the renames among `changes`: objects, what refers to them, rules."""
    objects: dict[str, str] = {}
    rules: dict[str, str] = {}
    for change in changes:
        if change.op == "rename" and change.before is not None:
            new = rules if change.kind == "rule" else objects
            new[change.before.name] = change.name
    policy = _following(policy, objects) if objects else policy
    named = tuple(replace(it, name=rules.get(it.name, it.name)) for it in policy.rules)
    return policy.replace(rules=named) if rules else policy


def _following(policy: Policy, new: Mapping[str, str]) -> Policy:
    """Return `policy` with its address objects and groups under their new names."""

    def named(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(new.get(name, name) for name in names))

    return policy.replace(
        addresses=tuple(replace(it, name=new.get(it.name, it.name)) for it in policy[Address]),
        address_groups=tuple(
            replace(it, name=new.get(it.name, it.name), members=named(it.members))
            for it in policy[AddressGroup]
        ),
        rules=tuple(
            replace(it, sources=named(it.sources), destinations=named(it.destinations))
            for it in policy.rules
        ),
    )


def _identity(rule: Rule) -> tuple[object, ...]:
    return rule.conduit, rule.flow, rule.from_zones, rule.to_zones


# --- order ---------------------------------------------------------------------------------------


def gap(others: Sequence[str], position: Position) -> int:
    """Return how many of the others' rules belong above our block.

    Raises:
        LookupError: `position` names a rule that others do not have.
    """
    if position.where == "first":
        return 0
    if position.where == "last":
        return len(others)
    if position.rule not in others:
        raise LookupError(position.rule)
    index = others.index(position.rule)
    return index if position.where == "before" else index + 1


def placements(
    order: Sequence[str],
    wanted: Sequence[str],
    *,
    held: AbstractSet[str],
    position: Position,
    leading: AbstractSet[str] = frozenset(),
) -> dict[str, Anchor]:
    """Return an anchor for every rule that is new or must move, in the order of execution.

    Rules of others never move. As many of ours as possible stay: the longest increasing
    subsequence of those already in the right place among the others'. Those that are `leading`
    come first of ours, and belong before all of others.
    """
    others = [name for name in order if name not in held]
    place = gap(others, position)
    rank = {name: index for index, name in enumerate(wanted)}
    standing: list[str] = []
    above = 0
    for name in order:
        if name not in held:
            above += 1
        elif name in rank and above == (0 if name in leading else place):
            standing.append(name)
    stay = {standing[index] for index in longest_increasing([rank[name] for name in standing])}
    result: dict[str, Anchor] = {}
    previous = ""
    above_block = others[place - 1] if place else ""
    for name in wanted:
        if name not in leading and above_block:
            previous, above_block = above_block, ""
        if name not in stay:
            result[name] = Anchor(where="after", rule=previous) if previous else Anchor(where="top")
        previous = name
    return result


def longest_increasing(values: Sequence[int]) -> list[int]:
    """Return the indices of one longest strictly increasing subsequence of `values`."""
    tails: list[int] = []
    tail_at: list[int] = []
    before: list[int] = []
    for index, value in enumerate(values):
        slot = bisect_left(tails, value)
        before.append(tail_at[slot - 1] if slot else -1)
        if slot == len(tails):
            tails.append(value)
            tail_at.append(index)
        else:
            tails[slot] = value
            tail_at[slot] = index
    chain: list[int] = []
    index = tail_at[-1] if tail_at else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return chain[::-1]


def in_place(
    order: Sequence[str],
    ours: AbstractSet[str],
    position: Position,
    leading: AbstractSet[str] = frozenset(),
) -> bool:
    """Whether our rules form one block where `position` says, those `leading` one at the top."""
    others = [name for name in order if name not in ours]
    try:
        place = gap(others, position)
    except LookupError:
        return not ours
    above = 0
    for name in order:
        if name not in ours:
            above += 1
        elif above != (0 if name in leading else place):
            return False
    return True
