"""Compare a plan with one that was reviewed: would both do exactly the same?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from segctl.model.site import Position
from segctl.planning import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segctl.model.diff import Change
    from segctl.planning.places import PlaceDifference
    from segctl.planning.plan import DevicePlan, Plan

#: Facts of a device's plan that are compared in addition to its changes.
_SAME = {
    "platform": "platform",
    "serial": "serial number",
    "scope": "scope",
    "position": "place of our block",
    "purge": "number of others' rules deleted",
}
Where = Literal["reviewed", "plan", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference between two plans.

    `where` it stands: only in the plan that was reviewed, only in this plan, or otherwise in both.
    `change` is the change it is about, if it is about one. Where the reviewed plan has a change of
    the same rule or object, `places` are those in which that one differs.
    """

    device: str
    where: Where
    what: str
    change: Change | None = None
    places: tuple[PlaceDifference, ...] = ()


def differences(reviewed: Plan, plan: Plan) -> tuple[Difference, ...]:
    """Return the differences between a plan and the reviewed one; empty if both do the same.

    Commits, times, findings and unmanaged items do not count. The script that will be sent counts
    to the letter, because it is what was approved.
    """
    before = {device.name: device for device in reviewed.devices}
    after = {device.name: device for device in plan.devices}
    return tuple(
        difference
        for name in dict.fromkeys((*before, *after))
        for difference in _device(name, before.get(name), after.get(name))
    )


def changed_otherwise(reviewed: Plan, device: DevicePlan) -> tuple[Difference, ...]:
    """Return the differences between one device's plan and the reviewed one.

    A plan without changes has no differences: the device is left as it is.
    """
    if not device.changes:
        return ()
    before = {one.name: one for one in reviewed.devices}
    return tuple(_device(device.name, before.get(device.name), device))


def of_device(before: DevicePlan, after: DevicePlan) -> Iterator[Difference]:
    """Yield the differences between two plans of a device."""
    return _device(after.name, before, after)


def _device(name: str, before: DevicePlan | None, after: DevicePlan | None) -> Iterator[Difference]:
    if before is None:
        yield Difference(device=name, where="plan", what="the device is not in the reviewed plan")
    elif after is None:
        yield Difference(device=name, where="reviewed", what="the device is not in this plan")
    else:
        yield from _facts(before, after)
        found = tuple(_changes(before, after))
        yield from found
        if not found and before.script != after.script:
            yield Difference(
                device=name,
                where="both",
                what="the script that would be sent is another",
                places=places.of_scripts(before.script, after.script),
            )


def _facts(before: DevicePlan, after: DevicePlan) -> Iterator[Difference]:
    known = bool(before.serials) and {after.serial, *after.serials} <= set(before.serials)
    for field, word in _SAME.items():
        if field == "serial" and before.serials:
            continue
        was, now = getattr(before, field), getattr(after, field)
        if was != now:
            what = f"the {word} was {_word(was)} and is now {_word(now)}"
            yield Difference(device=before.name, where="both", what=what)
    if before.serials and not known:  # either member of a pair may be read
        was, now = (" and ".join(one) or "one device" for one in (before.serials, after.serials))
        what = f"the pair was {was} and is now {now}"
        yield Difference(device=before.name, where="both", what=what)


def _word(value: object) -> str:
    if isinstance(value, Position):
        return f"{value.where} {value.rule}".strip()
    return str(value) or "unknown"


def _changes(before: DevicePlan, after: DevicePlan) -> Iterator[Difference]:
    was, now = before.changes, after.changes
    gone, new = Counter(was) - Counter(now), Counter(now) - Counter(was)
    yield from _left(before.name, "reviewed", was, gone)
    counterparts = {(change.kind, change.name): change for change in gone}
    for difference in _left(before.name, "plan", now, new):
        change = difference.change
        counterpart = counterparts.get((change.kind, change.name)) if change else None
        if change is None or counterpart is None:
            yield difference
        else:
            yield replace(difference, places=places.of_changes(counterpart, change))
    if was != now and not gone and not new:
        yield Difference(
            device=before.name, where="both", what="the same changes come in another order"
        )


def _left(
    device: str, where: Where, changes: Iterable[Change], left: Counter[Change]
) -> Iterator[Difference]:
    for change in changes:
        if left[change]:
            left[change] -= 1
            yield Difference(
                device=device,
                where=where,
                what=f"{change.op} {change.kind} {change.name}",
                change=change,
            )
