"""What a reader of a plan must know besides its changes: holes, cuts, doubts.

Pure functions from desired and live to problems. An ``error`` keeps a plan from being applied.
Findings of the kinds `HOLE`, `UNREAD`, `PENDING`, `NOT_KEPT` and `DISPLACED` and every error count
as drift: the device permits what no conduit declares, will not go on holding what it holds, holds
it in another place, or it cannot be told.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from segctl.model.addresses import covers
from segctl.model.diff import gap
from segctl.model.durations import format_duration
from segctl.model.errors import Problem
from segctl.model.policy import ANY, APPLICATION_DEFAULT, resolver
from segctl.planning.losses import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segctl.model.addresses import Interval
    from segctl.model.policy import FirewallZone, Policy, Rule
    from segctl.model.site import Position
    from segctl.providers.base import Live
    from segctl.providers.state import DeviceState, Lock, Unconfirmed

HOLE = "hole"
#: A change that nobody has confirmed.
PENDING = "pending"
#: What the device would load at boot is not what it enforces.
NOT_KEPT = "not_kept"
#: Rules of others stand between our block and the place where it belongs.
DISPLACED = "displaced"
#: A lock that is held.
LOCKED = "lock"
#: What a rule permits, field by field.
_DECIDING = (
    "from_zones",
    "to_zones",
    "sources",
    "negate_source",
    "destinations",
    "negate_destination",
    "users",
    "applications",
    "services",
    "schedule",
    "type",
)


def bindings(expected: Iterable[FirewallZone], live: Live, *, managed: bool) -> Iterator[Problem]:
    """Compare the zones of the inventory with the device's own and their interfaces."""
    held = {zone.name: zone for zone in live.zones}
    for zone in expected:
        found = held.get(zone.name)
        former = next((name for name in zone.renamed_from if name in held), "")
        if found is None and former:
            yield Problem(
                message=f"zone {zone.name} is called {former} on the device: segctl renames no "
                "zone there, since rules of others may name it",
                hint=f"keep its name: write {{zone: {former}}} in segctl_zone_map; or rename it "
                "on the device first",
                severity="error",
                about=("zone is called", zone.name, former),
            )
        elif found is None and not managed:
            yield Problem(
                message=f"zone {zone.name} does not exist on the device",
                hint="correct segctl_zone_map, or set segctl_manage_zones: true",
                severity="error",
                about=("zone is missing", zone.name),
            )
        elif found is not None and not managed and zone.interfaces not in ((), found.interfaces):
            yield Problem(
                message=f"zone {zone.name} is bound to "
                f"{', '.join(found.interfaces) or 'no interface'} on the device, "
                f"to {', '.join(zone.interfaces)} in the inventory",
                hint="rules would apply to other cables than meant: correct one of the two",
                severity="error",
                about=("zone is bound", zone.name, *found.interfaces, "not", *zone.interfaces),
            )


def interfaces(expected: Iterable[FirewallZone], live: Live) -> Iterator[Problem]:
    """Name interfaces that the device, if it says which it has, does not have now.

    Rules hold them as text: of one that comes later (a dialled line, a tunnel, a VLAN that is
    down) they meet the first packet, so its absence keeps no change from the device.
    """
    held = live.known.get("interface")
    if held is None:
        return
    zones = list(expected)
    free = sorted(held - {"lo"} - {port for zone in zones for port in zone.interfaces})
    if free and zones:
        yield Problem(
            message=f"interfaces in no zone: {', '.join(free)}: nothing passes between them and "
            "our zones",
            hint="name them in segctl_zone_map if conduits use them",
            severity="note",
        )
    yield from _ports(zones, live)
    for zone in zones:
        missing = sorted(set(zone.interfaces) - held)
        if missing:
            yield Problem(
                message=f"the device has no interface {', '.join(missing)} for zone {zone.name} "
                f"now; it has {', '.join(sorted(held))}",
                hint="its rules hold from when it comes up; if it is misspelled, correct "
                "segctl_zone_map",
                severity="warning",
            )


def _ports(zones: Iterable[FirewallZone], live: Live) -> Iterator[Problem]:
    """Name interfaces that packets never come from: ports of a bridge or a bond."""
    ours = {port for zone in zones for port in zone.interfaces}
    for name, _, master in sorted(one.partition(" ") for one in live.known.get("port", ())):
        if name in ours:
            yield Problem(
                message=f"interface {name} is a port of {master}: routed packets come from "
                f"{master}, and no rule of ours meets them",
                hint=f"name {master} in segctl_zone_map",
                severity="warning",
            )


def pending(live: Live) -> Iterator[Problem]:
    """Report uncommitted changes: they are not part of what the plan compares with."""
    owners = sorted({owner or "somebody" for owner, _ in live.pending})
    if owners:
        yield Problem(
            message=f"uncommitted changes by {', '.join(owners)} are on the device",
            hint="the plan compares with the running configuration; apply commits only its own",
            severity="warning",
        )


