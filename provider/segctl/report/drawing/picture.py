"""What a drawing shows: boxes, firewalls and arrows, made from what an inventory declares.

A picture has no coordinates. Large plants are folded: one box stands for several zones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Literal

from segctl.compiler.topology import topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from segctl.model.site import Asset, Conduit, Flow, SecurityLevel, Site, Zone

Fold = Literal["none", "kind", "level", "site"]
FOLDS: tuple[Fold, ...] = ("none", "kind", "level", "site")
#: What a flow may do at most, from the least to the most.
Strength = Literal["none", "read", "write", "control", "program", "any"]
STRENGTHS: tuple[Strength, ...] = ("none", "read", "write", "control", "program", "any")
#: How far each access class of the catalogue goes.
_STRENGTH_OF: Mapping[str, Strength] = {
    "session": "read",
    "diagnostic": "read",
    "read": "read",
    "write": "write",
    "file": "write",
    "control": "control",
    "program": "program",
}
Look = Literal["zone", "safety", "remote-access", "external", "transit", "group"]
_LOOKS: Mapping[str, Look] = {
    "safety": "safety",
    "remote-access": "remote-access",
    "external": "external",
    "transit": "transit",
}
#: Purdue levels from the top, one row each; the last row is for zones without any.
LEVELS: tuple[float | None, ...] = (5, 4, 3.5, 3, 2, 1, 0, None)
#: The row of a zone that declares no level, by its kind.
_LEVEL_OF_KIND: Mapping[str, float] = {
    "external": 5,
    "business": 4,
    "dmz": 3.5,
    "remote-access": 3.5,
    "operations": 3,
    "management": 3,
    "supervisory": 2,
    "control": 1,
    "safety": 1,
    "wireless": 1,
}
#: What a flow permits that names nothing.
_ANYTHING = "any application"
#: More zones than this are folded, unless the caller says how.
READABLE = 60
#: More sites than this are folded to one box each.
READABLE_SITES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A zone, or several zones folded into one.

    `row` counts `LEVELS`. `chips` are names of assets, `more` how many others there are. `marks`
    are short words on what is special, each also shown as text.
    """

    key: str
    site: str
    title: str
    row: int
    look: Look
    notes: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """A firewall, with the boxes it is attached to in the order of its zone map."""

    key: str
    title: str
    site: str
    boxes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """What conduits permit from one box to another.

    `labels` are one for each protocol, application or service; `strength` is the most that any of
    them may do. `walls` are the firewalls that enforce it.
    """

    source: str
    target: str
    labels: tuple[str, ...]
    strength: Strength
    conduits: tuple[str, ...]
    walls: tuple[str, ...] = ()
    essential: bool = False
    monitored: bool = False
    marks: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Both ends."""
        return f"{self.source} → {self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is drawn. `facts` say what it was made from; `emphasis` holds keys to bring out."""

    title: str
    sites: tuple[str, ...]
    boxes: tuple[Box, ...]
    walls: tuple[Wall, ...]
    arrows: tuple[Arrow, ...]
    fold: Fold = "none"
    facts: tuple[tuple[str, str], ...] = ()
    emphasis: frozenset[str] = frozenset()
    legend: tuple[str, ...] = field(default=())


def picture_of(site: Site, today: date, *, fold: Fold | None = None) -> Picture:
    """Return the picture of everything that an inventory declares.

    Args:
        site: the system under consideration.
        today: the day on which conduits may have expired.
        fold: what becomes one box; None chooses what stays readable.
    """
    chosen = fold or _readable(site)
    owner = {zone.key: _box_key(zone, chosen) for zone in site.zones}
    return Picture(
        title=", ".join(dict.fromkeys(zone.site for zone in site.zones)),
        sites=tuple(dict.fromkeys(_band(zone, chosen) for zone in site.zones)),
        boxes=tuple(_boxes(site.zones, chosen)),
        walls=tuple(_walls(site, owner, chosen)),
        arrows=tuple(_arrows(site, owner, today)),
        fold=chosen,
    )


