"""Which rules each change of a plan has to do with: the rule itself, or those that use the object.

Pure. What only describes a rule or an object has to do with none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segctl.model.policy import (
    ANY,
    Address,
    AddressGroup,
    ApplicationGroup,
    DefaultRule,
    Rule,
    Schedule,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from segctl.model.diff import Change
    from segctl.model.policy import Policy

#: Fields of each kind that say which packets it is about, and what becomes of them.
_DECIDING: Mapping[str, frozenset[str]] = {
    Rule.kind_name: frozenset(
        {
            "from_zones",
            "to_zones",
            "sources",
            "destinations",
            "users",
            "applications",
            "services",
            "action",
            "type",
            "schedule",
            "disabled",
            "negate_source",
            "negate_destination",
            "extras",
            "targets",
        }
    ),
    DefaultRule.kind_name: frozenset({"action", "extras"}),
    Address.kind_name: frozenset({"value", "type", "extras"}),
    AddressGroup.kind_name: frozenset({"members", "contained", "extras"}),
    Service.kind_name: frozenset({"protocol", "ports", "extras"}),
    ServiceGroup.kind_name: frozenset({"members", "extras"}),
    ApplicationGroup.kind_name: frozenset({"members", "extras"}),
    Schedule.kind_name: frozenset({"windows", "extras"}),
}
#: Kinds whose items share their names, by one of them.
_SPACES = {
    Address.kind_name: "address",
    AddressGroup.kind_name: "address",
    Service.kind_name: "service",
    ServiceGroup.kind_name: "service",
    ApplicationGroup.kind_name: "application",
    Schedule.kind_name: "schedule",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The rules that one change has to do with, by name.

    Of a rule that is `placed` (new, gone or in another place) every packet counts that it decides,
    else only those that it matches before or after and not both.
    """

    rules: frozenset[str] = frozenset()
    placed: bool = False


def touched(changes: Iterable[Change], before: Policy, after: Policy) -> tuple[Touched, ...]:
    """Return for each change which rules it has to do with.

    Args:
        changes: the changes of a plan.
        before: everything the device enforces, under the names that renames give.
        after: everything it enforces then.
    """
    uses = (_Uses(before), _Uses(after))
    return tuple(_touched(change, uses) for change in changes)


def _touched(change: Change, uses: tuple[_Uses, _Uses]) -> Touched:
    kind = change.kind
    if change.op == "rename" or kind not in _DECIDING:
        return Touched()
    if change.op == "update" and not _DECIDING[kind].intersection(change.fields):
        return Touched()
    if kind == Rule.kind_name:
        return Touched(rules=frozenset({change.name}), placed=change.op != "update")
    if kind == DefaultRule.kind_name:
        return Touched(rules=frozenset({change.name}))
    space, name = _SPACES[kind], change.name
    return Touched(rules=uses[0].of(space, name) & uses[1].of(space, name))


class _Uses:
    """Who uses an object in a policy, directly or through groups."""

    def __init__(self, policy: Policy) -> None:
        self._groups: dict[tuple[str, str], set[str]] = defaultdict(set)
        groups: tuple[AddressGroup | ServiceGroup | ApplicationGroup, ...] = (
            *policy[AddressGroup],
            *policy[ServiceGroup],
            *policy[ApplicationGroup],
        )
        for group in groups:
            for member in group.members:
                self._groups[_SPACES[group.kind_name], member].add(group.name)
        self._rules: dict[tuple[str, str], set[str]] = defaultdict(set)
        for rule in policy.rules:
            for key in _named(rule):
                self._rules[key].add(rule.name)

    def of(self, space: str, name: str) -> frozenset[str]:
        """Return the names of the rules that use an object."""
        found: set[str] = set()
        seen = {name}
        todo = [name]
        while todo:
            one = todo.pop()
            found |= self._rules.get((space, one), set())
            more = self._groups.get((space, one), set()) - seen
            seen |= more
            todo += more
        return frozenset(found)


def _named(rule: Rule) -> Iterator[tuple[str, str]]:
    for name in {*rule.sources, *rule.destinations} - {ANY}:
        yield "address", name
    for name in rule.services:
        yield "service", name
    for name in rule.applications:
        yield "application", name
    if rule.schedule:
        yield "schedule", rule.schedule
