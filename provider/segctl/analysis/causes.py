"""What the doubt about a rule hangs on: where two rules hang on the same, both match or neither.

Where only a device knows what a word stands for, two policies of that device still agree about a
rule that uses the word in both. Words count by what they refer to, not by the names of objects: an
object that has been renamed is the same, one with another value is not.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from segctl.model.policy import (
    APPLICATION_DEFAULT,
    Address,
    AddressGroup,
    ApplicationGroup,
    Schedule,
    Service,
    ServiceGroup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from segctl.analysis.words import Beyond, Meaning, Words
    from segctl.model.policy import Policy, Rule

_T = TypeVar("_T")
#: Groups within groups beyond which no two are taken for the same.
_MAX_DEPTH = 60


class Causes:
    """What the doubts about the rules of one policy hang on."""

    def __init__(self, policy: Policy, words: Words, beyond: Beyond) -> None:
        self._words = words
        self._beyond = beyond
        self._policy = policy

    @cached_property
    def _schedules(self) -> Mapping[str, Schedule]:
        return {item.name: item for item in self._policy[Schedule]}

    @cached_property
    def _addresses(self) -> Mapping[str, Hashable]:
        wildcards = self._words.wildcards
        return {
            item.name: (item.type, item.value, wildcards if item.type == "wildcard" else ())
            for item in self._policy[Address]
        }

    @cached_property
    def _services(self) -> Mapping[str, Hashable]:
        return {
            item.name: (item.protocol, item.ports, item.extras) for item in self._policy[Service]
        }

    @cached_property
    def _address_groups(self) -> Mapping[str, tuple[str, ...]]:
        return {item.name: item.members for item in self._policy[AddressGroup]}

    @cached_property
    def _service_groups(self) -> Mapping[str, tuple[str, ...]]:
        return {item.name: item.members for item in self._policy[ServiceGroup]}

    @cached_property
    def _application_groups(self) -> Mapping[str, tuple[str, ...]]:
        return {item.name: item.members for item in self._policy[ApplicationGroup]}

    def of(self, rule: Rule) -> tuple[Hashable, ...]:
        """Return what it hangs on whether a rule matches a packet that it can match."""
        found = dict(self._each(rule))
        if not found:
            return ()
        if len(found) == 1:
            return tuple(found.items())
        # a packet may hang on one of them only: what each surely holds says on which
        return (*found.items(), self._surely(rule))

    def _each(self, rule: Rule) -> Iterator[tuple[str, Hashable]]:
        if found := self._behind_addresses(rule.sources):
            yield "source", (rule.negate_source, found)
        if found := self._behind_addresses(rule.destinations):
            yield "destination", (rule.negate_destination, found)
        yield from self._spoken(rule)
        if _doubtful(self._words.who(rule.users)):
            yield "user", frozenset(rule.users)
        if _doubtful(self._words.time(rule.schedule)):
            held = self._schedules.get(rule.schedule)
            yield "time", (held.windows, held.extras) if held else rule.schedule
        effect, texts = self._words.effects(rule)
        if effect != "none":
            yield effect, texts

    def _spoken(self, rule: Rule) -> Iterator[tuple[str, Hashable]]:
        words = self._words
        named = _behind(
            rule.applications, {}, self._application_groups, words.application, self._unknown
        )
        if APPLICATION_DEFAULT in rule.services:
            if _doubtful(words.spoken(rule.applications, rule.services)):
                meant = frozenset(map(words.application, rule.applications))
                yield "default ports", (named, meant)
            return
        if named:
            yield "application", named
        found = _behind(
            rule.services, self._services, self._service_groups, words.service, self._unknown
        )
        if found:
            yield "service", found

    def _surely(self, rule: Rule) -> Hashable:
        words = self._words
        return (
            words.side(rule.sources, negated=rule.negate_source).sure,
            words.side(rule.destinations, negated=rule.negate_destination).sure,
            words.spoken(rule.applications, rule.services).sure,
        )

    def _behind_addresses(self, names: Sequence[str]) -> frozenset[Hashable]:
        return _behind(
            names, self._addresses, self._address_groups, self._words.address, self._unknown
        )

    def _unknown(self, name: str, *, tangled: bool) -> Hashable:
        """Return what stands for a name that the policy has no object for, or no clear group."""
        if tangled:
            return (name, id(self))
        held = self._beyond.filled.get(name)
        return (name, self._beyond.implied.get(name, ""), held if held and held.lasting else None)


def _behind(
    names: Sequence[str],
    objects: Mapping[str, Hashable],
    groups: Mapping[str, tuple[str, ...]],
    meaning: Callable[[str], Meaning[_T]],
    unknown: Callable[..., Hashable],
) -> frozenset[Hashable]:
    """Return the words behind some names of which it is not known what they stand for."""
    found: set[Hashable] = set()
    seen: set[str] = set()
    waiting = [(name, 0) for name in names]
    while waiting:
        name, depth = waiting.pop()
        if not _doubtful(meaning(name)):
            continue
        if not (members := groups.get(name)):
            found.add(objects.get(name) or unknown(name, tangled=False))
        elif name in seen or depth > _MAX_DEPTH or not any(map(_doubtful, map(meaning, members))):
            found.add(unknown(name, tangled=True))
        else:
            seen.add(name)
            waiting += [(member, depth + 1) for member in members]
    return frozenset(found)


def _doubtful(meant: Meaning[_T]) -> bool:
    return meant.can != meant.sure
