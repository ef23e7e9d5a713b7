"""Findings: what a reader of a plan must know besides its changes (holes, cuts, doubts).

Pure functions from desired and live to problems. An ``error`` keeps a plan from being applied.
Findings of the kinds `HOLE`, `UNREAD`, `PENDING`, `NOT_KEPT`, `NOT_ENFORCED` and `DISPLACED` and
every error count as drift: the device permits what no conduit declares, will not go on holding what
it holds, holds it in another place, or it cannot be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segctl.model.diff import gap
from segctl.model.durations import format_duration
from segctl.model.errors import Problem
from segctl.model.policy import ANY
from segctl.providers.state import NOT_KEPT as _NOT_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segctl.model.policy import FirewallZone, Rule
    from segctl.model.site import Device, Position
    from segctl.providers.base import Live
    from segctl.providers.state import DeviceState, Lock, Unconfirmed

HOLE = "hole"
#: What is declared does not pass.
BLOCKED = "blocked"
#: Whether a rule does what is declared depends on what only the device knows.
CANNOT_TELL = "cannot_tell"
#: What `segctl plan` refuses to plan, where drift goes on.
REFUSED = "refused"
#: State of what is wrong with a device, or keeps it from being judged.
ERROR = "error"
#: An unconfirmed change.
PENDING = "pending"
#: The device would load another policy at boot, or hold one after a failover, than it enforces now.
NOT_KEPT = _NOT_KEPT
#: A firewall does not enforce what its group on the manager holds.
NOT_ENFORCED = "not_enforced"
#: Rules of others stand between our block and the place where it belongs.
DISPLACED = "displaced"
#: A lock that is held.
LOCKED = "lock"
#: What to do about a rule that a manager of the device pushed, where nothing can be moved above it.
PUSHED = "have it changed where it is managed, or declare what it permits as a conduit"


def bindings(expected: Iterable[FirewallZone], live: Live, *, managed: bool) -> Iterator[Problem]:
    """Compare the inventory's zones and their interfaces with the device's."""
    held = {zone.name: zone for zone in live.zones}
    for zone in expected:
        found = held.get(zone.name)
        former = next((name for name in zone.renamed_from if name in held), "")
        own = managed and zone.name not in live.pushed.zones
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
        elif found is not None and not own and zone.interfaces not in ((), found.interfaces):
            yield Problem(
                message=f"zone {zone.name} is bound to "
                f"{', '.join(found.interfaces) or 'no interface'} on the device, "
                f"to {', '.join(zone.interfaces)} in the inventory",
                hint="rules would apply to the wrong interfaces: correct one of the two",
                severity="error",
                about=("zone is bound", zone.name, *found.interfaces, "not", *zone.interfaces),
            )


def interfaces(expected: Iterable[FirewallZone], live: Live) -> Iterator[Problem]:
    """Warn about interfaces that the device does not have now, if it lists its interfaces.

    Rules name interfaces as text, so they apply from the first packet to one that appears later
    (a dialled line, a tunnel, a VLAN that is down). A missing one therefore forbids no change.
    """
    held = live.known.get("interface")
    if held is None:
        return
    zones = list(expected)
    free = sorted(held - {"lo"} - {port for zone in zones for port in zone.interfaces})
    if free and zones:
        yield Problem(
            message=f"no zone contains the interfaces {', '.join(free)}: nothing passes between "
            "them and our zones",
            hint="add them to segctl_zone_map if conduits use them",
            severity="note",
        )
    yield from _ports(zones, live)
    for zone in zones:
        missing = sorted(set(zone.interfaces) - held)
        if missing:
            yield Problem(
                message=f"the device does not have interface {', '.join(missing)} of zone "
                f"{zone.name} now; it has {', '.join(sorted(held))}",
                hint="the rules apply as soon as it comes up; if the name is misspelled, correct "
                "segctl_zone_map",
                severity="warning",
            )


def _ports(zones: Iterable[FirewallZone], live: Live) -> Iterator[Problem]:
    """Warn about interfaces that routed packets never come from: ports of a bridge or bond."""
    ours = {port for zone in zones for port in zone.interfaces}
    for name, _, master in sorted(one.partition(" ") for one in live.known.get("port", ())):
        if name in ours:
            yield Problem(
                message=f"interface {name} is a port of {master}: routed packets come from "
                f"{master}, so our rules never match them",
                hint=f"use {master} in segctl_zone_map",
                severity="warning",
            )


def pending(live: Live) -> Iterator[Problem]:
    """Report uncommitted changes: the plan does not take them into account."""
    owners = sorted({owner or "somebody" for owner, _ in live.pending})
    if owners:
        yield Problem(
            message=f"the device holds uncommitted changes by {', '.join(owners)}",
            hint="the plan compares with the running configuration; apply commits only its own "
            "changes",
            severity="warning",
        )


def state(found: DeviceState) -> Iterator[Problem]:
    """Report what will change by itself, after a time or at a reboot, and who holds locks."""
    for change in found.unconfirmed:
        yield Problem(
            message=f"the device holds a change that nobody has confirmed ({_about(change)})",
            hint="wait for that run"
            if change.alive
            else "segctl apply will judge it like a new change, and keep it or take it back",
            severity="warning",
            kind=PENDING,
            subject=change.push,
            about=(change.push,),
        )
    if found.kept != "same":
        where = f" ({found.kept_where})" if found.kept_where else ""
        text = {
            "differs": "a reboot loads another policy than the one it enforces",
            "missing": "a reboot loads no policy of ours",
            "unknown": "what a reboot loads could not be told",
        }[found.kept]
        yield Problem(
            message=f"{text}{where}" + (f": {found.why_not_kept}" if found.why_not_kept else ""),
            hint="segctl apply saves what the device enforces" if found.kept != "unknown" else "",
            severity="warning",
            kind=NOT_KEPT,
            subject=found.kept_where or "boot",
            about=(found.kept, found.kept_where, found.cause),
        )
    for member in found.behind:
        yield Problem(
            message=f"{member.name} does not enforce what its group holds: {member.why}",
            hint="segctl apply pushes to it",
            severity="warning",
            kind=NOT_ENFORCED,
            subject=member.name,
            about=(member.name, member.serial),
        )
    for lock in found.locks:
        yield _lock(lock)


def member_zones(
    members: Iterable[Device], held: Mapping[str, tuple[FirewallZone, ...] | None]
) -> Iterator[Problem]:
    """Refuse zones that no template gives to a firewall of a group: rules with them fail there.

    Interfaces are compared where the inventory names any. Where a firewall has no template, it
    has its zones itself, and nothing is said.
    """
    both = [(one, name) for one in members for name in (one.name, one.ha_peer) if name]
    for member, name in both:
        zones = held.get(name)
        if zones is None:
            continue
        known = {zone.name: zone for zone in zones}
        yield from _other_ports(member, name, known)
        missing = sorted({zone.name for zone in member.zones} - known.keys())
        if not missing:
            continue
        yield Problem(
            message=f"{name} has no zone {', '.join(missing)}: its templates give it "
            f"{', '.join(sorted(known)[:8]) or 'none'}",
            hint="add it to a template of its stack, or correct segctl_zone_map",
            severity="error",
            kind="no-zone",
            subject=name,
            about=(name, *missing),
        )


def _other_ports(member: Device, host: str, known: Mapping[str, FirewallZone]) -> Iterator[Problem]:
    """Yield the zones that templates bind to other interfaces than the inventory does."""
    wanted: dict[str, set[str]] = {}
    for zone in member.zones:
        wanted.setdefault(zone.name, set()).update(zone.interfaces)
    for name, ports in wanted.items():
        found = known.get(name)
        if found is None or not ports or ports == set(found.interfaces):
            continue
        unset = [port for port in found.interfaces if port.startswith("$")]
        yield Problem(
            message=f"zone {name} of {host} is bound to "
            f"{', '.join(found.interfaces) or 'no interface'} by its templates, "
            f"to {', '.join(sorted(ports))} in the inventory",
            hint=f"give {unset[0]} a value for this firewall"
            if unset
            else "rules would apply to the wrong interfaces: correct one of the two",
            severity="error",
            subject=host,
            about=(host, "zone is bound", name, *found.interfaces, "not", *sorted(ports)),
        )


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
        hint = f"apply does not wait: run it again once the lock is released{by_hand}"
    return Problem(message=message, hint=hint, severity="note", kind=LOCKED, subject=lock.scope)


def others_below(live: Live, below: Sequence[str], zones: set[str]) -> Iterator[Problem]:
    """Report the rules of others that the end of our block prevents from matching."""
    rules = {rule.name: rule for rule in live.others.rules}
    shut = [
        rule.name
        for rule in (*(rules[name] for name in below), *live.pushed.after)
        if not rule.disabled and rule.action == "allow" and _crosses(rule, zones)
    ]
    if shut:
        yield Problem(
            message="these rules of others below our block will no longer match between our "
            f"zones: {', '.join(shut[:10])}{' …' if len(shut) > 10 else ''}",
            hint="before you apply, declare conduits for the traffic that is still needed",
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
    """Whether a rule can match traffic between two different zones of ours."""
    if rule.type == "intrazone":
        return False
    sources = zones if ANY in rule.from_zones else zones & set(rule.from_zones)
    targets = zones if ANY in rule.to_zones else zones & set(rule.to_zones)
    return len(sources | targets) > 1 and bool(sources) and bool(targets)
