"""Which firewalls of a device group get a rule: by name in a policy, by serial on Panorama.

Source: configuration schema of Panorama 10.0: ``target`` has ``devices`` by serial, each with its
virtual systems where it has several, ``negate``, and ``tags``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from segctl.model.policy import Rule
from segctl.providers.panos import elements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from segctl.model.diff import Change
    from segctl.model.policy import Item
    from segctl.providers.panos.elements import Element


def read_rule(entry: Element, names: Mapping[str, str]) -> Rule:
    """Read a rule of a device group.

    `names` has the name of each firewall by ``SERIAL`` or ``SERIAL/VSYS``. Targets of which it
    cannot be told who they are, such as tags of firewalls, stay among the ``extras``.
    """
    target = entry.find("target")
    found = None if target is None else _targets(target, names)
    if target is None or found is None:
        return elements.parse_rule(entry)
    entry.remove(target)
    rule = elements.parse_rule(entry)
    entry.append(target)
    return replace(rule, targets=found)


def _targets(target: Element, names: Mapping[str, str]) -> tuple[str, ...] | None:
    if any(len(child) and child.tag != "devices" for child in target):
        return None
    places = {place for device in target.iterfind("devices/entry") for place in _places(device)}
    if (target.findtext("negate") or "no") != "yes":
        return _called(places, names)
    rest = set(names) - places
    return _called(rest, names) if rest and places else None


def _called(places: AbstractSet[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the firewalls at some places; one of a pair without its peer goes by its number."""
    lacking = {name for place, name in names.items() if place not in places}
    called = {place: names.get(place, place) for place in places}
    return tuple(sorted({place if name in lacking else name for place, name in called.items()}))


def _places(device: Element) -> Iterator[str]:
    serial = device.get("name", "")
    systems = [one.get("name", "") for one in device.iterfind("vsys/entry")]
    yield from (f"{serial}/{one}" for one in systems) if systems else (serial,)


def addressed(change: Change, members: Mapping[str, tuple[str, ...]]) -> Change:
    """Return a change whose rules name their firewalls as Panorama does."""
    return replace(
        change,
        before=_addressed(change.before, members),
        after=_addressed(change.after, members),
    )


def _addressed(item: Item | None, members: Mapping[str, tuple[str, ...]]) -> Item | None:
    if not isinstance(item, Rule) or not item.targets:
        return item
    places = (place for name in item.targets for place in members.get(name, (name,)))
    return replace(item, targets=tuple(sorted(places)))
