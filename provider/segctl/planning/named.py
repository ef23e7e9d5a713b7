"""What rules name on a device: objects of whatever kind, and what these name in turn."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from segctl.model.policy import (
    ANY,
    Address,
    AddressGroup,
    ApplicationGroup,
    Schedule,
    Service,
    ServiceGroup,
    item_digest,
)
from segctl.providers.base import words_of
from segctl.providers.parsed import without_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import Item, Policy, Rule
    from segctl.providers.base import Live, Provider

_KINDS = (Address, AddressGroup, ApplicationGroup, Schedule, Service, ServiceGroup)


def by_name(held: Policy) -> Mapping[str, Sequence[Item]]:
    """Return the objects that rules may name, of whatever kind, by name."""
    objects: dict[str, list[Item]] = {}
    for kind in _KINDS:
        for item in held[kind]:
            objects.setdefault(item.name, []).append(item)
    return objects


def names_in(rules: Iterable[Rule], objects: Mapping[str, Sequence[Item]]) -> set[str]:
    """Return the names in rules that objects may have, and those in these objects."""
    waiting = [
        name
        for rule in rules
        for name in (
            *rule.sources,
            *rule.destinations,
            *rule.applications,
            *rule.services,
            *rule.users,
            rule.schedule,
        )
    ]
    seen = {ANY, ""}
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found.add(name)
        for item in objects.get(name, ()):
            waiting += getattr(item, "members", ())
    return found


def objects_of(names: Iterable[str], objects: Mapping[str, Sequence[Item]]) -> Iterator[Item]:
    """Yield the objects of these names, sorted by kind and name."""
    found = [item for name in names for item in objects.get(name, ())]
    yield from sorted(found, key=lambda item: (item.kind_name, item.name))


def shown_of(provider: Provider, live: Live) -> Callable[[str], str]:
    """Return what a snapshot keeps of a field that segctl does not know, on this platform."""
    return words_of(provider, live).shown


def digests_of(names: Iterable[str], live: Live, provider: Provider) -> dict[str, str]:
    """Return a digest of everything of others that has a name, by name; empty for nothing.

    A snapshot of the device gives the same.
    """
    objects, shown = by_name(live.others), shown_of(provider, live)
    others: dict[str, list[str]] = {}
    for key in sorted(live.other_objects):
        others.setdefault(key.partition(" ")[2], []).append(key)
    found: dict[str, str] = {}
    for name in names:
        parts = [
            f"{item.kind_name} {item_digest(without_note(item, shown))}"
            for item in objects_of((name,), objects)
        ]
        parts += [f"{key} {live.other_objects[key]}" for key in others.get(name, ())]
        parts += [live.implied[name]] if name in live.implied else []
        found[name] = hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else ""
    return found