def _readable(site: Site) -> Fold:
    if len(site.zones) <= READABLE:
        return "none"
    return "site" if len({zone.site for zone in site.zones}) > READABLE_SITES else "kind"


def level_of(zone: Zone) -> float | None:
    """Return the Purdue level in whose row a zone stands: declared, or usual for its kind."""
    return zone.level if zone.level is not None else _LEVEL_OF_KIND.get(zone.kind)


def row_of(level: float | None) -> int:
    """Return the row of a level; of levels in between that of the next lower one."""
    if level is None:
        return len(LEVELS) - 1
    return next(row for row, at in enumerate(LEVELS) if at is not None and at <= level)


def strength_of(flow: Flow) -> Strength:
    """Return the most that a flow may do; what is permitted by port or name may do anything."""
    if flow.services or flow.applications or not flow.protocols:
        return "any"
    names = [name for use in flow.protocols for name in use.classes]
    return strongest(_STRENGTH_OF.get(name, "any") for name in names) if names else "any"


def strongest(strengths: Iterable[Strength]) -> Strength:
    """Return the one that may do the most; without any, none."""
    return STRENGTHS[max(map(STRENGTHS.index, strengths), default=0)]


def labels_of(flow: Flow) -> tuple[str, ...]:
    """Return what a flow permits, a text for each protocol, application and service."""
    found = [f"{use.protocol}: {', '.join(use.classes)}" for use in flow.protocols]
    found += flow.applications
    found += map(str, flow.services)
    return tuple(found) or (_ANYTHING,)


def together(flows: Sequence[Flow]) -> tuple[str, ...]:
    """Return what several flows permit, each protocol once with all its classes."""
    uses: dict[str, dict[str, None]] = {}
    for flow in flows:
        for use in flow.protocols:
            uses.setdefault(use.protocol, {}).update(dict.fromkeys(use.classes))
    named = [f"{name}: {', '.join(classes)}" for name, classes in uses.items()]
    rest = (
        replace(flow, protocols=())
        for flow in flows
        if not flow.protocols or flow.services or flow.applications
    )
    return tuple(dict.fromkeys((*named, *(label for flow in rest for label in labels_of(flow)))))


def level_text(level: float | None) -> str:
    """Return a level as people write it: ``level 3.5``."""
    return "no level" if level is None else f"level {level:g}"


def target_text(level: SecurityLevel | None) -> str:
    """Return an SL-T as people write it: ``SL-T 3``, or its least and greatest component."""
    if level is None:
        return ""
    values = (level.iac, level.uc, level.si, level.dc, level.rdf, level.tre, level.ra)
    low, high = min(values), max(values)
    return f"SL-T {low}" if low == high else f"SL-T {low}…{high}"


def _box_key(zone: Zone, fold: Fold) -> str:
    if fold == "none":
        return zone.key
    if fold == "site":
        return zone.site
    if fold == "level":
        return f"{zone.site}/{level_text(level_of(zone))}"
    return f"{level_text(level_of(zone))}/{zone.kind or 'no kind'}"


def _band(zone: Zone, fold: Fold) -> str:
    """Return the band of the drawing: sites, or one for all of them."""
    return zone.site if fold in {"none", "level"} else ""


def _boxes(zones: Sequence[Zone], fold: Fold) -> Iterator[Box]:
    if fold == "none":
        yield from map(_box, zones)
        return
    folded: dict[str, list[Zone]] = {}
    for zone in zones:
        folded.setdefault(_box_key(zone, fold), []).append(zone)
    for key, members in folded.items():
        yield _folded(key, members, fold)


def _box(zone: Zone) -> Box:
    level = zone.level if zone.level is not None else None
    notes = (level_text(level), zone.kind, target_text(zone.security_level))
    return Box(
        key=zone.key,
        site=zone.site,
        title=zone.id,
        row=row_of(level_of(zone)),
        look=_LOOKS.get(zone.kind, "zone"),
        notes=tuple(filter(None, notes)),
        chips=tuple(map(_chip, zone.assets)),
        zones=(zone.key,),
    )