def state(found: DeviceState) -> Iterator[Problem]:
    """Report what will change by itself, at a time or at a reboot, and who holds locks."""
    for change in found.unconfirmed:
        yield Problem(
            message=f"it holds a change that nobody has confirmed ({_about(change)})",
            hint="wait for that run"
            if change.alive
            else "segctl apply judges it as a fresh change and keeps it, or takes it back",
            severity="warning",
            kind=PENDING,
            subject=change.push,
            about=(change.push,),
        )
    if found.kept != "same":
        where = f" ({found.kept_where})" if found.kept_where else ""
        told = {
            "differs": "a reboot loads another policy than the one it enforces",
            "missing": "a reboot loads no policy of ours",
            "unknown": "what a reboot loads could not be told",
        }[found.kept]
        yield Problem(
            message=f"{told}{where}" + (f": {found.why_not_kept}" if found.why_not_kept else ""),
            hint="segctl apply writes what it enforces" if found.kept != "unknown" else "",
            severity="warning",
            kind=NOT_KEPT,
            subject=found.kept_where or "boot",
            about=(found.kept, found.kept_where, found.cause),
        )
    for lock in found.locks:
        yield _lock(lock)


def _about(change: Unconfirmed) -> str:
    seconds = change.goes_back_in
    parts = [
        f"run of {change.run}" if change.run else "",
        "alive" if change.alive else "dead" if change.alive is False else "may be alive",
        f"goes back by itself in {format_duration(round(seconds))}" if seconds is not None else "",
    ]
    return ", ".join(filter(None, parts))


def _lock(lock: Lock) -> Problem:
    of = f" of {lock.scope}" if lock.scope else ""
    since = f" since {lock.since}" if lock.since else ""
    by_hand = f"; by hand: {lock.command}" if lock.command else ""
    if lock.dead:
        message = f"the {lock.kind} lock{of} is held by a dead run ({lock.owner}{since})"
        hint = f"the next segctl apply removes it{by_hand}"
    else:
        left = lock.lease_left
        lease = (
            f", at most {format_duration(round(left))} more"
            if lock.ours and left is not None
            else ""
        )
        message = f"the {lock.kind} lock{of} is held by {lock.owner}{since}{lease}"
        hint = f"apply waits for nobody: run it again when it is released{by_hand}"
    return Problem(message=message, hint=hint, severity="note", kind=LOCKED, subject=lock.scope)


def others_above(
    live: Live, above: Sequence[str], desired: Policy, zones: set[str]
) -> Iterator[Problem]:
    """Judge the rules of others that traffic meets before our block."""
    everything = live.effective()
    resolve = resolver(everything)
    resolve_desired = resolver(desired)
    permitting = _Permitting(desired.rules)
    rules = {rule.name: rule for rule in live.others.rules}
    for name in above:
        rule = rules[name]
        if rule.disabled or not _crosses(rule, zones):
            continue
        if rule.action == "allow":
            if not any(
                _covers(ours, rule, resolve_desired, resolve)
                for ours in permitting.between_all(rule)
            ):
                yield Problem(
                    message=f"rule {name!r} of others stands above our block and permits "
                    f"{_words(rule)}, which no conduit declares",
                    hint="declare it as a conduit, narrow it, or move it below our block",
                    kind=HOLE,
                    subject=name,
                    severity="warning",
                    about=(name, *_permits(rule)),
                )
        else:
            hit = [
                ours
                for ours in permitting.between_any(rule)
                if _denies(rule, ours, resolve, resolve_desired)
            ]
            if hit:
                yield Problem(
                    message=f"rule {name!r} of others stands above our block and denies "
                    f"traffic of {', '.join(sorted({ours.conduit for ours in hit}))}",
                    hint="set segctl_position so that our block comes before it",
                    severity="warning",
                )


