"""What a plan touches, as a drawing: the conduits whose rules change, before and after in one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from segctl.compiler.naming import label
from segctl.model.policy import Rule
from segctl.model.site import group_name
from segctl.report.drawing.picture import Arrow, picture_of
from segctl.report.drawing.placing import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from segctl.model.diff import Change
    from segctl.model.site import Site
    from segctl.planning.plan import DevicePlan, Plan
    from segctl.report.drawing.picture import Picture
    from segctl.report.drawing.placing import Layout

#: More arrows than this say nothing any more.
MOST_ARROWS = 24
_LEGEND = "new: without a rule so far · changed: its rules change · removed: its rules go"


@dataclass(frozen=True, slots=True)
class _Touch:
    """How the rules of a conduit change on one firewall or more."""

    made: bool = False
    changed: bool = False
    gone: bool = False

    @property
    def mark(self) -> str:
        if self.changed or (self.made and self.gone):
            return "changed"
        return "new" if self.made else "removed"


def touched(site: Site, plan: Plan, today: date) -> Layout | None:
    """Return the drawing of what a plan touches; None where it touches nothing, or too much.

    Args:
        site: what is declared.
        plan: the plan.
        today: the day on which conduits may have expired.
    """
    touches = _touches(plan.devices)
    whole = picture_of(site, today, fold="none")
    labels = {conduit.key: label(conduit) for conduit in site.conduits}
    arrows = {arrow.key: arrow for arrow in _declared(whole, labels, touches)}
    for arrow in _removed(site, plan.devices, whole, touches):
        arrows.setdefault(arrow.key, arrow)
    if not 0 < len(arrows) <= MOST_ARROWS:
        return None
    ends = {end for arrow in arrows.values() for end in (arrow.source, arrow.target)}
    walls = {name for arrow in arrows.values() for name in arrow.walls}
    boxes = tuple(box for box in whole.boxes if box.key in ends)
    return place(
        replace(
            whole,
            title=", ".join(dict.fromkeys(box.site for box in boxes)),
            sites=tuple(dict.fromkeys(box.site for box in boxes)),
            boxes=boxes,
            walls=tuple(
                replace(wall, boxes=tuple(one for one in wall.boxes if one in ends))
                for wall in whole.walls
                if wall.key in walls
            ),
            arrows=tuple(arrows.values()),
            facts=(("inventory", plan.intent.digest),),
            legend=(_LEGEND,),
        )
    )


def _touches(devices: Iterable[DevicePlan]) -> dict[str, _Touch]:
    """Return how the rules of each conduit change, by what the conduit is called on devices."""
    found: dict[str, list[Change]] = defaultdict(list)
    for device in devices:
        for change in device.changes:
            if change.conduit:
                found[change.conduit].append(change)
    return {
        name: _Touch(
            made=any(one.before is None for one in changes),
            changed=any(one.before is not None and one.after is not None for one in changes),
            gone=any(one.after is None for one in changes),
        )
        for name, changes in found.items()
    }


def _declared(
    whole: Picture, labels: Mapping[str, str], touches: Mapping[str, _Touch]
) -> Iterable[Arrow]:
    """Yield the arrows of conduits that change, marked with how."""
    for arrow in whole.arrows:
        known = [touches[labels[key]] for key in arrow.conduits if labels[key] in touches]
        if known:
            marks = dict.fromkeys(one.mark for one in known)
            yield replace(arrow, marks=(*marks, *arrow.marks))


def _removed(
    site: Site, devices: Iterable[DevicePlan], whole: Picture, touches: Mapping[str, _Touch]
) -> Iterable[Arrow]:
    """Yield arrows of rules that go, between the zones that they name."""
    known, walls = {box.key for box in whole.boxes}, {wall.key for wall in whole.walls}
    for device in devices:
        zones = {
            binding.name: binding.zone
            for one in site.devices
            if device.name in {one.name, group_name(one)}
            for binding in one.zones
        }
        for change in device.changes:
            rule = change.before
            if change.after is not None or not isinstance(rule, Rule):
                continue
            if not change.conduit or touches[change.conduit].mark != "removed":
                continue
            for source, target in product(rule.from_zones, rule.to_zones):
                ends = zones.get(source, ""), zones.get(target, "")
                if ends[0] != ends[1] and known.issuperset(ends):
                    yield Arrow(
                        source=ends[0],
                        target=ends[1],
                        labels=(change.conduit,),
                        strength="any",
                        conduits=(),
                        walls=(device.name,) if device.name in walls else (),
                        marks=("removed",),
                    )
