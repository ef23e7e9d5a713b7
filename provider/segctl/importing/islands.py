"""The islands that a device prepares, as declarations that compile to the same rules again.

No device knows the levels of zones. Its rules say which zones are above which, though, and any
levels in that order make the same rules. Where no order does, an island cannot be given back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.importing.contained import islands_of
from segctl.model.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from segctl.importing.labels import Labels
    from segctl.model.policy import Rule
    from segctl.model.site import Site, Zone

#: Levels of the Purdue model below the one at which a site ends, and from there on.
_BELOW: Final = (0.0, 1.0, 2.0, 3.0)
_FROM_THERE: Final = (3.5, 4.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An island by its name on the device, the labels of the zones above it, and its first rule."""

    name: str
    above: frozenset[str]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A site that declares islands of a device, and those that are left out."""

    site: Site
    islands: tuple[Prepared, ...]
    left: tuple[Prepared, ...]


def read_islands(rules: Iterable[Rule], labels: Labels) -> tuple[Prepared, ...]:
    """Return the islands that rules of ours prepare; without zones above where these are unclear.

    Args:
        rules: the rules of ours.
        labels: our address objects taken apart.
    """
    held = tuple(rules)
    found: list[Prepared] = []
    for name, first in islands_of(held):
        group = naming.island_group(name)
        named = naming.denying_rules(group)
        sides: list[tuple[str, ...]] = []
        for rule in held:
            if rule.name in named:
                leaves = named[rule.name] == "source"
                sides.append(rule.destinations if leaves else rule.sources)
        zones = {labels.zone((one,)) for side in sides for one in side}
        alike = len(sides) == len(named) and len({*map(frozenset, sides)}) == 1
        above = frozenset(zones) if alike and "" not in zones else frozenset[str]()
        found.append(Prepared(name=name, above=above, rule=first.name))
    return tuple(found)


def with_islands(site: Site, islands: Sequence[Prepared]) -> Given | None:
    """Return a site that declares islands, with levels that make them; None where none does.

    An island of a zone of which the device has nothing but the name is left out.
    """
    zones = {naming.zone_label(zone): zone for zone in site.zones}
    sites = {zone.site for zone in site.zones}
    able = [
        one
        for one in islands
        if one.above and one.above <= zones.keys() and (one.name in zones) != (one.name in sites)
    ]
    order = {one.name: one.above for one in able if one.name in zones}
    ends = {one.above for one in able if one.name in sites}
    levels = _levels(frozenset(zones), order, ends) if able else None
    if levels is None:
        return None
    keys = tuple(zones[one.name].key if one.name in zones else one.name for one in able)
    return Given(
        site=replace(
            site,
            zones=tuple(_leveled(zone, levels) for zone in site.zones),
            devices=tuple(
                device
                if device.containment is None
                else replace(device, containment=replace(device.containment, islands=keys))
                for device in site.devices
            ),
        ),
        islands=tuple(able),
        left=tuple(one for one in islands if one not in able),
    )


def _leveled(zone: Zone, levels: Mapping[str, float]) -> Zone:
    return replace(zone, level=levels[naming.zone_label(zone)])


def _levels(
    zones: frozenset[str], order: Mapping[str, frozenset[str]], ends: set[frozenset[str]]
) -> dict[str, float] | None:
    """Return levels at which exactly the zones named are above each other one, None without such.

    Args:
        zones: all zones.
        order: the zones above each zone that can be made an island.
        ends: the zones above the site, where that can be made one: from level 3.5 up.
    """
    uppers = sorted({*order.values(), *ends}, key=len, reverse=True)
    if len(ends) > 1 or any(not lower > upper for lower, upper in pairwise(uppers)):
        return None
    steps = (zones, *uppers, frozenset[str]())
    classes = [lower - upper for lower, upper in pairwise(steps)]
    first = 1 + uppers.index(next(iter(ends))) if ends else len(classes)
    below, beyond = classes[:first], classes[first:]
    lowest: tuple[float, ...] = _BELOW if ends else (*_BELOW, *_FROM_THERE)
    if len(below) > len(lowest) or len(beyond) > len(_FROM_THERE):
        return None
    if len(below) < len(lowest):
        lowest = lowest[1:]  # level 0 has no firewall before it
    found = {
        zone: level
        for part, levels in ((below, lowest), (beyond, _FROM_THERE))
        for held, level in zip(part, levels, strict=False)
        for zone in held
    }
    fits = all(
        upper == frozenset(zone for zone in zones if found[zone] > found[name])
        for name, upper in order.items()
    )
    return found if fits else None


def not_given_back(islands: Iterable[Prepared]) -> tuple[Problem, ...]:
    """Return a warning for each island that the inventory does not declare."""
    return tuple(
        Problem(
            message=f"island {one.name} is prepared and not given back: the device tells neither "
            "the levels of zones nor, here, an order of them that makes it",
            hint="give zones their levels and declare it in segctl_containment.islands, or the "
            "next apply takes it away",
            severity="warning",
            kind="import",
            subject=one.rule,
        )
        for one in islands
    )


def given_back(islands: Sequence[Prepared]) -> tuple[Problem, ...]:
    """Return a warning that the levels of zones are none that anybody declared."""
    names = ", ".join(one.name for one in islands)
    return (
        Problem(
            message=f"levels of zones are such as make the islands of the device: {names}; which "
            "they have, no device knows",
            hint="give each zone its own level, and the addresses that no rule names: an island "
            "has those that its zones have",
            severity="warning",
            kind="import",
            subject=islands[0].rule,
        ),
    )
