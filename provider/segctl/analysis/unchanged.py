"""Pairs of zones between which two policies hold the same rules, told without a look at packets."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from segctl.model.policy import (
    Address,
    AddressGroup,
    ApplicationGroup,
    Schedule,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from segctl.analysis.effective import Reading
    from segctl.analysis.words import Beyond
    from segctl.model.filled import Filled
    from segctl.model.policy import Item, Rule

_KINDS: tuple[type[Item], ...] = (
    Address,
    AddressGroup,
    Service,
    ServiceGroup,
    ApplicationGroup,
    Schedule,
)
#: What of a rule decides about packets.
_DECIDING = attrgetter(
    "sources",
    "destinations",
    "applications",
    "services",
    "from_zones",
    "to_zones",
    "type",
    "action",
    "users",
    "schedule",
    "negate_source",
    "negate_destination",
    "disabled",
    "extras",
)


class Unchanged:
    """The rules of two policies of one device, told apart by what decides about packets."""

    def __init__(self, left: Reading, right: Reading) -> None:
        self._sides = left, right
        alike = left.platform is right.platform or left.platform == right.platform
        alike = alike and left.beyond.in_order == right.beyond.in_order
        alike = alike and _outside(left) == _outside(right)
        differing = _differing(left, right) if alike else None
        known: dict[Hashable, int] = {}
        self._left = _numbered(left.policy.rules, differing, known)
        self._right = _numbered(right.policy.rules, differing, known)
        self._defaults = {
            inside: alike and left.default(inside=inside) == right.default(inside=inside)
            for inside in (True, False)
        }

    def between(self, enter: str, leave: str) -> bool:
        """Whether both hold the same rules from one zone to another.

        They may hold the same for packets where this says no.
        """
        if not self._defaults[enter == leave]:
            return False
        left, right = (side.rules(enter, leave) for side in self._sides)
        return len(left) == len(right) and all(
            self._left[one] == self._right[other] for one, other in zip(left, right, strict=True)
        )

    def pairs(self, zones: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield the pairs of some zones between which the rules may not be the same."""
        left, right = self._sides
        wild = [self._left[at] for at in left.wild()] == [self._right[at] for at in right.wild()]
        if wild and all(self._defaults.values()):
            held = frozenset(zones)
            every = sorted({*left.named(), *right.named()})
            pairs: Iterable[tuple[str, str]] = (one for one in every if held.issuperset(one))
        else:
            pairs = ((enter, leave) for enter in zones for leave in zones)
        return (pair for pair in pairs if not self.between(*pair))


def _outside(side: Reading) -> Hashable:
    """Return what decides about packets besides a policy."""
    return side.beyond.overrides, side.beyond.translations, side.beyond.gates


def _numbered(
    rules: Sequence[Rule], differing: frozenset[str] | None, known: dict[Hashable, int]
) -> list[int]:
    """Return a number for each rule, the same for rules that are the same for packets."""
    found: list[int] = []
    for rule in rules:
        key: Hashable = _DECIDING(rule)
        if differing is None or (differing and not differing.isdisjoint(_names(rule))):
            key = object()
        found.append(known.setdefault(key, len(known)))
    return found


def _names(rule: Rule) -> Iterator[str]:
    """Return the names of objects in a rule."""
    sides = rule.sources, rule.destinations, rule.applications, rule.services
    return chain((rule.schedule,), *sides)


def _differing(left: Reading, right: Reading) -> frozenset[str]:
    """Return the names that may not stand for the same in both."""
    one, other = left.beyond, right.beyond
    found = {
        name
        for name in {*one.implied, *other.implied}
        if one.implied.get(name) != other.implied.get(name)
    }
    found |= {
        name
        for name in {*one.filled, *other.filled}
        if _lasting(one, name) != _lasting(other, name)
    }
    for kind in _KINDS:
        mine, theirs = ({item.name: item for item in of.policy[kind]} for of in (left, right))
        found |= mine.keys() ^ theirs.keys()
        found |= {name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name]}
    return _with_groups(found, left, right) if found else frozenset()


def _lasting(beyond: Beyond, name: str) -> Filled | None:
    """Return what an object holds as far as it decides what rules with its name match."""
    held = beyond.filled.get(name)
    return held if held is not None and (held.lasting or beyond.now) else None


def _with_groups(names: set[str], *readings: Reading) -> frozenset[str]:
    """Return names with those of the groups that they are in, however deep."""
    within: dict[str, list[str]] = {}
    for reading in readings:
        policy = reading.policy
        groups: tuple[AddressGroup | ServiceGroup | ApplicationGroup, ...] = (
            *policy[AddressGroup],
            *policy[ServiceGroup],
            *policy[ApplicationGroup],
        )
        for group in groups:
            for member in group.members:
                within.setdefault(member, []).append(group.name)
    found, waiting = set(names), list(names)
    while waiting:
        for name in within.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)