class _Permitting:
    """Rules of ours that allow, by the zones they join."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._all = [rule for rule in rules if rule.action == "allow"]
        self._between: dict[tuple[str, str], list[Rule]] = {}
        for rule in self._all:
            for pair in product(rule.from_zones, rule.to_zones):
                self._between.setdefault(pair, []).append(rule)

    def between_all(self, theirs: Rule) -> Sequence[Rule]:
        """Return the rules that may join each zone with each that a rule of others joins."""
        pair = next(product(theirs.from_zones, theirs.to_zones), None)
        return self._all if pair is None else self._between.get(pair, ())

    def between_any(self, theirs: Rule) -> Sequence[Rule]:
        """Return the rules that may join any two zones that a rule of others joins."""
        many = len(theirs.from_zones) * len(theirs.to_zones) > len(self._all)
        if many or ANY in theirs.from_zones or ANY in theirs.to_zones:
            return self._all
        return [
            rule
            for pair in product(theirs.from_zones, theirs.to_zones)
            for rule in self._between.get(pair, ())
        ]


def others_below(live: Live, below: Sequence[str], zones: set[str]) -> Iterator[Problem]:
    """Name the rules of others that the end of our block keeps from matching."""
    rules = {rule.name: rule for rule in live.others.rules}
    shut = [
        name
        for name in below
        if not rules[name].disabled
        and rules[name].action == "allow"
        and _crosses(rules[name], zones)
    ]
    if shut:
        yield Problem(
            message="between our zones these rules of others below our block do not match any "
            f"more: {', '.join(shut[:10])}{' …' if len(shut) > 10 else ''}",
            hint="declare what they are needed for as conduits before applying",
            severity="warning",
        )


def displaced(order: Sequence[str], ours: set[str], position: Position) -> Iterator[Problem]:
    """Name the rules of others that stand between our block and where it belongs.

    Args:
        order: the names of all rules on the device, ours and others', first to last.
        ours: the names of those that are ours.
        position: where our block belongs, among rules that are there.
    """
    at = [index for index, name in enumerate(order) if name in ours]
    if not at or at[-1] - at[0] >= len(at):
        return  # there is no block, or it is not one: every move says more
    others = [name for name in order if name not in ours]
    stands, belongs = at[0], gap(others, position)
    between = others[min(stands, belongs) : max(stands, belongs)]
    if not between:
        return
    rest = len(between) - 1
    stand = f" and {rest} more of others stand" if rest else " of others stands"
    side = "below" if stands < belongs else "above"
    yield Problem(
        message=f"rule {between[0]}{stand} {side} our block, which belongs "
        f"{position.where} {position.rule}".rstrip(),
        hint="segctl apply moves our block; segctl_position says where it belongs",
        severity="warning",
        kind=DISPLACED,
        subject=between[0],
        about=(side, position.where, position.rule, *between),
    )


def _crosses(rule: Rule, zones: set[str]) -> bool:
    """Whether a rule says anything about traffic between two different zones of ours."""
    if rule.type == "intrazone":
        return False
    sources = zones if ANY in rule.from_zones else zones & set(rule.from_zones)
    targets = zones if ANY in rule.to_zones else zones & set(rule.to_zones)
    return len(sources | targets) > 1 and bool(sources) and bool(targets)


def _covers(
    ours: Rule,
    theirs: Rule,
    resolve_ours: Callable[[Iterable[str]], tuple[Interval, ...]],
    resolve_theirs: Callable[[Iterable[str]], tuple[Interval, ...]],
) -> bool:
    if ANY in theirs.from_zones or ANY in theirs.to_zones:
        return False
    if theirs.negate_source or theirs.negate_destination or theirs.type != "universal":
        return False
    sources, targets = resolve_theirs(theirs.sources), resolve_theirs(theirs.destinations)
    return (
        bool(sources and targets)
        and set(theirs.from_zones) <= set(ours.from_zones)
        and set(theirs.to_zones) <= set(ours.to_zones)
        and within(theirs.applications, ours.applications)
        and within(theirs.services, ours.services)
        and within(theirs.users, ours.users)
        and covers(resolve_ours(ours.sources), sources)
        and covers(resolve_ours(ours.destinations), targets)
    )


def _denies(
    theirs: Rule,
    ours: Rule,
    resolve_theirs: Callable[[Iterable[str]], tuple[Interval, ...]],
    resolve_ours: Callable[[Iterable[str]], tuple[Interval, ...]],
) -> bool:
    if ours.action != "allow" or theirs.type == "intrazone":
        return False
    if ANY not in theirs.from_zones and not set(ours.from_zones) & set(theirs.from_zones):
        return False
    if ANY not in theirs.to_zones and not set(ours.to_zones) & set(theirs.to_zones):
        return False
    if ANY not in theirs.applications and not set(theirs.applications) & set(ours.applications):
        return False
    same_service = {ANY, APPLICATION_DEFAULT} & set(theirs.services) or set(theirs.services) & set(
        ours.services
    )
    return bool(
        same_service
        and _meet(resolve_theirs(theirs.sources), resolve_ours(ours.sources))
        and _meet(resolve_theirs(theirs.destinations), resolve_ours(ours.destinations))
    )


def _meet(left: tuple[Interval, ...], right: tuple[Interval, ...]) -> bool:
    return any(v == w and a <= d and c <= b for v, a, b in left for w, c, d in right)


def _permits(rule: Rule) -> Iterator[str]:
    """Yield every field that decides what a rule of others permits, one text each."""
    for name in _DECIDING:
        held: str | bool | tuple[str, ...] = getattr(rule, name)
        yield f"{name}={','.join(held) if isinstance(held, tuple) else held}"


def _words(rule: Rule) -> str:
    def some(names: tuple[str, ...]) -> str:
        return ", ".join(names[:3]) + (" …" if len(names) > 3 else "")

    return (
        f"{some(rule.applications)} from {some(rule.from_zones)} ({some(rule.sources)}) "
        f"to {some(rule.to_zones)} ({some(rule.destinations)})"
    )
