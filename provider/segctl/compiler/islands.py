"""Islands: zones and sites that can be cut from what is above them, prepared before anybody does.

Above a zone are all zones of a higher level. Above a site are all zones of other sites, and its own
zones from level 3.5 up. Only zones that firewalls connect count, and those of the same site.

As with containment, a group that nobody is in denies nothing; while an island is one, the group has
its addresses. The rules name the group on one side and the zones above on the other, so that they
match no traffic within the island, beside it or below it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segctl.compiler import naming
from segctl.compiler.problems import problem
from segctl.model.addresses import merge
from segctl.model.policy import ANY, AddressGroup, DeclaredRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from segctl.compiler.objects import Objects
    from segctl.compiler.ownership import Ownership
    from segctl.compiler.topology import Topology
    from segctl.model.addresses import Interval
    from segctl.model.errors import Problem
    from segctl.model.site import Device, Site, Zone

#: Level of the zones that stand between a plant and everything else (Purdue).
_DMZ: Final = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """A zone, or the zones of a site, and what is above; `unclear` are zones without a level."""

    key: str
    name: str
    inside: tuple[Zone, ...]
    above: tuple[Zone, ...]
    unclear: tuple[Zone, ...] = ()

    @property
    def group(self) -> str:
        """The group that has its addresses while it is an island."""
        return naming.island_group(self.name)


def island_of(site: Site, key: str, graph: Topology) -> Island:
    """Return the island that a zone (its key) or a site (its name) can be made; pure.

    Raises:
        LookupError: there is no such zone or site.
    """
    alone = next((zone for zone in site.zones if zone.key == key), None)
    whole = [zone for zone in site.zones if zone.site == key]
    if alone is None and not whole:
        raise LookupError(key)
    near = _near(site, graph, [alone] if alone is not None else whole)
    if alone is not None:
        near.remove(alone)
        least = alone.level
        return Island(
            key=key,
            name=naming.zone_label(alone),
            inside=(alone,),
            above=tuple(one for one in near if least is not None and (one.level or 0.0) > least),
            unclear=tuple(one for one in (alone, *near) if one.level is None),
        )
    return Island(
        key=key,
        name=key,
        inside=tuple(one for one in whole if one.level is not None and one.level < _DMZ),
        above=tuple(one for one in near if one.site != key or (one.level or 0.0) >= _DMZ),
        unclear=tuple(one for one in whole if one.level is None),
    )


def _near(site: Site, graph: Topology, start: Iterable[Zone]) -> list[Zone]:
    """Return some zones, those that traffic can reach from them, and those of their sites."""
    begun = list(start)
    known = {zone.site for zone in begun}
    reached = {key for zone in begun for key in graph.distances(zone.key)}
    return [
        zone
        for zone in sorted(site.zones, key=lambda zone: zone.key)
        if zone.site in known or zone.key in reached
    ]


class Islands:
    """The islands of a site, each worked out once for all firewalls that prepare it."""

    def __init__(self, site: Site, graph: Topology) -> None:
        self._site = site
        self._graph = graph
        self._known: dict[str, Island] = {}

    def of(self, key: str) -> Island:
        """Return an island."""
        if key not in self._known:
            self._known[key] = island_of(self._site, key, self._graph)
        return self._known[key]

    def addresses(self, device: Device, owned: Ownership) -> Mapping[str, tuple[Interval, ...]]:
        """Return the addresses that each island which a firewall prepares has, by its group."""
        declared = device.containment
        found = () if declared is None else map(self.of, dict.fromkeys(declared.islands))
        return {
            island.group: merge(part for zone in island.inside for part in owned.of(zone))
            for island in found
        }

    def prepared(
        self,
        device: Device,
        rules: tuple[DeclaredRule, ...],
        objects: Objects,
        problems: list[Problem],
    ) -> tuple[tuple[DeclaredRule, ...], tuple[AddressGroup, ...]]:
        """Return the rules of a firewall with those of its islands, and the groups these name.

        They follow the rules that contain, so that the same flows go on.
        """
        declared = device.containment
        if declared is None or not device.zones:
            return rules, ()
        found = [self.of(key) for key in sorted({*declared.islands})]
        setting = declared.log_forwarding or device.log_forwarding
        denying = [
            rule
            for island in found
            for rule in _denying(island, setting, _above(island, objects, device, problems))
        ]
        known = Counter(island.name for island in found)
        problems += [
            _wrong(device, f"{name} is the name of a zone and of a site", _RENAME)
            for name, count in known.items()
            if count > 1
        ]
        leading = [rule for rule in rules if rule.leading]
        rest = [rule for rule in rules if not rule.leading]
        groups = (AddressGroup(name=one.group, members=(), contained=True) for one in found)
        return (*leading, *denying, *rest), tuple(groups)


_RENAME: Final = "rename one of them, or declare only one as an island"


def _wrong(device: Device, message: str, hint: str) -> Problem:
    return problem(device.declared, message, hint, path="segctl_containment.islands")


def _of_zone(zone: Zone, what: str, hint: str) -> Problem:
    return problem(zone.declared, f"zone {zone.key} {what}", hint, path=f"segctl_zones.{zone.id}")


def _above(
    island: Island, objects: Objects, device: Device, problems: list[Problem]
) -> tuple[str, ...]:
    """Return the objects of what is above an island, and report what cannot be told."""
    problems += [
        _of_zone(
            zone,
            f"has no level, so whether it is above island {island.name} is not known",
            "give the zone a level",
        )
        for zone in island.unclear
    ]
    if not island.inside or not island.above:
        what = "above it" if island.inside else f"in it below level {_DMZ:g}"
        hint = "give the zones their levels, or take it out of segctl_containment.islands"
        problems.append(_wrong(device, f"island {island.name}: no zone is {what}", hint))
    named = {zone.key: objects.zone(zone) for zone in island.above}
    problems += [
        _of_zone(
            zone,
            f"owns no address, so that island {island.name} cannot be cut from it",
            "declare its networks",
        )
        for zone in island.above
        if not named[zone.key]
    ]
    return tuple(sorted(set(named.values()) - {""}))


def _denying(island: Island, setting: str, above: tuple[str, ...]) -> Iterable[DeclaredRule]:
    """Yield a rule for what leaves the island, and one for what enters it."""
    own = (island.group,)
    for name, side in naming.denying_rules(island.group).items():
        yield DeclaredRule(
            name=name,
            from_zones=(ANY,),
            to_zones=(ANY,),
            sources=own if side == "source" else above,
            destinations=above if side == "source" else own,
            services=(ANY,),
            action="drop",
            log_setting=setting,
            description=naming.ISLAND_DESCRIPTION,
            leading=True,
        )