def _chip(asset: Asset) -> str:
    return f"{asset.name} ({asset.role})" if asset.role else asset.name


def _folded(key: str, zones: Sequence[Zone], fold: Fold) -> Box:
    first = zones[0]
    assets = sum(len(zone.assets) for zone in zones)
    kinds = Counter(zone.kind or "no kind" for zone in zones)
    if fold == "site":
        title, chips = key, [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    elif fold == "level":
        title, chips = key.rpartition("/")[2], [zone.id for zone in zones]
    else:
        sites = Counter(zone.site for zone in zones)
        title, chips = (
            key.rpartition("/")[2],
            [f"{count} at {site}" for site, count in sites.items()],
        )
    row = 3 if fold == "site" else row_of(level_of(first))
    return Box(
        key=key,
        site=_band(first, fold),
        title=title,
        row=row,
        look=_LOOKS.get(first.kind, "group") if fold == "kind" else "group",
        notes=(_count(len(zones), "zone"), _count(assets, "asset")),
        chips=tuple(chips),
        zones=tuple(zone.key for zone in zones),
    )


def _count(number: int, of: str) -> str:
    return f"{number} {of}{'' if number == 1 else 's'}"


def _walls(site: Site, owner: Mapping[str, str], fold: Fold) -> Iterator[Wall]:
    """Yield the firewalls; folded sites show how many of them instead."""
    if fold in {"site", "kind"}:
        return
    where = {zone.key: zone.site for zone in site.zones}
    for device in site.devices:
        boxes = tuple(dict.fromkeys(owner[one.zone] for one in device.zones if one.zone in owner))
        if boxes:
            yield Wall(
                key=device.name,
                title=device.name,
                site=where[device.zones[0].zone],
                boxes=boxes,
                notes=(device.platform,),
            )


def _arrows(site: Site, owner: Mapping[str, str], today: date) -> Iterator[Arrow]:
    paths = topology(site.devices)
    found: dict[tuple[str, str], list[tuple[Conduit, Flow, frozenset[str]]]] = {}
    for conduit in site.conduits:
        if conduit.mode == "absent" or conduit.expired(today):
            continue
        for source, target in product(conduit.from_zones, conduit.to_zones):
            if source == target or source not in owner or target not in owner:
                continue
            ends = owner[source], owner[target]
            walls = frozenset(conduit.via or (hop.device for hop in paths.hops(source, target)))
            for flow in conduit.flows:
                if ends[0] != ends[1] and _joins(flow, source, target):
                    found.setdefault(ends, []).append((conduit, flow, walls))
    for (source, target), flows in found.items():
        yield _arrow(source, target, flows)


def _joins(flow: Flow, source: str, target: str) -> bool:
    """Return whether a flow goes from one of these zones to the other."""
    return (not flow.sources or any(end.zone == source for end in flow.sources)) and (
        not flow.destinations or any(end.zone == target for end in flow.destinations)
    )


def _arrow(
    source: str, target: str, flows: Sequence[tuple[Conduit, Flow, frozenset[str]]]
) -> Arrow:
    expires = sorted(
        f"until {conduit.expires.isoformat()}" for conduit, _, _ in flows if conduit.expires
    )
    return Arrow(
        source=source,
        target=target,
        labels=together([flow for _, flow, _ in flows]),
        strength=strongest(strength_of(flow) for _, flow, _ in flows),
        conduits=tuple(dict.fromkeys(conduit.key for conduit, _, _ in flows)),
        walls=tuple(sorted({name for _, _, walls in flows for name in walls})),
        essential=any(flow.essential for _, flow, _ in flows),
        monitored=all(conduit.mode == "monitor" for conduit, _, _ in flows),
        marks=tuple(dict.fromkeys(expires)),
    )


def highlighted(picture: Picture, wanted: Callable[[Arrow], bool]) -> frozenset[str]:
    """Return the keys of the arrows that are wanted, with their boxes and firewalls."""
    found: set[str] = set()
    for arrow in filter(wanted, picture.arrows):
        found |= {arrow.key, arrow.source, arrow.target, *arrow.walls}
    return frozenset(found)
